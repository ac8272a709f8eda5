//! Logouts that the provider reports through the browser (OpenID Connect Front-Channel Logout 1.0): it loads a URL of ours
//! in a frame, with the `sid` of its session.
//!
//! Such a request is not signed and carries no cookie, so all that the server knows about the sender is that it knows a
//! `sid`. That is enough to end the local sessions that belong to it, and for nothing else: nothing is revoked, now or later,
//! and nothing is written for a `sid` that no session has. A stranger cannot guess one; somebody who has learned it
//! can make its user log in again.

use std::sync::Arc;

use tokio::sync::Semaphore;
use url::Url;

use super::{
    clients::Client,
    sessions::{SessionError, Sessions},
};
use crate::domain::expected_issuer::ExpectedIssuer;

/// Strangers can make this process look into the store so many times at once, and no more.
const AT_ONCE: usize = 16;

/// Why nothing was ended.
#[derive(Debug, thiserror::Error)]
pub enum FrontChannelError {
    /// No client has this path, or its provider may not report logouts this way.
    #[error("there is no such client, or its client.frontChannelLogout is not set")]
    NoClient,
    /// Another provider's request.
    #[error("its `iss` is not the issuer of this path's client")]
    Issuer,
    /// Too many of these requests at once.
    #[error("too many logouts are being reported at once")]
    Busy,
    /// Some sessions may still be there.
    #[error(transparent)]
    Trouble(#[from] SessionError),
}

/// See the [module](self).
pub struct FrontChannelLogouts {
    sessions: Arc<Sessions>,
    turns: Semaphore,
}

/// What was done about a report.
#[derive(Debug)]
pub struct Reported {
    /// How many sessions ended.
    pub ended: usize,
    /// The origins whose pages may show the answer in a frame.
    pub frames: Vec<String>,
}

impl FrontChannelLogouts {
    /// Reports about these sessions.
    pub fn new(sessions: Arc<Sessions>) -> Self {
        Self { sessions, turns: Semaphore::new(AT_ONCE) }
    }

    /// Whether any client's provider may report logouts this way.
    pub fn is_offered(&self) -> bool {
        self.sessions.clients.any_front_channel()
    }

    /// Acts on a request to the path of the client `name`, or of the only one. Whether there was such a session does not
    /// show.
    pub async fn report(
        &self,
        name: Option<&str>,
        issuer: Option<&str>,
        sid: &str,
    ) -> Result<Reported, FrontChannelError> {
        let client = self.sessions.clients.of_front_channel(name).ok_or(FrontChannelError::NoClient)?;
        let issuers =
            issuers(&client.id_token_issuer, &client.issuer, issuer).ok_or(FrontChannelError::Issuer)?;
        let _turn = self.turns.try_acquire().map_err(|_| FrontChannelError::Busy)?;
        let mut ended = 0;
        for issuer in &issuers {
            ended += self.end_all(client, issuer, sid).await?;
        }
        if ended > 0 {
            self.sessions.store.settle().await;
            tracing::info!(
                event = "front_channel_logout",
                client = client.name,
                ended,
                "the provider reported a logout through the browser"
            );
        }
        Ok(Reported { ended, frames: self.frames(client).await })
    }

    async fn end_all(&self, client: &Client, issuer: &str, sid: &str) -> Result<usize, SessionError> {
        let mut ended = 0;
        for index in self.sessions.indexes.of_provider_session(issuer, sid) {
            for member in self.sessions.store.enlisted(&index).await? {
                match self.sessions.read(&member.key).await {
                    // An index is named by a hash. What counts is what the session itself says.
                    Ok((_, session))
                        if session.kept.provider_session.as_deref() == Some(sid)
                            && session.kept.issuer == issuer
                            && self.sessions.clients.of_session(&session.kept).map(|it| &it.name)
                                == Some(&client.name) =>
                    {
                        ended += usize::from(self.sessions.end_here_alone(&member.key).await?);
                    }
                    Ok(_) | Err(SessionError::NoSession) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(ended)
    }

    /// The provider's pages are where its endpoints are.
    async fn frames(&self, client: &Client) -> Vec<String> {
        let mut frames: Vec<_> = Url::parse(&client.issuer).into_iter().map(|it| origin(&it)).collect();
        if let Ok(metadata) = self.sessions.server.metadata(&client.name).await {
            frames.push(origin(&metadata.authorization_endpoint));
            frames.extend(metadata.end_session_endpoint.as_ref().map(origin));
        }
        frames.sort_unstable();
        frames.dedup();
        frames
    }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The issuers that the client's sessions may have, or the one that the request names. The path says which client it is,
/// so an absent `iss` leaves nothing open (Entra ID sends none).
fn issuers(expected: &ExpectedIssuer, configured: &str, named: Option<&str>) -> Option<Vec<String>> {
    match named {
        Some(named) if expected.admits(named) => Some(vec![named.to_owned()]),
        Some(named) if named != configured => None,
        _ => expected.known(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::expected_issuer::AllowedTenants;

    #[test]
    fn sec_119_the_sessions_that_may_end_are_of_the_clients_own_issuers() {
        let tenant = |digit: &str| {
            [digit.repeat(8), digit.repeat(4), digit.repeat(4), digit.repeat(4), digit.repeat(12)].join("-")
        };
        let (ours, also, theirs) = (tenant("1"), tenant("2"), tenant("3"));
        let of = |tenant: &str| format!("https://login.example/{tenant}/v2.0");
        let listed = AllowedTenants::Listed(vec![ours.clone(), also.clone()]);
        let tenants = ExpectedIssuer::of_tenant("https://login.example/{tenantid}/v2.0", listed).unwrap();
        let any =
            ExpectedIssuer::of_tenant("https://login.example/{tenantid}/v2.0", AllowedTenants::Any).unwrap();
        let one = ExpectedIssuer::Exactly("https://op.example".to_owned());
        let common = "https://login.example/common/v2.0";
        for (expected, configured, named, issuers_of_sessions) in [
            (&one, "https://op.example", None, Some(vec!["https://op.example".to_owned()])),
            (
                &one,
                "https://op.example",
                Some("https://op.example"),
                Some(vec!["https://op.example".to_owned()]),
            ),
            (&one, "https://op.example", Some("https://op.example/"), None),
            (&one, "https://op.example", Some("https://evil.example"), None),
            (&one, "https://op.example", Some(""), None),
            // The metadata's issuer, where ID tokens carry another (`idTokenValidationIssuer`).
            (
                &one,
                "https://meta.example",
                Some("https://meta.example"),
                Some(vec!["https://op.example".to_owned()]),
            ),
            (&tenants, common, None, Some(vec![of(&ours), of(&also)])),
            (&tenants, common, Some(&of(&ours)), Some(vec![of(&ours)])),
            (&tenants, common, Some(common), Some(vec![of(&ours), of(&also)])),
            (&tenants, common, Some(&of(&theirs)), None),
            (&any, common, Some(&of(&theirs)), Some(vec![of(&theirs)])),
            (&any, common, None, None),
        ] {
            assert_eq!(issuers(expected, configured, named), issuers_of_sessions, "{named:?}");
        }
    }
}
