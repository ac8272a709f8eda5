//! `server`: addresses, the app, its files and APIs.

use std::path::PathBuf;

use authtool_contract::endpoint::BROWSER_ENDPOINTS as ENDPOINTS;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::{
    Notes, outbound,
    values::{ip, lifetime, network, path_prefix, shared_secrets, unreachable_url, web_url},
};
use crate::{
    config::{
        FROM_TRUSTED_PROXIES, ProxyRoute, PublicToken, ServerConfig, StaticFiles, TraceSettings,
        file::{MachineClientSection, ProxySection, ServerSection, StaticSection, TracesSection},
    },
    domain::{
        access_token::MachineAccess,
        return_url::{AllowedOrigin, OriginRefusal},
    },
};

const DEFAULT_PORT: u16 = 3000;
/// Longer than common proxies keep an idle connection: the server must not be the first to close it.
const DEFAULT_KEEP_ALIVE_SECS: u64 = 130;
const DEFAULT_CSP: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
     connect-src 'self'; img-src 'self' data:; font-src 'self'; manifest-src 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

pub(super) fn server(section: ServerSection, app: Option<Url>, notes: &mut Notes) -> ServerConfig {
    let api_prefix = path_prefix("server.apiPrefix", section.api_prefix.as_deref().unwrap_or("/"), notes);
    let base_path =
        path_prefix("server.publicBasePath", section.public_base_path.as_deref().unwrap_or("/"), notes);
    outside_of_base(&base_path, &api_prefix, "server.apiPrefix", notes);
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
        match AllowedOrigin::parse(text) {
            Ok(origin) => allowed_return_origins.push(origin),
            Err(refusal) => notes.problem(&key, refusal.to_string(), origin_to_write(&refusal)),
        }
    }
    let static_files = section.static_files.and_then(|section| static_files(section, notes));
    let proxy = proxy_routes(section.proxy, &api_prefix, &base_path, notes);
    let machine_clients = machine_clients(section.machine_clients, &api_prefix, &base_path, notes);
    let public_token = match section.public_token.as_deref() {
        None | Some("guarded") => PublicToken::Guarded,
        Some("closed") => PublicToken::Closed,
        Some(other) => {
            notes.problem("server.publicToken", format!("{other:?} is not known"), "use guarded or closed");
            PublicToken::Guarded
        }
    };
    let trusted_proxies = section
        .trusted_proxies
        .iter()
        .enumerate()
        .filter_map(|(i, text)| network(&format!("server.trustedProxies[{i}]"), text, notes))
        .collect();
    let trusted_proxy_headers = trusted_proxy_headers(&section.trusted_proxy_headers, notes);
    if !trusted_proxy_headers.is_empty() && !proxy.is_empty() && section.trusted_proxies.is_empty() {
        notes.warnings.push(
            "server.trustedProxyHeaders changes nothing for server.proxy: no proxy is trusted; name the one in front \
             in server.trustedProxies"
                .into(),
        );
    }
    let mut app = app.unwrap_or_else(unreachable_url);
    app.set_path(&format!("{base_path}/"));
    ServerConfig {
        api_prefix,
        base_path,
        public: (public_ip, public_port).into(),
        internal: (internal_ip, internal_port).into(),
        internal_is_explicit,
        app,
        allowed_return_origins,
        static_files,
        proxy,
        machine_clients,
        public_token,
        gateway_credential: shared_secrets("server.gatewayCredential", section.gateway_credential, notes),
        operator_credential: shared_secrets(
            "server.internal.operatorCredential",
            internal.operator_credential,
            notes,
        ),
        trusted_proxies,
        trusted_proxy_headers,
        keep_alive: lifetime("server.keepAliveSecs", section.keep_alive_secs, DEFAULT_KEEP_ALIVE_SECS, notes),
        traces: section.traces.and_then(|section| traces(section, notes)),
        outbound: outbound::outbound(section.outbound, notes),
        log_filter: log_filter(section.log_filter, notes),
    }
}

fn log_filter(directives: Option<String>, notes: &mut Notes) -> Option<String> {
    let directives = directives.filter(|it| !it.is_empty())?;
    if let Err(error) = EnvFilter::try_new(&directives) {
        notes.problem(
            "server.logFilter",
            format!("it is not a log filter ({error})"),
            "write a level (error, warn, info, debug or trace), or directives such as info,authtool_bff=debug",
        );
    }
    Some(directives)
}

fn origin_to_write(refusal: &OriginRefusal) -> String {
    match refusal {
        OriginRefusal::More { origin } => format!("write {origin}"),
        OriginRefusal::PlainWildcard => "write https, or each origin by itself".to_owned(),
        OriginRefusal::PublicSuffix { .. } => {
            "write a domain of your own, as in https://*.example.com, or each origin by itself".to_owned()
        }
        OriginRefusal::WildcardPlace => "write each origin by itself, or https:// and *. in front".to_owned(),
        OriginRefusal::EmptyLabel => {
            "write the host without it; for any host below a domain, https://*.example.com".to_owned()
        }
        OriginRefusal::Credentials => "remove what stands before the @".to_owned(),
        OriginRefusal::NotAnOrigin => "write scheme and host, such as https://app.example.com".to_owned(),
    }
}

fn static_files(section: StaticSection, notes: &mut Notes) -> Option<StaticFiles> {
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
    let content_security_policy = section.content_security_policy.unwrap_or_else(|| DEFAULT_CSP.to_owned());
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
}

fn traces(section: TracesSection, notes: &mut Notes) -> Option<TraceSettings> {
    let sample_ratio = section.sample_ratio.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&sample_ratio) {
        notes.problem("server.traces.sampleRatio", "it is not between 0 and 1", "write 0.1 for one in ten");
    }
    let Some(endpoint) = section.endpoint else {
        if !notes.has("server.traces.endpoint") {
            notes.missing(
                "server.traces.endpoint",
                "give the collector's, such as http://127.0.0.1:4318/v1/traces",
            );
        }
        return None;
    };
    Some(TraceSettings {
        endpoint: web_url("server.traces.endpoint", &endpoint, notes)?,
        sample_ratio,
        service_name: section.service_name.unwrap_or_else(|| "authtool-bff".to_owned()),
    })
}

/// A prefix that repeats the base path would make two readings of each path.
fn outside_of_base(base_path: &str, prefix: &str, key: &str, notes: &mut Notes) {
    let rest = prefix.strip_prefix(base_path).filter(|_| !base_path.is_empty());
    if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
        notes.problem(
            key,
            format!("it begins with server.publicBasePath ({base_path}), below which it lies anyway"),
            format!("write {}", if rest.is_empty() { "/bff, for example" } else { rest }),
        );
    }
}

fn trusted_proxy_headers(names: &[String], notes: &mut Notes) -> Vec<&'static str> {
    let known = |(i, name): (usize, &String)| {
        let known = FROM_TRUSTED_PROXIES.into_iter().find(|known| name.eq_ignore_ascii_case(known));
        if known.is_none() {
            notes.problem(
                &format!("server.trustedProxyHeaders[{i}]"),
                format!("{name:?} does not say where a request was sent to"),
                format!("use {}", FROM_TRUSTED_PROXIES.join(", ")),
            );
        }
        known
    };
    names.iter().enumerate().filter_map(known).collect()
}

fn machine_clients(
    sections: Vec<MachineClientSection>,
    api_prefix: &str,
    base_path: &str,
    notes: &mut Notes,
) -> Vec<MachineAccess> {
    let mut all: Vec<MachineAccess> = Vec::new();
    for (i, section) in sections.into_iter().enumerate() {
        let at = |name: &str| format!("server.machineClients[{i}].{name}");
        let audiences = section.audiences;
        if audiences.is_empty() {
            notes.missing(
                &at("audiences"),
                "name the audience (`aud`) of the API's access tokens, such as https://api.example.com: without one, any token \
                 of the provider would do",
            );
        }
        for (j, audience) in audiences.iter().enumerate() {
            if audience.is_empty() || audience.chars().any(char::is_control) {
                notes.problem(
                    &format!("{}[{j}]", at("audiences")),
                    "it is not an audience",
                    "write what tokens have as `aud`, such as https://api.example.com",
                );
            }
        }
        let Some(prefix) = section.prefix else {
            notes.missing(&at("prefix"), "give the path of the API, such as /api");
            continue;
        };
        let prefix = path_prefix(&at("prefix"), &prefix, notes);
        outside_of_base(base_path, &prefix, &at("prefix"), notes);
        refuse_own_endpoints(&at("prefix"), &prefix, api_prefix, notes);
        if all.iter().any(|other| other.prefix == prefix) {
            notes.problem(&at("prefix"), "another entry has the same prefix", "merge the two");
        }
        all.push(MachineAccess { prefix, audiences });
    }
    all
}

/// Nothing of an API lies where our own endpoints do.
fn refuse_own_endpoints(key: &str, prefix: &str, api_prefix: &str, notes: &mut Notes) {
    let covers = |path: &str| path == prefix || path.starts_with(&format!("{prefix}/"));
    let own_endpoint = ENDPOINTS.iter().any(|endpoint| covers(&format!("{api_prefix}{endpoint}")));
    let below_own = !api_prefix.is_empty() && prefix.starts_with(&format!("{api_prefix}/"));
    if prefix.is_empty() || own_endpoint || below_own {
        notes.problem(key, "it covers authtool's own endpoints", "use a prefix of its own, such as /api");
    }
}

fn proxy_routes(
    sections: Vec<ProxySection>,
    api_prefix: &str,
    base_path: &str,
    notes: &mut Notes,
) -> Vec<ProxyRoute> {
    let mut routes: Vec<ProxyRoute> = Vec::new();
    for (i, section) in sections.into_iter().enumerate() {
        let at = |name: &str| format!("server.proxy[{i}].{name}");
        let Some(prefix) = section.prefix else {
            notes.missing(&at("prefix"), "give the path of the API, such as /api");
            continue;
        };
        let prefix = path_prefix(&at("prefix"), &prefix, notes);
        outside_of_base(base_path, &prefix, &at("prefix"), notes);
        refuse_own_endpoints(&at("prefix"), &prefix, api_prefix, notes);
        if routes.iter().any(|other| other.prefix == prefix) {
            notes.problem(&at("prefix"), "another route has the same prefix", "merge the two");
        }
        let Some(upstream) = section.upstream else {
            notes.missing(&at("upstream"), "give the API's address, such as http://127.0.0.1:4000");
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
        let encoded_slashes = section.encoded_slashes.unwrap_or_default();
        routes.push(ProxyRoute { prefix, upstream, timeout, encoded_slashes });
    }
    routes
}
