//! `POST {apiPrefix}/oidc/logout/backchannel`, and `POST /-/sessions/end` on the internal listener.

use std::sync::Arc;

use authtool_contract::{ProblemCode, endpoint::param};
use axum::{
    extract::{Request, State},
    response::Response,
};
use http::StatusCode;

use super::{
    App,
    answer::{json, problem, problem_in_detail, session_problem},
    caller,
    correlation::CorrelationId,
    form::{self, NoForm},
    guard::Provenance,
};
use crate::{
    domain::{
        credential::{IdToken, MAX_TOKEN_BYTES},
        parameters::Parameter,
    },
    service::back_channel::{Ended, ReportError},
    telemetry,
};

const LOGOUT_TOKEN: Parameter = Parameter::new(param::LOGOUT_TOKEN, MAX_TOKEN_BYTES);
const SUBJECT: Parameter = Parameter::new(param::SUBJECT, 255);
const ISSUER: Parameter = Parameter::new(param::ISSUER, 512);

/// The provider reports a logout (OpenID Connect Back-Channel Logout 1.0 §2.5 to §2.8).
pub(crate) async fn logout(State(app): State<Arc<App>>, id: CorrelationId, request: Request) -> Response {
    let response = report(&app, &id, request).await;
    telemetry::logout_report(match response.status() {
        StatusCode::OK => "success",
        status if status.is_server_error() => "failed",
        _ => "refused",
    });
    response
}

async fn report(app: &App, id: &CorrelationId, request: Request) -> Response {
    let token = match form(app, id, request).await {
        Ok(form) => LOGOUT_TOKEN.require(&form),
        Err(refusal) => return refusal,
    };
    let token = match token {
        Ok(token) => token,
        Err(error) => {
            tracing::warn!(%error, event = "back_channel_logout_refused", reason = "malformed",
                "a reported logout was refused");
            return malformed(&error.to_string(), id);
        }
    };
    let Ok(token) = IdToken::parse(token) else {
        tracing::warn!(
            event = "back_channel_logout_refused",
            reason = "malformed",
            "a logout token was refused"
        );
        return malformed("logout_token is not a signed JWT", id);
    };
    match app.back_channel.report(&token).await {
        Ok(_) => {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::OK;
            response
        }
        Err(error) => failure(&error, id),
    }
}

/// An operator logs a user out everywhere.
pub(crate) async fn end_sessions(
    State(app): State<Arc<App>>,
    id: CorrelationId,
    request: Request,
) -> Response {
    let credential = app.operator_credential.as_ref();
    if let Some(detail) = caller::operator_refusal(credential, request.headers()) {
        tracing::warn!(event = "operator_refused", "a request to end sessions was refused");
        return problem_in_detail(ProblemCode::ForbiddenContext, Some(detail), &id);
    }
    let user = match form(&app, &id, request).await {
        Ok(form) => SUBJECT.require(&form).and_then(|subject| Ok((ISSUER.read(&form)?, subject))),
        Err(refusal) => return refusal,
    };
    let (issuer, subject) = match user {
        Ok(user) => user,
        Err(error) => return malformed(&error.to_string(), &id),
    };
    match app.back_channel.end_everywhere(issuer.as_deref(), &subject).await {
        Ok(Ended { sessions, is_complete }) => {
            json(format!("{{\"ended\":{sessions},\"complete\":{is_complete}}}"))
        }
        Err(error) => failure(&error, &id),
    }
}

fn malformed(detail: &str, id: &CorrelationId) -> Response {
    problem_in_detail(ProblemCode::InvalidRequest, Some(detail), id)
}

/// A form that a server, not a browser, posts.
#[allow(clippy::result_large_err)]
async fn form(app: &App, id: &CorrelationId, request: Request) -> Result<String, Response> {
    if Provenance::of(request.headers(), &app.app_origin).is_surely_a_browser() {
        let detail = "this endpoint is called by servers, not by browsers";
        return Err(problem_in_detail(ProblemCode::ForbiddenContext, Some(detail), id));
    }
    let (parts, body) = request.into_parts();
    form::read(&parts.headers, body).await.map_err(|error| match error {
        NoForm::TooLarge => problem(ProblemCode::ContentTooLarge, id),
        other => malformed(&other.to_string(), id),
    })
}

fn failure(error: &ReportError, id: &CorrelationId) -> Response {
    match error {
        ReportError::Refused(reason) => {
            tracing::warn!(reason, event = "back_channel_logout_refused", "a logout token was refused");
            problem_in_detail(ProblemCode::InvalidRequest, Some(&error.to_string()), id)
        }
        ReportError::WhichIssuer => malformed(&error.to_string(), id),
        // Never 200: the provider must know that sessions may still be alive.
        ReportError::Trouble(trouble) => {
            tracing::error!(error = %trouble, event = "back_channel_logout_failed", "sessions could not be ended");
            session_problem(trouble, id)
        }
    }
}
