//! §12 Secrets, keys and logging.

use crate::expect::login_with;
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{Endpoint, Lie};
use authtool_tests::{SESSION, Server, ServerConfig, Stage, random_key, raw};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

#[test]
fn sec_138_weak_keys_are_refused_at_startup() {
    let good = ServerConfig::new("http://127.0.0.1:9").get("/session/signingKey").clone();
    let encoded = |bytes: &[u8]| STANDARD.encode(bytes);
    for (what, signing, encryption, key) in [
        ("an empty key", json!(""), None, "signingKey"),
        ("a short key", json!("short"), None, "signingKey"),
        ("a placeholder", json!("changeme"), None, "signingKey"),
        ("equal keys", good.clone(), Some(good.clone()), "encryptionKey"),
        ("a short encryption key", good.clone(), Some(json!("0123456789")), "encryptionKey"),
        (
            "16 bytes in base64",
            json!({"type": "env", "key": "TEST_KEY_SHORT", "encoding": "base64"}),
            None,
            "signingKey",
        ),
        (
            "text that is no base64",
            json!({"type": "env", "key": "TEST_KEY_GARBLED", "encoding": "base64"}),
            None,
            "signingKey",
        ),
        ("a missing variable", json!({"type": "env", "key": "TEST_KEY_MISSING"}), None, "signingKey"),
        ("a missing file", json!({"type": "file", "path": "/no/such/file"}), None, "signingKey"),
    ] {
        let mut config = ServerConfig::new("http://127.0.0.1:9");
        config.environment("TEST_KEY_SHORT", &encoded(b"sixteen bytes !!"));
        config.environment("TEST_KEY_GARBLED", &format!("{}*", encoded(&[7; 48])));
        config.set("/session/signingKey", signing.clone());
        if let Some(encryption) = encryption {
            config.set("/session/encryptionKey", encryption);
        }
        let refusal = Server::refuses(&config);
        assert_ne!(refusal.code, Some(0), "{what}: {refusal:?}");
        assert!(refusal.output.contains(key), "{what}: the message does not name {key}: {refusal:?}");
        if let Value::String(secret) = signing
            && secret.len() > 4
        {
            assert!(!refusal.output.contains(&secret), "{what}: the key is printed: {refusal:?}");
        }
    }
}

#[tokio::test]
async fn sec_138_keys_come_from_files_and_the_environment_too() {
    let op = authtool_tests::hostile::HostileOp::start().await;
    let mut config = ServerConfig::new(op.issuer());
    let file = config.file("signing-key", format!("{}\n", random_key()));
    config.environment("TEST_ENCRYPTION_KEY", &random_key());
    config.set("/session/signingKey", json!({"type": "file", "path": file, "encoding": "base64"})).set(
        "/session/encryptionKey",
        json!({"type": "env", "key": "TEST_ENCRYPTION_KEY", "encoding": "base64"}),
    );
    let stage = Stage { server: Server::start(config).await, op };
    stage.logged_in().await;
}

#[tokio::test]
async fn sec_140_the_most_talkative_log_holds_no_secret() {
    let stage = Stage::with(|config| {
        config.set("/session/sessionJitterSecs", json!(0));
    })
    .await;
    stage.op.issues_access_tokens_for(1);
    let browser = stage.logged_in().await;
    let cookie = browser.cookie(SESSION).unwrap();
    authtool_tests::wait::until("a refresh", async || {
        stage.token(&browser).await;
        (stage.op.count(Endpoint::Refresh) > 0).then_some(())
    })
    .await;
    let mut secrets = stage.server.secrets();
    secrets.push(cookie.clone());
    secrets.extend(cookie.split('.').filter(|part| part.len() >= 16).map(str::to_owned));
    for lie in [
        Lie::about(Endpoint::CodeExchange).member("token_type", json!("canary-type")),
        Lie::about(Endpoint::CodeExchange).claim("nonce", json!("canary-nonce-of-another")),
        Lie::about(Endpoint::CodeExchange).body("{\"access_token\":\"canary-at-in-broken-json"),
        Lie::about(Endpoint::CodeExchange).oauth_error(400, "invalid_grant"),
    ] {
        login_with(&stage, lie).await;
    }
    let stranger = Browser::new();
    let callback = stage.callback_url(&stranger).await;
    stage.come_back(&Browser::new(), &callback).await;
    let flow = stranger.jar().all().pop().expect("an open login").value;
    secrets.extend([
        flow,
        callback.query().unwrap_or_default().to_owned(),
        "canary-at-in-broken-json".to_owned(),
    ]);
    stage.log_out(&browser).await;
    stage.op.has_received(Endpoint::Revocation, 1).await;
    secrets.extend(stage.op.secrets());
    assert!(secrets.len() > 20, "{secrets:?}");
    stage.server.log().assert_free_of(&secrets);
}

#[tokio::test]
async fn sec_141_nobody_writes_lines_into_our_log() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    for path in [
        "/oauth/callback?error=a%0Ainjected-line&state=b%0D%0Ainjected-line",
        "/login?redirect_uri=%0Ainjected-line%1B%5B31m",
        "/logout?redirect_uri=%0Ainjected-line",
        "/no%0Asuch%0Dinjected-line",
    ] {
        browser.follow(stage.app(), stage.bff(path)).first_hop().go().await;
    }
    for name in ["user-agent", "x-correlation-id", "traceparent", "x-request-id"] {
        raw::get(&stage.server.public, "/bff/session")
            .as_same_origin_fetch()
            .header(name, b"a\xe9\tinjected-tab".as_slice())
            .send()
            .await;
    }
    stage.op.logs_in("ada", &json!({"name": "x\ninjected-line\u{1b}[31m"}));
    stage.logged_in().await;
    login_with(&stage, Lie::about(Endpoint::CodeExchange).claim("iss", json!("x\ninjected-line"))).await;
    let error = json!({"error": "x\ninjected-line", "error_description": "\u{1b}[2Jinjected-line"});
    login_with(&stage, Lie::about(Endpoint::CodeExchange).status(400).body(error.to_string())).await;
    for line in stage.server.log().lines() {
        assert!(!line.trim_start().starts_with("injected-line"), "{line:?}");
        assert!(!line.contains('\u{1b}') && !line.contains('\r'), "{line:?}");
    }
}

#[tokio::test]
async fn sec_143_refusals_are_logged_under_the_id_that_the_user_sees() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    stage.callback_url(&browser).await;
    let forged = stage.bff("/oauth/callback?code=a&state=b");
    let answers = [
        stage.come_back(&browser, &forged).await,
        login_with(&stage, Lie::about(Endpoint::CodeExchange).claim("nonce", json!("x"))).await.1,
        login_with(&stage, Lie::about(Endpoint::CodeExchange).status(500)).await.1,
    ];
    for answer in answers {
        let id = answer.header("x-correlation-id").to_owned();
        assert!(id.len() >= 8, "{answer:?}");
        assert!(answer.text().contains(&id), "the page does not show its id: {answer:?}");
        stage.server.log().shows(&id).await;
    }
}

#[tokio::test]
async fn sec_144_error_answers_are_generic() {
    let stage = Stage::new().await;
    let about = || Lie::about(Endpoint::CodeExchange);
    let mut answers = vec![
        login_with(&stage, about().status(500).body("canary-stack-trace at java.lang")).await.1,
        login_with(&stage, about().oauth_error(400, "invalid_grant")).await.1,
        login_with(&stage, about().body("<canary-html>")).await.1,
        login_with(&stage, about().claim("iss", json!("https://canary-issuer.example"))).await.1,
    ];
    let app = stage.app();
    let stranger = Browser::new();
    for path in ["/session", "/token", "/no-such-endpoint", "/oauth/callback", "/login"] {
        answers.push(stranger.fetch(&app, stage.bff(path)).go().await);
        answers.push(stranger.open(stage.bff(path)).first_hop().go().await.answer);
    }
    let version = env!("CARGO_PKG_VERSION");
    for answer in answers.iter().filter(|answer| answer.status.as_u16() >= 400) {
        let shown = answer.everything();
        for word in
            ["canary", "panicked", "src/", ".rs:", "authtool-bff/", "RUST_BACKTRACE", "127.0.0.1", version]
        {
            assert!(!shown.contains(word), "{word:?} is shown: {shown}");
        }
        assert!(
            answer.headers.get("server").is_none() && answer.headers.get("x-powered-by").is_none(),
            "{shown}"
        );
        let id = answer.header("x-correlation-id");
        assert!(!id.is_empty() && answer.text().contains(id), "no correlation id: {shown}");
    }
}
