//! The cookie in which a browser remembers a login that has just succeeded, and the page that leads on from there: see
//! [`arrival`](crate::domain::arrival).

use axum::response::Response;
use http::HeaderMap;
use url::Url;

use super::{
    App,
    answer::with_cookie,
    base_path,
    cookies::{self, Presented},
    page, sealed_cookie,
};
use crate::{
    domain::arrival::{self, Arrival},
    seal::Purpose,
};

/// What the browser remembers.
pub(super) fn remembered(app: &App, headers: &HeaderMap) -> Option<Arrival> {
    let name = app.cookies.returned_name();
    match cookies::find(headers, name) {
        Presented::One(value) => sealed_cookie::open(&app.sealer, Purpose::Returned, name, value),
        Presented::Absent | Presented::Ambiguous => None,
    }
}

/// Has the browser remember it. Without randomness it does not: a loop then goes on for a turn more.
pub(super) fn remember(app: &App, arrival: &Arrival, response: &mut Response) {
    let name = app.cookies.returned_name();
    if let Ok(sealed) = sealed_cookie::seal(&app.sealer, Purpose::Returned, name, arrival, &*app.entropy) {
        with_cookie(response, app.cookies.set_flow(name, &sealed, arrival::LIFETIME));
    }
}

/// Has the browser forget it, if it remembers anything.
pub(super) fn forget(app: &App, headers: &HeaderMap, response: &mut Response) {
    let name = app.cookies.returned_name();
    if cookies::find(headers, name) != Presented::Absent {
        with_cookie(response, app.cookies.clear_flow(name));
    }
}

/// A page of ours, from which the browser goes on to a page of the app, with its Strict cookie.
///
/// What another site began waits for a click, and does not lead to an API: otherwise a link of anybody's to `/login` would end
/// in a request of this site that carries the user's session.
pub(super) fn lead_on(app: &App, to: &Url, from_another_site: bool) -> Response {
    if !from_another_site {
        return page::onward(to);
    }
    let to = if is_below_an_api(app, to) { app.return_urls.default_page() } else { to };
    page::onward_by_click(to)
}

fn is_below_an_api(app: &App, to: &Url) -> bool {
    let path = percent_encoding::percent_decode_str(to.path()).decode_utf8_lossy().to_ascii_lowercase();
    // As upstreams may read it.
    let path =
        path.split(['/', '\\']).filter(|it| !it.is_empty()).fold(String::new(), |path, it| path + "/" + it);
    let below_base = base_path::below(&app.base_path.to_ascii_lowercase(), &path);
    [Some(path), below_base].into_iter().flatten().any(|path| {
        app.apis.iter().any(|api| {
            let rest = path.strip_prefix(&api.prefix.to_ascii_lowercase());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ';']))
        })
    })
}
