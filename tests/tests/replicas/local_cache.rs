//! What one replica keeps in memory, while sessions end and change at another.

use crate::MACHINE;
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{Endpoint, now};
use authtool_tests::redis::{RedisServer, Wire};
use authtool_tests::{Answer, Replicas, SESSION, Server, raw, wait};
use http::Method;
use serde_json::json;
use std::time::{Duration, Instant};

/// `maxStalenessMs`, by default.
const BOUND: Duration = Duration::from_secs(1);

async fn log_in(server: &Server) -> (Browser, String) {
    let browser = Browser::new();
    browser.follow(&server.public, server.bff("/login")).go().await;
    let cookie = browser.cookie(SESSION).expect("a session");
    (browser, cookie)
}

async fn log_out(server: &Server, browser: &Browser) {
    let page = browser.follow(&server.public, server.bff("/logout"));
    let answer = page.posting("").method(Method::POST).first_hop().go().await.answer;
    assert!(answer.status.is_redirection(), "{answer:?}");
}

#[tokio::test]
async fn sec_106_a_logout_is_answered_when_no_replica_serves_the_session_whatever_is_lost() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let wire = Wire::to(redis.port).await;
    let replicas = Replicas::start(2, &wire.connection()).await;
    for _ in 0..3 {
        let (browser, cookie) = log_in(&replicas.servers[0]).await;
        for server in 0..2 {
            replicas.knows(server, &cookie, &redis).await;
        }
        wire.holds_reports();
        let began = Instant::now();
        log_out(&replicas.servers[0], &browser).await;
        eprintln!("the logout took {:?}", began.elapsed());
        // It waits until nobody trusts its memory any more: a quarter longer than the bound. Without an end to that, it would
        // not be answered at all.
        assert!(began.elapsed() < BOUND * 10, "it took {:?}", began.elapsed());
        let ended = Instant::now();
        while ended.elapsed() < BOUND * 2 {
            for server in 0..2 {
                for answer in
                    [replicas.token_at(server, &cookie).await, replicas.session_at(server, &cookie).await]
                {
                    assert_eq!(answer.status, 401, "{:?} after the logout: {answer:?}", ended.elapsed());
                }
            }
        }
        wire.passes();
        assert_eq!(replicas.token_at(1, &cookie).await.status, 401);
        assert_eq!(replicas.session_at(1, &cookie).await.status, 401);
    }
}

#[tokio::test]
async fn sec_115_a_user_who_is_logged_out_everywhere_is_out_at_every_replica() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let replicas = Replicas::start(2, &redis.connection()).await;
    replicas.op.logs_in("ada", &json!({}));
    let mut cookies = Vec::new();
    for _ in 0..3 {
        cookies.push(log_in(&replicas.servers[0]).await.1);
    }
    for cookie in &cookies {
        for server in 0..2 {
            replicas.knows(server, cookie, &redis).await;
        }
    }
    let answer = raw::request("POST", &replicas.servers[0].internal, "/-/sessions/end")
        .body("application/x-www-form-urlencoded", "subject=ada")
        .send()
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for cookie in &cookies {
        for server in [1, 0] {
            assert_eq!(replicas.token_at(server, cookie).await.status, 401);
            assert_eq!(replicas.session_at(server, cookie).await.status, 401);
        }
    }
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["access_token"].to_string()
}

#[tokio::test]
async fn a_token_that_was_refreshed_at_one_replica_is_served_by_the_other() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let replicas = Replicas::start(2, &redis.connection()).await;
    replicas.op.issues_access_tokens_for(4);
    let (_browser, cookie) = log_in(&replicas.servers[0]).await;
    let expired = now() + 5;
    // Not asked for: on a busy machine it may have expired by now.
    let old = json!(replicas.op.access_tokens().pop()).to_string();
    replicas.op.issues_access_tokens_for(3600);
    while now() <= expired {
        // Kept in memory up to its end, if it has not been refreshed yet.
        assert_eq!(replicas.token_at(1, &cookie).await.status, 200);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let new = token(&replicas.token_at(0, &cookie).await);
    assert_ne!(new, old);
    for server in 0..2 {
        replicas.knows(server, &cookie, &redis).await;
        assert_eq!(token(&replicas.token_at(server, &cookie).await), new, "at {server}");
    }
    assert_eq!(replicas.op.count(Endpoint::Refresh), 1);
}

#[tokio::test]
async fn sec_060_everybody_is_told_of_oneself_from_memory() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let replicas = Replicas::start(2, &redis.connection()).await;
    let users = replicas.log_in(20).await;
    replicas.everybody_is_logged_in(&users).await;
    wait::until("everybody is in memory", async || {
        let before = redis.reads().await;
        replicas.everybody_is_logged_in(&users).await;
        (redis.reads().await == before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn memory_logs_nobody_out() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let replicas = Replicas::with(2, &redis.connection(), |config| {
        config.set("/session/idleTimeoutSecs", json!(20));
    })
    .await;
    let (_browser, cookie) = log_in(&replicas.servers[0]).await;
    replicas.knows(1, &cookie, &redis).await;
    let end = Instant::now() + Duration::from_secs(26);
    // In use at the first replica alone; what the second remembers of it would have ended by now.
    while Instant::now() < end {
        assert_eq!(replicas.token_at(0, &cookie).await.status, 200);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(replicas.token_at(1, &cookie).await.status, 200);
}

#[tokio::test]
async fn what_the_cache_does_can_be_watched() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let replicas = Replicas::start(1, &redis.connection()).await;
    let (browser, cookie) = log_in(&replicas.servers[0]).await;
    replicas.knows(0, &cookie, &redis).await;
    log_out(&replicas.servers[0], &browser).await;
    wait::until("all of it is counted", async || {
        let metrics = raw::get(&replicas.servers[0].internal, "/-/metrics").send().await.text();
        let is = |line: &str, good: &dyn Fn(f64) -> bool| {
            metrics
                .lines()
                .find_map(|it| it.strip_prefix(line)?.trim().parse().ok())
                .is_some_and(|value: f64| good(value))
        };
        let all = is("authtool_cache_reads_total{outcome=\"hit\"}", &|it| it >= 2.0)
            && is("authtool_cache_reads_total{outcome=\"miss\"}", &|it| it >= 1.0)
            && is("authtool_cache_invalidations_total", &|it| it >= 1.0)
            && is("authtool_cache_bytes", &|it| it >= 0.0)
            && is("authtool_cache_in_use", &|it| (it - 1.0).abs() < 0.1);
        all.then_some(())
    })
    .await;
    replicas.servers[0].log().shows("local_cache_in_use").await;
}
