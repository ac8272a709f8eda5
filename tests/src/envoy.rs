//! A real Envoy in front of a real server, configured by `authtool-bff envoy`.

use crate::{Process, ServerConfig, ports, raw, wait};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use url::Url;

/// The version that `cargo xtask test` installs.
const VERSION: &str = "1.40.0";

/// A way in which Envoy exchanges the cookie for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// By the Lua module.
    Lua,
    /// By `ext_authz` over HTTP.
    ExtAuthzHttp,
    /// By `ext_authz` over gRPC.
    ExtAuthzGrpc,
}

impl Exchange {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Lua, Self::ExtAuthzHttp, Self::ExtAuthzGrpc];

    /// As `authtool-bff envoy` is told.
    pub const fn argument(self) -> &'static str {
        match self {
            Self::Lua => "--exchange=lua",
            Self::ExtAuthzHttp => "--exchange=ext-authz-http",
            Self::ExtAuthzGrpc => "--exchange=ext-authz-grpc",
        }
    }
}

/// A running Envoy. It stops with the drop, and its log is printed when the test fails.
pub struct Envoy {
    /// The origin of its listener, as browsers see it.
    pub public: Url,
    process: Process,
    folder: TempDir,
}

impl Envoy {
    /// Starts it with a configuration that the server's binary made, and waits until it answers.
    pub async fn start(bootstrap: &str, port: u16) -> Self {
        Self::with(bootstrap, port, &[]).await
    }

    /// [`start`](Self::start) with variables in its environment.
    pub async fn with(bootstrap: &str, port: u16, environment: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let file = folder.path().join("envoy.yaml");
        std::fs::write(&file, bootstrap).expect("a fresh folder is writable");
        let process = Process::start("Envoy", binary(), |command| {
            command.envs(environment.iter().copied());
            command.arg("-c").arg(&file).args([
                "--concurrency",
                "1",
                "--disable-hot-restart",
                "--log-level",
                "warning",
            ]);
        });
        let public = Url::parse(&format!("http://localhost:{port}/")).expect("a URL");
        let mut envoy = Self { public, process, folder };
        wait::until("Envoy answers", async || {
            if let Some(status) = envoy.process.ended() {
                panic!("Envoy ended with {status}");
            }
            let answer = raw::get(&envoy.public, "/bff/session").try_send().await.ok()?;
            // 503 until the first health check.
            (answer.status != 503).then_some(())
        })
        .await;
        envoy
    }

    /// Has the binary check a configuration, and answers whether it is good and what was said.
    pub fn validate(bootstrap: &str) -> (bool, String) {
        let folder = TempDir::new().expect("a temporary folder");
        let file = folder.path().join("envoy.yaml");
        std::fs::write(&file, bootstrap).expect("a fresh folder is writable");
        let output = std::process::Command::new(binary())
            .args(["--mode", "validate", "-c"])
            .arg(&file)
            .output()
            .expect("Envoy runs");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The configuration that `authtool-bff envoy` makes of a server's.
    pub fn bootstrap(config: &ServerConfig, port: u16, arguments: &[&str]) -> String {
        let listen = format!("127.0.0.1:{port}");
        let mut command = vec!["envoy", "--listen", &listen];
        command.extend(arguments);
        let output = config.run(&command);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("YAML is UTF-8")
    }

    /// A port to listen on.
    pub fn port() -> u16 {
        ports::free()
    }

    /// What it wrote so far: its own log, and the access log.
    pub fn log(&self) -> &crate::Log {
        self.process.log()
    }

    /// Its process id, to look at what it uses.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The folder of its configuration.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Where `token-exchange.lua` is.
pub fn lua_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../gateway/envoy")
}

/// The Envoy that tests run.
///
/// # Panics
/// When there is none.
pub fn binary() -> PathBuf {
    let named = std::env::var_os("ENVOY").map(PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .filter(|it| !it.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let installed = cache.map(|it| it.join(format!("authtool/tools/envoy-{VERSION}/envoy")));
    named.into_iter().chain(installed).find(|it| it.is_file()).unwrap_or_else(|| {
        panic!("there is no Envoy {VERSION}: `cargo xtask test rust` installs it; or name one in ENVOY")
    })
}
