//! Cookies, read from raw bytes and written with their exact attributes.
//!
//! Reading follows what browsers send (RFC 6265 §5.4), not what libraries make of it: names are compared
//! byte for byte, nothing is percent-decoded or trimmed as Unicode, a bad byte in a neighbour does not
//! hide a cookie, and two cookies of the same name are an ambiguity, not a choice.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

#[cfg(any(test, feature = "fuzzing"))]
use crate::config::Hardening;
use crate::{
    config::{CookieSettings, SameSite},
    domain::response_mode::ResponseMode,
};

/// What a request holds under a cookie's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presented<'a> {
    /// Nothing.
    Absent,
    /// One value.
    One(&'a [u8]),
    /// Several: somebody else planted one, and nobody can say which.
    Ambiguous,
}

/// All name-value pairs of all `Cookie` headers (HTTP/2 may split them, RFC 9113 §8.2.3).
pub(crate) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    parts(headers).filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at(equals);
        Some((trim(name), trim(value.get(1..)?)))
    })
}

/// Everything between semicolons, as it was sent: with and without an equals sign.
pub(crate) fn raw_pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    parts(headers).map(trim).filter(|pair| !pair.is_empty())
}

/// What stands between semicolons, with the blanks around it.
fn parts(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(header::COOKIE).iter().flat_map(|value| {
        let value = value.as_bytes();
        let mut start = 0;
        memchr::memchr_iter(b';', value).chain([value.len()]).filter_map(move |end| {
            let part = value.get(start..end);
            start = end + 1;
            part
        })
    })
}

/// The name in a pair; what has no equals sign is all name.
pub(crate) fn name_of(pair: &[u8]) -> &[u8] {
    trim(pair.split(|byte| *byte == b'=').next().unwrap_or_default())
}

/// Looks a cookie up by its exact name.
pub(crate) fn find<'a>(headers: &'a HeaderMap, name: &str) -> Presented<'a> {
    let mut found = Presented::Absent;
    for (_, value) in pairs(headers).filter(|(it, _)| *it == name.as_bytes()) {
        found = match found {
            Presented::Absent => Presented::One(value),
            _ => return Presented::Ambiguous,
        };
    }
    found
}

fn trim(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    bytes.get(start..end).unwrap_or_default()
}

/// What the cookies of logins begin with whose answer is posted. The dot is in no flow's name, so none of the others begins
/// like this.
///
/// Another site's POST carries cookies only with `SameSite=None`, and browsers take that only with `Secure`; so they are
/// always secure, and always have the strongest prefix, even where the session cookie is not (browsers take both on
/// `http://localhost`, Safari does not). Nothing is lost by `None`: all of the cookie is sealed, and it is good for
/// nothing without the login's `state`, which only the provider is told.
const FORM_FLOW_PREFIX: &str = "__Host-authtool_login_post.";

/// Names and attributes of our cookies, fixed by configuration.
pub(crate) struct CookiePolicy {
    session_name: String,
    session_attributes: String,
    session_max_age: Option<Duration>,
    flow_prefix: String,
    flow_attributes: String,
    form_flow_attributes: String,
    logout_name: String,
    return_name: String,
    returned_name: String,
}

impl CookiePolicy {
    pub(crate) fn new(settings: &CookieSettings) -> Self {
        let mut session = format!("; Path={}", settings.path);
        if let Some(domain) = &settings.domain {
            session.push_str("; Domain=");
            session.push_str(domain);
        }
        for (set, attribute) in [
            (settings.secure, "; Secure"),
            (settings.http_only, "; HttpOnly"),
            (settings.partitioned, "; Partitioned"),
        ] {
            if set {
                session.push_str(attribute);
            }
        }
        session.push_str("; SameSite=");
        session.push_str(settings.same_site.as_str());
        // Flow cookies belong to this host and path in any case, so they can have the strongest prefix: a
        // sibling domain must not be able to plant one.
        let flow_prefix = if settings.secure { "__Host-" } else { "" };
        // The way back from the authorization server is a cross-site navigation: Strict would not arrive.
        let secure = if settings.secure { "; Secure" } else { "" };
        Self {
            session_name: session_cookie_name(settings),
            session_attributes: session,
            session_max_age: settings.max_age,
            flow_prefix: format!("{flow_prefix}authtool_login_"),
            flow_attributes: format!(
                "; Path={}{secure}; HttpOnly; SameSite={}",
                flow_path(settings),
                SameSite::Lax.as_str()
            ),
            form_flow_attributes: format!("; Path=/; Secure; HttpOnly; SameSite={}", SameSite::None.as_str()),
            logout_name: format!("{flow_prefix}authtool_logout"),
            return_name: format!("{flow_prefix}authtool_return"),
            returned_name: format!("{flow_prefix}authtool_returned"),
        }
    }

    /// The default, for tests.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn strict_host() -> Self {
        Self::new(&CookieSettings {
            hardening: Hardening::Host,
            same_site: SameSite::Strict,
            secure: true,
            http_only: true,
            path: "/".to_owned(),
            base_path: "/".to_owned(),
            domain: None,
            partitioned: false,
            max_age: None,
        })
    }

    pub(crate) fn session_name(&self) -> &str {
        &self.session_name
    }

    pub(crate) fn logout_name(&self) -> &str {
        &self.logout_name
    }

    pub(crate) fn return_name(&self) -> &str {
        &self.return_name
    }

    pub(crate) fn returned_name(&self) -> &str {
        &self.returned_name
    }

    /// The cookie of one login flow, which says how the answer is to come.
    pub(crate) fn flow_name(&self, mode: ResponseMode, flow: &str) -> String {
        match mode {
            ResponseMode::Query => format!("{}{flow}", self.flow_prefix),
            ResponseMode::FormPost => format!("{FORM_FLOW_PREFIX}{flow}"),
        }
    }

    fn is_flow(&self, name: &[u8]) -> bool {
        name.starts_with(self.flow_prefix.as_bytes()) || name.starts_with(FORM_FLOW_PREFIX.as_bytes())
    }

    fn attributes_of_flow(&self, name: &str) -> &str {
        if name.starts_with(FORM_FLOW_PREFIX) { &self.form_flow_attributes } else { &self.flow_attributes }
    }

    /// Whether a cookie is one of ours, and so nobody else's business.
    pub(crate) fn is_ours(&self, name: &[u8]) -> bool {
        name == self.session_name.as_bytes()
            || name == self.logout_name.as_bytes()
            || name == self.return_name.as_bytes()
            || name == self.returned_name.as_bytes()
            || self.is_flow(name)
    }

    /// The login flows a request holds: full cookie name and value.
    pub(crate) fn flows<'a>(&self, headers: &'a HeaderMap) -> Vec<(&'a str, &'a [u8])> {
        pairs(headers)
            .filter(|(name, _)| self.is_flow(name))
            .filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value)))
            .collect()
    }

    /// Sets the cookie; where it has a lifetime, never a longer one than the session has left.
    pub(crate) fn set_session(&self, value: &str, session_ends_in: Duration) -> Option<HeaderValue> {
        let max_age = self
            .session_max_age
            .map(|it| format!("; Max-Age={}", it.min(session_ends_in).as_secs().max(1)))
            .unwrap_or_default();
        sensitive(format!("{}={value}{}{max_age}", self.session_name, self.session_attributes))
    }

    /// Sets the cookie again, so that a session in use does not lose it; `None` where it lasts as long as the
    /// browser does.
    pub(crate) fn renew_session(&self, value: &[u8], session_ends_in: Duration) -> Option<HeaderValue> {
        self.session_max_age?;
        self.set_session(std::str::from_utf8(value).ok()?, session_ends_in)
    }

    /// Deletes the session cookie: the same attributes, or browsers ignore it.
    pub(crate) fn clear_session(&self) -> Option<HeaderValue> {
        sensitive(format!("{}={}; Max-Age=0", self.session_name, self.session_attributes))
    }

    /// Sets a flow cookie, of a login or a logout.
    pub(crate) fn set_flow(&self, name: &str, value: &str, lifetime: Duration) -> Option<HeaderValue> {
        let attributes = self.attributes_of_flow(name);
        sensitive(format!("{name}={value}{attributes}; Max-Age={}", lifetime.as_secs()))
    }

    /// Deletes a flow cookie.
    pub(crate) fn clear_flow(&self, name: &str) -> Option<HeaderValue> {
        sensitive(format!("{name}={}; Max-Age=0", self.attributes_of_flow(name)))
    }
}

/// The path of the cookies of flows: `__Host-` forces it to be `/`.
pub(crate) fn flow_path(settings: &CookieSettings) -> &str {
    if settings.secure { "/" } else { &settings.base_path }
}

/// The session cookie's full name.
pub(crate) fn session_cookie_name(settings: &CookieSettings) -> String {
    format!("{}{}", settings.hardening.prefix(), authtool_contract::header::SESSION_COOKIE)
}

fn sensitive(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Hardening;

    const NAME: &str = "__Host-session_id";

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::COOKIE, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn sec_077_only_the_exact_name_is_the_session_cookie() {
        for other in [
            &b"%5F%5FHost-session_id=evil"[..],
            b"__host-session_id=evil",
            b"x__Host-session_id=evil",
            b"__Host-session_idx=evil",
            b"\xe2\x80\x80__Host-session_id=evil",
            b"\xc2\xa0__Host-session_id=evil",
            b"__Host-session_id",
            b"=__Host-session_id=evil",
            b"\"__Host-session_id\"=evil",
        ] {
            assert_eq!(find(&headers(&[other]), NAME), Presented::Absent, "{other:?}");
            let both = [other, b"; __Host-session_id=good"].concat();
            assert_eq!(find(&headers(&[&both]), NAME), Presented::One(b"good"), "{other:?}");
        }
        assert_eq!(find(&headers(&[b"a=b;\t__Host-session_id = good "]), NAME), Presented::One(b"good"));
    }

    #[test]
    fn sec_078_a_bad_byte_in_a_neighbour_does_not_hide_the_session() {
        assert_eq!(
            find(&headers(&[b"junk=\xe9\xff; __Host-session_id=good; \xfe=x"]), NAME),
            Presented::One(b"good")
        );
    }

    #[test]
    fn sec_079_two_session_cookies_are_an_ambiguity() {
        let twice = b"__Host-session_id=a; __Host-session_id=a";
        assert_eq!(find(&headers(&[twice]), NAME), Presented::Ambiguous);
        assert_eq!(
            find(&headers(&[b"__Host-session_id=a", b"__Host-session_id=b"]), NAME),
            Presented::Ambiguous
        );
    }

    #[test]
    fn sec_080_every_cookie_header_counts() {
        assert_eq!(
            find(&headers(&[b"a=1", b"b=2; __Host-session_id=good", b"c=3"]), NAME),
            Presented::One(b"good")
        );
    }

    #[test]
    fn sec_084_deletion_repeats_the_attributes() {
        let policy = CookiePolicy::strict_host();
        let set = policy.set_session("v", Duration::from_mins(1)).unwrap();
        let clear = policy.clear_session().unwrap();
        assert_eq!(set.to_str().unwrap(), "__Host-session_id=v; Path=/; Secure; HttpOnly; SameSite=Strict");
        assert_eq!(
            clear.to_str().unwrap(),
            "__Host-session_id=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"
        );
        for (mode, name, same_site) in [
            (ResponseMode::Query, "__Host-authtool_login_x", "Lax"),
            (ResponseMode::FormPost, "__Host-authtool_login_post.x", "None"),
        ] {
            assert_eq!(policy.flow_name(mode, "x"), name);
            let attributes = format!("Path=/; Secure; HttpOnly; SameSite={same_site}");
            let set = policy.set_flow(name, "v", Duration::from_mins(10)).unwrap();
            assert_eq!(set.to_str().unwrap(), format!("{name}=v; {attributes}; Max-Age=600"));
            let clear = policy.clear_flow(name).unwrap();
            assert_eq!(clear.to_str().unwrap(), format!("{name}=; {attributes}; Max-Age=0"));
        }
    }

    #[test]
    fn sec_031_the_cookie_of_a_posted_answer_is_secure_and_ours_alone_even_where_the_sessions_is_not() {
        let policy = CookiePolicy::new(&CookieSettings {
            hardening: Hardening::None,
            same_site: SameSite::Lax,
            secure: false,
            http_only: true,
            path: "/".into(),
            base_path: "/".into(),
            domain: None,
            partitioned: false,
            max_age: None,
        });
        let query = policy.flow_name(ResponseMode::Query, "post.x");
        let form = policy.flow_name(ResponseMode::FormPost, "x");
        assert_eq!(
            (query.as_str(), form.as_str()),
            ("authtool_login_post.x", "__Host-authtool_login_post.x")
        );
        let set = policy.set_flow(&form, "v", Duration::from_mins(10)).unwrap();
        assert!(set.to_str().unwrap().contains("; Path=/; Secure; HttpOnly; SameSite=None"), "{set:?}");
        assert!(policy.is_ours(form.as_bytes()) && policy.is_ours(query.as_bytes()));
        let line = format!("{query}=1; {form}=2; theme=dark");
        assert_eq!(policy.flows(&headers(&[line.as_bytes()])).len(), 2);
    }

    #[test]
    fn sec_086_a_cookie_does_not_outlive_its_session() {
        let policy = CookiePolicy::new(&CookieSettings {
            hardening: Hardening::None,
            same_site: SameSite::Lax,
            secure: false,
            http_only: true,
            path: "/".into(),
            base_path: "/".into(),
            domain: Some("example.com".into()),
            partitioned: false,
            max_age: Some(Duration::from_mins(10)),
        });
        let max_age = |secs| {
            let cookie = policy.renew_session(b"v", Duration::from_secs(secs)).unwrap();
            cookie.to_str().unwrap().rsplit_once("Max-Age=").unwrap().1.to_owned()
        };
        assert_eq!((max_age(3600), max_age(60), max_age(0)), ("600".into(), "60".into(), "1".into()));
    }

    proptest::proptest! {
        #[test]
        fn sec_186_no_cookie_header_makes_the_parser_panic(bytes in proptest::collection::vec(0x20u8..=0xff, 0..200)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.append(header::COOKIE, value);
                find(&headers, NAME);
                assert!(pairs(&headers).count() <= 200);
            }
        }
    }
}
