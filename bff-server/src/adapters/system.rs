//! The operating system's clock and random source.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{
    domain::time::UnixSeconds,
    ports::{Clock, Entropy, EntropyFailure},
};

/// The system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixSeconds {
        UnixSeconds::new(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
    }
}

/// The system's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyFailure> {
        aws_lc_rs::rand::fill(buffer).map_err(|_| EntropyFailure)
    }
}
