//! `GET /-/forward-auth` on the internal listener: a gateway shows a request's headers, and learns whether it may go on and
//! with which.
//!
//! | answer | what the gateway does |
//! |---|---|
//! | 200 | sets `Authorization`, `Cookie` and `DPoP` of the request to those of the answer; `Cookie` no longer has ours |
//! | 401, 403 | gives the answer to the client |
//! | 503 | gives it too: nothing is known of the session, and nothing may go on |

use std::sync::Arc;

use authtool_contract::{ProblemCode, TokenType};
use axum::{body::Body, extract::State, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};

use super::{
    App,
    answer::{problem, problem_in_detail, session_problem},
    api_proof, caller,
    correlation::CorrelationId,
    guard::Provenance,
    proxy::strip_own_cookies,
};
use crate::service::sessions::UsableToken;

const DPOP: &str = "dpop";

/// How gateways name the method of the request that they ask about: nginx as its configuration says, Traefik and Caddy
/// by themselves.
const METHOD_HEADERS: [&str; 2] = ["x-original-method", "x-forwarded-method"];

/// See the [module](self).
pub(crate) async fn forward_auth(State(app): State<Arc<App>>, id: CorrelationId, request: Parts) -> Response {
    let headers = &request.headers;
    if let Some(detail) = caller::gateway_refusal(app.gateway_credential.as_ref(), headers) {
        return problem_in_detail(ProblemCode::ForbiddenContext, Some(detail), &id);
    }
    let Some(method) = original_method(headers) else {
        let detail = "the gateway must say which method the request has, once: X-Original-Method or X-Forwarded-Method";
        return problem_in_detail(ProblemCode::InvalidRequest, Some(detail), &id);
    };
    let upgrades = headers.contains_key(header::UPGRADE);
    if !Provenance::of(headers, &app.app_origin).may_call_api(&method, upgrades) {
        return problem(ProblemCode::ForbiddenContext, &id);
    }
    let key = match app.credential(headers, &id) {
        Ok(key) => key,
        Err(refusal) => return refusal,
    };
    let token = match app.sessions.access_token(&key).await {
        Ok(token) => token,
        Err(error) => return session_problem(&error, &id),
    };
    let proof = match api_proof::as_described(&app, &token, headers) {
        Ok(None) if token.token_type() == TokenType::DPoP => Err(
            "the token is bound to a key: describe the API's request with x-authtool-dpop-method and -url",
        ),
        described => described,
    };
    match proof {
        Ok(proof) => allowed(&app, headers, &token, proof.as_deref())
            .unwrap_or_else(|| problem(ProblemCode::Internal, &id)),
        Err(detail) => problem_in_detail(ProblemCode::InvalidRequest, Some(detail), &id),
    }
}

fn original_method(headers: &HeaderMap) -> Option<Method> {
    let mut values = METHOD_HEADERS.iter().flat_map(|name| headers.get_all(*name));
    let method = Method::from_bytes(values.next()?.as_bytes()).ok()?;
    values.next().is_none().then_some(method)
}

fn allowed(app: &App, request: &HeaderMap, token: &UsableToken, proof: Option<&str>) -> Option<Response> {
    let (scheme, token) = (token.token_type().as_str(), token.access_token.expose());
    let mut authorization = HeaderValue::try_from(format!("{scheme} {token}")).ok()?;
    authorization.set_sensitive(true);
    let mut cookies = HeaderMap::new();
    for cookie in request.get_all(header::COOKIE) {
        cookies.append(header::COOKIE, cookie.clone());
    }
    strip_own_cookies(&app.cookies, &mut cookies);
    let mut response = Response::new(Body::empty());
    let set = |response: &mut Response, name: HeaderName, value: HeaderValue| {
        response.headers_mut().insert(name, value);
    };
    set(&mut response, header::AUTHORIZATION, authorization);
    if let Some(proof) = proof {
        set(&mut response, HeaderName::from_static(DPOP), HeaderValue::try_from(proof).ok()?);
    }
    if let Some(cookie) = cookies.remove(header::COOKIE) {
        set(&mut response, header::COOKIE, cookie);
    }
    Some(response)
}
