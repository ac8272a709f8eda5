//! Where the app may ask to be returned to (RFC 9700 §4.11: no open redirector).

use std::fmt;

use authtool_contract::endpoint::param;
use url::{Host, Origin, Url};

use super::{
    login_options::LoginParameter,
    parameters::{MalformedQuery, Parameter},
};

/// The longest return URL, in bytes. It travels in the flow cookie, which browsers cap at 4096.
pub const MAX_BYTES: usize = 2048;

/// Why a return URL was not taken. The login goes on, to the app's default page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReturnUrlRefusal {
    /// Longer than [`MAX_BYTES`], before or after serialisation.
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// Backslashes, control characters, spaces or non-ASCII characters, which browsers and parsers read differently.
    #[error("it contains characters that must be percent-encoded")]
    Characters,
    /// Not a URL, even relative to the app.
    #[error("it is not a URL")]
    NotAUrl,
    /// A user name or password.
    #[error("it contains credentials")]
    Credentials,
    /// Another scheme, host or port than the allowed ones.
    #[error("its origin is not allowed; list it in server.allowedReturnOrigins if it is yours")]
    Origin,
    /// Elsewhere on the app's host, which it shares with others.
    #[error(
        "it is not below server.publicBasePath; if it is meant, list the app's own origin in server.allowedReturnOrigins"
    )]
    OutsideOfBase,
    /// One of our own endpoints: a loop, or a forced logout.
    #[error("it points at authtool's own endpoints")]
    OwnEndpoint,
}

/// What stands for the one label in front, in an [`AllowedOrigin`].
const WILDCARD: &str = "*.";

/// An origin besides the app's own that a return URL may have, or a family of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// This one.
    Exactly(Origin),
    /// `https://*.example.com`: every https origin that has one label, whichever, in front of this domain. A site's own
    /// subdomains are its owner's to give away; so no domain below which strangers register theirs can stand here.
    OneLabelBelow {
        /// What follows the label and its dot, in lower case.
        domain: String,
        /// 443, or what is written.
        port: u16,
    },
}

/// Why a text names no [`AllowedOrigin`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginRefusal {
    /// Not an http or https URL with a host.
    #[error("it is not an http or https origin")]
    NotAnOrigin,
    /// A user name or password.
    #[error("it contains credentials")]
    Credentials,
    /// A path, a query or a fragment.
    #[error("it is more than an origin")]
    More {
        /// The part that is one.
        origin: String,
    },
    /// `*` somewhere else than as the whole first label.
    #[error("a `*` can only be the whole first label of a host name, as in https://*.example.com")]
    WildcardPlace,
    /// Two dots in a row, or one in front.
    #[error("its host has an empty label")]
    EmptyLabel,
    /// An attacker who can answer for any host in plain text would receive the user.
    #[error("a `*` needs https")]
    PlainWildcard,
    /// Everybody can have a domain there.
    #[error("anybody can have a name directly below {domain}, which is a public suffix")]
    PublicSuffix {
        /// What follows the wildcard.
        domain: String,
    },
}

impl AllowedOrigin {
    /// Reads `https://app.example.com` or `https://*.example.com`, with a port or without.
    pub fn parse(text: &str) -> Result<Self, OriginRefusal> {
        let url = Url::parse(text).map_err(|_| {
            if text.contains('*') { OriginRefusal::WildcardPlace } else { OriginRefusal::NotAnOrigin }
        })?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(OriginRefusal::NotAnOrigin)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(OriginRefusal::NotAnOrigin);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OriginRefusal::Credentials);
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(OriginRefusal::More { origin: url.origin().ascii_serialization() });
        }
        // No browser has such a host; oauth2-proxy writes its wildcard so.
        if host.starts_with('.') || host.contains("..") {
            return Err(OriginRefusal::EmptyLabel);
        }
        if !host.contains('*') {
            return Ok(Self::Exactly(url.origin()));
        }
        let domain = host.strip_prefix(WILDCARD).filter(|it| !it.contains('*') && !it.ends_with('.'));
        let domain = domain.filter(|it| !it.is_empty()).ok_or(OriginRefusal::WildcardPlace)?.to_owned();
        if url.scheme() != "https" {
            return Err(OriginRefusal::PlainWildcard);
        }
        // Of a domain that no rule of the list covers, the last label is the suffix: `*.internal` is refused too.
        if psl::suffix_str(&domain).is_none_or(|suffix| suffix == domain) {
            return Err(OriginRefusal::PublicSuffix { domain });
        }
        Ok(Self::OneLabelBelow { domain, port: url.port_or_known_default().unwrap_or(443) })
    }

    /// Whether a URL is of this origin, or of one of these.
    pub fn admits(&self, url: &Url) -> bool {
        match self {
            Self::Exactly(origin) => url.origin() == *origin,
            Self::OneLabelBelow { domain, port } => {
                let Some(Host::Domain(host)) = url.host() else { return false };
                let label = host.strip_suffix(domain.as_str()).and_then(|it| it.strip_suffix('.'));
                url.scheme() == "https"
                    && url.port_or_known_default() == Some(*port)
                    && label.is_some_and(|label| !label.is_empty() && !label.contains(['.', '*']))
            }
        }
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(origin) => f.write_str(&origin.ascii_serialization()),
            Self::OneLabelBelow { domain, port: 443 } => write!(f, "https://{WILDCARD}{domain}"),
            Self::OneLabelBelow { domain, port } => write!(f, "https://{WILDCARD}{domain}:{port}"),
        }
    }
}

/// A return URL that tells the app why a login that was not to bother anybody brought none. A page that finds
/// the parameter must not ask again by itself, or it asks for ever.
#[must_use]
pub fn with_login_error(return_to: &Url, code: &str) -> Url {
    let mut url = without_login_error(return_to);
    url.query_pairs_mut().append_pair(param::LOGIN_ERROR, code);
    url
}

/// The same without what an earlier login left there. The rest of the query stays as it is, byte by byte.
#[must_use]
pub fn without_login_error(return_to: &Url) -> Url {
    let mut url = return_to.clone();
    let Some(query) = return_to.query() else { return url };
    let is_ours = |pair: &&str| pair.split('=').next() == Some(param::LOGIN_ERROR);
    if query.split('&').any(|pair| is_ours(&pair)) {
        let kept: Vec<_> = query.split('&').filter(|pair| !is_ours(pair)).collect();
        url.set_query((!kept.is_empty()).then(|| kept.join("&")).as_deref());
    }
    url
}

/// What the query of `/login` asks for. A gateway may write a URL into it without encoding it
/// (`/login?redirect_uri=$request_uri`) and mean all of it: what follows its own question mark, except our parameters, and
/// its percent-encoding as it stands.
pub fn requested(
    rules: &ReturnUrls,
    query: &str,
    parameter: Parameter,
) -> Result<Option<String>, MalformedQuery> {
    let Some(raw) = unencoded(query, parameter) else { return parameter.read(query) };
    // Twice is an error, whatever is in it.
    let decoded = parameter.read(query)?;
    let (path, own) = raw.split_once('?').unwrap_or((&raw, ""));
    let decoded = decoded.filter(|_| own.is_empty() || !own.contains('&'));
    Ok(match decoded {
        Some(decoded) if rules.accept(&decoded) != Err(ReturnUrlRefusal::Characters) => Some(decoded),
        _ => Some(if own.is_empty() { path.to_owned() } else { raw }),
    })
}

/// The parameter as it stands in the query with what follows it, if it is a path that nobody encoded: those who do encode the
/// slash at its beginning too.
fn unencoded(query: &str, parameter: Parameter) -> Option<String> {
    let ours = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        name == param::CLIENT || LoginParameter::from_name(name).is_some()
    };
    let mut pairs = query.split('&');
    let (_, value) = pairs.by_ref().find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (name == parameter.name()).then_some((name, value))
    })?;
    if !value.starts_with('/') {
        return None;
    }
    let mut raw = value.to_owned();
    if value.contains('?') {
        for pair in
            pairs.take_while(|pair| !ours(pair) && !pair.starts_with(&format!("{}=", parameter.name())))
        {
            raw.push('&');
            raw.push_str(pair);
        }
    }
    Some(raw)
}

/// The allow-list, built from configuration alone.
#[derive(Clone, Debug)]
pub struct ReturnUrls {
    base: Url,
    more_origins: Vec<AllowedOrigin>,
    whole_origin: bool,
    api_prefix: String,
}

impl ReturnUrls {
    /// `base` is the app's default page, with a slash at its end; what is below it is always allowed. The rest of its origin
    /// is where one of `more_origins` admits it. `api_prefix` is where our own endpoints live below it, without a trailing
    /// slash (empty if at its root).
    pub fn new(base: Url, more_origins: impl IntoIterator<Item = AllowedOrigin>, api_prefix: String) -> Self {
        let more_origins: Vec<_> = more_origins.into_iter().collect();
        let whole_origin = base.path() == "/" || more_origins.iter().any(|it| it.admits(&base));
        Self { base, more_origins, whole_origin, api_prefix }
    }

    /// The app's default page.
    pub fn default_page(&self) -> &Url {
        &self.base
    }

    /// The app's own origin, serialised as in an `Origin` header.
    pub fn app_origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// Resolves `requested` against the app and checks it. The result is what the parser understood,
    /// serialised with its origin: never the raw input, never a bare path (`/..//evil.example` is
    /// same-origin with the path `//evil.example`).
    pub fn accept(&self, requested: &str) -> Result<Url, ReturnUrlRefusal> {
        if requested.len() > MAX_BYTES {
            return Err(ReturnUrlRefusal::TooLong);
        }
        if !requested.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(ReturnUrlRefusal::Characters);
        }
        let url = self.base.join(requested).map_err(|_| ReturnUrlRefusal::NotAUrl)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ReturnUrlRefusal::Credentials);
        }
        // `blob:` URLs report the origin that is inside them.
        let is_allowed =
            url.origin() == self.base.origin() || self.more_origins.iter().any(|it| it.admits(&url));
        if !matches!(url.scheme(), "http" | "https") || !is_allowed {
            return Err(ReturnUrlRefusal::Origin);
        }
        let mut url = url;
        if url.origin() == self.base.origin() {
            if self.is_own_endpoint(url.path()) {
                return Err(ReturnUrlRefusal::OwnEndpoint);
            }
            if !self.is_below_base(url.path()) {
                // A server that does not know of the base path, because something in front takes it out, names its pages so.
                if !requested.starts_with('/') || requested.starts_with("//") {
                    return Err(ReturnUrlRefusal::OutsideOfBase);
                }
                url.set_path(&format!("{}{}", self.base_path(), url.path()));
            }
            if self.is_own_endpoint(url.path()) {
                return Err(ReturnUrlRefusal::OwnEndpoint);
            }
        }
        if url.as_str().len() > MAX_BYTES {
            return Err(ReturnUrlRefusal::TooLong);
        }
        Ok(url)
    }

    /// Without a slash at its end.
    fn base_path(&self) -> &str {
        self.base.path().trim_end_matches('/')
    }

    fn is_below_base(&self, path: &str) -> bool {
        let below = path.strip_prefix(self.base_path());
        self.whole_origin || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Decoded and without case or doubled slashes, since what stands between us and the router may
    /// normalise more than we do.
    fn is_own_endpoint(&self, path: &str) -> bool {
        let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy().to_ascii_lowercase();
        let mut normalised = String::with_capacity(decoded.len());
        for segment in decoded.split(['/', '\\']).filter(|segment| !segment.is_empty() && *segment != ".") {
            // A path parameter (`/bff;x/login`) is dropped by some routers.
            normalised.push('/');
            normalised.push_str(segment.split(';').next().unwrap_or(segment));
        }
        // What stands in front may take the base path out, and our endpoints answer without it too.
        let below = normalised.strip_prefix(&self.base_path().to_ascii_lowercase());
        self.is_ours(&normalised) || below.is_some_and(|below| self.is_ours(below))
    }

    fn is_ours(&self, path: &str) -> bool {
        match path.strip_prefix(&self.api_prefix.to_ascii_lowercase()) {
            // Without a prefix of our own, only the endpoints themselves are ours.
            Some(rest) if self.api_prefix.is_empty() => is_endpoint(rest),
            Some(rest) => rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }
}

fn is_endpoint(path: &str) -> bool {
    authtool_contract::endpoint::BROWSER_ENDPOINTS.contains(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> ReturnUrls {
        let partner = AllowedOrigin::parse("https://partner.example:8443").unwrap();
        ReturnUrls::new("https://app.example/".parse().unwrap(), [partner], "/bff".into())
    }

    fn rules_of(origins: &[&str]) -> ReturnUrls {
        let origins = origins.iter().map(|it| AllowedOrigin::parse(it).unwrap());
        ReturnUrls::new("https://app.example/".parse().unwrap(), origins, "/bff".into())
    }

    #[test]
    fn sec_124_a_wildcard_stands_for_one_label_of_an_https_host() {
        for (origin, requested) in [
            ("https://*.example.com", "https://a.example.com"),
            ("https://*.example.com", "https://A.EXAMPLE.COM:443/x?y#z"),
            ("https://*.example.com", "https://a_b-1.example.com/x"),
            ("https://*.Example.com", "https://a.example.com/x"),
            ("https://*.example.com:8443", "https://a.example.com:8443/x"),
            ("https://*.shop.example.co.uk", "https://a.shop.example.co.uk"),
            ("https://*.someone.github.io", "https://a.someone.github.io"),
            ("https://*.b\u{fc}cher.example.com", "https://a.xn--bcher-kva.example.com"),
        ] {
            assert!(rules_of(&[origin]).accept(requested).is_ok(), "{origin}: {requested}");
        }
        for requested in [
            "https://example.com",
            "https://.example.com",
            "https://a.b.example.com",
            "https://*.example.com",
            "http://a.example.com",
            "https://a.example.com:8443",
            "https://aexample.com",
            "https://evil-example.com",
            "https://a.example.com.evil.test",
            "https://a.example.com.",
            "https://a.example.org",
            "https://evil.test/.example.com",
            "https://evil.test?.example.com",
            "https://evil.test#a.example.com",
            "//evil.test/a.example.com",
            "blob:https://a.example.com/x",
            "ftp://a.example.com",
            "https://192.0.2.1",
            "https://[2001:db8::1]",
        ] {
            let outcome = rules_of(&["https://*.example.com"]).accept(requested);
            assert_eq!(outcome, Err(ReturnUrlRefusal::Origin), "{requested}");
        }
        let with_user = rules_of(&["https://*.example.com"]).accept("https://a.example.com@evil.test");
        assert_eq!(with_user, Err(ReturnUrlRefusal::Credentials));
    }

    #[test]
    fn sec_124_any_other_wildcard_is_refused() {
        let suffix = |domain: &str| OriginRefusal::PublicSuffix { domain: domain.into() };
        for (text, why) in [
            ("https://*.com", suffix("com")),
            ("https://*.co.uk", suffix("co.uk")),
            ("https://*.CO.UK", suffix("co.uk")),
            ("https://*.github.io", suffix("github.io")),
            ("https://*.s3.amazonaws.com", suffix("s3.amazonaws.com")),
            ("https://*.anything.ck", suffix("anything.ck")),
            ("https://*.\u{516c}\u{53f8}.cn", suffix("xn--55qx5d.cn")),
            ("https://*.internal", suffix("internal")),
            ("https://*.localhost", suffix("localhost")),
            ("https://.example.com", OriginRefusal::EmptyLabel),
            ("https://a..example.com", OriginRefusal::EmptyLabel),
            ("https://*..example.com", OriginRefusal::EmptyLabel),
            ("https://*", OriginRefusal::WildcardPlace),
            ("https://*.", OriginRefusal::WildcardPlace),
            ("https://*.co.uk.", OriginRefusal::WildcardPlace),
            ("https://*.example.com.", OriginRefusal::WildcardPlace),
            ("https://*.*.example.com", OriginRefusal::WildcardPlace),
            ("https://*example.com", OriginRefusal::WildcardPlace),
            ("https://a*.example.com", OriginRefusal::WildcardPlace),
            ("https://a.*.example.com", OriginRefusal::WildcardPlace),
            ("https://example.*", OriginRefusal::WildcardPlace),
            ("https://%2a.example.*", OriginRefusal::WildcardPlace),
            ("https://*.192.0.2.1", OriginRefusal::WildcardPlace),
            ("https://*.example.com:*", OriginRefusal::WildcardPlace),
            ("*", OriginRefusal::WildcardPlace),
            ("*.example.com", OriginRefusal::WildcardPlace),
            ("*://a.example.com", OriginRefusal::WildcardPlace),
            ("http://*.example.com", OriginRefusal::PlainWildcard),
            ("https://a:b@*.example.com", OriginRefusal::Credentials),
            ("https://*.example.com/*", OriginRefusal::More { origin: "https://*.example.com".into() }),
            ("ftp://*.example.com", OriginRefusal::NotAnOrigin),
            ("app.example.com", OriginRefusal::NotAnOrigin),
        ] {
            assert_eq!(AllowedOrigin::parse(text), Err(why), "{text}");
        }
        for text in
            ["https://*.example.com", "https://*.example.com:8443", "http://a.example", "https://a.example:1"]
        {
            assert_eq!(AllowedOrigin::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_page_of_the_app_is_accepted_with_its_query_and_fragment() {
        for (requested, expected) in [
            ("/", "https://app.example/"),
            (
                "/orders/7?tab=a&x=%26prompt%3Dnone#top&b",
                "https://app.example/orders/7?tab=a&x=%26prompt%3Dnone#top&b",
            ),
            ("orders", "https://app.example/orders"),
            ("?a=b", "https://app.example/?a=b"),
            ("#section?x=1", "https://app.example/#section?x=1"),
            ("https://app.example/x", "https://app.example/x"),
            ("https://APP.example:443/x", "https://app.example/x"),
            ("https://partner.example:8443/y", "https://partner.example:8443/y"),
            ("/bffx", "https://app.example/bffx"),
        ] {
            assert_eq!(rules().accept(requested).map(String::from), Ok(expected.to_owned()), "{requested}");
        }
    }

    #[test]
    fn why_a_login_failed_is_told_once_and_forgotten_with_the_next() {
        let url = |text: &str| -> Url { text.parse().unwrap() };
        for (before, after) in [
            ("https://app.example/", "https://app.example/?login_error=login_required"),
            (
                "https://app.example/x?a=%20+&login_error=old&b#top",
                "https://app.example/x?a=%20+&b&login_error=login_required#top",
            ),
        ] {
            let told = with_login_error(&url(before), "login_required");
            assert_eq!(told.as_str(), after);
            assert_eq!(with_login_error(&told, "login_required"), told);
        }
        let told = url("https://app.example/x?login_error=login_required#top");
        assert_eq!(without_login_error(&told).as_str(), "https://app.example/x#top");
        let other = url("https://app.example/?xlogin_error=1&&a");
        assert_eq!(without_login_error(&other), other);
    }

    #[test]
    fn sec_125_what_is_emitted_has_an_origin_and_is_what_was_validated() {
        for trick in [
            "https:evil.example",
            "/..//evil.example",
            "/.//evil.example",
            "/a/..//evil.example",
            "/%2e%2e//evil.example",
        ] {
            let url = rules().accept(trick).unwrap();
            assert!(url.as_str().starts_with("https://app.example/"), "{trick} became {url}");
        }
    }

    #[test]
    fn sec_124_sec_126_everything_else_is_refused() {
        for (requested, why) in [
            ("//evil.example", ReturnUrlRefusal::Origin),
            ("///evil.example", ReturnUrlRefusal::NotAUrl),
            ("https://evil.example", ReturnUrlRefusal::Origin),
            ("http://app.example/", ReturnUrlRefusal::Origin),
            ("https://app.example:444/", ReturnUrlRefusal::Origin),
            ("https://app.example.evil/", ReturnUrlRefusal::Origin),
            ("https://evil-app.example/", ReturnUrlRefusal::Origin),
            ("https://app.example./", ReturnUrlRefusal::Origin),
            ("https://partner.example/", ReturnUrlRefusal::Origin),
            ("javascript:alert(1)", ReturnUrlRefusal::Origin),
            ("data:text/html,x", ReturnUrlRefusal::Origin),
            ("blob:https://app.example/x", ReturnUrlRefusal::Origin),
            ("https://app.example@evil.example/", ReturnUrlRefusal::Credentials),
            ("https://user@app.example/", ReturnUrlRefusal::Credentials),
            ("https://:pw@app.example/", ReturnUrlRefusal::Credentials),
            ("/\\evil.example", ReturnUrlRefusal::Characters),
            ("\\\\evil.example", ReturnUrlRefusal::Characters),
            (" /x", ReturnUrlRefusal::Characters),
            ("/x\r\nSet-Cookie: a=b", ReturnUrlRefusal::Characters),
            ("/\t/evil.example", ReturnUrlRefusal::Characters),
            ("/\u{e9}", ReturnUrlRefusal::Characters),
            ("/\0", ReturnUrlRefusal::Characters),
            ("http://[::1", ReturnUrlRefusal::NotAUrl),
        ] {
            assert_eq!(rules().accept(requested), Err(why), "{requested:?}");
        }
        assert_eq!(rules().accept(&"/x".repeat(600_000)), Err(ReturnUrlRefusal::TooLong));
    }

    #[test]
    fn sec_127_our_own_endpoints_are_no_destination() {
        for requested in [
            "/bff",
            "/bff/",
            "/bff/login",
            "/bff/logout?x",
            "/BFF/logout",
            "/./bff/logout",
            "//app.example/bff/logout",
            "/x/../bff/logout",
            "/%62ff/logout",
            "/bff;x=1/logout",
            "/bff%2flogout",
            "/%2fbff/logout",
        ] {
            assert_eq!(rules().accept(requested), Err(ReturnUrlRefusal::OwnEndpoint), "{requested}");
        }
        let at_root = ReturnUrls::new("https://app.example/".parse().unwrap(), [], String::new());
        assert_eq!(at_root.accept("/logout"), Err(ReturnUrlRefusal::OwnEndpoint));
        assert!(at_root.accept("/orders").is_ok());
    }

    #[test]
    fn an_app_below_a_path_is_not_left() {
        let base: Url = "https://app.example/myapp/".parse().unwrap();
        let rules = ReturnUrls::new(base.clone(), [], "/bff".into());
        for (requested, expected) in [
            ("/myapp/", "https://app.example/myapp/"),
            ("/myapp", "https://app.example/myapp"),
            ("/myapp/orders?a=b#c", "https://app.example/myapp/orders?a=b#c"),
            ("https://app.example/myapp/orders", "https://app.example/myapp/orders"),
            ("orders", "https://app.example/myapp/orders"),
            ("?a=b", "https://app.example/myapp/?a=b"),
            // As a server names them that does not know of the base path.
            ("/", "https://app.example/myapp/"),
            ("/orders?a=b#c", "https://app.example/myapp/orders?a=b#c"),
            ("/myappx", "https://app.example/myapp/myappx"),
            ("/myapp/../orders", "https://app.example/myapp/orders"),
            ("/..//evil.example", "https://app.example/myapp//evil.example"),
        ] {
            assert_eq!(rules.accept(requested).map(String::from), Ok(expected.to_owned()), "{requested}");
        }
        for (requested, why) in [
            ("https://app.example/", ReturnUrlRefusal::OutsideOfBase),
            ("https://app.example/myappx", ReturnUrlRefusal::OutsideOfBase),
            ("//app.example/other/x", ReturnUrlRefusal::OutsideOfBase),
            ("../other", ReturnUrlRefusal::OutsideOfBase),
            ("//evil.example/myapp/", ReturnUrlRefusal::Origin),
            ("/myapp/bff/logout", ReturnUrlRefusal::OwnEndpoint),
            ("/MyApp/bff/logout", ReturnUrlRefusal::OwnEndpoint),
            ("/myapp%2fbff/logout", ReturnUrlRefusal::OwnEndpoint),
            ("/bff/logout", ReturnUrlRefusal::OwnEndpoint),
        ] {
            assert_eq!(rules.accept(requested), Err(why), "{requested}");
        }
        let shared = ReturnUrls::new(base.clone(), [AllowedOrigin::Exactly(base.origin())], "/bff".into());
        assert_eq!(shared.accept("/other/x").map(String::from), Ok("https://app.example/other/x".into()));
        assert_eq!(shared.accept("/bff/logout"), Err(ReturnUrlRefusal::OwnEndpoint));
        assert_eq!(shared.default_page(), &base);
    }

    #[test]
    fn a_url_that_a_gateway_wrote_without_encoding_it_is_read_as_a_whole() {
        let read = |query: &str| requested(&rules(), query, Parameter::new("redirect_uri", MAX_BYTES));
        for (query, expected) in [
            ("redirect_uri=%2Forders%3Fa%3D1%26b%3D2&b=3", Some("/orders?a=1&b=2")),
            ("redirect_uri=/orders", Some("/orders")),
            ("redirect_uri=/orders%3Fa=1", Some("/orders?a=1")),
            // `$request_uri` of nginx.
            ("redirect_uri=/orders?a=1&b=2", Some("/orders?a=1&b=2")),
            ("client=x&redirect_uri=/orders?a=1&b&c=%20+&&", Some("/orders?a=1&b&c=%20+&&")),
            ("redirect_uri=/search?q=a%20b", Some("/search?q=a%20b")),
            ("redirect_uri=/search?q=a+b", Some("/search?q=a+b")),
            ("redirect_uri=/caf%C3%A9", Some("/caf%C3%A9")),
            // What is ours stays ours.
            ("redirect_uri=/orders?a=1&prompt=login&b=2", Some("/orders?a=1")),
            ("redirect_uri=/orders?a=1&client=x", Some("/orders?a=1")),
            ("redirect_uri=/orders&b=2", Some("/orders")),
            ("redirect_uri=https://app.example/x?a=1&b=2", Some("https://app.example/x?a=1")),
            ("b=2", None),
        ] {
            assert_eq!(read(query).unwrap().as_deref(), expected, "{query}");
        }
        assert!(read("redirect_uri=/a?b=1&redirect_uri=/b").is_err());
        assert!(read("redirect_uri=/a?b=1&%72edirect_uri=/b").is_err());
    }
}
