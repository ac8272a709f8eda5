//! What goes on for long, is large or ends with trailers, passes through the gateway as it comes, and ends with its
//! session.

use crate::behind::{Behind, each};
use authtool_tests::envoy::Exchange;
use authtool_tests::raw::Protocol;
use authtool_tests::streaming_upstream::StreamingUpstream;
use authtool_tests::trailing_upstream::{TrailingUpstream, post_with_trailer};
use authtool_tests::tunnel::Tunnel;
use futures_util::StreamExt as _;
use futures_util::future::join;
use futures_util::stream;
use reqwest::{Client, Response};
use serde_json::json;
use std::convert::Infallible;
use std::time::{Duration, Instant};

const CHUNK: usize = 64 * 1024;
const MEBIBYTES: usize = 100;
const CHUNKS: usize = MEBIBYTES * 1024 * 1024 / CHUNK;

pub(crate) async fn streaming(exchange: Exchange) -> (Behind, StreamingUpstream) {
    let api = StreamingUpstream::start().await;
    let behind = Behind::with_apis(exchange, |_| {}, &[&format!("/api={}", api.origin)], &[]).await;
    (behind, api)
}

fn client(protocol: Protocol) -> Client {
    let client = Client::builder().no_proxy();
    match protocol {
        Protocol::Http1 => client.http1_only(),
        Protocol::Http2 => client.http2_prior_knowledge(),
    }
    .build()
    .unwrap()
}

pub(crate) async fn open(behind: &Behind, protocol: Protocol, cookie: &str, path: &str) -> Response {
    let answer = client(protocol)
        .get(behind.url(path))
        .header("cookie", cookie)
        .header("sec-fetch-site", "same-origin")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200, "{answer:?}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_go_up_and_come_down() {
    each(async |exchange| {
        let (behind, _api) = streaming(exchange).await;
        let cookie = behind.cookie().await;
        let protocol = if exchange == Exchange::ExtAuthzHttp { Protocol::Http1 } else { Protocol::Http2 };
        let body = stream::repeat_with(|| Ok::<_, Infallible>(vec![7; CHUNK])).take(CHUNKS);
        let answer = client(protocol)
            .post(behind.url("/api/upload"))
            .header("cookie", &cookie)
            .header("sec-fetch-site", "same-origin")
            .body(reqwest::Body::wrap_stream(body))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.unwrap(), (CHUNK * CHUNKS).to_string());

        let answer = open(&behind, protocol, &cookie, &format!("/api/download/{CHUNKS}")).await;
        let (mut length, mut body) = (0, answer.bytes_stream());
        while let Some(chunk) = body.next().await {
            length += chunk.unwrap().len();
        }
        assert_eq!(length, CHUNK * CHUNKS);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_170_a_websocket_of_the_app_is_tunnelled_both_ways() {
    each(async |exchange| {
        let (behind, _api) = streaming(exchange).await;
        let cookie = behind.cookie().await;
        let mut tunnel = Tunnel::open(&behind.envoy.public, "/api/tunnel", &cookie).await;
        for word in ["one", "two", "three"] {
            assert_eq!(tunnel.echo(word).await.as_deref(), Some(word));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_arrive_at_an_api_in_http2_and_come_back() {
    each(async |exchange| {
        let api = TrailingUpstream::start().await;
        let routes = [format!("/api={}", api.origin)];
        let behind = Behind::with_apis(exchange, |_| {}, &routes.each_ref().map(String::as_str), &[]).await;
        let cookie = behind.cookie().await;
        let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
        let echo = post_with_trailer(&behind.envoy.public, "/api/orders.Orders/Get", &headers, "sum").await;
        assert_eq!(
            (echo.answer.status.as_u16(), echo.answer.text().as_str()),
            (200, "a message"),
            "{echo:?}"
        );
        assert_eq!(echo.trailers["x-checksum"], "sum", "{echo:?}");
        assert_eq!(echo.answer.header("x-authorization"), behind.issued());
        // gRPC learns until when it may answer; a client that asks for less gets less.
        assert!(echo.answer.header("x-deadline").ends_with('S'), "{echo:?}");
        let headers = [&headers[..], &[("grpc-timeout", "20000m")]].concat();
        let echo = post_with_trailer(&behind.envoy.public, "/api/orders.Orders/Get", &headers, "sum").await;
        assert_eq!(echo.answer.header("x-deadline"), "20000m", "{echo:?}");
    })
    .await;
}

/// What ends in time ends within this; otherwise it goes on for a quarter of an hour.
const SOON: Duration = Duration::from_secs(40);

/// How long it takes until event streams and a tunnel are ended from the other side, from before they are opened.
async fn time_until_ended(behind: &Behind, cookie: &str) -> [Duration; 3] {
    let events = async |protocol| {
        let began = Instant::now();
        let mut body = open(behind, protocol, cookie, "/api/events").await.bytes_stream();
        while let Some(Ok(_)) = body.next().await {
            assert!(began.elapsed() < SOON, "{protocol:?}: the stream goes on and on");
        }
        began.elapsed()
    };
    let tunnel = async {
        let began = Instant::now();
        let mut tunnel = Tunnel::open(&behind.envoy.public, "/api/tunnel", cookie).await;
        while tunnel.echo("still there").await.is_some() {
            assert!(began.elapsed() < SOON, "the tunnel goes on and on");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        began.elapsed()
    };
    let ((one, two), tunnel) = join(join(events(Protocol::Http1), events(Protocol::Http2)), tunnel).await;
    [one, two, tunnel]
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_170_streams_and_websockets_end_when_the_session_ends() {
    // A busy machine takes a part of it until the streams are open.
    const LIFETIME: u64 = 10;
    each(async |exchange| {
        let api = StreamingUpstream::start().await;
        let routes = [format!("/api={}", api.origin)];
        let behind = Behind::with_apis(
            exchange,
            |config| {
                config.set("/session/absoluteLifetimeSecs", json!(LIFETIME));
            },
            &routes.each_ref().map(String::as_str),
            &[],
        )
        .await;
        let cookie = behind.cookie().await;
        let lasted = time_until_ended(&behind, &cookie).await;
        assert!(lasted.iter().all(|it| *it > Duration::from_secs(1)), "{exchange:?}: {lasted:?}");
        assert_eq!(behind.call_with(&cookie, "/api/events").await.status, 401);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_170_streams_and_websockets_end_after_the_configured_time() {
    each(async |exchange| {
        let api = StreamingUpstream::start().await;
        let routes = [format!("/api={}", api.origin)];
        let arguments = ["--max-stream-secs", "3"];
        let behind =
            Behind::with_apis(exchange, |_| {}, &routes.each_ref().map(String::as_str), &arguments).await;
        let cookie = behind.cookie().await;
        let lasted = time_until_ended(&behind, &cookie).await;
        assert!(lasted.iter().all(|it| *it > Duration::from_secs(2)), "{exchange:?}: {lasted:?}");
    })
    .await;
}
