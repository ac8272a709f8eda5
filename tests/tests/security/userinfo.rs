//! §3 `UserInfo`: what completes an ID token, or stands for one.

use crate::expect::{accepted, login_with, refused};
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{
    CLIENT_ID, Endpoint, HostileOp, IdTokenDraft, Lie, Signer, SigningKey, Transport, now,
};
use authtool_tests::{Answer, SESSION, ServerConfig, Stage, wait};
use serde_json::{Value, json};
use std::collections::HashSet;

/// What makes a good signed answer a bad one.
type Change = fn(&mut IdTokenDraft);

/// A stage whose logins ask `UserInfo` like this.
async fn asking(usage: &str) -> Stage {
    let usage = json!(usage);
    Stage::with(move |config| {
        config.set("/client/userinfo", usage);
    })
    .await
}

/// A stage whose provider is no OpenID Provider: no `openid`, no ID tokens, users are told apart by a number.
async fn plain_oauth(configure: impl FnOnce(&mut ServerConfig)) -> Stage {
    let stage = Stage::with(|config| {
        config
            .set("/client/scope", json!("read:user"))
            .set("/client/userinfo", json!("always"))
            .set("/client/userinfoSubjectClaim", json!("id"))
            .set("/session/userClaims", json!(["sub", "login", "email"]));
        configure(config);
    })
    .await;
    stage.op.lies(Lie::about(Endpoint::CodeExchange).without("id_token"));
    stage.op.logs_in("unused", &json!({"id": 583_231, "login": "ada", "email": "ada@example.com"}));
    stage
}

fn about() -> Lie {
    Lie::about(Endpoint::UserInfo)
}

/// A signed answer about Ada, which is correct before it is changed.
fn signed(op: &HostileOp, change: impl FnOnce(&mut IdTokenDraft)) -> Lie {
    let mut draft = op.logout_token(&json!({"sub": "ada"}));
    draft.header["typ"] = json!("JWT");
    draft.claims = json!({
        "iss": op.issuer(), "aud": CLIENT_ID, "sub": "ada", "name": "Ada, signed", "exp": now() + 60,
    });
    change(&mut draft);
    about().header("content-type", "application/jwt").body(draft.serialise())
}

/// Nobody is logged in, and what the provider issued meanwhile is good for nothing any more.
async fn leaves_nothing(stage: &Stage, what: &str, lie: Lie) {
    let (browser, answer) = login_with(stage, lie).await;
    refused(what, &answer);
    assert_eq!(stage.session(&browser).await.status, 401, "{what}");
    let newest = stage.op.refresh_tokens().pop();
    wait::until("the tokens of the login are revoked", async || {
        let revoked = stage.op.received_at(Endpoint::Revocation);
        let revoked: HashSet<_> = revoked.iter().filter_map(|request| request.form_value("token")).collect();
        newest.as_ref().is_some_and(|token| revoked.contains(token)).then_some(())
    })
    .await;
    assert!(!answer.everything().contains("canary"), "{what}: {answer:?}");
}

async fn session_of_a_login(stage: &Stage, lie: Lie) -> (Browser, Answer) {
    let (browser, answer) = login_with(stage, lie).await;
    accepted("the login", &answer);
    let session = stage.session(&browser).await;
    assert_eq!(session.status, 200, "{session:?}");
    (browser, session)
}

#[tokio::test]
async fn sec_050_an_answer_about_somebody_else_logs_nobody_in() {
    let stage = asking("always").await;
    for (what, lie) in [
        ("another user", about().member("sub", json!("eve"))),
        ("no user", about().without("sub")),
        ("an empty user", about().member("sub", json!(""))),
        ("a list of users", about().member("sub", json!(["ada"]))),
        ("the user in capitals", about().member("sub", json!("ADA"))),
    ] {
        leaves_nothing(&stage, what, lie).await;
    }
    stage.server.log().shows("its `sub` is missing or not the ID token's").await;
}

#[tokio::test]
async fn sec_050_an_answer_that_is_no_object_of_claims_logs_nobody_in() {
    let stage = asking("always").await;
    for (what, lie) in [
        ("an array", about().body(r#"[{"sub": "ada"}]"#)),
        ("text", about().body(r#""ada""#)),
        ("null", about().body("null")),
        ("nothing", about().body("")),
        ("half an object", about().body(r#"{"sub": "ada""#)),
        ("HTML", about().header("content-type", "text/html").body("<h1>canary</h1>")),
        // JSON under another name is read: see `odd_provider`.
        ("another's JSON under another name", about().header("content-type", "text/plain").body("[]")),
        ("a redirect", about().redirect("http://127.0.0.1:9/userinfo")),
        ("401", about().status(401)),
        ("500", about().status(500)),
        ("no answer", about().transport(Transport::Reset)),
        ("half an answer", about().transport(Transport::Truncate)),
        ("an endless answer", about().transport(Transport::Flood { bytes: 1024 * 1024 })),
    ] {
        leaves_nothing(&stage, what, lie).await;
    }
}

#[tokio::test]
async fn sec_050_a_signed_answer_is_verified_like_an_id_token() {
    let stage = asking("always").await;
    let (_, session) = session_of_a_login(&stage, signed(&stage.op, |_| {})).await;
    assert_eq!(session.json()["name"], "Ada Lovelace", "the ID token's claims come first");
    let lies: [(&str, Change); 11] = [
        ("an attacker's key", |it| it.signer = Signer::Key(SigningKey::attacker())),
        ("an unknown key", |it| it.sign_with(SigningKey::attacker(), "RS256")),
        ("no signature", |it| {
            it.header["alg"] = json!("none");
            it.signer = Signer::Bytes(Vec::new());
        }),
        ("another issuer", |it| it.claims["iss"] = json!("https://evil.example")),
        ("no issuer", |it| it.without("iss")),
        ("another client", |it| it.claims["aud"] = json!("somebody-else")),
        ("no audience", |it| it.without("aud")),
        ("another user", |it| it.claims["sub"] = json!("eve")),
        ("expired", |it| it.claims["exp"] = json!(now() - 600)),
        ("an ID token", |it| it.claims["nonce"] = json!("n")),
        ("a logout token", |it| it.header["typ"] = json!("logout+jwt")),
    ];
    for (what, change) in lies {
        leaves_nothing(&stage, what, signed(&stage.op, change)).await;
    }
}

#[tokio::test]
async fn sec_029_and_050_nobody_is_asked_before_the_id_token_has_passed() {
    let stage = asking("always").await;
    let lie = Lie::about(Endpoint::CodeExchange).claim("nonce", json!("another login's"));
    refused("a wrong nonce", &login_with(&stage, lie).await.1);
    assert_eq!(stage.op.count(Endpoint::UserInfo), 0);
}

#[tokio::test]
async fn sec_050_and_064_it_is_asked_as_configured_and_shows_what_is_selected() {
    let nameless = || Lie::about(Endpoint::CodeExchange).id_token(|token| token.without("name"));
    for (usage, complete, incomplete) in [("never", 0, 0), ("whenMissing", 0, 1), ("always", 1, 1)] {
        let stage = asking(usage).await;
        session_of_a_login(&stage, about()).await;
        assert_eq!(stage.op.count(Endpoint::UserInfo), complete, "{usage}");
        let (_, session) = session_of_a_login(&stage, nameless()).await;
        assert_eq!(stage.op.count(Endpoint::UserInfo), complete + incomplete, "{usage}");
        let name = if usage == "never" { Value::Null } else { json!("Ada Lovelace") };
        assert_eq!(session.json()["name"], name, "{usage}");
        assert_eq!(session.json()["email"], "ada@example.com", "{usage}");
        assert_eq!(session.json()["groups"], Value::Null, "{usage}: not selected");
        for request in stage.op.received_at(Endpoint::UserInfo) {
            let authorization = request.headers["authorization"].to_str().unwrap();
            let token = authorization.strip_prefix("Bearer ").unwrap();
            assert!(stage.op.access_tokens().iter().any(|it| it == token), "in the header: {request:?}");
            assert!(request.uri.query().is_none(), "and nowhere else: {request:?}");
        }
    }
}

#[tokio::test]
async fn sec_098_a_refreshed_id_token_does_not_forget_what_user_info_said() {
    let stage = Stage::with(|config| {
        config.set("/client/userinfo", json!("whenMissing")).set("/session/sessionJitterSecs", json!(0));
    })
    .await;
    stage.op.issues_access_tokens_for(1);
    let nameless = || |token: &mut IdTokenDraft| token.without("name");
    let (browser, session) =
        session_of_a_login(&stage, Lie::about(Endpoint::CodeExchange).id_token(nameless())).await;
    assert_eq!(session.json()["name"], "Ada Lovelace");
    stage.op.lies(Lie::about(Endpoint::Refresh).id_token(|token| {
        token.without("name");
        token.claims["email"] = json!("countess@example.com");
    }));
    wait::until("the session is refreshed", async || {
        stage.token(&browser).await;
        (stage.session(&browser).await.json()["email"] == "countess@example.com").then_some(())
    })
    .await;
    assert_eq!(stage.session(&browser).await.json()["name"], "Ada Lovelace");
}

#[tokio::test]
async fn sec_101_what_user_info_says_no_longer_is_forgotten_at_the_next_refresh() {
    let stage = Stage::with(|config| {
        config.set("/client/userinfo", json!("always")).set("/session/sessionJitterSecs", json!(0));
    })
    .await;
    stage.op.issues_access_tokens_for(1);
    let nameless = |token: &mut IdTokenDraft| token.without("name");
    let (browser, session) =
        session_of_a_login(&stage, Lie::about(Endpoint::CodeExchange).id_token(nameless)).await;
    assert_eq!(session.json()["name"], "Ada Lovelace");
    let refreshed_to = async |email: &'static str| {
        stage.op.lies(Lie::about(Endpoint::Refresh).id_token(move |token| {
            token.without("name");
            token.claims["email"] = json!(email);
        }));
        wait::until("the session is refreshed", async || {
            stage.token(&browser).await;
            let session = stage.session(&browser).await.json();
            (session["email"] == email).then(|| session["name"].clone())
        })
        .await
    };
    stage.op.lies(about().status(503));
    assert_eq!(refreshed_to("a@example.com").await, "Ada Lovelace", "nobody says otherwise");
    stage.op.tells_the_truth();
    stage.op.lies(about().without("name"));
    assert_eq!(refreshed_to("b@example.com").await, Value::Null, "it is her name no longer");
    stage.op.tells_the_truth();
    assert_eq!(refreshed_to("c@example.com").await, "Ada Lovelace");
    stage.op.lies(about().member("sub", json!("eve")).member("name", json!("Eve")));
    assert_eq!(refreshed_to("d@example.com").await, Value::Null, "somebody else's is not believed");
}

#[tokio::test]
async fn sec_064_a_claim_that_would_burden_every_request_is_left_out() {
    let stage = Stage::with(|config| {
        config.set("/client/userinfo", json!("always"));
        config.set("/session/userClaims", json!(["email", "photo"]));
    })
    .await;
    let huge = "x".repeat(100_000);
    let (_, session) = session_of_a_login(&stage, about().member("photo", json!(huge))).await;
    assert_eq!(session.json()["email"], "ada@example.com", "{session:?}");
    assert_eq!(session.json()["photo"], Value::Null, "{session:?}");
    stage.server.log().shows("claim_dropped").await;
}

#[tokio::test]
async fn sec_049_a_provider_without_id_tokens_says_who_a_user_is() {
    let stage = plain_oauth(|_| {}).await;
    let browser = stage.logged_in().await;
    let session = stage.session(&browser).await.json();
    assert_eq!(
        (&session["sub"], &session["login"], &session["email"]),
        (&json!("583231"), &json!("ada"), &json!("ada@example.com"))
    );
    let request = stage.op.received_at(Endpoint::Authorization).pop().unwrap();
    assert_eq!(request.query_value("scope").as_deref(), Some("read:user"));
    assert_eq!(request.query_value("nonce"), None);
    // The same address, and another user: neither is the other.
    stage.op.logs_in("unused", &json!({"id": 583_232, "login": "eve", "email": "ada@example.com"}));
    let other = stage.logged_in().await;
    let ended = authtool_tests::raw::request("POST", &stage.server.internal, "/-/sessions/end")
        .body("application/x-www-form-urlencoded", "subject=583232")
        .send()
        .await;
    assert_eq!(ended.json()["ended"], 1, "{ended:?}");
    assert_eq!(stage.session(&other).await.status, 401);
    assert_eq!(stage.session(&browser).await.status, 200);
}

#[tokio::test]
async fn sec_049_without_an_id_token_nobody_is_logged_in_as_nobody() {
    let stage = plain_oauth(|_| {}).await;
    for (what, lie) in [
        ("no id", about().without("id")),
        ("an empty id", about().member("id", json!(""))),
        ("a fraction", about().member("id", json!(1.5))),
        ("a negative number", about().member("id", json!(-1))),
        ("a list", about().member("id", json!([583_231]))),
        ("an array of users", about().body(r#"[{"id": 1}]"#)),
        ("an error", about().status(403).body(r#"{"message": "canary"}"#)),
    ] {
        leaves_nothing(&stage, what, lie).await;
    }
}

#[tokio::test]
async fn sec_034_an_id_token_that_was_not_asked_for_is_good_for_nothing() {
    let stage = plain_oauth(|_| {}).await;
    stage.op.tells_the_truth();
    let browser = stage.logged_in().await;
    assert_eq!(stage.session(&browser).await.json()["sub"], "583231", "not the ID token's");
    let answer = stage.log_out(&browser).await;
    assert!(!answer.header("location").contains("id_token_hint"), "{answer:?}");
}

#[tokio::test]
async fn sec_096_a_token_without_a_lifetime_lasts_as_long_as_is_configured() {
    let stage = plain_oauth(|config| {
        config.set("/client/accessTokenExpirationSecs", json!(7200));
    })
    .await;
    stage.op.lies(
        Lie::about(Endpoint::CodeExchange).without("expires_in").without("refresh_token").without("scope"),
    );
    let browser = stage.logged_in().await;
    let token = stage.token(&browser).await.json();
    let expires_in = token["expires_in"].as_u64().unwrap();
    assert!((7000..=7200).contains(&expires_in), "{token}");
    assert!(!browser.cookie(SESSION).unwrap().is_empty());
}

#[tokio::test]
async fn sec_091_githubs_way_of_saying_no_is_understood() {
    let github = |code: &'static str| {
        move |body: &mut Value| {
            *body = json!({"error": code, "error_description": "canary-error-description"});
        }
    };
    let stage = plain_oauth(|config| {
        config.set("/session/sessionJitterSecs", json!(0));
    })
    .await;
    let refusal = Lie::about(Endpoint::CodeExchange).json(github("bad_verification_code")).once();
    stage.op.lies(refusal);
    let (_, answer) = stage.callback_answer().await;
    refused("a code that is not accepted", &answer);
    stage.server.log().shows("did not accept its own code").await;

    stage.op.issues_access_tokens_for(1);
    stage.op.rotates_refresh_tokens(false);
    let browser = stage.logged_in().await;
    stage.op.lies(Lie::about(Endpoint::Refresh).json(github("incorrect_client_credentials")).once());
    wait::until("the refresh has failed", async || (stage.token(&browser).await.status == 503).then_some(()))
        .await;
    assert_eq!(stage.session(&browser).await.status, 200, "that was not about the session");
    stage.op.lies(Lie::about(Endpoint::Refresh).json(github("bad_refresh_token")));
    wait::until("the session has ended", async || (stage.token(&browser).await.status == 401).then_some(()))
        .await;
}
