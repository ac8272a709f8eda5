//! The Redis session store: many replicas of the server, one Redis (or Valkey), standalone, behind Sentinel
//! or as a Cluster.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `{namespace}:session:{key}` | string | eight bytes of version, then the sealed record |
//! | `{namespace}:marker:{name}` | string | that something has happened once |
//! | `{namespace}:lease:{key}` | string | who is refreshing a session |
//! | `{namespace}:index:{name}` | sorted set | a user's sessions, by when they end, each with when it began, in bytes |
//! | `{namespace}:owed:{b}:{name}` | string | eight bytes of version, then the sealed tokens that are to be revoked |
//! | `{namespace}:owed:{b}:due` | sorted set | which of these is due when |
//! | `{namespace}:tracking:…`, `:listeners`, `:settle:…` | | how replicas keep sessions in memory: see [`cache`] |
//!
//! Each key has a time to live from the command that creates it. No change of a session touches more than one
//! key, so all of them are atomic on a Cluster too; only reads of several are asked for together, and not there. What is to be
//! revoked is in two keys, which a Cluster has in one slot: `b` stands there in braces of its own, and is one of eight.

mod advice;
pub mod cache;
pub mod commands;
mod inspect;
mod link;
mod probe;
mod script;
mod settings;
mod shared_reads;
mod way;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::{Buf as _, Bytes};
use redis::{Cmd, FromRedisValue, RedisError, Value, cmd};

pub(crate) use self::inspect::ServerInfo;
pub use self::settings::{Credentials, Endpoint, Protocol, RedisSettings, Reread, Tls, Topology};
use self::{
    cache::{CachedRedisStore, Caching},
    link::{Link, Repeat},
    script::{Call, Script},
    shared_reads::SharedReads,
    way::Connection,
};
use crate::{
    adapters::SystemEntropy,
    domain::{
        session_id::SessionKey,
        session_index::{IndexName, Member},
        time::UnixSeconds,
    },
    ports::{
        Entropy, LeaseOwner, Marker, OwedName, OwedWrite, Reading, ReplaceOutcome, SessionStore, Steps,
        StoreError, StoredRecord, Version,
    },
};

const VERSION_BYTES: usize = 8;

/// Writes a record anew if its version is the expected one. Done twice, because the first answer was lost, it finds what it has
/// written: no two writers write the same bytes.
const REPLACE: &str = r"
local found = redis.call('GETRANGE', KEYS[1], 0, 7)
if found == '' then return 'gone' end
if found ~= ARGV[1] then
  if redis.call('GET', KEYS[1]) == ARGV[2] then return 'replaced' end
  return 'stale'
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 'replaced'
";

/// Deletes a record, of whatever type, and says what it was.
const TAKE: &str = r"
local found = redis.pcall('GET', KEYS[1])
redis.call('DEL', KEYS[1])
if type(found) == 'table' then return '' end
return found
";

/// Moves a lease's end if it is still the owner's.
const RENEW: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
";

/// Deletes a lease if it is still the owner's.
const RELEASE: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
";

/// Adds a session to an index, drops those whose time is up, and takes out what exceeds the limit.
const ENLIST: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREM', KEYS[1], ARGV[1])
local evicted = {}
local excess = redis.call('ZCARD', KEYS[1]) + 1 - ARGV[3]
if excess > 0 then
  local members = redis.call('ZRANGE', KEYS[1], 0, -1)
  local function age(member)
    local since = 0
    for i = 1, 5 do since = since * 256 + (string.byte(member, i) or 0) end
    return since
  end
  table.sort(members, function(one, other) return age(one) < age(other) end)
  for i = 1, excess do
    evicted[i] = members[i]
    redis.call('ZREM', KEYS[1], members[i])
  end
end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return evicted
";

/// The members of an index whose time is not up.
const ENLISTED: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')
";

/// Writes or removes a record of what is to be revoked, and its place among those that are due. Done twice, because the first
/// answer was lost, it finds what it has done.
const WRITE_OWED: &str = r"
local found = redis.call('GETRANGE', KEYS[1], 0, 7)
if found ~= ARGV[1] then
  if ARGV[3] == '' and found == '' then return 1 end
  if ARGV[3] ~= '' and redis.call('GET', KEYS[1]) == ARGV[3] then return 1 end
  return 0
end
if ARGV[3] == '' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[2])
  return 1
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[5], ARGV[2])
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[2], ARGV[4]) end
return 1
";

/// Among so many keys, and so many nodes of a Cluster, is distributed what is to be revoked.
const OWED_BUCKETS: usize = 8;

/// The store that these settings describe: sessions in Redis, and in memory where that is safe.
pub fn open(settings: RedisSettings) -> Result<Arc<dyn SessionStore>, StoreError> {
    match settings.caching {
        Caching::On(cache) => Ok(Arc::new(CachedRedisStore::new(settings, cache)?)),
        Caching::Off(reason) => {
            tracing::info!(event = "local_cache_off", reason, "sessions are not kept in memory");
            Ok(Arc::new(RedisStore::new(settings)?))
        }
    }
}

/// See the [module](self).
pub struct RedisStore {
    link: Arc<Link>,
    /// `None` with a Cluster, which has a session's key on one of its nodes.
    shared_reads: Option<SharedReads>,
    namespace: String,
    protocol: Protocol,
    /// Of this process, in keys of no importance.
    probe_id: String,
    /// The same with such keys.
    rehearsal: Option<Box<RedisStore>>,
    replace: Script,
    take: Script,
    renew: Script,
    release: Script,
    enlist: Script,
    enlisted: Script,
    write_owed: Script,
}

impl RedisStore {
    /// Connects on first use: a Redis that is down at start does not keep the server down.
    pub fn new(settings: RedisSettings) -> Result<Self, StoreError> {
        let (namespace, protocol) = (settings.namespace.clone(), settings.protocol);
        let shared_reads = match &settings.topology {
            Topology::Standalone(_) | Topology::Socket(_) | Topology::Sentinel { .. } => {
                Some(SharedReads::default())
            }
            Topology::Cluster(_) => None,
        };
        let link = Link::new(settings.clone()).map_err(|error| advice::described(&error, &settings))?;
        let mut store = Self::over(Arc::new(link), namespace, protocol)?;
        store.rehearsal = Some(Box::new(Self::over(
            Arc::clone(&store.link),
            format!("{}:{}", store.namespace, probe::PLACE),
            protocol,
        )?));
        store.shared_reads = shared_reads;
        Ok(store)
    }

    fn over(link: Arc<Link>, namespace: String, protocol: Protocol) -> Result<Self, StoreError> {
        let mut id = [0; 32];
        let entropy: &dyn Entropy = &SystemEntropy;
        entropy.fill(&mut id).map_err(StoreError::new)?;
        Ok(Self {
            link,
            shared_reads: None,
            namespace,
            protocol,
            probe_id: URL_SAFE_NO_PAD.encode(id),
            rehearsal: None,
            replace: Script::new(REPLACE),
            take: Script::new(TAKE),
            renew: Script::new(RENEW),
            release: Script::new(RELEASE),
            enlist: Script::new(ENLIST),
            enlisted: Script::new(ENLISTED),
            write_owed: Script::new(WRITE_OWED),
        })
    }

    fn session_key(&self, key: &SessionKey) -> String {
        [&self.namespace, ":session:", key.as_str()].concat()
    }

    fn lease_key(&self, key: &SessionKey) -> String {
        format!("{}:lease:{}", self.namespace, key.as_str())
    }

    fn marker_key(&self, marker: &Marker) -> String {
        format!("{}:marker:{}", self.namespace, marker.0)
    }

    fn index_key(&self, index: &IndexName) -> String {
        format!("{}:index:{}", self.namespace, index.0)
    }

    fn owed_key(&self, name: &OwedName) -> String {
        let bucket = name.0.bytes().map(usize::from).sum::<usize>() % OWED_BUCKETS;
        format!("{}:owed:{{{bucket}}}:{}", self.namespace, name.0)
    }

    fn owed_due_key(&self, bucket: usize) -> String {
        format!("{}:owed:{{{bucket}}}:due", self.namespace)
    }

    async fn run<T: FromRedisValue>(&self, command: Cmd) -> Result<T, StoreError> {
        self.command(Repeat::MustNot, &command).await
    }

    /// [`run`](Self::run), for a command that may be done twice.
    async fn run_again<T: FromRedisValue>(&self, command: Cmd) -> Result<T, StoreError> {
        self.command(Repeat::May, &command).await
    }

    async fn command<T: FromRedisValue>(&self, repeat: Repeat, command: &Cmd) -> Result<T, StoreError> {
        let operation = |mut connection| async move { command.query_async(&mut connection).await };
        self.link.repeatedly::<T, _>(repeat, operation).await
    }

    /// Calls a script.
    async fn call<T: FromRedisValue>(&self, repeat: Repeat, call: &Call<'_>) -> Result<T, StoreError> {
        let operation = |mut connection| async move { call.invoke_async(&mut connection).await };
        self.link.repeatedly::<T, _>(repeat, operation).await
    }

    async fn get(&self, key: &SessionKey) -> Result<Option<StoredRecord>, StoreError> {
        if let Some(reads) = &self.shared_reads
            && let Ok(answer) = reads.read(&self.link, self.session_key(key)).await
        {
            return answer.map_err(StoreError::new);
        }
        // On the heap, so that the usual read need not carry room for it.
        Box::pin(async {
            let mut get = cmd("GET");
            get.arg(self.session_key(key));
            let get = &get;
            let operation = |mut connection| async move { stored(get.query_async(&mut connection).await) };
            self.link.repeatedly(Repeat::May, operation).await
        })
        .await
    }

    async fn bounded<T>(
        &self,
        operation: impl AsyncFnOnce(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, StoreError> {
        self.link.once(operation).await
    }
}

#[async_trait]
impl SessionStore for RedisStore {
    async fn read(&self, key: &SessionKey) -> Result<Option<StoredRecord>, StoreError> {
        self.get(key).await
    }

    async fn read_for_recall(&self, key: &SessionKey) -> Result<Option<Reading>, StoreError> {
        Ok(self.get(key).await?.map(Reading::only))
    }

    async fn insert(&self, key: &SessionKey, value: &[u8], ttl: Duration) -> Result<(), StoreError> {
        let mut set = cmd("SET");
        set.arg(self.session_key(key)).arg(versioned(Version(1), value)).arg("PX").arg(milliseconds(ttl));
        self.run_again(set).await
    }

    async fn replace(
        &self,
        key: &SessionKey,
        expected: Version,
        value: &[u8],
        ttl: Duration,
    ) -> Result<ReplaceOutcome, StoreError> {
        let mut call = self.replace.key(self.session_key(key));
        call.arg(expected.0.to_be_bytes().as_slice())
            .arg(versioned(Version(expected.0.wrapping_add(1)), value))
            .arg(milliseconds(ttl));
        let outcome: String = self.call(Repeat::May, &call).await?;
        match outcome.as_str() {
            "replaced" => Ok(ReplaceOutcome::Replaced),
            "stale" => Ok(ReplaceOutcome::Stale),
            _ => Ok(ReplaceOutcome::Gone),
        }
    }

    async fn remove(&self, key: &SessionKey) -> Result<Option<StoredRecord>, StoreError> {
        let call = self.take.key(self.session_key(key));
        self.bounded(async |connection| stored(call.invoke_async(connection).await)).await
    }

    async fn spend(&self, marker: &Marker, ttl: Duration) -> Result<bool, StoreError> {
        let mut set = cmd("SET");
        set.arg(self.marker_key(marker)).arg(1).arg("NX").arg("PX").arg(milliseconds(ttl));
        self.run::<Value>(set).await.map(|answer| answer != Value::Nil)
    }

    async fn is_spent(&self, marker: &Marker) -> Result<bool, StoreError> {
        let mut exists = cmd("EXISTS");
        exists.arg(self.marker_key(marker));
        self.run_again(exists).await
    }

    async fn enlist(
        &self,
        index: &IndexName,
        member: &Member,
        ttl: Duration,
        limit: usize,
    ) -> Result<Vec<Member>, StoreError> {
        let mut call = self.enlist.key(self.index_key(index));
        call.arg(member.to_bytes()).arg(milliseconds(ttl)).arg(limit);
        let evicted: Vec<Vec<u8>> = self.call(Repeat::MustNot, &call).await?;
        Ok(evicted.iter().filter_map(|bytes| Member::from_bytes(bytes)).collect())
    }

    async fn delist(&self, index: &IndexName, member: &Member) -> Result<(), StoreError> {
        let mut remove = cmd("ZREM");
        // In both of its forms: the first version wrote text.
        remove.arg(self.index_key(index)).arg(member.to_bytes()).arg(member.encode());
        self.run_again(remove).await
    }

    async fn enlisted(&self, index: &IndexName) -> Result<Vec<Member>, StoreError> {
        let call = self.enlisted.key(self.index_key(index));
        let members: Vec<Vec<u8>> = self.call(Repeat::May, &call).await?;
        let mut members: Vec<Member> = members.iter().filter_map(|bytes| Member::from_bytes(bytes)).collect();
        members.sort();
        Ok(members)
    }

    async fn acquire(
        &self,
        key: &SessionKey,
        owner: &LeaseOwner,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let mut set = cmd("SET");
        set.arg(self.lease_key(key)).arg(owner.0.as_slice()).arg("NX").arg("PX").arg(milliseconds(lease));
        self.run::<Value>(set).await.map(|answer| answer != Value::Nil)
    }

    async fn renew(&self, key: &SessionKey, owner: &LeaseOwner, lease: Duration) -> Result<bool, StoreError> {
        let mut call = self.renew.key(self.lease_key(key));
        call.arg(owner.0.as_slice()).arg(milliseconds(lease));
        self.call(Repeat::May, &call).await
    }

    async fn release(&self, key: &SessionKey, owner: &LeaseOwner) -> Result<(), StoreError> {
        let mut call = self.release.key(self.lease_key(key));
        call.arg(owner.0.as_slice());
        self.call(Repeat::May, &call).await
    }

    async fn read_owed(&self, name: &OwedName) -> Result<Option<StoredRecord>, StoreError> {
        let mut get = cmd("GET");
        get.arg(self.owed_key(name));
        let get = &get;
        let operation = |mut connection| async move { stored(get.query_async(&mut connection).await) };
        self.link.repeatedly(Repeat::May, operation).await
    }

    async fn write_owed(
        &self,
        name: &OwedName,
        expected: Option<Version>,
        write: Option<OwedWrite<'_>>,
    ) -> Result<bool, StoreError> {
        let record = self.owed_key(name);
        let due = record.strip_suffix(&name.0).unwrap_or_default().to_owned() + "due";
        let mut call = self.write_owed.key(record);
        call.key(due);
        call.arg(expected.map_or_else(Vec::new, |version| version.0.to_be_bytes().to_vec())).arg(&name.0);
        match write {
            Some(write) => call
                .arg(versioned(write.version, write.value))
                .arg(milliseconds(write.ttl))
                .arg(write.due.get()),
            None => call.arg("").arg("").arg(""),
        };
        self.call(Repeat::May, &call).await
    }

    async fn owed(&self, now: UnixSeconds, limit: usize) -> Result<Vec<OwedName>, StoreError> {
        let mut names = Vec::new();
        for bucket in 0..OWED_BUCKETS {
            let mut range = cmd("ZRANGEBYSCORE");
            range.arg(self.owed_due_key(bucket)).arg("-inf").arg(now.get());
            range.arg("LIMIT").arg(0).arg(limit.saturating_sub(names.len()));
            names.extend(self.run_again::<Vec<String>>(range).await?.into_iter().map(OwedName));
            if names.len() >= limit {
                break;
            }
        }
        Ok(names)
    }

    async fn may_have_lost_members(&self) -> bool {
        self.may_have_evicted().await
    }

    async fn walk(&self, from: Option<u64>) -> Result<Option<Steps>, StoreError> {
        self.scan(from).await
    }

    /// Does what a login, a refresh and a logout do: it notices a Redis that answers but would not store (a replica, or one
    /// that is out of memory), and an account that lacks a right.
    async fn ping(&self) -> Result<(), StoreError> {
        match &self.rehearsal {
            Some(rehearsal) => self.probe(rehearsal).await,
            None => Ok(()),
        }
    }
}

/// What `GET` answers, as a record.
fn stored(answer: Result<Value, RedisError>) -> Result<Option<StoredRecord>, RedisError> {
    match answer {
        Ok(Value::Nil) => Ok(None),
        Ok(Value::BulkString(stored)) => Ok(Some(record(stored))),
        // Somebody put another type there: unreadable, like any other garbage.
        Err(error) if is_wrong_type(&error) => Ok(Some(record(Vec::new()))),
        Ok(_) => Ok(Some(record(Vec::new()))),
        Err(error) => Err(error),
    }
}

fn versioned(version: Version, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(VERSION_BYTES + value.len());
    bytes.extend_from_slice(&version.0.to_be_bytes());
    bytes.extend_from_slice(value);
    bytes
}

/// A value too short for a version is read as an empty record, which nothing can open.
fn record(stored: Vec<u8>) -> StoredRecord {
    let version = stored.first_chunk::<VERSION_BYTES>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let mut value = Bytes::from(stored);
    value.advance(VERSION_BYTES.min(value.len()));
    StoredRecord { version: Version(version), value }
}

fn milliseconds(ttl: Duration) -> u64 {
    // Redis refuses zero, and anything near the end of its clock.
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, 100 * 366 * 24 * 3_600_000)
}

fn is_wrong_type(error: &RedisError) -> bool {
    error.code() == Some("WRONGTYPE")
}
