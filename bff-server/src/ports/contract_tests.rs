//! What every session store must do, run on each of them: ours, and yours if you write one (feature
//! `store-contract`).
//!
//! A broken promise is a panic that says which one.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    Clock, LeaseOwner, Marker, OwedName, OwedWrite, ReplaceOutcome, SessionStore, StoreError, StoredRecord,
    Version,
};
use crate::domain::{
    credential::AccessToken,
    session::Live,
    session_id::{CookieKey, SessionCookie, SessionId, SessionKey},
    session_index::{IndexName, Member},
    time::UnixSeconds,
};

/// A clock that a test moves.
pub struct ManualClock(AtomicU64);

impl Default for ManualClock {
    fn default() -> Self {
        Self(AtomicU64::new(1_800_000_000))
    }
}

impl ManualClock {
    /// Lets time pass.
    pub fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixSeconds {
        UnixSeconds::new(self.0.load(Ordering::SeqCst))
    }
}

/// A session key, different for each seed.
pub fn key(seed: u8) -> SessionKey {
    let cookie = SessionCookie::new("s".into(), CookieKey::new(&[1; 32], &[2; 32]), Vec::new());
    cookie.issue(&SessionId::from_random([seed; 32])).1
}

/// A session that says this, and whose tokens do not matter.
pub fn session_that_says(text: &str) -> Arc<Live> {
    let at = UnixSeconds::new(1_800_000_000);
    Arc::new(Live {
        access_token: AccessToken::parse("at").unwrap(),
        access_expires_at: at,
        refreshed_at: at,
        ends_at: at,
        used_at: at,
        can_refresh: false,
        claims_json: text.to_owned(),
        proof_key: None,
    })
}

/// Reads a record of text, and tells the store that it is a [session that says it](session_that_says).
pub async fn read_and_remember(
    store: &dyn SessionStore,
    key: &SessionKey,
) -> Result<Option<StoredRecord>, StoreError> {
    let Some(reading) = store.read_for_recall(key).await? else { return Ok(None) };
    let record = reading.record.clone();
    reading.says(session_that_says(std::str::from_utf8(&record.value).unwrap()));
    Ok(Some(record))
}

/// How a store under test experiences time.
pub trait Time {
    /// Times to live used by the contract: short where the time is real.
    fn to_live(&self) -> Duration;

    /// Lets just more than [`to_live`](Self::to_live) pass.
    fn outlive(&self) -> impl Future<Output = ()>;

    /// Whether it passes by itself, so that the parts of the contract may wait side by side.
    fn passes_by_itself(&self) -> bool {
        false
    }
}

impl Time for Arc<ManualClock> {
    fn to_live(&self) -> Duration {
        Duration::from_mins(1)
    }

    async fn outlive(&self) {
        self.advance(61);
    }
}

/// The time of a store that has a clock of its own.
pub struct RealTime;

impl Time for RealTime {
    /// Several commands must fit in, on a busy machine too.
    fn to_live(&self) -> Duration {
        Duration::from_secs(3)
    }

    async fn outlive(&self) {
        tokio::time::sleep(self.to_live() + Duration::from_millis(100)).await;
    }

    fn passes_by_itself(&self) -> bool {
        true
    }
}

/// A time to live that no test outlives.
const LONG: Duration = Duration::from_mins(10);

/// Runs the contract on an empty store.
pub async fn run(store: Arc<dyn SessionStore>, time: impl Time) {
    store.ping().await.unwrap();
    // Each has keys of its own.
    let (records, memory) = (records(&*store, &time), memory(&*store, &time));
    let (markers, leases, indexes) =
        (markers(&store, &time), leases(&*store, &time), indexes(&*store, &time));
    let owed = owed(&store, &time);
    if time.passes_by_itself() {
        tokio::join!(records, memory, markers, leases, indexes, owed);
    } else {
        records.await;
        memory.await;
        markers.await;
        leases.await;
        indexes.await;
        owed.await;
    }
}

async fn records(store: &dyn SessionStore, time: &impl Time) {
    let (a, b) = (key(1), key(2));
    assert!(store.read(&a).await.unwrap().is_none(), "nothing is there before it is written");
    store.insert(&a, b"one", LONG).await.unwrap();
    let binary: Vec<u8> = (0..=255).collect();
    store.insert(&b, &binary, LONG).await.unwrap();
    let first = store.read(&a).await.unwrap().unwrap();
    assert_eq!(first.value, "one");

    let replace = |version, value: &'static [u8]| store.replace(&a, version, value, LONG);
    assert_eq!(replace(first.version, b"two").await.unwrap(), ReplaceOutcome::Replaced);
    assert_eq!(
        replace(first.version, b"late").await.unwrap(),
        ReplaceOutcome::Stale,
        "SEC-92: a slow writer"
    );
    let second = store.read(&a).await.unwrap().unwrap();
    assert_eq!(second.value, "two");
    assert_ne!(second.version, first.version);

    let removed = store.remove(&a).await.unwrap().unwrap();
    assert_eq!((removed.value, removed.version), ("two".into(), second.version), "what was removed");
    assert!(store.remove(&a).await.unwrap().is_none());
    assert!(store.read(&a).await.unwrap().is_none());
    assert_eq!(
        replace(second.version, b"ghost").await.unwrap(),
        ReplaceOutcome::Gone,
        "SEC-92: no resurrection"
    );
    assert!(store.read(&a).await.unwrap().is_none());
    assert_eq!(
        store.read(&b).await.unwrap().unwrap().value,
        binary,
        "a neighbour is untouched, byte for byte"
    );

    store.insert(&a, b"short", time.to_live()).await.unwrap();
    let short = store.read(&a).await.unwrap().unwrap();
    time.outlive().await;
    assert!(store.read(&a).await.unwrap().is_none(), "SEC-55: every record has an end");
    assert_eq!(replace(short.version, b"ghost").await.unwrap(), ReplaceOutcome::Gone);
    assert_eq!(
        store.replace(&b, Version(1), b"short", time.to_live()).await.unwrap(),
        ReplaceOutcome::Replaced
    );
    time.outlive().await;
    assert!(store.read(&b).await.unwrap().is_none(), "SEC-55: a rewrite brings its own end");
}

/// Whether a store has a memory is its own affair; what it recalls is what was stored.
async fn memory(store: &dyn SessionStore, time: &impl Time) {
    let session = key(8);
    let recalled = || store.recall(&session).map(|it| it.live.claims_json.clone());
    assert!(store.read_for_recall(&session).await.unwrap().is_none());
    assert!(recalled().is_none(), "what is not there is not recalled");
    store.insert(&session, b"one", LONG).await.unwrap();
    let mut version = read_and_remember(store, &session).await.unwrap().unwrap().version;
    for value in [b"two", b"six", b"ten"] {
        // A store that listens for changes may begin with it at any time.
        tokio::time::sleep(Duration::from_millis(150)).await;
        let before = read_and_remember(store, &session).await.unwrap().unwrap();
        assert!(recalled().is_none_or(|it| it.as_bytes() == before.value), "what was read is recalled");
        assert_eq!(store.replace(&session, version, value, LONG).await.unwrap(), ReplaceOutcome::Replaced);
        assert!(recalled().is_none_or(|it| it.as_bytes() == value), "SEC-92: a change is not forgotten");
        let read = read_and_remember(store, &session).await.unwrap().unwrap();
        assert_eq!(read.value, value[..]);
        version = read.version;
    }
    store.remove(&session).await.unwrap();
    assert!(recalled().is_none(), "SEC-106: nobody who left is recalled");
    store.settle().await;
    assert!(recalled().is_none());
    assert!(store.read_for_recall(&session).await.unwrap().is_none());
    store.insert(&session, b"short", time.to_live()).await.unwrap();
    read_and_remember(store, &session).await.unwrap();
    time.outlive().await;
    assert!(recalled().is_none(), "SEC-55: a record ends in memory, too");
}

async fn markers(store: &Arc<dyn SessionStore>, time: &impl Time) {
    let attempts = (0..16).map(|_| {
        let store = Arc::clone(store);
        tokio::spawn(async move { store.spend(&Marker("flow".into()), LONG).await.unwrap() })
    });
    let mut first = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        first += usize::from(attempt.await.unwrap());
    }
    assert_eq!(first, 1, "SEC-18: of many at once, one is the first");
    assert!(store.is_spent(&Marker("flow".into())).await.unwrap());
    let another = Marker("another".into());
    assert!(!store.is_spent(&another).await.unwrap());
    assert!(store.spend(&another, time.to_live()).await.unwrap());
    time.outlive().await;
    assert!(store.spend(&another, LONG).await.unwrap(), "a marker has an end");
}

async fn leases(store: &dyn SessionStore, time: &impl Time) {
    let (mine, theirs) = (LeaseOwner([1; 16]), LeaseOwner([2; 16]));
    let session = key(3);
    assert!(store.acquire(&session, &mine, time.to_live()).await.unwrap());
    assert!(!store.acquire(&session, &theirs, LONG).await.unwrap());
    assert!(store.acquire(&key(4), &theirs, LONG).await.unwrap(), "another session's lease is free");
    store.release(&session, &theirs).await.unwrap();
    assert!(!store.acquire(&session, &theirs, LONG).await.unwrap(), "SEC-88: only the owner releases");
    time.outlive().await;
    assert!(store.acquire(&session, &theirs, LONG).await.unwrap(), "a lease has an end");
    store.release(&session, &mine).await.unwrap();
    assert!(!store.acquire(&session, &mine, LONG).await.unwrap(), "the late owner releases nothing");
    assert!(!store.renew(&session, &mine, LONG).await.unwrap(), "SEC-88: nor renews");
    assert!(
        store.renew(&session, &theirs, time.to_live()).await.unwrap(),
        "a lease may also be made shorter"
    );
    time.outlive().await;
    assert!(!store.renew(&session, &theirs, LONG).await.unwrap(), "what has ended is not renewed");
    assert!(store.acquire(&session, &theirs, time.to_live()).await.unwrap());
    assert!(store.renew(&session, &theirs, LONG).await.unwrap());
    time.outlive().await;
    assert!(
        !store.acquire(&session, &mine, LONG).await.unwrap(),
        "a lease lasts as long as its owner renews it"
    );
    store.release(&session, &theirs).await.unwrap();
    assert!(!store.renew(&session, &theirs, LONG).await.unwrap(), "what was given back is not renewed");
    assert!(store.acquire(&session, &mine, LONG).await.unwrap());
}

async fn indexes(store: &dyn SessionStore, time: &impl Time) {
    let (ada, eve) = (IndexName("ada".into()), IndexName("eve".into()));
    let member = |seed: u8| Member { since: UnixSeconds::new(1_000 + u64::from(seed)), key: key(seed) };
    let all = |seeds: &[u8]| seeds.iter().copied().map(member).collect::<Vec<_>>();
    assert!(store.enlisted(&ada).await.unwrap().is_empty());
    for seed in [2, 1, 2] {
        assert!(store.enlist(&ada, &member(seed), LONG, 10).await.unwrap().is_empty());
    }
    store.enlist(&eve, &member(3), LONG, 10).await.unwrap();
    assert_eq!(
        store.enlisted(&ada).await.unwrap(),
        all(&[1, 2]),
        "each once, the oldest first, nobody else's"
    );
    store.delist(&ada, &member(1)).await.unwrap();
    store.delist(&ada, &member(1)).await.unwrap();
    assert_eq!(store.enlisted(&ada).await.unwrap(), all(&[2]), "SEC-115: taking one out leaves the others");
    store.enlist(&ada, &member(4), time.to_live(), 10).await.unwrap();
    time.outlive().await;
    assert_eq!(store.enlisted(&ada).await.unwrap(), all(&[2]), "a member leaves with its time");
    let evicted = store.enlist(&ada, &member(5), time.to_live(), 1).await.unwrap();
    assert_eq!(evicted, all(&[2]), "SEC-192: the oldest makes room, however long it would stay");
    let evicted = store.enlist(&ada, &member(1), LONG, 1).await.unwrap();
    assert_eq!(evicted, all(&[5]), "whoever comes in stays in, however old");
    store.enlist(&ada, &member(6), LONG, 2).await.unwrap();
    store.enlist(&ada, &member(1), LONG + LONG, 2).await.unwrap();
    assert_eq!(
        store.enlist(&ada, &member(7), LONG, 2).await.unwrap(),
        all(&[1]),
        "staying on makes nobody younger"
    );
    assert_eq!(store.enlisted(&ada).await.unwrap(), all(&[6, 7]));
    assert_eq!(store.enlisted(&eve).await.unwrap(), all(&[3]));
}

/// What is to be revoked: written by compare-and-swap, and found when it is due.
async fn owed(store: &Arc<dyn SessionStore>, time: &impl Time) {
    let name = |name: &str| OwedName(name.to_owned());
    let at = |seconds: u64| UnixSeconds::new(1_900_000_000 + seconds);
    let write = |version, value: &'static [u8], due| {
        Some(OwedWrite { version: Version(version), value, due: at(due), ttl: LONG })
    };
    let ada = name("ada");
    assert!(store.read_owed(&ada).await.unwrap().is_none());
    assert!(store.owed(at(1_000_000), 100).await.unwrap().is_empty());
    assert!(!store.write_owed(&ada, Some(Version(1)), write(2, b"ghost", 0)).await.unwrap(), "there is none");
    assert!(store.write_owed(&ada, None, write(u64::MAX, b"one", 50)).await.unwrap());
    assert!(!store.write_owed(&ada, None, write(3, b"late", 0)).await.unwrap(), "there is one");
    assert!(
        !store.write_owed(&ada, Some(Version(1)), write(3, b"late", 0)).await.unwrap(),
        "of another version"
    );
    let read = store.read_owed(&ada).await.unwrap().unwrap();
    assert_eq!((read.version, &read.value[..]), (Version(u64::MAX), &b"one"[..]));

    assert!(store.owed(at(49), 100).await.unwrap().is_empty(), "it is not due yet");
    assert_eq!(store.owed(at(50), 100).await.unwrap(), std::slice::from_ref(&ada));
    let binary: Vec<u8> = (0..=255).collect();
    let later = OwedWrite { version: Version(4), value: &binary, due: at(90), ttl: LONG };
    assert!(store.write_owed(&ada, Some(Version(u64::MAX)), Some(later)).await.unwrap());
    assert!(store.owed(at(89), 100).await.unwrap().is_empty(), "it is due at its new time alone");
    assert_eq!(store.read_owed(&ada).await.unwrap().unwrap().value, binary, "byte for byte");

    for i in 0..40 {
        assert!(store.write_owed(&name(&format!("user-{i}")), None, write(1, b"v", 80)).await.unwrap());
    }
    assert_eq!(store.owed(at(90), 7).await.unwrap().len(), 7, "no more than was asked for");
    let all = store.owed(at(90), 100).await.unwrap();
    assert!(all.len() == 41 && all.contains(&ada), "{all:?}");
    for i in 0..40 {
        assert!(store.write_owed(&name(&format!("user-{i}")), Some(Version(1)), None).await.unwrap());
    }
    assert!(!store.write_owed(&ada, Some(Version(1)), None).await.unwrap(), "a late one removes nothing");
    assert_eq!(store.owed(at(90), 100).await.unwrap(), std::slice::from_ref(&ada));

    let attempts = (0..16).map(|i| {
        let (store, ada) = (Arc::clone(store), ada.clone());
        let claim = OwedWrite { version: Version(100 + i), value: b"claimed", due: at(120), ttl: LONG };
        tokio::spawn(async move { store.write_owed(&ada, Some(Version(4)), Some(claim)).await.unwrap() })
    });
    let mut first = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        first += usize::from(attempt.await.unwrap());
    }
    assert_eq!(first, 1, "of many at once, one claims it");
    let claimed = store.read_owed(&ada).await.unwrap().unwrap().version;
    assert!(store.write_owed(&ada, Some(claimed), None).await.unwrap());
    assert!(store.read_owed(&ada).await.unwrap().is_none());
    assert!(store.owed(at(1_000), 100).await.unwrap().is_empty(), "what is removed is not due");

    let brief = OwedWrite { version: Version(1), value: b"short", due: at(0), ttl: time.to_live() };
    assert!(store.write_owed(&ada, None, Some(brief)).await.unwrap());
    time.outlive().await;
    assert!(store.read_owed(&ada).await.unwrap().is_none(), "every record has an end");
    assert!(store.write_owed(&ada, None, None).await.unwrap(), "what has ended is taken out");
    assert!(store.owed(at(1_000), 100).await.unwrap().is_empty());
}
