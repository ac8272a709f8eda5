//! The harness itself: an attacker that does not attack and a browser that keeps no rules would let every
//! other test pass.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use authtool_tests::browser::Browser;
use authtool_tests::hostile::{CLIENT_ID, CLIENT_SECRET, Endpoint, HostileOp, Lie, SigningKey, Transport};
use authtool_tests::{Provider, ProviderOptions, Upstream, raw};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";
const REDIRECT_URI: &str = "http://127.0.0.1:9/callback";

fn authorize_url(issuer: &str, redirect_uri: &str, client_id: &str) -> Url {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, VERIFIER.as_bytes());
    let challenge = URL_SAFE_NO_PAD.encode(digest);
    let mut url = Url::parse(issuer).unwrap();
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", redirect_uri),
        ("scope", "openid email offline_access"),
        ("state", "a-state"),
        ("nonce", "a-nonce"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    url
}

/// Asks the token endpoint as a correct client does.
async fn ask(op: &HostileOp, form: &[(&str, &str)]) -> authtool_tests::Answer {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let credentials = STANDARD.encode(format!("{}:{}", encode(CLIENT_ID), encode(CLIENT_SECRET)));
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    raw::request("POST", &Url::parse(op.issuer()).unwrap(), "/token")
        .header("authorization", format!("Basic {credentials}"))
        .body("application/x-www-form-urlencoded", body)
        .send()
        .await
}

async fn code(op: &HostileOp) -> String {
    let url = authorize_url(&format!("{}/authorize", op.issuer()), REDIRECT_URI, CLIENT_ID);
    let page = Browser::new().open(url).first_hop().go().await;
    let back = page.next.expect("a redirect");
    back.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned()
}

fn claims(id_token: &Value) -> Value {
    let payload = id_token.as_str().and_then(|token| token.split('.').nth(1)).expect("a JWT");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn is_signed_by(id_token: &str, key: &SigningKey) -> bool {
    let (message, signature) = id_token.rsplit_once('.').unwrap();
    let jwk = key.jwk();
    let part = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    aws_lc_rs::rsa::PublicKeyComponents { n: part("n"), e: part("e") }
        .verify(
            &aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256,
            message.as_bytes(),
            &URL_SAFE_NO_PAD.decode(signature).unwrap(),
        )
        .is_ok()
}

#[tokio::test]
async fn the_hostile_provider_is_correct_until_told_otherwise() {
    let op = HostileOp::start().await;
    let code = code(&op).await;
    let exchange = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let answer = ask(&op, &exchange).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let claims = claims(&body["id_token"]);
    assert_eq!((&claims["nonce"], &claims["aud"]), (&json!("a-nonce"), &json!(CLIENT_ID)));
    assert!(is_signed_by(body["id_token"].as_str().unwrap(), &SigningKey::provider()));
    assert!(!is_signed_by(body["id_token"].as_str().unwrap(), &SigningKey::attacker()));

    let answer = ask(&op, &exchange).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]),
        (400, &json!("invalid_grant")),
        "a spent code"
    );

    let refresh =
        [("grant_type", "refresh_token"), ("refresh_token", body["refresh_token"].as_str().unwrap())];
    assert_eq!(ask(&op, &refresh).await.status, 200);
    assert_eq!(ask(&op, &refresh).await.status, 400, "a rotated refresh token");
    assert_eq!((op.count(Endpoint::CodeExchange), op.count(Endpoint::Refresh)), (2, 2));
    assert!(op.secrets().contains(&code));
}

#[tokio::test]
async fn the_hostile_provider_checks_verifier_and_secret() {
    let op = HostileOp::start().await;
    let code = code(&op).await;
    let answer = raw::request("POST", &Url::parse(op.issuer()).unwrap(), "/token")
        .header("authorization", format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"))))
        .body("application/x-www-form-urlencoded", "grant_type=authorization_code")
        .send()
        .await;
    assert_eq!(answer.status, 401, "a secret that is not form-encoded: {answer:?}");
    let wrong = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", "x"),
    ];
    assert_eq!(ask(&op, &wrong).await.status, 400);
}

#[tokio::test]
async fn a_lie_changes_what_it_is_about_and_only_as_often_as_it_says() {
    let op = HostileOp::start().await;
    let base = Url::parse(op.issuer()).unwrap();
    let keys = || raw::get(&base, "/jwks").try_send();
    op.lies(Lie::about(Endpoint::Jwks).status(503).header("retry-after", "1").body("no").once());
    let answer = keys().await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.text().as_str(), answer.header("retry-after")),
        (503, "no", "1")
    );
    assert_eq!(keys().await.unwrap().json()["keys"][0]["kid"], "provider-1");
    op.lies(Lie::about(Endpoint::Jwks).transport(Transport::Reset));
    assert!(keys().await.is_err(), "the connection closes without an answer");
    op.tells_the_truth();
    op.lies(Lie::about(Endpoint::Jwks).transport(Transport::Flood { bytes: 200_000 }));
    assert!(keys().await.unwrap().body.len() >= 200_000);
    assert_eq!(
        raw::get(&base, "/.well-known/openid-configuration").send().await.json()["issuer"],
        op.issuer()
    );
}

#[tokio::test]
async fn the_browser_logs_in_at_the_real_provider() {
    let app = Upstream::start().await;
    let provider = Provider::start(&ProviderOptions::new(&app.origin)).await;
    let browser = Browser::new();
    let redirect_uri = format!("{}/bff/oauth/callback", app.origin);
    let url = authorize_url(&format!("{}/auth", provider.issuer), &redirect_uri, "authtool-tests");
    let page = browser.open(url).go().await;
    assert!(provider.is_here(&page.url), "{page:#?}");
    let page = provider.log_in(&browser, page, "ada").await;
    assert!(page.url.as_str().starts_with(&redirect_uri), "{page:#?}");
    assert!(page.url.query_pairs().any(|(name, _)| name == "code"), "{page:#?}");
}
