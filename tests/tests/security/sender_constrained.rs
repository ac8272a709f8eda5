//! §17 Sender-constrained tokens (RFC 9449).

use crate::expect::{accepted, authorization_request, login_answer, refused, value, values};
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{Endpoint, Lie, Received};
use authtool_tests::{SESSION, Server, ServerConfig, Stage, Upstream, raw};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::HashSet;

async fn bound() -> Stage {
    Stage::with(|config| {
        config.set("/client/dpop", json!(true)).set("/session/sessionJitterSecs", json!(0));
    })
    .await
}

fn sha256(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

/// RFC 7638 of a proof's key.
fn thumbprint(proof: &Value) -> String {
    let jwk = &proof["jwk"];
    sha256(&format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]))
}

fn proof(request: &Received) -> Value {
    request.dpop_proof().unwrap_or_else(|| panic!("no proof in {request:?}"))
}

fn claims(jwt: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[test]
fn sec_193_bound_tokens_are_refused_where_the_browser_calls_the_api() {
    for mode in ["tokenExchange", "tokenMediation"] {
        let mut config = ServerConfig::new("http://127.0.0.1:9");
        config.set("/client/dpop", json!(true)).set("/session/mode/type", json!(mode));
        let refusal = Server::refuses(&config);
        assert_ne!(refusal.code, Some(0), "{refusal:?}");
        assert!(refusal.output.contains("client.dpop"), "{refusal:?}");
    }
}

#[tokio::test]
async fn sec_194_every_request_of_a_session_is_proven_with_its_own_key() {
    let stage = bound().await;
    stage.op.issues_access_tokens_for(1);
    let mut keys = HashSet::new();
    for _ in 0..2 {
        let browser = stage.logged_in().await;
        let asked = value(
            &url::Url::parse(&format!(
                "http://op{}",
                stage.op.received_at(Endpoint::Authorization).pop().unwrap().uri
            ))
            .unwrap(),
            "dpop_jkt",
        );
        let exchange = proof(&stage.op.received_at(Endpoint::CodeExchange).pop().unwrap());
        assert_eq!(exchange["htm"], "POST");
        assert_eq!(exchange["htu"], format!("{}/token", stage.op.issuer()));
        assert_eq!(thumbprint(&exchange), asked);
        let first = stage.token(&browser).await.json();
        let refreshes = stage.op.count(Endpoint::Refresh);
        authtool_tests::wait::until("the token is refreshed", async || {
            (stage.token(&browser).await.json()["access_token"] != first["access_token"]).then_some(())
        })
        .await;
        assert!(stage.op.count(Endpoint::Refresh) > refreshes);
        let refresh = proof(&stage.op.received_at(Endpoint::Refresh).pop().unwrap());
        assert_eq!(thumbprint(&refresh), asked, "the key of the login");
        assert_ne!(refresh["jti"], exchange["jti"]);
        keys.insert(asked);
    }
    assert_eq!(keys.len(), 2, "each session has a key of its own");
}

#[tokio::test]
async fn sec_194_a_gateway_gets_a_proof_for_the_request_that_it_describes() {
    let stage = bound().await;
    let browser = stage.logged_in().await;
    let token = |headers: &'static [(&'static str, &'static str)]| {
        let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
        let mut request = raw::get(&stage.server.internal, "/bff/token").header("cookie", cookie);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        request.send()
    };
    let plain = token(&[]).await.json();
    assert_eq!(plain["token_type"], "DPoP", "{plain}");
    assert!(plain.get("dpop").is_none(), "{plain}");
    let described: &[(&str, &str)] = &[
        ("x-authtool-dpop-method", "DELETE"),
        ("x-authtool-dpop-url", "https://api.example/orders/7?a=b"),
        ("x-authtool-dpop-nonce", "of-the-api"),
    ];
    let (first, second) = (token(described).await.json(), token(described).await.json());
    let (one, two) = (claims(first["dpop"].as_str().unwrap()), claims(second["dpop"].as_str().unwrap()));
    assert_eq!((&one["htm"], &one["htu"]), (&json!("DELETE"), &json!("https://api.example/orders/7")));
    assert_eq!(one["nonce"], "of-the-api");
    assert_eq!(one["ath"], sha256(first["access_token"].as_str().unwrap()));
    assert_ne!(one["jti"], two["jti"]);
    for wrong in [
        [("x-authtool-dpop-method", "GET"), ("x-authtool-dpop-url", "/relative")],
        [("x-authtool-dpop-method", "GET"), ("x-authtool-dpop-url", "file:///etc/passwd")],
        [("x-authtool-dpop-method", "G E T"), ("x-authtool-dpop-url", "https://api.example/")],
    ] {
        let answer = token(Vec::leak(wrong.to_vec())).await;
        assert_eq!(answer.status, 400, "{wrong:?}: {answer:?}");
    }
}

#[tokio::test]
async fn sec_194_a_proxied_api_gets_the_token_with_a_proof_of_ours() {
    let upstream = Upstream::start().await;
    let stage = Stage::with(|config| {
        config
            .set("/client/dpop", json!(true))
            .set("/server/proxy", json!([{"prefix": "/api", "upstream": upstream.origin}]));
    })
    .await;
    let browser = stage.logged_in().await;
    let url = stage.app().join("/api/orders?a=b").unwrap();
    let answer = browser.fetch(stage.app(), url).header("dpop", "of-the-browser").go().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = stage.op.access_tokens().pop().unwrap();
    assert_eq!(upstream.last().header("authorization"), format!("DPoP {token}"));
    let proof = claims(&upstream.last().header("dpop"));
    assert_eq!(
        (&proof["htm"], &proof["htu"]),
        (&json!("GET"), &json!(format!("{}/api/orders", upstream.origin)))
    );
    assert_eq!(proof["ath"], sha256(&token));
}

#[tokio::test]
async fn sec_194_a_nonce_that_is_asked_for_is_sent_once_and_remembered() {
    let stage = bound().await;
    stage.op.requires_dpop_nonce("nonce-1");
    stage.op.lies(Lie::about(Endpoint::CodeExchange).header("dpop-nonce", "nonce-1"));
    accepted("after the nonce", &stage.callback_answer().await.1);
    let requests = stage.op.received_at(Endpoint::CodeExchange);
    let [first, second] = requests.as_slice() else { panic!("two requests: {requests:?}") };
    assert_eq!(first.form_value("code"), second.form_value("code"), "the server had not looked at it");
    let (first, second) = (proof(first), proof(second));
    assert!(first.get("nonce").is_none() && second["nonce"] == "nonce-1", "{first} {second}");
    assert_ne!(first["jti"], second["jti"]);

    accepted("the nonce is known", &stage.callback_answer().await.1);
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 3);
}

#[tokio::test]
async fn sec_194_a_server_that_is_never_content_with_a_nonce_is_not_asked_for_ever() {
    for (what, nonce, requests) in [
        ("always the same nonce", Some("nonce-1"), 2),
        ("no nonce at all", None, 1),
        ("no nonce", Some("a b"), 1),
    ] {
        let stage = bound().await;
        let mut lie = Lie::about(Endpoint::CodeExchange).oauth_error(400, "use_dpop_nonce");
        if let Some(nonce) = nonce {
            lie = lie.header("dpop-nonce", nonce);
        }
        stage.op.lies(lie);
        refused(what, &stage.callback_answer().await.1);
        assert_eq!(stage.op.count(Endpoint::CodeExchange), requests, "{what}");
    }
}

#[tokio::test]
async fn sec_194_a_token_that_is_not_bound_to_the_key_is_not_used() {
    let stage = bound().await;
    let with_cnf = |cnf: Value| {
        let payload = URL_SAFE_NO_PAD.encode(json!({"cnf": cnf}).to_string());
        Lie::about(Endpoint::CodeExchange).member("access_token", json!(format!("e30.{payload}.c2ln")))
    };
    let about = |endpoint| Lie::about(endpoint);
    for (what, lie) in [
        ("a bearer token", about(Endpoint::CodeExchange).member("token_type", json!("Bearer"))),
        ("no type", about(Endpoint::CodeExchange).without("token_type")),
        ("another key", with_cnf(json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}))),
        ("a strange key", with_cnf(json!({"jkt": 7}))),
    ] {
        let revoked = stage.op.count(Endpoint::Revocation);
        stage.op.lies(lie.once());
        refused(what, &stage.callback_answer().await.1);
        stage.op.has_received(Endpoint::Revocation, revoked + 1).await;
    }
    stage.op.issues_access_tokens_for(1);
    let browser = stage.logged_in().await;
    stage.op.lies(about(Endpoint::Refresh).member("token_type", json!("Bearer")));
    let answer = authtool_tests::wait::until("the token has expired", async || {
        let answer = stage.token(&browser).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert_eq!(answer.status, 503, "a refresh that loses the binding hands nothing out: {answer:?}");
    assert_eq!(stage.session(&browser).await.status, 200, "and keeps the session");
}

#[tokio::test]
async fn sec_193_without_the_setting_nothing_is_bound_and_no_bound_token_is_taken() {
    let stage = Stage::new().await;
    let request = authorization_request(&login_answer(&stage.server).await);
    assert!(values(&request, "dpop_jkt").is_empty(), "{request}");
    stage.op.lies(Lie::about(Endpoint::CodeExchange).member("token_type", json!("DPoP")).once());
    refused("a bound token", &stage.callback_answer().await.1);
    let browser = Browser::new();
    stage.log_in(&browser).await;
    assert!(stage.op.received_at(Endpoint::CodeExchange).iter().all(|it| it.dpop_proof().is_none()));
    assert_eq!(stage.token(&browser).await.json()["token_type"], "Bearer");
}

#[tokio::test]
async fn sec_194_user_info_is_asked_with_a_proof_too() {
    let stage = Stage::with(|config| {
        config.set("/client/dpop", json!(true)).set("/client/userinfo", json!("always"));
    })
    .await;
    stage.logged_in().await;
    let request = stage.op.received_at(Endpoint::UserInfo).pop().expect("UserInfo was asked");
    let token = stage.op.access_tokens().pop().unwrap();
    assert_eq!(request.headers["authorization"], format!("DPoP {token}"));
    let proof = proof(&request);
    assert_eq!((&proof["htm"], &proof["ath"]), (&json!("GET"), &json!(sha256(&token))));
}
