//! The limit: an axum handler that does only what nobody could leave out. It takes the cookie, asks Redis for what
//! is stored under it, or nobody, and answers.
//!
//! It checks no signature, opens no seal, knows no expiry, writes no log and counts nothing. Compiler, profile,
//! allocator, runtime, and the kind of connection to Redis are those of the server. Each request is a command of its own at
//! Redis, as one would write it; the server asks for several sessions at once.
#![allow(clippy::expect_used, reason = "a bench reports what does not work by failing")]

use std::{net::Ipv4Addr, time::Duration};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::get,
    serve::ListenerExt as _,
};
use bytes::Bytes;
use clap::Parser;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Answers `GET` of any path with what is stored under the session cookie.
#[derive(Parser)]
struct Options {
    /// Where to listen
    #[arg(long)]
    port: u16,
    /// The port of the Redis to ask; without one, every answer is the same
    #[arg(long)]
    redis: Option<u16>,
    /// Refuse requests that bring no token
    #[arg(long)]
    behind_a_token: bool,
    /// How many bytes to answer
    #[arg(long)]
    answer: usize,
}

#[derive(Clone)]
struct Shared {
    redis: Option<MultiplexedConnection>,
    behind_a_token: bool,
    answer: Bytes,
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let redis = match options.redis {
        None => None,
        Some(port) => {
            // The connection that the server has, with one bound for an answer.
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(Duration::from_secs(2)))
                .set_response_timeout(Some(Duration::from_secs(2)));
            let client = Client::open(format!("redis://127.0.0.1:{port}/")).expect("an address");
            let connection = client.get_multiplexed_async_connection_with_config(&config).await;
            Some(connection.expect("a connection can be made"))
        }
    };
    let answer = Bytes::from(body(options.answer));
    let router = Router::new().fallback(get(handle)).with_state(Shared {
        redis,
        behind_a_token: options.behind_a_token,
        answer,
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await.expect("the port is free");
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("a socket has options"));
    axum::serve(listener, router).await.expect("it serves");
}

/// An answer of `/token` of this length.
fn body(length: usize) -> String {
    let (start, end) = (r#"{"access_token":""#, r#"","token_type":"Bearer","expires_in":3600}"#);
    format!("{start}{}{end}", "t".repeat(length.saturating_sub(start.len() + end.len())))
}

async fn handle(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let token = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    if shared.behind_a_token && !token.is_some_and(|it| it.starts_with(b"Bearer ey")) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let body = match shared.redis {
        None => shared.answer,
        Some(mut redis) => {
            let Some(key) = session(&headers) else { return StatusCode::UNAUTHORIZED.into_response() };
            let stored: Option<Vec<u8>> = redis::cmd("GET")
                .arg(format!("limit:session:{key}"))
                .query_async(&mut redis)
                .await
                .expect("Redis answers");
            let Some(stored) = stored else { return StatusCode::UNAUTHORIZED.into_response() };
            let mut stored = Bytes::from(stored);
            stored.truncate(shared.answer.len());
            stored
        }
    };
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn session(headers: &HeaderMap) -> Option<&str> {
    let (_, value) = headers.get(header::COOKIE)?.to_str().ok()?.split_once("session_id=")?;
    value.split(';').next()?.get(..45)
}
