//! Whose answer comes back to a `redirect_uri` (RFC 9700 §4.4.2).
//!
//! Servers are told apart by what follows the callback in the path, and by nothing else: host, query and what
//! stands before it may be rewritten on the way here.

use std::borrow::Cow;

use authtool_contract::endpoint::OAUTH_CALLBACK;
use percent_encoding::percent_decode_str;

/// What follows `/oauth/callback` in a path: empty for the callback of a lone server. `None` where the path is
/// that of no callback as we know it, so that nothing can be told from it.
///
/// Slashes around it and the spelling of characters do not count: a gateway may change both.
pub fn own_segment(path: &str) -> Option<Cow<'_, str>> {
    let (_, own) = path.rsplit_once(OAUTH_CALLBACK)?;
    (own.is_empty() || own.starts_with('/'))
        .then(|| percent_decode_str(own.trim_matches('/')).decode_utf8_lossy())
}

/// Whether an answer to one of these paths could not be told from one to the other.
pub fn are_alike(one: &str, other: &str) -> bool {
    match (own_segment(one), own_segment(other)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_005_callbacks_differ_in_what_follows_or_not_at_all() {
        let alike = [
            ("/oauth/callback", "/oauth/callback/"),
            ("/a/oauth/callback", "/b/oauth/callback"),
            ("/oauth/callback/a", "/x/oauth/callback/a/"),
            ("/oauth/callback/a", "/oauth/callback/%61"),
            ("/cb-a", "/cb-b"),
            ("/cb", "/oauth/callback/a"),
            ("/oauth/callback-a", "/oauth/callback-b"),
        ];
        for (one, other) in alike {
            assert!(are_alike(one, other) && are_alike(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("/oauth/callback", "/oauth/callback/a"),
            ("/bff/oauth/callback/a", "/bff/oauth/callback/b"),
            ("/oauth/callback/a", "/oauth/callback/A"),
        ] {
            assert!(!are_alike(one, other) && !are_alike(other, one), "{one} {other}");
        }
        assert_eq!(own_segment("/oauth/callback-x/oauth/callback/a").as_deref(), Some("a"));
    }
}
