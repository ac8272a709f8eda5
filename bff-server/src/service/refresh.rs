//! Refreshing: one at a time per session, across all replicas.
//!
//! In the process, callers that want the same refresh share one task. Between processes, a lease in the
//! store decides who asks the authorization server; the others wait for the result to appear. The lease is short,
//! and its owner renews it while it works: when the owner dies, another takes over soon. The task
//! belongs to nobody's request, so a browser that goes away does not take a rotated token with it. The
//! new tokens are stored, by compare-and-swap, before anyone is answered.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    mem::{Discriminant, discriminant},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::time::Instant;

use super::{
    clients::Client,
    revocation::Others,
    sessions::{SessionError, Sessions, UsableToken},
};
use crate::{
    domain::{
        dpop::HeldToken,
        scope,
        session::{Freshness, Session},
        session_id::SessionKey,
        token_refusal::{Conclusion, Doubts},
        token_response::{TokenResponse, UnusableReason},
    },
    ports::{
        Grant, GrantError, HeldLease, LeaseOwner, ProviderError, ReplaceOutcome, StoreError, TokenOrigin,
        TokenVerificationError, Version,
    },
    telemetry::{self, EndReason},
};

/// So long a session waits when whoever refreshes it dies.
const LEASE: Duration = Duration::from_secs(6);
/// Two of these may fail, each after a while, before the lease ends. Most refreshes are over before the first.
const RENEWAL: Duration = Duration::from_secs(2);
const RENEWAL_AGAIN: Duration = Duration::from_millis(250);

/// How long a replica waits for another one's refresh.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(15);
/// The pauses between two looks: what a refresh usually takes at first, and not too many looks when one takes long.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LAST_LOOK: Duration = Duration::from_millis(400);

/// How long what a provider has just rotated is offered to a store that does not answer.
const STORE_PATIENCE: Duration = Duration::from_secs(20);
const LONGEST_STORE_PAUSE: Duration = Duration::from_secs(2);

/// How often a note that another write overtakes is tried again.
const NOTE_ATTEMPTS: usize = 3;

/// After a failed refresh the session's next one waits this long, doubling, or as long as the provider asks for.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const MAX_PAUSES: usize = 10_000;

/// How long a caller waits, of however many there are: for a dead replica's lease to end and for an exchange, and less than
/// gateways wait. The refresh itself goes on.
const CALLER_PATIENCE: Duration = Duration::from_secs(13);

/// A refresh that is under way.
#[derive(Clone)]
struct Flight {
    outcome: Shared<BoxFuture<'static, Result<UsableToken, SessionError>>>,
    /// The tokens are here, and the store does not take them.
    storing: Arc<AtomicBool>,
}

/// What is going on in this process.
#[derive(Default)]
pub(super) struct Refreshes {
    flights: Mutex<HashMap<SessionKey, Flight>>,
    pauses: Mutex<HashMap<SessionKey, Pause>>,
    /// Which clients' refreshed ID tokens cannot be read, and why. The log has it once, not at every refresh of every session.
    said: Mutex<HashSet<(String, Discriminant<UnusableReason>)>>,
}

struct Pause {
    failures: u32,
    until: Instant,
    /// What the last refresh failed of. Whoever comes meanwhile is told the same.
    error: ProviderError,
    /// When it is worth coming again: as the provider said, or after the pause.
    come_again: Instant,
}

/// Takes a flight off the list when it ends, even by a panic.
struct Landing<'a> {
    refreshes: &'a Refreshes,
    key: &'a SessionKey,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.refreshes.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(self.key);
    }
}

impl Refreshes {
    fn says_once(&self, client: &str, reason: &UnusableReason) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.insert((client.to_owned(), discriminant(reason))) {
            tracing::warn!(client, %reason, event = "refreshed_id_token_unusable",
                "the ID token of a refresh cannot be read; the session goes on with the one before, and its claims");
        }
    }

    /// Pauses a session's refreshes after a failure. Says after how long it is worth coming again.
    fn pause(&self, key: &SessionKey, error: &ProviderError) -> Duration {
        let mut pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        if pauses.len() >= MAX_PAUSES {
            let now = Instant::now();
            pauses.retain(|_, pause| pause.until > now);
            if pauses.len() >= MAX_PAUSES {
                return error.retry_after.unwrap_or(FIRST_PAUSE);
            }
        }
        let failures = pauses.get(key).map_or(0, |pause| pause.failures).saturating_add(1);
        let asked_for = error.retry_after.unwrap_or_default();
        let length = FIRST_PAUSE * (1 << (failures - 1).min(4));
        let length = length.max(asked_for).min(LONGEST_PAUSE);
        let wait = length.max(asked_for);
        let now = Instant::now();
        let pause = Pause { failures, until: now + length, error: error.clone(), come_again: now + wait };
        pauses.insert(key.clone(), pause);
        wait
    }

    /// Why a session's refresh is not tried right now.
    fn paused(&self, key: &SessionKey) -> Option<ProviderError> {
        let pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let pause = pauses.get(key).filter(|pause| pause.until > now)?;
        Some(ProviderError {
            reason: format!("the last refresh of this session failed a moment ago: {}", pause.error.reason),
            retry_after: Some(pause.come_again.saturating_duration_since(now)),
            ..pause.error.clone()
        })
    }

    fn resume(&self, key: &SessionKey) {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl Sessions {
    /// Joins the refresh of this session that is under way, or starts one.
    pub(super) async fn refresh(self: &Arc<Self>, key: &SessionKey) -> Result<UsableToken, SessionError> {
        if let Some(error) = self.refreshes.paused(key) {
            return Err(error.into());
        }
        let flight = {
            let mut flights = self.refreshes.flights.lock().unwrap_or_else(PoisonError::into_inner);
            let start = || {
                let (sessions, key) = (Arc::clone(self), key.clone());
                let storing = Arc::new(AtomicBool::new(false));
                let stores = Arc::clone(&storing);
                let task = self.tasks.spawn(async move {
                    let landing = Landing { refreshes: &sessions.refreshes, key: &key };
                    let outcome = sessions.refresh_alone(landing.key, &stores).await;
                    drop(landing);
                    outcome
                });
                let outcome = task
                    .map(|joined| {
                        joined.unwrap_or_else(|error| Err(SessionError::Internal(error.to_string().into())))
                    })
                    .boxed()
                    .shared();
                Flight { outcome, storing }
            };
            flights.entry(key.clone()).or_insert_with(start).clone()
        };
        match tokio::time::timeout(CALLER_PATIENCE, flight.outcome).await {
            Ok(outcome) => outcome,
            Err(_) if flight.storing.load(Ordering::Relaxed) => {
                Err(StoreError::new("refreshed tokens could not be stored yet").into())
            }
            Err(_) => Err(SessionError::Provider(ProviderError::retry_after(
                "the refresh of this session is taking long",
                Some(Duration::from_secs(1)),
            ))),
        }
    }

    /// Refreshes under a lease, or finds what another replica has refreshed.
    async fn refresh_alone(
        self: &Arc<Self>,
        key: &SessionKey,
        storing: &AtomicBool,
    ) -> Result<UsableToken, SessionError> {
        let mut owner = LeaseOwner([0; 16]);
        self.entropy.fill(&mut owner.0)?;
        let give_up = Instant::now() + WAIT_FOR_OTHERS;
        let mut pause = FIRST_LOOK;
        loop {
            let asked = Instant::now();
            match self.store.acquire(key, &owner, LEASE).await {
                Ok(true) => {
                    let lease = HeldLease::taken(asked, LEASE);
                    let outcome = self.refresh_under_lease(key, &owner, &lease, storing).await;
                    match &outcome {
                        // Nothing was sent, and meanwhile it is somebody else's turn: it may be done already.
                        Err(SessionError::Provider(error))
                            if error.not_asked
                                && !lease.lasts(Duration::ZERO)
                                && Instant::now() < give_up => {}
                        _ => return outcome,
                    }
                }
                Ok(false) => {}
                Err(error) => {
                    // It may be ours all the same, if only the answer was lost.
                    self.give_back_later(key, owner);
                    return Err(error.into());
                }
            }
            if Instant::now() >= give_up {
                return Err(SessionError::Provider(ProviderError::retry_after(
                    "another replica is refreshing this session and has not finished",
                    Some(Duration::from_secs(1)),
                )));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LAST_LOOK);
            let (_, session) = self.read(key).await?;
            if let Freshness::Fresh = self.freshness(&session) {
                return Ok(self.usable(session.live));
            }
        }
    }

    async fn refresh_under_lease(
        self: &Arc<Self>,
        key: &SessionKey,
        owner: &LeaseOwner,
        lease: &HeldLease,
        storing: &AtomicBool,
    ) -> Result<UsableToken, SessionError> {
        telemetry::refreshes_in_flight(1.0);
        let mut outcome = tokio::select! {
            biased;
            outcome = self.refresh_holding_lease(key, lease, storing) => outcome,
            never = self.keep_lease(key, owner, lease) => match never {},
        };
        telemetry::refreshes_in_flight(-1.0);
        telemetry::refresh(match &outcome {
            Ok(_) => "success",
            Err(SessionError::NoSession) => "session_ended",
            Err(SessionError::Provider(_)) => "provider_unavailable",
            Err(SessionError::Store(_)) => "store_unavailable",
            Err(SessionError::Internal(_)) => "internal",
        });
        if let Err(error) = self.store.release(key, owner).await {
            tracing::warn!(session = %key, %error, "a refresh lease could not be given back yet");
            self.give_back_later(key, owner.clone());
        }
        match &mut outcome {
            // That nobody was asked says nothing about the session's next attempt.
            Err(SessionError::Provider(error)) if !error.not_asked => {
                error.retry_after = Some(self.refreshes.pause(key, error));
            }
            _ => self.refreshes.resume(key),
        }
        outcome
    }

    /// Renews a lease for as long as this is waited for. Losing it stops nothing: what was sent has to be stored, and what
    /// has not been sent will not be.
    async fn keep_lease(&self, key: &SessionKey, owner: &LeaseOwner, lease: &HeldLease) -> Infallible {
        let mut pause = RENEWAL;
        loop {
            tokio::time::sleep(pause).await;
            let asked = Instant::now();
            pause = match self.store.renew(key, owner, LEASE).await {
                Ok(true) => {
                    lease.renewed(asked, LEASE);
                    RENEWAL
                }
                Ok(false) => {
                    lease.is_lost();
                    tracing::warn!(session = %key, event = "refresh_lease_lost",
                        "the lease for a refresh was lost before it was over: another replica may refresh as well");
                    return std::future::pending().await;
                }
                Err(error) => {
                    tracing::debug!(session = %key, %error, "a refresh lease could not be renewed yet");
                    RENEWAL_AGAIN
                }
            };
        }
    }

    /// A lease that stays behind would keep everybody from refreshing this session until it expires.
    fn give_back_later(&self, key: &SessionKey, owner: LeaseOwner) {
        let (store, key) = (Arc::clone(&self.store), key.clone());
        self.tasks.spawn(async move {
            let expired = Instant::now() + LEASE;
            let mut pause = Duration::from_millis(100);
            while Instant::now() < expired {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
                if store.release(&key, &owner).await.is_ok() {
                    return;
                }
            }
        });
    }

    async fn refresh_holding_lease(
        self: &Arc<Self>,
        key: &SessionKey,
        lease: &HeldLease,
        storing: &AtomicBool,
    ) -> Result<UsableToken, SessionError> {
        let (record, session) = self.read(key).await?;
        match self.freshness(&session) {
            // Somebody was faster, between our reading and our lease.
            Freshness::Fresh => return Ok(self.usable(session.live)),
            Freshness::Over => return Err(SessionError::NoSession),
            Freshness::Stale | Freshness::Expired => {}
        }
        let Some(refresh_token) = &session.kept.refresh_token else { return Err(SessionError::NoSession) };
        let Some(client) = self.clients.of_session(&session.kept) else {
            self.take_out(key, EndReason::NoClient).await?;
            self.settle_soon(&session);
            tracing::warn!(session = %key, event = "session_ended", reason = "no_client",
                client = session.kept.client, issuer = session.kept.issuer,
                "no client is configured any more that this session's tokens belong to; the session has ended");
            return Err(SessionError::NoSession);
        };
        let grant = Grant::RefreshToken { token: refresh_token, lease };
        match self.server.redeem(&client.name, grant, session.live.proof_key.as_ref()).await {
            Ok(tokens) => self.adopt(key, record.version, client, &session, tokens, storing).await,
            Err(GrantError::Invalid(said)) => {
                let why = format!("the authorization server no longer accepts it ({said})");
                self.end_unless_renewed(key, &session, &why).await
            }
            Err(GrantError::Doubtful(error)) => self.end_if_refused_often(key, &session, error).await,
            Err(GrantError::Unavailable(error)) => {
                tracing::warn!(session = %key, %error, event = "refresh_failed", "a refresh failed");
                Err(error.into())
            }
            Err(GrantError::Unusable(answer)) => {
                tracing::error!(session = %key, error = %answer, event = "refresh_failed",
                    "the authorization server answered a refresh with something that is no token");
                let error = ProviderError::new(answer.to_string());
                if let Some(refresh_token) = answer.refresh_token {
                    let salvaged = session.with_refresh_token(refresh_token);
                    self.write(key, record.version, &session, &salvaged, storing).await?;
                }
                Err(error.into())
            }
        }
    }

    /// A refusal that may be about the refresh token ends the session when it has come [often](Doubts) enough. Until then it
    /// is one that says nothing.
    async fn end_if_refused_often(
        self: &Arc<Self>,
        key: &SessionKey,
        seen: &Session,
        error: ProviderError,
    ) -> Result<UsableToken, SessionError> {
        tracing::warn!(session = %key, %error, event = "refresh_failed",
            "a refresh was refused; if it goes on for a minute, the session ends");
        for _ in 0..NOTE_ATTEMPTS {
            let (record, session) = self.read(key).await?;
            if session.kept.refresh_token != seen.kept.refresh_token {
                break;
            }
            let doubts = match Doubts::one_more(session.kept.doubts, self.clock.now()) {
                Conclusion::Ended => {
                    let why = format!("it was refused again and again, at last because {error}");
                    return self.end_unless_renewed(key, seen, &why).await;
                }
                Conclusion::Wait => break,
                Conclusion::Noted(doubts) => doubts,
            };
            let noted = session.doubted(doubts);
            let value = self.codec.encode(key, &noted, &*self.entropy)?;
            match self.store.replace(key, record.version, &value, self.time_to_live(&noted)).await {
                // Its use was noted at the same time.
                Ok(ReplaceOutcome::Stale) => {}
                Ok(_) => break,
                // It counts the next time.
                Err(cause) => {
                    tracing::warn!(session = %key, error = %cause, "a refused refresh could not be noted");
                    break;
                }
            }
        }
        Err(error.into())
    }

    /// A refresh token that is no longer good ends the session, unless it was replaced behind our back.
    async fn end_unless_renewed(
        self: &Arc<Self>,
        key: &SessionKey,
        seen: &Session,
        why: &str,
    ) -> Result<UsableToken, SessionError> {
        let (_, now) = self.read(key).await?;
        if now.kept.refresh_token != seen.kept.refresh_token {
            return match self.freshness(&now) {
                Freshness::Fresh | Freshness::Stale => Ok(self.usable(now.live)),
                Freshness::Expired | Freshness::Over => {
                    Err(SessionError::Provider(ProviderError::retry_after(
                        "the session was refreshed elsewhere, and needs it again",
                        Some(Duration::from_secs(1)),
                    )))
                }
            };
        }
        self.take_out(key, EndReason::InvalidGrant).await?;
        self.settle_soon(&now);
        tracing::warn!(session = %key, event = "session_ended", reason = "invalid_grant", why,
            "the refresh token is no longer good; the session has ended");
        Err(SessionError::NoSession)
    }

    /// Makes new tokens the session's own.
    async fn adopt(
        self: &Arc<Self>,
        key: &SessionKey,
        version: Version,
        client: &Client,
        session: &Session,
        mut tokens: TokenResponse,
        storing: &AtomicBool,
    ) -> Result<UsableToken, SessionError> {
        let mut claims = None;
        if !scope::contains_openid(&client.scope) {
            tokens = tokens.without_id_token();
        }
        if let Some(reason) = &tokens.unusable_id_token {
            self.refreshes.says_once(&client.name, reason);
        }
        if let Some(id_token) = tokens.id_token.clone() {
            let verified = self.server.verify(&client.name, &id_token, TokenOrigin::TokenEndpoint).await;
            let validated = match (verified, session.identity()) {
                (Ok(_), None) => Ok(None),
                (Ok(signed), Some(login)) => {
                    let now = self.clock.now();
                    let nonce = &session.kept.nonce;
                    match signed.validate_refreshed(
                        &login,
                        client.audience(),
                        nonce,
                        &tokens.access_token,
                        now,
                    ) {
                        Ok(_) => {
                            let token = HeldToken {
                                access_token: &tokens.access_token,
                                proof_key: session.live.proof_key.as_ref(),
                            };
                            let claims = &signed.claims;
                            Ok(Some(self.refreshed_claims(client, session, &login, claims, token).await))
                        }
                        Err(refusal) if refusal.is_contradiction() => Err(refusal.to_string()),
                        Err(refusal) => Ok(without_new_id_token(key, &mut tokens, &refusal)),
                    }
                }
                (Err(TokenVerificationError::Refused(why)), _) => Err(why),
                // Nobody can tell yet: go on with the ID token we know, and do not lose the other tokens.
                (Err(error), _) => Ok(without_new_id_token(key, &mut tokens, &error)),
            };
            match validated {
                Ok(selected) => claims = selected,
                Err(why) => {
                    tracing::error!(session = %key, reason = %why, event = "session_ended",
                        "a refresh brought an ID token that does not continue this login; the session has ended");
                    self.take_out(key, EndReason::ForeignIdToken).await?;
                    let ended = session.refreshed(tokens, None, &self.lifetimes, self.clock.now());
                    self.owe_session_soon(Some(key), &ended, Others::Possible);
                    return Err(SessionError::NoSession);
                }
            }
        }
        let renewed = session.refreshed(tokens, claims, &self.lifetimes, self.clock.now());
        match self.write(key, version, session, &renewed, storing).await? {
            ReplaceOutcome::Replaced => {
                tracing::debug!(session = %key, event = "session_refreshed", "a session was refreshed");
                match self.enlist(key, &renewed, 0).await {
                    Ok(evicted) => self.end_evicted(evicted).await,
                    Err(error) => tracing::warn!(session = %key, %error,
                        "a refreshed session's stay in its indexes was not extended"),
                }
                Ok(self.usable(renewed.live))
            }
            ReplaceOutcome::Gone if self.has_ended_here_alone(key).await => {
                tracing::info!(session = %key, "a session ended while it was refreshed; its new tokens are forgotten");
                Err(SessionError::NoSession)
            }
            ReplaceOutcome::Gone => {
                tracing::info!(session = %key, "a session ended while it was refreshed; its new tokens are revoked");
                self.owe_session_soon(Some(key), &renewed, Others::Possible);
                Err(SessionError::NoSession)
            }
            ReplaceOutcome::Stale => {
                // Another replica has refreshed as well, and its tokens are of the same grant: to revoke ours would, at many
                // a provider, end what they have just been given (RFC 7009 §2.1).
                let (_, newer) = self.read(key).await?;
                tracing::info!(session = %key, "a session was refreshed elsewhere at the same time; those tokens stay");
                Ok(self.usable(newer.live))
            }
        }
    }

    /// The one write whose loss rotation cannot hide: tried again before giving up, and logged.
    ///
    /// A record that was written in between without a new refresh token (activity was noted) is no reason to
    /// give up: the tokens go on top of it.
    async fn write(
        self: &Arc<Self>,
        key: &SessionKey,
        mut version: Version,
        before: &Session,
        after: &Session,
        storing: &AtomicBool,
    ) -> Result<ReplaceOutcome, SessionError> {
        let record = self.codec.encode(key, after, &*self.entropy)?;
        let mut pause = Duration::from_millis(20);
        storing.store(true, Ordering::Relaxed);
        let give_up = Instant::now() + STORE_PATIENCE;
        loop {
            match self.store.replace(key, version, &record, self.time_to_live(after)).await {
                Ok(ReplaceOutcome::Stale) if Instant::now() < give_up => {
                    let (stored, found) = match self.read(key).await {
                        Ok(found) => found,
                        Err(SessionError::NoSession) => return Ok(ReplaceOutcome::Gone),
                        Err(error) => {
                            tracing::warn!(session = %key, %error, "refreshed tokens could not be stored yet");
                            tokio::time::sleep(pause).await;
                            pause = (pause * 3).min(LONGEST_STORE_PAUSE);
                            continue;
                        }
                    };
                    // An earlier attempt may have been written although its answer was lost.
                    if found.live.access_token == after.live.access_token {
                        return Ok(ReplaceOutcome::Replaced);
                    }
                    if found.kept.refresh_token != before.kept.refresh_token {
                        return Ok(ReplaceOutcome::Stale);
                    }
                    version = stored.version;
                }
                Ok(outcome) => return Ok(outcome),
                Err(error) if Instant::now() + pause < give_up => {
                    tracing::warn!(session = %key, %error, "refreshed tokens could not be stored yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 3).min(LONGEST_STORE_PAUSE);
                }
                Err(error) => {
                    tracing::error!(session = %key, %error, event = "refresh_lost",
                        "refreshed tokens could not be stored; if the provider rotates, this session is lost");
                    // Nobody will ever use them. But the session is still there, and its grant with it.
                    if after.kept.refresh_token != before.kept.refresh_token {
                        self.owe_session_soon(None, after, Others::Possible);
                    }
                    return Err(error.into());
                }
            }
        }
    }

    fn freshness(&self, session: &Session) -> Freshness {
        session.live.freshness(&self.lifetimes, self.clock.now())
    }
}

/// Keeps the ID token and the claims that are known.
fn without_new_id_token(
    key: &SessionKey,
    tokens: &mut TokenResponse,
    reason: &dyn std::fmt::Display,
) -> Option<serde_json::Map<String, serde_json::Value>> {
    tracing::warn!(session = %key, %reason, "a refreshed ID token cannot be used; the old one stays");
    tokens.id_token = None;
    None
}

#[cfg(test)]
pub(super) mod tests;
