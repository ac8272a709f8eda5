//! What a logout token must say before we end anybody's session (OpenID Connect Back-Channel Logout 1.0 §2.6).
//!
//! Its signature is checked like an ID token's; these are the rules for its claims.

use std::time::Duration;

use serde_json::Value;

use super::{
    id_token::{LEEWAY, MAX_AGE, NumericDate, SignedClaims},
    time::UnixSeconds,
};

/// The member of `events` that makes a token a logout token (§2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The longest `jti` we remember.
const MAX_ID_BYTES: usize = 512;

/// The first rule that a token broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogoutTokenRefusal {
    /// RFC 8725 §3.11: an ID token or access token is no logout token.
    #[error("it is a token of another kind (header `typ`)")]
    Kind,
    /// Step 3.
    #[error("its `iss` is not the expected issuer")]
    Issuer,
    /// Step 3.
    #[error("its `aud` is none of our clients")]
    Audience,
    /// Step 3.
    #[error("its `iat` is missing, not a number, too long ago or in the future")]
    IssuedAt,
    /// Step 3.
    #[error("its `exp` is missing, not a number, or has passed")]
    Expired,
    /// Step 4.
    #[error("it has neither `sub` nor `sid`")]
    Nobody,
    /// Step 5.
    #[error("its `events` does not report a logout")]
    Event,
    /// Step 6: what is an ID token is no logout token.
    #[error("it has a `nonce`")]
    Nonce,
    /// Section 2.4.
    #[error("its `jti` is missing, empty or too long")]
    TokenId,
}

/// Whether a logout token must say until when it is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogoutTokenExpiry {
    /// As the specification has it since its final version (§2.4).
    Required,
    /// Providers of the drafts leave `exp` out; `iat` bounds the token's use all the same.
    Optional,
}

/// A logout that the provider reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedLogout {
    /// `iss`.
    pub issuer: String,
    /// `sub`: without a `sid`, all of the user's sessions.
    pub subject: Option<String>,
    /// `sid`: one session at the provider.
    pub provider_session: Option<String>,
    /// `jti`: reported once.
    pub token_id: String,
    /// How long the `jti` must be remembered.
    pub remember: Duration,
}

impl SignedClaims {
    /// Checks a logout token. `clients` are the `clientId`s that it may be for.
    pub fn validate_logout(
        &self,
        issuer: &str,
        clients: &[&str],
        expiry: LogoutTokenExpiry,
        now: UnixSeconds,
    ) -> Result<ReportedLogout, LogoutTokenRefusal> {
        if !matches!(self.kind().as_deref(), None | Some("jwt" | "logout+jwt")) {
            return Err(LogoutTokenRefusal::Kind);
        }
        if self.text("iss") != Some(issuer) {
            return Err(LogoutTokenRefusal::Issuer);
        }
        let ours = |audience: &Value| audience.as_str().is_some_and(|it| clients.contains(&it));
        let for_us = match self.claims.get("aud") {
            Some(Value::Array(list)) => list.iter().any(ours),
            Some(one) => ours(one),
            None => false,
        };
        if !for_us {
            return Err(LogoutTokenRefusal::Audience);
        }
        let issued_at = match self.date("iat") {
            NumericDate::At(iat) if iat <= now.plus(LEEWAY) && iat >= now.minus(MAX_AGE).minus(LEEWAY) => iat,
            _ => return Err(LogoutTokenRefusal::IssuedAt),
        };
        let expires_at = match self.date("exp") {
            NumericDate::At(exp) if now < exp.plus(LEEWAY) => exp,
            NumericDate::Absent if expiry == LogoutTokenExpiry::Optional => issued_at.plus(MAX_AGE),
            _ => return Err(LogoutTokenRefusal::Expired),
        };
        let event = self.claims.get("events").and_then(|events| events.get(EVENT));
        if !event.is_some_and(Value::is_object) {
            return Err(LogoutTokenRefusal::Event);
        }
        if self.claims.contains_key("nonce") {
            return Err(LogoutTokenRefusal::Nonce);
        }
        let text = |claim| self.text(claim).filter(|it| !it.is_empty()).map(str::to_owned);
        let (subject, provider_session) = (text("sub"), self.provider_session());
        if subject.is_none() && provider_session.is_none() {
            return Err(LogoutTokenRefusal::Nobody);
        }
        let token_id =
            text("jti").filter(|it| it.len() <= MAX_ID_BYTES).ok_or(LogoutTokenRefusal::TokenId)?;
        // Until it would be refused for its age anyway.
        let remember = now.until(expires_at).min(MAX_AGE) + LEEWAY * 2;
        Ok(ReportedLogout { issuer: issuer.to_owned(), subject, provider_session, token_id, remember })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{id_token::SignatureHash, provider_json};

    const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000);

    fn check(typ: Option<&str>, changes: Value) -> Result<ReportedLogout, LogoutTokenRefusal> {
        check_with(LogoutTokenExpiry::Required, typ, changes)
    }

    fn check_with(
        expiry: LogoutTokenExpiry,
        typ: Option<&str>,
        changes: Value,
    ) -> Result<ReportedLogout, LogoutTokenRefusal> {
        let mut claims = json!({
            "iss": "https://op.example", "aud": "app", "iat": NOW.get(), "exp": NOW.get() + 120, "jti": "1",
            "sub": "ada", "sid": "s", "events": {EVENT: {}},
        });
        for (name, value) in changes.as_object().unwrap() {
            if value == "REMOVED" {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        let claims = provider_json::object(claims.to_string().as_bytes()).unwrap();
        SignedClaims { claims, typ: typ.map(str::to_owned), hash: SignatureHash::Sha256 }.validate_logout(
            "https://op.example",
            &["other", "app"],
            expiry,
            NOW,
        )
    }

    #[test]
    fn a_report_names_who_logged_out() {
        let report = check(Some("logout+jwt"), json!({})).unwrap();
        assert_eq!((report.subject.as_deref(), report.provider_session.as_deref()), (Some("ada"), Some("s")));
        for typ in [None, Some("JWT"), Some("application/logout+jwt"), Some("LOGOUT+JWT")] {
            assert!(check(typ, json!({"sid": "REMOVED"})).is_ok(), "{typ:?}");
        }
        assert!(check(None, json!({"sub": "REMOVED", "aud": ["app", "x"]})).is_ok());
        // As the ID token of the login has it.
        let numbered = check(None, json!({"sid": 4711})).unwrap();
        assert_eq!(numbered.provider_session.as_deref(), Some("4711"));
        // `null` is absent: an ID token is still none, for it has no `events`.
        for nulls in
            [json!({"nonce": null}), json!({"sid": null}), json!({"sub": null}), json!({"nbf": null})]
        {
            assert!(check(None, nulls.clone()).is_ok(), "{nulls}");
        }
    }

    #[test]
    fn sec_118_a_token_without_exp_is_good_where_that_is_configured_and_as_long_as_it_is_young() {
        let without = |iat: u64| json!({"exp": "REMOVED", "iat": iat});
        let optional = |changes| check_with(LogoutTokenExpiry::Optional, None, changes);
        let now = NOW.get();
        let report = optional(without(now)).unwrap();
        assert!(report.remember >= MAX_AGE, "its `jti` is remembered as long as it could come again");
        assert_eq!(optional(without(now - 3600)), Err(LogoutTokenRefusal::IssuedAt));
        assert_eq!(optional(json!({"exp": now - 61})), Err(LogoutTokenRefusal::Expired));
        assert!(optional(json!({"exp": null})).is_ok(), "`null` is absent");
        assert_eq!(check(None, json!({"exp": null})), Err(LogoutTokenRefusal::Expired));
        assert_eq!(check(None, without(now)), Err(LogoutTokenRefusal::Expired));
    }

    #[test]
    fn sec_114_every_rule_of_a_logout_token_is_checked() {
        use LogoutTokenRefusal as R;
        let now = NOW.get();
        for (changes, refusal) in [
            (json!({"iss": "https://evil.example"}), R::Issuer),
            (json!({"iss": "https://op.example/"}), R::Issuer),
            (json!({"aud": "x"}), R::Audience),
            (json!({"aud": "REMOVED"}), R::Audience),
            (json!({"iat": "REMOVED"}), R::IssuedAt),
            (json!({"iat": now + 3600}), R::IssuedAt),
            (json!({"iat": now - 3600}), R::IssuedAt),
            (json!({"exp": "REMOVED"}), R::Expired),
            (json!({"exp": now - 61}), R::Expired),
            (json!({"events": "REMOVED"}), R::Event),
            (json!({"events": {}}), R::Event),
            (json!({"events": {"http://example.com/other": {}}}), R::Event),
            (json!({"events": {EVENT: true}}), R::Event),
            (json!({"nonce": "n"}), R::Nonce),
            (json!({"nonce": ""}), R::Nonce),
            (json!({"events": {EVENT: null}}), R::Event),
            (json!({"sub": null, "sid": null}), R::Nobody),
            (json!({"jti": null}), R::TokenId),
            (json!({"sub": "REMOVED", "sid": "REMOVED"}), R::Nobody),
            (json!({"sub": "", "sid": 7.5}), R::Nobody),
            (json!({"sub": "", "sid": [7]}), R::Nobody),
            (json!({"sub": 7, "sid": ""}), R::Nobody),
            (json!({"jti": "REMOVED"}), R::TokenId),
            (json!({"jti": ""}), R::TokenId),
            (json!({"jti": "x".repeat(513)}), R::TokenId),
        ] {
            assert_eq!(check(None, changes.clone()), Err(refusal), "{changes}");
        }
        for typ in ["at+jwt", "id_token+jwt", "secevent+jwt", ""] {
            assert_eq!(check(Some(typ), json!({})), Err(R::Kind), "{typ}");
        }
    }
}
