//! The address of an upstream in its answers: an API that builds absolute URLs from `Host` would send browsers to where only we
//! can reach it. Such URLs become those of the public origin. Those of other hosts are the API's own business.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use url::{Host, Position, Url};

use super::{base_path, cookies::CookiePolicy};

const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// What browsers see, and what stands behind it.
pub(super) struct Addresses<'a> {
    /// Our origin, serialised.
    pub(super) public: &'a str,
    /// What browsers have in front of each path.
    pub(super) base_path: &'a str,
    /// Below which path the upstream is.
    pub(super) prefix: &'a str,
    /// The upstream's origin.
    pub(super) upstream: &'a Url,
    /// The request's `Host`, which the upstream knows by `X-Forwarded-Host`: a proxy in front may have changed it.
    pub(super) host: Option<&'a str>,
}

impl Addresses<'_> {
    /// Rewrites whatever in an answer leads somewhere.
    pub(super) fn correct(&self, headers: &mut HeaderMap, cookies: &CookiePolicy) {
        for name in [header::LOCATION, header::CONTENT_LOCATION] {
            replace(headers, &name, |it| self.corrected(it));
        }
        replace(headers, &REFRESH, |it| self.corrected_refresh(it));
        if !self.base_path.is_empty() {
            replace(headers, &header::SET_COOKIE, |it| self.corrected_cookie(it, cookies));
        }
    }

    /// The URL as browsers need it; `None` if it is good as it is.
    fn corrected(&self, location: &str) -> Option<String> {
        let location = location.trim();
        if location.starts_with('/') && !location.starts_with("//") {
            return self.with_base(location);
        }
        let url = match location.strip_prefix("//") {
            Some(_) => Url::parse(&format!("{}:{location}", self.upstream.scheme())),
            None => Url::parse(location),
        };
        // A relative one is relative to what the browser has asked for.
        let url = url.ok().filter(|it| matches!(it.scheme(), "http" | "https"))?;
        let public = Url::parse(self.public).ok()?;
        let rest = &url[Position::BeforePath..];
        if self.is_upstreams(&url) {
            let rest = self.with_base_whatever(rest);
            return Some(format!("{}{rest}", self.public));
        }
        // Built from `X-Forwarded-Host`, perhaps without what `X-Forwarded-Proto` says.
        if is_at(&url, &public) {
            let with_base = self.with_base(rest);
            let corrected = format!("{}{}", self.public, with_base.as_deref().unwrap_or(rest));
            return (corrected != location).then_some(corrected);
        }
        None
    }

    /// Whether it is the upstream's own address, or the one under which we were asked.
    fn is_upstreams(&self, url: &Url) -> bool {
        let asked = self.host.and_then(|host| Url::parse(&format!("{}://{host}/", url.scheme())).ok());
        let public = Url::parse(self.public).ok();
        is_at(url, self.upstream)
            || asked.is_some_and(|asked| {
                public.is_some_and(|public| asked.host() != public.host()) && is_at(url, &asked)
            })
    }

    /// A path below the base path; `None` if it is, or is not ours.
    fn with_base(&self, path: &str) -> Option<String> {
        let is_ours =
            path.strip_prefix(self.prefix).is_some_and(|it| it.is_empty() || it.starts_with(['/', '?', '#']));
        (is_ours && !self.base_path.is_empty()).then(|| self.with_base_whatever(path))
    }

    fn with_base_whatever(&self, path: &str) -> String {
        match base_path::below(self.base_path, path) {
            Some(_) => path.to_owned(),
            None => format!("{}{path}", self.base_path),
        }
    }

    /// `5; url=/x`, as browsers read it (HTML, "shared declarative refresh steps").
    fn corrected_refresh(&self, refresh: &str) -> Option<String> {
        let (delay, rest) = refresh.split_once([';', ','])?;
        let rest = rest.trim_start();
        let url = match rest.get(..3) {
            Some(name) if name.eq_ignore_ascii_case("url") => {
                rest.get(3..)?.trim_start().strip_prefix('=')?.trim_start()
            }
            _ => rest,
        };
        let url = url.trim_end();
        let quoted = |quote: char| url.strip_prefix(quote).and_then(|it| it.split(quote).next());
        let url = quoted('"').or_else(|| quoted('\'')).unwrap_or(url);
        Some(format!("{delay}; url={}", self.corrected(url)?))
    }

    /// The `Path` of a cookie that is for the upstream's prefix.
    fn corrected_cookie(&self, cookie: &str, policy: &CookiePolicy) -> Option<String> {
        if policy.is_ours(cookie.split('=').next().unwrap_or_default().trim().as_bytes()) {
            return None;
        }
        let mut changed = false;
        let attributes = cookie.split(';').enumerate().map(|(i, attribute)| {
            let path = attribute
                .split_once('=')
                .filter(|(name, _)| i > 0 && name.trim().eq_ignore_ascii_case("path"));
            match path.and_then(|(_, path)| self.with_base(path.trim())) {
                Some(path) => {
                    changed = true;
                    format!(" Path={path}")
                }
                None => attribute.to_owned(),
            }
        });
        let corrected = attributes.collect::<Vec<_>>().join(";");
        changed.then_some(corrected)
    }
}

fn replace(headers: &mut HeaderMap, name: &HeaderName, correct: impl Fn(&str) -> Option<String>) {
    let header::Entry::Occupied(mut values) = headers.entry(name) else { return };
    for value in values.iter_mut() {
        let corrected = value.to_str().ok().and_then(&correct);
        if let Some(Ok(mut corrected)) = corrected.map(HeaderValue::try_from) {
            corrected.set_sensitive(value.is_sensitive());
            *value = corrected;
        }
    }
}

/// Whether a URL leads to the same host and port, whatever its scheme: behind a proxy many servers guess that.
fn is_at(url: &Url, address: &Url) -> bool {
    let same_port = url.port_or_known_default() == address.port_or_known_default()
        || (url.port().is_none() && address.port().is_none());
    let same_host = match (url.host(), address.host()) {
        (Some(one), Some(other)) => one == other || (is_this_machine(&one) && is_this_machine(&other)),
        _ => false,
    };
    same_host && same_port
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback() || address.is_unspecified(),
        Host::Ipv6(address) => address.is_loopback() || address.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corrected(addresses: &Addresses<'_>, name: HeaderName, value: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(&name, value.parse().unwrap());
        addresses.correct(&mut headers, &CookiePolicy::strict_host());
        headers.remove(name).unwrap().to_str().unwrap().to_owned()
    }

    fn table(upstream: &str, base_path: &str, rows: &[(&str, &str)]) {
        let upstream: Url = upstream.parse().unwrap();
        let addresses = Addresses {
            public: "https://app.example",
            base_path,
            prefix: "/api",
            upstream: &upstream,
            host: Some("bff.internal:3000"),
        };
        for (location, expected) in rows {
            for name in [header::LOCATION, header::CONTENT_LOCATION] {
                assert_eq!(
                    corrected(&addresses, name, location),
                    *expected,
                    "{upstream} {base_path} {location}"
                );
            }
        }
    }

    #[test]
    fn the_address_of_an_upstream_becomes_the_public_one() {
        table(
            "http://orders.internal:4000",
            "",
            &[
                // From `Host`.
                ("http://orders.internal:4000/api/x?a=b#c", "https://app.example/api/x?a=b#c"),
                ("http://orders.internal:4000", "https://app.example/"),
                ("HTTP://Orders.Internal:4000/api/", "https://app.example/api/"),
                ("//orders.internal:4000/api/", "https://app.example/api/"),
                ("http://user:secret@orders.internal:4000/api/", "https://app.example/api/"),
                ("http://orders.internal:4000//evil.example/", "https://app.example//evil.example/"),
                // From `Host` and `X-Forwarded-Proto`.
                ("https://orders.internal:4000/api/x", "https://app.example/api/x"),
                // From `X-Forwarded-Host`, where something in front has changed it.
                ("http://bff.internal:3000/api/x", "https://app.example/api/x"),
                // From `X-Forwarded-Host` alone.
                ("http://app.example/api/x", "https://app.example/api/x"),
                ("https://app.example:443/api/x", "https://app.example/api/x"),
                // These are good, or somebody else's.
                ("https://app.example/api/x", "https://app.example/api/x"),
                ("/api/x", "/api/x"),
                ("../x", "../x"),
                ("?page=2", "?page=2"),
                ("https://orders.internal/api/x", "https://orders.internal/api/x"),
                ("http://orders.internal:4001/api/x", "http://orders.internal:4001/api/x"),
                (
                    "https://login.example/authorize?x=http://orders.internal:4000/",
                    "https://login.example/authorize?x=http://orders.internal:4000/",
                ),
                ("https://orders.internal:4000.evil.example/", "https://orders.internal:4000.evil.example/"),
                ("https://app.example.evil/api/", "https://app.example.evil/api/"),
                ("https://app.example:8443/x", "https://app.example:8443/x"),
                ("ftp://orders.internal:4000/x", "ftp://orders.internal:4000/x"),
                ("http://orders.internal:4000@evil.example/x", "http://orders.internal:4000@evil.example/x"),
            ],
        );
        table(
            "http://127.0.0.1:4000",
            "",
            &[
                ("http://localhost:4000/api/x", "https://app.example/api/x"),
                ("http://0.0.0.0:4000/api/x", "https://app.example/api/x"),
                ("http://[::1]:4000/api/x", "https://app.example/api/x"),
                ("http://127.0.0.1:4001/api/x", "http://127.0.0.1:4001/api/x"),
                ("http://127.0.0.1/api/x", "http://127.0.0.1/api/x"),
            ],
        );
        table(
            "http://orders",
            "",
            &[
                ("http://orders/api/x", "https://app.example/api/x"),
                ("https://orders/api/x", "https://app.example/api/x"),
                ("http://orders:80/api/x", "https://app.example/api/x"),
            ],
        );
    }

    #[test]
    fn below_a_base_path_upstreams_need_not_know_of_it() {
        table(
            "http://orders:4000",
            "/myapp",
            &[
                ("http://orders:4000/api/x?a#b", "https://app.example/myapp/api/x?a#b"),
                ("http://orders:4000/myapp/api/x", "https://app.example/myapp/api/x"),
                ("http://orders:4000/", "https://app.example/myapp/"),
                ("/api/x", "/myapp/api/x"),
                ("/api?x", "/myapp/api?x"),
                ("/myapp/api/x", "/myapp/api/x"),
                ("https://app.example/api/x", "https://app.example/myapp/api/x"),
                // Another app's, on the same host.
                ("/other", "/other"),
                ("https://app.example/other", "https://app.example/other"),
                ("x", "x"),
            ],
        );
        let upstream: Url = "http://orders:4000".parse().unwrap();
        let addresses = Addresses {
            public: "https://app.example",
            base_path: "/myapp",
            prefix: "/api",
            upstream: &upstream,
            host: None,
        };
        for (cookie, expected) in [
            ("a=b; Path=/api/x; HttpOnly", "a=b; Path=/myapp/api/x; HttpOnly"),
            ("a=b; path = /api", "a=b; Path=/myapp/api"),
            ("a=b; Path=/; Secure", "a=b; Path=/; Secure"),
            ("a=b; Path=/myapp/api", "a=b; Path=/myapp/api"),
            ("Path=/api", "Path=/api"),
            ("__Host-session_id=x; Path=/api", "__Host-session_id=x; Path=/api"),
        ] {
            assert_eq!(corrected(&addresses, header::SET_COOKIE, cookie), expected);
        }
    }

    #[test]
    fn a_refresh_is_read_as_browsers_read_it() {
        let upstream: Url = "http://orders:4000".parse().unwrap();
        let addresses = Addresses {
            public: "https://app.example",
            base_path: "",
            prefix: "/api",
            upstream: &upstream,
            host: None,
        };
        let to = "https://app.example/api/x";
        for (refresh, expected) in [
            ("5; url=http://orders:4000/api/x", format!("5; url={to}")),
            ("0;URL='http://orders:4000/api/x'", format!("0; url={to}")),
            ("0, Url = \"http://orders:4000/api/x\" ", format!("0; url={to}")),
            ("1; http://orders:4000/api/x", format!("1; url={to}")),
            ("5", "5".to_owned()),
            ("5; url=/api/x", "5; url=/api/x".to_owned()),
            ("5; url=https://other.example/", "5; url=https://other.example/".to_owned()),
        ] {
            assert_eq!(corrected(&addresses, REFRESH, refresh), expected, "{refresh}");
        }
    }
}
