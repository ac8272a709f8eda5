//! `authtool-bff check --online`: what a deployment needs is there, or is named.

use authtool_tests::hostile::{CLIENT_SECRET, HostileOp};
use authtool_tests::redis::{Account, RedisServer};
use authtool_tests::{Provider, ProviderOptions, Server, ServerConfig, wait};
use serde_json::json;
use std::process::Output;

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

async fn check(config: ServerConfig) -> (bool, String) {
    // Not on this thread, on which the provider runs.
    let output = tokio::task::spawn_blocking(move || config.run(&["check", "--online"])).await.unwrap();
    (output.status.success(), text(&output))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_said_to_be_there() {
    let (op, redis) = (HostileOp::start().await, RedisServer::start().await);
    let mut config = ServerConfig::new(op.issuer());
    config.set("/connections/sessions", redis.connection());
    let (good, said) = check(config).await;
    assert!(good, "{said}");
    for part in [
        ": answers, and takes writes",
        ": it reports changes, so that sessions are kept in memory too",
        "metadata and keys can be used",
        "takes its credentials",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_cache_that_cannot_be_used_is_said_to_be_out_of_use_and_is_no_failure() {
    let op = HostileOp::start().await;
    let redis = RedisServer::with(|options| {
        options.account(&Account::without_tracking());
    })
    .await;
    for (protocol, said_of_it) in [("RESP3", "+client|tracking"), ("RESP2", "needs the protocol RESP3")] {
        let mut config = ServerConfig::new(op.issuer());
        config.set("/connections/sessions", redis.connection());
        config.set("/connections/sessions/config/connection/protocol", json!(protocol));
        let (good, said) = check(config).await;
        assert!(good, "{said}");
        assert!(said.contains("local cache"), "{said}");
        assert!(said.contains(said_of_it), "{said}");
    }
}

/// Each command is taken away in `stores`; here, all three that look say what they find.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_an_account_lacks_is_named_by_check_doctor_and_readiness() {
    let (op, without) = (HostileOp::start().await, "~* &* +@all -time -zadd");
    let account = Account { rules: without.to_owned(), ..Account::without_tracking() };
    let redis = RedisServer::with(|options| {
        options.account(&account);
    })
    .await;
    let mut config = ServerConfig::new(op.issuer());
    config.set("/connections/sessions", redis.connection());
    let named = "refuses ZADD, TIME";
    for command in [&["check", "--online"][..], &["doctor"]] {
        let config = config.copy();
        let output = tokio::task::spawn_blocking(move || config.run(command)).await.unwrap();
        let said = text(&output);
        assert!(!output.status.success() && said.contains(named), "{command:?}: {said}");
        assert!(said.contains("+zadd"), "it does not say what to do: {said}");
    }
    let server = Server::start_unready(config).await;
    let reason = wait::until("it is not ready", async || {
        let ready = server.readiness().await;
        (ready.status == 503).then(|| ready.json()["store"]["reason"].to_string())
    })
    .await;
    assert!(reason.contains(named), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_provider_says_whose_credentials_it_takes() {
    for (secret, good) in [(None, true), (Some("not the registered one, but long enough"), false)] {
        let mut config = ServerConfig::new("");
        let provider = Provider::start(&ProviderOptions::new(&config.app())).await;
        provider.register(&mut config);
        if let Some(secret) = secret {
            config.set("/client/credentials", json!({"secret": secret}));
        }
        let (succeeded, said) = check(config).await;
        assert_eq!(succeeded, good, "{said}");
        assert_eq!(said.contains("invalid_client"), !good, "{said}");
        assert!(!said.contains("the registered one"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_missing_is_named_at_once() {
    let mut config = ServerConfig::new("http://127.0.0.1:9");
    config.set("/connections/sessions", json!({"type": "redis", "config": {"host": "127.0.0.1", "port": 9}}));
    let (good, said) = check(config).await;
    assert!(!good, "{said}");
    for part in ["FAILED     store Redis", "FAILED     provider http://127.0.0.1:9", "2 parts cannot be used"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains(CLIENT_SECRET), "{said}");
}
