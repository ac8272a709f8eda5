//! `SIGHUP`: the configuration is read again, and what is under way is not disturbed.

use authtool_tests::hostile::{CLIENT_SECRET, Endpoint, Gate, Lie};
use authtool_tests::redis::{Account, RedisServer};
use authtool_tests::{SESSION, Stage, ports, raw, wait};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const RELOADED: &str = "\"event\":\"configuration_reloaded\"";
const REFUSED: &str = "\"event\":\"configuration_refused\"";
const NEEDS_RESTART: &str = "\"event\":\"configuration_needs_restart\"";

/// Has it read its configuration again, and waits until it has.
async fn reload(stage: &Stage, outcome: &str) {
    let before = stage.server.log().count(outcome);
    stage.server.reloads();
    wait::until(outcome, async || (stage.server.log().count(outcome) > before).then_some(())).await;
}

/// Asks for a session's token on a connection that stays open, and answers the status.
async fn token_over(connection: &mut TcpStream, cookie: &str, headers: &str) -> u16 {
    let request =
        format!("GET /bff/token HTTP/1.1\r\nhost: internal\r\ncookie: {SESSION}={cookie}\r\n{headers}\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() == length.trim().parse::<usize>().unwrap() {
                return head.split(' ').nth(1).unwrap().parse().unwrap();
            }
        }
        assert_ne!(connection.read_buf(&mut received).await.unwrap(), 0, "it was closed: {text}");
    }
}

#[tokio::test]
async fn a_refresh_that_is_under_way_during_a_reload_is_not_lost() {
    let mut stage = Stage::with(|config| {
        config.set("/session/sessionJitterSecs", json!(0));
    })
    .await;
    stage.op.issues_access_tokens_for(1);
    let cookie = stage.logged_in().await.cookie(SESSION).unwrap();
    let gate = Gate::closed();
    stage.op.lies(Lie::about(Endpoint::Refresh).held_by(&gate).member("expires_in", json!(3600)));
    let (internal, header) = (stage.server.internal.clone(), format!("{SESSION}={cookie}"));
    let asking = wait::until("a token that had to be refreshed", async || {
        let answer = raw::get(&internal, "/bff/token").header("cookie", &header).send().await;
        (answer.status == 200 && answer.json()["expires_in"].as_u64() > Some(60)).then_some(answer)
    });
    let reloading = async {
        stage.op.has_received(Endpoint::Refresh, 1).await;
        // Everything that answers requests is another one now.
        stage.server.config.set("/session/userClaims", json!(["email"]));
        reload(&stage, RELOADED).await;
        let session = stage.session_for(&cookie).await;
        assert_eq!(session.status, 200, "{session:?}");
        gate.open();
    };
    let (answer, ()) = tokio::join!(asking, reloading);
    let newest = stage.op.access_tokens().pop().unwrap();
    assert_eq!(answer.json()["access_token"], json!(newest));
    // The refresh token was rotated: whoever had lost the answer could not refresh again.
    assert_eq!(stage.token_for(&cookie).await.json()["access_token"], json!(newest));
    assert_eq!(stage.op.count(Endpoint::Refresh), 1);
    assert_eq!(stage.op.reuses(), 0);
}

#[tokio::test]
async fn a_rotated_client_secret_is_used_without_a_restart() {
    let stage = Stage::with(|config| {
        let path = config.file("client-secret", "yesterday's secret");
        config.set("/client/credentials/secret", json!({"type": "file", "path": path}));
    })
    .await;
    let (_, answer) = stage.callback_answer().await;
    assert!(!answer.sets_session(), "{answer:?}");
    stage.server.config.file("client-secret", format!("{CLIENT_SECRET}\n"));
    let id = stage.server.process_id();
    reload(&stage, RELOADED).await;
    stage.logged_in().await;
    assert_eq!(stage.server.process_id(), id);
}

/// Nobody says so, and nobody notices: neither who logs in, nor whose token is refreshed, nor who logs out.
#[tokio::test]
async fn a_client_secret_in_a_file_is_read_again_when_the_provider_refuses_the_old_one() {
    let stage = Stage::with(|config| {
        let path = config.file("client-secret", "yesterday's secret");
        config.set("/client/credentials/secret", json!({"type": "file", "path": path}));
        config.set("/session/sessionJitterSecs", json!(0));
    })
    .await;
    let (_, answer) = stage.callback_answer().await;
    assert!(!answer.sets_session(), "{answer:?}");
    assert_eq!(stage.server.log().count("client_secret_rotated"), 0, "it is the same as before");
    stage.server.config.file("client-secret", format!("{CLIENT_SECRET}\n"));
    stage.op.issues_access_tokens_for(1);
    let browser = stage.logged_in().await;
    let before = stage.op.count(Endpoint::Refresh);
    wait::until("it is refreshed", async || {
        assert_eq!(stage.token(&browser).await.status, 200);
        (stage.op.count(Endpoint::Refresh) > before).then_some(())
    })
    .await;
    assert_eq!(stage.server.log().count("client_secret_rotated"), 1, "once for all exchanges");
    assert_eq!(stage.server.log().count(RELOADED), 0);
    stage.server.log().assert_free_of(&[CLIENT_SECRET.to_owned(), "yesterday's secret".to_owned()]);
}

#[tokio::test]
async fn sessions_connections_and_what_is_known_of_the_provider_outlive_a_reload() {
    let mut stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let cookie = browser.cookie(SESSION).unwrap();
    // A connection that the gateway keeps open.
    let mut kept = raw::open(&stage.server.internal, b"").await;
    assert_eq!(token_over(&mut kept, &cookie, "").await, 200);

    stage.op.goes_down().await;
    stage.server.config.set("/server/gatewayCredential", json!("a-credential-of-more-than-32-characters"));
    stage.server.config.set("/session/userClaims", json!(["email"]));
    reload(&stage, RELOADED).await;

    // The new rule holds on the old connection, too.
    assert_eq!(token_over(&mut kept, &cookie, "").await, 403);
    let credential = "x-authtool-gateway: a-credential-of-more-than-32-characters\r\n";
    assert_eq!(token_over(&mut kept, &cookie, credential).await, 200);
    // Nobody needs the provider to say again what it has said.
    assert_eq!(stage.server.readiness().await.status, 200);
    let login = browser.follow(stage.app(), stage.bff("/login")).first_hop().go().await.answer;
    assert!(login.header("location").starts_with(stage.op.issuer()), "{login:?}");
}

#[tokio::test]
async fn a_file_that_is_no_good_changes_nothing_and_is_reported_as_check_reports_it() {
    let mut stage = Stage::new().await;
    let cookie = stage.logged_in().await.cookie(SESSION).unwrap();
    let good = stage.server.config.get("/session").clone();
    for (pointer, value) in [
        ("/session/signingKey", json!("too short")),
        ("/session/singingKey", json!("x")),
        ("/server/port", json!("text")),
        ("/client/credentials/secret", json!({"type": "file", "path": "/nowhere/at/all"})),
    ] {
        let section = format!("/{}", pointer.split('/').nth(1).unwrap());
        let before = stage.server.config.get(&section).clone();
        stage.server.config.set(pointer, value);
        reload(&stage, REFUSED).await;
        let said = String::from_utf8(stage.server.config.run(&["check"]).stderr).unwrap();
        let reported =
            stage.server.log().lines().into_iter().rev().find(|line| line.contains(REFUSED)).unwrap();
        let reported: Value = serde_json::from_str(&reported).unwrap();
        let problem = said.trim().strip_prefix("authtool-bff: ").unwrap();
        assert!(reported["message"].as_str().unwrap().contains(problem), "{reported:#}\n{said}");
        stage.server.config.set(&section, before);
        assert_eq!(stage.token_for(&cookie).await.status, 200, "{pointer}");
    }
    stage.server.config.file("authtool.json", "{ this is no JSON");
    let before = stage.server.log().count(REFUSED);
    stage.server.hangs_up();
    wait::until("it is refused", async || (stage.server.log().count(REFUSED) > before).then_some(())).await;
    assert_eq!(stage.token_for(&cookie).await.status, 200);
    assert_eq!(stage.server.config.get("/session"), &good);
    reload(&stage, RELOADED).await;
    assert_eq!(stage.token_for(&cookie).await.status, 200);
}

#[tokio::test]
async fn the_log_says_more_and_less_as_its_filter_changes() {
    let mut stage = Stage::with(|config| {
        // What the tests set goes before the file.
        config.environment("AUTHTOOL_LOG", "");
    })
    .await;
    stage.token_for("none").await;
    assert_eq!(stage.server.log().count("\"level\":\"DEBUG\""), 0);
    stage.server.config.set("/server/logFilter", json!("debug"));
    reload(&stage, RELOADED).await;
    stage.token_for("none").await;
    wait::until("it says more", async || (stage.server.log().count("\"level\":\"DEBUG\"") > 0).then_some(()))
        .await;
    stage.server.config.set("/server/logFilter", json!("info"));
    reload(&stage, RELOADED).await;
    let before = stage.server.log().count("\"level\":\"DEBUG\"");
    stage.logged_in().await;
    reload(&stage, RELOADED).await;
    assert_eq!(stage.server.log().count("\"level\":\"DEBUG\""), before);
}

#[tokio::test]
async fn what_cannot_change_is_named_and_stays() {
    let mut stage = Stage::new().await;
    let cookie = stage.logged_in().await.cookie(SESSION).unwrap();
    stage.server.config.set("/server/port", json!(ports::free()));
    stage
        .server
        .config
        .set("/connections/sessions/config/path", json!(stage.server.config.folder().join("db")));
    stage.server.config.set("/session/userClaims", json!(["name"]));
    reload(&stage, RELOADED).await;
    let named: Vec<Value> = stage
        .server
        .log()
        .lines()
        .iter()
        .filter(|line| line.contains(NEEDS_RESTART))
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["key"].clone())
        .collect();
    assert_eq!(named, ["server.port", "session.authorizationFlowCache"]);
    assert_eq!(stage.session_for(&cookie).await.status, 200, "at the old port, from the old store");
}

#[tokio::test]
async fn a_rotated_redis_password_is_used_without_a_restart() {
    let account = Account::without_tracking();
    let redis = RedisServer::with(|options| {
        options.account(&account);
    })
    .await;
    let connection = redis.connection();
    let stage = Stage::with(|config| {
        config.set("/connections/sessions", connection);
        let path = config.file("redis-password", &account.password);
        config.set("/connections/sessions/config/connection/password", json!({"type": "file", "path": path}));
    })
    .await;
    let cookie = stage.logged_in().await.cookie(SESSION).unwrap();
    let rotated = "canary-password-of-tomorrow";
    redis.ask::<()>(&["ACL", "SETUSER", &account.name, "resetpass", &format!(">{rotated}")]).await;
    redis.ask::<u64>(&["CLIENT", "KILL", "USER", &account.name]).await;
    wait::until("the old password is refused", async || {
        (stage.token_for(&cookie).await.status == 503).then_some(())
    })
    .await;
    stage.server.config.file("redis-password", rotated);
    reload(&stage, RELOADED).await;
    assert_eq!(stage.token_for(&cookie).await.status, 200, "the session is where it was");
    stage.server.log().assert_free_of(&[account.password, rotated.to_owned()]);
}
