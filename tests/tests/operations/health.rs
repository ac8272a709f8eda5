//! `authtool-bff health`: the health check of a container, where nothing else can ask.

use authtool_tests::hostile::HostileOp;
use authtool_tests::{Server, ServerConfig};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lives_is_healthy_and_one_that_could_log_users_in_is_ready() {
    let op = HostileOp::start().await;
    let mut server = Server::start(ServerConfig::new(op.issuer())).await;
    let ask = |server: &Server, arguments: &[&str]| server.config.run(arguments);
    assert!(ask(&server, &["health"]).status.success());
    assert!(ask(&server, &["health", "--ready"]).status.success());
    let address = format!("127.0.0.1:{}", server.config.internal_port());
    assert!(ask(&server, &["health", "--internal", &address]).status.success());
    server.kill();
    server.has_ended().await;
    let output = ask(&server, &["health"]);
    assert!(!output.status.success(), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_its_provider_is_alive_but_not_ready() {
    let server = Server::start_unready(ServerConfig::new("http://127.0.0.1:9")).await;
    assert!(server.config.run(&["health"]).status.success());
    let output = server.config.run(&["health", "--ready"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("503"), "{said}");
}
