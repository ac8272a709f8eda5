//! Signatures of ID tokens (RFC 7515). What the claims say is for the domain.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    algorithm::{Algorithm, HmacAlgorithm},
    jwk::{PublicKey, key_id},
    signing_key::SigningAlgorithm,
};
use crate::{
    domain::{
        credential::AccessToken,
        id_token::{SignatureHash, SignedClaims},
        provider_json,
    },
    ports::TokenVerificationError,
};

/// The parts of a JOSE header that decide how to verify. Keys in the header (`jwk`, `jku`, `x5c`, …) are
/// never looked at: keys come from the provider's `jwks_uri` alone.
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    pub(super) typ: Option<String>,
}

impl Header {
    /// Reads a header. Whether its algorithm is accepted, [`check_algorithm`](Self::check_algorithm) says.
    ///
    /// What cannot be read here is [undecided](TokenVerificationError::Undecided): nothing is believed of such a token, and
    /// it contradicts nothing either.
    pub(super) fn of(token: &str) -> Result<Self, TokenVerificationError> {
        let encoded = token.split('.').next().unwrap_or_default();
        let header = decode_object("header", encoded)?;
        // RFC 7515 §4.1.11 forbids an empty list. It demands nothing.
        if header.get("crit").is_some_and(|it| it.as_array().is_none_or(|list| !list.is_empty())) {
            return Err(undecided("its header has critical extensions that are not supported (`crit`)"));
        }
        let name = header.get("alg").and_then(Value::as_str).unwrap_or_default();
        let algorithm = name.parse().map_err(|_| undecided(&not_accepted(name)))?;
        let wrong_type = || undecided("its header has a member of the wrong type");
        let typ = match header.get("typ") {
            None => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => return Err(wrong_type()),
        };
        let key_id = match header.get("kid") {
            Some(Value::String(_) | Value::Number(_)) | None => header.get("kid").and_then(key_id),
            Some(_) => return Err(wrong_type()),
        };
        Ok(Self { algorithm, key_id, typ })
    }

    /// Reads the header of an access token (RFC 9068 §4). Metadata does not say which algorithms sign those: any asymmetric
    /// one may, if the key is for it. A shared secret never does (RFC 8725 §3.1).
    pub(super) fn of_access_token(token: &AccessToken) -> Result<Self, TokenVerificationError> {
        let header = Self::of(token.expose())?;
        if header.is_symmetric() {
            let shown = header.algorithm.name();
            return Err(refused(&format!("it is signed with {shown:?}, which does not sign access tokens")));
        }
        Ok(header)
    }

    /// Checks the algorithm against those that are accepted.
    pub(super) fn check_algorithm(&self, accepted: &[Algorithm]) -> Result<(), TokenVerificationError> {
        if accepted.contains(&self.algorithm) {
            return Ok(());
        }
        Err(refused(&not_accepted(self.algorithm.name())))
    }

    /// Whether the key is a shared secret.
    pub(super) fn is_symmetric(&self) -> bool {
        matches!(self.algorithm, Algorithm::Secret(_))
    }

    /// The algorithm, where the key is one of the provider's.
    pub(super) fn key_pair_algorithm(&self) -> Option<SigningAlgorithm> {
        match self.algorithm {
            Algorithm::KeyPair(algorithm) => Some(algorithm),
            Algorithm::Secret(_) => None,
        }
    }

    fn hash(&self) -> SignatureHash {
        match self.algorithm {
            Algorithm::Secret(HmacAlgorithm::Hs256)
            | Algorithm::KeyPair(
                SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 | SigningAlgorithm::Es256,
            ) => SignatureHash::Sha256,
            Algorithm::Secret(HmacAlgorithm::Hs384)
            | Algorithm::KeyPair(
                SigningAlgorithm::Rs384 | SigningAlgorithm::Ps384 | SigningAlgorithm::Es384,
            ) => SignatureHash::Sha384,
            Algorithm::Secret(HmacAlgorithm::Hs512)
            | Algorithm::KeyPair(
                SigningAlgorithm::Rs512
                | SigningAlgorithm::Ps512
                | SigningAlgorithm::Es512
                | SigningAlgorithm::EdDsa,
            ) => SignatureHash::Sha512,
        }
    }
}

/// What a signature is verified with. The two are never taken for each other: a public key is no secret.
pub(super) enum VerificationKey<'a> {
    Public(&'a PublicKey),
    Secret(&'a [u8]),
}

impl VerificationKey<'_> {
    fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::Public(key), Algorithm::KeyPair(algorithm)) => key.verifies(algorithm, message, signature),
            (Self::Secret(secret), Algorithm::Secret(algorithm)) => {
                hmac::verify(&algorithm.key(secret), message, signature).is_ok()
            }
            _ => false,
        }
    }
}

/// Why a key does not vouch for a token.
#[derive(Debug)]
pub(super) enum NotVerified {
    /// The signature is not the key's.
    Signature,
    /// It is, but what it is about cannot be read.
    Unreadable(TokenVerificationError),
}

impl NotVerified {
    /// The conclusion where no other key comes into question.
    pub(super) fn conclusion(self) -> TokenVerificationError {
        match self {
            Self::Signature => refused(WRONG_SIGNATURE),
            Self::Unreadable(error) => error,
        }
    }
}

const WRONG_SIGNATURE: &str = "its signature does not verify";

/// Verifies the signature and returns the claims.
pub(super) fn verify(
    token: &str,
    header: &Header,
    key: &VerificationKey<'_>,
) -> Result<SignedClaims, NotVerified> {
    let (message, signature) = token.rsplit_once('.').ok_or(NotVerified::Signature)?;
    let genuine = URL_SAFE_NO_PAD
        .decode(signature)
        .is_ok_and(|signature| key.verifies(header.algorithm, message.as_bytes(), &signature));
    if !genuine {
        return Err(NotVerified::Signature);
    }
    let (_, payload) = message.split_once('.').unwrap_or_default();
    let claims = decode_object("payload", payload).map_err(NotVerified::Unreadable)?;
    Ok(SignedClaims { claims, typ: header.typ.clone(), hash: header.hash() })
}

fn decode_object(part: &str, encoded: &str) -> Result<Map<String, Value>, TokenVerificationError> {
    let text =
        URL_SAFE_NO_PAD.decode(encoded).map_err(|_| undecided(&format!("its {part} is not base64url")))?;
    provider_json::object(&text).map_err(|error| undecided(&format!("its {part} cannot be read: {error}")))
}

fn not_accepted(algorithm: &str) -> String {
    let shown = printable(algorithm);
    format!(
        "it is signed with {shown:?}, which is neither in client.idTokenSigningAlgorithms nor, without that setting, \
         announced by the provider; add it there if the provider is meant to use it"
    )
}

fn undecided(why: &str) -> TokenVerificationError {
    TokenVerificationError::Undecided(why.to_owned())
}

fn refused(why: &str) -> TokenVerificationError {
    TokenVerificationError::Refused(why.to_owned())
}

/// A short, harmless rendering of a name the provider chose.
fn printable(name: &str) -> String {
    name.chars().filter(char::is_ascii_graphic).take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::credential::IdToken;
    use serde_json::json;

    fn accepted(token: &IdToken, algorithms: &[Algorithm]) -> Result<(), TokenVerificationError> {
        Header::of(token.expose())?.check_algorithm(algorithms)
    }

    fn token(header: &Value, payload: &Value) -> IdToken {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        IdToken::parse(format!("{}.{}.c2ln", encode(header), encode(payload))).unwrap()
    }

    #[test]
    fn sec_035_only_configured_algorithms_are_accepted() {
        for alg in ["none", "None", "nOnE", "HS256", "RS512", "rs256", "", "ES512"] {
            let token = token(&json!({"alg": alg}), &json!({}));
            assert!(accepted(&token, &[Algorithm::RS256]).is_err(), "{alg}");
        }
        assert!(accepted(&token(&json!({"alg": "RS256"}), &json!({})), &[Algorithm::RS256]).is_ok());
        let nulls = json!({"alg": "RS256", "kid": null, "typ": null, "crit": null, "x5c": null});
        assert!(accepted(&token(&nulls, &json!({})), &[Algorithm::RS256]).is_ok(), "`null` is absent");
    }

    #[test]
    fn sec_036_a_public_key_is_never_a_shared_secret() {
        let secret = b"the modulus, say";
        let message = token(&json!({"alg": "HS256"}), &json!({"sub": "eve"}));
        let (unsigned, _) = message.expose().rsplit_once('.').unwrap();
        let signature = hmac::sign(&HmacAlgorithm::Hs256.key(secret), unsigned.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signature);
        let forged = IdToken::parse(format!("{unsigned}.{signature}")).unwrap();
        assert!(accepted(&forged, &[Algorithm::RS256]).is_err());
        let header = |algorithm| Header { algorithm, key_id: None, typ: None };
        let key = VerificationKey::Secret(secret);
        assert!(verify(forged.expose(), &header(Algorithm::RS256), &key).is_err());
        assert!(
            verify(forged.expose(), &header(Algorithm::Secret(HmacAlgorithm::Hs256)), &key).is_ok(),
            "the secret is right"
        );
    }

    #[test]
    fn sec_037_critical_extensions_and_odd_headers_are_refused() {
        for header in [
            json!({"alg": "RS256", "crit": ["b64"], "b64": false}),
            json!({"alg": "RS256", "crit": ["exp"]}),
            json!({"alg": "RS256", "crit": "b64"}),
            json!({"alg": "RS256", "kid": ["7"]}),
            json!({"alg": "RS256", "kid": true}),
            json!({"alg": "RS256", "typ": 7}),
            json!({"alg": ["RS256"]}),
            json!({}),
        ] {
            assert!(accepted(&token(&header, &json!({})), &[Algorithm::RS256]).is_err(), "{header}");
        }
        // A name that is a number still only leads to a key, and a list of nothing demands nothing.
        for (header, key_id) in [
            (json!({"alg": "RS256", "kid": 7}), Some("7")),
            (json!({"alg": "RS256", "kid": "7", "crit": []}), Some("7")),
            (json!({"alg": "RS256", "kid": ""}), None),
        ] {
            let read = Header::of(token(&header, &json!({})).expose()).unwrap();
            assert_eq!(read.key_id.as_deref(), key_id, "{header}");
        }
        let not_json = IdToken::parse("bm90IGpzb24.e30.c2ln").unwrap();
        assert!(accepted(&not_json, &[Algorithm::RS256]).is_err());
    }
}
