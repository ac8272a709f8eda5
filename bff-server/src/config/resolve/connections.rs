//! `connections`, and the one that `session.authorizationFlowCache` names.

use std::{collections::BTreeMap, time::Duration};

use zeroize::Zeroizing;

use super::{
    Notes,
    outbound::{certificates, client_identity},
    redis_url::{self, RedisUrl, Target},
    values::text_secret,
};
use crate::{
    adapters::redis::{
        Credentials, Endpoint, Protocol, RedisSettings, Reread, Tls, Topology,
        cache::{CacheSettings, Caching},
    },
    config::{
        StoreConfig,
        file::{
            ClusterSection, ConnectionConfig, ConnectionSection, FlowCacheSection, LocalCacheSection,
            RedisConnection, RedisTls, SentinelSection,
        },
    },
};

const DEFAULT_NAMESPACE: &str = "authtool_bff";
const DEFAULT_REDIS_PORT: u16 = 6379;
const DEFAULT_SENTINEL_PORT: u16 = 26379;
const DEFAULT_CACHE_MEBIBYTES: u32 = 64;
/// Well above what a busy machine or a forking Redis delays a probe by, well below what a person notices.
const DEFAULT_STALENESS_MS: u32 = 1000;

/// Every connection is checked, whether it is used or not.
pub(super) fn all(
    sections: BTreeMap<String, ConnectionSection>,
    notes: &mut Notes,
) -> BTreeMap<String, Option<StoreConfig>> {
    let mut connections = BTreeMap::new();
    for (name, section) in sections {
        let key = format!("connections.{name}");
        let store = match section.kind.as_deref() {
            Some("embedded") => Some(embedded(&format!("{key}.config"), &section.config, notes)),
            Some("redis") => redis(&format!("{key}.config"), section.config, notes),
            Some(other) => {
                notes.problem(
                    &format!("{key}.type"),
                    format!("{other:?} is not a kind of connection"),
                    "use \"redis\", or \"embedded\" for a single process",
                );
                None
            }
            None => {
                notes.missing(&format!("{key}.type"), "use \"redis\", or \"embedded\" for a single process");
                None
            }
        };
        connections.insert(name, store);
    }
    connections
}

/// Said where nobody asked for it: in development it is what is wanted.
pub(in crate::config) const KEPT_IN_MEMORY: &str = "session.authorizationFlowCache is not set: sessions are kept in memory and end \
     with this process; name a connection to keep them";

/// The store that the sessions live in.
pub(super) fn session_store(
    section: Option<FlowCacheSection>,
    connections: &BTreeMap<String, Option<StoreConfig>>,
    notes: &mut Notes,
) -> StoreConfig {
    let key = "session.authorizationFlowCache";
    let Some(section) = section else {
        notes.warnings.push(KEPT_IN_MEMORY.to_owned());
        return StoreConfig::Memory;
    };
    let name = section.connection_name.clone();
    let inline = ConnectionConfig {
        path: None,
        url: section.url,
        host: section.host,
        port: section.port,
        socket: section.socket,
        namespace: section.namespace,
        connection: section.connection,
        tls: section.tls,
        sentinel: section.sentinel,
        cluster: section.cluster,
        local_cache: section.local_cache,
    };
    let is_inline = inline.host.is_some()
        || inline.url.is_some()
        || inline.socket.is_some()
        || inline.sentinel.is_some()
        || inline.cluster.is_some();
    let store = match (name, is_inline) {
        (Some(name), false) => {
            match connections.get(&name) {
                Some(store) => store.clone(),
                None => {
                    let known = connections.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                    notes.problem(
                    &format!("{key}.connectionName"),
                    format!("there is no connection {name:?}"),
                    if known.is_empty() {
                        format!("add it under `connections`, such as {{\"{name}\": {{\"type\": \"embedded\"}}}}")
                    } else {
                        format!("add it under `connections`, or name one of: {known}")
                    },
                );
                    None
                }
            }
        }
        (None, true) => redis(key, inline, notes),
        (Some(_), true) => {
            notes.problem(key, "there are both a connectionName and an inline Redis", "leave one of them");
            None
        }
        (None, false) => {
            if !notes.has(key) {
                notes.problem(
                    key,
                    "it names no store",
                    "give `connectionName`, or leave the key out to keep sessions in memory",
                );
            }
            None
        }
    };
    store.unwrap_or(StoreConfig::Memory)
}

fn embedded(key: &str, config: &ConnectionConfig, notes: &mut Notes) -> StoreConfig {
    let of_redis = [
        ("url", config.url.is_some()),
        ("host", config.host.is_some()),
        ("port", config.port.is_some()),
        ("socket", config.socket.is_some()),
        ("namespace", config.namespace.is_some()),
        ("connection", config.connection.is_some()),
        ("tls", config.tls.is_some()),
        ("sentinel", config.sentinel.is_some()),
        ("cluster", config.cluster.is_some()),
        ("localCache", config.local_cache.is_some()),
    ];
    for (name, _) in of_redis.into_iter().filter(|(_, set)| *set) {
        notes.problem(
            &format!("{key}.{name}"),
            "an embedded store has only `path`",
            "remove it, or set the connection's type to \"redis\"",
        );
    }
    if config.path.as_deref() == Some("") {
        notes.problem(
            &format!("{key}.path"),
            "it is empty",
            "give a file, or leave it out to keep sessions in memory",
        );
    }
    config.path.as_ref().map_or(StoreConfig::Memory, |path| StoreConfig::File(path.into()))
}

/// A Redis, with the way to read its section once more: credentials in files are rotated while the server runs.
fn redis(key: &str, config: ConnectionConfig, notes: &mut Notes) -> Option<StoreConfig> {
    let (again_key, again_config) = (key.to_owned(), config.clone());
    let mut settings = redis_settings(key, config, notes)?;
    settings.reread = Reread::by(move || {
        let mut notes = Notes::new();
        let settings = redis_settings(&again_key, again_config.clone(), &mut notes)?;
        notes.problems.is_empty().then_some(settings)
    });
    Some(StoreConfig::Redis(Box::new(settings)))
}

fn redis_settings(key: &str, config: ConnectionConfig, notes: &mut Notes) -> Option<RedisSettings> {
    let at = |name: &str| format!("{key}.{name}");
    if config.path.is_some() {
        notes.problem(
            &at("path"),
            "a Redis connection has no path",
            "give `host`, or `socket` for a Redis on this machine, or set the type to \"embedded\"",
        );
    }
    let namespace = config.namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"{}*?[]".contains(&byte);
    if namespace.is_empty() || !namespace.bytes().all(plain) {
        notes.problem(
            &at("namespace"),
            "it is empty, or has spaces or one of { } * ? [ ]",
            format!("use letters, digits, - _ and :, such as {DEFAULT_NAMESPACE}"),
        );
    }
    let mut place = Place {
        host: config.host,
        port: config.port,
        socket: config.socket,
        connection: config.connection.unwrap_or_default(),
        tls: config.tls,
    };
    let url = match &config.url {
        Some(source) => Some(redis_url::read(&at("url"), source, notes)?),
        None => None,
    };
    let (mut password, mut url_protocol) = (None, None);
    if let Some(url) = url {
        url_protocol = url.protocol;
        password = place.take(url, &at, notes);
    }
    let Place { host, port, socket, connection, tls } = place;
    let RedisConnection { db, username, password: password_source, protocol } = connection;
    user_name(&at("connection.username"), username.as_deref(), notes);
    let protocol = match protocol.as_deref() {
        None => url_protocol.unwrap_or(Protocol::Resp3),
        Some("RESP3") => Protocol::Resp3,
        Some("RESP2") => Protocol::Resp2,
        Some(other) => {
            notes.problem(
                &at("connection.protocol"),
                format!("{other:?} is not a protocol"),
                "use RESP3, or RESP2 for a Redis before version 6",
            );
            Protocol::Resp3
        }
    };
    if let Some(source) = password_source {
        password = text_secret(&at("connection.password"), &source, notes).map(Zeroizing::new);
    }
    let tls = tls.map(|section| encryption(&at("tls"), section, notes));
    let servers = Servers { host, port, socket, sentinel: config.sentinel, cluster: config.cluster };
    if servers.socket.is_some() && tls.is_some() {
        notes.problem(
            &at("tls"),
            "a Unix socket is not encrypted",
            "remove it: it does not leave this machine",
        );
    }
    if servers.cluster.is_some() && db.is_some_and(|db| db != 0) {
        notes.problem(&at("connection.db"), "a Redis Cluster has only database 0", "remove it");
    }
    let topology = topology(key, servers, notes);
    let is_cluster = matches!(topology, Some(Topology::Cluster(_)));
    let caching =
        local_cache(&at("localCache"), config.local_cache.unwrap_or_default(), protocol, is_cluster, notes);
    Some(RedisSettings {
        topology: topology?,
        namespace,
        db: db.unwrap_or(0).into(),
        credentials: Credentials { username, password },
        protocol,
        tls,
        caching,
        reread: Reread::default(),
    })
}

/// Which server or servers.
struct Servers {
    host: Option<String>,
    port: Option<u16>,
    socket: Option<String>,
    sentinel: Option<SentinelSection>,
    cluster: Option<ClusterSection>,
}

fn topology(key: &str, servers: Servers, notes: &mut Notes) -> Option<Topology> {
    let at = |name: &str| format!("{key}.{name}");
    let Servers { host, port, socket, sentinel, cluster } = servers;
    match (host, socket, sentinel, cluster) {
        (Some(host), None, None, None) => standalone(&at, &host, port, notes).map(Topology::Standalone),
        (None, Some(path), None, None) => {
            if port.is_some() {
                notes.problem(&at("port"), "a Unix socket has no port", "remove it");
            }
            if !path.starts_with('/') {
                notes.problem(
                    &at("socket"),
                    "it is not an absolute path",
                    "begin with a slash, such as /run/redis.sock",
                );
            }
            Some(Topology::Socket(path.into()))
        }
        (None, None, Some(section), None) => {
            let primary = section.primary.unwrap_or_default();
            if primary.is_empty() {
                notes.missing(
                    &at("sentinel.primary"),
                    "give the name under which the Sentinels watch the primary",
                );
            }
            user_name(&at("sentinel.username"), section.username.as_deref(), notes);
            let password = section.password.and_then(|it| text_secret(&at("sentinel.password"), &it, notes));
            Some(Topology::Sentinel {
                nodes: endpoints(&at("sentinel.nodes"), &section.nodes, DEFAULT_SENTINEL_PORT, notes),
                primary,
                credentials: Credentials { username: section.username, password: password.map(Into::into) },
            })
        }
        (None, None, None, Some(section)) => Some(Topology::Cluster(endpoints(
            &at("cluster.nodes"),
            &section.nodes,
            DEFAULT_REDIS_PORT,
            notes,
        ))),
        (None, None, None, None) => {
            notes.missing(
                &at("host"),
                "give Redis's host, or `url` or `socket`, or `sentinel` or `cluster` with their nodes",
            );
            None
        }
        _ => {
            notes.problem(
                key,
                "it has more than one of url, host, socket, sentinel and cluster",
                "leave one of them",
            );
            None
        }
    }
}

/// What a URL can say as well.
struct Place {
    host: Option<String>,
    port: Option<u16>,
    socket: Option<String>,
    connection: RedisConnection,
    tls: Option<RedisTls>,
}

impl Place {
    /// Adds what a URL says, and names what both say. The answer is the URL's password.
    fn take(
        &mut self,
        url: RedisUrl,
        at: &dyn Fn(&str) -> String,
        notes: &mut Notes,
    ) -> Option<Zeroizing<String>> {
        let mut once = |name: &str, twice: bool| {
            if twice {
                notes.problem(&at(name), "`url` says it already", "leave it out here, or there");
            }
        };
        let connection = &mut self.connection;
        once("host", self.host.is_some());
        once("socket", self.socket.is_some());
        once("connection.username", url.username.is_some() && connection.username.is_some());
        once("connection.password", url.password.is_some() && connection.password.is_some());
        once("connection.db", url.db.is_some() && connection.db.is_some());
        once("connection.protocol", url.protocol.is_some() && connection.protocol.is_some());
        (self.host, self.socket) = (None, None);
        match url.target {
            Target::Host { host, port } => {
                once("port", port.is_some() && self.port.is_some());
                (self.host, self.port) = (Some(host), port.or(self.port));
            }
            Target::Socket(path) => self.socket = Some(path.display().to_string()),
        }
        connection.username = url.username.or(connection.username.take());
        connection.db = url.db.or(connection.db);
        if url.encrypted && self.tls.is_none() {
            self.tls = Some(RedisTls::default());
        }
        url.password
    }
}

fn encryption(key: &str, section: RedisTls, notes: &mut Notes) -> Tls {
    let at = |name: &str| format!("{key}.{name}");
    let ca = section.ca.and_then(|source| certificates(&at("ca"), &source, notes));
    let identity = match (section.cert, section.key) {
        (None, None) => None,
        (Some(certificate), Some(private_key)) => {
            client_identity(&at("cert"), &certificate, &at("key"), &private_key, notes)
        }
        (Some(_), None) => {
            notes.missing(&at("key"), "give the certificate's private key, or remove `cert`");
            None
        }
        (None, Some(_)) => {
            notes.missing(&at("cert"), "give the certificate whose key it is, or remove `key`");
            None
        }
    };
    Tls { ca, authorities: Vec::new(), identity }
}

/// `host`, which some write with its port.
fn standalone(
    at: &dyn Fn(&str) -> String,
    host: &str,
    port: Option<u16>,
    notes: &mut Notes,
) -> Option<Endpoint> {
    let with_port = match host.rsplit_once(':') {
        Some((name, digits)) if !name.contains(':') || name.ends_with(']') => {
            digits.parse().ok().filter(|_| !name.is_empty()).map(|port: u16| (name, port))
        }
        _ => None,
    };
    let (name, own) = match with_port {
        Some((name, own)) => (name, Some(own)),
        None => (host, None),
    };
    if let (Some(own), Some(port)) = (own, port)
        && own != port
    {
        notes.problem(
            &at("host"),
            format!("it has the port {own}, and `port` is {port}"),
            "write the name alone, and the port in `port`",
        );
    } else if own.is_some() {
        notes.remark([format!("{} has a port, which was taken; its place is `port`", at("host"))]);
    }
    let port = redis_port(&at("port"), own.or(port), notes);
    host_name(&at("host"), name, notes).map(|host| Endpoint { host, port })
}

fn local_cache(
    key: &str,
    section: LocalCacheSection,
    protocol: Protocol,
    is_cluster: bool,
    notes: &mut Notes,
) -> Caching {
    let mebibytes = section.max_mebibytes.unwrap_or(DEFAULT_CACHE_MEBIBYTES);
    if mebibytes == 0 {
        notes.problem(
            &format!("{key}.maxMebibytes"),
            "it is zero",
            format!("leave it out for {DEFAULT_CACHE_MEBIBYTES}, or set {key}.enabled to false"),
        );
    }
    let staleness = section.max_staleness_ms.unwrap_or(DEFAULT_STALENESS_MS);
    if !(100..=10_000).contains(&staleness) {
        notes.problem(
            &format!("{key}.maxStalenessMs"),
            "it is not between 100 and 10000",
            format!("leave it out for {DEFAULT_STALENESS_MS}, or set {key}.enabled to false"),
        );
    }
    let obstacle = if is_cluster {
        Some(("a Redis Cluster has no local cache", "remove it"))
    } else if protocol == Protocol::Resp2 {
        Some(("the local cache needs the protocol RESP3", "remove it, or connection.protocol"))
    } else {
        None
    };
    match (section.enabled, obstacle) {
        (Some(false), _) => Caching::Off("localCache.enabled is false"),
        (None, Some((obstacle, _))) => Caching::Off(obstacle),
        (Some(true), Some((obstacle, fix))) => {
            notes.problem(&format!("{key}.enabled"), obstacle, fix);
            Caching::Off(obstacle)
        }
        (None | Some(true), None) => Caching::On(CacheSettings {
            max_bytes: u64::from(mebibytes) * 1024 * 1024,
            max_staleness: Duration::from_millis(staleness.into()),
        }),
    }
}

fn redis_port(key: &str, port: Option<u16>, notes: &mut Notes) -> u16 {
    if port == Some(0) {
        notes.problem(key, "nothing listens there", format!("leave it out for {DEFAULT_REDIS_PORT}"));
    }
    port.unwrap_or(DEFAULT_REDIS_PORT)
}

fn user_name(key: &str, name: Option<&str>, notes: &mut Notes) {
    if name == Some("") {
        notes.problem(key, "it is empty", "give the ACL user, or leave it out for the default one");
    }
}

fn endpoints(key: &str, nodes: &[String], default_port: u16, notes: &mut Notes) -> Vec<Endpoint> {
    if nodes.is_empty() {
        notes.missing(key, "list some nodes, such as [\"redis-1:6379\", \"redis-2:6379\"]");
    }
    let mut endpoints = Vec::new();
    for (i, node) in nodes.iter().enumerate() {
        let key = format!("{key}[{i}]");
        let (host, port) = match node.rsplit_once(':') {
            // A bare IPv6 address has several colons.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
                Ok(port) => (host, port),
                Err(_) => {
                    notes.problem(&key, "its port is not a number", format!("write host:{default_port}"));
                    continue;
                }
            },
            _ => (node.as_str(), default_port),
        };
        endpoints.extend(host_name(&key, host, notes).map(|host| Endpoint { host, port }));
    }
    endpoints
}

fn host_name(key: &str, host: &str, notes: &mut Notes) -> Option<String> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_address = host.parse::<std::net::Ipv6Addr>().is_ok();
    if host.is_empty() || !(is_address || host.bytes().all(plain)) {
        notes.problem(
            key,
            "it is not a host name or address",
            "write the name alone, without redis:// and port; a whole redis:// address is for `url`",
        );
        return None;
    }
    Some(host.to_owned())
}
