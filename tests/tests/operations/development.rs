//! `authtool-bff dev`: no file, a few options, a working login.

use authtool_tests::browser::Browser;
use authtool_tests::hostile::{CLIENT_ID, CLIENT_SECRET, HostileOp};
use authtool_tests::{Server, ServerConfig, raw};

#[tokio::test]
async fn a_developer_logs_in_without_a_configuration_file() {
    let op = HostileOp::start().await;
    let mut config = ServerConfig::new("");
    let (port, internal) = (config.public_port().to_string(), config.internal_port().to_string());
    config.command(&["dev", "--issuer", op.issuer(), "--client-id", CLIENT_ID, "--port", &port]);
    config.environment("AUTHTOOL_CLIENT_SECRET", CLIENT_SECRET);
    config.environment("AUTHTOOL__SERVER__INTERNAL__PORT", &internal);
    let server = Server::start(config).await;
    let browser = Browser::new();
    browser.follow(server.public.clone(), server.bff("/login")).go().await;
    let answer = browser.fetch(server.public.clone(), server.bff("/session")).go().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["email"], "ada@example.com", "{answer:?}");
    let log = server.log().text();
    assert!(
        log.contains("development mode") && log.contains("/bff/oauth/callback must be a redirect URI"),
        "{log}"
    );
    server.log().assert_free_of(&op.secrets());
    server.log().assert_free_of(&[CLIENT_SECRET.to_owned()]);
    assert_eq!(raw::get(&server.public, "/bff/token").as_same_origin_fetch().send().await.status, 403);
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
