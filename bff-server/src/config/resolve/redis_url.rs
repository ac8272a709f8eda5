//! `url` of a Redis connection, as hosting providers and other clients write it.
//!
//! There is no standard but the registrations of the schemes `redis` and `rediss` at IANA; clients add what they like to
//! them. What would switch verification off (`#insecure`), and what is not understood, is refused by name.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::Url;
use zeroize::Zeroizing;

use super::{Notes, values::text_secret};
use crate::{adapters::redis::Protocol, config::secret::SecretSource};

const FIX: &str = "write redis://user:password@host:6379/0, rediss:// for TLS, or unix:///run/redis.sock?db=0; in user and \
                   password, write %40 for @, %2F for /, %3A for :, %23 for # and %25 for %";

/// Where a URL leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Over the network.
    Host { host: String, port: Option<u16> },
    /// On this machine.
    Socket(PathBuf),
}

/// What a URL says.
pub(super) struct RedisUrl {
    pub(super) target: Target,
    pub(super) encrypted: bool,
    pub(super) username: Option<String>,
    pub(super) password: Option<Zeroizing<String>>,
    pub(super) db: Option<u32>,
    pub(super) protocol: Option<Protocol>,
}

/// Reads a URL. Nothing of it is repeated in a message: it may hold a password, at a place where nobody expects it.
pub(super) fn read(key: &str, source: &SecretSource, notes: &mut Notes) -> Option<RedisUrl> {
    let text = Zeroizing::new(text_secret(key, source, notes)?);
    match parse(text.trim()) {
        Ok(url) => Some(url),
        Err((problem, fix)) => {
            notes.problem(key, problem, fix);
            None
        }
    }
}

fn parse(text: &str) -> Result<RedisUrl, (String, &'static str)> {
    let wrong = |problem: &str, fix: &'static str| Err((problem.to_owned(), fix));
    let scheme = text.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let (encrypted, is_socket) = match scheme.as_str() {
        "redis" | "valkey" => (false, false),
        "rediss" | "valkeys" => (true, false),
        "unix" | "redis+unix" | "valkey+unix" => (false, true),
        "redis-sentinel" | "redis+sentinel" | "rediss+sentinel" => {
            return wrong("it is for Sentinels", "set `sentinel` with `nodes` and `primary` instead");
        }
        "redis-cluster" | "redis+cluster" | "rediss+cluster" => {
            return wrong("it is for a Cluster", "set `cluster` with `nodes` instead");
        }
        _ => return wrong("it is not the URL of a Redis", FIX),
    };
    let Ok(url) = Url::parse(text) else {
        return wrong("it is not a URL that can be read", FIX);
    };
    if url.fragment().is_some() {
        return wrong(
            "it has a fragment, what follows a #; `#insecure` would switch off the verification of certificates",
            "remove it; for a private authority give `tls.ca`, and in a password write %23 for #",
        );
    }
    let mut read = RedisUrl {
        target: Target::Socket(PathBuf::new()),
        encrypted,
        username: decoded(url.username())?,
        password: url.password().map(decoded).transpose()?.flatten().map(Zeroizing::new),
        db: None,
        protocol: None,
    };
    let number = |text: &str| {
        let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        number.ok_or_else(|| ("its database is not a number".to_owned(), FIX))
    };
    if is_socket {
        if url.host_str().is_some_and(|host| !host.is_empty()) {
            return wrong(
                "the path of a socket begins with a slash",
                "write unix:///run/redis.sock, with three slashes",
            );
        }
        let path = decoded(url.path())?.unwrap_or_default();
        if path.is_empty() || path == "/" {
            return wrong("it names no socket", "write unix:///run/redis.sock, for example");
        }
        read.target = Target::Socket(path.into());
    } else {
        let host = url.host_str().unwrap_or_default().to_owned();
        if host.is_empty() {
            return wrong("it has no host", FIX);
        }
        if host.contains(',') {
            return wrong("it has several hosts", "set `sentinel` or `cluster` with their `nodes` instead");
        }
        read.target = Target::Host { host, port: url.port() };
        match url.path().trim_start_matches('/') {
            "" => {}
            db => read.db = Some(number(db)?),
        }
    }
    for (name, value) in url.query_pairs() {
        let taken = match name.as_ref() {
            "db" => read.db.replace(number(&value)?).is_some(),
            "protocol" => read.protocol.replace(protocol(&value)?).is_some(),
            "user" | "username" if is_socket => read.username.replace(value.into_owned()).is_some(),
            "pass" | "password" if is_socket => {
                read.password.replace(Zeroizing::new(value.into_owned())).is_some()
            }
            // A name is what stands before a =, and so no password that was written as it is.
            name if name.len() <= 32
                && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it)) =>
            {
                return Err((
                    format!("it has the parameter {name:?}, which means nothing here"),
                    "remove it; `db` and `protocol` are known, and certificates are always verified",
                ));
            }
            _ => return wrong("it has a parameter that means nothing here", FIX),
        };
        if taken {
            return Err((format!("it says {name:?} twice"), "leave one of them"));
        }
    }
    if read.username.is_some() && read.password.is_none() {
        return wrong(
            "it has a user and no password",
            "write user:password@host, or :password@host for a password alone",
        );
    }
    Ok(read)
}

fn protocol(value: &str) -> Result<Protocol, (String, &'static str)> {
    match value.to_ascii_lowercase().as_str() {
        "2" | "resp2" => Ok(Protocol::Resp2),
        "3" | "resp3" => Ok(Protocol::Resp3),
        _ => Err((
            "its protocol is neither RESP2 nor RESP3".to_owned(),
            "leave it out, or write protocol=RESP2",
        )),
    }
}

/// `None` where there is nothing.
fn decoded(text: &str) -> Result<Option<String>, (String, &'static str)> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok((!text.is_empty()).then(|| text.into_owned())),
        Err(_) => Err(("it is not valid UTF-8".to_owned(), FIX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(host: &str, port: Option<u16>) -> Target {
        Target::Host { host: host.to_owned(), port }
    }

    #[test]
    fn a_url_is_read_as_others_write_it() {
        let socket = |path: &str| Target::Socket(path.into());
        for (text, target, encrypted, user, password, db) in [
            ("redis://redis", host("redis", None), false, None, None, None),
            ("redis://redis/", host("redis", None), false, None, None, None),
            ("valkey://redis:6380/3", host("redis", Some(6380)), false, None, None, Some(3)),
            (
                "rediss://ada:s3cret@r.example:25061",
                host("r.example", Some(25061)),
                true,
                Some("ada"),
                Some("s3cret"),
                None,
            ),
            ("rediss://:s3cret@r.example/0", host("r.example", None), true, None, Some("s3cret"), Some(0)),
            (
                "REDISS://default:p%40s%2Fs%3A%23%25@r",
                host("r", None),
                true,
                Some("default"),
                Some("p@s/s:#%"),
                None,
            ),
            ("redis://[::1]:6379", host("[::1]", Some(6379)), false, None, None, None),
            ("redis://r?db=7", host("r", None), false, None, None, Some(7)),
            ("redis://r?protocol=resp2", host("r", None), false, None, None, None),
            ("unix:///run/redis.sock", socket("/run/redis.sock"), false, None, None, None),
            ("unix:/run/redis.sock?db=2", socket("/run/redis.sock"), false, None, None, Some(2)),
            ("redis+unix:///r%20s?user=ada&pass=p", socket("/r s"), false, Some("ada"), Some("p"), None),
        ] {
            let read = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            assert_eq!(read.target, target, "{text}");
            assert_eq!(read.encrypted, encrypted, "{text}");
            assert_eq!(read.username.as_deref(), user, "{text}");
            assert_eq!(read.password.as_ref().map(|it| it.as_str()), password, "{text}");
            assert_eq!(read.db, db, "{text}");
            assert_eq!(read.protocol.is_some(), text.contains("protocol"), "{text}");
        }
    }

    #[test]
    fn sec_061_what_would_weaken_it_or_is_not_understood_is_refused_and_nothing_repeated() {
        for text in [
            "redis.example:6379",
            "http://canary@redis",
            "redis://",
            "redis:///3",
            "rediss://:canary@redis#insecure",
            "rediss://:canary@redis/#insecure",
            "rediss://:can#ary@redis",
            "rediss://:canary@redis?ssl_cert_reqs=none",
            "redis://:canary@redis?timeout=5",
            "redis://:canary@redis?protocol=RESP4",
            "redis://:canary@redis?db=1&db=2",
            "redis://:canary@redis/1?db=2",
            "redis://:canary@redis/one",
            "redis://:canary@redis/-1",
            "redis://:canary@redis/1/2",
            "redis://canary@redis",
            "redis://:canary%ff@redis",
            "redis://:can/ary@redis",
            "redis://:can?canary@redis",
            "redis://:canary@one:1,two:2",
            "redis+sentinel://:canary@one/main",
            "redis-cluster://:canary@one",
            "unix://run/redis.sock?pass=canary",
            "unix://",
        ] {
            let (problem, fix) = parse(text).err().unwrap_or_else(|| panic!("{text} is taken"));
            assert!(!problem.contains("canary"), "{text}: {problem}");
            assert!(!fix.is_empty(), "{text}");
        }
    }
}
