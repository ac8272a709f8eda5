//! What an authorization server says about itself (OpenID Connect Discovery 1.0 §3, RFC 8414 §2).

use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::provider_json;

/// The members we use. Unknown ones are ignored, as the specifications ask.
#[derive(Clone, Debug, Deserialize)]
struct Document {
    issuer: String,
    #[serde(default)]
    authorization_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint: Option<String>,
    #[serde(default)]
    jwks_uri: Option<String>,
    #[serde(default)]
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    end_session_endpoint: Option<String>,
    #[serde(default)]
    revocation_endpoint: Option<String>,
    #[serde(default)]
    pushed_authorization_request_endpoint: Option<String>,
    #[serde(default)]
    require_pushed_authorization_requests: Option<bool>,
    #[serde(default)]
    require_signed_request_object: Option<bool>,
    #[serde(default)]
    dpop_signing_alg_values_supported: Option<Vec<String>>,
    /// Of any type: what is no list of names says nothing, and that is the same as not being there.
    #[serde(default)]
    id_token_signing_alg_values_supported: Value,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: Option<bool>,
    // Only the doctor looks at these: whatever they are, they spoil nothing.
    #[serde(default)]
    response_modes_supported: Value,
    #[serde(default)]
    frontchannel_logout_session_supported: Value,
}

/// Whether the provider's endpoints must be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `https`, or `http` on this machine (loopback).
    Encrypted,
    /// `http` anywhere: `client.allowInsecureHttp`, for closed development networks.
    MayBePlain,
}

/// Metadata that passed every check.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "so many members of the document are one")]
pub struct ProviderMetadata {
    /// Exactly the configured issuer.
    pub issuer: String,
    /// RFC 6749 §3.1.
    pub authorization_endpoint: Url,
    /// RFC 6749 §3.2.
    pub token_endpoint: Url,
    /// RFC 7517 keys for ID tokens.
    pub jwks_uri: Option<Url>,
    /// OpenID Connect Core 1.0 §5.3.
    pub userinfo_endpoint: Option<Url>,
    /// OpenID Connect RP-Initiated Logout 1.0 §2.1.
    pub end_session_endpoint: Option<Url>,
    /// RFC 7009.
    pub revocation_endpoint: Option<Url>,
    /// RFC 9126 §5.
    pub pushed_authorization_request_endpoint: Option<Url>,
    /// RFC 9126 §5: no other requests are answered.
    pub requires_pushed_requests: bool,
    /// RFC 9101 §10.5: no other requests are answered.
    pub requires_signed_requests: bool,
    /// RFC 9449 §5.1: the algorithms of proofs; `None` where the metadata does not say.
    pub dpop_algorithms: Option<Vec<String>>,
    /// The algorithms of ID tokens that it announces, whatever they are; `None` where it does not say.
    pub id_token_algorithms: Option<Vec<String>>,
    /// Client authentication the token endpoint accepts; `None` means only `client_secret_basic`.
    pub token_endpoint_auth_methods: Option<Vec<String>>,
    /// RFC 9207 §3: every authorization response carries `iss`.
    pub sends_issuer_in_response: bool,
    /// The metadata does not say which PKCE methods are supported.
    pub silent_about_pkce: bool,
    /// RFC 8414 §2: how responses can travel; `None` where the metadata does not say.
    pub response_modes: Option<Vec<String>>,
    /// OpenID Connect Front-Channel Logout 1.0 §3: whether requests name the session; `None` where the metadata does not
    /// say.
    pub front_channel_names_session: Option<bool>,
}

/// Why a metadata document is not used. The whole document is refused: half a provider is a trap.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableMetadata {
    /// Not a JSON object, or one with a member that occurs twice.
    #[error("the metadata cannot be read: {0}")]
    Malformed(provider_json::Unreadable),
    /// A member has the wrong type.
    #[error("the metadata's {member} is not of the expected type")]
    Type {
        /// The member's name.
        member: String,
    },
    /// An endpoint without which there is no login.
    #[error(
        "the metadata has no {member}; if the provider has one all the same, give it in client.endpoints"
    )]
    Missing {
        /// The member's name.
        member: &'static str,
    },
    /// OpenID Connect Discovery 1.0 §4.3.
    #[error(
        "the metadata's issuer is {found:?}, but client.issuer is {configured:?}; they must be identical, \
         to the last slash"
    )]
    Issuer {
        /// What the document says.
        found: String,
        /// What the configuration says.
        configured: String,
    },
    /// An endpoint that must not be called.
    #[error("the metadata's {member} is not an absolute https URL without credentials and fragment")]
    Endpoint {
        /// The member's name.
        member: &'static str,
    },
    /// RFC 7636: PKCE with S256 is not optional.
    #[error("the metadata lists PKCE methods without S256; enable S256 for this client at the provider")]
    NoS256,
}

impl UnusableMetadata {
    /// Whether what was read need not be what this issuer says about itself: it is no metadata, or another issuer's.
    /// Otherwise it is, and no other document is looked for.
    pub fn may_be_another_document(&self) -> bool {
        match self {
            Self::Malformed { .. } | Self::Issuer { .. } => true,
            Self::Type { member } => member == "issuer",
            Self::Missing { .. } | Self::Endpoint { .. } | Self::NoS256 => false,
        }
    }
}

impl ProviderMetadata {
    /// Reads and checks a document. `configured` members take the place of those in the document, and are checked
    /// as they are; nothing takes the place of its `issuer`.
    pub fn parse(
        document: &[u8],
        configured: &Map<String, Value>,
        configured_issuer: &str,
        transport: Transport,
    ) -> Result<Self, UnusableMetadata> {
        let mut document = provider_json::object(document).map_err(UnusableMetadata::Malformed)?;
        for (member, value) in configured.iter().filter(|(member, _)| *member != "issuer") {
            document.insert(member.clone(), value.clone());
        }
        Self::check(document, configured_issuer, transport)
    }

    /// Makes metadata of configured members alone, where there is no document.
    pub fn of_configuration(
        configured: &Map<String, Value>,
        issuer: &str,
        transport: Transport,
    ) -> Result<Self, UnusableMetadata> {
        let mut document = configured.clone();
        document.insert("issuer".to_owned(), issuer.into());
        Self::check(document, issuer, transport)
    }

    fn check(
        document: Map<String, Value>,
        configured_issuer: &str,
        transport: Transport,
    ) -> Result<Self, UnusableMetadata> {
        let document: Document = serde_path_to_error::deserialize(Value::Object(document))
            .map_err(|error| UnusableMetadata::Type { member: member_of(error.path()) })?;
        if document.issuer != configured_issuer {
            return Err(UnusableMetadata::Issuer {
                found: document.issuer.chars().take(200).collect(),
                configured: configured_issuer.to_owned(),
            });
        }
        if document
            .code_challenge_methods_supported
            .as_ref()
            .is_some_and(|it| !it.iter().any(|it| it == "S256"))
        {
            return Err(UnusableMetadata::NoS256);
        }
        Ok(Self {
            authorization_endpoint: required(
                "authorization_endpoint",
                document.authorization_endpoint.as_deref(),
                transport,
            )?,
            token_endpoint: required("token_endpoint", document.token_endpoint.as_deref(), transport)?,
            jwks_uri: optional("jwks_uri", document.jwks_uri.as_deref(), transport)?,
            userinfo_endpoint: optional(
                "userinfo_endpoint",
                document.userinfo_endpoint.as_deref(),
                transport,
            )?,
            end_session_endpoint: optional(
                "end_session_endpoint",
                document.end_session_endpoint.as_deref(),
                transport,
            )?,
            revocation_endpoint: optional(
                "revocation_endpoint",
                document.revocation_endpoint.as_deref(),
                transport,
            )?,
            pushed_authorization_request_endpoint: optional(
                "pushed_authorization_request_endpoint",
                document.pushed_authorization_request_endpoint.as_deref(),
                transport,
            )?,
            requires_pushed_requests: document.require_pushed_authorization_requests.unwrap_or(false),
            requires_signed_requests: document.require_signed_request_object.unwrap_or(false),
            dpop_algorithms: document.dpop_signing_alg_values_supported,
            id_token_algorithms: document
                .id_token_signing_alg_values_supported
                .as_array()
                .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
            token_endpoint_auth_methods: document.token_endpoint_auth_methods_supported,
            sends_issuer_in_response: document
                .authorization_response_iss_parameter_supported
                .unwrap_or(false),
            silent_about_pkce: document.code_challenge_methods_supported.is_none(),
            response_modes: serde_json::from_value(document.response_modes_supported).ok(),
            front_channel_names_session: document.frontchannel_logout_session_supported.as_bool(),
            issuer: document.issuer,
        })
    }
}

/// The name of a member that is ours to expect, whatever the document says.
fn member_of(path: &serde_path_to_error::Path) -> String {
    match path.iter().next() {
        Some(serde_path_to_error::Segment::Map { key }) => key.clone(),
        _ => "issuer".to_owned(),
    }
}

fn required(
    member: &'static str,
    value: Option<&str>,
    transport: Transport,
) -> Result<Url, UnusableMetadata> {
    value.ok_or(UnusableMetadata::Missing { member }).and_then(|value| endpoint(member, value, transport))
}

fn optional(
    member: &'static str,
    value: Option<&str>,
    transport: Transport,
) -> Result<Option<Url>, UnusableMetadata> {
    value.map(|value| endpoint(member, value, transport)).transpose()
}

fn endpoint(member: &'static str, value: &str, transport: Transport) -> Result<Url, UnusableMetadata> {
    endpoint_url(value, transport).ok_or(UnusableMetadata::Endpoint { member })
}

/// A URL that may be an endpoint: absolute, encrypted (or on this machine), and nothing but a place.
pub fn endpoint_url(value: &str, transport: Transport) -> Option<Url> {
    let url = Url::parse(value).ok()?;
    let transported = match url.scheme() {
        "https" => true,
        "http" => is_loopback(&url) || transport == Transport::MayBePlain,
        _ => false,
    };
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (transported && bare).then_some(url)
}

/// Whether a URL's host is this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parse(changes: Value) -> Result<ProviderMetadata, UnusableMetadata> {
        let mut document = json!({
            "issuer": "https://op.example",
            "authorization_endpoint": "https://op.example/authorize",
            "token_endpoint": "https://op.example/token",
            "jwks_uri": "https://op.example/jwks",
            "code_challenge_methods_supported": ["plain", "S256"],
        });
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        read(&document, &Map::new())
    }

    fn read(document: &Value, configured: &Map<String, Value>) -> Result<ProviderMetadata, UnusableMetadata> {
        let document = document.to_string();
        ProviderMetadata::parse(document.as_bytes(), configured, "https://op.example", Transport::Encrypted)
    }

    fn configured(members: Value) -> Map<String, Value> {
        members.as_object().cloned().unwrap()
    }

    #[test]
    fn sec_130_the_issuer_is_the_configured_one_to_the_letter() {
        assert!(parse(json!({})).is_ok());
        for issuer in ["https://op.example/", "https://OP.example", "https://evil.example", ""] {
            assert!(
                matches!(parse(json!({"issuer": issuer})), Err(UnusableMetadata::Issuer { .. })),
                "{issuer}"
            );
        }
    }

    #[test]
    fn sec_131_an_endpoint_that_is_not_an_encrypted_place_refuses_the_document() {
        for member in [
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "userinfo_endpoint",
            "end_session_endpoint",
            "revocation_endpoint",
            "pushed_authorization_request_endpoint",
        ] {
            for url in [
                "http://op.example/x",
                "file:///etc/passwd",
                "/relative",
                "https://a:b@op.example/",
                "https://op.example/#f",
                "",
            ] {
                assert!(parse(json!({member: url})).is_err(), "{member} {url}");
                let configured = configured(json!({member: url}));
                let document = json!({"issuer": "https://op.example"});
                assert!(read(&document, &configured).is_err(), "configured {member} {url}");
            }
            assert!(parse(json!({member: "http://127.0.0.1:9/x"})).is_ok());
        }
    }

    #[test]
    fn configured_endpoints_take_the_place_of_those_in_the_document() {
        let endpoints = configured(json!({
            "issuer": "https://evil.example",
            "authorization_endpoint": "https://op.example/other",
            "end_session_endpoint": "https://op.example/logout",
        }));
        let document = json!({
            "issuer": "https://op.example",
            "authorization_endpoint": "https://op.example/authorize",
            "token_endpoint": "https://op.example/token",
        });
        let metadata = read(&document, &endpoints).unwrap();
        assert_eq!(metadata.issuer, "https://op.example");
        assert_eq!(metadata.authorization_endpoint.as_str(), "https://op.example/other");
        assert_eq!(metadata.token_endpoint.as_str(), "https://op.example/token");
        assert_eq!(metadata.end_session_endpoint.unwrap().as_str(), "https://op.example/logout");
    }

    #[test]
    fn metadata_can_be_configured_whole() {
        let endpoints = json!({
            "authorization_endpoint": "https://op.example/authorize",
            "token_endpoint": "https://op.example/token",
        });
        let of = |endpoints: Value| {
            ProviderMetadata::of_configuration(&configured(endpoints), "op", Transport::Encrypted)
        };
        assert_eq!(of(endpoints).unwrap().issuer, "op");
        assert_eq!(
            of(json!({})).unwrap_err(),
            UnusableMetadata::Missing { member: "authorization_endpoint" }
        );
    }

    #[test]
    fn a_member_of_the_wrong_type_is_named() {
        for member in ["issuer", "token_endpoint", "jwks_uri", "token_endpoint_auth_methods_supported"] {
            let expected = UnusableMetadata::Type { member: member.into() };
            assert_eq!(parse(json!({member: 7})).unwrap_err(), expected);
        }
        assert!(matches!(
            ProviderMetadata::parse(b"[]", &Map::new(), "x", Transport::Encrypted),
            Err(UnusableMetadata::Malformed { .. })
        ));
    }

    #[test]
    fn sec_002_a_provider_without_s256_is_refused() {
        assert_eq!(
            parse(json!({"code_challenge_methods_supported": ["plain"]})).unwrap_err(),
            UnusableMetadata::NoS256
        );
        assert!(parse(json!({"code_challenge_methods_supported": null})).unwrap().silent_about_pkce);
    }
}
