//! `GET {apiPrefix}/oauth/callback`: the way back from the authorization server.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use url::Url;

use super::{
    App,
    answer::{see_other, with_cookie},
    cookies::{self, Presented},
    correlation::CorrelationId,
    guard::Provenance,
    journal::{Step, fix},
    page::PageCode,
    returned, same_site_return, sealed_cookie,
};
use crate::{
    domain::{
        arrival::Arrival,
        login_flow::{self, FlowMismatch, LoginFlow},
        parameters::{AuthorizationError, AuthorizationResponse, Interaction},
        redirect_uri,
    },
    seal::Purpose,
    service::{login::FinishError, sessions::SessionError},
    telemetry,
};

/// [`OAUTH_CALLBACK`](authtool_contract::endpoint::OAUTH_CALLBACK) of one of several authorization servers.
pub(crate) const OF_ONE_SERVER: &str = "/oauth/callback/{server}";

/// Finishes a login: the session cookie, and a redirect to where the app wanted to go.
///
/// A callback that fails, or is forged, changes nothing but its own flow: the session that the browser may
/// have stays as it is.
pub(crate) async fn callback(State(app): State<Arc<App>>, id: CorrelationId, request: Request) -> Response {
    let headers = request.headers();
    if !Provenance::of(headers, &app.app_origin).is_navigation() {
        return app.built_in_page(PageCode::ForbiddenContext, &id);
    }
    let response = match AuthorizationResponse::parse(request.uri().query().unwrap_or_default()) {
        Ok(response) => response,
        Err(error) => {
            telemetry::login(PageCode::InvalidRequest.as_str());
            tracing::warn!(%error, event = "login_failed", reason = "invalid_request", "a callback was refused");
            app.tell(|journal| {
                let what = format!("The provider's answer cannot be read: {error}");
                journal.begin("", app.clock.now(), Step::bad(what, fix(PageCode::InvalidRequest), &id));
            });
            return app.page(PageCode::InvalidRequest, &id);
        }
    };
    let cookie = app.cookies.flow_name(&login_flow::flow_name(&response.state));
    let flow = match cookies::find(headers, &cookie) {
        Presented::One(value) => {
            sealed_cookie::open::<LoginFlow>(&app.sealer, Purpose::LoginFlow, &cookie, value)
        }
        Presented::Absent | Presented::Ambiguous => None,
    };
    let flow = flow.filter(|flow| came_back_where_it_should(flow, request.uri().path()));
    let presented = app.session_key(headers);
    let Some(flow) = flow else {
        telemetry::login(PageCode::LoginNotStartedHere.as_str());
        tracing::warn!(
            event = "login_failed",
            reason = "state_mismatch",
            "a callback does not belong to a login of this browser"
        );
        app.tell(|journal| {
            let what = "The provider's answer came to a browser that does not have the login's cookie";
            journal.go_on(&cookie, app.clock.now(), Step::bad(what, fix(PageCode::LoginNotStartedHere), &id));
        });
        return app.to_the_app_if_logged_in(presented, PageCode::LoginNotStartedHere, &id).await;
    };
    app.tell(|journal| {
        let step =
            Step::good("The provider answered, and the browser brought it with the login's cookie", &id);
        journal.go_on(&cookie, app.clock.now(), step);
    });

    let arrival = Arrival::new(flow.purpose, flow.turns, flow.from_another_site, app.clock.now());
    let silent = flow.demands.silent.then(|| app.return_url(Ok(Some(flow.return_to.clone()))));
    let mut answer = match app.logins.finish(flow, response, presented.clone()).await {
        Ok(finished) => match onward(&app, request.uri().path(), &finished.return_to, &arrival) {
            Some(mut answer) => {
                telemetry::login("success");
                app.tell(|journal| {
                    let what = "The code was exchanged for tokens, who has logged in is known, and the session has begun";
                    journal.go_on(&cookie, app.clock.now(), Step::good(what, &id));
                });
                with_cookie(&mut answer, app.cookies.set_session(&finished.cookie_value, finished.ends_in));
                returned::remember(&app, &arrival, &mut answer);
                answer
            }
            None => app.page(PageCode::Internal, &id),
        },
        Err(FinishError::Spent) => {
            app.to_the_app_if_logged_in(presented, PageCode::LoginNotStartedHere, &id).await
        }
        Err(error) => {
            let code = page_for(&error);
            let reason = match &error {
                FinishError::Refused(AuthorizationError::InteractionRequired(what)) => what.code(),
                _ => code.as_str(),
            };
            telemetry::login(reason);
            app.tell(|journal| {
                let what = format!("The login fails ({reason}): {error}");
                journal.go_on(&cookie, app.clock.now(), Step::bad(what, fix(code), &id));
            });
            match silent {
                Some(return_to) => {
                    tracing::info!(%error, event = "login_not_silent", reason, "a silent login brought nobody");
                    app.back_with_login_error(&return_to, reason, code, &id)
                }
                None => {
                    tracing::warn!(%error, event = "login_failed", reason, "a login failed");
                    app.page(code, &id)
                }
            }
        }
    };
    with_cookie(&mut answer, app.cookies.clear_flow(&cookie));
    answer
}

/// Whether the answer came to the callback of the server that was asked, and not to another's (RFC 9700 §4.4.2).
/// A `redirect_uri` that says nothing about its server is one of a lone server: configuration sees to that.
fn came_back_where_it_should(flow: &LoginFlow, path: &str) -> bool {
    let sent_to = Url::parse(&flow.redirect_uri);
    sent_to.is_ok_and(|sent_to| {
        redirect_uri::own_segment(sent_to.path())
            .is_none_or(|expected| redirect_uri::own_segment(path).as_ref() == Some(&expected))
    })
}

fn onward(app: &App, path: &str, return_to: &Url, arrival: &Arrival) -> Option<Response> {
    if app.same_site_return {
        return same_site_return::detour(app, path, return_to, arrival.from_another_site);
    }
    see_other(return_to.as_str())
}

fn page_for(error: &FinishError) -> PageCode {
    match error {
        FinishError::Mismatch(FlowMismatch::Expired) => PageCode::LoginExpired,
        FinishError::Mismatch(FlowMismatch::State) | FinishError::Spent => PageCode::LoginNotStartedHere,
        FinishError::Refused(AuthorizationError::AccessDenied) => PageCode::AccessDenied,
        FinishError::Refused(AuthorizationError::InteractionRequired(Interaction::Consent)) => {
            PageCode::ConsentRequired
        }
        FinishError::Refused(AuthorizationError::InteractionRequired(_)) => PageCode::InteractionRequired,
        FinishError::Refused(AuthorizationError::TooWeak) | FinishError::TooWeak => PageCode::TooWeak,
        FinishError::OtherUser => PageCode::OtherUser,
        FinishError::Trouble(SessionError::Provider(error)) if error.refused => PageCode::ProviderRefused,
        FinishError::Refused(AuthorizationError::TemporarilyUnavailable)
        | FinishError::Trouble(SessionError::Provider(_)) => PageCode::ProviderUnavailable,
        FinishError::Refused(AuthorizationError::RequestRefused) => PageCode::ProviderRefused,
        FinishError::Refused(AuthorizationError::Other)
        | FinishError::Issuer
        | FinishError::Code
        | FinishError::Tokens(_) => PageCode::LoginFailed,
        FinishError::Trouble(SessionError::Store(_)) => PageCode::StoreUnavailable,
        FinishError::Trouble(SessionError::Internal(_) | SessionError::NoSession) => PageCode::Internal,
    }
}
