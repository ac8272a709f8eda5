//! When something ends, and when to look again.

/// The longest delay a browser's timer honours. A longer one fires at once, and would spin (SEC-180).
const LONGEST_TIMER_MS: f64 = 2_147_483_647.0;

/// The shortest delay between two scheduled looks at the same thing.
const SHORTEST_TIMER_MS: f64 = 1_000.0;

/// The moment, in milliseconds since the epoch of the browser's own clock, at which something ends that
/// now has `expires_in` seconds left.
///
/// `None` when that is no duration: not a finite number, or negative.
pub fn expires_at(expires_in: f64, now: f64) -> Option<f64> {
    (expires_in.is_finite() && expires_in >= 0.0).then_some(now + expires_in * 1_000.0)
}

/// How long to wait until `moment`, within what a browser's timer can do.
///
/// A session that outlives the longest timer is looked at when that elapses, which does no harm.
pub fn timer_ms(moment: f64, now: f64) -> f64 {
    #[expect(clippy::manual_clamp, reason = "`max` turns a NaN into the shortest delay, `clamp` keeps it")]
    let delay = (moment - now).max(SHORTEST_TIMER_MS).min(LONGEST_TIMER_MS);
    delay
}

#[cfg(test)]
mod tests {
    use super::{expires_at, timer_ms};

    #[test]
    fn timers_stay_within_what_a_browser_can_do() {
        for (expires_in, expected) in [
            (0.0, 1_000.0),
            (1.0, 1_000.0),
            (3.0, 3_000.0),
            (2_592_000.0, 2_147_483_647.0),
            (1e12, 2_147_483_647.0),
            (f64::MAX, 2_147_483_647.0),
        ] {
            let now = 1_700_000_000_000.0;
            let moment = expires_at(expires_in, now).unwrap();
            assert!((timer_ms(moment, now) - expected).abs() < 1.0, "{expires_in}");
        }
        assert!((timer_ms(f64::NAN, 0.0) - 1_000.0).abs() < 1.0);
        assert!((timer_ms(5_000.0, 9_000.0) - 1_000.0).abs() < 1.0, "a moment in the past");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for expires_in in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            assert_eq!(expires_at(expires_in, 0.0), None, "{expires_in}");
        }
    }
}
