//! The Lua module while the server is down: pages stay available where nothing here demands a session.

use crate::behind::{AUDIENCE, code};
use authtool_tests::envoy::{Envoy, lua_folder};
use authtool_tests::hostile::{IdTokenDraft, Signer, SigningKey, now};
use authtool_tests::raw::{self, RawRequest};
use authtool_tests::{Answer, SESSION, Upstream, ports};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, TcpListener};
use url::Url;

const ISSUER: &str = "https://op.example";

/// The three settings of the system that authtool replaces, at a cluster, and more.
fn lua(cluster: &str, more: &str) -> String {
    format!(
        "package.path = \"{}/?.lua;\" .. package.path\n\
         local token_exchange = require(\"token-exchange\")\n\
         local config = {{\n\
         \x20 token_service_cluster = \"{cluster}\",\n\
         \x20 token_service_endpoint = \"/bff/token\",\n\
         \x20 session_cookie_name = \"{SESSION}\",\n\
         {more}\n}}\n\
         function envoy_on_request(handle) token_exchange.on_request(handle, config) end\n\
         function envoy_on_response(handle) token_exchange.on_response(handle, config) end\n",
        lua_folder().display()
    )
}

/// As the original's users have it: the Lua filter, and `jwt_authn` for the API behind it.
fn listener(port: u16, lua: &str) -> Value {
    let route = |prefix: &str, metadata: Value| json!({"match": {"prefix": prefix}, "route": {"cluster": "upstream"}, "metadata": metadata});
    let anonymous = json!({"filter_metadata": {"envoy.filters.http.lua": {"anonymous": true}}});
    let jwks = json!({"keys": [SigningKey::provider().jwk()]}).to_string();
    json!({
        "name": format!("on_{port}"),
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "on",
            "normalize_path": true,
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                route("/public", anonymous), route("/", json!({})),
            ]}]},
            "http_filters": [
                {"name": "envoy.filters.http.lua", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                    "default_source_code": {"inline_string": lua},
                }},
                {"name": "envoy.filters.http.jwt_authn", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
                    "providers": {"op": {
                        "issuer": ISSUER, "audiences": [AUDIENCE], "forward": true,
                        "local_jwks": {"inline_string": jwks},
                    }},
                    "rules": [{"match": {"prefix": "/api"}, "requires": {"provider_name": "op"}}],
                }},
                {"name": "envoy.filters.http.router", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                }},
            ],
        }}]}],
    })
}

fn cluster(name: &str, port: u16) -> Value {
    json!({
        "name": name, "type": "STATIC", "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}},
        ]}]},
    })
}

fn good_token() -> String {
    let key = SigningKey::provider();
    let token = IdTokenDraft {
        header: json!({"alg": "RS256", "typ": "at+jwt", "kid": key.kid}),
        claims: json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "batch", "client_id": "batch", "iat": now(), "exp": now() + 600,
        }),
        signer: Signer::Key(key),
        payload: None,
        compact: None,
    };
    format!("Bearer {}", token.serialise())
}

/// A request of somebody with a session, who says more about itself than it may.
fn visit(gateway: &Url, path: &str) -> RawRequest {
    raw::get(gateway, path)
        .as_same_origin_fetch()
        .header("cookie", format!("a=1; {SESSION}=1.x.y; __Host-authtool_logout=z"))
        .header("authorization", good_token())
        .header("x-forwarded-user", "root")
}

/// Envoy before an API and pages, with a listener for each of these ways to write the Lua module's configuration. The server is down.
struct Down {
    upstream: Upstream,
    variants: Vec<(&'static str, u16)>,
    _envoy: Envoy,
    /// It takes connections and never answers.
    _silent: TcpListener,
}

impl Down {
    async fn start() -> Self {
        let upstream = Upstream::start().await;
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (mut variants, mut listeners) = (Vec::new(), Vec::new());
        for (name, lua) in [
            ("three settings", lua("dead", "")),
            ("three settings, a server that hangs", lua("silent", "  timeout_ms = 200,")),
            ("something else answers there", lua("upstream", "")),
            ("require_session", lua("dead", "  require_session = true,")),
            ("protected_prefixes", lua("dead", "  protected_prefixes = { \"/api\" },")),
            ("machine_prefixes", lua("dead", "  machine_prefixes = { \"/api\" },")),
        ] {
            let port = Envoy::port();
            variants.push((name, port));
            listeners.push(listener(port, &lua));
        }
        let bootstrap = json!({"static_resources": {"listeners": listeners, "clusters": [
            cluster("dead", ports::free()),
            cluster("silent", silent.local_addr().unwrap().port()),
            cluster("upstream", Url::parse(&upstream.origin).unwrap().port().unwrap()),
        ]}});
        let envoy = Envoy::start(&bootstrap.to_string(), variants[0].1).await;
        Self { upstream, variants, _envoy: envoy, _silent: silent }
    }

    fn at(&self, variant: &str) -> Url {
        let (_, port) = self.variants.iter().find(|(name, _)| *name == variant).unwrap();
        Url::parse(&format!("http://localhost:{port}/")).unwrap()
    }

    fn expect_without_credentials(&self, what: &str, answer: &Answer) {
        assert_eq!(
            (answer.status.as_u16(), answer.text().as_str()),
            (200, "from the upstream"),
            "{what}: {answer:?}"
        );
        let arrived = self.upstream.last();
        assert_eq!(arrived.header("cookie"), "a=1", "{what}: {arrived:?}");
        for name in ["authorization", "x-forwarded-user"] {
            assert_eq!(arrived.header(name), "", "{what}: {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_066_and_158_pages_stay_available_while_the_server_is_down_and_apis_stay_closed() {
    let down = Down::start().await;
    let (upstream, at) = (&down.upstream, |variant: &str| down.at(variant));
    for (variant, path) in [
        ("three settings", "/index.html"),
        ("three settings, a server that hangs", "/index.html"),
        // Said by the operator: nobody has to be logged in there.
        ("require_session", "/public/index.html"),
        ("protected_prefixes", "/index.html"),
        ("machine_prefixes", "/index.html"),
    ] {
        down.expect_without_credentials(variant, &visit(&at(variant), path).send().await);
    }
    let as_navigation = raw::get(&at("three settings"), "/orders/1")
        .as_navigation()
        .header("cookie", format!("a=1; {SESSION}=1.x.y"));
    down.expect_without_credentials("a page that is opened", &as_navigation.send().await);

    let before = upstream.arrived().len();
    for variant in ["three settings", "three settings, a server that hangs"] {
        // The request has lost what its client says about itself, so that `jwt_authn` refuses it. What Fetch Metadata says is
        // anybody's to write, and decides nothing.
        for request in [
            visit(&at(variant), "/api/orders"),
            raw::get(&at(variant), "/api/orders")
                .as_navigation()
                .header("cookie", format!("{SESSION}=1.x.y"))
                .header("authorization", good_token()),
        ] {
            let answer = request.send().await;
            assert_eq!(answer.status, 401, "{variant}: {answer:?}");
            assert!(answer.text().starts_with("Jwt"), "of jwt_authn, {variant}: {answer:?}");
        }
    }
    for (variant, path) in [
        // A mistake of the configuration has to be seen.
        ("something else answers there", "/index.html"),
        ("require_session", "/index.html"),
        ("require_session", "/api/orders"),
        ("protected_prefixes", "/api/orders"),
        // Beside a token, the session counts, and nobody knows whose it is.
        ("machine_prefixes", "/api/orders"),
    ] {
        let exchanged = upstream.arrived().len();
        let answer = visit(&at(variant), path).send().await;
        assert_eq!(
            (answer.status.as_u16(), code(&answer)),
            (503, json!("gateway_unavailable")),
            "{variant} {path}: {answer:?}"
        );
        assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
        let arrived = upstream.arrived().split_off(exchanged);
        assert!(arrived.iter().all(|it| it.uri.path() == "/bff/token"), "{variant} {path}: {arrived:?}");
    }
    // What was refused without asking still is.
    for (what, status, request) in [
        (
            "another site",
            403,
            raw::request("POST", &at("three settings"), "/index.html")
                .header("cookie", format!("{SESSION}=1.x.y"))
                .header("origin", "https://evil.example"),
        ),
        (
            "two sessions",
            401,
            raw::get(&at("three settings"), "/index.html")
                .header("cookie", format!("{SESSION}=a; {SESSION}=b")),
        ),
    ] {
        let answer = request.send().await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
    }
    let pages = upstream.arrived().split_off(before);
    assert!(pages.iter().all(|it| it.uri.path() == "/bff/token"), "nothing else got through: {pages:?}");
    // Machines need no session, and so no server.
    let token = good_token();
    let machine = raw::get(&at("machine_prefixes"), "/api/orders").header("authorization", &token);
    assert_eq!(machine.send().await.status, 200);
    assert_eq!(upstream.last().header("authorization"), token);
}
