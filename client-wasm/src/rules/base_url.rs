//! Where the server is: the `baseUrl` option.

use super::concat;
use alloc::string::String;

/// Why a `baseUrl` was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidBaseUrl {
    /// It names another origin than the page's. The session cookie is `SameSite=Strict` and the checks are
    /// `credentials: 'same-origin'`, so a server on another origin would never see a session.
    OtherOrigin,
    /// It is not a plain path: a query, a fragment, a dot segment, an empty segment or a character that has
    /// no place in a path.
    NotAPath,
}

impl InvalidBaseUrl {
    /// What is wrong and how to mend it, for the developer who wrote the option.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::OtherOrigin => {
                "authtool: option baseUrl must be on the page's own origin; use a path such as '/bff'"
            }
            Self::NotAPath => "authtool: option baseUrl must be a plain path such as '/bff'",
        }
    }
}

/// Brings a `baseUrl` into the one form the rest of the client uses: a path with a leading slash and
/// without a trailing one (`/` alone stays).
///
/// An absolute URL is accepted when its origin is the page's.
///
/// ```
/// use authtool_client::rules::base_url::normalise;
///
/// let origin = "https://app.example";
/// assert_eq!(normalise("bff/", origin).unwrap(), "/bff");
/// assert_eq!(normalise("https://app.example/bff", origin).unwrap(), "/bff");
/// assert!(normalise("https://other.example/bff", origin).is_err());
/// ```
pub fn normalise(raw: &str, origin: &str) -> Result<String, InvalidBaseUrl> {
    let path = match below_origin(raw, origin) {
        Some(path) => path,
        None if is_absolute(raw) => return Err(InvalidBaseUrl::OtherOrigin),
        None => raw,
    };
    if path.starts_with("//") {
        return Err(InvalidBaseUrl::OtherOrigin);
    }
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if !path.is_empty() && !path.as_bytes().split(|byte| *byte == b'/').all(is_segment) {
        return Err(InvalidBaseUrl::NotAPath);
    }
    Ok(concat(&["/", path]))
}

fn is_absolute(url: &str) -> bool {
    url.as_bytes().windows(3).any(|window| window == b"://")
}

/// The part of an absolute URL after `origin`, when it is that origin's.
fn below_origin<'a>(url: &'a str, origin: &str) -> Option<&'a str> {
    let (start, rest) = url.split_at_checked(origin.len())?;
    if origin.is_empty() || !start.eq_ignore_ascii_case(origin) {
        return None;
    }
    // A scheme's default port is written by people and left out by browsers.
    let default_port = if origin.starts_with("https:") { ":443" } else { ":80" };
    let rest = rest.strip_prefix(default_port).unwrap_or(rest);
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// One path segment that means the same to every parser (RFC 3986 §3.3, less `:`, which people write
/// only when they meant a host and a port).
fn is_segment(segment: &[u8]) -> bool {
    !matches!(segment, b"" | b"." | b"..") && segment.iter().all(|byte| is_path_character(*byte))
}

const fn is_path_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'!' | b'$'..=b'.' | b';' | b'=' | b'@' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::{InvalidBaseUrl, normalise};

    const ORIGIN: &str = "https://app.example";

    #[test]
    fn a_path_gets_a_leading_slash_and_loses_the_trailing_one() {
        for (raw, expected) in [
            ("/", "/"),
            ("", "/"),
            ("bff", "/bff"),
            ("/bff", "/bff"),
            ("/bff/", "/bff"),
            ("a/b/", "/a/b"),
            ("/v1.2/~me", "/v1.2/~me"),
        ] {
            assert_eq!(normalise(raw, ORIGIN).as_deref(), Ok(expected), "{raw:?}");
        }
    }

    #[test]
    fn an_absolute_url_of_the_pages_origin_is_its_path() {
        for (raw, expected) in [
            ("https://app.example", "/"),
            ("https://app.example/", "/"),
            ("https://app.example/bff/", "/bff"),
            ("HTTPS://App.Example/bff", "/bff"),
            ("https://app.example:443/bff", "/bff"),
        ] {
            assert_eq!(normalise(raw, ORIGIN).as_deref(), Ok(expected), "{raw:?}");
        }
        assert_eq!(normalise("http://localhost:3000/bff", "http://localhost:3000").as_deref(), Ok("/bff"));
        assert_eq!(normalise("http://localhost:80/bff", "http://localhost").as_deref(), Ok("/bff"));
    }

    #[test]
    fn the_characters_of_a_path_are_those_of_rfc_3986_less_the_colon() {
        let allowed: String =
            (0..=127u8).filter(|byte| super::is_path_character(*byte)).map(char::from).collect();
        assert_eq!(
            allowed,
            "!$%&'()*+,-.0123456789;=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"
        );
    }

    #[test]
    fn another_origin_is_refused() {
        for raw in [
            "https://other.example/bff",
            "http://app.example/bff",
            "https://app.example:8443/bff",
            "https://app.example.evil/bff",
            "https://app.example@evil.example/bff",
            "//evil.example/bff",
            "https://app.example//evil.example",
            "javascript://app.example/%0aalert(1)",
            "https://é",
        ] {
            assert_eq!(normalise(raw, ORIGIN), Err(InvalidBaseUrl::OtherOrigin), "{raw:?}");
        }
    }

    #[test]
    fn anything_but_a_plain_path_is_refused() {
        for raw in [
            "/bff?x=1",
            "/bff#x",
            "/a/../b",
            "/./bff",
            "/a//b",
            "\\bff",
            "/b ff",
            "/bff\n",
            "/bff\0",
            "/é",
            "localhost:3000/bff",
            "/bff//",
            "/<bff>",
        ] {
            assert_eq!(normalise(raw, ORIGIN), Err(InvalidBaseUrl::NotAPath), "{raw:?}");
        }
    }
}
