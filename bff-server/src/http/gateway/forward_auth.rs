//! `GET /-/forward-auth` on the internal listener: a gateway shows a request's headers, and learns whether it may go on and
//! with which.
//!
//! | answer | what the gateway does |
//! |---|---|
//! | 200 | sets `Authorization`, `Cookie` and `DPoP` of the request to those of the answer; `Cookie` no longer has ours |
//! | 401, 403 | gives the answer to the client: a page, if a person opened one (Traefik and Caddy; nginx has none of its body) |
//! | 503 | gives it too: nothing is known of the session, and nothing may go on |

use std::sync::Arc;

use authtool_contract::{ProblemCode, endpoint::param};
use axum::{body::Body, extract::State, response::Response};
use http::{HeaderMap, HeaderValue, Method, header, request::Parts};

use super::{App, CorrelationId, ProofFor, Question, Session, decide, problem_in_detail};
use crate::{
    domain::{access_token::MachineAccess, api_path::ambiguity, parameters::Parameter},
    http::caller,
};

/// How gateways name the method of the request that they ask about: nginx as its configuration says, Traefik and Caddy
/// by themselves.
const METHOD_HEADERS: [&str; 2] = ["x-original-method", "x-forwarded-method"];

/// And its path with the query.
const PATH_HEADERS: [&str; 2] = ["x-original-uri", "x-forwarded-uri"];

const MACHINES: Parameter = Parameter::new(param::MACHINES, 1024);

/// See the [module](self).
pub(in crate::http) async fn forward_auth(
    State(app): State<Arc<App>>,
    id: CorrelationId,
    request: Parts,
) -> Response {
    let headers = &request.headers;
    if let Some(detail) = caller::gateway_refusal(app.gateway_credential.as_ref(), headers) {
        return problem_in_detail(ProblemCode::ForbiddenContext, Some(detail), &id);
    }
    let Some(method) = original_method(headers) else {
        let detail = "the gateway must say which method the request has, once: X-Original-Method or X-Forwarded-Method";
        return problem_in_detail(ProblemCode::InvalidRequest, Some(detail), &id);
    };
    let machines = match named_machines(&app, &request) {
        // What a client writes about its path can only close this way.
        Ok(machines) => machines.filter(|_| !leads_elsewhere(headers)),
        Err(detail) => {
            tracing::warn!(
                event = "gateway_misconfigured",
                reason = detail,
                "a gateway's question cannot be answered"
            );
            return problem_in_detail(ProblemCode::InvalidRequest, Some(detail), &id);
        }
    };
    let question = Question {
        method,
        headers,
        session: Session::Required,
        proof: ProofFor::Described,
        path: original_path(headers),
        machines,
        of_the_gateway: &[],
    };
    match decide(&app, &question, &id).await {
        Ok(changes) => {
            let mut response = Response::new(Body::empty());
            // Some gateways leave a request's header as it is where the answer has none of that name.
            if headers.contains_key(header::COOKIE) {
                response.headers_mut().insert(header::COOKIE, HeaderValue::from_static(""));
            }
            for (name, value) in changes.set {
                if name == header::AUTHORIZATION || name == header::COOKIE || name == "dpop" {
                    response.headers_mut().insert(name, value);
                }
            }
            response
        }
        Err(refusal) => refusal,
    }
}

/// Whether clients may use a token of their own: said by the address that the gateway asks, in which its client has no say.
fn named_machines<'a>(app: &'a App, request: &Parts) -> Result<Option<&'a MachineAccess>, &'static str> {
    let prefix = MACHINES.read(request.uri.query().unwrap_or_default());
    match prefix
        .map_err(|_| "the parameter `machines` of the gateway's address is doubled, empty or too long")?
    {
        None => Ok(None),
        Some(prefix) => match app.machine_access_named(&prefix) {
            Some(access) => Ok(Some(access)),
            None => Err("`machines` in the gateway's address is no prefix of server.machineClients"),
        },
    }
}

/// Whether an API may find another path than the gateway: not every gateway resolves dots behind encoded slashes.
fn leads_elsewhere(headers: &HeaderMap) -> bool {
    let path = |value: &HeaderValue| {
        let value = String::from_utf8_lossy(value.as_bytes());
        ambiguity(value.split('?').next().unwrap_or_default()).is_some()
    };
    PATH_HEADERS.iter().flat_map(|name| headers.get_all(*name)).any(path)
}

/// Where a person wanted to go. If a client has written it, it leads that client back to another page of the app.
fn original_path(headers: &HeaderMap) -> Option<&str> {
    let mut values = PATH_HEADERS.iter().flat_map(|name| headers.get_all(*name));
    let path = values.next().filter(|_| values.next().is_none())?.to_str().ok()?;
    (path.starts_with('/') && !path.starts_with("//")).then_some(path)
}

fn original_method(headers: &HeaderMap) -> Option<Method> {
    let mut values = METHOD_HEADERS.iter().flat_map(|name| headers.get_all(*name));
    let method = Method::from_bytes(values.next()?.as_bytes()).ok()?;
    values.next().is_none().then_some(method)
}
