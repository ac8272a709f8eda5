//! `GET` and `POST {apiPrefix}/logout`, and `GET {apiPrefix}/oidc/logout/callback`.

use std::sync::Arc;

use authtool_contract::endpoint::param;
use axum::{extract::State, response::Response};
use http::{HeaderName, HeaderValue, request::Parts};

use super::{
    App,
    answer::{method_not_allowed, see_other, with_cookie},
    cookies::{self, Presented},
    correlation::CorrelationId,
    guard::{LogoutVerdict, Provenance},
    page::PageCode,
    returned, sealed_cookie,
};
use crate::{
    domain::{parameters::Parameter, return_url},
    seal::Purpose,
    service::{
        logout::{self, LogoutFlow},
        sessions::SessionError,
    },
};

const REDIRECT_URI: Parameter = Parameter::new(param::REDIRECT_URI, return_url::MAX_BYTES);
const STATE: Parameter = Parameter::new("state", 128);
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

pub(crate) async fn get(State(app): State<Arc<App>>, id: CorrelationId, request: Parts) -> Response {
    if !app.logout_on_get {
        return method_not_allowed("POST", &id);
    }
    let verdict = Provenance::of(&request.headers, &app.app_origin).logout_by_get();
    log_out(&app, verdict, &id, &request).await
}

pub(crate) async fn post(State(app): State<Arc<App>>, id: CorrelationId, request: Parts) -> Response {
    let verdict = Provenance::of(&request.headers, &app.app_origin).logout_by_post();
    log_out(&app, verdict, &id, &request).await
}

async fn log_out(app: &App, verdict: LogoutVerdict, id: &CorrelationId, request: &Parts) -> Response {
    let return_to = app.return_url(REDIRECT_URI.read(request.uri.query().unwrap_or_default()));
    match verdict {
        LogoutVerdict::Refuse => return app.built_in_page(PageCode::ForbiddenContext, id),
        // Not even the cookie is touched: a deletion would be the logout that the other site wants.
        LogoutVerdict::OnlyRedirect => {
            tracing::info!(
                event = "logout_ignored",
                "another site led a browser to /logout; nothing was ended"
            );
            return see_other(return_to.as_str())
                .unwrap_or_else(|| app.built_in_page(PageCode::Internal, id));
        }
        LogoutVerdict::EndSession => {}
    }
    let headers = &request.headers;
    let key = app.session_key(headers);
    let mut response = match app.logouts.end(key.as_ref(), &return_to).await {
        Ok(ended) => {
            let Some(mut response) = see_other(ended.location.as_str()) else {
                return app.built_in_page(PageCode::Internal, id);
            };
            let name = app.cookies.logout_name();
            let sealed = ended.flow.and_then(|flow| {
                sealed_cookie::seal(&app.sealer, Purpose::LogoutFlow, name, &flow, &*app.entropy).ok()
            });
            if let Some(value) = sealed {
                with_cookie(&mut response, app.cookies.set_flow(name, &value, logout::LIFETIME));
            }
            response
        }
        // The cookie goes in any case; the page says that the rest is not certain.
        Err(error) => {
            tracing::error!(%error, event = "logout_incomplete", "a session could not be ended in the store");
            app.built_in_page(
                match error {
                    SessionError::Store(_) => PageCode::StoreUnavailable,
                    _ => PageCode::Internal,
                },
                id,
            )
        }
    };
    // Who logs in again after a logout means it.
    returned::forget(app, headers, &mut response);
    if cookies::find(headers, app.cookies.session_name()) != Presented::Absent {
        with_cookie(&mut response, app.cookies.clear_session());
        response.headers_mut().insert(CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\""));
    }
    response
}

/// The provider has finished its part: back to the app. Ends nothing and sets nothing for anybody else,
/// so it does not matter who leads a browser here.
pub(crate) async fn callback(State(app): State<Arc<App>>, id: CorrelationId, request: Parts) -> Response {
    let headers = &request.headers;
    if !Provenance::of(headers, &app.app_origin).is_navigation() {
        return app.built_in_page(PageCode::ForbiddenContext, &id);
    }
    let name = app.cookies.logout_name();
    let flow = match cookies::find(headers, name) {
        Presented::One(value) => {
            sealed_cookie::open::<LogoutFlow>(&app.sealer, Purpose::LogoutFlow, name, value)
        }
        Presented::Absent | Presented::Ambiguous => None,
    };
    let state = STATE.read(request.uri.query().unwrap_or_default()).ok().flatten();
    let answered = app.logouts.returned(flow, state.as_deref());
    let finished = answered.is_some();
    let return_to = app.return_url(Ok(answered));
    let mut response =
        see_other(return_to.as_str()).unwrap_or_else(|| app.built_in_page(PageCode::Internal, &id));
    if finished {
        with_cookie(&mut response, app.cookies.clear_flow(name));
        response.headers_mut().insert(CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\""));
    }
    response
}
