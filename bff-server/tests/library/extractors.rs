//! The extractors in an app of somebody else's.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use authtool_bff::{
    Bff, Config,
    extract::{AccessToken, Session},
};
use axum::{
    Router,
    body::{Body, to_bytes},
    routing::{get, post},
};
use http::{Request, StatusCode};
use tower::ServiceExt as _;

fn app() -> Router {
    let config = serde_json::json!({
        "client": {
            // Nobody listens there: what is tested here needs no provider.
            "issuer": "http://127.0.0.1:9",
            "clientId": "app",
            "redirect_uri": "https://app.example/bff/oauth/callback",
            "credentials": {"secret": "secret"},
            "scope": "openid",
        },
        "session": {
            "mode": {"type": "bff"},
            "signingKey": "0123456789abcdefghijklmnopqrstuv",
            "encryptionKey": "vutsrqponmlkjihgfedcba9876543210",
        },
        "server": {"apiPrefix": "/bff"},
    });
    let config = Config::from_json(&config.to_string()).unwrap();
    let bff = Bff::start(&config).unwrap();
    Router::new()
        .route("/me", get(async |session: Session| session.claims["email"].to_string()))
        .route("/orders", post(async |token: AccessToken| token.expose().len().to_string()))
        .layer(bff.extractors())
        .merge(bff.public_router())
}

async fn ask(request: Request<Body>) -> (StatusCode, serde_json::Value, http::HeaderMap) {
    let response = app().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 10_000).await.unwrap();
    (parts.status, serde_json::from_slice(&body).unwrap(), parts.headers)
}

#[tokio::test]
async fn a_handler_does_not_run_without_a_session() {
    let forged = "__Host-session_id=1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for cookie in ["", "theme=dark", forged] {
        let (status, problem, headers) =
            ask(Request::get("/me").header("cookie", cookie).body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{cookie}");
        assert_eq!(problem["code"], "no_session");
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(headers["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn sec_120_a_handler_does_not_run_for_another_site() {
    let (status, problem, _) =
        ask(Request::post("/orders").header("origin", "https://evil.example").body(Body::empty()).unwrap())
            .await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &"forbidden_context".into()));
}

#[tokio::test]
async fn the_mounted_endpoints_answer_beside_the_apps_own() {
    let (status, problem, _) = ask(Request::get("/bff/session").body(Body::empty()).unwrap()).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &"no_session".into()));
}

#[tokio::test]
async fn an_app_may_have_probes_of_its_own_where_ours_would_be() {
    let status = async |app: Router, method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = app.oneshot(request).await.unwrap();
        (response.status().as_u16(), to_bytes(response.into_body(), 10_000).await.unwrap())
    };
    let with_own = || {
        let own = Router::new()
            .route("/-/ready", get(async || "the app is ready"))
            .route("/-/{*rest}", post(async || "own"));
        own.merge(app())
    };
    assert_eq!(status(with_own(), "GET", "/-/ready").await, (200, "the app is ready".into()));
    assert_eq!(status(with_own(), "POST", "/-/healthz").await, (200, "own".into()));
    // Nobody has anything there: ours answer. No provider is there, so that nobody could log in.
    for method in ["GET", "HEAD"] {
        assert_eq!(status(app(), method, "/-/healthz").await, (200, "".into()), "{method}");
        assert_eq!(status(app(), method, "/-/ready").await, (503, "".into()), "{method}");
    }
    assert_eq!(status(app(), "POST", "/-/ready").await.0, 405);
    let nested = Router::new().nest("/inner", app());
    assert_eq!(status(nested, "GET", "/inner/-/healthz").await, (200, "".into()));
}
