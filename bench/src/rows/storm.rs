//! Everybody's access token expires in the same second, and everybody has fifty requests under way, at two replicas.
//! Each session must be refreshed once, and nobody may notice.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use authtool_tests::{
    Answer, Gateway, LoggedIn, Replicas,
    hostile::{Endpoint, now},
    load,
    redis::RedisServer,
};
use serde_json::json;

use crate::{
    report::{Figure, Row, Target},
    rounds::Effort,
};

const REQUESTS_EACH: usize = 50;

pub(crate) async fn run(effort: Effort) -> Vec<Row> {
    let sessions = if effort.quick { 100 } else { 1_000 };
    let redis = RedisServer::start().await;
    let replicas = Replicas::start(2, &redis.connection()).await;
    let gateway = Arc::new(Gateway::new(16));
    // They expire together, when everybody is logged in.
    let few = Instant::now();
    replicas.log_in(sessions / 10).await;
    let logins = few.elapsed() * 10;
    let expiry = now() + i64::try_from(logins.as_secs()).expect("some seconds") * 2 + 10;
    replicas.op.issues_access_tokens_until(expiry);
    let users = replicas.log_in(sessions).await;
    assert!(now() < expiry, "this machine is too slow: the first tokens expired before the last login");
    // Tokens of the refresh outlast the round.
    replicas.op.issues_access_tokens_for(3600);
    while now() <= expiry + 1 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let started = Instant::now();
    let answers = load::all_at_once(&gateway, &replicas.internal(), &users, REQUESTS_EACH).await;
    let took = started.elapsed();
    let failed =
        answers.iter().filter(|(user, answer)| !is_served(&replicas, user, answer.as_ref().ok())).count();
    let refreshes = replicas.op.count(Endpoint::Refresh);
    let requests = sessions * REQUESTS_EACH;
    crate::progress(&format!("{requests} requests in {took:.1?}: {refreshes} refreshes, {failed} failures"));
    let details = json!({"sessions": sessions, "requests": requests, "seconds": took.as_secs_f64(), "refreshes": refreshes, "failed": failed});
    #[allow(clippy::cast_precision_loss, reason = "some thousands")]
    let row = |what: String, ours: String, value: usize, target: Target| Row {
        what,
        ours,
        limit: String::new(),
        figure: Figure::of(value as f64, "", 0),
        target,
        details: details.clone(),
    };
    vec![
        row(
            format!("a storm of refreshes, {requests} requests: calls beyond one a session"),
            format!("{refreshes} calls in {:.1} s", took.as_secs_f64()),
            refreshes.abs_diff(sessions),
            Target::AtMost(0.0),
        ),
        row(
            "the same storm: requests not served".to_owned(),
            format!("{failed} of {requests}"),
            failed,
            Target::AtMost(0.0),
        ),
    ]
}

fn is_served(replicas: &Replicas, user: &LoggedIn, answer: Option<&Answer>) -> bool {
    answer.is_some_and(|answer| replicas.subject_of(answer).as_ref() == Some(&user.subject))
}
