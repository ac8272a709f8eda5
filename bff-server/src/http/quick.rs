//! The requests of which there is one for each API call of each user, past the router.
//!
//! Where nothing is unusual (the cookie is one of ours, the session is there, its token is fresh) `/token` of the internal
//! listener and `/session` are answered here: no route is looked up, no middleware runs, no span is opened for a log
//! that has nothing to say. Whatever else there is to decide is left to their handlers, which see the request as if
//! nobody had looked at it before. So nothing is refused here, and nothing changed.

use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc};

use authtool_contract::endpoint;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::{HeaderMap, Method, Request};

use super::{
    App, Listener,
    answer::session_problem,
    caller::Origin,
    cookies::{self, Presented},
    correlation, headers, is_within_limits, session, token,
};
use crate::{service::sessions::SessionError, telemetry::traces};

/// Answers the usual requests of one listener.
pub(crate) struct Quick {
    app: Arc<App>,
    answers: Answers,
    paths: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    Token,
    Session,
}

impl Quick {
    pub(super) fn new(app: &Arc<App>, prefixes: &[String], listener: Listener) -> Self {
        let below = |endpoint| prefixes.iter().map(move |prefix| format!("{prefix}{endpoint}"));
        let (answers, paths) = match listener {
            Listener::Internal => {
                let mut paths: Vec<_> = below(endpoint::TOKEN).collect();
                if !paths.iter().any(|path| path == endpoint::TOKEN) {
                    paths.push(endpoint::TOKEN.to_owned());
                }
                (Answers::Token, paths)
            }
            Listener::Public => (Answers::Session, below(endpoint::SESSION).collect()),
        };
        Self { app: Arc::clone(app), answers, paths }
    }

    /// The answer, if it is a usual one. `peer` is whose connection it is.
    pub(crate) async fn answer<B>(&self, request: &Request<B>, peer: IpAddr) -> Option<Response> {
        let is_ours = request.method() == Method::GET
            && self.paths.iter().any(|path| path == request.uri().path())
            && !traces::are_wanted()
            && self.app.journal.is_none()
            && is_within_limits(request);
        if !is_ours {
            return None;
        }
        let (headers, path) = (request.headers(), request.uri().path());
        // A panic must not cost the connection: the handlers have a net of their own.
        AssertUnwindSafe(self.usual(headers, path, peer)).catch_unwind().await.ok().flatten()
    }

    async fn usual(&self, headers: &HeaderMap, path: &str, peer: IpAddr) -> Option<Response> {
        let app = &*self.app;
        let may_ask = match self.answers {
            Answers::Token => token::internal_refusal(app, headers).is_none(),
            Answers::Session => session::may_ask(app, headers),
        };
        let Presented::One(value) = cookies::find(headers, app.cookies.session_name()) else { return None };
        let key = app.sessions.cookie().verify(value).filter(|_| may_ask)?;
        let answer = match self.answers {
            Answers::Token => app
                .sessions
                .fresh_token(&key)
                .await
                .map(|it| it.map(|it| token::answer_for_gateway(&it, None))),
            Answers::Session => {
                app.sessions.running(&key).await.map(|it| it.map(|it| session::answer_with(app, &it, value)))
            }
        };
        let id = app.correlation_ids.next();
        let response = match answer {
            Ok(response) => response?,
            // To ask a store in trouble once more would be to wait twice.
            Err(error) => {
                let client = Origin::behind(Some(peer), headers, &app.trusted_proxies).client;
                let span = correlation::span(&id, &Method::GET, path, client, None);
                headers::hardened(span.in_scope(|| session_problem(&SessionError::from(error), &id)))
            }
        };
        tracing::debug!(correlation_id = id.as_str(), path, status = response.status().as_u16(), "answered");
        Some(correlation::identified(response, &id))
    }
}
