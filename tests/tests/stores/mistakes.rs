//! What is configured wrongly, or missing at Redis, is named with the setting that mends it.

use crate::contract::{store, with};
use authtool_bff::adapters::redis::commands::{COMMANDS, Need, rules};
use authtool_bff::ports::contract_tests::key;
use authtool_tests::redis::{Account, Authority, RedisCluster, RedisServer, SentinelTrio};
use serde_json::{Value, json};
use std::time::Duration;

/// What is said of a Redis that cannot be used, the first time and whenever it is tried again.
async fn says(connection: &Value, parts: &[&str]) {
    let store = store(connection);
    for attempt in 0..3 {
        let said = store.ping().await.expect_err("such a Redis is not used").to_string();
        for part in parts {
            assert!(said.contains(part), "{part:?} is missing in attempt {attempt}: {said}");
        }
        assert!(!said.contains("canary"), "{said}");
    }
}

fn redis(config: Value) -> Value {
    json!({"type": "redis", "config": config})
}

#[tokio::test]
async fn a_mistake_about_one_server_is_named_each_time() {
    let authority = Authority::new();
    let plain = RedisServer::start().await;
    let right = plain.connection();
    says(&with(right.clone(), "/connection/db", json!(99)), &["out of range", "connection.db"]).await;
    says(&with(right.clone(), "/tls", json!({"ca": authority.pem()})), &["no TLS is spoken", "`tls`"]).await;
    says(&with(right.clone(), "/host", json!("no-such-host.invalid")), &["no such host", "`host`"]).await;
    says(&with(right.clone(), "/port", json!(9)), &["nothing listens there", "host and port"]).await;
    says(&redis(json!({"socket": "/nowhere/redis.sock"})), &["`socket`", "unixsocket"]).await;
    says(
        &redis(json!({"cluster": {"nodes": [format!("127.0.0.1:{}", plain.port)]}})),
        &["no Cluster", "`cluster`"],
    )
    .await;
    let sentinel = json!({"nodes": [format!("127.0.0.1:{}", plain.port)], "primary": "main"});
    says(&redis(json!({"sentinel": sentinel})), &["sentinel.nodes", "26379"]).await;
    for (setting, value, good, parts) in [
        ("maxclients", "1", "1000", ["max number of clients", "maxclients"]),
        ("min-replicas-to-write", "1", "0", ["NOREPLICAS", "min-replicas-to-write"]),
        ("maxmemory", "1", "0", ["OOM", "maxmemory"]),
    ] {
        plain.ask::<()>(&["CONFIG", "SET", setting, value]).await;
        says(&right, &parts).await;
        plain.ask::<()>(&["CONFIG", "SET", setting, good]).await;
    }
    plain.ask::<()>(&["REPLICAOF", "127.0.0.1", "9"]).await;
    says(&right, &["replica", "primary"]).await;
    let cluster = RedisServer::with(|options| {
        options.line("cluster-enabled yes").line(format!("cluster-port {}", authtool_tests::ports::free()));
    })
    .await;
    says(&redis(json!({"cluster": {"nodes": [format!("127.0.0.1:{}", cluster.port)]}})), &["Redis"]).await;
}

#[tokio::test]
async fn a_client_certificate_that_is_asked_for_is_named_and_so_is_tls() {
    let authority = Authority::new();
    let redis = RedisServer::with_tls_and(&authority, &["localhost"], |options| {
        options.asks_for_certificates();
    })
    .await;
    says(&redis.tls_connection("localhost", &authority), &["client certificate", "tls.cert", "tls.key"])
        .await;
    let mut plain = redis.connection();
    plain["config"]["port"] = json!(redis.tls_port);
    says(&plain, &["TLS is spoken at this port", "`tls`"]).await;
}

#[tokio::test]
async fn a_mistake_about_several_servers_is_named_each_time() {
    let cluster = RedisCluster::start().await;
    says(&cluster.nodes[0].connection(), &["node of a Cluster", "`cluster`"]).await;
    let sentinels = SentinelTrio::start().await;
    let right = sentinels.connection();
    says(&with(right.clone(), "/sentinel/primary", json!("nobody")), &["sentinel.primary"]).await;
    says(&with(right.clone(), "/sentinel/password", json!("canary-wrong")), &["sentinel.password"]).await;
    says(&with(right.clone(), "/sentinel/nodes", json!(["127.0.0.1:9"])), &["sentinel.nodes"]).await;
    let one = right["config"]["sentinel"]["nodes"][0].clone();
    says(&redis(json!({"host": one})), &["Sentinel"]).await;
}

#[tokio::test]
async fn a_wrong_password_is_what_is_said_however_often_it_is_tried() {
    let account = Account { rules: rules("authtool_bff"), ..Account::without_tracking() };
    let redis = RedisServer::with(|options| {
        options.account(&account);
    })
    .await;
    let wrong = with(redis.connection(), "/connection/password", json!("canary-wrong"));
    says(&wrong, &["connection.password"]).await;
    let nobody = with(redis.connection(), "/connection", json!({}));
    says(&nobody, &["connection.password"]).await;
}

/// Every command that a login, a refresh or a logout sends, taken from an account one after the other.
#[tokio::test]
async fn a_command_that_an_account_lacks_is_named() {
    let account = Account { rules: rules("authtool_bff"), ..Account::without_tracking() };
    let redis = RedisServer::with(|options| {
        options.account(&account);
    })
    .await;
    store(&redis.connection()).ping().await.expect("the rights are enough");
    let needed = COMMANDS.iter().filter(|it| it.need == Need::Sessions);
    let mut names: Vec<&str> = needed.map(|it| it.name).collect();
    assert!(names.len() > 12, "{names:?}");
    for name in &names {
        redis.ask::<()>(&["ACL", "SETUSER", &account.name, &format!("-{name}")]).await;
        says(&redis.connection(), &[&format!("refuses {}, without", name.to_ascii_uppercase())]).await;
        redis.ask::<()>(&["ACL", "SETUSER", &account.name, &format!("+{name}")]).await;
    }
    let two = names.split_off(names.len() - 2);
    for name in &two {
        redis.ask::<()>(&["ACL", "SETUSER", &account.name, &format!("-{name}")]).await;
    }
    let both = two.iter().map(|it| it.to_ascii_uppercase()).collect::<Vec<_>>().join(", ");
    says(&redis.connection(), &[&both]).await;
}

/// `rename-command`, as managed services have it.
#[tokio::test]
async fn a_command_that_a_service_has_taken_away_is_named() {
    for name in ["EVALSHA", "EXISTS", "ZREMRANGEBYSCORE"] {
        let redis = RedisServer::with(|options| {
            options.line(format!("rename-command {name} \"\""));
        })
        .await;
        says(&redis.connection(), &[&format!("refuses {name}, without")]).await;
    }
}

/// What the table of commands says is what is sent: the same commands, and no others.
#[tokio::test]
async fn the_table_of_commands_is_what_a_real_redis_was_sent() {
    let redis = RedisServer::start().await;
    redis.ask::<()>(&["CONFIG", "RESETSTAT"]).await;
    let store = store(&redis.connection());
    authtool_bff::ports::contract_tests::run(
        std::sync::Arc::clone(&store),
        authtool_bff::ports::contract_tests::RealTime,
    )
    .await;
    store.insert(&key(9), b"value", Duration::from_mins(1)).await.unwrap();
    store.ping().await.unwrap();
    store.settle().await;
    let info: String = redis.ask(&["INFO", "commandstats"]).await;
    let sent: std::collections::BTreeSet<&str> = info
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next())
        // Every connection begins with it, and every account may.
        .filter(|name| !["hello", "auth", "config|resetstat"].contains(name))
        .collect();
    for name in &sent {
        assert!(
            COMMANDS.iter().any(|it| it.name == *name),
            "{name} is sent, and stands in no table: {sent:?}"
        );
    }
    for command in COMMANDS.iter().filter(|it| it.need == Need::Sessions) {
        assert!(
            sent.contains(command.name),
            "{} stands in the table, and is not sent: {sent:?}",
            command.name
        );
    }
}
