//! What every session store must do, run on each of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{Clock, LeaseOwner, Marker, ReplaceOutcome, SessionStore, Version};
use crate::domain::{
    session_id::{CookieKey, SessionCookie, SessionId, SessionKey},
    time::UnixSeconds,
};

/// A clock that a test moves.
pub(crate) struct ManualClock(AtomicU64);

impl Default for ManualClock {
    fn default() -> Self {
        Self(AtomicU64::new(1_800_000_000))
    }
}

impl ManualClock {
    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixSeconds {
        UnixSeconds::new(self.0.load(Ordering::SeqCst))
    }
}

/// A session key, different for each seed.
pub(crate) fn key(seed: u8) -> SessionKey {
    let cookie = SessionCookie::new("s".into(), CookieKey::new(&[1; 32], &[2; 32]), Vec::new());
    cookie.issue(&SessionId::from_random([seed; 32])).1
}

const MINUTE: Duration = Duration::from_mins(1);

/// Runs the contract on fresh stores made by `make`.
pub(crate) async fn run(make: impl Fn(Arc<dyn Clock>) -> Box<dyn SessionStore>) {
    let clock = Arc::new(ManualClock::default());
    let store: Arc<dyn SessionStore> = make(clock.clone()).into();
    store.ping().await.unwrap();
    records(&*store, &clock).await;
    markers(&store, &clock).await;
    leases(&store, &clock).await;
}

async fn records(store: &dyn SessionStore, clock: &ManualClock) {
    let (a, b) = (key(1), key(2));
    assert!(store.read(&a).await.unwrap().is_none(), "nothing is there before it is written");
    store.insert(&a, b"one", MINUTE).await.unwrap();
    store.insert(&b, b"other", MINUTE).await.unwrap();
    let first = store.read(&a).await.unwrap().unwrap();
    assert_eq!(first.value, "one");

    let replace = |version, value: &'static [u8]| store.replace(&a, version, value, MINUTE);
    assert_eq!(replace(first.version, b"two").await.unwrap(), ReplaceOutcome::Replaced);
    assert_eq!(
        replace(first.version, b"late").await.unwrap(),
        ReplaceOutcome::Stale,
        "SEC-92: a slow writer"
    );
    let second = store.read(&a).await.unwrap().unwrap();
    assert_eq!(second.value, "two");
    assert_ne!(second.version, first.version);

    store.remove(&a).await.unwrap();
    store.remove(&a).await.unwrap();
    assert!(store.read(&a).await.unwrap().is_none());
    assert_eq!(
        replace(second.version, b"ghost").await.unwrap(),
        ReplaceOutcome::Gone,
        "SEC-92: no resurrection"
    );
    assert!(store.read(&a).await.unwrap().is_none());
    assert_eq!(store.read(&b).await.unwrap().unwrap().value, "other", "a neighbour is untouched");

    clock.advance(61);
    assert!(store.read(&b).await.unwrap().is_none(), "SEC-55: every record has an end");
    assert_eq!(store.replace(&b, Version(1), b"ghost", MINUTE).await.unwrap(), ReplaceOutcome::Gone);
}

async fn markers(store: &Arc<dyn SessionStore>, clock: &ManualClock) {
    let attempts = (0..16).map(|_| {
        let store = Arc::clone(store);
        tokio::spawn(async move { store.spend(&Marker("flow".into()), MINUTE).await.unwrap() })
    });
    let mut first = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        first += usize::from(attempt.await.unwrap());
    }
    assert_eq!(first, 1, "SEC-18: of many at once, one is the first");
    assert!(store.spend(&Marker("another".into()), MINUTE).await.unwrap());
    clock.advance(61);
    assert!(store.spend(&Marker("flow".into()), MINUTE).await.unwrap(), "a marker has an end");
}

async fn leases(store: &Arc<dyn SessionStore>, clock: &ManualClock) {
    let (mine, theirs) = (LeaseOwner([1; 16]), LeaseOwner([2; 16]));
    let session = key(3);
    assert!(store.acquire(&session, &mine, MINUTE).await.unwrap());
    assert!(!store.acquire(&session, &theirs, MINUTE).await.unwrap());
    assert!(store.acquire(&key(4), &theirs, MINUTE).await.unwrap(), "another session's lease is free");
    store.release(&session, &theirs).await.unwrap();
    assert!(!store.acquire(&session, &theirs, MINUTE).await.unwrap(), "SEC-88: only the owner releases");
    clock.advance(61);
    assert!(store.acquire(&session, &theirs, MINUTE).await.unwrap(), "a lease has an end");
    store.release(&session, &mine).await.unwrap();
    assert!(!store.acquire(&session, &mine, MINUTE).await.unwrap(), "the late owner releases nothing");
    store.release(&session, &theirs).await.unwrap();
    assert!(store.acquire(&session, &mine, MINUTE).await.unwrap());
}
