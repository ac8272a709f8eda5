//! Sessions: begun by a login, read by every request, ended by a logout.

use std::{sync::Arc, time::Duration};

use tokio_util::task::TaskTracker;

use super::refresh::Refreshes;
use crate::{
    domain::{
        credential::AccessToken,
        session::{Freshness, Lifetimes, Live, Session},
        session_id::{SessionCookie, SessionId, SessionKey},
        time::UnixSeconds,
    },
    ports::{
        AuthorizationServer, Clock, Entropy, EntropyFailure, ProviderError, RevocableToken, SessionStore,
        StoreError, StoredRecord,
    },
    seal::RecordCodec,
};

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
#[derive(Clone, Debug)]
pub struct UsableToken {
    /// The token.
    pub access_token: AccessToken,
    /// For how long, in seconds.
    pub expires_in: u64,
}

/// A session as `/session` shows it.
#[derive(Clone, Debug)]
pub struct VisibleSession {
    /// The selected claims, a JSON object.
    pub claims_json: String,
    /// Seconds until it ends.
    pub expires_in: u64,
}

/// See the [module](self).
pub struct Sessions {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) server: Arc<dyn AuthorizationServer>,
    pub(super) codec: RecordCodec,
    pub(super) lifetimes: Lifetimes,
    pub(super) user_claims: Vec<String>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) refreshes: Refreshes,
    /// What must be finished before the process may end.
    pub(super) tasks: TaskTracker,
    cookie: SessionCookie,
}

/// What [`Sessions`] is made of.
pub struct SessionsParts {
    /// Where sessions live.
    pub store: Arc<dyn SessionStore>,
    /// Who issues tokens.
    pub server: Arc<dyn AuthorizationServer>,
    /// How sessions are written.
    pub codec: RecordCodec,
    /// How long they live.
    pub lifetimes: Lifetimes,
    /// Which claims they show.
    pub user_claims: Vec<String>,
    /// How their cookie is signed.
    pub cookie: SessionCookie,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Collects work that outlives its request.
    pub tasks: TaskTracker,
}

impl Sessions {
    /// Puts the parts together.
    pub fn new(parts: SessionsParts) -> Self {
        let SessionsParts { store, server, codec, lifetimes, user_claims, cookie, clock, entropy, tasks } =
            parts;
        Self {
            store,
            server,
            codec,
            lifetimes,
            user_claims,
            clock,
            entropy,
            refreshes: Refreshes::default(),
            tasks,
            cookie,
        }
    }

    /// The session cookie.
    pub fn cookie(&self) -> &SessionCookie {
        &self.cookie
    }

    /// The session, as it may be shown to the browser.
    pub async fn show(&self, key: &SessionKey) -> Result<VisibleSession, SessionError> {
        let live = self.read_live(key).await?;
        let expires_in = self.clock.now().until(live.ends_at).as_secs();
        Ok(VisibleSession { claims_json: live.claims_json, expires_in })
    }

    /// A currently valid access token; refreshed first if it is about to expire.
    pub async fn access_token(self: &Arc<Self>, key: &SessionKey) -> Result<UsableToken, SessionError> {
        let live = self.read_live(key).await?;
        match live.freshness(self.lifetimes.jitter, self.clock.now()) {
            Freshness::Fresh => Ok(self.usable(&live)),
            Freshness::Over => Err(SessionError::NoSession),
            freshness @ (Freshness::Stale | Freshness::Expired) => match self.refresh(key).await {
                // The token at hand is good for a few seconds more: better than an error.
                Err(SessionError::Provider(_) | SessionError::Store(_)) if freshness == Freshness::Stale => {
                    Ok(self.usable(&live))
                }
                outcome => outcome,
            },
        }
    }

    /// Stores a new session under a fresh id. Returns the cookie's value.
    pub async fn begin(&self, session: &Session) -> Result<String, SessionError> {
        let id = SessionId::from_random(self.entropy.random_256()?);
        let (cookie_value, key) = self.cookie.issue(&id);
        let record = self.codec.encode(&key, session, &*self.entropy)?;
        self.store.insert(&key, &record, self.time_to_live(session)).await?;
        tracing::info!(session = %key, event = "session_begun", "a session has begun");
        Ok(cookie_value)
    }

    /// Ends a session, here at once and at the authorization server's revocation endpoint soon. Returns
    /// what was known of it, for the logout at the provider.
    pub async fn end(&self, key: &SessionKey) -> Result<Option<Session>, SessionError> {
        let session = match self.read(key).await {
            Ok((_, session)) => Some(session),
            Err(SessionError::NoSession) => None,
            Err(error) => return Err(error),
        };
        self.store.remove(key).await?;
        if let Some(session) = &session {
            tracing::info!(session = %key, event = "session_ended", "a session has ended");
            self.revoke_soon(&session.kept.client_id, session);
        }
        Ok(session)
    }

    pub(super) fn usable(&self, live: &Live) -> UsableToken {
        UsableToken {
            access_token: live.access_token.clone(),
            expires_in: live.usable_secs(self.lifetimes.jitter, self.clock.now()),
        }
    }

    pub(super) fn time_to_live(&self, session: &Session) -> Duration {
        self.clock.now().until(session.live.ends_at).max(Duration::from_secs(1))
    }

    pub(super) async fn read(&self, key: &SessionKey) -> Result<(StoredRecord, Session), SessionError> {
        let record = self.store.read(key).await?.ok_or(SessionError::NoSession)?;
        let session = self.codec.decode(key, &record.value).map_err(|error| unreadable(key, error))?;
        still_running(session.live.ends_at, self.clock.now())?;
        Ok((record, session))
    }

    async fn read_live(&self, key: &SessionKey) -> Result<Live, SessionError> {
        let record = self.store.read(key).await?.ok_or(SessionError::NoSession)?;
        let live = self.codec.decode_live(key, &record.value).map_err(|error| unreadable(key, error))?;
        still_running(live.ends_at, self.clock.now())?;
        Ok(live)
    }

    /// Revokes a session's tokens in the background (RFC 7009): whoever logs out does not wait for it.
    pub(super) fn revoke_soon(&self, client_id: &str, session: &Session) {
        let token = match &session.kept.refresh_token {
            Some(token) => RevocableToken::Refresh(token.clone()),
            None => RevocableToken::Access(session.live.access_token.clone()),
        };
        self.revoke_token_soon(client_id, token);
    }

    pub(super) fn revoke_token_soon(&self, client_id: &str, token: RevocableToken) {
        let (server, client_id) = (Arc::clone(&self.server), client_id.to_owned());
        self.tasks.spawn(async move {
            if let Err(error) = server.revoke(&client_id, token).await {
                tracing::warn!(%error, event = "revocation_failed", "a token could not be revoked");
            }
        });
    }
}

fn still_running(ends_at: UnixSeconds, now: UnixSeconds) -> Result<(), SessionError> {
    if now < ends_at { Ok(()) } else { Err(SessionError::NoSession) }
}

/// The record stays where it is: a newer replica may be able to read it.
fn unreadable(key: &SessionKey, error: crate::seal::UnreadableRecord) -> SessionError {
    tracing::warn!(session = %key, %error, event = "session_unreadable", "a session record cannot be read");
    SessionError::NoSession
}
