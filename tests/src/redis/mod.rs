//! Real Redis: one server, one behind Sentinels, a Cluster, with passwords and with TLS.
//!
//! Every process has ports and a folder of its own and ends with the test, so a Redis that the machine
//! runs anyway is neither used nor disturbed.

mod cluster;
mod dump;
mod process;
mod sentinel;
mod tls;
mod wire;

pub use cluster::RedisCluster;
pub use dump::Entry;
pub use process::{Account, RedisOptions, RedisServer};
pub use sentinel::SentinelTrio;
pub use tls::Authority;
pub use wire::Wire;

use serde_json::{Value, json};

/// A connection of the server's configuration that is a Redis with this `RedisConfig`.
fn connection(config: Value) -> Value {
    json!({"type": "redis", "config": config})
}
