//! The answer of `GET {apiPrefix}/session`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The session that the request's cookie names: the user's selected claims at the top level, as the
/// original system answers them, and authtool's own data under one reserved member,
/// [`SESSION_MEMBER`](crate::SESSION_MEMBER).
///
/// ```json
/// { "email": "ada@example.com", "name": "Ada", "session": { "expires_in": 604799 } }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionAnswer {
    /// How long the session lasts.
    pub session: SessionTiming,
    /// The ID token's claims that `session.userClaims` selects; a claim the provider did not send is absent.
    #[serde(flatten)]
    pub claims: Map<String, Value>,
}

/// How long a session lasts, seen from the moment of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionTiming {
    /// Seconds until the session ends if nothing extends it.
    pub expires_in: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_stand_at_the_top_level_and_timing_under_its_own_member() {
        let answer = SessionAnswer {
            session: SessionTiming { expires_in: 60 },
            claims: Map::from_iter([("email".to_owned(), json!("ada@example.com"))]),
        };
        let json = serde_json::to_value(&answer).unwrap();
        assert_eq!(json, json!({"email": "ada@example.com", "session": {"expires_in": 60}}));
        assert_eq!(serde_json::from_value::<SessionAnswer>(json).unwrap(), answer);
    }
}
