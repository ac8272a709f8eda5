//! Pages for those who are logged in.

use leptos::children::{TypedChildrenFn, ViewFn};
use leptos::prelude::*;

use super::Authenticated;
#[cfg(target_family = "wasm")]
use crate::use_authtool;
use crate::{LoginLink, LoginOptions};

/// Shows its children to somebody who is logged in, and sends everybody else to the login, which returns to the page
/// that was asked for: in a route of `leptos_router`, to that route, even while it is still being loaded.
///
/// A browser that keeps coming back without a session is not sent again: the status becomes
/// [`Unavailable`](crate::Status::Unavailable) with the failure `LoginLoop`.
///
/// **On the server** it renders the fallback for those who are not logged in, and no redirect: only the browser can
/// count how often it was sent, and stop. Without JavaScript the fallback is the page, so there it should be, or contain,
/// a [`LoginLink`], which is the default.
///
/// ```
/// # use leptos::prelude::*;
/// # use authtool_leptos::RequireAuth;
/// # #[component]
/// # fn Invoices() -> impl IntoView {}
/// #[component]
/// fn InvoicesPage() -> impl IntoView {
///     view! { <RequireAuth><Invoices/></RequireAuth> }
/// }
/// ```
#[component]
pub fn RequireAuth<C>(
    /// For somebody who is logged in.
    children: TypedChildrenFn<C>,
    /// For everybody else, for as long as they are here.
    #[prop(into, default = ViewFn::from(|| view! { <LoginLink>"Log in"</LoginLink> }))]
    fallback: ViewFn,
    /// Of the login.
    #[prop(optional)]
    login: LoginOptions,
) -> impl IntoView
where
    C: IntoView + 'static,
{
    #[cfg(target_family = "wasm")]
    use_authtool().require_login(login);
    #[cfg(not(target_family = "wasm"))]
    drop(login);
    view! { <Authenticated children fallback/> }
}
