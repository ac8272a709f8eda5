//! `express-openid-connect` with `connect-redis`: a backend for frontend as one would write it for Node.

use std::path::Path;

use authtool_tests::{Process, Provider, redis::RedisServer};

use super::Peer;

pub(super) fn start(provider: &Provider, redis: &RedisServer, api: &str, port: u16) -> Peer {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/node");
    assert!(
        folder.join("node_modules").is_dir(),
        "the Node BFF is not installed: npm ci in bench/peers/node (cargo xtask bench does it)"
    );
    let (client, secret) = Provider::credentials();
    let process = Process::start("the Node BFF", "node", |command| {
        command
            .arg(folder.join("server.mjs"))
            .env("NODE_ENV", "production")
            .env("PORT", port.to_string())
            .env("ISSUER", &provider.issuer)
            .env("CLIENT_ID", client)
            .env("CLIENT_SECRET", secret)
            .env("REDIS", redis.port.to_string())
            .env("API", api);
    });
    Peer {
        name: "express-openid-connect with connect-redis",
        port,
        login: "/login",
        cookies: &["appSession"],
        process,
        _folder: None,
    }
}
