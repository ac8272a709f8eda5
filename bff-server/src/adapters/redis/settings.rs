//! What describes a Redis and the way to it.

use std::{fmt, path::PathBuf, sync::Arc};

use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::cache::Caching;
use crate::adapters::outbound::{ClientIdentity, Trust};

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The name or address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Which Redis it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One server, at `host` and `port`.
    Standalone(Endpoint),
    /// One server on this machine, by the path of its Unix socket.
    Socket(PathBuf),
    /// The primary that Sentinels name.
    Sentinel {
        /// The Sentinels.
        nodes: Vec<Endpoint>,
        /// The name under which they watch the primary.
        primary: String,
        /// How to log in at the Sentinels themselves.
        credentials: Credentials,
    },
    /// A Cluster, found through some of its nodes.
    Cluster(Vec<Endpoint>),
}

/// An ACL user (Redis 6 and newer), a password alone, or neither.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Zeroizing<String>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The wire protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The one that every Redis speaks.
    Resp2,
    /// The one since Redis 6.
    Resp3,
}

/// Encryption, always with verification of certificate and host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Authorities to trust instead of all others.
    pub ca: Option<Vec<CertificateDer<'static>>>,
    /// Without `ca`: what is trusted besides the system's (`server.outbound.tls.ca`).
    pub authorities: Vec<CertificateDer<'static>>,
    /// The client's own certificate, for a server that asks for one.
    pub identity: Option<ClientIdentity>,
}

impl Tls {
    pub(super) fn trust(&self) -> Trust {
        match &self.ca {
            Some(ca) => Trust::only(ca),
            None => Trust::with(&self.authorities),
        }
    }
}

type Rereading = dyn Fn() -> Option<RedisSettings> + Send + Sync;

/// How to read the settings once more, after Redis has refused what was read before: passwords and certificates in files are
/// rotated while the server runs. Two settings are compared without it.
#[derive(Clone, Default)]
pub struct Reread(Option<Arc<Rereading>>);

impl Reread {
    /// By this function, which may read files.
    pub fn by(reread: impl Fn() -> Option<RedisSettings> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(reread)))
    }
}

impl PartialEq for Reread {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Reread {}

impl fmt::Debug for Reread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reread")
    }
}

/// Everything about the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// Which Redis it is.
    pub topology: Topology,
    /// In front of every key.
    pub namespace: String,
    /// The database number; a Cluster has only 0.
    pub db: i64,
    /// How to log in.
    pub credentials: Credentials,
    /// Which protocol to speak.
    pub protocol: Protocol,
    /// Whether to encrypt.
    pub tls: Option<Tls>,
    /// Whether sessions are kept in this process's memory too.
    pub caching: Caching,
    /// Where they can be read once more.
    pub reread: Reread,
}

impl RedisSettings {
    /// These settings with the credentials and certificates that are there now, if they are others than before. Reads
    /// files.
    pub(super) fn rotated(&self) -> Option<Self> {
        let mut now = (self.reread.0.as_ref()?)()?;
        if let (Some(tls), Some(ours)) = (&mut now.tls, &self.tls) {
            tls.authorities.clone_from(&ours.authorities);
        }
        // A rotation changes nothing else: what leads to another place is for a reload to decide.
        let topology = match (now.topology, &self.topology) {
            (Topology::Sentinel { credentials, .. }, Topology::Sentinel { nodes, primary, .. }) => {
                Topology::Sentinel { nodes: nodes.clone(), primary: primary.clone(), credentials }
            }
            _ => self.topology.clone(),
        };
        let tls = if self.tls.is_some() && now.tls.is_some() { now.tls } else { self.tls.clone() };
        let rotated = Self { topology, credentials: now.credentials, tls, ..self.clone() };
        (rotated != *self).then_some(rotated)
    }
}
