//! Tokens that only the holder of a key can use (RFC 9449).
//!
//! Each session has a key of its own, made with its login and sealed into its record: every replica can use it,
//! it lives and dies with the session, and what one record loses says nothing about another. Keys of the server
//! would have to be shared and rotated, and refresh tokens of public clients do not survive that.

use authtool_contract::TokenType;
use aws_lc_rs::{
    agreement, digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;
use zeroize::ZeroizeOnDrop;

use super::{credential::AccessToken, time::UnixSeconds};

/// The longest nonce we repeat.
const MAX_NONCE_BYTES: usize = 512;

/// The private key of a session: a scalar of P-256.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ZeroizeOnDrop)]
pub struct ProofKey([u8; 32]);

/// An access token with what its use takes.
#[derive(Clone, Copy, Debug)]
pub struct HeldToken<'a> {
    /// The token.
    pub access_token: &'a AccessToken,
    /// The key it is bound to, if it is.
    pub proof_key: Option<&'a ProofKey>,
}

impl HeldToken<'_> {
    /// How it is presented.
    pub fn token_type(&self) -> TokenType {
        if self.proof_key.is_some() { TokenType::DPoP } else { TokenType::Bearer }
    }
}

/// A nonce of a server's choosing (RFC 9449 §8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// Takes what a server sent, if it is one (section 8.1: `1*NQCHAR`).
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=MAX_NONCE_BYTES).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        fits.then(|| Self(text.to_owned()))
    }
}

/// The request that a proof is for.
pub struct ProvenRequest<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its URL; query and fragment do not matter.
    pub url: &'a Url,
    /// The server's latest nonce, if it sent one.
    pub nonce: Option<&'a Nonce>,
    /// The access token that goes with it, at an API.
    pub access_token: Option<&'a AccessToken>,
}

impl ProofKey {
    /// `None` for a value that is no key: one in four thousand million.
    pub fn from_random(random: [u8; 32]) -> Option<Self> {
        let key = Self(random);
        key.pair().is_some().then_some(key)
    }

    /// The point that belongs to the scalar, uncompressed.
    fn point(&self) -> Option<agreement::PublicKey> {
        agreement::PrivateKey::from_private_key(&agreement::ECDH_P256, &self.0)
            .ok()?
            .compute_public_key()
            .ok()
    }

    fn pair(&self) -> Option<(EcdsaKeyPair, Coordinates)> {
        let point = self.point()?;
        let point = point.as_ref();
        let pair =
            EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.0, point)
                .ok()?;
        let (x, y) = point.get(1..)?.split_at_checked(32)?;
        Some((pair, Coordinates { x: URL_SAFE_NO_PAD.encode(x), y: URL_SAFE_NO_PAD.encode(y) }))
    }

    /// What names the key: `dpop_jkt` in a request, `cnf.jkt` in a token (RFC 7638).
    pub fn thumbprint(&self) -> Option<String> {
        let (_, Coordinates { x, y }) = self.pair()?;
        Some(sha256(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#).as_bytes()))
    }

    /// A proof (section 4.2), for one request. `jti` is fresh each time.
    pub fn proof(&self, request: &ProvenRequest<'_>, jti: [u8; 32], now: UnixSeconds) -> Option<String> {
        let (pair, Coordinates { x, y }) = self.pair()?;
        let header = json!({
            "typ": "dpop+jwt",
            "alg": "ES256",
            "jwk": {"kty": "EC", "crv": "P-256", "x": x, "y": y},
        });
        let mut url = request.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        let mut claims = json!({
            "jti": URL_SAFE_NO_PAD.encode(jti),
            "htm": request.method,
            "htu": url.as_str(),
            "iat": now.get(),
        });
        if let Some(claims) = claims.as_object_mut() {
            if let Some(Nonce(nonce)) = request.nonce {
                claims.insert("nonce".to_owned(), nonce.as_str().into());
            }
            if let Some(token) = request.access_token {
                claims.insert("ath".to_owned(), sha256(token.expose().as_bytes()).into());
            }
        }
        let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).ok()?;
        Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Whether a token can be ours: one that names another key is not. A token that is no JWT, or names no key,
    /// is for the API to judge.
    pub fn may_hold(&self, token: &AccessToken) -> bool {
        let named = || {
            let payload = URL_SAFE_NO_PAD.decode(token.expose().split('.').nth(1)?).ok()?;
            let payload: Value = serde_json::from_slice(&payload).ok()?;
            payload.get("cnf")?.get("jkt").cloned()
        };
        match named() {
            None => true,
            Some(named) => self.thumbprint().is_some_and(|ours| named == ours),
        }
    }
}

impl std::fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProofKey(…)")
    }
}

struct Coordinates {
    x: String,
    y: String,
}

fn sha256(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000);

    fn key(seed: u8) -> ProofKey {
        ProofKey::from_random([seed; 32]).unwrap()
    }

    fn part(jwt: &str, index: usize) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jwt.split('.').nth(index).unwrap()).unwrap()).unwrap()
    }

    fn proof(nonce: Option<&Nonce>, token: Option<&AccessToken>, jti: u8) -> String {
        let url = "https://op.example/token?a=b#c".parse().unwrap();
        let request = ProvenRequest { method: "POST", url: &url, nonce, access_token: token };
        key(7).proof(&request, [jti; 32], NOW).unwrap()
    }

    #[test]
    fn sec_194_a_proof_names_its_request_and_verifies_with_its_own_key() {
        let jwt = proof(None, None, 1);
        let (header, claims) = (part(&jwt, 0), part(&jwt, 1));
        assert_eq!((&header["typ"], &header["alg"]), (&json!("dpop+jwt"), &json!("ES256")));
        assert!(header["jwk"].get("d").is_none(), "{header}");
        assert_eq!(claims["htm"], "POST");
        assert_eq!(claims["htu"], "https://op.example/token");
        assert_eq!(claims["iat"], NOW.get());
        assert!(claims.get("nonce").is_none() && claims.get("ath").is_none(), "{claims}");
        let (message, signature) = jwt.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key(7).point().unwrap().as_ref())
            .verify(message.as_bytes(), &signature)
            .unwrap();
    }

    #[test]
    fn sec_194_a_proof_carries_the_nonce_and_the_hash_of_the_token_and_is_never_the_same() {
        let nonce = Nonce::parse("server-nonce").unwrap();
        let token = AccessToken::parse("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU").unwrap();
        let claims = part(&proof(Some(&nonce), Some(&token), 1), 1);
        assert_eq!(claims["nonce"], "server-nonce");
        // RFC 9449 §7.1.
        assert_eq!(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
        assert_ne!(claims["jti"], part(&proof(None, None, 2), 1)["jti"]);
    }

    #[test]
    fn sec_194_a_token_that_names_another_key_is_not_ours() {
        let token = |payload: Value| {
            let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
            AccessToken::parse(format!("e30.{payload}.x")).unwrap()
        };
        assert!(key(7).may_hold(&AccessToken::parse("opaque").unwrap()));
        assert!(key(7).may_hold(&token(json!({"sub": "ada"}))));
        assert!(key(7).may_hold(&token(json!({"cnf": {"jkt": key(7).thumbprint()}}))));
        for other in [json!(key(8).thumbprint()), json!(""), json!(7), json!(null)] {
            assert!(!key(7).may_hold(&token(json!({"cnf": {"jkt": other}}))), "{other}");
        }
    }

    #[test]
    fn a_nonce_is_short_and_printable() {
        assert!(Nonce::parse("eyJ7S_zG.eyJH0-Z.HX4w-7v").is_some());
        for bad in ["", "a b", "a\"b", "a\\b", "a\r\nb", "é", &"x".repeat(513)] {
            assert_eq!(Nonce::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_value_outside_the_group_is_no_key_and_a_key_is_not_printed() {
        assert!(ProofKey::from_random([0; 32]).is_none());
        assert!(ProofKey::from_random([0xff; 32]).is_none());
        assert_eq!(format!("{:?}", key(7)), "ProofKey(…)");
    }
}
