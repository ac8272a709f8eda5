//! A form that logs out.

use leptos::ev;
use leptos::prelude::*;

use crate::use_authtool;

/// A form that logs out, which works without JavaScript too. Its children should have a button in them that submits it.
///
/// By POST: no link or image of another site can imitate it. Attributes go to the `<form>`.
///
/// ```
/// # use leptos::prelude::*;
/// # use authtool_leptos::LogoutForm;
/// # #[component]
/// # fn Example() -> impl IntoView {
/// view! { <LogoutForm><button>"Log out"</button></LogoutForm> }
/// # }
/// ```
#[component]
pub fn LogoutForm(
    /// The button.
    children: Children,
) -> impl IntoView {
    let authtool = use_authtool();
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        authtool.logout();
    };
    view! { <form method="post" action=authtool.logout_url() on:submit=submit>{children()}</form> }
}
