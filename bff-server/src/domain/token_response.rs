//! The token endpoint's answer (RFC 6749 §5.1).
//!
//! Read leniently where leniency loses nothing: when a provider has rotated the refresh token, refusing
//! its answer over a cosmetic error (`"expires_in": "3600"`) would throw the only valid one away.
//! Read strictly where a value will be used: a token must be a token.

use authtool_contract::TokenType;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    credential::{AccessToken, IdToken, MAX_ID_TOKEN_BYTES, MalformedCredential, RefreshToken},
    provider_json,
};

/// The lifetime assumed for an access token whose answer states none, in seconds: short enough to be
/// wrong on the safe side, long enough not to refresh all the time. A JWT's own `exp` comes first, and a client may
/// be configured otherwise (`accessTokenExpirationSecs`).
pub const ASSUMED_LIFETIME_SECS: u64 = 300;

/// Tokens, as the provider answered them.
#[derive(Debug)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: AccessToken,
    /// How long it lasts, in seconds; the provider may not have said.
    pub expires_in: Option<u64>,
    /// How long it is assumed to last where nothing says so, in seconds.
    pub assumed_lifetime: u64,
    /// A refresh token, if the provider issued one.
    pub refresh_token: Option<RefreshToken>,
    /// An ID token, if the provider issued one.
    pub id_token: Option<IdToken>,
    /// Why there is none, where the answer has something in its place that is no ID token. A login that needs one is refused.
    /// A refresh goes on with the ID token of before: an answer may leave it out (OpenID Connect Core 1.0 §12.2), so an
    /// attacker who could put something unreadable there gains what leaving it out would gain.
    pub unusable_id_token: Option<UnusableReason>,
    /// The granted scope, if it is not the requested one. Empty means "none".
    pub scope: Option<String>,
    /// Everything else, for `refreshTokenExpirationPayloadField`.
    pub extra: Map<String, Value>,
}

/// An answer of success that is no token response.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct UnusableTokenResponse {
    /// What is wrong with it.
    pub reason: UnusableReason,
    /// The refresh token that was in it all the same. Where the provider rotates, it is the only one
    /// that is still valid, and must not be lost.
    pub refresh_token: Option<RefreshToken>,
}

/// What is wrong with an answer of the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableReason {
    /// Not a JSON object, or one with a member that occurs twice.
    #[error("the token endpoint's answer cannot be read: {0}")]
    Unreadable(provider_json::Unreadable),
    /// No `access_token`, or one that cannot be used.
    #[error("the token endpoint's `access_token` cannot be used: {0}")]
    AccessToken(MalformedCredential),
    /// An `access_token` that no header can carry.
    #[error(
        "the token endpoint's `access_token` has {length} bytes, and {limit} are the most that a header can carry; let the \
         provider put less into access tokens, usually fewer groups and roles"
    )]
    LongAccessToken {
        /// Its length, in bytes.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// An error, and tokens with it: which of the two counts, the provider alone knows (RFC 6749 §5).
    #[error("the token endpoint's answer has tokens and an `error`")]
    ErrorBesideTokens,
    /// `token_type` is missing or not what was asked for.
    #[error("the token endpoint's `token_type` is not {}", .0.as_str())]
    TokenType(TokenType),
    /// RFC 9449 §6: bound to a key that is not ours.
    #[error("the token endpoint's `access_token` is bound to another key")]
    OtherKey,
    /// A refresh token that cannot be sent back.
    #[error("the token endpoint's `refresh_token` cannot be used: {0}")]
    RefreshToken(MalformedCredential),
    /// RFC 7515 appendix A.5, OpenID Connect Core 1.0 §3.1.3.7: an unsecured JWT, which anybody can write.
    #[error(
        "the token endpoint's `id_token` has no signature (`alg` is `none`); unsigned ID tokens are refused"
    )]
    UnsignedIdToken,
    /// An ID token that is not a compact JWS.
    #[error("the token endpoint's `id_token` is not a signed JWT: {0}")]
    IdToken(MalformedCredential),
    /// An ID token above the bound.
    #[error(
        "the token endpoint's `id_token` has {length} bytes, and {limit} are allowed; let the provider put less into ID \
         tokens, usually fewer groups, or raise client.maxIdTokenBytes (up to {MAX_ID_TOKEN_BYTES})"
    )]
    LongIdToken {
        /// Its length, in bytes.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
}

impl TokenResponse {
    /// Without an ID token that is longer than a client takes.
    #[must_use]
    pub fn bounded(mut self, max_id_token_bytes: usize) -> Self {
        let length = self.id_token.as_ref().map_or(0, |it| it.expose().len());
        if length > max_id_token_bytes {
            self.id_token = None;
            self.unusable_id_token = Some(UnusableReason::LongIdToken { length, limit: max_id_token_bytes });
        }
        self
    }

    /// Without an ID token: the client asked for none, and it is good for nothing.
    #[must_use]
    pub fn without_id_token(self) -> Self {
        Self { id_token: None, unusable_id_token: None, ..self }
    }

    /// Reads the body of an answer of success.
    pub fn parse(body: &[u8], token_type: TokenType) -> Result<Self, UnusableTokenResponse> {
        let unusable = |reason, refresh_token| UnusableTokenResponse { reason, refresh_token };
        let mut body =
            provider_json::object(body).map_err(|error| unusable(UnusableReason::Unreadable(error), None))?;
        let refresh_token = optional(&mut body, "refresh_token", RefreshToken::parse)
            .map_err(|error| unusable(UnusableReason::RefreshToken(error), None))?;
        match Self::parse_rest(body, token_type) {
            Ok(response) => Ok(Self { refresh_token, ..response }),
            Err(reason) => Err(unusable(reason, refresh_token)),
        }
    }

    fn parse_rest(mut body: Map<String, Value>, token_type: TokenType) -> Result<Self, UnusableReason> {
        if body.get("error").is_some_and(|error| error.as_str() != Some("")) {
            return Err(UnusableReason::ErrorBesideTokens);
        }
        let stated = body.get("token_type").and_then(Value::as_str).unwrap_or_default();
        if !stated.eq_ignore_ascii_case(token_type.as_str()) {
            return Err(UnusableReason::TokenType(token_type));
        }
        let access_token = match body.remove("access_token") {
            Some(Value::String(token)) => AccessToken::parse(token),
            _ => Err(MalformedCredential::Empty),
        }
        .map_err(|error| match error {
            MalformedCredential::TooLong { length, limit } => {
                UnusableReason::LongAccessToken { length, limit }
            }
            error => UnusableReason::AccessToken(error),
        })?;
        let (id_token, unusable_id_token) = match id_token(&mut body) {
            Ok(token) => (token, None),
            Err(reason) => (None, Some(reason)),
        };
        let expires_in = body.remove("expires_in").as_ref().and_then(lenient_seconds);
        let scope = match body.remove("scope") {
            Some(Value::String(scope)) => Some(scope),
            // Seen in the wild: a list instead of RFC 6749 §3.3's space-separated string.
            Some(Value::Array(list)) => {
                Some(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
            }
            _ => None,
        };
        Ok(Self {
            access_token,
            expires_in,
            assumed_lifetime: ASSUMED_LIFETIME_SECS,
            refresh_token: None,
            id_token,
            unusable_id_token,
            scope,
            extra: body,
        })
    }
}

fn id_token(body: &mut Map<String, Value>) -> Result<Option<IdToken>, UnusableReason> {
    let is_unsigned = body.get("id_token").and_then(Value::as_str).is_some_and(is_unsigned);
    optional(body, "id_token", IdToken::parse).map_err(|error| match error {
        _ if is_unsigned => UnusableReason::UnsignedIdToken,
        MalformedCredential::TooLong { length, limit } => UnusableReason::LongIdToken { length, limit },
        error => UnusableReason::IdToken(error),
    })
}

/// Header and claims, and nothing after them, with or without the last dot; or an `alg` that says so.
fn is_unsigned(token: &str) -> bool {
    let mut parts = token.split('.');
    let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let is_bare = !header.is_empty() && !claims.is_empty() && parts.all(str::is_empty);
    let header = URL_SAFE_NO_PAD.decode(header).ok().and_then(|it| provider_json::object(&it).ok());
    let alg = header.as_ref().and_then(|it| it.get("alg")).and_then(Value::as_str);
    is_bare || alg.is_some_and(|it| it.eq_ignore_ascii_case("none"))
}

/// Absent and `""` both mean "none was issued"; so does `null`, as [everywhere](provider_json).
fn optional<T>(
    body: &mut Map<String, Value>,
    member: &str,
    parse: impl FnOnce(String) -> Result<T, MalformedCredential>,
) -> Result<Option<T>, MalformedCredential> {
    match body.remove(member) {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => parse(text).map(Some),
        Some(_) => Err(MalformedCredential::Charset),
    }
}

/// A number of seconds: `3600`, `3600.0` or `"3600"`. Anything else says nothing.
pub fn lenient_seconds(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            number.as_f64().filter(|it| (0.0..1e15).contains(it)).map(|it| it as u64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(body: &Value) -> Result<TokenResponse, UnusableTokenResponse> {
        TokenResponse::parse(body.to_string().as_bytes(), TokenType::Bearer)
    }

    fn with(member: &str, value: Value) -> Value {
        let mut body =
            json!({"access_token": "at", "token_type": "Bearer", "refresh_token": "rt", "expires_in": 60});
        body[member] = value;
        body
    }

    fn refusal(body: &Value) -> UnusableReason {
        parse(body).unwrap_err().reason
    }

    /// Why the ID token of an answer is none.
    fn id_token(token: Value) -> Option<UnusableReason> {
        let response = parse(&with("id_token", token)).unwrap();
        assert!(response.id_token.is_none());
        response.unusable_id_token
    }

    #[test]
    fn sec_035_an_unsigned_id_token_is_called_what_it_is() {
        const NONE: &str = "eyJhbGciOiJub25lIn0";
        const UNSIGNED: Option<UnusableReason> = Some(UnusableReason::UnsignedIdToken);
        for unsigned in ["eyJzdWIiOiJ4In0.", "eyJzdWIiOiJ4In0", "", "eyJzdWIiOiJ4In0..", "a.b.c"] {
            assert_eq!(id_token(json!(format!("{NONE}.{unsigned}"))), UNSIGNED, "{unsigned}");
        }
        for unsigned in ["a.b.", "a.b"] {
            assert_eq!(id_token(json!(unsigned)), UNSIGNED, "{unsigned}");
        }
        for other in ["a..", "..", ".b.", "a.b.c.", "a.b.c=", "a.b.c.d.e", "x"] {
            let reason = id_token(json!(other));
            assert!(matches!(reason, Some(UnusableReason::IdToken(_))), "{other}: {reason:?}");
        }
    }

    /// Whoever could write something unreadable into an answer could leave the ID token out as well, which is allowed.
    #[test]
    fn an_id_token_that_cannot_be_read_does_not_cost_the_other_tokens() {
        for unreadable in [json!("x"), json!("a.b.c.d.e"), json!(7), json!({"a": 1}), json!("a.b")] {
            let response = parse(&with("id_token", unreadable.clone())).unwrap();
            assert_eq!(response.access_token.expose(), "at", "{unreadable}");
            assert_eq!(response.refresh_token.unwrap().expose(), "rt", "{unreadable}");
            assert!(response.id_token.is_none() && response.unusable_id_token.is_some(), "{unreadable}");
            assert!(response.extra.get("id_token").is_none(), "{unreadable}");
        }
        let response = parse(&with("id_token", json!("aaa.bbb.ccc"))).unwrap();
        assert!(response.id_token.is_some() && response.unusable_id_token.is_none());
        let bounded = response.bounded(10);
        assert_eq!(
            (bounded.id_token.is_none(), bounded.unusable_id_token),
            (true, Some(UnusableReason::LongIdToken { length: 11, limit: 10 }))
        );
    }

    #[test]
    fn a_token_that_is_too_long_says_what_to_set() {
        let long = refusal(&with("access_token", json!("a".repeat(16_385)))).to_string();
        assert!(long.contains("16385") && long.contains("16384") && long.contains("access tokens"), "{long}");
        let token = format!("a.{}.c", "b".repeat(MAX_ID_TOKEN_BYTES));
        let long = id_token(json!(token)).unwrap().to_string();
        assert!(long.contains("client.maxIdTokenBytes") && long.contains("groups"), "{long}");
    }

    #[test]
    fn sec_094_the_refresh_token_of_an_unusable_answer_is_kept() {
        for body in [with("access_token", json!("")), with("token_type", json!("DPoP"))] {
            assert_eq!(parse(&body).unwrap_err().refresh_token.unwrap().expose(), "rt", "{body}");
        }
    }

    #[test]
    fn sec_094_a_cosmetic_oddity_does_not_lose_the_refresh_token() {
        for body in [
            with("expires_in", json!("3600")),
            with("expires_in", json!(3600.0)),
            with("expires_in", json!(-1)),
            with("expires_in", json!({"x": 1})),
            with("id_token", json!("")),
            with("id_token", json!(null)),
            with("scope", json!(["a", "b"])),
            with("scope", json!(7)),
            with("session_state", json!([1])),
        ] {
            let response = parse(&body).unwrap_or_else(|error| panic!("{body}: {error}"));
            assert_eq!(response.refresh_token.unwrap().expose(), "rt", "{body}");
        }
    }

    #[test]
    fn sec_095_an_empty_refresh_token_is_no_refresh_token() {
        assert!(parse(&with("refresh_token", json!(""))).unwrap().refresh_token.is_none());
        assert!(parse(&with("refresh_token", json!(null))).unwrap().refresh_token.is_none());
        assert!(parse(&with("refresh_token", json!(7))).is_err());
    }

    #[test]
    fn sec_096_a_lifetime_is_a_number_or_nothing() {
        for (value, expected) in [
            (json!(0), Some(0)),
            (json!(1), Some(1)),
            (json!(u64::MAX), Some(u64::MAX)),
            (json!("60"), Some(60)),
            (json!(-5), None),
            (json!("soon"), None),
            (json!(1e300), None),
            (json!(null), None),
        ] {
            assert_eq!(parse(&with("expires_in", value.clone())).unwrap().expires_in, expected, "{value}");
        }
    }

    #[test]
    fn sec_097_the_token_type_is_bearer_in_any_case() {
        for good in ["Bearer", "bearer", "BEARER"] {
            assert!(parse(&with("token_type", json!(good))).is_ok());
        }
        for bad in [json!("DPoP"), json!("mac"), json!(""), json!(null), json!(["Bearer"])] {
            assert!(refusal(&with("token_type", bad)) == UnusableReason::TokenType(TokenType::Bearer));
        }
    }

    #[test]
    fn sec_075_an_unusable_access_token_is_refused() {
        for bad in [json!(""), json!("a\r\nX: y"), json!(null), json!(7), json!("a b")] {
            assert!(matches!(refusal(&with("access_token", bad)), UnusableReason::AccessToken(_)));
        }
        for body in ["", "null", "[]", "\"x\"", "<html>"] {
            let reason = TokenResponse::parse(body.as_bytes(), TokenType::Bearer).unwrap_err().reason;
            assert!(matches!(reason, UnusableReason::Unreadable(_)), "{body}: {reason:?}");
        }
    }

    #[test]
    fn sec_196_an_answer_that_can_be_read_in_two_ways_is_refused() {
        let tokens = r#""access_token":"at","token_type":"Bearer","refresh_token":"rt""#;
        for member in ["access_token", "token_type", "refresh_token", "expires_in"] {
            let body = format!(r#"{{"{member}":"other",{tokens},"expires_in":60}}"#);
            let unusable = TokenResponse::parse(body.as_bytes(), TokenType::Bearer).unwrap_err();
            let expected = format!("the member `{member}` occurs twice");
            assert!(unusable.to_string().contains(&expected), "{unusable}");
            assert!(unusable.refresh_token.is_none(), "nobody can say which");
        }
        let beside = refusal(&with("error", json!("invalid_grant")));
        assert_eq!(beside, UnusableReason::ErrorBesideTokens);
        assert_eq!(refusal(&with("error", json!({"code": 1}))), UnusableReason::ErrorBesideTokens);
        // Says nothing, as some write it.
        for none in [json!(null), json!("")] {
            assert!(parse(&with("error", none)).is_ok());
        }
    }
}
