//! What an ID token must say before we believe it (OpenID Connect Core 1.0 §3.1.3.7).
//!
//! The signature is checked where the provider's keys are (the `oidc` adapter); this module is the rest:
//! rules over the claims of a token whose signature already verified. Protocol claims are read strictly;
//! profile claims are left as they are, since real providers send `"email_verified": "true"`.

use std::time::Duration;

use aws_lc_rs::{constant_time, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    credential::{AccessToken, AuthorizationCode, IdToken},
    expected_issuer::ExpectedIssuer,
    provider_json,
    time::UnixSeconds,
};

/// How much the provider's clock and ours may differ.
pub const LEEWAY: Duration = Duration::from_mins(1);

/// How much older than `max_age` a login may be by the provider's own clock: what it rounds, and what it took.
const AUTH_TIME_LEEWAY: Duration = Duration::from_secs(5);

/// How long ago a token may have been issued when it comes straight from the token endpoint.
pub const MAX_AGE: Duration = Duration::from_mins(10);

/// The longest subject identifier (OpenID Connect Core 1.0 §2).
pub(super) const MAX_SUBJECT: usize = 255;

/// The first rule that a token broke. The text names no value of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenRefusal {
    /// RFC 8725 §3.11: an access token or logout token is no ID token.
    #[error("it is a token of another kind (header `typ`, or an `events` claim)")]
    Kind,
    /// Rule 2.
    #[error("its `iss` is not the expected issuer")]
    Issuer,
    /// Rule 3.
    #[error("its `aud` is missing, is not this client, or names others too")]
    Audience,
    /// Rules 4 and 5.
    #[error("its `azp` is not this client")]
    AuthorizedParty,
    /// Section 2.
    #[error("its `sub` is missing, empty, longer than {MAX_SUBJECT} characters or not printable ASCII")]
    Subject,
    /// Rule 9.
    #[error("its `exp` is missing, not a number, or has passed")]
    Expired,
    /// Rule 10.
    #[error("its `iat` is missing, not a number, too long ago or in the future")]
    IssuedAt,
    /// RFC 7519 §4.1.5.
    #[error("its `nbf` is not a number or lies in the future")]
    NotBefore,
    /// Rule 11.
    #[error("its `nonce` is missing or not the one that was sent")]
    Nonce,
    /// Section 3.1.3.8.
    #[error("its `at_hash` does not belong to the access token")]
    AccessTokenHash,
    /// Section 3.3.2.11; not expected in the code flow, but never wrong.
    #[error("its `c_hash` does not belong to the code")]
    CodeHash,
    /// Rule 13.
    #[error("its `auth_time` is missing or the login is older than `max_age` allows")]
    AuthTime,
    /// Section 12.2: a refreshed token speaks of another login.
    #[error("it is not about the user who logged in")]
    OtherLogin,
}

impl IdTokenRefusal {
    /// Whether the token is about somebody or something else, rather than merely old, early or late by a clock
    /// that may be ours.
    pub fn is_contradiction(self) -> bool {
        !matches!(self, Self::Expired | Self::IssuedAt | Self::NotBefore)
    }
}

/// Hash functions for `at_hash`, by the token's signature algorithm (section 3.1.3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureHash {
    /// `RS256`, `PS256`, `ES256`.
    Sha256,
    /// `RS384`, `PS384`, `ES384`.
    Sha384,
    /// `RS512`, `PS512`, `ES512`, and `EdDSA` with Ed25519.
    Sha512,
}

/// A token whose signature verified, with the parts of its header that matter here.
#[derive(Clone, Debug)]
pub struct SignedClaims {
    /// The payload.
    pub claims: Map<String, Value>,
    /// The header's `typ`, if any.
    pub typ: Option<String>,
    /// Which hash the signature used.
    pub hash: SignatureHash,
}

/// The claims that the protocol acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `iss`: with `sub`, the only thing that identifies a user.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `sid` (OpenID Connect Back-Channel Logout 1.0 §2.1).
    pub provider_session: Option<String>,
    /// `auth_time`.
    pub auth_time: Option<UnixSeconds>,
}

/// Whom a token is for.
#[derive(Clone, Copy, Debug)]
pub struct Audience<'a> {
    /// This client.
    pub client_id: &'a str,
    /// `idTokenFurtherAudiences`: who else may be named beside it.
    pub further: &'a [String],
}

impl<'a> Audience<'a> {
    /// This client alone.
    pub const fn only(client_id: &'a str) -> Self {
        Self { client_id, further: &[] }
    }
}

/// Whether an ID token of a login must carry the `nonce` that was sent (rule 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceUse {
    /// As the specification has it.
    Required,
    /// It may leave it out; some providers never send one. What the nonce protects from, a code or token of another login put
    /// into this one, PKCE with S256 prevents too (RFC 9700 §2.1.1): the code of another login does not fit this one's
    /// verifier, and ID tokens come from nowhere but the token endpoint. A nonce that is there must still match.
    MayBeAbsent,
}

/// What a login expects of its ID token.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The configured issuer, or `idTokenValidationIssuer`.
    pub issuer: &'a ExpectedIssuer,
    /// The client of this flow.
    pub audience: Audience<'a>,
    /// The nonce of this flow.
    pub nonce: &'a str,
    /// Whether the token must carry it.
    pub nonce_use: NonceUse,
    /// The code that was exchanged.
    pub code: &'a AuthorizationCode,
    /// `max_age` in seconds, if it was sent.
    pub max_age: Option<u64>,
}

impl IdToken {
    /// The issuer that a token claims, before anything about it is verified: good for finding the keys to verify
    /// it with, and for nothing else.
    pub fn claimed_issuer(&self) -> Option<String> {
        claimed_issuer(self.expose())
    }

    /// Whom a token claims to be about, before anything about it is verified: good for finding whose other sessions its
    /// revocation might end, and for nothing else.
    pub fn claimed_identity(&self) -> Option<Identity> {
        let claims = self.claimed()?;
        Some(Identity {
            issuer: claimed(&claims, "iss")?,
            subject: claimed(&claims, "sub")?,
            provider_session: claimed(&claims, "sid"),
            auth_time: None,
        })
    }

    fn claimed(&self) -> Option<Map<String, Value>> {
        claimed_by(self.expose())
    }
}

fn claimed(claims: &Map<String, Value>, name: &str) -> Option<String> {
    claims.get(name)?.as_str().map(str::to_owned)
}

/// The `iss` of a compact JWS whose signature nobody has looked at.
pub(super) fn claimed_issuer(token: &str) -> Option<String> {
    claimed(&claimed_by(token)?, "iss")
}

fn claimed_by(token: &str) -> Option<Map<String, Value>> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    provider_json::object(&payload).ok()
}

impl SignedClaims {
    /// Checks the token of a login.
    pub fn validate(
        &self,
        expected: &Expected<'_>,
        access_token: &AccessToken,
        now: UnixSeconds,
    ) -> Result<Identity, IdTokenRefusal> {
        let identity = self.validate_common(expected.issuer, expected.audience, now)?;
        let identity = Identity { auth_time: self.auth_time(), ..identity };
        let nonce_fits = match self.stated("nonce") {
            None => expected.nonce_use == NonceUse::MayBeAbsent,
            Some(nonce) => nonce.as_str().is_some_and(|it| same(it, expected.nonce)),
        };
        if !nonce_fits {
            return Err(IdTokenRefusal::Nonce);
        }
        if let Some(max_age) = expected.max_age {
            let max_age = Duration::from_secs(max_age);
            let NumericDate::At(issued_at) = self.date("iat") else { return Err(IdTokenRefusal::IssuedAt) };
            // By our clock with what two clocks may differ, and by the provider's own with next to nothing: where
            // `max_age` is 0, a minute would be enough for one that does not ask.
            let limit =
                now.minus(max_age).minus(LEEWAY).max(issued_at.minus(max_age).minus(AUTH_TIME_LEEWAY));
            if identity.auth_time.is_none_or(|at| at < limit) {
                return Err(IdTokenRefusal::AuthTime);
            }
        }
        self.check_hash("c_hash", expected.code.expose(), IdTokenRefusal::CodeHash)?;
        self.check_hash("at_hash", access_token.expose(), IdTokenRefusal::AccessTokenHash)?;
        Ok(identity)
    }

    /// Checks the token of a refresh answer against the login it must continue (section 12.2).
    ///
    /// Its `auth_time` is ignored, whatever it says: some providers send the user's latest login anywhere (Cognito,
    /// Django). An attacker gains nothing, since the login's own `auth_time` goes on being the session's, and what
    /// step-up has verified stays as it was.
    pub fn validate_refreshed(
        &self,
        login: &Identity,
        audience: Audience<'_>,
        nonce: &str,
        access_token: &AccessToken,
        now: UnixSeconds,
    ) -> Result<Identity, IdTokenRefusal> {
        let issuer = ExpectedIssuer::Exactly(login.issuer.clone());
        let identity = self.validate_common(&issuer, audience, now)?;
        if identity.subject != login.subject {
            return Err(IdTokenRefusal::OtherLogin);
        }
        if self.stated("nonce").is_some_and(|it| !it.as_str().is_some_and(|it| same(it, nonce))) {
            return Err(IdTokenRefusal::Nonce);
        }
        self.check_hash("at_hash", access_token.expose(), IdTokenRefusal::AccessTokenHash)?;
        Ok(Identity {
            provider_session: identity.provider_session.or_else(|| login.provider_session.clone()),
            auth_time: login.auth_time,
            ..identity
        })
    }

    fn validate_common(
        &self,
        issuer: &ExpectedIssuer,
        audience: Audience<'_>,
        now: UnixSeconds,
    ) -> Result<Identity, IdTokenRefusal> {
        let is_id_token =
            matches!(self.kind().as_deref(), None | Some("" | "jwt" | "id_token" | "id_token+jwt"));
        if !is_id_token || self.claims.contains_key("events") {
            return Err(IdTokenRefusal::Kind);
        }
        let issuer = self.text("iss").filter(|_| issuer.is_of(&self.claims)).ok_or(IdTokenRefusal::Issuer)?;
        let Audience { client_id, further } = audience;
        let (is_for_us, names_others) = match self.claims.get("aud") {
            Some(Value::String(one)) => (one == client_id, false),
            Some(Value::Array(list)) => {
                let us = |it: &Value| it.as_str() == Some(client_id);
                let known =
                    |it: &Value| us(it) || it.as_str().is_some_and(|it| further.iter().any(|one| one == it));
                (list.iter().any(us) && list.iter().all(known), !list.iter().all(us))
            }
            _ => (false, false),
        };
        if !is_for_us {
            return Err(IdTokenRefusal::Audience);
        }
        // With others in the audience, it says whom of them the token was issued to.
        let authorized_party_is_us = match self.stated("azp") {
            None => !names_others,
            Some(party) => party.as_str() == Some(client_id),
        };
        if !authorized_party_is_us {
            return Err(IdTokenRefusal::AuthorizedParty);
        }
        let subject = self
            .text("sub")
            .filter(|sub| (1..=MAX_SUBJECT).contains(&sub.len()))
            .filter(|sub| sub.bytes().all(|byte| (0x20..=0x7e).contains(&byte)))
            .ok_or(IdTokenRefusal::Subject)?;
        match self.date("exp") {
            NumericDate::At(exp) if now < exp.plus(LEEWAY) => {}
            _ => return Err(IdTokenRefusal::Expired),
        }
        match self.date("iat") {
            NumericDate::At(iat) if iat <= now.plus(LEEWAY) && iat >= now.minus(MAX_AGE).minus(LEEWAY) => {}
            _ => return Err(IdTokenRefusal::IssuedAt),
        }
        match self.date("nbf") {
            NumericDate::Absent => {}
            NumericDate::At(nbf) if nbf <= now.plus(LEEWAY) => {}
            _ => return Err(IdTokenRefusal::NotBefore),
        }
        Ok(Identity {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            provider_session: self.provider_session(),
            auth_time: None,
        })
    }

    /// The `auth_time`, if it can be read. One that cannot is no reason to refuse a login for which nobody asked when the user
    /// had authenticated: as with an absent one, `max_age` is not met, now or in a step-up later.
    fn auth_time(&self) -> Option<UnixSeconds> {
        match self.date("auth_time") {
            NumericDate::At(at) => Some(at),
            NumericDate::Absent | NumericDate::Malformed => None,
        }
    }

    /// The left half of a value's hash (section 3.1.3.6), where the claim is present.
    fn check_hash(&self, claim: &str, value: &str, refusal: IdTokenRefusal) -> Result<(), IdTokenRefusal> {
        let Some(claim) = self.claims.get(claim) else { return Ok(()) };
        let algorithm = match self.hash {
            SignatureHash::Sha256 => &digest::SHA256,
            SignatureHash::Sha384 => &digest::SHA384,
            SignatureHash::Sha512 => &digest::SHA512,
        };
        let hash = digest::digest(algorithm, value.as_bytes());
        let left_half = hash.as_ref().get(..hash.as_ref().len() / 2).unwrap_or_default();
        match claim.as_str() {
            Some(claim) if same(claim, &URL_SAFE_NO_PAD.encode(left_half)) => Ok(()),
            _ => Err(refusal),
        }
    }

    /// A claim that says something. An empty text is what some libraries write for a field that is not set, and counts as
    /// absent where a claim may be: who sends it gains what leaving the claim out would gain.
    fn stated(&self, claim: &str) -> Option<&Value> {
        self.claims.get(claim).filter(|it| it.as_str() != Some(""))
    }

    /// The header's `typ` in lower case and without `application/` (RFC 7515 §4.1.9).
    pub(super) fn kind(&self) -> Option<String> {
        let typ = self.typ.as_ref()?.to_ascii_lowercase();
        Some(typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ))
    }

    pub(super) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }

    /// `sid`. Some providers write a number: it is the same session, whichever way it is named, here, in a logout token and
    /// in the query of a front-channel logout.
    pub(super) fn provider_session(&self) -> Option<String> {
        match self.stated("sid")? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) if number.is_u64() || number.is_i64() => Some(number.to_string()),
            _ => None,
        }
    }

    pub(super) fn date(&self, claim: &str) -> NumericDate {
        self.claims.get(claim).map_or(NumericDate::Absent, NumericDate::of)
    }
}

/// A `NumericDate` (RFC 7519 §2). A value that is no date is not the same as no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumericDate {
    Absent,
    Malformed,
    At(UnixSeconds),
}

impl NumericDate {
    /// The end of the year 9999. Beyond it lies a mistake, or an attempt at "valid forever".
    const LATEST: u64 = 253_402_300_799;

    fn of(value: &Value) -> Self {
        let seconds = value.as_u64().or_else(|| {
            // The RFC allows fractions. The range makes the conversion exact.
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            value
                .as_f64()
                .filter(|it| it.is_finite() && *it >= 0.0 && *it <= Self::LATEST as f64)
                .map(|it| it.trunc() as u64)
        });
        match seconds {
            Some(seconds) if seconds <= Self::LATEST => Self::At(UnixSeconds::new(seconds)),
            _ => Self::Malformed,
        }
    }
}

fn same(a: &str, b: &str) -> bool {
    constant_time::verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use serde_json::json;

    const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000);
    static CODE: LazyLock<AuthorizationCode> = LazyLock::new(|| AuthorizationCode::parse("code").unwrap());

    static ISSUER: LazyLock<ExpectedIssuer> =
        LazyLock::new(|| ExpectedIssuer::Exactly("https://op.example".into()));

    fn expected() -> Expected<'static> {
        Expected {
            issuer: &ISSUER,
            audience: Audience::only("app"),
            nonce: "n-1",
            nonce_use: NonceUse::Required,
            code: &CODE,
            max_age: None,
        }
    }

    fn good() -> Value {
        json!({
            "iss": "https://op.example", "aud": "app", "sub": "ada", "nonce": "n-1",
            "iat": NOW.get(), "exp": NOW.get() + 300,
        })
    }

    fn signed(claims: Value) -> SignedClaims {
        let claims = provider_json::object(claims.to_string().as_bytes()).unwrap();
        SignedClaims { claims, typ: Some("JWT".into()), hash: SignatureHash::Sha256 }
    }

    /// The good token with some claims set, or removed where the value is `REMOVED`. It is read as a provider's token is.
    fn with(changes: Value) -> SignedClaims {
        let mut claims = good();
        for (name, value) in changes.as_object().unwrap() {
            if value == "REMOVED" {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        signed(claims)
    }

    fn check(token: &SignedClaims) -> Result<Identity, IdTokenRefusal> {
        token.validate(&expected(), &AccessToken::parse("at").unwrap(), NOW)
    }

    #[track_caller]
    fn refuses(expected: IdTokenRefusal, cases: &[Value]) {
        for case in cases {
            assert_eq!(check(&with(case.clone())), Err(expected), "{case}");
        }
    }

    #[track_caller]
    fn accepts(cases: &[Value]) {
        for case in cases {
            assert!(check(&with(case.clone())).is_ok(), "{case}: {:?}", check(&with(case.clone())));
        }
    }

    #[test]
    fn sec_038_the_issuer_is_compared_exactly() {
        let (trailing, case, port) = ("https://op.example/", "https://OP.example", "https://op.example:443");
        refuses(IdTokenRefusal::Issuer, &[trailing, case, port].map(|iss| json!({"iss": iss})));
        refuses(IdTokenRefusal::Issuer, &[json!({"iss": "REMOVED"}), json!({"iss": ["https://op.example"]})]);
    }

    #[test]
    fn sec_039_sec_040_further_audiences_are_those_configured_and_name_the_authorized_party() {
        let further = ["project".to_owned(), "other".to_owned()];
        let check = |changes: Value| {
            let expected =
                Expected { audience: Audience { client_id: "app", further: &further }, ..expected() };
            with(changes).validate(&expected, &AccessToken::parse("at").unwrap(), NOW).err()
        };
        for good in [
            json!({"aud": "app"}),
            json!({"aud": ["app"]}),
            json!({"aud": ["project", "app"], "azp": "app"}),
            json!({"aud": ["other", "app", "project"], "azp": "app"}),
        ] {
            assert_eq!(check(good.clone()), None, "{good}");
        }
        for (bad, refusal) in [
            (json!({"aud": ["project", "app"]}), IdTokenRefusal::AuthorizedParty),
            (json!({"aud": ["project", "app"], "azp": "project"}), IdTokenRefusal::AuthorizedParty),
            (json!({"aud": ["project", "app"], "azp": null}), IdTokenRefusal::AuthorizedParty),
            (json!({"aud": ["project", "app"], "azp": ""}), IdTokenRefusal::AuthorizedParty),
            (json!({"aud": ["project"], "azp": "app"}), IdTokenRefusal::Audience),
            (json!({"aud": "project", "azp": "app"}), IdTokenRefusal::Audience),
            (json!({"aud": ["app", "evil"], "azp": "app"}), IdTokenRefusal::Audience),
            (json!({"aud": ["app", 7], "azp": "app"}), IdTokenRefusal::Audience),
            (json!({"aud": []}), IdTokenRefusal::Audience),
        ] {
            assert_eq!(check(bad.clone()), Some(refusal), "{bad}");
        }
    }

    #[test]
    fn sec_039_the_audience_is_this_client_alone() {
        // Twice this client is this client, and nobody else.
        accepts(&[json!({"aud": ["app"]}), json!({"aud": ["app", "app"]})]);
        refuses(
            IdTokenRefusal::Audience,
            &[
                json!({"aud": "REMOVED"}),
                json!({"aud": []}),
                json!({"aud": ["app", "x"]}),
                json!({"aud": "x"}),
                json!({"aud": {}}),
            ],
        );
    }

    #[test]
    fn sec_040_an_authorized_party_is_this_client() {
        accepts(&[json!({"azp": "app"}), json!({"azp": null}), json!({"azp": ""})]);
        refuses(IdTokenRefusal::AuthorizedParty, &[json!({"azp": "other"}), json!({"azp": ["app"]})]);
    }

    #[test]
    fn sec_041_times_are_required_and_checked_with_a_small_leeway() {
        let now = NOW.get();
        accepts(&[
            json!({"exp": now - 5}),
            json!({"exp": now - 59}),
            json!({"iat": now + 5}),
            json!({"nbf": now + 5}),
            json!({"iat": now - 600}),
            json!({"exp": 1_800_000_300.9}),
        ]);
        refuses(
            IdTokenRefusal::Expired,
            &[json!({"exp": "REMOVED"}), json!({"exp": now - 60}), json!({"exp": 0})],
        );
        refuses(
            IdTokenRefusal::IssuedAt,
            &[
                json!({"iat": "REMOVED"}),
                json!({"iat": now + 7200}),
                json!({"iat": now - 700}),
                json!({"iat": 0}),
            ],
        );
        refuses(IdTokenRefusal::NotBefore, &[json!({"nbf": now + 3600})]);
    }

    #[test]
    fn sec_042_a_strange_number_is_refused_and_never_means_absent() {
        for strange in [
            json!("1800000300"),
            json!(-1),
            json!(1e300),
            json!(i64::MAX),
            json!(u64::MAX),
            json!([]),
            json!({}),
            json!(true),
        ] {
            refuses(IdTokenRefusal::Expired, &[json!({"exp": strange})]);
            refuses(IdTokenRefusal::IssuedAt, &[json!({"iat": strange})]);
            refuses(IdTokenRefusal::NotBefore, &[json!({"nbf": strange})]);
            // Nobody asked when the user had authenticated: nothing rests on it, and it says nothing.
            assert_eq!(check(&with(json!({"auth_time": strange}))).unwrap().auth_time, None, "{strange}");
            let expected = Expected { max_age: Some(60), ..expected() };
            let asked = with(json!({"auth_time": strange}));
            let outcome = asked.validate(&expected, &AccessToken::parse("at").unwrap(), NOW);
            assert_eq!(outcome, Err(IdTokenRefusal::AuthTime), "{strange}, and max_age was asked for");
        }
        // `null` does mean absent (see `provider_json`): good for what is optional, and for nothing else.
        accepts(&[json!({"nbf": null}), json!({"auth_time": null})]);
        refuses(IdTokenRefusal::Expired, &[json!({"exp": null})]);
        refuses(IdTokenRefusal::IssuedAt, &[json!({"iat": null})]);
    }

    #[test]
    fn sec_043_the_nonce_is_required_and_ours() {
        refuses(
            IdTokenRefusal::Nonce,
            &[
                json!({"nonce": "REMOVED"}),
                json!({"nonce": ""}),
                json!({"nonce": "n-2"}),
                json!({"nonce": null}),
                json!({"nonce": ["n-1"]}),
            ],
        );
    }

    #[test]
    fn sec_043_a_provider_may_leave_the_nonce_out_where_that_is_configured() {
        let expected = Expected { nonce_use: NonceUse::MayBeAbsent, ..expected() };
        let check = |nonce: Value| {
            with(json!({"nonce": nonce})).validate(&expected, &AccessToken::parse("at").unwrap(), NOW)
        };
        // An empty one is one that was left out: whoever could empty it could leave it out.
        for good in [json!("REMOVED"), json!(null), json!(""), json!("n-1")] {
            assert!(check(good.clone()).is_ok(), "{good}");
        }
        for foreign in [json!("n-2"), json!(" "), json!(["n-1"]), json!(7), json!(false)] {
            assert_eq!(check(foreign.clone()), Err(IdTokenRefusal::Nonce), "{foreign}");
        }
    }

    #[test]
    fn a_session_at_the_provider_has_one_name_whether_it_is_written_as_text_or_as_a_number() {
        for (sid, name) in [
            (json!("s-1"), Some("s-1")),
            (json!(4711), Some("4711")),
            (json!("4711"), Some("4711")),
            (json!(-7), Some("-7")),
            (json!(""), None),
            (json!(null), None),
            (json!(1.5), None),
            (json!(["s-1"]), None),
        ] {
            let identity = check(&with(json!({"sid": sid}))).unwrap();
            assert_eq!(identity.provider_session.as_deref(), name, "{sid}");
        }
    }

    #[test]
    fn sec_044_a_subject_is_short_ascii_and_not_empty() {
        accepts(&[json!({"sub": "x".repeat(255)})]);
        refuses(
            IdTokenRefusal::Subject,
            &[
                json!({"sub": ""}),
                json!({"sub": "REMOVED"}),
                json!({"sub": 7}),
                json!({"sub": "é"}),
                json!({"sub": "a\u{0}b"}),
                json!({"sub": "x".repeat(256)}),
            ],
        );
    }

    #[test]
    fn sec_045_an_access_token_hash_must_fit() {
        let fitting = URL_SAFE_NO_PAD.encode(&digest::digest(&digest::SHA256, b"at").as_ref()[..16]);
        accepts(&[json!({"at_hash": fitting}), json!({"at_hash": null}), json!({"at_hash": "REMOVED"})]);
        refuses(
            IdTokenRefusal::AccessTokenHash,
            &[json!({"at_hash": "x"}), json!({"at_hash": ""}), json!({"at_hash": 1})],
        );
    }

    #[test]
    fn sec_045_a_code_hash_must_fit() {
        let fitting = URL_SAFE_NO_PAD.encode(&digest::digest(&digest::SHA256, b"code").as_ref()[..16]);
        accepts(&[json!({"c_hash": fitting})]);
        refuses(
            IdTokenRefusal::CodeHash,
            &[json!({"c_hash": "x"}), json!({"c_hash": ""}), json!({"c_hash": 7})],
        );
    }

    #[test]
    fn sec_046_a_token_of_another_kind_is_no_id_token() {
        refuses(
            IdTokenRefusal::Kind,
            &[json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}})],
        );
        for typ in ["at+jwt", "application/at+jwt", "logout+jwt", "AT+JWT", "dpop+jwt", "id_token+at", " "] {
            let token = SignedClaims { typ: Some(typ.into()), ..signed(good()) };
            assert_eq!(check(&token), Err(IdTokenRefusal::Kind), "{typ}");
        }
        for typ in [None, Some(""), Some("jwt"), Some("JWT"), Some("application/jwt"), Some("id_token")] {
            let token = SignedClaims { typ: typ.map(str::to_owned), ..signed(good()) };
            assert!(check(&token).is_ok(), "{typ:?}");
        }
    }

    #[test]
    fn sec_048_a_surprising_profile_claim_does_not_matter() {
        accepts(&[
            json!({"email_verified": "true", "email": 7, "address": "x", "updated_at": "2026-01-01T00:00:00Z"}),
        ]);
    }

    #[test]
    fn sec_016_a_login_older_than_max_age_is_refused() {
        let expected = Expected { max_age: Some(60), ..expected() };
        let check = |auth_time: Value| {
            with(json!({"auth_time": auth_time})).validate(&expected, &AccessToken::parse("at").unwrap(), NOW)
        };
        assert!(check(json!(NOW.get() - 30)).is_ok());
        assert!(check(json!(NOW.get() - 64)).is_ok());
        assert_eq!(check(json!(NOW.get() - 70)), Err(IdTokenRefusal::AuthTime));
        assert_eq!(check(json!(NOW.get() - 3600)), Err(IdTokenRefusal::AuthTime));
        assert_eq!(check(json!("REMOVED")), Err(IdTokenRefusal::AuthTime));
    }

    #[test]
    fn sec_016_a_provider_that_does_not_ask_again_is_noticed_whatever_its_clock_says() {
        // `max_age=0`, three seconds after the login began.
        let expected = Expected { max_age: Some(3), ..expected() };
        for (what, clock, age, accepted) in [
            ("asked again", 0, 1, true),
            ("asked again, and took it from the second before", 0, 4, true),
            ("by a clock that is slow", -50, 1, true),
            ("by a clock that is fast", 50, 1, true),
            ("by a clock that is slow, and did not ask", -50, 20, false),
            ("did not ask, half a minute after a login", 0, 30, false),
            ("did not ask, by a clock that is fast", 50, 30, false),
        ] {
            let issued_at = NOW.get().saturating_add_signed(clock);
            let token = with(json!({"iat": issued_at, "auth_time": issued_at - age}));
            let outcome = token.validate(&expected, &AccessToken::parse("at").unwrap(), NOW);
            assert_eq!(outcome.is_ok(), accepted, "{what}: {outcome:?}");
        }
    }

    #[test]
    fn sec_098_a_refreshed_token_continues_the_same_login() {
        let login = Identity {
            issuer: "https://op.example".into(),
            subject: "ada".into(),
            provider_session: Some("s".into()),
            auth_time: Some(UnixSeconds::new(1_700_000_000)),
        };
        let check = |changes: Value| {
            with(changes).validate_refreshed(
                &login,
                Audience::only("app"),
                "n-1",
                &AccessToken::parse("at").unwrap(),
                NOW,
            )
        };
        assert_eq!(check(json!({"nonce": "REMOVED"})), Ok(login.clone()));
        assert_eq!(check(json!({"nonce": "n-1"})), Ok(login.clone()));
        assert_eq!(check(json!({"nonce": null, "at_hash": null, "sid": null})), Ok(login.clone()));
        assert_eq!(check(json!({"nonce": "", "azp": "", "sid": ""})), Ok(login.clone()));
        for auth_time in [json!(1_700_000_000), json!(1_800_000_000), json!(1), json!("soon"), json!(null)] {
            assert_eq!(check(json!({"auth_time": auth_time})), Ok(login.clone()), "{auth_time}");
        }
        assert_eq!(check(json!({"sub": "eve"})), Err(IdTokenRefusal::OtherLogin));
        assert_eq!(check(json!({"nonce": "n-2"})), Err(IdTokenRefusal::Nonce));
        assert_eq!(check(json!({"nonce": 7})), Err(IdTokenRefusal::Nonce));
        assert_eq!(check(json!({"iss": "https://evil.example"})), Err(IdTokenRefusal::Issuer));
    }
}
