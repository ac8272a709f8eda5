//! Our own private keys, and what they sign: client assertions and request objects (RFC 7515, RFC 7518).

use std::fmt;

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    rsa::{KeyPairComponents, PublicKeyComponents},
    signature::{
        EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde_json::{Map, Value, json};

use super::jwk::{Curve, Members};

/// A signature algorithm with a private key (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the registry")]
pub enum SigningAlgorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

impl SigningAlgorithm {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of a registered name. `Ed25519` (RFC 9864) is the newer one of what `EdDSA` is here.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The algorithm that a published key is for, in any case. Of tokens and of configuration the name is the exact one.
    pub(super) fn of_published_key(name: &str) -> Option<Self> {
        let name = if name.eq_ignore_ascii_case("Ed25519") { "EdDSA" } else { name };
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }
}

/// Why a private key cannot sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// Neither PEM nor JWK, or of a kind that does not sign.
    #[error(
        "it is not a private key that can be used: neither PEM (PKCS#8, PKCS#1, SEC1) nor a JWK, of RSA with 2048 \
         bits or more, P-256, P-384, P-521 or Ed25519"
    )]
    NotAKey,
    /// RFC 7517 §4.2, §4.3.
    #[error("it is a JWK that is not for signatures (`use` or `key_ops`)")]
    NotForSignatures,
    /// The key is good, for another algorithm.
    #[error("it does not fit {}", .0.name())]
    OtherAlgorithm(SigningAlgorithm),
}

/// A private key with its algorithm and its name.
pub struct SigningKey {
    pair: Pair,
    algorithm: SigningAlgorithm,
    key_id: Option<String>,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair, Curve),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Reads PEM or JWK text. Without an algorithm the JWK's own counts, or the usual one of the key's kind;
    /// without a key id the JWK's own.
    pub fn parse(
        text: &str,
        algorithm: Option<SigningAlgorithm>,
        key_id: Option<String>,
    ) -> Result<Self, SigningKeyError> {
        let (pair, stated, own_id) = match serde_json::from_str::<Map<String, Value>>(text) {
            Ok(jwk) => {
                let text = |member| Members(&jwk).text(member).map(str::to_owned);
                let stated = text("alg").as_deref().and_then(SigningAlgorithm::from_name);
                (pair_from_jwk(&jwk)?, stated, text("kid"))
            }
            Err(_) => (pair_from_pem(text).ok_or(SigningKeyError::NotAKey)?, None, None),
        };
        let algorithm = algorithm.or(stated).unwrap_or_else(|| pair.usual_algorithm());
        if !pair.fits(algorithm) {
            return Err(SigningKeyError::OtherAlgorithm(algorithm));
        }
        let key = Self { pair, algorithm, key_id: key_id.or(own_id) };
        // What parses may still be unable to sign.
        key.sign(b"probe", algorithm).ok_or(SigningKeyError::NotAKey)?;
        Ok(key)
    }

    /// The algorithm of client assertions.
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// Whether it can also sign with this algorithm.
    pub fn fits(&self, algorithm: SigningAlgorithm) -> bool {
        self.pair.fits(algorithm)
    }

    /// A compact JWS over `claims` (RFC 7515 §7.1).
    pub(super) fn jwt(&self, typ: &str, algorithm: SigningAlgorithm, claims: &Value) -> Option<String> {
        let mut header = Map::new();
        header.insert("alg".to_owned(), algorithm.name().into());
        header.insert("typ".to_owned(), typ.into());
        if let Some(key_id) = &self.key_id {
            header.insert("kid".to_owned(), key_id.as_str().into());
        }
        let encode = |part: String| URL_SAFE_NO_PAD.encode(part);
        let message = format!("{}.{}", encode(Value::Object(header).to_string()), encode(claims.to_string()));
        let signature = self.sign(message.as_bytes(), algorithm)?;
        Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn sign(&self, message: &[u8], algorithm: SigningAlgorithm) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa_encoding(algorithm)?, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Pair::Ec(pair, _) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Some(pair.try_sign(message).ok()?.as_ref().to_vec()),
        }
    }

    /// The public key, to be published (RFC 7517 §4). It always has a `kid`: the configured one, or its
    /// thumbprint.
    pub fn public_jwk(&self) -> Value {
        let (mut jwk, canonical) = self.pair.public();
        if let Some(jwk) = jwk.as_object_mut() {
            let key_id = self.key_id.clone().unwrap_or_else(|| {
                // RFC 7638 §3.
                URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
            });
            jwk.insert("kid".to_owned(), key_id.into());
            jwk.insert("use".to_owned(), "sig".into());
            jwk.insert("alg".to_owned(), self.algorithm.name().into());
        }
        jwk
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Pair {
    fn fits(&self, algorithm: SigningAlgorithm) -> bool {
        match self {
            Self::Rsa(_) => rsa_encoding(algorithm).is_some(),
            // One algorithm a curve (RFC 7518 §3.4).
            Self::Ec(..) | Self::Ed25519(_) => algorithm == self.usual_algorithm(),
        }
    }

    fn usual_algorithm(&self) -> SigningAlgorithm {
        match self {
            Self::Rsa(_) => SigningAlgorithm::Rs256,
            Self::Ec(_, curve) => curve.algorithm(),
            Self::Ed25519(_) => SigningAlgorithm::EdDsa,
        }
    }

    /// The public members, and the same in the form that a thumbprint is made of (RFC 7638 §3.2): the required
    /// members in order, without spaces.
    fn public(&self) -> (Value, String) {
        match self {
            Self::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                let (n, e) = (URL_SAFE_NO_PAD.encode(public.n), URL_SAFE_NO_PAD.encode(public.e));
                let canonical = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
                (json!({"kty": "RSA", "n": n, "e": e}), canonical)
            }
            Self::Ec(pair, curve) => {
                // Uncompressed: a byte that says so, then x and y.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at_checked(curve.octets()).unwrap_or_default();
                let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
                let crv = curve.name();
                let canonical = format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#);
                (json!({"kty": "EC", "crv": crv, "x": x, "y": y}), canonical)
            }
            Self::Ed25519(pair) => {
                let x = URL_SAFE_NO_PAD.encode(pair.public_key());
                let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
                (json!({"kty": "OKP", "crv": "Ed25519", "x": x}), canonical)
            }
        }
    }
}

fn rsa_encoding(algorithm: SigningAlgorithm) -> Option<&'static dyn RsaEncoding> {
    Some(match algorithm {
        SigningAlgorithm::Rs256 => &RSA_PKCS1_SHA256,
        SigningAlgorithm::Rs384 => &RSA_PKCS1_SHA384,
        SigningAlgorithm::Rs512 => &RSA_PKCS1_SHA512,
        SigningAlgorithm::Ps256 => &RSA_PSS_SHA256,
        SigningAlgorithm::Ps384 => &RSA_PSS_SHA384,
        SigningAlgorithm::Ps512 => &RSA_PSS_SHA512,
        _ => return None,
    })
}

fn pair_from_pem(text: &str) -> Option<Pair> {
    match PrivateKeyDer::from_pem_slice(text.as_bytes()).ok()? {
        PrivateKeyDer::Pkcs1(der) => {
            let pair = RsaKeyPair::from_der(der.secret_pkcs1_der()).ok()?;
            Some(Pair::Rsa(Box::new(pair)))
        }
        PrivateKeyDer::Sec1(der) => ec_pair(der.secret_sec1_der()),
        PrivateKeyDer::Pkcs8(der) => {
            let der = der.secret_pkcs8_der();
            let rsa = || RsaKeyPair::from_pkcs8(der).ok().map(|pair| Pair::Rsa(Box::new(pair)));
            let ed25519 = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(Pair::Ed25519);
            rsa().or_else(|| ec_pair(der)).or_else(ed25519)
        }
        _ => None,
    }
}

fn ec_pair(der: &[u8]) -> Option<Pair> {
    Curve::ALL.into_iter().find_map(|curve| {
        let pair = EcdsaKeyPair::from_private_key_der(curve.signing(), der).ok()?;
        Some(Pair::Ec(pair, curve))
    })
}

/// The key of a private JWK (RFC 7518 §6, RFC 8037 §2).
fn pair_from_jwk(jwk: &Map<String, Value>) -> Result<Pair, SigningKeyError> {
    let members = Members(jwk);
    let operations = jwk.get("key_ops").and_then(Value::as_array);
    let signs = members.text("use").is_none_or(|it| it == "sig")
        && operations.is_none_or(|list| list.iter().any(|it| it == "sign"));
    if !signs {
        return Err(SigningKeyError::NotForSignatures);
    }
    match members.text("kty") {
        Some("RSA") => rsa_pair(&members),
        Some("EC") => ec_pair_from_members(&members),
        Some("OKP") if members.text("crv") == Some("Ed25519") => ed25519_pair(&members),
        _ => None,
    }
    .ok_or(SigningKeyError::NotAKey)
}

fn rsa_pair(members: &Members<'_>) -> Option<Pair> {
    let number = |member| members.integer(member).ok();
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n: number("n")?, e: number("e")? },
        d: number("d")?,
        p: number("p")?,
        q: number("q")?,
        dP: number("dp")?,
        dQ: number("dq")?,
        qInv: number("qi")?,
    };
    Some(Pair::Rsa(Box::new(RsaKeyPair::from_components(&components).ok()?)))
}

fn ec_pair_from_members(members: &Members<'_>) -> Option<Pair> {
    let curve = members.curve().ok()?;
    let (point, d) = (members.point(curve).ok()?, members.coordinate("d", curve).ok()?);
    let pair = EcdsaKeyPair::from_private_key_and_public_key(curve.signing(), &d, &point).ok()?;
    Some(Pair::Ec(pair, curve))
}

fn ed25519_pair(members: &Members<'_>) -> Option<Pair> {
    let (d, x) = (members.octets("d").ok()?, members.octets("x").ok()?);
    Some(Pair::Ed25519(Ed25519KeyPair::from_seed_and_public_key(&d, &x).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::{
        encoding::AsDer as _,
        rsa::KeySize,
        signature::{
            ECDSA_P256_SHA256_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, RSA_PSS_2048_8192_SHA256,
            UnparsedPublicKey, VerificationAlgorithm,
        },
    };
    use base64::engine::general_purpose::STANDARD;

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    fn ec(curve: Curve) -> EcdsaKeyPair {
        EcdsaKeyPair::generate(curve.signing()).unwrap()
    }

    #[track_caller]
    fn verifies(key: &SigningKey, algorithm: &'static dyn VerificationAlgorithm, public: &[u8]) {
        let jwt = key.jwt("JWT", key.algorithm(), &json!({"a": 1})).unwrap();
        let (message, signature) = jwt.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(algorithm, public).verify(message.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn pem_keys_of_every_kind_sign_with_the_algorithm_that_fits() {
        for (curve, name) in [(Curve::P256, "ES256"), (Curve::P384, "ES384"), (Curve::P521, "ES512")] {
            let text = pem("PRIVATE KEY", ec(curve).to_pkcs8v1().unwrap().as_ref());
            let key = SigningKey::parse(&text, None, None).unwrap();
            assert_eq!(key.algorithm().name(), name);
        }
        let pair = ec(Curve::P521);
        let text = pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref());
        let key = SigningKey::parse(&text, Some(SigningAlgorithm::Es512), None).unwrap();
        verifies(&key, &ECDSA_P521_SHA512_FIXED, pair.public_key().as_ref());

        let pair = Ed25519KeyPair::generate().unwrap();
        let key = SigningKey::parse(&pem("PRIVATE KEY", pair.to_pkcs8().unwrap().as_ref()), None, None);
        verifies(&key.unwrap(), &ED25519, pair.public_key().as_ref());

        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let text = pem("PRIVATE KEY", pair.as_der().unwrap().as_ref());
        let key = SigningKey::parse(&text, Some(SigningAlgorithm::Ps256), None).unwrap();
        verifies(&key, &RSA_PSS_2048_8192_SHA256, pair.public_key().as_ref());
    }

    #[test]
    fn a_private_jwk_brings_its_own_algorithm_and_key_id() {
        let pair = ec(Curve::P256);
        let public = pair.public_key().as_ref().to_vec();
        let scalar: aws_lc_rs::encoding::EcPrivateKeyBin<'_> =
            aws_lc_rs::encoding::AsBigEndian::as_be_bytes(&pair.private_key()).unwrap();
        let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        let mut jwk = json!({
            "kty": "EC", "crv": "P-256", "kid": "of-the-jwk", "alg": "ES256", "use": "sig",
            "x": encode(&public[1..33]), "y": encode(&public[33..]), "d": encode(scalar.as_ref()),
        });
        let key = SigningKey::parse(&jwk.to_string(), None, None).unwrap();
        verifies(&key, &ECDSA_P256_SHA256_FIXED, &public);
        assert_eq!(key.public_jwk()["kid"], "of-the-jwk");
        let configured = SigningKey::parse(&jwk.to_string(), None, Some("configured".into())).unwrap();
        assert_eq!(configured.public_jwk()["kid"], "configured");

        jwk["use"] = json!("enc");
        let refusal = SigningKey::parse(&jwk.to_string(), None, None).unwrap_err();
        assert_eq!(refusal, SigningKeyError::NotForSignatures);
        jwk["use"] = json!("sig");
        jwk["x"] = json!(encode(&[7; 32]));
        assert_eq!(
            SigningKey::parse(&jwk.to_string(), None, None).unwrap_err(),
            SigningKeyError::NotAKey,
            "the public half is not the private half's"
        );
    }

    type Writing<'a> = (&'a str, &'a dyn Fn(&[u8]) -> String);

    /// An attacker gains nothing: it is our own key, and the pair has to fit together as ever.
    #[test]
    fn a_private_jwk_may_be_written_in_as_many_ways_as_a_public_one() {
        let (public, scalar) = loop {
            let pair = ec(Curve::P256);
            let public = pair.public_key().as_ref()[1..].to_vec();
            let scalar: aws_lc_rs::encoding::EcPrivateKeyBin<'_> =
                aws_lc_rs::encoding::AsBigEndian::as_be_bytes(&pair.private_key()).unwrap();
            // One in 128 has a short coordinate.
            if public[0] == 0 || public[32] == 0 {
                break (public, scalar.as_ref().to_vec());
            }
        };
        let (x, y) = public.split_at(32);
        let trimmed = |it: &[u8]| -> Vec<u8> { it.iter().copied().skip_while(|byte| *byte == 0).collect() };
        let as_written: [Writing<'_>; 4] = [
            ("as the RFC has it", &|it| URL_SAFE_NO_PAD.encode(it)),
            ("without leading zeros", &|it| URL_SAFE_NO_PAD.encode(trimmed(it))),
            ("as signed numbers", &|it| URL_SAFE_NO_PAD.encode([&[0], it].concat())),
            ("in the standard alphabet, with padding", &|it| STANDARD.encode(it)),
        ];
        for (what, write) in as_written {
            let jwk = json!({"kty": "EC", "crv": "P-256", "x": write(x), "y": write(y), "d": write(&scalar)});
            let key = SigningKey::parse(&jwk.to_string(), None, None);
            let key = key.unwrap_or_else(|error| panic!("{what}: {error}"));
            verifies(&key, &ECDSA_P256_SHA256_FIXED, &[&[4], public.as_slice()].concat());
            // What is published is as the RFC has it.
            assert_eq!(key.public_jwk()["x"], URL_SAFE_NO_PAD.encode(x), "{what}");
        }
    }

    #[test]
    fn sec_063_a_published_key_has_public_members_only_and_its_thumbprint_as_name() {
        // RFC 8037 appendix A.1 to A.3.
        let jwk = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let key = SigningKey::parse(jwk, None, None).unwrap();
        assert_eq!(
            key.public_jwk(),
            json!({
                "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "use": "sig", "alg": "EdDSA",
            })
        );
        assert!(!format!("{key:?}").contains("nWGx"));
    }

    #[test]
    fn a_key_that_does_not_fit_is_refused_with_the_reason() {
        let text = pem("PRIVATE KEY", ec(Curve::P256).to_pkcs8v1().unwrap().as_ref());
        for algorithm in [SigningAlgorithm::Es384, SigningAlgorithm::Rs256, SigningAlgorithm::EdDsa] {
            assert_eq!(
                SigningKey::parse(&text, Some(algorithm), None).unwrap_err(),
                SigningKeyError::OtherAlgorithm(algorithm)
            );
        }
        for nothing in
            ["", "not a key", "{}", r#"{"kty":"oct","k":"AAAA"}"#, "-----BEGIN PRIVATE KEY-----\nAAAA"]
        {
            assert_eq!(
                SigningKey::parse(nothing, None, None).unwrap_err(),
                SigningKeyError::NotAKey,
                "{nothing}"
            );
        }
    }
}
