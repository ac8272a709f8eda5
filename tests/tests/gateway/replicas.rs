//! Two replicas behind Envoy, under load: users notice neither refreshes nor a replica's death.

use crate::behind::each;
use authtool_tests::envoy::{Envoy, Exchange};
use authtool_tests::hostile::{Endpoint, Gate, Lie};
use authtool_tests::redis::RedisServer;
use authtool_tests::{LoggedIn, Replicas, SESSION, Server, Upstream, raw, wait};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a user waits at worst, when a server dies that was refreshing their session: for a lease of six seconds, and for a
/// second attempt. Envoy gives up after twenty seconds for an attempt, and answers with an error.
const PATIENCE: Duration = Duration::from_secs(30);

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
            let asked = Instant::now();
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
            assert!(asked.elapsed() < PATIENCE, "{} waited {:?}", user.subject, asked.elapsed());
            served.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let op = &replicas.op;
    let killed = async {
        wait::until("everybody was refreshed once", async || {
            (op.count(Endpoint::Refresh) >= USERS).then_some(())
        })
        .await;
        // It dies in the middle of refreshes: the sessions wait for its leases to end, and their requests are sent again.
        let gate = Gate::closed();
        op.lies(Lie::about(Endpoint::Refresh).held_by(&gate));
        gate.holds(1).await;
        let refreshing = wait::until("the only refreshes under way are held back", async || {
            let held = gate.waiting();
            let in_flight = refreshes_in_flight(&replicas.servers).await;
            // All of them are at the gate, so whoever is refreshing is kept waiting.
            let all = in_flight.iter().sum::<u64>() == held as u64 && gate.waiting() == held;
            all.then(|| (0..2).find(|server| in_flight[*server] > 0)).flatten()
        })
        .await;
        let before = op.abandoned();
        replicas.servers[refreshing].kill();
        wait::until("the provider notices", async || (op.abandoned() > before).then_some(())).await;
        op.hears_what_was_closed().await;
        op.tells_the_truth();
        gate.open();
        let until = op.count(Endpoint::Refresh) + USERS;
        wait::until("everybody was refreshed by the other", async || {
            (op.count(Endpoint::Refresh) >= until).then_some(())
        })
        .await;
        ends.store(true, Ordering::Relaxed);
    };
    tokio::join!(futures_util::future::join_all((0..WORKERS).map(worker)), killed);
    assert_eq!(replicas.op.reuses(), 0, "a refresh token was spent twice");
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

/// How many sessions each server is refreshing, as its metrics say.
async fn refreshes_in_flight(servers: &[Server]) -> Vec<u64> {
    let mut all = Vec::new();
    for server in servers {
        let metrics = raw::get(&server.internal, "/-/metrics").send().await.text();
        let value = metrics.lines().find_map(|line| line.strip_prefix("authtool_refreshes_in_flight "));
        all.push(value.map_or(0, |value| value.parse().expect("a gauge is a number")));
    }
    all
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
