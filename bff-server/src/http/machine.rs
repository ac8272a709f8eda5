//! A client without a session that brings an access token of its own (`server.machineClients`).
//!
//! | cookie of ours | bearer token | what happens where `server.machineClients` has the path |
//! |---|---|---|
//! | none | none | as everywhere |
//! | none | good | the request goes on with the token |
//! | none | not good | 401 with `WWW-Authenticate` (RFC 6750 §3) |
//! | any | any | the session counts: without one it is a 401, also where nobody must be logged in |
//!
//! Such a request needs no proof of where it comes from. A browser adds no bearer token by itself, so another site can only
//! send one that it has, and could use without the browser.

use authtool_contract::ProblemCode;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};

use super::{
    App,
    answer::{problem, problem_in_detail, retry_after},
    base_path,
    cookies::{self, Presented},
    correlation::CorrelationId,
};
use crate::{
    domain::{
        access_token::MachineAccess,
        api_path::{Ambiguity, ambiguity, decoded},
        credential::AccessToken,
    },
    service::machine_clients::BearerError,
};

/// RFC 6750 §3.1. What is wrong with the token is for the log: who brings a forged one need not learn how to forge a better.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer error=\"invalid_token\"");

/// A bearer token that a client brought to a path where it may.
pub(super) struct Brought<'a> {
    access: &'a MachineAccess,
    token: &'a str,
}

impl<'a> Brought<'a> {
    /// At `access`, if there is any, with these headers.
    pub(super) fn of(access: Option<&'a MachineAccess>, headers: &'a HeaderMap) -> Option<Self> {
        Some(Self { access: access?, token: bearer_token(headers)? })
    }

    /// The `Authorization` that goes on, or the answer for the client.
    pub(super) async fn admitted(&self, app: &App, id: &CorrelationId) -> Result<HeaderValue, Response> {
        let Ok(token) = AccessToken::parse(self.token) else {
            return Err(refused("it is longer than 16 KiB, or has characters that no access token has", id));
        };
        match app.machine_clients.admit(self.access, &token).await {
            Ok(()) => {
                let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                    .map_err(|_| problem(ProblemCode::Internal, id))?;
                value.set_sensitive(true);
                Ok(value)
            }
            Err(BearerError::Refused(why)) => Err(refused(&why, id)),
            Err(BearerError::Unavailable(error)) => {
                tracing::warn!(%error, event = "bearer_token_unverified", "a bearer token could not be checked");
                Err(retry_after(problem(ProblemCode::ProviderUnavailable, id), error.retry_after))
            }
        }
    }
}

impl App {
    /// Whether a request has no session cookie at all: not even one that is no longer good.
    pub(super) fn has_no_session_cookie(&self, headers: &HeaderMap) -> bool {
        cookies::find(headers, self.cookies.session_name()) == Presented::Absent
    }

    /// What holds for clients with a token of their own at a path with its query, with or without the base path.
    pub(super) fn machine_access(&self, path: &str) -> Option<&MachineAccess> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let inner = base_path::below(&self.base_path, path);
        let path = inner.as_deref().unwrap_or(path);
        // An API may find something else at such a path than we do.
        let access = self.machine_clients.at(path);
        let clear = match ambiguity(path) {
            None => true,
            Some(Ambiguity::LeadsElsewhere) => false,
            // Whoever decodes slashes must find the same rule.
            Some(Ambiguity::EncodedSlash) => access == self.machine_clients.at(&decoded(path)),
        };
        access.filter(|_| clear)
    }

    /// What holds at a prefix that is an entry's, with or without the base path.
    pub(super) fn machine_access_named(&self, prefix: &str) -> Option<&MachineAccess> {
        let inner = base_path::below(&self.base_path, prefix);
        self.machine_clients.named(inner.as_deref().unwrap_or(prefix))
    }
}

/// The one bearer token of a request (RFC 6750 §2.1). With several `Authorization` headers nobody can say which one counts.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?.to_str().ok()?;
    let (scheme, token) = value.trim_ascii().split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token.trim_ascii_start())
}

fn refused(why: &str, id: &CorrelationId) -> Response {
    tracing::info!(
        event = "bearer_token_refused",
        reason = why,
        "the bearer token of a client without a session was refused"
    );
    let detail = "the bearer token is forged, has expired, or is not for this API";
    let mut response = problem_in_detail(ProblemCode::InvalidToken, Some(detail), id);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_comes_once_and_by_its_scheme() {
        for (values, token) in [
            (&["Bearer a.b.c"][..], Some("a.b.c")),
            (&["bearer  a"], Some("a")),
            (&["BEARER a, Bearer b"], Some("a, Bearer b")),
            (&["Bearer "], None),
            (&["Bearer"], None),
            (&["DPoP a"], None),
            (&["Basic YTpi"], None),
            (&["Bearera b"], None),
            (&["Bearer a", "Bearer b"], None),
            (&["Bearer a", "Basic b"], None),
            (&["Bearer \u{e9}"], None),
            (&[""], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            assert_eq!(bearer_token(&headers), token, "{values:?}");
        }
    }
}
