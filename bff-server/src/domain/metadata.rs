//! What an authorization server says about itself (OpenID Connect Discovery 1.0 §3, RFC 8414 §2).
//!
//! What a login rests on is read strictly: the issuer, the authorization and token endpoints, the keys' address, and whether
//! PKCE is there. Every other member may be left out, so one that cannot be used is [passed over](PassedOver), and named. An
//! attacker gains nothing: whoever can spoil a member of the document can leave it out as well. Nothing is *sent* anywhere but to
//! a place that passed the checks. What configuration sets is always read strictly.

use std::fmt;

use serde_json::{Map, Value};
use url::Url;

use super::provider_json;

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
    /// Members that are there and cannot be used.
    pub passed_over: Vec<PassedOver>,
}

/// A member that the document could do without, and is read as if it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Its name.
    pub member: &'static str,
    /// What is wrong with it, to follow its name.
    pub reason: &'static str,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.member, self.reason)
    }
}

/// Why a metadata document is not used.
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
        Self::check(&document, configured, configured_issuer, transport)
    }

    /// Makes metadata of configured members alone, where there is no document.
    pub fn of_configuration(
        configured: &Map<String, Value>,
        issuer: &str,
        transport: Transport,
    ) -> Result<Self, UnusableMetadata> {
        let mut document = configured.clone();
        document.insert("issuer".to_owned(), issuer.into());
        Self::check(&document, configured, issuer, transport)
    }

    fn check(
        document: &Map<String, Value>,
        configured: &Map<String, Value>,
        configured_issuer: &str,
        transport: Transport,
    ) -> Result<Self, UnusableMetadata> {
        let issuer = match document.get("issuer") {
            Some(Value::String(issuer)) => issuer.clone(),
            _ => return Err(UnusableMetadata::Type { member: "issuer".to_owned() }),
        };
        if issuer != configured_issuer {
            return Err(UnusableMetadata::Issuer {
                found: issuer.chars().take(200).collect(),
                configured: configured_issuer.to_owned(),
            });
        }
        let mut read = Members { document, configured, transport, passed_over: Vec::new() };
        let pkce_methods = read.names("code_challenge_methods_supported");
        if pkce_methods.as_ref().is_some_and(|it| !it.iter().any(|it| it.eq_ignore_ascii_case("S256"))) {
            return Err(UnusableMetadata::NoS256);
        }
        Ok(Self {
            authorization_endpoint: read.required("authorization_endpoint")?,
            token_endpoint: read.required("token_endpoint")?,
            jwks_uri: read.strict("jwks_uri")?,
            userinfo_endpoint: read.optional("userinfo_endpoint")?,
            end_session_endpoint: read.optional("end_session_endpoint")?,
            revocation_endpoint: read.optional("revocation_endpoint")?,
            pushed_authorization_request_endpoint: read.optional("pushed_authorization_request_endpoint")?,
            requires_pushed_requests: read.flag("require_pushed_authorization_requests").unwrap_or(false),
            requires_signed_requests: read.flag("require_signed_request_object").unwrap_or(false),
            dpop_algorithms: read.names("dpop_signing_alg_values_supported"),
            id_token_algorithms: read.names("id_token_signing_alg_values_supported"),
            token_endpoint_auth_methods: read.names("token_endpoint_auth_methods_supported"),
            sends_issuer_in_response: read
                .flag("authorization_response_iss_parameter_supported")
                .unwrap_or(false),
            silent_about_pkce: pkce_methods.is_none(),
            response_modes: read.names("response_modes_supported"),
            front_channel_names_session: read.flag("frontchannel_logout_session_supported"),
            issuer,
            passed_over: read.passed_over,
        })
    }
}

/// Reads the members of a document, and notes those that are passed over.
struct Members<'a> {
    document: &'a Map<String, Value>,
    configured: &'a Map<String, Value>,
    transport: Transport,
    passed_over: Vec<PassedOver>,
}

const NO_ENDPOINT: &str = "is not an absolute https URL without credentials and fragment";

impl<'a> Members<'a> {
    /// An empty text is what some providers write for what they do not have.
    fn stated(&self, member: &'static str) -> Option<&'a Value> {
        self.document.get(member).filter(|it| it.as_str().is_none_or(|it| !it.trim().is_empty()))
    }

    fn pass_over(&mut self, member: &'static str, reason: &'static str) {
        self.passed_over.push(PassedOver { member, reason });
    }

    fn required(&self, member: &'static str) -> Result<Url, UnusableMetadata> {
        self.strict(member)?.ok_or(UnusableMetadata::Missing { member })
    }

    fn strict(&self, member: &'static str) -> Result<Option<Url>, UnusableMetadata> {
        let text = match self.stated(member) {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(_) => return Err(UnusableMetadata::Type { member: member.to_owned() }),
        };
        let url = endpoint_url(text, self.transport).ok_or(UnusableMetadata::Endpoint { member })?;
        Ok(Some(url))
    }

    /// An endpoint that a provider need not have.
    fn optional(&mut self, member: &'static str) -> Result<Option<Url>, UnusableMetadata> {
        match self.strict(member) {
            Err(error) if self.configured.contains_key(member) => Err(error),
            Err(_) => {
                self.pass_over(member, NO_ENDPOINT);
                Ok(None)
            }
            read => read,
        }
    }

    /// A list of names; one name that stands alone is a list too. `None` where none is said.
    fn names(&mut self, member: &'static str) -> Option<Vec<String>> {
        let names = match self.stated(member)? {
            Value::String(name) => vec![name.clone()],
            Value::Array(list) => {
                let names = list.iter().filter_map(Value::as_str).filter(|it| !it.is_empty());
                names.map(str::to_owned).collect::<Vec<_>>()
            }
            _ => {
                self.pass_over(member, "is not a list of names");
                return None;
            }
        };
        (!names.is_empty()).then_some(names)
    }

    fn flag(&mut self, member: &'static str) -> Option<bool> {
        let flag = match self.stated(member)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        };
        if flag.is_none() {
            self.pass_over(member, "is neither true nor false");
        }
        flag
    }
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

    const NO_PLACES: [&str; 5] = [
        "http://op.example/x",
        "file:///etc/passwd",
        "/relative",
        "https://a:b@op.example/",
        "https://op.example/#f",
    ];
    const OPTIONAL: [&str; 4] = [
        "userinfo_endpoint",
        "end_session_endpoint",
        "revocation_endpoint",
        "pushed_authorization_request_endpoint",
    ];

    #[test]
    fn sec_131_a_place_that_logins_rest_on_and_that_is_not_encrypted_refuses_the_document() {
        for member in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
            for url in NO_PLACES {
                assert!(parse(json!({member: url})).is_err(), "{member} {url}");
            }
            assert!(parse(json!({member: 7})).is_err(), "{member}");
            assert!(parse(json!({member: "http://127.0.0.1:9/x"})).is_ok());
        }
        for member in ["authorization_endpoint", "token_endpoint"] {
            for absent in [json!(""), json!(" "), json!(null)] {
                let outcome = parse(json!({member: absent})).unwrap_err();
                assert_eq!(outcome, UnusableMetadata::Missing { member }, "{absent}");
            }
        }
    }

    /// Nothing is ever sent there, and whoever could write it could leave the member out.
    #[test]
    fn sec_131_a_place_that_a_provider_need_not_have_is_dropped_where_it_cannot_be_used() {
        let place = |metadata: ProviderMetadata, member: &str| match member {
            "userinfo_endpoint" => metadata.userinfo_endpoint,
            "end_session_endpoint" => metadata.end_session_endpoint,
            "revocation_endpoint" => metadata.revocation_endpoint,
            _ => metadata.pushed_authorization_request_endpoint,
        };
        for member in OPTIONAL {
            for unusable in
                NO_PLACES.map(Value::from).into_iter().chain([json!(7), json!(["https://op.example/x"])])
            {
                let metadata = parse(json!({member: unusable})).unwrap();
                let named = [PassedOver { member, reason: NO_ENDPOINT }];
                assert_eq!(metadata.passed_over, named, "{unusable}");
                assert_eq!(place(metadata, member), None, "{member} {unusable}");
            }
            for absent in [json!(""), json!(" "), json!(null)] {
                let metadata = parse(json!({member: absent})).unwrap();
                assert_eq!(metadata.passed_over, [], "{member} {absent}");
                assert_eq!(place(metadata, member), None, "{member} {absent}");
            }
            assert!(place(parse(json!({member: "http://127.0.0.1:9/x"})).unwrap(), member).is_some());
        }
    }

    #[test]
    fn sec_131_what_configuration_sets_must_be_usable() {
        for member in OPTIONAL.into_iter().chain(["authorization_endpoint", "token_endpoint", "jwks_uri"]) {
            for url in NO_PLACES {
                let configured = configured(json!({member: url}));
                let document = json!({
                    "issuer": "https://op.example",
                    "authorization_endpoint": "https://op.example/authorize",
                    "token_endpoint": "https://op.example/token",
                });
                assert_eq!(
                    read(&document, &configured).unwrap_err(),
                    UnusableMetadata::Endpoint { member },
                    "{url}"
                );
            }
        }
    }

    #[test]
    fn lists_and_flags_are_read_as_they_are_meant() {
        for (list, expected) in [
            (json!([null, "a"]), Some(vec!["a"])),
            (json!(["", "a", 7]), Some(vec!["a"])),
            (json!("a"), Some(vec!["a"])),
            (json!([]), None),
            (json!([null]), None),
            (json!(""), None),
            (json!(null), None),
            (json!(7), None),
            (json!({}), None),
        ] {
            let metadata = parse(json!({
                "token_endpoint_auth_methods_supported": list,
                "dpop_signing_alg_values_supported": list,
                "response_modes_supported": list,
                "id_token_signing_alg_values_supported": list,
            }));
            let metadata = metadata.unwrap();
            let named = usize::from(list.is_number() || list.is_object()) * 4;
            assert_eq!(metadata.passed_over.len(), named, "{list}");
            for names in [
                metadata.token_endpoint_auth_methods,
                metadata.dpop_algorithms,
                metadata.response_modes,
                metadata.id_token_algorithms,
            ] {
                let names = names.as_ref().map(|it| it.iter().map(String::as_str).collect::<Vec<_>>());
                assert_eq!(names, expected, "{list}");
            }
        }
        for (flag, expected, named) in [
            (json!(true), true, 0),
            (json!("true"), true, 0),
            (json!("TRUE"), true, 0),
            (json!(false), false, 0),
            (json!("false"), false, 0),
            (json!(""), false, 0),
            (json!("yes"), false, 1),
            (json!(1), false, 1),
        ] {
            let metadata = parse(json!({"authorization_response_iss_parameter_supported": flag})).unwrap();
            assert_eq!(metadata.sends_issuer_in_response, expected, "{flag}");
            assert_eq!(metadata.passed_over.len(), named, "{flag}");
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
        for member in ["issuer", "token_endpoint", "jwks_uri"] {
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
        for absent in [json!(null), json!([]), json!([null]), json!(""), json!(7)] {
            let metadata = parse(json!({"code_challenge_methods_supported": absent})).unwrap();
            assert!(metadata.silent_about_pkce, "{absent}: it is used in any case");
        }
        for there in [json!(["S256"]), json!([null, "S256"]), json!("S256"), json!(["plain", "s256"])] {
            let metadata = parse(json!({"code_challenge_methods_supported": there})).unwrap();
            assert!(!metadata.silent_about_pkce, "{there}");
        }
        assert_eq!(
            parse(json!({"code_challenge_methods_supported": "plain"})).unwrap_err(),
            UnusableMetadata::NoS256
        );
    }
}
