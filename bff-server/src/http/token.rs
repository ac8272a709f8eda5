//! `GET {apiPrefix}/token`: the session's access token.

use std::sync::Arc;

use authtool_contract::{ProblemCode, TokenAnswer, header::SESSION_ENDS_IN};
use axum::{extract::State, response::Response};
use http::{HeaderValue, request::Parts};

use super::{
    App,
    answer::{json, problem_in_detail, session_problem},
    api_proof, caller,
    correlation::CorrelationId,
    guard::Provenance,
};
use crate::config::Mode;

/// On the public listener. In `bff` mode a gateway may be routed here, but a browser gets nothing; in
/// `tokenExchange` mode the app's own `fetch` is answered, and nothing else that a browser sends.
pub(crate) async fn public_token(State(app): State<Arc<App>>, id: CorrelationId, request: Parts) -> Response {
    let provenance = Provenance::of(&request.headers, &app.app_origin);
    let refusal = match app.mode {
        Mode::Bff if provenance.is_from_a_browser() => {
            Some("in bff mode no browser gets an access token; the gateway adds it to API calls")
        }
        Mode::TokenExchange if !provenance.is_own_fetch() => {
            Some("only the app's own origin may fetch its access token")
        }
        Mode::TokenExchange if provenance.is_from_a_browser() && !provenance.has_own_header() => {
            Some("the request lacks the x-authtool-csrf header that authtool's client sends")
        }
        // The app in its browser has no credential that it could keep.
        Mode::TokenExchange if provenance.is_from_a_browser() => None,
        _ => caller::gateway_refusal(app.gateway_credential.as_ref(), &request.headers),
    };
    match refusal {
        Some(detail) => refuse(detail, &id),
        None => answer(&app, &id, &request).await.0,
    }
}

/// On the internal listener: for gateways, whatever the mode. A browser that strays here, by DNS rebinding
/// or on a developer's machine, gets nothing.
pub(crate) async fn internal_token(
    State(app): State<Arc<App>>,
    id: CorrelationId,
    request: Parts,
) -> Response {
    if Provenance::of(&request.headers, &app.app_origin).is_surely_a_browser() {
        return refuse("the internal listener does not answer browsers", &id);
    }
    if let Some(detail) = caller::gateway_refusal(app.gateway_credential.as_ref(), &request.headers) {
        return refuse(detail, &id);
    }
    let (mut response, session_ends_in) = answer(&app, &id, &request).await;
    if let Some(seconds) = session_ends_in {
        response.headers_mut().insert(SESSION_ENDS_IN, HeaderValue::from(seconds));
    }
    response
}

fn refuse(detail: &'static str, id: &CorrelationId) -> Response {
    tracing::warn!(event = "token_refused", reason = detail, "a request for a token was refused");
    problem_in_detail(ProblemCode::ForbiddenContext, Some(detail), id)
}

/// With it, in how many seconds the session ends.
async fn answer(app: &App, id: &CorrelationId, request: &Parts) -> (Response, Option<u64>) {
    let key = match app.credential(&request.headers, id) {
        Ok(key) => key,
        Err(refusal) => return (refusal, None),
    };
    let token = match app.sessions.access_token(&key).await {
        Ok(token) => token,
        Err(error) => return (session_problem(&error, id), None),
    };
    match api_proof::as_described(app, &token, &request.headers) {
        Ok(dpop) => {
            let body = serde_json::to_vec(&TokenAnswer {
                access_token: token.access_token.expose().to_owned(),
                token_type: token.token_type(),
                expires_in: token.expires_in,
                dpop,
            });
            (json(body.unwrap_or_default()), Some(token.session_ends_in))
        }
        Err(detail) => (problem_in_detail(ProblemCode::InvalidRequest, Some(detail), id), None),
    }
}
