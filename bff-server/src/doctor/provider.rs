//! An authorization server: what it says about itself, and whether we can use it.

use std::{sync::Arc, time::SystemTime};

use super::{
    client, clock,
    finding::{Area, Finding, Notes},
};
use crate::{
    adapters::{SystemClock, SystemEntropy, oidc::OidcProvider},
    config::{ClientConfig, Config, IssuerConfig},
    domain::metadata::ProviderMetadata,
    ports::ProviderError,
    server::provider_settings,
};

/// Whether its metadata and keys can be used, and it takes our clients' credentials.
pub(super) async fn essentials(config: &Config, issuer: &IssuerConfig) -> Vec<Finding> {
    let mut notes = Notes::new(Area::Provider, Some(&issuer.issuer));
    let mut findings = Vec::new();
    if let Some(provider) = open(config, issuer, &mut notes) {
        match provider.fetch().await {
            Ok(()) => {
                notes.good("provider.metadata", "its metadata and keys can be used");
                for it in clients(config, issuer) {
                    findings.extend(client::credentials_alone(&provider, it).await);
                }
            }
            Err(error) => notes.bad("provider.metadata", error.to_string(), fix(&error)),
        }
    }
    notes.finish().into_iter().chain(findings).collect()
}

pub(super) async fn examine(config: &Config, issuer: &IssuerConfig) -> Vec<Finding> {
    let mut notes = Notes::new(Area::Provider, Some(&issuer.issuer));
    let Some(provider) = open(config, issuer, &mut notes) else { return notes.finish() };
    let metadata = match provider.discover().await {
        Ok(metadata) => metadata,
        Err(error) => {
            notes.bad("provider.metadata", error.to_string(), fix(&error));
            return notes.finish();
        }
    };
    notes.good("provider.metadata", "its metadata can be used, and names exactly the configured issuer");
    let signs = clients(config, issuer).any(|it| crate::domain::scope::contains_openid(&it.scope));
    if let Some(jwks_uri) = &metadata.jwks_uri {
        match provider.fetch_keys(jwks_uri).await {
            Ok(()) => notes.good("provider.keys", "its keys can be used"),
            Err(error) => notes.bad("provider.keys", format!("{jwks_uri}: {error}"), fix(&error)),
        }
    } else if !signs {
        notes.good("provider.keys", "it has no keys, and nobody asks for ID tokens");
    }
    methods(&metadata, &mut notes);
    if issuer.allow_id_tokens_without_nonce && metadata.silent_about_pkce {
        notes.notice(
            "provider.nonce",
            "its ID tokens may come without a nonce, and its metadata does not say that it checks PKCE, on which logins then rest",
            "make sure that PKCE with S256 is enabled for the client at the provider; or remove allowIdTokensWithoutNonce",
        );
    }
    let asked = SystemTime::now();
    match provider.time(&metadata).await {
        Some(theirs) => clock::compare("the provider", theirs, asked, SystemTime::now())
            .note_for_tokens("provider.clock", &mut notes),
        None => notes.notice(
            "provider.clock",
            "its answers do not say what time it is there, or come from a cache",
            "see that this machine's clock is synchronised (NTP)",
        ),
    }
    let mut findings = notes.finish();
    for it in clients(config, issuer) {
        findings.extend(Box::pin(client::examine(config, &provider, &metadata, it)).await);
    }
    findings
}

fn clients<'a>(config: &'a Config, issuer: &'a IssuerConfig) -> impl Iterator<Item = &'a ClientConfig> {
    config.provider.clients.iter().filter(|client| client.issuer == issuer.issuer)
}

fn open(config: &Config, issuer: &IssuerConfig, notes: &mut Notes) -> Option<OidcProvider> {
    let settings = provider_settings(config, issuer);
    match OidcProvider::new(settings, Arc::new(SystemClock), Arc::new(SystemEntropy)) {
        Ok(provider) => Some(provider),
        Err(error) => {
            let fix = "install the system's certificates (Debian: `ca-certificates`)";
            notes.bad("provider.metadata", error.to_string(), fix);
            None
        }
    }
}

fn methods(metadata: &ProviderMetadata, notes: &mut Notes) {
    if metadata.silent_about_pkce {
        notes.notice(
            "provider.pkce",
            "its metadata does not mention PKCE; it is used in any case, and a server that does not know it ignores it",
            "enable PKCE with S256 for the client at the provider, if there is a switch",
        );
    } else {
        notes.good("provider.pkce", "it supports PKCE with S256");
    }
    if metadata.end_session_endpoint.is_some() {
        notes.good("provider.end-session", "a logout can also end the session at the provider");
    } else {
        notes.notice(
            "provider.end-session",
            "it has no end_session_endpoint: a logout ends the session here, and the next login may need no password",
            "give it in client.endpoints if the provider has one all the same",
        );
    }
    if metadata.revocation_endpoint.is_none() {
        notes.notice(
            "provider.revocation",
            "it has no revocation_endpoint: tokens of ended sessions stay valid there until they expire",
            "keep access tokens short",
        );
    }
}

/// What to do about an error whose text says what is wrong.
pub(super) fn fix(error: &ProviderError) -> &'static str {
    let reason = error.reason.as_str();
    if reason.contains("certificate") {
        "let this machine trust whoever issued the provider's certificate (the system's store, or SSL_CERT_FILE), and \
         compare the names in it"
    } else if reason.contains("no connection could be made") || reason.contains("did not answer") {
        "see whether this machine reaches it: name resolution, firewall, network policy. No proxy from the environment \
         is used"
    } else if reason.contains("the metadata's issuer is") {
        "copy the issuer exactly as the provider's metadata spells it into client.issuer"
    } else if reason.contains("answered 4") {
        "see whether client.issuer is complete (a realm, a tenant, a path), or give client.metadataUrl"
    } else if reason.contains("answered 5") {
        "the provider itself is in trouble: try again, and see its status page"
    } else {
        "compare client.issuer and client.endpoints with the provider's own documentation"
    }
}
