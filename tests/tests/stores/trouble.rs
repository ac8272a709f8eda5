//! Redis in trouble, and what users then see: a 503 that passes, never a logout.

use authtool_tests::browser::Browser;
use authtool_tests::hostile::Endpoint;
use authtool_tests::redis::{Entry, RedisServer};
use authtool_tests::{Answer, LoggedIn, Replicas, SESSION, raw, wait};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

async fn one_user() -> (RedisServer, Replicas, LoggedIn) {
    one_user_with(|_| {}).await
}

async fn one_user_with(change: impl FnOnce(&mut Value)) -> (RedisServer, Replicas, LoggedIn) {
    let redis = RedisServer::with(|options| {
        options.persistent();
    })
    .await;
    let mut connection = redis.connection();
    change(&mut connection);
    let replicas = Replicas::start(1, &connection).await;
    let user = replicas.log_in(1).await.remove(0);
    (redis, replicas, user)
}

/// Of the only session.
async fn record(redis: &RedisServer) -> Entry {
    let mut entries = redis.dump().await;
    entries.retain(|entry| entry.key.contains(":session:"));
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

async fn overwrite(redis: &RedisServer, key: &str, value: &[u8]) {
    let mut set = redis::cmd("SET");
    set.arg(key).arg(value).arg("EX").arg(600);
    redis.query::<()>(&set).await.unwrap();
}

/// The first answer of `/token` that is no token. The server keeps the session in memory, so it learns of what has happened
/// to Redis a moment later; how much later it may be is the subject of `local_cache`.
async fn refused(what: &str, replicas: &Replicas, user: &LoggedIn) -> Answer {
    wait::until(&format!("the session is refused after: {what}"), async || {
        let answer = replicas.token_at(0, &user.cookie).await;
        (answer.status != 200).then_some(answer)
    })
    .await
}

/// What readiness says once the next probe has found the trouble.
async fn not_ready(replicas: &Replicas) -> Answer {
    wait::until("the server is not ready", async || {
        let ready = replicas.servers[0].readiness().await;
        (ready.status == 503).then_some(ready)
    })
    .await
}

async fn is_ready(replicas: &Replicas) {
    wait::until("the server is ready", async || {
        (replicas.servers[0].readiness().await.status == 200).then_some(())
    })
    .await;
}

#[track_caller]
fn is_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
    assert!(answer.set_cookies().is_empty(), "the cookie was touched: {answer:?}");
    assert_eq!(answer.problem_code(), "store_unavailable", "{answer:?}");
}

#[tokio::test]
async fn sec_058_an_unreadable_record_is_no_session() {
    let (redis, replicas, user) = one_user().await;
    let good = record(&redis).await;
    let truncated = |length: usize| good.value[..length].to_vec();
    let mut flipped = good.value.clone();
    flipped[40] ^= 1;
    let cases = [
        ("garbage", b"canary-garbage".repeat(50)),
        ("nothing", Vec::new()),
        ("one byte", vec![0]),
        ("a version alone", truncated(8)),
        ("a version and a byte", truncated(9)),
        ("the beginning of it", truncated(100)),
        ("one bit changed", flipped),
    ];
    for (what, value) in cases {
        overwrite(&redis, &good.key, &value).await;
        for answer in [refused(what, &replicas, &user).await, replicas.session_at(0, &user.cookie).await] {
            assert_eq!(answer.status, 401, "{what}: {answer:?}");
            assert_eq!(answer.problem_code(), "no_session", "{what}");
        }
        replicas.servers[0].log().shows("session_unreadable").await;
        assert!(
            !replicas.servers[0].log().text().contains("canary-garbage"),
            "{what}: the log shows the value"
        );
        overwrite(&redis, &good.key, &good.value).await;
        assert_eq!(replicas.token_at(0, &user.cookie).await.status, 200, "{what}: it did not spread");
    }

    redis.ask::<()>(&["DEL", &good.key]).await;
    redis.ask::<()>(&["RPUSH", &good.key, "a", "list"]).await;
    let another_type = "another type";
    for answer in [refused(another_type, &replicas, &user).await, replicas.session_at(0, &user.cookie).await]
    {
        assert_eq!(answer.status, 401, "{another_type}: {answer:?}");
    }
    assert_eq!(replicas.log_in(1).await.len(), 1, "others can log in");

    // Whatever it was, it did not spread.
    redis.ask::<()>(&["DEL", &good.key]).await;
    overwrite(&redis, &good.key, &good.value).await;
    assert_eq!(replicas.token_at(0, &user.cookie).await.status, 200);
}

/// Requests open the first half of a record alone. Whoever may write to Redis and has no key could have it served without
/// the second one, which holds what ends it.
#[tokio::test]
async fn sec_058_and_197_half_a_record_is_no_session() {
    let (redis, replicas, user) = one_user().await;
    let good = record(&redis).await;
    let other = {
        redis.ask::<()>(&["DEL", &good.key]).await;
        replicas.log_in(1).await;
        let other = record(&redis).await;
        redis.ask::<()>(&["DEL", &other.key]).await;
        other
    };
    let length = good.value.len();
    let mut last_byte = good.value.clone();
    last_byte[length - 1] ^= 1;
    let mut in_the_middle = good.value.clone();
    in_the_middle[length - 60] ^= 1;
    let mut of_another = good.value.clone();
    of_another.truncate(length - 60);
    of_another.extend_from_slice(&other.value[other.value.len() - 60..]);
    for (what, value) in [
        ("the end is cut off", good.value[..length - 60].to_vec()),
        ("one byte is cut off", good.value[..length - 1].to_vec()),
        ("one byte is added", [&good.value[..], b"x"].concat()),
        ("the last byte is changed", last_byte),
        ("a byte of the second half is changed", in_the_middle),
        ("the end is another record's", of_another),
    ] {
        overwrite(&redis, &good.key, &value).await;
        assert_eq!(refused(what, &replicas, &user).await.status, 401, "{what}");
        assert_eq!(replicas.session_at(0, &user.cookie).await.status, 401, "{what}");
        overwrite(&redis, &good.key, &good.value).await;
        assert_eq!(replicas.token_at(0, &user.cookie).await.status, 200, "{what}: it did not spread");
    }
}

#[tokio::test]
async fn sec_057_a_record_of_a_newer_version_is_left_alone() {
    let (redis, replicas, user) = one_user().await;
    let good = record(&redis).await;
    let mut newer = good.value.clone();
    newer[8] = 0xff;
    overwrite(&redis, &good.key, &newer).await;
    assert_eq!(refused("a record of a newer version", &replicas, &user).await.status, 401);
    assert_eq!(replicas.session_at(0, &user.cookie).await.status, 401);
    assert!(record(&redis).await.value == newer, "the newer replica's record was changed");
}

#[tokio::test]
async fn sec_066_a_redis_that_is_down_is_503_and_no_logout() {
    let (mut redis, replicas, user) = one_user().await;
    redis.shut_down().await;
    is_unavailable(&refused("Redis is down", &replicas, &user).await);
    is_unavailable(&replicas.session_at(0, &user.cookie).await);
    let ready = not_ready(&replicas).await;
    assert_eq!(ready.json()["store"]["status"], "unavailable", "{ready:?}");
    assert_eq!(ready.json()["provider"]["status"], "ok", "the provider is blamed: {ready:?}");
    let server = &replicas.servers[0];
    let browser = Browser::new();
    let page = browser.follow(&server.public, server.bff("/login")).go().await;
    assert_eq!(page.status(), 503, "{page:#?}");
    assert!(browser.cookie(SESSION).is_none(), "{page:#?}");

    redis.start_again().await;
    // How soon, is the subject of `replicas`.
    wait::until("the server has found Redis again", async || {
        (replicas.token_at(0, &user.cookie).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(replicas.session_at(0, &user.cookie).await.status, 200);
    is_ready(&replicas).await;
    assert_eq!(replicas.log_in(1).await.len(), 1);
}

#[tokio::test]
async fn sec_066_a_redis_that_hangs_is_503_in_bounded_time() {
    // All of them ask Redis.
    let (redis, replicas, user) =
        one_user_with(|connection| connection["config"]["localCache"] = json!({"enabled": false})).await;
    redis.hangs();
    let started = std::time::Instant::now();
    let answers = join_all((0..20).map(|_| replicas.token_at(0, &user.cookie))).await;
    let took = started.elapsed();
    // Each is given up after three seconds; one after the other they would take a minute.
    assert!(took < Duration::from_secs(20), "everybody waited for {took:?}");
    answers.iter().for_each(is_unavailable);
    redis.goes_on();
    wait::until("the server talks to Redis again", async || {
        (replicas.token_at(0, &user.cookie).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn sec_062_a_redis_that_is_full_keeps_those_who_are_in() {
    let (redis, replicas, user) = one_user().await;
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let server = &replicas.servers[0];
    let browser = Browser::new();
    let page = browser.follow(&server.public, server.bff("/login")).go().await;
    assert_eq!(page.status(), 503, "{page:#?}");
    assert!(browser.cookie(SESSION).is_none(), "a session that was not stored: {page:#?}");
    assert_eq!(replicas.token_at(0, &user.cookie).await.status, 200, "reading needs no room");
    let ready = not_ready(&replicas).await;
    let reason = ready.json()["store"]["reason"].to_string();
    assert!(reason.contains("OOM") && reason.contains("maxmemory"), "it does not say what to do: {reason}");

    redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(replicas.log_in(1).await.len(), 1);
    is_ready(&replicas).await;
}

#[tokio::test]
async fn sec_062_a_replica_is_not_taken_for_a_store() {
    let (redis, replicas, user) = one_user().await;
    redis.ask::<()>(&["REPLICAOF", "127.0.0.1", "9"]).await;
    let ready = not_ready(&replicas).await;
    let reason = ready.json()["store"]["reason"].to_string();
    assert!(reason.contains("primary"), "it does not say what to do: {reason}");
    redis.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    is_ready(&replicas).await;
    assert_eq!(replicas.token_at(0, &user.cookie).await.status, 200);
}

/// Otherwise the session cannot be refreshed until the lease ends by itself, long after Redis is well.
#[tokio::test]
async fn sec_088_a_lease_that_cannot_be_given_back_is_given_back_later() {
    let (redis, replicas, _) = one_user().await;
    replicas.op.issues_access_tokens_for(2);
    let user = replicas.log_in(1).await.remove(0);
    let refreshed = async |times: usize| {
        wait::until("the token is refreshed", async || {
            let answer = replicas.token_at(0, &user.cookie).await;
            (answer.status == 200 && replicas.op.count(Endpoint::Refresh) >= times).then_some(())
        })
        .await;
    };
    // Everything works but the deletion of the lease.
    redis.ask::<()>(&["ACL", "SETUSER", "default", "-del"]).await;
    let before = replicas.op.count(Endpoint::Refresh);
    refreshed(before + 1).await;
    let deleted = redis.calls("del").await;
    redis.ask::<()>(&["ACL", "SETUSER", "default", "+del"]).await;
    // A lease that ends by itself is not deleted.
    wait::until("the lease is deleted", async || (redis.calls("del").await > deleted).then_some(())).await;
    assert!(redis.ask::<Vec<String>>(&["KEYS", "authtool_bff:lease:*"]).await.is_empty());
    let before = replicas.op.count(Endpoint::Refresh);
    refreshed(before + 1).await;
}

/// Two deployments with one namespace: their users get 401s at each other's replicas, and so somebody must say why.
#[tokio::test]
async fn a_namespace_that_is_shared_with_other_keys_is_said_once() {
    let redis = RedisServer::start().await;
    let ours = Replicas::start(2, &redis.connection()).await;
    let theirs = Replicas::start(1, &redis.connection()).await;
    theirs.servers[0].log().shows("foreign_signing_key").await;
    // Replicas of one deployment, also while its key is rotated.
    let rotated = Replicas::with(2, &redis.connection(), |config| {
        config.set("/connections/sessions/config/namespace", json!("rotated"));
    })
    .await;
    let old = rotated.servers[0].config.get("/session/signingKey").clone();
    let mut newer = rotated.servers[0].config.replica();
    newer.set("/session/signingKey", json!([authtool_tests::random_key(), old]));
    let newer = authtool_tests::Server::start(newer).await;
    wait::until("all have said which keys they have", async || {
        let named: usize = redis.ask(&["ZCARD", "rotated:index:signing-keys"]).await;
        (named == 2).then_some(())
    })
    .await;
    for server in ours.servers.iter().chain(&rotated.servers).chain([&newer]) {
        assert_eq!(server.log().count("foreign_signing_key"), 0);
    }
}

#[tokio::test]
async fn sec_081_and_189_a_forged_cookie_does_not_reach_redis() {
    let (redis, replicas, user) = one_user().await;
    // Not all commands: the local cache keeps proving that Redis reports changes.
    let before = redis.reads().await;
    for place in 0..user.cookie.len() {
        let mut forged = user.cookie.clone().into_bytes();
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        let answer = replicas.token_at(0, &forged).await;
        assert_eq!(answer.status, 401, "{forged}: {answer:?}");
    }
    // The probe of readiness reads a few keys of its own.
    let asked = usize::try_from(redis.reads().await - before).unwrap();
    assert!(asked < user.cookie.len() / 2, "Redis was asked {asked} times about cookies that nobody issued");
}

#[tokio::test]
async fn sec_059_requests_that_are_given_up_do_not_mix_up_answers() {
    let redis = RedisServer::start().await;
    let replicas = Replicas::start(1, &redis.connection()).await;
    let users = replicas.log_in(8).await;
    for turn in 0..60_u64 {
        let asked =
            users.iter().flat_map(|user| std::iter::repeat_n(user, 10)).enumerate().map(|(number, user)| {
                let replicas = &replicas;
                async move {
                    // Every other caller gives up, sooner or later.
                    let number = u64::try_from(number).unwrap();
                    let patience = if number % 2 == 0 { 20_000 } else { turn * number % 17 };
                    let asking = replicas.token_at(0, &user.cookie);
                    if let Ok(answer) = tokio::time::timeout(Duration::from_millis(patience), asking).await {
                        assert_eq!(replicas.subject_of(&answer).as_ref(), Some(&user.subject), "{answer:?}");
                    }
                }
            });
        join_all(asked).await;
    }
}

async fn end_sessions_of(replicas: &Replicas, subject: &str) -> Value {
    let answer = raw::request("POST", &replicas.servers[0].internal, "/-/sessions/end")
        .body("application/x-www-form-urlencoded", format!("subject={subject}"))
        .send()
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Under a policy that evicts, indexes go first: they are read less than sessions.
#[tokio::test]
async fn sec_115_a_user_whose_index_was_evicted_is_logged_out_everywhere_all_the_same() {
    let redis = RedisServer::start().await;
    let replicas = Replicas::start(1, &redis.connection()).await;
    let others = replicas.log_in(30).await;
    replicas.op.logs_in("ada", &json!({}));
    let mut cookies = Vec::new();
    for _ in 0..3 {
        let (browser, server) = (Browser::new(), &replicas.servers[0]);
        browser.follow(&server.public, server.bff("/login")).go().await;
        cookies.push(browser.cookie(SESSION).expect("a session"));
    }
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let indexes: Vec<String> = redis.ask(&["KEYS", "authtool_bff:index:*"]).await;
    for index in &indexes {
        redis.ask::<()>(&["DEL", index]).await;
    }
    assert_eq!(end_sessions_of(&replicas, "ada").await, json!({"ended": 3, "complete": true}));
    for cookie in &cookies {
        assert_eq!(replicas.token_at(0, cookie).await.status, 401);
    }
    replicas.everybody_is_logged_in(&others).await;
    assert_eq!(end_sessions_of(&replicas, "ada").await, json!({"ended": 0, "complete": true}));
}

/// What was evicted cannot be known, and all sessions cannot be looked through: then that is what is said.
#[tokio::test]
async fn an_order_that_may_have_missed_sessions_says_so() {
    let redis = RedisServer::start().await;
    let replicas = Replicas::start(1, &redis.connection()).await;
    redis.ask::<()>(&["ACL", "SETUSER", "default", "-info"]).await;
    assert_eq!(
        end_sessions_of(&replicas, "nobody").await,
        json!({"ended": 0, "complete": true}),
        "it has looked"
    );
    redis.ask::<()>(&["ACL", "SETUSER", "default", "-scan"]).await;
    assert_eq!(end_sessions_of(&replicas, "nobody").await, json!({"ended": 0, "complete": false}));
    replicas.servers[0].log().shows("ended_perhaps_not_everywhere").await;
    redis.ask::<()>(&["ACL", "SETUSER", "default", "+info"]).await;
    assert_eq!(
        end_sessions_of(&replicas, "nobody").await,
        json!({"ended": 0, "complete": true}),
        "nothing is evicted"
    );
    let cluster = RedisServer::as_a_whole_cluster().await;
    let connection =
        json!({"type": "redis", "config": {"cluster": {"nodes": [format!("127.0.0.1:{}", cluster.port)]}}});
    let replicas = Replicas::start(1, &connection).await;
    assert_eq!(end_sessions_of(&replicas, "nobody").await["complete"], true);
    cluster.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]).await;
    assert_eq!(end_sessions_of(&replicas, "nobody").await["complete"], false);
}

/// An index that was lost is whole again with the next refresh of each session.
#[tokio::test]
async fn a_refresh_puts_a_session_back_into_an_index_that_was_lost() {
    let redis = RedisServer::start().await;
    let replicas = Replicas::start(1, &redis.connection()).await;
    replicas.op.issues_access_tokens_for(1);
    let user = replicas.log_in(1).await.remove(0);
    let indexes: Vec<String> = redis.ask(&["KEYS", "authtool_bff:index:*"]).await;
    for index in &indexes {
        redis.ask::<()>(&["DEL", index]).await;
    }
    let before = replicas.op.count(Endpoint::Refresh);
    wait::until("it is refreshed", async || {
        assert_eq!(replicas.token_at(0, &user.cookie).await.status, 200);
        (replicas.op.count(Endpoint::Refresh) > before).then_some(())
    })
    .await;
    assert_eq!(end_sessions_of(&replicas, &user.subject).await["ended"], 1);
}
