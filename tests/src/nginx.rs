//! A real nginx in front of a real server, with the recipes of `gateway/nginx`.

use crate::{Process, raw, wait};
use std::path::PathBuf;
use tempfile::TempDir;
use url::Url;

/// A running nginx. It stops with the drop, and its log is printed when the test fails.
pub struct Nginx {
    /// The origin of its listener, as browsers see it.
    pub public: Url,
    process: Process,
    _folder: TempDir,
}

impl Nginx {
    /// Starts it with the recipe for APIs, its addresses replaced by these, and waits until it answers.
    pub async fn start(port: u16, server: &Url, internal: &Url, api: &str) -> Self {
        Self::with("authtool.conf", port, server, internal, api, |recipe| recipe).await
    }

    /// The same with one of the recipes, changed as an operator would.
    pub async fn with(
        recipe: &str,
        port: u16,
        server: &Url,
        internal: &Url,
        api: &str,
        edit: impl FnOnce(String) -> String,
    ) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let at = |url: &Url| format!("127.0.0.1:{}", url.port().expect("a port"));
        let mut site = std::fs::read_to_string(recipes().join(recipe)).expect("the recipe is there");
        for (what, by) in [
            ("127.0.0.1:3000", at(server)),
            ("127.0.0.1:3001", at(internal)),
            ("127.0.0.1:4000", api.trim_start_matches("http://").to_owned()),
            ("listen 8080", format!("listen 127.0.0.1:{port}")),
            ("app.example.com", "localhost".to_owned()),
        ] {
            assert!(site.contains(what), "the recipe has no {what}");
            site = site.replace(what, &by);
        }
        let site = edit(site);
        let at = folder.path().display();
        // One process alone: a worker would outlive its master when that is killed.
        let file = format!(
            "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log stderr warn;\nevents {{}}\nhttp {{\n\
             access_log off;\nclient_body_temp_path {at}/body;\nproxy_temp_path {at}/proxy;\n\
             fastcgi_temp_path {at}/fastcgi;\nuwsgi_temp_path {at}/uwsgi;\nscgi_temp_path {at}/scgi;\n{site}\n}}\n"
        );
        let path = folder.path().join("nginx.conf");
        std::fs::write(&path, file).expect("a fresh folder is writable");
        let process = Process::start("nginx", binary(), |command| {
            command.arg("-p").arg(folder.path()).arg("-c").arg(&path).args(["-e", "stderr"]);
        });
        let public = Url::parse(&format!("http://localhost:{port}/")).expect("a URL");
        let mut nginx = Self { public, process, _folder: folder };
        wait::until("nginx answers", async || {
            if let Some(status) = nginx.process.ended() {
                panic!("nginx ended with {status}");
            }
            raw::get(&nginx.public, "/").try_send().await.ok()
        })
        .await;
        nginx
    }
}

fn recipes() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../gateway/nginx")
}

fn binary() -> PathBuf {
    ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"]
        .into_iter()
        .map(PathBuf::from)
        .find(|it| it.is_file())
        .expect("nginx is installed: apt-get install nginx (cargo xtask test does it)")
}
