//! HTTP: two routers over one [`App`]. Each handler parses, decides, acts and answers; the deciding is done
//! by `guard` and the domain, the acting by `service`.

mod answer;
pub(crate) mod api_proof;
mod back_channel;
mod base_path;
mod callback;
mod caller;
mod client_keys;
pub(crate) mod cookies;
mod correlation;
mod form;
mod front_channel;
mod gateway;
pub(crate) mod guard;
mod headers;
mod health;
pub(crate) mod journal;
mod login;
mod login_needed;
mod logout;
mod machine;
mod page;
mod page_request;
mod proxy;
mod quick;
mod returned;
mod same_site_return;
pub(crate) mod sealed_cookie;
mod session;
mod static_files;
mod stream_end;
mod token;
pub(crate) mod upstream;
mod upstream_address;

use std::sync::Arc;

use authtool_contract::{ProblemCode, endpoint};
use axum::{
    Router,
    extract::Request,
    middleware,
    response::Response,
    routing::{MethodFilter, MethodRouter, any, on},
};
use http::{HeaderMap, Method, header, request::Parts};
use hyper::body::Body as _;
use ipnet::IpNet;
use url::Url;

pub(crate) use self::client_keys::key_set;
pub(crate) use self::cookies::{CookiePolicy, flow_path, session_cookie_name};
pub(crate) use self::correlation::CorrelationIds;
#[cfg(all(feature = "fuzzing", feature = "grpc"))]
pub(crate) use self::gateway::headers_of_check_request;
pub use self::page::{ErrorPage, error_pages};
pub(crate) use self::quick::Quick;
use self::{
    answer::{method_not_allowed, problem, see_other, with_cookie},
    cookies::Presented,
    correlation::CorrelationId,
    guard::Provenance,
    journal::Journal,
    page::PageCode,
};
use crate::{
    config::{Mode, ProxyRoute, PublicToken, ServerConfig},
    domain::{
        parameters::MalformedQuery,
        return_url::{self, ReturnUrls},
        session_id::SessionKey,
    },
    ports::{AuthorizationServer, Clock, Entropy},
    seal::{Sealer, SharedSecrets},
    service::{
        back_channel::BackChannelLogouts,
        front_channel::FrontChannelLogouts,
        login::Logins,
        logout::Logouts,
        machine_clients::MachineClients,
        sessions::{Sessions, UsableToken, VisibleSession},
        store_watch::StoreWatch,
    },
};

/// The longest request target we answer.
const MAX_URI_BYTES: usize = 8 * 1024;
/// The longest body that our own endpoints take.
const MAX_BODY_BYTES: u64 = 32 * 1024;
/// All header names and values of a request together.
const MAX_HEADER_BYTES: usize = 32 * 1024;

/// What the handlers share.
pub(crate) struct App {
    pub(crate) mode: Mode,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) logins: Arc<Logins>,
    pub(crate) logouts: Logouts,
    pub(crate) back_channel: BackChannelLogouts,
    pub(crate) front_channel: FrontChannelLogouts,
    pub(crate) machine_clients: MachineClients,
    pub(crate) sealer: Sealer,
    pub(crate) cookies: CookiePolicy,
    pub(crate) return_urls: ReturnUrls,
    pub(crate) app_origin: String,
    pub(crate) base_path: String,
    pub(crate) api_prefix: String,
    pub(crate) error_redirect: Option<Url>,
    pub(crate) logout_on_get: bool,
    pub(crate) same_site_return: bool,
    /// Whether some client's answers are posted.
    pub(crate) takes_forms: bool,
    pub(crate) gateway_credential: Option<SharedSecrets>,
    pub(crate) operator_credential: Option<SharedSecrets>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) trusted_proxy_headers: Vec<&'static str>,
    pub(crate) client_keys: String,
    pub(crate) apis: Vec<ProxyRoute>,
    pub(crate) correlation_ids: CorrelationIds,
    pub(crate) store_watch: Arc<StoreWatch>,
    pub(crate) server: Arc<dyn AuthorizationServer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// In development mode alone.
    pub(crate) journal: Option<Journal>,
}

impl App {
    /// The session that a request's cookie names, if it is one we signed.
    fn session_key(&self, headers: &HeaderMap) -> Option<SessionKey> {
        match cookies::find(headers, self.cookies.session_name()) {
            Presented::One(value) => self.sessions.cookie().verify(value),
            Presented::Absent | Presented::Ambiguous => None,
        }
    }

    /// The same for fetches, where its absence is the answer. Missing, malformed, forged and ambiguous
    /// cookies look the same from outside; an ambiguous one is deleted, since nothing else can mend it.
    #[allow(clippy::result_large_err)]
    fn credential(&self, headers: &HeaderMap, id: &CorrelationId) -> Result<SessionKey, Response> {
        self.session_key(headers).ok_or_else(|| {
            let mut response = problem(ProblemCode::NoSession, id);
            if cookies::find(headers, self.cookies.session_name()) == Presented::Ambiguous {
                tracing::warn!(event = "ambiguous_cookie", "a request holds several session cookies");
                with_cookie(&mut response, self.cookies.clear_session());
            }
            response
        })
    }

    /// Where to return to: what was asked for, if it is allowed, or the app's default page.
    fn return_url(&self, requested: Result<Option<String>, MalformedQuery>) -> Url {
        let refusal = match requested {
            Ok(None) => None,
            Err(malformed) => Some(malformed.to_string()),
            Ok(Some(requested)) => match self.return_urls.accept(&requested) {
                Ok(url) => return url,
                Err(refusal) => Some(refusal.to_string()),
            },
        };
        if let Some(reason) = refusal {
            tracing::warn!(
                reason,
                event = "return_url_refused",
                "a return URL was replaced by the default page"
            );
        }
        self.return_urls.default_page().clone()
    }

    fn page(&self, code: PageCode, id: &CorrelationId) -> Response {
        page::error(code, self.error_redirect.as_ref(), self.return_urls.default_page(), id)
    }

    fn built_in_page(&self, code: PageCode, id: &CorrelationId) -> Response {
        page::built_in(code, self.return_urls.default_page(), id)
    }

    /// Tells the journal, if there is one.
    fn tell(&self, tell: impl FnOnce(&Journal)) {
        if let Some(journal) = &self.journal {
            tell(journal);
        }
    }

    /// Back to the app with the reason why nobody was logged in: for logins that were not to bother anybody.
    fn back_with_login_error(
        &self,
        return_to: &Url,
        reason: &str,
        otherwise: PageCode,
        id: &CorrelationId,
    ) -> Response {
        see_other(return_url::with_login_error(return_to, reason).as_str())
            .unwrap_or_else(|| self.page(otherwise, id))
    }

    /// For a callback that came twice: whoever is logged in already just goes to the app.
    async fn to_the_app_if_logged_in(
        &self,
        session: Option<SessionKey>,
        otherwise: PageCode,
        id: &CorrelationId,
    ) -> Response {
        if let Some(key) = session
            && self.sessions.show(&key).await.is_ok()
            && let Some(response) = see_other(self.return_urls.default_page().as_str())
        {
            return response;
        }
        self.page(otherwise, id)
    }
}

/// The public listener: the browser's endpoints, the app's files, and proxied APIs.
pub(crate) fn public_router(app: &Arc<App>, config: &ServerConfig) -> Router {
    let get = |handler: MethodRouter<Arc<App>>| refuse_others(handler, "GET");
    let callback = || {
        let by_query = on(MethodFilter::GET, callback::callback);
        if app.takes_forms {
            refuse_others(by_query.on(MethodFilter::POST, callback::form_post), "GET, POST")
        } else {
            get(by_query)
        }
    };
    let front_channel = |handler: MethodRouter<Arc<App>>| {
        if app.front_channel.is_offered() { get(handler) } else { any(not_found) }
    };
    let mut own = Router::new();
    for (path, methods) in [
        (endpoint::SESSION, get(on(MethodFilter::GET, session::session))),
        (endpoint::LOGIN, get(on(MethodFilter::GET, login::login))),
        (endpoint::OAUTH_CALLBACK, callback()),
        (callback::OF_ONE_SERVER, callback()),
        (endpoint::LOGOUT_CALLBACK, get(on(MethodFilter::GET, logout::callback))),
        (endpoint::CLIENT_KEYS, get(on(MethodFilter::GET, client_keys::client_keys))),
        (
            endpoint::OAUTH_CONTINUE,
            if app.same_site_return || app.takes_forms {
                get(on(MethodFilter::GET, same_site_return::page))
            } else {
                any(not_found)
            },
        ),
        (
            endpoint::TOKEN,
            match config.public_token {
                PublicToken::Guarded => get(on(MethodFilter::GET, token::public_token)),
                PublicToken::Closed => any(not_found),
            },
        ),
        (endpoint::BACK_CHANNEL_LOGOUT, refuse_others(on(MethodFilter::POST, back_channel::logout), "POST")),
        (
            endpoint::FRONT_CHANNEL_LOGOUT,
            front_channel(on(MethodFilter::GET, front_channel::of_the_only_client)),
        ),
        (front_channel::OF_ONE_CLIENT, front_channel(on(MethodFilter::GET, front_channel::of_one_client))),
        (
            endpoint::LOGOUT,
            refuse_others(
                on(MethodFilter::GET, logout::get).on(MethodFilter::POST, logout::post),
                if app.logout_on_get { "GET, POST" } else { "POST" },
            ),
        ),
    ] {
        own = own
            .route(&format!("{}{path}", config.api_prefix), methods.clone())
            .route(&format!("{}{path}/", config.api_prefix), methods);
    }
    if !config.api_prefix.is_empty() {
        // Nothing else below the prefix is anybody's: neither the app's page nor an upstream's.
        for rest in ["", "/", "/{*rest}"] {
            own = own.route(&format!("{}{rest}", config.api_prefix), any(not_found));
        }
    }
    let own = own.layer(middleware::from_fn(own_endpoint)).with_state(Arc::clone(app));
    let mut router = own;
    if !config.proxy.is_empty() {
        let client = proxy::client(&config.outbound);
        for route in &config.proxy {
            router = router.merge(proxy::router(app, route, &client));
        }
    }
    let rest = match &config.static_files {
        Some(files) => static_files::router(files, &config.base_path),
        None => Router::new().fallback(not_found).layer(middleware::from_fn(headers::protect)),
    };
    let router = router.fallback_service(health::for_anybody_before(app, rest));
    base_path::around(&config.base_path, around(router, app, Listener::Public))
}

/// The internal listener: for gateways, orchestrators and metrics.
pub(crate) fn internal_router(app: &Arc<App>, config: &ServerConfig) -> Router {
    let get = |handler: MethodRouter<Arc<App>>| refuse_others(handler, "GET");
    let token = || get(on(MethodFilter::GET, token::internal_token));
    let mut router = Router::new()
        .route(endpoint::HEALTHZ, get(on(MethodFilter::GET, health::healthz)))
        .route(endpoint::READY, get(on(MethodFilter::GET, health::ready)))
        .route(
            endpoint::END_SESSIONS,
            refuse_others(on(MethodFilter::POST, back_channel::end_sessions), "POST"),
        )
        .route(endpoint::FORWARD_AUTH, get(on(MethodFilter::GET, gateway::forward_auth::forward_auth)))
        .route(endpoint::TOKEN, token())
        .route(&format!("{}/", endpoint::TOKEN), token());
    if !config.api_prefix.is_empty() {
        let prefixed = format!("{}{}", config.api_prefix, endpoint::TOKEN);
        router = router.route(&format!("{prefixed}/"), token()).route(&prefixed, token());
    }
    if app.journal.is_some() {
        router = router.route(endpoint::DEVELOPMENT, get(on(MethodFilter::GET, journal::page)));
    }
    for rest in ["", "/", "/{*rest}"] {
        router =
            router.route(&format!("{}{rest}", endpoint::EXT_AUTHZ), any(gateway::ext_authz::check)).route(
                &format!("{}{rest}", endpoint::EXT_AUTHZ_ANONYMOUS),
                any(gateway::ext_authz::check_anonymous),
            );
    }
    let router = router.fallback(not_found).layer(middleware::from_fn(headers::protect));
    // What it answers is for Envoy, and has what is for clients inside.
    #[cfg(feature = "grpc")]
    let router = router.route(endpoint::EXT_AUTHZ_GRPC, axum::routing::post(gateway::ext_authz_grpc::check));
    around(router.with_state(Arc::clone(app)), app, Listener::Internal)
}

/// Whom a request can come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listener {
    /// Anybody.
    Public,
    /// The operator's own gateways and tools.
    Internal,
}

fn around(router: Router, app: &Arc<App>, listener: Listener) -> Router {
    router.layer(middleware::from_fn_with_state((Arc::clone(app), listener), correlation::around))
}

/// `get()` of axum also answers `HEAD`, by running the handler: a `HEAD /login` would start a login.
fn refuse_others(methods: MethodRouter<Arc<App>>, allow: &'static str) -> MethodRouter<Arc<App>> {
    let refuse = move |id: CorrelationId| async move { method_not_allowed(allow, &id) };
    methods.on(MethodFilter::HEAD, refuse).fallback(refuse)
}

async fn not_found(id: CorrelationId) -> Response {
    problem(ProblemCode::NotFound, &id)
}

/// Past the public listener's router.
pub(crate) fn public_quick(app: &Arc<App>, config: &ServerConfig) -> Quick {
    let mut prefixes = vec![config.public_prefix()];
    if !config.base_path.is_empty() {
        prefixes.push(config.api_prefix.clone());
    }
    Quick::new(app, &prefixes, Listener::Public)
}

/// Past the internal listener's router.
pub(crate) fn internal_quick(app: &Arc<App>, config: &ServerConfig) -> Quick {
    Quick::new(app, std::slice::from_ref(&config.api_prefix), Listener::Internal)
}

/// Refuses what no honest client sends.
fn limit(id: &CorrelationId, request: &Request) -> Option<Response> {
    let code = beyond_limits(request.method(), target_bytes(request), header_bytes(request))?;
    Some(problem(code, id))
}

/// What is wrong with a request of this method and size, whether it came to us or a gateway asks about it.
fn beyond_limits(method: &Method, target_bytes: usize, header_bytes: usize) -> Option<ProblemCode> {
    if matches!(*method, Method::TRACE | Method::CONNECT) {
        return Some(ProblemCode::MethodNotAllowed);
    }
    if target_bytes > MAX_URI_BYTES {
        return Some(ProblemCode::InvalidRequest);
    }
    (header_bytes > MAX_HEADER_BYTES).then_some(ProblemCode::HeadersTooLarge)
}

/// Whether [`limit`] and [`own_endpoint`] let a request pass, as far as that is told without looking at its body. A gateway
/// may announce an empty one: Envoy does where a Lua script gives `""`, as the original's and our first ones do.
fn is_within_limits<B>(request: &http::Request<B>) -> bool {
    request.headers().get(header::CONTENT_LENGTH).is_none_or(|length| length.as_bytes() == b"0")
        && target_bytes(request) <= MAX_URI_BYTES
        && header_bytes(request) <= MAX_HEADER_BYTES
}

fn target_bytes<B>(request: &http::Request<B>) -> usize {
    request.uri().path_and_query().map_or(0, |it| it.as_str().len())
}

fn header_bytes<B>(request: &http::Request<B>) -> usize {
    bytes_of(request.headers())
}

fn bytes_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

/// For our own endpoints: refuses a large body before anything is done for the request, and hardens every answer. Bodies
/// are not read at all, so one of unannounced length costs nothing.
async fn own_endpoint(id: CorrelationId, request: Request, next: middleware::Next) -> Response {
    let announced = request.body().size_hint().lower();
    if announced > MAX_BODY_BYTES {
        return headers::hardened(problem(ProblemCode::ContentTooLarge, &id));
    }
    headers::hardened(next.run(request).await)
}

/// The session of a request to somebody else's handler.
#[allow(clippy::result_large_err)]
pub(crate) async fn session_of(app: &App, parts: &Parts) -> Result<VisibleSession, Response> {
    let (key, id) = caller(app, parts)?;
    app.sessions.show(&key).await.map_err(|error| answer::session_problem(&error, &id))
}

/// The access token of a request to somebody else's handler.
#[allow(clippy::result_large_err)]
pub(crate) async fn token_of(app: &App, parts: &Parts) -> Result<UsableToken, Response> {
    session_and_token_of(app, parts).await.map(|(_, token)| token)
}

/// The session of a request to a proxied API, and its access token.
#[allow(clippy::result_large_err)]
async fn session_and_token_of(app: &App, parts: &Parts) -> Result<(SessionKey, UsableToken), Response> {
    let (key, id) = caller(app, parts)?;
    match app.sessions.access_token(&key).await {
        Ok(token) => Ok((key, token)),
        Err(error) => Err(answer::session_problem(&error, &id)),
    }
}

/// An answer of ours among somebody else's.
pub(crate) fn own_headers(response: Response) -> Response {
    headers::hardened(response)
}

/// Whose request it is, if it comes from where it may.
#[allow(clippy::result_large_err)]
fn caller(app: &App, parts: &Parts) -> Result<(SessionKey, CorrelationId), Response> {
    let id = CorrelationId::of(parts);
    let upgrades = parts.headers.contains_key(header::UPGRADE);
    if !Provenance::of(&parts.headers, &app.app_origin).may_call_api(&parts.method, upgrades) {
        let detail = "an API call that changes something, or reads across origins, must come from the app's own origin";
        return Err(answer::problem_in_detail(ProblemCode::ForbiddenContext, Some(detail), &id));
    }
    let key = app.credential(&parts.headers, &id)?;
    Ok((key, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_announces_no_body_or_an_empty_one_is_a_usual_one() {
        for (length, is_usual) in
            [(None, true), (Some("0"), true), (Some("1"), false), (Some("00"), false), (Some("x"), false)]
        {
            let mut request = http::Request::builder().uri("/token");
            if let Some(length) = length {
                request = request.header(header::CONTENT_LENGTH, length);
            }
            assert_eq!(is_within_limits(&request.body(()).unwrap()), is_usual, "{length:?}");
        }
        let long = http::Request::builder().header("x", "y".repeat(MAX_HEADER_BYTES)).body(()).unwrap();
        assert!(!is_within_limits(&long));
    }
}
