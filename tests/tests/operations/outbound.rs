//! Connections that begin at the server: whom they trust, and by which way they leave.

use authtool_tests::egress::EgressProxy;
use authtool_tests::hostile::HostileOp;
use authtool_tests::redis::{Authority, RedisServer};
use authtool_tests::{Collector, Server, ServerConfig, Stage, TlsFront, Upstream, ports, wait};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::Output;

/// How the server comes to trust a private authority.
#[derive(Clone, Copy, Debug)]
enum Trust {
    File,
    Folder,
    Key,
    Nobody,
}

const WAYS: [Trust; 3] = [Trust::File, Trust::Folder, Trust::Key];

impl Trust {
    fn configure(self, config: &mut ServerConfig, authority: &Authority) {
        match self {
            Self::File => {
                let file = config.file("authority.pem", authority.pem());
                config.environment("SSL_CERT_FILE", file.to_str().unwrap());
            }
            Self::Folder => {
                let folder = config.folder().join("trusted");
                std::fs::create_dir(&folder).unwrap();
                // By hash, as OpenSSL's `c_rehash` names them.
                std::fs::write(folder.join("0a1b2c3d.0"), authority.pem()).unwrap();
                config.environment("SSL_CERT_DIR", folder.to_str().unwrap());
            }
            Self::Key => {
                let file = config.file("authority.pem", authority.pem());
                config.set("/server/outbound/tls/ca", json!({"type": "file", "path": file}));
            }
            Self::Nobody => {}
        }
    }
}

fn address_of(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").split('/').next().unwrap().parse().unwrap()
}

/// A provider behind TLS, under a name, and what ends the TLS.
async fn encrypted_provider(authority: &Authority, name: &str) -> (HostileOp, TlsFront) {
    let mut front = None;
    let op = HostileOp::start_behind(async |behind| {
        let it = TlsFront::start(authority, name, behind).await;
        let issuer = format!("https://{name}:{}", it.address.port());
        front = Some(it);
        issuer
    })
    .await;
    (op, front.unwrap())
}

async fn reason_of_not_being_ready(server: &Server, part: &str) -> String {
    wait::until("the server says what it lacks", async || {
        let readiness = server.readiness().await;
        assert_eq!(readiness.status, 503, "{readiness:?}");
        let reason = readiness.json()[part]["reason"].as_str().unwrap_or_default().to_owned();
        reason.contains("certificate").then_some(reason)
    })
    .await
}

#[tokio::test]
async fn a_provider_with_a_certificate_of_a_private_authority_is_trusted_in_every_documented_way() {
    let authority = Authority::new();
    for trust in WAYS {
        let (op, _front) = encrypted_provider(&authority, "localhost").await;
        let mut config = ServerConfig::new(op.issuer());
        trust.configure(&mut config, &authority);
        let stage = Stage { server: Server::start(config).await, op };
        stage.logged_in().await;
    }
    let (op, front) = encrypted_provider(&authority, "localhost").await;
    let server = Server::start_unready(ServerConfig::new(op.issuer())).await;
    reason_of_not_being_ready(&server, "provider").await;
    assert!(front.refusals() > 0 && op.received().is_empty(), "{:?}", op.received());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_whoever_is_trusted() {
    let authority = Authority::new();
    let mut front = None;
    let op = HostileOp::start_behind(async |behind| {
        let it = TlsFront::start(&authority, "other.example", behind).await;
        let issuer = format!("https://localhost:{}", it.address.port());
        front = Some(it);
        issuer
    })
    .await;
    let mut config = ServerConfig::new(op.issuer());
    Trust::Key.configure(&mut config, &authority);
    let server = Server::start_unready(config).await;
    reason_of_not_being_ready(&server, "provider").await;
    assert!(op.received().is_empty(), "{:?}", op.received());
}

#[tokio::test]
async fn a_redis_with_a_certificate_of_a_private_authority_is_trusted_in_every_documented_way() {
    let authority = Authority::new();
    let redis = RedisServer::with_tls(&authority, &["localhost"]).await;
    let mut connection = redis.tls_connection("localhost", &authority);
    connection["config"]["tls"] = json!({});
    for trust in WAYS {
        let stage = Stage::with(|config| {
            config.set("/connections/sessions", connection.clone());
            trust.configure(config, &authority);
        })
        .await;
        let browser = stage.logged_in().await;
        assert_eq!(stage.session(&browser).await.status, 200, "{trust:?}");
    }
    // Its own `tls.ca` is an answer of its own: whom others trust does not count.
    let mut strict = redis.tls_connection("localhost", &Authority::new());
    for (connection, trust) in [(connection, Trust::Nobody), (strict.take(), Trust::Key)] {
        let op = HostileOp::start().await;
        let mut config = ServerConfig::new(op.issuer());
        config.set("/connections/sessions", connection);
        trust.configure(&mut config, &authority);
        let server = Server::start_unready(config).await;
        reason_of_not_being_ready(&server, "store").await;
    }
}

#[tokio::test]
async fn an_api_with_a_certificate_of_a_private_authority_is_trusted_in_every_documented_way() {
    let authority = Authority::new();
    let upstream = Upstream::start().await;
    let front = TlsFront::start(&authority, "localhost", address_of(&upstream.origin)).await;
    let origin = format!("https://localhost:{}", front.address.port());
    for trust in WAYS.into_iter().chain([Trust::Nobody]) {
        let stage = Stage::with(|config| {
            config.set("/server/proxy", json!([{"prefix": "/api", "upstream": origin}]));
            trust.configure(config, &authority);
        })
        .await;
        let browser = stage.logged_in().await;
        let before = upstream.arrived().len();
        let answer = browser.fetch(stage.app(), stage.app().join("/api/things").unwrap()).go().await;
        if matches!(trust, Trust::Nobody) {
            assert_eq!((answer.status.as_u16(), upstream.arrived().len()), (502, before), "{answer:?}");
            assert!(stage.server.log().find("certificate").is_some(), "{}", stage.server.log().text());
        } else {
            assert_eq!((answer.status.as_u16(), upstream.arrived().len()), (200, before + 1), "{trust:?}");
            assert!(upstream.last().header("authorization").starts_with("Bearer "), "{trust:?}");
        }
    }
}

#[tokio::test]
async fn a_collector_with_a_certificate_of_a_private_authority_is_trusted_in_every_documented_way() {
    let authority = Authority::new();
    for trust in WAYS.into_iter().chain([Trust::Nobody]) {
        let collector = Collector::start().await;
        let front = TlsFront::start(&authority, "localhost", address_of(&collector.endpoint)).await;
        let endpoint = format!("https://localhost:{}/v1/traces", front.address.port());
        let stage = Stage::with(|config| {
            config.set("/server/traces", json!({"endpoint": endpoint}));
            config.environment("OTEL_BSP_SCHEDULE_DELAY", "50");
            trust.configure(config, &authority);
        })
        .await;
        stage.logged_in().await;
        if matches!(trust, Trust::Nobody) {
            wait::until("the export is given up", async || (front.refusals() > 0).then_some(())).await;
            assert!(collector.spans().is_empty(), "{:?}", collector.spans());
        } else {
            collector.span("a span", |_| true).await;
        }
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn check_names_a_certificate_that_cannot_be_trusted_and_what_to_do() {
    let good = Authority::new().pem();
    for (pem, problem) in [
        ("/etc/ssl/ca.pem".to_owned(), "it holds no PEM certificate"),
        (good.replace("MII", "AAA"), "certificate number 1 in it cannot be read"),
        (format!("{good}{}", good.replace("MII", "AAA")), "certificate number 2 in it cannot be read"),
        (Authority::new().certificate_for(&["a"]).1, "it holds a private key, and no certificate"),
    ] {
        let config = ServerConfig::new("https://op.example");
        let file = config.file("authority.pem", &pem);
        for key in ["/server/outbound/tls/ca", "/connections/sessions/config/tls/ca"] {
            let mut config = config.copy();
            config.set("/connections/sessions", json!({"type": "redis", "config": {"host": "redis"}}));
            config.set(key, json!({"type": "file", "path": file}));
            let output = config.run(&["check"]);
            let said = said(&output);
            assert!(!output.status.success(), "{said}");
            let name = key.trim_start_matches('/').replace('/', ".");
            for part in [name.as_str(), problem, "-----BEGIN CERTIFICATE-----"] {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
    }
}

/// A network that only a proxy leads out of: nobody else knows the provider's and the collector's names.
struct Closed {
    op: HostileOp,
    proxy: EgressProxy,
    collector: Collector,
    authority: Authority,
    _front: TlsFront,
}

impl Closed {
    async fn with(credentials: Option<(&str, &str)>) -> Self {
        let authority = Authority::new();
        let (op, front) = encrypted_provider(&authority, "provider.test").await;
        let collector = Collector::start().await;
        let names = [("provider.test", front.address), ("collector.test", address_of(&collector.endpoint))];
        let proxy = EgressProxy::start(&names, credentials).await;
        Self { op, proxy, collector, authority, _front: front }
    }

    fn config(&self, proxy: Value) -> ServerConfig {
        let mut config = ServerConfig::new(self.op.issuer());
        Trust::Key.configure(&mut config, &self.authority);
        config.set("/server/outbound/proxy", proxy);
        config
    }
}

#[tokio::test]
async fn where_only_a_proxy_leads_out_the_provider_and_the_collector_are_reached_by_it_and_nothing_else_is() {
    let closed = Closed::with(Some(("ada", "canary: password"))).await;
    let (redis, upstream) = (RedisServer::start().await, Upstream::start().await);
    let mut config = closed.config(Value::Null);
    let password = config.file("password", "canary: password\n");
    let password = json!({"type": "file", "path": password});
    let proxy = json!({"url": closed.proxy.url, "username": "ada", "password": password});
    config.set("/server/outbound/proxy", proxy);
    config.set("/connections/sessions", redis.connection());
    config.set("/server/proxy", json!([{"prefix": "/api", "upstream": upstream.origin}]));
    config.set("/server/traces", json!({"endpoint": "http://collector.test:4318/v1/traces"}));
    config.environment("OTEL_BSP_SCHEDULE_DELAY", "50");
    let Closed { op, proxy, collector, .. } = &closed;
    let mut server = Server::start(config).await;
    let browser = authtool_tests::browser::Browser::new();
    browser.follow(server.public.clone(), server.bff("/login")).go().await;
    let answer = browser.fetch(&server.public, server.public.join("/api/things").unwrap()).go().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    collector.span("a span", |_| true).await;
    let tunnel = format!("CONNECT {}", op.issuer().trim_start_matches("https://"));
    let requests = proxy.requests();
    assert!(requests.contains(&tunnel), "{requests:?}");
    let expected = |it: &String| *it == tunnel || it == "POST http://collector.test:4318/v1/traces";
    assert!(requests.iter().all(expected), "{requests:?}");
    server.log().assert_free_of(&["canary: password".to_owned()]);
    server.asks_to_end();
    server.has_ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_lets_nobody_through_is_named_by_readiness_and_doctor() {
    let closed = Closed::with(Some(("ada", "another password"))).await;
    let proxy = json!({"url": closed.proxy.url, "username": "ada", "password": "not the one"});
    let server = Server::start_unready(closed.config(proxy.clone())).await;
    wait::until("the server says what it lacks", async || {
        let readiness = server.readiness().await;
        assert_eq!(readiness.status, 503, "{readiness:?}");
        readiness.text().contains("proxy").then_some(())
    })
    .await;
    let config = closed.config(proxy);
    let output = tokio::task::spawn_blocking(move || config.run(&["doctor"])).await.unwrap();
    let said = said(&output);
    assert!(!output.status.success() && said.contains("server.outbound.proxy"), "{said}");
    assert!(!said.contains("not the one"), "{said}");
    assert!(closed.op.received().is_empty(), "{:?}", closed.op.received());
}

#[tokio::test]
async fn what_no_proxy_lists_and_this_machine_are_reached_directly() {
    // Nobody resolves its name here, so the direct way leads nowhere.
    let closed = Closed::with(None).await;
    for no_proxy in ["provider.test", ".test", "test"] {
        let proxy = json!({"url": closed.proxy.url, "noProxy": [no_proxy]});
        let server = Server::start_unready(closed.config(proxy)).await;
        wait::until("the server has tried", async || {
            server.readiness().await.text().contains("no connection could be made").then_some(())
        })
        .await;
        assert_eq!(closed.proxy.requests(), [""; 0], "{no_proxy}");
    }
    let dead = format!("http://127.0.0.1:{}", ports::free());
    let stage = Stage::with(|config| {
        config.set("/server/outbound/proxy", json!({"url": dead}));
    })
    .await;
    stage.logged_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_132_a_proxy_in_the_environment_is_not_used_and_everybody_says_so() {
    let closed = Closed::with(None).await;
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let mut config = closed.config(Value::Null);
        config.remove("/server/outbound/proxy");
        config.environment(variable, &closed.proxy.url.replace("http://", "http://ada:canary@"));
        let (checked, examined) = (config.copy(), config.copy());
        let check = tokio::task::spawn_blocking(move || config_says(checked, "check")).await.unwrap();
        let doctor = tokio::task::spawn_blocking(move || config_says(examined, "doctor")).await.unwrap();
        let server = Server::start_unready(config).await;
        wait::until("the server has tried", async || {
            server.readiness().await.text().contains("no connection could be made").then_some(())
        })
        .await;
        let log = server.log().text();
        let warned = format!("{variable} in the environment is not used");
        for said in [&check, &doctor, &log] {
            assert_eq!(said.matches(&warned).count(), 1, "{variable}: {said}");
            assert!(said.contains("server.outbound.proxy.url") && !said.contains("canary"), "{said}");
        }
    }
    assert_eq!(closed.proxy.requests(), [""; 0]);
    // With the key, the variable is nobody's business.
    let mut config = closed.config(json!({"url": closed.proxy.url}));
    config.environment("HTTPS_PROXY", "http://127.0.0.1:9");
    let server = Server::start(config).await;
    assert!(!server.log().text().contains("in the environment is not used"));
}

fn config_says(config: ServerConfig, command: &str) -> String {
    said(&config.run(&[command]))
}
