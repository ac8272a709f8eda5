//! Where a request may come from: Fetch Metadata, `Origin`, and what to do where a browser sends neither.
//!
//! | endpoint | mode, destination | site |
//! |---|---|---|
//! | `/session` | `fetch` | same-origin |
//! | `/token`, mode `tokenExchange` | `fetch`, by all of Fetch Metadata or with the client's own header | same-origin |
//! | `/token`, mode `bff` | nothing that a browser sends | |
//! | `/login`, the two callbacks, by `POST` too | a document navigation | any |
//! | front-channel logout | anything: what counts is the `sid` | any |
//! | `GET /logout` | a document navigation | same-origin, or typed; others change nothing |
//! | `POST /logout` | a form or a `fetch` | same-origin |
//! | proxied APIs, safe methods | anything same-origin, or a navigation | |
//! | proxied APIs, other methods | anything | same-origin |

use authtool_contract::header::{CSRF, CSRF_VALUE};
use http::{HeaderMap, Method};

/// A request's provenance, as far as its headers tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Provenance<'a> {
    site: Option<&'a [u8]>,
    mode: Option<&'a [u8]>,
    destination: Option<&'a [u8]>,
    origin: Origin,
    speculative: bool,
    sender: Sender,
    own_header: bool,
}

/// What the headers say, while they are read.
#[derive(Default)]
struct Said<'a> {
    site: Seen<'a>,
    mode: Seen<'a>,
    destination: Seen<'a>,
    sec_purpose: Seen<'a>,
    purpose: Seen<'a>,
    own_header: Seen<'a>,
    resembles_a_browser: bool,
}

/// A header's value, while the headers are read.
#[derive(Clone, Copy, Default)]
enum Seen<'a> {
    #[default]
    Never,
    Once(&'a [u8]),
    Again,
}

impl<'a> Seen<'a> {
    fn sees(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::Never => Self::Once(value),
            Self::Once(_) | Self::Again => Self::Again,
        };
    }

    /// A header that comes twice says nothing that could be relied on: it matches no value.
    fn value(self) -> Option<&'a [u8]> {
        match self {
            Self::Never => None,
            Self::Once(value) => Some(value),
            Self::Again => Some(b""),
        }
    }
}

/// Who sends such headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Browser,
    /// A browser, or a server whose HTTP client resembles one: Node's `fetch` sends `Sec-Fetch-Mode`.
    LikeABrowser,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Absent,
    App,
    /// Another one, `null`, several, or nonsense.
    Foreign,
}

/// What may be done with a request to log out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogoutVerdict {
    /// It comes from the app, or from the user's own hand.
    EndSession,
    /// Another site led the browser here: redirect, and change nothing.
    OnlyRedirect,
    /// Not a navigation at all.
    Refuse,
}

impl<'a> Provenance<'a> {
    /// Reads the headers; `app_origin` is the serialised origin that counts as ours.
    pub(crate) fn of(headers: &'a HeaderMap, app_origin: &str) -> Self {
        let mut said = Said::default();
        let mut origins = Seen::default();
        // One look at each header instead of one search for each name: this is done for every API call.
        for (name, value) in headers {
            let value = value.as_bytes();
            match name.as_str() {
                "sec-fetch-site" => said.site.sees(value),
                "sec-fetch-mode" => said.mode.sees(value),
                "sec-fetch-dest" => said.destination.sees(value),
                "sec-purpose" => said.sec_purpose.sees(value),
                "purpose" => said.purpose.sees(value),
                "origin" => origins.sees(value),
                CSRF => said.own_header.sees(value),
                _ => {}
            }
            said.resembles_a_browser |= is_browser_header(name.as_str());
        }
        let origin = match origins {
            Seen::Never => Origin::Absent,
            Seen::Once(origin) if origin == app_origin.as_bytes() => Origin::App,
            Seen::Once(_) | Seen::Again => Origin::Foreign,
        };
        let (site, destination) = (said.site.value(), said.destination.value());
        let purpose = said.sec_purpose.value().or(said.purpose.value()).unwrap_or_default();
        Self {
            site,
            mode: said.mode.value(),
            destination,
            origin,
            speculative: contains(purpose, b"prefetch") || contains(purpose, b"prerender"),
            sender: if site.is_some() || destination.is_some() || origin != Origin::Absent {
                Sender::Browser
            } else if said.resembles_a_browser {
                Sender::LikeABrowser
            } else {
                Sender::Other
            },
            own_header: said.own_header.value() == Some(CSRF_VALUE.as_bytes()),
        }
    }

    /// `/session`, and with [proof](Self::is_proven_own_fetch) `/token` in `tokenExchange` mode.
    pub(crate) fn is_own_fetch(&self) -> bool {
        if self.origin == Origin::Foreign {
            return false;
        }
        let mode = self.mode.is_none_or(|mode| mode == b"cors" || mode == b"same-origin");
        let destination = self.destination.is_none_or(|destination| destination == b"empty");
        mode && destination && self.site.is_none_or(|site| site == b"same-origin")
    }

    /// An own fetch that nobody else can have made: the browser says so by all of Fetch Metadata, or the client's own
    /// header is there. No page can set the former, and no other origin the latter. The client of the system that this
    /// one replaces sends no header of its own.
    pub(crate) fn is_proven_own_fetch(&self) -> bool {
        let said_by_the_browser = self.site.is_some() && self.mode.is_some() && self.destination.is_some();
        self.is_own_fetch() && (said_by_the_browser || self.own_header)
    }

    /// Whether any header shows that a browser made the request. A page cannot remove them.
    pub(crate) fn is_from_a_browser(&self) -> bool {
        self.sender != Sender::Other
    }

    /// The same, but forgiving servers that resemble a browser: for endpoints that servers call, and that
    /// browsers do not reach by design.
    pub(crate) fn is_surely_a_browser(&self) -> bool {
        self.sender == Sender::Browser
    }

    /// A top-level navigation that is meant: not a frame, image or script, not a prefetch.
    pub(crate) fn is_navigation(&self) -> bool {
        let mode = self.mode.is_none_or(|mode| mode == b"navigate");
        let destination = self.destination.is_none_or(|destination| destination == b"document");
        mode && destination && !self.speculative
    }

    /// Whether one of the app's own pages leads here. A browser that does not say gets the benefit of the
    /// doubt: every current one does.
    pub(crate) fn is_from_the_app(&self) -> bool {
        self.site.map_or(self.origin != Origin::Foreign, |site| site == b"same-origin")
    }

    /// The same, for certain: a browser that does not say is not believed.
    pub(crate) fn is_surely_from_the_app(&self) -> bool {
        self.site == Some(b"same-origin")
    }

    /// Whether another site leads here. Of a browser that does not say, nobody knows: every current one does.
    pub(crate) fn is_from_another_site(&self) -> bool {
        self.site == Some(b"cross-site")
    }

    /// `GET /logout`.
    pub(crate) fn logout_by_get(&self) -> LogoutVerdict {
        if !self.is_navigation() {
            return LogoutVerdict::Refuse;
        }
        let ours = match self.site {
            Some(site) => site == b"same-origin" || site == b"none",
            // Browsers without Fetch Metadata: the Strict cookie does not come from other sites.
            None => self.origin != Origin::Foreign,
        };
        if ours { LogoutVerdict::EndSession } else { LogoutVerdict::OnlyRedirect }
    }

    /// `POST /logout`.
    pub(crate) fn logout_by_post(&self) -> LogoutVerdict {
        let mode = self.mode.is_none_or(|mode| [&b"navigate"[..], b"cors", b"same-origin"].contains(&mode));
        if mode && self.is_same_origin_write() { LogoutVerdict::EndSession } else { LogoutVerdict::Refuse }
    }

    /// Whether a request to an API, made with the session cookie, comes from the app.
    pub(crate) fn may_call_api(&self, method: &Method, upgrades: bool) -> bool {
        let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) && !upgrades;
        if !safe {
            return self.is_same_origin_write();
        }
        match self.site {
            None => self.origin != Origin::Foreign,
            Some(site) => site == b"same-origin" || site == b"none" || self.is_navigation(),
        }
    }

    /// A change needs proof: same-origin by Fetch Metadata, or by `Origin`, or by a header that only our
    /// own client can send. Nothing at all is no proof.
    fn is_same_origin_write(&self) -> bool {
        match (self.site, self.origin) {
            (_, Origin::Foreign) => false,
            (Some(site), _) => site == b"same-origin",
            (None, Origin::App) => true,
            (None, Origin::Absent) => self.own_header,
        }
    }
}

fn is_browser_header(name: &str) -> bool {
    name.starts_with("sec-fetch-")
        || name == "sec-purpose"
        || name == "origin"
        || name == "referer"
        || name.starts_with("access-control-request-")
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    !haystack.is_empty() && haystack.to_ascii_lowercase().windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "https://app.example";

    fn provenance<T>(headers: &[(&'static str, &'static str)], check: impl Fn(Provenance<'_>) -> T) -> T {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        check(Provenance::of(&map, APP))
    }

    const FETCH: [(&str, &str); 2] = [("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];
    const NAVIGATION: [(&str, &str); 2] = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

    fn and(
        base: &[(&'static str, &'static str)],
        more: &[(&'static str, &'static str)],
    ) -> Vec<(&'static str, &'static str)> {
        base.iter().chain(more).copied().collect()
    }

    #[test]
    fn sec_070_only_the_apps_own_fetch_is_an_own_fetch() {
        let own = |headers: &[_]| provenance(headers, |it| it.is_own_fetch());
        assert!(own(&and(&FETCH, &[("sec-fetch-site", "same-origin")])));
        assert!(own(&[]), "a client that is no browser");
        assert!(own(&[("origin", APP)]), "a browser without Fetch Metadata");
        for site in ["cross-site", "same-site", "none"] {
            assert!(!own(&and(&FETCH, &[("sec-fetch-site", site)])), "{site}");
        }
        assert!(!own(&and(&NAVIGATION, &[("sec-fetch-site", "same-origin")])));
        assert!(!own(&[
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-dest", "script"),
            ("sec-fetch-site", "same-origin")
        ]));
    }

    #[test]
    fn sec_070_an_own_fetch_is_proven_by_all_of_fetch_metadata_or_by_the_clients_header() {
        const SITE: (&str, &str) = ("sec-fetch-site", "same-origin");
        const MODE: (&str, &str) = ("sec-fetch-mode", "cors");
        const DESTINATION: (&str, &str) = ("sec-fetch-dest", "empty");
        const OWN: (&str, &str) = (CSRF, CSRF_VALUE);
        for (headers, proven) in [
            // The client of the system that this one replaces, in a current browser.
            (&[SITE, MODE, DESTINATION][..], true),
            (&[SITE, ("sec-fetch-mode", "same-origin"), DESTINATION], true),
            (&[SITE, MODE, DESTINATION, ("origin", APP)], true),
            // Not all of it, or not ours.
            (&[SITE, MODE], false),
            (&[SITE, DESTINATION], false),
            (&[MODE, DESTINATION], false),
            (&[("sec-fetch-site", "same-site"), MODE, DESTINATION], false),
            (&[("sec-fetch-site", "none"), MODE, DESTINATION, OWN], false),
            (&[SITE, ("sec-fetch-mode", "no-cors"), DESTINATION, OWN], false),
            (&[SITE, MODE, ("sec-fetch-dest", "script"), OWN], false),
            (&[SITE, SITE, MODE, DESTINATION], false),
            (&[SITE, MODE, DESTINATION, ("origin", "https://evil.example")], false),
            // A browser without Fetch Metadata.
            (&[("origin", APP)], false),
            (&[("referer", "https://app.example/")], false),
            (&[("origin", APP), OWN], true),
            (&[("referer", "https://app.example/"), OWN], true),
            (&[("origin", "null"), OWN], false),
        ] {
            assert_eq!(provenance(headers, |it| it.is_proven_own_fetch()), proven, "{headers:?}");
        }
    }

    #[test]
    fn sec_122_null_several_and_lookalike_origins_are_foreign() {
        for origin in [
            "null",
            "https://app.example.evil",
            "http://app.example",
            "https://app.example:8443",
            "https://evil.example",
            "",
        ] {
            assert!(!provenance(&[("origin", origin)], |it| it.is_own_fetch()), "{origin}");
            assert_eq!(
                provenance(&[("origin", origin)], |it| it.logout_by_post()),
                LogoutVerdict::Refuse,
                "{origin}"
            );
        }
        assert!(!provenance(&[("origin", APP), ("origin", APP)], |it| it.is_own_fetch()));
        assert_eq!(provenance(&[], |it| it.logout_by_post()), LogoutVerdict::Refuse, "no Origin on a POST");
    }

    #[test]
    fn sec_011_frames_images_scripts_and_prefetches_are_no_navigations() {
        let navigation = |headers: &[_]| provenance(headers, |it| it.is_navigation());
        assert!(navigation(&NAVIGATION));
        assert!(navigation(&[]));
        for destination in ["iframe", "image", "script", "empty", "embed", "object"] {
            assert!(
                !navigation(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", destination)]),
                "{destination}"
            );
        }
        for purpose in ["prefetch", "prefetch;prerender", "Prerender"] {
            assert!(!navigation(&and(&NAVIGATION, &[("sec-purpose", purpose)])), "{purpose}");
        }
        assert!(!navigation(&FETCH));
    }

    #[test]
    fn sec_108_another_site_cannot_log_anybody_out() {
        let by_get =
            |site| provenance(&and(&NAVIGATION, &[("sec-fetch-site", site)]), |it| it.logout_by_get());
        assert_eq!(by_get("same-origin"), LogoutVerdict::EndSession);
        assert_eq!(by_get("none"), LogoutVerdict::EndSession);
        assert_eq!(by_get("cross-site"), LogoutVerdict::OnlyRedirect);
        assert_eq!(by_get("same-site"), LogoutVerdict::OnlyRedirect);
        let image =
            [("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image"), ("sec-fetch-site", "same-origin")];
        assert_eq!(provenance(&image, |it| it.logout_by_get()), LogoutVerdict::Refuse);
        let by_post = |headers: &[_]| provenance(headers, |it| it.logout_by_post());
        assert_eq!(by_post(&[("origin", APP)]), LogoutVerdict::EndSession);
        assert_eq!(
            by_post(&[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate"), ("origin", APP)]),
            LogoutVerdict::EndSession
        );
        assert_eq!(
            by_post(&[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "navigate")]),
            LogoutVerdict::Refuse
        );
    }

    #[test]
    fn sec_122_a_doubled_header_is_no_proof() {
        for sites in
            [["same-origin", "cross-site"], ["cross-site", "same-origin"], ["same-origin", "same-origin"]]
        {
            let headers = sites.map(|site| ("sec-fetch-site", site));
            assert!(!provenance(&headers, |it| it.is_own_fetch()), "{sites:?}");
            assert_eq!(provenance(&headers, |it| it.logout_by_post()), LogoutVerdict::Refuse, "{sites:?}");
        }
    }

    #[test]
    fn sec_068_any_browser_header_shows_a_browser() {
        for header in [
            "sec-fetch-site",
            "sec-fetch-mode",
            "sec-fetch-user",
            "sec-purpose",
            "origin",
            "referer",
            "access-control-request-method",
        ] {
            assert!(provenance(&[(header, "x")], |it| it.is_from_a_browser()), "{header}");
        }
        assert!(!provenance(&[("cookie", "a=b"), ("user-agent", "Mozilla/5.0"), ("accept", "*/*")], |it| it
            .is_from_a_browser()));
    }

    #[test]
    fn a_server_that_uses_fetch_is_not_mistaken_for_a_browser() {
        let surely = |headers: &[_]| provenance(headers, |it| it.is_surely_a_browser());
        assert!(!surely(&[("sec-fetch-mode", "cors"), ("accept-language", "*")]), "Node's fetch");
        assert!(surely(&[("sec-fetch-site", "same-origin")]));
        assert!(surely(&[("origin", APP)]));
    }

    #[test]
    fn sec_120_a_sibling_may_navigate_to_an_api_but_not_call_it() {
        let call = |method, headers: &[_]| provenance(headers, |it| it.may_call_api(&method, false));
        for site in ["same-site", "cross-site"] {
            assert!(!call(Method::POST, &[("sec-fetch-site", site)]), "{site}");
            assert!(!call(Method::GET, &and(&FETCH, &[("sec-fetch-site", site)])), "{site}");
            assert!(call(Method::GET, &and(&NAVIGATION, &[("sec-fetch-site", site)])), "{site}");
        }
        assert!(call(Method::POST, &[("sec-fetch-site", "same-origin")]));
        assert!(!call(Method::DELETE, &[]));
        assert!(call(Method::DELETE, &[(CSRF, CSRF_VALUE)]));
        assert!(call(Method::GET, &[]));
    }

    #[test]
    fn sec_170_a_websocket_from_another_origin_is_refused() {
        let upgrade = |headers: &[_]| provenance(headers, |it| it.may_call_api(&Method::GET, true));
        assert!(upgrade(&[("origin", APP), ("sec-fetch-site", "same-origin")]));
        assert!(!upgrade(&[
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "websocket")
        ]));
        assert!(!upgrade(&[]));
    }
}
