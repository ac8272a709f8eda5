//! `GET /-/healthz` and `GET /-/ready`: on the internal listener with the reasons, on the public one with a status alone.
//!
//! Anybody can ask the public listener. So it answers from the latest probe, whoever had it made, and has one made itself
//! only where that is [older](MAX_AGE), and one for all who ask meanwhile.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use authtool_contract::endpoint;
use axum::{
    Router,
    body::Body,
    extract::State,
    middleware,
    response::Response,
    routing::{MethodFilter, on},
};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    App,
    answer::{self, method_not_allowed},
    correlation::CorrelationId,
    headers,
};
use crate::ports::{AuthorizationServer, Readiness, SessionStore, StoreError};

/// How old the result of a probe may be that the public listener answers with. Strangers cause no more than one probe in this
/// time.
const MAX_AGE: Duration = Duration::from_secs(5);

/// What a look at the providers and the store has found.
struct Probe {
    issuers: Vec<Readiness>,
    store: Result<(), StoreError>,
}

impl Probe {
    async fn of(server: &dyn AuthorizationServer, store: &dyn SessionStore) -> Self {
        let (issuers, store) = tokio::join!(server.ready(), store.ping());
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

/// The latest probe, or the one that is under way.
#[derive(Default)]
pub(crate) struct LatestProbe(Mutex<Option<Running>>);

struct Running {
    began: Instant,
    is_ready: Shared<BoxFuture<'static, bool>>,
}

impl LatestProbe {
    /// Keeps the result of a probe that somebody else had made.
    fn note(&self, is_ready: bool) {
        let is_ready = std::future::ready(is_ready).boxed().shared();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Running { began: Instant::now(), is_ready });
    }

    /// The result of the latest probe; of a new one, if that is too old. The new one goes on when whoever asks goes away: otherwise
    /// strangers who hang up could begin as many as they like.
    async fn recent(&self, probe: impl Future<Output = bool> + Send + 'static) -> bool {
        let is_ready = {
            let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let is_good = |it: &&Running| it.began.elapsed() < MAX_AGE || it.is_ready.peek().is_none();
            match latest.as_ref().filter(is_good) {
                Some(running) => running.is_ready.clone(),
                None => {
                    let probe = tokio::spawn(probe);
                    let is_ready = async { probe.await.unwrap_or(false) }.boxed().shared();
                    *latest = Some(Running { began: Instant::now(), is_ready: is_ready.clone() });
                    is_ready
                }
            }
        };
        is_ready.await
    }
}

/// The process is alive. Touches nothing else: a store that is down is no reason to restart the server.
pub(crate) async fn healthz() -> Response {
    answer::json(r#"{"status":"ok"}"#)
}

/// Whether a login would work, and if not, which part is missing.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let probe = Probe::of(&*app.server, &*app.store).await;
    app.latest_probe.note(probe.is_ready());
    let mut response = answer::json(probe.in_words().to_string());
    if !probe.is_ready() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

async fn healthz_for_anybody() -> Response {
    Response::new(Body::empty())
}

async fn ready_for_anybody(State(app): State<Arc<App>>) -> Response {
    let (server, store) = (Arc::clone(&app.server), Arc::clone(&app.store));
    let is_ready =
        app.latest_probe.recent(async move { Probe::of(&*server, &*store).await.is_ready() }).await;
    let mut response = Response::new(Body::empty());
    if !is_ready {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn sec_145_strangers_cause_one_probe_in_five_seconds_however_many_ask() {
        let (latest, probes) = (LatestProbe::default(), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let probes = Arc::clone(&probes);
            latest.recent(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                probes.fetch_add(1, Ordering::SeqCst) % 2 == 0
            })
        };
        let answers = futures_util::future::join_all((0..1000).map(|_| ask())).await;
        assert!(answers.iter().all(|is_ready| *is_ready));
        // The result counts from when the probe began.
        for _ in 0..3 {
            assert!(ask().await);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(probes.load(Ordering::SeqCst), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!ask().await, "the second one finds trouble");
        assert!(!ask().await);
        assert_eq!(probes.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn sec_145_a_stranger_who_hangs_up_neither_ends_a_probe_nor_begins_another() {
        let (latest, begun) = (LatestProbe::default(), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let begun = Arc::clone(&begun);
            latest.recent(async move {
                begun.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_mins(1)).await;
                true
            })
        };
        for _ in 0..20 {
            assert!(tokio::time::timeout(Duration::from_secs(1), ask()).await.is_err());
        }
        assert!(ask().await, "it is slow, and still the only one");
        assert_eq!(begun.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_of_the_internal_listener_is_everybodys() {
        let latest = LatestProbe::default();
        for is_ready in [true, false] {
            latest.note(is_ready);
            assert_eq!(latest.recent(async { panic!("nobody has to look") }).await, is_ready);
        }
        tokio::time::advance(MAX_AGE).await;
        assert!(!latest.recent(async { panic!("a defect") }).await);
        tokio::time::advance(MAX_AGE).await;
        assert!(latest.recent(async { true }).await);
    }
}
