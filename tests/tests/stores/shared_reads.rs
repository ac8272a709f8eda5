//! Reads that are wanted at the same time are asked for together, and each gets its own answer.

use authtool_bff::adapters::redis::{RedisSettings, RedisStore};
use authtool_bff::ports::contract_tests::key;
use authtool_bff::ports::{SessionStore, StoreError, StoredRecord};
use authtool_tests::redis::{RedisServer, SentinelTrio, Wire};
use authtool_tests::wait;
use futures_util::future::join_all;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::local_cache::settings;

const LONG: Duration = Duration::from_mins(10);
/// How long one read waits for Redis, and a last look at what has come. Whoever waited for an earlier read to be given up
/// would wait for nearly twice as long.
const GIVING_UP: Duration = Duration::from_millis(3200);

fn store(connection: &Value) -> Arc<RedisStore> {
    let settings: RedisSettings = settings(connection);
    Arc::new(RedisStore::new(settings).expect("the store needs no connection yet"))
}

fn text(read: Result<Option<StoredRecord>, StoreError>) -> Option<String> {
    read.expect("Redis answers").map(|record| String::from_utf8(record.value.to_vec()).expect("text"))
}

/// Every second one is there.
async fn a_hundred_sessions(store: &RedisStore) {
    for seed in (0..100).step_by(2) {
        store.insert(&key(seed), seed.to_string().as_bytes(), LONG).await.unwrap();
    }
}

async fn each_gets_its_own(store: &RedisStore) {
    let reads = (0..100_u8).map(|seed| async move { (seed, text(store.read(&key(seed)).await)) });
    for (seed, found) in join_all(reads).await {
        assert_eq!(found, seed.is_multiple_of(2).then(|| seed.to_string()));
    }
}

#[tokio::test]
async fn sec_060_reads_at_the_same_time_are_asked_for_together_and_answered_apart() {
    let redis = RedisServer::start().await;
    let store = store(&redis.connection());
    a_hundred_sessions(&store).await;
    let before = redis.calls("mget").await;
    for _ in 0..5 {
        each_gets_its_own(&store).await;
    }
    let asked = redis.calls("mget").await - before;
    assert!((5..=50).contains(&asked), "500 reads in {asked} commands");
    assert_eq!(redis.calls("get").await, 0);
}

#[tokio::test]
async fn sec_058_what_is_no_record_costs_its_neighbours_nothing() {
    let redis = RedisServer::start().await;
    let store = store(&redis.connection());
    a_hundred_sessions(&store).await;
    for (seed, command) in [(1, &["LPUSH", "list"][..]), (3, &["SET", "short"]), (5, &["SADD", "set"])] {
        let name = format!("authtool_bff:session:{}", key(seed).as_str());
        redis.ask::<redis::Value>(&[command[0], &name, command[1]]).await;
    }
    let read = |seed| {
        let store = Arc::clone(&store);
        async move { store.read(&key(seed)).await.expect("Redis answers") }
    };
    let (list, two, short, four, set, six) =
        tokio::join!(read(1), read(2), read(3), read(4), read(5), read(6));
    assert!(list.is_none() && set.is_none(), "a record of another type is none");
    assert_eq!(short.map(|record| record.value.len()), Some(0), "nothing that could be opened");
    for (found, expected) in [(two, "2"), (four, "4"), (six, "6")] {
        assert_eq!(found.expect("it is there").value, expected.as_bytes());
    }
}

#[tokio::test]
async fn sec_066_a_redis_that_hangs_keeps_nobody_longer_who_came_later() {
    let redis = RedisServer::start().await;
    let store = store(&redis.connection());
    a_hundred_sessions(&store).await;
    redis.hangs();
    // Nothing comes but the ends of waits, so a clock of the test's own measures them, however busy the machine is.
    tokio::time::pause();
    let later = |milliseconds: u64| {
        let store = Arc::clone(&store);
        async move {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            let asked = Instant::now();
            let outcome = store.read(&key(0)).await;
            (outcome.map(drop), asked.elapsed())
        }
    };
    let outcomes = join_all((0..100).map(|turn| later(turn * 25))).await;
    for (outcome, took) in outcomes {
        outcome.expect_err("Redis says nothing");
        assert!(took < GIVING_UP, "somebody waited for {took:?}");
    }
    tokio::time::resume();
    redis.goes_on();
    wait::until("Redis is asked again", async || store.read(&key(0)).await.is_ok().then_some(())).await;
    each_gets_its_own(&store).await;
}

#[tokio::test]
async fn who_does_not_wait_any_more_leaves_nothing_behind() {
    let redis = RedisServer::start().await;
    let store = store(&redis.connection());
    a_hundred_sessions(&store).await;
    redis.hangs();
    // Redis has stopped, so a hundred milliseconds are as good as an hour.
    let abandoned = join_all((0..100).map(|seed| {
        let store = Arc::clone(&store);
        async move { tokio::time::timeout(Duration::from_millis(100), store.read(&key(seed))).await }
    }))
    .await;
    assert!(abandoned.iter().all(Result::is_err), "nobody was answered");
    redis.goes_on();
    each_gets_its_own(&store).await;
}

#[tokio::test]
async fn a_redis_that_is_far_away_is_asked_again_before_it_has_answered() {
    let redis = RedisServer::start().await;
    let wire = Wire::to(redis.port).await;
    let store = store(&wire.connection());
    a_hundred_sessions(&store).await;
    wire.holds_answers();
    let before = wire.reads();
    let mut reads = Vec::new();
    for turn in 0..5_u8 {
        let store = Arc::clone(&store);
        reads.push(tokio::spawn(async move { text(store.read(&key(turn)).await) }));
        // One that waited for an earlier answer would be asked for when that is given up, and has failed.
        wait::until("Redis is asked once more", async || {
            let is_over = reads.iter().any(JoinHandle::is_finished);
            (wire.reads() > before + usize::from(turn) || is_over).then_some(())
        })
        .await;
        assert!(reads.iter().all(|read| !read.is_finished()), "{turn}: somebody's answer has come");
    }
    wire.passes();
    for (turn, found) in (0..5_u8).zip(join_all(reads).await) {
        assert_eq!(found.expect("Redis answers in time"), (turn % 2 == 0).then(|| turn.to_string()));
    }
}

/// A Redis that answers for one key, and not for several.
async fn is_asked_for_one_at_a_time(redis: &RedisServer) {
    let store = store(&redis.connection());
    a_hundred_sessions(&store).await;
    for _ in 0..3 {
        each_gets_its_own(&store).await;
    }
    assert!(redis.calls("get").await >= 200, "each by itself");
}

#[tokio::test]
async fn an_account_that_may_not_read_several_reads_one_at_a_time() {
    let redis = RedisServer::start().await;
    redis.ask::<()>(&["ACL", "SETUSER", "default", "-mget"]).await;
    is_asked_for_one_at_a_time(&redis).await;
}

#[tokio::test]
async fn a_node_of_a_cluster_that_is_taken_for_a_redis_is_asked_for_one_at_a_time() {
    let redis = RedisServer::as_a_whole_cluster().await;
    is_asked_for_one_at_a_time(&redis).await;
}

#[test]
fn a_reader_that_ended_with_its_runtime_is_done_without() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let (elsewhere, here) = (runtime(), runtime());
    let redis = here.block_on(RedisServer::start());
    let store = store(&redis.connection());
    elsewhere.block_on(async {
        store.insert(&key(0), b"0", LONG).await.unwrap();
        assert_eq!(text(store.read(&key(0)).await).as_deref(), Some("0"));
    });
    drop(elsewhere);
    here.block_on(async {
        let read = wait::until("a new connection is made", async || store.read(&key(0)).await.ok()).await;
        assert_eq!(text(Ok(read)).as_deref(), Some("0"));
        assert!(redis.calls("get").await > 0, "each by itself");
    });
}

#[tokio::test]
async fn the_primary_behind_sentinels_is_asked_together_too() {
    let trio = SentinelTrio::start().await;
    let store = store(&trio.connection());
    a_hundred_sessions(&store).await;
    each_gets_its_own(&store).await;
}
