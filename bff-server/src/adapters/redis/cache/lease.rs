//! How long memory is trusted: what an answered probe proves. Pure, so that it can be checked by hand.

use std::time::Duration;

use tokio::time::Instant;

/// The probes of one connection, numbered as they are sent; at most one is under way.
pub(super) struct Lease {
    max_staleness: Duration,
    sent: u64,
    under_way: Option<Instant>,
    heard: Option<Instant>,
}

impl Lease {
    pub(super) fn new(max_staleness: Duration) -> Self {
        Self { max_staleness, sent: 0, under_way: None, heard: None }
    }

    /// A probe is about to be sent; one that is still under way is given up. Returns its number.
    pub(super) fn sends(&mut self, now: Instant) -> u64 {
        self.sent += 1;
        self.under_way = Some(now);
        self.sent
    }

    /// Whether this probe is under way. One that was given up, and is late, says nothing about the order of the others.
    pub(super) fn awaits(&self, number: u64) -> bool {
        number == self.sent && self.under_way.is_some()
    }

    /// The probe that is under way was heard. Returns until when memory is trusted, once something is proven.
    ///
    /// Redis reports the changes of one turn of its event loop at that turn's end, in no promised order. So a probe
    /// proves nothing about its own turn, but, since it was sent when the one before it had been heard, that
    /// everything of that one's turn has arrived: what happened before *that* probe was sent is known.
    pub(super) fn hears(&mut self) -> Option<Instant> {
        let sent = self.under_way.take()?;
        let before = self.heard.replace(sent)?;
        Some(before + self.max_staleness)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALENESS: Duration = Duration::from_secs(1);

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn a_probe_proves_what_happened_before_the_one_before_it_was_sent() {
        let start = Instant::now();
        let mut lease = Lease::new(STALENESS);
        lease.sends(at(start, 0));
        assert_eq!(lease.hears(), None, "its own turn may be half reported");
        lease.sends(at(start, 200));
        assert_eq!(lease.hears(), Some(at(start, 1000)));
        lease.sends(at(start, 400));
        assert_eq!(lease.hears(), Some(at(start, 1200)));
    }

    #[test]
    fn a_probe_proves_nothing_twice_and_nothing_when_it_was_given_up() {
        let start = Instant::now();
        let mut lease = Lease::new(STALENESS);
        let first = lease.sends(at(start, 0));
        assert!(lease.awaits(first));
        lease.hears();
        assert!(!lease.awaits(first), "Redis also reports when a probe's key expires");
        assert_eq!(lease.hears(), None);
        let lost = lease.sends(at(start, 200));
        let next = lease.sends(at(start, 400));
        assert!(!lease.awaits(lost) && lease.awaits(next));
        assert_eq!(lease.hears(), Some(at(start, 1000)), "from the last one that was heard");
    }
}
