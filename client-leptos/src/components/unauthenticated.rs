//! Content for those who are not logged in.

use leptos::children::TypedChildrenFn;
use leptos::prelude::*;

use crate::{Status, use_authtool};

/// Shows its children when it is known that nobody is logged in: not while that is being found out, and not when it
/// cannot be.
#[component]
pub fn Unauthenticated<C>(
    /// For somebody who could log in.
    children: TypedChildrenFn<C>,
) -> impl IntoView
where
    C: IntoView + 'static,
{
    let status = use_authtool().status;
    let children = children.into_inner();
    move || (status.get() == Status::Unauthenticated).then(|| children())
}
