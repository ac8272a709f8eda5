//! Values that several sections share the form of.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use url::Url;

use super::Notes;
use crate::{
    config::secret::{SecretList, SecretSource},
    seal::{MIN_SHARED_SECRET_BYTES, SharedSecrets},
};

/// A century: beyond it lies a mistake.
const MAX_LIFETIME_SECS: u64 = 100 * 366 * 24 * 3600;

pub(super) fn web_url(key: &str, text: &str, notes: &mut Notes) -> Option<Url> {
    let fix = "write an absolute URL, such as https://app.example.com/path";
    let Ok(url) = Url::parse(text) else {
        notes.problem(key, "it is not an absolute URL", fix);
        return None;
    };
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        notes.problem(key, "it is not an http or https URL", fix);
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        notes.problem(key, "it contains credentials", "remove what stands before the @");
        return None;
    }
    if url.host_str().is_some_and(|host| host.contains('*')) {
        notes.problem(
            key,
            "its host has a `*` in it",
            "write the host out: wildcards stand for nothing here",
        );
        return None;
    }
    Some(url)
}

/// With a leading and without a trailing slash; `/` becomes nothing.
pub(super) fn path_prefix(key: &str, text: &str, notes: &mut Notes) -> String {
    let prefix = text.trim_end_matches('/');
    let plain = |segment: &str| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    let good = prefix.is_empty() || prefix.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain));
    if !good {
        notes.problem(
            key,
            "it is not a path prefix",
            "begin with a slash and use plain segments, such as /bff",
        );
    }
    prefix.to_owned()
}

pub(super) fn ip(key: &str, text: &str, notes: &mut Notes) -> IpAddr {
    text.trim_matches(['[', ']']).parse().unwrap_or_else(|_| {
        notes.problem(
            key,
            format!("{text:?} is not an IP address"),
            "use 0.0.0.0, 127.0.0.1 or [::], for example",
        );
        IpAddr::from([127, 0, 0, 1])
    })
}

pub(super) fn secret_bytes(key: &str, source: &SecretSource, notes: &mut Notes) -> Option<Vec<u8>> {
    let mut remarks = Vec::new();
    let outcome = source.resolve(&mut remarks);
    notes.remark(remarks);
    match outcome {
        Ok(bytes) => Some(bytes.to_vec()),
        Err(error) => {
            notes.problem(key, error.to_string(), "set it, or correct where it is to be found");
            None
        }
    }
}

pub(super) fn text_secret(key: &str, source: &SecretSource, notes: &mut Notes) -> Option<String> {
    let mut remarks = Vec::new();
    let outcome = source.resolve_text(&mut remarks);
    notes.remark(remarks);
    match outcome {
        Ok(text) => Some(text.as_str().to_owned()),
        Err(error) => {
            notes.problem(key, error.to_string(), "set it, or correct where it is to be found");
            None
        }
    }
}

/// Secrets that callers send in a header.
pub(super) fn shared_secrets(
    key: &str,
    list: Option<SecretList>,
    notes: &mut Notes,
) -> Option<SharedSecrets> {
    let SecretList(sources) = list?;
    let several = sources.len() > 1;
    let mut secrets = Vec::new();
    for (i, source) in sources.iter().enumerate() {
        let at = if several { format!("{key}[{i}]") } else { key.to_owned() };
        let Some(secret) = text_secret(&at, source, notes) else { continue };
        if secret.len() < MIN_SHARED_SECRET_BYTES || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            notes.problem(
                &at,
                format!("it is shorter than {MIN_SHARED_SECRET_BYTES} characters, or has some that a header cannot have"),
                "`authtool-bff keys` prints good ones: use a third, of its own",
            );
        }
        secrets.push(secret);
    }
    Some(SharedSecrets::new(&secrets))
}

/// A network in CIDR notation, or a single address.
pub(super) fn network(key: &str, text: &str, notes: &mut Notes) -> Option<IpNet> {
    let parsed = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    if parsed.is_none() {
        notes.problem(
            key,
            format!("{text:?} is neither an address nor a network"),
            "write 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32, for example",
        );
    }
    parsed
}

/// A number of seconds that can be a lifetime.
pub(super) fn lifetime(key: &str, seconds: Option<u64>, default: u64, notes: &mut Notes) -> Duration {
    let seconds = seconds.unwrap_or(default);
    if seconds == 0 || seconds > MAX_LIFETIME_SECS {
        notes.problem(
            key,
            "it is zero or more than a century",
            format!("give seconds, such as {}", default.clamp(1, 3600)),
        );
    }
    Duration::from_secs(seconds)
}

/// A placeholder where a problem has been noted already, and nothing will be served.
pub(super) fn unreachable_url() -> Url {
    #[allow(clippy::unwrap_used)]
    Url::parse("http://invalid.invalid/").unwrap()
}
