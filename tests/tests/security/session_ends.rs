//! §16 Ends of sessions that nobody logged out of: by an operator, by time, by number.

use authtool_tests::browser::Browser;
use authtool_tests::hostile::{Endpoint, Lie, now};
use authtool_tests::{Answer, SESSION, Stage, raw, wait};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const END: &str = "/-/sessions/end";
const FORM: &str = "application/x-www-form-urlencoded";

async fn cookie_of_a_login(stage: &Stage) -> String {
    stage.logged_in().await.cookie(SESSION).unwrap()
}

async fn is_alive(stage: &Stage, cookie: &str) -> bool {
    let (session, token) = (stage.session_for(cookie).await, stage.token_for(cookie).await);
    assert_eq!(session.status, token.status, "/session and /token disagree: {session:?}\n{token:?}");
    session.status == 200
}

#[tokio::test]
async fn an_operator_ends_all_sessions_of_a_user() {
    let stage = Stage::new().await;
    let cookies = [cookie_of_a_login(&stage).await, cookie_of_a_login(&stage).await];
    // An address is no subject, and whoever has the same one is somebody else.
    stage.op.logs_in("grace", &json!({"email": "ada@example.com"}));
    let other = cookie_of_a_login(&stage).await;
    let end = |body: &str| raw::request("POST", &stage.server.internal, END).body(FORM, body);
    for nobody in ["nobody", "ADA", "ada%40example.com", "ad", "*"] {
        let answer = end(&format!("subject={nobody}")).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (200, json!({"ended": 0, "complete": true})),
            "{nobody}"
        );
    }
    for cookie in &cookies {
        assert!(is_alive(&stage, cookie).await);
    }
    let answer = end("subject=ada").send().await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (200, json!({"ended": 2, "complete": true})),
        "{answer:?}"
    );
    assert!(answer.header("cache-control").contains("no-store"), "{answer:?}");
    for cookie in &cookies {
        assert!(!is_alive(&stage, cookie).await);
    }
    assert!(is_alive(&stage, &other).await);
    let answer = end("subject=ada").send().await;
    assert_eq!(answer.json(), json!({"ended": 0, "complete": true}), "there are none left: {answer:?}");
    let again = cookie_of_a_login(&stage).await;
    assert!(is_alive(&stage, &again).await, "the user may log in again");
}

#[tokio::test]
async fn sec_145_only_the_internal_listener_ends_the_sessions_of_a_user() {
    let stage = Stage::with(|config| {
        // The app's files answer every POST with 405, which would hide what this is about.
        config.remove("/server/static");
    })
    .await;
    let cookie = cookie_of_a_login(&stage).await;
    let (public, internal) = (&stage.server.public, &stage.server.internal);
    let end = |base, path| raw::request("POST", base, path).body(FORM, "subject=ada");
    let mut answers = Vec::new();
    for path in [END, "/bff/-/sessions/end", "/bff/sessions/end"] {
        answers.push((path, 404, end(public, path).send().await));
        answers.push((path, 404, end(public, path).header("host", "127.0.0.1").send().await));
    }
    answers.push(("below the prefix", 404, end(internal, "/bff/-/sessions/end").send().await));
    for (name, value) in
        [("origin", "http://localhost"), ("sec-fetch-site", "none"), ("sec-fetch-dest", "document")]
    {
        answers.push((name, 403, end(internal, END).header(name, value).send().await));
    }
    for (what, body) in [
        ("no subject", ""),
        ("an empty subject", "subject="),
        ("two subjects", "subject=ada&subject=grace"),
        ("another parameter", "sub=ada"),
    ] {
        let request = raw::request("POST", internal, END).body(FORM, body);
        answers.push((what, 400, request.send().await));
    }
    let json = raw::request("POST", internal, END).body("application/json", "{\"subject\":\"ada\"}");
    answers.push(("JSON", 400, json.send().await));
    for method in ["GET", "DELETE", "PUT"] {
        let request = raw::request(method, internal, "/-/sessions/end?subject=ada");
        answers.push((method, 405, request.send().await));
    }
    for (what, status, answer) in answers {
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert!(is_alive(&stage, &cookie).await, "{what}");
    }
}

#[tokio::test]
async fn sec_145_where_operators_have_a_credential_nobody_else_ends_sessions() {
    let credential = "o".repeat(32);
    let stage = Stage::with(|config| {
        config.set("/server/internal/operatorCredential", json!(credential));
    })
    .await;
    let cookie = cookie_of_a_login(&stage).await;
    let end = || raw::request("POST", &stage.server.internal, END).body(FORM, "subject=ada");
    for (what, request) in [
        ("none", end()),
        ("a wrong one", end().header("authorization", format!("Bearer {}", "x".repeat(32)))),
        ("another scheme", end().header("authorization", format!("Basic {credential}"))),
    ] {
        let answer = request.send().await;
        assert_eq!(answer.status, 403, "{what}: {answer:?}");
        assert!(is_alive(&stage, &cookie).await, "{what}");
    }
    let answer = end().header("authorization", format!("Bearer {credential}")).send().await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (200, json!({"ended": 1, "complete": true})),
        "{answer:?}"
    );
    assert!(!is_alive(&stage, &cookie).await);
    stage.server.log().assert_free_of(&[credential]);
}

#[tokio::test]
async fn a_session_that_is_not_used_ends_and_one_that_is_used_does_not() {
    // Longer than anything here takes on a busy machine: what is in use must not look unused.
    const IDLE: u64 = 8;
    let stage = Stage::with(|config| {
        config.set("/session/idleTimeoutSecs", json!(IDLE));
    })
    .await;
    let unused = cookie_of_a_login(&stage).await;
    let used_by_the_gateway = cookie_of_a_login(&stage).await;
    let used_by_the_app = cookie_of_a_login(&stage).await;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(2 * IDLE) {
        let answer = stage.token_for(&used_by_the_gateway).await;
        assert_eq!(answer.status, 200, "after {:?}: {answer:?}", started.elapsed());
        let answer = stage.session_for(&used_by_the_app).await;
        assert_eq!(answer.status, 200, "after {:?}: {answer:?}", started.elapsed());
        let left = answer.json()["session"]["expires_in"].as_u64().unwrap();
        assert!(left <= IDLE, "unused, it would end earlier than in {left} s");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!is_alive(&stage, &unused).await, "it was not used for {:?}", started.elapsed());
}

#[tokio::test]
async fn use_does_not_prolong_a_session_beyond_its_absolute_lifetime() {
    let stage = Stage::with(|config| {
        config.set("/session/idleTimeoutSecs", json!(60)).set("/session/absoluteLifetimeSecs", json!(3));
    })
    .await;
    let cookie = cookie_of_a_login(&stage).await;
    // If use prolonged it, it would go on for as long as it is asked for.
    wait::until("the session ends", async || (stage.token_for(&cookie).await.status == 401).then_some(()))
        .await;
    assert!(!is_alive(&stage, &cookie).await);
}

/// How long an answer has the browser keep the session cookie, and the rest of the line.
fn renewal(answer: &Answer) -> (u64, String) {
    let line = answer.set_cookie(SESSION).unwrap_or_else(|| panic!("no session cookie: {answer:?}"));
    let (ages, rest): (Vec<_>, Vec<_>) = line.split("; ").partition(|part| part.starts_with("Max-Age="));
    assert_eq!(ages.len(), 1, "{line}");
    (ages[0]["Max-Age=".len()..].parse().expect("seconds"), rest.join("; "))
}

#[tokio::test]
async fn sec_086_the_cookie_is_renewed_by_use_and_never_outlives_the_session() {
    const DAY: u64 = 24 * 3600;
    // What the cookie and the session last for at most, when a login begins them.
    for (expiration, settings, cookie_secs, session_secs) in [
        (600, json!({}), 600, 7 * DAY),
        (3600, json!({"absoluteLifetimeSecs": 60}), 60, 60),
        (3600, json!({"idleTimeoutSecs": 90}), 3600, 90),
        (3600, json!({"refreshTokenExpirationSecs": 90}), 3600, 90),
        (1_000_000_000_000_u64, json!({}), 30 * DAY, 7 * DAY),
        (u64::MAX, json!({"absoluteLifetimeSecs": 60}), 60, 60),
    ] {
        let stage = Stage::with(|config| {
            config.set("/session/mode/expirationSecs", json!(expiration));
            for (name, value) in settings.as_object().unwrap() {
                config.set(&format!("/session/{name}"), value.clone());
            }
        })
        .await;
        let what = format!("expirationSecs {expiration} with {settings}");
        let browser = Browser::new();
        let callback = stage.callback_url(&browser).await;
        let (first, line) = renewal(&stage.come_back(&browser, &callback).await);
        assert!((1..=cookie_secs).contains(&first), "{what}: the login's Max-Age is {first}");
        let answer = stage.session(&browser).await;
        let left = answer.json()["session"]["expires_in"].as_u64().unwrap();
        let (renewed, again) = renewal(&answer);
        assert_eq!(again, line, "{what}: only its age changes");
        assert!((session_secs - 20..=session_secs).contains(&left), "{what}: {left} s left");
        // Use elsewhere may extend a session that would end for being idle; its cookie must still be there.
        let reachable = if settings.get("idleTimeoutSecs").is_some() { cookie_secs } else { left };
        assert!(renewed <= reachable && renewed <= expiration, "{what}: Max-Age {renewed}, of {left} s left");
        assert!(renewed >= left.min(expiration), "{what}: Max-Age {renewed}, of {left} s left");
        for answer in [stage.token(&browser).await, stage.session(&Browser::new()).await] {
            assert!(answer.set_cookies().is_empty(), "{what}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn sec_086_a_renewed_cookie_ends_with_the_absolute_lifetime() {
    let stage = Stage::with(|config| {
        config
            .set("/session/mode/expirationSecs", json!(3600))
            .set("/session/absoluteLifetimeSecs", json!(4));
    })
    .await;
    let browser = stage.logged_in().await;
    let end = wait::until("the session has ended", async || {
        let answer = stage.session(&browser).await;
        if answer.status == 401 {
            return Some(answer);
        }
        let (renewed, _) = renewal(&answer);
        let left = answer.json()["session"]["expires_in"].as_u64().unwrap();
        assert!(renewed <= left.max(1), "Max-Age {renewed}, of {left} s left");
        None
    })
    .await;
    assert!(!end.sets_session(), "a session that has ended is not renewed: {end:?}");
}

#[tokio::test]
async fn sec_086_a_cookie_of_the_browser_session_is_not_set_again() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let answer = stage.session(&browser).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.set_cookies().is_empty(), "{answer:?}");
}

async fn stage_with_two_sessions_per_user() -> Stage {
    Stage::with(|config| {
        config.set("/session/maxSessionsPerUser", json!(2));
    })
    .await
}

/// Waits until the second is over: the server counts time in seconds.
async fn next_second() {
    let this = now();
    wait::until("the next second begins", async || (now() > this).then_some(())).await;
}

/// Which of these sessions live.
async fn alive(stage: &Stage, cookies: &[String]) -> Vec<usize> {
    let mut alive = Vec::new();
    for (i, cookie) in cookies.iter().enumerate() {
        if is_alive(stage, cookie).await {
            alive.push(i);
        }
    }
    alive
}

/// How many sessions an operator ends who logs Ada out everywhere.
async fn end_all_of_ada(stage: &Stage) -> Value {
    let request = raw::request("POST", &stage.server.internal, END).body(FORM, "subject=ada");
    request.send().await.json()["ended"].clone()
}

#[tokio::test]
async fn sec_192_one_session_too_many_ends_the_users_oldest() {
    let stage = stage_with_two_sessions_per_user().await;
    stage.op.logs_in("grace", &json!({}));
    let somebody_else = cookie_of_a_login(&stage).await;
    stage.op.logs_in("ada", &json!({}));
    let mut cookies = Vec::new();
    for number in 0..4_usize {
        cookies.push(cookie_of_a_login(&stage).await);
        let expected: Vec<_> = (number.saturating_sub(1)..=number).collect();
        assert_eq!(alive(&stage, &cookies).await, expected, "after login {number}");
        next_second().await;
    }
    assert!(is_alive(&stage, &somebody_else).await);
}

#[tokio::test]
async fn sec_192_and_115_the_limit_holds_within_one_second_and_all_sessions_are_still_found() {
    let stage = stage_with_two_sessions_per_user().await;
    let mut cookies = Vec::new();
    for number in 0..6 {
        cookies.push(cookie_of_a_login(&stage).await);
        assert!(is_alive(&stage, &cookies[number]).await, "login {number} made room by giving way itself");
        let alive = alive(&stage, &cookies).await;
        assert!(alive.len() <= 2, "after login {number}, these live: {alive:?}");
    }
    assert_eq!(end_all_of_ada(&stage).await, json!(2));
    assert_eq!(alive(&stage, &cookies).await, Vec::<usize>::new());
}

/// A user who may have two sessions, and logs in a third time for a shorter time than before.
async fn a_third_session_that_ends_early() -> (Stage, Vec<String>) {
    let stage = Stage::with(|config| {
        config
            .set("/session/maxSessionsPerUser", json!(2))
            .set("/session/refreshTokenExpirationPayloadField", json!("refresh_expires_in"));
    })
    .await;
    let mut cookies = Vec::new();
    for refresh_expires_in in [3600, 7200, 600] {
        stage.op.tells_the_truth();
        let lie = Lie::about(Endpoint::CodeExchange);
        stage.op.lies(lie.member("refresh_expires_in", json!(refresh_expires_in)));
        cookies.push(cookie_of_a_login(&stage).await);
        next_second().await;
    }
    (stage, cookies)
}

#[tokio::test]
async fn sec_192_a_new_session_that_ends_early_takes_the_oldest_ones_place() {
    let (stage, cookies) = a_third_session_that_ends_early().await;
    assert_eq!(alive(&stage, &cookies).await, [1, 2]);
}

#[tokio::test]
async fn sec_115_a_session_beyond_the_limit_is_still_found_by_its_user() {
    let (stage, cookies) = a_third_session_that_ends_early().await;
    let ended = end_all_of_ada(&stage).await;
    let left = alive(&stage, &cookies).await;
    assert!(left.is_empty(), "{ended} sessions were ended, and these live on: {left:?}");
}

#[tokio::test]
async fn sec_192_sessions_that_have_ended_do_not_count() {
    let stage = stage_with_two_sessions_per_user().await;
    let kept = cookie_of_a_login(&stage).await;
    for _ in 0..3 {
        next_second().await;
        let browser = stage.logged_in().await;
        stage.log_out(&browser).await;
    }
    assert!(is_alive(&stage, &kept).await);
}

#[tokio::test]
async fn sec_192_logging_in_again_in_one_browser_costs_the_others_nothing() {
    let stage = stage_with_two_sessions_per_user().await;
    let elsewhere = cookie_of_a_login(&stage).await;
    next_second().await;
    let browser = stage.logged_in().await;
    let replaced = browser.cookie(SESSION).unwrap();
    next_second().await;
    stage.log_in(&browser).await;
    assert!(!is_alive(&stage, &replaced).await);
    assert!(is_alive(&stage, &browser.cookie(SESSION).unwrap()).await);
    assert!(is_alive(&stage, &elsewhere).await, "the user never had more than two sessions");
}
