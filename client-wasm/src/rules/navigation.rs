//! The addresses the browser is sent to, and asked at.

use super::concat;
use alloc::string::String;
use authtool_contract::endpoint::param::REDIRECT_URI;

/// The address of an endpoint below a [normalised](super::base_url::normalise) base URL.
///
/// ```
/// use authtool_client::rules::navigation::endpoint;
///
/// assert_eq!(endpoint("/bff", "/session"), "/bff/session");
/// assert_eq!(endpoint("/", "/session"), "/session");
/// ```
pub fn endpoint(base: &str, path: &str) -> String {
    concat(&[if base == "/" { "" } else { base }, path])
}

/// The address of an endpoint that takes the way back as its `redirect_uri`, and other parameters that are
/// encoded already.
pub fn with_return(base: &str, path: &str, redirect_uri: Option<&str>, others: &str) -> String {
    let mut url = endpoint(base, path);
    let mut separator = '?';
    if let Some(redirect_uri) = redirect_uri {
        url.push(separator);
        push_parameter(&mut url, REDIRECT_URI, redirect_uri);
        separator = '&';
    }
    if !others.is_empty() {
        url.push(separator);
        url.push_str(others);
    }
    url
}

/// Appends `name=value`. The name is ours, and needs no encoding.
pub(crate) fn push_parameter(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push('=');
    push_encoded(out, value);
}

/// Percent-encodes everything but RFC 3986's unreserved characters: the page's own query and fragment are
/// data here, and must come back as they were (SEC-183).
fn push_encoded(out: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 15] {
                out.push(char::from(if nibble < 10 { b'0' + nibble } else { b'A' - 10 + nibble }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::with_return;

    #[test]
    fn without_a_way_back_there_is_no_query() {
        assert_eq!(with_return("/bff", "/logout", None, ""), "/bff/logout");
    }

    #[test]
    fn query_and_fragment_of_the_way_back_are_data() {
        assert_eq!(
            with_return("/bff", "/login", Some("/app?x=1&prompt=none#a&b"), ""),
            "/bff/login?redirect_uri=%2Fapp%3Fx%3D1%26prompt%3Dnone%23a%26b"
        );
    }

    #[test]
    fn every_character_survives_a_form_decoder() {
        let all: String = (0..=255u8).map(char::from).chain("é€😀+% ".chars()).collect();
        let url = with_return("/", "/login", Some(&all), "");
        let encoded = url.strip_prefix("/login?redirect_uri=").unwrap();
        assert!(
            encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)),
            "{url}"
        );
        let mut bytes = encoded.bytes();
        let mut decoded = Vec::new();
        while let Some(byte) = bytes.next() {
            if byte == b'%' {
                let hex = String::from_utf8(vec![bytes.next().unwrap(), bytes.next().unwrap()]).unwrap();
                decoded.push(u8::from_str_radix(&hex, 16).unwrap());
            } else {
                decoded.push(byte);
            }
        }
        assert_eq!(String::from_utf8(decoded).unwrap(), all);
    }
}
