//! Clients that bring an access token of their own, in place of a session: other services, programs, apps without a browser.
//!
//! Where no `jwt_authn` of Envoy stands behind us, we are the last to look at such a token before the API does.

use std::sync::Arc;

use super::clients::Clients;
use crate::{
    domain::{access_token::MachineAccess, credential::AccessToken},
    ports::{AuthorizationServer, Clock, ProviderError, TokenVerificationError},
};

/// Why a token goes no further.
#[derive(Debug, thiserror::Error)]
pub enum BearerError {
    /// It is not good here. The text is for the log.
    #[error("{0}")]
    Refused(String),
    /// Nobody can tell: the provider's keys cannot be had.
    #[error(transparent)]
    Unavailable(#[from] ProviderError),
}

/// See the [module](self).
pub struct MachineClients {
    access: Vec<MachineAccess>,
    clients: Arc<Clients>,
    server: Arc<dyn AuthorizationServer>,
    clock: Arc<dyn Clock>,
}

impl MachineClients {
    /// Tokens come from the issuers of these clients.
    pub fn new(
        access: Vec<MachineAccess>,
        clients: Arc<Clients>,
        server: Arc<dyn AuthorizationServer>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { access, clients, server, clock }
    }

    /// What holds at a path without a query: the longest prefix counts.
    pub fn at(&self, path: &str) -> Option<&MachineAccess> {
        self.access.iter().filter(|it| it.covers(path)).max_by_key(|it| it.prefix.len())
    }

    /// What holds at the prefix that a gateway names.
    pub fn named(&self, prefix: &str) -> Option<&MachineAccess> {
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        self.access.iter().find(|it| it.prefix == prefix)
    }

    /// Whether the token is good: signed with a key of the issuer that it names, by an asymmetric algorithm, for the API, now,
    /// and no ID token (RFC 9068 §4).
    ///
    /// Where several clients have the same issuer, its keys are looked at once: strangers can send any number of tokens.
    pub async fn admit(&self, access: &MachineAccess, token: &AccessToken) -> Result<(), BearerError> {
        let issuer = token.claimed_issuer().unwrap_or_default();
        let mut refusal = "its `iss` is none of the configured issuers, or it is no JWT".to_owned();
        let mut seen = Vec::new();
        for client in self.clients.of_issuer(&issuer) {
            if seen.contains(&(&client.issuer, &client.id_token_issuer)) {
                continue;
            }
            seen.push((&client.issuer, &client.id_token_issuer));
            refusal = match self.server.verify_access_token(&client.name, token).await {
                Ok(signed) => {
                    let now = self.clock.now();
                    match signed.validate_access(&client.id_token_issuer, &access.audiences, now) {
                        Ok(()) => return Ok(()),
                        Err(why) => why.to_string(),
                    }
                }
                Err(TokenVerificationError::Unavailable(error)) => return Err(error.into()),
                Err(TokenVerificationError::Refused(why) | TokenVerificationError::Undecided(why)) => why,
                Err(unknown @ TokenVerificationError::UnknownKey) => unknown.to_string(),
            };
        }
        Err(BearerError::Refused(refusal))
    }
}
