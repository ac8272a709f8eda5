//! A primary and a replica, watched by three Sentinels.

use super::{RedisServer, connection};
use crate::wait;
use redis::RedisResult;
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

    async fn is_watched(&self) {
        for sentinel in &self.sentinels {
            wait::until("a Sentinel knows the others", async || {
                let state: RedisResult<HashMap<String, String>> =
                    sentinel.try_ask(&["SENTINEL", "MASTER", PRIMARY]).await;
                let state = state.ok()?;
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

    /// Hands over to the replica while both are well, as an operator does before an upgrade.
    pub async fn hand_over(&self) {
        // A Sentinel has to look at the replica once more before it promotes it.
        wait::until("a Sentinel begins the failover", async || {
            self.sentinels[0].try_ask::<()>(&["SENTINEL", "FAILOVER", PRIMARY]).await.ok()
        })
        .await;
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
        for sentinel in &self.sentinels {
            wait::until("a Sentinel names the new primary", async || {
                let address: Vec<String> =
                    sentinel.try_ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", PRIMARY]).await.ok()?;
                (address.get(1) == Some(&port)).then_some(())
            })
            .await;
        }
    }
}
