//! Secrets that callers present: gateways, operators.

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};

/// Shorter ones could be guessed.
pub const MIN_SHARED_SECRET_BYTES: usize = 32;

/// Several secrets of which each admits, so that one can be replaced by another without a gap. Only their
/// digests are kept.
#[derive(Clone, Debug)]
pub struct SharedSecrets(Vec<digest::Digest>);

impl SharedSecrets {
    /// Takes the secrets as they will be presented.
    pub fn new(secrets: &[String]) -> Self {
        Self(secrets.iter().map(|secret| fingerprint(secret.as_bytes())).collect())
    }

    /// Whether the presented value is one of them. Takes as long for one that is nearly right as for any other.
    pub fn admit(&self, presented: &[u8]) -> bool {
        let presented = fingerprint(presented);
        // No short cut at the first that fits.
        self.0.iter().fold(false, |admitted, secret| {
            admitted | verify_slices_are_equal(secret.as_ref(), presented.as_ref()).is_ok()
        })
    }
}

fn fingerprint(secret: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_of_the_list_admits_and_nothing_else_does() {
        let secrets = SharedSecrets::new(&["the old one".to_owned(), "the new one".to_owned()]);
        assert!(secrets.admit(b"the old one"));
        assert!(secrets.admit(b"the new one"));
        for wrong in ["", "the new on", "the new one ", "The new one"] {
            assert!(!secrets.admit(wrong.as_bytes()), "{wrong:?}");
        }
        assert!(!SharedSecrets::new(&[]).admit(b""));
    }

    #[test]
    fn sec_063_the_secrets_are_not_printed() {
        let printed = format!("{:?}", SharedSecrets::new(&["canary".to_owned()]));
        assert!(!printed.contains("canary"), "{printed}");
    }
}
