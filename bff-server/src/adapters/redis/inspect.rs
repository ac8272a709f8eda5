//! What a diagnosis asks of Redis, and a session store does not.

use std::time::Duration;

use redis::{Value, cmd};

use super::{Protocol, RedisStore, link::Repeat, script::Script};
use crate::{
    domain::session_id::SessionKey,
    ports::{Steps, StoreError},
};

/// Looked through by Redis in one go, while it does nothing else.
const KEYS_AT_ONCE: u64 = 500;

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

    /// Whether keys may have been taken away to make room: indexes are read less than sessions, and go first. Nobody knows where
    /// the account may not ask.
    pub(super) async fn may_have_evicted(&self) -> bool {
        let mut text = String::new();
        match self.run_again::<Value>(cmd("INFO")).await {
            Ok(answer) => append_text(&answer, &mut text),
            Err(_) => return true,
        }
        let info = ServerInfo::new(text, None);
        let policies = info.all("maxmemory_policy");
        let is_safe = !policies.is_empty() && policies.iter().all(|it| *it == "noeviction");
        // It may have been another one until a moment ago.
        !is_safe || info.all("evicted_keys").iter().any(|it| *it != "0")
    }

    /// Some of all sessions. Not in a Cluster, whose nodes would have to be walked one by one while slots move.
    pub(super) async fn scan(&self, from: Option<u64>) -> Result<Option<Steps>, StoreError> {
        if self.link.is_cluster() {
            return Ok(None);
        }
        let prefix = format!("{}:session:", self.namespace);
        let mut scan = cmd("SCAN");
        scan.arg(from.unwrap_or(0)).arg("MATCH").arg(format!("{prefix}*")).arg("COUNT").arg(KEYS_AT_ONCE);
        let (next, keys): (u64, Vec<Vec<u8>>) = self.run_again(scan).await?;
        let session =
            |key: &Vec<u8>| SessionKey::from_store(std::str::from_utf8(key).ok()?.strip_prefix(&prefix)?);
        Ok(Some(Steps { keys: keys.iter().filter_map(session).collect(), next: (next != 0).then_some(next) }))
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
