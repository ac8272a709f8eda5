//! A configuration for Envoy that fits the server's own: `authtool-bff envoy`.
//!
//! It is complete (a bootstrap, for `envoy -c`), and made of parts that can be copied into another: the listener with
//! its filters, and the clusters.

use std::{net::SocketAddr, sync::Arc};

use serde_json::{Map, Value, json};
use url::Url;

use crate::{
    adapters::{SystemClock, SystemEntropy, oidc::OidcProvider},
    config::{Config, Mode},
    http::{session_cookie_name, upstream::NEVER_FROM_CLIENTS},
    ports::{AuthorizationServer as _, ProviderError},
    server::provider_settings,
};

/// Further headers that only the gateway itself may set, where no filter of ours looks at a request.
const NEVER_FROM_CLIENTS_EITHER: [&str; 3] =
    ["traceparent", "tracestate", authtool_contract::header::GATEWAY_CREDENTIAL];
/// The exchange in Lua, and what it takes away from requests and answers: one file, needed nowhere else.
const LUA_MODULE: &str = include_str!("token-exchange.lua");
const LUA: &str = "envoy.filters.http.lua";
const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";
/// Where it leaves a token's claims and header for filters behind it.
const JWT_PAYLOAD: &str = "jwt_payload";
const JWT_HEADER: &str = "jwt_header";
/// The two `ext_authz` filters: the first asks authtool, the second the policy.
const EXCHANGE: &str = "authtool.exchange";
const POLICY: &str = "envoy.filters.http.ext_authz";
const EXT_AUTHZ_TYPE: &str = "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz";
/// Keeps tokens of other kinds from clients that bring their own.
const ACCESS_TOKENS_ONLY: &str = "authtool.access_tokens_only";
/// Where the Lua module notes that a client brought the token itself.
const NOTED_BY_LUA: (&str, &str) = ("authtool", "bearer");
/// Connections to authtool that are not used for this long are closed here: it closes them after ten seconds, and a request
/// that is just then on its way would look like a dead replica's.
const KEEP_ALIVE: &str = "5s";
/// As long as a refresh may take (13 s), and for one whose replica dies, once more what another one usually needs then.
const EXCHANGE_TIMEOUT: &str = "20s";
/// Asking again is safe: sessions are refreshed once, however many ask.
const RETRY_ON: &str = "connect-failure,refused-stream,reset";
const RETRIES: u32 = 3;
const PUBLIC_CLUSTER: &str = "authtool_bff";
const INTERNAL_CLUSTER: &str = "authtool_bff_internal";
/// Where the Lua module finds what the server asks for as `server.gatewayCredential`.
pub const CREDENTIAL_VARIABLE: &str = "AUTHTOOL_GATEWAY_CREDENTIAL";
/// Debian's, and so the official image's.
const SYSTEM_CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A host and a port, as a cluster names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// An API behind the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Its path, without a trailing slash. It stays in the path.
    pub prefix: String,
    /// Where it is.
    pub upstream: Endpoint,
    /// Whether it is reached by TLS.
    pub is_encrypted: bool,
    /// Whether it is spoken to in HTTP/2, as gRPC and everything else with trailers needs. What is upgraded needs HTTP/1.1.
    pub speaks_http2: bool,
}

/// How the cookie is exchanged for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// By `token-exchange.lua`, which asks `/token`.
    Lua,
    /// By `ext_authz` over HTTP.
    ExtAuthzHttp,
    /// By `ext_authz` over gRPC.
    ExtAuthzGrpc,
}

/// What the gateway must know besides the server's configuration.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Certificate chain and private key, as PEM files, if it ends TLS itself.
    pub tls: Option<(String, String)>,
    /// The public listeners of the replicas.
    pub public: Vec<Endpoint>,
    /// Their internal listeners.
    pub internal: Vec<Endpoint>,
    /// The APIs.
    pub apis: Vec<Api>,
    /// Another server that shows the app's pages; without one, authtool's.
    pub app: Option<Endpoint>,
    /// How access tokens are checked, by issuer; none where they are opaque, and each API asks the provider about them.
    pub jwt: Vec<Jwt>,
    /// A policy service (`ext_authz` over gRPC, such as OPA's) that is asked after the token was checked.
    pub policy: Option<Endpoint>,
    /// How the cookie becomes a token.
    pub exchange: Exchange,
    /// The longest that a stream may last, in seconds; it ends with the session in any case.
    pub max_stream_secs: u64,
    /// The folder of `token-exchange.lua`, where Envoy runs; without it, the module is part of the configuration.
    pub lua_folder: Option<String>,
    /// Where Envoy's own administration listens, if it does.
    pub admin: Option<SocketAddr>,
}

/// How access tokens are checked (RFC 9068 §4).
#[derive(Clone, Debug)]
pub struct Jwt {
    /// The provider's keys.
    pub jwks_uri: Url,
    /// The issuer that tokens must name.
    pub issuer: String,
    /// The audiences of which a token must name one.
    pub audiences: Vec<String>,
}

/// Where the keys of a provider are, by its metadata as it is now.
pub async fn provider_keys(config: &Config, issuer: &str) -> Result<Url, ProviderError> {
    let client = config.provider.clients.iter().find(|client| client.issuer == issuer);
    let issuer =
        config.provider.issuers.iter().find(|it| client.is_some_and(|client| client.issuer == it.issuer));
    let issuer = issuer.ok_or_else(|| ProviderError::new("no provider is configured"))?;
    let settings = provider_settings(config, issuer);
    let provider = OidcProvider::new(settings, Arc::new(SystemClock), Arc::new(SystemEntropy))?;
    provider.fetch().await?;
    let metadata = provider.metadata(client.map_or("", |client| &client.name)).await?;
    metadata.jwks_uri.clone().ok_or_else(|| ProviderError::new("its metadata has no jwks_uri"))
}

/// The bootstrap.
pub fn bootstrap(config: &Config, gateway: &Gateway) -> Value {
    let mut bootstrap = json!({
        "static_resources": {
            "listeners": [listener(config, gateway)],
            "clusters": clusters(config, gateway),
        },
        // Refuses connections rather than falling over.
        "overload_manager": {
            "resource_monitors": [{
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": 50000,
                },
            }],
        },
    });
    if let (Some(address), Some(object)) = (gateway.admin, bootstrap.as_object_mut()) {
        object.insert(
            "admin".into(),
            json!({"address": socket_address(&address.ip().to_string(), address.port())}),
        );
    }
    bootstrap
}

fn listener(config: &Config, gateway: &Gateway) -> Value {
    let mut chain = json!({
        "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": http(config, gateway)}],
    });
    if let (Some((certificate, key)), Some(object)) = (&gateway.tls, chain.as_object_mut()) {
        object.insert(
            "transport_socket".into(),
            json!({
                "name": "envoy.transport_sockets.tls",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                    "common_tls_context": {
                        "alpn_protocols": ["h2", "http/1.1"],
                        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                        "tls_certificates": [{
                            "certificate_chain": {"filename": certificate},
                            "private_key": {"filename": key},
                        }],
                    },
                },
            }),
        );
    }
    json!({
        "name": "public",
        "address": socket_address(&gateway.listen.ip().to_string(), gateway.listen.port()),
        "per_connection_buffer_limit_bytes": 1_048_576,
        "filter_chains": [chain],
    })
}

/// The HTTP connection manager, with the limits of Envoy's guide for the edge.
fn http(config: &Config, gateway: &Gateway) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "public",
        "use_remote_address": true,
        "internal_address_config": {"cidr_ranges": []},
        "normalize_path": true,
        "merge_slashes": true,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "strip_trailing_host_dot": true,
        "common_http_protocol_options": {
            "idle_timeout": "300s",
            "max_headers_count": 100,
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65_536,
            "initial_connection_window_size": 1_048_576,
        },
        "max_request_headers_kb": 32,
        "request_headers_timeout": "10s",
        "stream_idle_timeout": "300s",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "access_log": [access_log()],
        "local_reply_config": {"mappers": local_replies(config, gateway)},
        "route_config": {"name": "routes", "virtual_hosts": [virtual_host(config, gateway)]},
        "http_filters": filters(config, gateway),
    })
}

/// Answers of Envoy's own that clients see as authtool's.
fn local_replies(config: &Config, gateway: &Gateway) -> Vec<Value> {
    let mut mappers = vec![unavailable()];
    if takes_tokens_of_clients(config, gateway) {
        mappers.push(invalid_token());
    }
    mappers
}

/// Whether the Lua module leaves clients a token of their own, for `jwt_authn` to check. By `ext_authz`, authtool checks it.
fn takes_tokens_of_clients(config: &Config, gateway: &Gateway) -> bool {
    gateway.exchange == Exchange::Lua && !config.server.machine_clients.is_empty()
}

/// A token that a client brought itself and that is not good (RFC 6750 §3.1): the same answer as authtool's own. Of a session's
/// token the client knows nothing.
fn invalid_token() -> Value {
    let header = |name: &str, value: &str| json!({"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"});
    let code = authtool_contract::ProblemCode::InvalidToken;
    json!({
        "filter": {"and_filter": {"filters": [
            {"metadata_filter": {"matcher": brought_by_the_client(), "match_if_key_not_found": false}},
            {"extension_filter": {
                "name": "envoy.access_loggers.extension_filters.cel",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
                    "expression": "response.code_details.startsWith('jwt_authn_access_denied') \
                                   || response.code_details.startsWith('rbac_access_denied')",
                },
            }},
        ]}},
        "status_code": code.status(),
        "headers_to_add": [
            header("www-authenticate", "Bearer error=\"invalid_token\""),
            header("cache-control", "no-store"),
            header("x-content-type-options", "nosniff"),
        ],
        "body_format_override": {
            "json_format": {
                "type": format!("urn:authtool:problem:{}", code.as_str()),
                "title": code.title(),
                "status": code.status(),
                "code": code.as_str(),
            },
            "content_type": authtool_contract::PROBLEM_MEDIA_TYPE,
        },
    })
}

fn brought_by_the_client() -> Value {
    let (filter, key) = NOTED_BY_LUA;
    json!({"filter": filter, "path": [{"key": key}], "value": {"bool_match": true}})
}

/// Refuses ID tokens, logout tokens and bound tokens that clients bring in place of a bearer token: `jwt_authn` cannot tell them
/// apart. The rules are authtool's own, as far as filters can say them.
fn access_tokens_only(config: &Config) -> Value {
    let dynamic = |matcher: Value| json!({"sourced_metadata": {"metadata_matcher": matcher, "metadata_source": "DYNAMIC"}});
    let of_token = |part: &str, name: &str, value: Value| {
        dynamic(json!({"filter": JWT_AUTHN, "path": [{"key": part}, {"key": name}], "value": value}))
    };
    let claim = |name: &str, value: Value| of_token(JWT_PAYLOAD, name, value);
    let mut marks: Vec<Value> = ["nonce", "at_hash", "c_hash", "s_hash", "events"]
        .into_iter()
        .map(|name| claim(name, json!({"present_match": true})))
        .collect();
    let is = |kind: &str| json!({"string_match": {"exact": kind, "ignore_case": true}});
    // Keycloak and Amazon Cognito say so.
    marks.extend([claim("typ", is("ID")), claim("typ", is("Logout")), claim("token_use", is("id"))]);
    // An ID token is for the client that it was issued to, and may be for others too.
    marks.extend(config.provider.clients.iter().map(|client| {
        let ours = json!({"string_match": {"exact": client.client_id}});
        claim("aud", json!({"list_match": {"one_of": ours}}))
    }));
    let typ = |kind: &str| {
        let ids =
            [kind.to_owned(), format!("application/{kind}")].map(|it| of_token(JWT_HEADER, "typ", is(&it)));
        json!({"or_ids": {"ids": ids}})
    };
    let has_typ = of_token(JWT_HEADER, "typ", json!({"present_match": true}));
    marks.push(json!({"and_ids": {"ids": [has_typ, {"not_id": typ("jwt")}]}}));
    // RFC 9068 §2.1.
    let is_no_access_token =
        json!({"and_ids": {"ids": [{"not_id": typ("at+jwt")}, {"or_ids": {"ids": marks}}]}});
    // RFC 9449 §7.2, RFC 8705 §3: whoever stole such a token could use it as a bearer token.
    let is_bound = claim("cnf", json!({"present_match": true}));
    json!({
        "name": ACCESS_TOKENS_ONLY,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {
                "action": "DENY",
                "policies": {"other_tokens": {
                    "permissions": [{"any": true}],
                    "principals": [{"and_ids": {"ids": [
                        dynamic(brought_by_the_client()),
                        {"or_ids": {"ids": [is_bound, is_no_access_token]}},
                    ]}}],
                }},
            },
        },
    })
}

/// Where authtool or the policy could not be asked, the same answer as the Lua module's. What they answered themselves
/// stays as it is.
fn unavailable() -> Value {
    let header = |name: &str, value: &str| json!({"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"});
    json!({
        "filter": {"extension_filter": {
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
                "expression": "response.code_details == 'ext_authz_error'",
            },
        }},
        "headers_to_add": [
            header("retry-after", "1"),
            header("cache-control", "no-store"),
            header("x-content-type-options", "nosniff"),
        ],
        "body_format_override": {
            "json_format": {
                "type": "urn:authtool:problem:gateway_unavailable",
                "title": "Requests cannot be checked right now",
                "status": 503,
                "code": "gateway_unavailable",
            },
            "content_type": authtool_contract::PROBLEM_MEDIA_TYPE,
        },
    })
}

/// One line of JSON per request: never a query, a cookie or a token (they carry codes, states and sessions).
fn access_log() -> Value {
    json!({
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"json_format": {
                "time": "%START_TIME%",
                "method": "%REQ(:METHOD)%",
                "path": "%PATH(NQ)%",
                "status": "%RESPONSE_CODE%",
                "details": "%RESPONSE_CODE_DETAILS%",
                "flags": "%RESPONSE_FLAGS%",
                "duration_ms": "%DURATION%",
                "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                "upstream": "%UPSTREAM_CLUSTER%",
                "request_id": "%REQ(X-REQUEST-ID)%",
                "traceparent": "%REQ(TRACEPARENT)%",
                "correlation_id": "%RESP(X-CORRELATION-ID)%",
            }},
        },
    })
}

fn virtual_host(config: &Config, gateway: &Gateway) -> Value {
    let host = config.server.app.host_str().unwrap_or_default();
    json!({
        "name": "app",
        // Requests for other hosts are not ours.
        "domains": [host, format!("{host}:*")],
        "routes": routes(config, gateway),
    })
}

fn routes(config: &Config, gateway: &Gateway) -> Vec<Value> {
    let prefix = &config.server.public_prefix();
    let mut routes = Vec::new();
    if config.session.mode == Mode::Bff {
        // The gateway asks the internal listener; nobody else has anything to ask.
        for path in [format!("{prefix}/token"), format!("{prefix}/token/")] {
            routes.push(json!({
                "match": {"path": path},
                "direct_response": {"status": 404},
                "typed_per_filter_config": unfiltered(gateway),
            }));
        }
    }
    routes.extend(endpoints(prefix).into_iter().map(|matched| {
        json!({
            "match": matched,
            "route": {
                "cluster": PUBLIC_CLUSTER,
                "timeout": "30s",
                "retry_policy": retry_elsewhere(),
            },
            "request_headers_to_remove": never_from_clients(),
            "typed_per_filter_config": unfiltered(gateway),
        })
    }));
    let longest = format!("{}s", gateway.max_stream_secs);
    routes.extend(gateway.apis.iter().enumerate().map(|(i, api)| {
        let mut route = json!({
            "match": {"path_separated_prefix": public_path(config, api)},
            // Streams may last; what is silent for five minutes, or as old as this, ends. The exchange says by
            // `grpc-timeout` when the session ends, of whatever kind the request is.
            "route": {
                "cluster": api_cluster(i),
                "timeout": "0s",
                "max_stream_duration": {"max_stream_duration": longest, "grpc_timeout_header_max": longest},
            },
        });
        if !config.server.base_path.is_empty() {
            // As `server.proxy` does: APIs do not know of the base path.
            if let Some(Value::Object(action)) = route.get_mut("route") {
                action.insert("prefix_rewrite".into(), json!(below_base(config, api)));
            }
        }
        if let (false, Some(object)) = (api.speaks_http2, route.as_object_mut()) {
            // Only gRPC knows what it means, and Envoy has read it by then.
            object.insert("request_headers_to_remove".into(), json!(["grpc-timeout"]));
        }
        route
    }));
    if gateway.app.is_some() || config.server.static_files.is_some() {
        routes.push(json!({
            "match": {"prefix": "/"},
            "route": {
                "cluster": if gateway.app.is_some() { "app" } else { PUBLIC_CLUSTER },
                "timeout": "30s",
                "retry_policy": retry_elsewhere(),
            },
            "request_headers_to_remove": never_from_clients(),
            // Pages are for everybody. In Lua the exchange looks at `protected_prefixes`.
            "typed_per_filter_config": disabled([EXCHANGE, POLICY].into_iter().filter(|it| has(gateway, it))),
        }));
    }
    routes
}

/// The API's prefix as browsers have it, whether it was given with the base path or without.
fn public_path(config: &Config, api: &Api) -> String {
    format!("{}{}", config.server.base_path, below_base(config, api))
}

fn below_base<'a>(config: &Config, api: &'a Api) -> &'a str {
    let below = api.prefix.strip_prefix(&config.server.base_path).filter(|it| it.starts_with('/'));
    below.unwrap_or(&api.prefix)
}

/// A request that was not received is sent again, to another; one that may have been is not.
fn retry_elsewhere() -> Value {
    json!({
        "retry_on": "connect-failure,refused-stream,reset-before-request",
        "num_retries": 2,
        "retry_host_predicate": another_host(),
    })
}

/// What is sent again goes to another replica than before.
fn another_host() -> Value {
    json!([{
        "name": "envoy.retry_host_predicates.previous_hosts",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
        },
    }])
}

fn never_from_clients() -> Vec<&'static str> {
    NEVER_FROM_CLIENTS.into_iter().chain(NEVER_FROM_CLIENTS_EITHER).collect()
}

/// The server's own endpoints: everything below the prefix, and nothing that only begins like it.
fn endpoints(prefix: &str) -> Vec<Value> {
    if !prefix.is_empty() {
        return vec![json!({"path_separated_prefix": prefix})];
    }
    authtool_contract::endpoint::BROWSER_ENDPOINTS
        .iter()
        .map(|endpoint| json!({"path_separated_prefix": endpoint}))
        .collect()
}

/// For routes that go to authtool itself: it wants the cookie, and no token.
fn unfiltered(gateway: &Gateway) -> Value {
    disabled([EXCHANGE, LUA, JWT_AUTHN, POLICY].into_iter().filter(|it| has(gateway, it)))
}

/// Whether the gateway has a filter.
fn has(gateway: &Gateway, filter: &str) -> bool {
    match filter {
        EXCHANGE => gateway.exchange != Exchange::Lua,
        JWT_AUTHN => !gateway.jwt.is_empty(),
        POLICY => gateway.policy.is_some(),
        _ => true,
    }
}

fn disabled(filters: impl Iterator<Item = &'static str>) -> Value {
    let disabled = json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true, "config": {}});
    Value::Object(filters.map(|it| (it.to_owned(), disabled.clone())).collect())
}

/// In this order: who it is, whether that is true, whether he may.
fn filters(config: &Config, gateway: &Gateway) -> Vec<Value> {
    let mut filters = Vec::new();
    if gateway.exchange != Exchange::Lua {
        filters.push(exchange(gateway.exchange));
    }
    filters.push(json!({
        "name": LUA,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": lua(config, gateway)},
        },
    }));
    if !gateway.jwt.is_empty() {
        filters.push(jwt_authn(config, gateway));
        if takes_tokens_of_clients(config, gateway) {
            filters.push(access_tokens_only(config));
        }
    }
    if gateway.policy.is_some() {
        filters.push(json!({
            "name": POLICY,
            "typed_config": {
                "@type": EXT_AUTHZ_TYPE,
                "transport_api_version": "V3",
                "grpc_service": {"envoy_grpc": {"cluster_name": "policy"}, "timeout": "1s"},
                // The claims of the token, checked.
                "metadata_context_namespaces": [JWT_AUTHN],
                "failure_mode_allow": false,
                "status_on_error": {"code": "ServiceUnavailable"},
            },
        }));
    }
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }));
    filters
}

/// `ext_authz`, with authtool as the service that decides.
fn exchange(by: Exchange) -> Value {
    let retries = json!({
        "retry_on": RETRY_ON,
        "num_retries": RETRIES,
        "retry_host_predicate": another_host(),
        "host_selection_retry_max_attempts": 3,
    });
    let exact =
        |names: &[&str]| json!({"patterns": names.iter().map(|it| json!({"exact": it})).collect::<Vec<_>>()});
    let mut filter = json!({
        "@type": EXT_AUTHZ_TYPE,
        "transport_api_version": "V3",
        "failure_mode_allow": false,
        "status_on_error": {"code": "ServiceUnavailable"},
        // When the stream has to end is read together with the route.
        "clear_route_cache": true,
    });
    let service = if by == Exchange::ExtAuthzGrpc {
        json!({
            // Each header as it came, not joined with its namesakes.
            "encode_raw_headers": true,
            "grpc_service": {
                "envoy_grpc": {"cluster_name": INTERNAL_CLUSTER},
                "timeout": EXCHANGE_TIMEOUT,
                "retry_policy": retries,
            },
        })
    } else {
        json!({
            // All of them: authtool says which have to go. Not those that would make the question itself a part of
            // the client's trace or connection.
            "allowed_headers": {"patterns": [{"safe_regex": {"regex": ".*"}}]},
            "disallowed_headers": exact(&["connection", "te", "traceparent", "tracestate"]),
            "http_service": {
                "server_uri": {
                    "uri": format!("http://{INTERNAL_CLUSTER}"),
                    "cluster": INTERNAL_CLUSTER,
                    "timeout": EXCHANGE_TIMEOUT,
                },
                "path_prefix": authtool_contract::endpoint::EXT_AUTHZ,
                "authorization_response": {
                    "allowed_upstream_headers": exact(&["authorization", "cookie", "dpop", "grpc-timeout"]),
                },
                "retry_policy": retries,
            },
        })
    };
    if let (Some(filter), Value::Object(service)) = (filter.as_object_mut(), service) {
        filter.extend(service);
    }
    json!({"name": EXCHANGE, "typed_config": filter})
}

fn lua(config: &Config, gateway: &Gateway) -> String {
    let list = |items: Vec<String>| items.iter().map(|it| lua_string(it)).collect::<Vec<_>>().join(", ");
    let module = match &gateway.lua_folder {
        Some(folder) => format!(
            "package.path = {} .. package.path\nlocal token_exchange = require(\"token-exchange\")\n",
            lua_string(&format!("{}/?.lua;", folder.trim_end_matches('/')))
        ),
        None => format!("local token_exchange = (function()\n{LUA_MODULE}end)()\n"),
    };
    format!(
        "{module}\
         local config = {{\n\
         \x20 token_service_cluster = \"{INTERNAL_CLUSTER}\",\n\
         \x20 token_service_endpoint = {endpoint},\n\
         \x20 session_cookie_name = {cookie},\n\
         \x20 require_session = true,\n\
         {elsewhere}\
         \x20 protected_prefixes = {{ {prefixes} }},\n\
         {machines}\
         \x20 allowed_origins = {{ {origin} }},\n\
         {from_proxies}\
         {credential}\
         }}\n\
         function envoy_on_request(handle) token_exchange.on_request(handle, config) end\n\
         function envoy_on_response(handle) token_exchange.on_response(handle, config) end\n",
        elsewhere = if gateway.exchange == Exchange::Lua { "" } else { "  exchanged_elsewhere = true,\n" },
        endpoint = lua_string(&format!("{}{}", config.server.api_prefix, authtool_contract::endpoint::TOKEN)),
        cookie = lua_string(&session_cookie_name(&config.session.cookie)),
        machines = if takes_tokens_of_clients(config, gateway) {
            let prefixes = config.server.machine_clients.iter();
            let prefixes = prefixes.map(|it| format!("{}{}", config.server.base_path, it.prefix)).collect();
            format!("  machine_prefixes = {{ {} }},\n", list(prefixes))
        } else {
            String::new()
        },
        prefixes = list(gateway.apis.iter().map(|api| public_path(config, api)).collect()),
        credential = if gateway.exchange == Exchange::Lua && config.server.gateway_credential.is_some() {
            format!("  gateway_credential = os.getenv(\"{CREDENTIAL_VARIABLE}\"),\n")
        } else {
            String::new()
        },
        origin = lua_string(&config.server.app.origin().ascii_serialization()),
        from_proxies = if config.server.trusted_proxy_headers.is_empty() {
            String::new()
        } else {
            let names = config.server.trusted_proxy_headers.iter().map(|it| (*it).to_owned()).collect();
            format!("  trusted_proxy_headers = {{ {} }},\n", list(names))
        },
    )
}

/// A Lua literal. Control characters have no place in paths, names and origins.
fn lua_string(text: &str) -> String {
    let escaped: String = text
        .chars()
        .filter(|it| !it.is_control())
        .flat_map(|it| matches!(it, '"' | '\\').then_some('\\').into_iter().chain([it]))
        .collect();
    format!("\"{escaped}\"")
}

fn jwt_authn(config: &Config, gateway: &Gateway) -> Value {
    let (issuers, apis) = (&gateway.jwt, &gateway.apis);
    // Not from the query, where the default would look too.
    let mut from_headers = vec![json!({"name": "Authorization", "value_prefix": "Bearer "})];
    if config.provider.clients.iter().any(|client| client.dpop) {
        from_headers.push(json!({"name": "Authorization", "value_prefix": "DPoP "}));
    }
    let name = |index: usize| format!("issuer_{index}");
    let providers: Map<String, Value> = issuers
        .iter()
        .enumerate()
        .map(|(i, jwt)| {
            let mut provider = json!({
                "issuer": jwt.issuer,
                "audiences": jwt.audiences,
                "remote_jwks": {
                    "http_uri": {"uri": jwt.jwks_uri.as_str(), "cluster": jwks_cluster(i), "timeout": "5s"},
                    "cache_duration": "300s",
                    "async_fetch": {"fast_listener": true},
                },
                "from_headers": from_headers,
                "forward": true,
                // For the policy, and for the access log of those who want it.
                "payload_in_metadata": JWT_PAYLOAD,
                "require_expiration": true,
                "clock_skew_seconds": 10,
            });
            if let (true, Some(provider)) =
                (takes_tokens_of_clients(config, gateway), provider.as_object_mut())
            {
                provider.insert("header_in_metadata".into(), json!(JWT_HEADER));
            }
            (name(i), provider)
        })
        .collect();
    let any: Vec<Value> = (0..issuers.len()).map(|i| json!({"provider_name": name(i)})).collect();
    let requires = if let [only] = any.as_slice() {
        only.clone()
    } else {
        json!({"requires_any": {"requirements": any}})
    };
    json!({
        "name": JWT_AUTHN,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": providers,
            "rules": apis.iter().map(|api| json!({
                "match": {"path_separated_prefix": public_path(config, api)},
                "requires": requires,
            })).collect::<Vec<_>>(),
        },
    })
}

fn clusters(config: &Config, gateway: &Gateway) -> Vec<Value> {
    let mut internal =
        cluster(INTERNAL_CLUSTER, &gateway.internal, None, Some(authtool_contract::endpoint::HEALTHZ));
    let has_credential = config.server.gateway_credential.is_some() && gateway.exchange != Exchange::Lua;
    let mut public = cluster(PUBLIC_CLUSTER, &gateway.public, None, None);
    speak(&mut public, false, Some(false));
    speak(&mut internal, gateway.exchange == Exchange::ExtAuthzGrpc, Some(has_credential));
    let mut clusters = vec![public, internal];
    for (i, api) in gateway.apis.iter().enumerate() {
        let tls = api.is_encrypted.then_some(api.upstream.host.as_str());
        let mut cluster = cluster(&api_cluster(i), std::slice::from_ref(&api.upstream), tls, None);
        speak(&mut cluster, api.speaks_http2, None);
        clusters.push(cluster);
    }
    if let Some(app) = &gateway.app {
        clusters.push(cluster("app", std::slice::from_ref(app), None, None));
    }
    for (i, jwt) in gateway.jwt.iter().enumerate() {
        let host = jwt.jwks_uri.host_str().unwrap_or_default();
        let endpoint =
            Endpoint { host: host.to_owned(), port: jwt.jwks_uri.port_or_known_default().unwrap_or(443) };
        let tls = (jwt.jwks_uri.scheme() == "https").then_some(host);
        clusters.push(cluster(&jwks_cluster(i), std::slice::from_ref(&endpoint), tls, None));
    }
    if let Some(policy) = &gateway.policy {
        let mut cluster = cluster("policy", std::slice::from_ref(policy), None, None);
        speak(&mut cluster, true, None);
        clusters.push(cluster);
    }
    clusters
}

/// What a cluster is spoken to in: HTTP/1.1, unless told otherwise. `authtool` is for its own: whether to add what it
/// asks of a gateway, in place of whatever a client has sent by that name.
fn speak(cluster: &mut Value, http2: bool, authtool: Option<bool>) {
    if !http2 && authtool.is_none() {
        return;
    }
    let protocol = if http2 { "http2_protocol_options" } else { "http_protocol_options" };
    let mut options = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {protocol: {}},
    });
    if let (Some(_), Some(options)) = (authtool, options.as_object_mut()) {
        options.insert("common_http_protocol_options".into(), json!({"idle_timeout": KEEP_ALIVE}));
    }
    if let (Some(true), Some(options)) = (authtool, options.as_object_mut()) {
        let filters = json!([
            {
                "name": "envoy.filters.http.header_mutation",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                    "mutations": {"request_mutations": [{"append": {
                        "header": {
                            "key": authtool_contract::header::GATEWAY_CREDENTIAL,
                            "value": format!("%ENVIRONMENT({CREDENTIAL_VARIABLE})%"),
                        },
                        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                    }}]},
                },
            },
            {
                "name": "envoy.filters.http.upstream_codec",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec",
                },
            },
        ]);
        options.insert("http_filters".into(), filters);
    }
    if let Some(cluster) = cluster.as_object_mut() {
        cluster.insert(
            "typed_extension_protocol_options".into(),
            json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options}),
        );
    }
}

fn jwks_cluster(index: usize) -> String {
    format!("provider_jwks_{index}")
}

fn api_cluster(index: usize) -> String {
    format!("api_{index}")
}

fn cluster(name: &str, endpoints: &[Endpoint], tls: Option<&str>, health: Option<&str>) -> Value {
    let threshold = json!({"max_connections": 1024, "max_pending_requests": 1024, "max_requests": 4096, "max_retries": 64});
    let mut cluster = json!({
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "2s",
        "lb_policy": "LEAST_REQUEST",
        // More is refused at once instead of being queued.
        "circuit_breakers": {"thresholds": [threshold]},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": endpoints.iter().map(|it| {
                json!({"endpoint": {"address": socket_address(&it.host, it.port)}})
            }).collect::<Vec<_>>()}],
        },
    });
    let Some(object) = cluster.as_object_mut() else { return cluster };
    if endpoints.len() > 1 {
        // A replica that refuses or resets a connection is left alone at once: what is sent again goes to another.
        object.insert(
            "outlier_detection".into(),
            json!({
                "split_external_local_origin_errors": true,
                "consecutive_local_origin_failure": 1,
                "enforcing_consecutive_5xx": 0,
                "enforcing_consecutive_gateway_failure": 0,
                "base_ejection_time": "2s",
                "max_ejection_percent": 50,
            }),
        );
        // At once, too, when it is given another try and fails again: by default, changes within a second of the last wait.
        object.insert("common_lb_config".into(), json!({"update_merge_window": "0s"}));
    }
    if let Some(path) = health {
        object.insert(
            "health_checks".into(),
            json!([{
                "timeout": "1s",
                "interval": "2s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "http_health_check": {"path": path},
            }]),
        );
    }
    if let Some(name) = tls {
        object.insert(
            "transport_socket".into(),
            json!({
                "name": "envoy.transport_sockets.tls",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                    "sni": name,
                    "auto_sni_san_validation": false,
                    "common_tls_context": {"validation_context": {
                        "trusted_ca": {"filename": SYSTEM_CERTIFICATES},
                        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": name}}],
                    }},
                },
            }),
        );
    }
    cluster
}

fn socket_address(host: &str, port: u16) -> Value {
    json!({"socket_address": {"address": host, "port_value": port}})
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_lua_module_is_part_of_the_program() {
        // A checkout without symbolic links has the link's text in its place.
        assert!(super::LUA_MODULE.contains("function token_exchange.on_request"), "{}", super::LUA_MODULE);
    }
}
