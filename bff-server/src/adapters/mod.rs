//! The world: stores, the network, the system's clock and randomness.

pub mod embedded;
pub(crate) mod http_failure;
pub mod measured;
pub mod oidc;
pub mod outbound;
pub mod redis;
mod system;

pub use system::{SystemClock, SystemEntropy};
