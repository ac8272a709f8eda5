//! `authtool-bff dev`: no file, a few options, a working login.

use authtool_tests::browser::Browser;
use authtool_tests::hostile::{CLIENT_ID, CLIENT_SECRET, Endpoint, HostileOp, Lie};
use authtool_tests::{Server, ServerConfig, Stage, raw};
use serde_json::json;

/// A server in development mode.
async fn develop(op: &HostileOp) -> Server {
    let mut config = ServerConfig::new("");
    let (port, internal) = (config.public_port().to_string(), config.internal_port().to_string());
    config.command(&["dev", "--issuer", op.issuer(), "--client-id", CLIENT_ID, "--port", &port]);
    config.environment("AUTHTOOL_CLIENT_SECRET", CLIENT_SECRET);
    config.environment("AUTHTOOL__SERVER__INTERNAL__PORT", &internal);
    Server::start(config).await
}

#[tokio::test]
async fn a_developer_logs_in_without_a_configuration_file() {
    let op = HostileOp::start().await;
    let server = develop(&op).await;
    let browser = Browser::new();
    browser.follow(server.public.clone(), server.bff("/login")).go().await;
    let answer = browser.fetch(server.public.clone(), server.bff("/session")).go().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["email"], "ada@example.com", "{answer:?}");
    for advice in [
        "development mode",
        "/bff/oauth/callback must be a redirect URI",
        "AUTHTOOL__CLIENT__POSTLOGOUTREDIRECTURI=",
    ] {
        server.log().shows(advice).await;
    }
    let log = server.log().text();
    assert!(!log.contains("WARN"), "{log}");
    server.log().assert_free_of(&op.secrets());
    server.log().assert_free_of(&[CLIENT_SECRET.to_owned()]);
    assert_eq!(raw::get(&server.public, "/bff/token").as_same_origin_fetch().send().await.status, 403);
}

#[tokio::test]
async fn sec_201_a_file_that_is_named_counts_in_development_too() {
    let op = HostileOp::start().await;
    let mut config = ServerConfig::new("");
    let (port, internal) = (config.public_port().to_string(), config.internal_port().to_string());
    let file = config.file(
        "development.yaml",
        format!("client:\n  issuer: {}\n  clientId: {CLIENT_ID}\n  credentials: {{secret: {CLIENT_SECRET}}}\nsession: {{userClaims: [name]}}\n", op.issuer()),
    );
    let file = file.to_str().unwrap();
    config.command(&["dev", "--config", file, "--port", &port]);
    config.environment("AUTHTOOL__SERVER__INTERNAL__PORT", &internal);
    let server = Server::start(config).await;
    let browser = Browser::new();
    browser.follow(server.public.clone(), server.bff("/login")).go().await;
    let answer = browser.fetch(server.public.clone(), server.bff("/session")).go().await.json();
    assert!(answer.get("name").is_some() && answer.get("email").is_none(), "the file's claims: {answer}");
    server.log().shows("development.yaml").await;

    let mut config = ServerConfig::new("");
    config.command(&["dev", "--config", "/nowhere/authtool.yaml"]);
    let refusal = Server::refuses(&config);
    assert!(refusal.output.contains("/nowhere/authtool.yaml"), "{}", refusal.output);
}

#[test]
fn what_is_missing_is_named_with_a_command_to_copy() {
    let mut config = ServerConfig::new("");
    config.command(&["dev"]);
    let refusal = Server::refuses(&config);
    for part in ["client.issuer", "client.clientId", "authtool-bff dev --issuer"] {
        assert!(refusal.output.contains(part), "{part}: {}", refusal.output);
    }
    config.command(&["dev", "--issuer", "https://op.example", "--client-id", "x", "--api", "/api"]);
    let refusal = Server::refuses(&config);
    assert!(refusal.output.contains("--api /api=http://"), "{}", refusal.output);
}

#[test]
fn a_port_that_is_taken_is_told_with_the_option_for_another() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut config = ServerConfig::new("");
    config.command(&["dev", "--issuer", "https://op.example", "--client-id", "x", "--port", &port]);
    let refusal = Server::refuses(&config);
    assert!(
        refusal.output.contains("another port") && refusal.output.contains("--port"),
        "{}",
        refusal.output
    );
}

#[tokio::test]
async fn the_last_logins_are_told_step_by_step() {
    let op = HostileOp::start().await;
    let server = develop(&op).await;
    let page = async || {
        let answer = raw::get(&server.internal, "/-/dev").send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text()
    };
    assert!(page().await.contains("Nobody has logged in yet"));

    let browser = Browser::new();
    browser.follow(server.public.clone(), server.bff("/login")).go().await;
    browser.fetch(server.public.clone(), server.bff("/session")).go().await;
    let told = page().await;
    for step in ["The browser is sent to", "the session has begun", "was told", "worked"] {
        assert!(told.contains(step), "{step}: {told}");
    }

    op.lies(Lie::about(Endpoint::CodeExchange).claim("nonce", json!("another login's")));
    Browser::new().follow(server.public.clone(), server.bff("/login")).go().await;
    let told = page().await;
    assert!(told.contains("nonce") && told.contains("went wrong") && told.contains("doctor"), "{told}");
    op.tells_the_truth();

    // A browser that loses the cookie on the way.
    let begun = Browser::new().follow(server.public.clone(), server.bff("/login")).first_hop().go().await;
    Browser::new().follow(server.public.clone(), begun.first_location()).go().await;
    assert!(page().await.contains("localhost and 127.0.0.1 are two"));

    let told = page().await;
    for secret in op.secrets() {
        assert!(!told.contains(&secret), "{secret}: {told}");
    }
}

#[tokio::test]
async fn nobody_elsewhere_reads_the_last_logins_and_a_server_that_serves_has_none() {
    let op = HostileOp::start().await;
    let server = develop(&op).await;
    // A name of the attacker's that leads to this machine.
    let rebound = raw::get(&server.internal, "/-/dev").header("host", "rebound.example").send().await;
    assert_eq!(rebound.status, 404, "{rebound:?}");
    assert_eq!(raw::get(&server.public, "/-/dev").send().await.status, 404);
    let answer = raw::get(&server.internal, "/-/dev").send().await;
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");

    let stage = Stage::new().await;
    assert_eq!(raw::get(&stage.server.internal, "/-/dev").send().await.status, 404);
}

#[tokio::test]
async fn it_ends_with_the_terminal_that_it_was_started_in() {
    let op = HostileOp::start().await;
    let mut server = develop(&op).await;
    server.hangs_up();
    assert_eq!(server.has_ended().await, Some(0), "there is no file to be read again");
}
