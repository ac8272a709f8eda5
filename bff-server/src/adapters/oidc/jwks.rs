//! The provider's keys (RFC 7517).

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk},
};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use url::Url;

use super::{http::BackChannel, jws::Header};
use crate::{
    domain::expected_issuer::{AllowedTenants, ExpectedIssuer},
    ports::{ProviderError, TokenOrigin, TokenVerificationError},
};

const MAX_JWKS_BYTES: usize = 512 * 1024;
const MAX_KEYS: usize = 100;

/// An unknown `kid` may be a rotation, or somebody making us fetch. At most one fetch per this time.
const MIN_REFETCH_INTERVAL: Duration = Duration::from_secs(30);

/// The same while no keys are known at all.
const MIN_FIRST_FETCH_INTERVAL: Duration = Duration::from_secs(2);

/// Whoever waits for keys holds a refresh lease, or a login.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// The usable keys of one document.
pub(super) struct KeySet(Vec<Key>);

struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    kind: KeyKind,
    found: FoundKey,
}

/// A key that fits a token's header.
#[derive(Clone)]
pub(super) struct FoundKey {
    pub(super) key: DecodingKey,
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl KeyKind {
    /// The key that an algorithm needs. A key of another kind is never tried.
    fn for_algorithm(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512 => Some(Self::Rsa),
            Algorithm::ES256 => Some(Self::P256),
            Algorithm::ES384 => Some(Self::P384),
            Algorithm::EdDSA => Some(Self::Ed25519),
            _ => None,
        }
    }
}

/// Keys, cached; a failed fetch never evicts good ones.
#[derive(Default)]
pub(super) struct KeyCache {
    keys: RwLock<Option<Arc<KeySet>>>,
    /// When a token from the token endpoint, and one from anybody, last led to a fetch.
    last_refetch: Mutex<Option<Instant>>,
    last_refetch_for_anybody: Mutex<Option<Instant>>,
}

impl KeyCache {
    /// Fetches the keys anew.
    pub(super) async fn refresh(&self, jwks_uri: &Url, http: &BackChannel) -> Result<(), ProviderError> {
        let answer = tokio::time::timeout(FETCH_TIMEOUT, http.get(jwks_uri, MAX_JWKS_BYTES))
            .await
            .map_err(|_| ProviderError::new("its jwks_uri did not answer in time"))??;
        if answer.status != StatusCode::OK {
            return Err(ProviderError::new(format!("its jwks_uri answered {}", answer.status)));
        }
        let keys = KeySet::parse(&answer.body).map_err(ProviderError::new)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
        Ok(())
    }

    /// Whether any keys are known.
    pub(super) fn is_filled(&self) -> bool {
        self.current().is_some()
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
        let interval = if current.is_some() { MIN_REFETCH_INTERVAL } else { MIN_FIRST_FETCH_INTERVAL };
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
        let document: Value =
            serde_json::from_slice(document).map_err(|_| "its jwks_uri did not answer JSON".to_owned())?;
        let keys = document
            .get("keys")
            .and_then(Value::as_array)
            .ok_or_else(|| "its jwks_uri did not answer a key set".to_owned())?;
        if keys.len() > MAX_KEYS {
            return Err(format!("its key set has more than {MAX_KEYS} keys"));
        }
        Ok(Self(keys.iter().filter_map(Key::parse).collect()))
    }

    /// `Ok(None)`: no key fits. `Err`: several do, and guessing is not an option.
    pub(super) fn find(&self, header: &Header) -> Result<Option<FoundKey>, String> {
        let kind = KeyKind::for_algorithm(header.algorithm);
        let mut fitting = self.0.iter().filter(|key| {
            Some(key.kind) == kind
                && key.algorithm.as_deref().is_none_or(|it| it == header.algorithm_name)
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
    /// `None` for a key that is not for signatures, too weak, or of a kind we do not know.
    fn parse(value: &Value) -> Option<Self> {
        let usage = value.get("use").and_then(Value::as_str);
        if usage.is_some_and(|it| it != "sig") {
            return None;
        }
        let operations = value.get("key_ops").and_then(Value::as_array);
        if operations.is_some_and(|list| !list.iter().any(|it| it == "verify")) {
            return None;
        }
        let text = |name| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let (id, algorithm) = (text("kid"), text("alg"));
        let issuer = text("issuer").map(|it| {
            ExpectedIssuer::of_tenant(&it, AllowedTenants::Any).unwrap_or(ExpectedIssuer::Exactly(it))
        });
        // Only what the key itself is: odd values in other members do not cost us the key.
        let members = ["kty", "n", "e", "crv", "x", "y"];
        let bare: Map<_, _> =
            members.iter().filter_map(|name| Some(((*name).to_owned(), value.get(*name)?.clone()))).collect();
        let jwk: Jwk = serde_json::from_value(Value::Object(bare)).ok()?;
        let kind = match &jwk.algorithm {
            AlgorithmParameters::RSA(rsa) => {
                // 2048 to 4096 bits, and an exponent that is odd and at least 3.
                let modulus = URL_SAFE_NO_PAD.decode(&rsa.n).ok()?;
                let bits = modulus.iter().skip_while(|byte| **byte == 0).count() * 8;
                let exponent = URL_SAFE_NO_PAD.decode(&rsa.e).ok()?;
                let sane = exponent.len() <= 4
                    && exponent.last().is_some_and(|last| last % 2 == 1)
                    && exponent.iter().skip_while(|byte| **byte == 0).ne([1u8].iter());
                ((2048..=4096).contains(&bits) && sane).then_some(KeyKind::Rsa)?
            }
            AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
                EllipticCurve::P256 => KeyKind::P256,
                EllipticCurve::P384 => KeyKind::P384,
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                KeyKind::Ed25519
            }
            _ => return None,
        };
        let found = FoundKey { key: DecodingKey::from_jwk(&jwk).ok()?, issuer };
        Some(Self { id, algorithm, kind, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rsa(changes: Value) -> Value {
        let mut key =
            json!({"kty": "RSA", "kid": "a", "n": URL_SAFE_NO_PAD.encode([0xffu8; 256]), "e": "AQAB"});
        for (name, value) in changes.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    }

    fn usable(key: &Value) -> bool {
        Key::parse(key).is_some()
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
    fn sec_047_a_key_of_one_tenant_vouches_for_no_other() {
        const OURS: &str = "https://login.example/11111111-2222-3333-4444-555555555555/v2.0";
        const OTHER: &str = "https://login.example/99999999-2222-3333-4444-555555555555/v2.0";
        let vouches = |member: Value, issuer: &str| {
            let key = Key::parse(&rsa(json!({"issuer": member}))).unwrap();
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
        let set = |keys: Value| KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
        let header = |key_id: Option<&str>| Header {
            algorithm: Algorithm::RS256,
            algorithm_name: "RS256".into(),
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
