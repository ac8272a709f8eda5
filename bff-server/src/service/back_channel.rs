//! Logouts that somebody else reports: the OpenID Provider on the back channel
//! (OpenID Connect Back-Channel Logout 1.0), or an operator who logs a user out everywhere.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream};

use super::sessions::{SessionError, Sessions};
use crate::{
    domain::{
        credential::IdToken, logout_token::ReportedLogout, session::Session, session_id::SessionKey,
        session_index::IndexName,
    },
    ports::{Marker, StoreError, TokenOrigin, TokenVerificationError},
};

/// A login that was under way when its provider session ended is refused for this long.
const TOMBSTONE: Duration = Duration::from_mins(15);

/// How long all sessions are looked through, for one order.
const SEARCH: Duration = Duration::from_secs(20);
const LOOKS_AT_ONCE: usize = 64;

/// What came of an order to end a user's sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How many have ended.
    pub sessions: usize,
    /// Whether these are known to be all that there were.
    pub is_complete: bool,
}

/// Why a report is not acted on.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The token is not acceptable; the provider is told so.
    #[error("the logout token is refused: {0}")]
    Refused(String),
    /// A user of any tenant is meant, and nobody knows them all.
    #[error(
        "users may come from any tenant (allowedTenants is [\"*\"]): name the `issuer` of this one's ID tokens"
    )]
    WhichIssuer,
    /// The provider, the store or we ourselves are in trouble: some sessions may still be there, and the
    /// provider should report again.
    #[error(transparent)]
    Trouble(#[from] SessionError),
}

impl From<StoreError> for ReportError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

/// See the [module](self).
pub struct BackChannelLogouts {
    sessions: Arc<Sessions>,
}

impl BackChannelLogouts {
    /// Reports about these sessions.
    pub fn new(sessions: Arc<Sessions>) -> Self {
        Self { sessions }
    }

    /// Acts on a logout token. Returns how many sessions ended; none is a success too.
    pub async fn report(&self, token: &IdToken) -> Result<usize, ReportError> {
        let Report { logout, clients } = self.verify(token).await?;
        let store = &self.sessions.store;
        let indexes = &self.sessions.indexes;
        let replay = Marker(format!("jti:{}", indexes.token_marker(&logout.issuer, &logout.token_id)));
        if store.is_spent(&replay).await? {
            return Err(ReportError::Refused("its `jti` was reported before".into()));
        }
        let names = match (&logout.provider_session, &logout.subject) {
            (Some(sid), _) => {
                let names = indexes.of_provider_session(&logout.issuer, sid);
                // Before the index is read: a login in flight either sees this, or is in the index.
                for name in &names {
                    for client in &clients {
                        store.spend(&tombstone(name, client), TOMBSTONE).await?;
                    }
                }
                names
            }
            (None, Some(subject)) => indexes.of_subject(&logout.issuer, subject),
            (None, None) => Vec::new(),
        };
        let mut ended = self
            .end_matching(&names, |session| {
                is_of(session, &clients, &logout)
                    && logout.provider_session.as_ref().is_none_or(|sid| says(session, sid))
            })
            .await?;
        if let (Some(_), Some(subject)) = (&logout.provider_session, &logout.subject) {
            // A report with `sid` and `sub` is about one session of the user. Those whose login did not say which session of
            // the provider they belong to may be that one.
            ended += self
                .end_matching(&indexes.of_subject(&logout.issuer, subject), |session| {
                    is_of(session, &clients, &logout) && session.kept.provider_session.is_none()
                })
                .await?;
        }
        self.sessions.store.settle().await;
        // Only now: a report that failed halfway may come again.
        store.spend(&replay, logout.remember).await?;
        tracing::info!(event = "back_channel_logout", ended, "the provider reported a logout");
        Ok(ended)
    }

    /// Ends all sessions of a user: of the `subject` at this issuer, or, if none is named, at all that are known.
    /// Where indexes may have lost some, all sessions are looked through.
    pub async fn end_everywhere(&self, issuer: Option<&str>, subject: &str) -> Result<Ended, ReportError> {
        let issuers = match issuer {
            Some(issuer) => vec![issuer.to_owned()],
            None => self.sessions.clients.known_issuers().ok_or(ReportError::WhichIssuer)?,
        };
        let mut sessions = 0;
        for issuer in &issuers {
            sessions += self.end_all(&self.sessions.indexes.of_subject(issuer, subject)).await?;
        }
        let mut is_complete = true;
        if self.sessions.store.may_have_lost_members().await {
            let found = AtomicUsize::new(0);
            let searched = self.search(&issuers, subject, &found);
            is_complete = matches!(tokio::time::timeout(SEARCH, searched).await, Ok(Ok(true)));
            sessions += found.into_inner();
        }
        self.sessions.store.settle().await;
        if is_complete {
            tracing::info!(event = "ended_everywhere", ended = sessions, "all sessions of a user were ended");
        } else {
            tracing::warn!(
                event = "ended_perhaps_not_everywhere",
                ended = sessions,
                "sessions of a user were ended, but the store may have evicted indexes, and not all sessions could be looked \
                 through: some may go on until they are refreshed and the order is repeated"
            );
        }
        Ok(Ended { sessions, is_complete })
    }

    /// Looks through all sessions for those of a user; `false` where that cannot be done.
    async fn search(
        &self,
        issuers: &[String],
        subject: &str,
        found: &AtomicUsize,
    ) -> Result<bool, ReportError> {
        let mut from = None;
        loop {
            let Some(steps) = self.sessions.store.walk(from).await? else { return Ok(false) };
            let looks: Vec<_> =
                steps.keys.into_iter().map(|key| self.end_if_of(key, issuers, subject)).collect();
            // Those that are asked for together are read together.
            let mut looks = stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE);
            while let Some(has_ended) = looks.next().await {
                found.fetch_add(usize::from(has_ended?), Ordering::Relaxed);
            }
            match steps.next {
                Some(next) => from = Some(next),
                None => return Ok(true),
            }
        }
    }

    async fn end_if_of(
        &self,
        key: SessionKey,
        issuers: &[String],
        subject: &str,
    ) -> Result<bool, SessionError> {
        match self.sessions.read(&key).await {
            Ok((_, session))
                if session.kept.subject.as_deref() == Some(subject)
                    && issuers.contains(&session.kept.issuer) =>
            {
                Ok(self.sessions.end(&key).await?)
            }
            Ok(_) | Err(SessionError::NoSession) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// With the keys of the provider that it says it comes from, and of no other: those of one cannot vouch for
    /// another, and a provider that is down does not hold up another's report.
    ///
    /// Several clients of ours may be in its `aud`, and the report is about the sessions of each of them.
    async fn verify(&self, token: &IdToken) -> Result<Report, ReportError> {
        let mut report: Option<Report> = None;
        let mut refusal = "its `iss` is none of the configured issuers".to_owned();
        let issuer = token.claimed_issuer().unwrap_or_default();
        for client in self.sessions.clients.of_issuer(&issuer) {
            match self.sessions.server.verify(&client.name, token, TokenOrigin::Anybody).await {
                Err(TokenVerificationError::Unavailable(error)) => {
                    return Err(SessionError::from(error).into());
                }
                Err(TokenVerificationError::Refused(why) | TokenVerificationError::Undecided(why)) => {
                    refusal = why;
                }
                Err(error @ TokenVerificationError::UnknownKey) => refusal = error.to_string(),
                Ok(signed) => {
                    let now = self.sessions.clock.now();
                    let expiry = client.logout_token_expiry;
                    match signed.validate_logout(&issuer, &[&client.client_id], expiry, now) {
                        Ok(logout) => {
                            report
                                .get_or_insert(Report { logout, clients: Vec::new() })
                                .clients
                                .push(client.name.clone());
                        }
                        Err(why) => refusal = why.to_string(),
                    }
                }
            }
        }
        report.ok_or(ReportError::Refused(refusal))
    }

    /// Ends those that match. An index is named by a hash of what a report says; what counts is what the session itself says.
    async fn end_matching(
        &self,
        indexes: &[IndexName],
        matches: impl Fn(&Session) -> bool,
    ) -> Result<usize, ReportError> {
        let mut ended = 0;
        for index in indexes {
            for member in self.sessions.store.enlisted(index).await? {
                if self.look_at(&member.key).await?.is_none_or(|session| matches(&session)) {
                    ended += usize::from(self.sessions.end(&member.key).await?);
                    self.sessions.store.delist(index, &member).await?;
                }
            }
        }
        Ok(ended)
    }

    /// `None` where there is none any more, or one that this replica cannot read. Another replica may serve the latter, and
    /// must not: what nobody can look at ends.
    async fn look_at(&self, key: &SessionKey) -> Result<Option<Session>, StoreError> {
        let record = self.sessions.store.read(key).await?;
        Ok(record.and_then(|record| self.sessions.codec.decode(key, &record.value).ok()))
    }

    async fn end_all(&self, indexes: &[IndexName]) -> Result<usize, ReportError> {
        let mut ended = 0;
        for index in indexes {
            for member in self.sessions.store.enlisted(index).await? {
                ended += usize::from(self.sessions.end(&member.key).await?);
                self.sessions.store.delist(index, &member).await?;
            }
        }
        Ok(ended)
    }
}

/// A logout token that was verified, and the clients that it was verified for.
struct Report {
    logout: ReportedLogout,
    clients: Vec<String>,
}

/// Whether a session is one of these clients', and of the user that the report names, if it names one.
fn is_of(session: &Session, clients: &[String], logout: &ReportedLogout) -> bool {
    clients.contains(&session.kept.client)
        && session.kept.issuer == logout.issuer
        && logout.subject.as_ref().is_none_or(|subject| session.kept.subject.as_ref() == Some(subject))
}

fn says(session: &Session, provider_session: &str) -> bool {
    session.kept.provider_session.as_deref() == Some(provider_session)
}

/// Marks a provider session as ended for a client.
pub(super) fn tombstone(index: &IndexName, client: &str) -> Marker {
    Marker(format!("ended:{}:{client}", index.0))
}
