//! What the server renders and the browser takes over.
#![recursion_limit = "256"]
#![allow(unreachable_pub, reason = "`#[component]` and `#[server]` make what they generate public")]
#![allow(missing_docs, reason = "an app has no readers of its documentation")]

mod api;
mod app;
mod direct_api;
#[cfg(not(target_family = "wasm"))]
pub mod server;

pub use app::App;

/// Called by the page's script, once it is loaded.
#[cfg(target_family = "wasm")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    leptos::mount::hydrate_body(App);
}
