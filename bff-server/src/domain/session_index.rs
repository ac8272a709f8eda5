//! How sessions are found by who they belong to: for logouts that the provider reports, and for "log out
//! everywhere".

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    mac::{MacKey, TAG_BYTES},
    revocation::{Bond, TokenGroup},
    session::Kept,
    session_id::SessionKey,
    time::UnixSeconds,
};

/// Names a set of sessions: those of one user, or of one session at the provider. A keyed hash, so that a
/// dump of the store does not say who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexName(pub String);

/// How much of the keyed hash is in a name: 120 bits, which no two of all users will ever share.
const NAME_BYTES: usize = 15;

const SINCE_BYTES: usize = 5;
/// The latest time that fits, 34,000 years from now: an entry with a later one is none of ours.
const LATEST: u64 = u64::MAX >> (64 - 8 * SINCE_BYTES);
const MEMBER_BYTES: usize = SINCE_BYTES + 32;

/// A session in an index. Ordered by age, so that the oldest can make room.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// When its user logged in; it stays the same when the session is refreshed.
    pub since: UnixSeconds,
    /// The session.
    pub key: SessionKey,
}

impl Member {
    /// As bytes: five for the time, then those of the session's key.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let [_, _, _, since @ ..] = self.since.get().min(LATEST).to_be_bytes();
        let mut bytes = Vec::with_capacity(MEMBER_BYTES);
        bytes.extend_from_slice(&since);
        // Every key is one: nothing else becomes a `SessionKey`.
        URL_SAFE_NO_PAD.decode_vec(self.key.as_str(), &mut bytes).unwrap_or_default();
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) or [`encode`](Self::encode) made.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != MEMBER_BYTES {
            return Self::decode(std::str::from_utf8(bytes).ok()?);
        }
        let (since, key) = bytes.split_at_checked(SINCE_BYTES)?;
        let since = since.iter().fold(0, |since, byte| since << 8 | u64::from(*byte));
        Some(Self {
            since: UnixSeconds::new(since),
            key: SessionKey::from_store(&URL_SAFE_NO_PAD.encode(key))?,
        })
    }

    /// As text that sorts by age.
    pub fn encode(&self) -> String {
        format!("{:020}{}", self.since.get(), self.key.as_str())
    }

    /// What [`encode`](Self::encode) made.
    pub fn decode(text: &str) -> Option<Self> {
        let (since, key) = text.split_at_checked(20)?;
        let since = since.parse().ok().filter(|since| *since <= LATEST)?;
        Some(Self { since: UnixSeconds::new(since), key: SessionKey::from_store(key)? })
    }
}

/// Makes index names. Written with the first key, looked up with all, so that a key can be rotated.
pub struct SessionIndexes {
    keys: Vec<MacKey>,
}

impl SessionIndexes {
    /// From 256-bit keys, the current one first.
    pub fn new(keys: impl IntoIterator<Item = [u8; 32]>) -> Self {
        Self { keys: keys.into_iter().map(|key| MacKey::new(&key)).collect() }
    }

    /// The indexes that a session belongs to now.
    pub fn of_session(&self, session: &Kept) -> Vec<IndexName> {
        self.all_of_session(session).into_iter().flat_map(|names| names.into_iter().take(1)).collect()
    }

    /// The indexes that it may have been put into.
    pub fn ever_of_session(&self, session: &Kept) -> Vec<IndexName> {
        self.all_of_session(session).into_iter().flatten().collect()
    }

    /// Where the sessions of a user are: by issuer and `sub`, and by nothing else.
    pub fn of_subject(&self, issuer: &str, subject: &str) -> Vec<IndexName> {
        self.names("sub", issuer, subject)
    }

    /// Where the sessions that belong to one at the provider are: by issuer and `sid`.
    pub fn of_provider_session(&self, issuer: &str, provider_session: &str) -> Vec<IndexName> {
        self.names("sid", issuer, provider_session)
    }

    /// Where the sessions of a login are of which nobody says whose it was.
    pub fn of_login(&self, issuer: &str, nonce: &str) -> Vec<IndexName> {
        self.names("login", issuer, nonce)
    }

    /// Where the sessions of a group are.
    pub fn of_group(&self, group: &TokenGroup) -> Vec<IndexName> {
        match &group.bond {
            Bond::ProviderSession(sid) => self.of_provider_session(&group.issuer, sid),
            Bond::Subject(subject) => self.of_subject(&group.issuer, subject),
            Bond::Login(nonce) => self.of_login(&group.issuer, nonce),
        }
    }

    /// A name for what is to be revoked of a group.
    pub fn owed_name(&self, group: &TokenGroup) -> String {
        let (kind, value) = match &group.bond {
            Bond::ProviderSession(sid) => ("owed-sid", sid),
            Bond::Subject(subject) => ("owed-sub", subject),
            Bond::Login(nonce) => ("owed-login", nonce),
        };
        // As of a token: all replicas must use the same key.
        let hash = self.hashes(&[kind, &group.issuer, &group.client, value]).last().unwrap_or_default();
        URL_SAFE_NO_PAD.encode(hash.get(..NAME_BYTES).unwrap_or_default())
    }

    /// A name for a token that must not be accepted twice.
    pub fn token_marker(&self, issuer: &str, token_id: &str) -> String {
        // Any key will do as long as all replicas use it; the oldest is the one that all of them know.
        self.long_names("jti", issuer, token_id).pop().map(|name| name.0).unwrap_or_default()
    }

    fn all_of_session(&self, session: &Kept) -> Vec<Vec<IndexName>> {
        let subject = session.subject.as_ref().map(|it| self.of_subject(&session.issuer, it));
        let provider_session =
            session.provider_session.as_ref().map(|it| self.of_provider_session(&session.issuer, it));
        let login = session.subject.is_none().then(|| self.of_login(&session.issuer, &session.nonce));
        subject.into_iter().chain(provider_session).chain(login).collect()
    }

    /// Those of each key, and then the long ones, under which the first version put its sessions.
    fn names(&self, kind: &str, issuer: &str, value: &str) -> Vec<IndexName> {
        let short = self
            .hashes(&[kind, issuer, value])
            .map(|hash| IndexName(URL_SAFE_NO_PAD.encode(hash.get(..NAME_BYTES).unwrap_or_default())));
        let mut names: Vec<_> = short.collect();
        names.extend(self.long_names(kind, issuer, value));
        names
    }

    fn long_names(&self, kind: &str, issuer: &str, value: &str) -> Vec<IndexName> {
        self.hashes(&[kind, issuer, value])
            .map(|hash| IndexName(format!("{kind}:{}", URL_SAFE_NO_PAD.encode(hash))))
            .collect()
    }

    fn hashes(&self, fields: &[&str]) -> impl Iterator<Item = [u8; TAG_BYTES]> + use<'_> {
        let mut message = Vec::new();
        for field in fields {
            message.extend_from_slice(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
            message.extend_from_slice(field.as_bytes());
        }
        self.keys.iter().map(move |key| key.sign(&message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_049_a_user_is_issuer_and_subject_together() {
        let indexes = SessionIndexes::new([[1; 32]]);
        let of = |issuer, subject| indexes.of_subject(issuer, subject);
        assert_eq!(of("https://a", "1"), of("https://a", "1"));
        assert_ne!(of("https://a", "1"), of("https://b", "1"));
        assert_ne!(of("https://a", "1"), of("https://a", "2"));
        assert_ne!(of("https://a", "b1"), of("https://ab", "1"), "fields do not run into each other");
        assert_ne!(of("https://a", "1"), indexes.of_provider_session("https://a", "1"));
        assert!(!of("https://a", "ada@example.com")[0].0.contains("ada"));
    }

    #[test]
    fn what_is_to_be_revoked_has_one_name_for_each_group() {
        let indexes = SessionIndexes::new([[1; 32]]);
        let of = |issuer: &str, client: &str, bond: Bond| {
            indexes.owed_name(&TokenGroup { issuer: issuer.into(), client: client.into(), bond })
        };
        let all = [
            of("i", "c", Bond::ProviderSession("x".into())),
            of("i", "c", Bond::Subject("x".into())),
            of("i", "c", Bond::Login("x".into())),
            of("i", "d", Bond::Subject("x".into())),
            of("j", "c", Bond::Subject("x".into())),
            of("i", "c", Bond::Subject("y".into())),
        ];
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len(), "{all:?}");
        assert_eq!(all[0], of("i", "c", Bond::ProviderSession("x".into())));
    }

    #[test]
    fn sec_139_names_of_a_retired_key_are_still_looked_up() {
        let old = SessionIndexes::new([[1; 32]]).of_subject("i", "s");
        let rotated = SessionIndexes::new([[2; 32], [1; 32]]).of_subject("i", "s");
        assert!(rotated.contains(&old[0]) && rotated[0] != old[0], "{rotated:?}");
    }

    #[test]
    fn sec_139_what_the_first_version_put_into_an_index_is_found() {
        let indexes = SessionIndexes::new([[1; 32]]);
        let found = indexes.of_subject("https://op.example", "ada");
        assert!(
            found.contains(&IndexName("sub:FMfOMml3NTbI2M-GuElBfAMPsxHJmGjOoGJV7-KMakI".to_owned())),
            "{found:?}"
        );
        let key = SessionKey::from_store("DXxeBCUjFBJQyYrsYobvIV_2VMARWxQoU-LtIk3Vm68").unwrap();
        let member = Member { since: UnixSeconds::new(1_800_000_000), key };
        let as_it_was = "00000000001800000000DXxeBCUjFBJQyYrsYobvIV_2VMARWxQoU-LtIk3Vm68";
        assert_eq!(Member::from_bytes(as_it_was.as_bytes()).as_ref(), Some(&member));
        assert_eq!(member.encode(), as_it_was);
        assert_eq!(member.to_bytes().len(), 37);
        assert_eq!(Member::from_bytes(&member.to_bytes()), Some(member));
    }

    #[test]
    fn a_time_is_read_as_it_was_written_or_not_at_all() {
        const KEY: &str = "DXxeBCUjFBJQyYrsYobvIV_2VMARWxQoU-LtIk3Vm68";
        for (since, is_read) in [
            ("00800000001800000000", false),
            ("00000001099511627776", false),
            ("00000001099511627775", true),
            ("18446744073709551615", false),
            ("99999999999999999999", false),
            ("00000000000000000000", true),
        ] {
            let read = Member::from_bytes(format!("{since}{KEY}").as_bytes());
            assert_eq!(read.is_some(), is_read, "{since}");
            if let Some(member) = read {
                assert_eq!(Member::from_bytes(&member.to_bytes()).as_ref(), Some(&member), "{since}");
                assert_eq!(Member::decode(&member.encode()), Some(member), "{since}");
            }
        }
    }

    #[test]
    fn sec_058_what_is_no_member_is_none() {
        for bytes in [&b""[..], &[0; 36], &[0xff; 63], &[b'0'; 64]] {
            assert_eq!(Member::from_bytes(bytes), None, "{bytes:x?}");
        }
    }
}
