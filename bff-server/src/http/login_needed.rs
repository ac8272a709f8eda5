//! A person opened a page for which somebody must be logged in: an answer that a person can read, with a way to log in.
//!
//! Fetches get problem documents. The status is the same.

use authtool_contract::{ProblemCode, endpoint, endpoint::param};
use axum::response::Response;
use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{App, base_path, correlation::CorrelationId, guard::Provenance, page, page_request};

/// RFC 3986's unreserved characters stay.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A page in place of `refusal`, where the request is a navigation; `path` is what it asks for, with its query, with or without
/// the base path.
pub(super) fn or_page(
    app: &App,
    (method, headers, path): (&Method, &HeaderMap, Option<&str>),
    refusal: Response,
    id: &CorrelationId,
) -> Response {
    if !page_request::is_navigation(method, headers) {
        return refusal;
    }
    let replacement = match refusal.extensions().get::<ProblemCode>() {
        Some(ProblemCode::NoSession) => {
            let path = path.map(|path| app.public_path(path));
            let login = login_link(app, path.as_deref());
            // The Strict cookie does not come along from other sites: who is logged in need only open the page from here.
            let again = path.filter(|_| Provenance::of(headers, &app.app_origin).is_from_another_site());
            page::login_needed(&login, again.as_deref(), id)
        }
        Some(
            code @ (ProblemCode::ForbiddenContext
            | ProblemCode::UpstreamUnavailable
            | ProblemCode::StoreUnavailable
            | ProblemCode::ProviderUnavailable
            | ProblemCode::Internal),
        ) => page::for_problem(*code, app.return_urls.default_page(), id),
        _ => return refusal,
    };
    take_over(refusal, replacement)
}

/// Cookies that are deleted, and when to come back, hold for the page too.
fn take_over(refusal: Response, mut page: Response) -> Response {
    use http::header::{RETRY_AFTER, SET_COOKIE};
    for name in [RETRY_AFTER, SET_COOKIE] {
        for value in refusal.headers().get_all(&name) {
            page.headers_mut().append(&name, value.clone());
        }
    }
    page
}

fn login_link(app: &App, path: Option<&str>) -> String {
    let login = format!("{}{}{}", app.base_path, app.api_prefix, endpoint::LOGIN);
    match path {
        Some(path) => {
            format!("{login}?{}={}", param::REDIRECT_URI, utf8_percent_encode(path, COMPONENT))
        }
        None => login,
    }
}

impl App {
    /// A path of a request, as browsers have it.
    pub(super) fn public_path(&self, path: &str) -> String {
        let path = base_path::below(&self.base_path, path).unwrap_or_else(|| path.to_owned());
        format!("{}/{}", self.base_path, path.trim_start_matches('/'))
    }
}
