//! `GET /-/healthz` and `GET /-/ready`, on the internal listener.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde_json::json;

use super::{App, answer};

/// The process is alive. Touches nothing else: a store that is down is no reason to restart the server.
pub(crate) async fn healthz() -> Response {
    answer::json(r#"{"status":"ok"}"#)
}

/// Whether a login would work, and if not, which part is missing.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let (provider, store) = tokio::join!(app.server.ready(), app.store.ping());
    let part = |problem: Option<String>| match problem {
        None => json!({"status": "ok"}),
        Some(reason) => json!({"status": "unavailable", "reason": reason}),
    };
    let ready = provider.is_ok() && store.is_ok();
    let body = json!({
        "status": if ready { "ready" } else { "not_ready" },
        "provider": part(provider.err().map(|error| error.to_string())),
        "store": part(store.err().map(|error| error.to_string())),
    });
    let mut response = answer::json(body.to_string());
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}
