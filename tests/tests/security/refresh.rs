//! §7 Refresh.

use crate::expect::{accepted, login_with, refused};
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{CLIENT_ID, CLIENT_SECRET, Endpoint, Gate, HostileOp, Lie, Transport};
use authtool_tests::{Answer, SESSION, Server, ServerConfig, Stage, wait};
use base64::Engine as _;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::pin::Pin;
use std::time::Duration;

/// A stage on which access tokens last a second, with somebody logged in.
async fn short_lived() -> (Stage, Browser) {
    short_lived_with(|_| {}).await
}

async fn short_lived_with(configure: impl FnOnce(&mut ServerConfig)) -> (Stage, Browser) {
    let stage = Stage::with(|config| {
        config.set("/session/sessionJitterSecs", json!(0));
        configure(config);
    })
    .await;
    stage.op.issues_access_tokens_for(1);
    let browser = stage.logged_in().await;
    (stage, browser)
}

/// The first answer of `/token` for which the provider was asked to refresh.
async fn refreshed(stage: &Stage, browser: &Browser) -> Answer {
    let before = stage.op.count(Endpoint::Refresh);
    let cookie = browser.cookie(SESSION).expect("a session");
    wait::until("an access token is refreshed", async || {
        let answer = stage.token_for(&cookie).await;
        (stage.op.count(Endpoint::Refresh) > before).then_some(answer)
    })
    .await
}

fn last_refresh_token_presented(stage: &Stage) -> String {
    let refreshes = stage.op.received_at(Endpoint::Refresh);
    refreshes.last().and_then(|request| request.form_value("refresh_token")).expect("a refresh")
}

#[tokio::test]
async fn sec_088_and_089_many_requests_share_one_refresh() {
    let (stage, browser) = short_lived().await;
    let gate = Gate::closed();
    stage.op.lies(Lie::about(Endpoint::Refresh).held_by(&gate).member("expires_in", json!(3600)));
    let cookie = browser.cookie(SESSION).unwrap();
    let (answers, ()) = tokio::join!(
        async {
            // The first that finds the token expired waits at the gate; the others join it.
            let waiting = wait_for_expiry(&stage, &cookie);
            let (first, others) = tokio::join!(waiting, async {
                stage.op.has_received(Endpoint::Refresh, 1).await;
                join_all((0..20).map(|_| stage.token_for(&cookie))).await
            });
            [vec![first], others].concat()
        },
        async {
            stage.op.has_received(Endpoint::Refresh, 1).await;
            // Most of the others arrive meanwhile; one that comes later finds the new token.
            tokio::time::sleep(Duration::from_millis(200)).await;
            gate.open();
        }
    );
    assert_eq!(stage.op.count(Endpoint::Refresh), 1);
    let newest = stage.op.access_tokens().pop().unwrap();
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["access_token"], json!(newest));
    }
}

async fn wait_for_expiry(stage: &Stage, cookie: &str) -> Answer {
    let first = stage.op.access_tokens()[0].clone();
    wait::until("the first access token has expired", async || {
        let answer = stage.token_for(cookie).await;
        (answer.status != 200 || answer.json()["access_token"] != json!(first)).then_some(answer)
    })
    .await
}

#[tokio::test]
async fn sec_090_invalid_grant_ends_the_session() {
    let (stage, browser) = short_lived().await;
    stage.op.forgets_refresh_tokens();
    let answer = refreshed(&stage, &browser).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.problem_code(), "no_session");
    let session = stage.session(&browser).await;
    assert_eq!(session.status, 401, "{session:?}");
    let refreshes = stage.op.count(Endpoint::Refresh);
    assert_eq!(stage.token(&browser).await.status, 401);
    assert_eq!(stage.op.count(Endpoint::Refresh), refreshes, "a dead session is not refreshed again");
}

#[tokio::test]
async fn sec_059_and_060_nobody_gets_anybody_else_s_token_or_claims() {
    let stage = Stage::with(|config| {
        config.set("/session/sessionJitterSecs", json!(0)).set("/session/userClaims", json!(["sub"]));
    })
    .await;
    stage.op.issues_access_tokens_for(1);
    let mut users = Vec::new();
    for name in ["ada", "grace", "hedy", "mary"] {
        stage.op.logs_in(name, &json!({}));
        users.push((name, stage.logged_in().await));
    }
    let started = std::time::Instant::now();
    let mut turn = 0_u64;
    // For three seconds at least, and until everybody has been refreshed on the way.
    while started.elapsed() < Duration::from_secs(3) || stage.op.count(Endpoint::Refresh) < users.len() {
        assert!(started.elapsed() < wait::PATIENCE, "nothing is refreshed on the way");
        turn += 1;
        let requests = users.iter().flat_map(|user| std::iter::repeat_n(user, 6)).enumerate();
        let asked = requests.map(|(number, (name, browser))| {
            let stage = &stage;
            async move {
                // Every other caller gives up, sooner or later.
                let patience = if number % 2 == 0 { 20_000 } else { turn * 7 % 23 };
                let patience = Duration::from_millis(patience);
                if let Ok(answer) = tokio::time::timeout(patience, stage.token(browser)).await {
                    assert_eq!(answer.status, 200, "{name}: {answer:?}");
                    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
                    assert_eq!(stage.op.subject_of(&token).as_deref(), Some(*name), "{answer:?}");
                }
                if let Ok(answer) = tokio::time::timeout(patience, stage.session(browser)).await {
                    assert_eq!(answer.json()["sub"], *name, "{answer:?}");
                }
            }
        });
        join_all(asked).await;
    }
}

/// A failed refresh that says nothing about the session: 503 now, and the session lives.
fn survives(what: &'static str, lie: Lie) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        let (stage, browser) = short_lived().await;
        stage.op.lies(lie);
        let answer = refreshed(&stage, &browser).await;
        assert_eq!(answer.status, 503, "{what}: {answer:?}");
        assert!(!answer.header("retry-after").is_empty(), "{what}: {answer:?}");
        assert!(answer.set_cookies().is_empty(), "{what}: {answer:?}");
        assert_eq!(stage.session(&browser).await.status, 200, "{what}");
        let shown = answer.everything();
        assert!(!shown.contains("canary"), "{what}: the provider's words are shown: {shown}");
        assert!(stage.server.log().lines().len() < 50_000, "{what}: the log explodes");
    })
}

#[tokio::test]
async fn sec_091_an_error_that_is_not_about_the_grant_keeps_the_session() {
    let about = || Lie::about(Endpoint::Refresh);
    join_all([
        survives("invalid_client", about().oauth_error(401, "invalid_client")),
        survives("unauthorized_client", about().oauth_error(400, "unauthorized_client")),
        survives("invalid_request", about().oauth_error(400, "invalid_request")),
        survives("temporarily_unavailable", about().oauth_error(400, "temporarily_unavailable")),
        survives("400 without JSON", about().status(400).body("<h1>canary</h1>")),
        survives("400 with an array", about().status(400).body(r#"["invalid_grant"]"#)),
        survives("403", about().status(403).body("canary")),
        survives("404", about().status(404).body("canary")),
        survives("429", about().status(429).header("retry-after", "120").body("")),
    ])
    .await;
}

#[tokio::test]
async fn sec_091_a_broken_provider_keeps_the_session() {
    let about = || Lie::about(Endpoint::Refresh);
    join_all([
        survives("500", about().status(500).body("canary")),
        survives("503 that says invalid_grant", about().oauth_error(503, "invalid_grant")),
        survives("no answer", about().transport(Transport::Reset)),
        survives("half an answer", about().transport(Transport::Truncate)),
        survives("a redirect", about().redirect("http://127.0.0.1:9/elsewhere")),
        survives("200 with HTML", about().header("content-type", "text/html").body("<h1>canary</h1>")),
        survives("200 with an error", about().oauth_error(200, "server_error")),
    ])
    .await;
}

#[tokio::test]
async fn sec_091_an_unreachable_provider_keeps_the_session() {
    let (stage, browser) = short_lived().await;
    stage.op.rotates_refresh_tokens(false);
    let cookie = browser.cookie(SESSION).unwrap();
    stage.op.lies(Lie::about(Endpoint::Refresh).transport(Transport::Reset));
    wait::until("the access token has expired", async || {
        (stage.token_for(&cookie).await.status == 503).then_some(())
    })
    .await;
    stage.op.tells_the_truth();
    // Whatever back-off the server keeps, it ends.
    let answer = wait::until("the server refreshes again", async || {
        let answer = stage.token_for(&cookie).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(answer.json()["access_token"], json!(stage.op.access_tokens().pop().unwrap()));
}

#[tokio::test]
async fn sec_091_a_token_that_is_still_valid_is_served_when_the_refresh_fails() {
    let stage = Stage::with(|config| {
        config.set("/session/sessionJitterSecs", json!(59));
    })
    .await;
    stage.op.issues_access_tokens_for(60);
    let browser = stage.logged_in().await;
    stage.op.lies(Lie::about(Endpoint::Refresh).status(503));
    let answer = refreshed(&stage, &browser).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["access_token"], json!(stage.op.access_tokens()[0]));
}

#[tokio::test]
async fn sec_092_a_refresh_that_ends_after_the_logout_revives_nothing() {
    let (stage, browser) = short_lived().await;
    let cookie = browser.cookie(SESSION).unwrap();
    let gate = Gate::closed();
    stage.op.lies(Lie::about(Endpoint::Refresh).held_by(&gate));
    let (answer, ()) = tokio::join!(wait_for_expiry(&stage, &cookie), async {
        stage.op.has_received(Endpoint::Refresh, 1).await;
        stage.log_out_and_return(&browser).await;
        gate.open();
    });
    assert!(answer.status != 200, "a token of an ended session: {answer:?}");
    wait::until("the fresh tokens are revoked", async || {
        let newest = stage.op.refresh_tokens().pop();
        let revoked: Vec<_> = stage
            .op
            .received_at(Endpoint::Revocation)
            .iter()
            .filter_map(|request| request.form_value("token"))
            .collect();
        newest.filter(|token| revoked.contains(token)).map(|_| ())
    })
    .await;
    assert_eq!(stage.session_for(&cookie).await.status, 401);
    assert_eq!(stage.token_for(&cookie).await.status, 401);
}

#[tokio::test]
async fn sec_093_a_gateway_that_gives_up_does_not_lose_the_new_tokens() {
    let (stage, browser) = short_lived().await;
    let cookie = browser.cookie(SESSION).unwrap();
    let gate = Gate::closed();
    stage.op.lies(Lie::about(Endpoint::Refresh).held_by(&gate).member("expires_in", json!(3600)).once());
    tokio::select! {
        answer = wait_for_expiry(&stage, &cookie) => panic!("answered before the provider: {answer:?}"),
        () = stage.op.has_received(Endpoint::Refresh, 1) => {}
    }
    gate.open();
    let answer = wait_for_expiry(&stage, &cookie).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(stage.op.count(Endpoint::Refresh), 1, "the tokens of the first refresh were lost");
}

#[tokio::test]
async fn sec_094_a_cosmetic_error_does_not_lose_a_rotated_refresh_token() {
    let odd = |what: &'static str, name: &'static str, value: Value| {
        Box::pin(async move {
            let (stage, browser) = short_lived().await;
            stage.op.lies(Lie::about(Endpoint::Refresh).member(name, value).once());
            let answer = refreshed(&stage, &browser).await;
            assert_eq!(answer.status, 200, "{what}: {answer:?}");
            let rotated = stage.op.refresh_tokens()[1].clone();
            assert_eq!(answer.json()["access_token"], json!(stage.op.access_tokens()[1]), "{what}");
            if name == "expires_in" {
                return;
            }
            let answer = refreshed(&stage, &browser).await;
            assert_eq!(answer.status, 200, "{what}: {answer:?}");
            assert_eq!(
                last_refresh_token_presented(&stage),
                rotated,
                "{what}: the old refresh token was kept"
            );
        })
    };
    join_all([
        odd("a string lifetime", "expires_in", json!("3600")),
        odd("a float lifetime", "expires_in", json!(3600.0)),
        odd("a null lifetime", "expires_in", json!(null)),
        odd("an empty ID token", "id_token", json!("")),
        odd("a null ID token", "id_token", json!(null)),
        odd("a scope array", "scope", json!(["openid", "email"])),
        odd("a null scope", "scope", json!(null)),
        odd("an unknown member", "not_before_policy", json!({"a": [1, 2]})),
    ])
    .await;
}

#[tokio::test]
async fn sec_095_the_refresh_token_is_kept_or_replaced_as_the_answer_says() {
    // Without rotation, the provider sends none and the old one goes on.
    let kept = |what: &'static str, value: Option<Value>| async move {
        let (stage, browser) = short_lived().await;
        stage.op.rotates_refresh_tokens(false);
        if let Some(value) = value {
            stage.op.lies(Lie::about(Endpoint::Refresh).member("refresh_token", value));
        }
        let first = stage.op.refresh_tokens()[0].clone();
        for _ in 0..2 {
            let answer = refreshed(&stage, &browser).await;
            assert_eq!(answer.status, 200, "{what}: {answer:?}");
            assert_eq!(last_refresh_token_presented(&stage), first, "{what}");
        }
    };
    let replaced = |configured: bool| async move {
        let (stage, browser) = short_lived_with(|config| {
            config.set("/session/refreshTokenRotation", json!(configured));
        })
        .await;
        for turn in 0..3 {
            let answer = refreshed(&stage, &browser).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(last_refresh_token_presented(&stage), stage.op.refresh_tokens()[turn]);
        }
    };
    tokio::join!(
        kept("missing", None),
        kept("empty", Some(json!(""))),
        kept("null", Some(json!(null))),
        replaced(false),
        replaced(true),
    );
}

#[tokio::test]
async fn sec_096_an_unusable_lifetime_is_neither_forever_nor_zero() {
    let odd = |what: &'static str, value: Option<Value>| {
        Box::pin(async move {
            let stage = Stage::new().await;
            // Of the first answer and of every later one.
            for endpoint in [Endpoint::CodeExchange, Endpoint::Refresh] {
                stage.op.lies(match &value {
                    Some(value) => Lie::about(endpoint).member("expires_in", value.clone()),
                    None => Lie::about(endpoint).without("expires_in"),
                });
            }
            let (browser, answer) = stage.callback_answer().await;
            accepted(what, &answer);
            for _ in 0..20 {
                let answer = stage.token(&browser).await;
                assert_eq!(answer.status, 200, "{what}: {answer:?}");
                let expires_in =
                    answer.json()["expires_in"].as_u64().unwrap_or_else(|| panic!("{what}: {answer:?}"));
                assert!(expires_in <= 7 * 24 * 3600, "{what}: {expires_in} outlives the session");
            }
            let refreshes = stage.op.count(Endpoint::Refresh);
            assert!(refreshes <= 3, "{what}: {refreshes} refreshes in twenty calls");
        })
    };
    join_all([
        odd("absent", None),
        odd("0", Some(json!(0))),
        odd("1", Some(json!(1))),
        odd("negative", Some(json!(-1))),
        odd("the largest number", Some(json!(u64::MAX))),
        odd("beyond any number", Some(json!(1e300))),
        odd("a string", Some(json!("3600"))),
        odd("a word", Some(json!("soon"))),
        odd("null", Some(json!(null))),
        odd("an object", Some(json!({}))),
    ])
    .await;
}

#[tokio::test]
async fn sec_097_only_bearer_tokens_are_accepted() {
    let stage = Stage::new().await;
    let about = || Lie::about(Endpoint::CodeExchange);
    for kind in ["bearer", "BEARER", "Bearer", "bEaReR"] {
        let (browser, answer) = login_with(&stage, about().member("token_type", json!(kind))).await;
        accepted(kind, &answer);
        assert_eq!(stage.token(&browser).await.json()["token_type"], "Bearer");
    }
    for kind in
        [json!("DPoP"), json!("mac"), json!(""), json!("Bearer "), json!(null), json!(7), json!(["Bearer"])]
    {
        let (_, answer) = login_with(&stage, about().member("token_type", kind.clone())).await;
        refused(&kind.to_string(), &answer);
    }
    refused("missing", &login_with(&stage, about().without("token_type")).await.1);
}

#[tokio::test]
async fn sec_097_a_refreshed_token_of_another_type_is_not_handed_out() {
    let (stage, browser) = short_lived().await;
    stage.op.lies(Lie::about(Endpoint::Refresh).member("token_type", json!("DPoP")));
    let answer = refreshed(&stage, &browser).await;
    assert!(matches!(answer.status.as_u16(), 401 | 503), "{answer:?}");
    assert!(!answer.everything().contains(&stage.op.access_tokens()[1]), "{answer:?}");
}

#[tokio::test]
async fn sec_098_an_id_token_of_somebody_else_ends_the_session() {
    let other = |what: &'static str, lie: Lie| {
        Box::pin(async move {
            let (stage, browser) = short_lived().await;
            stage.op.lies(lie);
            let answer = refreshed(&stage, &browser).await;
            assert!(answer.status == 401 || answer.status == 503, "{what}: {answer:?}");
            assert!(!answer.everything().contains(&stage.op.access_tokens()[1]), "{what}: {answer:?}");
            assert_eq!(stage.session(&browser).await.status, 401, "{what}");
        })
    };
    let claim = |name, value| Lie::about(Endpoint::Refresh).claim(name, value);
    join_all([
        other("sub", claim("sub", json!("grace"))),
        other("iss", claim("iss", json!("http://127.0.0.1:1"))),
        other("aud", claim("aud", json!("another-client"))),
        other("azp", claim("azp", json!("another-client"))),
        other("nonce", claim("nonce", json!("another login's"))),
    ])
    .await;
}

#[tokio::test]
async fn sec_098_and_101_claims_follow_a_good_id_token_of_a_refresh() {
    let (stage, browser) = short_lived().await;
    stage.op.lies(Lie::about(Endpoint::Refresh).claim("email", json!("ada.king@example.com")));
    let answer = refreshed(&stage, &browser).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(stage.session(&browser).await.json()["email"], "ada.king@example.com");
}

#[tokio::test]
async fn sec_104_the_client_secret_is_form_encoded_and_loses_its_line_feed() {
    let op = HostileOp::start().await;
    let mut config = ServerConfig::new(op.issuer());
    let file = config.file("client-secret", format!("{CLIENT_SECRET}\n"));
    config.set("/client/credentials/secret", json!({"type": "file", "path": file}));
    let server = Server::start(config).await;
    let stage = Stage { server, op };
    // The provider decodes the header as RFC 6749 §2.3.1 says, and refuses anything else.
    stage.logged_in().await;
    let exchange = stage.op.received_at(Endpoint::CodeExchange).pop().unwrap();
    let header = exchange.headers["authorization"].to_str().unwrap().trim_start_matches("Basic ").to_owned();
    let pair = base64::engine::general_purpose::STANDARD.decode(header).unwrap();
    let encoded: String = url::form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect();
    assert_eq!(String::from_utf8(pair).unwrap(), format!("{CLIENT_ID}:{encoded}"));
}

#[tokio::test]
async fn sec_104_client_secret_post_is_used_when_it_is_preferred() {
    let stage = Stage::with(|config| {
        config.set("/client/preferredTokenEndpointAuthMethod", json!("client_secret_post"));
    })
    .await;
    stage.logged_in().await;
    let exchange = stage.op.received_at(Endpoint::CodeExchange).pop().unwrap();
    assert!(exchange.headers.get("authorization").is_none(), "{exchange:?}");
    assert_eq!(exchange.form_value("client_secret").as_deref(), Some(CLIENT_SECRET));
}

#[tokio::test]
async fn sec_102_a_token_that_nobody_asks_for_is_not_refreshed() {
    let stage = Stage::new().await;
    stage.op.issues_access_tokens_for(1);
    let browser = stage.logged_in().await;
    // Until it has expired, by the provider's clock, and the session was looked at since.
    let expired = std::time::Instant::now() + Duration::from_secs(2);
    wait::until("the access token has expired", async || (std::time::Instant::now() > expired).then_some(()))
        .await;
    assert_eq!(stage.session(&browser).await.status, 200);
    assert_eq!(stage.op.count(Endpoint::Refresh), 0, "asking who is logged in needs no token");
    assert_eq!(stage.token(&browser).await.status, 200);
    assert_eq!(stage.op.count(Endpoint::Refresh), 1);
}

#[tokio::test]
async fn sec_190_a_provider_that_hangs_holds_up_nobody_else() {
    let stage = Stage::with(|config| {
        config.set("/session/sessionJitterSecs", json!(0));
    })
    .await;
    stage.op.issues_access_tokens_for(1);
    let mut waiting = Vec::new();
    for _ in 0..60 {
        waiting.push(stage.logged_in().await.cookie(SESSION).unwrap());
    }
    stage.op.issues_access_tokens_for(3600);
    let other = stage.logged_in().await;
    let gate = Gate::closed();
    stage.op.lies(Lie::about(Endpoint::Refresh).held_by(&gate));
    let expired = std::time::Instant::now() + Duration::from_secs(1);
    wait::until("the access tokens have expired", async || {
        (std::time::Instant::now() > expired).then_some(())
    })
    .await;
    let asked = join_all(waiting.iter().map(|cookie| stage.token_for(cookie)));
    let meanwhile = async {
        gate.holds(40).await;
        for _ in 0..10 {
            assert_eq!(stage.token(&other).await.status, 200);
            assert_eq!(stage.session(&other).await.status, 200);
        }
        // Whoever had waited for one of them would have been answered when it was given up.
        assert!((40..=48).contains(&gate.waiting()), "{} exchanges are under way", gate.waiting());
        gate.open();
    };
    let (answers, ()) = tokio::join!(asked, meanwhile);
    for answer in answers {
        // In time, or honestly not.
        assert!(matches!(answer.status.as_u16(), 200 | 503), "{answer:?}");
    }
}
