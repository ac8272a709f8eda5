//! `session.mode`: the cookie's attributes, and which of them browsers refuse together.

use std::time::Duration;

use super::Notes;
use crate::config::{CookieSettings, Hardening, SameSite, file::ModeSection};

/// Browsers cap cookies at 400 days (draft-ietf-httpbis-rfc6265bis §5.5).
const MAX_COOKIE_SECS: u64 = 400 * 24 * 3600;

/// `base_path` is `server.publicBasePath`, as it is written.
pub(super) fn settings(mode: ModeSection, base_path: Option<&str>, notes: &mut Notes) -> CookieSettings {
    let hardening = hardening(mode.session_id_hardening.as_deref(), notes);
    let same_site = same_site(mode.same_site.as_deref(), notes);
    let secure = mode.secure.unwrap_or(true);
    let host_only = matches!(hardening, Hardening::Host | Hardening::HostHttp);
    let base_path = match base_path.map(|it| it.trim_end_matches('/')) {
        None | Some("") => "/".to_owned(),
        Some(path) => path.to_owned(),
    };
    let path = mode.path.unwrap_or_else(|| if host_only { "/".to_owned() } else { base_path.clone() });
    if hardening != Hardening::None && !secure {
        impossible(
            notes,
            "secure",
            "it is false, but browsers refuse a cookie with this name prefix that is not Secure",
            "remove it, or set sessionIdHardening to \"none\" for plain http on your own machine",
        );
    }
    let attribute = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';' && byte != b',')
    };
    if mode.domain.as_deref().is_some_and(|domain| !attribute(domain)) {
        impossible(notes, "domain", "it is not a domain", "write a host name, such as example.com");
    } else if host_only && mode.domain.is_some() {
        impossible(
            notes,
            "domain",
            "browsers refuse a __Host- cookie with a Domain",
            "remove it, or set sessionIdHardening to \"secure\" if subdomains must share the session",
        );
    }
    if !path.starts_with('/') || !attribute(&path) {
        impossible(
            notes,
            "path",
            "it is not a cookie path",
            "begin with a slash, without spaces or semicolons",
        );
    } else if host_only && path != "/" {
        impossible(
            notes,
            "path",
            "browsers refuse a __Host- cookie with another Path than /",
            "remove it, or set sessionIdHardening to \"secure\"",
        );
    }
    if same_site == SameSite::None && !secure {
        impossible(notes, "sameSite", "browsers refuse SameSite=None without Secure", "set secure to true");
    }
    let partitioned = mode.partitioned.unwrap_or(false);
    if partitioned && !secure {
        impossible(notes, "partitioned", "browsers refuse Partitioned without Secure", "set secure to true");
    }
    let http_only = mode.http_only.unwrap_or(true);
    if !http_only && hardening == Hardening::HostHttp {
        impossible(
            notes,
            "http_only",
            "it is false, but browsers refuse a __Host-Http- cookie that is not HttpOnly",
            "remove it",
        );
    } else if !http_only && !cfg!(debug_assertions) {
        impossible(
            notes,
            "http_only",
            "it is false: any script in the page could take the session",
            "remove it; only debug builds accept it",
        );
    }
    if mode.expiration_secs == Some(0) {
        impossible(
            notes,
            "expirationSecs",
            "it is zero",
            "give seconds, or leave it out for a browser session",
        );
    }
    CookieSettings {
        hardening,
        same_site,
        secure,
        http_only,
        path,
        base_path,
        domain: mode.domain,
        partitioned,
        max_age: mode.expiration_secs.map(|seconds| Duration::from_secs(seconds.min(MAX_COOKIE_SECS))),
    }
}

fn impossible(notes: &mut Notes, key: &str, problem: &str, fix: &str) {
    notes.problem(&format!("session.mode.{key}"), problem, fix);
}

fn hardening(name: Option<&str>, notes: &mut Notes) -> Hardening {
    match name {
        None | Some("host") => Hardening::Host,
        Some("hostHttp") => Hardening::HostHttp,
        Some("secure") => Hardening::Secure,
        Some("none") => Hardening::None,
        Some(other) => {
            notes.problem(
                "session.mode.sessionIdHardening",
                format!("{other:?} is not a hardening"),
                "use \"host\" (best), \"hostHttp\", \"secure\", or \"none\" for plain http on your own machine",
            );
            Hardening::Host
        }
    }
}

fn same_site(name: Option<&str>, notes: &mut Notes) -> SameSite {
    match name.map(str::to_ascii_lowercase).as_deref() {
        None | Some("strict") => SameSite::Strict,
        Some("lax") => SameSite::Lax,
        Some("none") => SameSite::None,
        Some(_) => {
            notes.problem("session.mode.sameSite", "it is not a SameSite value", "use strict, lax or none");
            SameSite::Strict
        }
    }
}
