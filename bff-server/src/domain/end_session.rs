//! The redirect to a provider's end-session endpoint (OpenID Connect RP-Initiated Logout 1.0 §2), and to those
//! that have parameters of their own.

use url::Url;

use super::credential::IdToken;

/// An `id_token_hint` longer than this stays at home: URLs have limits, and `client_id` says enough.
const MAX_HINT_BYTES: usize = 4096;

/// Whether an ID token is short enough for a logout to carry it.
pub fn can_be_a_hint(token: &IdToken) -> bool {
    token.expose().len() <= MAX_HINT_BYTES
}

/// What a parameter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndSessionValue {
    /// `{client_id}`.
    ClientId,
    /// `{id_token_hint}`.
    IdTokenHint,
    /// `{post_logout_redirect_uri}`.
    PostLogoutRedirectUri,
    /// `{state}`.
    State,
    /// Always the same.
    Literal(String),
}

impl EndSessionValue {
    /// Reads a configured value: one of the placeholders, or text without any.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "{client_id}" => Self::ClientId,
            "{id_token_hint}" => Self::IdTokenHint,
            "{post_logout_redirect_uri}" => Self::PostLogoutRedirectUri,
            "{state}" => Self::State,
            other if other.contains(['{', '}']) => return None,
            literal => Self::Literal(literal.to_owned()),
        })
    }
}

/// The parameters, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndSessionParameters(pub Vec<(String, EndSessionValue)>);

impl Default for EndSessionParameters {
    fn default() -> Self {
        let parameters = [
            ("client_id", EndSessionValue::ClientId),
            ("id_token_hint", EndSessionValue::IdTokenHint),
            ("post_logout_redirect_uri", EndSessionValue::PostLogoutRedirectUri),
            ("state", EndSessionValue::State),
        ];
        Self(parameters.map(|(name, value)| (name.to_owned(), value)).into())
    }
}

/// What is known at a logout.
#[derive(Clone, Copy, Debug)]
pub struct EndSession<'a> {
    /// The client of the session.
    pub client_id: &'a str,
    /// Its latest ID token.
    pub id_token: Option<&'a str>,
    /// Where the provider may send the browser afterwards.
    pub post_logout_redirect_uri: Option<&'a Url>,
    /// What it must bring back.
    pub state: Option<&'a str>,
}

impl EndSessionParameters {
    /// Whether the provider brings a `state` back.
    pub fn carry_state(&self) -> bool {
        self.0.iter().any(|(_, value)| *value == EndSessionValue::State)
    }

    /// The whole request. What is not known is not in it.
    pub fn url(&self, endpoint: &Url, known: &EndSession<'_>) -> Url {
        let mut url = endpoint.clone();
        for (name, value) in &self.0 {
            let value = match value {
                EndSessionValue::ClientId => Some(known.client_id),
                EndSessionValue::IdTokenHint => known.id_token.filter(|hint| hint.len() <= MAX_HINT_BYTES),
                EndSessionValue::PostLogoutRedirectUri => known.post_logout_redirect_uri.map(Url::as_str),
                EndSessionValue::State => known.state,
                EndSessionValue::Literal(text) => Some(text.as_str()),
            };
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(parameters: &EndSessionParameters, hint: &str) -> String {
        let (endpoint, back) =
            ("https://op.example/logout?a=b".parse().unwrap(), "https://app.example/".parse().unwrap());
        let known = EndSession {
            client_id: "app",
            id_token: Some(hint),
            post_logout_redirect_uri: Some(&back),
            state: None,
        };
        parameters.url(&endpoint, &known).into()
    }

    #[test]
    fn sec_111_the_standard_parameters_are_sent_as_far_as_they_are_known() {
        let standard = EndSessionParameters::default();
        assert!(standard.carry_state());
        assert_eq!(
            request(&standard, "h.i.j"),
            "https://op.example/logout?a=b&client_id=app&id_token_hint=h.i.j\
             &post_logout_redirect_uri=https%3A%2F%2Fapp.example%2F"
        );
        assert!(!request(&standard, &"x".repeat(MAX_HINT_BYTES + 1)).contains("id_token_hint"));
    }

    #[test]
    fn a_provider_may_have_parameters_of_its_own() {
        let own = [("client_id", "{client_id}"), ("logout_uri", "{post_logout_redirect_uri}"), ("v", "2&x")];
        let own = own.map(|(name, value)| (name.to_owned(), EndSessionValue::parse(value).unwrap()));
        let own = EndSessionParameters(own.into());
        assert!(!own.carry_state());
        assert_eq!(
            request(&own, "h.i.j"),
            "https://op.example/logout?a=b&client_id=app&logout_uri=https%3A%2F%2Fapp.example%2F&v=2%26x"
        );
        assert_eq!(EndSessionValue::parse("{refresh_token}"), None);
        assert_eq!(EndSessionValue::parse("x{state}"), None);
    }
}
