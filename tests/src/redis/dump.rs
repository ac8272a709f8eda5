//! What somebody sees who gets hold of a Redis.

use super::RedisServer;
use redis::{Value, cmd};

/// A key and what is under it.
pub struct Entry {
    /// The database.
    pub db: u32,
    /// The key.
    pub key: String,
    /// The value, byte for byte.
    pub value: Vec<u8>,
    /// How long it lives, in milliseconds; -1 means for ever.
    pub ttl: i64,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} ({} bytes, {} ms)", self.db, self.key, self.value.len(), self.ttl)
    }
}

pub(super) async fn everything(redis: &RedisServer) -> Vec<Entry> {
    let mut entries = Vec::new();
    for db in 0..16_u32 {
        // A Cluster has only the first.
        if redis.try_ask::<()>(&["SELECT", &db.to_string()]).await.is_err() {
            break;
        }
        for key in redis.ask::<Vec<String>>(&["KEYS", "*"]).await {
            let kind: String = redis.ask(&["TYPE", &key]).await;
            let value = match kind.as_str() {
                // The index of a user's sessions.
                "zset" => redis.query(cmd("ZRANGE").arg(&key).arg(0).arg(-1).arg("WITHSCORES")).await,
                _ => redis.query(cmd("GET").arg(&key)).await,
            };
            let ttl: i64 = redis.ask(&["PTTL", &key]).await;
            match value {
                // It expired while we looked.
                Ok(Value::Nil) => {}
                Ok(Value::BulkString(value)) => entries.push(Entry { db, key, value, ttl }),
                Ok(Value::Array(members)) => {
                    let value = format!("{members:?}").into_bytes();
                    entries.push(Entry { db, key, value, ttl });
                }
                other => panic!("{key} is a {kind}: {other:?}"),
            }
        }
    }
    redis.ask::<()>(&["SELECT", "0"]).await;
    entries
}
