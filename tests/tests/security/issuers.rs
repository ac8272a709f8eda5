//! §1, §3 and §11 Several authorization servers, and how they are described.

use crate::expect::{accepted, refused, value, with_parameter};
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{CLIENT_ID, CLIENT_SECRET, Endpoint, HostileOp, Lie};
use authtool_tests::{Answer, SESSION, Server, ServerConfig, Stage, raw, wait};
use serde_json::{Value, json};
use url::Url;

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const OTHER_TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// A server in front of two providers, at which it has the same `clientId`.
struct Two {
    server: Server,
    a: HostileOp,
    b: HostileOp,
}

impl Two {
    async fn new() -> Self {
        let (a, b) = (HostileOp::start().await, HostileOp::start().await);
        let server = Server::start(Self::config(&a, &b)).await;
        Self { server, a, b }
    }

    fn config(a: &HostileOp, b: &HostileOp) -> ServerConfig {
        let mut config = ServerConfig::new(a.issuer());
        let client = |op: &HostileOp, name: &str| {
            json!({
                "name": name,
                "issuer": op.issuer(),
                "clientId": CLIENT_ID,
                "credentials": {"secret": CLIENT_SECRET},
                "redirect_uri": format!("{}/bff/oauth/callback/{name}", config.app()),
                "postLogoutRedirectUri": config.get("/client/postLogoutRedirectUri"),
                "scope": config.get("/client/scope"),
            })
        };
        let clients = json!({"clients": [client(a, "a"), client(b, "b")]});
        // Nobody comes back from these logouts.
        config.set("/client", clients).set("/session/revocationDelaySecs", json!(1));
        config
    }

    async fn callback_url(&self, browser: &Browser, client: &str) -> Url {
        let page = browser
            .follow(&self.server.public, self.server.bff(&format!("/login?client={client}")))
            .stop_before(|url| url.path().contains("/oauth/callback"))
            .go()
            .await;
        page.next.clone().unwrap_or_else(|| panic!("nobody sent the browser back: {page:#?}"))
    }

    async fn come_back(&self, browser: &Browser, callback: &Url) -> Answer {
        browser.follow(self.a.issuer(), callback).first_hop().go().await.answer
    }

    async fn logged_in(&self, client: &str) -> Browser {
        let browser = Browser::new();
        let callback = self.callback_url(&browser, client).await;
        accepted(client, &self.come_back(&browser, &callback).await);
        browser
    }

    async fn session(&self, browser: &Browser) -> Answer {
        browser.fetch(&self.server.public, self.server.bff("/session")).go().await
    }

    async fn log_out(&self, browser: &Browser) -> Answer {
        browser
            .follow(&self.server.public, self.server.bff("/logout"))
            .posting("")
            .method(http::Method::POST)
            .first_hop()
            .go()
            .await
            .answer
    }

    async fn report(&self, logout_token: &str) -> Answer {
        raw::request("POST", &self.server.public, "/bff/oidc/logout/backchannel")
            .body("application/x-www-form-urlencoded", format!("logout_token={logout_token}"))
            .send()
            .await
    }
}

#[tokio::test]
async fn sec_005_each_client_logs_in_refreshes_and_logs_out_at_its_own_issuer() {
    let two = Two::new().await;
    for (client, own, other) in [("a", &two.a, &two.b), ("b", &two.b, &two.a)] {
        let before = other.received().len();
        own.issues_access_tokens_for(1);
        let browser = two.logged_in(client).await;
        let cookie = browser.cookie(SESSION).unwrap();
        wait::until("the session is refreshed", async || {
            two.server.token_for(&cookie).await;
            (own.count(Endpoint::Refresh) > 0).then_some(())
        })
        .await;
        assert_eq!(two.session(&browser).await.status, 200, "{client}");
        let location = two.log_out(&browser).await.header("location").to_owned();
        assert!(location.starts_with(&format!("{}/end_session", own.issuer())), "{client}: {location}");
        // The revocation waits until the browser is back.
        browser.follow(&two.server.public, location).go().await;
        own.has_received(Endpoint::Revocation, 1).await;
        assert_eq!(other.received().len(), before, "{client}: the other provider has nothing to do with it");
    }
}

#[tokio::test]
async fn sec_005_and_021_one_providers_answer_does_not_finish_a_login_at_another() {
    let two = Two::new().await;
    let browser = Browser::new();
    let callback = two.callback_url(&browser, "a").await;
    for path in
        ["/bff/oauth/callback/b", "/bff/oauth/callback", "/bff/oauth/callback/a/b", "/bff/oauth/callback/A"]
    {
        let mut elsewhere = callback.clone();
        elsewhere.set_path(path);
        let answer = two.come_back(&browser, &elsewhere).await;
        assert!(!answer.sets_session() && answer.status.is_client_error(), "{path}: {answer:?}");
    }
    let foreign = with_parameter(&callback, "iss", Some(two.b.issuer()));
    refused("another issuer's name", &two.come_back(&browser, &foreign).await);
    for op in [&two.a, &two.b] {
        assert_eq!(op.count(Endpoint::CodeExchange), 0, "no code went anywhere");
    }
    let browser = Browser::new();
    let callback = two.callback_url(&browser, "a").await;
    accepted("where it belongs", &two.come_back(&browser, &callback).await);
    assert_eq!((two.a.count(Endpoint::CodeExchange), two.b.count(Endpoint::CodeExchange)), (1, 0));
}

#[tokio::test]
async fn sec_038_a_token_of_another_configured_issuer_is_still_a_foreign_one() {
    let two = Two::new().await;
    let issuer = json!(two.b.issuer());
    two.a.lies(Lie::about(Endpoint::CodeExchange).claim("iss", issuer));
    let browser = Browser::new();
    let callback = two.callback_url(&browser, "a").await;
    refused("b's token at a", &two.come_back(&browser, &callback).await);
    accepted("b's token at b", &{
        let callback = two.callback_url(&browser, "b").await;
        two.come_back(&browser, &callback).await
    });
}

#[tokio::test]
async fn sec_136_a_provider_that_is_down_keeps_nobody_else_from_logging_in() {
    let (a, b) = (HostileOp::start().await, HostileOp::start().await);
    b.goes_down().await;
    let server = Server::start(Two::config(&a, &b)).await;
    let two = Two { server, a, b };
    let ready = two.server.readiness().await;
    assert_eq!(
        (&ready.json()["status"], &ready.json()["provider"]["status"]),
        (&json!("ready"), &json!("degraded"))
    );
    let reason = ready.json()["provider"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(two.b.issuer()) && !reason.contains(two.a.issuer()), "{reason}");
    two.logged_in("a").await;
    let refusal = Browser::new().open(two.server.bff("/login?client=b")).first_hop().go().await.answer;
    assert_eq!(refusal.status, 503, "{refusal:?}");
    two.b.comes_back().await;
    wait::until("the other provider is used again", async || {
        (two.server.readiness().await.json()["provider"]["status"] == "ok").then_some(())
    })
    .await;
    two.logged_in("b").await;
}

#[tokio::test]
async fn sec_049_and_115_a_logout_that_one_provider_reports_ends_nothing_at_the_other() {
    let two = Two::new().await;
    let (at_a, at_b) = (two.logged_in("a").await, two.logged_in("b").await);
    // Its keys are not asked for: those of one cannot vouch for another.
    two.a.goes_down().await;
    let report = two.report(&two.b.logout_token(&json!({"sub": "ada"})).serialise()).await;
    assert_eq!(report.status, 200, "{report:?}");
    assert_eq!(two.session(&at_b).await.status, 401);
    assert_eq!(two.session(&at_a).await.status, 200, "another Ada");
    let mut foreign = two.b.logout_token(&json!({"sub": "ada"}));
    foreign.claims["iss"] = json!("https://evil.example");
    assert_eq!(two.report(&foreign.serialise()).await.status, 400);
    assert_eq!(two.session(&at_a).await.status, 200);
}

#[tokio::test]
async fn sec_049_an_operator_ends_a_users_sessions_at_one_issuer_or_at_all() {
    let two = Two::new().await;
    let end = async |form: String| {
        raw::request("POST", &two.server.internal, "/-/sessions/end")
            .body("application/x-www-form-urlencoded", form)
            .send()
            .await
    };
    let (at_a, at_b) = (two.logged_in("a").await, two.logged_in("b").await);
    let one = end(format!("subject=ada&issuer={}", two.b.issuer())).await;
    assert_eq!(one.json()["ended"], 1, "{one:?}");
    assert_eq!(
        (two.session(&at_a).await.status.as_u16(), two.session(&at_b).await.status.as_u16()),
        (200, 401)
    );
    two.logged_in("b").await;
    assert_eq!(end("subject=ada".to_owned()).await.json()["ended"], 2);
    assert_eq!(end("subject=ada&issuer=".to_owned()).await.status, 400, "that is no issuer");
}

#[tokio::test]
async fn sec_060_a_session_outlives_the_naming_of_its_client() {
    let op = HostileOp::start().await;
    op.issues_access_tokens_for(1);
    let mut config = ServerConfig::new(op.issuer());
    let file = config.folder().join("sessions.redb");
    config.set("/connections/sessions/config", json!({"path": file}));
    let mut stage = Stage { server: Server::start(config).await, op };
    let browser = stage.logged_in().await;
    let mut client = stage.server.config.get("/client").clone();
    client["name"] = json!("staff");
    let mut other = client.clone();
    other["name"] = json!(CLIENT_ID);
    other["issuer"] = json!("https://other.example");
    other["redirect_uri"] = json!(format!("{}/bff/oauth/callback/other", stage.server.config.app()));
    // The worst case: another client is now called what the session's was.
    stage.server.config.set("/client", json!({"clients": [client, other]}));
    stage.server.restart().await;
    let refreshes = stage.op.count(Endpoint::Refresh);
    wait::until("the session is refreshed", async || {
        let answer = stage.token(&browser).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        (stage.op.count(Endpoint::Refresh) > refreshes).then_some(())
    })
    .await;
}

#[tokio::test]
async fn sec_049_a_session_whose_client_has_moved_or_gone_ends_and_its_tokens_go_nowhere() {
    let old = HostileOp::start().await;
    old.issues_access_tokens_for(1);
    let mut config = ServerConfig::new(old.issuer());
    let file = config.folder().join("sessions.redb");
    config.set("/connections/sessions/config", json!({"path": file}));
    let mut stage = Stage { server: Server::start(config).await, op: old };
    let (one, another) = (stage.logged_in().await, stage.logged_in().await);
    let refreshes = stage.op.count(Endpoint::Refresh);
    // The same client, by name and id, at another provider.
    let new = HostileOp::start().await;
    stage.server.config.set("/client/issuer", json!(new.issuer()));
    stage.server.restart().await;
    wait::until("the session has ended", async || (stage.token(&one).await.status == 401).then_some(()))
        .await;
    assert_eq!(stage.session(&one).await.status, 401, "for the app too");
    let answer = stage.log_out(&another).await;
    assert!(!answer.header("location").contains("id_token_hint"), "{answer:?}");
    stage.server.log().shows("no_client").await;
    assert_eq!(stage.op.count(Endpoint::Refresh), refreshes);
    for endpoint in [Endpoint::Refresh, Endpoint::Revocation] {
        assert_eq!(new.count(endpoint), 0, "{endpoint:?}: a token of the old provider");
    }
}

#[tokio::test]
async fn sec_049_where_any_tenant_may_log_in_an_operator_names_the_users_issuer() {
    let stage = many_tenants(json!(["*"])).await;
    let issuer = format!("{}/{TENANT}/v2.0", stage.op.issuer());
    stage.op.lies(
        Lie::about(Endpoint::CodeExchange).claim("iss", json!(issuer)).claim("tid", json!(TENANT)).once(),
    );
    let browser = stage.logged_in().await;
    let end = async |form: String| {
        raw::request("POST", &stage.server.internal, "/-/sessions/end")
            .body("application/x-www-form-urlencoded", form)
            .send()
            .await
    };
    let unnamed = end("subject=ada".to_owned()).await;
    assert_eq!(unnamed.status, 400, "{unnamed:?}");
    assert!(unnamed.json()["detail"].as_str().unwrap().contains("issuer"), "{unnamed:?}");
    assert_eq!(stage.session(&browser).await.status, 200);
    assert_eq!(end(format!("subject=ada&issuer={issuer}")).await.json()["ended"], 1);
    assert_eq!(stage.session(&browser).await.status, 401);
}

/// A stage at a provider that writes a template for its issuer, as Entra ID does for many tenants.
async fn many_tenants(allowed: Value) -> Stage {
    many_tenants_at(HostileOp::start().await, allowed).await
}

async fn many_tenants_at(op: HostileOp, allowed: Value) -> Stage {
    let template = format!("{}/{{tenantid}}/v2.0", op.issuer());
    op.lies(Lie::about(Endpoint::Discovery).member("issuer", json!(template)).json(|document| {
        document["authorization_response_iss_parameter_supported"] = json!(false);
    }));
    op.lies(Lie::about(Endpoint::Authorization).parameters(|it| it.retain(|(name, _)| name != "iss")));
    let mut config = ServerConfig::new(&template);
    config
        .set("/client/metadataUrl", json!(format!("{}/.well-known/openid-configuration", op.issuer())))
        .set("/client/allowedTenants", allowed);
    Stage { server: Server::start(config).await, op }
}

#[tokio::test]
async fn sec_038_a_tenants_token_is_accepted_for_a_listed_tenant_and_no_other() {
    let stage = many_tenants(json!([TENANT.to_uppercase()])).await;
    let issuer = |tenant: &str| json!(format!("{}/{tenant}/v2.0", stage.op.issuer()));
    let claims = |iss: Value, tid: Value| {
        Lie::about(Endpoint::CodeExchange).claim("iss", iss).claim("tid", tid).once()
    };
    for (what, iss, tid) in [
        ("another tenant", issuer(OTHER_TENANT), json!(OTHER_TENANT)),
        ("another tenant's id", issuer(TENANT), json!(OTHER_TENANT)),
        ("another tenant's issuer", issuer(OTHER_TENANT), json!(TENANT)),
        ("no tenant", issuer(TENANT), json!(null)),
        ("the template", issuer("{tenantid}"), json!("{tenantid}")),
        ("an alias", issuer("organizations"), json!("organizations")),
        ("the tenant in capitals", issuer(&TENANT.to_uppercase()), json!(TENANT.to_uppercase())),
        ("more path", issuer(&format!("x/{TENANT}")), json!(TENANT)),
        ("the bare issuer", json!(stage.op.issuer()), json!(TENANT)),
    ] {
        stage.op.lies(claims(iss, tid));
        refused(what, &stage.callback_answer().await.1);
    }
    stage.op.lies(claims(issuer(TENANT), json!(TENANT)));
    let (browser, answer) = stage.callback_answer().await;
    accepted("the listed tenant", &answer);
    let mut report = stage.op.logout_token(&json!({"sub": "ada"}));
    report.claims["iss"] = issuer(TENANT);
    let form = format!("logout_token={}", report.serialise());
    let answer = raw::request("POST", &stage.server.public, "/bff/oidc/logout/backchannel")
        .body("application/x-www-form-urlencoded", form)
        .send()
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(stage.session(&browser).await.status, 401, "the session is known by its tenant's issuer");
}

#[tokio::test]
async fn sec_021_and_038_a_tenant_that_names_itself_in_its_answer_is_the_one_of_its_token() {
    let stage = many_tenants(json!([TENANT, OTHER_TENANT])).await;
    let issuer = |tenant: &str| format!("{}/{tenant}/v2.0", stage.op.issuer());
    let answers_as = |name: String| {
        Lie::about(Endpoint::Authorization)
            .parameters(move |parameters| parameters.push(("iss".to_owned(), name.clone())))
            .once()
    };
    let token = || {
        Lie::about(Endpoint::CodeExchange)
            .claim("iss", json!(issuer(TENANT)))
            .claim("tid", json!(TENANT))
            .once()
    };
    for name in
        [issuer("00000000-0000-0000-0000-000000000000"), issuer("common"), stage.op.issuer().to_owned()]
    {
        stage.op.lies(answers_as(name.clone()));
        refused(&name, &stage.callback_answer().await.1);
    }
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 0, "no code went anywhere");
    stage.op.lies(answers_as(issuer(OTHER_TENANT)));
    stage.op.lies(token());
    refused("another allowed tenant", &stage.callback_answer().await.1);
    stage.op.has_received(Endpoint::Revocation, 1).await;
    stage.op.lies(answers_as(issuer(TENANT)));
    stage.op.lies(token());
    accepted("its own name", &stage.callback_answer().await.1);
}

#[tokio::test]
async fn sec_047_one_tenants_key_signs_no_other_tenants_token() {
    for (whose, is_accepted) in [("{tenantid}", true), (TENANT, true), (OTHER_TENANT, false)] {
        let op = HostileOp::start().await;
        let issuer = |tenant: &str| json!(format!("{}/{tenant}/v2.0", op.issuer()));
        let of_key = issuer(whose);
        op.lies(Lie::about(Endpoint::Jwks).json(move |document| {
            for key in document["keys"].as_array_mut().unwrap() {
                key["issuer"] = of_key.clone();
            }
        }));
        let token =
            Lie::about(Endpoint::CodeExchange).claim("iss", issuer(TENANT)).claim("tid", json!(TENANT));
        op.lies(token);
        let stage = many_tenants_at(op, json!(["*"])).await;
        let (_, answer) = stage.callback_answer().await;
        if is_accepted { accepted(whose, &answer) } else { refused(whose, &answer) }
    }
}

#[tokio::test]
async fn sec_038_all_tenants_are_welcome_only_where_that_is_said() {
    let stage = many_tenants(json!(["*"])).await;
    for tenant in [TENANT, OTHER_TENANT] {
        let issuer = json!(format!("{}/{tenant}/v2.0", stage.op.issuer()));
        stage
            .op
            .lies(Lie::about(Endpoint::CodeExchange).claim("iss", issuer).claim("tid", json!(tenant)).once());
        accepted(tenant, &stage.callback_answer().await.1);
    }
    refused("no tenant at all", &stage.callback_answer().await.1);
}

#[tokio::test]
async fn sec_130_and_131_metadata_is_found_elsewhere_completed_or_configured_whole() {
    let op = HostileOp::start().await;
    let at = |path: &str| json!(format!("{}{path}", op.issuer()));
    let whole = json!({
        "authorization": at("/authorize"), "token": at("/token"), "jwks": at("/jwks"),
        "endSession": at("/end_session"), "revocation": at("/revoke"),
    });
    for (what, key, value, fetches) in [
        ("RFC 8414", "issuerMetadataSegment", json!("/.well-known/oauth-authorization-server"), 1),
        ("a URL", "metadataUrl", at("/.well-known/openid-configuration?app=1"), 1),
        ("an endpoint of its own", "endpoints", json!({"endSession": at("/end_session?mine")}), 1),
        ("all endpoints", "endpoints", whole, 0),
    ] {
        let before = op.count(Endpoint::Discovery);
        let mut config = ServerConfig::new(op.issuer());
        config.set(&format!("/client/{key}"), value.clone());
        let server = Server::start(config).await;
        assert_eq!(op.count(Endpoint::Discovery) - before, fetches, "{what}");
        let browser = Browser::new();
        browser.follow(&server.public, server.bff("/login")).go().await;
        assert!(browser.cookie(SESSION).is_some(), "{what}");
        let answer = browser.follow(&server.public, server.bff("/logout")).first_hop().go().await.answer;
        let expected =
            if value["endSession"].is_string() { value["endSession"].clone() } else { at("/end_session") };
        assert!(answer.header("location").starts_with(expected.as_str().unwrap()), "{what}: {answer:?}");
    }
}

#[tokio::test]
async fn sec_130_the_document_before_an_issuers_path_names_that_issuer() {
    let op = HostileOp::start().await;
    let issuer = format!("{}/tenant", op.issuer());
    op.lies(Lie::about(Endpoint::Discovery).member("issuer", json!(issuer)));
    op.lies(Lie::about(Endpoint::CodeExchange).claim("iss", json!(issuer)));
    let renamed = json!(issuer);
    op.lies(Lie::about(Endpoint::Authorization).parameters(move |it| {
        it.retain(|(name, _)| name != "iss");
        it.push(("iss".to_owned(), renamed.as_str().unwrap_or_default().to_owned()));
    }));
    let mut config = ServerConfig::new(&issuer);
    config.set("/client/issuerMetadataSegment", json!("/.well-known/oauth-authorization-server"));
    let stage = Stage { server: Server::start(config).await, op };
    // RFC 8414 §3.1: nowhere else first, and nowhere else at all where it is found.
    let places: Vec<_> = stage.op.received_at(Endpoint::Discovery);
    let places: Vec<_> = places.iter().map(|request| request.uri.path()).collect();
    assert_eq!(places, ["/.well-known/oauth-authorization-server/tenant"]);
    stage.logged_in().await;
}

#[tokio::test]
async fn sec_130_both_readings_of_a_segment_that_repeats_the_issuers_path_are_tried() {
    let segment = "/realms/demo/.well-known/openid-configuration";
    let doubled = "/realms/demo/realms/demo/.well-known/openid-configuration";
    for (honest, asked) in [(segment, vec![segment]), (doubled, vec![segment, doubled])] {
        let op = HostileOp::start().await;
        let issuer = format!("{}/realms/demo", op.issuer());
        // At the first place there is metadata of another issuer where the second one is right.
        op.lies(Lie::about(Endpoint::Discovery).member("issuer", json!(issuer)));
        if honest == doubled {
            op.lies(Lie::about(Endpoint::Discovery).member("issuer", json!(op.issuer())).once());
        }
        op.lies(Lie::about(Endpoint::CodeExchange).claim("iss", json!(issuer)));
        let renamed = json!(issuer);
        op.lies(Lie::about(Endpoint::Authorization).parameters(move |it| {
            it.retain(|(name, _)| name != "iss");
            it.push(("iss".to_owned(), renamed.as_str().unwrap_or_default().to_owned()));
        }));
        let mut config = ServerConfig::new(&issuer);
        config.set("/client/issuerMetadataSegment", json!(segment));
        let said = String::from_utf8(config.run(&["check"]).stdout).unwrap();
        for place in [segment, doubled] {
            assert!(said.contains(&format!("{}{place}\n", op.issuer())), "{place}: {said}");
        }
        let stage = Stage { server: Server::start(config).await, op };
        let places: Vec<_> =
            stage.op.received().iter().map(|request| request.uri.path().to_owned()).collect();
        assert_eq!(places[..asked.len()], asked);
        stage.logged_in().await;
    }
}

#[tokio::test]
async fn sec_130_a_page_of_the_app_in_the_place_of_metadata_is_passed_over() {
    let op = HostileOp::start().await;
    let issuer = format!("{}/realms/demo", op.issuer());
    op.lies(Lie::about(Endpoint::Discovery).member("issuer", json!(issuer)));
    op.lies(Lie::about(Endpoint::Discovery).body("<!doctype html><title>an app</title>").once());
    let mut config = ServerConfig::new(&issuer);
    let segment = "/realms/demo/.well-known/openid-configuration";
    config.set("/client/issuerMetadataSegment", json!(segment));
    let stage = Stage { server: Server::start(config).await, op };
    assert_eq!(stage.op.count(Endpoint::Discovery), 2);
}

#[tokio::test]
async fn a_byte_order_mark_in_front_of_what_the_provider_sends_is_read_past() {
    let op = HostileOp::start().await;
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks, Endpoint::CodeExchange] {
        op.lies(Lie::about(endpoint).prefixed(b"\xef\xbb\xbf"));
    }
    let config = ServerConfig::new(op.issuer());
    let stage = Stage { server: Server::start(config).await, op };
    stage.logged_in().await;
    stage.server.log().shows("begins with a byte order mark").await;
    assert_eq!(stage.server.log().count("begins with a byte order mark"), 1, "it is said once");
}

#[tokio::test]
async fn sec_110_a_logout_endpoint_with_parameters_of_its_own_gets_those() {
    let stage = Stage::with(|config| {
        let parameters = json!({"client_id": "{client_id}", "logout_uri": "{post_logout_redirect_uri}"});
        config.set("/client/endSessionParameters", parameters);
    })
    .await;
    let browser = stage.logged_in().await;
    let location: Url = stage.log_out(&browser).await.header("location").parse().unwrap();
    let names: Vec<_> = location.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["client_id", "logout_uri"]);
    assert_eq!(value(&location, "logout_uri"), stage.bff("/oidc/logout/callback").as_str());
}
