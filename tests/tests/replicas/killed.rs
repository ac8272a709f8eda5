//! A replica is killed, paused or slow in the middle of refreshes: the others take over, and nobody is logged out.

use crate::MACHINE;
use authtool_tests::hostile::{Endpoint, Gate, Lie};
use authtool_tests::load::Load;
use authtool_tests::redis::RedisServer;
use authtool_tests::{Answer, LoggedIn, Replicas, SESSION, raw, wait};
use futures_util::future::join_all;
use std::time::{Duration, Instant};

const KILLS: usize = 5;

/// Each kill interrupts some of these.
const USERS_EACH: usize = 16;

/// Whoever asks meanwhile is answered in this time. The server gives up after 13 seconds; one that did not would keep its
/// callers for as long as the harness waits, a minute.
const PATIENCE: Duration = Duration::from_secs(30);

/// Refreshes that one server has under way at one time.
const AT_ONE_TIME: usize = 48;

/// The provider holds its answers back while the replica dies, and nobody else is being refreshed then: so nothing has been
/// rotated that the dead cannot store any more, which alone would lose a session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_are_killed_while_they_refresh_lose_no_session() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let mut replicas = Replicas::start(2, &redis.connection()).await;
    replicas.op.issues_access_tokens_for(2);
    let users = replicas.log_in(KILLS * USERS_EACH).await;
    expire(2).await;

    // Each is refreshed once: while its replica dies.
    replicas.op.issues_access_tokens_for(3600);

    let mut loads = Vec::new();
    let mut interrupted = 0;
    for (kill, group) in users.chunks(USERS_EACH).enumerate() {
        let gate = Gate::closed();
        replicas.op.lies(Lie::about(Endpoint::Refresh).held_by(&gate));
        // All of these need a refresh at once, wherever they are asked for; those from before go on as well. No more workers
        // than users: a server that gets no processor for ten seconds gives up a refresh that the provider then grants.
        loads.push(Load::begin(USERS_EACH, replicas.internal(), group));
        wait::until("refreshes are under way", async || (replicas.op.pending() >= USERS_EACH).then_some(()))
            .await;
        let before = replicas.op.abandoned();
        replicas.servers[kill % 2].kill();
        wait::until("the provider notices", async || (replicas.op.abandoned() > before).then_some(())).await;
        replicas.op.hears_what_was_closed().await;
        interrupted += replicas.op.abandoned() - before;
        replicas.op.tells_the_truth();
        gate.open();
        let killed = Instant::now();
        replicas.servers[kill % 2].restart().await;
        // A session whose refresh was interrupted waits for the lease of the dead to end.
        let recovered = join_all(group.iter().map(async |user| {
            wait::until("the session is back", async || {
                let answer = replicas.token_at(0, &user.cookie).await;
                assert_ne!(answer.status, 401, "{} was logged out", user.subject);
                (answer.status == 200).then_some(())
            })
            .await;
        }));
        recovered.await;
        eprintln!("all was well {:?} after the kill", killed.elapsed());
    }
    eprintln!("{interrupted} refreshes were interrupted");
    assert!(interrupted >= KILLS, "nobody was refreshing");
    let recovered = Instant::now();
    for load in &loads {
        load.serves_more(USERS_EACH * 5).await;
    }
    for load in loads {
        let observed = load.end().await;
        eprintln!("{observed:?}");
        // Not all are served: the provider, too, keeps some waiting until nobody believes in it.
        observed.must_be_honest(|answer| replicas.subject_of(answer), true);
        assert!(observed.longest_wait() < PATIENCE, "{observed:?}");
        let unserved = observed.unserved_since(recovered);
        assert!(unserved.is_empty(), "{unserved:?}");
    }
    assert_eq!(replicas.op.reuses(), 0, "a refresh token was spent twice");
    replicas.everybody_is_logged_in(&users).await;
}

/// Waits until tokens of this lifetime have expired, however the seconds are counted.
async fn expire(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds + 1)).await;
}

/// Several users at two servers whose tokens have all expired, and none of whom has been refreshed. The next tokens last.
async fn with_expired_tokens(redis: &RedisServer, count: usize) -> (Replicas, Vec<LoggedIn>) {
    let mut lifetime = 2 + count as u64 / 4;
    loop {
        let replicas = Replicas::start(2, &redis.connection()).await;
        replicas.op.issues_access_tokens_for(lifetime);
        let users = replicas.log_in(count).await;
        if replicas.op.count(Endpoint::Refresh) == 0 {
            expire(lifetime).await;
            replicas.op.issues_access_tokens_for(3600);
            return (replicas, users);
        }
        // Here and now, logging in takes longer than that.
        lifetime *= 4;
        assert!(lifetime < 1000, "{count} logins take for ever");
    }
}

fn is_served(replicas: &Replicas, user: &LoggedIn, answer: &Answer) {
    assert_eq!(replicas.subject_of(answer).as_ref(), Some(&user.subject), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_088_whoever_waits_for_a_replica_that_dies_is_served_by_another() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let (mut replicas, users) = with_expired_tokens(&redis, 1).await;
    let gate = Gate::closed();
    replicas.op.lies(Lie::about(Endpoint::Refresh).held_by(&gate).once());
    let (dying, other) = replicas.servers.split_at_mut(1);
    let cookie = &users[0].cookie;
    tokio::join!(
        async {
            let request =
                raw::get(&dying[0].internal, "/bff/token").header("cookie", format!("{SESSION}={cookie}"));
            let kill = async {
                replicas.op.has_received(Endpoint::Refresh, 1).await;
                dying[0].kill();
            };
            let (answer, ()) = tokio::join!(request.try_send(), kill);
            assert!(answer.is_err(), "it was killed before it could answer: {answer:?}");
        },
        async {
            replicas.op.has_received(Endpoint::Refresh, 1).await;
            let asked = Instant::now();
            let answers = join_all((0..5).map(|_| other[0].token_for(cookie))).await;
            let took = asked.elapsed();
            eprintln!("the others waited {took:?}");
            assert!(took < PATIENCE, "{took:?}");
            for answer in answers {
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        },
    );
    assert_eq!(replicas.op.count(Endpoint::Refresh), 2, "one of the dead, and one of whoever took over");
    assert_eq!(replicas.op.reuses(), 0);
    is_served(&replicas, &users[0], &replicas.token_at(1, cookie).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_088_a_provider_that_takes_its_time_is_asked_once() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let (replicas, users) = with_expired_tokens(&redis, 1).await;
    // Longer than a lease (6 s), and shorter than an exchange may take (10 s).
    replicas.op.lies(Lie::about(Endpoint::Refresh).delay(Duration::from_secs(7)));
    let ask = |turn: usize| replicas.token_at(turn % 2, &users[0].cookie);
    for answer in join_all((0..6).map(ask)).await {
        is_served(&replicas, &users[0], &answer);
    }
    assert_eq!(replicas.op.count(Endpoint::Refresh), 1);
}

/// The turn of its last session has not come when the server is paused, so this one's refresh token has not been sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_088_a_replica_that_was_paused_does_not_send_what_another_has_used_meanwhile() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let (replicas, users) = with_expired_tokens(&redis, AT_ONE_TIME + 1).await;
    let gate = Gate::closed();
    replicas.op.lies(Lie::about(Endpoint::Refresh).held_by(&gate).times(AT_ONE_TIME));
    let (last, first) = users.split_last().expect("several users");
    let paused = &replicas.servers[0];
    let (under_way, its_own, ()) = tokio::join!(
        join_all(first.iter().map(|user| replicas.token_at(0, &user.cookie))),
        async {
            replicas.op.has_received(Endpoint::Refresh, AT_ONE_TIME).await;
            replicas.token_at(0, &last.cookie).await
        },
        async {
            wait::until("the last session's lease is taken", async || {
                let leases: Vec<String> = redis.ask(&["KEYS", "*:lease:*"]).await;
                (leases.len() == AT_ONE_TIME + 1).then_some(())
            })
            .await;
            paused.is_paused();
            is_served(&replicas, last, &replicas.token_at(1, &last.cookie).await);
            gate.open();
            paused.goes_on();
        }
    );
    is_served(&replicas, last, &its_own);
    for (user, answer) in first.iter().zip(under_way) {
        is_served(&replicas, user, &answer);
    }
    assert_eq!(replicas.op.count(Endpoint::Refresh), AT_ONE_TIME + 1, "each session's refresh token once");
    assert_eq!(replicas.op.reuses(), 0);
    replicas.everybody_is_logged_in(&users).await;
}

/// That it was sent twice cannot be helped; a provider with a grace period takes that, and so must we.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_088_what_a_paused_replica_is_answered_late_does_not_undo_what_another_did() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let (replicas, users) = with_expired_tokens(&redis, 1).await;
    replicas.op.rotates_refresh_tokens(false);
    let gate = Gate::closed();
    replicas.op.lies(Lie::about(Endpoint::Refresh).held_by(&gate).once());
    let (user, paused) = (&users[0], &replicas.servers[0]);
    let (late, ()) = tokio::join!(replicas.token_at(0, &user.cookie), async {
        replicas.op.has_received(Endpoint::Refresh, 1).await;
        paused.is_paused();
        let answer = replicas.token_at(1, &user.cookie).await;
        is_served(&replicas, user, &answer);
        gate.open();
        paused.goes_on();
    });
    is_served(&replicas, user, &late);
    assert_eq!(replicas.op.count(Endpoint::Refresh), 2);
    let tokens = [replicas.token_at(0, &user.cookie).await, replicas.token_at(1, &user.cookie).await];
    assert_eq!(
        tokens[0].json()["access_token"],
        tokens[1].json()["access_token"],
        "one of the two was stored"
    );
    assert_eq!(replicas.op.count(Endpoint::Revocation), 0, "to revoke the other could end the login");
}
