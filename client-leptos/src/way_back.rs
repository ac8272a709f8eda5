//! Which page a login returns to.

use leptos::prelude::*;
use leptos_router::location::Url;

/// The page of the route that is being shown or loaded: until it is loaded, the address bar has the one before.
/// Outside of routes, on the server the page that was asked for; in the browser `None`, which stands for the page it is on.
pub(crate) fn way_back() -> Option<String> {
    if let Some(url) = use_context::<ArcRwSignal<Url>>() {
        return Some(url.with_untracked(full_path));
    }
    #[cfg(feature = "ssr")]
    if let Some(parts) = use_context::<http::request::Parts>() {
        return Some(parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned());
    }
    None
}

fn full_path(url: &Url) -> String {
    let mut path = url.path().to_owned();
    for (mark, part) in [('?', url.search()), ('#', url.hash())] {
        if !part.is_empty() {
            if !part.starts_with(mark) {
                path.push(mark);
            }
            path.push_str(part);
        }
    }
    path
}
