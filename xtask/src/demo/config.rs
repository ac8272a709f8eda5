//! The demo's server configuration: written anew at every start, with keys of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Mode, Variant};
use crate::ports::Ports;

/// The demo's client at the provider.
pub(super) const CLIENT_ID: &str = "authtool-demo";

/// What was written.
pub(super) struct Config {
    /// The file that each server reads: one, or two behind a gateway.
    pub(super) paths: Vec<PathBuf>,
    /// The secret that the provider must know, too.
    pub(super) client_secret: String,
}

/// By its address, while the app goes by `localhost`: two sites, so that the browser applies its rules
/// for cross-site navigation as it would in production.
pub(super) fn issuer(ports: Ports) -> String {
    format!("http://127.0.0.1:{}", ports.provider)
}

/// Where the app is.
pub(super) fn app_origin(ports: Ports) -> String {
    format!("http://localhost:{}", ports.app)
}

/// Where the provider sends the browser after a login.
pub(super) fn redirect_uri(ports: Ports) -> String {
    format!("http://localhost:{}/bff/oauth/callback", ports.app)
}

/// Where the provider sends the browser after a logout.
pub(super) fn post_logout_redirect_uri(ports: Ports) -> String {
    format!("http://localhost:{}/bff/oidc/logout/callback", ports.app)
}

/// Where the API is.
pub(super) fn api_origin(ports: Ports) -> String {
    format!("http://127.0.0.1:{}", ports.api)
}

/// Writes the servers' configuration into `folder`.
pub(super) fn write(folder: &Path, ports: Ports, variant: &Variant<'_>) -> Result<Config> {
    let client_secret = random_key()?;
    let api = api_origin(ports);
    let (mode, policy) = match variant.mode {
        Mode::Bff => ("bff", None),
        Mode::TokenExchange => ("tokenExchange", Some(policy_with(&api))),
    };
    // Behind a gateway it is the gateway that forwards.
    let proxy = if variant.mode == Mode::Bff && ports.behind.is_none() {
        json!([{ "prefix": "/api", "upstream": api }])
    } else {
        json!([])
    };
    let sessions = match ports.behind {
        None => json!({ "type": "embedded", "config": { "path": folder.join("sessions.redb") } }),
        Some(behind) => json!({ "type": "redis", "config": { "host": "127.0.0.1", "port": behind.redis } }),
    };
    let mut config = json!({
        "client": {
            "issuer": issuer(ports),
            "clientId": CLIENT_ID,
            "redirect_uri": redirect_uri(ports),
            "credentials": { "secret": client_secret },
            "scope": "openid profile email offline_access api:read",
            "postLogoutRedirectUri": post_logout_redirect_uri(ports),
        },
        "connections": { "sessions": sessions },
        "session": {
            "mode": { "type": mode, "sessionIdHardening": "host" },
            "sameSiteReturn": variant.renders,
            "signingKey": random_key()?,
            "encryptionKey": random_key()?,
            "authorizationFlowCache": { "connectionName": "sessions" },
            "idleTimeoutSecs": variant.idle_timeout,
            "userClaims": ["sub", "name", "email", "email_verified", "preferred_username", "picture"],
            "errorRedirects": format!("http://localhost:{}/", ports.app),
        },
        "server": {
            "apiPrefix": "/bff",
            "ip": "127.0.0.1",
            "port": ports.app,
            "internal": { "ip": "127.0.0.1", "port": ports.internal },
            "static": { "root": variant.root, "contentSecurityPolicy": policy },
            "proxy": proxy,
        },
    });
    let listeners = match ports.behind {
        None => vec![(ports.app, ports.internal)],
        Some(behind) => vec![(behind.first, ports.internal), (behind.second, behind.second_internal)],
    };
    let mut paths = Vec::new();
    for (replica, (public, internal)) in listeners.into_iter().enumerate() {
        for (place, port) in [("/server/port", public), ("/server/internal/port", internal)] {
            if let Some(value) = config.pointer_mut(place) {
                *value = json!(port);
            }
        }
        let path = folder.join(if replica == 0 { "config.json" } else { "config-of-the-second.json" });
        write_secret(&path, &serde_json::to_string_pretty(&config)?)?;
        paths.push(path);
    }
    Ok(Config { paths, client_secret })
}

/// A file that nobody else reads: it holds secrets, if only of a demo.
fn write_secret(path: &Path, text: &str) -> Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// What the server sets by itself, and leave to call the API at its own origin.
fn policy_with(api: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self' {api}; \
         img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// Empties the folder of an earlier run, whose sessions nobody could read: the keys are new.
pub(super) fn fresh_folder(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}

/// 32 bytes that nobody can guess, in base64.
fn random_key() -> Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(STANDARD.encode(bytes))
}
