//! Another real OpenID Provider, which shares no line with the first: Glewlwyd, written in C, from Debian.

use crate::browser::{Browser, Page};
use crate::{Answer, Process, ServerConfig, ports, raw, wait};
use http::Method;
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use url::Url;

const CLIENT_ID: &str = "authtool-tests";
const CLIENT_SECRET: &str = "canary-secret-of-glewlwyd";
const USER: &str = "ada";
const PASSWORD: &str = "canary-password-of-ada";

/// The tables of an empty database, from the package.
const TABLES: &str = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3";

const ADVICE: &str = "Glewlwyd is not installed: `apt-get install glewlwyd dbconfig-sqlite3` (Debian, Ubuntu; \
                      cargo xtask test does it)";

/// A running Glewlwyd with one user, Ada. It stops with the drop.
pub struct Glewlwyd {
    /// The issuer identifier.
    pub issuer: String,
    origin: Url,
    _folder: TempDir,
    process: Process,
}

impl Glewlwyd {
    /// Starts it for a server whose public listener is at `app`. Access tokens last two seconds, and refresh
    /// tokens are good once.
    pub async fn start(app: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let port = ports::free();
        // Not localhost, where the app is: this is another site.
        let origin = Url::parse(&format!("http://127.0.0.1:{port}/")).expect("a URL");
        let database = folder.path().join("glewlwyd.db");
        create(&database);
        let configuration = folder.path().join("glewlwyd.conf");
        std::fs::write(&configuration, lines(port, &database)).expect("a fresh folder is writable");
        let process = Process::start("Glewlwyd", program(), |command| {
            command.arg("--config-file").arg(&configuration);
        });
        let issuer = format!("{origin}api/oidc");
        let mut glewlwyd = Self { issuer, origin, _folder: folder, process };
        glewlwyd.is_set_up_for(app).await;
        glewlwyd
    }

    /// As an administrator would, by its own API.
    async fn is_set_up_for(&mut self, app: &str) {
        let login = json!({"username": "admin", "password": "password"});
        let answer = wait::until("Glewlwyd answers", async || {
            if let Some(status) = self.process.ended() {
                panic!("Glewlwyd ended with {status}");
            }
            self.request("/api/auth/", &login).try_send().await.ok()
        })
        .await;
        assert_eq!(answer.status, 200, "the administrator is let in: {answer:?}");
        let cookies = answer.set_cookies();
        let session = cookies.first().and_then(|cookie| cookie.split(';').next()).expect("a session");
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("the system has randomness");
        let user = json!({
            "username": USER, "name": "Ada Lovelace", "email": "ada@example.com", "enabled": true,
            "password": PASSWORD, "scope": ["openid"],
        });
        let plugin = json!({
            "module": "oidc", "name": "oidc", "display_name": "OpenID Connect", "enabled": true,
            "parameters": {
                "iss": self.issuer, "jwt-type": "rsa", "jwt-key-size": "256", "jwks-show": true,
                "key": key.serialize_pem(), "cert": key.public_key_pem(),
                "code-duration": 60, "access-token-duration": 2, "refresh-token-duration": 3600,
                "refresh-token-one-use": "always",
                "auth-type-code-enabled": true, "auth-type-refresh-enabled": true,
                "auth-type-code-revoke-replayed": true,
                "pkce-allowed": true, "pkce-required": true,
                "session-management-allowed": true, "session-cookie-name": "GLEWLWYD_OIDC",
                "session-cookie-expiration": 3600, "back-channel-logout-allowed": true,
                "introspection-revocation-allowed": true,
                "introspection-revocation-allow-target-client": true,
                "allowed-scope": ["openid"], "name-claim": "mandatory", "email-claim": "mandatory",
            },
        });
        let client = json!({
            "client_id": CLIENT_ID, "name": "authtool's tests", "enabled": true, "confidential": true,
            "client_secret": CLIENT_SECRET, "token_endpoint_auth_method": ["client_secret_basic"],
            "authorization_type": ["code", "refresh_token"],
            "redirect_uri": [format!("{app}/bff/oauth/callback")],
            "post_logout_redirect_uris": [format!("{app}/bff/oidc/logout/callback")],
            "backchannel_logout_uri": format!("{app}/bff/oidc/logout/backchannel"),
            "backchannel_logout_session_required": "true",
        });
        for (path, body) in [("/api/user/", user), ("/api/mod/plugin/", plugin), ("/api/client/", client)] {
            let answer = self.request(path, &body).header("cookie", session).send().await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
    }

    fn request(&self, path: &str, body: &Value) -> raw::RawRequest {
        raw::request("POST", &self.origin, path).body("application/json", body.to_string())
    }

    /// Makes a configuration that of the provider's client.
    pub fn register(&self, config: &mut ServerConfig) {
        config
            .set("/client/issuer", json!(self.issuer))
            .set("/client/clientId", json!(CLIENT_ID))
            .set("/client/credentials/secret", json!(CLIENT_SECRET))
            .set("/client/scope", json!("openid"))
            .set("/client/allowLogoutTokensWithoutExp", json!(true));
    }

    /// Does what the script of the login page does when Ada types her password and agrees, until the browser is
    /// back at the app.
    pub async fn log_in(&self, browser: &Browser, page: Page) -> Page {
        let fetch = async |method, path: &str, body: Value| -> Answer {
            let url = self.origin.join(path).expect("a path");
            let answer = browser.fetch(&page.url, url).json(method, &body).go().await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            answer
        };
        fetch(Method::POST, "/api/auth/", json!({"username": USER, "password": PASSWORD})).await;
        let grant = format!("/api/auth/grant/{CLIENT_ID}");
        fetch(Method::PUT, &grant, json!({"scope": "openid"})).await;
        self.goes_on(browser, page, "&g_continue").await
    }

    /// Does what the script of the logout page does when the user agrees, until the browser is back at the app.
    pub async fn confirm_logout(&self, browser: &Browser, page: Page) -> Page {
        let sid = parameter(&page.url, "sid");
        let url = self.origin.join(&format!("/api/oidc/session/{sid}/")).expect("a path");
        let answer = browser.fetch(&page.url, url).method(Method::DELETE).go().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let url = self.origin.join("/api/auth/").expect("a path");
        let answer = browser.fetch(&page.url, url).method(Method::DELETE).go().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.goes_on(browser, page, "").await
    }

    /// To where the page was told to send the browser.
    async fn goes_on(&self, browser: &Browser, page: Page, appended: &str) -> Page {
        let next = format!("{}{appended}", parameter(&page.url, "callback_url"));
        let mut hops = page.hops;
        let mut page = browser.follow(&page.url, Url::parse(&next).expect("a URL")).go().await;
        hops.append(&mut page.hops);
        page.hops = hops;
        page
    }

    /// Whether a URL is the provider's.
    pub fn is_here(&self, url: &Url) -> bool {
        url.origin() == self.origin.origin()
    }
}

fn parameter(url: &Url, name: &str) -> String {
    let value = url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    value.unwrap_or_else(|| panic!("{url} has no {name}"))
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("glewlwyd"))
        .find(|program| program.is_file())
        .expect(ADVICE)
}

/// An empty database, in which a client may have several addresses to return to after a logout.
fn create(database: &Path) {
    let tables = std::fs::read_to_string(TABLES).expect(ADVICE);
    let tables = tables.replace(
        r#""post_logout_redirect_uri":{"multiple":false"#,
        r#""post_logout_redirect_uris":{"multiple":true"#,
    );
    let script = database.with_extension("sql");
    // Nothing needs to survive: without waiting for the disk it is there at once.
    std::fs::write(&script, format!("PRAGMA synchronous = OFF;\nBEGIN;\n{tables}\nCOMMIT;\n"))
        .expect("a fresh folder is writable");
    let status = Command::new("sqlite3")
        .arg(database)
        .stdin(File::open(&script).expect("it was just written"))
        .status()
        .expect("sqlite3 (which Glewlwyd depends on) runs");
    assert!(status.success(), "sqlite3 ended with {status}");
}

fn lines(port: u16, database: &Path) -> String {
    format!(
        r#"
port = {port}
bind_address = "127.0.0.1"
external_url = "http://127.0.0.1:{port}"
login_url = "login.html"
api_prefix = "api"
static_files_path = "/usr/share/glewlwyd/webapp/"
log_mode = "console"
log_level = "INFO"
cookie_secure = 0
cookie_same_site = "empty"
session_expiration = 3600
session_key = "GLEWLWYD_SESSION"
admin_session_authentication = "cookie"
profile_session_authentication = "cookie"
login_api_enabled = true
max_post_size = 1048576
admin_scope = "g_admin"
profile_scope = "g_profile"
user_module_path = "/usr/lib/glewlwyd/user"
client_module_path = "/usr/lib/glewlwyd/client"
user_auth_scheme_module_path = "/usr/lib/glewlwyd/scheme"
plugin_module_path = "/usr/lib/glewlwyd/plugin"
use_secure_connection = false
secure_connection_key_file = "unused"
secure_connection_pem_file = "unused"
secure_connection_ca_file = "unused"
hash_algorithm = "SHA512"
database = {{ type = "sqlite3" path = "{}" }};
static_files_mime_types = ( {{ extension = ".html" mime_type = "text/html" }} );
"#,
        database.display()
    )
}
