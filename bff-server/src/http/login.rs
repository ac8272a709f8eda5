//! `GET {apiPrefix}/login`.

use std::sync::Arc;

use authtool_contract::endpoint::param;
use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, HeaderName};

use super::{
    App,
    answer::{see_other, with_cookie},
    correlation::CorrelationId,
    guard::Provenance,
    journal::{Step, fix},
    page::PageCode,
    returned, sealed_cookie,
};
use crate::{
    domain::{
        arrival::{self, Asked, Turn},
        login_flow::{self, LoginFlow},
        login_options::LoginOptions,
        parameters::{MalformedQuery, Parameter},
        return_url,
    },
    seal::Purpose,
    service::login::{BeginError, LoginRequest},
    telemetry,
};

const CLIENT: Parameter = Parameter::new(param::CLIENT, 256);
const REDIRECT_URI: Parameter = Parameter::new(param::REDIRECT_URI, return_url::MAX_BYTES);

/// What nginx is told to say, in our guide, of a request that it hands over.
const ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");

/// All login cookies together stay below this, whatever the number of tabs.
const MAX_FLOW_COOKIE_BYTES: usize = 6 * 1024;

/// Begins a login: a redirect to the authorization server, and a cookie that remembers the flow.
pub(crate) async fn login(State(app): State<Arc<App>>, id: CorrelationId, request: Request) -> Response {
    let headers = request.headers();
    let provenance = Provenance::of(headers, &app.app_origin);
    if !provenance.is_navigation() {
        app.tell(|journal| {
            let step =
                Step::bad("A script or a frame asked for a login", fix(PageCode::ForbiddenContext), &id);
            journal.begin("", app.clock.now(), step);
        });
        return app.built_in_page(PageCode::ForbiddenContext, &id);
    }
    let query = request.uri().query().unwrap_or_default();
    let (client, options) = match (CLIENT.read(query), LoginOptions::parse(query)) {
        (Ok(client), Ok(options)) => (client, options),
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!(%error, event = "login_failed", reason = "invalid_request", "a login was refused");
            return app.page(PageCode::InvalidRequest, &id);
        }
    };
    // A return URL that cannot be taken does not keep anybody from logging in.
    let return_to = return_url::without_login_error(&app.return_url(requested(&app, query, headers)));
    let silent = options.are_silent();
    let asked = Asked {
        purpose: arrival::purpose(&return_to, client.as_deref(), &options),
        has_cookie: app.session_key(headers).is_some(),
        from_the_app: provenance.is_surely_from_the_app(),
    };
    let turns = match Turn::of(returned::remembered(&app, headers), asked, app.clock.now()) {
        Turn::LogIn(turns) => turns,
        Turn::LeadOn(_) if return_to.origin() != app.return_urls.default_page().origin() => 0,
        Turn::LeadOn(arrival) => {
            let mut response = returned::lead_on(&app, &return_to, arrival.from_another_site);
            returned::remember(&app, &arrival, &mut response);
            return response;
        }
        Turn::GiveUp => return give_up(&app, &id, headers, asked.has_cookie),
    };
    let begun = app
        .logins
        .begin(LoginRequest {
            client,
            return_to: return_to.clone(),
            previous_session: app.session_key(headers),
            options,
            from_the_app: provenance.is_from_the_app(),
        })
        .await;
    let mut begun = match begun {
        Ok(begun) => begun,
        Err(error) => {
            let code = page_for(&error);
            telemetry::login(code.as_str());
            tracing::warn!(%error, event = "login_failed", reason = code.as_str(), "a login could not begin");
            app.tell(|journal| {
                let step = Step::bad(format!("The login does not begin: {error}"), fix(code), &id);
                journal.begin("", app.clock.now(), step);
            });
            if silent {
                return app.back_with_login_error(&return_to, code.as_str(), code, &id);
            }
            return app.page(code, &id);
        }
    };
    begun.flow.turns = turns;
    begun.flow.from_another_site = provenance.is_from_another_site();
    begun.flow.purpose = asked.purpose;
    let name = app.cookies.flow_name(begun.response_mode, &login_flow::flow_name(&begun.flow.state()));
    app.tell(|journal| {
        let provider = begun.location.origin().ascii_serialization();
        let (client, return_to) = (&begun.flow.client_id, &begun.flow.return_to);
        let what = format!("The browser is sent to {provider} as client {client}, and then to {return_to}");
        journal.begin(&name, app.clock.now(), Step::good(what, &id));
    });
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

/// Where to return to. A gateway that hands a refused request over says so in a header: it cannot encode a URL into another's
/// query. Other sites cannot have a browser send the header, and what is in it is checked like any other return URL.
fn requested(app: &App, query: &str, headers: &HeaderMap) -> Result<Option<String>, MalformedQuery> {
    if let Some(requested) = return_url::requested(&app.return_urls, query, REDIRECT_URI)? {
        return Ok(Some(requested));
    }
    let mut originals = headers.get_all(ORIGINAL_URI).iter().filter(|it| !it.is_empty());
    match (originals.next(), originals.next()) {
        (Some(original), None) => Ok(original.to_str().ok().map(str::to_owned)),
        _ => Ok(None),
    }
}

/// Every login leads to the next one. The page is ours, since one of the app's may be what asks for the logins.
fn give_up(app: &App, id: &CorrelationId, headers: &HeaderMap, has_cookie: bool) -> Response {
    let (code, why) = if has_cookie {
        (
            PageCode::LoginLoop,
            "the session's cookie is there: what stands in front, or the API behind it, asks for a login all the same",
        )
    } else {
        (PageCode::CookieNotKept, "the session's cookie does not come back from the browser")
    };
    telemetry::login(code.as_str());
    tracing::warn!(
        event = "login_failed",
        reason = code.as_str(),
        why,
        "logins follow one another and lead nowhere"
    );
    app.tell(|journal| {
        let what = format!("{} logins in a row led to another one: {why}", arrival::MAX_TURNS);
        journal.begin("", app.clock.now(), Step::bad(what, fix(code), id));
    });
    let mut response = app.built_in_page(code, id);
    // The next attempt is a first one: it does not count as part of a loop.
    returned::forget(app, headers, &mut response);
    response
}

fn page_for(error: &BeginError) -> PageCode {
    match error {
        BeginError::UnknownClient => PageCode::UnknownClient,
        BeginError::Provider(error) if error.misconfigured => PageCode::ProviderMisconfigured,
        BeginError::Provider(error) if error.refused => PageCode::ProviderRefused,
        BeginError::Provider(_) => PageCode::ProviderUnavailable,
        BeginError::Entropy(_) => PageCode::Internal,
    }
}

/// The browser's other flows that must go to make room: dead ones, and then the oldest.
fn superfluous_flows<'a>(app: &App, headers: &'a HeaderMap, new_bytes: usize) -> Vec<&'a str> {
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
