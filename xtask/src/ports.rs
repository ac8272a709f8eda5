//! The ports of the demo, and whether they are free.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use anyhow::{Result, bail};

/// Where the parts of the demo listen: four ports in a row, and four more behind a gateway.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    /// What the browser talks to: app, `/bff` and `/api`.
    pub(crate) app: u16,
    /// The server's internal listener.
    pub(crate) internal: u16,
    /// The OpenID Provider.
    pub(crate) provider: u16,
    /// The protected API.
    pub(crate) api: u16,
    /// What there is only behind a gateway, which then has the port `app`.
    pub(crate) behind: Option<BehindGateway>,
}

/// Two servers, and the store that they share.
#[derive(Clone, Copy)]
pub(crate) struct BehindGateway {
    /// The first server's public listener; its internal one is [`Ports::internal`].
    pub(crate) first: u16,
    /// The second server's public listener.
    pub(crate) second: u16,
    /// The second server's internal listener.
    pub(crate) second_internal: u16,
    /// Redis.
    pub(crate) redis: u16,
}

impl Ports {
    /// The highest port that leaves room for the other seven.
    pub(crate) const HIGHEST: i64 = 65_528;

    /// `first` and the three after it.
    pub(crate) fn from(first: u16) -> Self {
        Self { app: first, internal: first + 1, provider: first + 2, api: first + 3, behind: None }
    }

    /// `first` and the seven after it.
    pub(crate) fn with_gateway(first: u16) -> Self {
        let behind = BehindGateway {
            first: first + 4,
            second: first + 5,
            second_internal: first + 6,
            redis: first + 7,
        };
        Self { behind: Some(behind), ..Self::from(first) }
    }

    /// Fails with the name of the first port that something else listens on.
    pub(crate) fn check_free(self) -> Result<()> {
        let mut uses = vec![
            (self.app, "the app"),
            (self.internal, "the server's internal listener"),
            (self.provider, "the OpenID Provider"),
            (self.api, "the demo API"),
        ];
        if let Some(behind) = self.behind {
            uses.extend([
                (behind.first, "the first server"),
                (behind.second, "the second server"),
                (behind.second_internal, "the second server's internal listener"),
                (behind.redis, "Redis"),
            ]);
        }
        for (port, purpose) in &uses {
            if !is_free(*port)? {
                let other = if self.app < 60_000 { self.app + 1000 } else { 3000 };
                bail!(
                    "port {port} (for {purpose}) is taken.\n\
                     Stop what listens there, or choose {} other ports in a row: `cargo xtask demo --port {other}`",
                    uses.len(),
                );
            }
        }
        Ok(())
    }
}

fn is_free(port: u16) -> Result<bool> {
    // IPv6 too: a browser tries ::1 first for `localhost`, and would talk to whoever listens there.
    for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        match TcpListener::bind((address, port)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Ok(false),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                bail!("port {port} needs privileges; choose one above 1023 with --port")
            }
            // A machine without IPv6 has nobody listening there.
            Err(_) if address.is_ipv6() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_somebody_listens_on_is_named_in_the_error() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = listener.local_addr().unwrap().port();
        let ports = Ports { app: taken, internal: taken, provider: taken, api: taken, behind: None };
        let message = ports.check_free().unwrap_err().to_string();
        assert!(message.contains(&format!("port {taken}")), "{message}");
        assert!(message.contains("--port"), "{message}");
    }
}
