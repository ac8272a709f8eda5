//! §8 Logouts that the provider reports (OpenID Connect Back-Channel Logout 1.0).

use crate::expect::{accepted, refused};
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{
    CLIENT_ID, CLIENT_SECRET, Endpoint, Gate, IdTokenDraft, LOGOUT_EVENT, Lie, OTHER_CLIENT_ID, Signer,
    SigningKey, now,
};
use authtool_tests::{Answer, SESSION, Stage, raw, wait};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use url::form_urlencoded;

const PATH: &str = "/bff/oidc/logout/backchannel";
const FORM: &str = "application/x-www-form-urlencoded";

/// What makes a good logout token a bad one.
type Edit = fn(&mut IdTokenDraft);

fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// Reports a logout, as a provider does.
async fn report(stage: &Stage, logout_token: &str) -> Answer {
    raw::request("POST", &stage.server.public, PATH)
        .body(FORM, form(&[("logout_token", logout_token)]))
        .send()
        .await
}

/// Whether a session cookie is worth something, to the app and to the gateway alike.
#[track_caller]
fn same(what: &str, session: &Answer, token: &Answer) -> bool {
    assert_eq!(session.status, token.status, "{what}: /session and /token disagree: {session:?}\n{token:?}");
    assert!(matches!(session.status.as_u16(), 200 | 401), "{what}: {session:?}");
    session.status == 200
}

async fn is_alive(stage: &Stage, cookie: &str) -> bool {
    same(cookie, &stage.session_for(cookie).await, &stage.token_for(cookie).await)
}

async fn cookie_of_a_login(stage: &Stage) -> String {
    stage.logged_in().await.cookie(SESSION).unwrap()
}

#[tokio::test]
async fn sec_114_a_reported_logout_ends_the_session_at_once() {
    let stage = Stage::new().await;
    for path in [PATH.to_owned(), format!("{PATH}/")] {
        for what in ["sid", "sub", "sub and sid", "an array as audience", "no typ"] {
            let cookie = cookie_of_a_login(&stage).await;
            let sid = stage.op.provider_sessions().pop().unwrap();
            // Asked just before, so that whatever the server remembers is fresh.
            assert!(is_alive(&stage, &cookie).await);
            let mut draft = stage.op.logout_token(&match what {
                "sid" => json!({"sid": sid}),
                "sub" => json!({"sub": "ada"}),
                _ => json!({"sub": "ada", "sid": sid}),
            });
            match what {
                "an array as audience" => draft.claims["aud"] = json!([draft.claims["aud"], "another"]),
                "no typ" => draft.without_header("typ"),
                _ => {}
            }
            let token = draft.serialise();
            let answer = raw::request("POST", &stage.server.public, &path)
                .body("application/x-www-form-urlencoded; charset=UTF-8", form(&[("logout_token", &token)]))
                .send()
                .await;
            assert_eq!(answer.status, 200, "{what}: {answer:?}");
            assert!(answer.header("cache-control").contains("no-store"), "{what}: {answer:?}");
            assert!(answer.set_cookies().is_empty(), "{what}: {answer:?}");
            assert!(!is_alive(&stage, &cookie).await, "{what}");
            stage.server.log().assert_free_of(&[token]);
        }
    }
}

#[tokio::test]
async fn sec_114_a_logout_of_one_provider_session_leaves_the_users_others() {
    let stage = Stage::new().await;
    let reported = cookie_of_a_login(&stage).await;
    let sid = stage.op.provider_sessions().pop().unwrap();
    let other = cookie_of_a_login(&stage).await;
    let answer = report(&stage, &stage.op.logout_token(&json!({"sub": "ada", "sid": sid})).serialise()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!is_alive(&stage, &reported).await);
    assert!(is_alive(&stage, &other).await);
}

/// Two clients of one provider. Its session, and so its `sid`, is the same for both.
async fn two_clients() -> Stage {
    Stage::with(|config| {
        let mut client = config.get("/client").clone();
        let issuer = client.as_object_mut().unwrap().remove("issuer");
        let clients = [("staff", CLIENT_ID), ("guests", OTHER_CLIENT_ID)].map(|(name, id)| {
            let mut entry = client.clone();
            (entry["name"], entry["clientId"]) = (json!(name), json!(id));
            entry
        });
        config.set("/client", json!({"issuer": issuer, "clients": clients}));
    })
    .await
}

async fn cookie_of_a_login_as(stage: &Stage, client: &str) -> String {
    let browser = Browser::new();
    browser.follow(stage.app(), stage.bff(&format!("/login?client={client}"))).go().await;
    browser.cookie(SESSION).unwrap_or_else(|| panic!("{client} did not log in"))
}

#[tokio::test]
async fn sec_198_a_report_ends_only_what_belongs_to_the_client_that_it_names() {
    let stage = two_clients().await;
    for (turn, (audience, names, staff_ends, guests_end)) in [
        (json!(CLIENT_ID), "sid", true, false),
        (json!(OTHER_CLIENT_ID), "sid", false, true),
        (json!(CLIENT_ID), "sub", true, false),
        (json!(OTHER_CLIENT_ID), "both", false, true),
        (json!([CLIENT_ID, OTHER_CLIENT_ID]), "sid", true, true),
        (json!([OTHER_CLIENT_ID, "another"]), "sub", false, true),
    ]
    .into_iter()
    .enumerate()
    {
        let what = format!("{audience} {names}");
        let sid = shared_session(&stage, turn);
        let staff = cookie_of_a_login_as(&stage, "staff").await;
        let guests = cookie_of_a_login_as(&stage, "guests").await;
        let mut draft = stage.op.logout_token(&match names {
            "sid" => json!({"sid": sid}),
            "sub" => json!({"sub": "ada"}),
            _ => json!({"sub": "ada", "sid": sid}),
        });
        draft.claims["aud"] = audience;
        let answer = report(&stage, &draft.serialise()).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert_eq!(is_alive(&stage, &staff).await, !staff_ends, "{what}: staff");
        assert_eq!(is_alive(&stage, &guests).await, !guests_end, "{what}: guests");
    }
}

/// From now on, logins of all clients belong to this session of the provider.
fn shared_session(stage: &Stage, turn: usize) -> String {
    let sid = format!("shared-{turn}");
    let named = sid.clone();
    stage.op.tells_the_truth();
    stage.op.lies(
        Lie::about(Endpoint::CodeExchange).id_token(move |token| token.claims["sid"] = json!(named.clone())),
    );
    sid
}

#[tokio::test]
async fn sec_198_everything_that_a_report_says_must_match() {
    let stage = two_clients().await;
    let sid = shared_session(&stage, 0);
    let cookie = cookie_of_a_login_as(&stage, "staff").await;
    for who in [json!({"sub": "eve", "sid": sid}), json!({"sub": "ada", "sid": "another"})] {
        let answer = report(&stage, &stage.op.logout_token(&who).serialise()).await;
        assert_eq!(answer.status, 200, "{who}: {answer:?}");
        assert!(is_alive(&stage, &cookie).await, "{who}");
    }
    let answer = report(&stage, &stage.op.logout_token(&json!({"sub": "ada", "sid": sid})).serialise()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!is_alive(&stage, &cookie).await);
}

#[tokio::test]
async fn sec_198_a_report_about_one_client_refuses_no_login_of_another() {
    let stage = two_clients().await;
    let sid = shared_session(&stage, 0);
    // The report overtakes the logins.
    let answer = report(&stage, &stage.op.logout_token(&json!({"sid": sid})).serialise()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let guests = cookie_of_a_login_as(&stage, "guests").await;
    assert!(is_alive(&stage, &guests).await);
    let staff = Browser::new();
    staff.follow(stage.app(), stage.bff("/login?client=staff")).go().await;
    assert_eq!(stage.session(&staff).await.status, 401, "the provider has ended this client's session");
}

#[tokio::test]
async fn sec_114_a_logout_of_one_provider_session_ends_those_that_may_belong_to_it() {
    let stage = Stage::new().await;
    let elsewhere = cookie_of_a_login(&stage).await;
    // A provider that mentions its session in reports, but not in ID tokens.
    stage.op.lies(Lie::about(Endpoint::CodeExchange).id_token(|token| token.without("sid")));
    let unknown = cookie_of_a_login(&stage).await;
    stage.op.logs_in("grace", &json!({}));
    let somebody_else = cookie_of_a_login(&stage).await;
    let answer = report(&stage, &stage.op.logout_token(&json!({"sub": "ada", "sid": "s"})).serialise()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!is_alive(&stage, &unknown).await, "the user logged out, and is still logged in");
    assert!(is_alive(&stage, &elsewhere).await, "it belongs to another session of the provider");
    assert!(is_alive(&stage, &somebody_else).await);
}

#[tokio::test]
async fn sec_118_reports_without_exp_are_accepted_where_that_is_configured() {
    for allowed in [false, true] {
        let stage = Stage::with(|config| {
            config.set("/client/allowLogoutTokensWithoutExp", json!(allowed));
        })
        .await;
        let cookie = cookie_of_a_login(&stage).await;
        let mut draft = stage.op.logout_token(&json!({"sub": "ada"}));
        draft.without("exp");
        let token = draft.serialise();
        let expected = if allowed { 200 } else { 400 };
        assert_eq!(report(&stage, &token).await.status, expected, "allowed: {allowed}");
        assert_eq!(is_alive(&stage, &cookie).await, !allowed);
        assert_eq!(report(&stage, &token).await.status, 400, "it works at most once");
    }
}

#[tokio::test]
async fn sec_114_a_logout_of_nobody_we_know_is_a_success() {
    let stage = Stage::new().await;
    let cookie = cookie_of_a_login(&stage).await;
    for who in
        [json!({"sub": "nobody"}), json!({"sid": "unknown"}), json!({"sub": "nobody", "sid": "unknown"})]
    {
        let answer = report(&stage, &stage.op.logout_token(&who).serialise()).await;
        assert_eq!(answer.status, 200, "{who}: {answer:?}");
        assert!(answer.header("cache-control").contains("no-store"), "{who}: {answer:?}");
    }
    assert!(is_alive(&stage, &cookie).await);
}

#[tokio::test]
async fn sec_114_a_report_that_breaks_any_rule_ends_nothing() {
    let stage = Stage::new().await;
    let cookie = cookie_of_a_login(&stage).await;
    let sid = stage.op.provider_sessions().pop().unwrap();
    let draft = || stage.op.logout_token(&json!({"sub": "ada", "sid": sid}));
    let cases: Vec<(&str, Edit)> = vec![
        ("alg none", |it| {
            it.header["alg"] = json!("none");
            it.signer = Signer::Bytes(Vec::new());
        }),
        ("alg nOnE", |it| {
            it.header["alg"] = json!("nOnE");
            it.signer = Signer::Bytes(Vec::new());
        }),
        ("no signature", |it| it.signer = Signer::Bytes(Vec::new())),
        ("signed with the client secret", |it| {
            it.header["alg"] = json!("HS256");
            it.signer = Signer::Hs256(CLIENT_SECRET.as_bytes().to_vec());
        }),
        ("signed with the public key as a secret", |it| {
            it.header["alg"] = json!("HS256");
            it.signer = Signer::Hs256(SigningKey::provider().public_pem().into_bytes());
        }),
        ("an algorithm outside the configured list", |it| it.sign_with(SigningKey::elliptic(), "ES256")),
        ("another algorithm's name", |it| it.header["alg"] = json!("RS512")),
        ("an unknown key", |it| it.sign_with(SigningKey::attacker(), "RS256")),
        ("an attacker's key under the provider's id", |it| it.signer = Signer::Key(SigningKey::attacker())),
        ("an attacker's key in the header", |it| {
            it.header["jwk"] = SigningKey::attacker().jwk();
            it.signer = Signer::Key(SigningKey::attacker());
        }),
        ("a critical extension", |it| it.header["crit"] = json!(["exp"])),
        ("another audience", |it| it.claims["aud"] = json!(OTHER_CLIENT_ID)),
        ("other audiences", |it| it.claims["aud"] = json!([OTHER_CLIENT_ID, "more"])),
        ("no audience", |it| it.without("aud")),
        ("another issuer", |it| it.claims["iss"] = json!("https://evil.example")),
        ("the issuer with a slash", |it| {
            it.claims["iss"] = json!(format!("{}/", it.claims["iss"].as_str().unwrap()));
        }),
        ("no issuer", |it| it.without("iss")),
        ("no events", |it| it.without("events")),
        ("empty events", |it| it.claims["events"] = json!({})),
        ("another event", |it| it.claims["events"] = json!({"https://example.com/event/other": {}})),
        ("events in a list", |it| it.claims["events"] = json!([LOGOUT_EVENT])),
        ("events as text", |it| it.claims["events"] = json!(LOGOUT_EVENT)),
        ("an event that is no object", |it| it.claims["events"] = json!({LOGOUT_EVENT: true})),
        ("a nonce", |it| it.claims["nonce"] = json!("n")),
        ("an empty nonce", |it| it.claims["nonce"] = json!("")),
        ("expired", |it| it.claims["exp"] = json!(now() - 120)),
        ("no expiry", |it| it.without("exp")),
        ("an expiry in text", |it| it.claims["exp"] = json!("9999999999")),
        ("issued long ago", |it| it.claims["iat"] = json!(now() - 24 * 3600)),
        ("issued in the future", |it| it.claims["iat"] = json!(now() + 3600)),
        ("no time of issue", |it| it.without("iat")),
        ("no token id", |it| it.without("jti")),
        ("an empty token id", |it| it.claims["jti"] = json!("")),
        ("a token id that is no text", |it| it.claims["jti"] = json!(7)),
        ("neither sub nor sid", |it| {
            it.without("sub");
            it.without("sid");
        }),
        ("an empty sub, and no sid", |it| {
            it.claims["sub"] = json!("");
            it.without("sid");
        }),
        ("the type of an access token", |it| it.header["typ"] = json!("at+jwt")),
        ("the type of another security event", |it| it.header["typ"] = json!("secevent+jwt")),
        ("a payload that is no object", |it| it.payload = Some("[]".to_owned())),
    ];
    let mut tokens: Vec<(&str, String)> = cases
        .into_iter()
        .map(|(what, edit)| {
            let mut draft = draft();
            edit(&mut draft);
            (what, draft.serialise())
        })
        .collect();
    let good = draft().serialise();
    let parts: Vec<&str> = good.split('.').collect();
    let other = draft().serialise();
    let foreign_signature = other.rsplit('.').next().unwrap();
    let unlisted = URL_SAFE_NO_PAD.encode("not a signature");
    tokens.extend([
        ("another token's signature", format!("{}.{}.{foreign_signature}", parts[0], parts[1])),
        ("a made-up signature", format!("{}.{}.{unlisted}", parts[0], parts[1])),
        ("the ID token of the session", stage.op.id_tokens().pop().unwrap()),
        ("the access token of the session", stage.op.access_tokens().pop().unwrap()),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{good}.{}", parts[2])),
        ("nothing", String::new()),
        ("no token", "garbage".to_owned()),
    ]);
    for (what, token) in tokens {
        let answer = report(&stage, &token).await;
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        assert_eq!(answer.problem_code(), "invalid_request", "{what}: {answer:?}");
        assert!(answer.header("cache-control").contains("no-store"), "{what}: {answer:?}");
        assert!(is_alive(&stage, &cookie).await, "{what} ended the session");
    }
    assert_eq!(report(&stage, &good).await.status, 200, "the token that all of these differ from is good");
    assert!(!is_alive(&stage, &cookie).await);
}

#[tokio::test]
async fn sec_114_a_report_comes_as_one_form_field_from_a_server() {
    let stage = Stage::new().await;
    let cookie = cookie_of_a_login(&stage).await;
    let token = stage.op.logout_token(&json!({"sub": "ada"})).serialise();
    let one = form(&[("logout_token", &token)]);
    let base = &stage.server.public;
    let post = |path: &str| raw::request("POST", base, path);
    let with_query = format!("{PATH}?{one}");
    let long = format!("{one}&padding={}", "x".repeat(33 * 1024));
    let mut answers = vec![
        ("a doubled parameter", 400, post(PATH).body(FORM, format!("{one}&{one}")).send().await),
        ("two different tokens", 400, post(PATH).body(FORM, format!("{one}&logout_token=x")).send().await),
        ("another parameter", 400, post(PATH).body(FORM, form(&[("id_token", &token)])).send().await),
        ("an empty form", 400, post(PATH).body(FORM, "").send().await),
        ("the query", 400, post(&with_query).body(FORM, "").send().await),
        ("bytes that are no UTF-8", 400, post(PATH).body(FORM, b"logout_token=\xff".to_vec()).send().await),
        ("a long form", 413, post(PATH).body(FORM, long.clone()).send().await),
    ];
    for content_type in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
        answers.push((content_type, 400, post(PATH).body(content_type, one.clone()).send().await));
    }
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let request = raw::request(method, base, &with_query);
        answers.push((method, 405, request.body(FORM, one.clone()).send().await));
    }
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-dest", "document"),
        ("origin", "null"),
        ("origin", base.as_str().trim_end_matches('/')),
    ] {
        answers.push((name, 403, post(PATH).header(name, value).body(FORM, one.clone()).send().await));
    }
    let browser = Browser::new();
    let navigation = browser.follow("http://evil.example/", stage.bff("/oidc/logout/backchannel"));
    answers.push(("a form of another site", 403, navigation.posting(&one).first_hop().go().await.answer));
    for (what, status, answer) in answers {
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        if status == 405 {
            assert_eq!(answer.header("allow"), "POST", "{what}: {answer:?}");
        }
        assert!(answer.set_cookies().is_empty(), "{what}: {answer:?}");
        assert!(is_alive(&stage, &cookie).await, "{what} ended the session");
    }

    // A long body that does not say how long it is.
    let host = format!("localhost:{}", base.port().unwrap());
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {FORM}\r\ntransfer-encoding: chunked\r\n\
         connection: close\r\n\r\n"
    );
    let chunk = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let mut stream = raw::open(base, format!("{head}{chunk}").as_bytes()).await;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(is_alive(&stage, &cookie).await);

    assert_eq!(report(&stage, &token).await.status, 200, "the same token in the right form is good");
    assert!(!is_alive(&stage, &cookie).await);
}

#[tokio::test]
async fn sec_114_a_report_works_once() {
    let stage = Stage::new().await;
    cookie_of_a_login(&stage).await;
    let mut draft = stage.op.logout_token(&json!({"sub": "ada"}));
    let token = draft.serialise();
    assert_eq!(report(&stage, &token).await.status, 200);
    let again = cookie_of_a_login(&stage).await;
    let answer = report(&stage, &token).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(is_alive(&stage, &again).await, "the replay logged the user out again");
    draft.claims["exp"] = json!(now() + 60);
    let answer = report(&stage, &draft.serialise()).await;
    assert_eq!(answer.status, 400, "another token of the same id: {answer:?}");
    assert!(is_alive(&stage, &again).await);
}

#[tokio::test]
async fn sec_114_a_forged_report_does_not_use_up_the_real_ones_id() {
    let stage = Stage::new().await;
    let cookie = cookie_of_a_login(&stage).await;
    let mut draft = stage.op.logout_token(&json!({"sub": "ada"}));
    let real = draft.serialise();
    draft.signer = Signer::Key(SigningKey::attacker());
    assert_eq!(report(&stage, &draft.serialise()).await.status, 400);
    assert_eq!(report(&stage, &real).await.status, 200);
    assert!(!is_alive(&stage, &cookie).await);
}

#[tokio::test]
async fn sec_115_a_logout_of_the_user_ends_all_that_are_left_of_three_sessions() {
    let stage = Stage::new().await;
    let oldest = stage.logged_in().await;
    let ended = oldest.cookie(SESSION).unwrap();
    let left = [cookie_of_a_login(&stage).await, cookie_of_a_login(&stage).await];
    stage.op.logs_in("grace", &json!({"email": "ada@example.com"}));
    let somebody_else = cookie_of_a_login(&stage).await;
    stage.log_out(&oldest).await;
    assert!(!is_alive(&stage, &ended).await);
    for cookie in &left {
        assert!(is_alive(&stage, cookie).await, "logging out elsewhere ended it");
    }
    let answer = report(&stage, &stage.op.logout_token(&json!({"sub": "ada"})).serialise()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for cookie in &left {
        assert!(!is_alive(&stage, cookie).await, "the user's logout did not find it");
    }
    assert!(is_alive(&stage, &somebody_else).await);
}

#[tokio::test]
async fn sec_115_a_session_that_was_refreshed_is_still_found() {
    let stage = Stage::with(|config| {
        config.set("/session/sessionJitterSecs", json!(0));
    })
    .await;
    stage.op.issues_access_tokens_for(1);
    for by in ["sid", "sub"] {
        let cookie = cookie_of_a_login(&stage).await;
        let sid = stage.op.provider_sessions().pop().unwrap();
        let before = stage.op.count(Endpoint::Refresh);
        wait::until("a refresh", async || {
            assert_eq!(stage.token_for(&cookie).await.status, 200);
            (stage.op.count(Endpoint::Refresh) > before).then_some(())
        })
        .await;
        let who = if by == "sid" { json!({"sid": sid}) } else { json!({"sub": "ada"}) };
        assert_eq!(report(&stage, &stage.op.logout_token(&who).serialise()).await.status, 200);
        assert!(!is_alive(&stage, &cookie).await, "found by {by}");
    }
}

#[tokio::test]
async fn sec_116_a_reported_logout_beats_a_login_in_flight() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let callback = stage.callback_url(&browser).await;
    let gate = Gate::closed();
    stage.op.lies(Lie::about(Endpoint::CodeExchange).held_by(&gate).claim("sid", json!("in flight")));
    let (answer, ()) = tokio::join!(stage.come_back(&browser, &callback), async {
        stage.op.has_received(Endpoint::CodeExchange, 1).await;
        let token = stage.op.logout_token(&json!({"sub": "ada", "sid": "in flight"})).serialise();
        let answer = report(&stage, &token).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        gate.open();
    });
    refused("a login that its logout overtook", &answer);
    assert_eq!(stage.session(&browser).await.status, 401);
    stage.op.has_received(Endpoint::Revocation, 1).await;
    let revoked = stage.op.received_at(Endpoint::Revocation)[0].form_value("token");
    assert_eq!(revoked, stage.op.refresh_tokens().pop(), "the tokens of nobody's session are revoked");

    stage.op.tells_the_truth();
    accepted("another login of the same user", &stage.callback_answer().await.1);
}

#[tokio::test]
async fn sec_116_a_reported_logout_beats_a_refresh_in_flight() {
    let stage = Stage::with(|config| {
        config.set("/session/sessionJitterSecs", json!(0));
    })
    .await;
    stage.op.issues_access_tokens_for(1);
    let gate = Gate::closed();
    stage.op.lies(Lie::about(Endpoint::Refresh).held_by(&gate));
    let cookie = cookie_of_a_login(&stage).await;
    let sid = stage.op.provider_sessions().pop().unwrap();
    let asking = async {
        wait::until("the access token has expired, and a refresh has ended", async || {
            let answer = stage.token_for(&cookie).await;
            (stage.op.count(Endpoint::Refresh) > 0).then_some(answer)
        })
        .await
    };
    let (answer, ()) = tokio::join!(asking, async {
        stage.op.has_received(Endpoint::Refresh, 1).await;
        let answer = report(&stage, &stage.op.logout_token(&json!({"sid": sid})).serialise()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        gate.open();
    });
    assert_eq!(answer.status, 401, "the refresh that the logout overtook: {answer:?}");
    assert!(!is_alive(&stage, &cookie).await);
}

#[tokio::test]
async fn sec_117_a_report_that_cannot_be_stored_is_no_success_and_may_come_again() {
    let stage = Stage::with(|config| {
        let file = config.folder().join("sessions.redb");
        config.set("/connections/sessions/config/path", json!(file));
    })
    .await;
    let cookie = cookie_of_a_login(&stage).await;
    let sid = stage.op.provider_sessions().pop().unwrap();
    let by_sid = stage.op.logout_token(&json!({"sid": sid})).serialise();
    let by_sub = stage.op.logout_token(&json!({"sub": "ada"})).serialise();
    stage.server.fills_the_disk();
    for token in [&by_sid, &by_sub] {
        let answer = report(&stage, token).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.problem_code(), "store_unavailable", "{answer:?}");
        assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
    }
    stage.server.frees_the_disk();
    wait::until("the report is accepted", async || {
        let answer = report(&stage, &by_sub).await;
        assert!(matches!(answer.status.as_u16(), 200 | 503), "{answer:?}");
        (answer.status == 200).then_some(())
    })
    .await;
    assert!(!is_alive(&stage, &cookie).await);
}

#[tokio::test]
async fn sec_118_reports_with_unknown_keys_cause_hardly_any_fetch() {
    let stage = Stage::new().await;
    let cookie = cookie_of_a_login(&stage).await;
    let before = stage.op.count(Endpoint::Jwks);
    for number in 0..200 {
        let mut draft = stage.op.logout_token(&json!({"sub": "ada"}));
        draft.sign_with(SigningKey::attacker(), "RS256");
        draft.header["kid"] = json!(format!("unknown-{number}"));
        let answer = report(&stage, &draft.serialise()).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    let fetches = stage.op.count(Endpoint::Jwks) - before;
    assert!(fetches <= 2, "{fetches} fetches for 200 unknown keys");
    assert!(is_alive(&stage, &cookie).await);
    let real = stage.op.logout_token(&json!({"sub": "ada"})).serialise();
    assert_eq!(report(&stage, &real).await.status, 200, "the known key is still good");
}
