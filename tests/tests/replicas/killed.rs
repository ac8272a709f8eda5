//! A replica is killed in the middle of refreshes, again and again.

use crate::MACHINE;
use authtool_tests::hostile::{Endpoint, Gate, Lie};
use authtool_tests::load::Load;
use authtool_tests::redis::RedisServer;
use authtool_tests::{Replicas, wait};
use futures_util::future::join_all;
use std::time::{Duration, Instant};

const KILLS: usize = 5;

/// Each kill interrupts some of these.
const USERS_EACH: usize = 16;

/// What a replica that dies while it refreshes leaves behind ends after this long.
const LEASE: Duration = Duration::from_secs(45);

/// Whoever asks meanwhile is told in this time that it is not yet possible: less than gateways wait.
const PATIENCE: Duration = Duration::from_secs(12);

/// The provider holds its answers back while the replica dies, so nothing has been rotated that the dead
/// cannot store any more: that alone would lose a session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_are_killed_while_they_refresh_lose_no_session() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let mut replicas = Replicas::start(2, &redis.connection()).await;
    replicas.op.issues_access_tokens_for(2);
    let users = replicas.log_in(KILLS * USERS_EACH).await;
    tokio::time::sleep(Duration::from_secs(3)).await;

    let mut loads = Vec::new();
    let mut interrupted = 0;
    for (kill, group) in users.chunks(USERS_EACH).enumerate() {
        let gate = Gate::closed();
        replicas.op.lies(Lie::about(Endpoint::Refresh).held_by(&gate));
        // All of these need a refresh at once, wherever they are asked for; those from before go on as well.
        loads.push(Load::begin(USERS_EACH * 3, replicas.internal(), group));
        wait::until("refreshes are under way", async || (replicas.op.pending() >= USERS_EACH).then_some(()))
            .await;
        let before = replicas.op.abandoned();
        replicas.servers[kill % 2].kill();
        wait::until("the provider notices", async || (replicas.op.abandoned() > before).then_some(())).await;
        // The connections of the dead are closed one by one.
        tokio::time::sleep(Duration::from_millis(300)).await;
        interrupted += replicas.op.abandoned() - before;
        replicas.op.tells_the_truth();
        gate.open();
        replicas.servers[kill % 2].restart().await;
    }
    let last_kill = Instant::now();

    // Until then, a session whose refresh was interrupted waits for the lease of the dead to end.
    let recovered = join_all(users.iter().map(async |user| {
        wait::within(LEASE + Duration::from_secs(10), "the session is back", async || {
            let answer = replicas.token_at(0, &user.cookie).await;
            assert_ne!(answer.status, 401, "{} was logged out", user.subject);
            (answer.status == 200).then_some(())
        })
        .await;
    }));
    recovered.await;
    eprintln!("{interrupted} refreshes were interrupted; all was well {:?} later", last_kill.elapsed());
    assert!(interrupted >= KILLS, "nobody was refreshing");
    let recovered = Instant::now();
    for load in &loads {
        load.serves_more(USERS_EACH * 5).await;
    }
    for load in loads {
        let observed = load.end().await;
        eprintln!("{observed:?}");
        observed.must_be_honest(|answer| replicas.subject_of(answer), true);
        assert!(observed.longest_wait() < PATIENCE, "{observed:?}");
        let unserved = observed.unserved_since(recovered);
        assert!(unserved.is_empty(), "{unserved:?}");
    }
    assert_eq!(replicas.op.reuses(), 0, "a refresh token was spent twice");
    replicas.everybody_is_logged_in(&users).await;
}
