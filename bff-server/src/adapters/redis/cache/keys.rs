//! The keys by which replicas prove that they listen, and tell each other what they have heard.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `{namespace}:tracking:{listener}:probe:{n}` | string | a change to be reported back to the listener that made it |
//! | `{namespace}:tracking:{listener}:heard:{n}:{other}` | string | the other listener's answer to question *n* |
//! | `{namespace}:settle:{listener}:{n}` | string | question *n*: who has heard of everything so far? |
//! | `{namespace}:listeners` | sorted set | who may trust its memory, by when that ends at the latest |
//!
//! The names matter: Redis reports the keys that were changed in one turn in the order of their prefixes, so that an end
//! (`session:`) is reported before a question about it (`settle:`) even if both fall into one turn.

use std::time::Duration;

use redis::RedisError;

use super::super::{RedisStore, link::Repeat, milliseconds, script::Script};
use crate::ports::StoreError;

/// Renews a listener's stay, and makes a change that is reported back to it: in one step, so that whoever hears of the
/// change is in the list.
const PROBE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
redis.call('SET', KEYS[2], 1, 'PX', ARGV[3])
";

/// Asks all listeners, if there is a second key; answers who they are, and for how many milliseconds each may still trust
/// its memory.
const ASK: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'WITHSCORES')
for i = 2, #found, 2 do found[i] = math.ceil(found[i] - now) end
if KEYS[2] then redis.call('SET', KEYS[2], 1, 'PX', ARGV[1]) end
return found
";

/// The keys of one listener.
pub(super) struct Keys {
    sessions: String,
    tracking: String,
    own: String,
    settle: String,
    listeners: String,
    listener: String,
}

/// What a reported key says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reported<'a> {
    /// A session has changed.
    Session(&'a str),
    /// A probe of one's own.
    Probe(u64),
    /// Somebody asks.
    Question { from: &'a str, number: u64 },
    /// Another one has heard of everything before one's question, and before those with lower numbers.
    Answer { number: u64, from: &'a str },
}

impl Keys {
    pub(super) fn new(namespace: &str, listener: String) -> Self {
        let tracking = format!("{namespace}:tracking:");
        Self {
            sessions: format!("{namespace}:session:"),
            own: format!("{tracking}{listener}:"),
            tracking,
            settle: format!("{namespace}:settle:"),
            listeners: format!("{namespace}:listeners"),
            listener,
        }
    }

    /// Of which keys changes are to be reported.
    pub(super) fn prefixes(&self) -> [&str; 3] {
        [&self.sessions, &self.own, &self.settle]
    }

    /// What is written to answer another one's question.
    pub(super) fn answer(&self, asking: &str, number: u64) -> String {
        format!("{}{asking}:heard:{number}:{}", self.tracking, self.listener)
    }

    pub(super) fn is(&self, listener: &str) -> bool {
        self.listener == listener
    }

    pub(super) fn read<'a>(&self, key: &'a str) -> Option<Reported<'a>> {
        if let Some(session) = key.strip_prefix(&self.sessions) {
            return Some(Reported::Session(session));
        }
        if let Some(own) = key.strip_prefix(&self.own) {
            if let Some(number) = own.strip_prefix("probe:") {
                return Some(Reported::Probe(number.parse().ok()?));
            }
            let (number, from) = own.strip_prefix("heard:")?.split_once(':')?;
            return Some(Reported::Answer { number: number.parse().ok()?, from });
        }
        let (from, number) = key.strip_prefix(&self.settle)?.split_once(':')?;
        Some(Reported::Question { from, number: number.parse().ok()? })
    }
}

/// Why a probe was not written.
pub(super) enum Unwritten {
    /// Redis will go on refusing until somebody changes something.
    Refused(String),
    /// The next one may be.
    Failed(StoreError),
}

impl RedisStore {
    /// Makes a change that is reported back to whoever these keys are of, and says that it listens.
    pub(super) async fn write_probe(
        &self,
        keys: &Keys,
        number: u64,
        max_staleness: Duration,
    ) -> Result<(), Unwritten> {
        let probe = Script::new(PROBE);
        let mut call = probe.key(&keys.listeners);
        call.key(format!("{}probe:{number}", keys.own))
            .arg(&keys.listener)
            // Longer than the probe can make anyone trust, by more than two clocks differ in speed.
            .arg(milliseconds(max_staleness + max_staleness / 4))
            .arg(milliseconds(max_staleness * 2));
        let call = &call;
        let operation = |mut connection| async move {
            match call.invoke_async::<()>(&mut connection).await {
                Ok(()) => Ok(None),
                Err(error) if needs_somebody(&error) => Ok(Some(error)),
                Err(error) => Err(error),
            }
        };
        let refused = self.link.repeatedly(Repeat::May, operation).await.map_err(Unwritten::Failed)?;
        refused.map_or(Ok(()), |error| Err(Unwritten::Refused(self.why_refused(&error))))
    }

    fn why_refused(&self, error: &RedisError) -> String {
        let namespace = &self.namespace;
        if is_cross_slot(error) {
            return format!(
                "Redis is a node of a Cluster; set the connection's type to cluster, or localCache.enabled to false ({error})"
            );
        }
        format!(
            "the ACL user may not write the keys by which replicas prove that they listen; it needs {namespace}:tracking:*, \
             {namespace}:settle:* and {namespace}:listeners, or {namespace}:* for all of them ({error})"
        )
    }

    /// Takes a listener out of the list.
    pub(super) async fn leave(&self, keys: &Keys) -> Result<(), StoreError> {
        let mut remove = redis::cmd("ZREM");
        remove.arg(&keys.listeners).arg(&keys.listener);
        self.run_again(remove).await
    }

    /// Asks everybody who listens, in the name of `asking` (or of nobody, who gets no answers). Returns them, with the
    /// time that each may still trust its memory.
    pub(super) async fn ask(
        &self,
        asking: Option<&Keys>,
        number: u64,
        max_staleness: Duration,
    ) -> Result<Vec<(String, Duration)>, StoreError> {
        let ask = Script::new(ASK);
        let nobody = Keys::new(&self.namespace, "nobody".to_owned());
        let keys = asking.unwrap_or(&nobody);
        let mut call = ask.key(&keys.listeners);
        call.key(format!("{}{}:{number}", keys.settle, keys.listener)).arg(milliseconds(max_staleness * 2));
        // In a Cluster a question cannot be put in the step that reads the list; a probe, which needs the same two keys, cannot
        // be written either, and so there is nobody in the list, or, by chance, somebody whose time is waited for.
        let list = ask.key(&keys.listeners);
        let (call, list) = (&call, &list);
        let operation = |mut connection| async move {
            match call.invoke_async(&mut connection).await {
                Err(error) if is_cross_slot(&error) => list.invoke_async(&mut connection).await,
                asked => asked,
            }
        };
        let found: Vec<(String, u64)> = self.link.repeatedly(Repeat::May, operation).await?;
        Ok(found.into_iter().map(|(listener, left)| (listener, Duration::from_millis(left))).collect())
    }
}

fn is_cross_slot(error: &RedisError) -> bool {
    error.code() == Some("CROSSSLOT")
}

fn needs_somebody(error: &RedisError) -> bool {
    is_cross_slot(error) || error.code() == Some("NOPERM")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reported_key_is_read_for_what_it_says() {
        let (one, other) = (Keys::new("ns", "one".into()), Keys::new("ns", "other".into()));
        assert_eq!(one.read("ns:session:abc"), Some(Reported::Session("abc")));
        assert_eq!(one.read("ns:tracking:one:probe:7"), Some(Reported::Probe(7)));
        assert_eq!(other.read("ns:settle:one:7"), Some(Reported::Question { from: "one", number: 7 }));
        assert!(one.is("one") && !other.is("one"));
        let answer = other.answer("one", 7);
        assert_eq!(one.read(&answer), Some(Reported::Answer { number: 7, from: "other" }));
        for strange in [
            "ns:lease:abc",
            "ns:tracking:other:probe:7",
            "ns:tracking:one:probe:x",
            "ns:settle:x",
            "ns:settle:x:y",
            "",
        ] {
            assert_eq!(one.read(strange), None, "{strange}");
        }
    }

    #[test]
    fn sec_106_an_end_is_reported_before_a_question_about_it() {
        let keys = Keys::new("ns", "one".into());
        let [sessions, own, settle] = keys.prefixes();
        assert!(sessions < settle, "Redis reports the changes of one turn in the order of their prefixes");
        assert!(settle < own, "and one's own question before the answers to it");
    }
}
