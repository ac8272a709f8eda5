//! What an authorization request with `prompt=none`, made by nobody in particular, tells about its registration.
//!
//! A server that knows the client and its `redirect_uri` sends the browser back there with an error such as
//! `login_required` (OpenID Connect Core 1.0 §3.1.2.6). One that does not must not send it anywhere (RFC 6749
//! §4.1.2.1), and shows a page.

use url::Url;

use crate::adapters::oidc::Page;

/// How much of a page is searched.
const SEARCHED_BYTES: usize = 64 * 1024;
const MAX_PRINTED_CHARS: usize = 200;

/// Errors that say: with a user, this would have been a login.
const WOULD_LOG_IN: &[&str] =
    &["login_required", "interaction_required", "consent_required", "account_selection_required"];

/// How those who do not send the browser back say that they do not know where to.
const ABOUT_REDIRECT: &[&str] = &[
    "redirect_uri",
    "redirect uri",
    "redirect url",
    "redirecturi",
    "reply url",
    "reply address",
    "callback url",
    "aadsts50011",
    "aadsts900971",
    "redirect_mismatch",
];

/// And how they say that they do not know who asks.
const ABOUT_CLIENT: &[&str] = &[
    "invalid_client",
    "unauthorized_client",
    "client not found",
    "unknown client",
    "client_id",
    "client id",
    "client is invalid",
    "aadsts700016",
    "aadsts90002",
];

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The client and the address are registered, and the request is good.
    Accepted,
    /// The client and the address are registered, but the request is not good.
    Refused {
        /// `error`, as far as it can be printed.
        code: String,
        /// `error_description`, in brackets.
        description: String,
    },
    /// The address is not registered.
    UnknownRedirectUri,
    /// The client is not registered.
    UnknownClient,
    /// The provider has other worries.
    Trouble,
    /// A login page, or a page that says something in its own words.
    Unclear,
}

pub(super) fn judge(page: &Page, redirect_uri: &Url) -> Answer {
    if page.status.is_redirection() {
        return match &page.location {
            Some(location) if leads_to(location, redirect_uri) => judge_response(location),
            // To its own error page, perhaps: the words are in the address.
            Some(location) if has_error(location) => by_words(location.as_str()),
            _ => Answer::Unclear,
        };
    }
    if page.status.is_server_error() || page.status.is_client_error() {
        return match by_words(&page.text) {
            Answer::Unclear => Answer::Trouble,
            known => known,
        };
    }
    if let Some(posted) = posted_to(&page.text, redirect_uri) {
        return judge_response(&posted);
    }
    // A login page talks about many things. Only what no login page says counts.
    let lower = lower(&page.text);
    if ["aadsts50011", "aadsts900971", "redirect_uri_mismatch"].iter().any(|it| lower.contains(it)) {
        Answer::UnknownRedirectUri
    } else if ["aadsts700016", "aadsts90002"].iter().any(|it| lower.contains(it)) {
        Answer::UnknownClient
    } else {
        Answer::Unclear
    }
}

/// Whether a page that is an error is about the address to return to.
pub(super) fn complains_about_redirect(page: &Page) -> bool {
    page.status.is_client_error() && by_words(&page.text) == Answer::UnknownRedirectUri
}

/// Whether two requests were treated differently.
pub(super) fn differ(one: &Page, other: &Page) -> bool {
    let place = |page: &Page| {
        page.location.as_ref().map(|it| (it.origin().ascii_serialization(), it.path().to_owned()))
    };
    one.status != other.status || place(one) != place(other)
}

/// What to do about an `error` of RFC 6749 §4.1.2.1 or one of its relatives.
pub(super) fn fix_of(code: &str, scope: &str) -> String {
    match code {
        "invalid_scope" => {
            format!("allow the client what client.scope asks for ({scope}), or ask for less")
        }
        "unauthorized_client" | "unsupported_response_type" => {
            "allow the client the authorization code flow (response type `code`) at the provider".to_owned()
        }
        "access_denied" => "see which policy of the provider refuses this client".to_owned(),
        "invalid_target" => "compare client.extra.resource with the APIs that the provider knows".to_owned(),
        "request_not_supported" | "request_uri_not_supported" | "invalid_request_object" => {
            "compare client.requestObjectSigningAlgorithm and client.pushedAuthorizationRequests with what the provider \
             supports, and the key with the one that is registered"
                .to_owned()
        }
        _ => "see what the description says, and compare client.extra and client.scope with the provider's \
              documentation"
            .to_owned(),
    }
}

/// Text of somebody else's, for a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(MAX_PRINTED_CHARS).collect()
}

fn judge_response(location: &Url) -> Answer {
    let parameter =
        |name: &str| location.query_pairs().find(|(it, _)| it == name).map(|(_, value)| printable(&value));
    match parameter("error") {
        None if parameter("code").is_some() => Answer::Accepted,
        None => Answer::Unclear,
        Some(code) if WOULD_LOG_IN.contains(&code.as_str()) => Answer::Accepted,
        Some(code) => {
            let description = parameter("error_description").map(|it| format!(" ({it})")).unwrap_or_default();
            Answer::Refused { code, description }
        }
    }
}

/// The answer in a page that posts it to `redirect_uri` (`form_post`), as if it were in the query.
fn posted_to(text: &str, redirect_uri: &Url) -> Option<Url> {
    let text: String = text.chars().take(SEARCHED_BYTES).collect();
    let mut answer = None::<Url>;
    for tag in text.split('<').skip(1) {
        let Some((tag, _)) = tag.split_once('>') else { continue };
        let lower = tag.to_ascii_lowercase();
        if lower.starts_with("form") {
            let action = attribute(tag, "action").and_then(|it| Url::parse(&it).ok());
            answer = answer.or(action.filter(|it| leads_to(it, redirect_uri)));
        } else if let (true, Some(answer)) = (lower.starts_with("input"), &mut answer)
            && let (Some(name), Some(value)) = (attribute(tag, "name"), attribute(tag, "value"))
        {
            answer.query_pairs_mut().append_pair(&name, &value);
        }
    }
    answer
}

/// The value of a quoted attribute.
fn attribute(tag: &str, name: &str) -> Option<String> {
    tag.match_indices(['"', '\'']).find_map(|(at, quote)| {
        let (before, rest) = (tag.get(..at)?, tag.get(at + 1..)?);
        let before = before.trim_end().strip_suffix('=')?.trim_end();
        let is_named = before.to_ascii_lowercase().strip_suffix(name)?.ends_with(char::is_whitespace);
        let (value, _) = rest.split_once(quote)?;
        is_named.then(|| unescaped(value))
    })
}

/// As far as templates escape URLs and codes.
fn unescaped(text: &str) -> String {
    [
        ("&#x2f;", "/"),
        ("&#x2F;", "/"),
        ("&#47;", "/"),
        ("&#x3a;", ":"),
        ("&#x3A;", ":"),
        ("&#58;", ":"),
        ("&#x3d;", "="),
        ("&#39;", "'"),
        ("&quot;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

fn by_words(text: &str) -> Answer {
    let text = lower(text);
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(ABOUT_REDIRECT) {
        Answer::UnknownRedirectUri
    } else if says(ABOUT_CLIENT) {
        Answer::UnknownClient
    } else {
        Answer::Unclear
    }
}

fn lower(text: &str) -> String {
    text.chars().take(SEARCHED_BYTES).collect::<String>().to_lowercase()
}

fn leads_to(location: &Url, redirect_uri: &Url) -> bool {
    location.origin() == redirect_uri.origin() && location.path() == redirect_uri.path()
}

fn has_error(location: &Url) -> bool {
    location.query_pairs().any(|(name, _)| name.contains("error"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn page(status: u16, location: Option<&str>, text: &str) -> Page {
        Page {
            status: StatusCode::from_u16(status).unwrap(),
            location: location.map(|it| it.parse().unwrap()),
            text: text.to_owned(),
        }
    }

    fn judged(status: u16, location: Option<&str>, text: &str) -> Answer {
        let ours = "https://app.example/bff/oauth/callback".parse().unwrap();
        judge(&page(status, location, text), &ours)
    }

    #[test]
    fn the_way_back_says_that_the_address_is_registered() {
        let back = |query: &str| format!("https://app.example/bff/oauth/callback?{query}");
        for good in ["error=login_required&state=x", "error=interaction_required", "code=c&state=x"] {
            assert_eq!(judged(302, Some(&back(good)), ""), Answer::Accepted, "{good}");
        }
        let refused = judged(303, Some(&back("error=invalid_scope&error_description=no%20such%0Ascope")), "");
        let expected =
            Answer::Refused { code: "invalid_scope".into(), description: " (no suchscope)".into() };
        assert_eq!(refused, expected);
        assert!(fix_of("invalid_scope", "openid x").contains("openid x"));
    }

    #[test]
    fn a_page_in_the_providers_words_is_understood_where_it_can_be() {
        for (status, text, expected) in [
            (400, r#"{"error":"invalid_redirect_uri"}"#, Answer::UnknownRedirectUri),
            (400, "<h1>Error 400: redirect_uri_mismatch</h1>", Answer::UnknownRedirectUri),
            (400, "Invalid parameter: redirect_uri", Answer::UnknownRedirectUri),
            (403, "Callback URL mismatch.", Answer::UnknownRedirectUri),
            (200, "AADSTS50011: The reply URL specified …", Answer::UnknownRedirectUri),
            (
                400,
                r#"{"error":"invalid_client","error_description":"client is invalid"}"#,
                Answer::UnknownClient,
            ),
            (400, "Client not found.", Answer::UnknownClient),
            (200, "AADSTS700016: Application with identifier …", Answer::UnknownClient),
            (200, "<form>Sign in. client_id redirect_uri</form>", Answer::Unclear),
            (500, "oops", Answer::Trouble),
            (404, "nothing here", Answer::Trouble),
        ] {
            assert_eq!(judged(status, None, text), expected, "{status} {text}");
        }
        let to_its_login = Some("https://op.example/login?client_id=x&redirect_uri=y");
        assert_eq!(judged(302, to_its_login, ""), Answer::Unclear);
        let to_its_error = Some("https://op.example/oops?error=redirect_uri_mismatch");
        assert_eq!(judged(302, to_its_error, ""), Answer::UnknownRedirectUri);
        assert_eq!(
            judged(302, Some("https://app.example.evil/bff/oauth/callback?code=x"), ""),
            Answer::Unclear
        );
    }

    #[test]
    fn an_answer_that_is_posted_counts_as_one_in_the_query() {
        for (page, expected) in [
            (
                r#"<html><body onload="document.forms[0].submit()"><form method="post"
                    action="https://app.example/bff/oauth/callback"><input type="hidden" name="error" value="login_required"/>
                    <input type="hidden" name="state" value="x"/></form>"#,
                Answer::Accepted,
            ),
            (
                "<FORM ACTION='https&#x3a;&#x2f;&#x2f;app.example&#x2f;bff/oauth/callback' method=post>\
                 <INPUT NAME='error' VALUE='invalid_scope'><input name='error_description' value='a &amp; b'></FORM>",
                Answer::Refused { code: "invalid_scope".into(), description: " (a & b)".into() },
            ),
            (
                r#"<form action="https://op.example/login"><input name="error" value="x"></form>"#,
                Answer::Unclear,
            ),
            (
                r#"<form data-action="https://app.example/bff/oauth/callback"><input name="code" value="c">"#,
                Answer::Unclear,
            ),
            ("<form action=\"https://app.example/bff/oauth/callback", Answer::Unclear),
        ] {
            assert_eq!(judged(200, None, page), expected, "{page}");
        }
    }

    #[test]
    fn a_control_that_is_treated_alike_proves_nothing() {
        let login = || page(302, Some("https://op.example/login?x=1"), "");
        assert!(!differ(&login(), &page(302, Some("https://op.example/login?x=2"), "")));
        assert!(differ(&login(), &page(302, Some("https://op.example/error"), "")));
        assert!(differ(&login(), &page(400, None, "")));
    }
}
