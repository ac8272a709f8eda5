//! The server as browsers reach it, through whatever stands in front of it.

use std::time::Duration;

use authtool_contract::{
    ProblemCode, endpoint,
    header::{CORRELATION_ID, CSRF, CSRF_VALUE},
};
use http::{HeaderMap, StatusCode, header};
use reqwest::Client;
use serde_json::Value;
use url::Url;

use super::finding::{Area, Finding, Notes};
use crate::{
    adapters::{
        http_failure,
        outbound::{OutboundSettings, client_builder},
    },
    config::{Config, Mode},
    domain::{metadata::is_loopback, response_mode::ResponseMode},
    http::{CookiePolicy, flow_path},
};

const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_BODY_BYTES: usize = 256 * 1024;

/// What a browser says about a fetch of the app's own, and about a click.
const OWN_FETCH: &[(&str, &str)] = &[
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-dest", "empty"),
    (CSRF, CSRF_VALUE),
];
const NAVIGATION: &[(&str, &str)] = &[
    ("sec-fetch-site", "none"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-user", "?1"),
];

pub(super) async fn examine(config: &Config, url: &Url) -> Vec<Finding> {
    let origin = url.origin().ascii_serialization();
    let mut notes = Notes::new(Area::PublicUrl, Some(&origin));
    same_origin(config, url, &mut notes);
    // What browsers reach is not on the way out.
    let outbound = OutboundSettings { proxy: None, ..config.server.outbound.clone() };
    let client = client_builder!(Client, &outbound).and_then(|builder| {
        builder
            .user_agent(concat!("authtool-bff-doctor/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            .build()
    });
    let probe = match client {
        Ok(client) => Probe { client, origin, prefix: config.server.public_prefix() },
        Err(error) => {
            notes.bad(
                "url.reach",
                error.to_string(),
                "install the system's certificates (`ca-certificates`)",
            );
            return notes.finish();
        }
    };
    let Some(session) = reach(&probe, &mut notes).await else { return notes.finish() };
    headers(url, &session, &mut notes);
    token(&probe, config.session.mode, &mut notes).await;
    internal(&probe, &mut notes).await;
    cookies(&probe, config, &mut notes).await;
    notes.finish()
}

struct Probe {
    client: Client,
    origin: String,
    prefix: String,
}

/// What came back, and whether it is an answer of ours.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Probe {
    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Reply, String> {
        let mut request = self.client.get(format!("{}{path}", self.origin));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.send().await.map_err(|error| described(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while body.len() < MAX_BODY_BYTES
            && let Some(chunk) = response.chunk().await.map_err(|error| described(&error))?
        {
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
    }

    async fn own(&self, path: &str, headers: &[(&str, &str)]) -> Result<Reply, String> {
        self.get(&format!("{}{path}", self.prefix), headers).await
    }
}

impl Reply {
    fn is_ours(&self) -> bool {
        self.headers.contains_key(CORRELATION_ID)
    }

    fn problem(&self) -> Option<String> {
        let problem: Value = serde_json::from_str(&self.body).ok()?;
        Some(problem.get("code")?.as_str()?.to_owned())
    }

    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
    }
}

/// In words, for an operator.
fn described(error: &reqwest::Error) -> String {
    http_failure::describe(error, || format!("no answer within {} seconds", TIMEOUT.as_secs()))
}

fn same_origin(config: &Config, url: &Url, notes: &mut Notes) {
    let others: Vec<&Url> = config
        .provider
        .clients
        .iter()
        .map(|client| &client.redirect_uri)
        .filter(|redirect_uri| redirect_uri.origin() != url.origin())
        .collect();
    match others.first() {
        None => notes.good("url.origin", "logins come back to this origin"),
        Some(other) => notes.bad(
            "url.origin",
            format!(
                "logins come back to {other}, which is another origin: the cookies of a login that begins here are not \
                 there when it ends"
            ),
            "let redirect_uri begin with the URL that people open, to the letter (www or not, port, https)",
        ),
    }
}

/// Whether `/session` answers, and it is us.
async fn reach(probe: &Probe, notes: &mut Notes) -> Option<Reply> {
    let check = "url.reach";
    let path = format!("{}{}", probe.prefix, endpoint::SESSION);
    let reply = match probe.own(endpoint::SESSION, OWN_FETCH).await {
        Ok(reply) => reply,
        Err(error) => {
            let fix = "see that the name leads to the proxy or gateway in front, that it runs, and that its certificate \
                       is for this name and from an authority that browsers know";
            notes.bad(check, error, fix);
            return None;
        }
    };
    let code = reply.problem().unwrap_or_default();
    let status = reply.status;
    if reply.is_ours() && code == ProblemCode::NoSession.as_str() {
        notes.good(check, format!("{path} answers that nobody is logged in, as it should"));
        return Some(reply);
    }
    if reply.is_ours() && code == ProblemCode::NotFound.as_str() {
        notes.bad(
            check,
            format!("the server answers, but has nothing at {path}"),
            "something in front rewrites the path: let it pass unchanged, or change server.apiPrefix; if it takes out a path \
             that browsers have in front of everything, set server.publicBasePath to that",
        );
    } else if reply.is_ours() && code == ProblemCode::ForbiddenContext.as_str() {
        notes.bad(
            check,
            format!("{path} takes a fetch of the app's own page for a foreign one"),
            "something in front removes or changes the Sec-Fetch-* or Origin headers: let them pass unchanged",
        );
    } else if reply.is_ours() && !code.is_empty() {
        notes.bad(
            check,
            format!("{path} answers {status} ({code})"),
            "look up the answer's x-correlation-id in the server's log",
        );
    } else if matches!(status.as_u16(), 502..=504) {
        notes.bad(
            check,
            format!("what stands in front answers {status} itself: it does not reach the server"),
            "compare its upstream with server.ip and server.port, and see whether the server runs",
        );
    } else {
        notes.bad(
            check,
            format!("{path} is answered by something else ({status}, {})", kind(&reply)),
            format!("route everything below {}/ to the public listener of authtool-bff", probe.prefix),
        );
    }
    None
}

fn kind(reply: &Reply) -> String {
    let kind = reply.header(header::CONTENT_TYPE);
    if kind.is_empty() { "without a type".to_owned() } else { super::dry_request::printable(kind) }
}

fn headers(url: &Url, session: &Reply, notes: &mut Notes) {
    if session.header(header::CACHE_CONTROL).contains("no-store") {
        notes.good("url.caching", "nothing in front loosens Cache-Control: no-store");
    } else {
        notes.bad(
            "url.caching",
            format!("Cache-Control arrives as {:?} instead of no-store", session.header(header::CACHE_CONTROL)),
            "let what stands in front leave this header alone: somebody's session could be served to somebody else",
        );
    }
    if url.scheme() == "https" {
        if session.headers.contains_key(header::STRICT_TRANSPORT_SECURITY) {
            notes.good("url.hsts", "HSTS is set");
        } else {
            notes.notice(
                "url.hsts",
                "there is no Strict-Transport-Security header: a first visit may be downgraded to plain http",
                "set it where TLS ends, such as `max-age=31536000; includeSubDomains`",
            );
        }
    } else if !is_loopback(url) {
        notes.bad("url.hsts", "the app is reached by plain http", "end TLS in front of it");
    }
}

/// Whether `/token` is where it can do harm.
async fn token(probe: &Probe, mode: Mode, notes: &mut Notes) {
    let check = "url.token";
    let (bare, fetched) = tokio::join!(
        probe.own(endpoint::TOKEN, &[]),
        probe.own(endpoint::TOKEN, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")])
    );
    let (Ok(bare), Ok(fetched)) = (bare, fetched) else { return };
    if bare.status.is_success() || fetched.status.is_success() {
        notes.bad(
            check,
            "/token gives tokens to somebody without a session, or something in front adds one",
            "take whatever adds cookies or answers /token out of the way, and close the site until then",
        );
    } else if mode == Mode::Bff && bare.is_ours() && bare.status == StatusCode::UNAUTHORIZED {
        notes.notice(
            check,
            "/token is reachable from outside; it answers no browser, but whoever steals a cookie can use it from a \
             program",
            "let the gateway ask the internal listener, and set server.publicToken to \"closed\" or \
             server.gatewayCredential",
        );
    } else {
        notes.good(check, "/token gives nothing to anybody outside");
    }
}

/// Whether the operator's endpoints are where anybody can ask.
async fn internal(probe: &Probe, notes: &mut Notes) {
    let mut open = Vec::new();
    for path in [endpoint::HEALTHZ, endpoint::READY, endpoint::METRICS] {
        if let Ok(reply) = probe.get(path, &[]).await
            && (reply.is_ours() || reply.body.contains("authtool_"))
            // The public listener answers probes, too, without a word.
            && !reply.body.is_empty()
            && reply.status != StatusCode::NOT_FOUND
            && reply.status != StatusCode::UNAUTHORIZED
        {
            open.push(path);
        }
    }
    if open.is_empty() {
        notes.good("url.internal", "the internal listener cannot be reached from here");
    } else {
        notes.bad(
            "url.internal",
            format!("the internal listener is open to everybody: {}", open.join(", ")),
            "route only the public listener's port, and never paths that begin with /-/",
        );
    }
}

/// Whether cookies come through both ways: a login is begun, and its answer says at once that nobody wants it.
async fn cookies(probe: &Probe, config: &Config, notes: &mut Notes) {
    let check = "url.cookies";
    let Ok(begun) = probe.own(endpoint::LOGIN, NAVIGATION).await else { return };
    if !begun.status.is_redirection() {
        notes.notice(
            check,
            format!("a login does not begin ({}), so cookies could not be tried", begun.status),
            "mend what is said about the provider first; the server's log has the reason",
        );
        return;
    }
    let clients = &config.provider;
    let mode = clients.clients.get(clients.default_client).map(|it| it.response_mode).unwrap_or_default();
    let ours = CookiePolicy::new(&config.session.cookie).flow_name(mode, "");
    let Some(cookie) = set_cookies(&begun.headers).find(|it| it.starts_with(&ours)) else {
        notes.bad(
            check,
            "the cookie of a login does not arrive: something in front removes Set-Cookie",
            "let Set-Cookie pass unchanged, and exempt the prefix from caching",
        );
        return;
    };
    let attribute = |name: &str| cookie.split(';').skip(1).any(|it| it.trim().eq_ignore_ascii_case(name));
    let (secure, same_site, path) = match mode {
        ResponseMode::Query => {
            let secure = !config.session.cookie.secure || attribute("Secure");
            (secure, "SameSite=Lax", flow_path(&config.session.cookie))
        }
        ResponseMode::FormPost => (attribute("Secure"), "SameSite=None", "/"),
    };
    if !(secure && attribute("HttpOnly") && attribute(same_site) && attribute(&format!("Path={path}"))) {
        notes.bad(
            check,
            "something in front changes the attributes of our cookies; browsers then drop them, or send them where they \
             should not go",
            "let Set-Cookie pass unchanged (no cookie rewriting: proxy_cookie_path, proxy_cookie_flags and the like)",
        );
        return;
    }
    let location = Url::parse(begun.header(header::LOCATION)).ok();
    let state = location.and_then(|it| {
        it.query_pairs().find(|(name, _)| name == "state").map(|(_, value)| value.into_owned())
    });
    // A pushed or signed request does not show it.
    let Some(state) = state else {
        notes.good(check, "cookies come through to the browser unchanged");
        return;
    };
    let pair = cookie.split(';').next().unwrap_or_default();
    let path = format!("{}?error=access_denied&state={state}", default_callback(config));
    let mut headers = NAVIGATION.to_vec();
    headers.push(("cookie", pair));
    let Ok(finished) = probe.get(&path, &headers).await else { return };
    // A flow that was found is over, and its cookie is deleted.
    if set_cookies(&finished.headers).any(|it| it.starts_with(&ours)) {
        notes.good(check, "cookies come through unchanged, both ways");
    } else {
        notes.bad(
            check,
            "the cookie of a login does not come back to the server: something in front removes or cuts Cookie",
            "let the Cookie header pass unchanged below the prefix, and allow headers of at least 8 KiB",
        );
    }
}

fn default_callback(config: &Config) -> String {
    let client = config.provider.clients.get(config.provider.default_client);
    client.map(|it| it.redirect_uri.path().to_owned()).unwrap_or_default()
}

fn set_cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(header::SET_COOKIE).iter().filter_map(|it| it.to_str().ok())
}
