//! How a session becomes the bytes of a store record, and back.
//!
//! ```text
//! byte 0      record format (1)
//! bytes 1-4   length of the live part, big-endian
//! ...         live part, sealed; then kept part, sealed
//! ```

use zeroize::Zeroizing;

use super::{Purpose, SealError, Sealer};
use crate::{
    domain::{
        session::{Kept, Live, Session},
        session_id::SessionKey,
    },
    ports::{Entropy, EntropyFailure},
};

const FORMAT: u8 = 1;

/// Why a record cannot be read. The session counts as absent; the record stays, since a newer replica
/// may have written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableRecord {
    /// Written by another version of authtool, or not by authtool.
    #[error("the record has an unknown format")]
    UnknownFormat,
    /// See [`SealError`].
    #[error("the record cannot be opened: {0}")]
    Sealed(#[from] SealError),
    /// Opened, but not what the format says.
    #[error("the record's content is malformed")]
    Content,
}

/// Encodes and decodes session records.
pub struct RecordCodec {
    sealer: Sealer,
}

impl RecordCodec {
    /// Uses `sealer` for both parts.
    pub fn new(sealer: Sealer) -> Self {
        Self { sealer }
    }

    /// The bytes to store under `key`.
    pub fn encode(
        &self,
        key: &SessionKey,
        session: &Session,
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, EntropyFailure> {
        let live = Zeroizing::new(postcard::to_stdvec(&session.live).map_err(|_| EntropyFailure)?);
        let kept = Zeroizing::new(postcard::to_stdvec(&session.kept).map_err(|_| EntropyFailure)?);
        let live = self.sealer.seal(Purpose::SessionLive, key.as_str(), &live, entropy)?;
        let kept = self.sealer.seal(Purpose::SessionKept, key.as_str(), &kept, entropy)?;
        let mut record = Vec::with_capacity(1 + 4 + live.len() + kept.len());
        record.push(FORMAT);
        record.extend_from_slice(&u32::try_from(live.len()).unwrap_or(u32::MAX).to_be_bytes());
        record.extend_from_slice(&live);
        record.extend_from_slice(&kept);
        Ok(record)
    }

    /// The live part alone, for the hot path.
    pub fn decode_live(&self, key: &SessionKey, record: &[u8]) -> Result<Live, UnreadableRecord> {
        let (live, _) = split(record)?;
        let mut live = Zeroizing::new(self.sealer.open(Purpose::SessionLive, key.as_str(), live)?);
        // Options that an older server did not write are `None`; what a newer one appended is not read.
        live.extend_from_slice(&[0; 4]);
        postcard::from_bytes(&live).map_err(|_| UnreadableRecord::Content)
    }

    /// The whole session.
    pub fn decode(&self, key: &SessionKey, record: &[u8]) -> Result<Session, UnreadableRecord> {
        let (_, kept) = split(record)?;
        let kept = Zeroizing::new(self.sealer.open(Purpose::SessionKept, key.as_str(), kept)?);
        let kept: Kept = postcard::from_bytes(&kept).map_err(|_| UnreadableRecord::Content)?;
        Ok(Session { live: self.decode_live(key, record)?, kept })
    }
}

fn split(record: &[u8]) -> Result<(&[u8], &[u8]), UnreadableRecord> {
    let Some(([FORMAT], rest)) = record.split_first_chunk::<1>() else {
        return Err(UnreadableRecord::UnknownFormat);
    };
    let (length, parts) = rest.split_first_chunk::<4>().ok_or(UnreadableRecord::UnknownFormat)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| UnreadableRecord::UnknownFormat)?;
    parts.split_at_checked(length).ok_or(UnreadableRecord::UnknownFormat)
}

#[cfg(test)]
mod tests {
    use authtool_contract::TokenType;

    use super::*;
    use crate::{
        adapters::SystemEntropy,
        domain::{
            session::{Lifetimes, Login},
            session_id::{CookieKey, SessionCookie, SessionId},
            time::UnixSeconds,
            token_response::TokenResponse,
        },
        seal::{KeyList, KeyMaterial},
    };
    use std::time::Duration;

    fn codec() -> RecordCodec {
        RecordCodec::new(Sealer::new(&KeyList::new([KeyMaterial::new((0..32).collect()).unwrap()]).unwrap()))
    }

    fn key(seed: u8) -> SessionKey {
        let cookie = SessionCookie::new("s".into(), CookieKey::new(&[1; 32], &[2; 32]), Vec::new());
        cookie.issue(&SessionId::from_random([seed; 32])).1
    }

    fn session() -> Session {
        let body = br#"{"access_token":"canary-at","token_type":"Bearer","refresh_token":"canary-rt"}"#;
        let login = Login {
            identity: None,
            issuer: "https://op.example",
            client: "app",
            nonce: "n".into(),
            claims: serde_json::Map::new(),
            proof_key: None,
        };
        let lifetimes = Lifetimes {
            absolute: Duration::from_secs(100),
            refresh_token: Duration::from_secs(100),
            refresh_token_field: None,
            idle: None,
            jitter: Duration::ZERO,
        };
        Session::begin(
            login,
            TokenResponse::parse(body, TokenType::Bearer).unwrap(),
            &lifetimes,
            UnixSeconds::new(0),
        )
    }

    #[test]
    fn a_record_reads_back_whole_and_in_part() {
        let record = codec().encode(&key(1), &session(), &SystemEntropy).unwrap();
        let read = codec().decode(&key(1), &record).unwrap();
        assert_eq!(read.live.access_token.expose(), "canary-at");
        assert_eq!(read.kept.refresh_token.unwrap().expose(), "canary-rt");
        assert_eq!(codec().decode_live(&key(1), &record).unwrap().access_token.expose(), "canary-at");
    }

    #[test]
    fn a_record_from_before_a_part_was_added_reads_without_it() {
        let session = session();
        let live = postcard::to_stdvec(&session.live).unwrap();
        let kept = postcard::to_stdvec(&session.kept).unwrap();
        let key = key(1);
        let seal = |purpose, plain: &[u8]| {
            codec().sealer.seal(purpose, key.as_str(), plain, &SystemEntropy).unwrap()
        };
        // The last byte says that there is no proof key.
        let older = seal(Purpose::SessionLive, live.strip_suffix(&[0]).unwrap());
        let newer = seal(Purpose::SessionLive, &[live.as_slice(), &[1, 2, 3]].concat());
        let kept = seal(Purpose::SessionKept, &kept);
        for live in [older, newer] {
            let length = u32::try_from(live.len()).unwrap().to_be_bytes();
            let record = [&[FORMAT][..], &length, &live, &kept].concat();
            let read = codec().decode(&key, &record).unwrap();
            assert_eq!(read.live.access_token.expose(), "canary-at");
            assert!(read.live.proof_key.is_none());
        }
    }

    #[test]
    fn sec_052_a_record_holds_no_plaintext_and_does_not_open_under_another_key() {
        let record = codec().encode(&key(1), &session(), &SystemEntropy).unwrap();
        assert!(!record.windows(6).any(|window| window == b"canary"));
        assert_eq!(codec().decode(&key(2), &record).err(), Some(UnreadableRecord::Sealed(SealError::Forged)));
    }

    #[test]
    fn sec_057_a_record_of_a_newer_format_is_not_read() {
        let mut record = codec().encode(&key(1), &session(), &SystemEntropy).unwrap();
        record[0] = FORMAT + 1;
        assert_eq!(codec().decode_live(&key(1), &record).err(), Some(UnreadableRecord::UnknownFormat));
    }

    #[test]
    fn sec_058_garbage_is_an_error_and_nothing_worse() {
        let record = codec().encode(&key(1), &session(), &SystemEntropy).unwrap();
        for cut in 0..record.len() {
            assert!(codec().decode(&key(1), &record[..cut]).is_err());
        }
        for garbage in [&b""[..], b"\x01", b"\x01\xff\xff\xff\xff", b"garbage garbage garbage"] {
            assert!(codec().decode(&key(1), garbage).is_err());
        }
    }
}
