//! Keys are changed, one replica after the other, and nobody notices.

use crate::MACHINE;
use authtool_tests::browser::Browser;
use authtool_tests::load::Load;
use authtool_tests::redis::RedisServer;
use authtool_tests::{LoggedIn, Replicas, SESSION, random_key};
use serde_json::{Value, json};

/// Two replicas of which one at a time gets new keys.
struct Rotation {
    replicas: Replicas,
    users: Vec<LoggedIn>,
}

impl Rotation {
    /// Gives all replicas these keys, the first of which signs and seals; after each of them, everybody is
    /// still there, on both sides, and somebody new comes on either side.
    async fn to(&mut self, signing: &[Value], encryption: &[Value]) {
        for server in 0..2 {
            let replica = &mut self.replicas.servers[server];
            replica.config.set("/session/signingKey", json!(signing));
            replica.config.set("/session/encryptionKey", json!(encryption));
            replica.restart_gracefully().await;
            self.replicas.everybody_is_logged_in(&self.users).await;
            for at in 0..2 {
                let replica = &self.replicas.servers[at];
                let browser = Browser::new();
                browser.follow(&replica.public, replica.bff("/login")).go().await;
                let cookie = browser.cookie(SESSION).expect("a login works with mixed keys");
                let answer = self.replicas.token_at(at, &cookie).await;
                let subject = self.replicas.subject_of(&answer).expect("a fresh session has a token");
                self.users.push(LoggedIn { subject, cookie });
            }
            self.replicas.everybody_is_logged_in(&self.users).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_083_and_139_keys_rotate_three_times_and_nobody_is_logged_out() {
    let _shared = MACHINE.read().await;
    let redis = RedisServer::start().await;
    let replicas = Replicas::start(2, &redis.connection()).await;
    let users = replicas.log_in(20).await;
    let old = |replicas: &Replicas, pointer| vec![replicas.servers[0].config.get(pointer).clone()];
    let mut signing = old(&replicas, "/session/signingKey");
    let mut encryption = old(&replicas, "/session/encryptionKey");
    // Records are written anew with the newest key on the way.
    replicas.op.issues_access_tokens_for(3);
    let load = Load::begin(8, replicas.internal(), &users);
    let mut rotation = Rotation { replicas, users };
    for _ in 0..3 {
        // First everybody learns to read the new keys, then everybody begins to use them.
        signing.push(json!(random_key()));
        encryption.push(json!(random_key()));
        rotation.to(&signing, &encryption).await;
        signing.rotate_right(1);
        encryption.rotate_right(1);
        rotation.to(&signing, &encryption).await;
    }
    let Rotation { replicas, users } = rotation;
    let observed = load.end().await;
    eprintln!("{observed:?}");
    // One replica at a time is away for a moment; those that answer serve everybody.
    observed.must_be_served(|answer| replicas.subject_of(answer), true);
    assert_eq!(replicas.op.reuses(), 0);

    // The first keys are retired: their users log in again, at once; the others stay.
    let (stays, leaves) = (users.last().unwrap().clone(), users[0].clone());
    let retire = |keys: &[Value]| json!(keys[..1]);
    let mut replicas = replicas;
    for server in &mut replicas.servers {
        server.config.set("/session/signingKey", retire(&signing));
        server.config.set("/session/encryptionKey", retire(&encryption));
        server.restart_gracefully().await;
    }
    for server in 0..2 {
        assert_eq!(replicas.token_at(server, &stays.cookie).await.status, 200);
        let answer = replicas.token_at(server, &leaves.cookie).await;
        assert_eq!((answer.status.as_u16(), answer.problem_code().as_str()), (401, "no_session"));
    }
    assert_eq!(replicas.log_in(1).await.len(), 1);
}
