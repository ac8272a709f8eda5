//! The provider's keys, and an attacker's.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

/// Generating an RSA key takes a noticeable part of a second: once per process is enough.
static PROVIDER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::rsa("provider-1"));
static NEXT: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::rsa("provider-2"));
static ATTACKER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::rsa("attacker-1"));
static ELLIPTIC: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::p256("elliptic-1"));
static SHORT: LazyLock<SigningKey> = LazyLock::new(SigningKey::with_a_short_coordinate);
static EDWARDS: LazyLock<SigningKey> = LazyLock::new(|| SigningKey {
    kid: "edwards-1".to_owned(),
    pair: Arc::new(Pair::Ed25519(Ed25519KeyPair::generate().expect("an Ed25519 key can be generated"))),
});
static P521: LazyLock<SigningKey> = LazyLock::new(|| SigningKey {
    kid: "p521-1".to_owned(),
    pair: Arc::new(Pair::P521(
        EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).expect("a P-521 key can be generated"),
    )),
});

/// A key pair with its `kid`. Clones are cheap.
#[derive(Clone)]
pub struct SigningKey {
    /// The key id under which it is published.
    pub kid: String,
    pair: Arc<Pair>,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P521(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// The key in the provider's JWKS.
    pub fn provider() -> Self {
        PROVIDER.clone()
    }

    /// The key that the provider rotates to.
    pub fn next() -> Self {
        NEXT.clone()
    }

    /// A key that the provider never published.
    pub fn attacker() -> Self {
        ATTACKER.clone()
    }

    /// A P-256 key, published only when a lie adds it.
    pub fn elliptic() -> Self {
        ELLIPTIC.clone()
    }

    /// A P-256 key of which a coordinate begins with a zero byte.
    pub fn short() -> Self {
        SHORT.clone()
    }

    /// A P-521 key.
    pub fn p521() -> Self {
        P521.clone()
    }

    /// An Ed25519 key.
    pub fn edwards() -> Self {
        EDWARDS.clone()
    }

    /// One key in 128.
    fn with_a_short_coordinate() -> Self {
        loop {
            let key = Self::p256("short-1");
            let jwk = key.jwk();
            if ["x", "y"].iter().any(|member| octets(&jwk[member])[0] == 0) {
                return key;
            }
        }
    }

    fn rsa(kid: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key can be generated");
        Self { kid: kid.to_owned(), pair: Arc::new(Pair::Rsa(pair)) }
    }

    fn p256(kid: &str) -> Self {
        let pair =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a P-256 key can be generated");
        Self { kid: kid.to_owned(), pair: Arc::new(Pair::P256(pair)) }
    }

    /// Signs with PS256, where the key can.
    ///
    /// # Panics
    /// When this is no RSA key.
    pub fn sign_pss(&self, message: &[u8]) -> Vec<u8> {
        let Pair::Rsa(pair) = self.pair.as_ref() else { panic!("{} is not an RSA key", self.kid) };
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), message, &mut signature).expect("RSA signs");
        signature
    }

    /// Signs with RS256, ES256, ES512 or EdDSA, as the key is.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self.pair.as_ref() {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("RSA signs");
                signature
            }
            Pair::P256(pair) | Pair::P521(pair) => {
                pair.sign(&random, message).expect("ECDSA signs").as_ref().to_vec()
            }
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// The RSA modulus, big endian.
    ///
    /// # Panics
    /// When this is no RSA key.
    pub fn modulus(&self) -> Vec<u8> {
        let Pair::Rsa(pair) = self.pair.as_ref() else { panic!("{} is not an RSA key", self.kid) };
        PublicKeyComponents::<Vec<u8>>::from(pair.public_key()).n
    }

    /// The public key as a PEM file, byte for byte as an operator would download it.
    ///
    /// # Panics
    /// When this is no RSA key.
    pub fn public_pem(&self) -> String {
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        let Pair::Rsa(pair) = self.pair.as_ref() else { panic!("{} is not an RSA key", self.kid) };
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a public key has a DER form");
        let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
        let lines: Vec<_> = text
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).expect("base64 is ASCII"))
            .collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// The public key as a JWK (RFC 7517).
    pub fn jwk(&self) -> Value {
        match self.pair.as_ref() {
            Pair::Rsa(pair) => {
                let key = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({
                    "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid,
                    "n": URL_SAFE_NO_PAD.encode(key.n), "e": URL_SAFE_NO_PAD.encode(key.e),
                })
            }
            Pair::P256(pair) => self.point(pair, "P-256", "ES256"),
            Pair::P521(pair) => self.point(pair, "P-521", "ES512"),
            Pair::Ed25519(pair) => json!({
                "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid,
                "x": URL_SAFE_NO_PAD.encode(pair.public_key()),
            }),
        }
    }

    fn point(&self, pair: &EcdsaKeyPair, crv: &str, alg: &str) -> Value {
        // Uncompressed: a byte that says so, then x and y.
        let point = &pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        json!({
            "kty": "EC", "crv": crv, "use": "sig", "alg": alg, "kid": self.kid,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }
}

/// What a member of a key stands for.
pub fn octets(member: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(member.as_str().expect("a member is text")).expect("our keys are base64url")
}
