//! The exchange itself: which cookie, which headers, and what when something is amiss.

use crate::behind::{Behind, OPAQUE, by_every_exchange, code, each, once_by_every_exchange};
use authtool_tests::browser::Browser;
use authtool_tests::envoy::Exchange;
use authtool_tests::hostile::{Endpoint, Lie};
use authtool_tests::{SESSION, ServerConfig, raw, wait};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_becomes_a_token_and_a_logout_ends_it() {
    by_every_exchange(async |behind| {
        let browser = behind.logged_in().await;
        let session = behind.call(&browser, "/bff/session").await;
        assert_eq!(
            (session.status.as_u16(), session.json()["email"].as_str()),
            (200, Some("ada@example.com"))
        );
        let answer = behind.call(&browser, "/api/orders?a=1").await;
        assert_eq!(
            (answer.status.as_u16(), answer.text().as_str()),
            (200, "from the upstream"),
            "{answer:?}"
        );
        assert_eq!(behind.token_at_the_api(), behind.issued());
        assert_eq!(behind.api.last().uri.path_and_query().unwrap().as_str(), "/api/orders?a=1");

        let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
        browser.follow(behind.app(), behind.url("/bff/logout")).posting("").first_hop().go().await;
        let before = behind.arrived();
        let answer = behind.call_with(&cookie, "/api/orders").await;
        assert_eq!((answer.status.as_u16(), code(&answer)), (401, json!("no_session")), "{answer:?}");
        assert_eq!(behind.arrived(), before, "nothing reached the API");
    })
    .await;
}

/// Amazon's and Salesforce's tokens do not keep to RFC 6750's grammar. They are as safe in a header.
#[tokio::test(flavor = "multi_thread")]
async fn sec_075_a_token_of_visible_characters_reaches_the_api_as_it_is() {
    const ODD: &str = "Atza|a!b:c#$%&'()*+-./;<=>?@[]^_`{}~";
    by_every_exchange(async |behind| {
        behind.stage.op.tells_the_truth();
        let odd = Lie::about(Endpoint::CodeExchange).member("access_token", json!(ODD));
        behind.stage.op.lies(odd.id_token(|token| token.without("at_hash")));
        let browser = behind.logged_in().await;
        let answer = behind.call(&browser, "/api/orders").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(behind.token_at_the_api(), format!("Bearer {ODD}"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_155_what_a_client_says_about_itself_never_arrives() {
    by_every_exchange(async |behind| {
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
            let mut request = behind.get(path).as_same_origin_fetch();
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
        let options =
            behind.request("OPTIONS", "/api/x").header("authorization", "Bearer somebody-elses").send().await;
        assert_eq!(options.status, 401, "{options:?}");
        assert_eq!(behind.arrived(), before);
    })
    .await;
}

/// Traefik in front of Envoy says for which host a request was. It overwrites what a client said.
#[tokio::test(flavor = "multi_thread")]
async fn sec_155_only_what_a_trusted_proxy_says_of_the_host_goes_on_and_nothing_about_a_user() {
    each(async |exchange| {
        let trusting = |config: &mut ServerConfig| {
            config.set("/server/trustedProxyHeaders", json!(["x-forwarded-host", "X-Forwarded-Port"]));
        };
        let behind = Behind::with(exchange, trusting, OPAQUE).await;
        let cookie = behind.cookie().await;
        let answer = behind
            .get("/api/x")
            .as_same_origin_fetch()
            .header("cookie", &cookie)
            .header("x-forwarded-host", "catalog.example.com")
            .header("x-forwarded-port", "443")
            .header("x-forwarded-prefix", "/shop")
            .header("x-forwarded-user", "root")
            .send()
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let arrived = behind.api.last();
        for (name, value) in [
            ("x-forwarded-host", "catalog.example.com"),
            ("x-forwarded-port", "443"),
            ("x-forwarded-prefix", ""),
            ("x-forwarded-user", ""),
        ] {
            assert_eq!(arrived.header(name), value, "{name}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_159_and_160_only_the_cookie_of_exactly_that_name_counts_and_two_are_none() {
    by_every_exchange(async |behind| {
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
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_162_our_cookies_go_no_further_and_others_do() {
    by_every_exchange(async |behind| {
        let cookie = behind.cookie().await;
        let sent = format!(
            "a=1; {cookie}; __Host-authtool_login_x=y; theme=\"dark; b\"; __Host-authtool_logout=z; b=2"
        );
        assert_eq!(behind.call_with(&sent, "/api/x").await.status, 200);
        assert_eq!(behind.api.last().header("cookie"), "a=1; theme=\"dark; b\"; b=2");
        assert_eq!(behind.call_with(&cookie, "/api/x").await.status, 200);
        assert_eq!(behind.api.last().header("cookie"), "");
        // Behind a comma, where two headers were joined, and without a value: not for us, and not for the API.
        let strange = format!(
            "a=1; x=1,{SESSION}=other; {cookie}; {SESSION}; y,z=2; __Host-authtool_logout; bare; b=2"
        );
        assert_eq!(behind.call_with(&strange, "/api/x").await.status, 200);
        assert_eq!(behind.api.last().header("cookie"), "a=1; y,z=2; bare; b=2");
        assert_eq!(behind.token_at_the_api(), behind.issued());
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
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_156_and_157_nothing_is_smuggled_past_by_routes_without_filters_or_by_spelling() {
    by_every_exchange(async |behind| {
        let cookie = behind.cookie().await;
        let before = behind.arrived();
        for (name, value) in
            [("x_jwt_payload", "forged"), ("X_Forwarded_User", "root"), ("x_authtool_gateway", "x")]
        {
            let refusal = behind
                .get("/api/x")
                .as_same_origin_fetch()
                .header("cookie", &cookie)
                .header(name, value)
                .try_send()
                .await;
            // In HTTP/2 Envoy resets the stream instead.
            assert!(refusal.as_ref().map_or(true, |answer| answer.status == 400), "{name}: {refusal:?}");
        }
        assert_eq!(behind.arrived(), before);
        // The server's own routes get no Authorization from outside either.
        let answer = behind
            .get("/bff/session")
            .as_same_origin_fetch()
            .header("cookie", &cookie)
            .header("authorization", "Bearer x")
            .header("x-jwt-payload", "forged")
            .send()
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_158_when_the_exchange_fails_nothing_gets_through() {
    once_by_every_exchange(OPAQUE, async |behind| {
        let cookie = behind.cookie().await;
        assert_eq!(behind.call_with(&cookie, "/api/x").await.status, 200);
        let before = behind.arrived();
        behind.stage.server.kill();
        let answer = behind.call_with(&cookie, "/api/x").await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(code(&answer), "gateway_unavailable");
        assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
        assert_eq!(behind.arrived(), before);
        // Lua need not ask anybody about a request without a cookie.
        let nobody = if behind.exchange == Exchange::Lua { 401 } else { 503 };
        assert_eq!(behind.get("/api/x").send().await.status, nobody);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_161_of_several_authorization_headers_none_survives() {
    by_every_exchange(async |behind| {
        let cookie = behind.cookie().await;
        let answer = behind
            .get("/api/x")
            .as_same_origin_fetch()
            .header("cookie", &cookie)
            .header("authorization", "Bearer one")
            .header("authorization", "Bearer two")
            .header("Authorization", "Basic dGhyZWU=")
            .send()
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(behind.token_at_the_api(), behind.issued());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_167_two_users_on_one_worker_never_get_each_others_token() {
    by_every_exchange(async |behind| {
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
            let arrived = behind.api.arrived().into_iter().rfind(|it| it.uri.path() == path).unwrap();
            assert_eq!(arrived.header("authorization"), token, "{path}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_168_hop_by_hop_headers_remove_nothing() {
    by_every_exchange(async |behind| {
        let cookie = behind.cookie().await;
        for connection in ["close, Authorization", "authorization", "authorization, x-request-id"] {
            let answer = behind
                .get("/api/x")
                .as_same_origin_fetch()
                .header("cookie", &cookie)
                .header("connection", connection)
                .header("te", "trailers")
                .send()
                .await;
            assert_eq!(answer.status, 200, "{connection}: {answer:?}");
            assert_eq!(behind.token_at_the_api(), behind.issued(), "{connection}");
        }
    })
    .await;
}

/// The limits of authtool's own listeners hold for what a gateway forwards.
#[tokio::test(flavor = "multi_thread")]
async fn sec_205_what_no_honest_client_sends_reaches_no_api() {
    once_by_every_exchange(OPAQUE, async |behind| {
        let cookie = behind.cookie().await;
        let before = behind.arrived();
        for (method, path) in [
            ("TRACE", "/api/x"),
            ("GET", "/api/%252e%252e/admin"),
            ("GET", "/api/..%00/admin"),
            ("GET", "/api/.%09./admin"),
            ("GET", "/api/%c0%ae%c0%ae/admin"),
            ("GET", "/api/..%252fadmin"),
        ] {
            let request = behind.request(method, path).as_same_origin_fetch();
            let answer = request.header("cookie", format!("{SESSION}={cookie}")).send().await;
            assert!(matches!(answer.status.as_u16(), 400 | 403 | 404 | 405), "{method} {path}: {answer:?}");
            assert!(!answer.everything().contains("Bearer"), "{method} {path}: {answer:?}");
        }
        assert_eq!(behind.arrived(), before, "one of them has reached the API");
        assert_eq!(behind.call_with(&cookie, "/api/100%25/a%20b").await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_169_an_api_neither_plants_nor_clears_our_cookies() {
    once_by_every_exchange(OPAQUE, async |behind| {
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
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_158_when_the_provider_cannot_be_asked_nothing_gets_through_and_nobody_is_logged_out() {
    each(async |exchange| {
        let behind = Behind::with(
            exchange,
            |config| {
                config.set("/session/sessionJitterSecs", json!(0));
            },
            OPAQUE,
        )
        .await;
        behind.stage.op.issues_access_tokens_for(1);
        let cookie = behind.cookie().await;
        behind.stage.op.lies(Lie::about(Endpoint::Refresh).status(503));
        let (answer, before) = wait::until("the access token has expired", async || {
            let before = behind.arrived();
            let answer = behind.call_with(&cookie, "/api/x").await;
            (answer.status != 200).then_some((answer, before))
        })
        .await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
        assert_eq!(behind.arrived(), before);
        assert_eq!(behind.call_with(&cookie, "/bff/session").await.status, 200, "still logged in");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_074_the_generated_routes_have_no_token_for_anybody() {
    by_every_exchange(async |behind| {
        let browser = behind.logged_in().await;
        let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
        for path in
            ["/bff/token", "/bff/token/", "/bff/./token", "/bff//token", "/BFF/token", "/bff/x/../token"]
        {
            let answer = behind.call(&browser, path).await;
            assert!(matches!(answer.status.as_u16(), 400 | 401 | 403 | 404), "{path}: {answer:?}");
            assert!(!answer.text().contains("access_token"), "{path}: {answer:?}");
            let answer = behind.get(path).header("cookie", &cookie).send().await;
            assert!(
                !answer.text().contains("access_token"),
                "{path} without a browser's headers: {answer:?}"
            );
        }
        assert_eq!(behind.call(&Browser::new(), "/bff/session").await.status, 401);
    })
    .await;
}

/// The original's catch-all routes everything below the prefix to the public listener, `/token` too.
fn with_the_catch_all_route(bootstrap: String) -> String {
    let changed = bootstrap.replace("path: /bff/token", "path: /nowhere/token");
    assert_ne!(bootstrap, changed, "{bootstrap}");
    changed
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_067_and_068_the_catch_all_route_of_the_original_leaks_no_token_to_a_browser() {
    each(async |exchange| {
        let open = Behind::edited(exchange, |_| {}, OPAQUE, with_the_catch_all_route).await;
        let browser = open.logged_in().await;
        for path in ["/bff/token", "/bff/token/"] {
            let fetched = open.call(&browser, path).await;
            assert_eq!(
                (fetched.status.as_u16(), code(&fetched)),
                (403, json!("forbidden_context")),
                "{fetched:?}"
            );
            let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
            for (name, value) in [
                ("sec-fetch-mode", "navigate"),
                ("origin", "https://x.example"),
                ("referer", "https://x.example/"),
            ] {
                let answer = open.get(path).header("cookie", &cookie).header(name, value).send().await;
                assert_eq!(answer.status, 403, "{path} with {name}: {answer:?}");
            }
        }
        let closed = Behind::edited(
            exchange,
            |config| {
                config.set("/server/publicToken", json!("closed"));
            },
            OPAQUE,
            with_the_catch_all_route,
        )
        .await;
        let cookie = closed.cookie().await;
        let answer = closed.get("/bff/token").header("cookie", &cookie).send().await;
        assert_eq!(answer.status, 404, "nor to whoever stole the cookie, where it is closed: {answer:?}");
        assert_eq!(
            closed.call_with(&cookie, "/api/x").await.status,
            200,
            "while the gateway has its own way"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_067_a_gateway_that_must_prove_itself_does() {
    each(async |exchange| {
        let credential = "g".repeat(40);
        let behind = Behind::with(
            exchange,
            |config| {
                config.set("/server/gatewayCredential", json!(credential));
            },
            OPAQUE,
        )
        .await;
        let cookie = behind.cookie().await;
        let answer = behind
            .get("/api/x")
            .as_same_origin_fetch()
            .header("cookie", &cookie)
            .header("x-authtool-gateway", "guessed")
            .send()
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(behind.api.last().header("x-authtool-gateway"), "", "it goes no further");
        for path in ["/bff/token", "/-/forward-auth", "/-/ext-authz/api/x"] {
            let direct = raw::get(&behind.stage.server.internal, path)
                .header("x-original-method", "GET")
                .header("cookie", &cookie)
                .send()
                .await;
            assert_eq!(direct.status, 403, "{path}: {direct:?}");
        }
    })
    .await;
}
