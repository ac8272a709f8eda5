//! The server: pages, server functions and authtool in one router.

use authtool_bff::Bff;
use authtool_bff::config::Mode;
use authtool_leptos::server::{Sessions, with_session};
use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_axum::{LeptosRoutes, ResponseOptions, generate_route_list, render_app_to_stream_with_context};
use tower::ServiceExt as _;

use crate::App;
use crate::api::Api;
use crate::direct_api::{DirectApi, use_direct_api};

/// The whole app. `api` is the origin of the API that the server functions call, and in `tokenExchange` mode the page.
pub fn app(bff: &Bff, mode: Mode, api: String) -> Result<Router, reqwest::Error> {
    let options = LeptosOptions::builder().output_name("app").build();
    let direct = (mode == Mode::TokenExchange).then(|| DirectApi(api.clone()));
    let api = Api::new(api)?;
    let context = move || {
        provide_context(api.clone());
        if let Some(direct) = &direct {
            provide_context(direct.clone());
        }
        protect(direct.as_ref());
    };
    let session = from_fn_with_state(Sessions::mounted(bff), with_session);
    let nothing_here = Router::new()
        .fallback(render_app_to_stream_with_context(context.clone(), document))
        .layer(session.clone());
    let pages = Router::new()
        .leptos_routes_with_context(&options, generate_route_list(App), context, document)
        .with_state(options)
        .layer(session);
    // Its `server.static` serves the scripts and styles.
    Ok(pages.merge(bff.public_router()).layer(from_fn_with_state(nothing_here, page_instead_of_nothing)))
}

/// Whoever opens an address at which there is nothing gets the app's page about it, with the status as it is.
async fn page_instead_of_nothing(
    State(nothing_here): State<Router>,
    request: Request,
    next: Next,
) -> Response {
    let accepts = request.headers().get(header::ACCEPT).and_then(|accepts| accepts.to_str().ok());
    let by_a_person =
        request.method() == Method::GET && accepts.is_some_and(|accepts| accepts.contains("text/html"));
    let (parts, body) = request.into_parts();
    let again = by_a_person.then(|| Request::from_parts(parts.clone(), Body::empty()));
    let response = next.run(Request::from_parts(parts, body)).await;
    match again {
        Some(request) if response.status() == StatusCode::NOT_FOUND && response.body().is_end_stream() => {
            let Ok(page) = nothing_here.oneshot(request).await;
            (StatusCode::NOT_FOUND, page).into_response()
        }
        _ => response,
    }
}

/// What is around the app, in the first chunk that the browser gets.
fn document() -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                {use_direct_api().map(|DirectApi(origin)| view! { <meta name="authtool-api" content=origin/> })}
                <title>"authtool demo"</title>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml"/>
                <link rel="stylesheet" href="/style.css"/>
                <script type="module" src="/start.js"></script>
            </head>
            <body><App/></body>
        </html>
    }
}

/// The strictest policy under which the page works. The nonce is that of Leptos's own inline scripts, which bring the
/// server's data.
fn protect(direct: Option<&DirectApi>) {
    let api = direct.map(|DirectApi(origin)| format!(" {origin}")).unwrap_or_default();
    let (Some(response), Some(nonce)) = (use_context::<ResponseOptions>(), use_nonce()) else { return };
    let policy = format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; \
         connect-src 'self'{api}; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        response.insert_header(name, HeaderValue::from_static(value));
    }
}
