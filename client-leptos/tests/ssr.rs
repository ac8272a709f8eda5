//! Pages as the server renders them, for those who have no session, and where none can be found out. What somebody who is
//! logged in gets to see is tested with a real login, in the repository's `tests`.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use authtool_leptos::server::{self, NoAccess, RemoteBff, Sessions, with_session};
use authtool_leptos::{
    Authenticated, AuthtoolOptions, LogoutForm, RequireAuth, Unauthenticated, provide_authtool, use_authtool,
};
use axum::body::{Body, to_bytes};
use axum::middleware::from_fn_with_state;
use axum::{Router, routing::get};
use http::{Request, Response};
use leptos::prelude::*;
use tower::ServiceExt as _;

#[component]
fn App() -> impl IntoView {
    provide_authtool(AuthtoolOptions::default());
    let status = use_authtool().status;
    view! {
        <p>"status: " {move || format!("{:?}", status.get())}</p>
        <Unauthenticated>"nobody"</Unauthenticated>
        <Authenticated>"somebody"<LogoutForm>"out"</LogoutForm></Authenticated>
        <RequireAuth>"secret"</RequireAuth>
    }
}

fn mounted() -> Sessions {
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
    let config = authtool_bff::Config::from_json(&config.to_string()).unwrap();
    Sessions::mounted(&authtool_bff::Bff::start(&config).unwrap())
}

/// Where nobody listens.
fn unreachable() -> Sessions {
    Sessions::remote(RemoteBff::new("http://127.0.0.1:9/bff").unwrap())
}

async fn page(sessions: Option<Sessions>, request: Request<Body>) -> (Response<()>, String) {
    // It also starts the executor.
    drop(leptos_axum::generate_route_list(|| ()));
    let app = Router::new().fallback(get(leptos_axum::render_app_to_stream(|| view! { <App/> })));
    let app = match sessions {
        Some(sessions) => app.layer(from_fn_with_state(sessions, with_session)),
        None => app,
    };
    let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, 100_000).await.unwrap();
    (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
}

fn with_cookie(uri: &str) -> Request<Body> {
    Request::get(uri).header("cookie", "__Host-session_id=forged").body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_stranger_gets_the_page_of_strangers_and_a_link_that_leads_back_to_it() {
    let (response, html) = page(Some(mounted()), with_cookie("/a?b=c")).await;
    assert!(html.contains("Unauthenticated") && html.contains("nobody"), "{html}");
    assert!(!html.contains("somebody") && !html.contains("secret"), "{html}");
    assert!(html.contains("/bff/login?redirect_uri=%2Fa%3Fb%3Dc"), "{html}");
    assert!(html.contains(r#"rel="external""#), "{html}");
    assert_eq!(response.headers()["cache-control"], "no-store");
}

#[tokio::test]
async fn an_outage_is_not_shown_as_a_logout() {
    let (_, html) = page(Some(unreachable()), with_cookie("/")).await;
    assert!(html.contains("Unavailable") && !html.contains("nobody"), "{html}");
}

#[tokio::test]
async fn a_request_without_a_cookie_asks_nobody() {
    let (_, html) = page(Some(unreachable()), Request::get("/").body(Body::empty()).unwrap()).await;
    assert!(html.contains("Unauthenticated"), "{html}");
}

#[tokio::test]
async fn without_the_middleware_the_browser_finds_out() {
    let (_, html) = page(None, with_cookie("/")).await;
    assert!(
        html.contains("Initialising") && !html.contains("nobody") && !html.contains("somebody"),
        "{html}"
    );
}

/// What [`server::session`] and [`server::access_token`] say about a request.
async fn asked(sessions: Option<Sessions>, request: Request<Body>) -> (NoAccess, NoAccess) {
    let app = Router::new().fallback(|request: Request<Body>| async move {
        let owner = Owner::new();
        let (parts, _) = request.into_parts();
        owner.set();
        provide_context(parts);
        let both = (server::session().await.unwrap_err(), server::access_token().await.unwrap_err());
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(both);
        response
    });
    let app = match sessions {
        Some(sessions) => app.layer(from_fn_with_state(sessions, with_session)),
        None => app,
    };
    let mut response = app.oneshot(request).await.unwrap();
    response.extensions_mut().remove().unwrap()
}

#[tokio::test]
async fn sec_120_a_server_function_that_another_site_calls_gets_nothing() {
    for sessions in [mounted(), unreachable()] {
        let request = Request::post("/api/rename")
            .header("host", "app.example")
            .header("origin", "https://evil.example")
            .header("sec-fetch-site", "cross-site")
            .header("cookie", "__Host-session_id=forged")
            .body(Body::empty())
            .unwrap();
        assert_eq!(asked(Some(sessions), request).await, (NoAccess::Forbidden, NoAccess::Forbidden));
    }
}

#[tokio::test]
async fn a_server_function_is_told_what_is_the_matter() {
    let request = || {
        Request::post("/api/rename")
            .header("host", "app.example")
            .header("origin", "https://app.example")
            .header("cookie", "__Host-session_id=forged")
            .body(Body::empty())
            .unwrap()
    };
    let down = NoAccess::Unavailable { status: 0, correlation_id: None };
    for (sessions, expected) in [
        (Some(mounted()), NoAccess::Unauthenticated),
        (Some(unreachable()), down),
        (None, NoAccess::NotSetUp),
    ] {
        assert_eq!(asked(sessions, request()).await, (expected.clone(), expected));
    }
}
