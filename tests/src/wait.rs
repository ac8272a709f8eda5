//! Waits for a condition, with a deadline. Tests never sleep and hope.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(10);

/// Only ends a test that hangs. A condition that holds is seen within milliseconds on an idle machine, and within seconds on
/// one whose cores are busy; a test whose subject is a duration has a bound of its own.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until `condition` answers something, at most [`PATIENCE`].
///
/// # Panics
/// When the deadline passes; `what` completes the sentence "waited in vain until …".
pub async fn until<T>(what: &str, condition: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, condition).await
}

/// [`until`] with a deadline of one's own.
pub async fn within<T>(patience: Duration, what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(started.elapsed() < patience, "waited {patience:?} in vain until {what}");
        tokio::time::sleep(STEP).await;
    }
}
