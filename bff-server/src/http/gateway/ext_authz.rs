//! Envoy's `ext_authz` over HTTP, on the internal listener: the request's own method, path and headers behind a
//! prefix.
//!
//! | answer | what Envoy does |
//! |---|---|
//! | 200 | sets the request's headers to those of the answer that `allowed_upstream_headers` names, and removes those that `x-envoy-auth-headers-to-remove` lists |
//! | anything else | gives the answer to the client |

use std::sync::Arc;

use authtool_contract::{ProblemCode, endpoint};
use axum::{body::Body, extract::State, response::Response};
use http::{HeaderName, HeaderValue, request::Parts};

use super::{App, CorrelationId, ProofFor, Question, Session, decide, problem_in_detail};
use crate::http::caller;

/// What Envoy sets on the client's request, before it asks about it.
pub(super) const OF_ENVOY: [&str; 4] =
    ["x-forwarded-for", "x-forwarded-proto", "x-envoy-external-address", "x-envoy-internal"];

const HEADERS_TO_REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");

/// Where somebody must be logged in.
pub(in crate::http) async fn check(
    State(app): State<Arc<App>>,
    id: CorrelationId,
    request: Parts,
) -> Response {
    answer(&app, &id, &request, endpoint::EXT_AUTHZ, Session::Required).await
}

/// Where nobody must.
pub(in crate::http) async fn check_anonymous(
    State(app): State<Arc<App>>,
    id: CorrelationId,
    request: Parts,
) -> Response {
    answer(&app, &id, &request, endpoint::EXT_AUTHZ_ANONYMOUS, Session::Optional).await
}

async fn answer(app: &App, id: &CorrelationId, request: &Parts, prefix: &str, session: Session) -> Response {
    if let Some(detail) = caller::gateway_refusal(app.gateway_credential.as_ref(), &request.headers) {
        return problem_in_detail(ProblemCode::ForbiddenContext, Some(detail), id);
    }
    let path = request.uri.path_and_query().and_then(|it| it.as_str().strip_prefix(prefix));
    let question = Question {
        method: request.method.clone(),
        headers: &request.headers,
        session,
        proof: ProofFor::Path(request.uri.path().strip_prefix(prefix).unwrap_or_default()),
        path,
        // Of the path as Envoy has it, and not as a client describes it.
        machines: path.and_then(|path| app.machine_access(path)),
        of_the_gateway: &OF_ENVOY,
    };
    let changes = match decide(app, &question, id).await {
        Ok(changes) => changes,
        Err(refusal) => return refusal,
    };
    let mut response = Response::new(Body::empty());
    if !changes.remove.is_empty() {
        let names = changes.remove.iter().map(HeaderName::as_str).collect::<Vec<_>>().join(",");
        let Ok(names) = HeaderValue::try_from(names) else {
            return problem_in_detail(ProblemCode::Internal, None, id);
        };
        response.headers_mut().insert(HEADERS_TO_REMOVE, names);
    }
    response.headers_mut().extend(changes.set);
    response
}
