//! Traces: from the gateway, through us, to the provider, the store and the API.

use authtool_tests::hostile::Endpoint;
use authtool_tests::{Collector, SESSION, Stage, Upstream, raw, wait};
use serde_json::json;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn traceparent() -> String {
    format!("00-{TRACE}-{CALLER}-01")
}

#[tokio::test]
async fn a_gateways_trace_goes_through_us_to_the_provider() {
    let collector = Collector::start().await;
    let stage = Stage::with(|config| {
        config.set("/server/traces", json!({"endpoint": collector.endpoint, "serviceName": "the bff"}));
        config.environment("OTEL_BSP_SCHEDULE_DELAY", "50");
        config.set("/session/sessionJitterSecs", json!(0));
    })
    .await;
    stage.op.issues_access_tokens_for(1);
    let browser = stage.logged_in().await;
    let cookie = browser.cookie(SESSION).unwrap();
    let refresh = wait::until("the access token is refreshed", async || {
        let answer = raw::get(&stage.server.internal, "/bff/token")
            .header("cookie", format!("{SESSION}={cookie}"))
            .header("traceparent", traceparent())
            .send()
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        stage.op.received_at(Endpoint::Refresh).pop()
    })
    .await;
    let sent = refresh.headers.get("traceparent").expect("the provider is told").to_str().unwrap();
    assert!(sent.starts_with(&format!("00-{TRACE}-")), "{sent}");
    assert!(!sent.contains(CALLER), "the provider's parent is our span, not the gateway's: {sent}");

    let provider =
        collector.span("the provider's span", |span| span.trace_id == TRACE && span.name == "refresh").await;
    assert!(sent.contains(&provider.span_id), "{sent}: {provider:?}");
    let request = collector.span("the request's span", |span| span.span_id == provider.parent_id).await;
    assert_eq!(
        (request.parent_id.as_str(), request.name.as_str()),
        (CALLER, "GET /bff/token"),
        "{request:?}"
    );
    assert_eq!((request.trace_id.as_str(), request.service.as_str()), (TRACE, "the bff"), "{request:?}");
    assert_eq!(request.attributes["http.response.status_code"], "200", "{request:?}");
    let provider =
        collector.span("the provider's span", |span| span.trace_id == TRACE && span.name == "refresh").await;
    assert!(sent.contains(&provider.span_id), "{sent}: {provider:?}");
    collector.span("a store's span", |span| span.trace_id == TRACE && span.name == "read").await;
    // Nothing secret is exported.
    let all = format!("{:?}", collector.spans());
    for secret in stage.op.secrets().iter().chain([&cookie]) {
        assert!(!all.contains(secret.as_str()), "{secret} is in {all}");
    }
    // The log names the trace.
    stage.server.log().shows(&format!("\"trace_id\":\"{TRACE}\"")).await;
}

#[tokio::test]
async fn sec_151_a_stranger_does_not_write_into_anybodys_trace() {
    let collector = Collector::start().await;
    let upstream = Upstream::start().await;
    let stage = Stage::with(|config| {
        config.set("/server/traces", json!({"endpoint": collector.endpoint}));
        config.environment("OTEL_BSP_SCHEDULE_DELAY", "50");
        config.set("/server/proxy", json!([{"prefix": "/api", "upstream": upstream.origin}]));
    })
    .await;
    let browser = stage.logged_in().await;
    let answer = browser
        .fetch(stage.app(), stage.app().join("/api/things").unwrap())
        .header("traceparent", &traceparent())
        .go()
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let sent = upstream.last().header("traceparent");
    assert!(sent.starts_with("00-") && !sent.contains(TRACE), "{sent}");
    let span = collector.span("the request's span", |span| span.name == "GET /api/{*rest}").await;
    assert!(sent.contains(&span.trace_id), "the API continues our trace: {sent}, {span:?}");
    assert!(collector.spans().iter().all(|span| span.trace_id != TRACE));
}

#[tokio::test]
async fn a_collector_that_is_down_disturbs_nobody() {
    let stage = Stage::with(|config| {
        config.set("/server/traces", json!({"endpoint": "http://127.0.0.1:9/v1/traces"}));
    })
    .await;
    let browser = stage.logged_in().await;
    assert_eq!(stage.session(&browser).await.status, 200);
    assert_eq!(stage.token(&browser).await.status, 200);
}
