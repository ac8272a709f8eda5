//! The moment in which it is not known yet whether somebody is logged in.

use leptos::prelude::*;

#[component]
pub(crate) fn Waiting() -> impl IntoView {
    view! {
        <section class="waiting" aria-busy="true">
            <h1 class="visually-hidden">"Looking for your session"</h1>
            <div class="bone wide"></div>
            <div class="bone"></div>
            <div class="bone button-sized"></div>
        </section>
    }
}
