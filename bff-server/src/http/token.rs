//! `GET {apiPrefix}/token`: the session's access token.

use std::sync::{Arc, LazyLock};

use authtool_contract::{ProblemCode, header::SESSION_ENDS_IN};
use axum::{extract::State, response::Response};
use http::{HeaderMap, HeaderValue, request::Parts};

use super::{
    App,
    answer::{json, json_headers, json_with, problem_in_detail, session_problem},
    api_proof, caller,
    correlation::CorrelationId,
    guard::Provenance,
};
use crate::{config::Mode, service::sessions::UsableToken};

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
        Mode::TokenExchange if provenance.is_from_a_browser() && !provenance.is_proven_own_fetch() => Some(
            "the request has neither all of Fetch Metadata nor the x-authtool-csrf header that authtool's client sends",
        ),
        // The app in its browser has no credential that it could keep.
        Mode::TokenExchange if provenance.is_from_a_browser() => None,
        _ => caller::gateway_refusal(app.gateway_credential.as_ref(), &request.headers),
    };
    match refusal {
        Some(detail) => refuse(detail, &id),
        None => answer(&app, &id, &request, answer_with).await,
    }
}

/// On the internal listener: for gateways, whatever the mode. A browser that strays here, by DNS rebinding
/// or on a developer's machine, gets nothing.
pub(crate) async fn internal_token(
    State(app): State<Arc<App>>,
    id: CorrelationId,
    request: Parts,
) -> Response {
    if let Some(detail) = internal_refusal(&app, &request.headers) {
        return refuse(detail, &id);
    }
    answer(&app, &id, &request, answer_for_gateway).await
}

/// Why the internal listener hands out no token to this caller.
pub(super) fn internal_refusal(app: &App, headers: &HeaderMap) -> Option<&'static str> {
    if Provenance::of(headers, &app.app_origin).is_surely_a_browser() {
        return Some("the internal listener does not answer browsers");
    }
    caller::gateway_refusal(app.gateway_credential.as_ref(), headers)
}

fn refuse(detail: &'static str, id: &CorrelationId) -> Response {
    tracing::warn!(event = "token_refused", reason = detail, "a request for a token was refused");
    problem_in_detail(ProblemCode::ForbiddenContext, Some(detail), id)
}

async fn answer(
    app: &App,
    id: &CorrelationId,
    request: &Parts,
    with: fn(&UsableToken, Option<&str>) -> Response,
) -> Response {
    let key = match app.credential(&request.headers, id) {
        Ok(key) => key,
        Err(refusal) => return refusal,
    };
    let token = match app.sessions.access_token(&key).await {
        Ok(token) => token,
        Err(error) => return session_problem(&error, id),
    };
    match api_proof::as_described(app, &token, &request.headers) {
        Ok(dpop) => with(&token, dpop.as_deref()),
        Err(detail) => problem_in_detail(ProblemCode::InvalidRequest, Some(detail), id),
    }
}

/// The answer that hands a token out.
fn answer_with(token: &UsableToken, dpop: Option<&str>) -> Response {
    json(body(token, dpop))
}

/// The same, which tells a gateway in how many seconds the session ends.
pub(super) fn answer_for_gateway(token: &UsableToken, dpop: Option<&str>) -> Response {
    static HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| json_headers(SESSION_ENDS_IN));
    let mut response = json_with(&HEADERS, body(token, dpop));
    response.headers_mut().insert(SESSION_ENDS_IN, HeaderValue::from(token.session_ends_in));
    response
}

/// A [`TokenAnswer`](authtool_contract::TokenAnswer), put together rather than serialised: this is the answer to every
/// API call of every user. Neither tokens (RFC 6750 §2.1) nor proofs (RFC 7515 §7.1) have characters that JSON escapes.
fn body(token: &UsableToken, dpop: Option<&str>) -> String {
    let (access_token, token_type) = (token.access_token().expose(), token.token_type().as_str());
    let mut body = String::with_capacity(96 + access_token.len() + dpop.map_or(0, str::len));
    for part in
        ["{\"access_token\":\"", access_token, "\",\"token_type\":\"", token_type, "\",\"expires_in\":"]
    {
        body.push_str(part);
    }
    body.push_str(&token.expires_in.to_string());
    if let Some(dpop) = dpop {
        for part in [",\"dpop\":\"", dpop, "\""] {
            body.push_str(part);
        }
    }
    body.push('}');
    body
}

#[cfg(test)]
mod tests {
    use authtool_contract::{TokenAnswer, TokenType};

    use super::*;

    #[test]
    fn the_body_is_the_contracts() {
        for dpop in [None, Some("eyJ0eXAiOiJkcG9wK2p3dCJ9.e30.c2ln_-")] {
            let token = UsableToken::of("aZ09-._~+/=", 293);
            let answer = TokenAnswer {
                access_token: token.access_token().expose().to_owned(),
                token_type: TokenType::Bearer,
                expires_in: 293,
                dpop: dpop.map(str::to_owned),
            };
            assert_eq!(body(&token, dpop), serde_json::to_string(&answer).unwrap());
        }
    }
}
