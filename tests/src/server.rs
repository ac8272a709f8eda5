//! The real server, as a child process.

use crate::{Answer, Process, ports, raw, wait};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::time::Duration;
use tempfile::TempDir;
use url::Url;

/// Built once per test process, so that no test runs yesterday's server.
static BINARY: LazyLock<PathBuf> = LazyLock::new(build);

/// What the machine that runs the tests may have set, and a test sets only on purpose.
const PROXY_VARIABLES: [&str; 6] =
    ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

/// A configuration file, and the folder it lies in.
pub struct ServerConfig {
    json: Value,
    folder: TempDir,
    handwritten: Option<(String, String)>,
    command: Option<Vec<String>>,
    environment: Vec<(String, String)>,
    public_port: u16,
    internal_port: u16,
}

impl ServerConfig {
    /// The default of the tests: the demo's configuration for a provider, with sessions in memory.
    pub fn new(issuer: &str) -> Self {
        let (public_port, internal_port) = (ports::free(), ports::free());
        let app = format!("http://localhost:{public_port}");
        let folder = TempDir::new().expect("a temporary folder");
        let page = folder.path().join("app");
        std::fs::create_dir(&page).expect("a fresh folder is writable");
        std::fs::write(page.join("index.html"), "<!doctype html><title>the app</title>the app's page")
            .expect("a fresh folder is writable");
        let json = json!({
            "client": {
                "issuer": issuer,
                "clientId": crate::hostile::CLIENT_ID,
                "credentials": {"secret": crate::hostile::CLIENT_SECRET},
                "redirect_uri": format!("{app}/bff/oauth/callback"),
                "postLogoutRedirectUri": format!("{app}/bff/oidc/logout/callback"),
                "scope": "openid profile email offline_access",
            },
            "connections": {"sessions": {"type": "embedded", "config": {}}},
            "session": {
                "mode": {"type": "bff", "sessionIdHardening": "host"},
                "signingKey": random_key(),
                "encryptionKey": random_key(),
                "authorizationFlowCache": {"connectionName": "sessions"},
                "userClaims": ["email", "name"],
            },
            "server": {
                "apiPrefix": "/bff",
                "ip": "127.0.0.1",
                "port": public_port,
                "internal": {"ip": "127.0.0.1", "port": internal_port},
                "static": {"root": page},
            },
        });
        Self {
            json,
            folder,
            handwritten: None,
            command: None,
            environment: Vec::new(),
            public_port,
            internal_port,
        }
    }

    /// Sets a value by its JSON pointer (RFC 6901); objects on the way are made.
    pub fn set(&mut self, pointer: &str, value: Value) -> &mut Self {
        let mut place = &mut self.json;
        for key in pointer.split('/').skip(1) {
            place = &mut place[key];
        }
        *place = value;
        self
    }

    /// Removes a value by its JSON pointer.
    pub fn remove(&mut self, pointer: &str) -> &mut Self {
        if let Some((parent, key)) = pointer.rsplit_once('/')
            && let Some(parent) = self.json.pointer_mut(parent).and_then(Value::as_object_mut)
        {
            parent.remove(key);
        }
        self
    }

    /// A value by its JSON pointer.
    pub fn get(&self, pointer: &str) -> &Value {
        self.json.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// Sets a variable of the server's environment.
    pub fn environment(&mut self, name: &str, value: &str) -> &mut Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes a file beside the configuration.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("a fresh folder is writable");
        path
    }

    /// Has the server read this file instead of the JSON one, whatever [`set`](Self::set) says.
    pub fn handwritten(&mut self, name: &str, text: &str) -> &mut Self {
        self.handwritten = Some((name.to_owned(), text.to_owned()));
        self
    }

    /// Has the server started by this command line, without the configuration file.
    pub fn command(&mut self, arguments: &[&str]) -> &mut Self {
        self.command = Some(arguments.iter().map(|it| (*it).to_owned()).collect());
        self
    }

    /// The port of the public listener.
    pub fn public_port(&self) -> u16 {
        self.public_port
    }

    /// The port of the internal listener.
    pub fn internal_port(&self) -> u16 {
        self.internal_port
    }

    /// Runs another command of the server's binary with this configuration, to its end.
    pub fn run(&self, command: &[&str]) -> Output {
        let mut process = Command::new(BINARY.as_path());
        for variable in PROXY_VARIABLES {
            process.env_remove(variable);
        }
        process
            .arg("--config")
            .arg(self.written())
            .args(command)
            .envs(self.environment.clone())
            .output()
            .expect("the server's binary runs")
    }

    /// The folder of the configuration, which lasts as long as the server.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The origin of the public listener, as browsers see it.
    pub fn app(&self) -> String {
        format!("http://localhost:{}", self.public_port)
    }

    /// The file's text.
    pub fn text(&self) -> String {
        self.json.to_string()
    }

    /// The configuration of another replica behind the same gateway: other ports, the same users.
    #[must_use]
    pub fn replica(&self) -> Self {
        let mut replica = Self::new("");
        let mut json = self.json.clone();
        for pointer in ["/server/port", "/server/internal/port", "/server/static/root"] {
            if let (Some(place), Some(own)) = (json.pointer_mut(pointer), replica.json.pointer(pointer)) {
                *place = own.clone();
            }
        }
        replica.json = json;
        replica.environment.clone_from(&self.environment);
        replica
    }

    /// The same file once more, for a command that runs beside the server.
    #[must_use]
    pub fn copy(&self) -> Self {
        let mut copy = self.replica();
        copy.json = self.json.clone();
        (copy.public_port, copy.internal_port) = (self.public_port, self.internal_port);
        copy
    }

    /// What must not appear in a log.
    fn secrets(&self) -> Vec<String> {
        ["/session/signingKey", "/session/encryptionKey"]
            .iter()
            .filter_map(|pointer| self.get(pointer).as_str().map(str::to_owned))
            .collect()
    }

    fn written(&self) -> PathBuf {
        match &self.handwritten {
            Some((name, text)) => self.file(name, text),
            None => self.file("authtool.json", self.json.to_string()),
        }
    }

    fn spawn(&self) -> Process {
        let path = self.written();
        Process::start("the server", BINARY.as_path(), |command| {
            // The most talkative setting, so that every test also looks for secrets in the log.
            command.env("AUTHTOOL_LOG", "trace").env_remove("RUST_BACKTRACE");
            match &self.command {
                Some(arguments) => command.args(arguments),
                None => command.arg("--config").arg(path),
            };
            for variable in PROXY_VARIABLES {
                command.env_remove(variable);
            }
            command.envs(self.environment.clone());
        })
    }
}

/// The server's binary, for those who start it in another way.
pub fn binary() -> &'static Path {
    BINARY.as_path()
}

/// 32 random bytes in base64.
pub fn random_key() -> String {
    let mut key = [0; 32];
    rand::fill(&mut key).expect("the system has randomness");
    STANDARD.encode(key)
}

/// How the server ended when it refused its configuration.
#[derive(Debug)]
pub struct Refusal {
    /// Its exit status.
    pub code: Option<i32>,
    /// Everything it wrote.
    pub output: String,
}

/// A running server. It is killed with the drop, and its log is printed when the test fails.
pub struct Server {
    /// The public listener's origin, as browsers see it.
    pub public: Url,
    /// The internal listener's origin.
    pub internal: Url,
    /// Its configuration.
    pub config: ServerConfig,
    process: Process,
}

impl Server {
    /// Starts it and waits until it is ready.
    pub async fn start(config: ServerConfig) -> Self {
        let mut server = Self::start_unready(config).await;
        server.is_ready().await;
        server
    }

    /// Starts it and waits until it answers at all: with no provider it is alive, but not ready.
    pub async fn start_unready(config: ServerConfig) -> Self {
        let process = config.spawn();
        let base = |host: &str, port: u16| Url::parse(&format!("http://{host}:{port}/")).expect("a URL");
        let mut server = Self {
            public: base("localhost", config.public_port),
            internal: base("127.0.0.1", config.internal_port),
            config,
            process,
        };
        server.is_alive().await;
        server
    }

    /// Kills it without warning and starts it again with the same configuration.
    pub async fn restart(&mut self) {
        self.process.kill();
        self.process = self.config.spawn();
        self.is_alive().await;
        self.is_ready().await;
    }

    /// Asks it to end, waits for it, and starts it again, as a rolling update does.
    pub async fn restart_gracefully(&mut self) {
        self.asks_to_end();
        self.has_ended().await;
        self.process = self.config.spawn();
        self.is_alive().await;
        self.is_ready().await;
    }

    /// Ends it without warning; [`restart`](Self::restart) starts it again.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it with a configuration that it must refuse.
    ///
    /// # Panics
    /// When it does not end by itself.
    pub fn refuses(config: &ServerConfig) -> Refusal {
        let mut process = config.spawn();
        let status = process.wait_for_end(Duration::from_secs(20)).unwrap_or_else(|| {
            panic!("the server started with {:#}", config.json);
        });
        Refusal { code: status.code(), output: process.log().text() }
    }

    async fn is_alive(&mut self) {
        wait::until("the server is alive", async || {
            if let Some(status) = self.process.ended() {
                panic!("the server ended with {status}");
            }
            let answer = raw::get(&self.internal, "/-/healthz").try_send().await.ok()?;
            answer.status.is_success().then_some(())
        })
        .await;
        // Its two listeners come up one after the other.
        wait::until("the public listener answers", async || {
            raw::get(&self.public, "/bff/session").try_send().await.ok()
        })
        .await;
    }

    /// Waits until it could log a user in.
    pub async fn is_ready(&mut self) {
        wait::until("the server is ready", async || {
            if let Some(status) = self.process.ended() {
                panic!("the server ended with {status}");
            }
            (self.readiness().await.status == 200).then_some(())
        })
        .await;
    }

    /// The answer of `/-/ready`.
    pub async fn readiness(&self) -> Answer {
        raw::get(&self.internal, "/-/ready").send().await
    }

    /// The URL of an endpoint of ours.
    pub fn bff(&self, path: &str) -> Url {
        self.public.join(&format!("/bff{path}")).expect("a path")
    }

    /// What a gateway gets from `/token` on the internal listener for a session cookie's value.
    pub async fn token_for(&self, session_cookie: &str) -> Answer {
        raw::get(&self.internal, "/bff/token")
            .header("cookie", format!("__Host-session_id={session_cookie}"))
            .send()
            .await
    }

    /// Asks it to end, as an orchestrator does.
    pub fn asks_to_end(&self) {
        self.signal("-TERM");
    }

    /// From now on it holds its connections and does nothing: what a paused container does.
    pub fn is_paused(&self) {
        self.signal("-STOP");
    }

    /// It goes on where it was, and its clock has gone on too.
    pub fn goes_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let status =
            Command::new("kill").args([signal, &self.process_id().to_string()]).status().expect("kill runs");
        assert!(status.success(), "kill ended with {status}");
    }

    /// Waits until it has ended, and answers its exit status.
    pub async fn has_ended(&mut self) -> Option<i32> {
        wait::until("the server has ended", async || self.process.ended()).await.code()
    }

    /// What it wrote so far.
    pub fn log(&self) -> &crate::Log {
        self.process.log()
    }

    /// The secrets of its configuration.
    pub fn secrets(&self) -> Vec<String> {
        self.config.secrets()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.ended().is_none()
    }

    /// From now on, no file can be written: what a full disk does.
    pub fn fills_the_disk(&self) {
        self.limit_file_size("0");
    }

    /// Files can be written again.
    pub fn frees_the_disk(&self) {
        self.limit_file_size("unlimited");
    }

    fn limit_file_size(&self, soft: &str) {
        let id = self.process.id().expect("the process has started");
        let status = Command::new("prlimit")
            .args(["--pid", &id.to_string(), &format!("--fsize={soft}:unlimited")])
            .status()
            .expect("prlimit (Debian: util-linux) is installed");
        assert!(status.success(), "prlimit ended with {status}");
    }

    /// Its process id, to look at what it uses.
    pub fn process_id(&self) -> u32 {
        self.process.id().expect("the process has started")
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        let id = self.process_id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("the process runs");
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse().ok())
            .expect("a process has a size")
    }
}

/// `target/<profile>` of this test binary, wherever the target folder is.
fn target_profile_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test binary has a path");
    test.ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == "deps"))
        .and_then(Path::parent)
        .unwrap_or_else(|| panic!("{} is not in a target folder", test.display()))
        .to_owned()
}

fn build() -> PathBuf {
    if let Some(binary) = std::env::var_os("AUTHTOOL_BFF") {
        return PathBuf::from(binary);
    }
    let folder = target_profile_folder();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "authtool-bff", "--bin", "authtool-bff"]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let output = cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", folder.parent().expect("a profile folder is in a target folder"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "authtool-bff does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    folder.join("authtool-bff")
}
