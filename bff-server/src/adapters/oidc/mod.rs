//! The authorization server over HTTPS: discovery, keys, token endpoint, revocation.
//!
//! | module | concern |
//! |---|---|
//! | `http` | one HTTP client with limits on everything |
//! | `inspect` | what only a diagnosis asks |
//! | `discovery` | metadata, kept fresh in the background |
//! | `algorithm` | the algorithms of ID tokens, and which of them are accepted |
//! | `jwk` | how a key is written, normalised |
//! | `jwks` | the provider's keys, and how often they may be fetched |
//! | `jws` | signatures of ID tokens |
//! | `authorization_endpoint` | how a request travels: plain, signed, pushed |
//! | `providers` | several of them, each for its clients |
//! | `client_authentication` | how a client proves who it is |
//! | `signing_key` | our private keys, and what they sign |
//! | `token_endpoint` | grants in, tokens out |
//! | `userinfo` | claims that the ID token lacks, or stands for |

mod algorithm;
mod authorization_endpoint;
mod client_authentication;
mod discovery;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod http;
mod inspect;
mod jwk;
mod jwks;
mod jws;
mod providers;
mod rotating_secret;
mod signing_key;
mod token_endpoint;
mod userinfo;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use ::http::HeaderValue;
use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio::sync::watch;
use url::Url;

pub use algorithm::{Algorithm, HmacAlgorithm, UnknownAlgorithm};
pub use authorization_endpoint::{PushedRequests, RequestStyle};
pub use client_authentication::{
    AuthenticationMethod, ClientAuthentication, ClientCredentials, MIN_HMAC_SECRET_BYTES,
};
pub(crate) use inspect::Page;
pub use providers::OidcProviders;
pub use rotating_secret::RotatingSecret;
pub use signing_key::{SigningAlgorithm, SigningKey, SigningKeyError};

use self::{
    http::{Answer, BackChannel, DPOP_NONCE},
    jwks::KeyCache,
    jws::VerificationKey,
};
use crate::{
    adapters::outbound::OutboundSettings,
    domain::{
        credential::{AccessToken, IdToken},
        dpop::{HeldToken, Nonce, ProofKey, ProvenRequest},
        id_token::SignedClaims,
        metadata::{ProviderMetadata, Transport},
        revocation::RevocableToken,
        token_response::TokenResponse,
    },
    ports::{
        AuthorizationServer, ClientName, Clock, Entropy, Grant, GrantError, ProviderError, Readiness,
        TokenOrigin, TokenVerificationError, UserInfo, UserInfoError,
    },
};

/// How long a login waits for the metadata that is fetched when the server starts.
const PATIENCE_AT_START: Duration = Duration::from_secs(3);

/// What configuration says about an authorization server.
pub struct ProviderSettings {
    /// The issuer, exactly as its metadata and ID tokens spell it.
    pub issuer: String,
    /// Where its metadata comes from.
    pub metadata: MetadataSource,
    /// Members of its metadata that configuration sets, by name.
    pub configured_metadata: Map<String, Value>,
    /// Whether logins need its keys: some client asks for `openid`.
    pub issues_id_tokens: bool,
    /// Whether its endpoints must be encrypted.
    pub transport: Transport,
    /// The longest ID token that is taken from it, in bytes.
    pub max_id_token_bytes: usize,
    /// Whether its ID tokens may come without the `nonce` that was sent.
    pub omits_nonce: bool,
    /// Our clients there, by name.
    pub clients: HashMap<String, RegisteredClient>,
    /// Whom connections to it trust, and by which way they leave.
    pub outbound: OutboundSettings,
}

/// Where metadata comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataSource {
    /// The first of these places that has any.
    At(Vec<Url>),
    /// Configuration alone.
    Configuration,
}

/// A client as the authorization server registered it.
#[derive(Clone, Debug)]
pub struct RegisteredClient {
    /// `clientId`.
    pub client_id: String,
    /// How it authenticates.
    pub authentication: ClientAuthentication,
    /// The `alg`s accepted for its ID tokens. `None`: the asymmetric ones that the provider announces.
    pub id_token_algorithms: Option<Vec<Algorithm>>,
    /// Whether tokens of several tenants may be its own, so that keys must be their tenant's.
    pub many_tenants: bool,
    /// How its authorization requests travel.
    pub requests: RequestStyle,
    /// How long its access tokens last where nothing says so, in seconds.
    pub assumed_token_lifetime: u64,
}

/// Whether the token endpoint refused a client's own authentication.
#[derive(Clone, Copy)]
struct IsRejected(bool);

/// An authorization server reached over HTTP.
pub struct OidcProvider {
    settings: ProviderSettings,
    http: BackChannel,
    metadata: RwLock<Result<Arc<ProviderMetadata>, ProviderError>>,
    /// Whether there has been an answer about it, good or bad.
    has_asked: watch::Sender<bool>,
    keys: KeyCache,
    /// When a token last led to a fetch of the metadata.
    last_renewal: tokio::sync::Mutex<Option<Instant>>,
    /// The latest that it sent (RFC 9449 §8.2).
    dpop_nonce: RwLock<Option<Nonce>>,
    /// The clients, by `client_id`, that the token endpoint refused when it last looked at their authentication.
    rejected_clients: RwLock<HashSet<String>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl OidcProvider {
    /// Contacts nobody yet: [`keep_fresh`](Self::keep_fresh) does.
    pub fn new(
        settings: ProviderSettings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, ProviderError> {
        Ok(Self {
            http: BackChannel::new(&settings.outbound)?,
            metadata: RwLock::new(Err(ProviderError::new("its metadata has not been fetched yet"))),
            has_asked: watch::Sender::new(false),
            keys: KeyCache::default(),
            last_renewal: tokio::sync::Mutex::default(),
            dpop_nonce: RwLock::default(),
            rejected_clients: RwLock::default(),
            clock,
            entropy,
            settings,
        })
    }

    /// Takes what a predecessor has learned, if it asked the same provider in the same way: after a change of the configuration
    /// nobody waits for what is known.
    pub(crate) fn inherit(&self, from: &Self) {
        let (ours, theirs) = (&self.settings, &from.settings);
        let is_same = ours.issuer == theirs.issuer
            && ours.metadata == theirs.metadata
            && ours.configured_metadata == theirs.configured_metadata
            && ours.transport == theirs.transport;
        if is_same {
            let known = from.metadata.read().unwrap_or_else(PoisonError::into_inner).clone();
            *self.metadata.write().unwrap_or_else(PoisonError::into_inner) = known;
            *self.dpop_nonce.write().unwrap_or_else(PoisonError::into_inner) = from.latest_nonce();
            self.has_asked.send_replace(*from.has_asked.borrow());
            self.keys.inherit(&from.keys);
        }
    }

    fn client(&self, name: ClientName<'_>) -> Result<&RegisteredClient, ProviderError> {
        self.settings
            .clients
            .get(name)
            .ok_or_else(|| ProviderError::new("the session's client is not configured any more"))
    }

    /// Whether a login needs the provider's keys: some client gets ID tokens that are not signed with its secret.
    pub(crate) fn needs_keys(&self) -> bool {
        let by_key_pair = |client: &RegisteredClient| {
            let configured = client.id_token_algorithms.as_ref();
            configured.is_none_or(|it| it.iter().any(|it| matches!(it, Algorithm::KeyPair(_))))
        };
        self.settings.issues_id_tokens && self.settings.clients.values().any(by_key_pair)
    }

    /// The `DPoP` header of a request to this provider (RFC 9449 §4.1).
    fn proof(&self, key: &ProofKey, request: &ProvenRequest<'_>) -> Result<HeaderValue, ProviderError> {
        let jti = self.entropy.random_256().map_err(|error| ProviderError::new(error.to_string()))?;
        key.proof(request, jti, self.clock.now())
            .and_then(|proof| HeaderValue::try_from(proof).ok())
            .ok_or_else(|| ProviderError::new("the DPoP proof could not be made"))
    }

    fn latest_nonce(&self) -> Option<Nonce> {
        self.dpop_nonce.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers the nonce of an answer, and whether it is another than the one that was sent.
    fn learns_nonce(&self, answer: &Answer, sent: Option<&Nonce>) -> bool {
        let Some(nonce) = answer.headers.get(DPOP_NONCE).and_then(|it| Nonce::parse(it.to_str().ok()?))
        else {
            return false;
        };
        let is_new = sent != Some(&nonce);
        if is_new {
            *self.dpop_nonce.write().unwrap_or_else(PoisonError::into_inner) = Some(nonce);
        }
        is_new
    }

    fn notes_client(&self, client_id: &str, IsRejected(rejected): IsRejected) {
        if rejected == self.rejects_client(client_id) {
            return;
        }
        let mut clients = self.rejected_clients.write().unwrap_or_else(PoisonError::into_inner);
        if rejected {
            clients.insert(client_id.to_owned());
        } else {
            clients.remove(client_id);
        }
    }

    fn rejects_client(&self, client_id: &str) -> bool {
        self.rejected_clients.read().unwrap_or_else(PoisonError::into_inner).contains(client_id)
    }

    /// Checks a signature with the key of the provider that the header names.
    async fn verify_with_published_key(
        &self,
        client: &RegisteredClient,
        token: &str,
        header: &jws::Header,
        origin: TokenOrigin,
    ) -> Result<SignedClaims, TokenVerificationError> {
        let metadata = self.known_metadata()?;
        let jwks_uri =
            metadata.jwks_uri.as_ref().ok_or_else(|| ProviderError::new("its metadata has no jwks_uri"))?;
        let (signed, key) = self.keys.verify(token, header, origin, jwks_uri, &self.http).await?;
        if client.many_tenants && !key.is_of_their_issuer(&signed.claims) {
            return Err(TokenVerificationError::Refused(
                "its key is that of another tenant (the key's `issuer` is not its `iss`)".into(),
            ));
        }
        Ok(signed)
    }

    /// Whether ID tokens of a client may be signed by this algorithm. Where the metadata decides, and does not announce it, the
    /// provider may have changed since the metadata was fetched: it is fetched anew first, once in a while, and for tokens
    /// from the token endpoint alone.
    ///
    /// An attacker gains nothing: the fixed list stays, and only the provider's metadata opens any of it.
    async fn check_algorithm(
        &self,
        client: &RegisteredClient,
        header: &jws::Header,
        origin: TokenOrigin,
    ) -> Result<(), TokenVerificationError> {
        if let Some(configured) = &client.id_token_algorithms {
            return header.check_algorithm(configured);
        }
        let known = self.known_metadata()?;
        let Err(refusal) = header.check_algorithm(&Algorithm::announced(&known)) else { return Ok(()) };
        let may_be_old = origin == TokenOrigin::TokenEndpoint && !header.is_symmetric();
        if !may_be_old {
            return Err(refusal);
        }
        match self.renewed_metadata(&known).await? {
            Some(metadata) => header.check_algorithm(&Algorithm::announced(&metadata)),
            None => Err(TokenVerificationError::Undecided(refusal.to_string())),
        }
    }

    /// What is known; in the first moments after a start, what is being asked.
    async fn first_metadata(&self) -> Result<Arc<ProviderMetadata>, ProviderError> {
        let mut has_asked = self.has_asked.subscribe();
        // Nobody waits for longer: the page that says so then is the same.
        tokio::time::timeout(PATIENCE_AT_START, has_asked.wait_for(|has_asked| *has_asked)).await.ok();
        self.known_metadata()
    }

    fn known_metadata(&self) -> Result<Arc<ProviderMetadata>, ProviderError> {
        self.metadata.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl AuthorizationServer for OidcProvider {
    async fn metadata(&self, _: ClientName<'_>) -> Result<Arc<ProviderMetadata>, ProviderError> {
        self.known_metadata()
    }

    async fn ready(&self) -> Vec<Readiness> {
        let trouble = match self.known_metadata() {
            Err(error) => Some(error),
            Ok(_) if self.needs_keys() => self.keys.trouble(),
            Ok(_) => None,
        };
        vec![Readiness { issuer: self.settings.issuer.clone(), trouble }]
    }

    async fn authorization_url(
        &self,
        client: ClientName<'_>,
        parameters: &[(String, String)],
    ) -> Result<Url, ProviderError> {
        let metadata = self.first_metadata().await?;
        // Before anybody types a password for nothing.
        if let Some(trouble) = self.keys.published_in_vain().filter(|_| self.needs_keys()) {
            return Err(trouble);
        }
        authorization_endpoint::authorization_url(self, &metadata, client, parameters).await
    }

    async fn redeem(
        &self,
        client: ClientName<'_>,
        grant: Grant<'_>,
        proof_key: Option<&ProofKey>,
    ) -> Result<TokenResponse, GrantError> {
        let metadata = self.known_metadata()?;
        let tokens = token_endpoint::redeem(self, &metadata, client, &grant, proof_key).await?;
        let assumed_lifetime = self.client(client)?.assumed_token_lifetime;
        Ok(TokenResponse { assumed_lifetime, ..tokens })
    }

    async fn verify(
        &self,
        client: ClientName<'_>,
        token: &IdToken,
        origin: TokenOrigin,
    ) -> Result<SignedClaims, TokenVerificationError> {
        let client = self.client(client)?;
        let header = jws::Header::of(token.expose())?;
        self.check_algorithm(client, &header, origin).await?;
        if header.is_symmetric() {
            // Only where configuration lists an HS algorithm: keyed with the client's secret
            // (OpenID Connect Core 1.0 §10.1).
            let key = client.authentication.secret_as_verification_key().ok_or_else(|| {
                TokenVerificationError::Refused(
                    "it is signed with a secret that this client does not have".into(),
                )
            })?;
            let verified = jws::verify(token.expose(), &header, &VerificationKey::Secret(key.as_bytes()));
            return verified.map_err(jws::NotVerified::conclusion);
        }
        self.verify_with_published_key(client, token.expose(), &header, origin).await
    }

    async fn verify_access_token(
        &self,
        client: ClientName<'_>,
        token: &AccessToken,
    ) -> Result<SignedClaims, TokenVerificationError> {
        let client = self.client(client)?;
        let header = jws::Header::of_access_token(token)?;
        self.verify_with_published_key(client, token.expose(), &header, TokenOrigin::Anybody).await
    }

    async fn user_info(
        &self,
        client: ClientName<'_>,
        token: HeldToken<'_>,
    ) -> Result<UserInfo, UserInfoError> {
        let metadata = self.known_metadata()?;
        userinfo::fetch(self, &metadata, client, token).await
    }

    async fn revoke(
        &self,
        client: ClientName<'_>,
        token: &RevocableToken,
        proof_key: Option<&ProofKey>,
    ) -> Result<(), ProviderError> {
        let metadata = self.known_metadata()?;
        token_endpoint::revoke(self, &metadata, client, token, proof_key).await
    }
}
