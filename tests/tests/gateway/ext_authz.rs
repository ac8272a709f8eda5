//! `ext_authz`: what Envoy is told, and what only this way of exchange can.

use crate::behind::{Behind, OPAQUE, each};
use authtool_tests::envoy::Exchange;
use authtool_tests::{SESSION, ServerConfig, Stage, raw};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const HERE: &str = "/-/ext-authz";
const ANONYMOUS: &str = "/-/ext-authz-anonymous";

#[tokio::test]
async fn sec_155_and_162_envoy_is_told_which_headers_to_set_and_which_to_remove() {
    let stage = Stage::new().await;
    let session = format!("{SESSION}={}", stage.logged_in().await.cookie(SESSION).unwrap());
    let ask = |method: &str, path: &str| {
        raw::request(method, &stage.server.internal, path)
            .header("sec-fetch-site", "same-origin")
            .header("x-forwarded-for", "192.0.2.1")
            .header("x-forwarded-user", "root")
            .header("x_user", "root")
    };
    for (method, path) in
        [("GET", ""), ("GET", "/"), ("GET", "/api/orders?a=%2e"), ("PUT", "//x"), ("QUERY", "/api")]
    {
        let cookie = format!("a=1; {session}; __Host-authtool_logout=x; b=2");
        let answer = ask(method, &format!("{HERE}{path}")).header("cookie", cookie).send().await;
        assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
        assert_eq!(answer.header("authorization"), format!("Bearer {}", stage.op.access_tokens()[0]));
        assert_eq!(answer.header("cookie"), "a=1; b=2");
        assert!(answer.header("grpc-timeout").ends_with('S'), "{answer:?}");
        assert_eq!(answer.header("x-envoy-auth-headers-to-remove"), "x-forwarded-user,x_user");
    }
    let answer = ask("GET", HERE).header("cookie", &session).send().await;
    assert_eq!(answer.header("x-envoy-auth-headers-to-remove"), "x-forwarded-user,x_user,cookie");
    for (what, status, request) in [
        ("no session", 401, ask("GET", HERE)),
        ("another's session", 401, ask("GET", HERE).header("cookie", format!("{SESSION}=forged"))),
        ("no proof", 403, raw::request("POST", &stage.server.internal, HERE).header("cookie", &session)),
        ("a tunnel", 405, ask("CONNECT", HERE).header("cookie", &session)),
    ] {
        let answer = request.send().await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert_eq!(answer.header("authorization"), "", "{what}: {answer:?}");
    }
    for path in [HERE, ANONYMOUS, "/envoy.service.auth.v3.Authorization/Check"] {
        let public = raw::get(&stage.server.public, path).header("cookie", &session).send().await;
        assert!(!public.everything().contains("Bearer"), "SEC-145: {public:?}");
    }
}

#[tokio::test]
async fn sec_158_where_nobody_must_be_logged_in_a_request_goes_on_without_a_token() {
    let stage = Stage::new().await;
    let session = format!("{SESSION}={}", stage.logged_in().await.cookie(SESSION).unwrap());
    let ask = |method: &str| raw::request(method, &stage.server.internal, format!("{ANONYMOUS}/api/public"));
    for (what, request) in [
        ("nobody", ask("GET")),
        ("nobody from another site", ask("POST").header("origin", "https://evil.example")),
        ("a forged session", ask("GET").header("cookie", format!("{SESSION}=forged; a=1"))),
    ] {
        let answer = request.header("authorization", "Bearer forged").send().await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert_eq!(answer.header("authorization"), "", "{what}: {answer:?}");
        assert!(
            answer.header("x-envoy-auth-headers-to-remove").contains("authorization"),
            "{what}: {answer:?}"
        );
        assert!(!answer.header("cookie").contains("forged"), "{what}: {answer:?}");
    }
    let answer = ask("GET").header("cookie", &session).send().await;
    assert!(answer.header("authorization").starts_with("Bearer "), "somebody: {answer:?}");
    for (what, status, request) in [
        (
            "somebody, from another site",
            403,
            ask("POST").header("cookie", &session).header("origin", "https://evil.example"),
        ),
        ("two sessions", 401, ask("GET").header("cookie", format!("{session}; {session}"))),
    ] {
        let answer = request.send().await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_194_a_bound_token_reaches_the_api_with_a_proof_for_that_request() {
    let claims = |proof: &str| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(proof.split('.').nth(1).unwrap()).unwrap()).unwrap()
    };
    each(async |exchange| {
        if exchange == Exchange::Lua {
            let mut config = ServerConfig::new("http://127.0.0.1:9");
            config.set("/client/dpop", json!(true));
            let output = tokio::task::block_in_place(|| {
                config.run(&["envoy", "--opaque-tokens", "--api", "/api=http://127.0.0.1:1"])
            });
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && said.contains("ext-authz-grpc"), "{said}");
            return;
        }
        let behind = Behind::with(
            exchange,
            |config| {
                config.set("/client/dpop", json!(true));
            },
            OPAQUE,
        )
        .await;
        let cookie = behind.cookie().await;
        let mut seen = Vec::new();
        for (method, path) in [("GET", "/api/orders?a=1"), ("DELETE", "/api/orders/7")] {
            let answer = behind
                .request(method, path)
                .as_same_origin_fetch()
                .header("cookie", &cookie)
                .header("dpop", "of-the-browser")
                .header("x-authtool-dpop-url", "https://evil.example/")
                .send()
                .await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(behind.token_at_the_api().starts_with("DPoP "), "{:?}", behind.api.last());
            let proof = claims(&behind.api.last().header("dpop"));
            let url = behind.url(path);
            assert_eq!(
                (&proof["htm"], &proof["htu"]),
                (&json!(method), &json!(url.as_str().split('?').next()))
            );
            assert!(proof["ath"].is_string(), "{proof}");
            seen.push(proof["jti"].clone());
        }
        assert_ne!(seen[0], seen[1]);
    })
    .await;
}
