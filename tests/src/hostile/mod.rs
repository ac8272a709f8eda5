//! An OpenID Provider that is correct until told to lie.
//!
//! It speaks OpenID Connect properly (discovery, authorisation code with PKCE, token, refresh, keys,
//! `UserInfo`, RP-initiated logout, revocation), logs everybody in at once, and remembers every request.
//! A test changes one thing at a time with a [`Lie`]:
//!
//! Or it is honest all the time, and [odd](Oddity).
//!
//! ```ignore
//! op.lies(Lie::about(Endpoint::CodeExchange).id_token(|token| token.claims["nonce"] = json!("another")));
//! op.lies(Lie::about(Endpoint::Refresh).status(503).once());
//! ```

mod answering;
mod endpoint;
mod grants;
mod id_token;
mod keys;
mod lie;
mod listener;
mod logout_token;
mod oddity;
mod signed_secret;
mod transport;

pub use endpoint::{Endpoint, Received};
pub use id_token::{IdTokenDraft, Signer, now};
pub use keys::{SigningKey, octets};
pub use lie::{Gate, Lie};
pub use logout_token::LOGOUT_EVENT;
pub use oddity::Oddity;
pub use signed_secret::Team;
pub use transport::Transport;

use crate::{ports, raw};
use grants::Grants;
use listener::Listening;
use oddity::Oddities;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The client that the provider knows.
pub const CLIENT_ID: &str = "authtool-tests";

/// Another client that the provider knows, with the same secret.
pub const OTHER_CLIENT_ID: &str = "authtool-tests-2";

/// A client that has a key instead: the one of the original's documented example.
pub const KEYED_CLIENT_ID: &str = "catalog-website";

/// The others' secret, with every character that client authentication must encode (RFC 6749 §2.3.1).
pub const CLIENT_SECRET: &str = "canary-secret:%+& é/=";

/// How many of its requests a failing test shows.
const REQUESTS_SHOWN: usize = 50;

/// The provider. It stops with the drop.
pub struct HostileOp {
    state: Arc<OpState>,
    listening: Mutex<Option<Listening>>,
}

pub(crate) struct OpState {
    address: SocketAddr,
    issuer: String,
    oddities: Oddities,
    for_browsers: String,
    received: Mutex<Vec<Received>>,
    lies: Mutex<Vec<Lie>>,
    grants: Mutex<Grants>,
    pushed: Mutex<HashMap<String, Vec<(String, String)>>>,
    policy: Mutex<Policy>,
    abandoned: AtomicUsize,
    answered: AtomicUsize,
}

/// What an honest answer contains.
#[derive(Clone)]
struct Policy {
    access_tokens: Validity,
    rotate_refresh_tokens: bool,
    dpop_nonce: Option<String>,
    team: Option<Team>,
    user: Map<String, Value>,
    new_users: Option<u64>,
}

impl Policy {
    fn whoever_logs_in(&mut self) -> Map<String, Value> {
        let mut user = self.user.clone();
        if let Some(number) = &mut self.new_users {
            *number += 1;
            user.insert("sub".to_owned(), json!(format!("user-{number}")));
        }
        user
    }
}

/// How long access tokens are good.
#[derive(Clone, Copy)]
enum Validity {
    Seconds(u64),
    Until(i64),
}

impl Validity {
    fn expires_in(self) -> u64 {
        match self {
            Self::Seconds(seconds) => seconds,
            Self::Until(moment) => u64::try_from(moment - now()).unwrap_or_default().max(1),
        }
    }
}

impl HostileOp {
    /// Starts it on a port of its own.
    pub async fn start() -> Self {
        // Not one that the kernel chooses: while the provider is down, that could become a connection's.
        Self::start_at(ports::free()).await
    }

    /// Starts one with these habits.
    pub async fn start_odd(oddities: &[Oddity]) -> Self {
        let oddities = Oddities(oddities.to_vec());
        let path = oddities.path();
        Self::listening_at(ports::free(), oddities, async |address| format!("http://{address}{path}")).await
    }

    /// Starts it on a given port, for a server that had to know its issuer earlier.
    pub async fn start_at(port: u16) -> Self {
        Self::listening_at(port, Oddities::default(), async |address| format!("http://{address}")).await
    }

    /// Starts it behind something else, such as TLS: its issuer is the address of that. Browsers reach it directly.
    pub async fn start_behind(front: impl AsyncFnOnce(SocketAddr) -> String) -> Self {
        Self::listening_at(ports::free(), Oddities::default(), front).await
    }

    async fn listening_at(
        port: u16,
        oddities: Oddities,
        issuer: impl AsyncFnOnce(SocketAddr) -> String,
    ) -> Self {
        let listener = ports::listen(port).await;
        let address: SocketAddr = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(OpState {
            address,
            issuer: issuer(address).await,
            for_browsers: format!("http://{address}{}", oddities.path()),
            oddities,
            received: Mutex::default(),
            lies: Mutex::default(),
            grants: Mutex::default(),
            pushed: Mutex::default(),
            policy: Mutex::new(Policy {
                access_tokens: Validity::Seconds(3600),
                rotate_refresh_tokens: true,
                dpop_nonce: None,
                team: None,
                user: ada(),
                new_users: None,
            }),
            abandoned: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
        });
        let listening = Mutex::new(Some(Listening::on(listener, Arc::clone(&state))));
        Self { state, listening }
    }

    /// The issuer identifier.
    pub fn issuer(&self) -> &str {
        &self.state.issuer
    }

    /// From now on, this lie as well.
    pub fn lies(&self, lie: Lie) {
        self.state.lies.lock().unwrap().push(lie);
    }

    /// From now on, the truth.
    pub fn tells_the_truth(&self) {
        self.state.lies.lock().unwrap().clear();
    }

    /// The lifetime of the access tokens issued from now on, in seconds.
    pub fn issues_access_tokens_for(&self, seconds: u64) {
        self.state.policy.lock().unwrap().access_tokens = Validity::Seconds(seconds);
    }

    /// The moment at which the access tokens issued from now on expire, all of them together.
    pub fn issues_access_tokens_until(&self, unix_seconds: i64) {
        self.state.policy.lock().unwrap().access_tokens = Validity::Until(unix_seconds);
    }

    /// The provider is down: when this returns, its port refuses, and every connection is closed without an answer.
    pub async fn goes_down(&self) {
        let listening = self.listening.lock().unwrap().take();
        if let Some(listening) = listening {
            listening.stop().await;
        }
    }

    /// It is back, and remembers everything.
    pub async fn comes_back(&self) {
        let listener = ports::listen(self.state.address.port()).await;
        *self.listening.lock().unwrap() = Some(Listening::on(listener, Arc::clone(&self.state)));
    }

    /// Whether a refresh spends the refresh token (on by default).
    pub fn rotates_refresh_tokens(&self, rotate: bool) {
        self.state.policy.lock().unwrap().rotate_refresh_tokens = rotate;
    }

    /// Every proof must carry this nonce from now on. The answers of the token endpoint do not say which it is:
    /// that is for a lie (`header("dpop-nonce", …)`).
    pub fn requires_dpop_nonce(&self, nonce: &str) {
        self.state.policy.lock().unwrap().dpop_nonce = Some(nonce.to_owned());
    }

    /// From now on the client's secret is one that this team has signed, and no other.
    pub fn takes_secrets_signed_by(&self, team: &Team) {
        self.state.policy.lock().unwrap().team = Some(team.clone());
    }

    /// Who logs in from now on: `sub`, and the claims that differ from Ada's.
    pub fn logs_in(&self, sub: &str, claims: &Value) {
        let mut user = ada();
        user.insert("sub".to_owned(), json!(sub));
        user.extend(claims.as_object().cloned().unwrap_or_default());
        let mut policy = self.state.policy.lock().unwrap();
        policy.user = user;
        policy.new_users = None;
    }

    /// Everybody who logs in from now on is somebody else.
    pub fn logs_in_a_new_user_each_time(&self) {
        self.state.policy.lock().unwrap().new_users.get_or_insert(0);
    }

    /// Makes every refresh token issued so far invalid, as an administrator does who ends a user's sessions.
    pub fn forgets_refresh_tokens(&self) {
        self.state.grants.lock().unwrap().forget_refresh_tokens();
    }

    /// Every request so far.
    pub fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    /// The requests to one endpoint so far.
    pub fn received_at(&self, endpoint: Endpoint) -> Vec<Received> {
        self.received().into_iter().filter(|request| request.endpoint == endpoint).collect()
    }

    /// How many requests came to one endpoint so far.
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.state.received.lock().unwrap().iter().filter(|request| request.endpoint == endpoint).count()
    }

    /// How many requests nobody waited for any more when they were to be answered. The provider has not
    /// acted on them, unless its answer was already on the way.
    pub fn abandoned(&self) -> usize {
        self.state.abandoned.load(Ordering::SeqCst)
    }

    /// Waits until every connection that had been closed by now is known to be closed, and what was asked on it is abandoned:
    /// connections of a dead process are closed one after the other, and a new one comes after all of them.
    pub async fn hears_what_was_closed(&self) {
        let metadata = format!("{}/.well-known/openid-configuration", self.issuer());
        let url = url::Url::parse(&metadata).expect("an issuer is a URL");
        assert_eq!(raw::get(&url, url.path()).send().await.status, 200);
    }

    /// How many requests are being answered, or held back by a [`Gate`], right now.
    pub fn pending(&self) -> usize {
        let received = self.state.received.lock().unwrap().len();
        received - self.state.answered.load(Ordering::SeqCst) - self.abandoned()
    }

    /// How often a refresh token was presented that had been spent. Each time, the grant with all its
    /// tokens was revoked (RFC 9700 §4.14.2).
    pub fn reuses(&self) -> usize {
        self.state.grants.lock().unwrap().reuses()
    }

    /// Waits until an endpoint has received `count` requests.
    pub async fn has_received(&self, endpoint: Endpoint, count: usize) {
        let what = format!("the provider has received {count} requests at {endpoint:?}");
        crate::wait::until(&what, async || (self.count(endpoint) >= count).then_some(())).await;
    }

    /// The access tokens issued so far, oldest first.
    pub fn access_tokens(&self) -> Vec<String> {
        self.state.grants.lock().unwrap().access_tokens().to_vec()
    }

    /// Whose access token this is.
    pub fn subject_of(&self, access_token: &str) -> Option<String> {
        self.state.grants.lock().unwrap().subject_of(access_token)
    }

    /// The refresh tokens issued so far, oldest first.
    pub fn refresh_tokens(&self) -> Vec<String> {
        self.state.grants.lock().unwrap().refresh_tokens().to_vec()
    }

    /// The ID tokens issued so far, oldest first.
    pub fn id_tokens(&self) -> Vec<String> {
        self.state.grants.lock().unwrap().id_tokens().to_vec()
    }

    /// Everything that must not appear in a log: tokens, codes, and what requests proved possession with.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.state.grants.lock().unwrap().secrets();
        for request in self.received() {
            for name in ["state", "nonce", "code_verifier", "client_secret", "id_token_hint"] {
                secrets.extend(request.query_value(name));
                secrets.extend(request.form_value(name));
            }
            if let Some(value) = request.headers.get("authorization").and_then(|value| value.to_str().ok()) {
                secrets.extend(value.split(' ').nth(1).map(str::to_owned));
            }
        }
        secrets.push(CLIENT_SECRET.to_owned());
        secrets.push("canary-secret".to_owned());
        secrets.retain(|secret| secret.len() >= 8);
        secrets.sort();
        secrets.dedup();
        secrets
    }
}

impl Drop for HostileOp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let received = self.received();
            eprintln!("---- the last of {} requests at the hostile provider", received.len());
            for request in received.iter().rev().take(REQUESTS_SHOWN).rev() {
                eprintln!("{request:?}");
            }
            eprintln!("----");
        }
    }
}

fn ada() -> Map<String, Value> {
    let ada = json!({
        "sub": "ada",
        "email": "ada@example.com",
        "email_verified": true,
        "name": "Ada Lovelace",
        "preferred_username": "ada",
        "picture": "https://example.com/ada.png",
        "groups": ["analysts"],
    });
    ada.as_object().cloned().unwrap_or_default()
}
