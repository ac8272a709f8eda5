//! §8 Logouts that the provider reports through the browser (OpenID Connect Front-Channel Logout 1.0).

use authtool_tests::browser::Browser;
use authtool_tests::hostile::{CLIENT_ID, Endpoint, Gate, Lie, OTHER_CLIENT_ID};
use authtool_tests::redis::RedisServer;
use authtool_tests::{Answer, SESSION, ServerConfig, Stage, raw, wait};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use url::form_urlencoded;

const PATH: &str = "/oidc/logout/frontchannel";

fn offered(config: &mut ServerConfig) {
    config.set("/client/frontChannelLogout", json!(true));
}

/// Two clients of one provider, the second of which lets it report logouts here.
fn two_clients(config: &mut ServerConfig) {
    let mut client = config.get("/client").clone();
    let issuer = client.as_object_mut().unwrap().remove("issuer");
    let entry = |name: &str, id: &str, offered: bool| {
        let mut entry = client.clone();
        entry["name"] = json!(name);
        entry["clientId"] = json!(id);
        entry["frontChannelLogout"] = json!(offered);
        entry
    };
    let clients = [entry("staff", CLIENT_ID, false), entry("guests", OTHER_CLIENT_ID, true)];
    config.set("/client", json!({"issuer": issuer, "clients": clients}));
}

fn query(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The provider's logout page loads a URL of ours in a frame, without any cookie of ours.
async fn framed(stage: &Stage, path: &str, fields: &[(&str, &str)]) -> Answer {
    let url = stage.bff(&format!("{path}?{}", query(fields)));
    let page = format!("{}/end_session", stage.op.issuer());
    Browser::new().follow(page, url).in_frame().first_hop().go().await.answer
}

async fn is_alive(stage: &Stage, cookie: &str) -> bool {
    let (session, token) = (stage.session_for(cookie).await, stage.token_for(cookie).await);
    assert_eq!(session.status, token.status, "{session:?}\n{token:?}");
    assert!(matches!(session.status.as_u16(), 200 | 401), "{session:?}");
    session.status == 200
}

/// A session, and what the provider calls its own.
async fn login(stage: &Stage) -> (String, String) {
    login_of(stage, "/login").await
}

async fn login_of(stage: &Stage, path: &str) -> (String, String) {
    let browser = Browser::new();
    browser.follow(stage.app(), stage.bff(path)).go().await;
    let cookie = browser.cookie(SESSION).unwrap_or_else(|| panic!("{path} did not log in"));
    (cookie, stage.op.provider_sessions().pop().unwrap())
}

#[tokio::test]
async fn sec_119_a_frame_with_the_sid_ends_the_local_session_and_revokes_nothing() {
    let stage = Stage::with(offered).await;
    let issuer = stage.op.issuer().to_owned();
    for (what, path, issuer) in [
        ("without iss, as Entra ID", PATH.to_owned(), None),
        ("with iss", PATH.to_owned(), Some(issuer.as_str())),
        ("with a slash", format!("{PATH}/"), None),
        ("by the client's name", format!("{PATH}/{CLIENT_ID}"), Some(issuer.as_str())),
    ] {
        let (cookie, sid) = login(&stage).await;
        let (other, _) = login(&stage).await;
        assert!(is_alive(&stage, &cookie).await, "{what}");
        let mut fields = vec![("sid", sid.as_str())];
        fields.extend(issuer.map(|it| ("iss", it)));
        let answer = framed(&stage, &path, &fields).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert!(!is_alive(&stage, &cookie).await, "{what}");
        assert!(is_alive(&stage, &other).await, "{what}: a session of its own");
        // The page is nobody's to keep, and the provider's alone to frame; no cookie is touched.
        assert!(answer.header("cache-control").contains("no-store"), "{answer:?}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains(&format!("frame-ancestors {};", stage.op.issuer())), "{policy}");
        assert!(answer.set_cookies().is_empty() && answer.body.is_empty(), "{answer:?}");
        stage.server.log().assert_free_of(&[sid]);
    }
    // Whatever the server still had to do is done when it has ended.
    let mut stage = stage;
    stage.server.restart_gracefully().await;
    assert_eq!(stage.op.count(Endpoint::Revocation), 0);
}

#[tokio::test]
async fn sec_119_a_stranger_without_the_sid_ends_nothing_and_learns_nothing() {
    let stage = Stage::with(offered).await;
    let (cookie, sid) = login(&stage).await;
    let known = framed(&stage, PATH, &[("sid", "a session that nobody has")]).await;
    assert_eq!(known.status, 200, "{known:?}");
    let long = "x".repeat(256);
    let foreign = "https://evil.example";
    for (what, query, status) in [
        ("nothing", String::new(), 400),
        ("an empty sid", "sid=".to_owned(), 400),
        ("a long sid", query(&[("sid", &long)]), 400),
        ("two", query(&[("sid", &sid), ("sid", &sid)]), 400),
        ("two issuers", query(&[("sid", &sid), ("iss", stage.op.issuer()), ("iss", stage.op.issuer())]), 400),
        ("another issuer", query(&[("sid", &sid), ("iss", foreign)]), 400),
        (
            "the issuer with a slash",
            query(&[("sid", &sid), ("iss", &format!("{}/", stage.op.issuer()))]),
            400,
        ),
        ("an empty issuer", format!("{}&iss=", query(&[("sid", &sid)])), 400),
        ("bytes that are no text", "sid=%FF".to_owned(), 400),
        ("a sub", query(&[("sub", "ada")]), 400),
        ("the sid in capitals", query(&[("sid", &sid.to_uppercase())]), 200),
        ("more than the sid", query(&[("sid", &format!("{sid}x"))]), 200),
        ("less than the sid", query(&[("sid", &sid[..sid.len() - 1])]), 200),
        ("a star", "sid=*".to_owned(), 200),
        ("the sid of another client", query(&[("sid", &sid)]), 404),
    ] {
        let path = if status == 404 { format!("{PATH}/another") } else { PATH.to_owned() };
        let answer = raw::get(&stage.server.public, format!("/bff{path}?{query}")).send().await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert!(answer.set_cookies().is_empty(), "{what}: {answer:?}");
        assert!(is_alive(&stage, &cookie).await, "{what}");
    }
    for method in ["POST", "HEAD", "DELETE"] {
        let answer =
            raw::request(method, &stage.server.public, format!("/bff{PATH}?{}", query(&[("sid", &sid)])));
        let answer = answer.send().await;
        assert_eq!(answer.status, 405, "{method}: {answer:?}");
        assert!(is_alive(&stage, &cookie).await, "{method}");
    }
    // A session that is there is answered as one that is not.
    let real = framed(&stage, PATH, &[("sid", &sid)]).await;
    let told = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.remove("x-correlation-id");
        headers.remove("date");
        (answer.status, headers, answer.body.clone())
    };
    assert_eq!(told(&real), told(&known));
    assert!(!is_alive(&stage, &cookie).await);
}

#[tokio::test]
async fn sec_119_the_path_says_whose_sessions_may_end() {
    let stage = Stage::with(two_clients).await;
    let (staff, of_staff) = login_of(&stage, "/login?client=staff").await;
    let (guest, of_guest) = login_of(&stage, "/login?client=guests").await;
    for (path, sid, status) in [
        // Nobody says which of the two.
        (PATH.to_owned(), &of_guest, 404),
        // Its provider may not.
        (format!("{PATH}/staff"), &of_staff, 404),
        // Another's session by a path that may.
        (format!("{PATH}/guests"), &of_staff, 200),
        (format!("{PATH}/GUESTS"), &of_guest, 404),
        (format!("{PATH}/guests/x"), &of_guest, 404),
    ] {
        let answer = framed(&stage, &path, &[("sid", sid)]).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(is_alive(&stage, &staff).await && is_alive(&stage, &guest).await, "{path}");
    }
    let answer = framed(&stage, &format!("{PATH}/guests"), &[("sid", &of_guest)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!is_alive(&stage, &guest).await);
    assert!(is_alive(&stage, &staff).await);
}

#[tokio::test]
async fn sec_119_where_it_is_not_offered_there_is_no_such_path() {
    let stage = Stage::new().await;
    let (cookie, sid) = login(&stage).await;
    for path in [PATH.to_owned(), format!("{PATH}/{CLIENT_ID}")] {
        let answer = framed(&stage, &path, &[("sid", &sid)]).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert!(is_alive(&stage, &cookie).await);
    }
}

#[tokio::test]
async fn sec_119_a_refresh_under_way_brings_the_session_back_neither_here_nor_to_an_end_there() {
    let stage = Stage::with(|config| {
        offered(config);
        config.set("/session/sessionJitterSecs", json!(0));
    })
    .await;
    stage.op.issues_access_tokens_for(1);
    let (cookie, sid) = login(&stage).await;
    let gate = Gate::closed();
    stage.op.lies(Lie::about(Endpoint::Refresh).held_by(&gate));
    // Until the token has expired; the request that finds it so waits at the gate.
    let after_the_end = wait::until("a request has waited for the refresh", async || {
        let answer = stage.token_for(&cookie).await;
        (answer.status != 200).then_some(answer)
    });
    let (token, ()) = tokio::join!(after_the_end, async {
        stage.op.has_received(Endpoint::Refresh, 1).await;
        let answer = framed(&stage, PATH, &[("sid", &sid)]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        gate.open();
    });
    assert_eq!(token.status, 401, "{token:?}");
    assert!(!is_alive(&stage, &cookie).await);
    let mut stage = stage;
    stage.server.restart_gracefully().await;
    assert_eq!(stage.op.count(Endpoint::Revocation), 0, "nobody who has proved nothing has tokens revoked");
}

#[tokio::test]
async fn sec_117_and_119_a_store_that_does_not_answer_is_no_success() {
    let mut redis = RedisServer::start().await;
    let stage = Stage::with(|config| {
        offered(config);
        config.set("/connections/sessions", redis.connection());
    })
    .await;
    let (cookie, sid) = login(&stage).await;
    redis.kill();
    let answer = framed(&stage, PATH, &[("sid", &sid)]).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
    drop(cookie);
}

#[tokio::test]
async fn sec_184_and_119_strangers_write_nothing_into_the_store() {
    let redis = RedisServer::start().await;
    let stage = Stage::with(|config| {
        offered(config);
        config.set("/connections/sessions", redis.connection());
        // What replicas write about their memory comes and goes by itself.
        config.set("/connections/sessions/config/localCache", json!({"enabled": false}));
    })
    .await;
    let (cookie, _) = login(&stage).await;
    assert!(is_alive(&stage, &cookie).await);
    let keys = async || redis.ask::<BTreeSet<String>>(&["KEYS", "*"]).await;
    let before = keys().await;
    assert!(!before.is_empty());
    for i in 0..100 {
        assert_eq!(framed(&stage, PATH, &[("sid", &format!("guess-{i}"))]).await.status, 200);
    }
    // Some end with their time meanwhile.
    let after = keys().await;
    assert!(after.is_subset(&before), "{:?}", after.difference(&before));
}

#[test]
fn sec_119_what_cannot_work_is_refused_by_check() {
    type Edit = fn(&mut ServerConfig);
    let cases: [(Edit, &str, &str); 3] = [
        (
            |config| {
                config.set("/client/scope", json!("profile")).set("/client/userinfo", json!("always"));
            },
            "client.frontChannelLogout",
            "openid",
        ),
        (
            |config| {
                config
                    .set("/client/idTokenValidationIssuer", json!("https://op.example/{tenantid}"))
                    .set("/client/allowedTenants", json!(["*"]));
            },
            "client.frontChannelLogout",
            "allowedTenants",
        ),
        (
            |config| {
                two_clients(config);
                let mut clients = config.get("/client/clients").clone();
                clients[1]["name"] = Value::from("https://app.example/guests");
                config.set("/client/clients", clients);
            },
            "client.clients[1].frontChannelLogout",
            "`name`",
        ),
    ];
    for (edit, key, word) in cases {
        let mut config = ServerConfig::new("http://127.0.0.1:9");
        offered(&mut config);
        edit(&mut config);
        let check = config.run(&["check"]);
        let said =
            format!("{}{}", String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
        assert!(!check.status.success() && said.contains(key) && said.contains(word), "{said}");
    }
}
