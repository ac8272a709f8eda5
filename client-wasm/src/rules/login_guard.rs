//! The login-loop breaker (SEC-179).
//!
//! An app that sends everybody without a session to the login, in a browser that does not keep the session
//! cookie, would go round for ever. So automatic logins are counted: at most two within thirty seconds.

/// The time within which automatic logins are counted.
const WINDOW_MS: f64 = 30_000.0;

/// Whether one more automatic login may start at `now`, when the one before the last started at
/// `one_before_last` (0 when there was none).
///
/// A moment in the future is a clock that was set back, and does not count.
pub fn permits(one_before_last: f64, now: f64) -> bool {
    let since = now - one_before_last;
    !(0.0..WINDOW_MS).contains(&since)
}

#[cfg(test)]
mod tests {
    use super::permits;

    #[test]
    fn the_third_login_within_thirty_seconds_is_refused() {
        let now = 1_700_000_000_000.0;
        assert!(permits(0.0, now), "there was none before");
        assert!(!permits(now - 1.0, now));
        assert!(!permits(now - 29_999.0, now));
        assert!(permits(now - 30_000.0, now));
        assert!(permits(now + 60_000.0, now), "the clock was set back");
    }
}
