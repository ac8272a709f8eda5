//! §9 Cross-site request forgery.

use crate::expect::forbidden;
use authtool_tests::browser::Browser;
use authtool_tests::hostile::HostileOp;
use authtool_tests::{SESSION, Server, ServerConfig, Stage, Upstream, raw};
use http::Method;
use serde_json::json;

/// Same site as the app, another origin: what an abandoned subdomain is.
const SIBLING: &str = "http://localhost:1/";
const EVIL: &str = "http://evil.example/";

/// A server that forwards `/api`, with somebody logged in.
async fn with_api() -> (Stage, Upstream, Browser) {
    let upstream = Upstream::start().await;
    let op = HostileOp::start().await;
    let mut config = ServerConfig::new(op.issuer());
    config.set("/server/proxy", json!([{"prefix": "/api", "upstream": upstream.origin}]));
    let server = Server::start(config).await;
    let stage = Stage { server, op };
    let browser = stage.logged_in().await;
    (stage, upstream, browser)
}

#[tokio::test]
async fn sec_120_other_origins_get_nothing_though_they_are_same_site() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let session = stage.bff("/session");
    for from in [SIBLING, EVIL] {
        let answer = browser.fetch(from, &session).with_credentials().go().await;
        forbidden(from, &answer);
        assert!(answer.header("access-control-allow-origin").is_empty(), "{answer:?}");
        forbidden(from, &browser.fetch(from, &session).as_subresource("script").go().await);
        let preflight = browser
            .fetch(from, &session)
            .method(Method::OPTIONS)
            .header("access-control-request-method", "GET")
            .go()
            .await;
        assert!(preflight.header("access-control-allow-origin").is_empty(), "{preflight:?}");
    }
    // A client without Fetch Metadata is judged by its Origin.
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    for origin in ["http://localhost:1", "http://evil.example", "null"] {
        let answer = raw::get(&stage.server.public, "/bff/session")
            .header("cookie", &cookie)
            .header("origin", origin)
            .send()
            .await;
        forbidden(origin, &answer);
    }
}

#[tokio::test]
async fn sec_120_a_navigation_to_the_session_endpoint_shows_nothing() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let session = stage.bff("/session");
    for answer in [
        browser.open(&session).first_hop().go().await.answer,
        browser.follow(stage.app(), &session).in_frame().first_hop().go().await.answer,
        browser.follow(EVIL, &session).first_hop().go().await.answer,
    ] {
        forbidden("a navigation", &answer);
        assert!(!answer.text().contains("ada@example.com"), "{answer:?}");
    }
}

#[tokio::test]
async fn sec_120_the_forwarded_api_refuses_state_changes_from_other_origins() {
    let (stage, upstream, browser) = with_api().await;
    let api = stage.app().join("/api/orders").unwrap();
    let answer = browser.fetch(stage.app(), &api).form("a=b").go().await;
    assert_eq!(answer.status, 200, "the app's own request: {answer:?}");
    let before = upstream.arrived().len();
    for from in [SIBLING, EVIL] {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = browser.fetch(from, &api).method(method.clone()).with_credentials().go().await;
            assert_eq!(answer.status, 403, "{method} from {from}: {answer:?}");
        }
        let page = browser.follow(from, &api).posting("a=b").go().await;
        assert_eq!(page.status(), 403, "a form on {from}: {page:?}");
    }
    for (name, value) in
        [("origin", "http://localhost:1"), ("origin", "null"), ("sec-fetch-site", "same-site")]
    {
        let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
        let answer = raw::request("POST", &stage.server.public, "/api/orders")
            .header("cookie", cookie)
            .header(name, value)
            .body("application/json", "{}")
            .send()
            .await;
        assert_eq!(answer.status, 403, "{name}: {value}: {answer:?}");
    }
    assert_eq!(upstream.arrived().len(), before, "{:?}", upstream.arrived());
}

#[tokio::test]
async fn sec_122_only_our_own_origin_is_same_origin() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    let own = stage.app().origin().ascii_serialization();
    let post = || raw::request("POST", &stage.server.public, "/bff/logout").header("cookie", &cookie);
    let foreign = [
        "null".to_owned(),
        String::new(),
        format!("{own}.evil.example"),
        format!("http://evil.example#{own}"),
        format!("http://evil.example?{own}"),
        format!("http://evil.example\\@{own}"),
        format!("{own}@evil.example"),
        format!("{own}/"),
        format!("{own} http://evil.example"),
        format!("http://evil.example, {own}"),
        format!("{own}1"),
        own.replace("http:", "https:"),
        own.replace("localhost", "localhost."),
        own.replace("localhost", "127.0.0.1"),
        "http://localhost".to_owned(),
    ];
    for origin in foreign {
        let answer =
            post().header("origin", &origin).body("application/x-www-form-urlencoded", "").send().await;
        assert!(answer.set_cookies().is_empty(), "Origin {origin:?}: {answer:?}");
        assert_eq!(stage.session(&browser).await.status, 200, "Origin {origin:?} logged the user out");
    }
    for (what, request) in [
        ("no Origin and no Fetch Metadata", post()),
        ("two Origins", post().header("origin", &own).header("origin", "http://evil.example")),
        ("two Origins, reversed", post().header("origin", "http://evil.example").header("origin", &own)),
        ("a Referer only", post().header("referer", format!("{own}/"))),
        (
            "contradiction",
            post().header("sec-fetch-site", "same-origin").header("origin", "http://evil.example"),
        ),
    ] {
        let answer = request.body("application/x-www-form-urlencoded", "").send().await;
        assert!(answer.set_cookies().is_empty(), "{what}: {answer:?}");
        assert_eq!(stage.session(&browser).await.status, 200, "{what} logged the user out: {answer:?}");
    }
    let answer = post().header("origin", &own).body("application/x-www-form-urlencoded", "").send().await;
    assert!(matches!(answer.status.as_u16(), 302 | 303), "our own Origin: {answer:?}");
    assert_eq!(stage.session(&browser).await.status, 401);
}

#[tokio::test]
async fn sec_122_a_doubled_fetch_metadata_header_is_not_same_origin() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    for values in [["same-origin", "cross-site"], ["cross-site", "same-origin"]] {
        let answer = values
            .iter()
            .fold(raw::request("POST", &stage.server.public, "/bff/logout"), |request, value| {
                request.header("sec-fetch-site", value)
            })
            .header("cookie", &cookie)
            .body("application/x-www-form-urlencoded", "")
            .send()
            .await;
        assert!(answer.set_cookies().is_empty(), "{values:?}: {answer:?}");
        assert_eq!(stage.session(&browser).await.status, 200, "{values:?} logged the user out: {answer:?}");
    }
}

#[tokio::test]
async fn sec_123_methods_cannot_be_overridden() {
    let stage = Stage::with(|config| {
        config.set("/session/disableLogoutOnGet", json!(true));
    })
    .await;
    let browser = stage.logged_in().await;
    for header in ["x-http-method-override", "x-http-method", "x-method-override"] {
        let url = stage.bff("/logout?_method=POST");
        let page = browser.follow(stage.app(), url).header(header, "POST").first_hop().go().await;
        assert_eq!(page.status(), 405, "{header}: {page:?}");
    }
    assert_eq!(stage.session(&browser).await.status, 200);
}
