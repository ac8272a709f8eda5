//! Signatures of ID tokens (RFC 7515). What the claims say is for the domain.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    algorithm::{Algorithm, HmacAlgorithm},
    jwk::PublicKey,
    signing_key::SigningAlgorithm,
};
use crate::{
    domain::{
        credential::{AccessToken, IdToken},
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
    /// Reads the header of an ID token and checks its algorithm against those that are accepted.
    pub(super) fn of(token: &IdToken, accepted: &[Algorithm]) -> Result<Self, TokenVerificationError> {
        let advice = "which is neither in client.idTokenSigningAlgorithms nor, without that setting, announced by the \
                      provider; add it there if the provider is meant to use it";
        Self::among(token.expose(), accepted, advice)
    }

    /// The same for an access token (RFC 9068 §4). Metadata does not say which algorithms sign those: any asymmetric one may,
    /// if the key is for it. A shared secret never does (RFC 8725 §3.1).
    pub(super) fn of_access_token(token: &AccessToken) -> Result<Self, TokenVerificationError> {
        let accepted = SigningAlgorithm::ALL.map(Algorithm::KeyPair);
        Self::among(token.expose(), &accepted, "which does not sign access tokens")
    }

    fn among(token: &str, accepted: &[Algorithm], advice: &str) -> Result<Self, TokenVerificationError> {
        let encoded = token.split('.').next().unwrap_or_default();
        let header = decode_object(encoded).ok_or_else(|| refused("its header is not a JSON object"))?;
        if header.contains_key("crit") {
            return Err(refused("its header has critical extensions that are not supported (`crit`)"));
        }
        let name = header.get("alg").and_then(Value::as_str).unwrap_or_default();
        let algorithm =
            name.parse().ok().filter(|algorithm| accepted.contains(algorithm)).ok_or_else(|| {
                let shown = printable(name);
                refused(&format!("it is signed with {shown:?}, {advice}"))
            })?;
        let text = |member: &str| match header.get(member) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(refused("its header has a member of the wrong type")),
        };
        Ok(Self { algorithm, key_id: text("kid")?, typ: text("typ")? })
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

/// Verifies the signature and returns the claims.
pub(super) fn verify(
    token: &str,
    header: &Header,
    key: &VerificationKey<'_>,
) -> Result<SignedClaims, TokenVerificationError> {
    let (message, signature) = token.rsplit_once('.').ok_or_else(|| refused("it has no signature"))?;
    let genuine = URL_SAFE_NO_PAD
        .decode(signature)
        .is_ok_and(|signature| key.verifies(header.algorithm, message.as_bytes(), &signature));
    if !genuine {
        return Err(refused("its signature does not verify"));
    }
    let (_, payload) = message.split_once('.').ok_or_else(|| refused("it has no payload"))?;
    let claims = decode_object(payload).ok_or_else(|| refused("its payload is not a JSON object"))?;
    Ok(SignedClaims { claims, typ: header.typ.clone(), hash: header.hash() })
}

fn decode_object(encoded: &str) -> Option<Map<String, Value>> {
    provider_json::object(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
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
    use serde_json::json;

    fn token(header: &Value, payload: &Value) -> IdToken {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        IdToken::parse(format!("{}.{}.c2ln", encode(header), encode(payload))).unwrap()
    }

    #[test]
    fn sec_035_only_configured_algorithms_are_accepted() {
        for alg in ["none", "None", "nOnE", "HS256", "RS512", "rs256", "", "ES512"] {
            let token = token(&json!({"alg": alg}), &json!({}));
            assert!(Header::of(&token, &[Algorithm::RS256]).is_err(), "{alg}");
        }
        assert!(Header::of(&token(&json!({"alg": "RS256"}), &json!({})), &[Algorithm::RS256]).is_ok());
        let nulls = json!({"alg": "RS256", "kid": null, "typ": null, "crit": null, "x5c": null});
        assert!(Header::of(&token(&nulls, &json!({})), &[Algorithm::RS256]).is_ok(), "`null` is absent");
    }

    #[test]
    fn sec_036_a_public_key_is_never_a_shared_secret() {
        let secret = b"the modulus, say";
        let message = token(&json!({"alg": "HS256"}), &json!({"sub": "eve"}));
        let (unsigned, _) = message.expose().rsplit_once('.').unwrap();
        let signature = hmac::sign(&HmacAlgorithm::Hs256.key(secret), unsigned.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signature);
        let forged = IdToken::parse(format!("{unsigned}.{signature}")).unwrap();
        assert!(Header::of(&forged, &[Algorithm::RS256]).is_err());
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
            json!({"alg": "RS256", "kid": 7}),
            json!({"alg": ["RS256"]}),
            json!({}),
        ] {
            assert!(Header::of(&token(&header, &json!({})), &[Algorithm::RS256]).is_err(), "{header}");
        }
        let not_json = IdToken::parse("bm90IGpzb24.e30.c2ln").unwrap();
        assert!(Header::of(&not_json, &[Algorithm::RS256]).is_err());
    }
}
