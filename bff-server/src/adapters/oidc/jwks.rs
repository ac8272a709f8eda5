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
    jwk::{Members, PublicKey, UnusableKey, printable},
    jws::Header,
    signing_key::SigningAlgorithm,
};
use crate::{
    domain::{
        expected_issuer::{AllowedTenants, ExpectedIssuer},
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
    /// Whether it is a key of the issuer that these claims name. Entra ID has the keys of all tenants in one document,
    /// and says in each whose it is: any tenant's (a template), or one's alone. Other providers do not say.
    pub(super) fn is_of_their_issuer(&self, claims: &Map<String, Value>) -> bool {
        let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
        self.issuer.as_ref().is_none_or(|it| it.admits(issuer))
    }
}

/// A key of the provider that verifies nothing.
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
}

impl PassedOver {
    /// Whether it was meant for signatures, so that somebody should know.
    pub(crate) fn is_a_loss(&self) -> bool {
        matches!(self.reason, Reason::Unusable(_))
    }

    fn reason(&self) -> String {
        match &self.reason {
            Reason::OtherUse(why) => (*why).to_owned(),
            Reason::Unusable(why) => why.to_string(),
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

    /// The key that signed a token with this header. An unknown key id leads to one fetch, for however many
    /// tokens at once, and not again for a while: an attacker can make up key ids.
    pub(super) async fn find(
        &self,
        header: &Header,
        origin: TokenOrigin,
        jwks_uri: &Url,
        http: &BackChannel,
    ) -> Result<FoundKey, TokenVerificationError> {
        let seen = self.current();
        if let Some(found) = seen.as_ref().and_then(|keys| keys.find(header).transpose()) {
            return found.map_err(TokenVerificationError::Refused);
        }
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
        let none_known = current.is_none_or(|keys| keys.keys.is_empty());
        let interval = if none_known { MIN_FIRST_FETCH_INTERVAL } else { MIN_REFETCH_INTERVAL };
        if !changed_meanwhile && last_refetch.is_none_or(|at| at.elapsed() >= interval) {
            let outcome = self.refresh(jwks_uri, http).await;
            *last_refetch = Some(Instant::now());
            outcome?;
        }
        drop(last_refetch);
        let current =
            self.current().ok_or_else(|| ProviderError::new("its keys could not be fetched a moment ago"))?;
        match current.find(header) {
            Ok(Some(key)) => Ok(key),
            Ok(None) => Err(TokenVerificationError::UnknownKey),
            Err(why) => Err(TokenVerificationError::Refused(why)),
        }
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
                    let id = member.get("kid").and_then(Value::as_str).map(printable);
                    let name = id.filter(|it| !it.is_empty()).unwrap_or_else(|| format!("keys[{i}]"));
                    passed_over.push(PassedOver { name, reason });
                }
            }
        }
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

    /// `Ok(None)`: no key fits. `Err`: several do, and guessing is not an option.
    pub(super) fn find(&self, header: &Header) -> Result<Option<FoundKey>, String> {
        let Some(algorithm) = header.key_pair_algorithm() else { return Ok(None) };
        let mut fitting = self.keys.iter().filter(|key| {
            key.found.key.fits(algorithm)
                && key.is_for(algorithm)
                && (header.key_id.is_none() || key.id == header.key_id)
        });
        match (fitting.next(), fitting.next()) {
            (None, _) => Ok(None),
            (Some(key), None) => Ok(Some(key.found.clone())),
            (Some(_), Some(_)) => Err(match header.key_id {
                Some(_) => "several keys of the provider have its key id".to_owned(),
                None => "it names no key, and several of the provider's keys fit".to_owned(),
            }),
        }
    }
}

impl Key {
    fn parse(value: &Value) -> Result<Self, Reason> {
        let members = value.as_object().ok_or(Reason::Unusable(UnusableKey::NotAnObject))?;
        let members = Members(members);
        if members.text("use").is_some_and(|it| it != "sig") {
            return Err(Reason::OtherUse("it is not for signatures (`use`)"));
        }
        let operations = value.get("key_ops").and_then(Value::as_array);
        if operations.is_some_and(|list| !list.iter().any(|it| it == "verify")) {
            return Err(Reason::OtherUse("it does not verify signatures (`key_ops`)"));
        }
        // A secret that everybody can read is none.
        if members.text("kty") == Some("oct") {
            return Err(Reason::OtherUse("it is a symmetric key"));
        }
        let text = |name| members.text(name).map(str::to_owned);
        let (id, algorithm) = (text("kid"), text("alg"));
        let issuer = text("issuer").map(|it| {
            ExpectedIssuer::of_tenant(&it, AllowedTenants::Any).unwrap_or(ExpectedIssuer::Exactly(it))
        });
        let key = PublicKey::read(&members).map_err(Reason::Unusable)?;
        let none_fits = algorithm
            .as_deref()
            .is_some_and(|name| !SigningAlgorithm::from_name(name).is_some_and(|it| key.fits(it)));
        if none_fits {
            return Err(Reason::OtherUse("its `alg` is no signature of such a key"));
        }
        Ok(Self { id, algorithm, found: FoundKey { key, issuer } })
    }

    /// Whether the provider lets this key sign by the algorithm, as far as it says.
    fn is_for(&self, algorithm: SigningAlgorithm) -> bool {
        self.algorithm.as_deref().is_none_or(|name| SigningAlgorithm::from_name(name) == Some(algorithm))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.as_deref().map_or_else(|| "without kid".to_owned(), printable);
        let algorithm = self.algorithm.as_deref().and_then(SigningAlgorithm::from_name);
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

    #[test]
    fn sec_047_one_fitting_key_is_taken_and_several_are_refused() {
        let set = |keys: Value| KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).ok().unwrap();
        let header = |key_id: Option<&str>| Header {
            algorithm: Algorithm::RS256,
            key_id: key_id.map(str::to_owned),
            typ: None,
        };
        let (a, b) = (rsa(json!({})), rsa(json!({"kid": "b"})));
        assert!(set(json!([a, b])).find(&header(Some("b"))).unwrap().is_some());
        assert!(set(json!([a, b])).find(&header(Some("c"))).unwrap().is_none());
        assert!(set(json!([a])).find(&header(None)).unwrap().is_some());
        assert!(set(json!([a, b])).find(&header(None)).is_err());
        assert!(set(json!([a, a])).find(&header(Some("a"))).is_err());
        let other_algorithm = rsa(json!({"alg": "RS512"}));
        assert!(set(json!([other_algorithm])).find(&header(Some("a"))).unwrap().is_none());
    }
}
