//! Gateways that ask about each request: the endpoint itself, and nginx and Caddy with their recipes.

use authtool_tests::browser::Browser;
use authtool_tests::caddy::Caddy;
use authtool_tests::nginx::Nginx;
use authtool_tests::{SESSION, Stage, Upstream, ports, raw};
use http::Method;
use serde_json::{Value, json};
use url::Url;

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
async fn a_person_behind_a_gateway_gets_a_page_with_a_login() {
    let stage = Stage::new().await;
    let ask = |path: &str| {
        raw::get(&stage.server.internal, FORWARD_AUTH)
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-uri", path)
    };
    for (path, login) in [
        ("/reports?a=1", "/bff/login?redirect_uri=%2Freports%3Fa%3D1\""),
        ("//evil.example/", "/bff/login\""),
        ("https://evil.example/", "/bff/login\""),
    ] {
        let answer =
            ask(path).header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document").send().await;
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
        assert!(answer.text().contains(&format!("<a href=\"{login}>Log in</a>")), "{path}: {answer:?}");
        assert!(answer.header("cache-control").contains("no-store"), "{path}: {answer:?}");
        let fetched = ask(path).header("sec-fetch-mode", "cors").send().await;
        assert_eq!((fetched.status.as_u16(), fetched.problem_code().as_str()), (401, "no_session"), "{path}");
    }
}

#[tokio::test]
async fn sec_155_and_158_and_162_nginx_exchanges_cookies_for_tokens_by_the_recipe() {
    let site = Site::new().await;
    let nginx =
        Nginx::start(site.port, &site.stage.server.public, &site.stage.server.internal, &site.api.origin)
            .await;
    site.expect_guarded_by(&nginx.public).await;
    let question = raw::get(&nginx.public, "/authtool-forward-auth").send().await;
    assert_eq!(question.status, 404, "{question:?}");
}

#[tokio::test]
async fn sec_155_and_158_and_162_caddy_exchanges_cookies_for_tokens_by_the_recipe() {
    let site = Site::new().await;
    let caddy =
        Caddy::start(site.port, &site.stage.server.public, &site.stage.server.internal, &site.api.origin)
            .await;
    site.expect_guarded_by(&caddy.public).await;
}

#[test]
fn the_recipe_for_traefik_strips_first_and_asks_for_every_request_to_the_api() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/traefik/authtool.yaml");
    let recipe: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let http = &recipe["http"];
    assert_eq!(http["routers"]["api"]["middlewares"], json!(["never-from-clients", "authtool"]));
    let auth = &http["middlewares"]["authtool"]["forwardAuth"];
    assert_eq!(auth["trustForwardHeader"], json!(false));
    assert_eq!(auth["authResponseHeaders"], json!(["Authorization", "Cookie"]));
    assert!(auth["address"].as_str().unwrap().ends_with(FORWARD_AUTH));
    let stripped =
        http["middlewares"]["never-from-clients"]["headers"]["customRequestHeaders"].as_object().unwrap();
    assert!(stripped.values().all(|it| it == ""), "{stripped:?}");
    let is_stripped = |name: &str| stripped.keys().any(|it| it.eq_ignore_ascii_case(name));
    let caddy =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/caddy/Caddyfile")).unwrap();
    for name in caddy.lines().filter_map(|line| line.trim().strip_prefix("request_header -")) {
        // Traefik sets this one itself, whatever the client says.
        assert!(
            name.contains('*') || name == "X-Real-Ip" || is_stripped(name),
            "{name} is stripped by Caddy"
        );
    }
    for prefix in ["X-Authtool-Dpop-", "X-Forwarded-", "X-Auth-Request-"] {
        assert!(stripped.keys().any(|it| it.starts_with(prefix)), "{prefix}");
    }
    for name in ["Remote_User", "X_Forwarded_User", "X_Jwt_Payload", "X_Auth_Request_User"] {
        assert!(is_stripped(name), "{name}, which many servers take for a dash");
    }
    for router in http["routers"].as_object().unwrap().values() {
        assert!(http["services"].get(router["service"].as_str().unwrap()).is_some(), "{router}");
    }
}

/// A server and an API, for a gateway to stand before.
struct Site {
    port: u16,
    stage: Stage,
    api: Upstream,
}

impl Site {
    async fn new() -> Self {
        let port = ports::free();
        let app = format!("http://localhost:{port}");
        let stage = Stage::with(|config| {
            config.set("/client/redirect_uri", json!(format!("{app}/bff/oauth/callback")));
        })
        .await;
        Self { port, stage, api: Upstream::start().await }
    }

    /// What every gateway has to do, with a recipe of ours.
    async fn expect_guarded_by(mut self, gateway: &Url) {
        let at = |path: &str| gateway.join(path).unwrap();
        let browser = Browser::new();
        browser.follow(gateway.clone(), at("/bff/login")).go().await;
        let answer = browser.fetch(gateway.clone(), at("/bff/session")).go().await;
        assert_eq!((answer.status.as_u16(), answer.json()["email"].as_str()), (200, Some("ada@example.com")));

        let answer = browser
            .fetch(gateway.clone(), at("/api/orders?a=1"))
            .method(Method::POST)
            .form("x=y")
            .header("authorization", "Bearer forged")
            .header("x-forwarded-user", "root")
            .header("x-forwarded-method", "GET")
            .header("x-jwt-payload", "forged")
            .header("x_forwarded_user", "root")
            .header("remote_user", "root")
            .header("x-jwt_payload", "forged")
            .go()
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let arrived = self.api.last();
        let token = format!("Bearer {}", self.stage.op.access_tokens().pop().unwrap());
        assert_eq!((arrived.method.as_str(), arrived.uri.to_string().as_str()), ("POST", "/api/orders?a=1"));
        assert_eq!(arrived.header("authorization"), token, "{arrived:?}");
        for name in [
            "cookie",
            "x-forwarded-user",
            "x-jwt-payload",
            "x_forwarded_user",
            "remote_user",
            "x-jwt_payload",
        ] {
            assert_eq!(arrived.header(name), "", "{name}: {arrived:?}");
        }
        let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
        let both = raw::get(gateway, "/api/x").header("cookie", format!("a=1; {cookie}; b=2")).send().await;
        assert_eq!((both.status.as_u16(), self.api.last().header("cookie").as_str()), (200, "a=1; b=2"));

        let before = self.api.arrived().len();
        for (what, status, request) in [
            ("no session", 401, raw::get(gateway, "/api/x").header("authorization", "Bearer forged")),
            (
                "another site",
                403,
                raw::request("POST", gateway, "/api/x")
                    .header("cookie", &cookie)
                    .header("origin", "https://evil.example"),
            ),
            (
                "a WebSocket of another site",
                403,
                raw::get(gateway, "/api/x")
                    .header("cookie", &cookie)
                    .header("origin", "https://evil.example")
                    .header("connection", "Upgrade")
                    .header("upgrade", "websocket")
                    .header("sec-websocket-version", "13")
                    .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ),
            ("the token endpoint", 404, raw::get(gateway, "/bff/token").header("cookie", &cookie)),
        ] {
            let answer = request.send().await;
            assert_eq!(answer.status, status, "{what}: {answer:?}");
        }
        self.stage.server.kill();
        let answer = raw::get(gateway, "/api/x").header("cookie", &cookie).send().await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(self.api.arrived().len(), before, "nothing reached the API");
    }
}
