//! ID tokens, correct or not.

use super::SigningKey;
use aws_lc_rs::digest;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// An ID token that is about to be issued. A lie changes any part of it.
pub struct IdTokenDraft {
    /// The JOSE header.
    pub header: Value,
    /// The claims.
    pub claims: Value,
    /// What makes the signature.
    pub signer: Signer,
    /// Instead of the JSON text of `claims`, for what a JSON value cannot express.
    pub payload: Option<String>,
    /// Instead of the JSON text of `header`.
    pub protected: Option<String>,
    /// Instead of everything above.
    pub compact: Option<String>,
}

/// What makes a signature. The header's `alg` is not consulted: whether they agree is a test's business.
pub enum Signer {
    /// RS256, ES256, ES512 or `EdDSA` with a key.
    Key(SigningKey),
    /// PS256 with an RSA key.
    Pss(SigningKey),
    /// HS256 with a secret.
    Hs256(Vec<u8>),
    /// These bytes.
    Bytes(Vec<u8>),
}

impl IdTokenDraft {
    pub(super) fn new(claims: Value, key: SigningKey) -> Self {
        Self {
            header: json!({"alg": key.algorithm(), "typ": "JWT", "kid": key.kid}),
            claims,
            signer: Signer::Key(key),
            payload: None,
            protected: None,
            compact: None,
        }
    }

    /// Signs with another key, and says so in the header.
    pub fn sign_with(&mut self, key: SigningKey, alg: &str) {
        self.header["alg"] = json!(alg);
        self.header["kid"] = json!(key.kid);
        self.signer = Signer::Key(key);
    }

    /// Removes a claim.
    pub fn without(&mut self, claim: &str) {
        if let Some(claims) = self.claims.as_object_mut() {
            claims.remove(claim);
        }
    }

    /// Removes a member of the header.
    pub fn without_header(&mut self, member: &str) {
        if let Some(header) = self.header.as_object_mut() {
            header.remove(member);
        }
    }

    /// Says a claim once more, before the one that is there.
    pub fn repeats(&mut self, claim: &str, value: &Value) {
        self.payload = Some(with_first(&self.claims.to_string(), claim, value));
    }

    /// Says a member of the header once more, before the one that is there.
    pub fn repeats_in_header(&mut self, member: &str, value: &Value) {
        self.protected = Some(with_first(&self.header.to_string(), member, value));
    }

    /// The compact serialisation (RFC 7515 §7.1).
    pub fn serialise(&self) -> String {
        if let Some(compact) = &self.compact {
            return compact.clone();
        }
        let payload = self.payload.clone().unwrap_or_else(|| self.claims.to_string());
        let header = self.protected.clone().unwrap_or_else(|| self.header.to_string());
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = match &self.signer {
            Signer::Key(key) => key.sign(input.as_bytes()),
            Signer::Pss(key) => key.sign_pss(input.as_bytes()),
            Signer::Hs256(secret) => {
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes()).as_ref().to_vec()
            }
            Signer::Bytes(bytes) => bytes.clone(),
        };
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The JSON text of an object with one more member in front, which may be there already.
pub(super) fn with_first(object: &str, member: &str, value: &Value) -> String {
    format!("{{{}:{value},{}", json!(member), object.trim_start_matches('{'))
}

/// The present time as a `NumericDate`.
pub fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    i64::try_from(now.as_secs()).expect("the clock is before the end of time")
}

/// `at_hash` for an RS256 ID token (OpenID Connect Core §3.1.3.6).
pub(super) fn at_hash(access_token: &str) -> String {
    let digest = digest::digest(&digest::SHA256, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16])
}

/// The S256 challenge of a verifier (RFC 7636 §4.2).
pub(super) fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}
