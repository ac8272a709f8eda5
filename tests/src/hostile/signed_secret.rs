//! A client secret that is a JWT, signed by the client's team with ES256, as Apple wants it.

use super::id_token::now;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::sync::Arc;

/// Apple's longest lifetime, in seconds.
const LONGEST: i64 = 15_777_000;

/// A developer team, with the key that it downloaded.
#[derive(Clone)]
pub struct Team {
    pair: Arc<EcdsaKeyPair>,
}

impl Default for Team {
    fn default() -> Self {
        Self::new()
    }
}

impl Team {
    /// The team's id.
    pub const ID: &'static str = "TEAM123456";

    /// The id of its key.
    pub const KEY_ID: &'static str = "KEY1234567";

    /// With a fresh key.
    pub fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key can be generated");
        Self { pair: Arc::new(pair) }
    }

    /// `client.credentials` of a configuration.
    pub fn credentials(&self) -> Value {
        let der = self.pair.to_pkcs8v1().expect("a key can be exported");
        let base64 = STANDARD.encode(der.as_ref());
        json!({
            "teamId": Self::ID,
            "kid": Self::KEY_ID,
            "privateKey": format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n"),
        })
    }

    /// Whether a client secret is good now.
    pub(super) fn made(&self, secret: &str, client_id: &str, issuer: &str) -> bool {
        let check = || {
            let (message, signature) = secret.rsplit_once('.')?;
            let (header, claims) = message.split_once('.')?;
            let json = |part: &str| -> Option<Value> {
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
            };
            let (header, claims) = (json(header)?, json(claims)?);
            let public = self.pair.public_key().as_ref();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public)
                .verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?)
                .ok()?;
            let left = claims["exp"].as_i64()? - now();
            let good = header["alg"] == "ES256"
                && header["kid"] == Self::KEY_ID
                && claims["iss"] == Self::ID
                && claims["sub"] == client_id
                && claims["aud"] == issuer
                && (1..=LONGEST).contains(&left)
                && claims["iat"].as_i64()? <= now();
            Some(good)
        };
        check() == Some(true)
    }
}
