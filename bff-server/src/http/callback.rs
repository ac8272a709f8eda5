//! `GET {apiPrefix}/oauth/callback`: the way back from the authorization server. Where a client asks for
//! `response_mode=form_post`, also `POST`.

use std::{fmt::Display, sync::Arc};

use authtool_contract::ProblemCode;
use axum::{
    extract::{Request, State},
    response::Response,
};
use http::request::Parts;
use url::Url;

use super::{
    App,
    answer::{problem, see_other, with_cookie},
    cookies::{self, Presented},
    correlation::CorrelationId,
    form::{self, NoForm},
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
        response_mode::ResponseMode,
    },
    seal::Purpose,
    service::{login::FinishError, sessions::SessionError},
    telemetry,
};

/// [`OAUTH_CALLBACK`](authtool_contract::endpoint::OAUTH_CALLBACK) of one of several authorization servers.
pub(crate) const OF_ONE_SERVER: &str = "/oauth/callback/{server}";

/// Finishes a login by the answer in the query.
pub(crate) async fn callback(State(app): State<Arc<App>>, id: CorrelationId, request: Parts) -> Response {
    if !Provenance::of(&request.headers, &app.app_origin).is_navigation() {
        return app.built_in_page(PageCode::ForbiddenContext, &id);
    }
    match AuthorizationResponse::parse(request.uri.query().unwrap_or_default()) {
        Ok(response) => answered(&app, &id, &request, ResponseMode::Query, response).await,
        Err(error) => unreadable(&app, &id, &error),
    }
}

/// Finishes a login by the answer in a form that a page of the provider's posts. What stands in the query counts nothing.
pub(crate) async fn form_post(State(app): State<Arc<App>>, id: CorrelationId, request: Request) -> Response {
    let (request, body) = request.into_parts();
    if !Provenance::of(&request.headers, &app.app_origin).is_navigation() {
        return app.built_in_page(PageCode::ForbiddenContext, &id);
    }
    let form = match form::read(&request.headers, body).await {
        Ok(form) => form,
        Err(NoForm::TooLarge) => return problem(ProblemCode::ContentTooLarge, &id),
        Err(error) => return unreadable(&app, &id, &error),
    };
    match AuthorizationResponse::parse_form(&form) {
        Ok(response) => answered(&app, &id, &request, ResponseMode::FormPost, response).await,
        Err(error) => unreadable(&app, &id, &error),
    }
}

fn unreadable(app: &App, id: &CorrelationId, error: &dyn Display) -> Response {
    telemetry::login(PageCode::InvalidRequest.as_str());
    tracing::warn!(%error, event = "login_failed", reason = "invalid_request", "a callback was refused");
    app.tell(|journal| {
        let what = format!("The provider's answer cannot be read: {error}");
        journal.begin("", app.clock.now(), Step::bad(what, fix(PageCode::InvalidRequest), id));
    });
    app.page(PageCode::InvalidRequest, id)
}

/// A login of this browser that an answer belongs to.
struct Open {
    cookie: String,
    asked_for: ResponseMode,
    flow: LoginFlow,
}

/// Finds the login by the answer's `state`. Its cookie says which way the answer was to come; a query may also bring the
/// error of one that was to be posted.
fn open_login(
    app: &App,
    request: &Parts,
    came_by: ResponseMode,
    response: &AuthorizationResponse,
) -> Option<Open> {
    let name = login_flow::flow_name(&response.state);
    let modes = match came_by {
        ResponseMode::Query => &ResponseMode::ALL[..],
        ResponseMode::FormPost => &[ResponseMode::FormPost],
    };
    modes.iter().find_map(|asked_for| {
        let cookie = app.cookies.flow_name(*asked_for, &name);
        let Presented::One(value) = cookies::find(&request.headers, &cookie) else { return None };
        let flow = sealed_cookie::open::<LoginFlow>(&app.sealer, Purpose::LoginFlow, &cookie, value)?;
        came_back_where_it_should(&flow, request.uri.path()).then_some(Open {
            cookie,
            asked_for: *asked_for,
            flow,
        })
    })
}

/// Finishes a login: the session cookie, and a redirect to where the app wanted to go.
///
/// A callback that fails, or is forged, changes nothing but its own flow: the session that the browser may
/// have stays as it is.
async fn answered(
    app: &App,
    id: &CorrelationId,
    request: &Parts,
    came_by: ResponseMode,
    response: AuthorizationResponse,
) -> Response {
    let presented = app.session_key(&request.headers);
    let Some(Open { cookie, asked_for, flow }) = open_login(app, request, came_by, &response) else {
        let cookie = app.cookies.flow_name(came_by, &login_flow::flow_name(&response.state));
        telemetry::login(PageCode::LoginNotStartedHere.as_str());
        tracing::warn!(
            event = "login_failed",
            reason = "state_mismatch",
            "a callback does not belong to a login of this browser"
        );
        app.tell(|journal| {
            let what = "The provider's answer came to a browser that does not have the login's cookie";
            journal.go_on(&cookie, app.clock.now(), Step::bad(what, fix(PageCode::LoginNotStartedHere), id));
        });
        return app.to_the_app_if_logged_in(presented, PageCode::LoginNotStartedHere, id).await;
    };
    if !asked_for.admits(came_by, response.is_error()) {
        telemetry::login(PageCode::LoginFailed.as_str());
        tracing::warn!(
            event = "login_failed",
            reason = "response_mode",
            "the provider answered in the query although `form_post` was asked for (client.responseMode)"
        );
        app.tell(|journal| {
            let what = "The provider answered in the query, although client.responseMode asks for form_post";
            let fix = "see whether the provider supports form_post, or leave client.responseMode out";
            journal.go_on(&cookie, app.clock.now(), Step::bad(what, fix, id));
        });
        let mut refusal = app.page(PageCode::LoginFailed, id);
        with_cookie(&mut refusal, app.cookies.clear_flow(&cookie));
        return refusal;
    }
    app.tell(|journal| {
        let step =
            Step::good("The provider answered, and the browser brought it with the login's cookie", id);
        journal.go_on(&cookie, app.clock.now(), step);
    });

    let arrival = Arrival::new(flow.purpose, flow.turns, flow.from_another_site, app.clock.now());
    let said = response.said.as_deref().map(|said| format!(": {said}")).unwrap_or_default();
    let forgotten = response.outcome_is(AuthorizationError::LoginPageExpired).then(|| flow.clone());
    let silent = flow.demands.silent.then(|| app.return_url(Ok(Some(flow.return_to.clone()))));
    let mut answer = match app.logins.finish(flow, response, presented.clone()).await {
        Ok(finished) => match onward(app, request.uri.path(), came_by, &finished.return_to, &arrival) {
            Some(mut answer) => {
                telemetry::login("success");
                app.tell(|journal| {
                    let what = "The code was exchanged for tokens, who has logged in is known, and the session has begun";
                    journal.go_on(&cookie, app.clock.now(), Step::good(what, id));
                });
                with_cookie(&mut answer, app.cookies.set_session(&finished.cookie_value, finished.ends_in));
                returned::remember(app, &arrival, &mut answer);
                answer
            }
            None => app.page(PageCode::Internal, id),
        },
        Err(FinishError::Spent) => {
            app.to_the_app_if_logged_in(presented, PageCode::LoginNotStartedHere, id).await
        }
        Err(error) => {
            let forgotten = forgotten.filter(|_| is_forgotten(&error));
            match begin_again(app, id, &cookie, forgotten.as_ref()).await {
                Some(again) => again,
                None => failed(app, id, &cookie, &error, &said, silent.as_ref()),
            }
        }
    };
    with_cookie(&mut answer, app.cookies.clear_flow(&cookie));
    answer
}

/// The page that says why, or for a login that nobody was to notice, the way back to the app.
fn failed(
    app: &App,
    id: &CorrelationId,
    cookie: &str,
    error: &FinishError,
    said: &str,
    silent: Option<&Url>,
) -> Response {
    let code = page_for(error);
    let reason = match error {
        FinishError::Refused(AuthorizationError::InteractionRequired(what)) => what.code(),
        _ => code.as_str(),
    };
    telemetry::login(reason);
    app.tell(|journal| {
        let what = format!("The login fails ({reason}): {error}{said}");
        journal.go_on(cookie, app.clock.now(), Step::bad(what, fix(code), id));
    });
    match silent {
        Some(return_to) => {
            let error = format!("{error}{said}");
            tracing::info!(error, event = "login_not_silent", reason, "a silent login brought nobody");
            app.back_with_login_error(return_to, reason, code, id)
        }
        None => {
            let error = format!("{error}{said}");
            tracing::warn!(error, event = "login_failed", reason, "a login failed");
            app.page(code, id)
        }
    }
}

fn is_forgotten(error: &FinishError) -> bool {
    matches!(error, FinishError::Refused(AuthorizationError::LoginPageExpired))
}

/// Sends the browser to the provider once more, where another tab may have logged in meanwhile.
async fn begin_again(
    app: &App,
    id: &CorrelationId,
    forgotten: &str,
    flow: Option<&LoginFlow>,
) -> Option<Response> {
    let begun = match app.logins.begin_again(flow?).await? {
        Ok(begun) => begun,
        Err(error) => {
            tracing::warn!(%error, "a login that the provider has forgotten cannot begin again");
            return None;
        }
    };
    let name = app.cookies.flow_name(begun.response_mode, &login_flow::flow_name(&begun.flow.state()));
    let sealed = sealed_cookie::seal(&app.sealer, Purpose::LoginFlow, &name, &begun.flow, &*app.entropy);
    let (mut response, value) = (see_other(begun.location.as_str())?, sealed.ok()?);
    with_cookie(&mut response, app.cookies.set_flow(&name, &value, login_flow::LIFETIME));
    tracing::info!(
        event = "login_begun_again",
        "the provider's login page had expired; the login begins again"
    );
    app.tell(|journal| {
        let what = "The provider's login page had expired: the browser is sent there once more";
        journal.go_on(forgotten, app.clock.now(), Step::good(what, id));
    });
    Some(response)
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

/// Browsers send no Strict cookie with a redirect that follows another site's POST, and a reload must not repeat the POST. So
/// a posted answer always continues through a page of ours.
fn onward(
    app: &App,
    path: &str,
    came_by: ResponseMode,
    return_to: &Url,
    arrival: &Arrival,
) -> Option<Response> {
    if app.same_site_return || came_by == ResponseMode::FormPost {
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
        FinishError::NotAskedAgain => PageCode::LoginNotFresh,
        FinishError::Trouble(SessionError::Provider(error)) if error.misconfigured => {
            PageCode::ProviderMisconfigured
        }
        FinishError::Trouble(SessionError::Provider(error)) if error.refused => PageCode::ProviderRefused,
        FinishError::Refused(AuthorizationError::LoginPageExpired) => PageCode::LoginPageExpired,
        FinishError::Refused(AuthorizationError::TemporarilyUnavailable)
        | FinishError::Trouble(SessionError::Provider(_)) => PageCode::ProviderUnavailable,
        FinishError::Refused(AuthorizationError::RequestRefused) => PageCode::ProviderRefused,
        FinishError::Refused(AuthorizationError::Other)
        | FinishError::Issuer
        | FinishError::Code(_)
        | FinishError::Tokens(_) => PageCode::LoginFailed,
        FinishError::Trouble(SessionError::Store(_)) => PageCode::StoreUnavailable,
        FinishError::Trouble(SessionError::Internal(_) | SessionError::NoSession) => PageCode::Internal,
    }
}
