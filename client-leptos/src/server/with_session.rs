//! The middleware.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderValue, Method, header};

use super::{NoAccess, Sessions};
use crate::initial::Initial;

/// Finds the session of a request, for the components that are rendered for it and for the server functions. Use it
/// with `axum::middleware::from_fn_with_state`.
///
/// A page that was rendered for somebody is for nobody else, and not for later: it leaves with
/// `Cache-Control: no-store`, unless the app has set something.
pub async fn with_session(State(sessions): State<Sessions>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let renders = matches!(parts.method, Method::GET | Method::HEAD);
    if renders {
        let initial = look(&sessions, &parts).await;
        parts.extensions.insert(initial);
    }
    parts.extensions.insert(sessions);
    let mut response = next.run(Request::from_parts(parts, body)).await;
    let headers = response.headers_mut();
    if renders && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

async fn look(sessions: &Sessions, request: &http::request::Parts) -> Initial {
    match sessions.session(request).await {
        Ok(session) => match serde_json::to_string(&session.claims) {
            Ok(claims) => Initial::Session { claims, expires_in: session.expires_in },
            Err(_) => Initial::Unasked,
        },
        Err(NoAccess::Unauthenticated) => Initial::Nobody,
        // A frame on another site, say: its browser may find out more, by rules of its own.
        Err(NoAccess::Forbidden | NoAccess::NotSetUp) => Initial::Unasked,
        Err(NoAccess::Unavailable { status, correlation_id }) => {
            Initial::Unavailable { status, correlation_id }
        }
    }
}
