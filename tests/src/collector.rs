//! A collector of traces (OTLP over HTTP), which remembers what it was sent.

use crate::wait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A span, as far as tests ask.
#[derive(Clone, Debug)]
pub struct ExportedSpan {
    /// Its name.
    pub name: String,
    /// The trace, in hexadecimal.
    pub trace_id: String,
    /// The span, in hexadecimal.
    pub span_id: String,
    /// The span it is part of; empty for none.
    pub parent_id: String,
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// The `service.name` it was exported for.
    pub service: String,
}

/// The collector.
pub struct Collector {
    /// The URL for traces.
    pub endpoint: String,
    spans: Arc<Mutex<Vec<ExportedSpan>>>,
    task: JoinHandle<()>,
}

impl Collector {
    /// Starts it on a port of its own.
    pub async fn start() -> Self {
        let spans = Arc::default();
        let app = Router::new().route("/v1/traces", post(receive)).with_state(Arc::clone(&spans));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let task = tokio::spawn(async move {
            axum::serve(listener, app).await.ok();
        });
        Self { endpoint: format!("http://{address}/v1/traces"), spans, task }
    }

    /// What it was sent so far.
    pub fn spans(&self) -> Vec<ExportedSpan> {
        self.spans.lock().unwrap().clone()
    }

    /// Waits for a span.
    pub async fn span(&self, what: &str, is_it: impl Fn(&ExportedSpan) -> bool) -> ExportedSpan {
        wait::until(what, async || self.spans().into_iter().find(&is_it)).await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(State(spans): State<Arc<Mutex<Vec<ExportedSpan>>>>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).expect("the exporter speaks OTLP");
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        other => format!("{other:?}"),
    };
    let mut received = Vec::new();
    for resource in request.resource_spans {
        let service = resource
            .resource
            .into_iter()
            .flat_map(|it| it.attributes)
            .find(|it| it.key == "service.name")
            .map(|it| text(it.value.and_then(|value| value.value)))
            .unwrap_or_default();
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            received.push(ExportedSpan {
                name: span.name,
                trace_id: hex(&span.trace_id),
                span_id: hex(&span.span_id),
                parent_id: hex(&span.parent_span_id),
                attributes: span
                    .attributes
                    .into_iter()
                    .map(|it| (it.key, text(it.value.and_then(|value| value.value))))
                    .collect(),
                service: service.clone(),
            });
        }
    }
    spans.lock().unwrap().extend(received);
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).expect("a nibble is a digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
