//! An API whose answers and requests go on: events, large bodies, a tunnel.

use aws_lc_rs::digest;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::response::Response;
use axum::routing::{any, get};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use http::{StatusCode, header};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const CHUNK: usize = 64 * 1024;

/// How often an event is sent.
pub const EVENTS_EVERY: Duration = Duration::from_millis(500);

/// The API.
pub struct StreamingUpstream {
    /// Where it listens.
    pub origin: String,
    listeners: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl StreamingUpstream {
    /// Starts it on a port of its own: `/api/events`, `/api/silence`, `/api/download/{chunks}`, `/api/upload`, `/api/tunnel`.
    pub async fn start() -> Self {
        let listeners = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&listeners);
        let app = Router::new()
            .route("/api/events", get(events))
            .route("/api/silence", get(async move || silence(Listening::among(&counted))))
            .route("/api/download/{chunks}", get(download))
            .route("/api/upload", any(upload))
            .route("/api/tunnel", any(tunnel));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let task = tokio::spawn(async move {
            axum::serve(listener, app).await.ok();
        });
        Self { origin, listeners, task }
    }

    /// How many listen to `/api/silence`.
    pub fn listeners(&self) -> usize {
        self.listeners.load(Ordering::SeqCst)
    }
}

impl Drop for StreamingUpstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Numbered server-sent events, for as long as anybody listens.
async fn events() -> Response {
    let events = stream::unfold(0_u64, |number| async move {
        if number > 0 {
            tokio::time::sleep(EVENTS_EVERY).await;
        }
        Some((Ok::<_, Infallible>(Bytes::from(format!("data: {number}\n\n"))), number + 1))
    });
    Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream")
        .body(Body::from_stream(events))
        .expect("a response")
}

/// Somebody who listens, counted until he does not any more.
struct Listening(Arc<AtomicUsize>);

impl Listening {
    fn among(listeners: &Arc<AtomicUsize>) -> Self {
        listeners.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(listeners))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Begins to answer, and has nothing to say.
fn silence(listening: Listening) -> Response {
    let beginning = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b": listening\n\n"))]);
    let nothing = beginning.chain(stream::pending()).inspect(move |_| {
        let _held = &listening;
    });
    Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream")
        .body(Body::from_stream(nothing))
        .expect("a response")
}

async fn download(Path(chunks): Path<usize>) -> Body {
    Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![7; CHUNK]))).take(chunks))
}

/// Answers how many bytes came.
async fn upload(request: Request) -> String {
    let mut body = request.into_body().into_data_stream();
    let mut length = 0;
    while let Some(chunk) = body.next().await {
        length += chunk.expect("the upload arrives whole").len();
    }
    length.to_string()
}

/// Agrees to any upgrade, and says everything back.
async fn tunnel(request: Request) -> Response {
    let Some(protocol) = request.headers().get(header::UPGRADE).cloned() else {
        return Response::builder()
            .status(StatusCode::UPGRADE_REQUIRED)
            .body(Body::empty())
            .expect("a response");
    };
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).cloned();
    let accept = key.map(|key| accept(key.as_bytes())).unwrap_or_default();
    tokio::spawn(async move {
        let mut io = TokioIo::new(hyper::upgrade::on(request).await.expect("the upgrade happens"));
        let mut buffer = [0; 1024];
        while let Ok(read) = io.read(&mut buffer).await {
            if read == 0 || io.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, protocol)
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Body::empty())
        .expect("a response")
}

/// RFC 6455 §4.2.2.
fn accept(key: &[u8]) -> String {
    let salted = [key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &salted))
}
