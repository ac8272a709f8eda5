//! An API in HTTP/2 whose requests and answers end with trailers, as those of gRPC do.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::Ipv4Addr;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

/// The API. It says a request's body and its trailer `x-checksum` back, and in headers which credential came.
pub struct TrailingUpstream {
    /// Where it listens, as `--api` takes it.
    pub origin: String,
    task: JoinHandle<()>,
}

impl TrailingUpstream {
    /// Starts it on a port of its own.
    pub async fn start() -> Self {
        let app = axum::Router::new().fallback(echo);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let origin = format!("h2c://{}", listener.local_addr().expect("a bound socket has an address"));
        let task = tokio::spawn(async move {
            axum::serve(listener, app).await.ok();
        });
        Self { origin, task }
    }
}

impl Drop for TrailingUpstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn echo(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("the body arrives whole");
    let trailers = body.trailers().cloned().unwrap_or_default();
    let mut response =
        Response::new(Body::new(Full::new(body.to_bytes()).with_trailers(async move { Some(Ok(trailers)) })));
    for (name, shown) in [("authorization", "x-authorization"), ("grpc-timeout", "x-deadline")] {
        if let Some(value) = head.headers.get(name) {
            response.headers_mut().insert(shown, value.clone());
        }
    }
    response
}

/// What came back.
#[derive(Debug)]
pub struct Echo {
    /// The answer without its end.
    pub answer: crate::Answer,
    /// The trailers.
    pub trailers: HeaderMap,
}

/// Sends a body that ends with the trailer `x-checksum`, over HTTP/2.
///
/// # Panics
/// When there is no answer.
pub async fn post_with_trailer(
    base: &Url,
    path: &str,
    headers: &[(&str, &str)],
    checksum: &'static str,
) -> Echo {
    let at = (base.host_str().expect("a host"), base.port_or_known_default().expect("a port"));
    let mut request = http::Request::post(base.join(path).expect("a path").as_str()).header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static("x-checksum"),
        HeaderValue::from_static(checksum),
    )]);
    let trailers = Box::pin(async move { Some(Ok(trailers)) });
    let body = Full::new(Bytes::from_static(b"a message")).with_trailers(trailers);
    let stream = TcpStream::connect(at).await.expect("the server listens");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("the server speaks HTTP/2");
    tokio::spawn(connection);
    let response = sender.send_request(request.body(body).expect("a request")).await.expect("an answer");
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a whole body");
    let trailers = body.trailers().cloned().unwrap_or_default();
    let answer = crate::Answer { status: head.status, headers: head.headers, body: body.to_bytes() };
    Echo { answer, trailers }
}
