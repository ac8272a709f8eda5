//! An axum app with authtool inside: one process, no gateway. The app's own handlers take the session, or
//! an access token for another API, as arguments.
//!
//! ```sh
//! cargo run --package authtool-example-embed-axum -- authtool.json 127.0.0.1:3000
//! ```

use authtool_bff::{
    Bff, Config,
    extract::{AccessToken, Session},
};
use axum::{Json, Router, routing::get};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().init();
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("usage: authtool-example-embed-axum CONFIG ADDRESS".into());
    };
    let config = Config::load(file.as_ref())?;
    let bff = Bff::start(&config)?;
    let app = app(&bff);

    let listener = tokio::net::TcpListener::bind(&address).await?;
    axum::serve(listener, app).with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    // Refreshes and revocations that are under way are finished.
    bff.drain().await;
    Ok(())
}

/// The app's own routes, and authtool's beside them.
fn app(bff: &Bff) -> Router {
    Router::new()
        .route("/api/me", get(me))
        .route("/api/orders", get(orders))
        .layer(bff.extractors())
        .merge(bff.public_router())
}

/// Runs only for somebody who is logged in; everybody else gets a 401 that says so.
async fn me(session: Session) -> Json<Value> {
    Json(json!({ "claims": session.claims, "expires_in": session.expires_in }))
}

/// A real handler would call another service with this token.
async fn orders(token: AccessToken) -> Json<Value> {
    Json(json!({ "token_length": token.expose().len(), "usable_for_secs": token.expires_in }))
}
