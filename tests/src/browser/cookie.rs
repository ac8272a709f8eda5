//! One cookie, and whether a browser accepts it (RFC 6265bis §5.6, §5.7).

use super::site::is_trustworthy;
use std::time::{Duration, SystemTime};
use url::Url;

/// The `SameSite` attribute; absent counts as `Lax`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Only with same-site requests.
    Strict,
    /// Also with cross-site top-level navigations by a safe method.
    Lax,
    /// Always.
    None,
}

/// A stored cookie.
#[derive(Clone, Debug)]
pub struct Cookie {
    /// The name.
    pub name: String,
    /// The value, exactly as received.
    pub value: String,
    /// The host it belongs to.
    pub domain: String,
    /// No `Domain` attribute: this host only.
    pub host_only: bool,
    /// The path.
    pub path: String,
    /// Only over trustworthy connections.
    pub secure: bool,
    /// Not for scripts.
    pub http_only: bool,
    /// Which requests carry it.
    pub same_site: SameSite,
    /// `Max-Age`, as received.
    pub max_age: Option<i64>,
    pub(super) expires: Option<SystemTime>,
}

impl Cookie {
    /// Parses a `Set-Cookie` line that came from `url`; the error says why a browser ignores it.
    pub(super) fn parse(url: &Url, line: &str) -> Result<Self, String> {
        let host = url.host_str().unwrap_or_default();
        let mut parts = line.split(';').map(|part| part.trim_matches([' ', '\t']));
        let (name, value) =
            parts.next().and_then(|pair| pair.split_once('=')).ok_or("there is no name and value")?;
        let mut cookie = Self {
            name: name.trim_matches([' ', '\t']).to_owned(),
            value: value.trim_matches([' ', '\t']).to_owned(),
            domain: host.to_owned(),
            host_only: true,
            path: default_path(url),
            secure: false,
            http_only: false,
            same_site: SameSite::Lax,
            max_age: None,
            expires: None,
        };
        if line.bytes().any(|byte| byte < 0x20 && byte != b'\t') {
            return Err("a control character".to_owned());
        }
        let mut explicit_path = false;
        for part in parts {
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            match attribute.to_ascii_lowercase().as_str() {
                "domain" if !value.is_empty() => {
                    let domain = value.trim_start_matches('.').to_ascii_lowercase();
                    if host != domain && !host.ends_with(&format!(".{domain}")) {
                        return Err(format!("the Domain {value:?} is not that of {host:?}"));
                    }
                    (cookie.domain, cookie.host_only) = (domain, false);
                }
                "path" if value.starts_with('/') => {
                    (cookie.path, explicit_path) = (value.to_owned(), true);
                }
                "secure" => cookie.secure = true,
                "httponly" => cookie.http_only = true,
                "samesite" => {
                    cookie.same_site = match value.to_ascii_lowercase().as_str() {
                        "strict" => SameSite::Strict,
                        "none" => SameSite::None,
                        _ => SameSite::Lax,
                    }
                }
                "max-age" => {
                    let seconds = value.parse::<i64>().map_err(|_| format!("the Max-Age {value:?}"))?;
                    cookie.max_age = Some(seconds);
                    let lifetime = Duration::from_secs(seconds.clamp(0, 400 * 24 * 3600).unsigned_abs());
                    cookie.expires = Some(SystemTime::now() + lifetime);
                }
                // The tests compare dates with the past only: `Max-Age` is what the server should send.
                "expires" if cookie.max_age.is_none() && value.contains(" 1970 ") => {
                    cookie.expires = Some(SystemTime::UNIX_EPOCH);
                }
                _ => {}
            }
        }
        if cookie.secure && !is_trustworthy(url) {
            return Err("Secure, from an origin that is not".to_owned());
        }
        if cookie.same_site == SameSite::None && !cookie.secure {
            return Err("SameSite=None without Secure".to_owned());
        }
        let prefix = cookie.name.to_ascii_lowercase();
        if prefix.starts_with("__secure-") && !cookie.secure {
            return Err("__Secure- without Secure".to_owned());
        }
        let is_for_this_host = cookie.secure && cookie.host_only && explicit_path && cookie.path == "/";
        if prefix.starts_with("__host-") && !is_for_this_host {
            return Err("__Host- without Secure and Path=/, or with Domain".to_owned());
        }
        Ok(cookie)
    }

    pub(super) fn is_expired(&self) -> bool {
        self.expires.is_some_and(|expires| expires <= SystemTime::now())
    }

    /// Whether it goes along with a request to `url`.
    pub fn is_for(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let host_matches =
            host == self.domain || (!self.host_only && host.ends_with(&format!(".{}", self.domain)));
        let path = url.path();
        let path_matches = path == self.path
            || path
                .strip_prefix(&self.path)
                .is_some_and(|rest| self.path.ends_with('/') || rest.starts_with('/'));
        host_matches && path_matches && (!self.secure || is_trustworthy(url))
    }
}

/// RFC 6265bis §5.1.4.
fn default_path(url: &Url) -> String {
    match url.path().rsplit_once('/') {
        Some(("", _)) | None => "/".to_owned(),
        Some((folder, _)) => folder.to_owned(),
    }
}
