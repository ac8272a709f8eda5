//! `authtool-bff health`: the health check of a container, where nothing else can ask.

use authtool_tests::hostile::HostileOp;
use authtool_tests::{Answer, Server, ServerConfig, Stage, Upstream, raw};
use serde_json::json;

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

/// Nothing but a status: no body, and of headers what every answer of ours has.
fn says_nothing_but(status: u16, answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (status, ""), "{answer:?}");
    assert!(answer.header("cache-control").contains("no-store"), "{answer:?}");
    assert_eq!(answer.header("content-type"), "", "{answer:?}");
    assert!(answer.set_cookies().is_empty(), "{answer:?}");
}

#[tokio::test]
async fn a_platform_that_knows_one_port_can_probe_it() {
    let api = Upstream::start().await;
    let with = |edit: &dyn Fn(&mut ServerConfig)| {
        let mut config = ServerConfig::new("http://127.0.0.1:9");
        edit(&mut config);
        config
    };
    // Without files of the app, with an API beside it, and below a path.
    for config in [
        with(&|_| {}),
        with(&|config| {
            config.remove("/server/static");
        }),
        with(&|config| {
            config.set("/server/proxy", json!([{"prefix": "/api", "upstream": api.origin}]));
        }),
        with(&|config| {
            config.set("/server/publicBasePath", json!("/myapp"));
            config.set("/client/redirect_uri", json!(format!("{}/myapp/bff/oauth/callback", config.app())));
        }),
    ] {
        let server = Server::start_unready(config).await;
        for path in ["/-/healthz", "/-/healthz?verbose"] {
            says_nothing_but(200, &raw::get(&server.public, path).send().await);
        }
        let user_agent = raw::get(&server.public, "/-/ready").header("user-agent", "kube-probe/1.30");
        says_nothing_but(503, &user_agent.send().await);
        says_nothing_but(503, &raw::get(&server.public, "/-/ready").as_navigation().send().await);
        assert_eq!(raw::request("POST", &server.public, "/-/ready").send().await.status, 405);
        for path in ["/-/", "/-/metrics", "/-/ready/x"] {
            assert_eq!(raw::get(&server.public, path).send().await.status, 404, "{path}");
        }
    }
    let stage = Stage::new().await;
    says_nothing_but(200, &raw::get(&stage.server.public, "/-/ready").send().await);
}
