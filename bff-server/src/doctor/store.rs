//! The session store: whether it is there and takes us, and whether sessions last in it.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    clock,
    finding::{Area, Finding, Notes},
};
use crate::{
    adapters::{
        SystemClock,
        redis::{
            Endpoint, Protocol, RedisSettings, RedisStore, ServerInfo, Topology,
            cache::{CachedRedisStore, Caching},
        },
    },
    config::StoreConfig,
    ports::{Marker, SessionStore},
    server::{StartError, open_store},
};

/// The name of the marker that shows whether the store takes writes.
const MARKER: &str = "check";

/// An answer that takes longer than this makes every API call noticeably slower.
const SLOW: Duration = Duration::from_millis(10);

/// A Redis that reports changes has done so by then.
const CACHE_PATIENCE: Duration = Duration::from_secs(5);

/// The oldest Redis that still gets security fixes.
const OLDEST_MAINTAINED: (u32, u32) = (6, 2);

/// Whether it answers and takes writes.
pub(super) async fn essentials(config: &StoreConfig) -> Vec<Finding> {
    let mut notes = Notes::new(Area::Store, Some(&name(config)));
    if reach(config, &mut notes).await
        && let StoreConfig::Redis(settings) = config
    {
        local_cache(settings, &mut notes).await;
    }
    notes.finish()
}

pub(super) async fn examine(config: &StoreConfig) -> Vec<Finding> {
    let mut notes = Notes::new(Area::Store, Some(&name(config)));
    let reached = reach(config, &mut notes).await;
    match config {
        StoreConfig::Memory => notes.notice(
            "store.persistence",
            "sessions are kept in memory: everybody is logged out when the server ends, and there can be only one \
             server",
            "name a file for a single server (type embedded with a path), or use Redis",
        ),
        StoreConfig::File(_) => {
            notes.good("store.persistence", "sessions survive a restart; there can be only one server");
        }
        StoreConfig::Redis(settings) => {
            way(settings, &mut notes);
            if reached {
                match RedisStore::new((**settings).clone()) {
                    Ok(redis) => redis_itself(&redis, &mut notes).await,
                    Err(error) => notes.bad("store.reach", error.to_string(), "check the connection's settings"),
                }
                local_cache(settings, &mut notes).await;
            }
        }
    }
    notes.finish()
}

fn name(config: &StoreConfig) -> String {
    let several = |what: &str, nodes: &[Endpoint]| {
        let nodes: Vec<String> = nodes.iter().map(|it| format!("{}:{}", it.host, it.port)).collect();
        format!("Redis {what} {}", nodes.join(", "))
    };
    match config {
        StoreConfig::Memory => "in memory".to_owned(),
        StoreConfig::File(path) => path.display().to_string(),
        StoreConfig::Redis(settings) => match &settings.topology {
            Topology::Standalone(it) => format!("Redis {}:{}", it.host, it.port),
            Topology::Socket(path) => format!("Redis {}", path.display()),
            Topology::Sentinel { nodes, primary, .. } => several(&format!("{primary} by Sentinels"), nodes),
            Topology::Cluster(nodes) => several("Cluster", nodes),
        },
    }
}

async fn reach(config: &StoreConfig, notes: &mut Notes) -> bool {
    let store = match open_store(config, Arc::new(SystemClock), |_| {}) {
        Ok(store) => store,
        Err(StartError::Embedded(error @ crate::adapters::embedded::OpenError::InUse(_))) => {
            notes.notice(
                "store.reach",
                error.to_string(),
                "nothing, if it is this server that runs: the file is good enough for it",
            );
            return false;
        }
        Err(error) => {
            notes.bad("store.reach", error.to_string(), fix(&error.to_string(), config));
            return false;
        }
    };
    let reached = match store.ping().await {
        Ok(()) => takes_writes(&*store, config, notes).await,
        Err(error) => {
            notes.bad("store.reach", error.to_string(), fix(&error.to_string(), config));
            false
        }
    };
    store.retire().await;
    reached
}

async fn takes_writes(store: &dyn SessionStore, config: &StoreConfig, notes: &mut Notes) -> bool {
    let marker = Marker(MARKER.to_owned());
    match store.spend(&marker, Duration::from_secs(1)).await {
        Ok(_) => {
            notes.good("store.reach", "answers, and takes writes");
            true
        }
        Err(error) => {
            let what = format!("answers, but takes no writes: {error}");
            notes.bad("store.reach", what, fix(&error.to_string(), config));
            false
        }
    }
}

/// Never bad: without it, every request asks Redis.
async fn local_cache(settings: &RedisSettings, notes: &mut Notes) {
    let check = "store.cache";
    let cache = match settings.caching {
        Caching::On(cache) => cache,
        Caching::Off(reason) => return notes.good(check, format!("there is no local cache: {reason}")),
    };
    let outcome = match CachedRedisStore::new(settings.clone(), cache) {
        Ok(store) => {
            let settled = store.settled(CACHE_PATIENCE).await;
            store.retire().await;
            settled
        }
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(()) => notes.good(check, "it reports changes, so that sessions are kept in memory too"),
        Err(reason) => notes.notice(
            check,
            format!("the local cache is out of use, and every request will ask Redis: {reason}"),
            "mend what it says, or set localCache.enabled to false",
        ),
    }
}

/// What to do about an error whose text says what is wrong.
fn fix(error: &str, config: &StoreConfig) -> String {
    // What the store itself advises knows more, and comes last.
    match error.rsplit_once("; ") {
        Some(_) if error.contains("ACL user needs") => {
            "give the ACL user the rights that it names".to_owned()
        }
        Some((_, advice)) => advice.to_owned(),
        None => usual_fix(error, config).to_owned(),
    }
}

fn usual_fix(error: &str, config: &StoreConfig) -> &'static str {
    let StoreConfig::Redis(settings) = config else {
        return "let the user who runs the server write to the file and its folder, and see whether the disk is full";
    };
    let lower = error.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["certificate", "tls", "handshake"]) {
        "compare the certificate's names with `host`, and `tls.ca` with who issued it; if the server speaks no TLS, \
         leave `tls` out"
    } else if says(&["wrongpass", "noauth", "username", "password"]) {
        "compare connection.username and connection.password with `ACL LIST` on the server"
    } else if says(&["noperm"]) {
        "give the ACL user, on the keys of its namespace, what the message names"
    } else if says(&["oom"]) {
        "raise `maxmemory`, or give sessions a Redis of their own"
    } else if settings.tls.is_none() && says(&["did not answer", "in time", "closed", "unexpected"]) {
        "if the server expects TLS, add `tls`; otherwise see whether it runs, and whether a firewall is in between"
    } else {
        "see whether it runs, whether `host` and `port` are its own, and whether a firewall or network policy is in \
         between"
    }
}

/// What can be said about the connection without the server's help.
fn way(settings: &RedisSettings, notes: &mut Notes) {
    let endpoints: Vec<&Endpoint> = match &settings.topology {
        Topology::Standalone(it) => vec![it],
        Topology::Socket(_) => Vec::new(),
        Topology::Sentinel { nodes, .. } | Topology::Cluster(nodes) => nodes.iter().collect(),
    };
    let is_here = endpoints.iter().all(|it| {
        it.host == "localhost" || it.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    });
    let (encrypted, authenticated) = (settings.tls.is_some(), settings.credentials.password.is_some());
    match (encrypted, authenticated) {
        (true, true) => notes.good("store.secrecy", "the connection is encrypted, and asks for a password"),
        _ if is_here => notes.good("store.secrecy", "the connection does not leave this machine"),
        (true, false) => notes.notice(
            "store.secrecy",
            "the connection is encrypted, but anybody who reaches the server can end sessions",
            "give it an ACL user (connection.username, connection.password)",
        ),
        (false, _) => notes.notice(
            "store.secrecy",
            "the connection is not encrypted: sessions are sealed, but who is on the way sees which exist, and can end \
             them",
            "use TLS (`tls`), with a password, unless the network is closed",
        ),
    }
}

/// What the server says about itself.
async fn redis_itself(redis: &RedisStore, notes: &mut Notes) {
    time(redis, notes).await;
    match redis.server_info().await {
        Ok(info) => {
            version(&info, redis.protocol(), notes);
            eviction(&info, notes);
            persistence(&info, notes);
        }
        Err(error) => notes.notice(
            "store.eviction",
            format!("the server does not tell about itself ({error})"),
            "let the ACL user ask (+info +config|get) while you look; or see for yourself that maxmemory-policy is \
             noeviction and that sessions are written to disk",
        ),
    }
}

async fn time(redis: &RedisStore, notes: &mut Notes) {
    let asked = SystemTime::now();
    let Ok(theirs) = redis.time().await else { return };
    let difference = clock::compare("Redis", UNIX_EPOCH + theirs, asked, SystemTime::now());
    if difference.is_tolerable() {
        notes.good("store.clock", "the clocks of this machine and of Redis agree");
    } else {
        notes.notice(
            "store.clock",
            difference.in_words(),
            "synchronise both clocks (NTP); sessions end by Redis's own clock, so nobody is logged out by it, but one \
             of the two is wrong, and logins depend on this one",
        );
    }
    // The connection stands by now.
    let began = Instant::now();
    if redis.time().await.is_err() {
        return;
    }
    let took = began.elapsed();
    let told = format!("{:.1} ms there and back", took.as_secs_f64() * 1000.0);
    if took > SLOW {
        notes.notice("store.latency", told, "every API call waits for it once: keep Redis in the same zone");
    } else {
        notes.good("store.latency", told);
    }
}

fn version(info: &ServerInfo, protocol: Protocol, notes: &mut Notes) {
    let Some(version) = info.first("redis_version") else { return };
    let mut numbers = version.split('.').map_while(|it| it.parse::<u32>().ok());
    let number = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let protocol = match protocol {
        Protocol::Resp2 => "RESP2",
        Protocol::Resp3 => "RESP3",
    };
    let name = if info.first("valkey_version").is_some() { "Valkey, compatible with Redis" } else { "Redis" };
    if number < OLDEST_MAINTAINED {
        notes.notice(
            "store.version",
            format!("{name} {version}, which gets no security fixes any more"),
            "update it to a maintained version of Redis or Valkey",
        );
    } else {
        notes.good("store.version", format!("{name} {version}, spoken to by {protocol}"));
    }
}

/// Every key of ours has a time to live, so each policy but `noeviction` takes sessions.
fn eviction(info: &ServerInfo, notes: &mut Notes) {
    let policies = info.all("maxmemory_policy");
    let evicting: Vec<&str> = policies.iter().copied().filter(|it| *it != "noeviction").collect();
    let limited = info.all("maxmemory").iter().any(|it| *it != "0");
    let evicted: u64 = info.all("evicted_keys").iter().filter_map(|it| it.parse::<u64>().ok()).sum();
    match evicting.first() {
        None if policies.is_empty() => {}
        None if limited => notes.good(
            "store.eviction",
            "maxmemory-policy is noeviction: a full Redis refuses logins, but logs nobody out",
        ),
        None => notes.good("store.eviction", "maxmemory-policy is noeviction, and maxmemory is not limited"),
        Some(policy) => {
            let mut what =
                format!("maxmemory-policy is {policy}: when memory runs out, users are logged out");
            if evicted > 0 {
                what = format!("{what}; {evicted} keys have been evicted since it started");
            }
            let fix = "set maxmemory-policy to noeviction, and give sessions a Redis of their own if another use needs \
                       eviction";
            if limited || evicted > 0 {
                notes.bad("store.eviction", what, fix);
            } else {
                notes.notice("store.eviction", format!("{what} (maxmemory is not limited now)"), fix);
            }
        }
    }
}

fn persistence(info: &ServerInfo, notes: &mut Notes) {
    let says = |field: &str, value: &str| info.all(field).contains(&value);
    if says("rdb_last_bgsave_status", "err") || says("aof_last_write_status", "err") {
        notes.bad(
            "store.persistence",
            "Redis could not write to its disk the last time it tried; it may refuse writes (MISCONF)",
            "see its log and whether its disk is full",
        );
    } else if says("aof_enabled", "1") {
        notes
            .good("store.persistence", "sessions are appended to a file: a restart of Redis logs nobody out");
    } else {
        match info.snapshots() {
            Some("") => notes.notice(
                "store.persistence",
                "Redis writes nothing to disk: a restart logs everybody out",
                "set `appendonly yes` (with appendfsync everysec), or accept it knowingly",
            ),
            _ => notes.notice(
                "store.persistence",
                "Redis writes snapshots only: a crash logs out who logged in since the last one",
                "set `appendonly yes` (with appendfsync everysec)",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn verdicts(info: &str, snapshots: Option<&str>) -> Vec<(&'static str, Verdict)> {
        let info = ServerInfo::new(info.replace('\n', "\r\n"), snapshots.map(str::to_owned));
        let mut notes = Notes::new(Area::Store, None);
        version(&info, Protocol::Resp3, &mut notes);
        eviction(&info, &mut notes);
        persistence(&info, &mut notes);
        notes.finish().into_iter().map(|it| (it.check, it.verdict)).collect()
    }

    #[test]
    fn what_redis_says_about_itself_is_judged() {
        use Verdict::{Bad, Good, Notice};
        let of = |check, info, snapshots| {
            verdicts(info, snapshots).into_iter().find(|(it, _)| *it == check).map(|(_, verdict)| verdict)
        };
        let eviction = |info| of("store.eviction", info, None);
        assert_eq!(eviction("maxmemory:0\nmaxmemory_policy:noeviction\n"), Some(Good));
        assert_eq!(eviction("maxmemory:100\nmaxmemory_policy:noeviction\n"), Some(Good));
        assert_eq!(eviction("maxmemory:0\nmaxmemory_policy:allkeys-lru\nevicted_keys:0\n"), Some(Notice));
        assert_eq!(eviction("maxmemory:100\nmaxmemory_policy:volatile-ttl\n"), Some(Bad));
        assert_eq!(eviction("maxmemory:0\nmaxmemory_policy:volatile-ttl\nevicted_keys:3\n"), Some(Bad));
        let second_node =
            "maxmemory:1\nmaxmemory_policy:noeviction\nmaxmemory:1\nmaxmemory_policy:allkeys-lru\n";
        assert_eq!(eviction(second_node), Some(Bad), "one node of a Cluster is enough");
        assert_eq!(eviction(""), None);

        let persistence = |info, snapshots| of("store.persistence", info, snapshots);
        assert_eq!(persistence("aof_enabled:1\naof_last_write_status:ok\n", None), Some(Good));
        assert_eq!(persistence("aof_enabled:0\n", Some("")), Some(Notice));
        assert_eq!(persistence("aof_enabled:0\n", Some("3600 1")), Some(Notice));
        assert_eq!(persistence("aof_enabled:1\nrdb_last_bgsave_status:err\n", None), Some(Bad));

        let version = |info| of("store.version", info, None);
        assert_eq!(version("redis_version:7.0.15\n"), Some(Good));
        assert_eq!(version("redis_version:6.0.16\n"), Some(Notice));
    }
}
