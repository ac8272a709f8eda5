//! From the file's shape to values that are known to be good, noting everything that is not.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use serde_json::Value;
use url::Url;

use super::{
    ClientConfig, Config, ConfigProblems, CookieSettings, Hardening, Mode, ProviderConfig, ProxyRoute,
    SameSite, ServerConfig, SessionConfig, StaticFiles, StoreConfig,
    file::{
        ClientEntry, ClientSection, ConfigFile, ConnectionSection, CredentialsSection, FlowCacheSection,
        ModeSection, ServerSection, SessionSection,
    },
    secret::{SecretList, SecretSource},
};
use crate::{
    adapters::oidc::{Algorithm, AuthenticationMethod, ClientAuthentication, ClientCredentials},
    domain::{
        authorization_request::PROTOCOL_PARAMETERS, metadata::is_loopback, session::Lifetimes,
        token_response::lenient_seconds,
    },
    seal::KeyMaterial,
};

const DEFAULT_METADATA_SEGMENT: &str = "/.well-known/openid-configuration";
const DEFAULT_REFRESH_TOKEN_SECS: u64 = 604_800;
const DEFAULT_ABSOLUTE_SECS: u64 = 30 * 24 * 3600;
const DEFAULT_JITTER_SECS: u64 = 7;
/// Browsers cap cookies at 400 days (draft-ietf-httpbis-rfc6265bis §5.5).
const MAX_COOKIE_SECS: u64 = 400 * 24 * 3600;
/// A century: beyond it lies a mistake.
const MAX_LIFETIME_SECS: u64 = 100 * 366 * 24 * 3600;
const MAX_KEYS: usize = 8;
const DEFAULT_PORT: u16 = 3000;
const DEFAULT_CSP: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
     connect-src 'self'; img-src 'self' data:; font-src 'self'; manifest-src 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// Notes problems and warnings while the rest is read.
struct Notes {
    problems: ConfigProblems,
    warnings: Vec<String>,
}

impl Notes {
    fn problem(&mut self, key: &str, problem: impl Into<String>, fix: impl Into<String>) {
        self.problems.add(key, problem, fix);
    }

    fn missing(&mut self, key: &str, fix: &str) {
        self.problem(key, "it is required, but missing", fix);
    }
}

pub(super) fn config(file: ConfigFile, problems: ConfigProblems) -> Result<Config, ConfigProblems> {
    // A section that could not be read has been noted already; so has one that was read in part.
    let seen = |section: &str| problems.0.iter().any(|it| it.key == section);
    let (client_noted, session_noted, whole_noted) =
        (seen("client"), seen("session"), seen(super::read::WHOLE_FILE));
    let mut notes = Notes { problems, warnings: Vec::new() };
    if whole_noted {
        return Err(notes.problems);
    }
    if file.client.is_none() && !client_noted {
        notes.missing("client", "describe your authorization server and client there: issuer, clientId, …");
    }
    if file.session.is_none() && !session_noted {
        notes.missing("session", "set session.signingKey and session.encryptionKey there");
    }
    let provider = file.client.map(|section| provider(section, &mut notes));
    let app = provider
        .as_ref()
        .and_then(|it| it.clients.get(it.default_client))
        .and_then(|client| client.redirect_uri.join("/").ok());
    let mut store = StoreConfig::Memory;
    let session = file.session.map(|mut section| {
        store = session_store(section.authorization_flow_cache.take(), &file.connections, &mut notes);
        session(section, &mut notes)
    });
    for (name, connection) in &file.connections {
        check_connection(name, connection, &mut notes);
    }
    let server = server(file.server, app, &mut notes);
    if let (Some(provider), Some(session), true) = (&provider, &session, notes.problems.is_empty()) {
        look_twice(provider, session, &server, &mut notes);
    }
    match (provider, session) {
        (Some(provider), Some(session)) if notes.problems.is_empty() => {
            Ok(Config { provider, session, server, store, warnings: notes.warnings })
        }
        _ => Err(notes.problems),
    }
}

/// What is possible, but likely not what was meant.
fn look_twice(provider: &ProviderConfig, session: &SessionConfig, server: &ServerConfig, notes: &mut Notes) {
    for client in &provider.clients {
        let expected = format!("{}{}", server.api_prefix, authtool_contract::endpoint::OAUTH_CALLBACK);
        if client.redirect_uri.path().trim_end_matches('/') != expected {
            notes.warnings.push(format!(
                "redirect_uri has the path {}, but the callback is served at {expected}; unless something in front \
                 of the server rewrites paths, logins will end at a page that is not there",
                client.redirect_uri.path()
            ));
        }
        if client.redirect_uri.scheme() == "http"
            && session.cookie.secure
            && !is_loopback(&client.redirect_uri)
        {
            notes.warnings.push(
                "redirect_uri is plain http on another host than localhost: browsers will not keep Secure cookies \
                 there, and logins will not last; use https, or session.mode.sessionIdHardening \"none\" with secure \
                 false on a closed network"
                    .into(),
            );
        }
    }
    if session.cookie.hardening == Hardening::None {
        notes.warnings.push("session.mode.sessionIdHardening is \"none\": for development only".into());
    }
}

// --- client -------------------------------------------------------------------------------------------

fn provider(section: ClientSection, notes: &mut Notes) -> ProviderConfig {
    let (inline, shared) = split(section);
    let entries: Vec<(String, ClientEntry)> = match shared.clients {
        Some(list) => {
            if inline.client_id.is_some() || inline.redirect_uri.is_some() || inline.credentials.is_some() {
                notes.problem(
                    "client.clients",
                    "there are both `clients` and a client inline",
                    "move the inline client's settings into an entry of `clients`",
                );
            }
            if list.is_empty() {
                notes.problem("client.clients", "the list is empty", "add at least one client");
            }
            list.into_iter().enumerate().map(|(i, entry)| (format!("client.clients[{i}]"), entry)).collect()
        }
        None => vec![("client".to_owned(), inline)],
    };
    let issuer = shared.issuer.unwrap_or_default();
    let metadata_url = issuer_metadata(&issuer, shared.segment.as_deref(), shared.allow_insecure_http, notes);
    let algorithms = id_token_algorithms(shared.algorithms, notes);
    let defaults: Vec<usize> = entries
        .iter()
        .enumerate()
        .filter(|(_, (_, entry))| entry.default == Some(true))
        .map(|(i, _)| i)
        .collect();
    if defaults.len() > 1 {
        notes.problem("client.clients", "several clients have `default: true`", "leave it at one of them");
    }
    let mut clients: Vec<ClientConfig> = Vec::new();
    for (key, entry) in entries {
        let Some(client) = client(&key, entry, notes) else { continue };
        if clients.iter().any(|other| other.client_id == client.client_id) {
            notes.problem(
                &format!("{key}.clientId"),
                "another client has the same clientId",
                "list each client once",
            );
        }
        clients.push(client);
    }
    ProviderConfig {
        issuer,
        metadata_url,
        id_token_algorithms: algorithms,
        allow_insecure_http: shared.allow_insecure_http,
        clients,
        default_client: defaults.first().copied().unwrap_or(0),
    }
}

struct Shared {
    issuer: Option<String>,
    segment: Option<String>,
    algorithms: Option<Vec<String>>,
    allow_insecure_http: bool,
    clients: Option<Vec<ClientEntry>>,
}

fn split(section: ClientSection) -> (ClientEntry, Shared) {
    let entry = ClientEntry {
        client_id: section.client_id,
        redirect_uri: section.redirect_uri,
        credentials: section.credentials,
        scope: section.scope,
        extra: section.extra,
        default: section.default,
        id_token_validation_issuer: section.id_token_validation_issuer,
        post_logout_redirect_uri: section.post_logout_redirect_uri,
        preferred_token_endpoint_auth_method: section.preferred_token_endpoint_auth_method,
        preferred_token_endpoint_signing_algorithm: section.preferred_token_endpoint_signing_algorithm,
    };
    let shared = Shared {
        issuer: section.issuer,
        segment: section.issuer_metadata_segment,
        algorithms: section.id_token_signing_algorithms,
        allow_insecure_http: section.allow_insecure_http,
        clients: section.clients,
    };
    (entry, shared)
}

fn issuer_metadata(issuer: &str, segment: Option<&str>, allow_insecure_http: bool, notes: &mut Notes) -> Url {
    let key = "client.issuer";
    let nowhere = || Url::from_file_path("/").unwrap_or_else(|()| unreachable_url());
    if issuer.is_empty() {
        notes.missing(key, "give your provider's issuer, such as https://login.example.com/realms/main");
        return nowhere();
    }
    let Some(parsed) = web_url(key, issuer, notes) else { return nowhere() };
    if parsed.query().is_some() || parsed.fragment().is_some() {
        notes.problem(
            key,
            "it has a query or a fragment",
            "an issuer is scheme, host, and perhaps port and path",
        );
    }
    if parsed.scheme() == "http" && !is_loopback(&parsed) && !allow_insecure_http {
        notes.problem(
            key,
            "it is plain http, so anybody between here and there can log in as anybody",
            "use https; on a closed development network, set client.allowInsecureHttp to true",
        );
    }
    let segment = segment.unwrap_or(DEFAULT_METADATA_SEGMENT);
    if !segment.starts_with('/') {
        notes.problem(
            "client.issuerMetadataSegment",
            "it does not begin with a slash",
            format!("write /{segment}, or leave it out for {DEFAULT_METADATA_SEGMENT}"),
        );
    }
    match Url::parse(&format!("{}{segment}", issuer.trim_end_matches('/'))) {
        Ok(url) => url,
        Err(_) => nowhere(),
    }
}

/// A placeholder where a problem has been noted already, and nothing will be served.
fn unreachable_url() -> Url {
    #[allow(clippy::unwrap_used)]
    Url::parse("http://invalid.invalid/").unwrap()
}

fn id_token_algorithms(names: Option<Vec<String>>, notes: &mut Notes) -> Vec<Algorithm> {
    let key = "client.idTokenSigningAlgorithms";
    let Some(names) = names else { return vec![Algorithm::RS256] };
    let mut algorithms = Vec::new();
    for name in &names {
        match name.parse() {
            Ok(algorithm) => algorithms.push(algorithm),
            Err(_) => notes.problem(
                key,
                format!("{name:?} is not a signature algorithm that can be accepted"),
                "use RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA; HS256 to HS512 only if the \
                 provider signs with the client secret",
            ),
        }
    }
    if names.is_empty() {
        notes.problem(
            key,
            "the list is empty",
            "name at least one algorithm, or leave the key out for RS256",
        );
    }
    algorithms
}

fn client(key: &str, entry: ClientEntry, notes: &mut Notes) -> Option<ClientConfig> {
    let at = |name: &str| format!("{key}.{name}");
    let client_id = match entry.client_id {
        Some(source) => text_secret(&at("clientId"), &source, notes),
        None => {
            notes.missing(&at("clientId"), "give the client id that the provider registered");
            None
        }
    };
    let redirect_uri = match entry.redirect_uri.as_deref() {
        Some(text) => web_url(&at("redirect_uri"), text, notes),
        None => {
            notes.missing(
                &at("redirect_uri"),
                "give this server's public callback, such as https://app.example.com/bff/oauth/callback, and \
                 register the same URL at the provider",
            );
            None
        }
    };
    if redirect_uri.as_ref().is_some_and(|it| it.fragment().is_some()) {
        notes.problem(
            &at("redirect_uri"),
            "it has a fragment",
            "remove the # and what follows (RFC 6749 §3.1.2)",
        );
    }
    let authentication = authentication(
        key,
        entry.credentials,
        entry.preferred_token_endpoint_auth_method.as_deref(),
        entry.preferred_token_endpoint_signing_algorithm.as_deref(),
        notes,
    );
    let extra = extra_parameters(&at("extra"), entry.extra, notes);
    let post_logout_redirect_uri = entry
        .post_logout_redirect_uri
        .as_deref()
        .and_then(|text| web_url(&at("postLogoutRedirectUri"), text, notes));
    Some(ClientConfig {
        client_id: client_id?,
        redirect_uri: redirect_uri?,
        authentication: authentication?,
        scope: entry.scope.unwrap_or_default().split_ascii_whitespace().collect::<Vec<_>>().join(" "),
        extra,
        id_token_issuer: entry.id_token_validation_issuer,
        post_logout_redirect_uri,
    })
}

fn authentication(
    key: &str,
    section: Option<CredentialsSection>,
    method: Option<&str>,
    algorithm: Option<&str>,
    notes: &mut Notes,
) -> Option<ClientAuthentication> {
    let at = |name: &str| format!("{key}.{name}");
    let preferred = match method {
        None => None,
        Some(name) => {
            let known = [
                AuthenticationMethod::ClientSecretBasic,
                AuthenticationMethod::ClientSecretPost,
                AuthenticationMethod::ClientSecretJwt,
                AuthenticationMethod::PrivateKeyJwt,
                AuthenticationMethod::None,
            ];
            let found = known.into_iter().find(|it| it.name() == name);
            if found.is_none() {
                notes.problem(
                    &at("preferredTokenEndpointAuthMethod"),
                    format!("{name:?} is not a client authentication method"),
                    "use client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt or none",
                );
            }
            found
        }
    };
    let algorithm_key = at("preferredTokenEndpointSigningAlgorithm");
    let algorithm: Option<Algorithm> = match algorithm {
        None => None,
        Some("ES512") => {
            notes.problem(&algorithm_key, "ES512 is not supported yet", "use ES256 or ES384");
            None
        }
        Some(name) => {
            let parsed = name.parse().ok();
            if parsed.is_none() {
                notes.problem(
                    &algorithm_key,
                    format!("{name:?} is not a signing algorithm"),
                    "use HS, RS or PS with 256, 384 or 512, ES256, ES384 or EdDSA",
                );
            }
            parsed
        }
    };
    let section = section.unwrap_or_default();
    let credentials_key = at("credentials");
    let credentials = match (section.secret, section.private_key) {
        (Some(secret), None) => text_secret(&at("credentials.secret"), &secret, notes)
            .map(|it| ClientCredentials::Secret(it.into())),
        (None, Some(pem)) => {
            let algorithm = algorithm.unwrap_or(Algorithm::RS256);
            let key = at("credentials.privateKey");
            let pem = text_secret(&key, &pem, notes)?;
            match ClientCredentials::private_key(&pem, algorithm, section.kid) {
                Ok(credentials) => Some(credentials),
                Err(error) => {
                    notes.problem(
                        &key,
                        format!("{error} ({algorithm:?})"),
                        format!("give a PEM private key for {algorithm:?}, or set {algorithm_key} to the key's algorithm"),
                    );
                    None
                }
            }
        }
        (None, None) if preferred == Some(AuthenticationMethod::None) => {
            Some(ClientCredentials::Secret(String::new().into()))
        }
        (None, None) => {
            notes.missing(&credentials_key, "give `secret` or `privateKey`");
            None
        }
        (Some(_), Some(_)) => {
            notes.problem(&credentials_key, "there are both `secret` and `privateKey`", "leave one of them");
            None
        }
    }?;
    let fits = match (preferred, &credentials) {
        (None | Some(AuthenticationMethod::None), _) => true,
        (Some(AuthenticationMethod::PrivateKeyJwt), it) => matches!(it, ClientCredentials::PrivateKey { .. }),
        (Some(_), it) => matches!(it, ClientCredentials::Secret(_)),
    };
    if !fits {
        notes.problem(
            &at("preferredTokenEndpointAuthMethod"),
            format!(
                "{} does not go with these credentials",
                preferred.map_or("", AuthenticationMethod::name)
            ),
            "use private_key_jwt with `privateKey`, and the client_secret methods with `secret`",
        );
    }
    let symmetric = |it: &Algorithm| matches!(it, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
    let secret_algorithm = algorithm.filter(symmetric).unwrap_or(Algorithm::HS256);
    Some(ClientAuthentication { credentials, preferred, secret_algorithm })
}

fn extra_parameters(
    key: &str,
    extra: std::collections::BTreeMap<String, Value>,
    notes: &mut Notes,
) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    for (name, value) in extra {
        let at = format!("{key}.{name}");
        if PROTOCOL_PARAMETERS.contains(&name.as_str()) {
            notes.problem(&at, "this parameter is set by the protocol", "remove it from `extra`");
            continue;
        }
        if name == "max_age" && lenient_seconds(&value).is_none() {
            notes.problem(&at, "it is not a number of seconds", "write a whole number, such as 3600");
        }
        match value {
            Value::String(text) => parameters.push((name, text)),
            Value::Number(number) => parameters.push((name, number.to_string())),
            Value::Bool(flag) => parameters.push((name, flag.to_string())),
            // RFC 8707 §2: the one parameter that may be repeated.
            Value::Array(list) if name == "resource" && list.iter().all(Value::is_string) => {
                parameters
                    .extend(list.iter().filter_map(Value::as_str).map(|it| (name.clone(), it.to_owned())));
            }
            _ => notes.problem(
                &at,
                "it is neither text nor a number",
                "write a string; only `resource` may be a list of strings",
            ),
        }
    }
    parameters
}

// --- session ------------------------------------------------------------------------------------------

fn session(section: SessionSection, notes: &mut Notes) -> SessionConfig {
    let mode = match section.mode.kind.as_deref() {
        Some("bff") => Mode::Bff,
        None | Some("tokenMediation" | "tokenExchange") => Mode::TokenExchange,
        Some(other) => {
            notes.problem(
                "session.mode.type",
                format!("{other:?} is not a mode"),
                "use \"bff\" (no token reaches the browser) or \"tokenExchange\"",
            );
            Mode::Bff
        }
    };
    let cookie = cookie(section.mode, notes);
    let signing_keys = keys("session.signingKey", section.signing_key, notes);
    let encryption_keys = keys("session.encryptionKey", section.encryption_key, notes);
    if signing_keys.iter().any(|key| encryption_keys.contains(key)) {
        notes.problem(
            "session.encryptionKey",
            "it is the same key as session.signingKey",
            "use two independent keys; `authtool-bff keys` makes a pair",
        );
    }
    if section.encrypt_access_token == Some(false) {
        notes.warnings.push(
            "session.encryptAccessToken is false, but access tokens are encrypted all the same: it costs \
             microseconds and keeps a copy of the store useless to a thief"
                .into(),
        );
    }
    let user_claims = section.user_claims.unwrap_or_else(|| vec!["email".to_owned()]);
    if user_claims.iter().any(|name| name == authtool_contract::SESSION_MEMBER) {
        notes.problem(
            "session.userClaims",
            "`session` is the one claim that cannot be shown: /session uses the name itself",
            "remove it from the list",
        );
    }
    let jitter_secs = section.session_jitter_secs.unwrap_or(DEFAULT_JITTER_SECS);
    if jitter_secs > 3600 {
        notes.problem("session.sessionJitterSecs", "it is more than an hour", "use a few seconds");
    }
    let lifetimes = Lifetimes {
        absolute: lifetime(
            "session.absoluteLifetimeSecs",
            section.absolute_lifetime_secs,
            DEFAULT_ABSOLUTE_SECS,
            notes,
        ),
        refresh_token: lifetime(
            "session.refreshTokenExpirationSecs",
            section.refresh_token_expiration_secs,
            DEFAULT_REFRESH_TOKEN_SECS,
            notes,
        ),
        refresh_token_field: section.refresh_token_expiration_payload_field.filter(|it| !it.is_empty()),
        jitter: Duration::from_secs(jitter_secs),
    };
    let error_redirect =
        section.error_redirects.as_deref().and_then(|text| web_url("session.errorRedirects", text, notes));
    SessionConfig {
        mode,
        cookie,
        signing_keys,
        encryption_keys,
        lifetimes,
        user_claims,
        error_redirect,
        logout_on_get: !section.disable_logout_on_get.unwrap_or(false),
    }
}

fn lifetime(key: &str, seconds: Option<u64>, default: u64, notes: &mut Notes) -> Duration {
    let seconds = seconds.unwrap_or(default);
    if seconds == 0 || seconds > MAX_LIFETIME_SECS {
        notes.problem(key, "it is zero or more than a century", format!("give seconds, such as {default}"));
    }
    Duration::from_secs(seconds)
}

fn cookie(mode: ModeSection, notes: &mut Notes) -> CookieSettings {
    let hardening = match mode.session_id_hardening.as_deref() {
        None | Some("host") => Hardening::Host,
        Some("secure") => Hardening::Secure,
        Some("none") => Hardening::None,
        Some(other) => {
            notes.problem(
                "session.mode.sessionIdHardening",
                format!("{other:?} is not a hardening"),
                "use \"host\" (best), \"secure\", or \"none\" for plain http on your own machine",
            );
            Hardening::Host
        }
    };
    let same_site = match mode.same_site.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("strict") => SameSite::Strict,
        Some("lax") => SameSite::Lax,
        Some("none") => SameSite::None,
        Some(_) => {
            notes.problem("session.mode.sameSite", "it is not a SameSite value", "use strict, lax or none");
            SameSite::Strict
        }
    };
    let secure = mode.secure.unwrap_or(true);
    let path = mode.path.unwrap_or_else(|| "/".to_owned());
    let impossible = |notes: &mut Notes, key: &str, problem: &str, fix: &str| {
        notes.problem(&format!("session.mode.{key}"), problem, fix);
    };
    if hardening != Hardening::None && !secure {
        impossible(
            notes,
            "secure",
            "it is false, but browsers refuse a cookie with this name prefix that is not Secure",
            "remove it, or set sessionIdHardening to \"none\" for plain http on your own machine",
        );
    }
    if hardening == Hardening::Host && mode.domain.is_some() {
        impossible(
            notes,
            "domain",
            "browsers refuse a __Host- cookie with a Domain",
            "remove it, or set sessionIdHardening to \"secure\" if subdomains must share the session",
        );
    }
    if hardening == Hardening::Host && path != "/" {
        impossible(
            notes,
            "path",
            "browsers refuse a __Host- cookie with another Path than /",
            "remove it, or set sessionIdHardening to \"secure\"",
        );
    }
    if same_site == SameSite::None && !secure {
        impossible(notes, "sameSite", "browsers refuse SameSite=None without Secure", "set secure to true");
    }
    let partitioned = mode.partitioned.unwrap_or(false);
    if partitioned && !secure {
        impossible(notes, "partitioned", "browsers refuse Partitioned without Secure", "set secure to true");
    }
    let http_only = mode.http_only.unwrap_or(true);
    if !http_only && !cfg!(debug_assertions) {
        impossible(
            notes,
            "http_only",
            "it is false: any script in the page could take the session",
            "remove it; only debug builds accept it",
        );
    }
    let attribute =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';' && byte != b',');
    if !path.starts_with('/') || !attribute(&path) {
        impossible(
            notes,
            "path",
            "it is not a cookie path",
            "begin with a slash, without spaces or semicolons",
        );
    }
    if mode.domain.as_deref().is_some_and(|domain| domain.is_empty() || !attribute(domain)) {
        impossible(notes, "domain", "it is not a domain", "write a host name, such as example.com");
    }
    if mode.expiration_secs == Some(0) {
        impossible(
            notes,
            "expirationSecs",
            "it is zero",
            "give seconds, or leave it out for a browser session",
        );
    }
    CookieSettings {
        hardening,
        same_site,
        secure,
        http_only,
        path,
        domain: mode.domain,
        partitioned,
        max_age: mode.expiration_secs.map(|seconds| Duration::from_secs(seconds.min(MAX_COOKIE_SECS))),
    }
}

fn keys(key: &str, list: Option<SecretList>, notes: &mut Notes) -> Vec<KeyMaterial> {
    let Some(SecretList(sources)) = list else {
        if !notes.problems.0.iter().any(|it| it.key.starts_with(key)) {
            notes.missing(
                key,
                "`authtool-bff keys` makes one; keep it in a file or a secret of your platform",
            );
        }
        return Vec::new();
    };
    if sources.len() > MAX_KEYS {
        notes.problem(key, format!("there are more than {MAX_KEYS} keys"), "remove the oldest ones");
    }
    let several = sources.len() > 1;
    let mut keys = Vec::new();
    for (i, source) in sources.iter().enumerate() {
        let at = if several { format!("{key}[{i}]") } else { key.to_owned() };
        let material = source
            .resolve()
            .map_err(|error| error.to_string())
            .and_then(|bytes| KeyMaterial::new(bytes.to_vec()).map_err(|error| error.to_string()));
        match material {
            Ok(material) if keys.contains(&material) => {
                notes.problem(&at, "the list has this key twice", "remove one")
            }
            Ok(material) => keys.push(material),
            Err(problem) => notes.problem(&at, problem, "`authtool-bff keys` makes a good one"),
        }
    }
    keys
}

// --- connections --------------------------------------------------------------------------------------

fn session_store(
    section: Option<FlowCacheSection>,
    connections: &std::collections::BTreeMap<String, ConnectionSection>,
    notes: &mut Notes,
) -> StoreConfig {
    let key = "session.authorizationFlowCache";
    let Some(section) = section else {
        notes.warnings.push(format!(
            "{key} is not set: sessions are kept in memory and end with this process; name a connection to keep them"
        ));
        return StoreConfig::Memory;
    };
    match (section.connection_name, section.host) {
        (Some(name), None) => {
            match connections.get(&name) {
                Some(connection) => match connection.kind.as_deref() {
                    Some("embedded") => connection
                        .config
                        .path
                        .as_ref()
                        .map_or(StoreConfig::Memory, |path| StoreConfig::File(path.into())),
                    _ => StoreConfig::Memory,
                },
                None => {
                    let known = connections.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                    notes.problem(
                    &format!("{key}.connectionName"),
                    format!("there is no connection {name:?}"),
                    if known.is_empty() {
                        format!("add it under `connections`, such as {{\"{name}\": {{\"type\": \"embedded\"}}}}")
                    } else {
                        format!("add it under `connections`, or name one of: {known}")
                    },
                );
                    StoreConfig::Memory
                }
            }
        }
        (None, Some(_)) => {
            redis_is_coming(key, notes);
            StoreConfig::Memory
        }
        _ => {
            notes.problem(
                key,
                "it names no store",
                "give `connectionName`, or leave the key out to keep sessions in memory",
            );
            StoreConfig::Memory
        }
    }
}

fn check_connection(name: &str, connection: &ConnectionSection, notes: &mut Notes) {
    let key = format!("connections.{name}");
    match connection.kind.as_deref() {
        Some("embedded") => {
            if connection.config.host.is_some() {
                notes.problem(&format!("{key}.config.host"), "an embedded store has no host", "remove it");
            }
        }
        Some("redis") => redis_is_coming(&key, notes),
        Some(other) => notes.problem(
            &format!("{key}.type"),
            format!("{other:?} is not a kind of connection"),
            "use \"embedded\" or \"redis\"",
        ),
        None if notes.problems.0.iter().any(|it| it.key.starts_with(&key)) => {}
        None => notes.missing(&format!("{key}.type"), "use \"embedded\" or \"redis\""),
    }
}

fn redis_is_coming(key: &str, notes: &mut Notes) {
    notes.problem(
        key,
        "this version has no Redis store yet",
        "use a connection of type \"embedded\" (one process; give `path` to keep sessions over restarts)",
    );
}

// --- server -------------------------------------------------------------------------------------------

fn server(section: ServerSection, app: Option<Url>, notes: &mut Notes) -> ServerConfig {
    let api_prefix = path_prefix("server.apiPrefix", section.api_prefix.as_deref().unwrap_or("/"), notes);
    let public_port = section.port.unwrap_or(DEFAULT_PORT);
    let public_ip = ip("server.ip", section.ip.as_deref().unwrap_or("0.0.0.0"), notes);
    let internal_is_explicit = section.internal.is_some();
    let internal = section.internal.unwrap_or_default();
    let internal_port = internal.port.unwrap_or_else(|| public_port.checked_add(1).unwrap_or(DEFAULT_PORT));
    let internal_ip = ip("server.internal.ip", internal.ip.as_deref().unwrap_or("127.0.0.1"), notes);
    if internal_port == public_port && internal_port != 0 {
        notes.problem(
            "server.internal.port",
            "it is the public port too",
            "use another one: what it serves is not for browsers",
        );
    }
    let mut allowed_return_origins = Vec::new();
    for (i, text) in section.allowed_return_origins.iter().enumerate() {
        let key = format!("server.allowedReturnOrigins[{i}]");
        let Some(url) = web_url(&key, text, notes) else { continue };
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            notes.problem(
                &key,
                "it is more than an origin",
                format!("write {}", url.origin().ascii_serialization()),
            );
        }
        allowed_return_origins.push(url.origin());
    }
    let static_files = section.static_files.and_then(|section| {
        let Some(root) = section.root.map(PathBuf::from) else {
            notes.missing("server.static.root", "give the folder of the built app");
            return None;
        };
        if !root.is_dir() {
            notes.problem(
                "server.static.root",
                format!(
                    "{} is not a folder (the working directory is what relative paths start from)",
                    root.display()
                ),
                "build the app first, or correct the path",
            );
        }
        let content_security_policy =
            section.content_security_policy.unwrap_or_else(|| DEFAULT_CSP.to_owned());
        if http::HeaderValue::from_str(&content_security_policy).is_err() {
            notes.problem(
                "server.static.contentSecurityPolicy",
                "it has characters a header cannot have",
                "use ASCII",
            );
        }
        let fallback = match section.fallback {
            Some(name) if name.is_empty() => None,
            Some(name) => Some(name),
            None => Some("index.html".to_owned()),
        };
        if let Some(name) = fallback.as_ref().filter(|name| name.starts_with('/') || name.contains("..")) {
            notes.problem(
                "server.static.fallback",
                format!("{name:?} is not the name of a file inside the folder"),
                "write index.html, or \"\" for none",
            );
        }
        Some(StaticFiles { root, fallback, content_security_policy })
    });
    let proxy = proxy_routes(section.proxy, &api_prefix, notes);
    ServerConfig {
        api_prefix,
        public: (public_ip, public_port).into(),
        internal: (internal_ip, internal_port).into(),
        internal_is_explicit,
        app: app.unwrap_or_else(unreachable_url),
        allowed_return_origins,
        static_files,
        proxy,
    }
}

fn proxy_routes(
    sections: Vec<super::file::ProxySection>,
    api_prefix: &str,
    notes: &mut Notes,
) -> Vec<ProxyRoute> {
    let mut routes: Vec<ProxyRoute> = Vec::new();
    for (i, section) in sections.into_iter().enumerate() {
        let at = |name: &str| format!("server.proxy[{i}].{name}");
        let noted = |name: &str, notes: &Notes| notes.problems.0.iter().any(|it| it.key == at(name));
        let Some(prefix) = section.prefix else {
            if !noted("prefix", notes) {
                notes.missing(&at("prefix"), "give the path of the API, such as /api");
            }
            continue;
        };
        let prefix = path_prefix(&at("prefix"), &prefix, notes);
        if prefix.is_empty() || prefix == api_prefix {
            notes.problem(
                &at("prefix"),
                "it covers authtool's own endpoints",
                "use a prefix of its own, such as /api",
            );
        }
        if routes.iter().any(|other| other.prefix == prefix) {
            notes.problem(&at("prefix"), "another route has the same prefix", "merge the two");
        }
        let Some(upstream) = section.upstream else {
            if !noted("upstream", notes) {
                notes.missing(&at("upstream"), "give the API's address, such as http://127.0.0.1:4000");
            }
            continue;
        };
        let Some(upstream) = web_url(&at("upstream"), &upstream, notes) else { continue };
        if upstream.path() != "/" || upstream.query().is_some() || upstream.fragment().is_some() {
            notes.problem(
                &at("upstream"),
                "it is more than an origin",
                format!("write {}; the request's own path is kept", upstream.origin().ascii_serialization()),
            );
        }
        let timeout = lifetime(&at("timeoutSecs"), section.timeout_secs, 60, notes);
        routes.push(ProxyRoute { prefix, upstream, timeout });
    }
    routes
}

// --- values -------------------------------------------------------------------------------------------

fn web_url(key: &str, text: &str, notes: &mut Notes) -> Option<Url> {
    let fix = "write an absolute URL, such as https://app.example.com/path";
    let Ok(url) = Url::parse(text) else {
        notes.problem(key, "it is not an absolute URL", fix);
        return None;
    };
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        notes.problem(key, "it is not an http or https URL", fix);
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        notes.problem(key, "it contains credentials", "remove what stands before the @");
        return None;
    }
    Some(url)
}

/// With a leading and without a trailing slash; `/` becomes nothing.
fn path_prefix(key: &str, text: &str, notes: &mut Notes) -> String {
    let prefix = text.trim_end_matches('/');
    let plain = |segment: &str| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    let good = prefix.is_empty() || prefix.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain));
    if !good {
        notes.problem(
            key,
            "it is not a path prefix",
            "begin with a slash and use plain segments, such as /bff",
        );
    }
    prefix.to_owned()
}

fn ip(key: &str, text: &str, notes: &mut Notes) -> IpAddr {
    text.trim_matches(['[', ']']).parse().unwrap_or_else(|_| {
        notes.problem(
            key,
            format!("{text:?} is not an IP address"),
            "use 0.0.0.0, 127.0.0.1 or [::], for example",
        );
        IpAddr::from([127, 0, 0, 1])
    })
}

fn text_secret(key: &str, source: &SecretSource, notes: &mut Notes) -> Option<String> {
    match source.resolve_text() {
        Ok(text) => Some(text.as_str().to_owned()),
        Err(error) => {
            notes.problem(key, error.to_string(), "set it, or correct where it is to be found");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good() -> Value {
        json!({
            "client": {
                "issuer": "https://op.example",
                "clientId": "app",
                "redirect_uri": "https://app.example/bff/oauth/callback",
                "credentials": {"secret": "s3cret"},
                "scope": "openid  email",
            },
            "connections": {"here": {"type": "embedded"}},
            "session": {
                "mode": {"type": "bff"},
                "signingKey": "0123456789abcdefghijklmnopqrstuv",
                "encryptionKey": "vutsrqponmlkjihgfedcba9876543210",
                "authorizationFlowCache": {"connectionName": "here"},
            },
            "server": {"apiPrefix": "/bff"},
        })
    }

    /// The good configuration with the value at a pointer set.
    fn with(pointer: &str, value: Value) -> Result<Config, ConfigProblems> {
        let mut file = good();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        file.pointer_mut(parent).unwrap()[name] = value;
        Config::from_json(&file.to_string())
    }

    #[track_caller]
    fn refuses(pointer: &str, value: Value, key: &str) {
        let problems = with(pointer, value.clone()).expect_err(&format!("{pointer} = {value} was accepted"));
        assert!(problems.0.iter().any(|it| it.key == key), "{pointer} = {value}: {problems}");
        assert!(problems.0.iter().all(|it| !it.fix.is_empty()), "{problems}");
    }

    #[test]
    fn the_defaults_are_those_of_the_original() {
        let config = Config::from_json(&good().to_string()).unwrap();
        assert_eq!(
            config.provider.metadata_url.as_str(),
            "https://op.example/.well-known/openid-configuration"
        );
        assert_eq!(config.provider.clients[0].scope, "openid email");
        assert_eq!(config.session.lifetimes.jitter, Duration::from_secs(7));
        assert_eq!(config.session.lifetimes.refresh_token, Duration::from_secs(604_800));
        assert_eq!(config.session.user_claims, ["email"]);
        assert_eq!(config.session.cookie.hardening, Hardening::Host);
        assert_eq!(config.session.cookie.same_site, SameSite::Strict);
        assert!(config.session.logout_on_get);
        assert_eq!(config.server.public, "0.0.0.0:3000".parse().unwrap());
        assert_eq!(config.server.internal, "127.0.0.1:3001".parse().unwrap());
        assert_eq!(config.server.app.as_str(), "https://app.example/");
        assert_eq!(config.warnings, Vec::<String>::new());
    }

    #[test]
    fn both_spellings_of_the_second_mode_and_its_default_are_the_same_mode() {
        for mode in [json!("tokenExchange"), json!("tokenMediation"), json!(null)] {
            assert_eq!(with("/session/mode/type", mode).unwrap().session.mode, Mode::TokenExchange);
        }
        refuses("/session/mode/type", json!("spa"), "session.mode.type");
    }

    #[test]
    fn everything_that_is_missing_is_named_at_once() {
        let problems = Config::from_json("{}").unwrap_err();
        assert_eq!(problems.0.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), ["client", "session"]);
        let problems = Config::from_json(r#"{"client": {}, "session": {}}"#).unwrap_err();
        let keys: Vec<_> = problems.0.iter().map(|it| it.key.as_str()).collect();
        for key in [
            "client.issuer",
            "client.clientId",
            "client.redirect_uri",
            "client.credentials",
            "session.signingKey",
            "session.encryptionKey",
        ] {
            assert!(keys.contains(&key), "{key}: {problems}");
        }
    }

    #[test]
    fn sec_076_cookie_settings_that_browsers_refuse_are_refused_at_start() {
        for (mode, key) in [
            (json!({"secure": false}), "session.mode.secure"),
            (json!({"domain": "example.com"}), "session.mode.domain"),
            (json!({"path": "/bff"}), "session.mode.path"),
            (
                json!({"sessionIdHardening": "none", "secure": false, "sameSite": "none"}),
                "session.mode.sameSite",
            ),
            (
                json!({"sessionIdHardening": "none", "secure": false, "partitioned": true}),
                "session.mode.partitioned",
            ),
            (json!({"sessionIdHardening": "secure", "secure": false}), "session.mode.secure"),
            (json!({"sessionIdHardening": "secure", "path": "/a;b"}), "session.mode.path"),
            (json!({"sessionIdHardening": "x"}), "session.mode.sessionIdHardening"),
            (json!({"sameSite": "x"}), "session.mode.sameSite"),
            (json!({"expirationSecs": 0}), "session.mode.expirationSecs"),
        ] {
            refuses("/session/mode", mode, key);
        }
        assert!(
            with("/session/mode", json!({"sessionIdHardening": "secure", "domain": "example.com"})).is_ok()
        );
    }

    #[test]
    fn sec_086_a_huge_cookie_lifetime_is_capped() {
        let config = with("/session/mode/expirationSecs", json!(1_000_000_000_000_u64)).unwrap();
        assert_eq!(config.session.cookie.max_age, Some(Duration::from_secs(MAX_COOKIE_SECS)));
    }

    #[test]
    fn sec_138_keys_must_be_long_random_and_different() {
        refuses("/session/signingKey", json!("short"), "session.signingKey");
        refuses("/session/signingKey", json!("vutsrqponmlkjihgfedcba9876543210"), "session.encryptionKey");
        refuses(
            "/session/encryptionKey",
            json!("changeme-changeme-changeme-changeme"),
            "session.encryptionKey",
        );
        refuses("/session/signingKey", json!([]), "session.signingKey");
        refuses(
            "/session/signingKey",
            json!({"type": "env", "key": "AUTHTOOL_SURELY_UNSET"}),
            "session.signingKey",
        );
        let list = json!(["0123456789abcdefghijklmnopqrstuv", "abcdefghijklmnopqrstuv0123456789"]);
        assert_eq!(with("/session/signingKey", list).unwrap().session.signing_keys.len(), 2);
    }

    #[test]
    fn sec_008_extra_parameters_cannot_be_those_of_the_protocol() {
        for name in PROTOCOL_PARAMETERS {
            refuses("/client/extra", json!({*name: "x"}), &format!("client.extra.{name}"));
        }
        refuses("/client/extra", json!({"audience": ["a"]}), "client.extra.audience");
        let config = with("/client/extra", json!({"resource": ["a", "b"], "max_age": 60})).unwrap();
        assert_eq!(config.provider.clients[0].extra.len(), 3);
    }

    #[test]
    fn sec_137_a_provider_over_plain_http_needs_to_be_asked_for() {
        refuses("/client/issuer", json!("http://op.example"), "client.issuer");
        assert!(with("/client/issuer", json!("http://127.0.0.1:4000")).is_ok());
    }

    #[test]
    fn urls_prefixes_and_addresses_are_checked() {
        for (pointer, value, key) in [
            ("/client/issuer", json!("op.example"), "client.issuer"),
            ("/client/issuer", json!("https://a:b@op.example"), "client.issuer"),
            ("/client/issuer", json!("https://op.example?x"), "client.issuer"),
            ("/client/redirect_uri", json!("/bff/oauth/callback"), "client.redirect_uri"),
            ("/client/redirect_uri", json!("https://app.example/x#y"), "client.redirect_uri"),
            ("/client/credentials", json!({}), "client.credentials"),
            ("/client/credentials", json!({"secret": "a", "privateKey": "b"}), "client.credentials"),
            ("/client/credentials", json!({"privateKey": "not a key"}), "client.credentials.privateKey"),
            ("/server/apiPrefix", json!("bff"), "server.apiPrefix"),
            ("/server/apiPrefix", json!("/b//ff"), "server.apiPrefix"),
            ("/server/apiPrefix", json!("/b/../ff"), "server.apiPrefix"),
            ("/server/ip", json!("localhost"), "server.ip"),
            ("/server/internal", json!({"port": 3000}), "server.internal.port"),
            ("/server/static", json!({}), "server.static.root"),
            ("/server/static", json!({"root": "/nowhere/at/all"}), "server.static.root"),
            (
                "/server/proxy",
                json!([{"prefix": "/bff", "upstream": "http://127.0.0.1:1"}]),
                "server.proxy[0].prefix",
            ),
            (
                "/server/proxy",
                json!([{"prefix": "/api", "upstream": "http://127.0.0.1:1/x"}]),
                "server.proxy[0].upstream",
            ),
            ("/server/proxy", json!([{"upstream": "http://127.0.0.1:1"}]), "server.proxy[0].prefix"),
            (
                "/server/allowedReturnOrigins",
                json!(["https://a.example/x"]),
                "server.allowedReturnOrigins[0]",
            ),
            (
                "/session/authorizationFlowCache",
                json!({"connectionName": "there"}),
                "session.authorizationFlowCache.connectionName",
            ),
            ("/connections/here", json!({"type": "etcd"}), "connections.here.type"),
            ("/session/userClaims", json!(["session"]), "session.userClaims"),
        ] {
            refuses(pointer, value, key);
        }
    }

    #[test]
    fn several_clients_have_at_most_one_default() {
        let client = |id: &str, default: bool| {
            json!({
                "clientId": id, "redirect_uri": "https://app.example/bff/oauth/callback",
                "credentials": {"secret": "x"}, "default": default,
            })
        };
        let clients = |list: Value| with("/client", json!({"issuer": "https://op.example", "clients": list}));
        assert_eq!(
            clients(json!([client("a", false), client("b", true)])).unwrap().provider.default_client,
            1
        );
        assert_eq!(
            clients(json!([client("a", false), client("b", false)])).unwrap().provider.default_client,
            0
        );
        assert!(clients(json!([client("a", true), client("b", true)])).is_err());
        assert!(clients(json!([client("a", false), client("a", false)])).is_err());
        assert!(clients(json!([])).is_err());
    }

    #[test]
    fn sec_063_sec_140_a_configuration_does_not_print_its_secrets() {
        let printed = format!("{:?}", Config::from_json(&good().to_string()).unwrap());
        for secret in ["s3cret", "0123456789abcdef", "vutsrqpon"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
}
