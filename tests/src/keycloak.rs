//! A real Keycloak. It takes most of a minute to start, so there is one, with a realm for each journey.

use crate::browser::{Browser, Page};
use crate::{Answer, Process, ServerConfig, ports, raw, wait};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use url::{Url, form_urlencoded};

const VERSION: &str = "26.7.3";

const CLIENT_ID: &str = "authtool-tests";
const CLIENT_SECRET: &str = "canary-secret-of-keycloak";
const USER: &str = "ada";
const PASSWORD: &str = "canary-password-of-ada";
const ADMINISTRATOR: (&str, &str) = ("admin", "canary-password-of-the-admin");

/// On two cores that are busy with other tests.
const PATIENCE: Duration = Duration::from_mins(5);

/// A running Keycloak. It stops with the drop.
pub struct Keycloak {
    origin: Url,
    process: Process,
    _folder: TempDir,
}

/// A realm of it, with one user, Ada, and one client. Access tokens last two seconds, and refresh tokens are good once.
pub struct Realm<'a> {
    /// The issuer identifier.
    pub issuer: String,
    name: String,
    keycloak: &'a Keycloak,
}

impl Keycloak {
    /// Starts it.
    pub async fn start() -> Self {
        let folder = home(&installed());
        let port = ports::free();
        // Not localhost, where the app is: this is another site.
        let origin = Url::parse(&format!("http://127.0.0.1:{port}/")).expect("a URL");
        let home = folder.path();
        // Not by `kc.sh`, whose child would outlive it. What runs for a minute need not be compiled to the last.
        let mut process = Process::start("Keycloak", program(), |command| {
            command
                .args(["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
                .args(
                    ["java.util", "java.util.concurrent", "java.security", "java.lang"]
                        .map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED")),
                )
                .arg(format!("-Dkc.home.dir={}", home.display()))
                .arg(format!("-Djboss.server.config.dir={}", home.join("conf").display()))
                .arg("-Djava.util.logging.manager=org.jboss.logmanager.LogManager")
                .arg(
                    "-Djava.util.concurrent.ForkJoinPool.common.threadFactory=\
                     io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
                )
                .arg("-cp")
                .arg(home.join("lib/quarkus-run.jar"))
                .arg("io.quarkus.bootstrap.runner.QuarkusEntryPoint")
                .args([
                    "start",
                    "--optimized",
                    "--http-enabled=true",
                    "--http-host=127.0.0.1",
                    "--cache=local",
                ])
                .arg(format!("--http-port={port}"))
                .arg(format!("--hostname={}", origin.as_str().trim_end_matches('/')))
                .env("KC_BOOTSTRAP_ADMIN_USERNAME", ADMINISTRATOR.0)
                .env("KC_BOOTSTRAP_ADMIN_PASSWORD", ADMINISTRATOR.1);
        });
        wait::within(PATIENCE, "Keycloak answers", async || {
            if let Some(status) = process.ended() {
                panic!(
                    "Keycloak ended with {status}; is there a Java 17 or newer?\n{}",
                    process.log().text()
                );
            }
            let metadata = "/realms/master/.well-known/openid-configuration";
            let answer = raw::get(&origin, metadata).try_send().await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
        Self { origin, process, _folder: folder }
    }

    /// Makes a realm for a server whose public listener is at `app`; `change` sees its representation first.
    pub async fn realm(&self, name: &str, app: &str, change: impl FnOnce(&mut Value)) -> Realm<'_> {
        let mut realm = json!({
            "realm": name, "enabled": true, "sslRequired": "none",
            "accessTokenLifespan": 2, "revokeRefreshToken": true, "refreshTokenMaxReuse": 0,
            "eventsEnabled": true,
            "users": [{
                "username": USER, "enabled": true, "email": "ada@example.com", "emailVerified": true,
                "firstName": "Ada", "lastName": "Lovelace",
                "credentials": [{"type": "password", "value": PASSWORD, "temporary": false}],
            }],
            "clients": [{
                "clientId": CLIENT_ID, "enabled": true, "protocol": "openid-connect",
                "publicClient": false, "secret": CLIENT_SECRET, "standardFlowEnabled": true,
                "frontchannelLogout": false,
                "redirectUris": [format!("{app}/bff/oauth/callback")],
                "attributes": {
                    "post.logout.redirect.uris": format!("{app}/bff/oidc/logout/callback"),
                    "backchannel.logout.url": format!("{app}/bff/oidc/logout/backchannel"),
                    "backchannel.logout.session.required": "true",
                    "pkce.code.challenge.method": "S256",
                },
            }],
        });
        change(&mut realm);
        let answer = self.administer("POST", "/admin/realms", Some(&realm)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        Realm { issuer: format!("{}realms/{name}", self.origin), name: name.to_owned(), keycloak: self }
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        self.process.log().text()
    }

    async fn administer(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let (user, password) = ADMINISTRATOR;
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("grant_type", "password"),
                ("client_id", "admin-cli"),
                ("username", user),
                ("password", password),
            ])
            .finish();
        let answer = raw::request("POST", &self.origin, "/realms/master/protocol/openid-connect/token")
            .body("application/x-www-form-urlencoded", form)
            .send()
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let token = answer.json()["access_token"].as_str().expect("a token").to_owned();
        let mut request =
            raw::request(method, &self.origin, path).header("authorization", format!("Bearer {token}"));
        if let Some(body) = body {
            request = request.body("application/json", body.to_string());
        }
        request.send().await
    }
}

impl Realm<'_> {
    /// Makes a configuration that of the realm's client.
    pub fn register(&self, config: &mut ServerConfig) {
        config
            .set("/client/issuer", json!(self.issuer))
            .set("/client/clientId", json!(CLIENT_ID))
            .set("/client/credentials/secret", json!(CLIENT_SECRET))
            .set("/client/scope", json!("openid profile email"))
            .set("/session/refreshTokenExpirationPayloadField", json!("refresh_expires_in"));
    }

    /// Fills in the login form as Ada, until the browser is back at the app.
    pub async fn log_in(&self, browser: &Browser, page: &Page) -> Page {
        let mut form = page
            .forms()
            .into_iter()
            .find(|form| form.has("password"))
            .unwrap_or_else(|| panic!("Keycloak shows no login form: {page:#?}"));
        if form.has("username") {
            form.fill("username", USER);
        }
        form.fill("password", PASSWORD);
        browser.submit(page, &form).go().await
    }

    /// Whether a page is the realm's and asks for the password.
    pub fn asks_for_the_password(&self, page: &Page) -> bool {
        page.url.as_str().starts_with(&self.issuer) && page.forms().iter().any(|form| form.has("password"))
    }

    /// How many sessions Ada has there.
    pub async fn sessions(&self) -> usize {
        let path = format!("/admin/realms/{}/users/{}/sessions", self.name, self.user().await);
        self.administer("GET", &path, None).await.json().as_array().map_or(0, Vec::len)
    }

    /// Ends all of Ada's sessions there, as an administrator does.
    pub async fn ends_all_sessions(&self) {
        let path = format!("/admin/realms/{}/users/{}/logout", self.name, self.user().await);
        let answer = self.administer("POST", &path, None).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    /// What the event log has of one kind: how often, and the newest one's details.
    pub async fn events(&self, kind: &str) -> Vec<Value> {
        let path = format!("/admin/realms/{}/events?type={kind}", self.name);
        self.administer("GET", &path, None).await.json().as_array().cloned().unwrap_or_default()
    }

    async fn user(&self) -> String {
        let path = format!("/admin/realms/{}/users?username={USER}&exact=true", self.name);
        let users = self.administer("GET", &path, None).await.json();
        users[0]["id"].as_str().expect("Ada").to_owned()
    }

    async fn administer(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.keycloak.administer(method, path, body).await
    }
}

/// Where `cargo xtask test rust` has put it.
fn installed() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .filter(|it| !it.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let installed = cache.map(|it| it.join(format!("authtool/tools/keycloak-{VERSION}")));
    installed
        .filter(|it| it.join("bin/kc.sh").is_file())
        .unwrap_or_else(|| panic!("there is no Keycloak {VERSION}: `cargo xtask test rust` installs it"))
}

/// A home of its own for one process: what it writes is there, and what it runs is the installed one's.
fn home(installed: &Path) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for name in ["lib", "providers", "themes"] {
        symlink(installed.join(name), folder.path().join(name)).expect("a fresh folder is writable");
    }
    let conf = folder.path().join("conf");
    fs::create_dir(&conf).expect("a fresh folder is writable");
    for entry in fs::read_dir(installed.join("conf")).expect("Keycloak is complete") {
        let entry = entry.expect("a folder can be read");
        if entry.path().is_file() {
            fs::copy(entry.path(), conf.join(entry.file_name())).expect("a fresh folder is writable");
        }
    }
    folder
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join("java")).find(|it| it.is_file()).expect(
        "there is no Java: Keycloak needs 17 or newer (`cargo xtask test rust` installs it on Debian)",
    )
}
