//! Connections to Redis. Only multiplexed ones: a request that is dropped halfway leaves nothing in a socket
//! for the next one to read (SEC-59). However many requests fail at once, one of them reconnects.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo as _, Pipeline,
    ProtocolVersion, RedisConnectionInfo, RedisError, RedisFuture, ServerErrorKind, TlsCertificates, TlsMode,
    Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    io::tcp::TcpSettings,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use rustls_pki_types::CertificateDer;
use tokio::{sync::Mutex, time::Instant};
use zeroize::Zeroizing;

use super::cache::Caching;
use crate::adapters::outbound::Trust;

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Of one node of a Cluster, after which another is asked.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// After a failed connection the next one waits, doubling.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(50);
pub(super) const LAST_PAUSE: Duration = Duration::from_secs(1);

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
}

impl Tls {
    fn trust(&self) -> Trust {
        match &self.ca {
            Some(ca) => Trust::only(ca),
            None => Trust::with(&self.authorities),
        }
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
}

/// Makes connections besides the one that everybody shares. Not to a Cluster, which has no one place to connect to.
pub(super) struct Dialler(Source);

impl Dialler {
    pub(super) fn new(settings: RedisSettings) -> Result<Self, RedisError> {
        source(settings).map(Self)
    }

    pub(super) async fn dial(
        &self,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisError> {
        match &self.0 {
            Source::Standalone(client) => client.get_multiplexed_async_connection_with_config(config).await,
            Source::Sentinel(client) => client.lock().await.get_async_connection_with_config(config).await,
            Source::Cluster(_) => {
                Err(RedisError::from((ErrorKind::InvalidClientConfig, "a Cluster is several servers")))
            }
        }
    }
}

/// A connection of whichever kind, cheap to clone.
#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(it) => it.req_packed_command(cmd),
            Self::Cluster(it) => it.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(it) => it.req_packed_commands(cmd, offset, count),
            Self::Cluster(it) => it.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(it) => it.get_db(),
            Self::Cluster(it) => it.get_db(),
        }
    }
}

/// The way to Redis.
pub(super) struct Link {
    source: Source,
    slot: RwLock<Slot>,
    connecting: Mutex<Pause>,
}

enum Source {
    Standalone(Box<Client>),
    /// A new primary is looked up when the old one fails.
    Sentinel(Box<Mutex<SentinelClient>>),
    /// Follows the cluster by itself, once it has been found.
    Cluster(Arc<ClusterClient>),
}

#[derive(Default)]
struct Slot {
    connection: Option<Connection>,
    generation: u64,
}

/// When the next attempt may be made, after one that failed.
struct Pause {
    until: Instant,
    length: Duration,
}

impl Link {
    pub(super) fn new(settings: RedisSettings) -> Result<Self, RedisError> {
        Ok(Self {
            source: source(settings)?,
            slot: RwLock::default(),
            connecting: Mutex::new(Pause { until: Instant::now(), length: FIRST_PAUSE }),
        })
    }

    /// The current connection and its generation, made now if there is none.
    pub(super) async fn get(&self) -> Result<(Connection, u64), RedisError> {
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let mut pause = self.connecting.lock().await;
        if let Some(current) = self.current() {
            return Ok(current);
        }
        if Instant::now() < pause.until {
            return Err(RedisError::from((
                ErrorKind::Io,
                "not connected; the next attempt is due in a moment",
            )));
        }
        match tokio::time::timeout(CONNECT_TIMEOUT, self.connect()).await {
            Ok(Ok(connection)) => {
                pause.length = FIRST_PAUSE;
                let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
                slot.generation += 1;
                slot.connection = Some(connection.clone());
                Ok((connection, slot.generation))
            }
            failed => {
                pause.until = Instant::now() + pause.length;
                pause.length = (pause.length * 2).min(LAST_PAUSE);
                match failed {
                    Ok(Err(error)) => Err(error),
                    _ => Err(RedisError::from((ErrorKind::Io, "no connection could be made in time"))),
                }
            }
        }
    }

    /// Lets go of a connection after an error that a new one may not have.
    pub(super) fn judge(&self, error: &RedisError, generation: u64) {
        // An answer to another question may be the first of many.
        let confused = error.kind() == ErrorKind::UnexpectedReturnType;
        let broken = error.is_io_error() || error.is_timeout() || error.is_unrecoverable_error() || confused;
        // A primary that became a replica may keep its connections; the name may lead elsewhere by now.
        let demoted = matches!(
            error.kind(),
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
        );
        if demoted || broken {
            self.let_go(generation);
        }
    }

    /// Lets go of a connection on which nothing was heard in time.
    pub(super) fn let_go(&self, generation: u64) {
        // Follows the cluster by itself.
        if let Source::Cluster(_) = self.source {
            return;
        }
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        if slot.generation == generation {
            slot.connection = None;
        }
    }

    fn current(&self) -> Option<(Connection, u64)> {
        let slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
        Some((slot.connection.clone()?, slot.generation))
    }

    async fn connect(&self) -> Result<Connection, RedisError> {
        // Whoever waits for an answer has a time limit of his own, and none of a connection's besides.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None);
        match &self.source {
            Source::Standalone(client) => {
                client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::Server)
            }
            Source::Sentinel(client) => {
                let mut client = client.lock().await;
                client.get_async_connection_with_config(&config).await.map(Connection::Server)
            }
            Source::Cluster(client) => client.get_async_connection().await.map(Connection::Cluster),
        }
    }
}

fn source(settings: RedisSettings) -> Result<Source, RedisError> {
    let RedisSettings { topology, db, credentials, protocol, tls, .. } = settings;
    let protocol = match protocol {
        Protocol::Resp2 => ProtocolVersion::RESP2,
        Protocol::Resp3 => ProtocolVersion::RESP3,
    };
    let certificates =
        tls.as_ref().map(|tls| TlsCertificates { client_tls: None, root_cert: Some(tls.trust().to_pem()) });
    let address = |endpoint: &Endpoint| match &tls {
        None => ConnectionAddr::Tcp(endpoint.host.clone(), endpoint.port),
        Some(_) => ConnectionAddr::TcpTls {
            host: endpoint.host.clone(),
            port: endpoint.port,
            insecure: false,
            tls_params: None,
        },
    };
    match topology {
        Topology::Standalone(endpoint) => {
            let mut redis = RedisConnectionInfo::default().set_db(db).set_protocol(protocol);
            if let Some(username) = &credentials.username {
                redis = redis.set_username(username);
            }
            if let Some(password) = &credentials.password {
                redis = redis.set_password(password.as_str());
            }
            let info = address(&endpoint)
                .into_connection_info()?
                .set_tcp_settings(tcp_settings())
                .set_redis_settings(redis);
            let client = match certificates {
                Some(certificates) => Client::build_with_tls(info, certificates)?,
                None => Client::open(info)?,
            };
            Ok(Source::Standalone(Box::new(client)))
        }
        Topology::Sentinel { nodes, primary, credentials: at_sentinels } => {
            let mut builder =
                SentinelClientBuilder::new(nodes.iter().map(address), primary, SentinelServerType::Master)?
                    .set_client_to_redis_db(db)
                    .set_client_to_redis_protocol(protocol)
                    .set_client_to_redis_tcp_settings(tcp_settings());
            if let Some(certificates) = certificates {
                builder = builder
                    .set_client_to_redis_tls_mode(TlsMode::Secure)
                    .set_client_to_redis_certificates(certificates.clone())
                    .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                    .set_client_to_sentinel_certificates(certificates);
            }
            if let Some(username) = &credentials.username {
                builder = builder.set_client_to_redis_username(username);
            }
            if let Some(password) = &credentials.password {
                builder = builder.set_client_to_redis_password(password.as_str());
            }
            if let Some(username) = &at_sentinels.username {
                builder = builder.set_client_to_sentinel_username(username);
            }
            if let Some(password) = &at_sentinels.password {
                builder = builder.set_client_to_sentinel_password(password.as_str());
            }
            Ok(Source::Sentinel(Box::new(Mutex::new(builder.build()?))))
        }
        Topology::Cluster(nodes) => {
            let mut builder = ClusterClient::builder(nodes.iter().map(address))
                .use_protocol(protocol)
                .connection_timeout(CONNECT_TIMEOUT)
                .response_timeout(RESPONSE_TIMEOUT)
                .tcp_settings(tcp_settings())
                .retries(3);
            if let Some(certificates) = certificates {
                builder = builder.tls(TlsMode::Secure).certs(certificates);
            }
            if let Some(username) = &credentials.username {
                builder = builder.username(username);
            }
            if let Some(password) = &credentials.password {
                builder = builder.password(password.as_str());
            }
            Ok(Source::Cluster(Arc::new(builder.build()?)))
        }
    }
}

/// A host that vanished is noticed by the kernel too, and not only after a quarter of an hour.
fn tcp_settings() -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(Duration::from_secs(10));
    settings
}
