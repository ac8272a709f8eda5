//! `server.publicBasePath`: browsers have a path in front of everything. What stands in front may take it out or leave it in, so
//! both are understood: behind this, no path has it.

use std::{convert::Infallible, sync::Arc};

use axum::{Router, extract::Request, response::Response};
use http::{Method, Uri, uri::PathAndQuery};
use tower::{ServiceExt as _, service_fn};

use super::{answer::see_other, headers};

/// The router, with and without `base` in front of each path.
pub(super) fn around(base: &str, router: Router) -> Router {
    if base.is_empty() {
        return router;
    }
    let base: Arc<str> = base.into();
    Router::new().fallback_service(service_fn(move |mut request: Request| {
        let (base, router) = (Arc::clone(&base), router.clone());
        async move {
            if let Some(slash) = with_slash(&base, &request) {
                return Ok(headers::hardened(slash));
            }
            if let Some(uri) = without(&base, request.uri()) {
                *request.uri_mut() = uri;
            }
            let answered: Result<Response, Infallible> = router.oneshot(request).await;
            answered
        }
    }))
}

/// A page's relative links need the slash at the end.
fn with_slash(base: &str, request: &Request) -> Option<Response> {
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_get || request.uri().path() != base {
        return None;
    }
    let query = request.uri().query().map(|it| format!("?{it}")).unwrap_or_default();
    see_other(&format!("{base}/{query}"))
}

/// The address below `base`; `None` where it is not below, or has been taken out already.
fn without(base: &str, uri: &Uri) -> Option<Uri> {
    let below = below(base, uri.path_and_query()?.as_str())?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(below).ok()?);
    Uri::from_parts(parts).ok()
}

/// What follows `base` in a path with its query, beginning with a slash.
pub(super) fn below(base: &str, path_and_query: &str) -> Option<String> {
    let rest = path_and_query.strip_prefix(base)?;
    match rest.as_bytes().first() {
        Some(b'/') => Some(rest.to_owned()),
        None | Some(b'?') => Some(format!("/{rest}")),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_path_is_taken_out_once_and_only_as_a_whole() {
        for (uri, expected) in [
            ("/myapp/", Some("/")),
            ("/myapp/bff/login?redirect_uri=/myapp/x", Some("/bff/login?redirect_uri=/myapp/x")),
            ("/myapp", Some("/")),
            ("/myapp?a=/b", Some("/?a=/b")),
            ("/myapp/myapp/x", Some("/myapp/x")),
            ("/myapp//x", Some("//x")),
            ("http://app.example/myapp/x?y", Some("http://app.example/x?y")),
            ("/myapp/..%2fx", Some("/..%2fx")),
            ("/myappx", None),
            ("/MyApp/x", None),
            ("/", None),
            ("/bff/session", None),
            ("/x/myapp/", None),
        ] {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(without("/myapp", &uri).map(|it| it.to_string()).as_deref(), expected, "{uri}");
        }
    }
}
