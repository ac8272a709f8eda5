//! What a server function may know of whoever calls it.

use std::fmt;

use http::request::Parts;
use leptos::prelude::use_context;
use serde_json::{Map, Value};

use super::Sessions;

/// The session of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerSession {
    /// The claims that the server's `session.userClaims` selects.
    pub claims: Map<String, Value>,
    /// Seconds until the session ends.
    pub expires_in: u64,
}

/// The session's access token, refreshed if it was about to expire. It is not printed, and cannot be serialised.
#[derive(Clone)]
pub struct ServerAccessToken {
    pub(super) token: String,
    /// Seconds for which it may be used.
    pub expires_in: u64,
}

impl ServerAccessToken {
    /// The token itself, for an `Authorization: Bearer` header and nothing else: what a server function returns, the
    /// browser gets.
    pub fn expose(&self) -> &str {
        &self.token
    }
}

impl fmt::Debug for ServerAccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerAccessToken").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// Why there is no session, or no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAccess {
    /// Nobody is logged in. The only one that calls for a login.
    Unauthenticated,
    /// The request may not be made from where it comes from: another site, say.
    Forbidden,
    /// It could not be found out. The session may well be alive.
    Unavailable {
        /// The status of the answer, or 0 without one.
        status: u16,
        /// Names the request in the server's log.
        correlation_id: Option<String>,
    },
    /// The route has no [`with_session`](super::with_session), or Leptos provides no request: a mistake in the program.
    NotSetUp,
}

impl NoAccess {
    /// What a refusal with `status` means.
    #[cfg(any(feature = "mounted", feature = "remote"))]
    pub(super) fn of(status: http::StatusCode, headers: &http::HeaderMap) -> Self {
        match status {
            http::StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            http::StatusCode::FORBIDDEN => Self::Forbidden,
            status => Self::Unavailable {
                status: status.as_u16(),
                correlation_id: headers
                    .get(authtool_contract::header::CORRELATION_ID)
                    .and_then(|id| id.to_str().ok())
                    .map(str::to_owned),
            },
        }
    }
}

impl fmt::Display for NoAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unauthenticated => "nobody is logged in",
            Self::Forbidden => "this request may not be made from here",
            Self::Unavailable { .. } => "the session cannot be read right now",
            Self::NotSetUp => {
                "authtool: this route has no session; add `.layer(middleware::from_fn_with_state(sessions, with_session))`"
            }
        })
    }
}

impl std::error::Error for NoAccess {}

/// The session of whoever calls this server function.
///
/// State-changing requests that do not come from the app's own pages are refused, whatever cookie they bring.
pub async fn session() -> Result<ServerSession, NoAccess> {
    let (sessions, request) = caller()?;
    sessions.session(&request).await
}

/// The access token of whoever calls this server function, under the rules of [`session`].
pub async fn access_token() -> Result<ServerAccessToken, NoAccess> {
    let (sessions, request) = caller()?;
    sessions.access_token(&request).await
}

fn caller() -> Result<(Sessions, Parts), NoAccess> {
    let request: Parts = use_context().ok_or(NoAccess::NotSetUp)?;
    let sessions = request.extensions.get::<Sessions>().cloned().ok_or(NoAccess::NotSetUp)?;
    Ok((sessions, request))
}
