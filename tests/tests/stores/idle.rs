//! Connections that nobody used for a while, and that something on the way has closed or forgotten: nobody who comes then sees
//! an error.

use crate::contract::{store, with};
use authtool_bff::domain::session_index::{IndexName, Member};
use authtool_bff::domain::time::UnixSeconds;
use authtool_bff::ports::contract_tests::key;
use authtool_bff::ports::{LeaseOwner, Marker, ReplaceOutcome, Version};
use authtool_tests::browser::Browser;
use authtool_tests::hostile::Endpoint;
use authtool_tests::redis::{RedisServer, Wire};
use authtool_tests::{Replicas, SESSION, wait};
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_mins(1);

/// Longer than a connection is taken to be good without being asked.
const SILENCE: Duration = Duration::from_millis(1200);

/// How a connection dies.
#[derive(Clone, Copy, Debug)]
enum End {
    /// By a FIN, which is heard of.
    Closed,
    /// Whatever is sent arrives nowhere.
    Swallowed,
}

impl End {
    async fn comes(self, wire: &Wire) {
        match self {
            Self::Closed => wire.closes().await,
            Self::Swallowed => wire.swallows(),
        }
    }
}

/// Each way to Redis whose connections nothing keeps in use.
fn ways(wire: &Wire) -> [(&'static str, Value); 3] {
    let connection = wire.connection();
    let uncached = with(connection.clone(), "/localCache/enabled", json!(false));
    [
        ("RESP2", with(connection.clone(), "/connection/protocol", json!("RESP2"))),
        ("RESP3 without cache", uncached),
        ("RESP3 before the first session", connection),
    ]
}

/// Everything that a session store does, each after a silence in which the connection has died.
#[tokio::test]
async fn every_operation_survives_a_connection_that_has_died_while_idle() {
    const OPERATIONS: u8 = 8;
    let redis = RedisServer::start().await;
    for end in [End::Closed, End::Swallowed] {
        let wire = Wire::to(redis.port).await;
        redis.ask::<()>(&["FLUSHALL"]).await;
        let index = IndexName("user".to_owned());
        let (marker, owner) = (Marker("flow".to_owned()), LeaseOwner([7; 16]));
        let mut idle = Vec::new();
        for (number, (way, connection)) in ways(&wire).into_iter().enumerate() {
            // Each way has records of its own.
            let connection = with(connection, "/namespace", json!(format!("way-{number}")));
            for operation in 0..OPERATIONS {
                let store = store(&connection);
                store.insert(&key(operation), b"value", LONG).await.unwrap();
                idle.push((way, operation, store));
            }
        }
        tokio::time::sleep(SILENCE).await;
        end.comes(&wire).await;
        join_all(idle.iter().map(async |(way, operation, store)| {
            let key = key(*operation);
            let member = Member { since: UnixSeconds::new(1_800_000_000), key: key.clone() };
            let good = match operation {
                0 => store.read(&key).await.map(|read| read.is_some()),
                1 => store.spend(&marker, LONG).await,
                2 => store.is_spent(&Marker("other".to_owned())).await.map(|is_spent| !is_spent),
                3 => store.enlist(&index, &member, LONG, 9).await.map(|evicted| evicted.is_empty()),
                4 => store.enlisted(&IndexName("other".to_owned())).await.map(|found| found.is_empty()),
                5 => store.acquire(&key, &owner, LONG).await,
                6 => {
                    let outcome = store.replace(&key, Version(1), b"new", LONG).await;
                    outcome.map(|outcome| outcome == ReplaceOutcome::Replaced)
                }
                _ => store.remove(&key).await.map(|removed| removed.is_some()),
            };
            let what = format!("{way}, {end:?}, operation {operation}");
            assert!(good.unwrap_or_else(|error| panic!("{what}: {error}")), "{what}");
        }))
        .await;
    }
}

/// The client of a Cluster has connections to its nodes, which die like others.
#[tokio::test]
async fn a_cluster_whose_idle_connections_have_died_is_no_trouble() {
    let redis = RedisServer::as_a_whole_cluster().await;
    let wire = Wire::to(redis.port).await;
    redis.ask::<()>(&["CONFIG", "SET", "cluster-announce-port", &wire.port.to_string()]).await;
    let nodes = json!({"cluster": {"nodes": [format!("127.0.0.1:{}", wire.port)]}});
    let connection = json!({"type": "redis", "config": nodes});
    for end in [End::Closed, End::Swallowed] {
        for protocol in ["RESP2", "RESP3"] {
            let store = store(&with(connection.clone(), "/connection/protocol", json!(protocol)));
            store.insert(&key(1), b"value", LONG).await.unwrap();
            let before = wire.connections();
            assert!(before > 0, "it goes by another way");
            tokio::time::sleep(SILENCE).await;
            end.comes(&wire).await;
            let what = format!("{end:?}, {protocol}");
            let marker = Marker(what.clone());
            assert!(
                store.spend(&marker, LONG).await.unwrap_or_else(|error| panic!("{what}: {error}")),
                "{what}"
            );
            assert!(store.read(&key(1)).await.unwrap().is_some(), "{what}");
            assert!(wire.connections() > before, "{what}");
            // At once, too: a read is asked again.
            end.comes(&wire).await;
            let read = store.read(&key(1)).await.unwrap_or_else(|error| panic!("{what}, at once: {error}"));
            assert!(read.is_some(), "{what}");
        }
    }
}

/// A read that is under way when its connection dies is asked again, on a fresh one.
#[tokio::test]
async fn a_read_survives_a_connection_that_dies_on_the_way() {
    let redis = RedisServer::start().await;
    let wire = Wire::to(redis.port).await;
    for (way, connection) in ways(&wire) {
        let store = store(&connection);
        store.insert(&key(1), b"value", LONG).await.unwrap();
        assert!(store.read(&key(1)).await.unwrap().is_some(), "{way}");
        let before = wire.connections();
        // Just used, and so taken to be good.
        wire.swallows();
        assert!(store.read(&key(1)).await.unwrap().is_some(), "{way}");
        assert!(wire.connections() > before, "{way}: it was not asked again on another connection");
    }
}

/// Written, and the answer lost: the second time finds what the first has written.
#[tokio::test]
async fn a_write_that_was_done_and_not_heard_of_is_not_taken_for_another_ones() {
    let redis = RedisServer::start().await;
    let wire = Wire::to(redis.port).await;
    let uncached = with(wire.connection(), "/localCache/enabled", json!(false));
    let store = store(&uncached);
    // Redis knows the script.
    assert_eq!(store.replace(&key(9), Version(1), b"x", LONG).await.unwrap(), ReplaceOutcome::Gone);
    store.insert(&key(1), b"value", LONG).await.unwrap();
    wire.holds_answers();
    let one = key(1);
    let replacing = store.replace(&one, Version(1), b"new", LONG);
    let passing = async {
        // Redis has it, and its answer is held; the second attempt connects when this passes.
        wait::until("Redis has replaced it", async || {
            let found: Vec<u8> = redis.ask(&["GET", &session_key(&redis).await]).await;
            found.ends_with(b"new").then_some(())
        })
        .await;
        wire.swallows();
        wire.passes();
    };
    let (replaced, ()) = tokio::join!(replacing, passing);
    assert_eq!(replaced.unwrap(), ReplaceOutcome::Replaced);
    let record = store.read(&key(1)).await.unwrap().unwrap();
    assert_eq!((record.version, &record.value[..]), (Version(2), &b"new"[..]));
    assert_eq!(store.replace(&key(1), Version(1), b"other", LONG).await.unwrap(), ReplaceOutcome::Stale);
}

async fn session_key(redis: &RedisServer) -> String {
    let keys: Vec<String> = redis.ask(&["KEYS", "authtool_bff:session:*"]).await;
    keys.into_iter().next().expect("a record")
}

/// An idle hour, shortened: Redis itself closes what is idle for a second.
#[tokio::test]
async fn a_redis_that_closes_idle_connections_is_no_trouble() {
    let redis = RedisServer::with(|options| {
        options.line("timeout 1");
    })
    .await;
    for protocol in ["RESP2", "RESP3"] {
        let uncached = with(redis.connection(), "/localCache/enabled", json!(false));
        let store = store(&with(uncached, "/connection/protocol", json!(protocol)));
        store.insert(&key(1), b"value", LONG).await.unwrap();
        for _ in 0..2 {
            let connections = redis.clients().await;
            wait::until("Redis has closed the connection", async || {
                (redis.clients().await < connections).then_some(())
            })
            .await;
            assert!(store.spend(&Marker(format!("{:?}", Instant::now())), LONG).await.unwrap(), "{protocol}");
        }
    }
}

/// A whole user's life, after the network has forgotten all connections of both replicas: a login, a token at either, a refresh,
/// a logout, and no answer but those of a good day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_do_not_notice_that_the_network_has_forgotten_idle_connections() {
    let redis = RedisServer::start().await;
    let lives = [
        (End::Closed, "RESP2"),
        (End::Closed, "RESP3"),
        (End::Swallowed, "RESP2"),
        (End::Swallowed, "RESP3"),
    ];
    join_all(lives.map(async |(end, protocol)| {
        let wire = Wire::to(redis.port).await;
        let uncached = with(wire.connection(), "/localCache/enabled", json!(false));
        let connection = with(uncached, "/connection/protocol", json!(protocol));
        let connection = with(connection, "/namespace", json!(format!("{end:?}-{protocol}")));
        let replicas = Replicas::start(2, &connection).await;
        // Not right after a probe: that would be no idle connection.
        let forgets = async || {
            wire.falls_silent(SILENCE).await;
            end.comes(&wire).await;
        };
        // Ends before it is first used, so that each request refreshes.
        replicas.op.issues_access_tokens_for(1);
        let (browser, server) = (Browser::new(), &replicas.servers[0]);
        forgets().await;
        let page = browser.follow(&server.public, server.bff("/login")).go().await;
        let cookie = browser.cookie(SESSION).unwrap_or_else(|| panic!("{end:?}: {page:#?}"));
        for at in [1, 0] {
            forgets().await;
            let before = replicas.op.count(Endpoint::Refresh);
            let answer = replicas.token_at(at, &cookie).await;
            assert_eq!(answer.status, 200, "{end:?}: {answer:?}");
            assert!(replicas.op.count(Endpoint::Refresh) > before, "it was not refreshed");
        }
        forgets().await;
        let page = browser.follow(&server.public, server.bff("/logout"));
        let answer = page.posting("").method(Method::POST).first_hop().go().await.answer;
        assert!(answer.status.is_redirection(), "{end:?}: {answer:?}");
        for at in [0, 1] {
            assert_eq!(replicas.token_at(at, &cookie).await.status, 401, "{end:?}: nothing stale");
        }
    }))
    .await;
}
