//! The authorization server, as seen from the back channel.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Map, Value};
use url::Url;

use super::HeldLease;
use crate::domain::{
    credential::{AccessToken, AuthorizationCode, IdToken, RefreshToken},
    dpop::{HeldToken, ProofKey},
    id_token::SignedClaims,
    metadata::ProviderMetadata,
    revocation::RevocableToken,
    token_response::TokenResponse,
};

/// The name of one of the configured clients, each of which is registered at one authorization server.
pub type ClientName<'a> = &'a str;

/// The authorization server's metadata, keys or endpoints cannot be used at the moment.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the authorization server cannot be used: {reason}")]
pub struct ProviderError {
    /// What is wrong, for the log. Contains nothing the provider sent but what is safe to print.
    pub reason: String,
    /// When it asked to be asked again, if it did.
    pub retry_after: Option<Duration>,
    /// It understood the request and does not take it: configuration, here or there, must change. Asking again
    /// does not help.
    pub refused: bool,
    /// It cannot be used until the configuration is another, here or there: its metadata is missing, somebody else's, or not
    /// acceptable.
    pub misconfigured: bool,
    /// It was not even asked: too many exchanges with it are under way here, or the lease for it ran out before. Says
    /// nothing about it.
    pub not_asked: bool,
}

impl ProviderError {
    /// An error without advice on when to retry.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            retry_after: None,
            refused: false,
            misconfigured: false,
            not_asked: false,
        }
    }

    /// An error that only another configuration can mend.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self { refused: true, ..Self::new(reason) }
    }

    /// An error about a server that cannot be used as it is configured.
    pub fn misconfigured(reason: impl Into<String>) -> Self {
        Self { misconfigured: true, ..Self::new(reason) }
    }

    /// An error with advice on when to retry.
    pub fn retry_after(reason: impl Into<String>, wait: Option<Duration>) -> Self {
        Self { retry_after: wait, ..Self::new(reason) }
    }
}

/// What is exchanged for tokens.
#[derive(Debug)]
pub enum Grant<'a> {
    /// RFC 6749 §4.1.3 with RFC 7636 §4.5. Sent once: a code that may have been seen is never sent again.
    AuthorizationCode {
        /// The code.
        code: &'a AuthorizationCode,
        /// The flow's PKCE verifier.
        code_verifier: &'a str,
        /// The flow's redirect URI.
        redirect_uri: &'a str,
    },
    /// RFC 6749 §6. It may work once, so it is sent only while nobody else can be doing so.
    RefreshToken {
        /// The refresh token.
        token: &'a RefreshToken,
        /// What keeps others from sending it.
        lease: &'a HeldLease,
    },
}

/// Why a grant brought no tokens.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// `invalid_grant`: the one answer that says the grant itself is no longer good. With the server's words, fit for a log.
    #[error("the authorization server no longer accepts the grant ({0})")]
    Invalid(String),
    /// A refusal that may be about the grant. Said often enough of a refresh token, it is.
    #[error(transparent)]
    Doubtful(ProviderError),
    /// Any other refusal or failure; says nothing about the session.
    #[error(transparent)]
    Unavailable(#[from] ProviderError),
    /// A success, but not tokens.
    #[error("the authorization server's answer cannot be used: {0}")]
    Unusable(#[from] crate::domain::token_response::UnusableTokenResponse),
}

/// Why a token's signature could not be accepted.
#[derive(Debug, thiserror::Error)]
pub enum TokenVerificationError {
    /// The token is wrong.
    #[error("the token is refused: {0}")]
    Refused(String),
    /// No key of the provider fits. Forged, or signed with a key that is too new to be known here; nobody can
    /// tell yet, so it is no reason to end anything.
    #[error("no key of the provider fits the token's header")]
    UnknownKey,
    /// Nobody can tell whether it is genuine: it cannot be read, or the provider's keys or metadata, which may have changed,
    /// do not say. Nothing of it is believed, and it is no reason to end anything.
    #[error("the ID token is refused: {0}")]
    Undecided(String),
    /// The keys cannot be had.
    #[error(transparent)]
    Unavailable(#[from] ProviderError),
}

/// A user's claims as `UserInfo` answered them.
#[derive(Debug)]
pub enum UserInfo {
    /// As JSON: believed because of where it comes from.
    Plain(Map<String, Value>),
    /// As a JWT, whose signature has verified; its claims are still to be validated.
    Signed(SignedClaims),
}

/// Why there are no claims of a user.
#[derive(Debug, thiserror::Error)]
pub enum UserInfoError {
    /// The answer is wrong.
    #[error("the userinfo answer is refused: {0}")]
    Refused(String),
    /// There is no answer.
    #[error(transparent)]
    Unavailable(#[from] ProviderError),
}

impl From<TokenVerificationError> for UserInfoError {
    fn from(error: TokenVerificationError) -> Self {
        match error {
            TokenVerificationError::Refused(why) | TokenVerificationError::Undecided(why) => {
                Self::Refused(why)
            }
            TokenVerificationError::Unavailable(error) => Self::Unavailable(error),
            unknown @ TokenVerificationError::UnknownKey => Self::Refused(unknown.to_string()),
        }
    }
}

/// Where a signed token comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenOrigin {
    /// The token endpoint.
    TokenEndpoint,
    /// Anybody: an endpoint that does not know who calls. Fetching keys on its behalf is rationed separately,
    /// so that strangers cannot use up what real tokens need.
    Anybody,
}

/// Whether logins at one issuer would work.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// The issuer.
    pub issuer: String,
    /// What keeps them from working.
    pub trouble: Option<ProviderError>,
}

/// The authorization servers (or OpenID Providers; those that issue ID tokens). Which one is asked follows from
/// the client.
#[async_trait]
pub trait AuthorizationServer: Send + Sync {
    /// The metadata of a client's server, from the cache if there is one.
    async fn metadata(&self, client: ClientName<'_>) -> Result<Arc<ProviderMetadata>, ProviderError>;

    /// Whether logins would work, as far as is known without asking; each issuer once.
    async fn ready(&self) -> Vec<Readiness>;

    /// Where to send the browser with an authorization request of these parameters: with all of them in the
    /// query, or with a reference to them (RFC 9101, RFC 9126), as configuration and the server want it.
    async fn authorization_url(
        &self,
        client: ClientName<'_>,
        parameters: &[(String, String)],
    ) -> Result<Url, ProviderError>;

    /// Exchanges a grant for tokens; with a key, for tokens that are bound to it (RFC 9449).
    async fn redeem(
        &self,
        client: ClientName<'_>,
        grant: Grant<'_>,
        proof_key: Option<&ProofKey>,
    ) -> Result<TokenResponse, GrantError>;

    /// Checks an ID token's signature and returns its claims, which are still to be validated.
    async fn verify(
        &self,
        client: ClientName<'_>,
        token: &IdToken,
        origin: TokenOrigin,
    ) -> Result<SignedClaims, TokenVerificationError>;

    /// Checks the signature of an access token that a stranger brought (RFC 9068 §4) and returns its claims, which are still
    /// to be validated. However many strangers bring however many tokens, the keys are fetched no more often than for one.
    async fn verify_access_token(
        &self,
        client: ClientName<'_>,
        token: &AccessToken,
    ) -> Result<SignedClaims, TokenVerificationError>;

    /// Asks for the claims of the user whose access token this is.
    async fn user_info(
        &self,
        client: ClientName<'_>,
        token: HeldToken<'_>,
    ) -> Result<UserInfo, UserInfoError>;

    /// Revokes a token, in bounded time (RFC 7009); with a key, and a proof of it (RFC 9449), if the token is bound to one.
    async fn revoke(
        &self,
        client: ClientName<'_>,
        token: &RevocableToken,
        proof_key: Option<&ProofKey>,
    ) -> Result<(), ProviderError>;
}
