//! `server.static`: the built app, from the same origin.
//!
//! Files and folders whose name begins with a dot are not there, except below `/.well-known/`: a folder that is served often
//! holds a `.env` or a `.git` that nobody meant. Nor is what a symbolic link leads to outside of the folder.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use tower::ServiceExt as _;
use tower_http::services::{ServeDir, ServeFile};

use super::{answer, correlation::CorrelationId, page_request};
use crate::config::StaticFiles;
use authtool_contract::ProblemCode;

/// What decides between the app's page and a 404.
const DECIDED_BY: HeaderValue = HeaderValue::from_static("Accept, Sec-Fetch-Dest, Sec-Fetch-Mode");

/// Serves the folder. A navigation to a path without a file gets the app's page: its router takes over.
pub(crate) fn router(files: &StaticFiles, base_path: &str) -> Router {
    let base_path: Arc<str> = base_path.into();
    let root: Arc<Path> = files.root.as_path().into();
    let folder = ServeDir::new(&files.root).precompressed_br().precompressed_gzip();
    let app_page = files.fallback.as_ref().map(|name| ServeFile::new(files.root.join(name)));
    let policy = HeaderValue::try_from(files.content_security_policy.as_str()).ok();
    let serve = move |id: CorrelationId, request: Request| {
        let (folder, app_page, policy) = (folder.clone(), app_page.clone(), policy.clone());
        let (base_path, root) = (Arc::clone(&base_path), Arc::clone(&root));
        async move {
            let wants_page = is_page_request(&request);
            let mut retry = Request::new(Body::empty());
            *retry.method_mut() = request.method().clone();
            *retry.headers_mut() = request.headers().clone();
            let mut found = None;
            if is_public(&root, request.uri().path()).await {
                let Ok(response) = folder.oneshot(request).await;
                found = Some(response.map(Body::new)).filter(|it| it.status() != StatusCode::NOT_FOUND);
            }
            let mut response = match found {
                Some(response) => response,
                None => match app_page {
                    Some(page) if wants_page => {
                        let Ok(page) = page.oneshot(retry).await;
                        let mut page = page.map(Body::new);
                        page.headers_mut().append(header::VARY, DECIDED_BY);
                        page
                    }
                    _ => answer::problem(ProblemCode::NotFound, &id),
                },
            };
            if let Some(location) = response.headers_mut().get_mut(header::LOCATION) {
                of_our_origin(location, &base_path);
            }
            protect(&mut response, policy);
            response
        }
    };
    Router::new().fallback(serve)
}

/// Whether what a path names may be shown to everybody. What does not exist may: it is not found.
async fn is_public(root: &Path, path: &str) -> bool {
    let Some(name) = name_of(path) else { return false };
    let file = root.join(name);
    let root = root.to_owned();
    let stays_inside = move || {
        let Ok(root) = root.canonicalize() else { return false };
        // A folder's page, and the compressed forms of a file, are read for it.
        let with = |suffix: &str| {
            let mut path = file.clone().into_os_string();
            path.push(suffix);
            PathBuf::from(path)
        };
        [file.clone(), file.join("index.html"), with(".br"), with(".gz")]
            .iter()
            .filter_map(|path| path.canonicalize().ok())
            .all(|path| path.starts_with(&root))
    };
    tokio::task::spawn_blocking(stays_inside).await.unwrap_or(false)
}

/// The file that a path names below the folder; `None` for hidden ones.
fn name_of(path: &str) -> Option<PathBuf> {
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let mut segments = path.split('/').filter(|segment| !segment.is_empty()).peekable();
    let mut name = PathBuf::new();
    if segments.peek() == Some(&".well-known") {
        name.extend(segments.next());
    }
    for segment in segments {
        if segment.starts_with('.') || segment.contains(['\\', '\0']) {
            return None;
        }
        name.push(segment);
    }
    Some(name)
}

/// Whether the app's page answers for a file that is not there: its router knows routes such as `/docs/v1.2` and
/// `/users/jane.doe`. A missing script, image or JSON document stays a 404, and so does HTML that a script fetches by
/// the name of a file.
fn is_page_request(request: &Request) -> bool {
    let (method, headers) = (request.method(), request.headers());
    if page_request::is_navigation(method, headers) {
        return true;
    }
    let names_a_file = request.uri().path().rsplit('/').next().is_some_and(|last| last.contains('.'));
    matches!(*method, Method::GET | Method::HEAD)
        && page_request::accepts_html(headers)
        && !page_request::is_subresource(headers)
        && !names_a_file
}

/// A folder's address without its slash is redirected. The address is the request's own path, which may begin with two slashes
/// (and would then be another host's), and lacks the base path.
fn of_our_origin(location: &mut HeaderValue, base_path: &str) {
    let path = String::from_utf8_lossy(location.as_bytes());
    let path = path.trim_start_matches('/');
    if let Ok(corrected) = HeaderValue::try_from(format!("{base_path}/{path}")) {
        *location = corrected;
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::page_request::tests::{REQUESTS, headers};

    #[test]
    fn sec_202_hidden_files_have_no_name() {
        for (path, expected) in [
            ("/", Some("")),
            ("/assets/app.js", Some("assets/app.js")),
            ("/docs/v1.2", Some("docs/v1.2")),
            ("//assets//x", Some("assets/x")),
            ("/a%20b.txt", Some("a b.txt")),
            ("/.well-known/security.txt", Some(".well-known/security.txt")),
            ("/.env", None),
            ("/%2eenv", None),
            ("/%2Egit/config", None),
            ("/assets/.DS_Store", None),
            ("/.git/config", None),
            ("/.well-known/.env", None),
            ("/a/.well-known/x", None),
            ("/..", None),
            ("/a/../b", None),
            ("/a%2f..%2fb", None),
            ("/a\\..\\b", None),
            ("/a%00", None),
            ("/%ff", None),
        ] {
            assert_eq!(name_of(path), expected.map(PathBuf::from), "{path}");
        }
    }

    #[test]
    fn a_dot_in_a_route_does_not_make_it_a_file() {
        let request = |path: &str, of: &[(&'static str, &'static str)]| {
            let mut request = Request::builder().uri(path).body(Body::empty()).unwrap();
            *request.headers_mut() = headers(of);
            request
        };
        for path in ["/docs/v1.2", "/users/jane.doe", "/@scope/name@1.0.0", "/files/report.pdf", "/.hidden"] {
            for (what, is_page, of) in REQUESTS {
                assert_eq!(is_page_request(&request(path, of)), *is_page, "{path}: {what}");
            }
        }
        let fetched = [("accept", "text/html"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];
        assert!(is_page_request(&request("/orders", &fetched)), "HTML of a route, fetched");
        assert!(!is_page_request(&request("/parts/menu.html", &fetched)), "HTML of a file, fetched");
    }
}
