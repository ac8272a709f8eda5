//! A session: who logged in, with which tokens, until when.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    credential::{AccessToken, IdToken, RefreshToken},
    dpop::ProofKey,
    end_session,
    id_token::Identity,
    provider_json,
    time::UnixSeconds,
    token_refusal::Doubts,
    token_response::{TokenResponse, lenient_seconds},
};

/// At most one refresh per session in this time, however short-lived the provider's tokens are.
const REFRESH_FLOOR: Duration = Duration::from_secs(2);

/// The lifetimes that configuration sets.
#[derive(Clone, Debug)]
pub struct Lifetimes {
    /// A session ends this long after the login, whatever happens.
    pub absolute: Duration,
    /// A refresh token lasts this long if the provider does not say.
    pub refresh_token: Duration,
    /// The member of the token response that holds the refresh token's lifetime in seconds
    /// (Keycloak: `refresh_expires_in`). Zero means "does not expire".
    pub refresh_token_field: Option<String>,
    /// A session that is not used for this long ends.
    pub idle: Option<Duration>,
    /// An access token is refreshed this long before it expires.
    pub jitter: Duration,
}

/// What every request needs: small, and decrypted on the hot path.
#[derive(Clone, Serialize, Deserialize)]
pub struct Live {
    /// The current access token.
    pub access_token: AccessToken,
    /// When it expires.
    pub access_expires_at: UnixSeconds,
    /// When it was obtained.
    pub refreshed_at: UnixSeconds,
    /// When the session ends unless a refresh extends it.
    pub ends_at: UnixSeconds,
    /// When the session was last used, as far as it was noted.
    pub used_at: UnixSeconds,
    /// Whether there is a refresh token.
    pub can_refresh: bool,
    /// The selected claims, as a JSON object.
    pub claims_json: String,
    /// What its tokens are bound to, where they are (RFC 9449).
    pub proof_key: Option<ProofKey>,
}

/// What only refresh and logout need.
#[derive(Clone, Serialize, Deserialize)]
pub struct Kept {
    /// The issuer of the ID token; with `subject`, the user.
    pub issuer: String,
    /// `None` for a login without OpenID Connect.
    pub subject: Option<String>,
    /// The provider's own session (`sid`).
    pub provider_session: Option<String>,
    /// `auth_time` of the login.
    pub auth_time: Option<UnixSeconds>,
    /// The nonce of the login, for ID tokens of refresh answers.
    pub nonce: String,
    /// The name of the client that logged in.
    pub client: String,
    /// The refresh token.
    pub refresh_token: Option<RefreshToken>,
    /// The latest ID token, for `id_token_hint`.
    pub id_token: Option<IdToken>,
    /// The granted scope, if the provider named it.
    pub scope: Option<String>,
    /// When the user logged in.
    pub created_at: UnixSeconds,
    /// Refusals of the refresh token that may mean it.
    pub doubts: Option<Doubts>,
}

/// A session, whole.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// For every request.
    pub live: Live,
    /// For refresh and logout.
    pub kept: Kept,
}

/// What a login brings to its session besides tokens.
pub struct Login<'a> {
    /// Who it is, where OpenID Connect told us.
    pub identity: Option<Identity>,
    /// The issuer, for logins without an identity.
    pub issuer: &'a str,
    /// The name of the client that logged in.
    pub client: &'a str,
    /// The nonce that was sent.
    pub nonce: String,
    /// The selected claims.
    pub claims: Map<String, Value>,
    /// What the tokens are bound to.
    pub proof_key: Option<ProofKey>,
}

/// What a session has before its new tokens come.
struct Before {
    claims_json: String,
    proof_key: Option<ProofKey>,
    end: Option<UnixSeconds>,
}

/// Whether the access token can be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It can.
    Fresh,
    /// It should be refreshed first; if that fails for reasons that are not the session's, it still can.
    Stale,
    /// It must be refreshed first.
    Expired,
    /// The session is over: nothing can make another token.
    Over,
}

impl Session {
    /// The session of a login that just succeeded.
    pub fn begin(login: Login<'_>, tokens: TokenResponse, lifetimes: &Lifetimes, now: UnixSeconds) -> Self {
        let (identity, issuer) = match login.identity {
            Some(identity) => (Some(identity.clone()), identity.issuer),
            None => (None, login.issuer.to_owned()),
        };
        let identity = identity.as_ref();
        let kept = Kept {
            issuer,
            subject: identity.map(|it| it.subject.clone()),
            provider_session: identity.and_then(|it| it.provider_session.clone()),
            auth_time: identity.and_then(|it| it.auth_time),
            nonce: login.nonce,
            client: login.client.to_owned(),
            refresh_token: None,
            id_token: None,
            scope: None,
            created_at: now,
            doubts: None,
        };
        let before = Before {
            claims_json: Value::Object(login.claims).to_string(),
            proof_key: login.proof_key,
            end: None,
        };
        Self::assemble(kept, before, tokens, lifetimes, now)
    }

    /// The session after a refresh: new tokens, the same login. Keeps the old refresh token where the
    /// answer has none (RFC 6749 §6), and never outlives the absolute limit.
    #[must_use]
    pub fn refreshed(
        &self,
        tokens: TokenResponse,
        claims: Option<Map<String, Value>>,
        lifetimes: &Lifetimes,
        now: UnixSeconds,
    ) -> Self {
        let claims_json =
            claims.map_or_else(|| self.live.claims_json.clone(), |claims| Value::Object(claims).to_string());
        let proof_key = self.live.proof_key.clone();
        let before = Before { claims_json, proof_key, end: Some(self.live.ends_at) };
        Self::assemble(self.kept.clone(), before, tokens, lifetimes, now)
    }

    /// The same session with another refresh token, from an answer that was otherwise no use.
    #[must_use]
    pub fn with_refresh_token(&self, refresh_token: RefreshToken) -> Self {
        let mut session = self.clone();
        session.kept.refresh_token = Some(refresh_token);
        session.kept.doubts = None;
        session.live.can_refresh = true;
        session
    }

    /// The same session, with one more doubtful refusal of its refresh token.
    #[must_use]
    pub fn doubted(&self, doubts: Doubts) -> Self {
        let mut session = self.clone();
        session.kept.doubts = Some(doubts);
        session
    }

    /// The user who logged in, as later ID tokens must describe them.
    pub fn identity(&self) -> Option<Identity> {
        Some(Identity {
            issuer: self.kept.issuer.clone(),
            subject: self.kept.subject.clone()?,
            provider_session: self.kept.provider_session.clone(),
            auth_time: self.kept.auth_time,
        })
    }

    fn assemble(
        mut kept: Kept,
        before: Before,
        tokens: TokenResponse,
        lifetimes: &Lifetimes,
        now: UnixSeconds,
    ) -> Self {
        let access_expires_at = access_token_expiry(&tokens, now);
        let absolute_end = kept.created_at.plus(lifetimes.absolute);
        let renewed = tokens.refresh_token.is_some();
        let stated = refresh_token_lifetime(&tokens, lifetimes);
        let end = match (renewed, stated, &kept.refresh_token, before.end) {
            // A new refresh token, or news about the old one.
            (true, stated, _, _) => stated.unwrap_or(Some(lifetimes.refresh_token)).map(|it| now.plus(it)),
            (false, Some(stated), Some(_), _) => stated.map(|it| now.plus(it)),
            // The old refresh token goes on; so does its end.
            (false, None, Some(_), Some(previous)) => Some(previous),
            // Nothing can renew this session: it ends with its access token.
            _ => Some(access_expires_at),
        };
        if tokens.refresh_token.is_some() {
            kept.refresh_token = tokens.refresh_token;
        }
        if tokens.id_token.is_some() {
            // It is kept as a hint and nothing else: its claims have been selected.
            kept.id_token = tokens.id_token.filter(end_session::can_be_a_hint);
        }
        kept.doubts = None;
        if tokens.scope.is_some() {
            kept.scope = tokens.scope;
        }
        let live = Live {
            access_token: tokens.access_token,
            access_expires_at,
            refreshed_at: now,
            ends_at: end.unwrap_or(absolute_end).min(absolute_end),
            used_at: now,
            can_refresh: kept.refresh_token.is_some(),
            claims_json: before.claims_json,
            proof_key: before.proof_key,
        };
        Self { live, kept }
    }
}

impl Live {
    /// When the session ends if it is neither used nor refreshed again.
    pub fn end(&self, idle: Option<Duration>) -> UnixSeconds {
        self.end_if_used(self.used_at, idle)
    }

    /// The same, were it last used at `used_at`.
    pub fn end_if_used(&self, used_at: UnixSeconds, idle: Option<Duration>) -> UnixSeconds {
        idle.map_or(self.ends_at, |idle| self.ends_at.min(used_at.plus(idle)))
    }

    /// Whether its use at `now` should be noted: every tenth of the idle time, so that a session in use costs
    /// one write now and then, and not one per request.
    pub fn should_note_use(&self, idle: Option<Duration>, now: UnixSeconds) -> bool {
        idle.is_some_and(|idle| now.since(self.used_at) >= (idle / 10).max(Duration::from_secs(1)))
    }

    /// What may be done with the access token at `now`.
    pub fn freshness(&self, lifetimes: &Lifetimes, now: UnixSeconds) -> Freshness {
        if now >= self.end(lifetimes.idle) {
            return Freshness::Over;
        }
        let expired = now >= self.access_expires_at;
        if !expired {
            let within_jitter = now.plus(lifetimes.jitter) >= self.access_expires_at;
            let just_refreshed = now < self.refreshed_at.plus(REFRESH_FLOOR);
            if !within_jitter || just_refreshed || !self.can_refresh {
                return Freshness::Fresh;
            }
            return Freshness::Stale;
        }
        if self.can_refresh { Freshness::Expired } else { Freshness::Over }
    }

    /// Seconds for which the access token may be used from `now`: less the jitter, but at least one
    /// while it is valid, and never beyond the session.
    pub fn usable_secs(&self, lifetimes: &Lifetimes, now: UnixSeconds) -> u64 {
        let until_expiry = now.until(self.access_expires_at.minus(lifetimes.jitter)).as_secs().max(1);
        until_expiry.min(now.until(self.end(lifetimes.idle)).as_secs())
    }
}

fn access_token_expiry(tokens: &TokenResponse, now: UnixSeconds) -> UnixSeconds {
    // A token that never lived would be refreshed on every request: zero says nothing.
    let lifetime = tokens
        .expires_in
        .filter(|seconds| *seconds > 0)
        .or_else(|| expiry_claim(&tokens.access_token).map(|exp| now.until(exp).as_secs()))
        .unwrap_or(tokens.assumed_lifetime);
    now.plus(Duration::from_secs(lifetime))
}

/// The `exp` of an access token that is a JWT. It is not ours to verify; it only says when to ask for
/// the next one.
fn expiry_claim(token: &AccessToken) -> Option<UnixSeconds> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let payload = token.expose().split('.').nth(1)?;
    let payload = provider_json::object(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    payload.get("exp").and_then(lenient_seconds).map(UnixSeconds::new)
}

/// `None`: nothing was said. `Some(None)`: it does not expire.
#[allow(clippy::option_option)]
fn refresh_token_lifetime(tokens: &TokenResponse, lifetimes: &Lifetimes) -> Option<Option<Duration>> {
    let field = lifetimes.refresh_token_field.as_deref()?;
    let seconds = tokens.extra.get(field).and_then(lenient_seconds)?;
    Some((seconds > 0).then(|| Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::token_response::ASSUMED_LIFETIME_SECS;
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::json;

    const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000);

    fn lifetimes() -> Lifetimes {
        Lifetimes {
            absolute: Duration::from_secs(1_000),
            refresh_token: Duration::from_secs(400),
            refresh_token_field: Some("refresh_expires_in".into()),
            idle: None,
            jitter: Duration::from_secs(7),
        }
    }

    fn tokens(changes: Value) -> TokenResponse {
        let mut body =
            json!({"access_token": "at", "token_type": "Bearer", "refresh_token": "rt", "expires_in": 60});
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        TokenResponse::parse(body.to_string().as_bytes(), authtool_contract::TokenType::Bearer).unwrap()
    }

    fn begin(changes: Value) -> Session {
        let login = Login {
            identity: None,
            issuer: "https://op.example",
            client: "app",
            nonce: "n".into(),
            claims: Map::new(),
            proof_key: None,
        };
        Session::begin(login, tokens(changes), &lifetimes(), NOW)
    }

    fn ends_in(session: &Session, now: UnixSeconds) -> u64 {
        now.until(session.live.ends_at).as_secs()
    }

    #[test]
    fn sec_055_refreshing_never_extends_a_session_beyond_its_absolute_end() {
        let mut session = begin(json!({}));
        let mut now = NOW;
        for _ in 0..50 {
            now = now.plus(Duration::from_secs(100));
            session = session.refreshed(tokens(json!({})), None, &lifetimes(), now);
            assert!(session.live.ends_at <= NOW.plus(Duration::from_secs(1_000)));
        }
        assert_eq!(session.live.freshness(&lifetimes(), now), Freshness::Over);
    }

    #[test]
    fn sec_056_the_refresh_tokens_lifetime_ends_the_session() {
        for (field, expected) in [
            (json!({}), 400),
            (json!({"refresh_expires_in": 300}), 300),
            (json!({"refresh_expires_in": "300"}), 300),
            (json!({"refresh_expires_in": 0}), 1_000),
            (json!({"refresh_expires_in": u64::MAX}), 1_000),
            (json!({"refresh_expires_in": "soon"}), 400),
            (json!({"refresh_expires_in": -1}), 400),
            (json!({"refresh_token": null}), 60),
        ] {
            assert_eq!(ends_in(&begin(field.clone()), NOW), expected, "{field}");
        }
    }

    #[test]
    fn sec_095_an_answer_without_a_refresh_token_keeps_the_old_one_and_its_end() {
        let session = begin(json!({}));
        let later = NOW.plus(Duration::from_secs(100));
        let kept = session.refreshed(tokens(json!({"refresh_token": null})), None, &lifetimes(), later);
        assert_eq!(kept.kept.refresh_token.as_ref().unwrap().expose(), "rt");
        assert_eq!(kept.live.ends_at, session.live.ends_at);
        let renewed = session.refreshed(tokens(json!({"refresh_token": "rt2"})), None, &lifetimes(), later);
        assert_eq!(renewed.kept.refresh_token.as_ref().unwrap().expose(), "rt2");
        assert_eq!(ends_in(&renewed, later), 400);
    }

    #[test]
    fn sec_096_a_missing_lifetime_is_the_jwts_own_or_a_short_assumption() {
        let expires_in = |session: &Session| NOW.until(session.live.access_expires_at).as_secs();
        assert_eq!(expires_in(&begin(json!({"expires_in": null}))), ASSUMED_LIFETIME_SECS);
        assert_eq!(expires_in(&begin(json!({"expires_in": 0}))), ASSUMED_LIFETIME_SECS);
        let payload = URL_SAFE_NO_PAD.encode(json!({"exp": NOW.get() + 90}).to_string());
        let jwt = format!("e30.{payload}.x");
        assert_eq!(expires_in(&begin(json!({"expires_in": null, "access_token": jwt}))), 90);
        assert_eq!(begin(json!({"expires_in": u64::MAX})).live.access_expires_at, UnixSeconds::new(u64::MAX));
    }

    #[test]
    fn sec_096_a_configured_lifetime_takes_the_place_of_the_assumption_alone() {
        let expires_in = |changes: Value| {
            let tokens = TokenResponse { assumed_lifetime: 500, ..tokens(changes) };
            NOW.until(access_token_expiry(&tokens, NOW)).as_secs()
        };
        assert_eq!(expires_in(json!({"expires_in": null})), 500);
        assert_eq!(expires_in(json!({"expires_in": 0})), 500);
        assert_eq!(expires_in(json!({})), 60, "what the provider says comes first");
    }

    #[test]
    fn a_token_is_refreshed_within_the_jitter_of_its_expiry() {
        let live = begin(json!({})).live;
        let at = |seconds, can_refresh| {
            let live = Live { can_refresh, ..live.clone() };
            live.freshness(&lifetimes(), NOW.plus(Duration::from_secs(seconds)))
        };
        assert_eq!(at(0, true), Freshness::Fresh);
        assert_eq!(at(52, true), Freshness::Fresh);
        assert_eq!(at(53, true), Freshness::Stale);
        assert_eq!(at(60, true), Freshness::Expired);
        assert_eq!(at(53, false), Freshness::Fresh, "nothing better is to be had");
        assert_eq!(at(60, false), Freshness::Over);
        assert_eq!(at(400, true), Freshness::Over);
    }

    #[test]
    fn sec_072_tokens_shorter_than_the_jitter_are_not_refreshed_on_every_call() {
        let live = begin(json!({"expires_in": 5})).live;
        let at = |seconds| live.freshness(&lifetimes(), NOW.plus(Duration::from_secs(seconds)));
        assert_eq!((at(0), at(1), at(2)), (Freshness::Fresh, Freshness::Fresh, Freshness::Stale));
        assert_eq!(live.usable_secs(&lifetimes(), NOW), 1);
    }

    #[test]
    fn sec_071_the_usable_time_is_less_the_jitter_and_within_the_session() {
        let live = begin(json!({})).live;
        assert_eq!(live.usable_secs(&lifetimes(), NOW), 53);
        let unending = begin(json!({"expires_in": u64::MAX})).live;
        assert_eq!(unending.usable_secs(&lifetimes(), NOW), 400);
    }

    #[test]
    fn a_session_that_is_not_used_ends_early() {
        let lifetimes = Lifetimes { idle: Some(Duration::from_secs(50)), ..lifetimes() };
        let mut live = begin(json!({})).live;
        let at = |live: &Live, seconds| live.freshness(&lifetimes, NOW.plus(Duration::from_secs(seconds)));
        assert_eq!((at(&live, 49), at(&live, 50)), (Freshness::Fresh, Freshness::Over));
        assert!(!live.should_note_use(lifetimes.idle, NOW.plus(Duration::from_secs(4))));
        assert!(live.should_note_use(lifetimes.idle, NOW.plus(Duration::from_secs(5))));
        assert!(!live.should_note_use(None, NOW.plus(Duration::from_secs(999))));
        live.used_at = NOW.plus(Duration::from_secs(40));
        assert_eq!(at(&live, 52), Freshness::Fresh, "use extends it");
        live.used_at = NOW.plus(Duration::from_secs(390));
        assert_eq!(at(&live, 400), Freshness::Over, "but not beyond its end");
    }
}
