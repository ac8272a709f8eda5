//! What a diagnosis asks of Redis, and a session store does not.

use std::time::Duration;

use redis::{Value, cmd};

use super::{Protocol, RedisStore, link::Repeat, script::Script};
use crate::ports::StoreError;

/// The server's time, in microseconds. Through a script, because that is sent to one node of a Cluster.
const TIME: &str = r"
local time = redis.call('TIME')
return time[1] * 1000000 + time[2]
";

/// What `INFO` says, of all nodes one after the other, and which snapshots are configured.
pub(crate) struct ServerInfo {
    text: String,
    snapshots: Option<String>,
}

impl ServerInfo {
    pub(crate) fn new(text: String, snapshots: Option<String>) -> Self {
        Self { text, snapshots }
    }

    /// A field's value at each node.
    pub(crate) fn all(&self, field: &str) -> Vec<&str> {
        self.text
            .lines()
            .filter_map(|line| line.trim_end().split_once(':'))
            .filter(|(name, _)| *name == field)
            .map(|(_, value)| value)
            .collect()
    }

    /// A field's value at some node.
    pub(crate) fn first(&self, field: &str) -> Option<&str> {
        self.all(field).first().copied()
    }

    /// `save` of `redis.conf`, if the server tells.
    pub(crate) fn snapshots(&self) -> Option<&str> {
        self.snapshots.as_deref()
    }
}

impl RedisStore {
    /// The protocol that is spoken.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What the server says about itself. An ACL user for sessions alone may not ask.
    pub(crate) async fn server_info(&self) -> Result<ServerInfo, StoreError> {
        let mut text = String::new();
        append_text(&self.run::<Value>(cmd("INFO")).await?, &mut text);
        let mut save = cmd("CONFIG");
        save.arg("GET").arg("save");
        let snapshots = match self.run::<Value>(save).await {
            Ok(answer) => setting(&answer),
            Err(_) => None,
        };
        Ok(ServerInfo::new(text, snapshots))
    }

    /// The server's time, since 1970.
    pub(crate) async fn time(&self) -> Result<Duration, StoreError> {
        let script = Script::new(TIME);
        let call = script.key(format!("{}:time", self.namespace));
        let micros: u64 = self.call(Repeat::May, &call).await?;
        Ok(Duration::from_micros(micros))
    }
}

/// All the text of an answer: one server's, or a Cluster's by node.
fn append_text(answer: &Value, text: &mut String) {
    match answer {
        Value::BulkString(bytes) => {
            text.push_str(&String::from_utf8_lossy(bytes));
            text.push('\n');
        }
        Value::SimpleString(part) | Value::VerbatimString { text: part, .. } => {
            text.push_str(part);
            text.push('\n');
        }
        Value::Array(items) | Value::Set(items) => items.iter().for_each(|item| append_text(item, text)),
        Value::Map(pairs) => pairs.iter().for_each(|(_, value)| append_text(value, text)),
        _ => {}
    }
}

/// The value in an answer of `CONFIG GET` for one name.
fn setting(answer: &Value) -> Option<String> {
    let value = match answer {
        Value::Map(pairs) => pairs.first().map(|(_, value)| value),
        Value::Array(items) => items.get(1),
        _ => None,
    }?;
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}
