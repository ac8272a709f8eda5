//! Half of a measurement: a small app with a router, without authtool. See `scripts/size.mjs`.

#![allow(unreachable_pub, reason = "`#[component]` makes the properties of a component public")]

#[cfg(target_family = "wasm")]
fn main() {
    leptos::mount::mount_to_body(app::App);
}

#[cfg(not(target_family = "wasm"))]
fn main() {}

#[cfg(target_family = "wasm")]
mod app {
    use leptos::prelude::*;
    use leptos_router::components::{Route, Router, Routes};
    use leptos_router::path;

    #[component]
    pub(crate) fn App() -> impl IntoView {
        let open = RwSignal::new(false);
        view! {
            <Router>
                <button on:click=move |_| open.update(|open| *open = !*open)>"Menu"</button>
                <Show when=move || open.get()><nav>"Here it is"</nav></Show>
                <Routes fallback=|| "There is nothing here.">
                    <Route path=path!("/") view=|| view! { <h1>"Welcome"</h1> }/>
                    <Route path=path!("/profile") view=|| view! { <h1>"Ada"</h1> }/>
                </Routes>
            </Router>
        }
    }
}
