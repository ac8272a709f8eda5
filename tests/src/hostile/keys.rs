//! The provider's keys, and an attacker's.

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

/// Generating an RSA key takes a noticeable part of a second: once per process is enough.
static PROVIDER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::rsa("provider-1"));
static NEXT: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::rsa("provider-2"));
static ATTACKER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::rsa("attacker-1"));
static ELLIPTIC: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::p256("elliptic-1"));
static SHORT: LazyLock<SigningKey> = LazyLock::new(SigningKey::search_for_a_short_coordinate);

/// A key pair with its `kid`. Clones are cheap.
#[derive(Clone)]
pub struct SigningKey {
    /// The key id under which it is published.
    pub kid: String,
    pair: Arc<Pair>,
    spelling: Spelling,
}

/// How the numbers of a public key are written.
#[derive(Clone, Copy, Default)]
struct Spelling {
    /// Zero bytes in front of EC coordinates are left out (RFC 7518 §6.2.1.2 asks for them).
    short_coordinates: bool,
    /// One stands in front of the modulus (RFC 7518 §6.3.1.1 forbids it).
    leading_zero: bool,
    /// The modulus ends in `=` (RFC 7515 §2 forbids it).
    padded: bool,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
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

    /// A P-256 key, one of whose coordinates takes less than 32 bytes, and is written in less.
    pub fn with_a_short_coordinate() -> Self {
        SHORT.clone()
    }

    /// The same RSA key, written in another way.
    #[must_use]
    pub fn spelled(mut self, leading_zero: bool, padded: bool) -> Self {
        self.spelling = Spelling { leading_zero, padded, ..self.spelling };
        self
    }

    /// The `alg` that it signs with.
    pub fn algorithm(&self) -> &'static str {
        match self.pair.as_ref() {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
        }
    }

    /// One key in 128 has one.
    fn search_for_a_short_coordinate() -> Self {
        loop {
            let key = Self::p256("short-1");
            let Pair::P256(pair) = key.pair.as_ref() else { continue };
            let (x, y) = coordinates(pair);
            if x[0] == 0 || y[0] == 0 {
                let spelling = Spelling { short_coordinates: true, ..Spelling::default() };
                return Self { spelling, ..key };
            }
        }
    }

    fn rsa(kid: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key can be generated");
        Self { kid: kid.to_owned(), pair: Arc::new(Pair::Rsa(pair)), spelling: Spelling::default() }
    }

    fn p256(kid: &str) -> Self {
        let pair =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a P-256 key can be generated");
        Self { kid: kid.to_owned(), pair: Arc::new(Pair::P256(pair)), spelling: Spelling::default() }
    }

    /// Signs with RS256 or ES256, as the key is.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self.pair.as_ref() {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("RSA signs");
                signature
            }
            Pair::P256(pair) => pair.sign(&random, message).expect("ECDSA signs").as_ref().to_vec(),
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
                let mut modulus = key.n;
                if self.spelling.leading_zero {
                    modulus.insert(0, 0);
                }
                let modulus = if self.spelling.padded {
                    URL_SAFE.encode(modulus)
                } else {
                    URL_SAFE_NO_PAD.encode(modulus)
                };
                json!({
                    "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid,
                    "n": modulus, "e": URL_SAFE_NO_PAD.encode(key.e),
                })
            }
            Pair::P256(pair) => {
                let (x, y) = coordinates(pair);
                let written = |coordinate: &[u8]| {
                    let zeros = coordinate.iter().take_while(|byte| **byte == 0).count();
                    let left_out = if self.spelling.short_coordinates { zeros } else { 0 };
                    URL_SAFE_NO_PAD.encode(&coordinate[left_out..])
                };
                json!({
                    "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
                    "x": written(&x), "y": written(&y),
                })
            }
        }
    }
}

fn coordinates(pair: &EcdsaKeyPair) -> (Vec<u8>, Vec<u8>) {
    let point: aws_lc_rs::encoding::EcPublicKeyUncompressedBin<'_> =
        pair.public_key().as_be_bytes().expect("a public key is a point");
    let (x, y) = point.as_ref()[1..].split_at(32);
    (x.to_vec(), y.to_vec())
}
