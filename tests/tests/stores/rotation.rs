//! Credentials and certificates that change while the server runs: read again when Redis refuses the old ones, without anybody
//! noticing.

use crate::contract::with;
use authtool_bff::adapters::redis::commands::rules;
use authtool_tests::browser::Browser;
use authtool_tests::redis::{Account, Authority, RedisServer, SentinelTrio};
use authtool_tests::{Replicas, SESSION, ServerConfig, wait};
use http::Method;
use serde_json::json;

/// A login, a token at each replica, and a logout; each must go well.
async fn a_users_life(replicas: &Replicas) {
    let (browser, server) = (Browser::new(), &replicas.servers[0]);
    let page = browser.follow(&server.public, server.bff("/login")).go().await;
    let cookie = browser.cookie(SESSION).unwrap_or_else(|| panic!("{page:#?}"));
    for at in 0..replicas.servers.len() {
        let answer = replicas.token_at(at, &cookie).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let page = browser.follow(&server.public, server.bff("/logout"));
    let answer = page.posting("").method(Method::POST).first_hop().go().await.answer;
    assert!(answer.status.is_redirection(), "{answer:?}");
    for at in 0..replicas.servers.len() {
        assert_eq!(replicas.token_at(at, &cookie).await.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_password_is_read_again_and_nobody_notices() {
    let account = Account { rules: rules("authtool_bff"), ..Account::without_tracking() };
    let redis = RedisServer::with(|options| {
        options.account(&account);
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis-password");
    std::fs::write(&path, &account.password).unwrap();
    for way in ["password", "url"] {
        redis
            .ask::<()>(&["ACL", "SETUSER", &account.name, "resetpass", &format!(">{}", account.password)])
            .await;
        let url = |password: &str| format!("redis://{}:{password}@127.0.0.1:{}", account.name, redis.port);
        let write = |password: &str| {
            std::fs::write(&path, if way == "url" { url(password) } else { password.to_owned() }).unwrap();
        };
        write(&account.password);
        let file = json!({"type": "file", "path": path});
        let connection = match way {
            "url" => json!({"type": "redis", "config": {"url": file}}),
            _ => with(redis.connection(), "/connection/password", file),
        };
        let replicas = Replicas::start(2, &connection).await;
        a_users_life(&replicas).await;
        for rotated in ["canary-password-of-tomorrow", "canary-password-of-the-day-after"] {
            // Both are good for a while, as a careful rotation has it, and then the old one is not.
            write(rotated);
            redis.ask::<()>(&["ACL", "SETUSER", &account.name, "resetpass", &format!(">{rotated}")]).await;
            redis.ask::<u64>(&["CLIENT", "KILL", "USER", &account.name]).await;
            a_users_life(&replicas).await;
        }
        for server in &replicas.servers {
            server.log().shows("redis_credentials_rotated").await;
            server.log().assert_free_of(&[account.password.clone(), "canary-password".to_owned()]);
        }
    }
}

/// The file is late: Redis knows the new password first. Users see a 503 that passes by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_file_that_is_late_is_read_when_it_comes() {
    let account = Account { rules: rules("authtool_bff"), ..Account::without_tracking() };
    let redis = RedisServer::with(|options| {
        options.account(&account);
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis-password");
    std::fs::write(&path, &account.password).unwrap();
    let connection = with(redis.connection(), "/connection/password", json!({"type": "file", "path": path}));
    let replicas = Replicas::start(1, &connection).await;
    redis.ask::<()>(&["ACL", "SETUSER", &account.name, "resetpass", ">canary-rotated"]).await;
    redis.ask::<u64>(&["CLIENT", "KILL", "USER", &account.name]).await;
    let reason = wait::until("it says why it is not ready", async || {
        let ready = replicas.servers[0].readiness().await;
        (ready.status == 503).then(|| ready.json()["store"]["reason"].to_string())
    })
    .await;
    assert!(reason.contains("connection.password"), "{reason}");
    std::fs::write(&path, "canary-rotated").unwrap();
    wait::until("it is ready again", async || {
        (replicas.servers[0].readiness().await.status == 200).then_some(())
    })
    .await;
    a_users_life(&replicas).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_password_of_sentinels_is_read_again() {
    let sentinels = SentinelTrio::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sentinel-password");
    std::fs::write(&path, "canary-first").unwrap();
    sentinels.asks_for("canary-first").await;
    let file = json!({"type": "file", "path": path});
    let replicas = Replicas::start(1, &with(sentinels.connection(), "/sentinel/password", file)).await;
    a_users_life(&replicas).await;
    std::fs::write(&path, "canary-second").unwrap();
    sentinels.asks_for("canary-second").await;
    sentinels.first.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    a_users_life(&replicas).await;
}

/// A client certificate, as a Redis with TLS asks for by default, and its successor by another authority.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_is_shown_and_its_successor_when_it_is_refused() {
    let authority = Authority::new();
    let redis = RedisServer::with_tls_and(&authority, &["localhost"], |options| {
        options.asks_for_certificates();
    })
    .await;
    let config = ServerConfig::new("http://127.0.0.1:9");
    let write = |authority: &Authority| {
        let (certificate, key) = authority.certificate_for(&["authtool"]);
        (config.file("client.pem", certificate), config.file("client-key.pem", key))
    };
    // Nobody trusts this one.
    let (certificate, key) = write(&Authority::new());
    let mut connection = redis.tls_connection("localhost", &authority);
    connection["config"]["tls"]["cert"] = json!({"type": "file", "path": certificate});
    connection["config"]["tls"]["key"] = json!({"type": "file", "path": key});
    let store = crate::contract::store(&connection);
    let refused = store.ping().await.unwrap_err().to_string();
    assert!(refused.contains("tls.cert"), "{refused}");
    write(&authority);
    wait::until("the new certificate is taken", async || store.ping().await.ok()).await;
    let replicas = Replicas::start(2, &connection).await;
    a_users_life(&replicas).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_live_behind_a_unix_socket_and_a_url() {
    let redis = RedisServer::start().await;
    for config in [
        json!({"socket": redis.socket()}),
        json!({"url": format!("unix://{}?db=1", redis.socket())}),
        json!({"url": format!("redis://127.0.0.1:{}/2", redis.port), "namespace": "mine"}),
    ] {
        let replicas = Replicas::start(2, &json!({"type": "redis", "config": config})).await;
        a_users_life(&replicas).await;
    }
    let databases: std::collections::BTreeSet<u32> =
        redis.dump().await.iter().map(|entry| entry.db).collect();
    assert_eq!(databases.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
}
