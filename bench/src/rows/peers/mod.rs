//! What others do for the same request: an API call with a session's cookie, forwarded with the session's access token.
//! All of them log their users in at the same provider and have the same API behind them, which refuses requests without a
//! token.
//!
//! Charged are all processes of the one who is asked; Redis and the API are shown apart. Each is compared with what does the
//! same job of ours:
//!
//! - Apache and Node answer the browser, ask Redis at every request, and forward: so does authtool with its own proxy and
//!   without its local cache.
//! - Envoy's own filter keeps the tokens in the browser's cookies, and asks nobody: so does authtool with its own proxy, as it is
//!   by default. What the exchange in front of an Envoy costs in comparison is shown too; there it is one process more.

mod apache;
mod envoy;
mod node;

use std::sync::Arc;

use authtool_tests::{
    Process, Provider, ProviderOptions, SESSION, Server, ServerConfig, browser::Browser, envoy::Envoy, ports,
    raw, redis::RedisServer, wait,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::{
    load::Asked,
    parts::BareHandler,
    report::{Row, Target},
    rounds::{Contender, Effort, Turns, in_turn},
    usage,
};

/// Longer than any bench: refreshes are measured elsewhere.
const ACCESS_TOKEN_SECS: u64 = 12 * 60 * 60;

pub(crate) async fn run(effort: Effort) -> Vec<Row> {
    let users = if effort.quick { 2 } else { 20 };
    let api = BareHandler::behind_a_token(256).await;
    let ports = Ports { apache: ports::free(), node: ports::free(), envoy: ports::free() };
    let (mut with_cache, mut without_cache) = (ServerConfig::new(""), ServerConfig::new(""));
    let callbacks = [
        format!("{}/bff/oauth/callback", with_cache.app()),
        format!("{}/bff/oauth/callback", without_cache.app()),
        format!("http://localhost:{}/api/callback", ports.apache),
        format!("http://localhost:{}/callback", ports.node),
        format!("http://localhost:{}/callback", ports.envoy),
    ];
    let mut options = ProviderOptions::new(&with_cache.app());
    options.access_token_ttl = ACCESS_TOKEN_SECS;
    options.client = json!({"redirect_uris": callbacks});
    let provider = Provider::start(&options).await;
    let redis = RedisServer::start().await;
    for config in [&mut with_cache, &mut without_cache] {
        provider.register(config);
        config.set("/connections/sessions", redis.connection());
        config.set("/server/proxy", json!([{"prefix": "/api", "upstream": api.origin()}]));
        config.environment("AUTHTOOL_LOG", "info");
    }
    without_cache.set("/connections/sessions/config/localCache", json!({"enabled": false}));
    let (with_cache, without_cache) = (Server::start(with_cache).await, Server::start(without_cache).await);
    let (gateway_port, bootstrap) = super::envoy::in_front_of(&with_cache, api.port);
    let gateway = Envoy::start(&bootstrap.to_string(), gateway_port).await;

    let redis_process = u32::try_from(redis.info("process_id").await).expect("a process id");
    let apart = [redis_process, api.process()];
    let contender = |name: &str, asked: Asked, processes: Vec<u32>| Contender {
        name: name.to_owned(),
        asked,
        processes,
        beside: apart.to_vec(),
    };
    let ours = |server: &Server| (server.public.clone(), server.bff("/login"));
    let mut contenders = Vec::new();
    for (name, server) in [(WITHOUT_CACHE, &without_cache), (WITH_CACHE, &with_cache)] {
        let (app, login) = ours(server);
        let cookies = log_in(&provider, &app, &login, &[SESSION], users).await;
        let port = server.config.public_port();
        contenders.push(contender(name, cookies.asked(port), vec![server.process_id()]));
        if name == WITH_CACHE {
            let processes = vec![gateway.process_id(), server.process_id()];
            contenders.push(contender(BEHIND_ENVOY, cookies.asked(gateway_port), processes));
        }
    }
    let peers = [
        (apache::start(&provider, &redis, &api.origin(), ports.apache), WITHOUT_CACHE),
        (node::start(&provider, &redis, &api.origin(), ports.node), WITHOUT_CACHE),
        (envoy::start(&provider, api.port, ports.envoy), WITH_CACHE),
    ];
    for (peer, _) in &peers {
        let cookies = peer.logged_in(&provider, users).await;
        contenders.push(contender(peer.name, cookies.asked(peer.port), peer.processes()));
    }

    let turns = in_turn(effort, &contenders).await;
    let of = |name: &str| turns.iter().find(|it| it.name == name).expect("everybody had a turn");
    let mut rows = Vec::new();
    for (peer, twin) in &peers {
        let theirs = of(peer.name);
        rows.push(row(of(twin), theirs, Target::AtLeast(1.0)));
        if peer.name == envoy::NAME {
            rows.push(row(of(BEHIND_ENVOY), theirs, Target::None));
        }
    }
    rows
}

const WITHOUT_CACHE: &str = "authtool with its own proxy, every session from Redis";
const WITH_CACHE: &str = "authtool with its own proxy";
const BEHIND_ENVOY: &str = "authtool behind Envoy, by the Lua exchange";

fn row(ours: &Turns, theirs: &Turns, target: Target) -> Row {
    Row {
        what: format!("{}, beside {}", ours.name, theirs.name),
        ours: ours.show(),
        limit: theirs.show(),
        figure: ours.relative_to(theirs),
        target,
        details: Value::from(vec![ours.json(), theirs.json()]),
    }
}

/// Where the others listen: the provider wants to know before they start.
struct Ports {
    apache: u16,
    node: u16,
    envoy: u16,
}

/// Somebody else's program.
struct Peer {
    name: &'static str,
    port: u16,
    /// Where a login begins.
    login: &'static str,
    /// The cookies of its session, by how their names begin.
    cookies: &'static [&'static str],
    process: Process,
    /// Its configuration, which is gone when it is.
    _folder: Option<TempDir>,
}

impl Peer {
    async fn logged_in(&self, provider: &Provider, users: usize) -> Cookies {
        let origin = Url::parse(&format!("http://localhost:{}/", self.port)).expect("a URL");
        wait::until(&format!("{} answers", self.name), async || raw::get(&origin, "/").try_send().await.ok())
            .await;
        let login = origin.join(self.login).expect("a path");
        log_in(provider, &origin, &login, self.cookies, users).await
    }

    fn processes(&self) -> Vec<u32> {
        usage::with_children(self.process.id())
    }
}

/// What browsers send that are logged in, one line each.
struct Cookies {
    first: String,
    rest: Arc<[String]>,
}

impl Cookies {
    fn asked(&self, port: u16) -> Asked {
        Asked::new(port, "/api/orders", &self.first, &self.rest)
    }
}

/// As many people log in, each with a browser, and have cookies whose names begin like this.
async fn log_in(provider: &Provider, app: &Url, login: &Url, names: &[&str], users: usize) -> Cookies {
    let mut first = String::new();
    let mut rest = Vec::new();
    for number in 0..users {
        let browser = Browser::new();
        let page = browser.follow(app.clone(), login.clone()).go().await;
        let page = provider.log_in(&browser, page, &format!("user-{number}")).await;
        let mut cookies = browser.jar().all();
        cookies.retain(|it| it.is_for(&app.join("/api/orders").expect("a path")));
        cookies.retain(|it| names.iter().any(|name| it.name.starts_with(name)));
        cookies.sort_by(|one, other| one.name.cmp(&other.name));
        let line: Vec<String> = cookies.iter().map(|it| format!("{}={}", it.name, it.value)).collect();
        let line = line.join("; ");
        let Some((name, value)) = line.split_once('=') else {
            panic!("nobody could log in at {app}: {page:#?}\nrefused cookies: {:?}", browser.jar().rejected())
        };
        name.clone_into(&mut first);
        rest.push(value.to_owned());
    }
    Cookies { first, rest: rest.into() }
}
