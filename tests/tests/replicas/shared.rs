//! What one replica does, the others know.

use crate::MACHINE;
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{Endpoint, Gate, Lie};
use authtool_tests::redis::RedisServer;
use authtool_tests::{Answer, Replicas, SESSION, raw, wait};
use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use url::Url;

#[tokio::test]
async fn sec_106_a_logout_at_one_replica_is_known_to_the_next_at_once() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let replicas = Replicas::start(2, &redis.connection()).await;
    let (first, second) = (&replicas.servers[0], &replicas.servers[1]);
    for _ in 0..10 {
        let browser = Browser::new();
        browser.follow(&first.public, first.bff("/login")).go().await;
        let cookie = browser.cookie(SESSION).expect("a session");
        replicas.knows(1, &cookie, &redis).await;
        let answer = browser
            .follow(&first.public, first.bff("/logout"))
            .posting("")
            .method(Method::POST)
            .first_hop()
            .go()
            .await
            .answer;
        assert!(answer.status.is_redirection(), "{answer:?}");
        let (token, session) = tokio::join!(second.token_for(&cookie), replicas.session_at(1, &cookie));
        assert_eq!(token.status, 401, "{token:?}");
        assert_eq!(session.status, 401, "{session:?}");
        assert_eq!(first.token_for(&cookie).await.status, 401);
    }
}

/// Reports a logout of one provider session to a replica, as the provider does.
async fn report(replicas: &Replicas, server: usize, sid: &str) {
    let token = replicas.op.logout_token(&json!({"sid": sid})).serialise();
    let answer = raw::request("POST", &replicas.servers[server].public, "/bff/oidc/logout/backchannel")
        .body("application/x-www-form-urlencoded", format!("logout_token={token}"))
        .send()
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn sec_114_a_logout_reported_to_one_replica_is_known_to_the_next_at_once() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let replicas = Replicas::start(2, &redis.connection()).await;
    for turn in 0..10 {
        let user = replicas.log_in(1).await.remove(0);
        let sid = replicas.op.provider_sessions().pop().expect("a login at the provider");
        let (told, asked) = (turn % 2, (turn + 1) % 2);
        replicas.knows(asked, &user.cookie, &redis).await;
        report(&replicas, told, &sid).await;
        let (token, session) =
            tokio::join!(replicas.token_at(asked, &user.cookie), replicas.session_at(asked, &user.cookie));
        assert_eq!(token.status, 401, "{token:?}");
        assert_eq!(session.status, 401, "{session:?}");
    }
}

#[tokio::test]
async fn sec_116_a_logout_reported_to_one_replica_beats_a_refresh_in_flight_at_another() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let replicas = Replicas::start(2, &redis.connection()).await;
    replicas.op.issues_access_tokens_for(1);
    let user = replicas.log_in(1).await.remove(0);
    let sid = replicas.op.provider_sessions().pop().expect("a login at the provider");
    let gate = Gate::closed();
    replicas.op.lies(Lie::about(Endpoint::Refresh).held_by(&gate));
    let first = replicas.op.access_tokens();
    let asking = wait::until("the access token has expired, and a refresh has ended", async || {
        let answer = replicas.token_at(1, &user.cookie).await;
        if answer.status != 200 {
            return Some(answer);
        }
        // While it is still good, the first one is handed out beside a refresh that takes long.
        let token = answer.json()["access_token"].as_str().unwrap_or_default().to_owned();
        assert!(first.contains(&token), "the refresh that the logout overtook: {answer:?}");
        None
    });
    let (answer, ()) = tokio::join!(asking, async {
        replicas.op.has_received(Endpoint::Refresh, 1).await;
        report(&replicas, 0, &sid).await;
        let answer = replicas.token_at(0, &user.cookie).await;
        assert_eq!(answer.status, 401, "the session ended before the refresh did: {answer:?}");
        gate.open();
    });
    assert_eq!(answer.status, 401, "the refresh that the logout overtook: {answer:?}");
    for server in 0..2 {
        assert_eq!(replicas.token_at(server, &user.cookie).await.status, 401);
        assert_eq!(replicas.session_at(server, &user.cookie).await.status, 401);
    }
    // What the provider issued after all is revoked.
    let rotated = replicas.op.refresh_tokens().pop();
    wait::until("the new tokens are revoked", async || {
        let revoked = replicas.op.received_at(Endpoint::Revocation);
        revoked.iter().any(|request| request.form_value("token") == rotated).then_some(())
    })
    .await;
}

/// Delivers a callback to one replica, with the cookies of the browser that began.
async fn deliver(internal: &Url, browser: &Browser, callback: &Url) -> Answer {
    let cookies: Vec<_> =
        browser.jar().all().into_iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
    let target = format!("{}?{}", callback.path(), callback.query().unwrap_or_default());
    raw::get(internal, target)
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
        .header("cookie", cookies.join("; "))
        .send()
        .await
}

#[tokio::test]
async fn sec_018_one_callback_at_two_replicas_is_one_token_request() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let replicas = Replicas::start(2, &redis.connection()).await;
    let (first, second) = (&replicas.servers[0], &replicas.servers[1]);
    for turn in 0..10 {
        let browser = Browser::new();
        let page = browser
            .follow(&first.public, first.bff("/login"))
            .stop_before(|url| url.path().ends_with("/oauth/callback"))
            .go()
            .await;
        let callback = page.next.expect("the provider sends the browser back");
        let gate = Gate::closed();
        replicas.op.lies(Lie::about(Endpoint::CodeExchange).held_by(&gate));
        let deliveries = [first, second, first, second, second, first]
            .map(|server| deliver(&server.public, &browser, &callback));
        let (answers, ()) = tokio::join!(join_all(deliveries), async {
            replicas.op.has_received(Endpoint::CodeExchange, turn + 1).await;
            gate.open();
        });
        replicas.op.tells_the_truth();
        assert_eq!(replicas.op.count(Endpoint::CodeExchange), turn + 1, "{answers:?}");
        let sessions = answers.iter().filter(|answer| answer.sets_session()).count();
        assert_eq!(sessions, 1, "{answers:?}");
        assert!(answers.iter().all(|answer| answer.status.as_u16() < 500), "{answers:?}");
    }
}

#[tokio::test]
async fn a_login_that_began_at_one_replica_ends_at_another() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let replicas = Replicas::start(2, &redis.connection()).await;
    let (first, second) = (&replicas.servers[0], &replicas.servers[1]);
    let browser = Browser::new();
    let page = browser
        .follow(&first.public, first.bff("/login"))
        .stop_before(|url| url.path().ends_with("/oauth/callback"))
        .go()
        .await;
    let callback = page.next.expect("the provider sends the browser back");
    let answer = deliver(&second.public, &browser, &callback).await;
    assert!(answer.sets_session(), "{answer:?}");
}
