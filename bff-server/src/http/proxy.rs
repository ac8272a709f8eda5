//! `server.proxy`: APIs behind this server, with the session's access token attached.
//!
//! Forwarding itself (streaming, upgrades, hop-by-hop headers) is `axum-reverse-proxy`'s. What is ours is
//! who may call, and what reaches the upstream: the session's token and nothing that pretends to be it,
//! the app's cookies and none of ours.

use std::{sync::Arc, time::Duration};

use authtool_contract::{ProblemCode, TokenType};
use axum::{Router, body::Body, extract::Request, response::Response};
use axum_reverse_proxy::{ProxyError, ProxyPolicy, ReverseProxy};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, uri::Authority};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tracing::Instrument as _;
use url::Url;

use super::{
    App,
    answer::{problem, problem_in_detail},
    api_proof,
    caller::Origin,
    cookies::CookiePolicy,
    correlation::CorrelationId,
    headers, login_needed,
    machine::Brought,
    page_request, session_and_token_of,
    stream_end::WatchedSession,
    upstream::{self, Changes},
    upstream_address::Addresses,
};
use crate::{
    adapters::outbound::OutboundSettings,
    config::ProxyRoute,
    domain::api_path::{Ambiguity, ambiguity},
    service::sessions::UsableToken,
    telemetry::traces,
};

/// How long an upstream may take to be connected to.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection to an upstream is kept, and how often an open one is probed.
const KEEPALIVE: Duration = Duration::from_mins(1);
const MAX_IDLE_PER_HOST: usize = 32;

/// What all prefixes share: connections to their upstreams.
pub(crate) type UpstreamClient = Client<HttpsConnector<HttpConnector>, Body>;

/// For upstreams with and without TLS, which trust what everything else here trusts. Not by an egress proxy: upstreams are the
/// operator's own, on this side of it.
pub(crate) fn client(outbound: &OutboundSettings) -> UpstreamClient {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_keepalive(Some(KEEPALIVE));
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(outbound.trust().client_config())
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(connector);
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(KEEPALIVE)
        .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
        .retry_canceled_requests(true)
        .set_host(true)
        .build(connector)
}

/// One proxied prefix, with and without what follows it.
pub(crate) fn router(app: &Arc<App>, route: &ProxyRoute, client: &UpstreamClient) -> Router {
    let policy = ProxyPolicy::new()
        .with_upstream_timeout(route.timeout)
        .with_public_scheme(if app.app_origin.starts_with("https:") { "https" } else { "http" });
    // The prefix stays in the path, so the proxy itself has none.
    let origin = route.upstream.origin().ascii_serialization();
    let proxy = ReverseProxy::new_with_client("", origin, client.clone()).with_policy(policy);
    let app = Arc::clone(app);
    let route = Arc::new(route.clone());
    let at = Arc::clone(&route);
    let forward = move |id: CorrelationId, request: Request| {
        let (app, proxy, route) = (Arc::clone(&app), proxy.clone(), Arc::clone(&at));
        async move {
            let asked = Asked::of(&request);
            let Authorized { mut request, session } = match authorize(&app, &route, request, &id).await {
                Ok(authorized) => authorized,
                Err(refusal) => return headers::hardened(asked.page_or(&app, refusal, &id)),
            };
            let span = traces::call("upstream");
            traces::propagate(&span, request.headers_mut());
            let tunnel = (session.is_some() && request.headers().contains_key(header::UPGRADE))
                .then(|| WatchedSession::bound_tunnel(request.extensions_mut()));
            let Ok(response) = proxy.proxy_request(request).instrument(span).await;
            let response = match guarded_answer(&app.cookies, response, &id) {
                Ok(mut response) => {
                    let addresses = Addresses {
                        public: &app.app_origin,
                        base_path: &app.base_path,
                        prefix: &route.prefix,
                        upstream: &route.upstream,
                        host: asked.host.as_deref(),
                    };
                    addresses.correct(response.headers_mut(), &app.cookies);
                    response
                }
                Err(failure) => headers::hardened(asked.page_or(&app, failure, &id)),
            };
            let Some(session) = session else { return response };
            match tunnel {
                Some(tunnel) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    tunnel.watch(session);
                    response
                }
                _ => response.map(|body| session.bound(body)),
            }
        }
    };
    let below = format!("{}/{{*rest}}", route.prefix);
    let slash = format!("{}/", route.prefix);
    Router::new()
        .route(&route.prefix, axum::routing::any(forward.clone()))
        .route(&slash, axum::routing::any(forward.clone()))
        .route(&below, axum::routing::any(forward))
}

/// What is still to be known of a request when it has gone on.
struct Asked {
    navigation: Option<(Method, HeaderMap)>,
    path: Option<String>,
    host: Option<String>,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let (method, headers) = (request.method(), request.headers());
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        Self {
            navigation: page_request::is_navigation(method, headers)
                .then(|| (method.clone(), headers.clone())),
            path: request.uri().path_and_query().map(|it| it.as_str().to_owned()),
            host: host.or(request.uri().authority().map(Authority::as_str)).map(str::to_owned),
        }
    }

    /// A page for people, where a person has asked.
    fn page_or(&self, app: &App, refusal: Response, id: &CorrelationId) -> Response {
        match &self.navigation {
            Some((method, headers)) => {
                login_needed::or_page(app, (method, headers, self.path.as_deref()), refusal, id)
            }
            None => refusal,
        }
    }
}

/// A request that may go on.
struct Authorized {
    request: Request,
    /// What it depends on; a client with a token of its own depends on none.
    session: Option<WatchedSession>,
}

/// Lets the request through with the session's token, or the client's own, or says why not.
async fn authorize(
    app: &App,
    route: &ProxyRoute,
    request: Request,
    id: &CorrelationId,
) -> Result<Authorized, Response> {
    let refused = match ambiguity(request.uri().path()) {
        Some(Ambiguity::LeadsElsewhere) => Some(upstream::LEADS_ELSEWHERE),
        Some(Ambiguity::EncodedSlash) if !route.encoded_slashes => Some(
            "the path has an encoded slash or backslash (%2F, %5C); where the API means them, the operator sets \
             server.proxy[].encodedSlashes",
        ),
        _ => None,
    };
    if let Some(detail) = refused {
        return Err(problem_in_detail(ProblemCode::InvalidRequest, Some(detail), id));
    }
    let upstream = &route.upstream;
    let access = app.machine_access(request.uri().path());
    if let Some(brought) = Brought::of(access, request.headers())
        && app.has_no_session_cookie(request.headers())
    {
        let authorization = brought.admitted(app, id).await?;
        let mut changes = stripping(app, &request);
        changes.keep(authorization);
        return Ok(Authorized { request: changed(request, changes), session: None });
    }
    let (parts, body) = request.into_parts();
    let (key, token) = session_and_token_of(app, &parts).await?;
    let request = Request::from_parts(parts, body);
    let proof = match token.token_type() {
        TokenType::Bearer => None,
        TokenType::DPoP => {
            Some(proof(app, upstream, &request, &token).ok_or_else(|| problem(ProblemCode::Internal, id))?)
        }
    };
    let mut changes = stripping(app, &request);
    changes.authorize(&token, proof.as_deref()).ok_or_else(|| problem(ProblemCode::Internal, id))?;
    let ends_in = Duration::from_secs(token.session_ends_in);
    let session = WatchedSession::new(Arc::clone(&app.sessions), key, ends_in);
    Ok(Authorized { request: changed(request, changes), session: Some(session) })
}

/// What no client may say is taken away, and left where a trusted proxy has said it.
fn stripping(app: &App, request: &Request) -> Changes {
    let changes = Changes::stripping(request.headers(), &app.cookies, &[]);
    let origin = Origin::of(request.extensions(), request.headers(), &app.trusted_proxies);
    if origin.through_a_trusted_proxy { changes.leaving(&app.trusted_proxy_headers) } else { changes }
}

/// The request as it goes on.
fn changed(mut request: Request, changes: Changes) -> Request {
    let upgrades = request.headers().contains_key(header::UPGRADE);
    let headers = request.headers_mut();
    changes.apply(headers);
    // `Connection: authorization` asks a proxy to drop the header it names (RFC 9110 §7.6.1).
    headers.remove(header::CONNECTION);
    if upgrades {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    request
}

/// The proof that a bound token needs, for the request as the upstream sees it.
fn proof(app: &App, upstream: &Url, request: &Request, token: &UsableToken) -> Option<String> {
    let mut url = upstream.clone();
    url.set_path(request.uri().path());
    api_proof::proof(app, token, request.method(), &url, None)
}

/// An upstream may set its own cookies, but not ours, and not clear them either.
#[allow(clippy::result_large_err)]
fn guarded_answer(
    policy: &CookiePolicy,
    mut response: Response,
    id: &CorrelationId,
) -> Result<Response, Response> {
    if let Some(error) = response.extensions().get::<ProxyError>() {
        tracing::warn!(
            error = error.message(),
            event = "upstream_unavailable",
            "an API could not be reached"
        );
        return Err(problem(ProblemCode::UpstreamUnavailable, id));
    }
    let headers = response.headers_mut();
    for name in upstream::NEVER_FROM_APIS {
        headers.remove(name);
    }
    // The upstream was asked with `Authorization`, which keeps shared caches away (RFC 9111 §3.5); what the
    // browser and everything before us see is only a cookie.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-store"));
    headers.append(header::VARY, HeaderValue::from_static("Cookie"));
    let ours = |value: &HeaderValue| policy.is_ours(name_that_comes_back(value.as_bytes()));
    if headers.get_all(header::SET_COOKIE).iter().any(ours) {
        let kept: Vec<_> =
            headers.get_all(header::SET_COOKIE).iter().filter(|value| !ours(value)).cloned().collect();
        headers.remove(header::SET_COOKIE);
        for value in kept {
            headers.append(header::SET_COOKIE, value);
        }
    }
    Ok(response)
}

/// By which name a cookie that is set so may come back. One without a name comes back as its value alone
/// (RFC 6265bis §5.7), in which the next `=` then ends a name.
fn name_that_comes_back(set_cookie: &[u8]) -> &[u8] {
    let nameless = |byte: &u8| *byte == b'=' || byte.is_ascii_whitespace();
    let start = set_cookie.iter().position(|byte| !nameless(byte)).unwrap_or(set_cookie.len());
    let rest = set_cookie.get(start..).unwrap_or_default();
    rest.split(|byte| matches!(byte, b'=' | b';')).next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_169_a_cookie_is_known_by_the_name_under_which_it_comes_back() {
        for (set_cookie, name) in [
            ("a=b; Path=/", "a"),
            (" a = b", "a"),
            ("=a=b", "a"),
            (" = \t= a=b", "a"),
            ("a", "a"),
            ("a; Path=/", "a"),
            ("", ""),
            ("==", ""),
            ("; a=b", ""),
        ] {
            assert_eq!(name_that_comes_back(set_cookie.as_bytes()), name.as_bytes(), "{set_cookie:?}");
        }
    }
}
