//! `authtool-bff health`: what a container's health check runs, in an image without a shell or curl.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use authtool_bff::Config;
use authtool_contract::endpoint;
use clap::Args;

use crate::{Outcome, say};

const PATIENCE: Duration = Duration::from_secs(4);

/// Whom to ask, and for what.
#[derive(Args)]
pub(crate) struct Options {
    /// The internal listener. Default: that of the configuration file.
    #[arg(long, value_name = "ADDRESS")]
    internal: Option<SocketAddr>,
    /// Ask whether a login would work, which needs the store and the provider, and not only whether the process lives.
    #[arg(long)]
    ready: bool,
}

/// Succeeds if the server says that it is well.
pub(crate) fn ask(path: &Path, options: &Options) -> Outcome {
    let address = match options.internal {
        Some(address) => address,
        None => reachable(Config::load(path)?.server.internal),
    };
    let url = format!("http://{address}{}", if options.ready { endpoint::READY } else { endpoint::HEALTHZ });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (status, body) = runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let response = client.get(&url).send().await?;
        Ok::<_, reqwest::Error>((response.status(), response.text().await?))
    })?;
    say(&mut std::io::stdout(), &body);
    if status.is_success() { Ok(()) } else { Err(format!("{url} answered {status}").into()) }
}

/// Where a listener on all addresses is found from here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
