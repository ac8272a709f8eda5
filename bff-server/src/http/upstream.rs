//! What reaches an API, decided once for `server.proxy` and for every gateway that asks: the session's token and
//! nothing that pretends to be it, the app's cookies and none of ours. No I/O.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::cookies::{self, CookiePolicy};
use crate::service::sessions::UsableToken;

/// Headers by which upstreams recognise users, proxies, or what was "really" asked for. Never the client's to
/// set; nor are those with the prefixes below, nor any with an underscore, which many servers take for a dash.
/// The Lua module for Envoy has the same list.
pub(crate) const NEVER_FROM_CLIENTS: [&str; 16] = [
    "authorization",
    "dpop",
    "forwarded",
    "proxy-authorization",
    "remote-user",
    "true-client-ip",
    "x-client-ip",
    "x-http-method",
    "x-http-method-override",
    "x-jwt-payload",
    "x-method-override",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-remote-user",
    "x-rewrite-url",
];
const NEVER_FROM_CLIENTS_WITH_PREFIX: [&str; 4] =
    ["x-auth-request-", "x-authtool-", "x-envoy-", "x-forwarded-"];

/// RFC 9449 §4.1.
const DPOP: HeaderName = HeaderName::from_static("dpop");
/// Until when an answer must be complete; gRPC's, and what Envoy's `grpc_timeout_header_max` obeys for any request.
const DEADLINE: HeaderName = HeaderName::from_static("grpc-timeout");
/// gRPC allows eight digits.
const LONGEST_DEADLINE_SECS: u64 = 99_999_999;

/// Whether a header is one that a client may send to an API.
fn is_the_clients_to_send(name: &str) -> bool {
    !NEVER_FROM_CLIENTS.contains(&name)
        && !name.contains('_')
        && !NEVER_FROM_CLIENTS_WITH_PREFIX.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether an upstream could resolve a path to something outside of its prefix: dots in any spelling, also behind encoded
/// slashes, backslashes or path parameters.
pub(crate) fn has_dot_segments(path: &str) -> bool {
    percent_encoding::percent_decode_str(path)
        .decode_utf8_lossy()
        .split(['/', '\\'])
        .any(|segment| matches!(segment.split(';').next().unwrap_or(segment), "." | ".."))
}

/// What is done to a request's headers before it goes on.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Replaced, whatever was there.
    pub(crate) set: Vec<(HeaderName, HeaderValue)>,
    /// Taken away.
    pub(crate) remove: Vec<HeaderName>,
}

impl Changes {
    /// Takes away what no client may say about itself, and our cookies. `of_the_gateway` are headers that are the
    /// gateway's own when we see them.
    pub(crate) fn stripping(headers: &HeaderMap, policy: &CookiePolicy, of_the_gateway: &[&str]) -> Self {
        let mut changes = Self {
            set: Vec::new(),
            remove: headers
                .keys()
                .filter(|it| !is_the_clients_to_send(it.as_str()) && !of_the_gateway.contains(&it.as_str()))
                .cloned()
                .collect(),
        };
        if headers.contains_key(header::COOKIE) {
            match others_cookies(headers, policy) {
                Some(cookie) => changes.set.push((header::COOKIE, cookie)),
                None => changes.remove.push(header::COOKIE),
            }
        }
        changes
    }

    /// Leaves these headers where they are.
    pub(crate) fn leaving(mut self, names: &[&str]) -> Self {
        self.remove.retain(|it| !names.contains(&it.as_str()));
        self
    }

    /// Adds the session's token, and the proof that a bound one needs.
    pub(crate) fn authorize(&mut self, token: &UsableToken, proof: Option<&str>) -> Option<()> {
        let sensitive = |text: String| {
            let mut value = HeaderValue::try_from(text).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        let authorization = format!("{} {}", token.token_type().as_str(), token.access_token().expose());
        self.replace(header::AUTHORIZATION, sensitive(authorization)?);
        if let Some(proof) = proof {
            self.replace(DPOP, sensitive(proof.to_owned())?);
        }
        Some(())
    }

    /// Leaves a client without a session the token of its own, which has been checked.
    pub(crate) fn keep(&mut self, authorization: HeaderValue) {
        self.replace(header::AUTHORIZATION, authorization);
    }

    /// Has the gateway end what lasts longer than the session, as it is now (SEC-170). A client may ask for less.
    pub(crate) fn end_with_session(&mut self, headers: &HeaderMap, session_ends_in: u64) {
        let bound = session_ends_in.clamp(1, LONGEST_DEADLINE_SECS);
        let mut asked = headers.get_all(DEADLINE).iter();
        let sooner = match (asked.next(), asked.next()) {
            (Some(asked), None) => {
                deadline(asked.as_bytes()).is_some_and(|it| !it.is_zero() && it <= Duration::from_secs(bound))
            }
            _ => false,
        };
        if let (false, Ok(value)) = (sooner, HeaderValue::try_from(format!("{bound}S"))) {
            self.replace(DEADLINE, value);
        }
    }

    fn replace(&mut self, name: HeaderName, value: HeaderValue) {
        self.remove.retain(|it| *it != name);
        self.set.push((name, value));
    }

    /// Makes the changes.
    pub(crate) fn apply(self, headers: &mut HeaderMap) {
        for name in self.remove {
            headers.remove(name);
        }
        for (name, value) in self.set {
            headers.insert(name, value);
        }
    }
}

/// All cookies but ours, on one line; `None` if nothing is left.
fn others_cookies(headers: &HeaderMap, policy: &CookiePolicy) -> Option<HeaderValue> {
    let mut kept: Vec<u8> = Vec::new();
    for pair in cookies::raw_pairs(headers).filter(|pair| !holds_ours(pair, policy)) {
        if !kept.is_empty() {
            kept.extend_from_slice(b"; ");
        }
        kept.extend_from_slice(pair);
    }
    if kept.is_empty() { None } else { HeaderValue::from_bytes(&kept).ok() }
}

/// Several `Cookie` headers may have been joined with a comma on their way here, as any other header may.
fn holds_ours(pair: &[u8], policy: &CookiePolicy) -> bool {
    pair.split(|byte| *byte == b',').any(|part| policy.is_ours(cookies::name_of(part)))
}

/// `TimeoutValue TimeoutUnit` of gRPC.
fn deadline(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(number * 3600)),
        b'M' => Some(Duration::from_secs(number * 60)),
        b'S' => Some(Duration::from_secs(number)),
        b'm' => Some(Duration::from_millis(number)),
        b'u' => Some(Duration::from_micros(number)),
        b'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FROM_TRUSTED_PROXIES;

    fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    fn changed(headers: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = map(headers);
        let token = UsableToken::of("the-token", 60);
        let mut changes = Changes::stripping(&headers, &CookiePolicy::strict_host(), &["x-forwarded-for"]);
        changes.authorize(&token, None).unwrap();
        changes.apply(&mut headers);
        headers
    }

    #[test]
    fn sec_155_and_157_identity_headers_are_not_the_clients_to_send() {
        for name in [
            "authorization",
            "dpop",
            "x-forwarded-for",
            "x-forwarded-email",
            "x_forwarded_user",
            "x_jwt_payload",
            "remote-user",
            "x-auth-request-user",
            "x-original-url",
            "x-http-method-override",
            "x-envoy-original-path",
        ] {
            assert!(!is_the_clients_to_send(name), "{name}");
        }
        for name in ["accept", "content-type", "x-request-id", "traceparent", "x-app-version", "cookie"] {
            assert!(is_the_clients_to_send(name), "{name}");
        }
    }

    #[test]
    fn sec_155_the_lua_module_takes_the_same_headers_away() {
        let module = std::fs::read_to_string("../gateway/envoy/token-exchange.lua").unwrap();
        let list = |name: &str| {
            let (_, rest) = module.split_once(&format!("local {name} = ")).unwrap();
            let (_, rest) = rest.split_once('{').unwrap();
            let mut names: Vec<String> =
                rest.split_once('}').unwrap().0.split('"').skip(1).step_by(2).map(str::to_owned).collect();
            names.sort();
            names
        };
        assert_eq!(list("NEVER_FROM_CLIENTS"), NEVER_FROM_CLIENTS);
        // Envoy itself takes away what it does not want to hear about itself.
        let prefixes: Vec<_> =
            NEVER_FROM_CLIENTS_WITH_PREFIX.into_iter().filter(|it| *it != "x-envoy-").collect();
        assert_eq!(list("NEVER_FROM_CLIENTS_WITH_PREFIX"), prefixes);
        assert_eq!(list("FROM_TRUSTED_PROXIES"), FROM_TRUSTED_PROXIES);
    }

    #[test]
    fn sec_161_the_token_takes_the_place_of_whatever_was_there() {
        let headers = changed(&[
            ("authorization", "Bearer a"),
            ("authorization", "Basic b"),
            ("x-forwarded-user", "root"),
        ]);
        assert_eq!(headers.get_all("authorization").iter().collect::<Vec<_>>(), ["Bearer the-token"]);
        assert!(!headers.contains_key("x-forwarded-user"));
    }

    #[test]
    fn what_the_gateway_has_set_itself_stays() {
        let headers = changed(&[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-host", "evil.example")]);
        assert_eq!(headers["x-forwarded-for"], "192.0.2.1");
        assert!(!headers.contains_key("x-forwarded-host"));
    }

    #[test]
    fn sec_162_the_apps_cookies_go_on_as_they_are_and_ours_do_not() {
        let ours = "__Host-session_id=x";
        for (sent, goes_on) in [
            (vec!["a=1; __Host-session_id=x; b=2"], Some("a=1; b=2")),
            (vec!["a=1", ours, "b=2"], Some("a=1; b=2")),
            (vec!["theme=\"dark; b\"; flag; __Host-authtool_login_1=y"], Some("theme=\"dark; b\"; flag")),
            (vec![ours], None),
            (vec!["__Host-session_id"], None),
            (vec!["a=1,__Host-session_id=x; b=2"], Some("b=2")),
            (vec!["a=1, __Host-session_id =x"], None),
            (vec!["x__Host-session_id=1"], Some("x__Host-session_id=1")),
        ] {
            let sent: Vec<_> = sent.into_iter().map(|line| ("cookie", line)).collect();
            let headers = changed(&sent);
            let arrived: Vec<_> = headers.get_all("cookie").iter().map(|it| it.to_str().unwrap()).collect();
            assert_eq!(arrived, goes_on.into_iter().collect::<Vec<_>>(), "{sent:?}");
        }
    }

    #[test]
    fn sec_170_a_stream_does_not_outlive_the_session_and_a_client_may_ask_for_less() {
        for (asked, bound) in [
            (None, "600S"),
            (Some("5S"), "5S"),
            (Some("200m"), "200m"),
            (Some("10M"), "10M"),
            (Some("11M"), "600S"),
            (Some("99999999H"), "600S"),
            // Whoever reads it may take nothing for no limit.
            (Some("0S"), "600S"),
            (Some("S"), "600S"),
            (Some("-1S"), "600S"),
            (Some("123456789S"), "600S"),
        ] {
            let mut headers = map(&asked.map(|it| ("grpc-timeout", it)).into_iter().collect::<Vec<_>>());
            let mut changes = Changes::default();
            changes.end_with_session(&headers, 600);
            changes.apply(&mut headers);
            assert_eq!(headers["grpc-timeout"], bound, "{asked:?}");
        }
    }

    #[test]
    fn sec_164_dots_are_seen_in_every_spelling() {
        for path in [
            "/api/../x",
            "/api/./x",
            "/api/%2e%2E/x",
            "/api/..%2fx",
            "/api/..;a=b/x",
            "/api/..%5cx",
            "/api/x/..",
        ] {
            assert!(has_dot_segments(path), "{path}");
        }
        for path in ["/api/x", "/api/..x", "/api/x..", "/api/a%2fb", "/api/.well-known/x", "/api/v1.0/x"] {
            assert!(!has_dot_segments(path), "{path}");
        }
    }
}
