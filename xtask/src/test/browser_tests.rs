//! The browser client's tests in Rust: compiled to WebAssembly once, and run in each browser.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::rust_tests::{Program, programs};
use crate::{Context, browser, rust_tools};

const TARGET: &str = "wasm32-unknown-unknown";

/// The packages with such tests. Together, so that what both depend on is compiled once.
const TESTS: [&str; 7] =
    ["--target", TARGET, "--tests", "--package", "authtool-client", "--package", "authtool-leptos"];

/// What is compiled for the browser alone, and clippy does not see natively: by what Leptos is asked for, which changes
/// all that depends on it.
const FOR_BROWSERS: [(&str, &[&str]); 2] = [
    (
        "what the browser renders",
        &[
            "--package",
            "authtool-leptos",
            "--features",
            "authtool-leptos/csr",
            "--all-targets",
            "--package",
            "authtool-example-leptos-csr",
        ],
    ),
    ("what the browser hydrates", &["--package", "authtool-example-leptos-ssr", "--lib"]),
];

/// Compiles them, and has clippy look at what only browsers run.
pub(super) fn build(context: &Context) -> Result<()> {
    rust_tools::wasm_target(context)?;
    context.progress.step("Build the tests for the browser", |log| {
        let arguments = [&["test", "--no-run"], &TESTS[..]].concat();
        context.supervisor.run(&context.workspace.cargo(&arguments), log)
    })?;
    programs(context, &TESTS)?;
    for (what, packages) in FOR_BROWSERS {
        let arguments = [&["clippy", "--target", TARGET], packages, &["--", "-D", "warnings"]].concat();
        context.progress.step(&format!("Run clippy on {what}"), |log| {
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
    let programs = programs(context, &TESTS)?;
    for (name, variable, driver) in &drivers {
        context.progress.step(
            &format!("Run {} programs of Rust tests in {name}", programs.len()),
            |log| {
                programs.iter().try_for_each(|program| {
                    context.supervisor.run(&in_browser(program, &tools.test_runner, variable, driver), log)
                })
            },
        )?;
    }
    Ok(())
}

fn in_browser(program: &Program, runner: &Path, variable: &str, driver: &Path) -> Command {
    let mut command = Command::new(runner);
    command.arg(&program.file).current_dir(&program.folder);
    // The runner takes the first driver that is named.
    command.env_remove("CHROMEDRIVER").env_remove("GECKODRIVER").env(variable, driver);
    // In seconds, for all tests of a program and the start of the browser; twenty, if nothing is said.
    command.env("WASM_BINDGEN_TEST_TIMEOUT", "300");
    command
}
