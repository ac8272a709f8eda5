//! What is revoked at the provider, and when. Most of it is tried with a provider at which all logins of a user are one grant:
//! whoever revokes the refresh token of one session there ends all of them.

use crate::expect::{accepted, refused};
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{Endpoint, Lie, Oddity};
use authtool_tests::redis::RedisServer;
use authtool_tests::{Answer, SESSION, Server, ServerConfig, Stage, raw, wait};
use serde_json::json;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use url::Url;

async fn one_grant(configure: impl FnOnce(&mut ServerConfig)) -> Stage {
    Stage::odd(&[Oddity::OneGrantPerSession], |config| {
        let file = config.folder().join("sessions.redb");
        config
            .set("/connections/sessions/config/path", json!(file))
            .set("/session/sessionJitterSecs", json!(0));
        configure(config);
    })
    .await
}

/// The tokens that the provider was asked to revoke, in order.
fn revoked(stage: &Stage) -> Vec<String> {
    stage
        .op
        .received_at(Endpoint::Revocation)
        .iter()
        .filter_map(|request| request.form_value("token"))
        .collect()
}

/// Whatever the server still had to do is done when it has ended.
async fn nothing_is_revoked(stage: &mut Stage, what: &str) {
    stage.server.restart_gracefully().await;
    assert_eq!(revoked(stage), [""; 0], "{what}");
}

/// Has the server refresh, and expects the session to live on.
async fn refreshes(stage: &Stage, cookie: &str, what: &str) {
    let before = stage.op.count(Endpoint::Refresh);
    wait::until("a refresh", async || {
        let answer = stage.token_for(cookie).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        (stage.op.count(Endpoint::Refresh) > before).then_some(())
    })
    .await;
}

async fn log_in_by(stage: &Stage, browser: &Browser, path: &str) -> Answer {
    let callback = stage.callback_url_for(browser, path).await;
    stage.come_back(browser, &callback).await
}

#[tokio::test]
async fn what_replaces_a_session_does_not_die_of_its_end() {
    let ways = ["log in again", "step up", "a step-up that is refused", "too many sessions", "two tabs"];
    for what in ways {
        let mut stage = one_grant(|config| {
            if what == "too many sessions" {
                config.set("/session/maxSessionsPerUser", json!(1));
            }
        })
        .await;
        stage.op.issues_access_tokens_for(1);
        let browser = stage.logged_in().await;
        let first = browser.cookie(SESSION).unwrap();
        let living = match what {
            "log in again" => {
                accepted(what, &log_in_by(&stage, &browser, "/login").await);
                browser.cookie(SESSION).unwrap()
            }
            "step up" => {
                stage.op.lies(Lie::about(Endpoint::CodeExchange).claim("acr", json!("urn:gold")).once());
                accepted(what, &log_in_by(&stage, &browser, "/login?acr_values=urn:gold").await);
                browser.cookie(SESSION).unwrap()
            }
            "a step-up that is refused" => {
                stage
                    .op
                    .lies(Lie::about(Endpoint::CodeExchange).claim("auth_time", json!(1_000_000_000)).once());
                refused(what, &log_in_by(&stage, &browser, "/login?max_age=60").await);
                first.clone()
            }
            "too many sessions" => stage.logged_in().await.cookie(SESSION).unwrap(),
            _ => {
                let other = stage.callback_url(&browser).await;
                accepted(what, &log_in_by(&stage, &browser, "/login").await);
                accepted(what, &stage.come_back(&browser, &other).await);
                browser.cookie(SESSION).unwrap()
            }
        };
        nothing_is_revoked(&mut stage, what).await;
        refreshes(&stage, &living, what).await;
        if living != first {
            assert_eq!(stage.token_for(&first).await.status, 401, "{what}: it is not served any more");
        }
        // It is owed, and paid with the last one's end.
        let owed: HashSet<_> = stage.op.refresh_tokens().into_iter().collect();
        let form = "application/x-www-form-urlencoded";
        let end = raw::request("POST", &stage.server.internal, "/-/sessions/end").body(form, "subject=ada");
        let ended = end.send().await.json()["ended"].clone();
        // The second tab does not know of the first one's session.
        assert_eq!(ended, json!(if what == "two tabs" { 2 } else { 1 }), "{what}");
        wait::until("everything is revoked", async || {
            let revoked: HashSet<_> = revoked(&stage).into_iter().collect();
            // What was rotated out is no token any more.
            (revoked.len() + stage.op.count(Endpoint::Refresh) >= owed.len()).then_some(())
        })
        .await;
        let all = revoked(&stage);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len(), "{what}: each once");
    }
}

#[tokio::test]
async fn a_logout_in_one_browser_leaves_the_other_one_alone() {
    let mut stage = one_grant(|_| {}).await;
    stage.op.issues_access_tokens_for(1);
    let (here, there) = (stage.logged_in().await, stage.logged_in().await);
    let way_out = stage.log_out(&here).await;
    nothing_is_revoked(&mut stage, "on the way to the provider").await;
    here.follow(stage.app(), Url::parse(way_out.header("location")).unwrap()).go().await;
    nothing_is_revoked(&mut stage, "logged out in one of two browsers").await;
    refreshes(&stage, &there.cookie(SESSION).unwrap(), "the other browser").await;
    stage.log_out_and_return(&there).await;
    stage.op.has_received(Endpoint::Revocation, 2).await;
}

#[tokio::test]
async fn nothing_is_revoked_before_the_browser_is_back_from_the_logout_at_the_provider() {
    let mut stage = one_grant(|_| {}).await;
    let browser = stage.logged_in().await;
    let cookie = browser.cookie(SESSION).unwrap();
    let token = stage.op.refresh_tokens().pop().unwrap();
    let answer = stage.log_out(&browser).await;
    assert_eq!(stage.session_for(&cookie).await.status, 401, "no ended session is served meanwhile");
    assert_eq!(stage.token_for(&cookie).await.status, 401);
    nothing_is_revoked(&mut stage, "the browser is on its way").await;
    // Somebody else's return is none.
    let callback = stage.bff("/oidc/logout/callback?state=another");
    Browser::new().follow(stage.op.issuer(), callback).first_hop().go().await;
    nothing_is_revoked(&mut stage, "somebody else came back").await;
    let end_session = Url::parse(answer.header("location")).unwrap();
    let page = browser.follow(stage.app(), end_session).go().await;
    assert_eq!(page.url, stage.app(), "{page:?}");
    stage.op.has_received(Endpoint::Revocation, 1).await;
    assert_eq!(revoked(&stage), [token]);
}

#[tokio::test]
async fn where_no_browser_goes_to_the_provider_nothing_is_waited_for() {
    let op_without_logout = Lie::about(Endpoint::Discovery).without("end_session_endpoint");
    let stage = Stage::lying(op_without_logout, |_| {}).await;
    let browser = stage.logged_in().await;
    stage.log_out(&browser).await;
    stage.op.has_received(Endpoint::Revocation, 1).await;
}

#[tokio::test]
async fn a_browser_that_does_not_come_back_is_not_waited_for_for_ever() {
    let delay = Duration::from_secs(2);
    let mut stage = one_grant(|config| {
        config.set("/session/revocationDelaySecs", json!(delay.as_secs()));
    })
    .await;
    let browser = stage.logged_in().await;
    let left = Instant::now();
    stage.log_out(&browser).await;
    // Also a server that was killed meanwhile knows of it.
    stage.server.restart().await;
    stage.op.has_received(Endpoint::Revocation, 1).await;
    let waited = stage.op.received_at(Endpoint::Revocation)[0].at - left;
    // Times are whole seconds.
    assert!(waited + Duration::from_secs(1) > delay, "{waited:?}");
    assert_eq!(revoked(&stage), stage.op.refresh_tokens());
}

#[tokio::test]
async fn the_last_sessions_end_may_be_its_expiry() {
    let stage = one_grant(|config| {
        config.set("/session/absoluteLifetimeSecs", json!(2)).set("/session/revocationDelaySecs", json!(1));
    })
    .await;
    let browser = stage.logged_in().await;
    let first = stage.op.refresh_tokens();
    stage.log_in(&browser).await;
    stage.op.has_received(Endpoint::Revocation, 1).await;
    assert_eq!(revoked(&stage), first);
    assert_eq!(stage.session(&browser).await.status, 401, "the second session has ended");
}

#[tokio::test]
async fn the_provider_is_told_once_by_one_of_several_replicas() {
    let redis = RedisServer::start().await;
    let stage = Stage::odd(&[Oddity::OneGrantPerSession], |config| {
        config.set("/connections/sessions", redis.connection()).set("/session/revocationDelaySecs", json!(1));
    })
    .await;
    let _replica = Server::start(stage.server.config.replica()).await;
    let mut tokens = HashSet::new();
    for i in 0..6 {
        stage.op.logs_in(&format!("user-{i}"), &json!({}));
        let browser = stage.logged_in().await;
        stage.log_out(&browser).await;
        tokens.extend(stage.op.refresh_tokens().pop());
    }
    stage.op.has_received(Endpoint::Revocation, 6).await;
    wait::until("nothing is left to revoke", async || {
        redis.ask::<Vec<String>>(&["KEYS", "*:owed:*"]).await.is_empty().then_some(())
    })
    .await;
    let all = revoked(&stage);
    assert_eq!(all.len(), 6, "each once: {all:?}");
    assert_eq!(all.into_iter().collect::<HashSet<_>>(), tokens);
}

#[tokio::test]
async fn what_is_set_aside_cannot_be_read_in_the_store() {
    let redis = RedisServer::start().await;
    let stage = Stage::with(|config| {
        config.set("/connections/sessions", redis.connection());
    })
    .await;
    let browser = stage.logged_in().await;
    stage.log_out(&browser).await;
    let keys: Vec<String> = redis.ask(&["KEYS", "*:owed:*"]).await;
    assert_eq!(keys.len(), 2, "{keys:?}");
    for key in keys {
        assert!(redis.ask::<i64>(&["PTTL", &key]).await > 0, "{key} has an end");
        if !key.ends_with(":due") {
            let value: Vec<u8> = redis.ask(&["GET", &key]).await;
            let text = String::from_utf8_lossy(&value);
            assert!(!text.contains("canary") && !text.contains("ada"), "{text}");
        }
    }
}
