//! Content for those who are logged in.

use leptos::children::{TypedChildrenFn, ViewFn};
use leptos::either::Either;
use leptos::prelude::*;

use crate::use_authtool;

/// Shows its children while there is a session, and keeps them through an outage of the server.
///
/// What is hidden is not protected: the data behind it is, by your API.
///
/// ```
/// # use leptos::prelude::*;
/// # use authtool_leptos::{Authenticated, use_user};
/// # #[component]
/// # fn Example() -> impl IntoView {
/// view! { <Authenticated fallback=|| "One moment …">"Your invoices"</Authenticated> }
/// # }
/// ```
#[component]
pub fn Authenticated<C>(
    /// For somebody who is logged in.
    children: TypedChildrenFn<C>,
    /// For as long as that is not known, or not so.
    #[prop(optional, into)]
    fallback: ViewFn,
) -> impl IntoView
where
    C: IntoView + 'static,
{
    let session = use_authtool().session;
    let is_there = Memo::new(move |_| session.with(Option::is_some));
    let children = children.into_inner();
    move || if is_there.get() { Either::Left(children()) } else { Either::Right(fallback.run()) }
}
