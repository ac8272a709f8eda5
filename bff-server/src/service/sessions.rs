//! Sessions: begun by a login, read by every request, ended by a logout.

use std::{fmt, sync::Arc, time::Duration};

use authtool_contract::TokenType;

use super::{
    back_channel::tombstone,
    clients::Clients,
    refresh::Refreshes,
    revocation::{AtProvider, HeldTokens},
    tasks::Tasks,
};
use crate::{
    domain::{
        credential::AccessToken,
        dpop::{HeldToken, ProofKey},
        revocation::RevocableToken,
        session::{Freshness, Lifetimes, Live, Session},
        session_id::{SessionCookie, SessionId, SessionKey},
        session_index::{Member, SessionIndexes},
        time::UnixSeconds,
    },
    ports::{
        AuthorizationServer, Clock, Entropy, EntropyFailure, Marker, ProviderError, Recalled, SessionStore,
        StoreError, StoredRecord, Version,
    },
    seal::{RecordCodec, UnreadableRecord},
    telemetry::{self, EndReason},
};

/// How long a caller whose token is still good waits for a new one.
const PATIENCE_WITH_A_GOOD_TOKEN: Duration = Duration::from_secs(2);
/// A token is handed out instead of a new one if it is good for this long: it still has a way to go.
const GOOD_ENOUGH: Duration = Duration::from_secs(2);

/// Longer than any refresh takes, with all its patience.
const REFRESH_UNDER_WAY: Duration = Duration::from_mins(2);

/// About five minutes of trying.
const END_ATTEMPTS: u32 = 14;

/// Why there is no token, or no session, to answer with.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SessionError {
    /// There is no session, or no longer. The only one that means "log in".
    #[error("there is no session")]
    NoSession,
    /// The store cannot say.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// The session needs a new token, and the authorization server cannot give one right now.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The random source failed, or a task was lost.
    #[error("an internal operation failed: {0}")]
    Internal(Arc<str>),
}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<EntropyFailure> for SessionError {
    fn from(error: EntropyFailure) -> Self {
        Self::Internal(error.to_string().into())
    }
}

/// An access token to hand out now.
#[derive(Clone)]
pub struct UsableToken {
    /// For how long, in seconds.
    pub expires_in: u64,
    /// Seconds until the session ends if it is neither used nor refreshed again.
    pub session_ends_in: u64,
    /// Shared: each copy of a token would have to be made, and erased.
    live: Arc<Live>,
}

impl UsableToken {
    /// The token.
    pub fn access_token(&self) -> &AccessToken {
        &self.live.access_token
    }

    /// What it is bound to: each use needs a proof (RFC 9449).
    pub fn proof_key(&self) -> Option<&ProofKey> {
        self.live.proof_key.as_ref()
    }

    /// How it is presented.
    pub fn token_type(&self) -> TokenType {
        HeldToken { access_token: self.access_token(), proof_key: self.proof_key() }.token_type()
    }

    #[cfg(test)]
    pub(crate) fn of(access_token: &str, expires_in: u64) -> Self {
        let mut live = (*crate::ports::contract_tests::session_that_says("{}")).clone();
        live.access_token = AccessToken::parse(access_token).unwrap();
        Self { expires_in, session_ends_in: 3600, live: Arc::new(live) }
    }
}

impl fmt::Debug for UsableToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsableToken").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// A session as `/session` shows it.
#[derive(Clone)]
pub struct VisibleSession {
    /// Seconds until it ends if it is not used.
    pub expires_in: u64,
    /// Until when its cookie is of use: use elsewhere may extend the session that far.
    pub cookie_ends_in: Duration,
    live: Arc<Live>,
}

impl VisibleSession {
    /// The selected claims, a JSON object.
    pub fn claims_json(&self) -> &str {
        &self.live.claims_json
    }

    #[cfg(test)]
    pub(crate) fn of(claims_json: &str, expires_in: u64) -> Self {
        let live = crate::ports::contract_tests::session_that_says(claims_json);
        Self { expires_in, cookie_ends_in: Duration::ZERO, live }
    }
}

impl fmt::Debug for VisibleSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisibleSession").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// See the [module](self).
pub struct Sessions {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) server: Arc<dyn AuthorizationServer>,
    pub(super) clients: Arc<Clients>,
    pub(super) codec: RecordCodec,
    pub(super) lifetimes: Lifetimes,
    pub(super) user_claims: Vec<String>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) refreshes: Refreshes,
    pub(super) indexes: SessionIndexes,
    max_sessions_per_user: usize,
    pub(super) revocation_delay: Duration,
    /// What must be finished before the process may end.
    pub(super) tasks: Tasks,
    cookie: SessionCookie,
}

/// What [`Sessions`] is made of.
pub struct SessionsParts {
    /// Where sessions live.
    pub store: Arc<dyn SessionStore>,
    /// Who issues tokens.
    pub server: Arc<dyn AuthorizationServer>,
    /// To whom.
    pub clients: Arc<Clients>,
    /// How sessions are written.
    pub codec: RecordCodec,
    /// How long they live.
    pub lifetimes: Lifetimes,
    /// Which claims they show.
    pub user_claims: Vec<String>,
    /// How their cookie is signed.
    pub cookie: SessionCookie,
    /// How they are found by user.
    pub indexes: SessionIndexes,
    /// How many one user may have at once; the oldest make room.
    pub max_sessions_per_user: usize,
    /// How long after a logout the browser may come back from the provider before the tokens are revoked.
    pub revocation_delay: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Collects work that outlives its request.
    pub tasks: Tasks,
}

impl Sessions {
    /// Puts the parts together.
    pub fn new(parts: SessionsParts) -> Self {
        let SessionsParts {
            store,
            server,
            clients,
            codec,
            lifetimes,
            user_claims,
            cookie,
            indexes,
            max_sessions_per_user,
            revocation_delay,
            clock,
            entropy,
            tasks,
        } = parts;
        Self {
            store,
            server,
            clients,
            codec,
            lifetimes,
            user_claims,
            clock,
            entropy,
            refreshes: Refreshes::default(),
            indexes,
            max_sessions_per_user,
            revocation_delay,
            tasks,
            cookie,
        }
    }

    /// The session cookie.
    pub fn cookie(&self) -> &SessionCookie {
        &self.cookie
    }

    /// The session, as it may be shown to the browser.
    pub async fn show(self: &Arc<Self>, key: &SessionKey) -> Result<VisibleSession, SessionError> {
        let (live, now) = self.read_live(key).await?;
        Ok(self.visible(live, now))
    }

    fn visible(&self, live: Arc<Live>, now: UnixSeconds) -> VisibleSession {
        // What is about to be noted counts already.
        let used_at = if live.should_note_use(self.lifetimes.idle, now) { now } else { live.used_at };
        let expires_in = now.until(live.end_if_used(used_at, self.lifetimes.idle)).as_secs();
        VisibleSession { expires_in, cookie_ends_in: now.until(live.ends_at), live }
    }

    /// What [`show`](Self::show) answers where nothing is unusual; `None` for it to find out what is.
    pub(crate) async fn running(
        self: &Arc<Self>,
        key: &SessionKey,
    ) -> Result<Option<VisibleSession>, StoreError> {
        Ok(self.usual_live(key).await?.map(|(live, now)| self.visible(live, now)))
    }

    /// What [`access_token`](Self::access_token) answers where nothing is unusual; `None` for it to find out what is.
    pub(crate) async fn fresh_token(
        self: &Arc<Self>,
        key: &SessionKey,
    ) -> Result<Option<UsableToken>, StoreError> {
        let Some((live, now)) = self.usual_live(key).await? else { return Ok(None) };
        let is_usual = live.proof_key.is_none() && live.freshness(&self.lifetimes, now) == Freshness::Fresh;
        Ok(is_usual.then(|| self.usable_at(live, now)))
    }

    /// With the time at which it was read.
    async fn usual_live(
        self: &Arc<Self>,
        key: &SessionKey,
    ) -> Result<Option<(Arc<Live>, UnixSeconds)>, StoreError> {
        Ok(match self.find_live(key).await? {
            Found::Running(found, now) => Some((found.live, now)),
            Found::Nothing | Found::Unreadable(_) => None,
        })
    }

    /// A currently valid access token; refreshed first if it is about to expire.
    pub async fn access_token(self: &Arc<Self>, key: &SessionKey) -> Result<UsableToken, SessionError> {
        let (live, now) = self.read_live(key).await?;
        match live.freshness(&self.lifetimes, now) {
            Freshness::Fresh => Ok(self.usable_at(live, now)),
            Freshness::Over => Err(SessionError::NoSession),
            Freshness::Expired => self.refresh(key).await,
            Freshness::Stale => self.refresh_or_use(key, live).await,
        }
    }

    /// The token at hand is good for a few seconds more: better than an error, or than a long wait.
    async fn refresh_or_use(
        self: &Arc<Self>,
        key: &SessionKey,
        live: Arc<Live>,
    ) -> Result<UsableToken, SessionError> {
        let spare = self.clock.now().until(live.access_expires_at).saturating_sub(GOOD_ENOUGH);
        let refresh = self.refresh(key);
        let outcome = if spare.is_zero() {
            Some(refresh.await)
        } else {
            tokio::time::timeout(spare.min(PATIENCE_WITH_A_GOOD_TOKEN), refresh).await.ok()
        };
        match outcome {
            None => Ok(self.usable_at(live, self.clock.now())),
            Some(Err(SessionError::Provider(_) | SessionError::Store(_)))
                if self.clock.now() < live.access_expires_at =>
            {
                Ok(self.usable_at(live, self.clock.now()))
            }
            Some(outcome) => outcome,
        }
    }

    /// For how long the session still runs, as it is now; `None` if it has ended. Looking is no use of it: a tunnel in
    /// which nobody speaks does not keep its session alive.
    pub async fn remaining(&self, key: &SessionKey) -> Result<Option<Duration>, SessionError> {
        // What can no longer be read serves nobody: not a new request, and not an old stream.
        let Found::Running(Recalled { live, .. }, now) = self.find(key).await? else { return Ok(None) };
        Ok(Some(now.until(live.end(self.lifetimes.idle))))
    }

    /// Stores a new session under a fresh id. Returns the cookie's value. `replaced` sessions are about to end
    /// in its favour, and do not count against the user's limit.
    pub async fn begin(self: &Arc<Self>, session: &Session, replaced: usize) -> Result<String, SessionError> {
        let id = SessionId::from_random(self.entropy.random_256()?);
        let (cookie_value, key) = self.cookie.issue(&id);
        let record = self.codec.encode(&key, session, &*self.entropy)?;
        // Into the indexes first: a logout that comes in between finds it there.
        let enlisted = self.enlist(&key, session, replaced).await;
        let stored = match &enlisted {
            Ok(_) => self.store_unless_ended(&key, session, &record).await,
            Err(_) => Ok(()),
        };
        // After it was stored: what they lived on may be what it lives on.
        let (enlisted, evicted) = match enlisted {
            Ok(evicted) => (Ok(()), evicted),
            Err(error) => (Err(error), Vec::new()),
        };
        self.end_evicted(evicted).await;
        if let Err(error) = enlisted.map_err(SessionError::from).and(stored) {
            self.leave_indexes(&key, session).await;
            return Err(error);
        }
        telemetry::session_begun();
        tracing::info!(session = %key, event = "session_begun", "a session has begun");
        Ok(cookie_value)
    }

    async fn store_unless_ended(
        &self,
        key: &SessionKey,
        session: &Session,
        record: &[u8],
    ) -> Result<(), SessionError> {
        self.store.insert(key, record, self.time_to_live(session)).await?;
        if self.ended_at_provider(session).await? {
            tracing::info!(session = %key, "a login was overtaken by a logout at the provider");
            self.store.remove(key).await?;
            return Err(SessionError::NoSession);
        }
        Ok(())
    }

    /// Puts a session into its indexes, or extends its stay. Where a user has too many, the oldest leave them, and are
    /// returned [to be ended](Self::end_evicted).
    pub(super) async fn enlist(
        &self,
        key: &SessionKey,
        session: &Session,
        replaced: usize,
    ) -> Result<Vec<Member>, StoreError> {
        let member = Member { since: session.kept.created_at, key: key.clone() };
        let limit = self.max_sessions_per_user.saturating_add(replaced);
        let mut evicted = Vec::new();
        for index in self.indexes.of_session(&session.kept) {
            // Use may extend the session up to here without coming back to its indexes.
            let ttl = self.clock.now().until(session.live.ends_at).max(Duration::from_secs(1));
            evicted.extend(self.store.enlist(&index, &member, ttl, limit).await?);
        }
        Ok(evicted)
    }

    /// Ends the sessions that had to make room.
    pub(super) async fn end_evicted(self: &Arc<Self>, evicted: Vec<Member>) {
        for member in evicted {
            if let Err(error) = self.end_now(&member.key, EndReason::TooMany, AtProvider::No).await {
                tracing::warn!(session = %member.key, %error, "a user's oldest session could not be ended");
            }
        }
    }

    async fn ended_at_provider(&self, session: &Session) -> Result<bool, StoreError> {
        let Some(provider_session) = &session.kept.provider_session else { return Ok(false) };
        for index in self.indexes.of_provider_session(&session.kept.issuer, provider_session) {
            if self.store.is_spent(&tombstone(&index, &session.kept.client)).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Ends a session, here at once. Its tokens are revoked as soon as no other session may live on them
    /// ([the rules](crate::domain::revocation)). Returns whether there was one.
    ///
    /// Where the store is in trouble the end is not forgotten: it is tried again in the background.
    pub async fn end(self: &Arc<Self>, key: &SessionKey) -> Result<bool, SessionError> {
        Ok(self.end_or_try_again(key, AtProvider::No).await?.is_some())
    }

    /// The same for a browser that may go on to the provider, to log out there. Returns what was known of the session.
    pub(super) async fn end_before_the_provider(
        self: &Arc<Self>,
        key: &SessionKey,
    ) -> Result<Option<EndedSession>, SessionError> {
        self.end_or_try_again(key, AtProvider::Perhaps).await
    }

    async fn end_or_try_again(
        self: &Arc<Self>,
        key: &SessionKey,
        at_provider: AtProvider,
    ) -> Result<Option<EndedSession>, SessionError> {
        match self.end_now(key, EndReason::Logout, at_provider).await {
            Err(SessionError::Store(error)) => {
                self.end_later(key, at_provider);
                Err(SessionError::Store(error))
            }
            outcome => outcome,
        }
    }

    async fn end_now(
        self: &Arc<Self>,
        key: &SessionKey,
        reason: EndReason,
        at_provider: AtProvider,
    ) -> Result<Option<EndedSession>, SessionError> {
        // Set aside while the session is still there: if this process dies in between, nothing is lost.
        let before = match self.store.read(key).await? {
            Some(record) => self.codec.decode(key, &record.value).ok(),
            None => None,
        };
        let mut held = match &before {
            Some(session) => Some(self.set_aside(key, session, at_provider).await),
            None => None,
        };
        let Some(session) = self.take_out(key, reason).await? else { return Ok(None) };
        tracing::info!(session = %key, event = "session_ended", ?reason, "a session has ended");
        // A refresh may have come in between.
        if !before.is_some_and(|before| same_tokens(&before, &session)) {
            held = Some(self.set_aside(key, &session, at_provider).await);
        }
        let held = match held {
            Some(Ok(held)) => Some(held),
            _ => {
                self.owe_ended_session(key, &session, at_provider);
                None
            }
        };
        if at_provider == AtProvider::No {
            self.settle_soon(&session);
        }
        Ok(Some(EndedSession { session, held }))
    }

    /// Ends a session here and nowhere else: its tokens are not revoked, now or later, and neither are those of a refresh
    /// that is under way. For ends that somebody asks for who has proved nothing (SEC-119).
    pub(super) async fn end_here_alone(self: &Arc<Self>, key: &SessionKey) -> Result<bool, SessionError> {
        // First: whoever finds the session gone must know why.
        self.store.spend(&ended_here_alone(key), REFRESH_UNDER_WAY).await?;
        let ended = self.take_out(key, EndReason::FrontChannelLogout).await?;
        if let Some(session) = &ended {
            tracing::info!(session = %key, event = "session_ended", reason = "front_channel_logout", "a session has ended");
            // What others had left to be revoked still is.
            self.settle_soon(session);
        }
        Ok(ended.is_some())
    }

    /// Whether the tokens of a refresh that found its session gone are to be left alone. Where nobody can tell, they are
    /// revoked: every other end of a session demands it.
    pub(super) async fn has_ended_here_alone(&self, key: &SessionKey) -> bool {
        self.store.is_spent(&ended_here_alone(key)).await.unwrap_or(false)
    }

    /// Takes a session out of the store and its indexes. Its tokens are the caller's concern.
    pub(super) async fn take_out(
        &self,
        key: &SessionKey,
        reason: EndReason,
    ) -> Result<Option<Session>, SessionError> {
        // In one step: a refresh either finds nothing to write to, or what it wrote is returned here.
        let Some(record) = self.store.remove(key).await? else { return Ok(None) };
        let Ok(session) = self.codec.decode(key, &record.value) else { return Ok(None) };
        telemetry::session_ended(reason);
        self.leave_indexes(key, &session).await;
        Ok(Some(session))
    }

    async fn leave_indexes(&self, key: &SessionKey, session: &Session) {
        let member = Member { since: session.kept.created_at, key: key.clone() };
        for index in self.indexes.ever_of_session(&session.kept) {
            // What stays behind names no session, and leaves with its time.
            if let Err(error) = self.store.delist(&index, &member).await {
                tracing::warn!(session = %key, %error, "an ended session is still in an index");
            }
        }
    }

    fn end_later(self: &Arc<Self>, key: &SessionKey, at_provider: AtProvider) {
        let (sessions, key) = (Arc::clone(self), key.clone());
        self.tasks.spawn(async move {
            let mut pause = Duration::from_secs(1);
            for _ in 0..END_ATTEMPTS {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(30));
                match sessions.end_now(&key, EndReason::Logout, at_provider).await {
                    Ok(_) => return,
                    Err(error) => tracing::warn!(session = %key, %error, "a session could not be ended yet"),
                }
            }
            tracing::error!(session = %key, event = "logout_lost", "a session could not be ended; it ends with its time");
        });
    }

    pub(super) fn usable(&self, live: Live) -> UsableToken {
        self.usable_at(Arc::new(live), self.clock.now())
    }

    fn usable_at(&self, live: Arc<Live>, now: UnixSeconds) -> UsableToken {
        UsableToken {
            expires_in: live.usable_secs(&self.lifetimes, now),
            session_ends_in: now.until(live.end(self.lifetimes.idle)).as_secs(),
            live,
        }
    }

    pub(super) fn time_to_live(&self, session: &Session) -> Duration {
        self.clock.now().until(session.live.end(self.lifetimes.idle)).max(Duration::from_secs(1))
    }

    pub(super) async fn read(&self, key: &SessionKey) -> Result<(StoredRecord, Session), SessionError> {
        let record = self.store.read(key).await?.ok_or(SessionError::NoSession)?;
        let session = self.codec.decode(key, &record.value).map_err(|error| unreadable(key, error))?;
        if self.is_running(&session.live, self.clock.now()) {
            Ok((record, session))
        } else {
            Err(SessionError::NoSession)
        }
    }

    /// With the time at which it was read.
    async fn read_live(self: &Arc<Self>, key: &SessionKey) -> Result<(Arc<Live>, UnixSeconds), SessionError> {
        match self.find_live(key).await? {
            Found::Running(found, now) => Ok((found.live, now)),
            Found::Nothing => Err(SessionError::NoSession),
            Found::Unreadable(error) => Err(unreadable(key, error)),
        }
    }

    /// What there is, for somebody who uses it.
    async fn find_live(self: &Arc<Self>, key: &SessionKey) -> Result<Found, StoreError> {
        let found = self.find(key).await?;
        if let Found::Running(found, now) = &found
            && found.live.should_note_use(self.lifetimes.idle, *now)
        {
            self.note_use_soon(key, found.version);
        }
        Ok(found)
    }

    async fn find(&self, key: &SessionKey) -> Result<Found, StoreError> {
        // Memory may say yes, and never no: nobody is logged out because of what it holds.
        if let Some(recalled) = self.store.recall(key) {
            let now = self.clock.now();
            if self.is_running(&recalled.live, now) {
                return Ok(Found::Running(recalled, now));
            }
        }
        let Some(reading) = self.store.read_for_recall(key).await? else { return Ok(Found::Nothing) };
        let now = self.clock.now();
        let live = match self.codec.decode_live(key, &reading.record.value) {
            Ok(live) if self.is_running(&live, now) => Arc::new(live),
            Ok(_) => return Ok(Found::Nothing),
            Err(error) => return Ok(Found::Unreadable(error)),
        };
        let version = reading.record.version;
        reading.says(Arc::clone(&live));
        Ok(Found::Running(Recalled { version, live }, now))
    }

    fn is_running(&self, live: &Live, now: UnixSeconds) -> bool {
        now < live.end(self.lifetimes.idle)
    }

    /// Notes in the background that a session is in use. Of several at once one is written; one that comes
    /// between a refresh's reading and writing does not cost the refresh its tokens.
    fn note_use_soon(self: &Arc<Self>, key: &SessionKey, seen: Version) {
        let (sessions, key) = (Arc::clone(self), key.clone());
        self.tasks.spawn(async move {
            let noted = async {
                let (record, mut session) = sessions.read(&key).await?;
                if record.version != seen {
                    return Ok(());
                }
                session.live.used_at = sessions.clock.now();
                let value = sessions.codec.encode(&key, &session, &*sessions.entropy)?;
                sessions.store.replace(&key, seen, &value, sessions.time_to_live(&session)).await?;
                Ok::<(), SessionError>(())
            };
            match noted.await {
                Ok(()) | Err(SessionError::NoSession) => {}
                Err(error) => tracing::warn!(session = %key, %error, "a session's use could not be noted"),
            }
        });
    }
}

/// A session that has ended, and the tokens that wait for the browser's return from the provider.
pub(super) struct EndedSession {
    pub(super) session: Session,
    pub(super) held: Option<HeldTokens>,
}

fn same_tokens(one: &Session, other: &Session) -> bool {
    RevocableToken::of_session(one) == RevocableToken::of_session(other)
}

/// Marks a session whose end revokes nothing.
fn ended_here_alone(key: &SessionKey) -> Marker {
    Marker(format!("here:{}", key.as_str()))
}

/// What is under a session's key.
enum Found {
    /// With the time at which it was read.
    Running(Recalled, UnixSeconds),
    /// No record, or one of a session that is over.
    Nothing,
    Unreadable(UnreadableRecord),
}

/// The record stays where it is: a newer replica may be able to read it.
fn unreadable(key: &SessionKey, error: UnreadableRecord) -> SessionError {
    tracing::warn!(session = %key, %error, event = "session_unreadable", "a session record cannot be read");
    SessionError::NoSession
}
