//! §13 Transport and response headers.

use crate::expect::{authorization_request, value};
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{Endpoint, Lie};
use authtool_tests::{Answer, SESSION, Stage, raw};
use serde_json::json;

/// Answers of every endpoint, with every method and from every context, with and without a session.
async fn crawl(stage: &Stage) -> Vec<(String, Answer)> {
    let browser = stage.logged_in().await;
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    let mut answers = Vec::new();
    let endpoints =
        ["/session", "/token", "/login", "/oauth/callback", "/oidc/logout/callback", "/logout", "/none", ""];
    for endpoint in endpoints {
        for path in
            [format!("/bff{endpoint}"), format!("/bff{endpoint}/"), format!("/bff{endpoint}?error=a&state=b")]
        {
            for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS"] {
                let request = || raw::request(method, &stage.server.public, &path);
                let mut add = |what: &str, answer| answers.push((format!("{method} {path} {what}"), answer));
                add("by a gateway", request().header("cookie", &cookie).send().await);
                add("by a stranger", request().send().await);
                add("by fetch", request().as_same_origin_fetch().send().await);
                add("by navigation", request().as_navigation().send().await);
                add(
                    "from elsewhere",
                    request().header("sec-fetch-site", "cross-site").header("cookie", &cookie).send().await,
                );
                if endpoint != "/logout" {
                    add(
                        "by the app",
                        request().as_same_origin_fetch().header("cookie", &cookie).send().await,
                    );
                }
            }
        }
    }
    answers.push(("a login".to_owned(), stage.callback_answer().await.1));
    stage.op.lies(Lie::about(Endpoint::CodeExchange).claim("nonce", json!("x")).once());
    answers.push(("a failed login".to_owned(), stage.callback_answer().await.1));
    let browser = stage.logged_in().await;
    answers.push(("a logout".to_owned(), stage.log_out(&browser).await));
    answers
}

#[tokio::test]
async fn sec_147_no_answer_of_ours_is_stored_by_anybody() {
    let stage = Stage::new().await;
    for (what, answer) in crawl(&stage).await {
        assert!(answer.header("cache-control").contains("no-store"), "{what}: {answer:?}");
        assert_eq!(answer.header("pragma"), "no-cache", "{what}: {answer:?}");
        assert!(
            answer.headers.get("etag").is_none() && answer.headers.get("last-modified").is_none(),
            "{what}: {answer:?}"
        );
    }
    let browser = stage.logged_in().await;
    let conditional = browser
        .fetch(stage.app(), stage.bff("/session"))
        .header("if-none-match", "*")
        .header("if-modified-since", "Sat, 01 Jan 2050 00:00:00 GMT")
        .go()
        .await;
    assert_eq!(conditional.status, 200, "{conditional:?}");
}

#[tokio::test]
async fn sec_148_every_answer_of_ours_is_hardened() {
    let stage = Stage::new().await;
    for (what, answer) in crawl(&stage).await {
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}: {answer:?}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{what}: {answer:?}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{what}: {answer:?}");
        let policy = answer.header("content-security-policy");
        for directive in
            ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"]
        {
            assert!(policy.contains(directive), "{what}: {directive} is missing: {answer:?}");
        }
        assert!(!policy.contains("unsafe"), "{what}: {policy}");
        if answer.header("content-type").starts_with("text/html") {
            assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{what}: {answer:?}");
            assert!(answer.header("content-type").contains("utf-8"), "{what}: {answer:?}");
        }
        assert!(!answer.header("x-correlation-id").is_empty(), "{what}: {answer:?}");
        assert!(answer.headers.values().all(|value| !value.is_empty()), "{what}: {answer:?}");
    }
}

#[tokio::test]
async fn sec_149_no_other_origin_is_let_in() {
    let stage = Stage::new().await;
    for origin in ["http://evil.example", "null", "http://localhost:1", "*"] {
        for path in ["/bff/session", "/bff/token", "/bff/login", "/bff/logout"] {
            for method in ["GET", "OPTIONS", "POST"] {
                let answer = raw::request(method, &stage.server.public, path)
                    .header("origin", origin)
                    .header("access-control-request-method", "GET")
                    .header("access-control-request-headers", "x-authtool-csrf")
                    .send()
                    .await;
                for name in answer.headers.keys() {
                    assert!(
                        !name.as_str().starts_with("access-control-"),
                        "{method} {path} {origin}: {answer:?}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn sec_151_urls_are_built_from_the_configuration() {
    let stage = Stage::new().await;
    let expected = stage.bff("/oauth/callback");
    for (name, forged) in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-prefix", "/evil"),
        ("x-original-host", "evil.example"),
        ("forwarded", "host=evil.example;proto=https"),
    ] {
        let answer =
            raw::get(&stage.server.public, "/bff/login").as_navigation().header(name, forged).send().await;
        if answer.status.is_redirection() {
            let request = authorization_request(&answer);
            assert_eq!(value(&request, "redirect_uri"), expected.as_str(), "{name}: {answer:?}");
        } else {
            assert_eq!(answer.status.as_u16() / 100, 4, "{name}: {answer:?}");
        }
        assert!(!answer.everything().contains("evil"), "{name}: {answer:?}");
        let answer = raw::get(&stage.server.public, "/bff/oidc/logout/callback")
            .as_navigation()
            .header(name, forged)
            .send()
            .await;
        assert!(!answer.everything().contains("evil"), "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn sec_152_redirects_never_repeat_a_method() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let page = stage.log_in(&browser).await;
    for hop in &page.hops {
        assert!(matches!(hop.answer.status.as_u16(), 200 | 302 | 303), "{hop:?}");
    }
    let answer = stage.log_out(&browser).await;
    assert_eq!(answer.status, 303, "a redirect after a POST: {answer:?}");
    let page = browser.open(stage.bff("/oidc/logout/callback")).first_hop().go().await;
    assert!(matches!(page.status().as_u16(), 302 | 303), "{page:?}");
}

#[tokio::test]
async fn sec_153_the_app_is_served_under_a_strict_policy_that_allows_webassembly() {
    let stage = Stage::new().await;
    let page = Browser::new().open(stage.app()).go().await;
    let policy = page.answer.header("content-security-policy").to_owned();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("script-src 'self' 'wasm-unsafe-eval';"),
        "{policy}"
    );
    for never in ["'unsafe-inline'", "'unsafe-eval'", "*", "http:", "https:"] {
        assert!(!policy.contains(never), "{never}: {policy}");
    }
    for directive in ["frame-ancestors 'none'", "base-uri 'none'", "connect-src 'self'"] {
        assert!(policy.contains(directive), "{directive}: {policy}");
    }
}
