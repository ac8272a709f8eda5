//! The server: pages, server functions and authtool in one router.

use authtool_bff::Bff;
use authtool_bff::config::Mode;
use authtool_leptos::server::{Sessions, with_session};
use axum::Router;
use axum::middleware::from_fn_with_state;
use http::{HeaderName, HeaderValue, header};
use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_axum::{LeptosRoutes, ResponseOptions, generate_route_list};

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
    let pages = Router::new()
        .leptos_routes_with_context(&options, generate_route_list(App), context, document)
        .with_state(options)
        .layer(from_fn_with_state(Sessions::mounted(bff), with_session));
    // Its `server.static` serves the scripts and styles.
    Ok(pages.merge(bff.public_router()))
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
