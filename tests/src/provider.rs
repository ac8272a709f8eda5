//! The real OpenID Provider: npm `oidc-provider`, unmodified.

use crate::browser::{Browser, Page};
use crate::wait;
use crate::{Process, ServerConfig};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use url::Url;

const CLIENT_ID: &str = "authtool-tests";
const CLIENT_SECRET: &str = "canary-secret-of-the-real-provider";
const MACHINE_CLIENT_ID: &str = "batch";
const MACHINE_CLIENT_SECRET: &str = "canary-secret-of-the-machine";

/// What its access tokens are for.
pub const API_AUDIENCE: &str = "https://api.authtool.example";

/// How a provider is set up.
pub struct ProviderOptions {
    /// The server's public origin.
    pub app: String,
    /// Lifetime of access tokens, in seconds.
    pub access_token_ttl: u64,
    /// Whether a refresh spends the refresh token.
    pub rotate: bool,
    /// Members of the client's registration that differ (RFC 7591 §2); null leaves one out.
    pub client: Value,
    /// What the provider insists on: `par`, `signed-request-object`, `dpop-nonce`.
    pub insists_on: Vec<&'static str>,
}

impl ProviderOptions {
    /// For a server whose public listener is at `app`.
    pub fn new(app: &str) -> Self {
        Self {
            app: app.to_owned(),
            access_token_ttl: 300,
            rotate: true,
            client: json!({}),
            insists_on: Vec::new(),
        }
    }
}

/// A running provider. It stops with the drop.
pub struct Provider {
    /// The issuer identifier.
    pub issuer: String,
    process: Process,
}

impl Provider {
    /// Starts it, and waits until it listens.
    pub async fn start(options: &ProviderOptions) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("provider");
        assert!(
            folder.join("node_modules/oidc-provider").is_dir(),
            "the OpenID Provider is not installed: run `npm ci` in tests/provider (cargo xtask test does it)"
        );
        let app = &options.app;
        let process = Process::start("the provider", node(), |command| {
            command
                .arg(folder.join("provider.mjs"))
                .args(["--port", "0", "--client-id", CLIENT_ID])
                .args(["--redirect-uri", &format!("{app}/bff/oauth/callback")])
                .args(["--post-logout-redirect-uri", &format!("{app}/bff/oidc/logout/callback")])
                .args(["--access-token-ttl", &options.access_token_ttl.to_string()])
                .args(options.insists_on.iter().map(|what| format!("--require-{what}")))
                .env("AUTHTOOL_PROVIDER_CLIENT_SECRET", CLIENT_SECRET)
                .args(["--machine-client-id", MACHINE_CLIENT_ID])
                .env("AUTHTOOL_PROVIDER_MACHINE_CLIENT_SECRET", MACHINE_CLIENT_SECRET)
                .env("AUTHTOOL_PROVIDER_CLIENT_METADATA", options.client.to_string())
                .current_dir(&folder);
            if options.rotate {
                command.arg("--rotate");
            }
        });
        let mut provider = Self { issuer: String::new(), process };
        provider.issuer = wait::until("the provider is ready", async || {
            if let Some(status) = provider.process.ended() {
                panic!("the provider ended with {status}");
            }
            let line = provider.process.log().find("ready http")?;
            Some(line.trim_start_matches("ready ").to_owned())
        })
        .await;
        provider
    }

    /// An access token that a program gets for itself (RFC 6749 §4.4), for the API ([`API_AUDIENCE`]).
    pub async fn machine_token(&self) -> String {
        let answer = reqwest::Client::new()
            .post(format!("{}/token", self.issuer))
            .basic_auth(MACHINE_CLIENT_ID, Some(MACHINE_CLIENT_SECRET))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials")
            .send()
            .await
            .expect("the provider answers");
        let body = answer.text().await.expect("a body");
        let tokens: Value = serde_json::from_str(&body).expect("JSON");
        tokens["access_token"].as_str().unwrap_or_else(|| panic!("no token: {body}")).to_owned()
    }

    /// The id and the secret of its client.
    pub fn credentials() -> (&'static str, &'static str) {
        (CLIENT_ID, CLIENT_SECRET)
    }

    /// Makes a configuration that of the provider's client.
    pub fn register(&self, config: &mut ServerConfig) {
        config
            .set("/client/issuer", json!(self.issuer))
            .set("/client/clientId", json!(CLIENT_ID))
            .set("/client/credentials/secret", json!(CLIENT_SECRET));
    }

    /// Fills in the login and the consent form as `login`, until the browser is back at the app.
    pub async fn log_in(&self, browser: &Browser, mut page: Page, login: &str) -> Page {
        let mut hops = page.hops.clone();
        while self.is_here(&page.url) {
            let mut form =
                page.forms().into_iter().find(|form| form.has("prompt")).unwrap_or_else(|| {
                    panic!("the provider shows no login or consent form: {:?}", page.answer)
                });
            if form.has("login") {
                form.fill("login", login);
            }
            page = browser.submit(&page, &form).go().await;
            hops.append(&mut page.hops);
        }
        page.hops = hops;
        page
    }

    /// Confirms on the logout page, until the browser is back at the app.
    pub async fn confirm_logout(&self, browser: &Browser, mut page: Page) -> Page {
        let mut hops = page.hops.clone();
        while self.is_here(&page.url) {
            let form = page
                .forms()
                .into_iter()
                .next()
                .unwrap_or_else(|| panic!("the provider shows no logout form: {:?}", page.answer));
            page = browser.submit(&page, &form).go().await;
            hops.append(&mut page.hops);
        }
        page.hops = hops;
        page
    }

    /// Whether a URL is the provider's.
    pub fn is_here(&self, url: &Url) -> bool {
        url.as_str().starts_with(&format!("{}/", self.issuer))
    }
}

fn node() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("node"))
        .find(|program| Path::is_file(program))
        .expect("node is not installed: the OpenID Provider of the tests needs Node.js 20 or newer")
}
