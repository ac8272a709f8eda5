//! What goes on for long, or is large, passes through the gateway as it comes.

use crate::behind::Behind;
use authtool_tests::raw;
use authtool_tests::streaming_upstream::{EVENTS_EVERY, StreamingUpstream};
use futures_util::StreamExt as _;
use futures_util::stream;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const CHUNK: usize = 64 * 1024;
const MEBIBYTES: usize = 100;
const CHUNKS: usize = MEBIBYTES * 1024 * 1024 / CHUNK;

async fn streaming() -> (Behind, StreamingUpstream) {
    let api = StreamingUpstream::start().await;
    let behind = Behind::with_apis(&[&format!("/api={}", api.origin)]).await;
    (behind, api)
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_170_events_flow_for_a_minute_as_they_happen() {
    let (behind, _api) = streaming().await;
    let cookie = behind.cookie().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client
        .get(behind.url("/api/events"))
        .header("cookie", cookie)
        .header("sec-fetch-site", "same-origin")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let (began, mut body, mut last) = (Instant::now(), answer.bytes_stream(), Instant::now());
    let mut text = String::new();
    while began.elapsed() < Duration::from_secs(61) {
        let chunk =
            tokio::time::timeout(Duration::from_secs(20), body.next()).await.expect("an event in time");
        text.push_str(std::str::from_utf8(&chunk.expect("the stream goes on").unwrap()).unwrap());
        last = Instant::now();
    }
    assert!(last.duration_since(began) > Duration::from_mins(1));
    let events = text.matches("data: ").count();
    let expected = usize::try_from(Duration::from_mins(1).as_millis() / EVENTS_EVERY.as_millis()).unwrap();
    assert!(events > expected / 2, "{events} events, not held back to be sent together");
    assert!(text.starts_with("data: 0\n\ndata: 1\n\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_go_up_and_come_down() {
    let (behind, _api) = streaming().await;
    let cookie = behind.cookie().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = stream::repeat_with(|| Ok::<_, Infallible>(vec![7; CHUNK])).take(CHUNKS);
    let answer = client
        .post(behind.url("/api/upload"))
        .header("cookie", &cookie)
        .header("sec-fetch-site", "same-origin")
        .body(reqwest::Body::wrap_stream(body))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), (CHUNK * CHUNKS).to_string());

    let answer = client
        .get(behind.url(&format!("/api/download/{CHUNKS}")))
        .header("cookie", &cookie)
        .header("sec-fetch-site", "same-origin")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let (mut length, mut body) = (0, answer.bytes_stream());
    while let Some(chunk) = body.next().await {
        length += chunk.unwrap().len();
    }
    assert_eq!(length, CHUNK * CHUNKS);
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_170_a_websocket_of_the_app_is_tunnelled_both_ways() {
    let (behind, _api) = streaming().await;
    let cookie = behind.cookie().await;
    let app = behind.app();
    let origin = app.as_str().trim_end_matches('/');
    let host = origin.trim_start_matches("http://");
    let handshake = format!(
        "GET /api/tunnel HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let mut socket = raw::open(&behind.envoy.public, handshake.as_bytes()).await;
    let mut said = Vec::new();
    let mut buffer = [0; 1024];
    while !said.windows(4).any(|it| it == b"\r\n\r\n") {
        let read = socket.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&buffer[..read]);
    }
    assert!(said.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&said));
    for word in ["one", "two", "three"] {
        socket.write_all(word.as_bytes()).await.unwrap();
        let mut echo = vec![0; word.len()];
        socket.read_exact(&mut echo).await.unwrap();
        assert_eq!(echo, word.as_bytes());
    }
}
