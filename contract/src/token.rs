//! The answer of `GET {apiPrefix}/token`.

use serde::{Deserialize, Serialize};

/// A currently valid access token (the shape of RFC 6749 §5.1, and nothing else of it: no refresh
/// token, no ID token, no scope).
///
/// `Debug` does not print the token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenAnswer {
    /// The access token (RFC 6750 §2.1 syntax).
    pub access_token: String,
    /// How to present it.
    pub token_type: TokenType,
    /// Seconds until it should no longer be used: the token's own expiry less
    /// `session.sessionJitterSecs`, and never beyond the session's end.
    pub expires_in: u64,
    /// With [`TokenType::DPoP`]: the proof for the request that the caller described by
    /// [`DPOP_METHOD`](crate::header::DPOP_METHOD) and [`DPOP_URL`](crate::header::DPOP_URL), to be sent as that
    /// request's `DPoP` header. Good once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop: Option<String>,
}

impl core::fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TokenAnswer")
            .field("token_type", &self.token_type)
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// The `token_type` of RFC 6749 §7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TokenType {
    /// RFC 6750: whoever has it may use it.
    Bearer,
    /// RFC 9449: each request needs a proof.
    DPoP,
}

impl TokenType {
    /// The registered name, which is also the `Authorization` scheme.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::DPoP => "DPoP",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_printed() {
        let answer = TokenAnswer {
            access_token: "canary".to_owned(),
            token_type: TokenType::Bearer,
            expires_in: 1,
            dpop: None,
        };
        assert!(!format!("{answer:?}").contains("canary"));
    }
}
