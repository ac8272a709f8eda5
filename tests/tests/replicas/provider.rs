//! The provider is away for a while.

use crate::MACHINE;
use authtool_tests::load::Load;
use authtool_tests::redis::RedisServer;
use authtool_tests::{Replicas, wait};
use std::time::{Duration, Instant};

/// A minute, as it happens: the server's patience with the provider grows to its longest, connections are given up,
/// and what was fetched from the provider is long due again.
const OUTAGE: Duration = Duration::from_mins(1);

/// Few, since each goes on for more than a minute.
const WORKERS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_091_sessions_outlast_an_outage_of_the_provider() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let replicas = Replicas::start(2, &redis.connection()).await;
    let unconcerned = replicas.log_in(20).await;
    replicas.op.issues_access_tokens_for(3);
    let concerned = replicas.log_in(20).await;
    replicas.op.issues_access_tokens_for(3600);

    replicas.op.goes_down().await;
    let long_load = Load::begin(WORKERS, replicas.internal(), &unconcerned);
    let short_load = Load::begin(WORKERS, replicas.internal(), &concerned);
    let began = Instant::now();
    let mut refusals = 0;
    while began.elapsed() < OUTAGE {
        tokio::time::sleep(OUTAGE / 6).await;
        for server in 0..2 {
            for user in unconcerned.iter().chain(&concerned) {
                let answer = replicas.session_at(server, &user.cookie).await;
                assert_eq!(answer.status, 200, "the session is kept: {answer:?}");
            }
            for user in &concerned {
                let answer = replicas.token_at(server, &user.cookie).await;
                assert_eq!(answer.status, 503, "its token has expired: {answer:?}");
                assert_eq!(answer.problem_code(), "provider_unavailable", "{answer:?}");
                refusals += 1;
            }
            let ready = replicas.servers[server].readiness().await;
            assert_eq!(ready.json()["store"]["status"], "ok", "the store is blamed: {ready:?}");
        }
    }
    assert!(refusals >= concerned.len() * 2, "nobody needed the provider");
    let back = Instant::now();
    replicas.op.comes_back().await;
    // The pause after a failed refresh doubles up to half a minute. Without that limit, one that began at the end of the
    // outage would last for more than a minute.
    for user in &concerned {
        wait::within(Duration::from_secs(45), "a session is refreshed again", async || {
            let answer = replicas.token_at(0, &user.cookie).await;
            (replicas.subject_of(&answer).as_ref() == Some(&user.subject)).then_some(())
        })
        .await;
    }
    eprintln!("everybody had a token again {:?} after an outage of {OUTAGE:?}", back.elapsed());
    let recovered = Instant::now();
    short_load.serves_more(200).await;
    let (unconcerned_saw, concerned_saw) = (long_load.end().await, short_load.end().await);

    unconcerned_saw.must_be_honest(|answer| replicas.subject_of(answer), false);
    let unserved = unconcerned_saw.unserved_since(began);
    assert!(unserved.is_empty(), "valid tokens were withheld: {unserved:?}");
    concerned_saw.must_be_honest(|answer| replicas.subject_of(answer), false);
    let unserved = concerned_saw.unserved_since(recovered);
    assert!(unserved.is_empty(), "not everybody recovered: {unserved:?}");
    assert_eq!(replicas.op.reuses(), 0);
    replicas.everybody_is_logged_in(&unconcerned).await;
    replicas.everybody_is_logged_in(&concerned).await;
}
