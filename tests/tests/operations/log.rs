//! The log: every line is found under the request that caused it, and says where the request came from.

use authtool_tests::hostile::{Endpoint, Lie};
use authtool_tests::{SESSION, Stage, raw, wait};
use serde_json::{Value, json};

/// The line of the log with this event.
async fn line(stage: &Stage, event: &str) -> Value {
    let needle = format!("\"event\":\"{event}\"");
    let line = stage.server.log().shows(&needle).await;
    serde_json::from_str(&line).unwrap()
}

#[tokio::test]
async fn what_a_login_and_a_refresh_do_behind_a_request_is_logged_under_its_id() {
    let stage = Stage::with(|config| {
        config.set("/session/sessionJitterSecs", json!(0));
    })
    .await;
    stage.op.issues_access_tokens_for(1);
    let browser = stage.logged_in().await;
    stage.op.lies(
        Lie::about(Endpoint::Refresh).status(400).json(|body| *body = json!({"error": "invalid_grant"})),
    );
    let answer = wait::until("the session ends", async || {
        let answer = stage.token(&browser).await;
        (answer.status == 401).then_some(answer)
    })
    .await;
    let id = answer.header("x-correlation-id");
    let line = line(&stage, "session_ended").await;
    assert_eq!(line["span"]["correlation_id"], id, "{line}");
    assert_eq!(line["span"]["path"], "/bff/token", "{line}");
}

#[tokio::test]
async fn sec_069_and_151_only_a_trusted_proxy_says_who_the_client_is() {
    for (trusted, expected) in [(json!([]), "127.0.0.1"), (json!(["127.0.0.0/8", "::1"]), "203.0.113.9")] {
        let stage = Stage::with(|config| {
            config.set("/server/trustedProxies", trusted.clone());
        })
        .await;
        let answer = raw::get(&stage.server.public, "/bff/login?redirect_uri=https://evil.example/")
            .as_navigation()
            .header("x-forwarded-for", "198.51.100.1, 203.0.113.9")
            .send()
            .await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let line = line(&stage, "return_url_refused").await;
        let client = line["span"]["client"].as_str().unwrap().replace("::1", "127.0.0.1");
        assert_eq!(client, expected, "{trusted}: {line}");
        // And it opens nothing.
        let browser = stage.logged_in().await;
        let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
        let answer = raw::get(&stage.server.public, "/bff/token")
            .as_same_origin_fetch()
            .header("cookie", &cookie)
            .header("x-forwarded-for", "127.0.0.1")
            .send()
            .await;
        assert_eq!(answer.status, 403, "{answer:?}");
    }
}
