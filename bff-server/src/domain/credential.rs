//! The secret values of the protocol, one type each. None of them prints itself, all of them are
//! erased from memory when dropped.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The longest access or refresh token we accept from a provider, in bytes. Every API call carries an access token in
/// one header, and no gateway or API takes longer headers by default.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The longest ID token that we accept if configuration does not say otherwise, in bytes. It travels from the provider to
/// us alone, and may list hundreds of groups.
pub const DEFAULT_ID_TOKEN_BYTES: usize = 64 * 1024;

/// The longest ID token that configuration may allow, in bytes.
pub const MAX_ID_TOKEN_BYTES: usize = 128 * 1024;

/// Why a value that should be a credential is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedCredential {
    /// The value is the empty string.
    #[error("it is empty")]
    Empty,
    /// The value is longer than the protocol or our limits allow.
    #[error("it has {length} bytes, and {limit} are the most that is taken")]
    TooLong {
        /// Its length, in bytes.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The value contains a character that its grammar does not have.
    #[error("it contains characters that its grammar does not allow")]
    Charset,
}

macro_rules! credential {
    ($(#[$doc:meta])* $name:ident, max = $max:expr, charset = $charset:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Zeroizing<String>);

        impl $name {
            /// Accepts a value that follows the grammar.
            pub fn parse(value: impl Into<String>) -> Result<Self, MalformedCredential> {
                let value = Zeroizing::new(value.into());
                if value.is_empty() {
                    return Err(MalformedCredential::Empty);
                }
                if value.len() > $max {
                    return Err(MalformedCredential::TooLong { length: value.len(), limit: $max });
                }
                let charset: fn(&[u8]) -> bool = $charset;
                if !charset(value.as_bytes()) {
                    return Err(MalformedCredential::Charset);
                }
                Ok(Self(value))
            }

            /// A value that was [parsed](Self::parse) before it was sealed, out of its seal.
            #[allow(dead_code, reason = "a code is never sealed")]
            pub(crate) fn unsealed(value: Zeroizing<String>) -> Self {
                Self(value)
            }

            /// The value itself, to be sent where the protocol says, and nowhere else.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // It is erased in any case: what is in use byte by byte, spare room at once.
                self.0.clear();
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

credential!(
    /// An access token (RFC 6749 §1.4) that is safe in an `Authorization` header and between the quotes of our JSON.
    /// RFC 6750 §2.1 has a narrower grammar (`b64token`), which providers do not keep to: Amazon's tokens have a `|`,
    /// Salesforce's a `!`. What would let a token out of its header or its string is refused: controls, blanks, quotes,
    /// backslashes and commas.
    AccessToken,
    max = MAX_TOKEN_BYTES,
    charset = is_fit_for_a_header
);
credential!(
    /// A refresh token (RFC 6749 §1.5; grammar in appendix A.17).
    RefreshToken,
    max = MAX_TOKEN_BYTES,
    charset = is_vschar
);
credential!(
    /// An ID token as received, a compact JWS (RFC 7515 §7.1). Its signature and claims are the
    /// subject of [`id_token`](super::id_token).
    IdToken,
    max = MAX_ID_TOKEN_BYTES,
    charset = is_compact_jws
);
credential!(
    /// An authorization code (RFC 6749 §4.1.2; grammar in appendix A.11).
    AuthorizationCode,
    max = 4 * 1024,
    charset = is_vschar
);

/// Visible ASCII without `"`, `\` and `,`.
fn is_fit_for_a_header(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_graphic() && !b"\"\\,".contains(byte))
}

fn is_vschar(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| (0x20..=0x7e).contains(byte))
}

fn is_compact_jws(bytes: &[u8]) -> bool {
    let mut parts = 0;
    bytes.split(|byte| *byte == b'.').all(|part| {
        parts += 1;
        !part.is_empty() && part.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
    }) && parts == 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_075_an_access_token_that_would_break_a_header_is_refused() {
        for bad in [
            "",
            "a\r\nX-Injected: y",
            "a b",
            " a",
            "a\t",
            "a\0",
            "a\u{7f}",
            "token\u{e9}",
            "a,b",
            "a\"b",
            "a\\b",
        ] {
            assert!(AccessToken::parse(bad).is_err(), "accepted {bad:?}");
        }
        assert!(AccessToken::parse("a".repeat(MAX_TOKEN_BYTES + 1)).is_err());
        for good in [
            "a",
            "eyJ.abc-_~+/9.x",
            "YWJj==",
            // Amazon, Salesforce, and the rest of what is visible. RFC 6750's grammar would refuse them, and protect nobody.
            "Atza|IwEBIAz9",
            "00D50000000IZ3Z!AQ0AQDpEDKYsn7ioKug2aSmgCjgrPjG9eRLz",
            "a=b",
            "===",
            "urn:token:1",
            "!#$%&'()*+-./:;<=>?@[]^_`{|}~",
            &"a".repeat(MAX_TOKEN_BYTES),
        ] {
            assert!(AccessToken::parse(good).is_ok(), "refused {good:?}");
        }
    }

    #[test]
    fn an_id_token_has_three_parts_and_no_more() {
        for bad in ["", "a.b", "a.b.c.d", "a..c", ".b.c", "a.b.", "a.b.c=", "null"] {
            assert!(IdToken::parse(bad).is_err(), "accepted {bad:?}");
        }
        assert!(IdToken::parse("aA0-_.b.c").is_ok());
    }

    #[test]
    fn sec_063_credentials_do_not_print_themselves() {
        let printed = format!(
            "{:?} {:?} {:?} {:?}",
            AccessToken::parse("canary").unwrap(),
            RefreshToken::parse("canary").unwrap(),
            IdToken::parse("canary.canary.canary").unwrap(),
            AuthorizationCode::parse("canary").unwrap(),
        );
        assert!(!printed.contains("canary"), "{printed}");
    }
}
