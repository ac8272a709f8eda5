//! Configuration: a file in the original system's format goes in, values that cannot be invalid come out.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = authtool_bff::Config::load("authtool.json".as_ref())?;
//! # Ok(()) }
//! ```

mod development;
mod encoding;
mod env_file;
mod environment;
#[cfg(test)]
mod every_key;
mod file;
mod leniency;
mod problem;
mod read;
mod resolve;
mod scalars;
mod schema;
mod secret;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;
use serde_json::{Map, Value};
use url::Url;

pub use development::random_key;
use encoding::Decoded;
pub use problem::{ConfigProblem, ConfigProblems};
use read::Format;

use crate::{
    adapters::{
        oidc::{Algorithm, ClientAuthentication, MetadataSource, RequestStyle},
        outbound::{self, OutboundSettings},
        redis::{Credentials, RedisSettings, Topology},
    },
    domain::{
        access_token::MachineAccess,
        end_session::EndSessionParameters,
        expected_issuer::ExpectedIssuer,
        login_options::LoginPolicy,
        metadata::Transport,
        response_mode::ResponseMode,
        return_url::AllowedOrigin,
        scope,
        session::Lifetimes,
        user_info::{UserInfoPolicy, UserInfoUse},
    },
    seal::{KeyList, SharedSecrets},
};

/// Everything the server needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// `client`: the authorization server and our clients there.
    pub provider: ProviderConfig,
    /// `session`.
    pub session: SessionConfig,
    /// `server`.
    pub server: ServerConfig,
    /// The connection that `session.authorizationFlowCache` names.
    pub store: StoreConfig,
    /// Whether it was made by [`Config::for_development`]. No file can say so.
    pub development: bool,
    /// Things that work, but that somebody should know.
    pub warnings: Vec<String>,
}

/// The authorization servers, and our clients there.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// Each issuer once.
    pub issuers: Vec<IssuerConfig>,
    /// `client.clients`, or the one inline.
    pub clients: Vec<ClientConfig>,
    /// Which of them `/login` uses when it is told nothing.
    pub default_client: usize,
}

/// One authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerConfig {
    /// `issuer`, exactly as written.
    pub issuer: String,
    /// `issuerMetadataSegment` or `metadataUrl`, if there is anything to fetch.
    pub metadata: MetadataSource,
    /// `endpoints`, by the names of their metadata.
    pub endpoints: Map<String, Value>,
    /// `allowInsecureHttp`.
    pub allow_insecure_http: bool,
    /// `allowLogoutTokensWithoutExp`.
    pub allow_logout_tokens_without_exp: bool,
    /// `allowIdTokensWithoutNonce`.
    pub allow_id_tokens_without_nonce: bool,
    /// `maxIdTokenBytes`.
    pub max_id_token_bytes: usize,
}

impl IssuerConfig {
    /// Whether its endpoints must be encrypted.
    pub fn transport(&self) -> Transport {
        if self.allow_insecure_http { Transport::MayBePlain } else { Transport::Encrypted }
    }
}

/// One client at an authorization server.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// `name`, or `clientId`.
    pub name: String,
    /// `clientId`.
    pub client_id: String,
    /// The issuer of its authorization server, one of [`ProviderConfig::issuers`].
    pub issuer: String,
    /// `redirect_uri`.
    pub redirect_uri: Url,
    /// `credentials`, `preferredTokenEndpointAuthMethod` and `preferredTokenEndpointSigningAlgorithm`.
    pub authentication: ClientAuthentication,
    /// `scope`.
    pub scope: String,
    /// `extra`, in order; an array is one parameter per item.
    pub extra: Vec<(String, String)>,
    /// `loginParameters`, `loginParametersFrom` and `requireAcr`.
    pub login_policy: LoginPolicy,
    /// `dpop`.
    pub dpop: bool,
    /// `pushedAuthorizationRequests` and `requestObjectSigningAlgorithm`.
    pub requests: RequestStyle,
    /// `idTokenSigningAlgorithms`. `None`: the asymmetric ones that the provider announces.
    pub id_token_algorithms: Option<Vec<Algorithm>>,
    /// `responseMode`.
    pub response_mode: ResponseMode,
    /// `frontChannelLogout`.
    pub front_channel_logout: bool,
    /// `idTokenValidationIssuer` or the issuer, with `allowedTenants`.
    pub id_token_issuer: ExpectedIssuer,
    /// `idTokenFurtherAudiences`.
    pub further_audiences: Vec<String>,
    /// `postLogoutRedirectUri`.
    pub post_logout_redirect_uri: Option<Url>,
    /// `endSessionParameters`.
    pub end_session: EndSessionParameters,
    /// `userinfo` and `userinfoSubjectClaim`.
    pub user_info: UserInfoPolicy,
    /// `accessTokenExpirationSecs`.
    pub assumed_token_lifetime: Duration,
}

impl ClientConfig {
    /// The claim that identifies its users, where anything does.
    pub fn subject_claim(&self) -> Option<&str> {
        let known = scope::contains_openid(&self.scope) || self.user_info.usage != UserInfoUse::Never;
        known.then_some(self.user_info.subject_claim.as_str())
    }
}

/// Sessions and their cookie.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// `session.mode.type`.
    pub mode: Mode,
    /// The rest of `session.mode`.
    pub cookie: CookieSettings,
    /// `session.signingKey`; the first signs.
    pub signing_keys: KeyList,
    /// `session.encryptionKey`; the first seals.
    pub encryption_keys: KeyList,
    /// `absoluteLifetimeSecs`, `refreshTokenExpirationSecs`, `refreshTokenExpirationPayloadField`,
    /// `sessionJitterSecs`.
    pub lifetimes: Lifetimes,
    /// `maxSessionsPerUser`.
    pub max_sessions_per_user: usize,
    /// `revocationDelaySecs`.
    pub revocation_delay: Duration,
    /// `userClaims`.
    pub user_claims: Vec<String>,
    /// `errorRedirects`.
    pub error_redirect: Option<Url>,
    /// The opposite of `disableLogoutOnGet`.
    pub logout_on_get: bool,
    /// `sameSiteReturn`.
    pub same_site_return: bool,
}

/// Who may have an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `bff`: a gateway, never a browser.
    Bff,
    /// `tokenExchange`, by the original called `tokenMediation`: also the app's JavaScript, in memory.
    TokenExchange,
}

/// The session cookie's attributes, known to go together.
#[derive(Clone, Debug)]
pub struct CookieSettings {
    /// `sessionIdHardening`.
    pub hardening: Hardening,
    /// `sameSite`.
    pub same_site: SameSite,
    /// `secure`.
    pub secure: bool,
    /// `http_only`.
    pub http_only: bool,
    /// `path`; without it, `server.publicBasePath` where the name's prefix allows one.
    pub path: String,
    /// The path of cookies that are for our own endpoints.
    pub base_path: String,
    /// `domain`.
    pub domain: Option<String>,
    /// `partitioned`.
    pub partitioned: bool,
    /// `expirationSecs`: how long the browser keeps the cookie; without it, until the browser ends.
    pub max_age: Option<Duration>,
}

/// The prefix of the session cookie's name, and what browsers enforce for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hardening {
    /// `__Host-`: Secure, Path=/, no Domain.
    Host,
    /// `__Host-Http-`: the same, and `HttpOnly`, set by a server.
    HostHttp,
    /// `__Secure-`: Secure.
    Secure,
    /// No prefix, for plain http on a developer's machine.
    None,
}

impl Hardening {
    /// The prefix itself.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Host => "__Host-",
            Self::HostHttp => "__Host-Http-",
            Self::Secure => "__Secure-",
            Self::None => "",
        }
    }
}

/// The `SameSite` attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Not sent from other sites at all.
    Strict,
    /// Sent when another site navigates here.
    Lax,
    /// Always sent.
    None,
}

impl SameSite {
    /// As in `Set-Cookie`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        }
    }
}

/// What a proxy in front may say about the way to the app, if it is trusted. Never who somebody is, nor where a client is:
/// the next hop adds that itself. The Lua module has the same list.
pub(crate) const FROM_TRUSTED_PROXIES: [&str; 4] =
    ["x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-server"];

/// Where and what to serve.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// `apiPrefix` without a trailing slash; empty for `/`.
    pub api_prefix: String,
    /// `publicBasePath` without a trailing slash; empty for `/`.
    pub base_path: String,
    /// `ip` and `port`: for browsers.
    pub public: SocketAddr,
    /// `internal`: for gateways, probes and metrics.
    pub internal: SocketAddr,
    /// Whether `internal` was configured; the default address may be taken without consequence.
    pub internal_is_explicit: bool,
    /// The app's default page: the `redirect_uri`'s origin and the base path.
    pub app: Url,
    /// `allowedReturnOrigins`.
    pub allowed_return_origins: Vec<AllowedOrigin>,
    /// `static`.
    pub static_files: Option<StaticFiles>,
    /// `proxy`.
    pub proxy: Vec<ProxyRoute>,
    /// `machineClients`.
    pub machine_clients: Vec<MachineAccess>,
    /// `publicToken`.
    pub public_token: PublicToken,
    /// `gatewayCredential`.
    pub gateway_credential: Option<SharedSecrets>,
    /// `internal.operatorCredential`.
    pub operator_credential: Option<SharedSecrets>,
    /// `trustedProxies`.
    pub trusted_proxies: Vec<IpNet>,
    /// `trustedProxyHeaders`.
    pub trusted_proxy_headers: Vec<&'static str>,
    /// `keepAliveSecs`.
    pub keep_alive: Duration,
    /// `traces`.
    pub traces: Option<TraceSettings>,
    /// `outbound`.
    pub outbound: OutboundSettings,
    /// `logFilter`: directives that are known to be good.
    pub log_filter: Option<String>,
}

impl ServerConfig {
    /// What browsers have in front of our endpoints: the base path and `apiPrefix`.
    pub fn public_prefix(&self) -> String {
        format!("{}{}", self.base_path, self.api_prefix)
    }
}

/// Whether `/token` is on the public listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicToken {
    /// It is, for those whom the mode allows.
    Guarded,
    /// It is not.
    Closed,
}

/// Where traces go.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSettings {
    /// `endpoint`: the collector's URL for OTLP over HTTP.
    pub endpoint: Url,
    /// `sampleRatio`: from 0 to 1.
    pub sample_ratio: f64,
    /// `serviceName`.
    pub service_name: String,
}

/// The app's files.
#[derive(Clone, Debug)]
pub struct StaticFiles {
    /// The folder.
    pub root: PathBuf,
    /// The file, inside the folder, that answers paths without a file: the app's router takes over there.
    pub fallback: Option<String>,
    /// The `Content-Security-Policy` of every file.
    pub content_security_policy: String,
}

/// An API behind the server's own proxy.
#[derive(Clone, Debug)]
pub struct ProxyRoute {
    /// The path prefix, without a trailing slash. It stays in the forwarded path.
    pub prefix: String,
    /// The upstream's origin.
    pub upstream: Url,
    /// How long the upstream may take to begin its answer.
    pub timeout: Duration,
    /// Whether its paths may have encoded slashes.
    pub encoded_slashes: bool,
}

/// Where sessions live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreConfig {
    /// In this process, until it ends.
    Memory,
    /// In a file of this process.
    File(PathBuf),
    /// In Redis, for any number of processes.
    Redis(Box<RedisSettings>),
}

impl StoreConfig {
    /// Whether what is kept in one is found in the other, however it is reached.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Redis(ours), Self::Redis(theirs)) => {
                // Credentials of Sentinels are part of how they are reached.
                let place = |topology: &Topology| match topology {
                    Topology::Sentinel { nodes, primary, .. } => Topology::Sentinel {
                        nodes: nodes.clone(),
                        primary: primary.clone(),
                        credentials: Credentials::default(),
                    },
                    other => other.clone(),
                };
                place(&ours.topology) == place(&theirs.topology)
                    && (&ours.namespace, ours.db) == (&theirs.namespace, theirs.db)
            }
            _ => self == other,
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read: {reason}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        reason: std::io::Error,
    },
    /// The file's name does not say how it is written.
    #[error("the configuration file {} must end in .json, .yaml, .yml or .toml", path.display())]
    UnknownFormat {
        /// Which file.
        path: PathBuf,
    },
    /// The file can be read, but not used.
    #[error("{}: {problems}", path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// All that is wrong with it.
        problems: ConfigProblems,
    },
}

impl Config {
    /// Reads a file: JSON, YAML or TOML by its extension. Environment variables override its keys
    /// (`AUTHTOOL__SESSION__SESSIONJITTERSECS` is `session.sessionJitterSecs`). Relative paths inside it are
    /// relative to the working directory; secrets' files are looked for beside the configuration, too.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let (value, remarks) = Self::value_of(path)?;
        let mut config = Self::from_value(value, variables())
            .map_err(|problems| LoadError::Invalid { path: path.to_owned(), problems })?;
        config.warn_of_ignored_proxies(variables());
        config.warnings.splice(0..0, remarks);
        Ok(config)
    }

    /// What a file says, and what there is to remark about how it says it.
    fn value_of(path: &Path) -> Result<(Value, Vec<String>), LoadError> {
        let format = Format::of(path).ok_or_else(|| LoadError::UnknownFormat { path: path.to_owned() })?;
        let unreadable = |reason| LoadError::Unreadable { path: path.to_owned(), reason };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let not_text = || std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not text in UTF-8");
        let Decoded { text, mark } = encoding::decode(&bytes).ok_or_else(|| unreadable(not_text()))?;
        let mut value =
            format.parse(&text).map_err(|problems| LoadError::Invalid { path: path.to_owned(), problems })?;
        let mut remarks: Vec<_> = mark
            .map(|mark| {
                format!("{} begins with the byte order mark of {mark}, which was ignored", path.display())
            })
            .into_iter()
            .collect();
        if let Some(folder) = path.parent() {
            secret::find_beside(&mut value, folder, &mut remarks);
        }
        Ok((value, remarks))
    }

    /// The environment does not decide where client secrets go (SEC-132), but the operator who set the variable should know.
    fn warn_of_ignored_proxies(&mut self, environment: impl Iterator<Item = (String, String)>) {
        let ignored = outbound::variables_in(environment);
        if self.server.outbound.proxy.is_none() && !ignored.is_empty() {
            self.warnings.push(format!(
                "{} in the environment is not used: connections go out directly; if only a proxy leads out, set \
                 server.outbound.proxy.url",
                ignored.join(", ")
            ));
        }
    }

    /// Reads JSON text. The environment has no say.
    ///
    /// ```
    /// let problems = authtool_bff::Config::from_json(r#"{ "client": { "isuer": "x" } }"#).unwrap_err();
    /// assert!(problems.to_string().contains("did you mean `issuer`?"));
    /// ```
    pub fn from_json(text: &str) -> Result<Self, ConfigProblems> {
        Self::from_value(Format::Json.parse(text)?, [])
    }

    /// Where a client's provider reports logouts through the browser, as the browser reaches it.
    pub(crate) fn front_channel_logout_url(&self, client: &ClientConfig) -> String {
        let path = authtool_contract::endpoint::FRONT_CHANNEL_LOGOUT;
        // What stands before the callback stands before this as well, whatever a gateway makes of it.
        let callback = client.redirect_uri.as_str();
        let base = callback
            .split_once(authtool_contract::endpoint::OAUTH_CALLBACK)
            .map_or_else(|| callback.trim_end_matches('/'), |(base, _)| base);
        match self.provider.clients.as_slice() {
            [_] => format!("{base}{path}"),
            _ => format!("{base}{path}/{}", client.name),
        }
    }

    /// The JSON Schema of the file, for editors and for the reference.
    pub fn schema() -> String {
        serde_json::to_string_pretty(&*schema::SCHEMA).unwrap_or_default()
    }

    /// Reads text of a format without looking for what it refers to.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn fuzz(data: &[u8]) {
        let Some((format, text)) = data.split_first() else { return };
        let Ok(text) = std::str::from_utf8(text) else { return };
        let format = match format {
            b'y' => Format::Yaml,
            b't' => Format::Toml,
            _ => Format::Json,
        };
        if let Ok(value) = format.parse(text) {
            let mut problems = ConfigProblems::default();
            let _shape = read::shape(value, &mut problems, &mut Vec::new());
            assert!(problems.0.iter().all(|it| !it.key.is_empty() && !it.fix.is_empty()), "{problems}");
        }
    }

    fn from_value(
        mut value: Value,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigProblems> {
        let mut problems = ConfigProblems::default();
        let overrides = if value.is_object() {
            environment::apply(&mut value, variables, &mut problems)
        } else {
            Vec::new()
        };
        Self::resolve(value, problems, &overrides)
    }

    fn resolve(
        value: Value,
        mut problems: ConfigProblems,
        overrides: &[environment::Override],
    ) -> Result<Self, ConfigProblems> {
        let mut warnings = environment::remarks(overrides).collect();
        let file = read::shape(value, &mut problems, &mut warnings);
        resolve::config(file, problems, warnings).map_err(|mut problems| {
            environment::attribute(&mut problems, overrides);
            problems
        })
    }
}

/// The keys of secrets that stand in a file themselves, rather than where to find them.
pub(crate) fn inline_secrets(path: &Path) -> Vec<String> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let value = Format::of(path)
        .zip(encoding::decode(&bytes))
        .and_then(|(format, decoded)| format.parse(&decoded.text).ok());
    let mut found = Vec::new();
    if let Some(value) = value {
        secret::inline(&value, "", &mut found);
    }
    found
}

/// The process's environment. A variable that is not UTF-8 cannot be one of ours.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
