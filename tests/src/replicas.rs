//! Several servers over one store, as behind one gateway.

use crate::browser::Browser;
use crate::hostile::HostileOp;
use crate::redis::RedisServer;
use crate::{Answer, SESSION, Server, ServerConfig, raw, wait};
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::Value;
use url::Url;

/// How many users log in at once.
const LOGINS_AT_ONCE: usize = 8;

/// The servers and their provider. When they end, no log may contain a secret that passed (SEC-140).
pub struct Replicas {
    /// The servers.
    pub servers: Vec<Server>,
    /// Their provider.
    pub op: HostileOp,
}

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// Who, in the provider's words.
    pub subject: String,
    /// The session cookie's value.
    pub cookie: String,
}

impl Replicas {
    /// Starts `count` servers whose sessions are in the store of this connection. Tokens are good until
    /// their last second.
    pub async fn start(count: usize, connection: &Value) -> Self {
        Self::with(count, connection, |_| {}).await
    }

    /// [`start`](Self::start) with a configuration that differs from the default.
    pub async fn with(count: usize, connection: &Value, configure: impl FnOnce(&mut ServerConfig)) -> Self {
        let op = HostileOp::start().await;
        let mut config = ServerConfig::new(op.issuer());
        config.set("/connections/sessions", connection.clone());
        config.set("/session/sessionJitterSecs", 0.into());
        // Thousands of requests: what is logged about each would be most of the work.
        config.environment("AUTHTOOL_LOG", "info");
        configure(&mut config);
        let mut others: Vec<_> = (1..count).map(|_| config.replica()).collect();
        others.insert(0, config);
        let mut servers = Vec::new();
        for config in others {
            servers.push(Server::start(config).await);
        }
        Self { servers, op }
    }

    /// Where gateways ask.
    pub fn internal(&self) -> Vec<Url> {
        self.servers.iter().map(|server| server.internal.clone()).collect()
    }

    /// Logs this many different users in, at the first server.
    pub async fn log_in(&self, users: usize) -> Vec<LoggedIn> {
        self.op.logs_in_a_new_user_each_time();
        stream::iter(0..users).map(|_| self.log_in_one()).buffer_unordered(LOGINS_AT_ONCE).collect().await
    }

    async fn log_in_one(&self) -> LoggedIn {
        let server = &self.servers[0];
        let browser = Browser::new();
        let page = browser.follow(&server.public, server.bff("/login")).go().await;
        let cookie =
            browser.cookie(SESSION).unwrap_or_else(|| panic!("the login did not succeed: {page:#?}"));
        let subject = self.subject_of(&server.token_for(&cookie).await);
        LoggedIn { subject: subject.expect("a fresh session has a token"), cookie }
    }

    /// Whose access token this answer of `/token` holds.
    pub fn subject_of(&self, answer: &Answer) -> Option<String> {
        if answer.status != 200 {
            return None;
        }
        self.op.subject_of(answer.json()["access_token"].as_str()?)
    }

    /// What the app gets from `/session` of a server.
    pub async fn session_at(&self, server: usize, cookie: &str) -> Answer {
        raw::get(&self.servers[server].public, "/bff/session")
            .as_same_origin_fetch()
            .header("cookie", format!("{SESSION}={cookie}"))
            .send()
            .await
    }

    /// What a gateway gets from `/token` of a server.
    pub async fn token_at(&self, server: usize, cookie: &str) -> Answer {
        self.servers[server].token_for(cookie).await
    }

    /// Waits until a server answers for this session without asking Redis.
    pub async fn knows(&self, server: usize, cookie: &str, redis: &RedisServer) {
        wait::until("the session is in the server's memory", async || {
            let before = redis.reads().await;
            assert_eq!(self.token_at(server, cookie).await.status, 200);
            assert_eq!(self.session_at(server, cookie).await.status, 200);
            (redis.reads().await == before).then_some(())
        })
        .await;
    }

    /// Fails unless everybody's session is there, on every server, with a token of one's own.
    pub async fn everybody_is_logged_in(&self, users: &[LoggedIn]) {
        for server in 0..self.servers.len() {
            for user in users {
                let answer = self.token_at(server, &user.cookie).await;
                let subject = self.subject_of(&answer);
                assert_eq!(subject.as_ref(), Some(&user.subject), "server {server}: {answer:?}");
            }
        }
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let secrets = self.op.secrets();
            for server in &self.servers {
                server.log().assert_free_of(&secrets);
            }
        }
    }
}
