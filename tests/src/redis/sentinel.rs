//! A primary and a replica, watched by three Sentinels.

use super::{RedisServer, connection};
use crate::wait;
use serde_json::{Value, json};
use std::collections::HashMap;

/// The name under which the Sentinels know the primary.
const PRIMARY: &str = "authtool";

/// The whole of it.
pub struct SentinelTrio {
    /// The primary at the beginning.
    pub first: RedisServer,
    /// The replica at the beginning.
    pub second: RedisServer,
    sentinels: Vec<RedisServer>,
}

impl SentinelTrio {
    /// Starts all five processes, and waits until everybody knows everybody.
    pub async fn start() -> Self {
        let first = RedisServer::with(|options| {
            options.persistent().line("repl-diskless-sync-delay 0");
        })
        .await;
        let second = RedisServer::with(|options| {
            options.persistent().line("repl-diskless-sync-delay 0");
            options.line(format!("replicaof 127.0.0.1 {}", first.port));
        })
        .await;
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            let lines = vec![
                // A primary that a busy machine keeps waiting for a second or two is not down.
                format!("sentinel monitor {PRIMARY} 127.0.0.1 {} 2", first.port),
                format!("sentinel down-after-milliseconds {PRIMARY} 5000"),
                format!("sentinel failover-timeout {PRIMARY} 5000"),
            ];
            sentinels.push(RedisServer::sentinel(lines).await);
        }
        let trio = Self { first, second, sentinels };
        trio.is_replicated_to(&trio.second).await;
        trio
    }

    /// From now on the Sentinels ask for this password, also those who are connected.
    pub async fn asks_for(&self, password: &str) {
        for sentinel in &self.sentinels {
            // The harness's own connection stays.
            sentinel.ask::<()>(&["ACL", "SETUSER", "default", "resetpass", &format!(">{password}")]).await;
            sentinel.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        }
    }

    async fn is_watched(&self) {
        for sentinel in 0..self.sentinels.len() {
            wait::until("a Sentinel knows the others", async || {
                let state = self.state(sentinel).await?;
                let is = |field: &str, value| state.get(field).is_some_and(|found| found == value);
                (is("num-slaves", "1") && is("num-other-sentinels", "2")).then_some(())
            })
            .await;
        }
    }

    /// The server's configuration of a connection.
    pub fn connection(&self) -> Value {
        let nodes: Vec<_> =
            self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
        connection(json!({"sentinel": {"nodes": nodes, "primary": PRIMARY}}))
    }

    /// Hands over to the replica while both are well, as an operator does before an upgrade. Returns once all Sentinels agree.
    pub async fn hand_over_to(&self, replica: &RedisServer) {
        let port = replica.port.to_string();
        wait::until("the Sentinels hand over", async || {
            let state = self.state(0).await?;
            let has = |field: &str, value: &str| state.get(field).is_some_and(|found| found.contains(value));
            if has("port", &port) {
                return Some(());
            }
            // Refused until this Sentinel has looked at the replica once more. Given up where another one, which has not
            // heard of it, makes the replica one again: then an operator asks again.
            if !has("flags", "failover_in_progress") {
                let _refused =
                    self.sentinels[0].try_ask::<redis::Value>(&["SENTINEL", "FAILOVER", PRIMARY]).await;
            }
            None
        })
        .await;
        self.is_led_by(replica).await;
    }

    /// What a Sentinel knows of the primary.
    async fn state(&self, sentinel: usize) -> Option<HashMap<String, String>> {
        self.sentinels[sentinel].try_ask(&["SENTINEL", "MASTER", PRIMARY]).await.ok()
    }

    /// Waits until the replica has everything that the primary has.
    pub async fn is_replicated_to(&self, replica: &RedisServer) {
        wait::until("the replica has everything", async || {
            let info: String = replica.try_ask(&["INFO", "replication"]).await.ok()?;
            info.contains("master_link_status:up").then_some(())
        })
        .await;
        self.is_watched().await;
    }

    /// Waits until the Sentinels have agreed that this server is the primary.
    pub async fn is_led_by(&self, server: &RedisServer) {
        let port = server.port.to_string();
        for sentinel in 0..self.sentinels.len() {
            wait::until("a Sentinel names the new primary", async || {
                (self.state(sentinel).await?.get("port") == Some(&port)).then_some(())
            })
            .await;
        }
    }
}
