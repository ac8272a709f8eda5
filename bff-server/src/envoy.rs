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
    http::session_cookie_name,
    ports::{AuthorizationServer as _, ProviderError},
    server::provider_settings,
};

/// Headers that only the gateway itself may set, removed where no filter of ours looks at a request.
const NEVER_FROM_CLIENTS: [&str; 5] =
    ["authorization", "traceparent", "tracestate", "x-authtool-gateway", "x-jwt-payload"];
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
    /// The folder of `token-exchange.lua`, where Envoy runs.
    pub lua_folder: String,
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
            "clusters": clusters(gateway),
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
        "route_config": {"name": "routes", "virtual_hosts": [virtual_host(config, gateway)]},
        "http_filters": filters(config, gateway),
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
    let prefix = &config.server.api_prefix;
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
            "request_headers_to_remove": NEVER_FROM_CLIENTS,
            "typed_per_filter_config": unfiltered(gateway),
        })
    }));
    routes.extend(gateway.apis.iter().enumerate().map(|(i, api)| {
        json!({
            "match": {"path_separated_prefix": api.prefix},
            // Streams may last; what is silent for five minutes, or an hour old, ends.
            "route": {"cluster": api_cluster(i), "timeout": "0s", "max_stream_duration": {"max_stream_duration": "3600s"}},
        })
    }));
    if gateway.app.is_some() || config.server.static_files.is_some() {
        routes.push(json!({
            "match": {"prefix": "/"},
            "route": {
                "cluster": if gateway.app.is_some() { "app" } else { PUBLIC_CLUSTER },
                "timeout": "30s",
                "retry_policy": retry_elsewhere(),
            },
            "request_headers_to_remove": NEVER_FROM_CLIENTS,
        }));
    }
    routes
}

/// A request that was not received is sent again, to another; one that may have been is not.
fn retry_elsewhere() -> Value {
    json!({
        "retry_on": "connect-failure,refused-stream,reset-before-request",
        "num_retries": 2,
        "retry_host_predicate": [{
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            },
        }],
    })
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
    let disabled = json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true, "config": {}});
    let mut filters = json!({"envoy.filters.http.lua": disabled});
    if let Some(object) = filters.as_object_mut() {
        if !gateway.jwt.is_empty() {
            object.insert("envoy.filters.http.jwt_authn".into(), disabled.clone());
        }
        if gateway.policy.is_some() {
            object.insert("envoy.filters.http.ext_authz".into(), disabled);
        }
    }
    filters
}

/// In this order: who it is, whether that is true, whether he may.
fn filters(config: &Config, gateway: &Gateway) -> Vec<Value> {
    let mut filters = vec![json!({
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": lua(config, gateway)},
        },
    })];
    if !gateway.jwt.is_empty() {
        filters.push(jwt_authn(&gateway.jwt, &gateway.apis));
    }
    if gateway.policy.is_some() {
        filters.push(json!({
            "name": "envoy.filters.http.ext_authz",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
                "transport_api_version": "V3",
                "grpc_service": {"envoy_grpc": {"cluster_name": "policy"}, "timeout": "1s"},
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

fn lua(config: &Config, gateway: &Gateway) -> String {
    let list = |items: Vec<String>| items.iter().map(|it| lua_string(it)).collect::<Vec<_>>().join(", ");
    format!(
        "package.path = {folder} .. package.path\n\
         local token_exchange = require(\"token-exchange\")\n\
         local config = {{\n\
         \x20 token_service_cluster = \"{INTERNAL_CLUSTER}\",\n\
         \x20 token_service_endpoint = {endpoint},\n\
         \x20 session_cookie_name = {cookie},\n\
         \x20 require_session = true,\n\
         \x20 protected_prefixes = {{ {prefixes} }},\n\
         \x20 allowed_origins = {{ {origin} }},\n\
         {credential}\
         }}\n\
         function envoy_on_request(handle) token_exchange.on_request(handle, config) end\n\
         function envoy_on_response(handle) token_exchange.on_response(handle, config) end\n",
        folder = lua_string(&format!("{}/?.lua;", gateway.lua_folder.trim_end_matches('/'))),
        endpoint = lua_string(&format!("{}{}", config.server.api_prefix, authtool_contract::endpoint::TOKEN)),
        cookie = lua_string(&session_cookie_name(&config.session.cookie)),
        prefixes = list(gateway.apis.iter().map(|api| api.prefix.clone()).collect()),
        credential = if config.server.gateway_credential.is_some() {
            format!("  gateway_credential = os.getenv(\"{CREDENTIAL_VARIABLE}\"),\n")
        } else {
            String::new()
        },
        origin = lua_string(&config.server.app.origin().ascii_serialization()),
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

fn jwt_authn(issuers: &[Jwt], apis: &[Api]) -> Value {
    let name = |index: usize| format!("issuer_{index}");
    let providers: Map<String, Value> = issuers
        .iter()
        .enumerate()
        .map(|(i, jwt)| {
            let provider = json!({
                "issuer": jwt.issuer,
                "audiences": jwt.audiences,
                "remote_jwks": {
                    "http_uri": {"uri": jwt.jwks_uri.as_str(), "cluster": jwks_cluster(i), "timeout": "5s"},
                    "cache_duration": "300s",
                    "async_fetch": {"fast_listener": true},
                },
                // Not from the query, where the default would look too.
                "from_headers": [{"name": "Authorization", "value_prefix": "Bearer "}],
                "forward": true,
                "require_expiration": true,
                "clock_skew_seconds": 10,
            });
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
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": providers,
            "rules": apis.iter().map(|api| json!({
                "match": {"path_separated_prefix": api.prefix},
                "requires": requires,
            })).collect::<Vec<_>>(),
        },
    })
}

fn clusters(gateway: &Gateway) -> Vec<Value> {
    let mut clusters = vec![
        cluster(PUBLIC_CLUSTER, &gateway.public, None, None),
        cluster(INTERNAL_CLUSTER, &gateway.internal, None, Some(authtool_contract::endpoint::HEALTHZ)),
    ];
    for (i, api) in gateway.apis.iter().enumerate() {
        let tls = api.is_encrypted.then_some(api.upstream.host.as_str());
        clusters.push(cluster(&api_cluster(i), std::slice::from_ref(&api.upstream), tls, None));
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
        if let Some(object) = cluster.as_object_mut() {
            object.insert(
                "typed_extension_protocol_options".into(),
                json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": {"http2_protocol_options": {}},
                }}),
            );
        }
        clusters.push(cluster);
    }
    clusters
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
