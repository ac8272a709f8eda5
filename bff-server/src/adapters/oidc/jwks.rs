//! The provider's keys (RFC 7517).

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use serde_json::{Map, Value};
use tokio::sync::Mutex;
use url::Url;

use super::{
    http::BackChannel,
    jwk::{self, Members, PublicKey, UnusableKey, printable},
    jws::{self, Header, NotVerified, VerificationKey},
    signing_key::SigningAlgorithm,
};
use crate::{
    domain::{
        expected_issuer::{AllowedTenants, ExpectedIssuer},
        id_token::SignedClaims,
        provider_json,
    },
    ports::{ProviderError, TokenOrigin, TokenVerificationError},
};

const MAX_JWKS_BYTES: usize = 512 * 1024;
const MAX_KEYS: usize = 100;
/// An error names so many keys; the log names all of them.
const MAX_KEYS_NAMED: usize = 5;

/// An unknown `kid` may be a rotation, or somebody making us fetch. At most one fetch per this time.
const MIN_REFETCH_INTERVAL: Duration = Duration::from_secs(30);

/// The same while no keys are known at all.
const MIN_FIRST_FETCH_INTERVAL: Duration = Duration::from_secs(2);

/// Whoever waits for keys holds a refresh lease, or a login.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// One document: its usable keys, and the others.
pub(super) struct KeySet {
    keys: Vec<Key>,
    passed_over: Vec<PassedOver>,
}

struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    found: FoundKey,
}

/// A key that fits a token's header.
#[derive(Clone)]
pub(super) struct FoundKey {
    pub(super) key: PublicKey,
    issuer: Option<ExpectedIssuer>,
}

impl FoundKey {
    fn is(&self, other: &Self) -> bool {
        self.key.is(&other.key) && self.issuer == other.issuer
    }

    /// Whether it is a key of the issuer that these claims name. Entra ID has the keys of all tenants in one document,
    /// and says in each whose it is: any tenant's (a template), or one's alone. Other providers do not say.
    pub(super) fn is_of_their_issuer(&self, claims: &Map<String, Value>) -> bool {
        let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
        self.issuer.as_ref().is_none_or(|it| it.admits(issuer))
    }
}

/// A key of the provider that verifies nothing, or not everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PassedOver {
    /// Its `kid`, or its place in the document.
    name: String,
    reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    /// It is meant for something else, as many providers' second key is: no action is needed.
    OtherUse(&'static str),
    Unusable(UnusableKey),
    /// Another key has the same `kid`, or neither has one.
    Confused,
}

impl PassedOver {
    /// Whether it was meant for signatures, so that somebody should know.
    pub(crate) fn is_a_loss(&self) -> bool {
        matches!(self.reason, Reason::Unusable(_) | Reason::Confused)
    }

    fn reason(&self) -> String {
        match &self.reason {
            Reason::OtherUse(why) => (*why).to_owned(),
            Reason::Unusable(why) => why.to_string(),
            Reason::Confused => {
                "there is another key of the same `kid`, so that tokens do not say which one signed"
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason())
    }
}

/// Keys, cached; a failed fetch never evicts good ones.
#[derive(Default)]
pub(super) struct KeyCache {
    keys: RwLock<Option<Arc<KeySet>>>,
    /// Why the last fetch brought nothing that can be used.
    trouble: RwLock<Option<ProviderError>>,
    /// When a token from the token endpoint, and one from anybody, last led to a fetch.
    last_refetch: Mutex<Option<Instant>>,
    last_refetch_for_anybody: Mutex<Option<Instant>>,
}

impl KeyCache {
    /// Fetches the keys anew.
    pub(super) async fn refresh(&self, jwks_uri: &Url, http: &BackChannel) -> Result<(), ProviderError> {
        let outcome = match self.fetch(jwks_uri, http).await {
            Ok(keys) => {
                self.report(jwks_uri, &keys);
                let outcome = keys.is_usable();
                // The provider has said which keys are good now. If none is, former ones are not either.
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
                outcome
            }
            Err(error) => Err(error),
        };
        *self.trouble.write().unwrap_or_else(PoisonError::into_inner) = outcome.clone().err();
        outcome
    }

    async fn fetch(&self, jwks_uri: &Url, http: &BackChannel) -> Result<KeySet, ProviderError> {
        let answer = tokio::time::timeout(FETCH_TIMEOUT, http.get(jwks_uri, MAX_JWKS_BYTES))
            .await
            .map_err(|_| ProviderError::new("its jwks_uri did not answer in time"))??;
        if !answer.status.is_success() {
            return Err(ProviderError::new(format!("its jwks_uri answered {}", answer.status)));
        }
        KeySet::parse(&answer.body).map_err(ProviderError::new)
    }

    /// Names the keys that cannot be used, each once for as long as it is published.
    fn report(&self, jwks_uri: &Url, keys: &KeySet) {
        let known: BTreeSet<String> =
            self.current().iter().flat_map(|it| it.losses().map(ToString::to_string)).collect();
        for key in keys.losses().filter(|it| !known.contains(&it.to_string())) {
            tracing::warn!(
                event = "provider_key_unusable",
                %jwks_uri,
                key = key.name,
                reason = key.reason(),
                "a key of the provider cannot be used: tokens that it signs will be refused"
            );
        }
    }

    /// What keeps ID tokens from being verified, if anything does.
    pub(super) fn trouble(&self) -> Option<ProviderError> {
        if self.current().is_some_and(|keys| !keys.keys.is_empty()) {
            return None;
        }
        let last = self.trouble.read().unwrap_or_else(PoisonError::into_inner).clone();
        Some(last.unwrap_or_else(|| ProviderError::new("its keys have not been fetched yet")))
    }

    /// Why no login can succeed, where the provider has published keys, and none of them can be used.
    pub(super) fn published_in_vain(&self) -> Option<ProviderError> {
        self.current().and_then(|keys| keys.is_usable().err())
    }

    /// The usable keys that are known, in words, and those that were passed over.
    pub(super) fn inventory(&self) -> (Vec<String>, Vec<PassedOver>) {
        self.current().map_or_else(Default::default, |set| {
            (set.keys.iter().map(ToString::to_string).collect(), set.passed_over.clone())
        })
    }

    /// Verifies a token with the known keys. Where they do not do, they are fetched anew once, for however many tokens at
    /// once, and not again for a while.
    ///
    /// From the token endpoint, any failure leads there: some providers replace a key under the `kid` of its predecessor, or
    /// use none. A token that anybody may have made up does so only by an unknown key id, by a ration of its own.
    pub(super) async fn verify(
        &self,
        token: &str,
        header: &Header,
        origin: TokenOrigin,
        jwks_uri: &Url,
        http: &BackChannel,
    ) -> Result<(SignedClaims, FoundKey), TokenVerificationError> {
        let seen = self.current();
        if let Some(keys) = &seen {
            match keys.verify(token, header) {
                Ok(verified) => return Ok(verified),
                Err(doubt) if doubt.may_be_of_old_keys(origin) => {}
                Err(doubt) => return Err(doubt.conclusion(KeysAre::Current)),
            }
        }
        let keys_are = self.renew(seen, origin, jwks_uri, http).await?;
        let current =
            self.current().ok_or_else(|| ProviderError::new("its keys could not be fetched a moment ago"))?;
        current.verify(token, header).map_err(|doubt| doubt.conclusion(keys_are))
    }

    /// Fetches the keys unless that was done a moment ago. An attacker can make up key ids.
    async fn renew(
        &self,
        seen: Option<Arc<KeySet>>,
        origin: TokenOrigin,
        jwks_uri: &Url,
        http: &BackChannel,
    ) -> Result<KeysAre, ProviderError> {
        let last_refetch = match origin {
            TokenOrigin::TokenEndpoint => &self.last_refetch,
            TokenOrigin::Anybody => &self.last_refetch_for_anybody,
        };
        let mut last_refetch = last_refetch.lock().await;
        let current = self.current();
        let changed_meanwhile = match (&seen, &current) {
            (Some(seen), Some(current)) => !Arc::ptr_eq(seen, current),
            (seen, current) => seen.is_some() != current.is_some(),
        };
        if changed_meanwhile {
            return Ok(KeysAre::Current);
        }
        let none_known = current.is_none_or(|keys| keys.keys.is_empty());
        let interval = if none_known { MIN_FIRST_FETCH_INTERVAL } else { MIN_REFETCH_INTERVAL };
        if last_refetch.is_some_and(|at| at.elapsed() < interval) {
            return Ok(KeysAre::PerhapsOld);
        }
        let outcome = self.refresh(jwks_uri, http).await;
        *last_refetch = Some(Instant::now());
        outcome.map(|()| KeysAre::Current)
    }

    /// Takes the keys that another one knows.
    pub(super) fn inherit(&self, from: &Self) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = from.current();
    }

    fn current(&self) -> Option<Arc<KeySet>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl KeySet {
    pub(super) fn parse(document: &[u8]) -> Result<Self, String> {
        let document = provider_json::value(document)
            .map_err(|error| format!("the answer of its jwks_uri cannot be read: {error}"))?;
        let members = document
            .get("keys")
            .and_then(Value::as_array)
            .ok_or_else(|| "its jwks_uri did not answer a key set".to_owned())?;
        if members.len() > MAX_KEYS {
            return Err(format!("its key set has more than {MAX_KEYS} keys"));
        }
        let (mut keys, mut passed_over) = (Vec::new(), Vec::new());
        for (i, member) in members.iter().enumerate() {
            match Key::parse(member) {
                Ok(key) => keys.push(key),
                Err(reason) => {
                    let id = member.get("kid").and_then(jwk::key_id).map(|it| printable(&it));
                    let name = id.filter(|it| !it.is_empty()).unwrap_or_else(|| format!("keys[{i}]"));
                    passed_over.push(PassedOver { name, reason });
                }
            }
        }
        let confused = |key: &Key| keys.iter().any(|other: &Key| key.is_confused_with(other));
        let mut names: Vec<String> = keys.iter().filter(|it| confused(it)).map(Key::name).collect();
        names.dedup();
        passed_over.extend(names.into_iter().map(|name| PassedOver { name, reason: Reason::Confused }));
        Ok(Self { keys, passed_over })
    }

    /// The keys that were meant for signatures and cannot be used.
    fn losses(&self) -> impl Iterator<Item = &PassedOver> {
        self.passed_over.iter().filter(|it| it.is_a_loss())
    }

    fn is_usable(&self) -> Result<(), ProviderError> {
        if !self.keys.is_empty() {
            return Ok(());
        }
        let mut named: Vec<String> =
            self.passed_over.iter().take(MAX_KEYS_NAMED).map(ToString::to_string).collect();
        if let Some(more @ 1..) = self.passed_over.len().checked_sub(MAX_KEYS_NAMED) {
            named.push(format!("and {more} more"));
        }
        let found = if named.is_empty() { "it is empty".to_owned() } else { named.join("; ") };
        let text = format!("its key set has no key that signatures can be verified with ({found})");
        Err(ProviderError::new(text))
    }

    /// Verifies a token with the key that its header leads to.
    pub(super) fn verify(&self, token: &str, header: &Header) -> Result<(SignedClaims, FoundKey), Doubt> {
        let found = self.find(header)?;
        match jws::verify(token, header, &VerificationKey::Public(&found.key)) {
            Ok(claims) => Ok((claims, found)),
            Err(NotVerified::Signature) => Err(Doubt::Signature),
            Err(NotVerified::Unreadable(error)) => Err(Doubt::Unreadable(error)),
        }
    }

    /// The one key that fits a header: of its key id, or without one of its own. Then the signature decides, so that an
    /// attacker gains nothing: it is a key of the provider's, for this algorithm. Of several keys none is tried.
    fn find(&self, header: &Header) -> Result<FoundKey, Doubt> {
        let algorithm = header.key_pair_algorithm().ok_or(Doubt::NoKey)?;
        let fitting = || self.keys.iter().filter(move |key| key.fits(algorithm));
        let named = header.key_id.as_deref();
        let of_its_id: Vec<_> =
            fitting().filter(|key| named.is_none() || key.id.as_deref() == named).collect();
        let candidates =
            if of_its_id.is_empty() { fitting().filter(|key| key.id.is_none()).collect() } else { of_its_id };
        let (first, others) = candidates.split_first().ok_or(Doubt::NoKey)?;
        if others.iter().all(|other| other.found.is(&first.found)) {
            return Ok(first.found.clone());
        }
        Err(Doubt::Ambiguous(match named.filter(|_| first.id.is_some()) {
            Some(_) => "several keys of the provider have its key id",
            None if named.is_some() => "its key id is not the provider's, and several keys there have none",
            None => "it names no key, and several of the provider's keys fit",
        }))
    }
}

/// Why the keys of a set do not vouch for a token.
#[derive(Debug)]
pub(super) enum Doubt {
    NoKey,
    /// Several fit, and guessing is not an option. That contradicts nothing: the provider has made it unclear.
    Ambiguous(&'static str),
    Signature,
    Unreadable(TokenVerificationError),
}

/// Whether the provider may have other keys by now.
#[derive(Clone, Copy)]
enum KeysAre {
    Current,
    PerhapsOld,
}

impl Doubt {
    /// Whether keys that are fetched anew may settle it.
    fn may_be_of_old_keys(&self, origin: TokenOrigin) -> bool {
        match self {
            Self::NoKey => true,
            Self::Ambiguous(_) | Self::Signature => origin == TokenOrigin::TokenEndpoint,
            Self::Unreadable(_) => false,
        }
    }

    fn conclusion(self, keys_are: KeysAre) -> TokenVerificationError {
        match (self, keys_are) {
            (Self::NoKey, _) => TokenVerificationError::UnknownKey,
            (Self::Ambiguous(why), _) => TokenVerificationError::Undecided(why.to_owned()),
            (Self::Signature, KeysAre::Current) => NotVerified::Signature.conclusion(),
            (Self::Signature, KeysAre::PerhapsOld) => TokenVerificationError::Undecided(
                "its signature does not verify with the provider's keys as they were a moment ago".to_owned(),
            ),
            (Self::Unreadable(error), _) => error,
        }
    }
}

impl Key {
    fn parse(value: &Value) -> Result<Self, Reason> {
        let members = value.as_object().ok_or(Reason::Unusable(UnusableKey::NotAnObject))?;
        let members = Members(members);
        if members.name("use").is_some_and(|it| !it.eq_ignore_ascii_case("sig")) {
            return Err(Reason::OtherUse("it is not for signatures (`use`)"));
        }
        let operations = value.get("key_ops").and_then(Value::as_array).filter(|list| !list.is_empty());
        let verifies = |it: &Value| it.as_str().is_some_and(|it| it.eq_ignore_ascii_case("verify"));
        if operations.is_some_and(|list| !list.iter().any(verifies)) {
            return Err(Reason::OtherUse("it does not verify signatures (`key_ops`)"));
        }
        // A secret that everybody can read is none.
        if members.text("kty").is_some_and(|it| it.eq_ignore_ascii_case("oct")) {
            return Err(Reason::OtherUse("it is a symmetric key"));
        }
        let text = |name| members.name(name).map(str::to_owned);
        let (id, algorithm) = (members.key_id(), text("alg"));
        let issuer = text("issuer").map(|it| {
            ExpectedIssuer::of_tenant(&it, AllowedTenants::Any).unwrap_or(ExpectedIssuer::Exactly(it))
        });
        let key = PublicKey::read(&members).map_err(Reason::Unusable)?;
        let none_fits = algorithm
            .as_deref()
            .is_some_and(|name| !SigningAlgorithm::of_published_key(name).is_some_and(|it| key.fits(it)));
        if none_fits {
            return Err(Reason::OtherUse("its `alg` is no signature of such a key"));
        }
        Ok(Self { id, algorithm, found: FoundKey { key, issuer } })
    }

    fn name(&self) -> String {
        self.id.as_deref().map_or_else(|| "without kid".to_owned(), printable)
    }

    /// Whether it can sign by the algorithm, and may.
    fn fits(&self, algorithm: SigningAlgorithm) -> bool {
        self.found.key.fits(algorithm) && self.is_for(algorithm)
    }

    /// Whether a token may be signed by either of them, and nobody can tell by which.
    fn is_confused_with(&self, other: &Self) -> bool {
        self.id == other.id
            && !self.found.is(&other.found)
            && SigningAlgorithm::ALL.into_iter().any(|it| self.fits(it) && other.fits(it))
    }

    /// Whether the provider lets this key sign by the algorithm, as far as it says.
    fn is_for(&self, algorithm: SigningAlgorithm) -> bool {
        self.algorithm
            .as_deref()
            .is_none_or(|name| SigningAlgorithm::of_published_key(name) == Some(algorithm))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.name();
        let algorithm = self.algorithm.as_deref().and_then(SigningAlgorithm::of_published_key);
        write!(f, "{id} ({})", algorithm.map_or(self.found.key.kind(), SigningAlgorithm::name))
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;
    use crate::adapters::oidc::algorithm::Algorithm;

    fn rsa(changes: Value) -> Value {
        let mut key =
            json!({"kty": "RSA", "kid": "a", "n": URL_SAFE_NO_PAD.encode([0xffu8; 256]), "e": "AQAB"});
        for (name, value) in changes.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    }

    fn usable(key: &Value) -> bool {
        Key::parse(key).is_ok()
    }

    #[test]
    fn sec_135_weak_symmetric_and_encryption_keys_are_skipped() {
        assert!(usable(&rsa(json!({}))));
        assert!(usable(&rsa(json!({"use": "sig", "alg": "RS256", "x5t": 7, "key_ops": ["verify"]}))));
        for bad in [
            rsa(json!({"use": "enc"})),
            rsa(json!({"key_ops": ["encrypt"]})),
            rsa(json!({"n": URL_SAFE_NO_PAD.encode([0xffu8; 128])})),
            rsa(json!({"n": URL_SAFE_NO_PAD.encode([0xffu8; 1024])})),
            rsa(json!({"n": ""})),
            rsa(json!({"n": 7})),
            rsa(json!({"e": "AQ"})),
            rsa(json!({"e": "AA"})),
            json!({"kty": "oct", "k": "AAAA"}),
            json!({"kty": "EC", "crv": "P-256", "x": "x"}),
            json!({"kty": "??"}),
            json!(null),
            json!([]),
        ] {
            assert!(!usable(&bad), "{bad}");
        }
    }

    #[test]
    fn members_of_a_key_that_are_null_cost_nothing() {
        let nulls =
            json!({"use": null, "alg": null, "key_ops": null, "x5c": null, "issuer": null, "kid": null});
        let document = json!({"keys": [rsa(nulls)]}).to_string();
        assert_eq!(KeySet::parse(document.as_bytes()).unwrap().keys.len(), 1);
    }

    #[test]
    fn sec_047_a_key_of_one_tenant_vouches_for_no_other() {
        const OURS: &str = "https://login.example/11111111-2222-3333-4444-555555555555/v2.0";
        const OTHER: &str = "https://login.example/99999999-2222-3333-4444-555555555555/v2.0";
        let vouches = |member: Value, issuer: &str| {
            let Ok(key) = Key::parse(&rsa(json!({"issuer": member}))) else { panic!("{issuer}") };
            key.found.is_of_their_issuer(json!({"iss": issuer}).as_object().unwrap())
        };
        let any = json!("https://login.example/{tenantid}/v2.0");
        assert!(vouches(any.clone(), OURS) && vouches(any.clone(), OTHER));
        assert!(vouches(json!(OURS), OURS) && !vouches(json!(OURS), OTHER));
        assert!(!vouches(any, "https://login.example/v2.0"));
        assert!(vouches(json!(null), OTHER), "a key that says nothing is as good as its document");
    }

    #[test]
    fn sec_135_a_document_that_is_no_key_set_is_an_error_not_an_empty_set() {
        for document in ["", "[]", "{}", r#"{"keys": {}}"#] {
            assert!(KeySet::parse(document.as_bytes()).is_err(), "{document}");
        }
        let many = json!({"keys": vec![json!({}); MAX_KEYS + 1]});
        assert!(KeySet::parse(many.to_string().as_bytes()).is_err());
    }

    fn set(keys: &Value) -> KeySet {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn header(key_id: Option<&str>) -> Header {
        Header { algorithm: Algorithm::RS256, key_id: key_id.map(str::to_owned), typ: None }
    }

    fn modulus(first: u8) -> Value {
        let mut octets = [0xff; 256];
        octets[0] = first;
        json!(URL_SAFE_NO_PAD.encode(octets))
    }

    /// `true`: one key. Everything else is refused, and an attacker gains nothing from the rest: each key is the provider's own,
    /// and the signature has to be that key's.
    #[test]
    fn sec_047_one_fitting_key_is_taken_and_several_are_refused() {
        let key = |first: u8, kid: Value| rsa(json!({"n": modulus(first), "kid": kid}));
        let (a, b, nameless) = (key(0xff, json!("a")), key(0xfe, json!("b")), key(0xfd, json!(null)));
        let twin = key(0xfe, json!("a"));
        let for_another = rsa(json!({"alg": "RS512"}));
        let padded = rsa(json!({"n": format!("{}==", modulus(0xff).as_str().unwrap()), "use": "sig"}));
        for (what, keys, key_id, found) in [
            ("its key id", json!([a, b]), Some("b"), true),
            ("an unknown key id", json!([a, b]), Some("c"), false),
            ("no key id, one key", json!([a]), None, true),
            ("no key id, two keys", json!([a, b]), None, false),
            ("a key for another algorithm", json!([for_another]), Some("a"), false),
            ("the same key twice", json!([a, a]), Some("a"), true),
            ("the same key twice, differently written", json!([a, padded]), Some("a"), true),
            ("the same key twice, no key id in the token", json!([a, padded]), None, true),
            ("two keys of one key id", json!([a, twin]), Some("a"), false),
            ("a key without key id", json!([nameless]), Some("c"), true),
            ("a key without key id, beside others", json!([a, nameless]), Some("c"), true),
            ("a key of this key id comes first", json!([nameless, a]), Some("a"), true),
            ("two keys without key id", json!([nameless, key(0xfc, json!(""))]), Some("c"), false),
            ("a key id that is a number", json!([a, key(0xfe, json!(7))]), Some("7"), true),
        ] {
            let outcome = set(&keys).find(&header(key_id));
            assert_eq!(outcome.is_ok(), found, "{what}");
        }
        let found = set(&json!([nameless, a])).find(&header(Some("a"))).unwrap();
        assert!(found.is(&set(&json!([a])).find(&header(None)).unwrap()), "the one of its key id");
    }

    #[test]
    fn keys_that_cannot_be_told_apart_are_named_once_and_stay_of_use_otherwise() {
        let key = |first: u8, kid: Value| rsa(json!({"n": modulus(first), "kid": kid}));
        let (a, twin, b) = (key(0xff, json!("a")), key(0xfe, json!("a")), key(0xfd, json!("b")));
        let losses = |keys: Value| set(&keys).losses().map(ToString::to_string).collect::<Vec<_>>();
        let confused = losses(json!([a, twin, b]));
        assert_eq!(confused.len(), 1, "{confused:?}");
        assert!(confused[0].starts_with("a: there is another key"), "{confused:?}");
        assert!(set(&json!([a, twin, b])).find(&header(Some("b"))).is_ok());
        let (one, other) = (rsa(json!({"alg": "RS256"})), rsa(json!({"n": modulus(0xfe), "alg": "RS512"})));
        for fine in [json!([a, a]), json!([a, b]), json!([one, other])] {
            assert_eq!(losses(fine.clone()), Vec::<String>::new(), "{fine}");
        }
    }

    /// What these members say decides which tokens a key is tried for, never whether a signature is good.
    #[test]
    fn members_of_a_key_are_read_in_any_case_and_count_for_nothing_where_they_are_empty() {
        for fine in [
            json!({"use": ""}),
            json!({"use": "SIG"}),
            json!({"alg": ""}),
            json!({"alg": "rs256"}),
            json!({"key_ops": []}),
            json!({"key_ops": ["VERIFY"]}),
            json!({"kty": "rsa"}),
            json!({"kid": 4711}),
            json!({"kid": ""}),
            json!({"issuer": ""}),
        ] {
            let set = set(&json!([rsa(fine.clone())]));
            assert!(set.find(&header(None)).is_ok(), "{fine}");
            assert_eq!(set.losses().count(), 0, "{fine}");
        }
        for other in [
            json!({"use": "ENC"}),
            json!({"alg": "es256"}),
            json!({"alg": "rs512"}),
            json!({"key_ops": ["encrypt"]}),
            json!({"kty": "OCT"}),
        ] {
            assert!(set(&json!([rsa(other.clone())])).find(&header(None)).is_err(), "{other}");
        }
        let point = json!({"kty": "ec", "crv": "p-256", "alg": "es256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
        assert!(usable(&point));
        let edwards = json!({"kty": "okp", "crv": "ED25519", "alg": "ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        assert!(usable(&edwards));
    }

    /// Only the provider's own tokens have the keys fetched anew for a signature, and only then may a token be called forged.
    #[test]
    fn sec_098_and_134_a_signature_that_fails_is_a_forgery_only_by_the_keys_of_now() {
        use TokenOrigin::{Anybody, TokenEndpoint};
        for (doubt, origin, is_fetched) in [
            (Doubt::NoKey, TokenEndpoint, true),
            (Doubt::NoKey, Anybody, true),
            (Doubt::Signature, TokenEndpoint, true),
            (Doubt::Signature, Anybody, false),
            (Doubt::Ambiguous("…"), TokenEndpoint, true),
            (Doubt::Ambiguous("…"), Anybody, false),
        ] {
            assert_eq!(doubt.may_be_of_old_keys(origin), is_fetched, "{doubt:?} {origin:?}");
        }
        let is_forged =
            |doubt: Doubt, keys| matches!(doubt.conclusion(keys), TokenVerificationError::Refused(_));
        assert!(is_forged(Doubt::Signature, KeysAre::Current));
        assert!(!is_forged(Doubt::Signature, KeysAre::PerhapsOld));
        assert!(!is_forged(Doubt::NoKey, KeysAre::Current));
        assert!(!is_forged(Doubt::Ambiguous("…"), KeysAre::Current));
    }
}
