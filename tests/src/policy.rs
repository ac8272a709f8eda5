//! A policy service: what Envoy asks by `ext_authz` over gRPC, once the token is known to be good.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use prost::Message;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Where `jwt_authn` leaves the claims.
const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";

/// What the policy was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Path and query.
    pub path: String,
    /// The headers, by name.
    pub headers: HashMap<String, String>,
    /// The subject of the checked token.
    pub subject: Option<String>,
}

/// The policy: whoever is called `mallory` may not do anything, and nobody may do what is below `/api/secret`.
/// Whoever may, is named to the API as `x-user`.
pub struct Policy {
    /// Where it listens: `HOST:PORT`.
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    ends: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Policy {
    /// Starts it on a port of its own.
    pub async fn start() -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let app = axum::Router::new()
            .route("/envoy.service.auth.v3.Authorization/Check", axum::routing::post(check))
            .with_state(Arc::clone(&asked));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        let ends = Arc::new(Notify::new());
        let end = Arc::clone(&ends);
        let task = tokio::spawn(async move {
            axum::serve(listener, app).with_graceful_shutdown(async move { end.notified().await }).await.ok();
        });
        Self { address, asked, ends, task }
    }

    /// Everything it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Ends it: nobody answers there any more, on open connections neither.
    pub async fn stop(&mut self) {
        self.ends.notify_one();
        (&mut self.task).await.ok();
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn check(State(seen): State<Arc<Mutex<Vec<Asked>>>>, request: Request) -> Response {
    let body = request.into_body().collect().await.expect("Envoy sends a whole message").to_bytes();
    let question = CheckRequest::decode(body.slice(5..)).expect("Envoy sends a CheckRequest");
    let asked = asked(question);
    seen.lock().unwrap().push(asked.clone());
    let verdict = match &asked.subject {
        Some(subject) if subject != "mallory" && !asked.path.starts_with("/api/secret") => allow(subject),
        _ => deny(),
    };
    answer(&verdict)
}

fn asked(question: CheckRequest) -> Asked {
    let attributes = question.attributes.expect("Envoy describes the request");
    let http = attributes.request.and_then(|it| it.http).expect("it is one of HTTP");
    let subject = attributes
        .metadata_context
        .and_then(|it| it.filter_metadata.get(JWT_AUTHN).cloned())
        .and_then(|it| member(&it, "jwt_payload"))
        .and_then(|it| match it.kind {
            Some(Kind::StructValue(claims)) => member(&claims, "sub"),
            _ => None,
        })
        .and_then(|it| match it.kind {
            Some(Kind::StringValue(subject)) => Some(subject),
            _ => None,
        });
    Asked { path: http.path, headers: http.headers, subject }
}

fn member(object: &Struct, name: &str) -> Option<Value> {
    object.fields.get(name).cloned()
}

fn allow(subject: &str) -> CheckResponse {
    let header = Header { key: "x-user".to_owned(), value: subject.to_owned() };
    CheckResponse {
        status: Some(Status { code: 0 }),
        denied: None,
        ok: Some(Allowed { headers: vec![HeaderOption { header: Some(header), append_action: 2 }] }),
    }
}

fn deny() -> CheckResponse {
    let header = Header { key: "content-type".to_owned(), value: "text/plain".to_owned() };
    CheckResponse {
        status: Some(Status { code: 7 }),
        denied: Some(Denied {
            status: Some(HttpStatus { code: 403 }),
            headers: vec![HeaderOption { header: Some(header), append_action: 2 }],
            body: "not by this policy".to_owned(),
        }),
        ok: None,
    }
}

fn answer(message: &CheckResponse) -> Response {
    let mut body = BytesMut::new();
    body.put_u8(0);
    body.put_u32(u32::try_from(message.encoded_len()).expect("a short message"));
    message.encode(&mut body).expect("a buffer that grows");
    let status = (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
    let trailers = async { Some(Ok(HeaderMap::from_iter([status]))) };
    Response::builder()
        .header("content-type", "application/grpc")
        .body(Body::new(Full::new(Bytes::from(body)).with_trailers(trailers)))
        .expect("a response")
}

#[derive(Clone, PartialEq, Message)]
struct CheckRequest {
    #[prost(message, optional, tag = "1")]
    attributes: Option<AttributeContext>,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeContext {
    #[prost(message, optional, tag = "4")]
    request: Option<AttributeRequest>,
    #[prost(message, optional, tag = "11")]
    metadata_context: Option<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(map = "string, message", tag = "1")]
    filter_metadata: HashMap<String, Struct>,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeRequest {
    #[prost(message, optional, tag = "2")]
    http: Option<HttpRequest>,
}

#[derive(Clone, PartialEq, Message)]
struct HttpRequest {
    #[prost(map = "string, string", tag = "3")]
    headers: HashMap<String, String>,
    #[prost(string, tag = "4")]
    path: String,
}

#[derive(Clone, PartialEq, Message)]
struct CheckResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<Status>,
    #[prost(message, optional, tag = "2")]
    denied: Option<Denied>,
    #[prost(message, optional, tag = "3")]
    ok: Option<Allowed>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Denied {
    #[prost(message, optional, tag = "1")]
    status: Option<HttpStatus>,
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderOption>,
    #[prost(string, tag = "3")]
    body: String,
}

#[derive(Clone, PartialEq, Message)]
struct HttpStatus {
    #[prost(int32, tag = "1")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Allowed {
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderOption>,
}

#[derive(Clone, PartialEq, Message)]
struct HeaderOption {
    #[prost(message, optional, tag = "1")]
    header: Option<Header>,
    #[prost(int32, tag = "3")]
    append_action: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}
