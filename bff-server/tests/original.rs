//! Configurations written for the original system load as they are (`tests/configs/original`): only the place
//! of their secrets is another one here.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;

use authtool_bff::{
    Config,
    adapters::oidc::MetadataSource,
    config::{Mode, SameSite, StoreConfig},
    domain::expected_issuer::ExpectedIssuer,
};
use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

fn load(name: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| std::fs::write(folder.path().join(name), content).unwrap();
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    write("client.pem", &pem("PRIVATE KEY", der.as_ref()));
    write("ca.pem", include_str!("docs/authority.pem"));
    write("signing", &STANDARD.encode((0..32).collect::<Vec<u8>>()));
    write("encryption", &STANDARD.encode((100..132).collect::<Vec<u8>>()));
    write("secrets.env", "CLIENT_SECRET=s3cret\nREDIS_PASSWORD = hunter2\n");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/configs/original").join(name);
    let text = std::fs::read_to_string(path)
        .unwrap()
        .replace("/run/secrets/authtool", folder.path().to_str().unwrap())
        // The one variable that a test process has for sure.
        .replace("AUTHTOOL_TEST_CLIENT_ID", "CARGO_PKG_NAME");
    Config::from_json(&text).unwrap_or_else(|problems| panic!("{name}: {problems}"))
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

#[test]
fn a_keycloak_client_with_a_private_key_and_redis() {
    let config = load("keycloak-private-key-jwt.json");
    assert_eq!(config.warnings, Vec::<String>::new());
    assert_eq!(config.session.mode, Mode::Bff);
    assert_eq!(config.session.lifetimes.refresh_token_field.as_deref(), Some("refresh_expires_in"));
    let StoreConfig::Redis(redis) = config.store else { panic!("sessions are in Redis") };
    assert_eq!(redis.namespace, "authtool_bff");
    assert_eq!(redis.credentials.password.unwrap().as_str(), "hunter2");
}

#[test]
fn the_smallest_configuration_with_an_inline_redis() {
    let config = load("smallest.json");
    assert_eq!(config.session.mode, Mode::TokenExchange, "the original's default");
    assert_eq!(config.server.api_prefix, "");
    assert_eq!(config.server.public.port(), 3000);
    let StoreConfig::Redis(redis) = config.store else { panic!("sessions are in Redis") };
    assert!(redis.tls.unwrap().ca.is_some());
}

#[test]
fn several_clients_with_every_cookie_setting() {
    let config = load("several-clients-token-mediation.json");
    assert_eq!(config.provider.clients.len(), 2);
    let issuer = ExpectedIssuer::Exactly("https://login.example.com".into());
    assert_eq!(config.provider.clients[0].id_token_issuer, issuer);
    let MetadataSource::At(places) = &config.provider.issuers[0].metadata else { panic!("it is fetched") };
    assert_eq!(
        places[0].as_str(),
        "https://login.example.com/oauth2/default/.well-known/oauth-authorization-server"
    );
    assert_eq!(config.session.cookie.same_site, SameSite::Lax);
    assert_eq!(config.session.cookie.domain.as_deref(), Some("example.com"));
    assert!(!config.session.logout_on_get);
    assert_eq!(config.session.error_redirect.unwrap().path(), "/login-failed");
    assert_eq!(config.server.public.port(), 8080);
}
