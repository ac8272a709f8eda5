//! Every way to be a client, with the real OpenID Provider: how the client proves who it is, and how its
//! requests travel. Each is a whole journey: log in, refresh, log out.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use super::at_a_provider::{Habits, Journey, with_all_habits};
use authtool_tests::{ProviderOptions, SESSION, ServerConfig, raw, wait};
use aws_lc_rs::{
    encoding::AsDer as _,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
        EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

with_all_habits!(
    a_client_proves_itself_with_its_secret_in_every_way,
    a_client_without_a_secret_says_so,
    a_client_proves_itself_with_a_private_key_of_every_kind_which_the_server_publishes,
    a_private_key_may_be_a_jwk_with_a_name_of_its_own,
    a_request_is_pushed_if_the_provider_wants_it_whatever_the_client_proves_itself_with,
    a_request_is_signed_in_the_query_or_pushed,
    a_silent_login_asks_the_provider_and_bothers_nobody,
    a_user_confirms_who_they_are_with_a_stronger_login,
    tokens_are_bound_to_the_sessions_key_and_the_provider_gets_its_nonces,
);

/// A provider that registered the client as `client`, and insists on some things; a server configured to suit it.
async fn begin(
    habits: Habits,
    client: Value,
    insists_on: &[&'static str],
    configure: impl FnOnce(&mut ServerConfig),
) -> Journey {
    let options = |options: &mut ProviderOptions| {
        options.access_token_ttl = 1;
        options.client = client;
        options.insists_on = insists_on.to_vec();
        // For registrations by `jwks_uri`: where the server publishes the client's keys.
        if options.client.get("jwks_uri").is_some() {
            options.client["jwks_uri"] = json!(format!("{}/bff/oauth/jwks", options.app));
        }
    };
    Journey::begin(habits, options, configure).await
}

/// Logs in, waits for a refresh, and logs out; the answer is the token after the refresh.
async fn whole(journey: &Journey) -> Value {
    let page = journey.log_in("ada").await;
    assert_eq!(page.url, journey.server.public, "{page:#?}");
    let session = journey.session().await;
    assert_eq!(session.json()["email"], "ada@example.com", "{session:?}");
    let first = journey.token().await;
    let refreshed = wait::until("the access token is another", async || {
        let next = journey.token().await;
        (next["access_token"] != first["access_token"]).then_some(next)
    })
    .await;
    let page = journey.log_out().await;
    let page = journey.provider.confirm_logout(&journey.browser, page).await;
    assert_eq!(page.url, journey.server.public, "{page:#?}");
    let session = journey.session().await;
    assert_eq!(session.status, 401, "{session:?}");
    refreshed
}

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
}

fn ec_key(algorithm: &'static EcdsaSigningAlgorithm) -> String {
    pem(EcdsaKeyPair::generate(algorithm).unwrap().to_pkcs8v1().unwrap().as_ref())
}

fn rsa_key() -> String {
    pem(RsaKeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap().as_ref())
}

/// The registration of a client that publishes its keys where the server serves them.
fn by_published_key(algorithm: &str) -> Value {
    json!({
        "client_secret": null,
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": algorithm,
        "jwks_uri": "",
    })
}

async fn a_client_proves_itself_with_its_secret_in_every_way(habits: Habits) {
    for method in ["client_secret_basic", "client_secret_post", "client_secret_jwt"] {
        let journey = begin(habits, json!({"token_endpoint_auth_method": method}), &[], |config| {
            config.set("/client/preferredTokenEndpointAuthMethod", json!(method));
        })
        .await;
        assert_eq!(whole(&journey).await["token_type"], "Bearer", "{method}");
    }
}

async fn a_client_without_a_secret_says_so(habits: Habits) {
    let journey =
        begin(habits, json!({"token_endpoint_auth_method": "none", "client_secret": null}), &[], |config| {
            config.remove("/client/credentials");
            config.set("/client/preferredTokenEndpointAuthMethod", json!("none"));
        })
        .await;
    whole(&journey).await;
}

async fn a_client_proves_itself_with_a_private_key_of_every_kind_which_the_server_publishes(habits: Habits) {
    let rsa = rsa_key();
    for (algorithm, key) in [
        ("RS256", rsa.clone()),
        ("PS256", rsa.clone()),
        ("PS512", rsa),
        ("ES256", ec_key(&ECDSA_P256_SHA256_FIXED_SIGNING)),
        ("ES384", ec_key(&ECDSA_P384_SHA384_FIXED_SIGNING)),
        ("ES512", ec_key(&ECDSA_P521_SHA512_FIXED_SIGNING)),
        ("EdDSA", pem(Ed25519KeyPair::generate().unwrap().to_pkcs8().unwrap().as_ref())),
    ] {
        let journey = begin(habits, by_published_key(algorithm), &[], |config| {
            config
                .set("/client/credentials", json!({"privateKey": key}))
                .set("/client/preferredTokenEndpointSigningAlgorithm", json!(algorithm));
        })
        .await;
        whole(&journey).await;

        let keys = raw::get(&journey.server.public, "/bff/oauth/jwks").send().await;
        assert_eq!(keys.status, 200, "{keys:?}");
        assert_eq!(keys.header("content-type"), "application/jwk-set+json");
        assert_eq!(keys.header("cache-control"), "public, max-age=300");
        let key = &keys.json()["keys"][0];
        assert_eq!((&key["alg"], &key["use"]), (&json!(algorithm), &json!("sig")), "{keys:?}");
        assert!(key["kid"].as_str().is_some_and(|kid| !kid.is_empty()), "{keys:?}");
        for secret in ["d", "p", "q", "dp", "dq", "qi"] {
            assert!(key.get(secret).is_none(), "{algorithm}: {secret} is published");
        }
    }
}

async fn a_private_key_may_be_a_jwk_with_a_name_of_its_own(habits: Habits) {
    // RFC 8037 appendix A.1.
    let jwk = json!({
        "kty": "OKP", "crv": "Ed25519", "kid": "ours",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    let journey = begin(habits, by_published_key("EdDSA"), &[], |config| {
        config.set("/client/credentials", json!({"privateKey": jwk.to_string()}));
    })
    .await;
    whole(&journey).await;
    let keys = raw::get(&journey.server.public, "/bff/oauth/jwks/").send().await.json();
    assert_eq!(keys["keys"][0]["kid"], "ours", "{keys}");
}

async fn a_request_is_pushed_if_the_provider_wants_it_whatever_the_client_proves_itself_with(habits: Habits) {
    let key = ec_key(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let without_secret = |method: &str| json!({"token_endpoint_auth_method": method, "client_secret": null});
    for (client, credentials) in [
        (json!({"token_endpoint_auth_method": "client_secret_post"}), None),
        (json!({"token_endpoint_auth_method": "client_secret_jwt"}), None),
        (without_secret("none"), Some(json!({}))),
        (by_published_key("ES256"), Some(json!({"privateKey": key}))),
    ] {
        let method = client["token_endpoint_auth_method"].clone();
        let journey = begin(habits, client, &["par"], |config| {
            config.set("/client/preferredTokenEndpointAuthMethod", method);
            if let Some(credentials) = credentials {
                config.set("/client/credentials", credentials);
            }
        })
        .await;
        let page = journey.browser.open(journey.server.bff("/login")).first_hop().go().await;
        let location = page.answer.header("location");
        assert!(location.contains("request_uri=") && !location.contains("state="), "{location}");
        whole(&journey).await;
    }
}

async fn a_request_is_signed_in_the_query_or_pushed(habits: Habits) {
    let rsa = rsa_key();
    for (algorithm, key, pushed) in [
        ("ES256", ec_key(&ECDSA_P256_SHA256_FIXED_SIGNING), "never"),
        ("ES256", ec_key(&ECDSA_P256_SHA256_FIXED_SIGNING), "always"),
        ("PS256", rsa, "never"),
    ] {
        let mut client = by_published_key("ES256");
        client["token_endpoint_auth_signing_alg"] = json!(algorithm);
        client["request_object_signing_alg"] = json!(algorithm);
        let journey = begin(habits, client, &["signed-request-object"], |config| {
            config
                .set("/client/credentials", json!({"privateKey": key}))
                .set("/client/preferredTokenEndpointSigningAlgorithm", json!(algorithm))
                .set("/client/requestObjectSigningAlgorithm", json!(algorithm))
                .set("/client/pushedAuthorizationRequests", json!(pushed))
                .set("/client/extra", json!({"max_age": 3600, "resource": "https://api.authtool.example"}));
        })
        .await;
        let page = journey.browser.open(journey.server.bff("/login")).first_hop().go().await;
        let location = page.answer.header("location");
        let location = url::Url::parse(location).expect("a redirect");
        let mut sent: Vec<_> = location.query_pairs().map(|(name, _)| name.into_owned()).collect();
        sent.sort();
        // In the query, what OpenID Connect Core 6.1 wants stands beside the object, and nothing else (RFC 9101 §5).
        let expected: &[&str] = match pushed {
            "never" => &["client_id", "request", "response_type", "scope"],
            _ => &["client_id", "request_uri"],
        };
        assert_eq!(sent, expected, "{location}");
        whole(&journey).await;
    }
}

async fn a_silent_login_asks_the_provider_and_bothers_nobody(habits: Habits) {
    let journey = begin(habits, json!({}), &[], |_| {}).await;
    let (browser, app) = (&journey.browser, &journey.server.public);
    let silent = journey.server.bff("/login?prompt=none&redirect_uri=/%3Fa%3Db");
    let page = browser.follow(app, silent.clone()).go().await;
    assert_eq!(page.url.as_str(), format!("{app}?a=b&login_error=login_required"), "{page:#?}");
    journey.log_in("ada").await;
    let first = browser.cookie(SESSION).unwrap();
    let page = browser.follow(app, silent).go().await;
    assert_eq!(page.url.as_str(), format!("{app}?a=b"), "{page:#?}");
    assert_ne!(browser.cookie(SESSION).unwrap(), first, "a fresh session");
}

async fn a_user_confirms_who_they_are_with_a_stronger_login(habits: Habits) {
    let journey = begin(habits, json!({}), &[], |config| {
        config.set("/client/requireAcr", json!(true)).set("/session/userClaims", json!(["sub", "acr"]));
    })
    .await;
    let (browser, app) = (&journey.browser, &journey.server.public);
    journey.log_in("ada").await;
    let weak = browser.cookie(SESSION).unwrap();
    let step_up =
        journey.server.bff("/login?acr_values=urn:authtool:second-factor&max_age=0&redirect_uri=/pay");
    let page = browser.follow(app, step_up).go().await;
    assert!(journey.provider.is_here(&page.url), "the provider asks again: {page:#?}");
    let page = journey.provider.log_in(browser, page, "ada").await;
    assert_eq!(page.url.path(), "/pay", "{page:#?}");
    let session = browser.fetch(app, journey.server.bff("/session")).go().await.json();
    assert_eq!((&session["sub"], &session["acr"]), (&json!("ada"), &json!("urn:authtool:second-factor")));
    assert_eq!(journey.server.token_for(&weak).await.status, 401);
}

async fn tokens_are_bound_to_the_sessions_key_and_the_provider_gets_its_nonces(habits: Habits) {
    let key = ec_key(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let without_secret = json!({"token_endpoint_auth_method": "none", "client_secret": null});
    for (mut client, credentials) in [
        (json!({}), None),
        (without_secret, Some(json!({}))),
        (by_published_key("ES256"), Some(json!({"privateKey": key}))),
    ] {
        client["dpop_bound_access_tokens"] = json!(true);
        let method = client.get("token_endpoint_auth_method").cloned();
        let journey = begin(habits, client, &["dpop-nonce"], |config| {
            config.set("/client/dpop", json!(true));
            if let (Some(method), Some(credentials)) = (method, credentials) {
                config.set("/client/credentials", credentials);
                config.set("/client/preferredTokenEndpointAuthMethod", method);
            }
        })
        .await;
        let refreshed = whole(&journey).await;
        assert_eq!(refreshed["token_type"], "DPoP", "{refreshed}");
        let payload = refreshed["access_token"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
        let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        assert!(payload["cnf"]["jkt"].is_string(), "the provider bound the token: {payload}");
    }
}
