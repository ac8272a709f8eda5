//! Whether browsers will keep the session cookie, and send it where it is needed.

use url::{Host, Url};

use super::finding::{Area, Finding, Notes};
use crate::{
    config::{Config, Hardening, SameSite},
    domain::metadata::is_loopback,
};

pub(super) fn look_at(config: &Config) -> Vec<Finding> {
    let mut notes = Notes::new(Area::Cookies, None);
    keeping(config, &mut notes);
    reach(config, &mut notes);
    sites(config, &mut notes);
    notes.finish()
}

/// Whether the cookie is stored at all.
fn keeping(config: &Config, notes: &mut Notes) {
    let (cookie, app) = (&config.session.cookie, &config.server.app);
    let origin = app.origin().ascii_serialization();
    let prefix = cookie.hardening.prefix();
    match (app.scheme(), cookie.secure) {
        ("https", true) => {
            notes.good("cookies.kept", format!("browsers keep a {prefix}… cookie that is Secure at {origin}"));
        }
        ("https", false) => notes.bad(
            "cookies.kept",
            format!("the session cookie is not Secure, though the app is at {origin}: one plain request gives it away"),
            "set session.mode.secure to true, and sessionIdHardening to \"host\"",
        ),
        (_, true) if is_loopback(app) => notes.notice(
            "cookies.kept",
            format!("Chrome and Firefox keep Secure cookies at {origin}, Safari does not"),
            "nothing, unless somebody develops with Safari: then sessionIdHardening \"none\" with secure false, on this \
             machine only",
        ),
        (_, true) => notes.bad(
            "cookies.kept",
            format!("no browser keeps a Secure cookie at {origin}: every login is forgotten at once"),
            "serve the app by https, and let redirect_uri begin with https://",
        ),
        (_, false) if is_loopback(app) => {
            notes.good("cookies.kept", format!("browsers keep the cookie at {origin}"));
        }
        (_, false) => notes.notice(
            "cookies.kept",
            format!("the session cookie travels unencrypted to {origin}; whoever is on the way can take the session"),
            "serve the app by https with sessionIdHardening \"host\"; plain http is for a closed development network",
        ),
    }
    if let Some(domain) = &cookie.domain {
        let domain = domain.trim_start_matches('.').to_ascii_lowercase();
        let host = app.host_str().unwrap_or_default().to_ascii_lowercase();
        let is_name = matches!(app.host(), Some(Host::Domain(_)));
        if host != domain && !(is_name && host.ends_with(&format!(".{domain}"))) {
            notes.bad(
                "cookies.domain",
                format!("browsers refuse a cookie for {domain} from {host}"),
                "set session.mode.domain to the app's host or to a domain above it, or leave it out",
            );
        } else {
            notes.notice(
                "cookies.domain",
                format!("every host below {domain} receives the session cookie, and any of them can plant one"),
                "leave session.mode.domain out and use sessionIdHardening \"host\", unless hosts must share the session",
            );
        }
    } else if cookie.hardening == Hardening::Secure {
        notes.notice(
            "cookies.domain",
            "a sibling host can plant a __Secure- cookie here",
            "use sessionIdHardening \"host\": neither domain nor path is set, so nothing is lost",
        );
    }
}

/// Whether it is sent to our endpoints and the APIs.
fn reach(config: &Config, notes: &mut Notes) {
    let path = &config.session.cookie.path;
    let base = &config.server.base_path;
    let own = format!("{}/", config.server.public_prefix());
    if !is_below(&own, path) {
        notes.bad(
            "cookies.path",
            format!("the cookie is sent to {path} only, but the server's own endpoints are below {own}"),
            "set session.mode.path to /",
        );
        return;
    }
    let missed: Vec<&str> = config
        .server
        .proxy
        .iter()
        .map(|route| route.prefix.as_str())
        .filter(|prefix| !is_below(&format!("{base}{prefix}/"), path))
        .collect();
    if !missed.is_empty() {
        notes.bad(
            "cookies.path",
            format!("the cookie is sent to {path} only, and so not to {}", missed.join(", ")),
            "set session.mode.path to /",
        );
    } else if path == "/" {
        notes.good("cookies.path", "the cookie is sent to every path of the app's host");
    } else {
        notes.notice(
            "cookies.path",
            format!("the cookie is sent to {path} only: APIs elsewhere on the host get none"),
            "set session.mode.path to / if a gateway exchanges it for tokens there",
        );
    }
}

/// Whether it is sent from where the app is.
fn sites(config: &Config, notes: &mut Notes) {
    let cookie = &config.session.cookie;
    let app = &config.server.app;
    let foreign: Vec<String> = config
        .server
        .allowed_return_origins
        .iter()
        .map(ToString::to_string)
        .filter(|origin| Url::parse(origin).is_ok_and(|origin| !are_same_site(&origin, app)))
        .collect();
    match cookie.same_site {
        SameSite::None => notes.notice(
            "cookies.same-site",
            "SameSite=None: other sites' pages send the cookie, as far as browsers still let them; Safari and Firefox \
             do not",
            "use strict (the default), or lax; for an app in other sites' frames also set partitioned to true",
        ),
        same_site if !foreign.is_empty() => notes.notice(
            "cookies.same-site",
            format!(
                "SameSite={}: pages of {} are another site, and their fetches do not carry the cookie",
                same_site.as_str(),
                foreign.join(", ")
            ),
            "give that app a host below the same domain, or a server of its own",
        ),
        same_site => notes.good(
            "cookies.same-site",
            format!("SameSite={}: no other site's page can use the session", same_site.as_str()),
        ),
    }
}

/// Path-match (RFC 6265 §5.1.4).
fn is_below(path: &str, cookie_path: &str) -> bool {
    path.strip_prefix(cookie_path.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether two origins are of one site, by the public suffix list (schemeful same-site): the same scheme,
/// and the same registrable domain.
fn are_same_site(one: &Url, other: &Url) -> bool {
    let site = |url: &Url| match url.host() {
        Some(Host::Domain(name)) => psl::domain_str(name).unwrap_or(name).to_owned(),
        host => host.map(|it| it.to_string()).unwrap_or_default(),
    };
    one.scheme() == other.scheme() && site(one) == site(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use serde_json::{Value, json};

    /// What is said about `check` with these settings.
    fn verdict(check: &str, app: &str, mode: Value, server: Value) -> (Verdict, String) {
        let mut file = json!({
            "client": {
                "issuer": "https://op.example",
                "clientId": "app",
                "credentials": {"secret": "s"},
                "redirect_uri": format!("{app}/bff/oauth/callback"),
            },
            "session": {
                "mode": {"type": "bff"},
                "signingKey": "0123456789abcdefghijklmnopqrstuv",
                "encryptionKey": "vutsrqponmlkjihgfedcba9876543210",
                "authorizationFlowCache": {"connectionName": "here"},
            },
            "connections": {"here": {"type": "embedded", "config": {}}},
            "server": {"apiPrefix": "/bff"},
        });
        for (section, changes) in [("session/mode", mode), ("server", server)] {
            let section = file.pointer_mut(&format!("/{section}")).unwrap();
            for (key, value) in changes.as_object().unwrap() {
                section[key] = value.clone();
            }
        }
        let config = Config::from_json(&file.to_string()).unwrap();
        let findings = look_at(&config);
        let finding = findings.iter().find(|it| it.check == check).unwrap_or_else(|| panic!("{findings:#?}"));
        (finding.verdict, finding.what.clone())
    }

    #[test]
    fn a_cookie_that_browsers_do_not_keep_is_named() {
        let secure = json!({"sessionIdHardening": "secure", "domain": "example.com"});
        let plain = json!({"sessionIdHardening": "none", "secure": false});
        for (app, mode, expected) in [
            ("https://app.example.com", json!({}), Verdict::Good),
            ("http://localhost:3000", json!({}), Verdict::Notice),
            ("http://app.example.com", json!({}), Verdict::Bad),
            ("http://app.example.com", plain.clone(), Verdict::Notice),
            ("http://localhost:3000", plain.clone(), Verdict::Good),
            ("https://app.example.com", plain, Verdict::Bad),
        ] {
            let (verdict, what) = verdict("cookies.kept", app, mode, json!({}));
            assert_eq!(verdict, expected, "{app}: {what}");
        }
        for (app, expected) in [
            ("https://app.example.com", Verdict::Notice),
            ("https://example.com", Verdict::Notice),
            ("https://example.org", Verdict::Bad),
            ("https://notexample.com", Verdict::Bad),
        ] {
            let (verdict, what) = verdict("cookies.domain", app, secure.clone(), json!({}));
            assert_eq!(verdict, expected, "{app}: {what}");
        }
    }

    #[test]
    fn a_cookie_that_does_not_reach_its_endpoints_is_named() {
        let path = |path: &str| json!({"sessionIdHardening": "secure", "path": path});
        let api = json!({"proxy": [{"prefix": "/api", "upstream": "http://127.0.0.1:1"}]});
        for (path, server, expected) in [
            (path("/"), api.clone(), Verdict::Good),
            (path("/bff"), json!({}), Verdict::Notice),
            (path("/bff"), api, Verdict::Bad),
            (path("/b"), json!({}), Verdict::Bad),
            (path("/elsewhere"), json!({}), Verdict::Bad),
        ] {
            let (verdict, what) = verdict("cookies.path", "https://app.example.com", path, server);
            assert_eq!(verdict, expected, "{what}");
        }
    }

    #[test]
    fn an_app_on_another_site_is_told_that_its_fetches_have_no_cookie() {
        for (origin, expected) in [
            ("https://other.example.com", Verdict::Good),
            ("https://*.example.com", Verdict::Good),
            ("https://*.example.org", Verdict::Notice),
            ("https://example.org", Verdict::Notice),
        ] {
            let server = json!({"allowedReturnOrigins": [origin]});
            let (verdict, what) = verdict("cookies.same-site", "https://app.example.com", json!({}), server);
            assert_eq!(verdict, expected, "{what}");
        }
        let none = json!({"sameSite": "none"});
        assert_eq!(verdict("cookies.same-site", "https://a.example.com", none, json!({})).0, Verdict::Notice);
    }
}
