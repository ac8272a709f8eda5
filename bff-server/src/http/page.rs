//! The page a person sees when a login goes wrong: what happened, what to do, and the id that finds the
//! request in the log. Its text is fixed; nothing that a provider or a request said appears on it.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use axum::{body::Body, response::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, StatusCode, header};
use url::Url;

use authtool_contract::ProblemCode;

use super::{answer, correlation::CorrelationId};

/// What went wrong, for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageCode {
    AccessDenied,
    ConsentRequired,
    CookieNotKept,
    ForbiddenContext,
    InteractionRequired,
    Internal,
    InvalidRequest,
    LoginExpired,
    LoginFailed,
    LoginLoop,
    LoginNotFresh,
    LoginNotStartedHere,
    LoginPageExpired,
    OtherUser,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnavailable,
    StoreUnavailable,
    TooWeak,
    UnknownClient,
}

struct Text {
    code: &'static str,
    status: StatusCode,
    title: &'static str,
    advice: &'static str,
}

impl PageCode {
    const ALL: [Self; 20] = [
        Self::AccessDenied,
        Self::ConsentRequired,
        Self::CookieNotKept,
        Self::ForbiddenContext,
        Self::InteractionRequired,
        Self::Internal,
        Self::InvalidRequest,
        Self::LoginExpired,
        Self::LoginFailed,
        Self::LoginLoop,
        Self::LoginNotFresh,
        Self::LoginNotStartedHere,
        Self::LoginPageExpired,
        Self::OtherUser,
        Self::ProviderMisconfigured,
        Self::ProviderRefused,
        Self::ProviderUnavailable,
        Self::StoreUnavailable,
        Self::TooWeak,
        Self::UnknownClient,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        self.text().code
    }

    #[allow(clippy::too_many_lines, reason = "it is a list")]
    fn text(self) -> Text {
        let text = |code, status, title, advice| Text { code, status, title, advice };
        match self {
            Self::AccessDenied => text(
                "access_denied",
                StatusCode::FORBIDDEN,
                "The login was cancelled",
                "You, or your organisation's rules, said no at the login provider. You can try again.",
            ),
            Self::ConsentRequired => text(
                "consent_required",
                StatusCode::FORBIDDEN,
                "The login provider needs your consent first",
                "Log in again, and say there what this app may see. If you are not asked, your organisation has to agree \
                 for you.",
            ),
            Self::CookieNotKept => text(
                "cookie_not_kept",
                StatusCode::BAD_REQUEST,
                "Your browser does not keep the login",
                "Logging in worked, but your browser did not send the login's cookie back. See whether it blocks cookies \
                 for this site. If it does not, pass on the reference below.",
            ),
            Self::ForbiddenContext => text(
                "forbidden_context",
                StatusCode::FORBIDDEN,
                "This address is not meant to be loaded this way",
                "It works only as a page of its own. Open the app and log in there.",
            ),
            Self::InteractionRequired => text(
                "interaction_required",
                StatusCode::FORBIDDEN,
                "The login provider needs you to do something first",
                "Log in again, and follow what the provider asks for.",
            ),
            Self::Internal => text(
                "internal",
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong on our side",
                "Please try again. If it keeps happening, pass on the reference below.",
            ),
            Self::InvalidRequest => text(
                "invalid_request",
                StatusCode::BAD_REQUEST,
                "This link is incomplete or damaged",
                "Open the app and log in from there.",
            ),
            Self::LoginExpired => text(
                "login_expired",
                StatusCode::BAD_REQUEST,
                "The login took too long",
                "For your safety a login has to be finished within ten minutes. Please start again.",
            ),
            Self::LoginFailed => text(
                "login_failed",
                StatusCode::BAD_REQUEST,
                "The login could not be completed",
                "The login provider's answer could not be accepted. Please try again. If it keeps happening, pass \
                 on the reference below.",
            ),
            Self::LoginLoop => text(
                "login_loop",
                StatusCode::FORBIDDEN,
                "You are logged in, but are asked to log in again and again",
                "This needs the attention of whoever runs this app: it does not recognise logins that have succeeded. \
                 Please pass on the reference below.",
            ),
            Self::LoginNotFresh => text(
                "login_not_fresh",
                StatusCode::FORBIDDEN,
                "The login provider did not ask you to log in again",
                "What you wanted to do needs a fresh login, and the provider relied on an earlier one. Log out, log in and try \
                 again. If it keeps happening, pass on the reference below.",
            ),
            Self::LoginNotStartedHere => text(
                "login_not_started_here",
                StatusCode::BAD_REQUEST,
                "This login was not started in this browser, or is over already",
                "Open the app and log in from there. If that brings you back here, your browser may be blocking \
                 cookies.",
            ),
            Self::LoginPageExpired => text(
                "login_page_expired",
                StatusCode::BAD_REQUEST,
                "The provider's login page was open for too long",
                "The login provider has forgotten what it was for; another tab may have logged in meanwhile. Close other login \
                 pages and start again.",
            ),
            Self::OtherUser => text(
                "other_user",
                StatusCode::FORBIDDEN,
                "This is another account than the one you are logged in with",
                "You were asked to confirm who you are, and did so as somebody else. You are still logged in as before. To \
                 change accounts, log out first.",
            ),
            Self::ProviderMisconfigured => text(
                "provider_misconfigured",
                StatusCode::SERVICE_UNAVAILABLE,
                "The login of this app is not set up correctly",
                "Trying again does not help. Whoever runs this app has been told in its log; if you know them, pass on the \
                 reference below.",
            ),
            Self::ProviderRefused => text(
                "provider_refused",
                StatusCode::BAD_GATEWAY,
                "The login provider did not accept our request",
                "This needs the attention of whoever runs this app. Please pass on the reference below.",
            ),
            Self::ProviderUnavailable => text(
                "provider_unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "The login provider cannot be used right now",
                "Please try again in a moment. If it keeps happening, pass on the reference below.",
            ),
            Self::StoreUnavailable => text(
                "store_unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "Logins cannot be completed right now",
                "Please try again in a moment.",
            ),
            Self::TooWeak => text(
                "insufficient_user_authentication",
                StatusCode::FORBIDDEN,
                "A stronger login is needed",
                "What you wanted to do needs a further proof of who you are, and the login provider did not ask for it or \
                 did not get it. Try again; you may have to set up a second factor there first.",
            ),
            Self::UnknownClient => text(
                "unknown_client",
                StatusCode::BAD_REQUEST,
                "This login link names an app that is not known here",
                "Open the app and log in from there.",
            ),
        }
    }
}

/// What a person sees when a login goes wrong: for the reference, and for apps that show pages of their own
/// (`session.errorRedirects`) and want a text for each code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    /// What `error` says in the query of an error page of the app's own.
    pub code: &'static str,
    /// The status of the built-in page.
    pub status: u16,
    /// What happened.
    pub title: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// Every page there is.
pub fn error_pages() -> impl Iterator<Item = ErrorPage> {
    PageCode::ALL.into_iter().map(|page| {
        let Text { code, status, title, advice } = page.text();
        ErrorPage { code, status: status.as_u16(), title, advice }
    })
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c1b22;--soft:#5d5b6b;--page:#f6f5f2;--card:#fff;--line:#e4e1da;--accent:#2f4bd8}\
@media (prefers-color-scheme:dark){:root{--ink:#eeedf2;--soft:#a5a3b3;--page:#15141a;--card:#1e1d25;--line:#33313d;--accent:#97a8ff}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--page);color:var(--ink);\
font:1rem/1.6 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
main{width:100%;max-width:30rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:1rem}\
h1{margin:0 0 .75rem;font-size:1.35rem;line-height:1.3;letter-spacing:-.01em;text-wrap:balance}\
p{margin:0 0 1.25rem;color:var(--soft)}\
a{display:inline-block;padding:.6rem 1.1rem;border-radius:.6rem;background:var(--accent);color:var(--card);font-weight:600;\
text-decoration:none}\
a.quiet{display:inline;padding:0;background:none;color:inherit;font-weight:inherit;text-decoration:underline}\
a:focus-visible{outline:3px solid var(--accent);outline-offset:3px}\
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:1.75rem 0 0;padding-top:1.25rem;\
border-top:1px solid var(--line);font-size:.85rem;color:var(--soft)}\
dt{margin:0}dd{margin:0;overflow-wrap:anywhere;font-family:ui-monospace,SFMono-Regular,Menlo,monospace}";

/// Without an icon of its own a page makes browsers look for `/favicon.ico`, and some complain that the policy forbids it.
const ICON: &str = "<link rel=\"icon\" href=\"data:,\">";

/// The page's style is allowed by its hash, so that no inline style or script of any other kind is.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy(STYLE));

fn policy(style: &str) -> HeaderValue {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, style.as_bytes()));
    HeaderValue::try_from(format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ))
    .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}

/// The configured error page with a code, or the built-in one.
pub(crate) fn error(code: PageCode, error_redirect: Option<&Url>, app: &Url, id: &CorrelationId) -> Response {
    if let Some(page) = error_redirect {
        let mut location = page.clone();
        location
            .query_pairs_mut()
            .append_pair("error", code.as_str())
            .append_pair("correlation_id", id.as_str());
        if let Some(response) = answer::see_other(location.as_str()) {
            return response;
        }
    }
    built_in(code, app, id)
}

/// The built-in page.
pub(crate) fn built_in(code: PageCode, app: &Url, id: &CorrelationId) -> Response {
    let text = code.text();
    let response = message(&text, app, id);
    if text.status == StatusCode::SERVICE_UNAVAILABLE {
        return answer::retry_after(response, None);
    }
    response
}

fn message(Text { code, status, title, advice }: &Text, app: &Url, id: &CorrelationId) -> Response {
    let (app, id) = (escape(app.as_str()), escape(id.as_str()));
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title>{ICON}<style>{STYLE}</style></head>\
         <body><main><h1>{title}</h1><p>{advice}</p><a href=\"{app}\">Back to the app</a>\
         <dl><dt>Code</dt><dd>{code}</dd><dt>Reference</dt><dd>{id}</dd></dl></main></body></html>"
    );
    document(html, *status)
}

/// In place of a problem document that a person would see.
pub(crate) fn for_problem(code: ProblemCode, app: &Url, id: &CorrelationId) -> Response {
    let (title, advice) = match code {
        ProblemCode::UpstreamUnavailable
        | ProblemCode::StoreUnavailable
        | ProblemCode::ProviderUnavailable => (
            "This page cannot be shown right now",
            "You need not log in again. Please try again in a moment.",
        ),
        ProblemCode::ForbiddenContext => {
            let text = PageCode::ForbiddenContext.text();
            (text.title, text.advice)
        }
        _ => {
            let text = PageCode::Internal.text();
            (text.title, text.advice)
        }
    };
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    message(&Text { code: code.as_str(), status, title, advice }, app, id)
}

/// A page for which somebody must be logged in. `again` is the page itself, where its cookie may only have been left out.
pub(crate) fn login_needed(login: &str, again: Option<&str>, id: &CorrelationId) -> Response {
    let code = ProblemCode::NoSession.as_str();
    let (login, id) = (escape(login), escape(id.as_str()));
    let again = again.map(escape).map(|again| {
        format!("<p>If you are logged in already, <a class=\"quiet\" href=\"{again}\">open the page again</a>.</p>")
    });
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Please log in</title>{ICON}<style>{STYLE}</style></head>\
         <body><main><h1>Please log in</h1><p>This page is for people who are logged in.</p>{again}\
         <a href=\"{login}\">Log in</a>\
         <dl><dt>Code</dt><dd>{code}</dd><dt>Reference</dt><dd>{id}</dd></dl></main></body></html>",
        again = again.unwrap_or_default(),
    );
    document(html, StatusCode::UNAUTHORIZED)
}

/// Leads to `to` when somebody wants it.
pub(crate) fn onward_by_click(to: &Url) -> Response {
    let (path, to) = (escape(to.path()), escape(to.as_str()));
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>You are logged in</title>{ICON}<style>{STYLE}</style></head>\
         <body><main><h1>You are logged in</h1><p>A link of another site led you here. It goes to {path}.</p>\
         <a href=\"{to}\">Continue</a></main></body></html>"
    );
    document(html, StatusCode::OK)
}

/// Leads to `to` at once, and without a script: the navigation begins in this document.
pub(crate) fn onward(to: &Url) -> Response {
    let to = escape(to.as_str());
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"refresh\" content=\"0; url={to}\">\
         <title>You are logged in</title>{ICON}<style>{STYLE}</style></head>\
         <body><main><h1>You are logged in</h1><p>The app opens now.</p>\
         <a href=\"{to}\">Continue</a></main></body></html>"
    );
    document(html, StatusCode::OK)
}

fn document(html: String, status: StatusCode) -> Response {
    with_policy(html, status, POLICY.clone())
}

/// A page that has a style of its own, and nothing else that is allowed.
pub(crate) fn document_with(html: String, status: StatusCode, style: &str) -> Response {
    with_policy(html, status, policy(style))
}

fn with_policy(html: String, status: StatusCode, policy: HeaderValue) -> Response {
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
