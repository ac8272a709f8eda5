//! Whether the parts that a configuration names are there, and take us: `authtool-bff check --online`.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;

use crate::{
    adapters::{SystemClock, SystemEntropy, oidc::OidcProvider},
    config::{ClientConfig, Config, IssuerConfig, StoreConfig},
    domain::{credential::AuthorizationCode, dpop::ProofKey},
    ports::{AuthorizationServer as _, Entropy, Grant, GrantError, Marker},
    server::{open_store, provider_settings},
};

/// The name of the marker that shows whether the store takes writes.
const MARKER: &str = "check";

/// A part, and what came of asking it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Such as `provider https://login.example.com`.
    pub part: String,
    /// What is good, or what is wrong.
    pub outcome: Result<String, String>,
}

/// Asks the store and every provider. Must be called within a Tokio runtime. Changes nothing: the store gets a
/// marker that is gone after a second, and each provider an authorization code that it never issued.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let (store, providers) = tokio::join!(
        store(&config.store),
        join_all(config.provider.issuers.iter().map(|issuer| provider(config, issuer)))
    );
    std::iter::once(store).chain(providers.into_iter().flatten()).collect()
}

async fn store(config: &StoreConfig) -> Finding {
    let part = match config {
        StoreConfig::Memory => "store in memory".to_owned(),
        StoreConfig::File(path) => format!("store {}", path.display()),
        StoreConfig::Redis(_) => "store Redis".to_owned(),
    };
    let asked = async {
        let store = open_store(config, Arc::new(SystemClock), |_| {}).map_err(|error| error.to_string())?;
        store.ping().await.map_err(|error| error.to_string())?;
        let marker = Marker(MARKER.to_owned());
        match store.spend(&marker, Duration::from_secs(1)).await {
            Ok(_) => Ok("answers, and takes writes".to_owned()),
            Err(error) => Err(format!("answers, but takes no writes: {error}")),
        }
    };
    Finding { part, outcome: asked.await }
}

async fn provider(config: &Config, issuer: &IssuerConfig) -> Vec<Finding> {
    let part = format!("provider {}", issuer.issuer);
    let settings = provider_settings(config, issuer);
    let provider = match OidcProvider::new(settings, Arc::new(SystemClock), Arc::new(SystemEntropy)) {
        Ok(provider) => provider,
        Err(error) => return vec![Finding { part, outcome: Err(error.to_string()) }],
    };
    if let Err(error) = provider.fetch().await {
        return vec![Finding { part, outcome: Err(error.to_string()) }];
    }
    let mut findings = vec![Finding { part, outcome: Ok("its metadata and keys can be used".to_owned()) }];
    for client in config.provider.clients.iter().filter(|it| it.issuer == issuer.issuer) {
        let outcome = credentials(&provider, client).await;
        findings.push(Finding { part: format!("client {}", client.name), outcome });
    }
    findings
}

/// Whether the client's credentials are taken. A code that the provider never issued is `invalid_grant` to a client
/// that it knows, and `invalid_client` to one that it does not (RFC 6749 §5.2).
async fn credentials(provider: &OidcProvider, client: &ClientConfig) -> Result<String, String> {
    let Ok(code) = AuthorizationCode::parse("authtool-check-no-such-code") else {
        return Err("the code to ask with cannot be made".to_owned());
    };
    let verifier = "authtool-check-".repeat(4);
    let redirect_uri = client.redirect_uri.as_str();
    let grant = Grant::AuthorizationCode { code: &code, code_verifier: &verifier, redirect_uri };
    let entropy: &dyn Entropy = &SystemEntropy;
    let proof_key =
        if client.dpop { entropy.random_256().ok().and_then(ProofKey::from_random) } else { None };
    match provider.redeem(&client.name, grant, proof_key.as_ref()).await {
        Err(GrantError::Invalid) => Ok("the provider takes its credentials".to_owned()),
        Err(error) => Err(format!("the provider does not seem to take its credentials: {error}")),
        Ok(_) => Err("the provider gave tokens for a code that it never issued".to_owned()),
    }
}
