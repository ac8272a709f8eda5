//! Key material from the configuration, and the keys derived from it.

use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

/// Fewer bytes than this are refused.
const MIN_KEY_BYTES: usize = 32;

/// Why a configured key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakKey {
    /// Shorter than 256 bits.
    #[error("it has {found} bytes, but needs at least {MIN_KEY_BYTES}")]
    Short {
        /// How many bytes it has.
        found: usize,
    },
    /// One character over and over, or a placeholder such as `changeme`.
    #[error("it is a placeholder, not a random key")]
    Placeholder,
}

/// A configured secret key of at least 256 bits. Never used itself: every use derives its own key
/// (HKDF-SHA-256, RFC 5869).
#[derive(Clone, PartialEq, Eq)]
pub struct KeyMaterial(Zeroizing<Vec<u8>>);

impl KeyMaterial {
    /// Accepts material that can be a key.
    pub fn new(bytes: Vec<u8>) -> Result<Self, WeakKey> {
        let bytes = Zeroizing::new(bytes);
        if bytes.len() < MIN_KEY_BYTES {
            return Err(WeakKey::Short { found: bytes.len() });
        }
        let distinct = bytes.iter().collect::<std::collections::HashSet<_>>().len();
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let placeholder =
            ["changeme", "change-me", "change_me", "placeholder", "replace", "your-", "example"];
        if distinct < 8 || placeholder.iter().any(|it| text.contains(it)) {
            return Err(WeakKey::Placeholder);
        }
        Ok(Self(bytes))
    }

    /// The most randomness that it can hold, in bits, judged by how its bytes are spread: a sentence or a pattern has
    /// less than its length suggests. Text of base64 or hex counts by its characters.
    pub fn bits_at_most(&self) -> u32 {
        let mut counts = [0_u32; 256];
        for byte in self.0.iter() {
            if let Some(count) = counts.get_mut(usize::from(*byte)) {
                *count += 1;
            }
        }
        let length = f64::from(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        let bits_a_byte: f64 = counts
            .iter()
            .filter(|count| **count > 0)
            .map(|count| f64::from(*count) / length)
            .map(|share| -share * share.log2())
            .sum();
        // Neighbours in the alphabet, such as 0123456789abcdef, are spread well and still no randomness.
        let steps = self.0.windows(2).filter(|pair| matches!(pair, [a, b] if a.abs_diff(*b) <= 1)).count();
        let order = f64::from(u32::try_from(steps).unwrap_or(u32::MAX)) / length;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 8 bits a byte"
        )]
        let bits = (bits_a_byte * length * (1.0 - order)) as u32;
        bits
    }

    /// The key for one use.
    pub fn derive(&self, usage: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.expand(usage))
    }

    /// A public name for the key, to recognise what it sealed.
    pub fn derive_id(&self) -> [u8; 4] {
        self.expand("key-id")
    }

    fn expand<const N: usize>(&self, usage: &str) -> [u8; N] {
        struct Length(usize);
        impl KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        let mut output = [0; N];
        let info = [b"authtool/v1/".as_slice(), usage.as_bytes()];
        // Fails only for outputs beyond 255 × 32 bytes (RFC 5869 §2.3).
        let filled = Salt::new(HKDF_SHA256, b"authtool")
            .extract(&self.0)
            .expand(&info, Length(N))
            .and_then(|okm| okm.fill(&mut output));
        debug_assert!(filled.is_ok());
        output
    }
}

/// The keys of one use: the current one, and those that are still accepted. There is always a current one, so
/// nothing is ever signed or sealed with none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyList {
    current: KeyMaterial,
    retired: Vec<KeyMaterial>,
}

impl KeyList {
    /// The first key is the current one; `None` if there is none.
    pub fn new(keys: impl IntoIterator<Item = KeyMaterial>) -> Option<Self> {
        let mut keys = keys.into_iter();
        Some(Self { current: keys.next()?, retired: keys.collect() })
    }

    /// The key that signs or seals.
    pub fn current(&self) -> &KeyMaterial {
        &self.current
    }

    /// The keys that only verify or open.
    pub fn retired(&self) -> &[KeyMaterial] {
        &self.retired
    }

    /// All of them, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &KeyMaterial> {
        std::iter::once(&self.current).chain(&self.retired)
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaterial(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_138_short_and_placeholder_keys_are_refused() {
        assert_eq!(KeyMaterial::new(vec![7; 31]).unwrap_err(), WeakKey::Short { found: 31 });
        assert_eq!(KeyMaterial::new(Vec::new()).unwrap_err(), WeakKey::Short { found: 0 });
        for placeholder in
            [&[0; 32][..], b"changeme-changeme-changeme-changeme!", b"REPLACE THIS WITH A RANDOM KEY 123"]
        {
            assert_eq!(KeyMaterial::new(placeholder.to_vec()).unwrap_err(), WeakKey::Placeholder);
        }
        assert!(KeyMaterial::new((0..32).collect()).is_ok());
    }

    #[test]
    fn a_sentence_and_a_sequence_have_less_randomness_than_their_length_suggests() {
        let bits = |bytes: &[u8]| KeyMaterial::new(bytes.to_vec()).unwrap().bits_at_most();
        assert!(bits(&(0..32).collect::<Vec<u8>>()) < 16);
        assert!(bits(b"0123456789abcdefghijklmnopqrstuv") < 16);
        assert!(bits(b"please do not use this as a key!") < 128);
        for seed in 0..50_u8 {
            let random = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &[seed]);
            assert!(bits(random.as_ref()) >= 128, "{seed}: {}", bits(random.as_ref()));
            let digits = random.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
            let hex: String = digits.filter_map(|it| char::from_digit(it.into(), 16)).collect();
            assert!(bits(hex.as_bytes()) >= 128, "{hex}: {}", bits(hex.as_bytes()));
        }
    }

    #[test]
    fn each_use_has_its_own_key() {
        let key = KeyMaterial::new((0..32).collect()).unwrap();
        assert_ne!(*key.derive("a"), *key.derive("b"));
        assert_eq!(*key.derive("a"), *key.derive("a"));
        assert_ne!(*key.derive("a"), [0; 32]);
    }
}
