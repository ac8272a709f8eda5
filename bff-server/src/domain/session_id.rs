//! The session id, the cookie that carries it, and the key under which the store keeps the session.

use std::{borrow::Borrow, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use base64_simd::Out;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

use super::mac::{MacKey, TAG_BYTES};

/// Length of the cookie's value: version, id and MAC, each separated by a dot.
const COOKIE_BYTES: usize = 1 + 1 + ENCODED_256 + 1 + ENCODED_256;
const ENCODED_256: usize = 43;
const VERSION: &str = "1";

/// 256 random bits that name one session. Whoever knows it, and its signature, is logged in.
#[derive(Clone)]
pub struct SessionId(Zeroizing<[u8; 32]>);

impl SessionId {
    /// An id of fresh randomness.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
    }
}

/// Where the store keeps a session: a keyed hash of its id. A dump of the store does not let anyone
/// forge a cookie, and the key is safe to log.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey([u8; ENCODED_256]);

impl SessionKey {
    /// A key that a store gives back.
    pub fn from_store(text: &str) -> Option<Self> {
        decode_256(text)?;
        text.as_bytes().try_into().map(Self).ok()
    }

    fn of_hash(hash: &[u8; TAG_BYTES]) -> Self {
        Self(encode_256(hash))
    }

    /// 43 characters of base64url.
    pub fn as_str(&self) -> &str {
        // It is nothing else.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Borrow<[u8]> for SessionKey {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for SessionKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SessionKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_store(&text).ok_or_else(|| de::Error::custom("it is no key of a session"))
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({self})")
    }
}

impl fmt::Display for SessionKey {
    /// The first characters: enough to follow one session through a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str().get(..10).unwrap_or_default())
    }
}

/// One `session.signingKey`: signs cookie values and derives store keys.
pub struct CookieKey {
    signature: MacKey,
    index: MacKey,
}

impl CookieKey {
    /// From two independent 256-bit keys.
    pub fn new(signature: &[u8; 32], index: &[u8; 32]) -> Self {
        Self { signature: MacKey::new(signature), index: MacKey::new(index) }
    }

    fn sign(&self, cookie_name: &str, encoded_id: &str) -> [u8; TAG_BYTES] {
        self.signature.sign(&signed_message(cookie_name, encoded_id))
    }

    fn verifies(&self, cookie_name: &str, encoded_id: &str, tag: &[u8]) -> bool {
        self.signature.verifies(&signed_message(cookie_name, encoded_id), tag)
    }

    fn session_key(&self, id: &SessionId) -> SessionKey {
        SessionKey::of_hash(&self.index.sign(&*id.0))
    }
}

/// The name and the version belong to the signed message, so that no other value that we ever sign
/// verifies as a session cookie.
fn signed_message(cookie_name: &str, encoded_id: &str) -> Vec<u8> {
    let mut message = Vec::with_capacity(16 + cookie_name.len() + encoded_id.len());
    for field in [cookie_name, VERSION, encoded_id] {
        message.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        message.extend_from_slice(field.as_bytes());
    }
    message
}

/// The session cookie: its name, and the keys that sign (the first) and verify (all) its value.
pub struct SessionCookie {
    name: String,
    signing: CookieKey,
    retired: Vec<CookieKey>,
}

impl SessionCookie {
    /// `retired` keys still verify, newest first.
    pub fn new(name: String, signing: CookieKey, retired: Vec<CookieKey>) -> Self {
        Self { name, signing, retired }
    }

    /// The cookie's full name, prefix included.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value for a new session, and where to store that session.
    pub fn issue(&self, id: &SessionId) -> (String, SessionKey) {
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(*id.0));
        let tag = URL_SAFE_NO_PAD.encode(self.signing.sign(&self.name, &encoded));
        (format!("{VERSION}.{}.{tag}", *encoded), self.signing.session_key(id))
    }

    /// The store key of the session that `value` names, if the value is one that we signed. Touches
    /// nothing but the value: a forged cookie costs no round trip.
    pub fn verify(&self, value: &[u8]) -> Option<SessionKey> {
        if value.len() != COOKIE_BYTES {
            return None;
        }
        let value = std::str::from_utf8(value).ok()?;
        let (version, rest) = value.split_once('.')?;
        let (encoded_id, encoded_tag) = rest.split_once('.')?;
        if version != VERSION || encoded_id.len() != ENCODED_256 {
            return None;
        }
        let tag = decode_256(encoded_tag)?;
        let id = SessionId::from_random(decode_256(encoded_id)?);
        std::iter::once(&self.signing)
            .chain(&self.retired)
            .find(|key| key.verifies(&self.name, encoded_id, &tag))
            .map(|key| key.session_key(&id))
    }
}

/// Canonical base64url only: one id has one spelling, the one that it is written with.
fn decode_256(encoded: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if encoded.len() != ENCODED_256 {
        return None;
    }
    base64_simd::URL_SAFE_NO_PAD.decode(encoded.as_bytes(), Out::from_slice(&mut bytes)).ok()?;
    (encode_256(&bytes) == encoded.as_bytes()).then_some(bytes)
}

fn encode_256(bytes: &[u8; 32]) -> [u8; ENCODED_256] {
    let mut text = [b'A'; ENCODED_256];
    let written = base64_simd::URL_SAFE_NO_PAD.encode(bytes, Out::from_slice(&mut text)).len();
    debug_assert_eq!(written, ENCODED_256);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> CookieKey {
        CookieKey::new(&[seed; 32], &[seed + 1; 32])
    }

    fn cookie(signing: u8, retired: &[u8]) -> SessionCookie {
        SessionCookie::new(
            "__Host-session_id".into(),
            key(signing),
            retired.iter().copied().map(key).collect(),
        )
    }

    #[test]
    fn a_value_that_we_signed_leads_to_the_session() {
        let cookie = cookie(1, &[]);
        let (value, key) = cookie.issue(&SessionId::from_random([7; 32]));
        assert_eq!(cookie.verify(value.as_bytes()), Some(key));
    }

    #[test]
    fn sec_081_no_other_spelling_of_a_value_verifies() {
        let cookie = cookie(1, &[]);
        let (value, _) = cookie.issue(&SessionId::from_random([7; 32]));
        for position in 0..value.len() {
            for replacement in [b'A', b'B', b'0', b'-', b'.', b'=', b' ', 0, 0xff] {
                let mut bytes = value.clone().into_bytes();
                if bytes[position] == replacement {
                    continue;
                }
                bytes[position] = replacement;
                assert_eq!(cookie.verify(&bytes), None, "position {position}, byte {replacement}");
            }
        }
        for other in [format!("\"{value}\""), format!("{value}="), value[1..].to_owned(), String::new()] {
            assert_eq!(cookie.verify(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn sec_082_a_value_signed_for_another_cookie_does_not_verify() {
        let issuer = SessionCookie::new("__Host-authtool_flow".into(), key(1), Vec::new());
        let (value, _) = issuer.issue(&SessionId::from_random([7; 32]));
        assert_eq!(cookie(1, &[]).verify(value.as_bytes()), None);
    }

    #[test]
    fn sec_083_a_retired_key_verifies_until_it_leaves_the_list() {
        let (value, key) = cookie(1, &[]).issue(&SessionId::from_random([7; 32]));
        assert_eq!(cookie(9, &[1]).verify(value.as_bytes()), Some(key), "and finds the same session");
        assert_eq!(cookie(9, &[]).verify(value.as_bytes()), None);
    }

    #[test]
    fn sec_053_the_store_key_does_not_contain_the_id() {
        let (value, key) = cookie(1, &[]).issue(&SessionId::from_random([7; 32]));
        let id = value.split('.').nth(1).unwrap();
        assert_ne!(key.as_str(), id);
        assert!(!value.contains(key.as_str()));
    }
}
