//! What an access token must say before a client that brought it itself may use it (RFC 9068 §4, RFC 8725).
//!
//! The signature is checked where the provider's keys are; these are the rules for its claims. The hard part is to tell it
//! from an ID token, which the same provider signs with the same key, and which many more parties see.

use std::time::Duration;

use serde_json::Value;

use super::{
    credential::AccessToken,
    expected_issuer::ExpectedIssuer,
    id_token::{self, NumericDate, SignedClaims},
    time::UnixSeconds,
};

/// Where clients without a session may use an access token of their own: an entry of `server.machineClients`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineAccess {
    /// The path prefix below the base path, without a trailing slash.
    pub prefix: String,
    /// The audiences of which a token must name one.
    pub audiences: Vec<String>,
}

impl MachineAccess {
    /// Whether it holds at this path, which has no query.
    pub fn covers(&self, path: &str) -> bool {
        path.strip_prefix(&self.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// How much the provider's clock and ours may differ: as much as `jwt_authn` allows in the configuration that
/// `authtool-bff envoy` prints.
const LEEWAY: Duration = Duration::from_secs(10);

/// Claims that tell an ID token or a logout token from an access token.
const OF_OTHER_TOKENS: [&str; 5] = ["nonce", "at_hash", "c_hash", "s_hash", "events"];

/// By which of these a provider names the client that a token was issued to. RFC 9068 §2.2 has the first; Keycloak, Auth0 and
/// Entra ID have the second, Okta and older tokens of Entra ID the others.
const NAMES_OF_THE_CLIENT: [&str; 4] = ["client_id", "azp", "cid", "appid"];

/// The first rule that a token broke. The text names no value of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessTokenRefusal {
    /// RFC 9068 §4, RFC 8725 §3.11 and §3.12.
    #[error(
        "it is no access token: its header's `typ` is another kind's, or it has claims of an ID token, or it is for the very client \
         that it was issued to, or does not name that client"
    )]
    Kind,
    /// RFC 9068 §4.
    #[error("its `iss` is not the expected issuer")]
    Issuer,
    /// RFC 9068 §4.
    #[error("its `aud` has none of the audiences that server.machineClients lists for this path")]
    Audience,
    /// RFC 9068 §4.
    #[error("its `exp` is missing, not a number, or has passed")]
    Expired,
    /// RFC 7519 §4.1.5.
    #[error("its `nbf` is not a number or lies in the future")]
    NotBefore,
    /// RFC 9449 §7.2, RFC 8705 §3: whoever stole it could use it so.
    #[error("it is bound to a key (`cnf`), which a bearer does not prove to have")]
    Bound,
}

impl AccessToken {
    /// The issuer that a JWT claims, before anything about it is verified: good for finding the keys to verify it with, and
    /// for nothing else.
    pub fn claimed_issuer(&self) -> Option<String> {
        id_token::claimed_issuer(self.expose())
    }
}

impl SignedClaims {
    /// Checks an access token: of this issuer, for one of these audiences, good now.
    pub fn validate_access(
        &self,
        issuer: &ExpectedIssuer,
        audiences: &[String],
        now: UnixSeconds,
    ) -> Result<(), AccessTokenRefusal> {
        if !self.is_access_token() {
            return Err(AccessTokenRefusal::Kind);
        }
        if !issuer.is_of(&self.claims) {
            return Err(AccessTokenRefusal::Issuer);
        }
        if !audiences.iter().any(|it| self.is_for(it)) {
            return Err(AccessTokenRefusal::Audience);
        }
        match self.date("exp") {
            NumericDate::At(exp) if now < exp.plus(LEEWAY) => {}
            _ => return Err(AccessTokenRefusal::Expired),
        }
        match self.date("nbf") {
            NumericDate::Absent => {}
            NumericDate::At(nbf) if nbf <= now.plus(LEEWAY) => {}
            _ => return Err(AccessTokenRefusal::NotBefore),
        }
        if self.claims.contains_key("cnf") {
            return Err(AccessTokenRefusal::Bound);
        }
        Ok(())
    }

    /// Where the header says `at+jwt`, it is one (RFC 9068 §2.1). Most providers do not say so yet. Then it must have nothing
    /// of an ID token, and be for somebody else than the client that it was issued to: an ID token never is
    /// (OpenID Connect Core 1.0 §2).
    fn is_access_token(&self) -> bool {
        match self.kind().as_deref() {
            Some("at+jwt") => return true,
            None | Some("jwt") => {}
            Some(_) => return false,
        }
        let says = |claim: &str, kind: &str| match self.claims.get(claim) {
            None => true,
            Some(said) => said.as_str().is_some_and(|said| said.eq_ignore_ascii_case(kind)),
        };
        // Keycloak and Amazon Cognito say which kind it is, each in a claim of its own.
        let is_of_another_kind = !says("typ", "Bearer") || !says("token_use", "access");
        if is_of_another_kind || OF_OTHER_TOKENS.iter().any(|claim| self.claims.contains_key(*claim)) {
            return false;
        }
        let mut clients = NAMES_OF_THE_CLIENT.iter().filter_map(|claim| self.claims.get(*claim)).peekable();
        clients.peek().is_some()
            && clients.all(|client| client.as_str().is_some_and(|it| !it.is_empty() && !self.is_for(it)))
    }

    /// Whether `aud` has this audience (RFC 7519 §4.1.3).
    fn is_for(&self, audience: &str) -> bool {
        match self.claims.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(list)) => list.iter().any(|it| it.as_str() == Some(audience)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{expected_issuer::AllowedTenants, id_token::SignatureHash, provider_json};

    const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000);
    const API: &str = "https://api.example";

    fn signed(typ: Option<&str>, changes: &Value) -> SignedClaims {
        let mut claims = json!({
            "iss": "https://op.example", "aud": API, "sub": "batch", "client_id": "batch", "iat": NOW.get(),
            "exp": NOW.get() + 300, "jti": "1",
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let claims = provider_json::object(claims.to_string().as_bytes()).unwrap();
        SignedClaims { claims, typ: typ.map(str::to_owned), hash: SignatureHash::Sha256 }
    }

    fn check(typ: Option<&str>, changes: &Value) -> Result<(), AccessTokenRefusal> {
        let issuer = ExpectedIssuer::Exactly("https://op.example".into());
        signed(typ, changes).validate_access(&issuer, &["other".into(), API.into()], NOW)
    }

    #[test]
    fn sec_155_access_tokens_of_common_providers_are_taken() {
        let now = NOW.get();
        for (what, typ, changes) in [
            ("RFC 9068", Some("at+jwt"), json!({})),
            ("with its whole media type", Some("application/at+jwt"), json!({"scope": "orders"})),
            ("one of several audiences", Some("AT+JWT"), json!({"aud": ["x", API]})),
            ("Keycloak", Some("JWT"), json!({"typ": "Bearer", "azp": "batch", "aud": [API, "account"]})),
            ("Auth0", Some("JWT"), json!({"client_id": null, "azp": "batch", "gty": "client-credentials"})),
            ("Okta", None, json!({"client_id": null, "cid": "batch", "scp": ["orders"]})),
            ("Entra ID", Some("JWT"), json!({"client_id": null, "appid": "batch", "roles": ["orders"]})),
            ("a resource of Cognito's", None, json!({"token_use": "access"})),
            (
                "`null` is absent",
                None,
                json!({"nonce": null, "at_hash": null, "azp": null, "nbf": null, "cnf": null}),
            ),
            ("a clock that is ahead", None, json!({"nbf": now + 10, "exp": now - 9})),
            ("a nonce, where the issuer says what it is", Some("at+jwt"), json!({"nonce": "n"})),
            (
                "for its own client, where the issuer says what it is",
                Some("at+jwt"),
                json!({"client_id": API}),
            ),
        ] {
            assert_eq!(check(typ, &changes), Ok(()), "{what}");
        }
    }

    #[test]
    fn sec_155_an_id_token_is_never_an_access_token() {
        for (what, typ, changes) in [
            ("a nonce", Some("JWT"), json!({"nonce": "n"})),
            ("an empty nonce", None, json!({"nonce": ""})),
            ("at_hash", Some("JWT"), json!({"at_hash": "x"})),
            ("c_hash", None, json!({"c_hash": "x"})),
            ("a logout token", None, json!({"events": {}})),
            ("its typ", Some("id_token+jwt"), json!({})),
            ("another typ", Some("logout+jwt"), json!({})),
            ("an empty typ", Some(""), json!({})),
            ("Keycloak's claim", Some("JWT"), json!({"typ": "ID"})),
            ("Cognito's claim", Some("JWT"), json!({"token_use": "id"})),
            // A refreshed ID token has neither nonce nor at_hash.
            ("for the client that it was issued to", Some("JWT"), json!({"client_id": null, "azp": API})),
            ("the same among others", None, json!({"aud": [API, "app"], "azp": "app"})),
            ("one name is the audience's", None, json!({"azp": API})),
            ("no client is named", Some("JWT"), json!({"client_id": null})),
            ("no client is named, by an empty name", None, json!({"client_id": ""})),
            ("a client that is no name", None, json!({"client_id": 7})),
        ] {
            assert_eq!(check(typ, &changes), Err(AccessTokenRefusal::Kind), "{what}");
        }
    }

    #[test]
    fn sec_155_every_other_rule_of_an_access_token_is_checked() {
        use AccessTokenRefusal as R;
        let now = NOW.get();
        for (changes, refusal) in [
            (json!({"iss": "https://evil.example"}), R::Issuer),
            (json!({"iss": "https://op.example/"}), R::Issuer),
            (json!({"iss": null}), R::Issuer),
            (json!({"aud": "https://api.example/"}), R::Audience),
            (json!({"aud": ["x", 7]}), R::Audience),
            (json!({"aud": []}), R::Audience),
            (json!({"aud": null}), R::Audience),
            (json!({"aud": {API: true}}), R::Audience),
            (json!({"exp": null}), R::Expired),
            (json!({"exp": "9999999999"}), R::Expired),
            (json!({"exp": now - 10}), R::Expired),
            (json!({"nbf": now + 11}), R::NotBefore),
            (json!({"nbf": "0"}), R::NotBefore),
            (json!({"cnf": {"jkt": "x"}}), R::Bound),
            (json!({"cnf": {"x5t#S256": "x"}}), R::Bound),
        ] {
            for typ in [None, Some("JWT"), Some("at+jwt")] {
                assert_eq!(check(typ, &changes), Err(refusal), "{typ:?}: {changes}");
            }
        }
    }

    #[test]
    fn sec_155_of_many_tenants_the_token_must_be_an_allowed_one_s() {
        let tenant = "11111111-2222-3333-4444-55555555abcd";
        let listed = AllowedTenants::Listed(vec![tenant.to_owned()]);
        let expected = ExpectedIssuer::of_tenant("https://login.example/{tenantid}", listed).unwrap();
        let of =
            |claims: &Value| signed(Some("at+jwt"), claims).validate_access(&expected, &[API.into()], NOW);
        let issuer = format!("https://login.example/{tenant}");
        assert_eq!(of(&json!({"iss": issuer, "tid": tenant})), Ok(()));
        let other = tenant.replace('1', "9");
        for (iss, tid) in [
            (issuer.as_str(), json!(null)),
            (&issuer, json!(other)),
            (&issuer.replace('1', "9"), json!(other)),
        ] {
            assert_eq!(of(&json!({"iss": iss, "tid": tid})), Err(AccessTokenRefusal::Issuer), "{iss} {tid}");
        }
    }
}
