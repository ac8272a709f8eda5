//! §4 Token storage and session store, as far as it shows from outside.

use authtool_tests::browser::Browser;
use authtool_tests::hostile::{Endpoint, Gate, HostileOp, Lie};
use authtool_tests::{SESSION, Server, ServerConfig, Stage, raw, wait};
use serde_json::json;

#[tokio::test]
async fn sec_052_and_053_a_session_file_holds_neither_tokens_nor_cookies() {
    let op = HostileOp::start().await;
    let mut config = ServerConfig::new(op.issuer());
    let file = config.folder().join("sessions.redb");
    config.set("/connections/sessions/config/path", json!(file));
    let server = Server::start(config).await;
    let stage = Stage { server, op };
    let browser = stage.logged_in().await;
    let cookie = browser.cookie(SESSION).unwrap();
    let bytes = std::fs::read(&file).expect("the session file is where the configuration says");
    let contains = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    let mut secrets = [stage.op.access_tokens(), stage.op.refresh_tokens(), stage.op.id_tokens()].concat();
    // The id and the MAC of the cookie, each for itself.
    secrets.extend(cookie.split('.').filter(|part| part.len() >= 16).map(str::to_owned));
    secrets.extend(["canary-".to_owned(), "ada@example.com".to_owned()]);
    for secret in secrets {
        assert!(!contains(secret.as_bytes()), "{secret:?} is readable in the session file");
    }
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
    assert_eq!(mode & 0o077, 0, "others may read the session file: {mode:o}");
}

#[tokio::test]
async fn sessions_in_a_file_survive_a_restart() {
    let op = HostileOp::start().await;
    let mut config = ServerConfig::new(op.issuer());
    let file = config.folder().join("sessions.redb");
    config.set("/connections/sessions/config/path", json!(file));
    let server = Server::start(config).await;
    let mut stage = Stage { server, op };
    let browser = stage.logged_in().await;
    stage.server.restart().await;
    let session = stage.session(&browser).await;
    assert_eq!(session.status, 200, "{session:?}");
    assert_eq!(stage.token(&browser).await.json()["access_token"], json!(stage.op.access_tokens()[0]));
}

#[tokio::test]
async fn sec_054_tokens_stay_on_the_server() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let page = stage.log_in(&browser).await;
    let mut seen: Vec<_> = page.hops.iter().map(|hop| hop.answer.everything()).collect();
    for path in
        ["/session", "/token", "/session/", "/token/", "/login?x", "/oauth/callback", "/oidc/logout/callback"]
    {
        seen.push(browser.fetch(stage.app(), stage.bff(path)).go().await.everything());
        seen.push(browser.follow(stage.app(), stage.bff(path)).first_hop().go().await.answer.everything());
    }
    let gateway = stage.token(&browser).await;
    assert_eq!(gateway.json()["access_token"], json!(stage.op.access_tokens()[0]), "{gateway:?}");
    // The provider's own redirect and this one answer are where an ID token and an access token may be.
    let logout = stage.log_out(&browser).await;
    for refresh_token in stage.op.refresh_tokens() {
        for answer in seen.iter().chain([&gateway.everything(), &logout.everything()]) {
            assert!(!answer.contains(&refresh_token), "{answer}");
        }
    }
    for token in [stage.op.access_tokens(), stage.op.id_tokens()].concat() {
        assert!(seen.iter().all(|answer| !answer.contains(&token)), "{seen:#?}");
    }
}

#[tokio::test]
async fn sec_054_a_page_of_ours_lets_the_strict_cookie_come_along() {
    let stage = Stage::with(|config| {
        config.set("/session/sameSiteReturn", json!(true));
    })
    .await;
    let browser = Browser::new();
    let page = browser
        .follow(stage.app(), stage.bff("/login?redirect_uri=/orders%3Fa%3D1%26b%3D%22x%22%23end"))
        .go()
        .await;
    assert_eq!(page.url.path(), "/bff/oauth/continue", "{page:#?}");
    assert_eq!(page.status(), 200, "{page:#?}");
    let sent = &page.hops.last().unwrap().sent;
    assert!(
        !sent["cookie"].to_str().unwrap().contains(SESSION),
        "the navigation is still cross-site: {sent:?}"
    );
    let html = page.answer.text();
    let target = "/orders?a=1&amp;b=%22x%22#end";
    let target = format!(
        "http-equiv=\"refresh\" content=\"0; url={}{target}\"",
        stage.app().as_str().trim_end_matches('/')
    );
    assert!(html.contains(&target), "{html}");
    assert!(!html.contains("<script") && !page.answer.header("content-security-policy").contains("script"));
    // What begins in that document carries the cookie.
    let next = browser.follow(page.url.clone(), stage.app().join("/orders").unwrap()).go().await;
    assert!(next.hops[0].sent["cookie"].to_str().unwrap().contains(SESSION), "{next:#?}");

    // Again, or led there by somebody else: to the app's own page, whatever the link says.
    for query in ["", "?to=https://evil.example/", "?redirect_uri=/orders"] {
        let page =
            browser.follow("http://evil.example/", stage.bff(&format!("/oauth/continue{query}"))).go().await;
        let home = format!("content=\"0; url={}\"", stage.app());
        assert!(page.answer.text().contains(&home), "{query}: {page:#?}");
    }
    // Not in a frame, and not there at all unless it is wanted.
    let framed = browser.follow(stage.app(), stage.bff("/oauth/continue")).in_frame().go().await;
    assert_eq!(framed.status(), 403, "{framed:#?}");
    let without = Stage::new().await;
    let absent = Browser::new().open(without.bff("/oauth/continue")).go().await;
    assert_eq!(absent.status(), 404, "{absent:#?}");
}

#[tokio::test]
async fn sec_054_the_app_is_served_without_a_session_and_a_login_takes_one_round_trip() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let page = browser.open(stage.app()).go().await;
    assert_eq!(page.status(), 200, "{page:?}");
    assert!(page.answer.text().contains("the app's page"), "{page:?}");
    let page = stage.log_in(&browser).await;
    let way: Vec<_> = page.hops.iter().map(|hop| hop.url.path().to_owned()).collect();
    assert_eq!(way, ["/bff/login", "/authorize", "/bff/oauth/callback", "/"]);
    // The first document after the callback is cross-site, so the Strict cookie is not sent with it.
    let sent =
        page.hops[3].sent.get("cookie").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    assert!(!sent.unwrap_or_default().contains(SESSION), "the harness must keep Strict cookies back here");
    assert_eq!(page.status(), 200, "{page:?}");
    assert_eq!(stage.session(&browser).await.status, 200);
}

#[tokio::test]
async fn sec_055_use_does_not_extend_a_session_beyond_its_absolute_lifetime() {
    let stage = Stage::with(|config| {
        config.set("/session/absoluteLifetimeSecs", json!(3)).set("/session/sessionJitterSecs", json!(0));
    })
    .await;
    stage.op.issues_access_tokens_for(1);
    let started = std::time::Instant::now();
    let browser = stage.logged_in().await;
    let saved = browser.cookie(SESSION).unwrap();
    let max_age = browser.jar().get(SESSION).and_then(|cookie| cookie.max_age);
    assert!(max_age.is_none_or(|seconds| seconds <= 3), "the cookie outlives the session: {max_age:?}");
    // Used all the time, and refreshed on the way. If use prolonged it, it would go on for as long as it is asked for.
    wait::until("the session ends", async || (stage.token_for(&saved).await.status == 401).then_some(()))
        .await;
    assert!(started.elapsed().as_secs() >= 2, "the session ended long before its time");
    assert_eq!(stage.session_for(&saved).await.status, 401);
}

/// A stage whose sessions are in a file.
async fn stage_with_file() -> Stage {
    Stage::with(|config| {
        let file = config.folder().join("sessions.redb");
        config
            .set("/connections/sessions/config/path", json!(file))
            .set("/session/sessionJitterSecs", json!(0));
    })
    .await
}

#[tokio::test]
async fn sec_025_a_session_that_cannot_be_stored_is_not_handed_out() {
    let stage = stage_with_file().await;
    let browser = Browser::new();
    let callback = stage.callback_url(&browser).await;
    let gate = Gate::closed();
    stage.op.lies(Lie::about(Endpoint::CodeExchange).held_by(&gate));
    let (answer, ()) = tokio::join!(stage.come_back(&browser, &callback), async {
        stage.op.has_received(Endpoint::CodeExchange, 1).await;
        stage.server.fills_the_disk();
        gate.open();
    });
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(!answer.sets_session(), "{answer:?}");
    stage.op.has_received(Endpoint::Revocation, 1).await;
    let revoked = stage.op.received_at(Endpoint::Revocation)[0].form_value("token");
    assert_eq!(revoked, stage.op.refresh_tokens().pop(), "the tokens of nobody's session are revoked");
}

#[tokio::test]
async fn sec_066_a_store_that_fails_is_503_and_no_logout() {
    let stage = stage_with_file().await;
    stage.op.issues_access_tokens_for(1);
    let browser = stage.logged_in().await;
    stage.server.fills_the_disk();
    let answer = wait::until("a refresh cannot be stored", async || {
        let answer = stage.token(&browser).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.problem_code(), "store_unavailable");
    assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
    assert!(answer.set_cookies().is_empty(), "{answer:?}");
    let answer = stage.session(&browser).await;
    assert!(matches!(answer.status.as_u16(), 200 | 503), "{answer:?}");
    assert!(answer.set_cookies().is_empty(), "{answer:?}");
}

#[tokio::test]
async fn sec_105_a_store_that_fails_does_not_keep_the_cookie_alive() {
    let stage = stage_with_file().await;
    let browser = stage.logged_in().await;
    stage.server.fills_the_disk();
    let answer = stage.log_out(&browser).await;
    assert!(browser.cookie(SESSION).is_none(), "the cookie is still there: {answer:?}");
    assert_eq!(answer.status, 503, "the user is told that the logout is incomplete: {answer:?}");
}

#[tokio::test]
async fn sec_062_a_disk_that_has_room_again_is_used_again() {
    let stage = stage_with_file().await;
    let before = stage.logged_in().await;
    stage.server.fills_the_disk();
    let answer = stage.callback_answer().await.1;
    assert_eq!(answer.status, 503, "{answer:?}");
    stage.server.frees_the_disk();
    wait::until("logins work again", async || stage.callback_answer().await.1.sets_session().then_some(()))
        .await;
    assert_eq!(stage.session(&before).await.status, 200, "sessions from before are still there");
}

#[tokio::test]
async fn sec_184_open_logins_are_not_stored() {
    let stage = stage_with_file().await;
    stage.logged_in().await;
    let file = stage.server.config.folder().join("sessions.redb");
    let size = || std::fs::metadata(&file).map(|metadata| metadata.len()).unwrap_or_default();
    let written = || std::fs::metadata(&file).and_then(|metadata| metadata.modified()).ok();
    let before = (size(), written());
    for _ in 0..300 {
        let answer = raw::get(&stage.server.public, "/bff/login").as_navigation().send().await;
        assert!(answer.status.is_redirection(), "{answer:?}");
    }
    assert_eq!((size(), written()), before, "a login that only begins writes to the store");
}
