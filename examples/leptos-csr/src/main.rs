//! A Leptos app that logs in with authtool, rendered in the browser.
//!
//! ```sh
//! node client-leptos/scripts/build.mjs leptos-csr   # into examples/leptos-csr/dist, for the server's `static.root`
//! ```
#![allow(unreachable_pub, reason = "`#[component]` makes the properties of a component public")]

#[cfg(target_family = "wasm")]
mod api;
#[cfg(target_family = "wasm")]
mod app;
#[cfg(target_family = "wasm")]
mod views;

#[cfg(target_family = "wasm")]
fn main() {
    leptos::mount::mount_to_body(app::App);
}

#[cfg(not(target_family = "wasm"))]
#[allow(clippy::print_stderr)]
fn main() -> std::process::ExitCode {
    eprintln!("this app runs in a browser; build it with: node client-leptos/scripts/build.mjs leptos-csr");
    std::process::ExitCode::FAILURE
}
