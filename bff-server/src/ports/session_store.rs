//! Where sessions live.
//!
//! A store keeps bytes under keys, with a time to live for each. It knows nothing of what the bytes
//! mean: they arrive sealed. (Where it has a memory, it is told, so that they need not be opened for
//! each request.) Replicas of the server share nothing but the store, so the operations that two
//! replicas may run at once are atomic.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::domain::{
    session::Live,
    session_id::SessionKey,
    session_index::{IndexName, Member},
    time::UnixSeconds,
};

/// Counts the writes of a record, so that a slow writer cannot overwrite a newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u64);

/// A record as read.
#[derive(Clone, Debug)]
pub struct StoredRecord {
    /// Which write this is.
    pub version: Version,
    /// What was written.
    pub value: bytes::Bytes,
}

/// A session in a store's memory: opened once, and good for every request until something is heard of it.
#[derive(Clone)]
pub struct Recalled {
    /// Of which write it is.
    pub version: Version,
    /// What the record says.
    pub live: Arc<Live>,
}

/// A record, and how its store remembers what it says.
pub struct Reading {
    /// What was found.
    pub record: StoredRecord,
    remember: Option<Box<dyn FnOnce(Recalled) + Send>>,
}

impl Reading {
    /// Of a store without a memory.
    pub fn only(record: StoredRecord) -> Self {
        Self { record, remember: None }
    }

    /// `remember` is called at most once.
    pub fn to_remember(record: StoredRecord, remember: impl FnOnce(Recalled) + Send + 'static) -> Self {
        Self { record, remember: Some(Box::new(remember)) }
    }

    /// Has the store remember what the record says, if it can, and nothing was heard of the record since it was read.
    pub fn says(self, live: Arc<Live>) {
        if let Some(remember) = self.remember {
            remember(Recalled { version: self.record.version, live });
        }
    }
}

/// What became of a conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplaceOutcome {
    /// Written.
    Replaced,
    /// Not written: somebody else wrote in between.
    Stale,
    /// Not written: the record is gone. A refresh that finishes after a logout ends here.
    Gone,
}

/// Names something that may happen once, such as the answer to one login flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker(pub String);

/// Names the record of what is still to be revoked of some ended sessions. A keyed hash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwedName(pub String);

/// A record of what is to be revoked, as written.
#[derive(Clone, Copy, Debug)]
pub struct OwedWrite<'a> {
    /// Which write this is. Random: a record that comes back after it was removed is another one.
    pub version: Version,
    /// Sealed.
    pub value: &'a [u8],
    /// From when on [`owed`](SessionStore::owed) names it.
    pub due: UnixSeconds,
    /// How long it lives if nobody writes it again.
    pub ttl: Duration,
}

/// Proves that a lease is one's own. Random, so that nobody releases what expired and was taken anew.
#[derive(Clone, PartialEq, Eq)]
pub struct LeaseOwner(pub [u8; 16]);

impl fmt::Debug for LeaseOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaseOwner(…)")
    }
}

/// The store did not do what was asked, and nobody can say whether it will. Never "there is no session".
#[derive(Debug, thiserror::Error)]
#[error("the session store cannot be used: {0}")]
pub struct StoreError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// Wraps a backend's error. Its text must not contain credentials or values.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// A part of all sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// Some of them.
    pub keys: Vec<SessionKey>,
    /// Where it goes on; `None` at the end.
    pub next: Option<u64>,
}

/// A session store.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Reads a record, in one round trip. `None` if it never was, was removed, or its time is up.
    async fn read(&self, key: &SessionKey) -> Result<Option<StoredRecord>, StoreError>;

    /// A session from memory, without asking anybody: only where the store can prove that it is what is stored, or was a
    /// moment ago. Good enough to serve a request; whoever goes on to write [reads](Self::read).
    fn recall(&self, _key: &SessionKey) -> Option<Recalled> {
        None
    }

    /// Reads a record, whose reader tells the store [what it says](Reading::says), for [`recall`](Self::recall).
    async fn read_for_recall(&self, key: &SessionKey) -> Result<Option<Reading>, StoreError> {
        Ok(self.read(key).await?.map(Reading::only))
    }

    /// Waits until what was changed so far is not recalled anywhere as it was before: every replica has heard of it, or
    /// cannot rely on its memory any more. For ends of sessions that are to be known everywhere when they are answered.
    async fn settle(&self) {}

    /// This process stops, and others need not wait for what it remembers. The last thing that is asked of a store.
    async fn retire(&self) {}

    /// Writes a new record that lives for `ttl`.
    async fn insert(&self, key: &SessionKey, value: &[u8], ttl: Duration) -> Result<(), StoreError>;

    /// Writes a record anew if it still is the one that was read, atomically.
    async fn replace(
        &self,
        key: &SessionKey,
        expected: Version,
        value: &[u8],
        ttl: Duration,
    ) -> Result<ReplaceOutcome, StoreError>;

    /// Removes a record and returns what it was, atomically: nothing can be written in between and be missed.
    async fn remove(&self, key: &SessionKey) -> Result<Option<StoredRecord>, StoreError>;

    /// Marks something as done; `true` for exactly one caller within `ttl`, across all replicas.
    async fn spend(&self, marker: &Marker, ttl: Duration) -> Result<bool, StoreError>;

    /// Whether [`spend`](Self::spend) was called for the marker within its time to live.
    async fn is_spent(&self, marker: &Marker) -> Result<bool, StoreError>;

    /// Adds a session to an index, for `ttl`, or extends its stay. An index has at most `limit` members: of the
    /// others, the oldest are taken out to make room, and returned.
    async fn enlist(
        &self,
        index: &IndexName,
        member: &Member,
        ttl: Duration,
        limit: usize,
    ) -> Result<Vec<Member>, StoreError>;

    /// Takes a session out of an index.
    async fn delist(&self, index: &IndexName, member: &Member) -> Result<(), StoreError>;

    /// The sessions of an index, the oldest first. Some may have ended without being taken out.
    async fn enlisted(&self, index: &IndexName) -> Result<Vec<Member>, StoreError>;

    /// Takes the refresh lease of a session for at most `lease`; `false` if another holds it.
    async fn acquire(
        &self,
        key: &SessionKey,
        owner: &LeaseOwner,
        lease: Duration,
    ) -> Result<bool, StoreError>;

    /// Has a lease end `lease` from now; `false` if it is not the owner's any more. It never becomes the owner's again by this.
    async fn renew(&self, key: &SessionKey, owner: &LeaseOwner, lease: Duration) -> Result<bool, StoreError>;

    /// Gives a lease back, if it still is the owner's.
    async fn release(&self, key: &SessionKey, owner: &LeaseOwner) -> Result<(), StoreError>;

    /// Reads a record of what is to be revoked.
    async fn read_owed(&self, name: &OwedName) -> Result<Option<StoredRecord>, StoreError>;

    /// Writes such a record, or with `None` removes it, and its place among those that are [due](Self::owed), atomically.
    /// `false`, and nothing has changed, unless it is the one that is `expected`: the one that was read, or none.
    async fn write_owed(
        &self,
        name: &OwedName,
        expected: Option<Version>,
        write: Option<OwedWrite<'_>>,
    ) -> Result<bool, StoreError>;

    /// At most `limit` of the records that are due by now, the longest due first or nearly so. Some may have ended.
    async fn owed(&self, now: UnixSeconds, limit: usize) -> Result<Vec<OwedName>, StoreError>;

    /// Whether indexes may have lost sessions that are still there, such as by eviction. `false` only where that is known
    /// not to be so.
    async fn may_have_lost_members(&self) -> bool {
        false
    }

    /// The keys of sessions, whatever indexes say, some hundreds at a time: from the beginning at `None`, and then from where
    /// the last answer said. Each record that is there all the time is found at least once. `None` where they cannot be
    /// walked through.
    async fn walk(&self, _from: Option<u64>) -> Result<Option<Steps>, StoreError> {
        Ok(None)
    }

    /// Whether users could log in, be served, and log out.
    async fn ping(&self) -> Result<(), StoreError>;
}
