//! `authtool-leptos` on the server: pages that are rendered for somebody who is logged in, for real.
#![allow(clippy::unwrap_used)]

use authtool_bff::{Bff, Config};
use authtool_leptos::server::{self, RemoteBff, Sessions, with_session};
use authtool_leptos::{Authenticated, AuthtoolOptions, Unauthenticated, provide_authtool, use_user};
use authtool_tests::browser::Browser;
use authtool_tests::hostile::HostileOp;
use authtool_tests::{Answer, SESSION, ServerConfig, Stage, ports, wait};
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::{Router, routing::get, routing::post};
use leptos::prelude::*;
use serde_json::{Map, Value, json};
use url::Url;

#[component]
fn App() -> impl IntoView {
    provide_authtool(AuthtoolOptions::default());
    let user = use_user::<Map<String, Value>>();
    let email = move || user.get().and_then(|user| user.get("email")?.as_str().map(str::to_owned));
    view! {
        <Unauthenticated>"nobody"</Unauthenticated>
        <Authenticated>"hello " {email}</Authenticated>
    }
}

/// What a server function would do.
async fn orders(request: Request) -> Result<String, String> {
    let (parts, _) = request.into_parts();
    let owner = Owner::new();
    owner.set();
    provide_context(parts);
    let session = server::session().await.map_err(|error| error.to_string())?;
    let token = server::access_token().await.map_err(|error| error.to_string())?;
    Ok(format!("{} {}", session.claims.get("email").unwrap_or(&Value::Null), token.expose().len()))
}

/// An app of its own, beside or around authtool.
fn app(sessions: Sessions) -> Router {
    // It also starts the executor.
    drop(leptos_axum::generate_route_list(|| ()));
    Router::new()
        .route("/orders", post(orders))
        .route("/", get(leptos_axum::render_app_to_stream(|| view! { <App/> })))
        .layer(from_fn_with_state(sessions, with_session))
}

async fn serve(app: Router, port: u16) -> Url {
    let listener = ports::listen(port).await;
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    Url::parse(&format!("http://localhost:{port}/")).unwrap()
}

/// One process with everything in it.
async fn embedded() -> (HostileOp, Url) {
    let op = HostileOp::start().await;
    let mut config = ServerConfig::new(op.issuer());
    config.remove("/server/static").set("/session/sameSiteReturn", json!(true));
    let bff = Bff::start(&Config::from_json(&config.text()).unwrap()).unwrap();
    let internal = serve(bff.internal_router(), config.internal_port()).await;
    wait::until("the server knows its provider", async || {
        let answer = Browser::new().open(internal.join("/-/ready").unwrap()).go().await;
        answer.status().is_success().then_some(())
    })
    .await;
    let url = serve(app(Sessions::mounted(&bff)).merge(bff.public_router()), config.public_port()).await;
    (op, url)
}

fn no_token_in(html: &str, op: &HostileOp) {
    for token in [op.access_tokens(), op.refresh_tokens(), op.id_tokens()].concat() {
        assert!(!html.contains(&token), "{html}");
    }
    assert!(!html.contains("canary-"), "{html}");
}

#[tokio::test]
async fn the_first_page_after_a_login_is_the_users_and_holds_no_token() {
    let (op, url) = embedded().await;
    let browser = Browser::new();
    let before = browser.open(url.clone()).go().await;
    assert!(before.answer.text().contains("nobody"), "{before:#?}");
    let after = browser.follow(url.clone(), url.join("/bff/login").unwrap()).go().await;
    assert!(browser.cookie(SESSION).is_some(), "{after:#?}");
    let page = browser.open(url).go().await;
    let html = page.answer.text();
    assert!(html.contains("hello ") && !html.contains("nobody"), "{html}");
    assert_eq!(page.answer.header("cache-control"), "no-store");
    no_token_in(&html, &op);
}

async fn calls(browser: &Browser, from: &Url, origin: Option<&str>) -> Answer {
    let url = from.join("/orders").unwrap();
    match origin {
        None => browser.fetch(from.clone(), url).method(http::Method::POST).go().await,
        Some(other) => browser.fetch(other, url).method(http::Method::POST).with_credentials().go().await,
    }
}

#[tokio::test]
async fn sec_120_server_functions_know_the_user_and_no_other_site_calls_them_for_one() {
    let (op, url) = embedded().await;
    let browser = Browser::new();
    browser.follow(url.clone(), url.join("/bff/login").unwrap()).go().await;
    let answer = calls(&browser, &url, None).await;
    let token = op.access_tokens().pop().unwrap();
    assert!(answer.text().ends_with(&format!(" {}", token.len())), "{answer:?}");
    // Another port is the same site: the cookie comes along.
    let answer = calls(&browser, &url, Some("http://localhost:1/")).await;
    assert!(answer.text().contains("may not be made from here"), "{answer:?}");
}

#[tokio::test]
async fn a_server_elsewhere_is_asked_with_the_session_cookie() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let bff = RemoteBff::new(stage.bff("").as_str()).unwrap();
    // Cookies know no ports: the browser sends the same ones to the app's own.
    let url = serve(app(Sessions::remote(bff)), ports::free()).await;
    let html = browser.open(url.clone()).go().await.answer.text();
    assert!(html.contains("hello ") && !html.contains("nobody"), "{html}");
    no_token_in(&html, &stage.op);
    let answer = calls(&browser, &url, None).await;
    let token = stage.op.access_tokens().pop().unwrap();
    assert!(answer.text().ends_with(&format!(" {}", token.len())), "{answer:?}");
    stage.log_out(&browser).await;
}
