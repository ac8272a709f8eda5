//! `authtool-bff envoy`: what it prints is what Envoy takes.

use authtool_tests::ServerConfig;
use authtool_tests::envoy::{Envoy, Exchange};
use authtool_tests::hostile::HostileOp;
use serde_json::json;

const LINT: [&str; 12] = [
    "normalize_path: true",
    "merge_slashes: true",
    "path_with_escaped_slashes_action: REJECT_REQUEST",
    "headers_with_underscores_action: REJECT_REQUEST",
    "use_remote_address: true",
    "require_expiration: true",
    "max_request_headers_kb: 32",
    "max_concurrent_streams: 100",
    "tls_minimum_protocol_version: TLSv1_2",
    "failure_mode_allow: false",
    "max_pending_requests: 1024",
    "PATH(NQ)",
];

#[tokio::test(flavor = "multi_thread")]
async fn sec_142_and_154_and_163_and_164_and_172_and_173_the_bootstrap_is_valid_and_hardened() {
    let op = HostileOp::start().await;
    let mut config = ServerConfig::new(op.issuer());
    config.set("/server/proxy", json!([{"prefix": "/api", "upstream": "https://orders.example"}]));
    let (certificate, key) = authtool_tests::redis::Authority::new().certificate_for(&["localhost"]);
    let (certificate, key) = (config.file("certificate.pem", certificate), config.file("key.pem", key));
    for exchange in Exchange::ALL {
        let bootstrap = tokio::task::block_in_place(|| {
            Envoy::bootstrap(
                &config,
                Envoy::port(),
                &[
                    exchange.argument(),
                    "--audience",
                    "https://api.example",
                    "--bff",
                    "bff-a:3000",
                    "--bff",
                    "bff-b:3000",
                    "--bff-internal",
                    "bff-a:3001",
                    "--app",
                    "app:80",
                    "--policy",
                    "opa:9191",
                    "--admin",
                    "127.0.0.1:9901",
                    "--tls-certificate",
                    certificate.to_str().unwrap(),
                    "--tls-key",
                    key.to_str().unwrap(),
                ],
            )
        });
        for line in LINT {
            assert!(bootstrap.contains(line), "{line} is not in\n{bootstrap}");
        }
        for never in ["extract_only_without_validation", "allow_missing", "%REQ(:PATH)%", "REQ(COOKIE)"] {
            assert!(!bootstrap.contains(never), "{never} is in\n{bootstrap}");
        }
        let (good, said) = tokio::task::block_in_place(|| Envoy::validate(&bootstrap));
        assert!(good, "{said}\n{bootstrap}");
    }
}

#[test]
fn what_the_gateway_must_know_is_asked_for() {
    let mut config = ServerConfig::new("http://127.0.0.1:9");
    let refusal = |config: &ServerConfig, arguments: &[&str]| {
        let output = config.run(&[&["envoy"], arguments].concat());
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = refusal(&config, &["--opaque-tokens"]);
    assert!(said.contains("--api /api=http"), "{said}");
    config.set("/server/proxy", json!([{"prefix": "/api", "upstream": "http://127.0.0.1:4000"}]));
    let said = refusal(&config, &[]);
    assert!(said.contains("--audience") && said.contains("--opaque-tokens"), "{said}");
    let said = refusal(&config, &["--audience", "x"]);
    assert!(said.contains("--jwks-uri"), "the provider does not answer: {said}");
    let said = refusal(&config, &["--opaque-tokens", "--api", "api=http://x"]);
    assert!(said.contains("must be a path"), "{said}");
    let said = refusal(&config, &["--opaque-tokens", "--api", "/api=ftp://x:21"]);
    assert!(said.contains("h2c"), "{said}");
    let said = refusal(&config, &["--opaque-tokens", "--max-stream-secs", "0"]);
    assert!(said.contains("1..=86400"), "{said}");
    let said = refusal(&config, &["--opaque-tokens", "--exchange", "magic"]);
    assert!(said.contains("ext-authz-grpc"), "{said}");
    let said = refusal(&config, &["--opaque-tokens", "--bff", "bff"]);
    assert!(said.contains("HOST:PORT"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_issuer_is_known_to_the_gateway_and_a_template_is_none() {
    let (first, second) = (HostileOp::start().await, HostileOp::start().await);
    let mut config = ServerConfig::new(first.issuer());
    config.set("/server/proxy", json!([{"prefix": "/api", "upstream": "http://127.0.0.1:4000"}]));
    let client = |name: &str, issuer: &str| {
        json!({
            "name": name, "issuer": issuer, "clientId": "x", "credentials": {"secret": "s"}, "scope": "openid",
            "redirect_uri": format!("{}/bff/oauth/callback/{name}", config.app()),
        })
    };
    let clients = json!([client("one", first.issuer()), client("two", second.issuer())]);
    config.set("/client", json!({"issuer": first.issuer(), "clients": clients}));
    let bootstrap = tokio::task::block_in_place(|| {
        Envoy::bootstrap(&config, Envoy::port(), &["--audience", "https://api.example"])
    });
    assert!(bootstrap.contains("requires_any") && bootstrap.contains(second.issuer()), "{bootstrap}");
    let (good, said) = tokio::task::block_in_place(|| Envoy::validate(&bootstrap));
    assert!(good, "{said}\n{bootstrap}");
    let output = tokio::task::block_in_place(|| {
        config.run(&["envoy", "--audience", "x", "--issuer", "https://login.example/{tenantid}"])
    });
    assert!(!output.status.success(), "one --issuer for several");
}

#[test]
fn sec_174_the_lua_module_runs_nothing_that_a_client_sends() {
    let module =
        std::fs::read_to_string(authtool_tests::envoy::lua_folder().join("token-exchange.lua")).unwrap();
    for word in ["loadstring", "load(", "dofile", "require(", "gsub", "setfenv", "os.execute", "io."] {
        // The head shows how the module itself is required.
        let code = module.lines().filter(|line| !line.trim_start().starts_with("--"));
        assert!(code.clone().all(|line| !line.contains(word)), "{word}");
    }
    // Patterns are made of literals alone, and only looked for in what authtool-bff answers.
    let patterns: Vec<_> =
        module.lines().filter(|line| line.contains(":match(") || line.contains(":gmatch(")).collect();
    assert!(patterns.iter().all(|line| line.contains("body:match('")), "{patterns:#?}");
}
