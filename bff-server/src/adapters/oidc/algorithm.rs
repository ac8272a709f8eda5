//! The algorithms of signatures on tokens (RFC 7518 §3.1, RFC 8037 §3.1).

use std::{fmt, str::FromStr};

use aws_lc_rs::hmac;

use super::signing_key::SigningAlgorithm;
use crate::domain::metadata::ProviderMetadata;

/// A signature algorithm whose key is a shared secret (RFC 7518 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the registry")]
pub enum HmacAlgorithm {
    Hs256,
    Hs384,
    Hs512,
}

impl HmacAlgorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hs256, Self::Hs384, Self::Hs512];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    pub(super) fn key(self, secret: &[u8]) -> hmac::Key {
        let algorithm = match self {
            Self::Hs256 => hmac::HMAC_SHA256,
            Self::Hs384 => hmac::HMAC_SHA384,
            Self::Hs512 => hmac::HMAC_SHA512,
        };
        hmac::Key::new(algorithm, secret)
    }
}

/// The signature algorithm of an ID token. There is no value for `none`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// With a key pair of the provider's.
    KeyPair(SigningAlgorithm),
    /// With the client's secret (OpenID Connect Core 1.0 §10.1).
    Secret(HmacAlgorithm),
}

impl Algorithm {
    /// The default of OpenID Connect (Core 1.0 §2).
    pub const RS256: Self = Self::KeyPair(SigningAlgorithm::Rs256);

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeyPair(algorithm) => algorithm.name(),
            Self::Secret(algorithm) => algorithm.name(),
        }
    }

    /// What to accept where configuration does not say: the asymmetric algorithms that the metadata announces, and
    /// RS256 where it announces none of them. What the metadata says can only shorten this fixed list: it never brings in
    /// `none`, or a shared secret, which a client with a `client_secret` would verify (SEC-35). The key must fit as well.
    pub(super) fn announced(metadata: &ProviderMetadata) -> Vec<Self> {
        let announced = metadata.id_token_algorithms.as_deref().unwrap_or_default();
        let mut accepted: Vec<Self> = SigningAlgorithm::ALL
            .into_iter()
            .filter(|it| announced.iter().any(|name| SigningAlgorithm::from_name(name) == Some(*it)))
            .map(Self::KeyPair)
            .collect();
        if accepted.is_empty() {
            accepted.push(Self::RS256);
        }
        accepted
    }
}

/// A name that is not registered for signatures, or not supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        let hmac = || HmacAlgorithm::ALL.into_iter().find(|it| it.name() == name).map(Self::Secret);
        SigningAlgorithm::from_name(name).map(Self::KeyPair).or_else(hmac).ok_or(UnknownAlgorithm)
    }
}

impl fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::metadata::Transport;
    use serde_json::{Map, Value, json};

    fn announced(list: Value) -> String {
        let document = json!({
            "issuer": "https://op.example",
            "authorization_endpoint": "https://op.example/a",
            "token_endpoint": "https://op.example/t",
            "id_token_signing_alg_values_supported": list,
        });
        let text = document.to_string();
        let metadata =
            ProviderMetadata::parse(text.as_bytes(), &Map::new(), "https://op.example", Transport::Encrypted);
        Algorithm::announced(&metadata.unwrap()).iter().map(|it| it.name()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn sec_035_metadata_shortens_a_fixed_list_of_asymmetric_algorithms_and_adds_nothing_to_it() {
        for (list, accepted) in [
            (json!(["ES256"]), "ES256"),
            (json!(["PS256", "RS256"]), "RS256 PS256"),
            (json!(["EdDSA"]), "EdDSA"),
            (json!(["Ed25519"]), "EdDSA"),
            (json!(["ES512", "RS512"]), "RS512 ES512"),
            // Keycloak announces all of these.
            (json!(["PS384", "RS384", "HS256", "none", "HS512", "ES256"]), "RS384 PS384 ES256"),
            // Nothing of ours is announced: as without metadata.
            (json!(["none"]), "RS256"),
            (json!(["HS256"]), "RS256"),
            (json!(["rs512", "ES256K", "RSA-OAEP", "A256GCM"]), "RS256"),
            (json!([]), "RS256"),
            (json!(null), "RS256"),
            // One name that stands alone is a list of one.
            (json!("ES256"), "ES256"),
            (json!("none"), "RS256"),
            (json!("HS256"), "RS256"),
            (json!(7), "RS256"),
            (json!([7, null, "ES384"]), "ES384"),
        ] {
            assert_eq!(announced(list.clone()), accepted, "{list}");
        }
    }

    #[test]
    fn sec_035_no_spelling_of_none_is_an_algorithm() {
        for name in ["none", "None", "NONE", "", " none", "rs256", "HS1", "ES256K"] {
            assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm), "{name}");
        }
        for name in ["RS256", "PS512", "ES512", "EdDSA", "HS384"] {
            assert_eq!(name.parse::<Algorithm>().unwrap().name(), name);
        }
    }
}
