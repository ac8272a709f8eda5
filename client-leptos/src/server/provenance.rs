//! Where a request comes from, for sessions that are found over HTTP: the server there sees a request of ours.

use http::request::Parts;
use http::{Method, header};

/// Whether the request may be answered as the session's: the app's own pages may do anything, and anybody may lead a
/// browser to a page.
pub(super) fn may_use_session(request: &Parts) -> bool {
    let one = |name: &str| {
        let mut values = request.headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => Some(&b""[..]),
            (value, _) => value,
        }
    };
    let site = one("sec-fetch-site");
    let origin_is_ours =
        one(header::ORIGIN.as_str()).map(|origin| is_host(origin, one(header::HOST.as_str())));
    if matches!(request.method, Method::GET | Method::HEAD) {
        let navigates =
            one("sec-fetch-mode") == Some(b"navigate") && one("sec-fetch-dest") == Some(b"document");
        match site {
            Some(site) => site == b"same-origin" || site == b"none" || navigates,
            None => origin_is_ours != Some(false),
        }
    } else {
        match (site, origin_is_ours) {
            (_, Some(false)) => false,
            (Some(site), _) => site == b"same-origin",
            (None, ours) => ours == Some(true),
        }
    }
}

/// Whether `origin` is of this host. The scheme is not known here: TLS may end in front of us.
fn is_host(origin: &[u8], host: Option<&[u8]>) -> bool {
    let after_scheme = origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://"));
    after_scheme.is_some() && after_scheme == host
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, headers: &[(&str, &str)]) -> Parts {
        let mut builder = http::Request::builder().method(method).header("host", "app.example");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    #[test]
    fn state_changing_requests_of_other_sites_do_not_use_the_session() {
        for (headers, expected) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")], false),
            (&[("origin", "https://app.example")], true),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "null")], false),
            (&[], false),
        ] {
            assert_eq!(may_use_session(&request(Method::POST, headers)), expected, "{headers:?}");
        }
    }

    #[test]
    fn anybody_may_lead_a_browser_to_a_page_but_not_frame_or_read_it() {
        let from_elsewhere = |mode, destination| {
            [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", mode), ("sec-fetch-dest", destination)]
        };
        assert!(may_use_session(&request(Method::GET, &from_elsewhere("navigate", "document"))));
        assert!(!may_use_session(&request(Method::GET, &from_elsewhere("navigate", "iframe"))));
        assert!(!may_use_session(&request(Method::GET, &from_elsewhere("no-cors", "script"))));
        assert!(may_use_session(&request(Method::GET, &[])));
    }
}
