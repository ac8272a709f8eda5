//! A real Caddy in front of a real server, with the recipe of `gateway/caddy`.

use crate::{Process, raw, wait};
use std::path::PathBuf;
use tempfile::TempDir;
use url::Url;

/// A running Caddy. It stops with the drop, and its log is printed when the test fails.
pub struct Caddy {
    /// The origin of its listener, as browsers see it.
    pub public: Url,
    process: Process,
    _folder: TempDir,
}

impl Caddy {
    /// Starts it with the recipe, its addresses replaced by these, and waits until it answers.
    pub async fn start(port: u16, server: &Url, internal: &Url, api: &str) -> Self {
        Self::with(port, server, internal, api, |recipe| recipe).await
    }

    /// The same with the recipe changed as an operator would.
    pub async fn with(
        port: u16,
        server: &Url,
        internal: &Url,
        api: &str,
        edit: impl FnOnce(String) -> String,
    ) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let at = |url: &Url| format!("127.0.0.1:{}", url.port().expect("a port"));
        let mut site = std::fs::read_to_string(recipe()).expect("the recipe is there");
        for (what, by) in [
            ("127.0.0.1:3000", at(server)),
            ("127.0.0.1:3001", at(internal)),
            ("127.0.0.1:4000", api.trim_start_matches("http://").to_owned()),
            ("app.example.com:8080", format!("localhost:{port}")),
        ] {
            assert!(site.contains(what), "the recipe has no {what}");
            site = site.replace(what, &by);
        }
        let path = folder.path().join("Caddyfile");
        std::fs::write(&path, edit(site)).expect("a fresh folder is writable");
        let process = Process::start("Caddy", binary(), |command| {
            command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&path);
            // It keeps what it remembers there.
            command.env("HOME", folder.path()).env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
        });
        let public = Url::parse(&format!("http://localhost:{port}/")).expect("a URL");
        let mut caddy = Self { public, process, _folder: folder };
        wait::until("Caddy answers", async || {
            if let Some(status) = caddy.process.ended() {
                panic!("Caddy ended with {status}");
            }
            raw::get(&caddy.public, "/bff/session").try_send().await.ok()
        })
        .await;
        caddy
    }
}

fn recipe() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../gateway/caddy/Caddyfile")
}

fn binary() -> PathBuf {
    ["/usr/bin/caddy", "/usr/local/bin/caddy"]
        .into_iter()
        .map(PathBuf::from)
        .find(|it| it.is_file())
        .expect("Caddy is installed: apt-get install caddy (cargo xtask test does it)")
}
