//! The log: every line is found under the request that caused it, and says where the request came from.

use authtool_tests::hostile::HostileOp;
use authtool_tests::hostile::{Endpoint, Lie};
use authtool_tests::{SESSION, ServerConfig, Stage, raw, server_binary, wait};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use url::Url;

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

/// A process of which nobody reads standard error. It ends with the test.
struct Unread(Child);

impl Drop for Unread {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test]
async fn sec_199_requests_do_not_wait_for_whoever_reads_the_log() {
    let op = HostileOp::start().await;
    let config = ServerConfig::new(op.issuer());
    let file = config.file("authtool.json", config.text());
    let child = Command::new(server_binary())
        .args(["--config".as_ref(), file.as_os_str()])
        .env("AUTHTOOL_LOG", "trace")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _unread = Unread(child);
    let at = |port: u16| Url::parse(&format!("http://localhost:{port}/")).unwrap();
    let (public, internal) = (at(config.public_port()), at(config.internal_port()));
    wait::until("the server is ready", async || {
        let answer = raw::get(&internal, "/-/ready").try_send().await.ok()?;
        answer.status.is_success().then_some(())
    })
    .await;
    // More than a pipe and the buffer hold: each request has several lines at this level.
    wait::until("lines are dropped and counted, not waited for", async || {
        for _ in 0..200 {
            let answer = raw::get(&public, "/bff/oauth/callback?code=x&state=y").as_navigation().send().await;
            assert_eq!(answer.status, 400, "{answer:?}");
        }
        let metrics = raw::get(&internal, "/-/metrics").send().await.text();
        let line = metrics.lines().find_map(|it| it.strip_prefix("authtool_log_lines_dropped_total "));
        let dropped: u64 = line.unwrap_or_else(|| panic!("no such metric: {metrics}")).parse().unwrap();
        (dropped > 0).then_some(())
    })
    .await;
    for (listener, path) in [(&internal, "/-/healthz"), (&internal, "/-/ready"), (&public, "/bff/session")] {
        let answer = raw::get(listener, path).send().await;
        assert!(matches!(answer.status.as_u16(), 200 | 401), "{path}: {answer:?}");
    }
}
