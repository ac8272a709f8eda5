//! What the steps start, installed before they ask for it: all of the system's packages in one go, while another lane
//! compiles.

use anyhow::Result;

use crate::{
    Context, browser, caddy, debian, deploy, envoy, glewlwyd, keycloak, nginx, node, python, redis,
    rust_tools,
};

/// The folders with npm packages that tests use.
const NPM: [&str; 10] = [
    "npm",
    "npm/test/size",
    "tests/provider",
    "tests/e2e",
    "deploy/checks",
    "examples/vanilla",
    "examples/react-vite",
    "npm/test/apps",
    "npm/test/apps/next",
    "npm/test/apps/react-18",
];

/// Installs whatever is missing. Every step asks for its own again, so that it can be run alone.
pub(super) fn install(context: &Context) -> Result<()> {
    node::check()?;
    debian::ensure(
        context,
        &[
            &redis::PART,
            &nginx::PART,
            &caddy::PART,
            &glewlwyd::PART,
            &keycloak::JAVA,
            &browser::CHROMIUM,
            &browser::FIREFOX,
            &python::PIP,
            &deploy::SYSTEMD,
        ],
    )?;
    envoy::ensure_installed(context)?;
    keycloak::ensure_installed(context)?;
    rust_tools::cargo_deny(context)?;
    deploy::linters(context)?;
    for folder in NPM {
        node::install(context, folder)?;
    }
    rust_tools::wasm_target(context)?;
    rust_tools::wasm_bindgen(context)?;
    browser::geckodriver(context)?;
    rust_tools::mdbook(context)?;
    Ok(())
}
