//! Traces: spans exported by OTLP, and the W3C Trace Context that joins them to those of the gateway in front of
//! us and of the servers behind us.
//!
//! Spans are made through the `tracing` facade in any case. Here they get their place in a trace, if the process has
//! an OpenTelemetry layer: the binary installs [`Exporter::layer`], an app that mounts us may have one of its own.
//! Until somebody [wants](want) traces, nothing here is done.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::extract::{MatchedPath, Request};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::{Status, TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use tracing::{Level, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};
use url::Url;

use crate::{
    adapters::outbound::{OutboundSettings, client_builder},
    config::TraceSettings,
};

/// The target of spans that are for traces alone: of what we ask of others. The log leaves them out, so that its
/// lines stay those of the request.
pub const SPANS: &str = "authtool_bff::span";

/// The collector has this long for a batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

static WANTED: AtomicBool = AtomicBool::new(false);

static PROPAGATOR: LazyLock<TraceContextPropagator> = LazyLock::new(TraceContextPropagator::new);

/// Why no traces can be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No HTTP client.
    #[error("traces cannot be exported: {0}")]
    Client(#[from] reqwest::Error),
    /// No exporter.
    #[error("traces cannot be exported: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// Sends spans to a collector, in batches, from a thread of its own.
#[derive(Debug)]
pub struct Exporter {
    provider: SdkTracerProvider,
}

impl Exporter {
    /// Must not be called within a Tokio runtime: the exporter's client brings its own.
    pub fn new(settings: &TraceSettings, outbound: &OutboundSettings) -> Result<Self, ExportError> {
        let client = client_builder!(reqwest::blocking::Client, outbound)?.timeout(EXPORT_TIMEOUT).build()?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(settings.endpoint.as_str())
            .build()?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample_ratio))))
            .with_resource(Resource::builder().with_service_name(settings.service_name.clone()).build())
            .build();
        Ok(Self { provider })
    }

    /// The layer that makes OpenTelemetry spans of our own.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        want();
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("authtool-bff"))
            .with_location(false)
            .with_threads(false)
            .with_filter(Targets::new().with_target("authtool_bff", Level::INFO))
    }

    /// Sends what is left. Blocks, for a few seconds at most.
    pub fn finish(self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last traces could not be exported");
        }
    }
}

/// What the OpenTelemetry SDKs' own environment variables say, for deployments that set them for everybody.
pub fn settings_of_the_environment() -> Option<TraceSettings> {
    let url = |name: &str| std::env::var(name).ok().and_then(|text| Url::parse(&text).ok());
    let endpoint = url("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| {
        let mut base = url("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        base.path_segments_mut().ok()?.pop_if_empty().extend(["v1", "traces"]);
        Some(base)
    })?;
    Some(TraceSettings {
        endpoint,
        sample_ratio: std::env::var("OTEL_TRACES_SAMPLER_ARG")
            .ok()
            .and_then(|text| text.parse().ok())
            .filter(|ratio| (0.0..=1.0).contains(ratio))
            .unwrap_or(1.0),
        service_name: std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| "authtool-bff".to_owned()),
    })
}

/// For an app that mounts us and has an OpenTelemetry layer of its own: gives requests' spans their place in a trace, and
/// the fields by which such a layer knows their name and kind. [`Exporter::layer`] calls it by itself.
pub fn want() {
    WANTED.store(true, Ordering::Relaxed);
}

// Not `tracing::enabled!`: its answer for one layer's filter sticks to the next span of the thread.
pub(crate) fn are_wanted() -> bool {
    WANTED.load(Ordering::Relaxed)
}

/// The name of a request's span: the same for all requests of one kind.
pub(crate) fn name(request: &Request) -> Option<String> {
    let route = request.extensions().get::<MatchedPath>().filter(|_| are_wanted())?;
    Some(format!("{} {}", request.method(), route.as_str()))
}

/// Places a request's span in its trace, which is the caller's if the caller is trusted, and notes the trace's id for
/// the log.
pub(crate) fn begin(span: &Span, request: &Request, trusted: bool) {
    if !are_wanted() {
        return;
    }
    if trusted {
        let parent = PROPAGATOR.extract_with_context(&Context::new(), &Reading(request.headers()));
        // Without a layer there is nothing that could have a parent.
        match span.set_parent(parent) {
            Ok(()) | Err(_) => {}
        }
    }
    let context = span.context().span().span_context().clone();
    if context.is_valid() {
        span.record("trace_id", tracing::field::display(context.trace_id()));
        span.set_attribute("http.request.method", request.method().to_string());
        span.set_attribute("url.path", request.uri().path().to_owned());
    }
}

/// The span of something that we ask of another server, under way.
pub(crate) fn call(name: &'static str) -> Span {
    if !are_wanted() {
        return Span::none();
    }
    tracing::info_span!(target: SPANS, "call", "otel.name" = name, "otel.kind" = "client")
}

/// Notes how a request was answered.
pub(crate) fn answered(span: &Span, status: StatusCode) {
    if !are_wanted() {
        return;
    }
    span.set_attribute("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.set_status(Status::error(status.as_str().to_owned()));
    }
}

/// Tells the next server which span its work belongs to. Whatever the headers say about it already is replaced,
/// if we have a trace of our own.
pub(crate) fn propagate(span: &Span, headers: &mut HeaderMap) {
    if !are_wanted() {
        return;
    }
    let context = span.context();
    if context.span().span_context().is_valid() {
        PROPAGATOR.inject_context(&context, &mut Writing(headers));
    }
}

struct Reading<'a>(&'a HeaderMap);

impl Extractor for Reading<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Writing<'a>(&'a mut HeaderMap);

impl Injector for Writing<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
