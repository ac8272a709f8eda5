//! The access token of `tokenExchange` mode: which answer is one, and when it is renewed.

use alloc::string::String;

/// A token that is said to end at once is kept for this many milliseconds all the same: without it, every call of a
/// provider that issues very short tokens would be a request. The server's own margin covers it.
pub const SHORTEST_MS: f64 = 1_000.0;

/// More than any provider issues, and what the server refuses to store.
const LONGEST: usize = 16_384;

/// An access token, in memory and nowhere else (SEC-175).
#[derive(Clone, PartialEq)]
pub struct Token {
    /// The token itself.
    pub value: String,
    /// When it is not handed out any more, in milliseconds by the host's clock.
    pub expires_at: f64,
}

/// Does not print the token.
impl core::fmt::Debug for Token {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Token").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// The token in `Bearer …`, if it is one that the server hands out: visible ASCII without `"`, `\` and `,`. Providers do not
/// keep to the narrower grammar of RFC 6750 §2.1.
///
/// ```
/// use authtool_client::rules::token::bearer;
///
/// assert_eq!(bearer("Bearer abc.def=="), Some("abc.def=="));
/// assert_eq!(bearer("bearer abc"), Some("abc"));
/// assert_eq!(bearer("Bearer Atza|a!b:c"), Some("Atza|a!b:c"));
/// assert_eq!(bearer("DPoP abc"), None);
/// assert_eq!(bearer("Bearer a\r\nx: y"), None);
/// ```
pub fn bearer(credentials: &str) -> Option<&str> {
    const SCHEME: &str = "Bearer ";
    let (scheme, value) = credentials.split_at_checked(SCHEME.len())?;
    let is_token = (1..=LONGEST).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b','));
    (is_token && scheme.eq_ignore_ascii_case(SCHEME)).then_some(value)
}

/// When to renew a token that was received at `now`: at a random time before its end, so that not everybody who
/// came back from an outage asks at the same moment; but never in the first half of its life (SEC-180).
///
/// `unit` is a number in `[0, 1)`.
pub fn renew_at(expires_at: f64, now: f64, max_jitter_ms: f64, unit: f64) -> f64 {
    expires_at - (unit * max_jitter_ms).min((expires_at - now) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Token, bearer, renew_at};

    #[test]
    fn only_what_a_header_can_carry_is_a_token() {
        for good in ["a", "a.b-c_d~e+f/g", "a=", "a=b", "a|b!c:d", &"x".repeat(LONGEST)] {
            assert_eq!(bearer(&format!("Bearer {good}")), Some(good));
        }
        for bad in ["", "a b", "a,b", "a\\", "ü", "a\"", "a\n", "a\u{7f}", &"x".repeat(LONGEST + 1)] {
            assert_eq!(bearer(&format!("Bearer {bad}")), None, "{bad:?}");
        }
        for credentials in ["", "Bearer", "abc", "Basic abc", "undefined abc"] {
            assert_eq!(bearer(credentials), None, "{credentials}");
        }
    }

    #[test]
    fn a_token_is_renewed_before_its_end_and_not_in_the_first_half_of_its_life() {
        let now = 1_700_000_000_000.0;
        for (lifetime, unit, delay) in [
            (300_000.0, 0.0, 300_000.0),
            (300_000.0, 0.5, 296_500.0),
            (300_000.0, 1.0, 293_000.0),
            (8_000.0, 1.0, 4_000.0),
            (1_000.0, 1.0, 500.0),
            (1_000.0, 0.0, 1_000.0),
        ] {
            let moment = renew_at(now + lifetime, now, 7_000.0, unit);
            assert!((moment - now - delay).abs() < 1.0, "{lifetime} {unit}: {}", moment - now);
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        let token = Token { value: "canary".into(), expires_at: 1.0 };
        assert!(!format!("{token:?}").contains("canary"));
    }
}
