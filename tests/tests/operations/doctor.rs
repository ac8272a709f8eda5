//! `authtool-bff doctor`: whatever is broken in the chain is named, with what to do about it.

use authtool_tests::hostile::{CLIENT_SECRET, Endpoint, HostileOp, Lie};
use authtool_tests::redis::{Account, Authority, RedisServer};
use authtool_tests::{Provider, ProviderOptions, Server, ServerConfig};
use serde_json::{Value, json};

/// What the doctor said.
#[derive(Debug)]
struct Report {
    succeeded: bool,
    json: Value,
}

impl Report {
    /// The finding of a check.
    fn of(&self, check: &str) -> &Value {
        let findings = self.json["findings"].as_array().unwrap();
        findings.iter().find(|it| it["check"] == check).unwrap_or_else(|| panic!("no {check}: {self:#?}"))
    }

    fn verdict(&self, check: &str) -> &str {
        self.of(check)["verdict"].as_str().unwrap()
    }

    /// It is broken, this is said about it, and there is something to do.
    fn blames(&self, check: &str, words: &str) {
        let finding = self.of(check);
        assert_eq!(finding["verdict"], "bad", "{self:#?}");
        assert!(finding["what"].as_str().unwrap().contains(words), "{words}: {finding:#}");
        assert!(!finding["fix"].as_str().unwrap().is_empty(), "{finding:#}");
        assert!(!self.succeeded && self.json["healthy"] == false, "{self:#?}");
    }
}

async fn doctor(config: ServerConfig, further: &[&str]) -> (Report, ServerConfig) {
    let arguments: Vec<String> =
        ["doctor", "--json"].iter().chain(further).map(|it| (*it).to_owned()).collect();
    // Not on this thread, on which the provider runs.
    tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = config.run(&arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!text.contains(CLIENT_SECRET), "{text}");
        let json = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr)));
        (Report { succeeded: output.status.success(), json }, config)
    })
    .await
    .unwrap()
}

/// The doctor on the tests' usual configuration, changed by `change`.
async fn at(op: &HostileOp, change: impl FnOnce(&mut ServerConfig)) -> Report {
    let mut config = ServerConfig::new(op.issuer());
    change(&mut config);
    doctor(config, &[]).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_chain_is_walked_from_the_file_to_the_clients_registration() {
    let redis = RedisServer::with(|options| {
        options.persistent();
    })
    .await;
    let mut config = ServerConfig::new("");
    let provider = Provider::start(&ProviderOptions::new(&config.app())).await;
    provider.register(&mut config);
    config.set("/connections/sessions", redis.connection());
    let (report, config) = doctor(config, &[]).await;
    assert!(report.succeeded && report.json["problems"] == 0, "{report:#?}");
    for check in [
        "config.valid",
        "keys.strength",
        "cookies.path",
        "store.reach",
        "store.secrecy",
        "store.clock",
        "store.version",
        "store.eviction",
        "store.persistence",
        "provider.metadata",
        "provider.keys",
        "provider.pkce",
        "provider.clock",
        "provider.end-session",
        "client.authentication",
        "client.credentials",
        "client.redirect-uri",
        "client.post-logout",
    ] {
        assert_eq!(report.verdict(check), "good", "{:#}", report.of(check));
    }
    let output = config.run(&["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout);
    for part in
        ["Configuration\n", "Session store: Redis 127.0.0.1:", "  ✓ its keys can be used", "Everything works"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The redirect URI is on localhost, where Safari does not keep the cookie.
    assert!(!config.run(&["doctor", "--strict"]).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_provider_tells_an_address_and_a_client_that_it_does_not_know() {
    let mut config = ServerConfig::new("");
    let provider = Provider::start(&ProviderOptions::new(&config.app())).await;
    provider.register(&mut config);
    let elsewhere = format!("{}/bff/oauth/callback/elsewhere", config.app());
    config.set("/client/redirect_uri", json!(elsewhere));
    config.set("/client/postLogoutRedirectUri", json!(format!("{}/nowhere", config.app())));
    let (report, mut config) = doctor(config, &[]).await;
    report.blames("client.redirect-uri", "is not registered");
    report.blames("client.post-logout", "refuses to send people back");
    assert!(report.of("client.redirect-uri")["fix"].as_str().unwrap().contains(&elsewhere), "{report:#?}");

    config.set("/client/credentials/secret", json!("mistyped"));
    let (report, mut config) = doctor(config, &[]).await;
    report.blames("client.credentials", "invalid_client");
    assert_eq!(
        report.verdict("client.redirect-uri"),
        "bad",
        "the query tells what the push does not: {report:#?}"
    );
    config.set("/client/redirect_uri", json!(format!("{}/bff/oauth/callback", config.app())));
    let (report, mut config) = doctor(config, &[]).await;
    report.blames("client.credentials", "invalid_client");
    assert_eq!(report.verdict("client.redirect-uri"), "notice", "one mistake, told once: {report:#?}");

    config.set("/client/redirect_uri", json!(elsewhere));
    config.set("/client/clientId", json!("nobody"));
    let (report, _) = doctor(config, &[]).await;
    report.blames("client.redirect-uri", "does not know the client nobody");
    report.blames("client.credentials", "invalid_client");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_the_client_may_not_ask_for_is_told_from_an_unknown_address() {
    let mut config = ServerConfig::new("");
    let mut options = ProviderOptions::new(&config.app());
    options.client = json!({"scope": "openid email"});
    let provider = Provider::start(&options).await;
    provider.register(&mut config);
    let (report, _) = doctor(config, &[]).await;
    report.blames("client.redirect-uri", "invalid_scope");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_provider_gets_wrong_is_named() {
    let op = HostileOp::start().await;
    let of = |lie: Lie| {
        op.tells_the_truth();
        op.lies(lie);
        at(&op, |_| {})
    };
    let discovery = || Lie::about(Endpoint::Discovery);
    of(discovery().member("issuer", json!("http://other.example")))
        .await
        .blames("provider.metadata", "issuer is");
    of(discovery().status(404)).await.blames("provider.metadata", "404");
    of(Lie::about(Endpoint::Jwks).body("{}")).await.blames("provider.keys", "jwks");
    of(discovery().member("code_challenge_methods_supported", json!(["plain"])))
        .await
        .blames("provider.metadata", "S256");
    of(Lie::about(Endpoint::CodeExchange).oauth_error(401, "invalid_client"))
        .await
        .blames("client.credentials", "invalid_client");
    // A refusal without a word on why says nothing about the credentials, and nothing about the issuer.
    let code = || Lie::about(Endpoint::CodeExchange);
    for unclear in [
        code().status(400).body(r#"{"message":"no"}"#),
        code().status(400).header("content-type", "application/x-www-form-urlencoded").body("error=x"),
        code().status(403).header("content-type", "text/html").body("<h1>Forbidden</h1>"),
        code().oauth_error(400, "invalid_request"),
    ] {
        let report = of(unclear).await;
        let finding = report.of("client.credentials");
        assert_eq!(report.verdict("client.credentials"), "notice", "{finding:#}");
        assert!(finding.to_string().contains("does not tell whether"), "{finding:#}");
        assert!(!finding["fix"].to_string().contains("client.issuer"), "{finding:#}");
    }
    of(code().status(404).body("not found")).await.blames("client.credentials", "no token endpoint");
    of(code().status(503)).await.blames("client.credentials", "could not be asked");
    of(Lie::about(Endpoint::Authorization).status(400).body("Invalid parameter: redirect_uri"))
        .await
        .blames("client.redirect-uri", "is not registered");
    of(Lie::about(Endpoint::EndSession).status(400).body("post_logout_redirect_uri not registered"))
        .await
        .blames("client.post-logout", "after a logout");

    // An answer of an hour ago, as far as the clocks are concerned.
    let report = of(discovery().header("date", "Tue, 15 Nov 1994 08:12:31 GMT")).await;
    report.blames("provider.clock", "ahead of the provider");

    let report =
        of(discovery().without("end_session_endpoint").without("code_challenge_methods_supported")).await;
    assert!(report.succeeded, "{report:#?}");
    assert_eq!(report.verdict("provider.end-session"), "notice");
    assert_eq!(report.verdict("provider.pkce"), "notice");
    let report =
        of(discovery().member("token_endpoint_auth_methods_supported", json!(["tls_client_auth"]))).await;
    assert_eq!(report.verdict("client.authentication"), "notice");

    // A login page for whatever address tells nothing; one for the registered address alone does.
    let report = of(Lie::about(Endpoint::Authorization).status(200).body("<h1>Sign in</h1>")).await;
    assert_eq!(report.verdict("client.redirect-uri"), "notice", "{report:#?}");
    let report = of(Lie::about(Endpoint::Authorization).status(200).body("<h1>Sign in</h1>").once()).await;
    assert_eq!(report.verdict("client.redirect-uri"), "good", "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_redis_is_named() {
    let op = HostileOp::start().await;
    let on = |connection: Value| {
        at(&op, |config| {
            config.set("/connections/sessions", connection);
        })
    };
    on(json!({"type": "redis", "config": {"host": "127.0.0.1", "port": 9}}))
        .await
        .blames("store.reach", "Redis");

    let evicting = RedisServer::with(|options| {
        options.line("maxmemory 100mb").line("maxmemory-policy allkeys-lru");
    })
    .await;
    let report = on(evicting.connection()).await;
    report.blames("store.eviction", "allkeys-lru");
    assert_eq!(report.verdict("store.persistence"), "notice");

    let account = Account {
        name: "sessions".to_owned(),
        password: "canary-password".to_owned(),
        rules: "~* +@read +@write +@scripting +time -@dangerous".to_owned(),
    };
    let closed = RedisServer::with(|options| {
        options.account(&account);
    })
    .await;
    let report = on(closed.connection()).await;
    assert!(report.succeeded, "{report:#?}");
    assert_eq!(report.verdict("store.reach"), "good");
    assert_eq!(report.verdict("store.eviction"), "notice", "it may not ask: {report:#?}");
    let mut connection = closed.connection();
    connection["config"]["connection"]["password"] = json!("another");
    let report = on(connection).await;
    report.blames("store.reach", "WRONGPASS");
    assert!(!report.json.to_string().contains("another"), "{report:#?}");

    let authority = Authority::new();
    let encrypted = RedisServer::with_tls(&authority, &["elsewhere.example"]).await;
    let report = on(encrypted.tls_connection("localhost", &authority)).await;
    report.blames("store.reach", "Redis");
    assert!(report.of("store.reach")["fix"].as_str().unwrap().contains("certificate"), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_used_is_the_only_thing_that_is_said() {
    let op = HostileOp::start().await;
    let report = at(&op, |config| {
        config.set("/session/signingKey", json!("short")).set("/server/prot", json!(1));
    })
    .await;
    report.blames("config.valid", "");
    let said = report.json["findings"].to_string();
    assert!(said.contains("session.signingKey") && said.contains("server.prot"), "{said}");
    let report = at(&op, |config| {
        config.set("/session/signingKey", json!("abcdefghijklmnopqrstuvwxyzabcdefghijklmn"));
    })
    .await;
    report.blames("keys.strength", "session.signingKey");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_url_is_examined_as_a_browser_meets_it() {
    let op = HostileOp::start().await;
    let server = Server::start(ServerConfig::new(op.issuer())).await;
    let again = || server.config.copy();
    let public = server.config.app();
    let (report, _) = doctor(again(), &["--url", &public]).await;
    for check in ["url.origin", "url.reach", "url.caching", "url.internal", "url.cookies"] {
        assert_eq!(report.verdict(check), "good", "{:#}", report.of(check));
    }
    assert_eq!(report.verdict("url.token"), "notice", "{:#}", report.of("url.token"));

    // The internal listener where the public one should be.
    let internal = server.internal.as_str().trim_end_matches('/').to_owned();
    let (report, _) = doctor(again(), &["--url", &internal]).await;
    report.blames("url.origin", "another origin");
    report.blames("url.reach", "has nothing at /bff/session");

    let (report, _) = doctor(again(), &["--url", op.issuer()]).await;
    report.blames("url.reach", "something else");
    let (report, _) = doctor(again(), &["--url", "http://127.0.0.1:9"]).await;
    report.blames("url.reach", "no connection");
}
