//! `GET {apiPrefix}/oauth/continue`: where `session.sameSiteReturn` is on, and after an answer that was posted, the way
//! from the callback to the app leads over a page of ours.
//!
//! The navigation that comes back from the provider is cross-site, redirects included, so browsers leave the
//! `SameSite=Strict` session cookie out of it: a server that renders pages would not see the session. A
//! navigation that a document of this site begins carries it.
//!
//! Where to is kept in a cookie that only the callback sets. In the address it would let any site turn a link of its
//! own into a navigation that comes from here.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, response::Response};
use http::{HeaderMap, request::Parts};
use url::Url;

use super::{
    App,
    answer::{see_other, with_cookie},
    cookies::{self, Presented},
    correlation::CorrelationId,
    guard::Provenance,
    page::PageCode,
    returned, sealed_cookie,
};
use crate::seal::Purpose;

/// The browser goes from the callback to the page at once.
const LIFETIME: Duration = Duration::from_mins(1);

/// From the callback at `path`: to the page, which will lead to `return_to`.
pub(super) fn detour(app: &App, path: &str, return_to: &Url, from_another_site: bool) -> Option<Response> {
    let name = app.cookies.return_name();
    let what = (return_to.as_str(), from_another_site);
    let sealed = sealed_cookie::seal(&app.sealer, Purpose::Return, name, &what, &*app.entropy).ok()?;
    // Relative, because something in front of us may have rewritten the path.
    let depth = path.rsplit_once("/oauth/").map_or(0, |(_, below)| below.matches('/').count());
    let mut response = see_other(&format!("{}continue", "../".repeat(depth)))?;
    with_cookie(&mut response, app.cookies.set_flow(name, &sealed, LIFETIME));
    Some(response)
}

/// The page. Whoever comes here otherwise, or again, is led to the app's default page.
pub(crate) async fn page(State(app): State<Arc<App>>, id: CorrelationId, request: Parts) -> Response {
    if !Provenance::of(&request.headers, &app.app_origin).is_navigation() {
        return app.built_in_page(PageCode::ForbiddenContext, &id);
    }
    let (to, from_another_site) = return_to(&app, &request.headers);
    let mut response = returned::lead_on(&app, &to, from_another_site);
    if cookies::find(&request.headers, app.cookies.return_name()) != Presented::Absent {
        with_cookie(&mut response, app.cookies.clear_flow(app.cookies.return_name()));
    }
    response
}

fn return_to(app: &App, headers: &HeaderMap) -> (Url, bool) {
    let name = app.cookies.return_name();
    let remembered = match cookies::find(headers, name) {
        Presented::One(value) => {
            sealed_cookie::open::<(String, bool)>(&app.sealer, Purpose::Return, name, value)
        }
        Presented::Absent | Presented::Ambiguous => None,
    };
    let (to, from_another_site) = remembered.unzip();
    (app.return_url(Ok(to)), from_another_site.unwrap_or_default())
}
