//! `GET {apiPrefix}/oidc/logout/frontchannel`, and with several clients `…/frontchannel/{client}`: what a provider loads in a
//! frame when a user logs out there (OpenID Connect Front-Channel Logout 1.0 §2).
//!
//! A frame of another site sends no cookie of ours, and sets none. Where the request comes from does not matter: who knows
//! a `sid` can make a frame as well as anything else.

use std::sync::Arc;

use authtool_contract::{ProblemCode, endpoint::param};
use axum::{
    extract::{Path, State},
    response::Response,
};
use http::{HeaderValue, StatusCode, header, request::Parts};

use super::{
    App,
    answer::{problem, problem_in_detail, retry_after, session_problem},
    correlation::CorrelationId,
};
use crate::{domain::parameters::Parameter, service::front_channel::FrontChannelError};

/// [`FRONT_CHANNEL_LOGOUT`](authtool_contract::endpoint::FRONT_CHANNEL_LOGOUT) of one of several clients.
pub(crate) const OF_ONE_CLIENT: &str = "/oidc/logout/frontchannel/{client}";

const SID: Parameter = Parameter::new(param::SID, 255);
const ISS: Parameter = Parameter::new(param::ISS, 512);

/// Where there is one client.
pub(crate) async fn of_the_only_client(
    State(app): State<Arc<App>>,
    id: CorrelationId,
    request: Parts,
) -> Response {
    report(&app, &id, None, request.uri.query().unwrap_or_default()).await
}

/// Where there are several, or one with a name.
pub(crate) async fn of_one_client(
    State(app): State<Arc<App>>,
    Path(client): Path<String>,
    id: CorrelationId,
    request: Parts,
) -> Response {
    report(&app, &id, Some(&client), request.uri.query().unwrap_or_default()).await
}

async fn report(app: &App, id: &CorrelationId, client: Option<&str>, query: &str) -> Response {
    let (sid, issuer) = match (SID.require(query), ISS.read(query)) {
        (Ok(sid), Ok(issuer)) => (sid, issuer),
        (Err(error), _) | (_, Err(error)) => {
            return problem_in_detail(ProblemCode::InvalidRequest, Some(&error.to_string()), id);
        }
    };
    match app.front_channel.report(client, issuer.as_deref(), &sid).await {
        Ok(reported) => done(&reported.frames),
        Err(FrontChannelError::NoClient) => problem(ProblemCode::NotFound, id),
        Err(error @ FrontChannelError::Issuer) => {
            tracing::warn!(%error, event = "front_channel_logout_refused", "a reported logout was refused");
            problem_in_detail(ProblemCode::InvalidRequest, Some(&error.to_string()), id)
        }
        Err(error @ FrontChannelError::Busy) => {
            tracing::warn!(%error, event = "front_channel_logout_refused", "a reported logout was refused");
            retry_after(problem_in_detail(ProblemCode::StoreUnavailable, Some(&error.to_string()), id), None)
        }
        Err(FrontChannelError::Trouble(trouble)) => {
            tracing::error!(error = %trouble, event = "front_channel_logout_failed", "sessions could not be ended");
            session_problem(&trouble, id)
        }
    }
}

/// An empty page, that the provider's pages alone may frame. The same whether there was a session or not.
fn done(frames: &[String]) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let policy = format!(
        "default-src 'none'; frame-ancestors {}; base-uri 'none'; form-action 'none'",
        frames.join(" ")
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}
