//! The contract of [`authtool_bff::ports::contract_tests`] on every kind of Redis, each configured as a file
//! would configure it.

use authtool_bff::adapters::redis;
use authtool_bff::config::StoreConfig;
use authtool_bff::domain::session_id::SessionKey;
use authtool_bff::domain::session_index::{IndexName, Member};
use authtool_bff::domain::time::UnixSeconds;
use authtool_bff::ports::SessionStore;
use authtool_bff::ports::contract_tests::{self, RealTime};
use authtool_bff::{Config, ports};
use authtool_tests::ServerConfig;
use authtool_tests::redis::{Account, Authority, RedisCluster, RedisServer, SentinelTrio};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The store of a server whose configuration has this connection.
pub(crate) fn store(connection: &Value) -> Arc<dyn SessionStore> {
    let mut file = ServerConfig::new("http://127.0.0.1:9");
    file.set("/connections/sessions", connection.clone());
    let config = Config::from_json(&file.text()).expect("the configuration is good");
    let StoreConfig::Redis(settings) = config.store else { panic!("not a Redis: {:?}", config.store) };
    redis::open(*settings).expect("the store needs no connection yet")
}

async fn keeps_the_contract(connection: &Value) {
    contract_tests::run(store(connection), RealTime).await;
}

pub(crate) fn with(mut connection: Value, pointer: &str, value: Value) -> Value {
    let mut place = &mut connection["config"];
    for key in pointer.split('/').skip(1) {
        place = &mut place[key];
    }
    *place = value;
    connection
}

/// What a session store needs, the local cache included.
fn rights() -> String {
    redis::commands::rules("authtool_bff")
}

fn account() -> Account {
    Account {
        name: "authtool".to_owned(),
        password: "canary-password-of-the-account".to_owned(),
        rules: rights(),
    }
}

/// One that was made for a server without the cache.
fn account_without_tracking() -> Account {
    let rules = account().rules.replace(" +client|tracking", "");
    Account { rules, ..account() }
}

#[tokio::test]
async fn one_redis_keeps_the_contract_in_either_protocol() {
    for protocol in ["RESP2", "RESP3"] {
        let redis = RedisServer::start().await;
        keeps_the_contract(&with(redis.connection(), "/connection/protocol", json!(protocol))).await;
    }
}

/// Yours, or what calls itself Redis: `REDIS_URL=rediss://… cargo test --workspace --test stores contract::any_redis`. Without
/// the variable, one of the test's own. It writes into a namespace of its own, and its keys end within minutes.
#[tokio::test]
async fn any_redis_keeps_the_contract() {
    let own = RedisServer::start().await;
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| format!("redis://127.0.0.1:{}", own.port));
    let namespace = format!("authtool-contract-{}", std::process::id());
    let connection = json!({"type": "redis", "config": {"url": url, "namespace": namespace}});
    let store = store(&connection);
    store.ping().await.expect("it can be used for sessions");
    keeps_the_contract(&connection).await;
    let lost = store.may_have_lost_members().await;
    eprintln!("it keeps the contract; whether it may have evicted something: {lost}");
}

#[tokio::test]
async fn sec_139_what_the_first_version_put_into_an_index_is_found_and_taken_out() {
    let redis = RedisServer::start().await;
    let store = store(&redis.connection());
    let index = IndexName("sub:of-the-first-version".to_owned());
    let member = |seed: char| {
        let key = SessionKey::from_store(&(seed.to_string() + &"A".repeat(42))).expect("a key");
        Member { since: UnixSeconds::new(1_800_000_000), key }
    };
    let (old, new) = (member('b'), member('c'));
    store.enlist(&index, &new, Duration::from_mins(1), 10).await.expect("Redis stores");
    let mut as_it_was = ::redis::cmd("ZADD");
    as_it_was.arg("authtool_bff:index:sub:of-the-first-version").arg(4_000_000_000_000_u64).arg(old.encode());
    redis.query::<()>(&as_it_was).await.expect("Redis stores");
    assert_eq!(store.enlisted(&index).await.expect("Redis answers"), [old.clone(), new.clone()]);
    store.delist(&index, &old).await.expect("Redis stores");
    assert_eq!(store.enlisted(&index).await.expect("Redis answers"), [new]);
}

#[tokio::test]
async fn a_database_and_a_namespace_are_kept_to() {
    let redis = RedisServer::start().await;
    let connection = with(redis.connection(), "/connection/db", json!(3));
    keeps_the_contract(&with(connection, "/namespace", json!("shop:sessions"))).await;
    let entries = redis.dump().await;
    assert!(!entries.is_empty(), "the contract leaves records behind");
    for entry in &entries {
        assert_eq!(entry.db, 3, "{entry:?}");
        assert!(entry.key.starts_with("shop:sessions:"), "{entry:?}");
        assert!(entry.ttl > 0, "SEC-55: it lives for ever: {entry:?}");
    }
}

#[tokio::test]
async fn two_namespaces_in_one_redis_are_two_stores() {
    let redis = RedisServer::start().await;
    let of = |name: &str| store(&with(redis.connection(), "/namespace", json!(name)));
    let (one, other) = (of("one"), of("other"));
    let key = contract_tests::key(1);
    one.insert(&key, b"value", Duration::from_mins(1)).await.unwrap();
    assert!(other.read(&key).await.unwrap().is_none());
    let marker = ports::Marker("flow".to_owned());
    assert!(one.spend(&marker, Duration::from_mins(1)).await.unwrap());
    assert!(other.spend(&marker, Duration::from_mins(1)).await.unwrap());
}

#[tokio::test]
async fn an_account_that_may_do_little_is_enough() {
    for account in [account(), account_without_tracking()] {
        let redis = RedisServer::with(|options| {
            options.account(&account);
        })
        .await;
        for protocol in ["RESP2", "RESP3"] {
            keeps_the_contract(&with(redis.connection(), "/connection/protocol", json!(protocol))).await;
            redis.ask::<()>(&["FLUSHALL"]).await;
        }
    }
}

#[tokio::test]
async fn redis_over_tls_keeps_the_contract() {
    let authority = Authority::new();
    let redis = RedisServer::with_tls(&authority, &["localhost", "127.0.0.1"]).await;
    keeps_the_contract(&redis.tls_connection("localhost", &authority)).await;
    redis.ask::<()>(&["FLUSHALL"]).await;
    keeps_the_contract(&redis.tls_connection("127.0.0.1", &authority)).await;
}

#[tokio::test]
async fn the_primary_behind_sentinels_keeps_the_contract() {
    let redis = SentinelTrio::start().await;
    keeps_the_contract(&redis.connection()).await;
    assert!(redis.second.ask::<u64>(&["DBSIZE"]).await > 0, "the replica has a copy");
}

#[tokio::test]
async fn a_cluster_keeps_the_contract() {
    let redis = RedisCluster::start().await;
    for protocol in ["RESP2", "RESP3"] {
        keeps_the_contract(&with(redis.connection(), "/connection/protocol", json!(protocol))).await;
        for node in &redis.nodes {
            node.ask::<()>(&["FLUSHALL"]).await;
        }
    }
}

/// What the store says of a Redis that it cannot use.
pub(crate) async fn complaint(connection: &Value) -> String {
    let store = store(connection);
    let error = store.ping().await.expect_err("such a Redis is not used");
    let mut causes = vec![format!("{error} {error:?}")];
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(error) = cause {
        causes.push(format!("{error} {error:?}"));
        cause = error.source();
    }
    causes.join(" / ")
}

#[tokio::test]
async fn sec_061_a_certificate_of_another_host_is_refused() {
    let authority = Authority::new();
    let redis = RedisServer::with_tls(&authority, &["redis.example.com"]).await;
    let complaint = complaint(&redis.tls_connection("localhost", &authority)).await;
    assert!(complaint.to_lowercase().contains("certificate"), "{complaint}");
    assert!(redis.dump().await.is_empty(), "something was written all the same");
}

#[tokio::test]
async fn sec_061_an_unknown_authority_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let redis = RedisServer::with_tls(&authority, &["localhost"]).await;
    let mut system = redis.tls_connection("localhost", &authority);
    system["config"]["tls"] = json!({});
    for connection in [redis.tls_connection("localhost", &other), system] {
        let complaint = complaint(&connection).await;
        assert!(complaint.to_lowercase().contains("certificate"), "{complaint}");
    }
}

#[tokio::test]
async fn sec_061_a_refused_password_is_not_repeated() {
    let redis = RedisServer::with(|options| {
        options.account(&account());
    })
    .await;
    let connection = with(redis.connection(), "/connection/password", json!("canary-password-that-is-wrong"));
    let complaint = complaint(&connection).await;
    assert!(!complaint.contains("canary-password"), "{complaint}");
    assert!(complaint.contains("connection.password"), "it does not say what to look at: {complaint}");
}

#[tokio::test]
async fn sec_061_an_account_without_the_rights_is_told_which() {
    let mut account = account();
    account.rules = "resetchannels ~another:* -@all +get".to_owned();
    let redis = RedisServer::with(|options| {
        options.account(&account);
    })
    .await;
    let complaint = complaint(&redis.connection()).await;
    // The advice is what an operator pastes into `ACL SETUSER`; the test of the contract uses the same.
    assert!(complaint.contains(&rights()), "{complaint}");
}
