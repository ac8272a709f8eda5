//! `cargo xtask test`: everything that is checked, with a table at the end.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::process::{Interrupted, interrupted_exit_code};
use crate::progress::{duration, note};
use crate::{Context, book, browser, deploy, fuzz, interface, node, rust_tests, rust_tools};

/// What `cargo xtask test` runs.
#[derive(Args)]
pub(crate) struct Options {
    /// Only these steps
    #[arg(value_name = "STEP")]
    only: Vec<Step>,
}

/// How long each fuzz target runs here; `cargo xtask fuzz` takes its time.
const FUZZ_SECONDS: u64 = 5;

/// One line of the table, in the order in which they run: what is fastest to fail comes first.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Rust is formatted
    Fmt,
    /// clippy has nothing to say
    Clippy,
    /// Dependencies: bans, licences, sources, advisories
    Deny,
    /// Container, chart, units, alerts and workflows are what their linters want
    Deploy,
    /// Unit, integration and documentation tests in Rust
    Rust,
    /// Every fuzz target finds nothing for a few seconds
    Fuzz,
    /// The crates' public interfaces are those on record
    Interface,
    /// The documentation builds, and its links lead somewhere
    Doc,
    /// The browser client's tests in Chromium and Firefox
    Wasm,
    /// The npm package builds and passes its tests
    Npm,
    /// The examples build
    Examples,
    /// The journey of a user, in Chromium and Firefox, against the demos
    E2e,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Deny => "deny",
            Self::Deploy => "deploy",
            Self::Rust => "rust",
            Self::Fuzz => "fuzz",
            Self::Interface => "interface",
            Self::Doc => "doc",
            Self::Wasm => "wasm",
            Self::Npm => "npm",
            Self::Examples => "examples",
            Self::E2e => "e2e",
        }
    }

    fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Fmt => {
                cargo(context, "Check the formatting", &["fmt", "--all", "--check", "--", "--color", "never"])
            }
            Self::Clippy => cargo(
                context,
                "Run clippy",
                &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
            ),
            Self::Deny => dependencies(context),
            Self::Deploy => deploy::check(context),
            Self::Rust => rust_tests::run(context),
            Self::Fuzz => fuzz::fuzz(context, &[], FUZZ_SECONDS),
            Self::Interface => interface::check(context),
            Self::Doc => documentation(context),
            Self::Wasm => browser_client(context),
            Self::Npm => npm_package(context),
            Self::Examples => examples(context),
            Self::E2e => journey(context),
        }
    }
}

/// Runs the steps, each whether or not the ones before it passed: a person who fixes something wants to
/// know all of it.
pub(crate) fn run(context: &Context, options: &Options) -> ExitCode {
    let steps = Step::value_variants()
        .iter()
        .copied()
        .filter(|step| options.only.is_empty() || options.only.contains(step));

    let mut rows = Vec::new();
    for step in steps {
        let started = Instant::now();
        let outcome = step.run(context);
        if let Err(error) = &outcome {
            if error.is::<Interrupted>() || context.supervisor.proceed().is_err() {
                context.supervisor.end_all();
                return interrupted_exit_code();
            }
            eprintln!("    {error:#}");
        }
        rows.push((step.name(), outcome.is_ok(), started.elapsed()));
    }
    print_table(&rows);
    let passed = rows.iter().all(|(_, passed, _)| *passed);
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_table(rows: &[(&str, bool, Duration)]) {
    println!("\n  step       result   time");
    for (step, passed, time) in rows {
        let result = if *passed { "passed" } else { "FAILED" };
        println!("  {step:<9}  {result}   {}", duration(*time));
    }
    let total = rows.iter().map(|(_, _, time)| *time).sum();
    println!("  in all              {}\n", duration(total));
}

fn cargo(context: &Context, title: &str, arguments: &[&str]) -> Result<()> {
    context.progress.step(title, |log| context.supervisor.run(&context.workspace.cargo(arguments), log))
}

/// Bans, licences and sources are decided by files of this repository. Advisories need a database from
/// the network: that it cannot be reached is said, and is no failure; an advisory is one.
fn dependencies(context: &Context) -> Result<()> {
    let deny = rust_tools::cargo_deny(context)?;
    let check = |what: &[&str]| {
        let mut command = Command::new(&deny);
        command.arg("check").args(what).current_dir(context.workspace.path("."));
        command
    };
    context.progress.step("Check the dependencies' licences and sources", |log| {
        context.supervisor.run(&check(&["bans", "licenses", "sources"]), log)
    })?;

    let fetch = {
        let mut command = Command::new(&deny);
        command.args(["fetch", "db"]).current_dir(context.workspace.path("."));
        command
    };
    let (_, log) = context.progress.log("fetch the advisories")?;
    if context.supervisor.run(&fetch, &log).is_err() {
        context.supervisor.proceed()?;
        note("The advisory database cannot be reached: advisories were not checked.");
        return Ok(());
    }
    context.progress.step("Check the dependencies' advisories", |log| {
        let mut command = check(&["--disable-fetch", "advisories"]);
        command.current_dir(context.workspace.path("."));
        context.supervisor.run(&command, log)
    })
}

fn documentation(context: &Context) -> Result<()> {
    context.progress.step("Build the crates' documentation", |log| {
        // Programs of ours that have no library beside them.
        let mut command = rust_tools::rustdoc(context, &["--bin", "xtask", "--bin", "authtool-bench"]);
        command.env("RUSTDOCFLAGS", "-D warnings");
        context.supervisor.run(&command, log)
    })?;
    book::build(context)
}

fn browser_client(context: &Context) -> Result<()> {
    const TARGET: &str = "wasm32-unknown-unknown";
    rust_tools::wasm_target(context)?;
    let tools = rust_tools::wasm_bindgen(context)?;
    let chromium = browser::chromium(context)?.driver;
    let firefox = browser::geckodriver(context)?;
    for (name, variable, driver) in
        [("Chromium", "CHROMEDRIVER", chromium), ("Firefox", "GECKODRIVER", firefox)]
    {
        // One package at a time: the features of one are not the other's.
        for (what, package) in [
            ("browser client's tests", "authtool-client"),
            ("tests of the Leptos bindings", "authtool-leptos"),
        ] {
            context.progress.step(&format!("Run the {what} in {name}"), |log| {
                let mut command =
                    context.workspace.cargo(&["test", "--package", package, "--target", TARGET, "--tests"]);
                // The runner takes the first driver that is named.
                command.env_remove("CHROMEDRIVER").env_remove("GECKODRIVER");
                command
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", &tools.test_runner)
                    .env(variable, &driver);
                context.supervisor.run(&command, log)
            })?;
        }
    }
    // What is compiled for the browser alone, and clippy's own step does not see.
    for (package, what) in [
        ("authtool-leptos", &["--features", "csr", "--all-targets"][..]),
        ("authtool-example-leptos-csr", &[]),
        ("authtool-example-leptos-ssr", &["--lib"]),
    ] {
        let arguments =
            [&["clippy", "--target", TARGET, "--package", package], what, &["--", "-D", "warnings"]].concat();
        cargo(context, &format!("Run clippy on {package} for the browser"), &arguments)?;
    }
    Ok(())
}

fn npm_package(context: &Context) -> Result<()> {
    node::check()?;
    node::build_client(context)?;
    node::install(context, "npm/test/size")?;
    context.progress.step("Run the npm package's tests", |log| {
        let mut command = Command::new("npm");
        command.arg("test").current_dir(context.workspace.path("npm"));
        context.supervisor.run(&command, log)
    })?;
    let browser = browser::chromium(context)?;
    context.progress.step("Run the built package in Chromium", |log| {
        let mut command = Command::new("npm");
        command
            .args(["run", "test:browser"])
            .current_dir(context.workspace.path("npm"))
            .env("CHROMIUM", &browser.chromium);
        context.supervisor.run(&command, log)
    })?;
    context.progress.step("Build apps with the packed package, and run them", |log| {
        let mut command = Command::new("npm");
        command
            .args(["run", "test:bundlers"])
            .current_dir(context.workspace.path("npm"))
            .env("CHROMIUM", &browser.chromium);
        context.supervisor.run(&command, log)
    })?;
    let driver = browser::geckodriver(context)?;
    context.progress.step("Run the built package in Firefox", |log| {
        let mut command = Command::new("npm");
        command
            .args(["run", "test:firefox"])
            .current_dir(context.workspace.path("npm"))
            .env("GECKODRIVER", &driver);
        context.supervisor.run(&command, log)
    })
}

fn examples(context: &Context) -> Result<()> {
    node::check()?;
    node::build_client(context)?;
    node::build_example(context, "vanilla")?;
    node::build_example(context, "react-vite")?;
    node::build_leptos_example(context, "leptos-csr")?;
    node::build_leptos_example(context, "leptos-ssr")?;
    let size = node::leptos_script(context, "size.mjs")?;
    context
        .progress
        .step("Measure what authtool adds to a Leptos app", |log| context.supervisor.run(&size, log))
}

fn journey(context: &Context) -> Result<()> {
    node::check()?;
    let browser = browser::chromium(context)?;
    let firefox = browser::firefox(context)?;
    node::install(context, "tests/e2e")?;
    let executable = context.supervisor.executable().to_owned();
    context.progress.step("Walk through the demos in Chromium and Firefox", |log| {
        // Not by way of npm: whoever kills us then also ends this, and it the demo.
        let mut command = Command::new("node");
        command
            .arg("run.mjs")
            .current_dir(context.workspace.path("tests/e2e"))
            .env("CHROMIUM", &browser.chromium)
            .env("FIREFOX", &firefox)
            .env("AUTHTOOL_XTASK", &executable);
        context.supervisor.run(&command, log)
    })
}
