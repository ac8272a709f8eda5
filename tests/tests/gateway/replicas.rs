//! Two replicas behind Envoy, under load: users notice neither refreshes nor a replica's death.

use crate::behind::each;
use authtool_tests::envoy::{Envoy, Exchange};
use authtool_tests::redis::RedisServer;
use authtool_tests::{LoggedIn, Replicas, SESSION, Upstream, raw, wait};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn expired_tokens_and_a_killed_replica_cost_no_user_an_error() {
    each(killed).await;
}

async fn killed(exchange: Exchange) {
    const USERS: usize = 10;
    const WORKERS: usize = 8;
    let redis = RedisServer::start().await;
    let api = Upstream::start().await;
    let port = Envoy::port();
    let mut replicas = Replicas::with(2, &redis.connection(), |config| {
        config.set("/client/redirect_uri", json!(format!("http://localhost:{port}/bff/oauth/callback")));
        config.set("/session/sessionJitterSecs", json!(1));
    })
    .await;
    let addresses: Vec<String> = replicas
        .servers
        .iter()
        .flat_map(|server| {
            let at = |url: &url::Url| format!("127.0.0.1:{}", url.port().unwrap());
            ["--bff".to_owned(), at(&server.public), "--bff-internal".to_owned(), at(&server.internal)]
        })
        .collect();
    let route = format!("/api={}", api.origin);
    let mut arguments = vec![exchange.argument(), "--opaque-tokens", "--api", &route];
    arguments.extend(addresses.iter().map(String::as_str));
    let bootstrap =
        tokio::task::block_in_place(|| Envoy::bootstrap(&replicas.servers[0].config, port, &arguments));
    let envoy = Envoy::start(&bootstrap, port).await;
    replicas.op.issues_access_tokens_for(3);
    let users = log_in(&replicas, &envoy, USERS).await;

    let (ends, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let worker = async |number: usize| {
        let mut turn = number;
        while !ends.load(Ordering::Relaxed) {
            let user = &users[turn % users.len()];
            turn += 1;
            let answer = raw::get(&envoy.public, format!("/api/{}", user.subject))
                .as_same_origin_fetch()
                .header("cookie", format!("{SESSION}={}", user.cookie))
                .send()
                .await;
            assert_eq!(
                answer.status,
                200,
                "after {} good answers: {answer:?}",
                served.load(Ordering::Relaxed)
            );
            served.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let op = &replicas.op;
    let killed = async {
        use authtool_tests::hostile::Endpoint;
        wait::within(Duration::from_mins(1), "everybody was refreshed once", async || {
            (op.count(Endpoint::Refresh) >= USERS).then_some(())
        })
        .await;
        // Whoever dies while it refreshes a session leaves it locked for the time of a lease, whatever gateway is in front
        // (`tests/replicas` has that): here it dies between two refreshes, and all are due again soon.
        op.issues_access_tokens_for(10);
        let mut quiet_since = (op.count(Endpoint::Refresh), Instant::now());
        wait::within(Duration::from_mins(1), "every token is good for a while", async || {
            let refreshes = op.count(Endpoint::Refresh);
            if refreshes != quiet_since.0 {
                quiet_since = (refreshes, Instant::now());
            }
            (quiet_since.1.elapsed() > Duration::from_millis(2500)).then_some(())
        })
        .await;
        replicas.servers[1].kill();
        let until = op.count(Endpoint::Refresh) + USERS;
        wait::within(Duration::from_mins(1), "everybody was refreshed by the other", async || {
            (op.count(Endpoint::Refresh) >= until).then_some(())
        })
        .await;
        ends.store(true, Ordering::Relaxed);
    };
    tokio::join!(futures_util::future::join_all((0..WORKERS).map(worker)), killed);
    // Each user's token, and nobody else's.
    for arrived in api.arrived() {
        let token = arrived.header("authorization");
        let subject = replicas.op.subject_of(token.trim_start_matches("Bearer "));
        assert_eq!(Some(arrived.uri.path().trim_start_matches("/api/")), subject.as_deref());
    }
    eprintln!(
        "{exchange:?}: {} requests, {} refreshes",
        served.load(Ordering::Relaxed),
        replicas.op.refresh_tokens().len()
    );
}

/// Logs users in through Envoy.
async fn log_in(replicas: &Replicas, envoy: &Envoy, count: usize) -> Vec<LoggedIn> {
    replicas.op.logs_in_a_new_user_each_time();
    let mut users = Vec::new();
    for _ in 0..count {
        let browser = authtool_tests::browser::Browser::new();
        let page = browser.follow(envoy.public.clone(), envoy.public.join("/bff/login").unwrap()).go().await;
        let cookie = browser.cookie(SESSION).unwrap_or_else(|| panic!("{page:#?}"));
        let subject = replicas.subject_of(&replicas.token_at(0, &cookie).await).unwrap();
        users.push(LoggedIn { subject, cookie });
    }
    users
}
