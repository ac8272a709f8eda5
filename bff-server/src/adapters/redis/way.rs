//! How connections to Redis are made, and with what: credentials and certificates that were rotated are read again.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo as _,
    Pipeline, ProtocolVersion, RedisConnectionInfo, RedisError, RedisFuture, TlsCertificates, TlsMode, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use tokio::sync::Mutex;

use super::settings::{Endpoint, Protocol, RedisSettings, Topology};

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Of one node of a Cluster, after which it is connected to and asked again.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Well below the five minutes after which the most impatient of the usual NAT gateways forget a connection.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_AGAIN: Duration = Duration::from_secs(5);

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

enum Source {
    Server(Box<Client>),
    /// A new primary is looked up for each connection.
    Sentinel(Box<Mutex<SentinelClient>>),
    /// Follows the cluster by itself, once it has been found.
    Cluster(Box<ClusterClient>),
}

struct Current {
    settings: RedisSettings,
    source: Source,
}

/// See the [module](self).
pub(super) struct Way {
    current: RwLock<Arc<Current>>,
    rereading: Mutex<()>,
}

impl Way {
    pub(super) fn new(settings: RedisSettings) -> Result<Self, RedisError> {
        let source = source(&settings)?;
        Ok(Self { current: RwLock::new(Arc::new(Current { settings, source })), rereading: Mutex::default() })
    }

    /// What is in use now.
    pub(super) fn settings(&self) -> RedisSettings {
        self.current().settings.clone()
    }

    /// Whether it follows its servers by itself.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.current().source, Source::Cluster(_))
    }

    /// Makes a connection. If that fails, and other credentials or certificates are found where they are configured, it is
    /// tried once more with them.
    pub(super) async fn connect(&self, config: &AsyncConnectionConfig) -> Result<Connection, RedisError> {
        let current = self.current();
        match current.connect(config).await {
            Ok(connection) => Ok(connection),
            Err(error) => match self.read_again(&current).await {
                Some(rotated) => rotated.connect(config).await,
                None => Err(error),
            },
        }
    }

    /// Makes a connection to one server. Not to a Cluster, which has no one place to connect to.
    pub(super) async fn dial(
        &self,
        config: &AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisError> {
        match self.connect(config).await? {
            Connection::Server(connection) => Ok(connection),
            Connection::Cluster(_) => Err(several_servers()),
        }
    }

    fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is there now, if it is not what was refused.
    async fn read_again(&self, refused: &Arc<Current>) -> Option<Arc<Current>> {
        let _alone = self.rereading.lock().await;
        let current = self.current();
        if !Arc::ptr_eq(&current, refused) {
            return Some(current);
        }
        // Files may be on a disk that hangs.
        let settings = tokio::task::spawn_blocking(move || current.settings.rotated()).await.ok()??;
        let source = source(&settings)
            .inspect_err(|error| tracing::warn!(%error, "rotated credentials of Redis cannot be used"))
            .ok()?;
        tracing::info!(
            event = "redis_credentials_rotated",
            "Redis could not be used with the credentials and certificates that were read before, and those that are \
             configured have changed; taking the new ones"
        );
        let rotated = Arc::new(Current { settings, source });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&rotated);
        Some(rotated)
    }
}

impl Current {
    async fn connect(&self, config: &AsyncConnectionConfig) -> Result<Connection, RedisError> {
        match &self.source {
            Source::Server(client) => {
                client.get_multiplexed_async_connection_with_config(config).await.map(Connection::Server)
            }
            Source::Sentinel(client) => {
                client.lock().await.get_async_connection_with_config(config).await.map(Connection::Server)
            }
            Source::Cluster(client) => client.get_async_connection().await.map(Connection::Cluster),
        }
    }
}

fn several_servers() -> RedisError {
    RedisError::from((ErrorKind::InvalidClientConfig, "a Cluster is several servers"))
}

fn source(settings: &RedisSettings) -> Result<Source, RedisError> {
    let RedisSettings { topology, db, credentials, protocol, tls, .. } = settings;
    let db = *db;
    let protocol = match protocol {
        Protocol::Resp2 => ProtocolVersion::RESP2,
        Protocol::Resp3 => ProtocolVersion::RESP3,
    };
    let certificates = tls.as_ref().map(|tls| TlsCertificates {
        client_tls: tls.identity.as_ref().map(|identity| ClientTlsConfig {
            client_cert: identity.chain_to_pem(),
            client_key: identity.key_to_pem().to_vec(),
        }),
        root_cert: Some(tls.trust().to_pem()),
    });
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
        Topology::Standalone(_) | Topology::Socket(_) => {
            let address = match topology {
                Topology::Standalone(endpoint) => address(endpoint),
                Topology::Socket(path) => ConnectionAddr::Unix(path.clone()),
                Topology::Sentinel { .. } | Topology::Cluster(_) => return Err(several_servers()),
            };
            // Some proxies close a connection on which they are sent `CLIENT`.
            let mut redis =
                RedisConnectionInfo::default().set_db(db).set_protocol(protocol).set_skip_set_lib_name();
            if let Some(username) = &credentials.username {
                redis = redis.set_username(username);
            }
            if let Some(password) = &credentials.password {
                redis = redis.set_password(password.as_str());
            }
            let info =
                address.into_connection_info()?.set_tcp_settings(tcp_settings()).set_redis_settings(redis);
            let client = match certificates {
                Some(certificates) => Client::build_with_tls(info, certificates)?,
                None => Client::open(info)?,
            };
            Ok(Source::Server(Box::new(client)))
        }
        Topology::Sentinel { nodes, primary, credentials: at_sentinels } => {
            let mut builder = SentinelClientBuilder::new(
                nodes.iter().map(address),
                primary.clone(),
                SentinelServerType::Master,
            )?
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
            Ok(Source::Cluster(Box::new(builder.build()?)))
        }
    }
}

/// A host that vanished is noticed by the kernel too, and not only after a quarter of an hour; what forgets connections that
/// are idle (NAT, firewalls, balancers) has something to see on them.
fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_AGAIN);
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(Duration::from_secs(10));
    settings
}
