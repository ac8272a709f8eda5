//! Gateways that ask about each request: may it go on, and with which headers. One decision, three ways to ask.
//!
//! | what is found | what the gateway is told |
//! |---|---|
//! | no session, or none that can be told from a planted one | 401; where nobody must be logged in, to go on without a token |
//! | a request that another site could have made | 403 |
//! | a session, but its store or provider cannot be asked | 503 with `Retry-After` |
//! | no cookie of ours, and a bearer token where `server.machineClients` allows one | to go on with it, if it is good; otherwise 401 |
//! | a session | to go on with the token, without our cookies and without what no client may say about itself |

pub(super) mod ext_authz;
#[cfg(feature = "grpc")]
pub(super) mod ext_authz_grpc;
#[cfg(feature = "grpc")]
mod ext_authz_messages;
pub(super) mod forward_auth;
#[cfg(feature = "grpc")]
mod unary;

#[cfg(all(feature = "fuzzing", feature = "grpc"))]
pub(crate) use self::ext_authz_grpc::headers_of_check_request;

use authtool_contract::{ProblemCode, TokenType};
use axum::response::Response;
use http::{HeaderMap, Method, header};
use url::Url;

use super::{
    App,
    answer::{problem, problem_in_detail, session_problem},
    api_proof, base_path, beyond_limits, bytes_of,
    cookies::{self, Presented},
    correlation::CorrelationId,
    guard::Provenance,
    login_needed,
    machine::Brought,
    upstream::{Changes, LEADS_ELSEWHERE},
};
use crate::{
    domain::{
        access_token::MachineAccess,
        api_path::{Ambiguity, ambiguity},
    },
    service::sessions::{SessionError, UsableToken},
};

/// A request of a client, as a gateway describes it.
struct Question<'a> {
    method: Method,
    headers: &'a HeaderMap,
    session: Session,
    proof: ProofFor<'a>,
    /// Path and query, if the gateway says so.
    path: Option<&'a str>,
    /// What holds for clients without a session that bring a token of their own.
    machines: Option<&'a MachineAccess>,
    /// Headers that are the gateway's own when we see them.
    of_the_gateway: &'a [&'a str],
}

impl Question<'_> {
    /// The limits of our own listeners hold for what others ask us about, however they do.
    fn exceeds_limits(&self) -> Option<ProblemCode> {
        beyond_limits(&self.method, self.path.map_or(0, str::len), bytes_of(self.headers))
    }
}

/// Whether somebody must be logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    Required,
    Optional,
}

/// Where a bound token's proof is for.
enum ProofFor<'a> {
    /// What the gateway says in headers.
    Described,
    /// The API behind this path.
    Path(&'a str),
}

/// What goes on and how, or the answer for the client: a page, if a person has asked for one.
async fn decide(app: &App, question: &Question<'_>, id: &CorrelationId) -> Result<Changes, Response> {
    let asked = (&question.method, question.headers, question.path);
    decide_for_scripts(app, question, id)
        .await
        .map_err(|refusal| login_needed::or_page(app, asked, refusal, id))
}

async fn decide_for_scripts(
    app: &App,
    question: &Question<'_>,
    id: &CorrelationId,
) -> Result<Changes, Response> {
    let headers = question.headers;
    if let Some(code) = question.exceeds_limits() {
        return Err(problem(code, id));
    }
    let path = question.path.and_then(|path| path.split(['?', '#']).next());
    if path.is_some_and(|path| ambiguity(path) == Some(Ambiguity::LeadsElsewhere)) {
        return Err(problem_in_detail(ProblemCode::InvalidRequest, Some(LEADS_ELSEWHERE), id));
    }
    let stripped = || {
        Changes::stripping(headers, &app.cookies, question.of_the_gateway).leaving(&app.trusted_proxy_headers)
    };
    let brought = Brought::of(question.machines, headers);
    if let Some(brought) = brought.as_ref().filter(|_| app.has_no_session_cookie(headers)) {
        let authorization = brought.admitted(app, id).await?;
        let mut changes = stripped();
        changes.keep(authorization);
        return Ok(changes);
    }
    // Who brings a token means to be somebody, even where nobody must.
    let anonymous = question.session == Session::Optional && brought.is_none();
    if anonymous && cookies::find(headers, app.cookies.session_name()) == Presented::Absent {
        return Ok(stripped());
    }
    // In this order: without a cookie there is nothing that another site could misuse.
    let key = match app.credential(headers, id) {
        Ok(key) => key,
        Err(refusal) if cookies::find(headers, app.cookies.session_name()) == Presented::Ambiguous => {
            return Err(refusal);
        }
        Err(_) if anonymous => return Ok(stripped()),
        Err(refusal) => return Err(refusal),
    };
    let upgrades =
        headers.contains_key(header::UPGRADE) || headers.contains_key(header::SEC_WEBSOCKET_VERSION);
    if !Provenance::of(headers, &app.app_origin).may_call_api(&question.method, upgrades) {
        let detail = "an API call that changes something, or reads across origins, must come from the app's own origin";
        return Err(problem_in_detail(ProblemCode::ForbiddenContext, Some(detail), id));
    }
    let token = match app.sessions.access_token(&key).await {
        Ok(token) => token,
        Err(SessionError::NoSession) if anonymous => return Ok(stripped()),
        Err(error) => return Err(session_problem(&error, id)),
    };
    let proof = proof(app, question, &token)
        .map_err(|detail| problem_in_detail(ProblemCode::InvalidRequest, Some(detail), id))?;
    let mut changes = stripped();
    changes.authorize(&token, proof.as_deref()).ok_or_else(|| problem(ProblemCode::Internal, id))?;
    changes.end_with_session(headers, token.session_ends_in);
    Ok(changes)
}

/// The proof that a bound token needs to be of use at the API.
fn proof(app: &App, question: &Question<'_>, token: &UsableToken) -> Result<Option<String>, &'static str> {
    if token.token_type() == TokenType::Bearer {
        return Ok(None);
    }
    match question.proof {
        ProofFor::Described => api_proof::as_described(app, token, question.headers)?.ok_or(
            "the token is bound to a key: describe the API's request with x-authtool-dpop-method and -url",
        ),
        ProofFor::Path(path) => app
            .url_at_the_api(path)
            .and_then(|url| api_proof::proof(app, token, &question.method, &url, None))
            .ok_or("the token is bound to a key, and no proof could be made for this path"),
    }
    .map(Some)
}

impl App {
    /// A request's URL as the API knows it: at the upstream that `server.proxy` names for the path, or else at the
    /// app's own origin, which is the host that reaches the API.
    fn url_at_the_api(&self, path: &str) -> Option<Url> {
        let asked = path.split(['?', '#']).next().unwrap_or_default();
        // Our prefixes lie below the base path.
        let inner = base_path::below(&self.base_path, asked);
        let path = inner.as_deref().unwrap_or(asked);
        let below = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let api = self.apis.iter().filter(|api| below(&api.prefix)).max_by_key(|api| api.prefix.len());
        let mut url = match api {
            Some(api) => api.upstream.clone(),
            None => {
                let mut url = Url::parse(&self.app_origin).ok()?;
                url.set_path(asked);
                return Some(url);
            }
        };
        url.set_path(path);
        Some(url)
    }
}
