//! Scopes (RFC 6749 §3.3).

/// Whether a space-separated scope asks for OpenID Connect (OpenID Connect Core 1.0 §3.1.2.1), and so
/// for an ID token.
pub fn contains_openid(scope: &str) -> bool {
    scope.split_ascii_whitespace().any(|token| token == "openid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openid_is_a_whole_token() {
        assert!(contains_openid("profile openid"));
        assert!(!contains_openid("profile openid2 notopenid"));
        assert!(!contains_openid(""));
    }
}
