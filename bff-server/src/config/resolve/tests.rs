//! Good configurations, and everything that can be wrong with one.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    adapters::{
        oidc::MetadataSource,
        redis::{Endpoint, Topology},
    },
    config::{Mode, SameSite},
    domain::authorization_request::PROTOCOL_PARAMETERS,
};

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
    let discovery = "https://op.example/.well-known/openid-configuration".parse().unwrap();
    assert_eq!(config.provider.issuers[0].metadata, MetadataSource::At(vec![discovery]));
    assert_eq!(config.provider.clients[0].scope, "openid email");
    assert_eq!(config.session.lifetimes.jitter, Duration::from_secs(7));
    assert_eq!(config.session.lifetimes.refresh_token, Duration::from_hours(168));
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
        (json!({"sessionIdHardening": "none", "secure": false, "sameSite": "none"}), "session.mode.sameSite"),
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
    assert!(with("/session/mode", json!({"sessionIdHardening": "secure", "domain": "example.com"})).is_ok());
}

#[test]
fn sec_086_a_huge_cookie_lifetime_is_capped() {
    let config = with("/session/mode/expirationSecs", json!(1_000_000_000_000_u64)).unwrap();
    assert_eq!(config.session.cookie.max_age, Some(Duration::from_hours(400 * 24)));
}

#[test]
fn sec_138_keys_must_be_long_random_and_different() {
    refuses("/session/signingKey", json!("short"), "session.signingKey");
    refuses("/session/signingKey", json!("vutsrqponmlkjihgfedcba9876543210"), "session.encryptionKey");
    refuses("/session/encryptionKey", json!("changeme-changeme-changeme-changeme"), "session.encryptionKey");
    refuses("/session/signingKey", json!([]), "session.signingKey");
    refuses(
        "/session/signingKey",
        json!({"type": "env", "key": "AUTHTOOL_SURELY_UNSET"}),
        "session.signingKey",
    );
    let list = json!(["0123456789abcdefghijklmnopqrstuv", "abcdefghijklmnopqrstuv0123456789"]);
    assert_eq!(with("/session/signingKey", list).unwrap().session.signing_keys.iter().count(), 2);
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
            "/server",
            json!({"proxy": [{"prefix": "/session", "upstream": "http://127.0.0.1:1"}]}),
            "server.proxy[0].prefix",
        ),
        (
            "/server",
            json!({"proxy": [{"prefix": "/oauth", "upstream": "http://127.0.0.1:1"}]}),
            "server.proxy[0].prefix",
        ),
        (
            "/server/proxy",
            json!([{"prefix": "/bff/api", "upstream": "http://127.0.0.1:1"}]),
            "server.proxy[0].prefix",
        ),
        ("/client/idTokenSigningAlgorithms", json!(["HS256"]), "client.idTokenSigningAlgorithms[0]"),
        ("/server/allowedReturnOrigins", json!(["https://a.example/x"]), "server.allowedReturnOrigins[0]"),
        (
            "/session/authorizationFlowCache",
            json!({"connectionName": "there"}),
            "session.authorizationFlowCache.connectionName",
        ),
        ("/connections/here", json!({"type": "etcd"}), "connections.here.type"),
        ("/connections/here", json!({"config": {}}), "connections.here.type"),
        ("/connections/here/config", json!({"host": "redis"}), "connections.here.config.host"),
        ("/connections/here/config", json!({"path": ""}), "connections.here.config.path"),
        ("/session/userClaims", json!(["session"]), "session.userClaims[0]"),
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
    assert_eq!(clients(json!([client("a", false), client("b", true)])).unwrap().provider.default_client, 1);
    assert_eq!(clients(json!([client("a", false), client("b", false)])).unwrap().provider.default_client, 0);
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

#[test]
fn a_redis_connection_is_the_originals_or_says_what_is_wrong() {
    let redis = |config: Value| {
        let mut file = good();
        file["connections"]["here"] = json!({"type": "redis", "config": config});
        Config::from_json(&file.to_string())
    };
    let StoreConfig::Redis(settings) = redis(json!({"host": "redis"})).unwrap().store else {
        panic!("a connection of type redis is Redis")
    };
    assert_eq!(settings.namespace, "authtool_bff");
    assert_eq!(settings.db, 0);
    assert_eq!(settings.topology, Topology::Standalone(Endpoint { host: "redis".into(), port: 6379 }));
    let full = json!({
        "host": "redis.example", "port": 6380, "namespace": "mine",
        "connection": {"db": 3, "username": "bff", "password": "s3cret", "protocol": "RESP2"},
        "tls": {},
    });
    let full = redis(full).unwrap();
    assert!(!format!("{full:?}").contains("s3cret"), "SEC-61");
    for topology in [
        json!({"sentinel": {"nodes": ["a", "b:26380"], "primary": "main"}}),
        json!({"cluster": {"nodes": ["a:7000", "[::1]:7001", "::1"]}}),
    ] {
        assert!(redis(topology.clone()).is_ok(), "{topology}");
    }
    let settings = |config: Value| match redis(config).unwrap().store {
        StoreConfig::Redis(settings) => *settings,
        other => panic!("{other:?}"),
    };
    for (short, long) in [
        (json!({"host": "redis:6380"}), json!({"host": "redis", "port": 6380})),
        (
            json!({"url": "redis://redis:6380/3"}),
            json!({"host": "redis", "port": 6380, "connection": {"db": 3}}),
        ),
        (json!({"url": "rediss://redis", "port": 6380}), json!({"host": "redis", "port": 6380, "tls": {}})),
        (
            json!({"url": "rediss://bff:s3%40cret@redis?protocol=2", "namespace": "mine"}),
            json!({
                "host": "redis", "namespace": "mine", "tls": {},
                "connection": {"username": "bff", "password": "s3@cret", "protocol": "RESP2"},
            }),
        ),
        (
            json!({"url": "redis://redis", "connection": {"password": "s3cret"}}),
            json!({"url": "redis://:s3cret@redis"}),
        ),
        (
            json!({"url": "unix:///run/redis.sock?db=2"}),
            json!({"socket": "/run/redis.sock", "connection": {"db": 2}}),
        ),
    ] {
        assert_eq!(settings(short.clone()), settings(long), "{short}");
    }
    assert_eq!(settings(json!({"url": "redis://[::1]"})).topology, settings(json!({"host": "::1"})).topology);
    for (config, key) in [
        (json!({}), "host"),
        (json!({"host": "redis://redis"}), "host"),
        (json!({"host": "a", "cluster": {"nodes": ["b"]}}), ""),
        (json!({"host": "a", "path": "x"}), "path"),
        (json!({"host": "a", "namespace": "a b"}), "namespace"),
        (json!({"host": "a", "port": 70_000}), "port"),
        (json!({"host": "a", "connection": {"protocol": "HTTP"}}), "connection.protocol"),
        (json!({"host": "a", "connection": {"db": -1}}), "connection.db"),
        (
            json!({"host": "a", "connection": {"password": {"type": "env", "key": "AUTHTOOL_SURELY_UNSET"}}}),
            "connection.password",
        ),
        (json!({"host": "a", "tls": {"ca": "not a certificate"}}), "tls.ca"),
        (json!({"host": "a", "tls": {"cert": "x"}}), "tls.key"),
        (json!({"host": "a", "tls": {"key": "x"}}), "tls.cert"),
        (json!({"host": "a:6380", "port": 6379}), "host"),
        (json!({"host": "a:b:6379"}), "host"),
        (json!({"url": "redis://a", "host": "a"}), "host"),
        (json!({"url": "redis://a:6379", "port": 6380}), "port"),
        (json!({"url": "redis://:p@a/1", "connection": {"db": 2}}), "connection.db"),
        (json!({"url": "redis://u:p@a", "connection": {"username": "b"}}), "connection.username"),
        (json!({"url": "redis://:p@a", "connection": {"password": "b"}}), "connection.password"),
        (json!({"url": "redis://a?protocol=3", "connection": {"protocol": "RESP2"}}), "connection.protocol"),
        (json!({"url": "redis://a", "cluster": {"nodes": ["b"]}}), ""),
        (json!({"url": "unix:///run/r", "tls": {}}), "tls"),
        (json!({"socket": "/run/r", "port": 1}), "port"),
        (json!({"cluster": {"nodes": []}}), "cluster.nodes"),
        (json!({"cluster": {"nodes": ["a:port"]}}), "cluster.nodes[0]"),
        (json!({"cluster": {"nodes": ["a"]}, "connection": {"db": 1}}), "connection.db"),
        (json!({"sentinel": {"nodes": ["a"]}}), "sentinel.primary"),
    ] {
        let problems = redis(config.clone()).expect_err(&config.to_string());
        let key = format!("connections.here.config.{key}");
        assert!(problems.0.iter().any(|it| it.key == key.trim_end_matches('.')), "{config}: {problems}");
    }
}
