//! Envoy's own `oauth2` filter: no store, the tokens are in the browser's cookies.

use authtool_tests::{Process, Provider, envoy::binary};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::Peer;

pub(super) const NAME: &str = "Envoy's own OAuth2 filter";

pub(super) fn start(provider: &Provider, api: u16, port: u16) -> Peer {
    let temporary = TempDir::new().expect("a temporary folder");
    let file = temporary.path().join("envoy.json");
    std::fs::write(&file, bootstrap(provider, api, port).to_string()).expect("a fresh folder is writable");
    let process = Process::start("Envoy", binary(), |command| {
        command.arg("-c").arg(file);
        command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]);
    });
    Peer {
        name: NAME,
        port,
        login: "/api/orders",
        cookies: &["BearerToken", "OauthHMAC", "OauthExpires", "IdToken", "RefreshToken"],
        process,
        _folder: Some(temporary),
    }
}

fn bootstrap(provider: &Provider, api: u16, port: u16) -> Value {
    let issuer = Url::parse(&provider.issuer).expect("an issuer is a URL");
    let (client, client_secret) = Provider::credentials();
    let oauth2 = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.oauth2.v3.OAuth2",
        "config": {
            "token_endpoint": {"cluster": "op", "uri": format!("{issuer}token"), "timeout": "3s"},
            "authorization_endpoint": format!("{issuer}auth"),
            "redirect_uri": format!("http://localhost:{port}/callback"),
            "redirect_path_matcher": {"path": {"exact": "/callback"}},
            "signout_path": {"path": {"exact": "/signout"}},
            "forward_bearer_token": true,
            "auth_scopes": ["openid", "profile", "email", "offline_access"],
            "auth_type": "BASIC_AUTH",
            "credentials": {
                "client_id": client,
                "token_secret": {"name": "token"},
                "hmac_secret": {"name": "hmac"},
            },
        },
    });
    let secret = |name: &str, value: &str| json!({"name": name, "generic_secret": {"secret": {"inline_string": value}}});
    let filter = |name: &str, config: Value| json!({"name": name, "typed_config": config});
    let connections = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "public",
        "route_config": {"virtual_hosts": [{"name": "app", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "api"}},
        ]}]},
        "http_filters": [
            filter("envoy.filters.http.oauth2", oauth2),
            filter("envoy.filters.http.router", json!({
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            })),
        ],
    });
    json!({"static_resources": {
        "secrets": [
            secret("token", client_secret),
            secret("hmac", "0123456789abcdef0123456789abcdef"),
        ],
        "listeners": [{
            "name": "public",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
            "filter_chains": [{"filters": [filter("envoy.filters.network.http_connection_manager", connections)]}],
        }],
        "clusters": [cluster("op", issuer.port().expect("the provider has a port")), cluster("api", api)],
    }})
}

fn cluster(name: &str, port: u16) -> Value {
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    })
}
