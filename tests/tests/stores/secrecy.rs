//! What a thief finds who gets hold of a Redis: its memory, and the files that it keeps.

use authtool_tests::browser::Browser;
use authtool_tests::hostile::Endpoint;
use authtool_tests::redis::{Entry, RedisServer};
use authtool_tests::{Replicas, SESSION, wait};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::json;
use std::collections::HashSet;

/// One who stayed, was refreshed and is still there, and one who logged out.
async fn a_busy_redis() -> (RedisServer, Replicas, Vec<String>) {
    let redis = RedisServer::with(|options| {
        options.persistent();
    })
    .await;
    let replicas = Replicas::with(1, &redis.connection(), |config| {
        config.environment("AUTHTOOL_LOG", "trace");
    })
    .await;
    let server = &replicas.servers[0];
    let mut cookies = Vec::new();
    for subject in ["canary-subject-who-stays", "canary-subject-who-leaves"] {
        replicas.op.issues_access_tokens_for(1);
        let claims = json!({"email": "canary-address@example.com", "name": "canary-name"});
        replicas.op.logs_in(subject, &claims);
        let browser = Browser::new();
        let page = browser.follow(&server.public, server.bff("/login")).go().await;
        let cookie = browser.cookie(SESSION).unwrap_or_else(|| panic!("nobody is logged in: {page:#?}"));
        replicas.op.issues_access_tokens_for(3600);
        let before = replicas.op.count(Endpoint::Refresh);
        wait::until("the token is refreshed", async || {
            let answer = server.token_for(&cookie).await;
            (answer.status == 200 && replicas.op.count(Endpoint::Refresh) > before).then_some(())
        })
        .await;
        if subject.ends_with("leaves") {
            browser.follow(&server.public, server.bff("/logout")).posting("").first_hop().go().await;
            assert_eq!(server.token_for(&cookie).await.status, 401, "the logout did not work");
        }
        cookies.push(cookie);
    }
    (redis, replicas, cookies)
}

/// A text as it is, and as it looks in the middle of something in base64 or hexadecimal.
fn disguises(secret: &[u8]) -> HashSet<Vec<u8>> {
    let mut found = HashSet::from([secret.to_vec()]);
    for before in 0..3 {
        let mut padded = vec![0; before];
        padded.extend_from_slice(secret);
        // Whole groups of three bytes only: the others depend on the neighbours.
        let whole = padded.len() / 3 * 3;
        let skipped = if before == 0 { 0 } else { 4 };
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&padded[..whole]);
            found.insert(encoded.as_bytes()[skipped..].to_vec());
        }
    }
    let hexadecimal = |upper: bool| {
        let digit = |byte: &u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        secret.iter().map(digit).collect::<String>().into_bytes()
    };
    found.extend([hexadecimal(false), hexadecimal(true)]);
    found
}

#[test]
fn a_secret_is_found_in_any_disguise() {
    let secret = b"canary-of-some-length";
    let whole = STANDARD_NO_PAD.encode(b"xycanary-of-some-length and more");
    assert!(disguises(secret).iter().any(|it| contains(whole.as_bytes(), it)));
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn sec_052_and_053_a_dump_of_redis_holds_no_token_no_claim_and_no_cookie() {
    let (redis, replicas, cookies) = a_busy_redis().await;
    let mut secrets: Vec<Vec<u8>> =
        [replicas.op.access_tokens(), replicas.op.refresh_tokens(), replicas.op.id_tokens()]
            .concat()
            .into_iter()
            .map(String::into_bytes)
            .collect();
    for claim in ["canary-", "canary-subject", "canary-address", "canary-name"] {
        secrets.push(claim.as_bytes().to_vec());
    }
    for cookie in &cookies {
        secrets.push(cookie.clone().into_bytes());
        // The id and the MAC of the cookie, each for itself, as text and as bytes.
        for part in cookie.split('.').filter(|part| part.len() >= 16) {
            secrets.push(part.as_bytes().to_vec());
            secrets.extend(URL_SAFE_NO_PAD.decode(part).ok());
        }
    }
    let entries = redis.dump().await;
    assert!(entries.iter().any(|entry| entry.key.contains(":session:")), "nobody is there: {entries:?}");
    let files = redis.files();
    assert!(contains(&files, b":session:"), "the file of appended commands was not looked at");
    for secret in secrets {
        for disguise in disguises(&secret) {
            let shown = String::from_utf8_lossy(&secret);
            for entry in &entries {
                assert!(!contains(entry.key.as_bytes(), &disguise), "{shown:?} is in the key of {entry:?}");
                assert!(!contains(&entry.value, &disguise), "{shown:?} is in the value of {entry:?}");
            }
            assert!(!contains(&files, &disguise), "{shown:?} is in Redis's files");
        }
    }
}

#[tokio::test]
async fn sec_055_every_key_has_an_end() {
    let (redis, _replicas, _) = a_busy_redis().await;
    let entries = redis.dump().await;
    assert!(entries.iter().any(|entry| entry.key.contains(":marker:")), "no login was marked: {entries:?}");
    for entry in entries {
        assert!(entry.key.starts_with("authtool_bff:"), "SEC-61: outside of the namespace: {entry:?}");
        // The longest that a session may be configured to last, by default.
        let days = 30 * 24 * 3_600_000;
        assert!(entry.ttl > 0 && entry.ttl <= days, "{entry:?}");
    }
}

#[tokio::test]
async fn sec_052_a_value_is_worthless_under_another_key() {
    let redis = RedisServer::start().await;
    let replicas = Replicas::start(1, &redis.connection()).await;
    let session = |entry: &Entry| entry.key.contains(":session:");
    let thief = replicas.log_in(1).await.remove(0);
    let own: Vec<_> = redis.dump().await.into_iter().filter(session).collect();
    let victim = replicas.log_in(1).await.remove(0);
    let all: Vec<_> = redis.dump().await.into_iter().filter(session).collect();
    assert_eq!((own.len(), all.len()), (1, 2), "{all:?}");
    let stolen = all.iter().find(|entry| entry.key != own[0].key).unwrap();

    let mut set = redis::cmd("SET");
    set.arg(&own[0].key).arg(&stolen.value).arg("KEEPTTL");
    redis.query::<()>(&set).await.unwrap();
    let answer = replicas.token_at(0, &thief.cookie).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(replicas.session_at(0, &thief.cookie).await.status, 401);
    let answer = replicas.token_at(0, &victim.cookie).await;
    assert_eq!(replicas.subject_of(&answer), Some(victim.subject));
}
