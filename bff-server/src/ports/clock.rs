//! The time.

use crate::domain::time::UnixSeconds;

/// Tells the time. Tests bring their own.
pub trait Clock: Send + Sync {
    /// The current moment.
    fn now(&self) -> UnixSeconds;
}
