//! Sessions in memory, in front of a real Redis: whatever happens to it, to what it holds and to the network, what is
//! recalled is what it holds, or held a moment ago.

use authtool_bff::Config;
use authtool_bff::adapters::redis::RedisSettings;
use authtool_bff::adapters::redis::cache::{CacheSettings, CachedRedisStore, Caching};
use authtool_bff::config::StoreConfig;
use authtool_bff::domain::session_id::SessionKey;
use authtool_bff::ports::contract_tests::{key, read_and_remember};
use authtool_bff::ports::{ReplaceOutcome, SessionStore, Version};
use authtool_tests::redis::{RedisCluster, RedisServer, SentinelTrio, Wire};
use authtool_tests::{ServerConfig, wait};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_mins(10);

/// Where a test waits until it has passed.
const STALENESS: Duration = Duration::from_millis(1500);

/// Where a test tells an answer that was heard from one that was waited for: a replica that is silent is waited for up to a
/// quarter longer than this, and one that answers for milliseconds. A machine that is busy for a second or two does not blur
/// that, nor does it put the cache out of use, as twice this time without a report would.
const LONG_STALENESS: Duration = Duration::from_secs(4);

pub(crate) fn settings(connection: &Value) -> RedisSettings {
    let mut file = ServerConfig::new("http://127.0.0.1:9");
    file.set("/connections/sessions", connection.clone());
    let config = Config::from_json(&file.text()).expect("the configuration is good");
    let StoreConfig::Redis(settings) = config.store else { panic!("not a Redis: {:?}", config.store) };
    *settings
}

fn with_staleness(connection: &Value, max_staleness: Duration) -> CachedRedisStore {
    let cache = CacheSettings { max_bytes: 1024 * 1024, max_staleness };
    CachedRedisStore::new(settings(connection), cache).expect("the store needs no connection yet")
}

/// One that is in use.
async fn cached(connection: &Value) -> CachedRedisStore {
    cached_with(connection, STALENESS).await
}

async fn cached_with(connection: &Value, max_staleness: Duration) -> CachedRedisStore {
    let store = with_staleness(connection, max_staleness);
    store.ping().await.expect("Redis answers");
    assert_eq!(store.settled(wait::PATIENCE).await, Ok(()));
    store
}

fn recalled(store: &CachedRedisStore, key: &SessionKey) -> Option<String> {
    store.recall(key).map(|recalled| recalled.live.claims_json.clone())
}

/// Has a store recall a record, as soon as it may.
async fn remembers(store: &CachedRedisStore, key: &SessionKey, value: &str) {
    wait::until("the record is recalled", async || {
        let read = read_and_remember(store, key).await.ok()??;
        assert_eq!(read.value, value.as_bytes());
        (recalled(store, key)? == value).then_some(())
    })
    .await;
}

async fn forgets(what: &str, store: &CachedRedisStore, key: &SessionKey) {
    wait::until(what, async || store.recall(key).is_none().then_some(())).await;
}

/// Two replicas, and a session that the first recalls.
async fn a_session_known_here(
    here: &Value,
    there: &Value,
) -> (CachedRedisStore, CachedRedisStore, SessionKey) {
    a_session_known_with(STALENESS, here, there).await
}

async fn a_session_known_with(
    max_staleness: Duration,
    here: &Value,
    there: &Value,
) -> (CachedRedisStore, CachedRedisStore, SessionKey) {
    let (here, there) = (cached_with(here, max_staleness).await, cached_with(there, max_staleness).await);
    let key = key(1);
    there.insert(&key, b"one", LONG).await.unwrap();
    remembers(&here, &key, "one").await;
    (here, there, key)
}

/// The connections on which a Redis reports changes.
async fn listeners(redis: &RedisServer) -> Vec<String> {
    let list: String = redis.ask(&["CLIENT", "LIST"]).await;
    let field = |line: &str, name: &str| {
        line.split(' ').find_map(|field| field.strip_prefix(name)).map(str::to_owned).unwrap_or_default()
    };
    list.lines().filter(|line| field(line, "flags=").contains('t')).map(|line| field(line, "id=")).collect()
}

#[tokio::test]
async fn sec_106_what_another_replica_changes_is_known_here() {
    let redis = RedisServer::start().await;
    let (here, there, key) = a_session_known_here(&redis.connection(), &redis.connection()).await;
    assert_eq!(there.replace(&key, Version(1), b"two", LONG).await.unwrap(), ReplaceOutcome::Replaced);
    forgets("the change is reported", &here, &key).await;
    remembers(&here, &key, "two").await;
    there.remove(&key).await.unwrap();
    forgets("the end is reported", &here, &key).await;
    assert!(read_and_remember(&here, &key).await.unwrap().is_none());
    assert!(here.recall(&key).is_none());
}

#[tokio::test]
async fn sec_106_what_this_replica_changes_it_forgets_without_being_told() {
    let redis = RedisServer::start().await;
    let wire = Wire::to(redis.port).await;
    let (here, there, key) = a_session_known_here(&wire.connection(), &redis.connection()).await;
    let mut version = Version(1);
    for value in ["two", "six", "ten"] {
        remembers(
            &here,
            &key,
            if value == "two" {
                "one"
            } else if value == "six" {
                "two"
            } else {
                "six"
            },
        )
        .await;
        wire.holds_reports();
        let outcome = here.replace(&key, version, value.as_bytes(), LONG).await.unwrap();
        assert_eq!(outcome, ReplaceOutcome::Replaced);
        assert_eq!(recalled(&here, &key), None, "{value}");
        wire.passes();
        version = Version(version.0 + 1);
    }
    remembers(&here, &key, "ten").await;
    assert_eq!(there.replace(&key, version, b"new", LONG).await.unwrap(), ReplaceOutcome::Replaced);
    remembers(&here, &key, "new").await;
    wire.holds_reports();
    assert_eq!(here.replace(&key, version, b"late", LONG).await.unwrap(), ReplaceOutcome::Stale);
    assert_eq!(recalled(&here, &key), None, "who was too late knows nothing");
    wire.passes();
    remembers(&here, &key, "new").await;
    wire.holds_reports();
    here.remove(&key).await.unwrap();
    assert_eq!(recalled(&here, &key), None);
}

#[tokio::test]
async fn sec_055_memory_ends_a_record_by_itself() {
    // A busy machine takes a part of it until the record is recalled.
    const SHORT: Duration = Duration::from_secs(6);
    let redis = RedisServer::with(|options| {
        options.line("enable-debug-command yes");
    })
    .await;
    let store = cached(&redis.connection()).await;
    let (short, shortened) = (key(1), key(2));
    store.insert(&short, b"short", SHORT).await.unwrap();
    let inserted = Instant::now();
    remembers(&store, &short, "short").await;
    // Redis is not asked to expire anything meanwhile, so it has nothing to report.
    redis.ask::<()>(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]).await;
    wait::until("the record has ended", async || {
        let asked = Instant::now();
        let found = store.recall(&short).is_some();
        assert!(!found || asked < inserted + SHORT, "it outlives its time in Redis");
        (!found).then_some(())
    })
    .await;
    redis.ask::<()>(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]).await;

    store.insert(&shortened, b"long", LONG).await.unwrap();
    remembers(&store, &shortened, "long").await;
    let name = format!("authtool_bff:session:{}", shortened.as_str());
    redis.ask::<()>(&["PEXPIRE", &name, "600000"]).await;
    forgets("another end is reported", &store, &shortened).await;
    redis.ask::<()>(&["PERSIST", &name]).await;
    for _ in 0..3 {
        assert!(read_and_remember(&store, &shortened).await.unwrap().is_some());
        assert!(store.recall(&shortened).is_none(), "what never ends is not kept");
    }
}

#[tokio::test]
async fn everything_is_forgotten_when_redis_is_emptied() {
    let redis = RedisServer::start().await;
    for command in ["FLUSHALL", "FLUSHDB"] {
        let (here, _there, key) = a_session_known_here(&redis.connection(), &redis.connection()).await;
        redis.ask::<()>(&[command]).await;
        forgets(command, &here, &key).await;
        assert!(read_and_remember(&here, &key).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn an_evicted_record_is_forgotten() {
    let redis = RedisServer::start().await;
    let (here, there, session) = a_session_known_here(&redis.connection(), &redis.connection()).await;
    let name = format!("authtool_bff:session:{}", session.as_str());
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]).await;
    let limit = redis.info("used_memory").await + 256 * 1024;
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory", &limit.to_string()]).await;
    let value = vec![b'x'; 4096];
    wait::until("the record is evicted", async || {
        for seed in 2..=255 {
            there.insert(&key(seed), &value, LONG).await.unwrap();
        }
        (redis.ask::<u64>(&["EXISTS", &name]).await == 0).then_some(())
    })
    .await;
    forgets("the eviction is reported", &here, &session).await;
}

#[tokio::test]
async fn a_listening_connection_that_is_killed_takes_everything_with_it() {
    let redis = RedisServer::start().await;
    let (here, there, key) = a_session_known_here(&redis.connection(), &redis.connection()).await;
    for id in listeners(&redis).await {
        redis.ask::<u64>(&["CLIENT", "KILL", "ID", &id]).await;
    }
    forgets("the connection is lost", &here, &key).await;
    there.replace(&key, Version(1), b"two", LONG).await.unwrap();
    remembers(&here, &key, "two").await;
    wait::until("each replica listens again", async || (listeners(&redis).await.len() == 2).then_some(()))
        .await;
}

#[tokio::test]
async fn a_redis_that_restarts_is_listened_to_anew() {
    let mut redis = RedisServer::with(|options| {
        options.persistent();
    })
    .await;
    let (here, there, key) = a_session_known_here(&redis.connection(), &redis.connection()).await;
    for kill in [false, true] {
        if kill {
            redis.kill();
        } else {
            redis.shut_down().await;
        }
        forgets("Redis has gone", &here, &key).await;
        redis.start_again().await;
        remembers(&here, &key, "one").await;
    }
    there.remove(&key).await.unwrap();
    forgets("the end is reported", &here, &key).await;
}

/// Looks until `deadline`. Whatever is recalled that had ended `since` is too old by then. The time is taken before memory is
/// asked, so a machine that is busy in between does not make an answer look older.
async fn is_stale_for_less_than_the_bound(
    store: &CachedRedisStore,
    key: &SessionKey,
    since: Instant,
    deadline: Instant,
) {
    let mut oldest = None;
    while Instant::now() < deadline {
        let asked = since.elapsed();
        if store.recall(key).is_some() {
            assert!(asked < STALENESS, "recalled {asked:?} after its end");
            oldest = Some(asked);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    eprintln!("it was recalled for {oldest:?} after its end");
}

#[tokio::test]
async fn sec_106_lost_reports_leave_an_ended_session_for_less_than_the_bound() {
    let redis = RedisServer::start().await;
    let wire = Wire::to(redis.port).await;
    let (here, there, session) = a_session_known_here(&wire.connection(), &redis.connection()).await;
    wire.holds_reports();
    there.remove(&session).await.unwrap();
    let ended = Instant::now();
    is_stale_for_less_than_the_bound(&here, &session, ended, ended + STALENESS * 3).await;
    assert!(read_and_remember(&here, &session).await.unwrap().is_none(), "requests ask Redis meanwhile");
    assert!(here.recall(&session).is_none());
    wait::until("the silent connection is replaced", async || (wire.reporting() > 1).then_some(())).await;
    wire.passes();
    let other = key(2);
    there.insert(&other, b"one", LONG).await.unwrap();
    remembers(&here, &other, "one").await;
    assert!(here.recall(&session).is_none());
}

/// How long a store waits for the others.
async fn settles(store: &CachedRedisStore) -> Duration {
    let began = Instant::now();
    store.settle().await;
    began.elapsed()
}

#[tokio::test]
async fn sec_106_an_end_that_is_settled_is_recalled_nowhere() {
    let redis = RedisServer::start().await;
    let (here, there, _) =
        a_session_known_with(LONG_STALENESS, &redis.connection(), &redis.connection()).await;
    let third = cached_with(&redis.connection(), LONG_STALENESS).await;
    let mut took = Duration::ZERO;
    for seed in 2..42 {
        let session = key(seed);
        there.insert(&session, b"one", LONG).await.unwrap();
        for store in [&here, &there, &third] {
            remembers(store, &session, "one").await;
        }
        there.remove(&session).await.unwrap();
        took += settles(&there).await;
        for store in [&here, &there, &third] {
            assert!(store.recall(&session).is_none(), "{seed}");
        }
    }
    eprintln!("{:?} for each", took / 40);
    // One that is waited for takes more than LONG_STALENESS.
    assert!(took / 40 < LONG_STALENESS / 4, "they are not heard, but waited for: {took:?}");
    for store in [&here, &there, &third] {
        assert_eq!(store.settled(Duration::ZERO).await, Ok(()), "and all of them are in use still");
    }
}

#[tokio::test]
async fn sec_106_an_end_is_settled_when_whoever_is_cut_off_cannot_rely_on_its_memory() {
    let redis = RedisServer::start().await;
    let wire = Wire::to(redis.port).await;
    let (here, there, session) =
        a_session_known_with(LONG_STALENESS, &wire.connection(), &redis.connection()).await;
    let held = Instant::now();
    wire.holds_reports();
    there.remove(&session).await.unwrap();
    let took = settles(&there).await;
    assert!(here.recall(&session).is_none(), "after {took:?}");
    eprintln!("settled after {took:?}");
    // It stays in the list for a quarter longer than it trusts its memory, which it did when it was cut off. To wait for
    // nobody takes milliseconds; to wait for it twice, more than the upper bound.
    assert!(held.elapsed() > LONG_STALENESS / 4 && took < LONG_STALENESS * 2, "{took:?}");
    wire.passes();
    remembers_nothing_old(&here, &session).await;
}

/// Looks for a while, in which memory comes into use again.
async fn remembers_nothing_old(store: &CachedRedisStore, session: &SessionKey) {
    let other = key(99);
    store.insert(&other, b"new", LONG).await.unwrap();
    wait::until("memory is in use again", async || {
        assert!(store.recall(session).is_none());
        read_and_remember(store, &other).await.unwrap();
        store.recall(&other).map(drop)
    })
    .await;
    assert!(store.recall(session).is_none());
}

#[tokio::test]
async fn sec_106_whoever_does_not_hear_the_others_waits_for_them() {
    let redis = RedisServer::start().await;
    let wire = Wire::to(redis.port).await;
    let (here, there, session) =
        a_session_known_with(LONG_STALENESS, &redis.connection(), &wire.connection()).await;
    wire.holds_reports();
    there.remove(&session).await.unwrap();
    let took = settles(&there).await;
    assert!(here.recall(&session).is_none());
    // Once; to wait for them twice takes longer.
    assert!(took < LONG_STALENESS * 2, "{took:?}");
    // One that has never been in use asks, too, and one that is alone waits for nobody.
    let account = RedisServer::start().await;
    let alone = cached_with(&account.connection(), LONG_STALENESS).await;
    assert!(settles(&alone).await < LONG_STALENESS / 2, "to wait takes LONG_STALENESS");
    let newcomer = with_staleness(&redis.connection(), LONG_STALENESS);
    there.insert(&session, b"one", LONG).await.unwrap();
    remembers(&here, &session, "one").await;
    newcomer.remove(&session).await.unwrap();
    newcomer.settle().await;
    assert!(here.recall(&session).is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_106_those_who_wait_at_the_same_time_ask_together() {
    let redis = RedisServer::start().await;
    let (here, there, session) =
        a_session_known_with(LONG_STALENESS, &redis.connection(), &redis.connection()).await;
    there.remove(&session).await.unwrap();
    let began = Instant::now();
    futures_util::future::join_all((0..500).map(|_| there.settle())).await;
    assert!(began.elapsed() < LONG_STALENESS, "to wait takes longer: {:?}", began.elapsed());
    assert!(here.recall(&session).is_none());
    let questions: Vec<String> = redis.ask(&["KEYS", "*:settle:*"]).await;
    assert!((1..=25).contains(&questions.len()), "{} questions: {questions:?}", questions.len());
    let answers: Vec<String> = redis.ask(&["KEYS", "*:heard:*"]).await;
    assert!(answers.len() <= questions.len(), "{answers:?}");
    // Their keys expire, which is reported, too, and is no question: nothing is answered again.
    wait::until("all of it is gone", async || {
        let left: Vec<String> = redis.ask(&["KEYS", "*:settle:*"]).await;
        let answers: Vec<String> = redis.ask(&["KEYS", "*:heard:*"]).await;
        (left.is_empty() && answers.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_node_of_a_cluster_that_is_taken_for_a_redis_is_told_so_and_waits_for_nobody() {
    let redis = RedisServer::as_a_whole_cluster().await;
    let store = with_staleness(&redis.connection(), LONG_STALENESS);
    store.ping().await.unwrap();
    let why = store.settled(wait::PATIENCE).await.expect_err("no probe can be written");
    assert!(why.contains("node of a Cluster") && why.contains("localCache.enabled"), "{why}");
    let took = settles(&store).await;
    assert!(took < LONG_STALENESS / 2, "to wait takes LONG_STALENESS: {took:?}");
}

#[tokio::test]
async fn an_account_that_may_write_sessions_alone_is_told_which_keys_it_needs_besides() {
    let mut account = authtool_tests::redis::Account::without_tracking();
    account.rules = account.rules.replace(
        "~authtool_bff:*",
        "~authtool_bff:session:* ~authtool_bff:marker:* ~authtool_bff:lease:* ~authtool_bff:index:* ~authtool_bff:probe:*",
    ) + " +client|tracking";
    let redis = RedisServer::with(|options| {
        options.account(&account);
    })
    .await;
    let store = with_staleness(&redis.connection(), STALENESS);
    store.ping().await.unwrap();
    let why = store.settled(wait::PATIENCE).await.expect_err("no probe can be written");
    for part in ["ACL", "authtool_bff:tracking:*", "authtool_bff:settle:*", "authtool_bff:listeners"] {
        assert!(why.contains(part), "{part}: {why}");
    }
}

#[tokio::test]
async fn a_replica_that_stops_in_good_order_is_waited_for_by_nobody() {
    let redis = RedisServer::start().await;
    for _ in 0..5 {
        let (here, there, session) =
            a_session_known_with(LONG_STALENESS, &redis.connection(), &redis.connection()).await;
        here.retire().await;
        assert!(here.recall(&session).is_none(), "nobody waits for what it remembers");
        let took = settles(&there).await;
        assert!(took < LONG_STALENESS / 2, "to wait takes LONG_STALENESS: {took:?}");
        assert_eq!(redis.ask::<u64>(&["ZCARD", "authtool_bff:listeners"]).await, 1);
        there.retire().await;
    }
}

#[tokio::test]
async fn a_replica_that_is_gone_is_waited_for_no_longer_than_its_time() {
    let redis = RedisServer::start().await;
    let (here, there, _) =
        a_session_known_with(LONG_STALENESS, &redis.connection(), &redis.connection()).await;
    drop(here);
    let took = settles(&there).await;
    // Once; to wait for it twice takes longer.
    assert!(took < LONG_STALENESS * 2, "{took:?}");
    wait::until("nobody waits for it any more", async || {
        (settles(&there).await < LONG_STALENESS / 4).then_some(())
    })
    .await;
}

#[tokio::test]
async fn reports_that_are_late_are_heard_before_memory_is_trusted_again() {
    let redis = RedisServer::start().await;
    let wire = Wire::to(redis.port).await;
    let (here, there, session) =
        a_session_known_with(LONG_STALENESS, &wire.connection(), &redis.connection()).await;
    let untouched = key(2);
    there.insert(&untouched, b"one", LONG).await.unwrap();
    remembers(&here, &untouched, "one").await;
    for _ in 0..3 {
        remembers(&here, &session, "one").await;
        wire.holds_reports();
        there.remove(&session).await.unwrap();
        // Not for longer: a connection that is silent for twice the bound is replaced.
        forgets("nothing is trusted", &here, &untouched).await;
        wire.passes();
        wait::until("memory is trusted again", async || {
            assert!(here.recall(&session).is_none(), "recalled after the report");
            read_and_remember(&here, &untouched).await.unwrap();
            here.recall(&untouched).map(drop)
        })
        .await;
        there.insert(&session, b"one", LONG).await.unwrap();
    }
    assert_eq!(wire.reporting(), 1, "a connection that was only slow is kept");
}

#[tokio::test]
async fn a_connection_that_is_cut_is_replaced() {
    let redis = RedisServer::start().await;
    let wire = Wire::to(redis.port).await;
    let (here, there, session) =
        a_session_known_with(LONG_STALENESS, &wire.connection(), &redis.connection()).await;
    wire.cuts_reports().await;
    forgets("the connection is cut", &here, &session).await;
    there.replace(&session, Version(1), b"two", LONG).await.unwrap();
    remembers(&here, &session, "two").await;
    assert_eq!(wire.reporting(), 2);
}

#[tokio::test]
async fn a_redis_that_hangs_is_not_spoken_for() {
    let redis = RedisServer::start().await;
    let (here, _there, session) = a_session_known_here(&redis.connection(), &redis.connection()).await;
    redis.hangs();
    let hung = Instant::now();
    is_stale_for_less_than_the_bound(&here, &session, hung, hung + STALENESS.mul_f32(1.5)).await;
    redis.goes_on();
    remembers(&here, &session, "one").await;
}

#[tokio::test]
async fn a_primary_that_becomes_a_replica_is_not_listened_to() {
    let redis = RedisServer::start().await;
    let (here, _there, session) = a_session_known_here(&redis.connection(), &redis.connection()).await;
    redis.ask::<()>(&["REPLICAOF", "127.0.0.1", "9"]).await;
    let demoted = Instant::now();
    is_stale_for_less_than_the_bound(&here, &session, demoted, demoted + STALENESS.mul_f32(1.5)).await;
    redis.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    remembers(&here, &session, "one").await;
}

#[tokio::test]
async fn a_redis_that_reports_what_is_written_elsewhere_is_not_trusted() {
    let (one, other) = (RedisServer::start().await, RedisServer::start().await);
    let wire = Wire::balancing(&[one.port, other.port]).await;
    let store = with_staleness(&wire.connection(), STALENESS);
    // The first connection is the store's.
    store.ping().await.unwrap();
    let why = store.settled(wait::PATIENCE).await.expect_err("it reports nothing of ours");
    assert!(why.contains("has not reported a change"), "{why}");
    assert!(why.contains("localCache.enabled"), "{why}");
    store.insert(&key(1), b"one", LONG).await.unwrap();
    assert!(read_and_remember(&store, &key(1)).await.unwrap().is_some(), "it works all the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_the_new_primary_is_listened_to() {
    let mut redis = SentinelTrio::start().await;
    let (here, there, session) = a_session_known_here(&redis.connection(), &redis.connection()).await;
    redis.is_replicated_to(&redis.second).await;
    redis.first.kill();
    forgets("the primary has gone", &here, &session).await;
    redis.is_led_by(&redis.second).await;
    remembers(&here, &session, "one").await;
    wait::until("the other replica has found the new primary", async || {
        (there.replace(&session, Version(1), b"two", LONG).await.ok()? == ReplaceOutcome::Replaced)
            .then_some(())
    })
    .await;
    forgets("the new primary reports", &here, &session).await;
    remembers(&here, &session, "two").await;

    // And back, without anything having died.
    redis.first.start_again().await;
    redis.is_replicated_to(&redis.first).await;
    redis.hand_over_to(&redis.first).await;
    // The other one takes writes until a Sentinel tells it not to, and they are lost.
    wait::until("the session has ended at the first primary", async || {
        there.remove(&session).await.ok()?;
        let kept: Vec<String> = redis.first.try_ask(&["KEYS", "*:session:*"]).await.ok()?;
        kept.is_empty().then_some(())
    })
    .await;
    forgets("the end is reported", &here, &session).await;
}

#[tokio::test]
async fn an_account_without_the_right_is_told_so_and_served() {
    let redis = RedisServer::with(|options| {
        options.account(&authtool_tests::redis::Account::without_tracking());
    })
    .await;
    let store = with_staleness(&redis.connection(), STALENESS);
    store.ping().await.unwrap();
    let why = store.settled(wait::PATIENCE).await.expect_err("Redis refuses");
    assert!(why.contains("+client|tracking"), "{why}");
    store.insert(&key(1), b"one", LONG).await.unwrap();
    for _ in 0..2 {
        assert!(read_and_remember(&store, &key(1)).await.unwrap().is_some());
        assert!(store.recall(&key(1)).is_none());
    }
}

#[tokio::test]
async fn it_is_off_where_it_cannot_be_proven() {
    let redis = RedisServer::start().await;
    let mut old = redis.connection();
    old["config"]["connection"] = json!({"protocol": "RESP2"});
    let Caching::Off(why) = settings(&old).caching else { panic!("RESP2 has no reports") };
    assert!(why.contains("RESP3"), "{why}");
    let mut off = redis.connection();
    off["config"]["localCache"] = json!({"enabled": false});
    let Caching::Off(why) = settings(&off).caching else { panic!("it was switched off") };
    assert!(why.contains("enabled"), "{why}");
    let cluster = RedisCluster::start().await;
    let Caching::Off(why) = settings(&cluster.connection()).caching else {
        panic!("a Cluster has several nodes")
    };
    assert!(why.contains("Cluster"), "{why}");
    let Caching::On(cache) = settings(&redis.connection()).caching else { panic!("it is on by default") };
    assert_eq!(cache.max_staleness, Duration::from_secs(1));
}

#[tokio::test]
async fn the_thread_that_listens_ends_with_the_store() {
    let redis = RedisServer::start().await;
    let store = cached(&redis.connection()).await;
    assert_eq!(listeners(&redis).await.len(), 1);
    drop(store);
    wait::until("nobody listens any more", async || listeners(&redis).await.is_empty().then_some(())).await;
}
