//! Keys as JSON (RFC 7517, RFC 7518 §6, RFC 8037 §2): the provider's public ones, and our own private ones.
//!
//! They are normalised here, and nowhere else. Providers write them in more ways than the RFCs allow; what such a key
//! means is clear all the same. An attacker gains nothing from any of these: the key comes from the provider's `jwks_uri`
//! over TLS (or from our own configuration), it is the same number in either form, and it is checked after that.
//!
//! | what is accepted | met at |
//! |---|---|
//! | leading zero bytes of an RSA modulus, exponent or prime | libraries that write a signed big integer |
//! | a coordinate shorter than its curve (RFC 7518 §6.2.1.2 wants all octets) | libraries that drop leading zeros: one key in 128 |
//! | a coordinate with leading zero bytes too many | libraries that write a signed big integer |
//! | names of kinds, curves, uses, operations and algorithms in another case; empty members; a `kid` that is a number | hand-written key sets |
//! | base64 with padding, of the standard alphabet, broken into lines, with stray bits at its end | libraries without base64url |
//!
//! What is not: anything that changes the number. A longer coordinate whose first bytes are not zero is refused, and so is
//! a point that is not on its curve.

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
        ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING, ED25519,
        EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    },
};
use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::signing_key::SigningAlgorithm;

/// Reads base64url leniently.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The RSA keys that are accepted, in bits. Shorter ones are weak; longer ones cost more than a login may.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// An exponent has at most this many bytes.
const MAX_EXPONENT_BYTES: usize = 4;

/// Why a key cannot be used. Names no value of a private key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnusableKey {
    #[error("it is not a JSON object")]
    NotAnObject,
    #[error("its `{0}` is missing, or is not text")]
    Missing(&'static str),
    #[error("its `{0}` is not base64url")]
    Encoding(&'static str),
    #[error("keys of the kind {0:?} (`kty`) are not supported; RSA, EC and OKP are")]
    Kind(String),
    #[error("the curve {0:?} is not supported; P-256, P-384, P-521 and Ed25519 are")]
    Curve(String),
    #[error("its modulus has {0} bits; {min} to {max} are accepted", min = MODULUS_BITS.start(), max = MODULUS_BITS.end())]
    Modulus(usize),
    #[error("its exponent is even, less than 3, or longer than 32 bits")]
    Exponent,
    #[error("its `{0}` has {1} bytes; the curve {2} has {3}")]
    Length(&'static str, usize, &'static str, usize),
    #[error("it is not a point on its curve")]
    Point,
    #[error("it is not an RSA key")]
    Rsa,
}

/// A curve of ECDSA (RFC 7518 §6.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(super) const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    pub(super) fn signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
            Self::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
            Self::P521 => &ECDSA_P521_SHA512_FIXED_SIGNING,
        }
    }

    fn verifying(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED,
            Self::P384 => &ECDSA_P384_SHA384_FIXED,
            Self::P521 => &ECDSA_P521_SHA512_FIXED,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// The length of a coordinate, and of the private scalar.
    pub(super) const fn octets(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// One algorithm a curve (RFC 7518 §3.4).
    pub(super) const fn algorithm(self) -> SigningAlgorithm {
        match self {
            Self::P256 => SigningAlgorithm::Es256,
            Self::P384 => SigningAlgorithm::Es384,
            Self::P521 => SigningAlgorithm::Es512,
        }
    }
}

/// The members of a key, normalised as they are read.
pub(super) struct Members<'a>(pub(super) &'a Map<String, Value>);

impl Members<'_> {
    pub(super) fn text(&self, member: &'static str) -> Option<&str> {
        self.0.get(member).and_then(Value::as_str)
    }

    /// A name. An empty one counts as absent.
    pub(super) fn name(&self, member: &'static str) -> Option<&str> {
        self.text(member).filter(|it| !it.is_empty())
    }

    /// `kid`, as [`key_id`] reads it.
    pub(super) fn key_id(&self) -> Option<String> {
        self.0.get("kid").and_then(key_id)
    }

    /// Bytes that stand for themselves.
    pub(super) fn octets(&self, member: &'static str) -> Result<Zeroizing<Vec<u8>>, UnusableKey> {
        let text = self.text(member).ok_or(UnusableKey::Missing(member))?;
        let plain: Zeroizing<String> = Zeroizing::new(
            text.chars()
                .filter(|character| !character.is_ascii_whitespace())
                .map(|character| match character {
                    // The standard alphabet's names of the same two values.
                    '+' => '-',
                    '/' => '_',
                    other => other,
                })
                .collect(),
        );
        LENIENT.decode(plain.as_bytes()).map(Zeroizing::new).map_err(|_| UnusableKey::Encoding(member))
    }

    /// A number without its leading zeros (RFC 7518 §2, `Base64urlUInt`).
    pub(super) fn integer(&self, member: &'static str) -> Result<Zeroizing<Vec<u8>>, UnusableKey> {
        let octets = self.octets(member)?;
        let digits = octets.iter().position(|byte| *byte != 0).unwrap_or(octets.len());
        Ok(Zeroizing::new(octets.get(digits..).unwrap_or_default().to_vec()))
    }

    /// A number with as many octets as its curve's field has (RFC 7518 §6.2.1.2).
    pub(super) fn coordinate(
        &self,
        member: &'static str,
        curve: Curve,
    ) -> Result<Zeroizing<Vec<u8>>, UnusableKey> {
        let digits = self.integer(member)?;
        let missing = curve.octets().checked_sub(digits.len()).ok_or(UnusableKey::Length(
            member,
            digits.len(),
            curve.name(),
            curve.octets(),
        ))?;
        let mut padded = Zeroizing::new(vec![0; missing]);
        padded.extend_from_slice(&digits);
        Ok(padded)
    }

    /// The curve of an EC key.
    pub(super) fn curve(&self) -> Result<Curve, UnusableKey> {
        let name = self.name("crv").ok_or(UnusableKey::Missing("crv"))?;
        Curve::ALL
            .into_iter()
            .find(|curve| curve.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnusableKey::Curve(printable(name)))
    }

    /// An uncompressed point (SEC 1 §2.3.3): a byte that says so, then x and y.
    pub(super) fn point(&self, curve: Curve) -> Result<Vec<u8>, UnusableKey> {
        let (x, y) = (self.coordinate("x", curve)?, self.coordinate("y", curve)?);
        Ok([&[4], x.as_slice(), y.as_slice()].concat())
    }
}

/// A `kid`, in a key or in a token's header (RFC 7515 §4.1.4, RFC 7517 §4.5). A number is a name too. It only leads to a
/// key: the signature decides.
pub(super) fn key_id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|it| !it.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A public key that verifies signatures.
#[derive(Clone)]
pub(super) enum PublicKey {
    Rsa(PublicKeyComponents<Vec<u8>>),
    Ec(Curve, ParsedPublicKey),
    Ed25519(ParsedPublicKey),
}

impl PublicKey {
    /// Reads only what the key itself is: odd values in other members do not cost us the key.
    pub(super) fn read(members: &Members<'_>) -> Result<Self, UnusableKey> {
        let kind = members.name("kty").ok_or(UnusableKey::Missing("kty"))?;
        match kind.to_ascii_uppercase().as_str() {
            "RSA" => Self::rsa(members),
            "EC" => {
                let curve = members.curve()?;
                let point = members.point(curve)?;
                let key = ParsedPublicKey::new(curve.verifying(), point).map_err(|_| UnusableKey::Point)?;
                Ok(Self::Ec(curve, key))
            }
            "OKP" => {
                let name = members.name("crv").ok_or(UnusableKey::Missing("crv"))?;
                if !name.eq_ignore_ascii_case("Ed25519") {
                    return Err(UnusableKey::Curve(printable(name)));
                }
                // Bytes and not a number (RFC 8032 §5.1.2): one that is missing cannot be told.
                let x = members.octets("x")?;
                let wrong_length = UnusableKey::Length("x", x.len(), "Ed25519", 32);
                if x.len() != 32 {
                    return Err(wrong_length);
                }
                ParsedPublicKey::new(&ED25519, x).map(Self::Ed25519).map_err(|_| UnusableKey::Point)
            }
            _ => Err(UnusableKey::Kind(printable(kind))),
        }
    }

    fn rsa(members: &Members<'_>) -> Result<Self, UnusableKey> {
        let (n, e) = (members.integer("n")?, members.integer("e")?);
        let unused = n.first().map_or(0, |first| first.leading_zeros() as usize);
        let bits = (n.len() * 8).saturating_sub(unused);
        if !MODULUS_BITS.contains(&bits) {
            return Err(UnusableKey::Modulus(bits));
        }
        let odd = e.last().is_some_and(|last| last % 2 == 1);
        if !odd || e.len() > MAX_EXPONENT_BYTES || *e == [1] {
            return Err(UnusableKey::Exponent);
        }
        let key = PublicKeyComponents { n: n.to_vec(), e: e.to_vec() };
        key.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).map_err(|_| UnusableKey::Rsa)?;
        Ok(Self::Rsa(key))
    }

    /// Whether both are the same key, however it was written.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rsa(a), Self::Rsa(b)) => a.n == b.n && a.e == b.e,
            (Self::Ec(curve, a), Self::Ec(other, b)) => curve == other && a.as_ref() == b.as_ref(),
            (Self::Ed25519(a), Self::Ed25519(b)) => a.as_ref() == b.as_ref(),
            _ => false,
        }
    }

    /// Whether this is the kind of key that the algorithm needs. A key of another kind is never tried.
    pub(super) fn fits(&self, algorithm: SigningAlgorithm) -> bool {
        match self {
            Self::Rsa(_) => rsa_parameters(algorithm).is_some(),
            Self::Ec(curve, _) => curve.algorithm() == algorithm,
            Self::Ed25519(_) => algorithm == SigningAlgorithm::EdDsa,
        }
    }

    /// Whether the signature is this key's, by this algorithm.
    pub(super) fn verifies(&self, algorithm: SigningAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa(key) => {
                rsa_parameters(algorithm).is_some_and(|it| key.verify(it, message, signature).is_ok())
            }
            Self::Ec(_, key) | Self::Ed25519(key) => {
                self.fits(algorithm) && key.verify_sig(message, signature).is_ok()
            }
        }
    }

    /// In a few words, for an operator.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RSA",
            Self::Ec(curve, _) => curve.name(),
            Self::Ed25519(_) => "Ed25519",
        }
    }
}

fn rsa_parameters(algorithm: SigningAlgorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        SigningAlgorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        SigningAlgorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        SigningAlgorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        SigningAlgorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        SigningAlgorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        SigningAlgorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

/// A short, harmless rendering of a name that somebody else chose.
pub(super) fn printable(name: &str) -> String {
    name.chars().filter(char::is_ascii_graphic).take(40).collect()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rand::SystemRandom,
        rsa::KeySize,
        signature::{
            EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA512, RsaKeyPair,
        },
    };
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE as PADDED, URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;

    const MESSAGE: &[u8] = b"header.payload";

    fn read(jwk: &Value) -> Result<PublicKey, UnusableKey> {
        PublicKey::read(&Members(jwk.as_object().unwrap()))
    }

    fn with(jwk: &Value, member: &str, value: impl Into<Value>) -> Value {
        let mut jwk = jwk.clone();
        jwk[member] = value.into();
        jwk
    }

    fn zeros_and(count: usize, bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode([vec![0; count].as_slice(), bytes].concat())
    }

    /// The last of 342 characters has four bits to spare.
    fn with_stray_bits(bytes: &[u8]) -> String {
        let mut text = URL_SAFE_NO_PAD.encode(bytes);
        let next = char::from(text.pop().unwrap() as u8 + 1);
        text.push(next);
        text
    }

    /// A key with a coordinate that begins with a zero byte: one in 128.
    fn with_short_coordinates(curve: Curve) -> (EcdsaKeyPair, Vec<u8>, Vec<u8>) {
        loop {
            let pair = EcdsaKeyPair::generate(curve.signing()).unwrap();
            let point = pair.public_key().as_ref().to_vec();
            let (x, y) = point[1..].split_at(curve.octets());
            if x[0] == 0 || y[0] == 0 {
                return (pair, x.to_vec(), y.to_vec());
            }
        }
    }

    #[test]
    fn an_rsa_key_verifies_in_whichever_way_its_numbers_are_written() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let honest = json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(&n), "e": "AQAB"});
        let sign = |encoding| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(encoding, &SystemRandom::new(), MESSAGE, &mut signature).unwrap();
            signature
        };
        let (pkcs1, pss) = (sign(&RSA_PKCS1_SHA256), sign(&RSA_PSS_SHA512));
        let base64 = STANDARD.encode(&n);
        let lines: Vec<&str> =
            base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        let wrapped = lines.join("\r\n");
        for (what, jwk) in [
            ("as the RFC has it", honest.clone()),
            ("a modulus with a leading zero byte", with(&honest, "n", zeros_and(1, &n))),
            ("a modulus with several", with(&honest, "n", zeros_and(4, &n))),
            ("an exponent with leading zero bytes", with(&honest, "e", zeros_and(2, &e))),
            ("an exponent in eight bytes", with(&honest, "e", zeros_and(5, &e))),
            ("padding", with(&honest, "n", PADDED.encode(&n))),
            ("the standard alphabet", with(&honest, "n", STANDARD_NO_PAD.encode(&n))),
            ("the standard alphabet with padding", with(&honest, "n", STANDARD.encode(&n))),
            ("lines", with(&honest, "n", wrapped)),
            ("everything at once", with(&honest, "n", STANDARD.encode([&[0], n.as_slice()].concat()))),
            ("stray bits at the end", with(&honest, "n", with_stray_bits(&n))),
            ("members that are null or odd", {
                let odd = json!({"use": null, "x5c": null, "x5t": 7, "key_ops": null});
                let mut jwk = honest.clone();
                jwk.as_object_mut().unwrap().extend(odd.as_object().unwrap().clone());
                jwk
            }),
        ] {
            let key = read(&jwk).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(key.verifies(SigningAlgorithm::Rs256, MESSAGE, &pkcs1), "{what}");
            assert!(key.verifies(SigningAlgorithm::Ps512, MESSAGE, &pss), "{what}");
            // An attacker gains nothing: whatever was not signed with this key, by this algorithm, is refused as ever.
            assert!(!key.verifies(SigningAlgorithm::Rs256, b"another message", &pkcs1), "{what}");
            assert!(!key.verifies(SigningAlgorithm::Ps512, MESSAGE, &pkcs1), "{what}");
            assert!(!key.verifies(SigningAlgorithm::Es256, MESSAGE, &pkcs1), "{what}");
        }
    }

    #[test]
    fn an_ec_key_verifies_in_whichever_way_its_coordinates_are_written() {
        for curve in Curve::ALL {
            let (pair, x, y) = with_short_coordinates(curve);
            let name = curve.name();
            let signature = pair.sign(&SystemRandom::new(), MESSAGE).unwrap();
            let short = |it: &[u8]| URL_SAFE_NO_PAD.encode(&it[it.iter().position(|it| *it != 0).unwrap()..]);
            let of = |x: String, y: String| json!({"kty": "EC", "crv": name, "x": x, "y": y});
            for (what, jwk) in [
                ("as the RFC has it", of(zeros_and(0, &x), zeros_and(0, &y))),
                ("without leading zeros", of(short(&x), short(&y))),
                ("with one more", of(zeros_and(1, &x), zeros_and(1, &y))),
                ("with many more", of(zeros_and(9, &x), zeros_and(0, &y))),
                ("with padding", of(PADDED.encode(&x), PADDED.encode(&y))),
                ("in the standard alphabet", of(STANDARD.encode(&x), STANDARD_NO_PAD.encode(&y))),
            ] {
                let key = read(&jwk).unwrap_or_else(|error| panic!("{name} {what}: {error}"));
                assert!(key.verifies(curve.algorithm(), MESSAGE, signature.as_ref()), "{name} {what}");
                assert!(!key.verifies(curve.algorithm(), b"other", signature.as_ref()), "{name} {what}");
                assert!(!key.verifies(curve.algorithm(), MESSAGE, &vec![0; 2 * curve.octets()]), "r = s = 0");
            }
            // Nothing that changes the number is mended.
            let long = URL_SAFE_NO_PAD.encode([&[1], x.as_slice()].concat());
            let length = UnusableKey::Length("x", curve.octets() + 1, name, curve.octets());
            assert_eq!(read(&of(long, zeros_and(0, &y))).err(), Some(length));
            let cut = URL_SAFE_NO_PAD.encode(&y[..y.len() - 1]);
            assert_eq!(read(&of(zeros_and(0, &x), cut)).err(), Some(UnusableKey::Point));
            assert_eq!(read(&of(zeros_and(0, &y), zeros_and(0, &x))).err(), Some(UnusableKey::Point));
            assert_eq!(read(&of(String::new(), String::new())).err(), Some(UnusableKey::Point));
        }
    }

    #[test]
    fn an_ed25519_key_is_bytes_and_no_number() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let x = pair.public_key().as_ref();
        let of = |x: String| json!({"kty": "OKP", "crv": "Ed25519", "x": x});
        for x in [URL_SAFE_NO_PAD.encode(x), STANDARD.encode(x)] {
            let key = read(&of(x)).unwrap();
            assert!(key.verifies(SigningAlgorithm::EdDsa, MESSAGE, pair.sign(MESSAGE).as_ref()));
        }
        for (length, bytes) in [(31, &x[1..]), (33, &[&[0], x].concat())] {
            let refused = UnusableKey::Length("x", length, "Ed25519", 32);
            assert_eq!(read(&of(URL_SAFE_NO_PAD.encode(bytes))).err(), Some(refused));
        }
    }

    #[test]
    fn sec_135_a_key_that_cannot_be_used_says_why() {
        let rsa = |n: &[u8], e: &str| json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(n), "e": e});
        let mut odd_bits = [0xff; 256];
        odd_bits[0] = 0x7f;
        for (jwk, why) in [
            (json!({}), UnusableKey::Missing("kty")),
            (json!({"kty": 7}), UnusableKey::Missing("kty")),
            (json!({"kty": ""}), UnusableKey::Missing("kty")),
            // Any case will do for its name, and then it lacks the rest.
            (json!({"kty": "rsa"}), UnusableKey::Missing("n")),
            (json!({"kty": "RSA1"}), UnusableKey::Kind("RSA1".into())),
            (json!({"kty": "a\nb\u{1b}"}), UnusableKey::Kind("ab".into())),
            (json!({"kty": "RSA", "e": "AQAB"}), UnusableKey::Missing("n")),
            (json!({"kty": "RSA", "n": null, "e": "AQAB"}), UnusableKey::Missing("n")),
            (json!({"kty": "RSA", "n": "!!!", "e": "AQAB"}), UnusableKey::Encoding("n")),
            (json!({"kty": "RSA", "n": "A", "e": "AQAB"}), UnusableKey::Encoding("n")),
            (rsa(&[], "AQAB"), UnusableKey::Modulus(0)),
            (rsa(&[0; 256], "AQAB"), UnusableKey::Modulus(0)),
            (rsa(&[0xff; 128], "AQAB"), UnusableKey::Modulus(1024)),
            (rsa(&[[0; 128], [0xff; 128]].concat(), "AQAB"), UnusableKey::Modulus(1024)),
            (rsa(&odd_bits, "AQAB"), UnusableKey::Modulus(2047)),
            (rsa(&[0xff; 1024], "AQAB"), UnusableKey::Modulus(8192)),
            (rsa(&[0xff; 256], "AQ"), UnusableKey::Exponent),
            (rsa(&[0xff; 256], "AAAAAQ"), UnusableKey::Exponent),
            (rsa(&[0xff; 256], "AA"), UnusableKey::Exponent),
            (rsa(&[0xff; 256], ""), UnusableKey::Exponent),
            (rsa(&[0xff; 256], "AAE"), UnusableKey::Exponent),
            (rsa(&[0xff; 256], "AgAAAAE"), UnusableKey::Exponent),
            (
                json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}),
                UnusableKey::Curve("secp256k1".into()),
            ),
            (json!({"kty": "EC", "x": "AA", "y": "AA"}), UnusableKey::Missing("crv")),
            (json!({"kty": "EC", "crv": "P-256", "x": "AA"}), UnusableKey::Missing("y")),
            (json!({"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}), UnusableKey::Point),
            (json!({"kty": "OKP", "crv": "Ed448", "x": "AA"}), UnusableKey::Curve("Ed448".into())),
            (json!({"kty": "OKP", "crv": "Ed25519", "x": ""}), UnusableKey::Length("x", 0, "Ed25519", 32)),
        ] {
            assert_eq!(read(&jwk).err(), Some(why), "{jwk}");
        }
    }
}
