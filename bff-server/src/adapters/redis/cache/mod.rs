//! Sessions in this process's memory, in front of Redis, which reports what changes (`CLIENT TRACKING`, RESP3).
//!
//! A record is handed out from memory only while it is proven that it is what Redis holds, or held at most
//! `maxStalenessMs` ago. Nothing else is taken on trust: not that a connection is alive, not that Redis reports at
//! all, not that two connections lead to one server. What is in memory is what requests need of a session, opened: the
//! access token (with `DPoP`, its key) and the selected claims, and neither the refresh token nor the ID token. Whoever can read this process's
//! memory finds the keys to everything in Redis there, too.
//!
//! # How it works
//!
//! - On one connection, the *listening* one, Redis reports every change of a key with the prefix of sessions, by
//!   whomever (`BCAST`). Records are read for memory on the same connection.
//! - Five times in `maxStalenessMs`, a *probe* key is written on the connection on which the store writes, and its
//!   report is waited for on the listening one. The probe is a change like a logout is, on the way of a logout.
//! - Memory is trusted until `maxStalenessMs` after the last probe *but one* that was heard had been sent.
//! - What this process changes itself it forgets before it answers, whatever Redis reports.
//!
//! # Why a record is never older than `maxStalenessMs`
//!
//! Let a record be handed out at *t*, and let Redis have changed it at *w*, after it was read for memory.
//!
//! 1. *The change was reported in time.* Redis sends answers and reports on a connection in the order in which they
//!    arose, and `Line::hears` sees them in that order. If the report came after the record's reading had
//!    begun and before it was remembered, `Memory::remember` sees that reports came (under the lock that a report
//!    takes, too) and does not remember it. If it came later, the record was taken out. Either way it is not handed out.
//! 2. *The report has not come.* Redis collects the reports of one turn of its event loop and sends them at its end,
//!    before it sends the answers of that turn. Let *p* and *q* be the last two probes that were heard. *q* was sent
//!    after *p*'s report was here, so Redis received it in a later turn, and all reports of *p*'s turn preceded *q*'s.
//!    The change's report is still missing, hence it was made in a later turn than *p*, hence after *p* was sent:
//!    *w* > *s(p)*. Memory is trusted at *t* only if *t* < *s(p)* + `maxStalenessMs` < *w* + `maxStalenessMs`.
//!
//! All times are of this process's monotonic clock; *w* is compared with them by causality alone. `Memory::recall`
//! takes its two looks in the order that keeps this true for a thread that is suspended between them.
//!
//! # Why nobody is served any more when the answer to a logout is out
//!
//! The bound is for those who are not waited for. An end that somebody waits for is [settled](SessionStore::settle)
//! before it is answered:
//!
//! 1. With each probe, in one step, a replica renews its name in a list of *listeners*, for longer than the probe can
//!    make it trust its memory.
//! 2. After the end has been written, the replica that wrote it reads the list, and writes a key with a prefix of which
//!    all listen to changes. Whoever hears of that key has heard of the end before, and says so, by a key of which the
//!    asking one hears.
//! 3. It waits until each listener has said so, or its time in the list is up. Whoever comes into the list later does so
//!    by a probe that was written in a later turn than the end, and has heard of the end before it trusts its memory.
//!
//! That takes a round trip or two while all is well, and `maxStalenessMs` and a quarter where a replica is cut off,
//! hangs or was killed a moment ago. Those who wait at one replica at the same time share a question that was put after
//! the last of them had come, and whoever answers one has answered all that were put before it. A question is also put
//! where nothing was found to end: another replica may have ended it, and still be waiting itself. A replica that is
//! configured to have no memory (or RESP2) is not waited for, and does not wait itself: what ends there is known at the others when
//! it is reported, within `maxStalenessMs` whatever fails.
//!
//! # What can go wrong, and what happens then
//!
//! | event | consequence |
//! |---|---|
//! | the listening connection is closed (`CLIENT KILL`, a restart, a failover) | everything is forgotten at once; requests ask Redis; a new connection starts with nothing |
//! | it hangs, or its reports are lost | no probe is heard: not trusted after `maxStalenessMs`, and replaced and everything forgotten after twice that |
//! | the store writes to another server than the one that reports (half a failover, a balancer, stale DNS) | as above: the probes are written there, and not heard here |
//! | Redis takes no writes (a replica, out of memory, `NOREPLICAS`) | as above: there are no probes |
//! | `FLUSHALL`, `FLUSHDB` | reported without keys: everything is forgotten |
//! | a key is evicted | reported like any other change |
//! | a key expires | memory ends an entry by itself, no later than Redis does |
//! | this process is suspended | its monotonic clock goes on: memory is not trusted when it wakes |
//! | its machine is suspended, and its monotonic clock with it | when it wakes it may hand out what it held for what was left of `maxStalenessMs`, also after a logout was answered, whose list it left long ago |
//! | Redis takes no writes during a logout (`OOM`, `NOREPLICAS`, `CLIENT PAUSE WRITE`) | the logout waits for `maxStalenessMs` and a quarter, after the time in which the store gives up |
//! | the list of listeners is evicted (`allkeys-…`) | until their next probes, logouts wait for nobody, and `maxStalenessMs` is the bound |
//! | the ACL user may not `CLIENT TRACKING`, or Redis cannot | said once in the log; requests ask Redis; tried again twice a minute |
//!
//! # Why so, and not otherwise
//!
//! - *By prefix, not by key.* Tracking by key makes Redis remember which connection has read which key: a few hundred
//!   bytes for each session with several replicas, up to a limit (`tracking-table-max-keys`) beyond which it forgets at
//!   random. By prefix it remembers nothing; each replica gets about a hundred bytes for each login, refresh and logout.
//! - *Not the cache of the `redis` crate.* It inserts an answer in the task that asked, after reports that were later
//!   than the answer may have been handled; and it serves from memory for as long as nobody notices that the
//!   connection is dead.
//! - *A thread of its own.* Reports and probes do not queue behind requests: a busy process does not lose trust in its
//!   memory when it needs it most, and a logout elsewhere is known before a request that was sent after it.
//! - *Not with a Cluster.* Each node reports for itself, and slots move; it is off there, and says so.

mod keys;
mod lease;
mod memory;
mod settling;
mod tracking;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use redis::{RedisError, Value, pipe};

use self::{
    memory::{Mark, Memory},
    settling::Settling,
    tracking::{State, Tracking},
};
use super::{RedisSettings, RedisStore, stored, way::Way};
use crate::{
    domain::{
        session_id::SessionKey,
        session_index::{IndexName, Member},
        time::UnixSeconds,
    },
    ports::{
        LeaseOwner, Marker, OwedName, OwedWrite, Reading, Recalled, ReplaceOutcome, SessionStore, Steps,
        StoreError, StoredRecord, Version,
    },
};

/// Whether sessions are kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// They are, where Redis lets us.
    On(CacheSettings),
    /// They are not, and this is why.
    Off(&'static str),
}

/// How much, and how old at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// What all records in memory may take.
    pub max_bytes: u64,
    /// How long after a change an old record may still be handed out, whatever fails.
    pub max_staleness: Duration,
}

/// See the [module](self).
pub struct CachedRedisStore {
    store: Arc<RedisStore>,
    memory: Arc<Memory>,
    settings: CacheSettings,
    /// Taken by whoever starts the listening.
    redis: RedisSettings,
    tracking: OnceLock<Option<Arc<Tracking>>>,
    settling: Settling,
}

impl CachedRedisStore {
    /// Connects on first use, as [`RedisStore`] does.
    pub fn new(redis: RedisSettings, settings: CacheSettings) -> Result<Self, StoreError> {
        Ok(Self {
            store: Arc::new(RedisStore::new(redis.clone())?),
            memory: Arc::new(Memory::new(settings.max_bytes)),
            settings,
            redis,
            tracking: OnceLock::new(),
            settling: Settling::default(),
        })
    }

    /// Whether Redis reports changes as it must, or why it does not; once that is known, or after `patience`.
    pub async fn settled(&self, patience: Duration) -> Result<(), String> {
        match self.tracking() {
            None => Err("the listening connection is not configured right".to_owned()),
            Some(tracking) => match tracking.settled(patience).await {
                State::InUse => Ok(()),
                State::OutOfUse(reason) => Err(reason.to_string()),
                State::Starting => Err("Redis has not reported a change yet".to_owned()),
            },
        }
    }

    fn tracking(&self) -> Option<&Arc<Tracking>> {
        let start = || {
            let dialler = Way::new(self.redis.clone())
                .inspect_err(|error| tracing::warn!(%error, "the local cache stays out of use"))
                .ok()?;
            Some(Tracking::start(self.settings, Arc::clone(&self.store), dialler, Arc::clone(&self.memory)))
        };
        self.tracking.get_or_init(start).as_ref()
    }

    /// Reads on the listening connection. `None` where nothing was found, or that did not work out; whoever asks has
    /// another way.
    async fn read_where_changes_are_reported(&self, key: &SessionKey, mark: Mark) -> Option<Reading> {
        let mut connection = self.tracking()?.connection()?;
        let redis_key = self.store.session_key(key);
        let mut both = pipe();
        both.cmd("GET").arg(&redis_key).cmd("PTTL").arg(&redis_key);
        let answer: Result<(Value, i64), RedisError> = both.query_async(&mut connection).await;
        let (found, to_live) = answer.ok()?;
        let record = stored(Ok(found)).ok()??;
        // Negative: it is gone, or somebody made it stay for ever.
        let Ok(to_live) = u64::try_from(to_live) else { return Some(Reading::only(record)) };
        let (memory, key) = (Arc::clone(&self.memory), key.clone());
        Some(Reading::to_remember(record, move |recalled| {
            memory.remember(&key, &mark, recalled, Duration::from_millis(to_live));
        }))
    }
}

impl Drop for CachedRedisStore {
    fn drop(&mut self) {
        if let Some(Some(tracking)) = self.tracking.get() {
            tracking.stop();
        }
    }
}

/// Forgets a record when a change of it ends, however it ends: also when it failed, and when nobody waited for it.
struct Changing<'a> {
    memory: &'a Memory,
    key: &'a SessionKey,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.memory.forget(self.key.as_str());
    }
}

#[async_trait]
impl SessionStore for CachedRedisStore {
    fn recall(&self, key: &SessionKey) -> Option<Recalled> {
        self.memory.recall(key)
    }

    async fn read_for_recall(&self, key: &SessionKey) -> Result<Option<Reading>, StoreError> {
        // Also where the listening begins: it must not begin within a program that only looks at the configuration.
        let listens = self.tracking().is_some();
        if listens
            && let Some(mark) = self.memory.begin(key)
            && let Some(reading) = self.read_where_changes_are_reported(key, mark).await
        {
            return Ok(Some(reading));
        }
        // Also when it was not found: after a failover the two connections may for a moment lead to different servers, and
        // nobody is logged out on the word of the one that only reports.
        Ok(self.store.read(key).await?.map(Reading::only))
    }

    async fn read(&self, key: &SessionKey) -> Result<Option<StoredRecord>, StoreError> {
        self.store.read(key).await
    }

    async fn retire(&self) {
        if let Some(Some(tracking)) = self.tracking.get() {
            tracking.retire(&self.store).await;
        }
    }

    async fn settle(&self) {
        self.settling.settle(&self.store, self.tracking(), self.settings.max_staleness).await;
    }

    async fn insert(&self, key: &SessionKey, value: &[u8], ttl: Duration) -> Result<(), StoreError> {
        let _changing = Changing { memory: &self.memory, key };
        self.store.insert(key, value, ttl).await
    }

    async fn replace(
        &self,
        key: &SessionKey,
        expected: Version,
        value: &[u8],
        ttl: Duration,
    ) -> Result<ReplaceOutcome, StoreError> {
        let _changing = Changing { memory: &self.memory, key };
        self.store.replace(key, expected, value, ttl).await
    }

    async fn remove(&self, key: &SessionKey) -> Result<Option<StoredRecord>, StoreError> {
        let _changing = Changing { memory: &self.memory, key };
        self.store.remove(key).await
    }

    async fn spend(&self, marker: &Marker, ttl: Duration) -> Result<bool, StoreError> {
        self.store.spend(marker, ttl).await
    }

    async fn is_spent(&self, marker: &Marker) -> Result<bool, StoreError> {
        self.store.is_spent(marker).await
    }

    async fn enlist(
        &self,
        index: &IndexName,
        member: &Member,
        ttl: Duration,
        limit: usize,
    ) -> Result<Vec<Member>, StoreError> {
        self.store.enlist(index, member, ttl, limit).await
    }

    async fn delist(&self, index: &IndexName, member: &Member) -> Result<(), StoreError> {
        self.store.delist(index, member).await
    }

    async fn enlisted(&self, index: &IndexName) -> Result<Vec<Member>, StoreError> {
        self.store.enlisted(index).await
    }

    async fn acquire(
        &self,
        key: &SessionKey,
        owner: &LeaseOwner,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        self.store.acquire(key, owner, lease).await
    }

    async fn renew(&self, key: &SessionKey, owner: &LeaseOwner, lease: Duration) -> Result<bool, StoreError> {
        self.store.renew(key, owner, lease).await
    }

    async fn release(&self, key: &SessionKey, owner: &LeaseOwner) -> Result<(), StoreError> {
        self.store.release(key, owner).await
    }

    async fn read_owed(&self, name: &OwedName) -> Result<Option<StoredRecord>, StoreError> {
        self.store.read_owed(name).await
    }

    async fn write_owed(
        &self,
        name: &OwedName,
        expected: Option<Version>,
        write: Option<OwedWrite<'_>>,
    ) -> Result<bool, StoreError> {
        self.store.write_owed(name, expected, write).await
    }

    async fn owed(&self, now: UnixSeconds, limit: usize) -> Result<Vec<OwedName>, StoreError> {
        self.store.owed(now, limit).await
    }

    async fn may_have_lost_members(&self) -> bool {
        self.store.may_have_lost_members().await
    }

    async fn walk(&self, from: Option<u64>) -> Result<Option<Steps>, StoreError> {
        self.store.walk(from).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // Asked before the first users come: memory is ready for them.
        self.tracking();
        self.store.ping().await
    }
}
