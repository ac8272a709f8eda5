//! The browser client's tests in Rust: compiled to WebAssembly once, and run in each browser.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::rust_tests::{Program, programs};
use crate::{Context, browser, rust_tools};

const TARGET: &str = "wasm32-unknown-unknown";

/// The packages with such tests. One at a time: the features of one are not the other's.
const PACKAGES: [&str; 2] = ["authtool-client", "authtool-leptos"];

/// What is compiled for the browser alone, and clippy does not see natively.
const FOR_BROWSERS: [(&str, &[&str]); 3] = [
    ("authtool-leptos", &["--features", "csr", "--all-targets"]),
    ("authtool-example-leptos-csr", &[]),
    ("authtool-example-leptos-ssr", &["--lib"]),
];

/// Compiles them, and has clippy look at what only browsers run.
pub(super) fn build(context: &Context) -> Result<()> {
    rust_tools::wasm_target(context)?;
    for package in PACKAGES {
        context.progress.step(&format!("Build the tests of {package} for the browser"), |log| {
            let arguments = ["test", "--no-run", "--target", TARGET, "--tests", "--package", package];
            context.supervisor.run(&context.workspace.cargo(&arguments), log)
        })?;
    }
    for (package, what) in FOR_BROWSERS {
        let arguments =
            [&["clippy", "--target", TARGET, "--package", package], what, &["--", "-D", "warnings"]].concat();
        context.progress.step(&format!("Run clippy on {package} for the browser"), |log| {
            context.supervisor.run(&context.workspace.cargo(&arguments), log)
        })?;
    }
    Ok(())
}

/// Runs them in Chromium and in Firefox.
pub(super) fn run(context: &Context) -> Result<()> {
    let tools = rust_tools::wasm_bindgen(context)?;
    let drivers = [
        ("Chromium", "CHROMEDRIVER", browser::chromium(context)?.driver),
        ("Firefox", "GECKODRIVER", browser::geckodriver(context)?),
    ];
    for package in PACKAGES {
        let programs = programs(context, &["--target", TARGET, "--tests", "--package", package])?;
        ensure!(!programs.is_empty(), "{package} has no tests for the browser");
        for (name, variable, driver) in &drivers {
            context.progress.step(&format!("Run the tests of {package} in {name}"), |log| {
                programs.iter().try_for_each(|program| {
                    context.supervisor.run(&in_browser(program, &tools.test_runner, variable, driver), log)
                })
            })?;
        }
    }
    Ok(())
}

fn in_browser(program: &Program, runner: &PathBuf, variable: &str, driver: &PathBuf) -> Command {
    let mut command = Command::new(runner);
    command.arg(&program.file).current_dir(&program.folder);
    // The runner takes the first driver that is named.
    command.env_remove("CHROMEDRIVER").env_remove("GECKODRIVER").env(variable, driver);
    // In seconds, for all tests of a program and the start of the browser; twenty, if nothing is said.
    command.env("WASM_BINDGEN_TEST_TIMEOUT", "300");
    command
}
