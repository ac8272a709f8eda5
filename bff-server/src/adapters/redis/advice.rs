//! What is wrong with a Redis, in its own words and with the setting that mends it.

use std::time::Duration;

use redis::{ErrorKind, RedisError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    commands,
    settings::{Protocol, RedisSettings, Topology},
};
use crate::ports::StoreError;

/// What a second look may take.
const LOOK: Duration = Duration::from_millis(500);
/// A server that refuses connections says so without being asked.
const UNASKED: Duration = Duration::from_millis(100);

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    text: String,
    is_vague: bool,
}

impl Reason {
    /// One that says no more than that it does not work.
    pub(super) fn vague(text: &str) -> Self {
        Self { text: format!("Redis: {text}"), is_vague: true }
    }

    /// Of a failed attempt.
    pub(super) fn of(error: &RedisError, settings: &RedisSettings) -> Self {
        let advice = advice(error, settings);
        let is_vague = advice.is_empty() && error.is_io_error() && !error.is_connection_refusal();
        Self { text: format!("Redis: {}{advice}", words(error)), is_vague }
    }

    pub(super) fn is_vague(&self) -> bool {
        self.is_vague
    }

    pub(super) fn into_error(self) -> StoreError {
        StoreError::new(self.text)
    }
}

/// Redis's own words, which name the problem (`OOM`, `READONLY`, `LOADING`, `CLUSTERDOWN`, `NOAUTH`, …) and no
/// secret, with what to do where that is known.
pub(super) fn described(error: &RedisError, settings: &RedisSettings) -> StoreError {
    StoreError::new(format!("Redis: {}{}", words(error), advice(error, settings)))
}

/// What Redis says, without what it was asked: it repeats arguments of commands that it does not know.
pub(super) fn words(error: &RedisError) -> String {
    let text = error.to_string();
    text.split(", with args beginning with").next().unwrap_or_default().trim_end_matches('.').to_owned()
}

fn advice(error: &RedisError, settings: &RedisSettings) -> String {
    let text = error.to_string();
    // What a command in a script met stands in the text.
    let code = error.code().unwrap_or_default();
    let code = CODES.iter().find(|it| code == **it || text.contains(&format!("{it} "))).map_or(code, |it| it);
    if code == "NOPERM" {
        return format!("; the ACL user needs: {}", commands::rules(&settings.namespace));
    }
    let lower = text.to_ascii_lowercase();
    let by_code = about_answer(error, code, &settings.topology);
    by_code
        .or_else(|| about_words(&lower))
        .or_else(|| about_way(error, &lower, settings))
        .unwrap_or_default()
        .to_owned()
}

const CODES: [&str; 14] = [
    "NOPERM",
    "OOM",
    "READONLY",
    "NOREPLICAS",
    "MISCONF",
    "BUSY",
    "LOADING",
    "MOVED",
    "CROSSSLOT",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "NOPROTO",
    "WRONGPASS",
    "NOAUTH",
];

/// By what kind of answer it is.
fn about_answer(error: &RedisError, code: &str, topology: &Topology) -> Option<&'static str> {
    let is_sentinel = matches!(topology, Topology::Sentinel { .. });
    Some(match (error.kind(), code) {
        (ErrorKind::MasterNameNotFoundBySentinel, _) => {
            "; no Sentinel names a primary: compare sentinel.primary with `SENTINEL MASTERS`, and sentinel.username and \
             sentinel.password with what the Sentinels themselves ask for"
        }
        (ErrorKind::RESP3NotSupported, _) | (_, "NOPROTO") => {
            "; it does not speak RESP3: set connection.protocol to RESP2"
        }
        (ErrorKind::AuthenticationFailed, _) | (_, "WRONGPASS" | "NOAUTH") if is_sentinel => {
            "; check connection.username and connection.password, which are for the primary, and sentinel.username and \
             sentinel.password, which are for the Sentinels"
        }
        (ErrorKind::AuthenticationFailed, _) | (_, "WRONGPASS" | "NOAUTH") => {
            "; check connection.username and connection.password (or those in `url`)"
        }
        (_, "OOM") => "; Redis is full: raise maxmemory",
        (_, "READONLY") => "; it is a replica: connect to the primary",
        (_, "MASTERDOWN") => "; it is a replica that has lost its primary: connect to the primary",
        (_, "NOREPLICAS") => {
            "; min-replicas-to-write asks for more replicas than are connected: see `INFO replication`"
        }
        (_, "MISCONF") => "; it cannot write to its disk: see its log, and whether the disk is full",
        (_, "BUSY") => "; a script of somebody else's keeps it busy: give sessions a Redis of their own",
        (_, "LOADING") => "; it is reading its data after a start, and will be there when it has",
        (_, "MOVED" | "CROSSSLOT" | "ASK") => {
            "; it is a node of a Cluster: set `cluster` with its `nodes` instead of host, port or url"
        }
        (_, "CLUSTERDOWN") => "; some slots of the Cluster are served by nobody: see `CLUSTER INFO`",
        _ => return None,
    })
}

/// By what stands in it, in lower case.
fn about_words(lower: &str) -> Option<&'static str> {
    const ADVICE: &[(&[&str], &str)] = &[
        (
            &["db index is out of range", "invalid db index"],
            "; it has fewer databases: lower connection.db (the number at the end of `url`), or raise `databases`",
        ),
        (
            &["unknown command", "unsupported command", "unknown subcommand"],
            "; what answers there may be a Sentinel, a proxy, or a service that renames or forbids commands",
        ),
        (&["cluster support disabled"], "; it is no Cluster: set host and port instead of `cluster`"),
        (
            &["does not point to a sentinel"],
            "; sentinel.nodes has another server than a Sentinel: their port is usually 26379",
        ),
        (
            &["max number of clients"],
            "; raise maxclients, or see who holds the connections (`CLIENT LIST`); each replica of this server needs three \
             at most",
        ),
        (&["protected mode"], "; set a password, `bind` and `protected-mode` as it says"),
        (
            &["certificaterequired", "certificate required", "handshake failure", "handshakefailure"],
            "; it asks for a client certificate (tls-auth-clients): set tls.cert and tls.key",
        ),
        (
            &[
                "alert: unknownca",
                "alert: decrypterror",
                "alert: badcertificate",
                "alert: certificate",
                "alert: accessdenied",
            ],
            "; it refuses the client certificate: see tls.cert, whether it has expired, and whether the server's \
             tls-ca-cert-file has its authority",
        ),
        (&["unknownissuer"], "; set tls.ca to the certificate of the authority that issued it"),
        (
            &["notvalidforname", "not valid for name"],
            "; its certificate has other names: set `host` to one of them",
        ),
        (
            &["failed to lookup", "name or service not known", "nodename nor servname"],
            "; there is no such host: check `host`",
        ),
    ];
    let found = ADVICE.iter().find(|(words, _)| words.iter().any(|word| lower.contains(word)));
    found.map(|(_, advice)| *advice)
}

/// By which way leads there.
fn about_way(error: &RedisError, lower: &str, settings: &RedisSettings) -> Option<&'static str> {
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    Some(match &settings.topology {
        _ if says(&["invalidcontenttype", "wrong version number", "corrupt message"])
            && settings.tls.is_some() =>
        {
            "; no TLS is spoken at this port: leave out `tls` (or write redis:// instead of rediss://), or take the port \
             of tls-port"
        }
        Topology::Socket(_) if error.is_connection_refusal() => {
            "; see whether it runs, and `socket`: `unixsocket` in redis.conf names the path, `unixsocketperm` who may use it"
        }
        Topology::Socket(_) if says(&["permission denied"]) => {
            "; let the user who runs this server use the socket (`unixsocketperm`, or its group)"
        }
        Topology::Sentinel { .. } if says(&["connection refused"]) => {
            "; nothing listens there: see whether the Sentinels and the primary run, and sentinel.nodes"
        }
        Topology::Cluster(_) if says(&["connection refused"]) => {
            "; nothing listens there: see whether the nodes run, and cluster.nodes"
        }
        Topology::Standalone(_) if says(&["connection refused"]) => {
            "; nothing listens there: see whether it runs, and host and port"
        }
        _ => return None,
    })
}

/// A second look at a server with which no connection came about, for what it says by itself, and by which protocol.
pub(super) async fn look(settings: &RedisSettings) -> Option<Reason> {
    let Topology::Standalone(endpoint) = &settings.topology else { return None };
    let address = (endpoint.host.as_str(), endpoint.port);
    let encrypts = settings.tls.is_some();
    let mut questions = vec![&b"PING\r\n"[..]];
    if !encrypts {
        questions.push(CLIENT_HELLO);
    }
    for question in questions {
        let answered = timeout(LOOK, async {
            let mut stream = TcpStream::connect(address).await.ok()?;
            let mut seen = [0; 256];
            let mut length = match timeout(UNASKED, stream.read(&mut seen)).await {
                Ok(read) => read.ok()?,
                Err(_) => 0,
            };
            if length == 0 {
                stream.write_all(question).await.ok()?;
                length = stream.read(&mut seen).await.ok()?;
            }
            understood(seen.get(..length)?, encrypts, settings.protocol)
        });
        if let Ok(Some(text)) = answered.await {
            return Some(Reason { text, is_vague: false });
        }
    }
    None
}

/// The shortest beginning of a TLS 1.2 handshake (RFC 5246 §7.4.1.2), which a server answers or refuses in TLS.
const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03\
    0123456789abcdef0123456789abcdef\x00\x00\x02\x00\x2f\x01\x00";

fn understood(seen: &[u8], encrypts: bool, protocol: Protocol) -> Option<String> {
    let first = String::from_utf8_lossy(seen.split(|byte| *byte == b'\r').next().unwrap_or_default());
    let line: String = first.chars().filter(|it| !it.is_control()).take(160).collect();
    if line.contains("max number of clients") {
        return Some(
            "Redis: max number of clients reached; raise maxclients, or see who holds the connections (`CLIENT LIST`)"
                .to_owned(),
        );
    }
    if line.starts_with("-DENIED") {
        return Some(format!(
            "Redis: {}; set a password, `bind` and `protected-mode`",
            line.trim_start_matches('-')
        ));
    }
    match seen.first()? {
        // RFC 8446 §5.1: an alert, or a handshake.
        0x15 | 0x16 if !encrypts => Some(
            "Redis: TLS is spoken at this port: set `tls` (or write rediss:// instead of redis://)".to_owned(),
        ),
        b'+' | b'-' if encrypts => Some(
            "Redis: no TLS is spoken at this port: leave out `tls` (or write redis:// instead of rediss://), or take the \
             port of tls-port"
                .to_owned(),
        ),
        b'+' if protocol == Protocol::Resp3 => Some(
            "Redis: what answers there closes a connection that begins with HELLO: it may be a proxy that speaks RESP2 alone; \
             set connection.protocol to RESP2"
                .to_owned(),
        ),
        b'H' if seen.starts_with(b"HTTP/") => {
            Some("Redis: a web server answers at this host and port".to_owned())
        }
        b'-' => Some(format!("Redis: {}", line.trim_start_matches('-'))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_by_itself_is_understood() {
        for (seen, encrypts, part) in [
            (&b"-ERR max number of clients reached\r\n"[..], false, "maxclients"),
            (b"-DENIED Redis is running in protected mode because\r\n", true, "protected"),
            (b"+PONG\r\n", true, "leave out `tls`"),
            (b"-NOAUTH Authentication required.\r\n", true, "leave out `tls`"),
            (b"\x15\x03\x01\x00\x02\x02\x46", false, "set `tls`"),
            (b"+PONG\r\n", false, "connection.protocol"),
            (b"HTTP/1.1 400 Bad Request\r\n", false, "web server"),
        ] {
            let text = understood(seen, encrypts, Protocol::Resp3).unwrap_or_else(|| panic!("{seen:?}"));
            assert!(text.contains(part), "{text}");
        }
        for (seen, encrypts) in
            [(&b""[..], false), (b"+PONG\r\n", false), (b"\x15\x03", true), (b"\x01", false)]
        {
            assert_eq!(understood(seen, encrypts, Protocol::Resp2), None, "{seen:?}");
        }
    }
}
