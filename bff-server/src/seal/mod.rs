//! Encryption at rest: what the store and the flow cookies hold.
//!
//! AES-256-GCM with a fresh random nonce per write. Each (purpose, context) pair has a key of its own,
//! derived from the configured one, so that a nonce would have to repeat within one session's few
//! writes to matter, and so that a value moved to another session, field or cookie does not open.
//!
//! ```text
//! byte 0      format (1)
//! bytes 1-4   key id: which configured key sealed this
//! bytes 5-16  nonce
//! the rest    ciphertext and tag
//! ```

mod keys;
mod record;
mod shared_secret;

use std::borrow::Cow;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

pub use keys::{KeyList, KeyMaterial, WeakKey};
pub use record::{RecordCodec, UnreadableRecord};
pub use shared_secret::{MIN_SHARED_SECRET_BYTES, SharedSecrets};

use crate::{
    domain::mac::MacKey,
    ports::{Entropy, EntropyFailure},
};

const FORMAT: u8 = 1;
const KEY_ID_BYTES: usize = 4;
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_LEN;

/// What a sealed value is. Part of its key and of its authenticated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A login in progress, in a cookie.
    LoginFlow,
    /// A logout in progress, in a cookie.
    LogoutFlow,
    /// Where a login returns to, in a cookie.
    Return,
    /// That a login has returned, in a cookie.
    Returned,
    /// The part of a session that every request needs.
    SessionLive,
    /// The part of a session that refresh and logout need.
    SessionKept,
    /// Tokens that are to be revoked.
    Owed,
}

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Self::LoginFlow => "login-flow",
            Self::LogoutFlow => "logout-flow",
            Self::Return => "return",
            Self::Returned => "returned",
            Self::SessionLive => "session-live",
            Self::SessionKept => "session-kept",
            Self::Owed => "owed",
        }
    }
}

/// Why a sealed value does not open. In each case it is treated as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A newer (or no) format of ours.
    #[error("it has an unknown format")]
    UnknownFormat,
    /// Sealed with a key that is not configured (any more).
    #[error("it was sealed with a key that is not in session.encryptionKey")]
    UnknownKey,
    /// Changed, cut, or moved from somewhere else.
    #[error("it does not authenticate")]
    Forged,
}

/// Seals with the current key, opens with any.
pub struct Sealer {
    current: SealKey,
    retired: Vec<SealKey>,
}

struct SealKey {
    id: [u8; KEY_ID_BYTES],
    root: MacKey,
}

impl Sealer {
    /// Derives what sealing needs from each key.
    pub fn new(keys: &KeyList) -> Self {
        let seal_key =
            |key: &KeyMaterial| SealKey { id: key.derive_id(), root: MacKey::new(&key.derive("seal")) };
        Self { current: seal_key(keys.current()), retired: keys.retired().iter().map(seal_key).collect() }
    }

    /// Seals `plaintext` for one purpose and context (a cookie's name, a record's key).
    pub fn seal(
        &self,
        purpose: Purpose,
        context: &str,
        plaintext: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, EntropyFailure> {
        self.seal_beside(&[], purpose, context, plaintext, entropy)
    }

    /// [`seal`](Self::seal), for a value that opens only beside these bytes.
    pub fn seal_beside(
        &self,
        neighbour: &[u8],
        purpose: Purpose,
        context: &str,
        plaintext: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, EntropyFailure> {
        let key = &self.current;
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce)?;
        let mut sealed = Vec::with_capacity(HEADER_BYTES + plaintext.len() + AES_256_GCM.tag_len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(&key.id);
        sealed.extend_from_slice(&nonce);
        let mut body = plaintext.to_vec();
        let context = associated_data(&key.id, purpose, context);
        key.for_context(&context)
            .and_then(|aead| {
                let data = beside(&context, neighbour);
                aead.seal_in_place_append_tag(
                    Nonce::assume_unique_for_key(nonce),
                    Aad::from(&data),
                    &mut body,
                )
            })
            .map_err(|_| EntropyFailure)?;
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Opens what [`seal`](Self::seal) made for the same purpose and context.
    pub fn open(&self, purpose: Purpose, context: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        self.open_beside(&[], purpose, context, sealed)
    }

    /// Opens what [`seal_beside`](Self::seal_beside) made with the same bytes, for the same purpose and context.
    pub fn open_beside(
        &self,
        neighbour: &[u8],
        purpose: Purpose,
        context: &str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let Some((header, body)) = sealed.split_at_checked(HEADER_BYTES) else {
            return Err(SealError::UnknownFormat);
        };
        let (Some(&FORMAT), Some(id), Some(nonce)) =
            (header.first(), header.get(1..=KEY_ID_BYTES), header.get(1 + KEY_ID_BYTES..))
        else {
            return Err(SealError::UnknownFormat);
        };
        let key = std::iter::once(&self.current)
            .chain(&self.retired)
            .find(|key| key.id == id)
            .ok_or(SealError::UnknownKey)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::UnknownFormat)?;
        let mut body = body.to_vec();
        let context = associated_data(&key.id, purpose, context);
        let opened = key
            .for_context(&context)
            .and_then(|aead| {
                let data = beside(&context, neighbour);
                aead.open_in_place(nonce, Aad::from(&data), &mut body).map(|plaintext| plaintext.len())
            })
            .map_err(|_| SealError::Forged)?;
        body.truncate(opened);
        Ok(body)
    }
}

impl SealKey {
    fn for_context(&self, context: &[u8]) -> Result<LessSafeKey, aws_lc_rs::error::Unspecified> {
        let key = Zeroizing::new(self.root.sign(context));
        UnboundKey::new(&AES_256_GCM, &*key).map(LessSafeKey::new)
    }
}

/// Unambiguous: each field is preceded by its length.
fn associated_data(key_id: &[u8], purpose: Purpose, context: &str) -> Vec<u8> {
    let fields = [key_id, purpose.label().as_bytes(), context.as_bytes()];
    let mut data = Vec::with_capacity(1 + fields.iter().map(|field| 4 + field.len()).sum::<usize>());
    data.push(FORMAT);
    for field in fields {
        data.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        data.extend_from_slice(field);
    }
    data
}

/// The neighbour stands last, and the fields before it say where they end.
fn beside<'a>(context: &'a [u8], neighbour: &[u8]) -> Cow<'a, [u8]> {
    if neighbour.is_empty() { context.into() } else { [context, neighbour].concat().into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::SystemEntropy;

    fn key(seed: u8) -> KeyMaterial {
        KeyMaterial::new((0..32).map(|it| it ^ seed).collect()).unwrap()
    }

    fn sealer<const N: usize>(keys: [KeyMaterial; N]) -> Sealer {
        Sealer::new(&KeyList::new(keys).unwrap())
    }

    fn seal(sealer: &Sealer) -> Vec<u8> {
        sealer.seal(Purpose::SessionLive, "a", b"token", &SystemEntropy).unwrap()
    }

    #[test]
    fn a_value_opens_for_its_own_purpose_and_context() {
        let sealer = sealer([key(1)]);
        let sealed = seal(&sealer);
        assert_eq!(sealer.open(Purpose::SessionLive, "a", &sealed).unwrap(), b"token");
        assert!(!sealed.windows(5).any(|window| window == b"token"));
    }

    #[test]
    fn sec_052_a_value_does_not_open_elsewhere() {
        let sealer = sealer([key(1)]);
        let sealed = seal(&sealer);
        assert_eq!(sealer.open(Purpose::SessionLive, "b", &sealed), Err(SealError::Forged));
        assert_eq!(sealer.open(Purpose::SessionKept, "a", &sealed), Err(SealError::Forged));
        assert_ne!(seal(&sealer), sealed, "the nonce is fresh every time");
    }

    #[test]
    fn sec_058_a_changed_or_cut_value_does_not_open() {
        let sealer = sealer([key(1)]);
        let sealed = seal(&sealer);
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(sealer.open(Purpose::SessionLive, "a", &changed).is_err(), "byte {position}");
            assert!(
                sealer.open(Purpose::SessionLive, "a", &sealed[..position]).is_err(),
                "cut at {position}"
            );
        }
    }

    #[test]
    fn sec_052_a_value_opens_beside_its_neighbour_alone() {
        let sealer = sealer([key(1)]);
        let sealed =
            sealer.seal_beside(b"neighbour", Purpose::SessionLive, "a", b"token", &SystemEntropy).unwrap();
        let open = |neighbour: &[u8]| sealer.open_beside(neighbour, Purpose::SessionLive, "a", &sealed);
        assert_eq!(open(b"neighbour").unwrap(), b"token");
        for other in [&b""[..], b"neighbou", b"neighbour ", b"Neighbour", b"another"] {
            assert_eq!(open(other), Err(SealError::Forged), "{other:?}");
        }
    }

    #[test]
    fn sec_139_a_value_opens_while_its_key_is_in_the_list() {
        let sealed = seal(&sealer([key(1)]));
        let rotated = sealer([key(2), key(1)]);
        assert_eq!(rotated.open(Purpose::SessionLive, "a", &sealed).unwrap(), b"token");
        let gone = sealer([key(2)]);
        assert_eq!(gone.open(Purpose::SessionLive, "a", &sealed), Err(SealError::UnknownKey));
    }
}
