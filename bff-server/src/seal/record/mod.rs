//! How a session becomes the bytes of a store record, and back.
//!
//! ```text
//! byte 0      record format
//! ...         length of the live part: a varint, or four bytes big-endian in format 1
//! ...         live part, sealed; then kept part, sealed
//! ```
//!
//! Format 3 is written ([`compact`] says what the parts hold). In it, the live part opens only beside the kept part that it
//! was written with: whoever may write to the store and has no key can take a record away, and cannot have half of one
//! served. Format 2, which lacks that, and format 1, which wrote everything out, are still read, so that an upgrade logs
//! nobody out; the next refresh writes them anew.

mod compact;
mod packed;
mod varint;

use zeroize::Zeroizing;

use super::{Purpose, SealError, Sealer};
use crate::{
    domain::{
        revocation::Owed,
        session::{Kept, Live, Session},
        session_id::SessionKey,
    },
    ports::{Entropy, EntropyFailure, OwedName},
};

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Plain = 1,
    Compact = 2,
    Bound = 3,
}

const OWED_FORMAT: u8 = 1;

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
        let live = compact::write_live(&session.live).map_err(|_| EntropyFailure)?;
        let kept = compact::write_kept(&session.kept, &live).map_err(|_| EntropyFailure)?;
        let kept = self.sealer.seal(Purpose::SessionKept, key.as_str(), &kept, entropy)?;
        let live = self.sealer.seal_beside(&kept, Purpose::SessionLive, key.as_str(), &live, entropy)?;
        let mut record = Vec::with_capacity(1 + 3 + live.len() + kept.len());
        record.push(Format::Bound as u8);
        varint::write(u64::try_from(live.len()).unwrap_or(u64::MAX), &mut record);
        record.extend_from_slice(&live);
        record.extend_from_slice(&kept);
        Ok(record)
    }

    /// The live part alone, for the hot path.
    pub fn decode_live(&self, key: &SessionKey, record: &[u8]) -> Result<Live, UnreadableRecord> {
        let parts = Parts::split(record)?;
        let mut opened = self.open_live(key, &parts)?;
        let live = read_live(parts.format, &mut opened);
        // It is erased in any case: what is in use byte by byte, spare room at once.
        opened.clear();
        live
    }

    /// The whole session.
    pub fn decode(&self, key: &SessionKey, record: &[u8]) -> Result<Session, UnreadableRecord> {
        let parts = Parts::split(record)?;
        let mut live = self.open_live(key, &parts)?;
        let mut kept = Zeroizing::new(self.sealer.open(Purpose::SessionKept, key.as_str(), parts.kept)?);
        let kept: Kept = match parts.format {
            Format::Plain => {
                kept.extend_from_slice(&compact::NONE);
                postcard::from_bytes(&kept).map_err(|_| UnreadableRecord::Content)?
            }
            Format::Compact | Format::Bound => compact::read_kept(&kept, &live)?,
        };
        Ok(Session { live: read_live(parts.format, &mut live)?, kept })
    }

    /// What is to be revoked, as the bytes to store under `name`.
    pub fn encode_owed(
        &self,
        name: &OwedName,
        owed: &Owed,
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, EntropyFailure> {
        let plain = Zeroizing::new(postcard::to_extend(owed, vec![OWED_FORMAT]).map_err(|_| EntropyFailure)?);
        self.sealer.seal(Purpose::Owed, &name.0, &plain, entropy)
    }

    /// What [`encode_owed`](Self::encode_owed) made.
    pub fn decode_owed(&self, name: &OwedName, record: &[u8]) -> Result<Owed, UnreadableRecord> {
        let opened = Zeroizing::new(self.sealer.open(Purpose::Owed, &name.0, record)?);
        match opened.split_first() {
            Some((&OWED_FORMAT, owed)) => postcard::from_bytes(owed).map_err(|_| UnreadableRecord::Content),
            _ => Err(UnreadableRecord::UnknownFormat),
        }
    }

    fn open_live(&self, key: &SessionKey, parts: &Parts<'_>) -> Result<Zeroizing<Vec<u8>>, UnreadableRecord> {
        let neighbour = if parts.format == Format::Bound { parts.kept } else { &[] };
        let live = self.sealer.open_beside(neighbour, Purpose::SessionLive, key.as_str(), parts.live)?;
        Ok(Zeroizing::new(live))
    }
}

fn read_live(format: Format, opened: &mut Zeroizing<Vec<u8>>) -> Result<Live, UnreadableRecord> {
    match format {
        Format::Plain => {
            opened.extend_from_slice(&compact::NONE);
            postcard::from_bytes(opened).map_err(|_| UnreadableRecord::Content)
        }
        Format::Compact | Format::Bound => compact::read_live(opened),
    }
}

struct Parts<'a> {
    format: Format,
    live: &'a [u8],
    kept: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(record: &'a [u8]) -> Result<Self, UnreadableRecord> {
        Self::try_split(record).ok_or(UnreadableRecord::UnknownFormat)
    }

    fn try_split(record: &'a [u8]) -> Option<Self> {
        let (format, mut rest) = record.split_first()?;
        let (format, length) = match *format {
            1 => {
                let (length, parts) = rest.split_first_chunk()?;
                rest = parts;
                (Format::Plain, u64::from(u32::from_be_bytes(*length)))
            }
            2 => (Format::Compact, varint::read(&mut rest)?),
            3 => (Format::Bound, varint::read(&mut rest)?),
            _ => return None,
        };
        let (live, kept) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        Some(Self { format, live, kept })
    }
}

#[cfg(test)]
mod tests {
    use authtool_contract::TokenType;
    use aws_lc_rs::digest;
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;
    use crate::{
        adapters::SystemEntropy,
        domain::{
            credential::{AccessToken, IdToken, RefreshToken},
            dpop::ProofKey,
            session::{Lifetimes, Login},
            session_id::{CookieKey, SessionCookie, SessionId},
            time::UnixSeconds,
            token_refusal::Doubts,
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

    fn read(record: &[u8]) -> Session {
        let session = codec().decode(&key(1), record).unwrap();
        let live = codec().decode_live(&key(1), record).unwrap();
        assert_eq!(plain(&live), plain(&session.live));
        session
    }

    /// All of it, to compare.
    fn plain(part: &impl serde::Serialize) -> Vec<u8> {
        postcard::to_stdvec(part).unwrap()
    }

    fn write(session: &Session) -> Vec<u8> {
        codec().encode(&key(1), session, &SystemEntropy).unwrap()
    }

    fn sealed(purpose: Purpose, plain: &[u8]) -> Vec<u8> {
        codec().sealer.seal(purpose, key(1).as_str(), plain, &SystemEntropy).unwrap()
    }

    fn of_format_1(live: &[u8], kept: &[u8]) -> Vec<u8> {
        let live = sealed(Purpose::SessionLive, live);
        let length = u32::try_from(live.len()).unwrap().to_be_bytes();
        [&[1][..], &length, &live, &sealed(Purpose::SessionKept, kept)].concat()
    }

    fn of_format_2(live: &[u8], kept: &[u8]) -> Vec<u8> {
        of_parts(2, &sealed(Purpose::SessionLive, live), &sealed(Purpose::SessionKept, kept))
    }

    fn of_format_3(live: &[u8], kept: &[u8]) -> Vec<u8> {
        let kept = sealed(Purpose::SessionKept, kept);
        let live =
            codec().sealer.seal_beside(&kept, Purpose::SessionLive, key(1).as_str(), live, &SystemEntropy);
        of_parts(3, &live.unwrap(), &kept)
    }

    fn of_parts(format: u8, live: &[u8], kept: &[u8]) -> Vec<u8> {
        let mut record = vec![format];
        varint::write(live.len() as u64, &mut record);
        [&record, live, kept].concat()
    }

    /// As a provider answers: what is said of the user stands in the ID token.
    fn usual_session() -> Session {
        let claims = r#""iss":"https://op.example","aud":"app","sub":"3f2b8a54-0000-4000-8000-000000000001","exp":1800000300,"iat":1800000000,"nonce":"q5zYlJrkm9GFRMVuZ8dWkCr0sQ2tqz7QX1nO4Fvj3yE","sid":"7c1d9e66-0000-4000-8000-000000000001","name":"Ada Lovelace","email":"ada@example.com""#;
        let jwt = |typ: &str| {
            let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
            let header = part(r#"{"alg":"RS256","typ":"JWT","kid":"2011-04-29"}"#);
            let signature = digest::digest(&digest::SHA512, typ.as_bytes());
            let signature = [signature.as_ref(); 4].concat();
            format!(
                "{header}.{}.{}",
                part(&format!("{{{claims},\"typ\":\"{typ}\"}}")),
                URL_SAFE_NO_PAD.encode(signature)
            )
        };
        let mut session = session();
        session.live.access_token = AccessToken::parse(jwt("Bearer")).unwrap();
        session.live.claims_json = r#"{"email":"ada@example.com","name":"Ada Lovelace"}"#.to_owned();
        let kept = &mut session.kept;
        kept.subject = Some("3f2b8a54-0000-4000-8000-000000000001".to_owned());
        kept.provider_session = Some("7c1d9e66-0000-4000-8000-000000000001".to_owned());
        kept.nonce = "q5zYlJrkm9GFRMVuZ8dWkCr0sQ2tqz7QX1nO4Fvj3yE".to_owned();
        kept.refresh_token = Some(RefreshToken::parse(jwt("Refresh")).unwrap());
        kept.id_token = Some(IdToken::parse(jwt("ID")).unwrap());
        kept.scope = Some("openid profile email offline_access".to_owned());
        kept.auth_time = Some(UnixSeconds::new(1_799_999_000));
        session
    }

    #[test]
    fn a_record_reads_back_whole_and_in_part() {
        let mut odd_times = usual_session();
        odd_times.live.refreshed_at = UnixSeconds::new(u64::MAX);
        odd_times.live.ends_at = UnixSeconds::new(0);
        odd_times.live.access_expires_at = UnixSeconds::new(u64::MAX / 2 + 7);
        odd_times.kept.created_at = UnixSeconds::new(u64::MAX - 1);
        let mut bound = session();
        bound.live.proof_key = ProofKey::from_random([7; 32]);
        let mut opaque = session();
        opaque.live.access_token = AccessToken::parse("2YotnFZFEjr1zCsicMWpAA==").unwrap();
        opaque.kept.refresh_token = Some(RefreshToken::parse("not base64: {}|\"'").unwrap());
        opaque.kept.doubts = Some(Doubts { refusals: 2, since: UnixSeconds::new(77) });
        for session in [session(), usual_session(), odd_times, bound, opaque] {
            let read = read(&write(&session));
            assert_eq!(plain(&read), plain(&session));
        }
    }

    #[test]
    fn a_record_takes_less_than_the_tokens_in_it() {
        let session = usual_session();
        let tokens = session.live.access_token.expose().len()
            + session.kept.refresh_token.as_ref().unwrap().expose().len()
            + session.kept.id_token.as_ref().unwrap().expose().len();
        let length = write(&session).len();
        assert!(length * 10 < tokens * 8, "{length} bytes for {tokens} of tokens");
    }

    #[test]
    fn a_record_of_format_1_is_still_read() {
        let session = usual_session();
        let record = of_format_1(&plain(&session.live), &plain(&session.kept));
        assert_eq!(plain(&read(&record)), plain(&session));
        // As version 0.1 wrote it, before there was a second format.
        let live = b"\x02at\xbc\xa4\xa7\xda\x06\x80\xa4\xa7\xda\x06\xc0\xf5\xa9\xda\x06\x80\xa4\xa7\xda\x06\x01\x02{}";
        let kept = b"\x12https://op.example\x01\x03ada\x01\x01s\x01\x80\xa4\xa7\xda\x06\x01n\x03app\x01\x02rt\x00\x00\x80\xa4\xa7\xda\x06";
        let session = read(&of_format_1(live, kept));
        assert_eq!(session.live.access_token.expose(), "at");
        assert_eq!(session.live.access_expires_at, UnixSeconds::new(1_800_000_060));
        assert_eq!(session.kept.subject.as_deref(), Some("ada"));
        assert_eq!(session.kept.refresh_token.unwrap().expose(), "rt");
    }

    #[test]
    fn format_2_stays_what_it_is() {
        let mut session = session();
        let id_token = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IjEifQ.eyJzdWIiOiJhZGEifQ.c2ln";
        session.kept.id_token = Some(IdToken::parse(id_token).unwrap());
        session.kept.scope = Some("openid profile email".to_owned());
        // Such records are in stores.
        let live = b"\x0a$canary-at\x00\xd8\x04\xc8\x01\x00\x01\x02{}\x00";
        let kept = b"zO\x019\x97\x01\x00\x03\x0fS1\"}7{\xb1\x02\xa5ada\"}\x0dsig\x01R\x004rt\x12\x9d\x01\xfc\x05op.example\x00\x00\x01n\x03app\x01\x14\xaf\x00`mail\x00\x00";
        assert_eq!(plain(&read(&of_format_2(live, kept))), plain(&session));
        // Format 3 holds the same.
        assert_eq!(plain(&read(&of_format_3(live, kept))), plain(&session));
        assert_eq!(write(&session)[0], 3);
    }

    #[test]
    fn sec_197_neither_half_of_a_record_opens_without_the_other() {
        let (one, other) = (write(&session()), write(&usual_session()));
        let (one, other) = (Parts::split(&one).unwrap(), Parts::split(&other).unwrap());
        let mut changed = one.kept.to_vec();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        let again = sealed(Purpose::SessionKept, &compact::write_kept(&session().kept, b"").unwrap());
        for (what, kept) in [
            ("cut off", &b""[..]),
            ("shorter", &one.kept[..one.kept.len() - 1]),
            ("longer", &[one.kept, b"\0"].concat()),
            ("changed in the middle", &changed),
            ("of another session", other.kept),
            ("of an earlier time", &again),
        ] {
            let record = of_parts(3, one.live, kept);
            let forged = Some(UnreadableRecord::Sealed(SealError::Forged));
            assert_eq!(codec().decode_live(&key(1), &record).err(), forged, "{what}");
            assert!(codec().decode(&key(1), &record).is_err(), "{what}");
        }
        // Calling it an older format does not help.
        for format in [1, 2] {
            assert!(codec().decode_live(&key(1), &of_parts(format, one.live, one.kept)).is_err(), "{format}");
        }
    }

    #[test]
    fn a_record_from_before_a_part_was_added_reads_without_it() {
        let session = session();
        let (live, kept) = (plain(&session.live), plain(&session.kept));
        let compact = compact::write_live(&session.live).unwrap();
        let without = |live: &[u8]| live.strip_suffix(&[0]).unwrap().to_vec();
        let with_more = |live: &[u8]| [live, &[1, 2, 3]].concat();
        for live in [without(&live), with_more(&live)] {
            assert_eq!(plain(&read(&of_format_1(&live, &kept))), plain(&session));
        }
        // The last byte says that there is no proof key.
        for live in [without(&compact), with_more(&compact)] {
            let kept = compact::write_kept(&session.kept, &live).unwrap();
            assert_eq!(plain(&read(&of_format_2(&live, &kept))), plain(&session));
            assert_eq!(plain(&read(&of_format_3(&live, &kept))), plain(&session));
        }
    }

    #[test]
    fn sec_052_a_record_holds_no_plaintext_and_does_not_open_under_another_key() {
        let record = write(&session());
        assert!(!record.windows(6).any(|window| window == b"canary"));
        assert_eq!(codec().decode(&key(2), &record).err(), Some(UnreadableRecord::Sealed(SealError::Forged)));
    }

    #[test]
    fn sec_057_a_record_of_a_newer_format_is_not_read() {
        let mut record = write(&session());
        record[0] += 1;
        assert_eq!(codec().decode_live(&key(1), &record).err(), Some(UnreadableRecord::UnknownFormat));
    }

    #[test]
    fn sec_058_garbage_is_an_error_and_nothing_worse() {
        let record = write(&usual_session());
        for cut in 0..record.len() {
            assert!(codec().decode(&key(1), &record[..cut]).is_err());
        }
        for garbage in [
            &b""[..],
            b"\x01",
            b"\x01\xff\xff\xff\xff",
            b"\x02",
            b"\x02\xff\xff\xff\xff\x7f",
            b"garbage garbage garbage",
        ] {
            assert!(codec().decode(&key(1), garbage).is_err());
        }
    }

    #[test]
    fn sec_058_what_opens_and_is_no_session_is_an_error_that_takes_no_memory() {
        let live = compact::write_live(&session().live).unwrap();
        let kept = compact::write_kept(&session().kept, &live).unwrap();
        for (live, kept) in [
            (&b""[..], kept.as_slice()),
            (&[0xff; 40], &kept),
            (&live, b""),
            (&live, b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
            (&live, b"\x80\x80\x40\x00"),
            (&live, &[0xff; 40]),
        ] {
            for record in [of_format_2(live, kept), of_format_3(live, kept)] {
                let error = codec().decode(&key(1), &record).err();
                assert_eq!(error, Some(UnreadableRecord::Content), "{live:x?} {kept:x?}");
            }
        }
    }
}
