//! The first page.

use authtool_leptos::{Authenticated, LoginLink, Status, Unauthenticated, use_authtool};
use leptos::prelude::*;
use leptos_router::components::A;

use super::{ApiPanel, Waiting, use_name};

#[component]
pub(crate) fn Home() -> impl IntoView {
    let authtool = use_authtool();
    view! {
        <Show when=move || authtool.status.get() == Status::Initialising><Waiting/></Show>
        <Unauthenticated>
            <section class="hero">
                <h1>"Nobody is logged in."</h1>
                <p class="lead">
                    "Log in, and this page learns your name. In the mode bff it never gets to see a token, and neither does anything else that runs in your browser."
                </p>
                <LoginLink attr:class="button primary">"Log in"</LoginLink>
            </section>
        </Unauthenticated>
        <Authenticated><Welcome/></Authenticated>
    }
}

#[component]
fn Welcome() -> impl IntoView {
    let name = use_name();
    view! {
        <div class="signed-in">
            <section class="hero">
                <h1>"Hello, " {name} "."</h1>
                <p class="lead">"What this page knows of you is on " <A href="/claims">"a page of its own"</A> "."</p>
            </section>
            <div class="panels"><ApiPanel/></div>
        </div>
    }
}
