//! Randomness.

/// The system's random source failed. The operation is aborted: nothing secret is ever made of less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system's random source failed")]
pub struct EntropyFailure;

/// A cryptographically secure random source.
pub trait Entropy: Send + Sync {
    /// Fills `buffer` with random bytes.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyFailure>;
}

impl dyn Entropy + '_ {
    /// 256 random bits.
    pub fn random_256(&self) -> Result<[u8; 32], EntropyFailure> {
        let mut bytes = [0; 32];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}
