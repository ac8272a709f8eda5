//! Moments, as whole seconds: the resolution of every protocol we speak (RFC 7519 `NumericDate`,
//! RFC 6749 `expires_in`, cookie `Max-Age`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01T00:00:00Z. Arithmetic saturates: a provider that sends `u64::MAX` as a
/// lifetime gets "very late", never an overflow into the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnixSeconds(u64);

impl UnixSeconds {
    /// The moment `seconds` after the epoch.
    pub const fn new(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds after the epoch.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The moment `duration` later (fractions of a second are dropped).
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// The moment `duration` earlier, at the earliest the epoch.
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_secs()))
    }

    /// How long after `earlier` this is; zero if it is not later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }

    /// How long until `later`; zero if that has passed.
    pub const fn until(self, later: Self) -> Duration {
        later.since(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(UnixSeconds::new(u64::MAX).plus(Duration::from_secs(9)), UnixSeconds::new(u64::MAX));
        assert_eq!(UnixSeconds::new(3).minus(Duration::from_secs(9)), UnixSeconds::new(0));
        assert_eq!(UnixSeconds::new(3).since(UnixSeconds::new(9)), Duration::ZERO);
        assert_eq!(UnixSeconds::new(3).until(UnixSeconds::new(9)), Duration::from_secs(6));
    }
}
