//! Whose end revokes what, and when. The clock is the tests' own.

use authtool_contract::TokenType;
use serde_json::{Map, json};

use super::*;
use crate::{
    domain::{
        id_token::Identity,
        session::{Lifetimes, Login},
        token_response::TokenResponse,
    },
    ports::{Clock as _, SessionStore as _},
    service::refresh::tests::{FakeServer, Stage},
};

fn lifetimes() -> Lifetimes {
    Lifetimes {
        absolute: Duration::from_hours(1),
        refresh_token: Duration::from_mins(30),
        refresh_token_field: None,
        idle: None,
        jitter: Duration::from_secs(7),
    }
}

fn user(sid: Option<&str>, subject: &str) -> Identity {
    Identity {
        issuer: "https://op.example".into(),
        subject: subject.into(),
        provider_session: sid.map(str::to_owned),
        auth_time: None,
    }
}

fn session(stage: &Stage, token: &str, identity: impl Into<Option<Identity>>) -> Session {
    let login = Login {
        identity: identity.into(),
        issuer: "https://op.example",
        client: "app",
        nonce: "n".into(),
        claims: Map::new(),
        proof_key: None,
    };
    let body =
        json!({"access_token": "at", "refresh_token": token, "token_type": "Bearer", "expires_in": 60});
    let tokens = TokenResponse::parse(body.to_string().as_bytes(), TokenType::Bearer).unwrap();
    Session::begin(login, tokens, &lifetimes(), stage.clock.now())
}

async fn begin(
    stage: &Stage,
    sessions: &Arc<Sessions>,
    token: &str,
    identity: impl Into<Option<Identity>>,
) -> SessionKey {
    let cookie = sessions.begin(&session(stage, token, identity), 0).await.unwrap();
    sessions.cookie().verify(cookie.as_bytes()).unwrap()
}

/// Waits until everything in the background is done, and returns what has been revoked by then.
async fn revoked(stage: &Stage, sessions: &Arc<Sessions>) -> Vec<String> {
    assert_eq!(sessions.tasks.finish(Duration::from_mins(1)).await, 0, "something goes on for ever");
    let mut revoked = stage.server.revoked();
    revoked.sort();
    revoked
}

/// One round of every replica, as the server makes every few seconds.
async fn round(sessions: &Arc<Sessions>) {
    sessions.revoke_what_is_due().await.unwrap();
}

fn stage() -> (Stage, Arc<Sessions>) {
    let stage = Stage::new(FakeServer::answering(|| panic!("nobody refreshes")));
    let sessions = stage.replica();
    (stage, sessions)
}

#[tokio::test]
async fn the_tokens_of_an_ended_session_wait_for_the_last_one_that_may_live_on_their_grant() {
    for (what, first, second, together) in [
        ("one sid", Some(user(Some("s"), "ada")), Some(user(Some("s"), "ada")), true),
        ("two sids", Some(user(Some("s"), "ada")), Some(user(Some("t"), "ada")), false),
        ("no sid, one user", Some(user(None, "ada")), Some(user(None, "ada")), true),
        ("no sid, and one", Some(user(None, "ada")), Some(user(Some("s"), "ada")), true),
        ("two users", Some(user(None, "ada")), Some(user(None, "eve")), false),
        ("nobody knows who, one chain of logins", None, None, true),
    ] {
        let (stage, sessions) = stage();
        let ended = begin(&stage, &sessions, "rt-ended", first).await;
        let living = begin(&stage, &sessions, "rt-living", second).await;
        assert!(sessions.end(&ended).await.unwrap());
        let expected: &[&str] = if together { &[] } else { &["rt-ended"] };
        assert_eq!(revoked(&stage, &sessions).await, expected, "{what}");
        for _ in 0..4 {
            stage.clock.advance(300);
            round(&sessions).await;
            assert_eq!(revoked(&stage, &sessions).await, expected, "{what}");
        }
        assert!(sessions.end(&living).await.unwrap());
        assert_eq!(revoked(&stage, &sessions).await, ["rt-ended", "rt-living"], "{what}");
        stage.clock.advance(3_600);
        round(&sessions).await;
        assert_eq!(revoked(&stage, &sessions).await.len(), 2, "each once");
        assert!(stage.store.owed(UnixSeconds::new(u64::MAX / 2), 10).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_end_of_the_last_session_may_be_its_expiry() {
    let (stage, sessions) = stage();
    let ended = begin(&stage, &sessions, "rt-1", user(Some("s"), "ada")).await;
    stage.clock.advance(100);
    begin(&stage, &sessions, "rt-2", user(Some("s"), "ada")).await;
    sessions.end(&ended).await.unwrap();
    // The second one lasts until its refresh token ends, half an hour after its login.
    for (at, expected) in [(1_799, &[][..]), (1_801, &["rt-1"][..])] {
        let passed = stage.clock.now().get() - 1_800_000_100;
        stage.clock.advance(at - passed);
        round(&sessions).await;
        assert_eq!(revoked(&stage, &sessions).await, expected, "{at} s after the login");
    }
}

#[tokio::test]
async fn a_session_that_makes_room_for_another_of_its_group_is_not_revoked() {
    let (stage, sessions) = stage();
    let mut keys = Vec::new();
    for i in 0..101 {
        stage.clock.advance(1);
        keys.push(begin(&stage, &sessions, &format!("rt-{i}"), user(Some("s"), "ada")).await);
    }
    assert!(stage.store.read(&keys[0]).await.unwrap().is_none(), "the oldest has ended");
    assert_eq!(revoked(&stage, &sessions).await, [""; 0]);
}

#[tokio::test]
async fn a_logout_at_the_provider_is_not_overtaken() {
    let (stage, sessions) = stage();
    let older = begin(&stage, &sessions, "rt-1", user(Some("s"), "ada")).await;
    let logs_out = begin(&stage, &sessions, "rt-2", user(Some("s"), "ada")).await;
    sessions.end(&older).await.unwrap();
    let held = sessions.end_before_the_provider(&logs_out).await.unwrap().unwrap().held.unwrap();
    assert_eq!(revoked(&stage, &sessions).await, [""; 0]);
    for _ in 0..29 {
        stage.clock.advance(10);
        round(&sessions).await;
        assert_eq!(revoked(&stage, &sessions).await, [""; 0], "nothing of its group, either");
    }
    sessions.release_soon(held.clone());
    assert_eq!(revoked(&stage, &sessions).await, ["rt-1", "rt-2"]);
    sessions.release_soon(held);
    assert_eq!(revoked(&stage, &sessions).await.len(), 2, "whoever comes back twice finds nothing");
}

#[tokio::test]
async fn a_browser_that_does_not_come_back_is_waited_for_five_minutes_over_a_restart() {
    let (stage, sessions) = stage();
    let logs_out = begin(&stage, &sessions, "rt-1", user(Some("s"), "ada")).await;
    sessions.end_before_the_provider(&logs_out).await.unwrap().unwrap();
    drop(sessions);
    let another = stage.replica();
    stage.clock.advance(299);
    round(&another).await;
    assert_eq!(revoked(&stage, &another).await, [""; 0]);
    stage.clock.advance(1);
    round(&another).await;
    assert_eq!(revoked(&stage, &another).await, ["rt-1"]);
}

#[tokio::test]
async fn a_login_after_a_logout_is_not_ended_by_it() {
    let (stage, sessions) = stage();
    let logs_out = begin(&stage, &sessions, "rt-1", user(Some("s"), "ada")).await;
    let held = sessions.end_before_the_provider(&logs_out).await.unwrap().unwrap().held.unwrap();
    stage.clock.advance(120);
    let again = begin(&stage, &sessions, "rt-2", user(Some("s"), "ada")).await;
    sessions.release_soon(held);
    stage.clock.advance(300);
    round(&sessions).await;
    assert_eq!(revoked(&stage, &sessions).await, [""; 0]);
    sessions.end(&again).await.unwrap();
    assert_eq!(revoked(&stage, &sessions).await, ["rt-1", "rt-2"]);
}

#[tokio::test]
async fn a_login_that_is_about_to_be_stored_counts_as_one_that_lives() {
    let (stage, sessions) = stage();
    let ended = begin(&stage, &sessions, "rt-1", user(Some("s"), "ada")).await;
    let coming = session(&stage, "rt-2", user(Some("s"), "ada"));
    let key = crate::ports::contract_tests::key(9);
    sessions.enlist(&key, &coming, 0).await.unwrap();
    sessions.end(&ended).await.unwrap();
    assert_eq!(revoked(&stage, &sessions).await, [""; 0]);
    // It never came.
    stage.clock.advance(31);
    round(&sessions).await;
    assert_eq!(revoked(&stage, &sessions).await, ["rt-1"]);
}

#[tokio::test]
async fn many_replicas_revoke_each_token_once() {
    let (stage, sessions) = stage();
    for i in 0..40 {
        let key =
            begin(&stage, &sessions, &format!("rt-{i}"), user(Some(&format!("s{}", i % 13)), "ada")).await;
        sessions.end_before_the_provider(&key).await.unwrap();
    }
    stage.clock.advance(300);
    let replicas: Vec<_> = (0..4).map(|_| stage.replica()).collect();
    futures_util::future::join_all(replicas.iter().map(round)).await;
    let mut all = revoked(&stage, &sessions).await;
    assert_eq!(all.len(), 40);
    all.dedup();
    assert_eq!(all.len(), 40, "each once");
}

#[tokio::test]
async fn sec_119_an_end_on_the_front_channel_revokes_nothing_of_its_own() {
    let (stage, sessions) = stage();
    let replaced = begin(&stage, &sessions, "rt-1", user(Some("s"), "ada")).await;
    let framed = begin(&stage, &sessions, "rt-2", user(Some("s"), "ada")).await;
    sessions.end(&replaced).await.unwrap();
    assert_eq!(revoked(&stage, &sessions).await, [""; 0]);
    assert!(sessions.end_here_alone(&framed).await.unwrap());
    stage.clock.advance(3_600);
    round(&sessions).await;
    assert_eq!(revoked(&stage, &sessions).await, ["rt-1"], "what another end demands is still done");
}

#[tokio::test]
async fn what_is_set_aside_is_sealed_and_small() {
    let (stage, sessions) = stage();
    let token = "canary-".to_owned() + &"x".repeat(700);
    let key = begin(&stage, &sessions, &token, user(Some("canary-sid"), "canary-sub")).await;
    let held = sessions.end_before_the_provider(&key).await.unwrap().unwrap().held.unwrap();
    let record = stage.store.read_owed(&OwedName(held.name.clone())).await.unwrap().unwrap().value;
    assert!(!String::from_utf8_lossy(&record).contains("canary") && !held.name.contains("canary"));
    assert!(record.len() < token.len() + 200, "{} bytes", record.len());
}
