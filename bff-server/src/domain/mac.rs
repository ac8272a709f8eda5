//! HMAC-SHA-256 (RFC 2104): what signs a cookie, names a record and derives a record's key.

use hmac::{Hmac, KeyInit as _, Mac};
use sha2::Sha256;

/// How long a tag is, in bytes.
pub(crate) const TAG_BYTES: usize = 32;

/// A key of 256 bits, prepared once: half of what a short message costs is the key's.
#[derive(Clone)]
pub(crate) struct MacKey(Hmac<Sha256>);

impl MacKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        // Longer keys would be hashed, and shorter ones are filled up with zeros (RFC 2104 §2).
        let mut block = zeroize::Zeroizing::new([0; 64]);
        for (filled, byte) in block.iter_mut().zip(key) {
            *filled = *byte;
        }
        Self(Hmac::new((&*block).into()))
    }

    /// The tag of a message.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; TAG_BYTES] {
        self.of(message).finalize().into_bytes().into()
    }

    /// Whether it is the tag of a message; says it in the same time for every wrong one.
    pub(crate) fn verifies(&self, message: &[u8], tag: &[u8]) -> bool {
        self.of(message).verify_slice(tag).is_ok()
    }

    fn of(&self, message: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(message);
        mac
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::*;

    #[test]
    fn it_is_what_another_library_makes_of_it() {
        for length in [0, 1, 31, 32, 55, 56, 64, 73, 200, 1000] {
            let key: [u8; 32] = std::array::from_fn(|it| u8::try_from(it ^ (length & 0xff)).unwrap());
            let message: Vec<u8> = (0..length).map(|it| u8::try_from(it % 251).unwrap()).collect();
            let theirs = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &message);
            let ours = MacKey::new(&key);
            assert_eq!(ours.sign(&message), theirs.as_ref(), "{length}");
            assert!(ours.verifies(&message, theirs.as_ref()));
            let mut wrong = ours.sign(&message);
            wrong[31] ^= 1;
            assert!(!ours.verifies(&message, &wrong));
            assert!(!ours.verifies(&message, &wrong[..31]), "a part of a tag");
            assert!(!ours.verifies(&message, &[]));
        }
    }
}
