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

/// Whether a login would work, as the last probe found, and if not, which part is missing. With several issuers, one that is in trouble is
/// named, but is no reason to keep the others' users away.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let (issuers, store) = tokio::join!(app.server.ready(), app.store_watch.last());
    let part = |trouble: &'static str, reason: Option<String>| match reason {
        None => json!({"status": "ok"}),
        Some(reason) => json!({"status": trouble, "reason": reason}),
    };
    let usable = issuers.iter().any(|issuer| issuer.trouble.is_none());
    let reasons: Vec<_> =
        issuers.iter().filter_map(|it| Some(format!("{}: {}", it.issuer, it.trouble.as_ref()?))).collect();
    let trouble = if usable { "degraded" } else { "unavailable" };
    let ready = usable && store.is_ok();
    let body = json!({
        "status": if ready { "ready" } else { "not_ready" },
        "provider": part(trouble, (!reasons.is_empty()).then(|| reasons.join("; "))),
        "store": part("unavailable", store.err().map(|error| error.to_string())),
    });
    let mut response = answer::json(body.to_string());
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}
