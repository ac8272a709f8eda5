//! Half of a measurement: the app of `size_without.rs`, with a login, a typed user and a protected page. See
//! `scripts/size.mjs`.

#![allow(unreachable_pub, reason = "`#[component]` makes the properties of a component public")]

#[cfg(target_family = "wasm")]
fn main() {
    leptos::mount::mount_to_body(app::App);
}

#[cfg(not(target_family = "wasm"))]
fn main() {}

#[cfg(target_family = "wasm")]
mod app {
    use authtool_leptos::{
        Authenticated, AuthtoolOptions, LoginLink, LogoutForm, RequireAuth, Unauthenticated,
        provide_authtool, use_user,
    };
    use leptos::prelude::*;
    use leptos_router::components::{Route, Router, Routes};
    use leptos_router::path;

    #[derive(Clone, PartialEq, serde::Deserialize)]
    struct User {
        name: String,
    }

    #[component]
    pub(crate) fn App() -> impl IntoView {
        provide_authtool(AuthtoolOptions::default());
        let open = RwSignal::new(false);
        view! {
            <Router>
                <button on:click=move |_| open.update(|open| *open = !*open)>"Menu"</button>
                <Show when=move || open.get()><nav>"Here it is"</nav></Show>
                <Unauthenticated><LoginLink>"Log in"</LoginLink></Unauthenticated>
                <Authenticated><LogoutForm><button>"Log out"</button></LogoutForm></Authenticated>
                <Routes fallback=|| "There is nothing here.">
                    <Route path=path!("/") view=|| view! { <h1>"Welcome"</h1> }/>
                    <Route path=path!("/profile") view=|| view! { <RequireAuth><Profile/></RequireAuth> }/>
                </Routes>
            </Router>
        }
    }

    #[component]
    fn Profile() -> impl IntoView {
        let user = use_user::<User>();
        view! { <h1>{move || user.get().map(|user| user.name)}</h1> }
    }
}
