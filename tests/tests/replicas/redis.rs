//! Redis is restarted, fails over, and moves its slots, while everybody goes on.

use crate::MACHINE;
use authtool_tests::load::{Load, Observed};
use authtool_tests::redis::{RedisCluster, RedisServer, SentinelTrio};
use authtool_tests::{LoggedIn, Replicas, ports, wait};
use futures_util::future::join_all;
use std::time::{Duration, Instant};

const USERS: usize = 40;
const WORKERS: usize = 40;

/// Once Redis is back, everybody is served again within this time. The longest pause between two attempts to connect is a
/// second; whoever waited for the kernel to give a connection up, or doubled its pauses without end, would need half a
/// minute.
const RECOVERY: Duration = Duration::from_secs(15);

/// How long it is watched for a storm of connections.
const WATCHED: Duration = Duration::from_secs(3);

/// More connections than that to one Redis by two replicas are a storm.
const FEW: u64 = 12;

/// Takes the place of a Redis that is down for a while, and counts those who come.
async fn visitors(port: u16, duration: Duration) -> u64 {
    let listener = ports::listen(port).await;
    let mut count = 0;
    let end = tokio::time::Instant::now() + duration;
    while let Ok(accepted) = tokio::time::timeout_at(end, listener.accept()).await {
        drop(accepted);
        count += 1;
    }
    count
}

/// Waits until everybody has been served by every replica, and answers since when.
async fn recovered(replicas: &Replicas, users: &[LoggedIn]) -> Instant {
    let everywhere =
        (0..replicas.servers.len()).flat_map(|server| users.iter().map(move |user| (server, user)));
    join_all(everywhere.map(async |(server, user)| {
        wait::within(RECOVERY, "everybody is served again", async || {
            let answer = replicas.token_at(server, &user.cookie).await;
            (replicas.subject_of(&answer).as_ref() == Some(&user.subject)).then_some(())
        })
        .await;
    }))
    .await;
    Instant::now()
}

/// What must be true after any interruption: sessions intact, and every answer honest.
async fn all_is_well(replicas: &Replicas, users: &[LoggedIn], observed: &Observed, recovered: Instant) {
    eprintln!("{observed:?}");
    observed.must_be_honest(|answer| replicas.subject_of(answer), false);
    let unserved = observed.unserved_since(recovered);
    assert!(unserved.is_empty(), "everybody was served again, and then not: {unserved:?}");
    assert_eq!(replicas.op.reuses(), 0, "a refresh token was spent twice");
    replicas.everybody_is_logged_in(users).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_restarts_is_a_short_gap() {
    let _shared = MACHINE.read().await;
    let mut redis = RedisServer::with(|options| {
        options.persistent();
    })
    .await;
    let replicas = Replicas::start(2, &redis.connection()).await;
    replicas.op.issues_access_tokens_for(2);
    let users = replicas.log_in(USERS).await;
    let load = Load::begin(WORKERS, replicas.internal(), &users);
    load.serves_more(USERS).await;
    let mut served = Instant::now();
    for kill in [false, true] {
        if kill {
            redis.kill();
        } else {
            redis.shut_down().await;
        }
        let visitors = visitors(redis.port, Duration::from_secs(1)).await;
        assert!(visitors <= 40, "{visitors} connections in a second: a storm");
        redis.start_again().await;
        served = recovered(&replicas, &users).await;
        load.serves_more(USERS * 5).await;
        tokio::time::sleep(WATCHED).await;
        let connections = redis.info("total_connections_received").await;
        eprintln!("{visitors} came while it was down, {connections} connections since");
        assert!(connections <= FEW, "{connections} connections after the restart: a storm");
    }
    load.serves_more(USERS * 5).await;
    all_is_well(&replicas, &users, &load.end().await, served).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_by_sentinel_is_a_short_gap() {
    let _shared = MACHINE.read().await;
    let mut redis = SentinelTrio::start().await;
    let replicas = Replicas::start(2, &redis.connection()).await;
    // What a primary has not replicated when it dies is lost, whoever asks: nothing is written meanwhile.
    let users = replicas.log_in(USERS).await;
    let load = Load::begin(WORKERS, replicas.internal(), &users);
    load.serves_more(USERS).await;

    let died = Instant::now();
    redis.first.kill();
    redis.is_led_by(&redis.second).await;
    recovered(&replicas, &users).await;
    eprintln!("the Sentinels needed {:?}", died.elapsed());
    load.serves_more(USERS * 5).await;
    let clients = redis.second.clients().await;
    assert!(clients <= 30, "{clients} connections to the new primary");

    // And back again, this time because somebody wants it.
    redis.first.start_again().await;
    redis.is_replicated_to(&redis.first).await;
    redis.hand_over_to(&redis.first).await;
    let served = recovered(&replicas, &users).await;
    load.serves_more(USERS * 5).await;
    tokio::time::sleep(WATCHED).await;
    load.serves_more(USERS * 5).await;
    all_is_well(&replicas, &users, &load.end().await, served).await;

    // The new primary is written to as well.
    replicas.op.issues_access_tokens_for(1);
    let new = replicas.log_in(3).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    replicas.everybody_is_logged_in(&new).await;
    assert!(replicas.op.access_tokens().len() > USERS + new.len(), "nothing was refreshed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_of_a_cluster_move_and_nobody_notices() {
    let _shared = MACHINE.read().await;
    let redis = RedisCluster::start().await;
    let replicas = Replicas::start(2, &redis.connection()).await;
    replicas.op.issues_access_tokens_for(2);
    let users = replicas.log_in(USERS).await;
    let load = Load::begin(WORKERS, replicas.internal(), &users);
    load.serves_more(USERS * 5).await;
    let before = redis.nodes[1].info("total_connections_received").await;
    let moved = redis.move_slots().await;
    let served = recovered(&replicas, &users).await;
    load.serves_more(USERS * 10).await;
    let connections = redis.nodes[1].info("total_connections_received").await - before;
    eprintln!("{moved} slots moved, {connections} connections to the new owner");
    assert!(moved > 0, "no session lived on the first node");
    assert!(connections <= FEW, "{connections} connections: a storm");
    all_is_well(&replicas, &users, &load.end().await, served).await;
    let left: usize = redis.nodes[0].ask(&["DBSIZE"]).await;
    eprintln!("{left} keys are on the first node now");
}
