//! One id per request: in the answer's header, in error bodies and pages, and in every log line.

use std::{
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use authtool_contract::{ProblemCode, header::CORRELATION_ID};
use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::Response,
};
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, Method, request::Parts};
use tracing::{Instrument as _, Span};

use super::{App, Listener, answer::problem, caller::Origin, headers, limit};
use crate::{adapters::SystemEntropy, ports::Entropy, telemetry::traces};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Names a request in the log. Made here, never taken from the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CorrelationId([u8; 16]);

/// Makes ids that are unique in this process, and by their random start among all others. They are no secret, so none of
/// them costs a look at the random source.
pub(crate) struct CorrelationIds(AtomicU64);

impl CorrelationIds {
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let mut start = [0; 8];
        // Without randomness they are merely less unique.
        match entropy.fill(&mut start) {
            Ok(()) | Err(_) => Self(AtomicU64::new(u64::from_ne_bytes(start))),
        }
    }

    pub(crate) fn next(&self) -> CorrelationId {
        // SplitMix64 (Steele, Lea and Flood, 2014): a bijection, so that no number comes twice.
        let mut mixed = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        CorrelationId::new((mixed ^ (mixed >> 31)).to_be_bytes())
    }
}

impl CorrelationId {
    fn new(random: [u8; 8]) -> Self {
        let mut text = [b'0'; 16];
        for (pair, byte) in text.chunks_exact_mut(2).zip(random) {
            for (digit, nibble) in pair.iter_mut().zip([byte >> 4, byte & 0xf]) {
                *digit = DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
            }
        }
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The request's id. A handler of somebody else's router may run without our middleware; it gets one of
    /// its own.
    pub(crate) fn of(parts: &Parts) -> Self {
        parts.extensions.get().copied().unwrap_or_else(|| CorrelationIds::new(&SystemEntropy).next())
    }
}

impl<S: Sync> FromRequestParts<S> for CorrelationId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}

/// What every request goes through: it gets its id and its span, in the log and in its trace, it must keep the limits,
/// and its handler may panic. One middleware for all of it, since each costs every request its own allocations.
///
/// The path is noted, the query never: it carries codes, states and ID tokens.
pub(crate) async fn around(
    State((app, listener)): State<(Arc<App>, Listener)>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = app.correlation_ids.next();
    request.extensions_mut().insert(id);
    let origin = Origin::of(request.extensions(), request.headers(), &app.trusted_proxies);
    let span = span(&id, request.method(), request.uri().path(), origin.client, traces::name(&request));
    // A stranger must not be able to write into somebody's traces, or to have all of his requests sampled.
    let trusted = listener == Listener::Internal || origin.through_a_trusted_proxy;
    traces::begin(&span, &request, trusted);
    let response = match limit(&id, &request) {
        Some(refusal) => refusal,
        None => run(request, next, &id).instrument(span.clone()).await,
    };
    let status = response.status();
    traces::answered(&span, status);
    span.in_scope(|| tracing::debug!(status = status.as_u16(), "answered"));
    identified(response, &id)
}

/// The span of a request; `name` is what its trace calls it.
pub(crate) fn span(
    id: &CorrelationId,
    method: &Method,
    path: &str,
    client: Option<IpAddr>,
    name: Option<String>,
) -> Span {
    tracing::info_span!(
        "request",
        correlation_id = id.as_str(),
        method = method.as_str(),
        path,
        client = client.map(tracing::field::display),
        trace_id = tracing::field::Empty,
        "otel.name" = name,
        "otel.kind" = traces::are_wanted().then_some("server"),
    )
}

/// Tells the client the request's id.
pub(crate) fn identified(mut response: Response, id: &CorrelationId) -> Response {
    if let Ok(value) = HeaderValue::from_bytes(&id.0) {
        response.headers_mut().insert(HeaderName::from_static(CORRELATION_ID), value);
    }
    response
}

async fn run(request: Request, next: Next, id: &CorrelationId) -> Response {
    AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!(event = "panic", "a request handler panicked; the panic message is on stderr");
        headers::hardened(problem(ProblemCode::Internal, id))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_requests_have_one_id() {
        let (one, other) = (CorrelationIds::new(&SystemEntropy), CorrelationIds::new(&SystemEntropy));
        let ids: HashSet<String> =
            (0..10_000).flat_map(|_| [one.next(), other.next()]).map(|id| id.as_str().to_owned()).collect();
        assert_eq!(ids.len(), 20_000);
        assert!(ids.iter().all(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }
}
