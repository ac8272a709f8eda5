//! `GET {apiPrefix}/login`.

use std::sync::Arc;

use authtool_contract::endpoint::param;
use axum::{
    extract::{Request, State},
    response::Response,
};

use super::{
    App,
    answer::{see_other, with_cookie},
    correlation::CorrelationId,
    guard::Provenance,
    page::PageCode,
    sealed_cookie,
};
use crate::{
    domain::{
        login_flow::{self, LoginFlow},
        parameters::Parameter,
        return_url,
    },
    seal::Purpose,
    service::login::BeginError,
};

const CLIENT: Parameter = Parameter::new(param::CLIENT, 256);
const REDIRECT_URI: Parameter = Parameter::new(param::REDIRECT_URI, return_url::MAX_BYTES);

/// All login cookies together stay below this, whatever the number of tabs.
const MAX_FLOW_COOKIE_BYTES: usize = 6 * 1024;

/// Begins a login: a redirect to the authorization server, and a cookie that remembers the flow.
pub(crate) async fn login(State(app): State<Arc<App>>, id: CorrelationId, request: Request) -> Response {
    let headers = request.headers();
    if !Provenance::of(headers, &app.app_origin).is_navigation() {
        return app.built_in_page(PageCode::ForbiddenContext, &id);
    }
    let query = request.uri().query().unwrap_or_default();
    let Ok(client) = CLIENT.read(query) else { return app.page(PageCode::InvalidRequest, &id) };
    // A return URL that cannot be taken does not keep anybody from logging in.
    let return_to = app.return_url(REDIRECT_URI.read(query));

    let begun = match app.logins.begin(client.as_deref(), &return_to, app.session_key(headers)).await {
        Ok(begun) => begun,
        Err(BeginError::UnknownClient) => return app.page(PageCode::UnknownClient, &id),
        Err(BeginError::Provider(error)) => {
            tracing::warn!(%error, event = "login_failed", "a login could not begin");
            return app.page(PageCode::ProviderUnavailable, &id);
        }
        Err(BeginError::Entropy(error)) => {
            tracing::error!(%error, event = "login_failed", "a login could not begin");
            return app.page(PageCode::Internal, &id);
        }
    };
    let name = app.cookies.flow_name(&login_flow::flow_name(&begun.flow.state()));
    let sealed = sealed_cookie::seal(&app.sealer, Purpose::LoginFlow, &name, &begun.flow, &*app.entropy);
    let (Some(mut response), Ok(value)) = (see_other(begun.location.as_str()), sealed) else {
        return app.page(PageCode::Internal, &id);
    };
    for superfluous in superfluous_flows(&app, headers, value.len()) {
        with_cookie(&mut response, app.cookies.clear_flow(superfluous));
    }
    with_cookie(&mut response, app.cookies.set_flow(&name, &value, login_flow::LIFETIME));
    response
}

/// The browser's other flows that must go to make room: dead ones, and then the oldest.
fn superfluous_flows<'a>(app: &App, headers: &'a http::HeaderMap, new_bytes: usize) -> Vec<&'a str> {
    let now = app.clock.now();
    let mut superfluous = Vec::new();
    let mut alive = Vec::new();
    for (name, value) in app.cookies.flows(headers) {
        match sealed_cookie::open::<LoginFlow>(&app.sealer, Purpose::LoginFlow, name, value) {
            Some(flow) if !flow.is_expired(now) => alive.push((flow.created_at, name, value.len())),
            _ => superfluous.push(name),
        }
    }
    alive.sort_unstable_by_key(|(created_at, ..)| std::cmp::Reverse(*created_at));
    let mut bytes = new_bytes;
    for (position, (_, name, length)) in alive.into_iter().enumerate() {
        bytes = bytes.saturating_add(length);
        if position + 1 >= login_flow::MAX_OPEN || bytes > MAX_FLOW_COOKIE_BYTES {
            superfluous.push(name);
        }
    }
    superfluous
}
