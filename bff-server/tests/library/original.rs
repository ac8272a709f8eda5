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
    write("ca.pem", include_str!("../docs/authority.pem"));
    write("signing", &STANDARD.encode((0..32).collect::<Vec<u8>>()));
    write("encryption", &STANDARD.encode((100..132).collect::<Vec<u8>>()));
    write("secrets.env", "CLIENT_SECRET=s3cret\nREDIS_PASSWORD = hunter2\n");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/configs/original").join(name);
    let here = |name: &str| format!("\"{}\"", folder.path().join(name).display());
    let text = std::fs::read_to_string(path)
        .unwrap()
        .replace("\"key.pem\"", &here("client.pem"))
        .replace("\"cookie-secret.key\"", &here("signing"))
        .replace("\"redis-token-enc.key\"", &here("encryption"))
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
fn the_documented_example_with_a_key_that_is_null_and_a_segment_that_repeats_the_issuers_path() {
    let config = load("documented-example.json");
    assert_eq!(config.warnings, Vec::<String>::new());
    let MetadataSource::At(places) = &config.provider.issuers[0].metadata else { panic!("it is fetched") };
    let places: Vec<_> = places.iter().map(url::Url::path).collect();
    assert_eq!(
        places,
        [
            "/realms/platform-demo/.well-known/openid-configuration",
            "/realms/platform-demo/realms/platform-demo/.well-known/openid-configuration",
        ]
    );
}

#[test]
fn the_documented_example_finds_its_keys_beside_it_wherever_the_server_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    std::fs::copy("../tests/configs/original/documented-example.json", &path).unwrap();
    let missing = Config::load(&path).unwrap_err().to_string();
    let here = std::env::current_dir().unwrap();
    assert!(missing.contains(&format!("the file key.pem in {} cannot be read", here.display())), "{missing}");

    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    std::fs::write(folder.path().join("key.pem"), pem("PRIVATE KEY", der.as_ref())).unwrap();
    for (name, first) in [("cookie-secret.key", 0), ("redis-token-enc.key", 100)] {
        let key: Vec<u8> = (first..first + 32).collect();
        std::fs::write(folder.path().join(name), STANDARD.encode(key)).unwrap();
    }
    let config = Config::load(&path).unwrap();
    let taken: Vec<_> = config.warnings.iter().filter(|it| it.contains("beside the configuration")).collect();
    assert_eq!(taken.len(), 3, "{:?}", config.warnings);
}

#[test]
fn every_key_of_the_documented_example_may_be_null_where_it_is_not_required() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/configs/original/documented-example.json");
    let example: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&Config::schema()).unwrap();
    for section in ["client", "session", "server"] {
        let mut file = example.clone();
        for key in schema_keys(&schema, section) {
            if file[section].get(&key).is_none() {
                file[section][&key] = serde_json::Value::Null;
            }
        }
        let problems = Config::from_json(&file.to_string()).unwrap_err();
        // The files of its keys are elsewhere; nothing else is wrong.
        let others: Vec<_> = problems.0.iter().filter(|it| !it.problem.contains("cannot be read")).collect();
        assert!(others.is_empty(), "{section}: {others:#?}");
    }
}

fn schema_keys(schema: &serde_json::Value, section: &str) -> Vec<String> {
    let of = &schema["properties"][section];
    let reference = of["anyOf"][0]["$ref"].as_str().unwrap();
    let keys = schema.pointer(&format!("{}/properties", reference.trim_start_matches('#'))).unwrap();
    keys.as_object().unwrap().keys().cloned().collect()
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
    // Where RFC 8414 puts it, and then where the original looks.
    assert_eq!(
        places.iter().map(url::Url::as_str).collect::<Vec<_>>(),
        [
            "https://login.example.com/.well-known/oauth-authorization-server/oauth2/default",
            "https://login.example.com/oauth2/default/.well-known/oauth-authorization-server",
        ]
    );
    assert_eq!(config.session.cookie.same_site, SameSite::Lax);
    assert_eq!(config.session.cookie.domain.as_deref(), Some("example.com"));
    assert!(!config.session.logout_on_get);
    assert_eq!(config.session.error_redirect.unwrap().path(), "/login-failed");
    assert_eq!(config.server.public.port(), 8080);
}
