//! `GET /-/healthz` and `GET /-/ready`: on the internal listener with the reasons, on the public one with a status alone.
//!
//! Both answer from what is known: from the last probe of the store, and from the state of the providers. Whoever asks, strangers
//! included, causes no work.

use std::sync::Arc;

use authtool_contract::endpoint;
use axum::{
    Router,
    body::Body,
    extract::State,
    middleware,
    response::Response,
    routing::{MethodFilter, on},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    App,
    answer::{self, method_not_allowed},
    correlation::CorrelationId,
    headers,
};
use crate::ports::{Readiness, StoreError};

/// What is known of the providers and of the store.
struct Known {
    issuers: Vec<Readiness>,
    store: Result<(), Arc<StoreError>>,
}

impl Known {
    async fn of(app: &App) -> Self {
        let (issuers, store) = tokio::join!(app.server.ready(), app.store_watch.last());
        Self { issuers, store }
    }

    /// With several issuers, one that is in trouble is no reason to keep the others' users away.
    fn has_a_usable_issuer(&self) -> bool {
        self.issuers.iter().any(|issuer| issuer.trouble.is_none())
    }

    fn is_ready(&self) -> bool {
        self.has_a_usable_issuer() && self.store.is_ok()
    }

    /// With a reason for each part that is missing.
    fn in_words(&self) -> Value {
        let part = |trouble: &'static str, reason: Option<String>| match reason {
            None => json!({"status": "ok"}),
            Some(reason) => json!({"status": trouble, "reason": reason}),
        };
        let reasons: Vec<_> = self
            .issuers
            .iter()
            .filter_map(|it| Some(format!("{}: {}", it.issuer, it.trouble.as_ref()?)))
            .collect();
        let trouble = if self.has_a_usable_issuer() { "degraded" } else { "unavailable" };
        json!({
            "status": if self.is_ready() { "ready" } else { "not_ready" },
            "provider": part(trouble, (!reasons.is_empty()).then(|| reasons.join("; "))),
            "store": part("unavailable", self.store.as_ref().err().map(ToString::to_string)),
        })
    }
}

/// The process is alive. Touches nothing else: a store that is down is no reason to restart the server.
pub(crate) async fn healthz() -> Response {
    answer::json(r#"{"status":"ok"}"#)
}

/// Whether a login would work, and if not, which part is missing.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let known = Known::of(&app).await;
    let mut response = answer::json(known.in_words().to_string());
    if !known.is_ready() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

async fn healthz_for_anybody() -> Response {
    Response::new(Body::empty())
}

async fn ready_for_anybody(State(app): State<Arc<App>>) -> Response {
    let mut response = Response::new(Body::empty());
    if !Known::of(&app).await.is_ready() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// The public listener's answers to probes, before `rest`. To be a fallback: an app in which our router is mounted may have routes
/// of its own at these paths, and routes that overlap are a panic.
pub(super) fn for_anybody_before(app: &Arc<App>, rest: Router) -> Router {
    let either = MethodFilter::GET.or(MethodFilter::HEAD);
    let refuse = async |id: CorrelationId| method_not_allowed("GET, HEAD", &id);
    Router::new()
        .route(endpoint::HEALTHZ, on(either, healthz_for_anybody).fallback(refuse))
        .route(endpoint::READY, on(either, ready_for_anybody).fallback(refuse))
        .layer(middleware::from_fn(headers::protect))
        .with_state(Arc::clone(app))
        .fallback_service(rest)
}
