//! Gateways that ask about each request: the endpoint itself, and nginx with the recipe.

use authtool_tests::browser::Browser;
use authtool_tests::nginx::Nginx;
use authtool_tests::{SESSION, Stage, Upstream, ports, raw};
use http::Method;
use serde_json::json;

const FORWARD_AUTH: &str = "/-/forward-auth";

#[tokio::test]
async fn a_gateway_learns_whether_a_request_may_go_on_and_with_what() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let cookie =
        format!("a=1; {SESSION}={}; __Host-authtool_logout=x; b=2", browser.cookie(SESSION).unwrap());
    let ask = |method: &str| {
        raw::get(&stage.server.internal, FORWARD_AUTH)
            .header("x-original-method", method)
            .header("sec-fetch-site", "same-origin")
            .header("cookie", &cookie)
    };
    for method in ["GET", "POST", "DELETE"] {
        let answer = ask(method).send().await;
        assert_eq!(answer.status, 200, "{method}: {answer:?}");
        assert_eq!(answer.header("authorization"), format!("Bearer {}", stage.op.access_tokens()[0]));
        assert_eq!(answer.header("cookie"), "a=1; b=2");
        assert!(answer.body.is_empty() && answer.header("cache-control").contains("no-store"), "{answer:?}");
    }
    for (what, status, request) in [
        ("no method", 400, raw::get(&stage.server.internal, FORWARD_AUTH).header("cookie", &cookie)),
        ("two methods", 400, ask("GET").header("x-forwarded-method", "POST")),
        ("no method at all", 400, ask("GE T")),
        (
            "another site",
            403,
            raw::get(&stage.server.internal, FORWARD_AUTH)
                .header("x-original-method", "GET")
                .header("sec-fetch-site", "cross-site")
                .header("sec-fetch-mode", "cors")
                .header("cookie", &cookie),
        ),
        (
            "no proof",
            403,
            raw::get(&stage.server.internal, FORWARD_AUTH)
                .header("x-original-method", "POST")
                .header("cookie", &cookie),
        ),
        (
            "no session",
            401,
            raw::get(&stage.server.internal, FORWARD_AUTH).header("x-original-method", "GET"),
        ),
    ] {
        let answer = request.send().await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert_eq!(answer.header("authorization"), "", "{what}: {answer:?}");
    }
    let public = raw::get(&stage.server.public, FORWARD_AUTH).header("cookie", &cookie).send().await;
    assert!(!public.everything().contains("Bearer"), "SEC-145: {public:?}");
}

#[tokio::test]
async fn sec_155_158_and_162_nginx_exchanges_cookies_for_tokens_by_the_recipe() {
    let port = ports::free();
    let app = format!("http://localhost:{port}");
    let mut stage = Stage::with(|config| {
        config.set("/client/redirect_uri", json!(format!("{app}/bff/oauth/callback")));
    })
    .await;
    let api = Upstream::start().await;
    let nginx = Nginx::start(port, &stage.server.public, &stage.server.internal, &api.origin).await;
    let at = |path: &str| nginx.public.join(path).unwrap();
    let browser = Browser::new();
    browser.follow(nginx.public.clone(), at("/bff/login")).go().await;
    let answer = browser.fetch(nginx.public.clone(), at("/bff/session")).go().await;
    assert_eq!((answer.status.as_u16(), answer.json()["email"].as_str()), (200, Some("ada@example.com")));

    let answer = browser
        .fetch(nginx.public.clone(), at("/api/orders?a=1"))
        .method(Method::POST)
        .form("x=y")
        .header("authorization", "Bearer forged")
        .header("x-forwarded-user", "root")
        .header("x-forwarded-method", "GET")
        .go()
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let arrived = api.last();
    let token = format!("Bearer {}", stage.op.access_tokens().pop().unwrap());
    assert_eq!(arrived.header("authorization"), token, "{arrived:?}");
    assert_eq!(
        (arrived.header("cookie"), arrived.header("x-forwarded-user")),
        (String::new(), String::new())
    );

    let before = api.arrived().len();
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    for (what, status, request) in [
        ("no session", 401, raw::get(&nginx.public, "/api/x").header("authorization", "Bearer forged")),
        (
            "another site",
            403,
            raw::request("POST", &nginx.public, "/api/x")
                .header("cookie", &cookie)
                .header("origin", "https://evil.example"),
        ),
        ("the token endpoint", 404, raw::get(&nginx.public, "/bff/token").header("cookie", &cookie)),
        (
            "the question itself",
            404,
            raw::get(&nginx.public, "/authtool-forward-auth").header("cookie", &cookie),
        ),
    ] {
        let answer = request.send().await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
    }
    stage.server.kill();
    let answer = raw::get(&nginx.public, "/api/x").header("cookie", &cookie).send().await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(api.arrived().len(), before, "nothing reached the API");
}
