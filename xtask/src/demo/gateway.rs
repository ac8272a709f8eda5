//! What the demo starts around a gateway: Redis, two servers and Envoy, which is configured by `authtool-bff envoy`.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::{PATIENCE, Services, config};
use crate::ports::Ports;
use crate::{Context, debian, envoy, redis};

/// The two servers. One of them may end.
pub(super) const REPLICAS: [&str; 2] = ["first server", "second server"];
const REDIS: &str = "Redis";
const ENVOY: &str = "Envoy";
/// For whom the provider's access tokens are: see tests/provider/configuration.mjs.
const AUDIENCE: &str = "https://api.authtool.example";

/// What must be installed.
pub(super) struct Gateway {
    envoy: PathBuf,
}

/// Makes sure that Redis and Envoy are there.
pub(super) fn install(context: &Context) -> Result<Gateway> {
    debian::ensure(context, &[&redis::PART])?;
    Ok(Gateway { envoy: envoy::ensure_installed(context)? })
}

impl Gateway {
    /// Starts all of it, and waits until a login would work. `configs` are those of the two servers.
    pub(super) fn start(
        &self,
        context: &Context,
        ports: Ports,
        folder: &Path,
        configs: &[PathBuf],
        services: &mut Services<'_>,
    ) -> Result<()> {
        let (Some(behind), [first, second]) = (ports.behind, configs) else {
            bail!("behind a gateway there are two servers");
        };
        let mut redis = Command::new("redis-server");
        redis
            .args(["--bind", "127.0.0.1", "--port", &behind.redis.to_string()])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(folder);
        services.start(REDIS, &redis)?;
        await_connection(behind.redis)?;

        let binary = context.workspace.target("debug").join("authtool-bff");
        for (name, path) in REPLICAS.into_iter().zip([first, second]) {
            let mut server = Command::new(&binary);
            server.current_dir(context.workspace.path(".")).arg("--config").arg(path);
            let id = services.start(name, &server)?;
            services.replicas.push(id);
        }
        for (name, port) in REPLICAS.into_iter().zip([ports.internal, behind.second_internal]) {
            services.await_answer(name, port, "/-/ready", 200)?;
        }

        let bootstrap = folder.join("envoy.yaml");
        let address = |port: u16| format!("127.0.0.1:{port}");
        let output = Command::new(&binary)
            .args(["envoy", "--config"])
            .arg(first)
            .args(["--listen", &address(ports.app)])
            .args(["--bff", &address(behind.first), "--bff", &address(behind.second)])
            .args(["--bff-internal", &address(ports.internal)])
            .args(["--bff-internal", &address(behind.second_internal)])
            .args(["--api", &format!("/api={}", config::api_origin(ports)), "--audience", AUDIENCE])
            .arg("--lua-folder")
            .arg(context.workspace.path("gateway/envoy"))
            .output()
            .context("cannot run authtool-bff")?;
        if !output.status.success() {
            bail!("`authtool-bff envoy` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        fs::write(&bootstrap, output.stdout)
            .with_context(|| format!("cannot write {}", bootstrap.display()))?;
        let mut envoy = Command::new(&self.envoy);
        envoy.arg("-c").arg(&bootstrap).args([
            "--disable-hot-restart",
            "--concurrency",
            "2",
            "--log-level",
            "warning",
        ]);
        services.start(ENVOY, &envoy)?;
        // Through all of it: the app, and the API, which wants somebody to be logged in.
        services.await_answer(ENVOY, ports.app, "/", 200)?;
        services.await_answer(ENVOY, ports.app, "/api/", 401)
    }
}

fn await_connection(port: u16) -> Result<()> {
    let started = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if started.elapsed() > PATIENCE {
            bail!("Redis does not listen on port {port}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
