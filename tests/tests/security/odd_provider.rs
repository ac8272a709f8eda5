//! Honest providers that are odd. Nothing here is refused: each of these habits was met in the world, and turned honest users
//! away somewhere. A new one is a line in [`Oddity`], and a line here.
//!
//! The last part goes through all journeys of `tests/journeys/journey.rs` with the oddest provider there is.

use crate::expect::{accepted, login_with, refused};
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{Endpoint, HostileOp, IdTokenDraft, Lie, Oddity, Signer, SigningKey};
use authtool_tests::{Answer, SESSION, Server, ServerConfig, Stage, Upstream, raw, wait};
use futures_util::future::join_all;
use serde_json::{Value, json};

/// A server that shows what the provider says about the user and the login, and asks `UserInfo` too.
fn attentive(config: &mut ServerConfig) {
    config
        .set("/session/sessionJitterSecs", json!(0))
        .set("/client/userinfo", json!("always"))
        .set("/session/userClaims", json!(["sub", "email", "acr", "amr", "auth_time"]));
}

/// The first answer of `/token` for which the provider was asked to refresh.
async fn refreshed(stage: &Stage, browser: &Browser) -> Answer {
    let before = stage.op.count(Endpoint::Refresh);
    wait::until("an access token is refreshed", async || {
        let answer = stage.token(browser).await;
        (stage.op.count(Endpoint::Refresh) > before).then_some(answer)
    })
    .await
}

/// Logs in, is shown, calls an API, refreshes, and logs out.
async fn whole_journey(what: &str, stage: &Stage) {
    stage.op.issues_access_tokens_for(1);
    let browser = stage.logged_in().await;
    let session = stage.session(&browser).await;
    assert_eq!(session.status, 200, "{what}: {session:?}");
    assert_eq!(session.json()["email"], "ada@example.com", "{what}: {session:?}");
    stage.op.issues_access_tokens_for(3600);
    for turn in 0..2 {
        let answer = if turn == 0 { refreshed(stage, &browser).await } else { stage.token(&browser).await };
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert_eq!(answer.json()["access_token"], json!(stage.op.access_tokens().last()), "{what}");
        let lifetime = answer.json()["expires_in"].as_u64().expect("a lifetime");
        assert!((3000..=3600).contains(&lifetime), "{what}: {answer:?}");
    }
    assert_eq!(stage.op.count(Endpoint::Refresh), 1, "{what}");
    let after = stage.session(&browser).await.json();
    assert_eq!(after["auth_time"], session.json()["auth_time"], "{what}: the login's counts");
    stage.log_out_and_return(&browser).await;
    assert_eq!(stage.session(&browser).await.status, 401, "{what}");
}

#[tokio::test]
async fn an_odd_provider_is_as_good_as_any() {
    let alone = Oddity::ODDEST.into_iter().chain(Oddity::OF_KEYS).map(|oddity| async move {
        let stage = Stage::odd(&[oddity], |config| {
            attentive(config);
            if oddity == Oddity::ShortCoordinate {
                config.set("/client/idTokenSigningAlgorithms", json!(["ES256"]));
            }
        })
        .await;
        whole_journey(&format!("{oddity:?}"), &stage).await;
    });
    join_all(alone).await;
}

#[tokio::test]
async fn sec_090_a_grant_that_is_refused_with_403_is_over() {
    for oddities in
        [&[Oddity::RefusesWith403][..], &[Oddity::RefusesWith403, Oddity::Nulls, Oddity::ByteOrderMark]]
    {
        let stage = Stage::odd(oddities, attentive).await;
        stage.op.issues_access_tokens_for(1);
        let browser = stage.logged_in().await;
        stage.op.forgets_refresh_tokens();
        let answer = refreshed(&stage, &browser).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(answer.problem_code(), "no_session");
        assert_eq!(stage.session(&browser).await.status, 401);
    }
}

/// How often, and over which time, is for the unit tests of `service/refresh`.
#[tokio::test]
async fn sec_091_a_refusal_in_other_words_ends_nothing_at_once_and_says_that_the_provider_refused() {
    for oddity in [Oddity::RefusesInItsOwnWords, Oddity::RefusesTheRequest] {
        let stage = Stage::odd(&[oddity], attentive).await;
        stage.op.issues_access_tokens_for(1);
        let browser = stage.logged_in().await;
        stage.op.forgets_refresh_tokens();
        let answer = refreshed(&stage, &browser).await;
        assert_eq!(answer.status, 503, "{oddity:?}: {answer:?}");
        assert!(answer.text().contains("does not accept the request"), "{oddity:?}: {answer:?}");
        assert_eq!(stage.session(&browser).await.status, 200, "{oddity:?}");
    }
}

#[tokio::test]
async fn a_provider_that_refuses_is_not_called_unreachable() {
    let stage = Stage::with(attentive).await;
    for (what, lie) in [
        (
            "a code, in other words",
            Lie::about(Endpoint::CodeExchange).status(400).body(r#"{"message":"no"}"#),
        ),
        ("a code, by a page", Lie::about(Endpoint::CodeExchange).status(400).body("<h1>no</h1>")),
        ("UserInfo", Lie::about(Endpoint::UserInfo).status(400)),
    ] {
        let (_, answer) = login_with(&stage, lie).await;
        refused(what, &answer);
        assert_eq!(answer.status, 502, "{what}: {answer:?}");
    }
}

#[tokio::test]
async fn every_exchange_asks_for_an_answer_without_coding() {
    let op = HostileOp::start().await;
    op.lies(pushes(&op));
    let mut config = ServerConfig::new(op.issuer());
    attentive(&mut config);
    config.set("/session/revocationDelaySecs", json!(1));
    let server = Server::start(config).await;
    let stage = Stage { server, op };
    whole_journey("identity", &stage).await;
    stage.op.has_received(Endpoint::Revocation, 1).await;
    for endpoint in [
        Endpoint::Discovery,
        Endpoint::Jwks,
        Endpoint::Push,
        Endpoint::CodeExchange,
        Endpoint::Refresh,
        Endpoint::UserInfo,
        Endpoint::Revocation,
    ] {
        let requests = stage.op.received_at(endpoint);
        assert!(!requests.is_empty(), "{endpoint:?}");
        for request in requests {
            assert_eq!(request.headers["accept-encoding"], "identity", "{request:?}");
        }
    }
}

/// Metadata that announces where requests are pushed to.
fn pushes(op: &HostileOp) -> Lie {
    let endpoint = json!(format!("{}/par", op.issuer()));
    Lie::about(Endpoint::Discovery).member("pushed_authorization_request_endpoint", endpoint)
}

/// Waits until the log says something.
async fn says(stage: &Stage, what: &str) {
    let expectation = format!("the log says {what:?}");
    wait::until(&expectation, async || stage.server.log().text().contains(what).then_some(())).await;
}

#[tokio::test]
async fn an_answer_in_another_coding_is_named() {
    let stage = Stage::with(attentive).await;
    for (endpoint, coding) in [(Endpoint::CodeExchange, "br"), (Endpoint::UserInfo, "zstd")] {
        let lie = Lie::about(endpoint).header("content-encoding", coding).body("\u{1}\u{2}");
        refused(coding, &login_with(&stage, lie).await.1);
        says(&stage, &format!("in the coding `{coding}`")).await;
    }
    // None of these bodies is in a coding.
    for label in ["identity", "utf-8", "none", "8bit", "gzip"] {
        let lie = Lie::about(Endpoint::CodeExchange).header("content-encoding", label);
        accepted(label, &login_with(&stage, lie).await.1);
    }
}

#[tokio::test]
async fn sec_043_a_provider_that_returns_no_nonce_has_to_be_configured_so() {
    let op = HostileOp::start_odd(&[Oddity::NoNonce]).await;
    let server = Server::start(ServerConfig::new(op.issuer())).await;
    let stage = Stage { server, op };
    refused("without the setting", &stage.callback_answer().await.1);

    let stage = Stage::odd(&[Oddity::NoNonce], |_| {}).await;
    accepted("with it", &stage.callback_answer().await.1);
    // PKCE protects these logins, and a nonce that is there still has to match.
    let request = stage.op.received_at(Endpoint::Authorization).pop().unwrap();
    assert_eq!(request.query_value("code_challenge_method").as_deref(), Some("S256"), "{request:?}");
    assert!(request.query_value("nonce").is_some(), "{request:?}");
    for foreign in [json!("another login's"), json!([]), json!(7)] {
        let lie = Lie::about(Endpoint::CodeExchange).claim("nonce", foreign.clone());
        refused(&foreign.to_string(), &login_with(&stage, lie).await.1);
    }
    // Whoever could empty it could leave it out.
    for absent in [Value::Null, json!("")] {
        let lie = Lie::about(Endpoint::CodeExchange).claim("nonce", absent.clone());
        accepted(&absent.to_string(), &login_with(&stage, lie).await.1);
    }
}

/// Cognito sends the time of the latest single sign-on, Django that of the user's latest login anywhere. Whoever could make a
/// provider sign another `auth_time` gains nothing: the login's own goes on counting.
#[tokio::test]
async fn sec_098_a_refreshed_id_token_with_another_auth_time_goes_on_with_the_login_that_was() {
    let stage = Stage::with(attentive).await;
    stage.op.issues_access_tokens_for(1);
    stage.op.lies(
        Lie::about(Endpoint::CodeExchange).claim("acr", json!("1")).claim("auth_time", json!(1_700_000_000)),
    );
    let browser = stage.logged_in().await;
    stage.op.lies(
        Lie::about(Endpoint::Refresh)
            .claim("acr", json!("3"))
            .claim("amr", json!(["mfa"]))
            .claim("auth_time", json!(1_800_000_000))
            .claim("email", json!("ada.king@example.com")),
    );
    assert_eq!(refreshed(&stage, &browser).await.status, 200);
    let session = stage.session(&browser).await.json();
    assert_eq!(session["email"], "ada.king@example.com", "all other claims follow: {session}");
    assert_eq!((&session["acr"], &session["auth_time"]), (&json!("1"), &json!(1_700_000_000)), "{session}");
    assert!(session.get("amr").is_none(), "the login had none: {session}");
}

#[tokio::test]
async fn any_answer_of_success_with_tokens_is_one() {
    let stage = Stage::with(attentive).await;
    stage.op.issues_access_tokens_for(1);
    for status in [200, 201, 202, 203] {
        stage.op.tells_the_truth();
        for endpoint in [Endpoint::CodeExchange, Endpoint::Refresh, Endpoint::UserInfo] {
            stage.op.lies(Lie::about(endpoint).status(status));
        }
        let browser = stage.logged_in().await;
        let answer = refreshed(&stage, &browser).await;
        assert_eq!(answer.status, 200, "{status}: {answer:?}");
        let rotated = stage.op.refresh_tokens().pop();
        refreshed(&stage, &browser).await;
        let presented = stage.op.received_at(Endpoint::Refresh).pop().unwrap().form_value("refresh_token");
        assert_eq!(presented, rotated, "{status}: the rotated token is kept");
    }
    refused(
        "no tokens",
        &login_with(&stage, Lie::about(Endpoint::CodeExchange).status(204).body("")).await.1,
    );
}

/// A provider whose keys are these from the beginning, and a user who is logged in, with an access token that has expired.
async fn with_keys(keys: Value) -> (Stage, Browser) {
    let op = HostileOp::start().await;
    let kid = keys[0]["kid"].clone();
    op.lies(Lie::about(Endpoint::CodeExchange).id_token(move |token| token.header["kid"] = kid.clone()));
    op.lies(Lie::about(Endpoint::Jwks).member("keys", keys));
    let mut config = ServerConfig::new(op.issuer());
    attentive(&mut config);
    let stage = Stage { server: Server::start(config).await, op };
    stage.op.issues_access_tokens_for(1);
    let browser = stage.logged_in().await;
    (stage, browser)
}

/// `jwk` with other members.
fn changed(mut jwk: Value, members: Value) -> Value {
    for (name, value) in members.as_object().expect("members") {
        jwk[name] = value.clone();
    }
    jwk
}

/// Lies about whatever the token endpoint answers, at a login and at a refresh.
fn tells_in_tokens(stage: &Stage, edit: impl Fn(&mut IdTokenDraft) + Clone + Send + Sync + 'static) {
    for endpoint in [Endpoint::CodeExchange, Endpoint::Refresh] {
        stage.op.lies(Lie::about(endpoint).id_token(edit.clone()));
    }
}

/// Some providers replace a key and keep its name, or give their keys none. Only the provider can have its keys fetched anew
/// this way, and what they do not verify is still refused.
#[tokio::test]
async fn sec_047_and_098_a_key_that_is_replaced_under_the_same_name_ends_no_session_and_refuses_nobody() {
    for kid in [json!("constant"), Value::Null] {
        let publishes = |key: SigningKey| json!([changed(key.jwk(), json!({"kid": kid}))]);
        let (stage, browser) = with_keys(publishes(SigningKey::provider())).await;
        let fetched = stage.op.count(Endpoint::Jwks);
        stage.op.tells_the_truth();
        stage.op.lies(Lie::about(Endpoint::Jwks).member("keys", publishes(SigningKey::next())));
        let named = kid.clone();
        tells_in_tokens(&stage, move |token| {
            token.sign_with(SigningKey::next(), "RS256");
            token.header["kid"] = named.clone();
        });
        let answer = refreshed(&stage, &browser).await;
        assert_eq!(answer.status, 200, "{kid}: {answer:?}");
        assert_eq!(stage.op.count(Endpoint::Jwks), fetched + 1, "{kid}: the keys are fetched anew, once");
        accepted(&format!("{kid}: a login"), &stage.callback_answer().await.1);

        // A moment later nobody can say whether the provider has replaced it again: nothing is believed, and nothing ends.
        stage.op.lies(Lie::about(Endpoint::Refresh).id_token(|token| {
            token.claims["email"] = json!("mallory@example.com");
            token.signer = Signer::Key(SigningKey::attacker());
        }));
        assert_eq!(refreshed(&stage, &browser).await.status, 200, "{kid}");
        assert_eq!(stage.session(&browser).await.json()["email"], "ada@example.com", "{kid}");
        stage.op.lies(Lie::about(Endpoint::CodeExchange).id_token(|token| {
            token.signer = Signer::Key(SigningKey::attacker());
        }));
        refused(&format!("{kid}: a forged login"), &stage.callback_answer().await.1);
        assert_eq!(stage.op.count(Endpoint::Jwks), fetched + 1, "{kid}: not again for a while");
    }
}

/// The metadata is an hour old when the provider begins to sign in another way. It opens nothing that is not on the fixed list.
#[tokio::test]
async fn sec_035_an_algorithm_that_the_provider_has_begun_to_use_is_looked_up_before_anything_is_refused() {
    let stage = Stage::with(attentive).await;
    stage.op.issues_access_tokens_for(1);
    let browser = stage.logged_in().await;
    let fetched = stage.op.count(Endpoint::Discovery);
    stage.op.lies(Lie::about(Endpoint::Jwks).member("keys", json!([SigningKey::elliptic().jwk()])));
    let announces =
        |list: Value| Lie::about(Endpoint::Discovery).member("id_token_signing_alg_values_supported", list);
    stage.op.lies(announces(json!(["ES256"])));
    tells_in_tokens(&stage, |token| token.sign_with(SigningKey::elliptic(), "ES256"));
    let answer = refreshed(&stage, &browser).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(stage.op.count(Endpoint::Discovery), fetched + 1, "the metadata is fetched anew, once");
    accepted("a login", &stage.callback_answer().await.1);
    // Another one, a moment later: not believed, and not called a forgery.
    tells_in_tokens(&stage, |token| token.sign_with(SigningKey::provider(), "RS256"));
    assert_eq!(refreshed(&stage, &browser).await.status, 200);
    refused("a login", &stage.callback_answer().await.1);
    assert_eq!(stage.op.count(Endpoint::Discovery), fetched + 1);
}

#[tokio::test]
async fn the_same_key_twice_is_one_key() {
    let key = SigningKey::provider().jwk();
    let (stage, browser) = with_keys(json!([key, changed(key.clone(), json!({"use": null}))])).await;
    tells_in_tokens(&stage, |_| {});
    assert_eq!(refreshed(&stage, &browser).await.status, 200);
    assert!(stage.server.log().find("provider_key_unusable").is_none());
}

/// Two different keys of one name are refused at a login. That is the provider's mistake, and no reason to end anything.
#[tokio::test]
async fn sec_047_and_098_keys_that_cannot_be_told_apart_end_no_session() {
    let stage = Stage::with(attentive).await;
    stage.op.issues_access_tokens_for(1);
    let browser = stage.logged_in().await;
    let twins = || {
        let kid = json!({"kid": "twin"});
        json!([changed(SigningKey::provider().jwk(), kid.clone()), changed(SigningKey::next().jwk(), kid)])
    };
    stage.op.lies(Lie::about(Endpoint::Jwks).member("keys", twins()));
    tells_in_tokens(&stage, |token| token.header["kid"] = json!("twin"));
    for _ in 0..2 {
        assert_eq!(refreshed(&stage, &browser).await.status, 200);
    }
    assert_eq!(stage.session(&browser).await.status, 200);
    refused("a login", &stage.callback_answer().await.1);
    says(&stage, "there is another key of the same `kid`").await;
}

/// An answer may leave the ID token out, so whoever could spoil it gains nothing. One that can be read and is about somebody else
/// still ends the session (`refresh.rs`).
#[tokio::test]
async fn sec_098_a_refreshed_id_token_that_cannot_be_read_leaves_the_session_as_it_was() {
    let stage = Stage::with(|config| {
        attentive(config);
        config.set("/client/maxIdTokenBytes", json!(4096));
    })
    .await;
    stage.op.issues_access_tokens_for(1);
    let browser = stage.logged_in().await;
    let refresh = || Lie::about(Endpoint::Refresh);
    let claims = refresh().claim("email", json!("new@example.com"));
    for (what, lie) in [
        ("grown", claims.clone().claim("groups", json!("x".repeat(8000)))),
        ("no JWT", refresh().member("id_token", json!("garbage"))),
        ("unsigned", refresh().member("id_token", json!("eyJhbGciOiJub25lIn0.e30."))),
        ("encrypted", refresh().member("id_token", json!("a.b.c.d.e"))),
        ("a number", refresh().member("id_token", json!(7))),
        ("a header that is no JSON", refresh().member("id_token", json!("bm90IGpzb24.e30.c2ln"))),
    ] {
        stage.op.tells_the_truth();
        stage.op.lies(lie);
        let answer = refreshed(&stage, &browser).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert_eq!(answer.json()["access_token"], json!(stage.op.access_tokens().last()), "{what}");
        assert_eq!(stage.session(&browser).await.json()["email"], "ada@example.com", "{what}");
    }
    let log = stage.server.log().text();
    assert_eq!(log.matches("refreshed_id_token_unusable").count(), 3, "each reason is said once");
    stage.op.tells_the_truth();
    stage.op.lies(claims);
    assert_eq!(refreshed(&stage, &browser).await.status, 200);
    assert_eq!(
        stage.session(&browser).await.json()["email"],
        "new@example.com",
        "one that can be read counts"
    );
    stage.log_out(&browser).await;
}

#[tokio::test]
async fn sec_090_a_refusal_in_another_encoding_is_understood() {
    let text = "{\"error\":\"invalid_grant\",\"error_description\":\"ung\u{fc}ltig\"}";
    let latin1: Vec<u8> = text.chars().map(|it| u8::try_from(u32::from(it)).unwrap()).collect();
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (what, body) in [("Latin-1", latin1), ("UTF-16", utf16)] {
        let stage = Stage::with(attentive).await;
        stage.op.issues_access_tokens_for(1);
        let browser = stage.logged_in().await;
        stage.op.lies(Lie::about(Endpoint::Refresh).status(400).body(body));
        assert_eq!(refreshed(&stage, &browser).await.status, 401, "{what}");
    }
}

/// The page that users see has none of this (`callback.rs`).
#[tokio::test]
async fn a_refused_code_and_a_refused_refresh_token_are_logged_with_what_the_provider_said() {
    for label in ["application/json", "text/plain", "text/html"] {
        let stage = Stage::with(attentive).await;
        stage.op.issues_access_tokens_for(1);
        let browser = stage.logged_in().await;
        let refuses = |endpoint, why: &str| {
            let body = json!({"error": "invalid_grant", "error_description": why}).to_string();
            Lie::about(endpoint).status(400).header("content-type", label).body(body)
        };
        let lie = refuses(Endpoint::CodeExchange, "PKCE verification failed");
        refused(label, &login_with(&stage, lie).await.1);
        says(&stage, r#"did not accept its own code (invalid_grant, \"PKCE verification failed\")"#).await;
        stage.op.lies(refuses(Endpoint::Refresh, "Session not active"));
        assert_eq!(refreshed(&stage, &browser).await.status, 401, "{label}");
        says(&stage, r#"no longer accepts it (invalid_grant, \"Session not active\")"#).await;

        let browser = {
            stage.op.tells_the_truth();
            stage.logged_in().await
        };
        let body = json!({"error": "invalid_scope", "error_description": "No such scope"}).to_string();
        stage.op.lies(Lie::about(Endpoint::Refresh).status(400).header("content-type", label).body(body));
        assert_eq!(refreshed(&stage, &browser).await.status, 503, "{label}");
        says(&stage, r#"(invalid_scope, \"No such scope\")"#).await;
    }
}

#[tokio::test]
async fn claims_are_read_whatever_their_label() {
    let stage = Stage::with(attentive).await;
    for label in ["text/json", "text/plain; charset=utf-8", "text/html", "application/octet-stream"] {
        let lie = Lie::about(Endpoint::UserInfo).header("content-type", label);
        accepted(label, &login_with(&stage, lie).await.1);
    }
}

/// The oddest provider, with an API behind the server's own proxy.
async fn oddest(upstream: &Upstream) -> Stage {
    Stage::odd(&Oddity::ODDEST, |config| {
        attentive(config);
        config.set("/server/proxy", json!([{"prefix": "/api", "upstream": upstream.origin}]));
    })
    .await
}

#[tokio::test]
async fn at_the_oddest_provider_a_user_logs_in_uses_the_api_and_logs_out() {
    let upstream = Upstream::start().await;
    let stage = oddest(&upstream).await;
    let browser = Browser::new();
    assert_eq!(stage.session(&browser).await.status, 401);
    let page = browser.follow(stage.app(), stage.bff("/login?redirect_uri=/%3Fa%3Db%23top")).go().await;
    assert_eq!(page.url.as_str(), format!("{}?a=b#top", stage.app()), "a deep link is returned to");
    let session = stage.session(&browser).await;
    assert_eq!((session.status.as_u16(), &session.json()["sub"]), (200, &json!("ada")), "{session:?}");

    let token = stage.token(&browser).await.json()["access_token"].as_str().unwrap().to_owned();
    assert!(token.ends_with('~') && token.contains('|'), "an odd token: {token}");
    let answer = browser.fetch(stage.app(), stage.app().join("/api/orders").unwrap()).go().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(upstream.last().header("authorization"), format!("Bearer {token}"));

    let saved = browser.cookie(SESSION).unwrap();
    let page = browser.follow(stage.app(), stage.bff("/logout")).posting("").go().await;
    assert_eq!(page.url.as_str(), stage.app().as_str(), "back from the provider: {page:#?}");
    assert_eq!(stage.op.count(Endpoint::EndSession), 1);
    assert_eq!(stage.token_for(&saved).await.status, 401);
}

#[tokio::test]
async fn at_the_oddest_provider_access_tokens_are_refreshed_with_and_without_rotation() {
    for rotate in [true, false] {
        let stage = Stage::odd(&Oddity::ODDEST, attentive).await;
        stage.op.rotates_refresh_tokens(rotate);
        stage.op.issues_access_tokens_for(1);
        let browser = stage.logged_in().await;
        for turn in 0..3 {
            let answer = refreshed(&stage, &browser).await;
            assert_eq!(answer.status, 200, "refresh {turn}, rotation {rotate}: {answer:?}");
        }
        assert_eq!(stage.session(&browser).await.status, 200);
        assert_eq!(stage.op.reuses(), 0);
        stage.op.forgets_refresh_tokens();
        assert_eq!(refreshed(&stage, &browser).await.status, 401, "rotation {rotate}");
    }
}

#[tokio::test]
async fn at_the_oddest_provider_a_user_who_declines_may_try_again() {
    let stage = Stage::odd(&Oddity::ODDEST, attentive).await;
    stage.op.lies(
        Lie::about(Endpoint::Authorization)
            .parameters(|parameters| {
                parameters.retain(|(name, _)| name != "code");
                parameters.push(("error".to_owned(), "access_denied".to_owned()));
            })
            .once(),
    );
    let browser = Browser::new();
    let page = stage.log_in(&browser).await;
    assert_eq!(page.status(), 403, "{page:#?}");
    assert_eq!(stage.session(&browser).await.status, 401);
    stage.log_in(&browser).await;
    assert_eq!(stage.session(&browser).await.status, 200);
}

#[tokio::test]
async fn sec_114_at_the_oddest_provider_a_reported_logout_ends_the_session() {
    let stage = Stage::odd(&Oddity::ODDEST, attentive).await;
    let (first, second) = (stage.logged_in().await, stage.logged_in().await);
    let sid = stage.op.provider_sessions().remove(0);
    let token = stage.op.logout_token(&json!({"sid": sid})).serialise();
    let answer = raw::request("POST", &stage.server.public, "/bff/oidc/logout/backchannel")
        .body("application/x-www-form-urlencoded", format!("logout_token={token}"))
        .send()
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(stage.session(&first).await.status, 401);
    assert_eq!(stage.session(&second).await.status, 200, "another session at the provider");
}

#[tokio::test]
async fn at_the_oddest_provider_tabs_share_a_session_and_a_logout() {
    let stage = Stage::odd(&Oddity::ODDEST, attentive).await;
    let browser = Browser::new();
    let first = stage.callback_url_for(&browser, "/login?redirect_uri=/%231").await;
    let second = stage.callback_url_for(&browser, "/login?redirect_uri=/%232").await;
    for callback in [second, first] {
        let page = browser.follow(stage.op.issuer(), &callback).go().await;
        assert_eq!(page.url.path(), "/", "{page:#?}");
        assert_eq!(stage.session(&browser).await.status, 200);
    }
    stage.log_out(&browser).await;
    assert_eq!(stage.session(&browser).await.status, 401);
}

/// What Keycloak answers when a login page is sent that it has forgotten, because another tab logged in meanwhile.
fn forgets_the_login() -> Lie {
    Lie::about(Endpoint::Authorization).parameters(|parameters| {
        parameters.retain(|(name, _)| name != "code");
        parameters.push(("error".to_owned(), "temporarily_unavailable".to_owned()));
        parameters.push(("error_description".to_owned(), "authentication_expired".to_owned()));
    })
}

#[tokio::test]
async fn a_login_that_the_provider_has_forgotten_begins_again_once_and_as_it_was() {
    let stage = Stage::new().await;
    let login =
        "/login?redirect_uri=/pay%3Fa%3Db&prompt=login&login_hint=ada%40example.com&max_age=60&ui_locales=de";
    let asked = |stage: &Stage| {
        let requests = stage.op.received_at(Endpoint::Authorization);
        let mut queries: Vec<_> = requests.into_iter().map(|request| request.query).collect();
        for query in &mut queries {
            // New secrets, and the rest as it was.
            query.retain(|(name, _)| !["state", "nonce", "code_challenge"].contains(&name.as_str()));
        }
        queries
    };
    for times in [1, 2] {
        let browser = Browser::new();
        let before = stage.op.count(Endpoint::Authorization);
        stage.op.lies(if times == 1 { forgets_the_login().once() } else { forgets_the_login() });
        let callback = stage.callback_url_for(&browser, login).await;
        let answer = stage.come_back(&browser, &callback).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        assert!(!answer.sets_session(), "{answer:?}");
        let way = answer.header("location").to_owned();
        let page = browser.follow(stage.op.issuer(), way).stop_before(|url| url.path() == "/pay").go().await;
        let sent = asked(&stage);
        assert_eq!(sent.len() - before, 2, "once, and no more");
        assert_eq!(sent[before], sent[before + 1]);
        if times == 1 {
            let next = page.next.unwrap_or_else(|| panic!("{:?}", page.answer));
            assert_eq!(next.as_str(), stage.app().join("/pay?a=b").unwrap().as_str());
            assert!(browser.cookie(SESSION).is_some());
        } else {
            refused("the second time", &page.answer);
            assert!(page.answer.text().contains("login_page_expired"), "{:?}", page.answer);
        }
        stage.op.tells_the_truth();
        // The same answer again, and one with somebody else's state, begin nothing.
        for (what, browser) in [("a second time", &browser), ("elsewhere", &Browser::new())] {
            let answer = stage.come_back(browser, &callback).await;
            assert!(!answer.header("location").contains("/authorize"), "{what}: {answer:?}");
        }
        assert_eq!(asked(&stage).len() - before, 2);
    }
}
