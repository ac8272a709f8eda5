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
    if !metadata.passed_over.is_empty() {
        let members: Vec<String> = metadata.passed_over.iter().map(ToString::to_string).collect();
        notes.notice(
            "provider.metadata",
            format!(
                "some members of its metadata cannot be used, and count as absent: {}",
                members.join("; ")
            ),
            "correct them at the provider; an endpoint can also be given in client.endpoints",
        );
    }
    let signs = clients(config, issuer).any(|it| crate::domain::scope::contains_openid(&it.scope));
    if let Some(jwks_uri) = &metadata.jwks_uri {
        match provider.fetch_keys(jwks_uri).await {
            Ok(()) => keys(&provider, &mut notes),
            Err(error) if !provider.needs_keys() => {
                notes.good("provider.keys", format!("no login needs its keys, and it is as well: {error}"));
            }
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

/// Which keys can be used, and which cannot.
fn keys(provider: &OidcProvider, notes: &mut Notes) {
    let (usable, passed_over) = provider.keys();
    notes.good("provider.keys", format!("its keys can be used: {}", usable.join(", ")));
    let lost: Vec<String> = passed_over.iter().filter(|it| it.is_a_loss()).map(ToString::to_string).collect();
    if !lost.is_empty() {
        notes.notice(
            "provider.keys",
            format!("some of its keys cannot be used: {}", lost.join("; ")),
            "tokens that they sign are refused: let the provider sign ID tokens with another key (RSA of 2048 to 4096 \
             bits, P-256, P-384, P-521 or Ed25519), or repair how it publishes this one; each key needs a `kid` of its own",
        );
    }
}

fn clients<'a>(config: &'a Config, issuer: &'a IssuerConfig) -> impl Iterator<Item = &'a ClientConfig> {
    config.provider.clients.iter().filter(|client| client.issuer == issuer.issuer)
}

fn open(config: &Config, issuer: &IssuerConfig, notes: &mut Notes) -> Option<OidcProvider> {
    let settings = provider_settings(config, issuer);
    match OidcProvider::new(settings, Arc::new(SystemClock), Arc::new(SystemEntropy)) {
        Ok(provider) => Some(provider),
        Err(error) => {
            let fix = "compare server.outbound with the reference";
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
        "trust the authority that issued the provider's certificate (server.outbound.tls.ca, SSL_CERT_FILE, or the system's \
         store), and compare the names in it"
    } else if reason.contains("tunnel") || reason.contains("proxy auth") {
        "the proxy of server.outbound.proxy does not let the connection through: compare url, username and password, \
         ask who runs it whether the provider is allowed, or list the provider in noProxy"
    } else if reason.contains("no key that signatures can be verified with") {
        "let the provider sign ID tokens with RSA of 2048 to 4096 bits, P-256, P-384, P-521 or Ed25519, and publish the \
         public key with its `n` and `e`, or `crv`, `x` and `y`"
    } else if reason.contains("no connection could be made") || reason.contains("did not answer") {
        "see whether this machine reaches it: name resolution, firewall, network policy. If only a proxy leads out, \
         set server.outbound.proxy; the environment's (HTTPS_PROXY) is not used"
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
