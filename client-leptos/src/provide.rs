//! Making an [`Authtool`], once for an app.

use authtool_client::rules::base_url;
use leptos::prelude::*;

use crate::initial::Initial;
use crate::{Authtool, AuthtoolOptions};

/// Provides an [`Authtool`] to everything below the component that calls this: your `App`. In the browser it looks for
/// the session, and keeps looking when there is reason to; on the server it knows what
/// `server::with_session` has found for the request.
///
/// In an app that the server renders, call it in the component that both sides have, outside of any `<Suspense>`: the
/// browser starts from the server's answer, so that it shows what is in the HTML already.
///
/// ```
/// use authtool_leptos::{AuthtoolOptions, Authenticated, LoginLink, Unauthenticated, provide_authtool};
/// use leptos::prelude::*;
///
/// #[component]
/// fn App() -> impl IntoView {
///     provide_authtool(AuthtoolOptions::default().base_url("/bff"));
///     view! {
///         <Authenticated>"You are logged in."</Authenticated>
///         <Unauthenticated><LoginLink>"Log in"</LoginLink></Unauthenticated>
///     }
/// }
/// ```
///
/// # Panics
///
/// When `base_url` is no path on the page's own origin; the message says what is wrong.
pub fn provide_authtool(options: AuthtoolOptions) -> Authtool {
    #[allow(clippy::panic, reason = "a mistake in the program, found by its first run")]
    let base = match base_url::normalise(&options.base_url, &origin()) {
        Ok(base) => base,
        Err(error) => panic!("{}", error.advice()),
    };
    let authtool = start(base, &options, initial());
    provide_context(authtool);
    authtool
}

#[cfg(target_family = "wasm")]
fn start(base: String, options: &AuthtoolOptions, initial: Initial) -> Authtool {
    use authtool_client::browser::Browser;
    use authtool_client::manager::{Manager, Notice};

    let manager = Manager::new(Browser::new(&base), base.clone(), options.settings);
    let known = initial.into_state(authtool_client::browser::now_ms());
    let state = RwSignal::new(known.clone());
    manager.listen(move |now, notice| {
        if notice == Notice::Changed {
            drop(state.try_set(now.clone()));
        }
    });
    let authtool = Authtool::new(state, base, manager.clone());
    let stored = StoredValue::new_local(manager);
    on_cleanup(move || {
        let _ = stored.try_with_value(Manager::dispose);
    });
    stored.with_value(|manager| manager.resume(known));
    authtool
}

#[cfg(not(target_family = "wasm"))]
fn start(base: String, _: &AuthtoolOptions, initial: Initial) -> Authtool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Authtool::new(RwSignal::new(initial.into_state(now.as_secs_f64() * 1_000.0)), base)
}

/// The page's; on the server nobody knows it, and a path needs none.
fn origin() -> String {
    #[cfg(target_family = "wasm")]
    return authtool_client::browser::origin();
    #[cfg(not(target_family = "wasm"))]
    String::new()
}

/// What the server found. It travels in the page, as Leptos's own data does: escaped, and under the page's nonce.
#[cfg(any(feature = "ssr", feature = "hydrate"))]
fn initial() -> Initial {
    let shared = SharedValue::new(|| {
        #[cfg(feature = "ssr")]
        return crate::server::found();
        #[cfg(not(feature = "ssr"))]
        Initial::Unasked
    });
    as_the_browser_writes_it(shared.into_inner())
}

#[cfg(not(any(feature = "ssr", feature = "hydrate")))]
fn initial() -> Initial {
    Initial::Unasked
}

/// Whether two looks found the same claims is decided by their text, and the browser's is from `JSON.stringify`.
#[cfg(all(target_family = "wasm", any(feature = "ssr", feature = "hydrate")))]
fn as_the_browser_writes_it(initial: Initial) -> Initial {
    use leptos::web_sys::js_sys::JSON;

    let written = |claims: &str| JSON::stringify(&JSON::parse(claims).ok()?).ok()?.as_string();
    match initial {
        Initial::Session { claims, expires_in } => {
            Initial::Session { claims: written(&claims).unwrap_or(claims), expires_in }
        }
        other => other,
    }
}

#[cfg(all(not(target_family = "wasm"), any(feature = "ssr", feature = "hydrate")))]
fn as_the_browser_writes_it(initial: Initial) -> Initial {
    initial
}
