//! How a client proves who it is at the token and revocation endpoints (RFC 6749 §2.3,
//! OpenID Connect Core 1.0 §9, RFC 7523).

use std::{fmt, sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::HeaderValue;
use serde_json::{Value, json};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{
    algorithm::HmacAlgorithm,
    signing_key::{SigningAlgorithm, SigningKey},
};
use crate::{
    domain::{metadata::ProviderMetadata, time::UnixSeconds},
    ports::{Entropy, ProviderError},
};

/// How long an assertion is valid.
const ASSERTION_LIFETIME: Duration = Duration::from_mins(1);

/// How long Apple's client secret is valid. Apple takes six months; one that is made for each request needs no more than
/// the clocks may differ.
const SIGNED_SECRET_LIFETIME: Duration = Duration::from_mins(5);

/// RFC 7518 §3.2: an HMAC key is at least as long as the hash.
pub const MIN_HMAC_SECRET_BYTES: usize = 32;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The registered names (`token_endpoint_auth_method`, RFC 7591 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationMethod {
    /// HTTP Basic with form-encoded parts.
    ClientSecretBasic,
    /// The secret in the form.
    ClientSecretPost,
    /// A JWT signed with the secret.
    ClientSecretJwt,
    /// A JWT signed with a private key.
    PrivateKeyJwt,
    /// No authentication: PKCE alone protects the code.
    None,
}

impl AuthenticationMethod {
    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }
}

/// What a client knows that others do not.
#[derive(Clone)]
pub enum ClientCredentials {
    /// Nothing: a public client (RFC 6749 §2.1).
    Public,
    /// A shared secret.
    Secret(Zeroizing<String>),
    /// A private key.
    PrivateKey(Arc<SigningKey>),
    /// Apple's: the client secret is a JWT that a key of the developer's team signs with ES256.
    SignedSecret {
        /// The key, with its id at Apple.
        key: Arc<SigningKey>,
        /// The team.
        team_id: String,
    },
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "Public",
            Self::Secret(_) => "Secret(…)",
            Self::PrivateKey(_) => "PrivateKey(…)",
            Self::SignedSecret { .. } => "SignedSecret(…)",
        })
    }
}

/// A client's credentials and how to use them.
#[derive(Clone, Debug)]
pub struct ClientAuthentication {
    /// What it knows.
    pub credentials: ClientCredentials,
    /// `preferredTokenEndpointAuthMethod`; otherwise the first that the provider takes.
    pub preferred: Option<AuthenticationMethod>,
    /// The algorithm of `client_secret_jwt`.
    pub secret_algorithm: HmacAlgorithm,
}

/// What to send.
pub(super) struct AuthenticatedForm {
    pub(super) body: String,
    pub(super) authorization: Option<HeaderValue>,
}

impl ClientAuthentication {
    /// The secret that is shared with the provider, if there is one.
    pub(super) fn secret(&self) -> Option<&str> {
        match &self.credentials {
            ClientCredentials::Secret(secret) => Some(secret),
            _ => None,
        }
    }

    /// The secret as a key for ID tokens with an HS algorithm.
    pub(super) fn secret_as_verification_key(&self) -> Option<&[u8]> {
        match &self.credentials {
            ClientCredentials::Secret(secret) if secret.len() >= MIN_HMAC_SECRET_BYTES => {
                Some(secret.as_bytes())
            }
            _ => None,
        }
    }

    /// The method for this provider.
    pub(super) fn method(&self, metadata: &ProviderMetadata) -> AuthenticationMethod {
        if let Some(preferred) = self.preferred {
            return preferred;
        }
        match self.credentials {
            ClientCredentials::Public => return AuthenticationMethod::None,
            ClientCredentials::PrivateKey(_) => return AuthenticationMethod::PrivateKeyJwt,
            ClientCredentials::SignedSecret { .. } => return AuthenticationMethod::ClientSecretPost,
            ClientCredentials::Secret(_) => {}
        }
        let supported = metadata.token_endpoint_auth_methods.as_deref().unwrap_or_default();
        [
            AuthenticationMethod::ClientSecretBasic,
            AuthenticationMethod::ClientSecretPost,
            AuthenticationMethod::ClientSecretJwt,
        ]
        .into_iter()
        .find(|method| supported.iter().any(|it| it == method.name()))
        .unwrap_or(AuthenticationMethod::ClientSecretBasic)
    }

    /// Adds the client's proof to a form.
    pub(super) fn authenticate(
        &self,
        client_id: &str,
        metadata: &ProviderMetadata,
        parameters: &[(&str, &str)],
        now: UnixSeconds,
        entropy: &dyn Entropy,
    ) -> Result<AuthenticatedForm, ProviderError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(parameters);
        // An authorization request has it in any case.
        let named = parameters.iter().any(|(name, _)| *name == "client_id");
        let mut authorization = None;
        match (self.method(metadata), &self.credentials) {
            (AuthenticationMethod::ClientSecretBasic, ClientCredentials::Secret(secret)) => {
                authorization = Some(basic(client_id, secret)?);
            }
            (AuthenticationMethod::ClientSecretPost, ClientCredentials::Secret(secret)) => {
                if !named {
                    form.append_pair("client_id", client_id);
                }
                form.append_pair("client_secret", secret);
            }
            (AuthenticationMethod::ClientSecretPost, ClientCredentials::SignedSecret { key, team_id }) => {
                if !named {
                    form.append_pair("client_id", client_id);
                }
                form.append_pair("client_secret", &signed_secret(key, team_id, client_id, metadata, now)?);
            }
            (AuthenticationMethod::ClientSecretJwt, ClientCredentials::Secret(secret)) => {
                let claims = assertion_claims(client_id, &metadata.issuer, now, entropy)?;
                append_assertion(&mut form, Some(hmac_jwt(secret, self.secret_algorithm, &claims)))?;
            }
            (AuthenticationMethod::PrivateKeyJwt, ClientCredentials::PrivateKey(key)) => {
                let claims = assertion_claims(client_id, &metadata.issuer, now, entropy)?;
                append_assertion(&mut form, key.jwt("JWT", key.algorithm(), &claims))?;
            }
            (AuthenticationMethod::None, _) => {
                if !named {
                    form.append_pair("client_id", client_id);
                }
            }
            // Configuration refuses these pairs.
            (method, credentials) => {
                return Err(ProviderError::new(format!(
                    "{} does not go with {credentials:?}",
                    method.name()
                )));
            }
        }
        Ok(AuthenticatedForm { body: form.finish(), authorization })
    }
}

/// RFC 6749 §2.3.1: each part is form-encoded before they are joined.
fn basic(client_id: &str, secret: &str) -> Result<HeaderValue, ProviderError> {
    let encode = |part: &str| form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>();
    let credentials = Zeroizing::new(format!("{}:{}", encode(client_id), encode(secret)));
    HeaderValue::try_from(format!("Basic {}", STANDARD.encode(credentials.as_bytes())))
        .map_err(|_| ProviderError::new("the client's credentials do not fit into a header"))
}

/// Apple, *Creating a client secret*. Signed for each request, so no stored secret can expire unnoticed.
fn signed_secret(
    key: &SigningKey,
    team_id: &str,
    client_id: &str,
    metadata: &ProviderMetadata,
    now: UnixSeconds,
) -> Result<Zeroizing<String>, ProviderError> {
    let claims = json!({
        "iss": team_id,
        "sub": client_id,
        "aud": metadata.issuer,
        "iat": now.get(),
        "exp": now.plus(SIGNED_SECRET_LIFETIME).get(),
    });
    key.jwt("JWT", SigningAlgorithm::Es256, &claims)
        .map(Zeroizing::new)
        .ok_or_else(|| ProviderError::new("the client secret could not be signed"))
}

/// RFC 7523 §3, for one attempt: the audience is the issuer as a single string, the `jti` is fresh.
fn assertion_claims(
    client_id: &str,
    issuer: &str,
    now: UnixSeconds,
    entropy: &dyn Entropy,
) -> Result<Value, ProviderError> {
    Ok(json!({
        "iss": client_id,
        "sub": client_id,
        "aud": issuer,
        "jti": jwt_id(entropy)?,
        "iat": now.get(),
        "exp": now.plus(ASSERTION_LIFETIME).get(),
    }))
}

/// A `jti` that nobody has seen (RFC 7519 §4.1.7).
pub(super) fn jwt_id(entropy: &dyn Entropy) -> Result<String, ProviderError> {
    let random = entropy.random_256().map_err(|error| ProviderError::new(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

/// Without a `kid`: there is one secret.
fn hmac_jwt(secret: &str, algorithm: HmacAlgorithm, claims: &Value) -> String {
    let header = json!({"alg": algorithm.name(), "typ": "JWT"});
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encode(&header), encode(claims));
    let signature = hmac::sign(&algorithm.key(secret.as_bytes()), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// RFC 7523 §2.2.
fn append_assertion(
    form: &mut form_urlencoded::Serializer<'_, String>,
    assertion: Option<String>,
) -> Result<(), ProviderError> {
    let assertion =
        assertion.ok_or_else(|| ProviderError::new("the client assertion could not be signed"))?;
    form.append_pair("client_assertion_type", JWT_BEARER).append_pair("client_assertion", &assertion);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{adapters::SystemEntropy, domain::metadata::Transport};

    fn metadata(methods: Option<&[&str]>) -> ProviderMetadata {
        let mut document = json!({
            "issuer": "https://op.example",
            "authorization_endpoint": "https://op.example/a",
            "token_endpoint": "https://op.example/t",
        });
        if let Some(methods) = methods {
            document["token_endpoint_auth_methods_supported"] = json!(methods);
        }
        let (document, none) = (document.to_string(), serde_json::Map::new());
        ProviderMetadata::parse(document.as_bytes(), &none, "https://op.example", Transport::Encrypted)
            .unwrap()
    }

    fn secret(preferred: Option<AuthenticationMethod>) -> ClientAuthentication {
        ClientAuthentication {
            credentials: ClientCredentials::Secret(Zeroizing::new("p:%+&é".to_owned())),
            preferred,
            secret_algorithm: HmacAlgorithm::Hs256,
        }
    }

    fn authenticate(client: &ClientAuthentication, metadata: &ProviderMetadata) -> AuthenticatedForm {
        client
            .authenticate("my app", metadata, &[("grant_type", "x")], UnixSeconds::new(1_000), &SystemEntropy)
            .unwrap()
    }

    #[test]
    fn sec_104_basic_credentials_are_form_encoded_first() {
        let form = authenticate(&secret(None), &metadata(None));
        let header = form.authorization.unwrap();
        let decoded = STANDARD.decode(header.to_str().unwrap().strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(String::from_utf8(decoded).unwrap(), "my+app:p%3A%25%2B%26%C3%A9");
        assert_eq!(form.body, "grant_type=x");
    }

    #[test]
    fn the_method_is_the_preferred_one_or_the_first_that_the_provider_takes() {
        let post = authenticate(&secret(None), &metadata(Some(&["private_key_jwt", "client_secret_post"])));
        assert!(post.authorization.is_none() && post.body.contains("client_secret=p%3A"), "{}", post.body);
        let preferred = secret(Some(AuthenticationMethod::ClientSecretPost));
        assert!(authenticate(&preferred, &metadata(None)).authorization.is_none());
        let none = secret(Some(AuthenticationMethod::None));
        assert_eq!(authenticate(&none, &metadata(None)).body, "grant_type=x&client_id=my+app");
    }

    #[test]
    fn sec_103_an_assertion_names_the_issuer_alone_and_is_never_the_same_twice() {
        let client = secret(Some(AuthenticationMethod::ClientSecretJwt));
        let claims = || -> Value {
            let body = authenticate(&client, &metadata(None)).body;
            let assertion = form_urlencoded::parse(body.as_bytes())
                .find(|(name, _)| name == "client_assertion")
                .unwrap()
                .1;
            let payload = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap();
            serde_json::from_slice(&payload).unwrap()
        };
        let (first, second) = (claims(), claims());
        assert_eq!(first["aud"], "https://op.example");
        assert_eq!((&first["iss"], &first["sub"]), (&json!("my app"), &json!("my app")));
        assert_eq!(first["exp"], 1_060);
        assert_ne!(first["jti"], second["jti"]);
    }

    #[test]
    fn a_public_client_says_who_it_is_and_proves_nothing() {
        let client = ClientAuthentication {
            credentials: ClientCredentials::Public,
            preferred: None,
            secret_algorithm: HmacAlgorithm::Hs256,
        };
        let form = authenticate(&client, &metadata(Some(&["client_secret_post"])));
        assert_eq!((form.body.as_str(), form.authorization), ("grant_type=x&client_id=my+app", None));
        assert!(client.secret_as_verification_key().is_none());
    }

    #[test]
    fn apples_secret_is_a_short_lived_jwt_of_the_team_about_the_client() {
        let key = aws_lc_rs::signature::EcdsaKeyPair::generate(
            &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        )
        .unwrap();
        let der = STANDARD.encode(key.to_pkcs8v1().unwrap().as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
        let client = ClientAuthentication {
            credentials: ClientCredentials::SignedSecret {
                key: Arc::new(SigningKey::parse(&pem, None, Some("KEY1234567".into())).unwrap()),
                team_id: "TEAM123456".into(),
            },
            preferred: None,
            secret_algorithm: HmacAlgorithm::Hs256,
        };
        assert!(!format!("{client:?}").contains("TEAM"));
        // Whatever the metadata says: Apple takes it in the form.
        let form = authenticate(&client, &metadata(Some(&["client_secret_basic"])));
        assert!(form.authorization.is_none());
        let of = |name: &str| {
            let pair = form_urlencoded::parse(form.body.as_bytes()).find(|(it, _)| it == name);
            pair.map(|(_, value)| value.into_owned()).unwrap()
        };
        assert_eq!(of("client_id"), "my app");
        let secret = of("client_secret");
        let (message, signature) = secret.rsplit_once('.').unwrap();
        let part = |i| -> Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(message.split('.').nth(i).unwrap()).unwrap())
                .unwrap()
        };
        assert_eq!(part(0), json!({"alg": "ES256", "typ": "JWT", "kid": "KEY1234567"}));
        assert_eq!(
            part(1),
            json!({
                "iss": "TEAM123456", "sub": "my app", "aud": "https://op.example", "iat": 1_000, "exp": 1_300,
            })
        );
        let public = aws_lc_rs::signature::KeyPair::public_key(&key).as_ref().to_vec();
        aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED, public)
            .verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
            .unwrap();
        // A key that signs secrets is no key for ID tokens.
        assert!(client.secret_as_verification_key().is_none());
    }

    #[test]
    fn sec_063_credentials_do_not_print_themselves() {
        assert!(!format!("{:?}", secret(None)).contains("p:%"));
    }
}
