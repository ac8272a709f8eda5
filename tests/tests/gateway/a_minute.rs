//! What takes a minute. It begins first, since tests begin in the order of their names, so that the others run meanwhile.

use crate::behind::{Behind, each};
use crate::streams::{open, streaming};
use authtool_tests::raw::Protocol;
use authtool_tests::streaming_upstream::EVENTS_EVERY;
use authtool_tests::wait;
use futures_util::StreamExt as _;
use futures_util::future::join;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn sec_170_events_flow_for_a_minute_as_they_happen() {
    each(async |exchange| {
        let (behind, _api) = streaming(exchange).await;
        let cookie = behind.cookie().await;
        join(a_minute(&behind, Protocol::Http1, &cookie), a_minute(&behind, Protocol::Http2, &cookie)).await;
    })
    .await;
}

async fn a_minute(behind: &Behind, protocol: Protocol, cookie: &str) {
    let answer = open(behind, protocol, cookie, "/api/events").await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let (began, mut body, mut last) = (Instant::now(), answer.bytes_stream(), Instant::now());
    let mut text = String::new();
    while began.elapsed() < Duration::from_secs(61) {
        let chunk = tokio::time::timeout(wait::PATIENCE, body.next()).await.expect("an event in time");
        text.push_str(std::str::from_utf8(&chunk.expect("the stream goes on").unwrap()).unwrap());
        last = Instant::now();
    }
    assert!(last.duration_since(began) > Duration::from_mins(1));
    let events = text.matches("data: ").count();
    let expected = usize::try_from(Duration::from_mins(1).as_millis() / EVENTS_EVERY.as_millis()).unwrap();
    assert!(events > expected / 2, "{protocol:?}: {events} events, not held back to be sent together");
    assert!(text.starts_with("data: 0\n\ndata: 1\n\n"), "{text}");
}
