//! One id per request: in the answer's header, in error bodies and pages, and in every log line.

use std::sync::Arc;

use authtool_contract::header::CORRELATION_ID;
use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderName, HeaderValue, request::Parts};
use tracing::Instrument as _;

use super::{App, Listener, caller::Origin};
use crate::{adapters::SystemEntropy, ports::Entropy, telemetry::traces};

/// Names a request in the log. Made here, never taken from the client.
#[derive(Clone, Debug)]
pub(crate) struct CorrelationId(Arc<str>);

impl CorrelationId {
    fn new(random: [u8; 8]) -> Self {
        let mut text = String::with_capacity(16);
        for byte in random {
            for nibble in [byte >> 4, byte & 0xf] {
                text.push(char::from_digit(nibble.into(), 16).unwrap_or('0'));
            }
        }
        Self(text.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl CorrelationId {
    /// The request's id. A handler of somebody else's router may run without our middleware; it gets one of
    /// its own.
    pub(crate) fn of(parts: &Parts) -> Self {
        parts.extensions.get().cloned().unwrap_or_else(|| Self::fresh(&SystemEntropy))
    }

    pub(crate) fn fresh(entropy: &dyn Entropy) -> Self {
        let mut random = [0; 8];
        // An id is not a secret: without randomness it is merely less unique.
        match entropy.fill(&mut random) {
            Ok(()) | Err(_) => Self::new(random),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for CorrelationId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}

/// Gives the request its id and its span, in the log and in its trace. The path is noted, the query never: it
/// carries codes, states and ID tokens.
pub(crate) async fn correlate(
    State((app, listener)): State<(Arc<App>, Listener)>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = CorrelationId::fresh(&*app.entropy);
    request.extensions_mut().insert(id.clone());
    let origin = Origin::of(request.extensions(), request.headers(), &app.trusted_proxies);
    let span = tracing::info_span!(
        "request",
        correlation_id = id.as_str(),
        method = %request.method(),
        path = %request.uri().path(),
        client = origin.client.map(tracing::field::display),
        trace_id = tracing::field::Empty,
        "otel.name" = traces::name(&request),
        "otel.kind" = traces::are_wanted().then_some("server"),
    );
    // A stranger must not be able to write into somebody's traces, or to have all of his requests sampled.
    let trusted = listener == Listener::Internal || origin.through_a_trusted_proxy;
    traces::begin(&span, &request, trusted);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    traces::answered(&span, status);
    span.in_scope(|| tracing::debug!(status = status.as_u16(), "answered"));
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HeaderName::from_static(CORRELATION_ID), value);
    }
    response
}
