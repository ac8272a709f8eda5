//! How the authorization response travels through the browser (OAuth 2.0 Multiple Response Type Encoding Practices §2.1,
//! OAuth 2.0 Form Post Response Mode).

/// Where the parameters of an authorization response are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseMode {
    /// In the query of a redirect. The default of the code flow, so it is not asked for.
    #[default]
    Query,
    /// In a form that a page of the provider's posts.
    FormPost,
}

impl ResponseMode {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Query, Self::FormPost];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::FormPost => "form_post",
        }
    }

    /// The mode of a registered name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// Whether a login that asked for this mode may be answered by another. A code may not: a client that
    /// asks for `form_post` keeps codes out of URLs, and one that does not ask expects no form. An error may come in
    /// the query: some providers do not look at `response_mode` before they have accepted the request. It carries
    /// nothing that is worth stealing, and without the login's `state` and cookie it ends nothing.
    pub fn admits(self, came_by: Self, is_error: bool) -> bool {
        self == came_by || (is_error && came_by == Self::Query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_031_an_answer_comes_by_the_way_that_was_asked_for_and_an_error_may_come_in_the_query() {
        use ResponseMode::{FormPost, Query};
        for (asked, came_by, is_error, admitted) in [
            (Query, Query, false, true),
            (Query, Query, true, true),
            (Query, FormPost, false, false),
            (Query, FormPost, true, false),
            (FormPost, FormPost, false, true),
            (FormPost, FormPost, true, true),
            (FormPost, Query, false, false),
            (FormPost, Query, true, true),
        ] {
            assert_eq!(asked.admits(came_by, is_error), admitted, "{asked:?} {came_by:?} error: {is_error}");
        }
    }

    #[test]
    fn modes_that_show_a_code_to_scripts_or_in_fragments_do_not_exist_here() {
        for name in ["", "fragment", "web_message", "query.jwt", "FORM_POST"] {
            assert_eq!(ResponseMode::from_name(name), None, "{name}");
        }
        for mode in ResponseMode::ALL {
            assert_eq!(ResponseMode::from_name(mode.name()), Some(mode));
        }
    }
}
