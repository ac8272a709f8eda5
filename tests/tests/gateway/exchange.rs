//! The exchange itself: which cookie, which headers, and what when something is amiss.

use crate::behind::{Behind, code};
use authtool_tests::browser::Browser;
use authtool_tests::{SESSION, raw};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_becomes_a_token_and_a_logout_ends_it() {
    let behind = Behind::envoy().await;
    let browser = behind.logged_in().await;
    let session = behind.call(&browser, "/bff/session").await;
    assert_eq!((session.status.as_u16(), session.json()["email"].as_str()), (200, Some("ada@example.com")));
    let answer = behind.call(&browser, "/api/orders?a=1").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "from the upstream"), "{answer:?}");
    assert_eq!(behind.token_at_the_api(), behind.issued());
    assert_eq!(behind.api.last().uri.path_and_query().unwrap().as_str(), "/api/orders?a=1");

    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    browser.follow(behind.app(), behind.url("/bff/logout")).posting("").first_hop().go().await;
    let before = behind.arrived();
    let answer = behind.call_with(&cookie, "/api/orders").await;
    assert_eq!((answer.status.as_u16(), code(&answer)), (401, json!("no_session")), "{answer:?}");
    assert_eq!(behind.arrived(), before, "nothing reached the API");
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_155_what_a_client_says_about_itself_never_arrives() {
    let behind = Behind::envoy().await;
    let cookie = behind.cookie().await;
    let forged = [
        ("authorization", "Bearer somebody-elses"),
        ("x-jwt-payload", "eyJzdWIiOiJyb290In0"),
        ("x-forwarded-user", "root"),
        ("x-forwarded-email", "root@example.com"),
        ("x-auth-request-user", "root"),
        ("remote-user", "root"),
        ("x-authtool-gateway", "guessed"),
        ("x-authtool-anything", "x"),
        ("dpop", "x"),
        ("x-original-url", "/api/admin"),
        ("x-rewrite-url", "/api/admin"),
        ("x-http-method-override", "DELETE"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
        ("true-client-ip", "127.0.0.1"),
    ];
    let send = |path: &'static str, cookie: Option<&str>| {
        let mut request = raw::get(&behind.envoy.public, path).as_same_origin_fetch();
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        for (name, value) in forged {
            request = request.header(name, value);
        }
        request.send()
    };
    let answer = send("/api/x", Some(&cookie)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(behind.token_at_the_api(), behind.issued(), "SEC-161: exactly one, and the session's");
    for (name, _) in &forged[1..] {
        assert_eq!(behind.api.last().header(name), "", "{name}");
    }
    let before = behind.arrived();
    for path in ["/api/x", "/api", "/api?x"] {
        let answer = send(path, None).await;
        assert_eq!(answer.status, 401, "{path} without a cookie: {answer:?}");
    }
    let options = raw::request("OPTIONS", &behind.envoy.public, "/api/x")
        .header("authorization", "Bearer somebody-elses")
        .send()
        .await;
    assert_eq!(options.status, 401, "{options:?}");
    assert_eq!(behind.arrived(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_159_and_160_only_the_cookie_of_exactly_that_name_counts_and_two_are_none() {
    let behind = Behind::envoy().await;
    let value = behind.logged_in().await.cookie(SESSION).unwrap();
    let good = format!("{SESSION}={value}");
    for cookie in [
        format!("evil{SESSION}=x; {good}"),
        format!("{good}; evil{SESSION}=x"),
        format!("a=b;{good};c=d"),
        format!("a; =b; {good} ; \t"),
        format!("junk=\u{e9}; {good}"),
        format!("%5F%5FHost-session_id=evil; {good}"),
        format!("__host-session_id=evil; {good}"),
    ] {
        let answer = behind.call_with(&cookie, "/api/x").await;
        assert_eq!(answer.status, 200, "{cookie}: {answer:?}");
        assert_eq!(behind.token_at_the_api(), behind.issued(), "{cookie}");
    }
    let before = behind.arrived();
    let other = behind.logged_in().await.cookie(SESSION).unwrap();
    for cookie in [
        format!("evil{good}"),
        format!("{SESSION}%3D{value}"),
        format!("{SESSION} x={value}"),
        format!("{good}; {SESSION}={other}"),
        format!("{good}; {good}"),
        format!("{good}; {SESSION}="),
        format!("{SESSION}=\"{value}\""),
        format!("{SESSION}={value}x"),
        format!("{SESSION}="),
        format!("{SESSION}={}", "x".repeat(3000)),
    ] {
        let answer = behind.call_with(&cookie, "/api/x").await;
        assert_eq!(
            (answer.status.as_u16(), code(&answer)),
            (401, json!("no_session")),
            "{cookie}: {answer:?}"
        );
    }
    assert_eq!(behind.arrived(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_162_our_cookies_go_no_further_and_others_do() {
    let behind = Behind::envoy().await;
    let cookie = behind.cookie().await;
    let sent =
        format!("a=1; {cookie}; __Host-authtool_login_x=y; theme=\"dark; b\"; __Host-authtool_logout=z; b=2");
    assert_eq!(behind.call_with(&sent, "/api/x").await.status, 200);
    assert_eq!(behind.api.last().header("cookie"), "a=1; theme=\"dark; b\"; b=2");
    assert_eq!(behind.call_with(&cookie, "/api/x").await.status, 200);
    assert_eq!(behind.api.last().header("cookie"), "");
    // Several lines, as HTTP/2 sends them (SEC-80).
    let answer = raw::http2_get(
        &behind.envoy.public,
        "/api/x",
        &[
            ("cookie", b"a=1"),
            ("cookie", cookie.as_bytes()),
            ("cookie", b"b=2"),
            ("sec-fetch-site", b"same-origin"),
        ],
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(behind.api.last().header("cookie"), "a=1; b=2");
    assert_eq!(behind.token_at_the_api(), behind.issued());
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_156_and_157_nothing_is_smuggled_past_by_routes_without_filters_or_by_spelling() {
    let behind = Behind::envoy().await;
    let cookie = behind.cookie().await;
    let before = behind.arrived();
    for (name, value) in
        [("x_jwt_payload", "forged"), ("X_Forwarded_User", "root"), ("x_authtool_gateway", "x")]
    {
        let answer = raw::get(&behind.envoy.public, "/api/x")
            .as_same_origin_fetch()
            .header("cookie", &cookie)
            .header(name, value)
            .send()
            .await;
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
    }
    assert_eq!(behind.arrived(), before);
    // The server's own routes get no Authorization from outside either.
    let answer = raw::get(&behind.envoy.public, "/bff/session")
        .as_same_origin_fetch()
        .header("cookie", &cookie)
        .header("authorization", "Bearer x")
        .header("x-jwt-payload", "forged")
        .send()
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_158_when_the_exchange_fails_nothing_gets_through() {
    let mut behind = Behind::envoy().await;
    let cookie = behind.cookie().await;
    assert_eq!(behind.call_with(&cookie, "/api/x").await.status, 200);
    let before = behind.arrived();
    behind.stage.server.kill();
    let answer = behind.call_with(&cookie, "/api/x").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(code(&answer), "gateway_unavailable");
    assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
    assert_eq!(behind.arrived(), before);
    // And without a cookie it is still 401: nobody had to be asked.
    assert_eq!(raw::get(&behind.envoy.public, "/api/x").send().await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_161_of_several_authorization_headers_none_survives() {
    let behind = Behind::envoy().await;
    let cookie = behind.cookie().await;
    let answer = raw::get(&behind.envoy.public, "/api/x")
        .as_same_origin_fetch()
        .header("cookie", &cookie)
        .header("authorization", "Bearer one")
        .header("authorization", "Bearer two")
        .header("Authorization", "Basic dGhyZWU=")
        .send()
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(behind.token_at_the_api(), behind.issued());
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_167_two_users_on_one_worker_never_get_each_others_token() {
    let behind = Behind::envoy().await;
    let mut users = Vec::new();
    for sub in ["ada", "grace", "lin"] {
        behind.stage.op.logs_in(sub, &json!({}));
        users.push((behind.cookie().await, behind.issued()));
    }
    let calls = (0..150).map(|i| {
        let (cookie, token) = &users[i % users.len()];
        let behind = &behind;
        async move {
            let answer = behind.call_with(cookie, &format!("/api/{i}")).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            (format!("/api/{i}"), token.clone())
        }
    });
    for (path, token) in futures_util::future::join_all(calls).await {
        let arrived = behind.api.arrived().into_iter().find(|it| it.uri.path() == path).unwrap();
        assert_eq!(arrived.header("authorization"), token, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_168_hop_by_hop_headers_remove_nothing() {
    let behind = Behind::envoy().await;
    let cookie = behind.cookie().await;
    for connection in ["close, Authorization", "authorization", "authorization, x-request-id"] {
        let answer = raw::get(&behind.envoy.public, "/api/x")
            .as_same_origin_fetch()
            .header("cookie", &cookie)
            .header("connection", connection)
            .header("te", "trailers")
            .send()
            .await;
        assert_eq!(answer.status, 200, "{connection}: {answer:?}");
        assert_eq!(behind.token_at_the_api(), behind.issued(), "{connection}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_169_an_api_neither_plants_nor_clears_our_cookies() {
    let behind = Behind::envoy().await;
    let browser = behind.logged_in().await;
    behind.api.answers_with("set-cookie", "__Host-session_id=planted; Secure; Path=/");
    behind.api.answers_with("set-cookie", "theme=dark; Path=/");
    behind.api.answers_with("set-cookie", "__Host-authtool_login_x=planted; Secure; Path=/");
    behind.api.answers_with("set-cookie", "=__Host-session_id=nameless; Secure; Path=/");
    behind.api.answers_with("clear-site-data", "\"*\"");
    let answer = behind.call(&browser, "/api/x").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.set_cookies().len(), 1, "{answer:?}");
    assert!(answer.everything().contains("theme=dark"), "{answer:?}");
    assert_eq!(answer.header("clear-site-data"), "");
    assert_eq!(behind.call(&browser, "/bff/session").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catch_all_route_of_the_original_leaks_no_token() {
    let behind = Behind::envoy().await;
    let browser = behind.logged_in().await;
    for path in ["/bff/token", "/bff/token/", "/bff/./token", "/bff//token", "/BFF/token", "/bff/x/../token"]
    {
        let answer = behind.call(&browser, path).await;
        assert!(matches!(answer.status.as_u16(), 400 | 403 | 404), "{path}: {answer:?}");
        assert!(!answer.text().contains("access_token"), "{path}: {answer:?}");
        let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
        let answer = raw::get(&behind.envoy.public, path).header("cookie", &cookie).send().await;
        assert!(!answer.text().contains("access_token"), "{path} without a browser's headers: {answer:?}");
    }
    let fresh = Browser::new();
    assert_eq!(behind.call(&fresh, "/bff/session").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_067_a_gateway_that_must_prove_itself_does() {
    let credential = "g".repeat(40);
    let behind = Behind::with(
        |config| {
            config.set("/server/gatewayCredential", json!(credential));
        },
        &["--opaque-tokens"],
    )
    .await;
    let cookie = behind.cookie().await;
    assert_eq!(behind.call_with(&cookie, "/api/x").await.status, 200);
    assert_eq!(behind.api.last().header("x-authtool-gateway"), "", "it goes no further");
    let direct = raw::get(&behind.stage.server.internal, "/bff/token").header("cookie", &cookie).send().await;
    assert_eq!(direct.status, 403, "{direct:?}");
}
