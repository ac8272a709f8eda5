//! A Cluster of three nodes, without replicas.

use super::{Entry, RedisServer, connection};
use crate::{ports, wait};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// How many slots a Cluster has.
const SLOTS: usize = 16_384;

/// The nodes, each with a third of the slots.
pub struct RedisCluster {
    /// The nodes.
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts them, and waits until they agree that all is well.
    pub async fn start() -> Self {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            let bus = ports::free();
            let node = RedisServer::with(|options| {
                options.line("cluster-enabled yes").line("cluster-config-file nodes.conf");
                // A node that a busy machine keeps waiting for a few seconds has not failed.
                options.line("cluster-node-timeout 15000").line(format!("cluster-port {bus}"));
            })
            .await;
            nodes.push((node, bus));
        }
        let third = SLOTS.div_ceil(nodes.len());
        for (number, (node, _)) in nodes.iter().enumerate() {
            let (start, end) = (number * third, ((number + 1) * third).min(SLOTS) - 1);
            node.ask::<()>(&["CLUSTER", "ADDSLOTSRANGE", &start.to_string(), &end.to_string()]).await;
            for (other, bus) in &nodes {
                if other.port != node.port {
                    let (port, bus) = (other.port.to_string(), bus.to_string());
                    node.ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
                }
            }
        }
        let cluster = Self { nodes: nodes.into_iter().map(|(node, _)| node).collect() };
        for node in &cluster.nodes {
            wait::until("the cluster is whole", async || {
                let info: String = node.ask(&["CLUSTER", "INFO"]).await;
                let is_whole = ["cluster_state:ok", "cluster_slots_ok:16384", "cluster_known_nodes:3"]
                    .iter()
                    .all(|part| info.contains(part));
                is_whole.then_some(())
            })
            .await;
        }
        cluster
    }

    /// The server's configuration of a connection: two of the nodes, the third must be found.
    pub fn connection(&self) -> Value {
        let nodes: Vec<_> =
            self.nodes.iter().take(2).map(|node| format!("127.0.0.1:{}", node.port)).collect();
        connection(json!({"cluster": {"nodes": nodes}}))
    }

    /// Moves every slot that holds keys from the first node to the second, key by key, as a resharding
    /// does while everybody goes on. The answer is how many.
    pub async fn move_slots(&self) -> usize {
        let (from, to) = (&self.nodes[0], &self.nodes[1]);
        let from_id: String = from.ask(&["CLUSTER", "MYID"]).await;
        let to_id: String = to.ask(&["CLUSTER", "MYID"]).await;
        let to_port = to.port.to_string();
        let mut slots = BTreeSet::new();
        for key in from.ask::<Vec<String>>(&["KEYS", "*"]).await {
            slots.insert(from.ask::<u16>(&["CLUSTER", "KEYSLOT", &key]).await);
        }
        for slot in &slots {
            let slot = slot.to_string();
            to.ask::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await;
            from.ask::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await;
            // Everybody has a chance to be told ASK before the keys and after them.
            tokio::time::sleep(Duration::from_millis(5)).await;
            loop {
                let keys: Vec<String> = from.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "10"]).await;
                if keys.is_empty() {
                    break;
                }
                let mut migrate = vec!["MIGRATE", "127.0.0.1", &to_port, "", "0", "5000", "KEYS"];
                migrate.extend(keys.iter().map(String::as_str));
                from.ask::<String>(&migrate).await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            for node in [to, from, &self.nodes[2]] {
                node.ask::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await;
            }
        }
        slots.len()
    }

    /// Everything in it.
    pub async fn dump(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for node in &self.nodes {
            entries.extend(node.dump().await);
        }
        entries
    }
}
