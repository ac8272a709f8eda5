//! Logging out: here first, then at the OpenID Provider (OpenID Connect RP-Initiated Logout 1.0).

use std::{sync::Arc, time::Duration};

use aws_lc_rs::constant_time;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    revocation::HeldTokens,
    sessions::{EndedSession, SessionError, Sessions},
};
use crate::{
    domain::{
        credential::IdToken, end_session::EndSession, session::Session, session_id::SessionKey,
        time::UnixSeconds,
    },
    ports::Clock,
};

/// How long the way to the provider and back may take.
pub const LIFETIME: Duration = Duration::from_mins(10);

/// A logout on its way to the provider and back; sealed into a cookie.
#[derive(Clone, Serialize, Deserialize)]
pub struct LogoutFlow {
    state: [u8; 32],
    /// Where in the app to go afterwards.
    pub return_to: String,
    created_at: UnixSeconds,
    /// What is revoked when the browser has come back.
    held: Option<HeldTokens>,
}

impl LogoutFlow {
    /// The `state` parameter.
    pub fn state(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.state)
    }

    /// Whether the provider's answer belongs to this logout.
    pub fn is_answered_by(&self, state: &str, now: UnixSeconds) -> bool {
        let same = constant_time::verify_slices_are_equal(self.state().as_bytes(), state.as_bytes()).is_ok();
        same && now < self.created_at.plus(LIFETIME)
    }
}

/// What to do with the browser after the session is gone.
pub struct Ended {
    /// Where to send it.
    pub location: Url,
    /// To be sealed into the logout cookie, if the provider sends the browser back to us.
    pub flow: Option<LogoutFlow>,
}

/// See the [module](self).
pub struct Logouts {
    sessions: Arc<Sessions>,
    clock: Arc<dyn Clock>,
}

impl Logouts {
    /// Logouts of these sessions.
    pub fn new(sessions: Arc<Sessions>) -> Self {
        Self { clock: Arc::clone(&sessions.clock), sessions }
    }

    /// Ends the session, then says where to go: to the provider's end-session endpoint, or, where there
    /// is none or nobody was logged in, straight to `return_to`.
    pub async fn end(&self, key: Option<&SessionKey>, return_to: &Url) -> Result<Ended, SessionError> {
        let ended = match key {
            Some(key) => {
                let ended = self.sessions.end_before_the_provider(key).await?;
                // Also where it had ended before: whoever ended it may not have been told yet that it is known.
                self.sessions.store.settle().await;
                ended
            }
            None => None,
        };
        let at_provider = match &ended {
            Some(EndedSession { session, held }) => {
                self.end_at_provider(session, held.as_ref(), return_to).await?
            }
            None => None,
        };
        Ok(at_provider.unwrap_or_else(|| {
            // Nobody goes to the provider: there is nothing to wait for.
            if let Some(held) = ended.and_then(|it| it.held) {
                self.sessions.release_soon(held);
            }
            Ended { location: return_to.clone(), flow: None }
        }))
    }

    async fn end_at_provider(
        &self,
        session: &Session,
        held: Option<&HeldTokens>,
        return_to: &Url,
    ) -> Result<Option<Ended>, SessionError> {
        // The session is gone already; a provider that cannot be reached does not change that.
        let Some(client) = self.sessions.clients.of_session(&session.kept) else { return Ok(None) };
        let Ok(metadata) = self.sessions.server.metadata(&client.name).await else { return Ok(None) };
        let Some(endpoint) = &metadata.end_session_endpoint else { return Ok(None) };
        let flow = if client.post_logout_redirect_uri.is_some() && client.end_session.carry_state() {
            Some(LogoutFlow {
                state: self.sessions.entropy.random_256()?,
                return_to: return_to.as_str().to_owned(),
                created_at: self.clock.now(),
                held: held.cloned(),
            })
        } else {
            None
        };
        let state = flow.as_ref().map(LogoutFlow::state);
        let known = EndSession {
            client_id: &client.client_id,
            id_token: session.kept.id_token.as_ref().map(IdToken::expose),
            post_logout_redirect_uri: client.post_logout_redirect_uri.as_ref(),
            state: state.as_deref(),
        };
        let location = client.end_session.url(endpoint, &known);
        Ok(Some(Ended { location, flow }))
    }

    /// Where to go when the provider sends the browser back; `None` if that was not asked for. Ends
    /// nothing: a page that leads a browser here logs nobody out. What waited for the return is revoked now.
    pub fn returned(&self, flow: Option<LogoutFlow>, state: Option<&str>) -> Option<String> {
        let (flow, state) = (flow?, state?);
        if !flow.is_answered_by(state, self.clock.now()) {
            return None;
        }
        if let Some(held) = flow.held {
            self.sessions.release_soon(held);
        }
        Some(flow.return_to)
    }
}
