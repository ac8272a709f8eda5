//! Logouts that somebody else reports: the OpenID Provider on the back channel
//! (OpenID Connect Back-Channel Logout 1.0), or an operator who logs a user out everywhere.

use std::{sync::Arc, time::Duration};

use super::sessions::{SessionError, Sessions};
use crate::{
    domain::{credential::IdToken, logout_token::ReportedLogout, session_index::IndexName},
    ports::{Marker, StoreError, TokenOrigin, TokenVerificationError},
};

/// A login that was under way when its provider session ended is refused for this long.
const TOMBSTONE: Duration = Duration::from_mins(15);

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
        let logout = self.verify(token).await?;
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
                    store.spend(&tombstone(name), TOMBSTONE).await?;
                }
                names
            }
            (None, Some(subject)) => indexes.of_subject(&logout.issuer, subject),
            (None, None) => Vec::new(),
        };
        let mut ended = self.end_all(&names).await?;
        if let (Some(_), Some(subject)) = (&logout.provider_session, &logout.subject) {
            ended += self.end_those_without_sid(&indexes.of_subject(&logout.issuer, subject)).await?;
        }
        self.sessions.store.settle().await;
        // Only now: a report that failed halfway may come again.
        store.spend(&replay, logout.remember).await?;
        tracing::info!(event = "back_channel_logout", ended, "the provider reported a logout");
        Ok(ended)
    }

    /// Ends all sessions of a user: of the `subject` at this issuer, or, if none is named, at all that are known.
    /// Returns how many there were.
    pub async fn end_everywhere(&self, issuer: Option<&str>, subject: &str) -> Result<usize, ReportError> {
        let issuers = match issuer {
            Some(issuer) => vec![issuer.to_owned()],
            None => self.sessions.clients.known_issuers().ok_or(ReportError::WhichIssuer)?,
        };
        let mut ended = 0;
        for issuer in issuers {
            ended += self.end_all(&self.sessions.indexes.of_subject(&issuer, subject)).await?;
        }
        self.sessions.store.settle().await;
        tracing::info!(event = "ended_everywhere", ended, "all sessions of a user were ended");
        Ok(ended)
    }

    /// With the keys of the provider that it says it comes from, and of no other: those of one cannot vouch for
    /// another, and a provider that is down does not hold up another's report.
    async fn verify(&self, token: &IdToken) -> Result<ReportedLogout, ReportError> {
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
                        Ok(logout) => return Ok(logout),
                        Err(why) => refusal = why.to_string(),
                    }
                }
            }
        }
        Err(ReportError::Refused(refusal))
    }

    /// A report with `sid` and `sub` is about one session of the user. Those whose login did not say which
    /// session of the provider they belong to may be that one: they end as well.
    async fn end_those_without_sid(&self, indexes: &[IndexName]) -> Result<usize, ReportError> {
        let mut ended = 0;
        for index in indexes {
            for member in self.sessions.store.enlisted(index).await? {
                match self.sessions.read(&member.key).await {
                    Ok((_, session)) if session.kept.provider_session.is_none() => {
                        ended += usize::from(self.sessions.end(&member.key).await?.is_some());
                    }
                    Ok(_) | Err(SessionError::NoSession) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(ended)
    }

    async fn end_all(&self, indexes: &[IndexName]) -> Result<usize, ReportError> {
        let mut ended = 0;
        for index in indexes {
            for member in self.sessions.store.enlisted(index).await? {
                ended += usize::from(self.sessions.end(&member.key).await?.is_some());
                self.sessions.store.delist(index, &member).await?;
            }
        }
        Ok(ended)
    }
}

/// Marks a provider session as ended.
pub(super) fn tombstone(index: &IndexName) -> Marker {
    Marker(format!("ended:{}", index.0))
}
