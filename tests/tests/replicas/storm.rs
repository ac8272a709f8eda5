//! Everybody's token expires at once.

use crate::MACHINE;
use authtool_tests::hostile::{Endpoint, now};
use authtool_tests::redis::RedisServer;
use authtool_tests::{Answer, Gateway, LoggedIn, Replicas, load};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SESSIONS: usize = 200;
const REQUESTS_EACH: usize = 50;

/// How long a refresh waits for its turn to be sent. Where a round takes longer, some may be told to come back.
const TURN: Duration = Duration::from_secs(5);

/// One round: all requests of all sessions at once, over both replicas in turn.
async fn round(
    replicas: &Arc<Replicas>,
    gateway: &Arc<Gateway>,
    users: &[LoggedIn],
) -> Vec<(LoggedIn, Answer)> {
    let answers = load::all_at_once(gateway, &replicas.internal(), users, REQUESTS_EACH).await;
    answers.into_iter().map(|(user, answer)| (user, answer.expect("the server answers"))).collect()
}

async fn until(unix_seconds: i64) {
    while now() < unix_seconds {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_088_and_089_a_storm_of_refreshes_is_one_token_call_a_session() {
    let _alone = MACHINE.write().await;
    let rounds: u32 =
        std::env::var("AUTHTOOL_ROUNDS").ok().map_or(3, |rounds| rounds.parse().expect("a number of rounds"));
    let redis = RedisServer::start().await;
    let replicas = Arc::new(Replicas::start(2, &redis.connection()).await);
    let gateway = Arc::new(Gateway::new(8));

    // Nothing expires: this is how long logins and requests take here and now.
    let started = Instant::now();
    let few = replicas.log_in(SESSIONS / 5).await;
    let logins = started.elapsed() * 5;
    let started = Instant::now();
    round(&replicas, &gateway, &few).await;
    let mut slowest = started.elapsed() * 5;
    assert_eq!(replicas.op.count(Endpoint::Refresh), 0);

    // From now on all tokens expire in the same second, which should not come before everybody has one.
    let mut expiry = now() + lifetime(logins);
    replicas.op.issues_access_tokens_until(expiry);
    let users = replicas.log_in(SESSIONS).await;

    let (mut counted, mut spoiled) = (0, 0);
    while counted < rounds {
        // The server counts from when it reads the answer: where a second ended on the way, it ends later.
        until(expiry + 2).await;
        let before = replicas.op.count(Endpoint::Refresh);
        expiry = now() + lifetime(slowest);
        replicas.op.issues_access_tokens_until(expiry);
        let started = Instant::now();
        let answers = round(&replicas, &gateway, &users).await;
        let took = started.elapsed();
        slowest = took.max(slowest);

        let mut tokens: HashMap<String, HashSet<String>> = HashMap::new();
        let mut refused = 0;
        for (user, answer) in answers {
            if answer.status == 503 && took > TURN {
                refused += 1;
                continue;
            }
            assert_eq!(answer.status, 200, "{}: {answer:?}", user.subject);
            assert_eq!(replicas.subject_of(&answer).as_ref(), Some(&user.subject), "{answer:?}");
            tokens.entry(user.subject).or_default().insert(answer.json()["access_token"].to_string());
        }
        assert_eq!(replicas.op.reuses(), 0, "a refresh token was spent twice");
        if now() >= expiry || refused > 0 {
            // The first tokens of the round expired before its last requests, or there was no time to refresh all: there is
            // no telling how many refreshes are right. A busy machine does that, now and then.
            spoiled += 1;
            assert!(spoiled <= rounds * 3, "this machine is too slow: the last round took {took:?}");
            continue;
        }
        assert_eq!(tokens.len(), SESSIONS);
        counted += 1;
        for (subject, tokens) in tokens {
            assert_eq!(tokens.len(), 1, "round {counted}: {subject} got several tokens: {tokens:?}");
        }
        let refreshes = replicas.op.received_at(Endpoint::Refresh).split_off(before);
        let presented: HashSet<_> =
            refreshes.iter().filter_map(|request| request.form_value("refresh_token")).collect();
        assert_eq!((refreshes.len(), presented.len()), (SESSIONS, SESSIONS), "round {counted}");
        eprintln!("round {counted}: {} requests in {took:?}", SESSIONS * REQUESTS_EACH);
    }
}

/// Of tokens that something must be done with which takes this long.
fn lifetime(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).expect("a few seconds") * 2 + 4
}
