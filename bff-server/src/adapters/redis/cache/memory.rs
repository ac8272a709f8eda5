//! The records that are kept, and the two rules under which they may be handed out: memory is trusted right now,
//! and nothing was heard of this record since it was read. The [module above](super) says why they are enough.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::{Weighter, sync::Cache};
use tokio::time::Instant;

use crate::{domain::session_id::SessionKey, ports::Recalled};

/// What an entry weighs beside its texts: the entry and the session themselves, and its places in the maps.
const ENTRY_BYTES: usize = 512;
/// A guess, from which the number of shards follows and how many evicted keys are remembered.
const USUAL_SESSION_BYTES: u64 = 2 * 1024;
/// Reports about one record are told apart from reports about most others.
const STRIPES: usize = 1024;

/// See the [module](self).
pub(super) struct Memory {
    entries: Cache<SessionKey, Entry, Weight>,
    /// How many reports came about the records of each stripe. Whoever changes what is in memory holds its lock.
    reports: Box<[Mutex<u64>]>,
    stripe_of: RandomState,
    /// Everything of an earlier epoch is forgotten.
    epoch: AtomicU64,
    /// Until when memory is trusted, in nanoseconds after `origin`.
    trusted_until: AtomicU64,
    origin: Instant,
    pub(super) counts: Counts,
}

#[derive(Clone)]
struct Entry {
    recalled: Recalled,
    epoch: u64,
    ends: Instant,
}

#[derive(Clone)]
struct Weight;

impl Weighter<SessionKey, Entry> for Weight {
    fn weight(&self, _: &SessionKey, entry: &Entry) -> u64 {
        let live = &entry.recalled.live;
        let bytes = ENTRY_BYTES + live.access_token.expose().len() + live.claims_json.len();
        u64::try_from(bytes).unwrap_or(u64::MAX / 2)
    }
}

/// What has happened so far.
#[derive(Default)]
pub(super) struct Counts {
    /// Reads that memory answered.
    pub(super) hits: AtomicU64,
    /// Reads that it did not, though it was trusted.
    pub(super) misses: AtomicU64,
    /// Reads while it was not trusted.
    pub(super) bypasses: AtomicU64,
    /// Records that were there, and were reported as changed.
    pub(super) invalidations: AtomicU64,
}

/// When a read began, what was known by then: what it finds may be remembered if nothing was heard of it since.
pub(super) struct Mark {
    stripe: usize,
    reports: u64,
    epoch: u64,
    began: Instant,
}

impl Memory {
    /// Takes at most about this many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let usual_sessions = usize::try_from(bytes / USUAL_SESSION_BYTES).unwrap_or(usize::MAX);
        Self {
            entries: Cache::with_weighter(usual_sessions, bytes, Weight),
            reports: std::iter::repeat_with(Mutex::default).take(STRIPES).collect(),
            stripe_of: RandomState::new(),
            epoch: AtomicU64::new(0),
            trusted_until: AtomicU64::new(0),
            origin: Instant::now(),
            counts: Counts::default(),
        }
    }

    /// The record, if it is here and may be handed out. Waits for nothing but, at worst, for somebody who is
    /// changing an entry nearby.
    pub(super) fn recall(&self, key: &SessionKey) -> Option<Recalled> {
        // In this order: what is found is known to be good at a moment after it was found.
        let trusted_until = self.trusted_until.load(Ordering::Acquire);
        if trusted_until == 0 {
            return None;
        }
        let entry = self.entries.get(key)?;
        let now = Instant::now();
        if entry.epoch != self.epoch.load(Ordering::Acquire) || entry.ends <= now {
            self.entries.remove_if(key, |found| found.epoch == entry.epoch && found.ends == entry.ends);
            return None;
        }
        if self.after_origin(now) >= trusted_until {
            return None;
        }
        self.counts.hits.fetch_add(1, Ordering::Relaxed);
        Some(entry.recalled)
    }

    /// Before a record is asked for. `None` while memory is not trusted.
    pub(super) fn begin(&self, key: &SessionKey) -> Option<Mark> {
        let epoch = self.epoch.load(Ordering::Acquire);
        let stripe = self.stripe(key.as_str());
        let reports = *self.reports.get(stripe)?.lock().unwrap_or_else(PoisonError::into_inner);
        let trusted_until = self.trusted_until.load(Ordering::Acquire);
        let began = Instant::now();
        if self.after_origin(began) >= trusted_until {
            self.counts.bypasses.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.counts.misses.fetch_add(1, Ordering::Relaxed);
        Some(Mark { stripe, reports, epoch, began })
    }

    /// Remembers what a reading found, unless something was heard of the record meanwhile. `to_live` is what the
    /// store said: counted from before it was asked, it ends no later here than there.
    pub(super) fn remember(&self, key: &SessionKey, mark: &Mark, recalled: Recalled, to_live: Duration) {
        let Some(ends) = mark.began.checked_add(to_live) else { return };
        let Some(reports) = self.reports.get(mark.stripe) else { return };
        let reports = reports.lock().unwrap_or_else(PoisonError::into_inner);
        if *reports == mark.reports && mark.epoch == self.epoch.load(Ordering::Acquire) {
            self.entries.insert(key.clone(), Entry { recalled, epoch: mark.epoch, ends });
        }
    }

    /// A record has changed, or may have: what is known of it is forgotten, and what is being read is not kept.
    pub(super) fn forget(&self, key: &str) {
        let Some(reports) = self.reports.get(self.stripe(key)) else { return };
        let mut reports = reports.lock().unwrap_or_else(PoisonError::into_inner);
        *reports = reports.wrapping_add(1);
        if self.entries.remove(key.as_bytes()).is_some() {
            self.counts.invalidations.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Everything may have changed.
    pub(super) fn forget_all(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.entries.clear();
    }

    /// Every change that was made before `until` less the longest staleness has been reported.
    pub(super) fn trust_until(&self, until: Instant) {
        self.trusted_until.fetch_max(self.after_origin(until), Ordering::AcqRel);
    }

    /// From now on nobody says what has changed.
    pub(super) fn distrust(&self) {
        self.trusted_until.store(0, Ordering::Release);
    }

    pub(super) fn is_trusted(&self) -> bool {
        self.after_origin(Instant::now()) < self.trusted_until.load(Ordering::Acquire)
    }

    /// What the entries take.
    pub(super) fn bytes(&self) -> u64 {
        self.entries.weight()
    }

    fn stripe(&self, key: &str) -> usize {
        let hash = self.stripe_of.hash_one(key);
        usize::try_from(hash % STRIPES as u64).unwrap_or_default()
    }

    fn after_origin(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicBool};

    use super::*;
    use crate::{
        ports::Version,
        ports::contract_tests::{key, session_that_says},
    };

    const LONG: Duration = Duration::from_mins(10);

    fn trusted() -> Memory {
        let memory = Memory::new(1024 * 1024);
        memory.trust_until(Instant::now() + LONG);
        memory
    }

    fn session(version: u64) -> Recalled {
        Recalled { version: Version(version), live: session_that_says(&"x".repeat(2048)) }
    }

    fn read(memory: &Memory, seed: u8, version: u64, to_live: Duration) {
        let reading = memory.begin(&key(seed)).unwrap();
        memory.remember(&key(seed), &reading, session(version), to_live);
    }

    fn recalled(memory: &Memory, seed: u8) -> Option<u64> {
        memory.recall(&key(seed)).map(|recalled| recalled.version.0)
    }

    #[tokio::test(start_paused = true)]
    async fn sec_055_a_record_is_recalled_until_it_ends() {
        let memory = trusted();
        let reading = memory.begin(&key(1)).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        memory.remember(&key(1), &reading, session(7), Duration::from_secs(3));
        assert_eq!((recalled(&memory, 1), recalled(&memory, 2)), (Some(7), None));
        tokio::time::advance(Duration::from_millis(1999)).await;
        assert_eq!(recalled(&memory, 1), Some(7));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(recalled(&memory, 1), None, "counted from before it was asked for");
        assert_eq!(memory.bytes(), 0, "and it is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_recalled_or_read_for_it_without_trust() {
        let memory = Memory::new(1024 * 1024);
        assert!(memory.begin(&key(1)).is_none());
        memory.trust_until(Instant::now() + Duration::from_secs(1));
        read(&memory, 1, 7, LONG);
        assert_eq!(recalled(&memory, 1), Some(7));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(recalled(&memory, 1), None);
        assert!(memory.begin(&key(1)).is_none());
        memory.trust_until(Instant::now() + Duration::from_secs(1));
        assert_eq!(recalled(&memory, 1), Some(7), "it was proven that nothing happened to it");
        memory.trust_until(Instant::now());
        assert_eq!(recalled(&memory, 1), Some(7), "a late proof takes nothing away");
        memory.distrust();
        assert_eq!(recalled(&memory, 1), None);
    }

    #[test]
    fn what_is_forgotten_while_it_is_read_is_not_remembered() {
        let memory = trusted();
        let one = memory.begin(&key(1)).unwrap();
        let other = memory.begin(&key(2)).unwrap();
        memory.forget(key(1).as_str());
        memory.remember(&key(1), &one, session(1), LONG);
        memory.remember(&key(2), &other, session(1), LONG);
        assert_eq!((recalled(&memory, 1), recalled(&memory, 2)), (None, Some(1)));

        let one = memory.begin(&key(1)).unwrap();
        memory.forget_all();
        memory.remember(&key(1), &one, session(1), LONG);
        assert_eq!((recalled(&memory, 1), recalled(&memory, 2)), (None, None));
        read(&memory, 1, 3, LONG);
        assert_eq!(recalled(&memory, 1), Some(3));
    }

    /// One thing that happens to a record.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// A reader asks, Redis answers it, and the answer is remembered.
        Reader(usize),
        /// Redis changes it, and says so.
        Writer(usize),
    }

    /// Runs `visit` with every order of these many steps of each actor.
    fn each_order(left: &mut [(Step, usize)], order: &mut Vec<Step>, visit: &mut impl FnMut(&[Step])) {
        if left.iter().all(|(_, steps)| *steps == 0) {
            return visit(order);
        }
        for actor in 0..left.len() {
            if left[actor].1 > 0 {
                left[actor].1 -= 1;
                order.push(left[actor].0);
                each_order(left, order, visit);
                order.pop();
                left[actor].1 += 1;
            }
        }
    }

    #[test]
    fn in_every_order_of_reads_and_reports_nothing_older_than_a_report_is_recalled() {
        let mut actors =
            [(Step::Reader(0), 3), (Step::Reader(1), 3), (Step::Writer(0), 2), (Step::Writer(1), 2)];
        let (mut orders, mut hits) = (0, 0);
        let memory = trusted();
        each_order(&mut actors, &mut Vec::new(), &mut |order| {
            orders += 1;
            memory.forget_all();
            let (mut stored, mut reported) = (0, 0);
            let mut readers: [(u8, Option<Mark>, u64); 2] = [(0, None, 0), (0, None, 0)];
            let mut changes = [None, None];
            for step in order {
                match *step {
                    Step::Reader(reader) => {
                        let (steps, reading, answer) = &mut readers[reader];
                        match *steps {
                            0 => *reading = memory.begin(&key(1)),
                            1 => *answer = stored,
                            _ => memory.remember(&key(1), reading.as_ref().unwrap(), session(*answer), LONG),
                        }
                        *steps += 1;
                    }
                    Step::Writer(writer) => match changes[writer] {
                        None => {
                            stored += 1;
                            changes[writer] = Some(stored);
                        }
                        Some(change) => {
                            memory.forget(key(1).as_str());
                            reported = reported.max(change);
                        }
                    },
                }
                if let Some(found) = recalled(&memory, 1) {
                    hits += 1;
                    assert!(found >= reported, "{found} after the report of {reported}: {order:?}");
                }
            }
        });
        assert_eq!(orders, 25_200);
        assert!(hits > 10_000, "memory was hardly used: {hits}");
    }

    #[test]
    fn threads_that_read_and_report_never_recall_what_was_reported_as_changed() {
        let memory = Arc::new(trusted());
        let (stored, reported) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let end = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let (memory, stored, reported, end) =
                    (Arc::clone(&memory), Arc::clone(&stored), Arc::clone(&reported), Arc::clone(&end));
                std::thread::spawn(move || {
                    let mut hits = 0_u64;
                    while !end.load(Ordering::SeqCst) {
                        let known = reported.load(Ordering::SeqCst);
                        if let Some(found) = recalled(&memory, 1) {
                            assert!(found >= known, "{found} after the report of {known}");
                            hits += 1;
                        } else {
                            let reading = memory.begin(&key(1)).unwrap();
                            let answer = stored.load(Ordering::SeqCst);
                            memory.remember(&key(1), &reading, session(answer), LONG);
                        }
                    }
                    hits
                })
            })
            .collect();
        for version in 1..=3_000 {
            stored.store(version, Ordering::SeqCst);
            if version % 3 == 0 {
                std::thread::yield_now();
            }
            memory.forget(key(1).as_str());
            reported.store(version, Ordering::SeqCst);
        }
        end.store(true, Ordering::SeqCst);
        let hits: u64 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
        assert!(hits > 0);
    }

    #[test]
    fn it_takes_no_more_bytes_than_it_may() {
        let memory = trusted();
        for seed in 0..=255 {
            for version in 0..8 {
                let reading = memory.begin(&key(seed)).unwrap();
                let live = session_that_says(&"x".repeat(1 + usize::from(seed) * 64));
                memory.remember(&key(seed), &reading, Recalled { version: Version(version), live }, LONG);
                assert!(memory.bytes() <= 1024 * 1024, "{}", memory.bytes());
            }
        }
        assert!(memory.bytes() > 256 * 1024, "{}", memory.bytes());
    }

    #[test]
    fn what_is_counted_is_what_happened() {
        let memory = trusted();
        read(&memory, 1, 1, LONG);
        recalled(&memory, 1);
        recalled(&memory, 1);
        memory.forget(key(1).as_str());
        memory.forget(key(1).as_str());
        memory.distrust();
        assert!(memory.begin(&key(1)).is_none());
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &memory.counts;
        assert_eq!(
            (of(&counts.hits), of(&counts.misses), of(&counts.bypasses), of(&counts.invalidations)),
            (2, 1, 1, 1)
        );
    }
}
