//! `GET {apiPrefix}/session`.

use std::sync::Arc;

use authtool_contract::{ProblemCode, SESSION_MEMBER};
use axum::{
    extract::{Request, State},
    response::Response,
};
use http::HeaderMap;

use super::{
    App,
    answer::{json, problem, session_problem, with_cookie},
    cookies::{self, Presented},
    correlation::CorrelationId,
    guard::Provenance,
    journal::{Step, fix},
    page::PageCode,
};
use crate::service::sessions::VisibleSession;

/// Says whether there is a session, and shows the selected claims.
pub(crate) async fn session(State(app): State<Arc<App>>, id: CorrelationId, request: Request) -> Response {
    if !may_ask(&app, request.headers()) {
        return problem(ProblemCode::ForbiddenContext, &id);
    }
    let credential = match app.credential(request.headers(), &id) {
        Ok(key) => key,
        Err(refusal) => {
            app.tell(|journal| {
                let what = "The app asked who is logged in, and no session cookie came along";
                journal.follow(Step::bad(what, fix(PageCode::LoginNotStartedHere), &id));
            });
            return refusal;
        }
    };
    match app.sessions.show(&credential).await {
        Ok(session) => {
            app.tell(|journal| {
                journal.follow(Step::good("The app asked who is logged in, and was told", &id));
            });
            match cookies::find(request.headers(), app.cookies.session_name()) {
                Presented::One(value) => answer_with(&app, &session, value),
                Presented::Absent | Presented::Ambiguous => json(body(&session)),
            }
        }
        Err(error) => session_problem(&error, &id),
    }
}

/// Whether it is the app that asks.
pub(super) fn may_ask(app: &App, headers: &HeaderMap) -> bool {
    Provenance::of(headers, &app.app_origin).is_own_fetch()
}

/// The answer that shows a session, and has the browser keep its cookie.
pub(super) fn answer_with(app: &App, session: &VisibleSession, cookie: &[u8]) -> Response {
    let mut response = json(body(session));
    with_cookie(&mut response, app.cookies.renew_session(cookie, session.cookie_ends_in));
    response
}

/// The stored claims are a JSON object already: the timing is put in front, and nothing is parsed.
fn body(session: &VisibleSession) -> String {
    let mut body = String::with_capacity(64 + session.claims_json().len());
    let expires_in = session.expires_in.to_string();
    for part in ["{\"", SESSION_MEMBER, "\":{\"expires_in\":", &expires_in, "}"] {
        body.push_str(part);
    }
    match session.claims_json().strip_prefix('{') {
        Some("}") | None => body.push('}'),
        Some(claims) => {
            body.push(',');
            body.push_str(claims);
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use authtool_contract::SessionAnswer;

    #[test]
    fn the_body_is_the_contracts() {
        for claims in ["{}", r#"{"email":"a@b.c","name":"<img onerror=x>"}"#] {
            let session = VisibleSession::of(claims, 7);
            let answer: SessionAnswer = serde_json::from_str(&body(&session)).unwrap();
            assert_eq!(answer.session.expires_in, 7);
            assert_eq!(serde_json::to_string(&answer.claims).unwrap(), claims);
        }
    }
}
