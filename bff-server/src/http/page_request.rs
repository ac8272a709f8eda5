//! Whether a request asks for a page that a person will look at: a navigation, and not a `fetch` or a subresource.
//!
//! Nothing is protected by the answer. A client that gets it wrong, or lies, sees a page instead of a problem document.

use http::{HeaderMap, HeaderName, Method, header};

const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const DESTINATION: HeaderName = HeaderName::from_static("sec-fetch-dest");
/// Script libraries have sent it for twenty years; no navigation does.
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// Documents, and documents in frames. `object` and `embed` navigate too, but want an image or a plug-in's file.
const PAGES: [&[u8]; 4] = [b"document", b"iframe", b"frame", b"fencedframe"];

/// Whether this is a navigation. Browsers without Fetch Metadata (old ones, and all of them on plain http) name HTML in
/// `Accept` when they navigate, and for nothing else.
pub(crate) fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    if !matches!(*method, Method::GET | Method::HEAD) || headers.contains_key(header::UPGRADE) {
        return false;
    }
    let Some(mode) = only(headers, &MODE) else {
        return !is_subresource(headers) && accepts_html(headers) && !headers.contains_key(REQUESTED_WITH);
    };
    mode == b"navigate" && !is_subresource(headers)
}

/// Whether the client says what it wants it for, and that is no page.
pub(crate) fn is_subresource(headers: &HeaderMap) -> bool {
    only(headers, &DESTINATION).is_some_and(|it| it != b"empty" && !PAGES.contains(&it))
}

/// Whether HTML is named, and not only covered by `*/*`.
pub(crate) fn accepts_html(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|it| it.to_str().ok());
    ranges.flat_map(|it| it.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|it| {
            it.eq_ignore_ascii_case("text/html") || it.eq_ignore_ascii_case("application/xhtml+xml")
        });
        let refused = parts.any(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("q") && value.trim().parse::<f32>().is_ok_and(|it| it <= 0.0)
            })
        });
        named && !refused
    })
}

/// The value of a header that comes once; of one that comes several times, nothing that means anything.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    Some(if values.next().is_some() { b"" } else { value.as_bytes() })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    type Headers = &'static [(&'static str, &'static str)];

    /// What browsers send, by what they do: whether it is a navigation, and the headers.
    pub(crate) const REQUESTS: &[(&str, bool, Headers)] = &[
        (
            "a navigation",
            true,
            &[
                ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ],
        ),
        ("a frame", true, &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")]),
        ("a navigation of a service worker", true, &[("sec-fetch-mode", "navigate"), ("accept", "*/*")]),
        ("a navigation on plain http", true, &[("accept", "text/html,application/xhtml+xml,*/*;q=0.8")]),
        ("Internet Explorer", true, &[("accept", "text/html, application/xhtml+xml, */*")]),
        ("XHTML", true, &[("accept", "application/xhtml+xml")]),
        ("another spelling", true, &[("accept", "Text/HTML ; q=0.9")]),
        (
            "a script",
            false,
            &[("accept", "*/*"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script")],
        ),
        ("a module", false, &[("accept", "*/*"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "script")]),
        (
            "an image",
            false,
            &[
                ("accept", "image/avif,image/webp,image/*,*/*;q=0.8"),
                ("sec-fetch-mode", "no-cors"),
                ("sec-fetch-dest", "image"),
            ],
        ),
        (
            "a style sheet",
            false,
            &[("accept", "text/css,*/*;q=0.1"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "style")],
        ),
        ("a fetch", false, &[("accept", "*/*"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")]),
        (
            "a fetch of HTML",
            false,
            &[("accept", "text/html"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
        ),
        (
            "an object",
            false,
            &[
                ("accept", "text/html,*/*;q=0.8"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "object"),
            ],
        ),
        ("two modes", false, &[("sec-fetch-mode", "navigate"), ("sec-fetch-mode", "navigate")]),
        ("a script on plain http", false, &[("accept", "*/*")]),
        ("an image on plain http", false, &[("accept", "image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5")]),
        ("a style sheet on plain http", false, &[("accept", "text/css,*/*;q=0.1")]),
        ("JSON on plain http", false, &[("accept", "application/json, text/plain, */*")]),
        ("a library", false, &[("accept", "text/html, */*; q=0.01"), ("x-requested-with", "XMLHttpRequest")]),
        ("anything but HTML", false, &[("accept", "text/html;q=0, */*")]),
        ("a look-alike", false, &[("accept", "text/htmlx, x/text/html")]),
        ("a program", false, &[]),
        ("a WebSocket", false, &[("accept", "text/html"), ("upgrade", "websocket")]),
    ];

    pub(crate) fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in of {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_navigation_is_told_from_a_subresource_in_new_and_old_browsers() {
        for (what, expected, request) in REQUESTS {
            assert_eq!(is_navigation(&Method::GET, &headers(request)), *expected, "{what}");
            assert!(!is_navigation(&Method::POST, &headers(request)), "{what}, as a POST");
        }
    }
}
