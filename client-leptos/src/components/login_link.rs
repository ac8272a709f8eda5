//! A link to the login.

use leptos::ev;
use leptos::prelude::*;

use crate::{LoginOptions, use_authtool};

/// A link to the login, which works without JavaScript too. It returns to the page that it is followed from.
///
/// Attributes go to the `<a>`: `<LoginLink attr:class="button">`.
#[component]
pub fn LoginLink(
    /// Of the login.
    #[prop(optional)]
    options: LoginOptions,
    /// What the link says.
    children: Children,
) -> impl IntoView {
    let authtool = use_authtool();
    let href = authtool.login_url(&options);
    // The app may have gone to another page since, without the link.
    let refresh = move |event: ev::MouseEvent| {
        use leptos::wasm_bindgen::JsCast as _;

        let link = event.current_target();
        if let Some(link) = link.and_then(|link| link.dyn_into::<leptos::web_sys::Element>().ok()) {
            drop(link.set_attribute("href", &authtool.login_url(&options)));
        }
    };
    // "external": the router leaves it to the browser.
    view! { <a href=href rel="external" on:click=refresh>{children()}</a> }
}
