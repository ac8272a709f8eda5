//! `server.static`: the built app, from the same origin.

use axum::{Router, body::Body, extract::Request, response::Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use tower::ServiceExt as _;
use tower_http::services::{ServeDir, ServeFile};

use super::{answer, correlation::CorrelationId};
use crate::config::StaticFiles;
use authtool_contract::ProblemCode;

/// Serves the folder. A navigation to a path without a file gets the app's page: its router takes over.
pub(crate) fn router(files: &StaticFiles) -> Router {
    let folder = ServeDir::new(&files.root).precompressed_br().precompressed_gzip();
    let app_page = files.fallback.as_ref().map(|name| ServeFile::new(files.root.join(name)));
    let policy = HeaderValue::try_from(files.content_security_policy.as_str()).ok();
    let serve = move |id: CorrelationId, request: Request| {
        let (folder, app_page, policy) = (folder.clone(), app_page.clone(), policy.clone());
        async move {
            let wants_page = is_page_request(&request);
            let mut retry = Request::new(Body::empty());
            *retry.method_mut() = request.method().clone();
            *retry.headers_mut() = request.headers().clone();
            let Ok(response) = folder.oneshot(request).await;
            let mut response = response.map(Body::new);
            if response.status() == StatusCode::NOT_FOUND {
                response = match app_page {
                    Some(page) if wants_page => {
                        let Ok(page) = page.oneshot(retry).await;
                        page.map(Body::new)
                    }
                    _ => answer::problem(ProblemCode::NotFound, &id),
                };
            }
            protect(&mut response, policy);
            response
        }
    };
    Router::new().fallback(serve)
}

/// A person, or a browser on their behalf, wants a page: not a missing script or image.
fn is_page_request(request: &Request) -> bool {
    let accepts_html = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    let names_a_file = request.uri().path().rsplit('/').next().is_some_and(|last| last.contains('.'));
    matches!(*request.method(), Method::GET | Method::HEAD) && accepts_html && !names_a_file
}

fn protect(response: &mut Response, policy: Option<HeaderValue>) {
    let headers = response.headers_mut();
    if let Some(policy) = policy {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        // Revalidated every time: a new deployment is seen at once.
        (header::CACHE_CONTROL, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
