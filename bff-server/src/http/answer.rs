//! Answers: problem documents for fetches, pages for navigations, redirects.

use std::{sync::LazyLock, time::Duration};

use authtool_contract::{PROBLEM_MEDIA_TYPE, Problem, ProblemCode, header::CORRELATION_ID};
use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{correlation::CorrelationId, headers};
use crate::service::sessions::SessionError;

/// An error answer to a `fetch` or a gateway: an RFC 9457 problem document.
pub(crate) fn problem(code: ProblemCode, id: &CorrelationId) -> Response {
    problem_in_detail(code, None, id)
}

/// The same, with a sentence about this request.
pub(crate) fn problem_in_detail(code: ProblemCode, detail: Option<&str>, id: &CorrelationId) -> Response {
    let mut response = document(&Problem {
        detail: detail.map(str::to_owned),
        correlation_id: Some(id.as_str().to_owned()),
        ..Problem::new(code)
    });
    // Lets a caller replace the problem document by a page.
    response.extensions_mut().insert(code);
    response
}

fn document(problem: &Problem) -> Response {
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_MEDIA_TYPE));
    response
}

/// Adds `Retry-After`, in whole seconds and at least one: nobody comes too early.
pub(crate) fn retry_after(mut response: Response, wait: Option<Duration>) -> Response {
    let wait = wait.unwrap_or(Duration::from_secs(1));
    let seconds = (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

static JSON: LazyLock<HeaderMap> = LazyLock::new(|| {
    let mut headers = headers::protection();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CORRELATION_ID, HeaderValue::from_static(""));
    headers
});

/// JSON that is already text; [hardened](headers::hardened).
pub(crate) fn json(body: impl Into<Body>) -> Response {
    json_with(&JSON, body)
}

/// Headers to begin answers in [JSON](json_with) with, each with a copy, and with a place for one that is given later. A copy has
/// no room: all of them would move with the first header that has no place yet.
pub(crate) fn json_headers(given_later: &'static str) -> HeaderMap {
    let mut headers = JSON.clone();
    headers.insert(given_later, HeaderValue::from_static(""));
    headers
}

/// [JSON](json) with a copy of these headers.
pub(crate) fn json_with(headers: &HeaderMap, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().clone_from(headers);
    response
}

/// A redirect that always becomes a `GET` (RFC 9110 §15.4.4): never 307 or 308, which would repeat a
/// request that carried a code or credentials.
pub(crate) fn see_other(location: &str) -> Option<Response> {
    let mut location = HeaderValue::try_from(location).ok()?;
    location.set_sensitive(true);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, location);
    Some(response)
}

/// Adds a cookie.
pub(crate) fn with_cookie(response: &mut Response, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// 405 with the methods that would work (RFC 9110 §15.5.6).
pub(crate) fn method_not_allowed(allow: &'static str, id: &CorrelationId) -> Response {
    let mut response = problem(ProblemCode::MethodNotAllowed, id);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// Why a fetch or a gateway gets no session or token.
pub(crate) fn session_problem(error: &SessionError, id: &CorrelationId) -> Response {
    match error {
        SessionError::NoSession => problem(ProblemCode::NoSession, id),
        SessionError::Store(cause) => {
            tracing::error!(error = %cause, event = "store_unavailable", "the session store cannot be used");
            retry_after(problem(ProblemCode::StoreUnavailable, id), None)
        }
        SessionError::Provider(cause) if cause.refused => {
            let detail = "the login provider answers, and does not accept the request";
            let refused = problem_in_detail(ProblemCode::ProviderUnavailable, Some(detail), id);
            retry_after(refused, cause.retry_after)
        }
        SessionError::Provider(cause) => {
            retry_after(problem(ProblemCode::ProviderUnavailable, id), cause.retry_after)
        }
        SessionError::Internal(cause) => {
            tracing::error!(error = %cause, event = "internal", "an internal operation failed");
            problem(ProblemCode::Internal, id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_rounded_up() {
        for (millis, seconds) in
            [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (29_999, "30"), (30_000, "30")]
        {
            let response = retry_after(json("{}"), Some(Duration::from_millis(millis)));
            assert_eq!(response.headers()[header::RETRY_AFTER], seconds, "{millis} ms");
        }
    }

    #[test]
    fn sec_071_json_is_hardened_from_the_start() {
        assert!(headers::is_hardened(&json("{}")));
        assert!(headers::is_hardened(&headers::hardened(json("{}"))), "and no header comes twice");
        assert!(!headers::is_hardened(&Response::new(Body::empty())));
    }
}
