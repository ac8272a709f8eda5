//! A lease as its owner knows it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Until when a lease is certainly one's own, by a clock that only runs on: it also runs while the process is paused. The
/// store counts from when it is asked, and this from just before, so that the owner never believes longer than the store.
#[derive(Debug)]
pub struct HeldLease {
    /// `None` once it is known to be somebody else's, or nobody's: it does not come back.
    ends_at: Mutex<Option<Instant>>,
}

impl HeldLease {
    /// Taken for `length` by a request that was begun at `asked`.
    pub fn taken(asked: Instant, length: Duration) -> Self {
        Self { ends_at: Mutex::new(Some(asked + length)) }
    }

    /// Renewed for `length` by a request that was begun at `asked`. The store renews a lease that has never been anybody
    /// else's in between, so this is good even where the owner's own time was up.
    pub fn renewed(&self, asked: Instant, length: Duration) {
        let mut ends_at = self.ends_at.lock().unwrap_or_else(PoisonError::into_inner);
        *ends_at = ends_at.map(|_| asked + length);
    }

    /// The store says that it is not the owner's any more.
    pub fn is_lost(&self) {
        self.ends_at.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether it certainly lasts this much longer.
    pub fn lasts(&self, longer: Duration) -> bool {
        let ends_at = self.ends_at.lock().unwrap_or_else(PoisonError::into_inner);
        ends_at.is_some_and(|ends_at| Instant::now() + longer < ends_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(6);
    const NEED: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn a_lease_counts_from_before_the_store_was_asked() {
        let asked = Instant::now();
        tokio::time::advance(Duration::from_secs(3)).await;
        let lease = HeldLease::taken(asked, LENGTH);
        assert!(lease.lasts(NEED));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!lease.lasts(NEED), "two of six seconds are left, and no more");
        lease.renewed(Instant::now(), LENGTH);
        assert!(lease.lasts(NEED));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_lease_is_not_renewed() {
        let lease = HeldLease::taken(Instant::now(), LENGTH);
        lease.is_lost();
        lease.renewed(Instant::now(), LENGTH);
        assert!(!lease.lasts(Duration::ZERO));
    }
}
