//! Several authorization servers behind one port: each client's requests go to its own, and the trouble of one is
//! not the others'.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use url::Url;

use super::OidcProvider;
use crate::{
    domain::{
        credential::{AccessToken, IdToken},
        dpop::{HeldToken, ProofKey},
        id_token::SignedClaims,
        metadata::ProviderMetadata,
        revocation::RevocableToken,
        token_response::TokenResponse,
    },
    ports::{
        AuthorizationServer, ClientName, Grant, GrantError, ProviderError, Readiness, TokenOrigin,
        TokenVerificationError, UserInfo, UserInfoError,
    },
};

/// All authorization servers of the configuration, as one.
pub struct OidcProviders {
    providers: Vec<Arc<OidcProvider>>,
    of_client: HashMap<String, Arc<OidcProvider>>,
}

impl OidcProviders {
    /// One provider for each issuer. Their clients' names are unique.
    pub fn new(providers: Vec<Arc<OidcProvider>>) -> Self {
        let of_client = providers
            .iter()
            .flat_map(|provider| {
                provider.settings.clients.keys().map(|name| (name.clone(), Arc::clone(provider)))
            })
            .collect();
        Self { providers, of_client }
    }

    fn of(&self, client: ClientName<'_>) -> Result<&OidcProvider, ProviderError> {
        self.of_client
            .get(client)
            .map(AsRef::as_ref)
            .ok_or_else(|| ProviderError::new("no such client is configured"))
    }
}

#[async_trait]
impl AuthorizationServer for OidcProviders {
    async fn metadata(&self, client: ClientName<'_>) -> Result<Arc<ProviderMetadata>, ProviderError> {
        self.of(client)?.metadata(client).await
    }

    async fn ready(&self) -> Vec<Readiness> {
        let mut all = Vec::new();
        for provider in &self.providers {
            all.extend(provider.ready().await);
        }
        all
    }

    async fn authorization_url(
        &self,
        client: ClientName<'_>,
        parameters: &[(String, String)],
    ) -> Result<Url, ProviderError> {
        self.of(client)?.authorization_url(client, parameters).await
    }

    async fn redeem(
        &self,
        client: ClientName<'_>,
        grant: Grant<'_>,
        proof_key: Option<&ProofKey>,
    ) -> Result<TokenResponse, GrantError> {
        self.of(client)?.redeem(client, grant, proof_key).await
    }

    async fn verify(
        &self,
        client: ClientName<'_>,
        token: &IdToken,
        origin: TokenOrigin,
    ) -> Result<SignedClaims, TokenVerificationError> {
        self.of(client)?.verify(client, token, origin).await
    }

    async fn verify_access_token(
        &self,
        client: ClientName<'_>,
        token: &AccessToken,
    ) -> Result<SignedClaims, TokenVerificationError> {
        self.of(client)?.verify_access_token(client, token).await
    }

    async fn user_info(
        &self,
        client: ClientName<'_>,
        token: HeldToken<'_>,
    ) -> Result<UserInfo, UserInfoError> {
        self.of(client)?.user_info(client, token).await
    }

    async fn revoke(
        &self,
        client: ClientName<'_>,
        token: &RevocableToken,
        proof_key: Option<&ProofKey>,
    ) -> Result<(), ProviderError> {
        self.of(client)?.revoke(client, token, proof_key).await
    }
}
