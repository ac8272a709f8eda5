//! `authtool-bff envoy`: a configuration for Envoy that fits the server's.

use std::net::{Ipv4Addr, SocketAddr};

use authtool_bff::{
    Config,
    envoy::{self, Api, Endpoint, Exchange, Gateway, Jwt},
};
use clap::{Args, ValueEnum};
use url::Url;

use crate::{Fallible, Outcome, say};

/// What the server's configuration does not say.
#[derive(Args)]
pub(crate) struct Options {
    /// Where Envoy listens.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// A certificate chain (PEM file), if Envoy ends TLS itself.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<String>,
    /// The certificate's private key (PEM file).
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<String>,
    /// A replica's public listener; repeat it for more. Default: server.ip and server.port.
    #[arg(long, value_name = "HOST:PORT")]
    bff: Vec<String>,
    /// A replica's internal listener; repeat it for more. Default: server.internal.
    #[arg(long, value_name = "HOST:PORT")]
    bff_internal: Vec<String>,
    /// An API, such as /api=http://orders:4000; repeat it for more. `h2c://` and `h2://` for HTTP/2 without and with
    /// TLS, as gRPC needs. Default: server.proxy.
    #[arg(long, value_name = "PREFIX=URL")]
    api: Vec<String>,
    /// The server that shows the app's pages. Default: authtool, if server.static is configured.
    #[arg(long, value_name = "HOST:PORT")]
    app: Option<String>,
    /// An audience that access tokens may be for; repeat it for more. Default: those of server.machineClients.
    #[arg(long, value_name = "AUDIENCE")]
    audience: Vec<String>,
    /// Where the provider's keys are. Default: what its metadata says now.
    #[arg(long, value_name = "URL")]
    jwks_uri: Option<Url>,
    /// The issuer that access tokens name. Default: the client's.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Access tokens are no JWTs: Envoy cannot check them, and each API asks the provider.
    #[arg(long, conflicts_with_all = ["audience", "jwks_uri", "issuer"])]
    opaque_tokens: bool,
    /// A policy service, asked by `ext_authz` over gRPC once the token is known to be good.
    #[arg(long, value_name = "HOST:PORT")]
    policy: Option<String>,
    /// How the cookie is exchanged for a token.
    #[arg(long, value_name = "WAY", value_enum, default_value_t = Way::Lua)]
    exchange: Way,
    /// The longest that a stream or a WebSocket may last. It ends with the session in any case, as far as that was
    /// known when it began; a logout in between is not noticed before it ends.
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    max_stream_secs: u64,
    /// The folder of token-exchange.lua where Envoy runs. Default: the module is part of what is printed.
    #[arg(long, value_name = "FOLDER")]
    lua_folder: Option<String>,
    /// Where Envoy's own administration listens.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
}

/// How the cookie is exchanged for a token.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// By a Lua script that asks for the token.
    Lua,
    /// By Envoy's `ext_authz` over HTTP.
    ExtAuthzHttp,
    /// By Envoy's `ext_authz` over gRPC.
    ExtAuthzGrpc,
}

/// Prints the bootstrap as YAML.
pub(crate) fn print(config: &Config, options: Options) -> Outcome {
    let folder = options.lua_folder.clone();
    let bootstrap = envoy::bootstrap(config, &gateway(config, options)?);
    let mut out = std::io::stdout();
    say(&mut out, "# Made by `authtool-bff envoy`. Start it with `envoy -c`.");
    if let Some(folder) = folder {
        say(&mut out, &format!("# It needs token-exchange.lua in {folder}."));
    }
    if config.server.gateway_credential.is_some() {
        let variable = envoy::CREDENTIAL_VARIABLE;
        say(&mut out, &format!("# Envoy needs server.gatewayCredential in its environment, as {variable}."));
    }
    say(&mut out, serde_saphyr::to_string(&bootstrap)?.trim_end());
    Ok(())
}

fn gateway(config: &Config, options: Options) -> Fallible<Gateway> {
    if options.exchange == Way::Lua && config.provider.clients.iter().any(|client| client.dpop) {
        return Err("client.dpop binds tokens to a key, and the Lua exchange brings no proofs to APIs: use --exchange \
                    ext-authz-grpc; see docs/dpop.md"
            .into());
    }
    if options.exchange == Way::ExtAuthzGrpc && !cfg!(feature = "grpc") {
        return Err(
            "this authtool-bff was built without the feature grpc: use --exchange ext-authz-http".into()
        );
    }
    let own = |address: SocketAddr| {
        let ip = if address.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { address.ip() };
        Endpoint { host: ip.to_string(), port: address.port() }
    };
    let replicas = |given: &[String], default: SocketAddr| -> Fallible<Vec<Endpoint>> {
        if given.is_empty() { Ok(vec![own(default)]) } else { given.iter().map(|it| endpoint(it)).collect() }
    };
    let mut apis: Vec<Api> = options.api.iter().map(|it| api(it)).collect::<Fallible<_>>()?;
    if apis.is_empty() {
        apis = config
            .server
            .proxy
            .iter()
            .map(|route| upstream(route.prefix.clone(), &route.upstream))
            .collect::<Fallible<_>>()?;
    }
    if apis.is_empty() {
        return Err("there is no API to protect; name one, such as --api /api=http://orders:4000".into());
    }
    let audiences = audiences(config, &options)?;
    Ok(Gateway {
        listen: options.listen,
        tls: options.tls_certificate.zip(options.tls_key),
        public: replicas(&options.bff, config.server.public)?,
        internal: replicas(&options.bff_internal, config.server.internal)?,
        apis,
        app: options.app.as_deref().map(endpoint).transpose()?,
        jwt: if options.opaque_tokens {
            Vec::new()
        } else {
            jwt(config, options.issuer, &audiences, options.jwks_uri)?
        },
        policy: options.policy.as_deref().map(endpoint).transpose()?,
        exchange: match options.exchange {
            Way::Lua => Exchange::Lua,
            Way::ExtAuthzHttp => Exchange::ExtAuthzHttp,
            Way::ExtAuthzGrpc => Exchange::ExtAuthzGrpc,
        },
        max_stream_secs: options.max_stream_secs,
        lua_folder: options.lua_folder,
        admin: options.admin,
    })
}

/// Whom tokens may be for. `jwt_authn` has one list for tokens of sessions and for those that clients bring themselves
/// (`server.machineClients`), so that the two have to agree.
fn audiences(config: &Config, options: &Options) -> Fallible<Vec<String>> {
    let machines = &config.server.machine_clients;
    if options.opaque_tokens {
        if options.exchange == Way::Lua && !machines.is_empty() {
            return Err("server.machineClients lets clients use tokens of their own, and with --opaque-tokens nothing behind \
                        the Lua module checks them: give --audience, or use --exchange ext-authz-grpc, by which authtool-bff \
                        checks them"
                .into());
        }
        return Ok(Vec::new());
    }
    let mut of_machines: Vec<String> = machines.iter().flat_map(|it| it.audiences.clone()).collect();
    of_machines.sort_unstable();
    of_machines.dedup();
    if options.audience.is_empty() {
        return match machines.split_first() {
            Some((first, rest))
                if options.exchange == Way::Lua && rest.iter().any(|it| it.audiences != first.audiences) =>
            {
                Err("the entries of server.machineClients differ in their audiences, and Envoy's jwt_authn takes one list for \
                     all APIs: print one configuration for each"
                    .into())
            }
            _ => Ok(of_machines),
        };
    }
    for entry in machines {
        let missing = entry.audiences.iter().find(|it| !options.audience.contains(it));
        let further = options.audience.iter().find(|it| !entry.audiences.contains(it));
        let (audience, where_not) = match (missing, further) {
            (Some(audience), _) => (audience, "--audience"),
            // Elsewhere authtool checks first, by its own list.
            (None, Some(audience)) if options.exchange == Way::Lua => (audience, "server.machineClients"),
            (None, _) => continue,
        };
        return Err(format!(
            "Envoy's jwt_authn takes one list of audiences for tokens of sessions and of machine clients: {audience} is \
             not in {where_not} for {}",
            entry.prefix
        )
        .into());
    }
    Ok(options.audience.clone())
}

/// How the tokens of each issuer are checked.
fn jwt(
    config: &Config,
    issuer: Option<String>,
    audiences: &[String],
    jwks_uri: Option<Url>,
) -> Fallible<Vec<Jwt>> {
    if audiences.is_empty() {
        return Err("Envoy must know which audience (`aud`) your APIs' access tokens are for, or any token of the \
                    provider would do: --audience https://api.example.com. If they are no JWTs: --opaque-tokens"
            .into());
    }
    let issuers = &config.provider.issuers;
    if issuers.len() > 1 && (issuer.is_some() || jwks_uri.is_some()) {
        return Err(
            "--issuer and --jwks-uri are for one issuer, but the configuration has several; leave them out"
                .into(),
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut all = Vec::new();
    for known in issuers {
        let issuer = issuer.clone().unwrap_or_else(|| known.issuer.clone());
        if issuer.contains('{') {
            return Err(format!(
                "{issuer} stands for many issuers; name the one of your APIs' tokens by --issuer"
            )
            .into());
        }
        let jwks_uri = match &jwks_uri {
            Some(url) => url.clone(),
            None => runtime
                .block_on(envoy::provider_keys(config, &known.issuer))
                .map_err(|error| format!("{error}; without it, give --jwks-uri"))?,
        };
        all.push(Jwt { jwks_uri, issuer, audiences: audiences.to_vec() });
    }
    Ok(all)
}

fn endpoint(text: &str) -> Fallible<Endpoint> {
    let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("{text} is not HOST:PORT"))?;
    let port = port.parse().map_err(|_| format!("{text} does not end in a port"))?;
    if host.is_empty() {
        return Err(format!("{text} does not begin with a host").into());
    }
    Ok(Endpoint { host: host.trim_matches(['[', ']']).to_owned(), port })
}

fn api(text: &str) -> Fallible<Api> {
    let (prefix, url) = text
        .split_once('=')
        .ok_or_else(|| format!("--api {text} has no `=`; write it like --api /api=http://orders:4000"))?;
    let prefix = prefix.trim_end_matches('/');
    if !prefix.starts_with('/') || prefix.contains(['?', '#']) {
        return Err(format!("--api {text}: the part before `=` must be a path such as /api").into());
    }
    let url = Url::parse(url).map_err(|_| format!("--api {text}: the part after `=` must be a URL"))?;
    upstream(prefix.to_owned(), &url)
}

fn upstream(prefix: String, url: &Url) -> Fallible<Api> {
    let host =
        url.host_str().ok_or_else(|| format!("{url} has no host"))?.trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().ok_or_else(|| format!("{url} has no port"))?;
    let (is_encrypted, speaks_http2) = match url.scheme() {
        "http" => (false, false),
        "https" => (true, false),
        "h2c" => (false, true),
        "h2" => (true, true),
        other => return Err(format!("{url}: {other} is not known; use http, https, h2c or h2").into()),
    };
    Ok(Api { prefix, upstream: Endpoint { host, port }, is_encrypted, speaks_http2 })
}
