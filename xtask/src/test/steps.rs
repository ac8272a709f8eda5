//! What is checked, step by step.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use super::schedule::Task;
use super::{browser_tests, tools};
use crate::progress::note;
use crate::{Context, book, browser, deploy, interface, node, rust_tests, rust_tools};

/// One line of the table. They start in this order, unless one needs another: what is fastest to fail comes first, and
/// what others wait for before what nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(super) enum Step {
    /// Everything that the other steps start is installed
    Tools,
    /// Rust is formatted
    Fmt,
    /// clippy has nothing to say, natively and for the browser
    Clippy,
    /// The server and the tests build
    Build,
    /// Dependencies: bans, licences, sources, advisories
    Deny,
    /// Container, chart, units, alerts and workflows are what their linters want
    Deploy,
    /// Unit and integration tests in Rust, the seeds of the fuzz targets among them
    Rust,
    /// The browser client builds: WebAssembly and npm package
    Client,
    /// The examples build
    Examples,
    /// The journeys of users, in Chromium and Firefox, against the demos
    E2e,
    /// The npm package passes its tests
    Npm,
    /// The browser client's Rust tests build
    WasmBuild,
    /// The browser client's Rust tests pass in Chromium and Firefox
    Wasm,
    /// The crates' public interfaces are those on record
    Interface,
    /// The documentation builds, its examples run, and its links lead somewhere
    Doc,
    /// What authtool adds to a Leptos app is within its limit
    Sizes,
    /// Each crate compiles alone, with the features that its users choose (only when named)
    Features,
}

impl Step {
    /// Its line in the table and its name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Build => "build",
            Self::Deny => "deny",
            Self::Deploy => "deploy",
            Self::Rust => "rust",
            Self::Client => "client",
            Self::Examples => "examples",
            Self::E2e => "e2e",
            Self::Npm => "npm",
            Self::WasmBuild => "wasm-build",
            Self::Wasm => "wasm",
            Self::Interface => "interface",
            Self::Doc => "doc",
            Self::Sizes => "sizes",
            Self::Features => "features",
        }
    }

    /// Whether a run that names no step leaves it out: a scheduled workflow has it.
    pub(super) fn is_extra(self) -> bool {
        self == Self::Features
    }

    /// How long it takes on two cores, beside the step in the other lane: from an empty cache, and with a warm one. The
    /// table marks a step that took half as long again.
    #[allow(clippy::match_same_arms, reason = "a table with a line for each step")]
    pub(super) fn budget(self, warm: bool) -> Duration {
        let (cold, then) = match self {
            Self::Tools => (600, 5),
            Self::Fmt => (5, 5),
            Self::Clippy => (360, 30),
            Self::Build => (480, 30),
            Self::Deny => (20, 10),
            Self::Deploy => (60, 30),
            Self::Rust => (480, 360),
            Self::Client => (60, 20),
            Self::Examples => (480, 30),
            Self::E2e => (480, 420),
            Self::Npm => (300, 240),
            Self::WasmBuild => (300, 20),
            Self::Wasm => (60, 60),
            Self::Interface => (60, 20),
            Self::Doc => (60, 30),
            Self::Sizes => (180, 60),
            Self::Features => (600, 60),
        };
        Duration::from_secs(if warm { then } else { cold })
    }

    /// Steps that are part of this one: who asks for it gets them too.
    pub(super) fn parts(self) -> &'static [Self] {
        match self {
            Self::Rust => &[Self::Build],
            Self::Examples | Self::Npm => &[Self::Client],
            Self::E2e => &[Self::Build, Self::Examples],
            Self::Wasm => &[Self::WasmBuild],
            _ => &[],
        }
    }

    /// Does it.
    pub(super) fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Tools => tools::install(context),
            Self::Fmt => {
                cargo(context, "Check the formatting", &["fmt", "--all", "--check", "--", "--color", "never"])
            }
            Self::Clippy => clippy(context),
            Self::Build => rust_tests::build(context),
            Self::Deny => dependencies(context),
            Self::Deploy => deploy::check(context),
            Self::Rust => rust_tests::run(context),
            Self::Client => {
                node::check()?;
                node::build_client(context)
            }
            Self::Examples => examples(context),
            Self::E2e => journeys(context),
            Self::Npm => npm_package(context),
            Self::WasmBuild => browser_tests::build(context),
            Self::Wasm => browser_tests::run(context),
            Self::Interface => interface::check(context),
            Self::Doc => documentation(context),
            Self::Sizes => sizes(context),
            Self::Features => features(context),
        }
    }
}

impl Task for Step {
    fn needs(self) -> &'static [Self] {
        match self {
            Self::Deny | Self::Deploy | Self::Client | Self::Doc | Self::Sizes => &[Self::Tools],
            Self::Rust => &[Self::Tools, Self::Build],
            Self::Examples => &[Self::Client],
            Self::E2e => &[Self::Tools, Self::Build, Self::Examples],
            Self::Npm => &[Self::Tools, Self::Client],
            Self::Wasm => &[Self::Tools, Self::WasmBuild],
            Self::Tools
            | Self::Fmt
            | Self::Clippy
            | Self::Build
            | Self::WasmBuild
            | Self::Interface
            | Self::Features => &[],
        }
    }

    fn compiles(self) -> bool {
        matches!(
            self,
            Self::Clippy
                | Self::Build
                | Self::Client
                | Self::Examples
                | Self::WasmBuild
                | Self::Interface
                | Self::Doc
                | Self::Sizes
                | Self::Features
        )
    }
}

fn cargo(context: &Context, title: &str, arguments: &[&str]) -> Result<()> {
    context.progress.step(title, |log| context.supervisor.run(&context.workspace.cargo(arguments), log))
}

fn clippy(context: &Context) -> Result<()> {
    cargo(context, "Run clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

/// What a user compiles who depends on one crate. The other steps compile all of them together, with the features that
/// any of them asks for.
fn features(context: &Context) -> Result<()> {
    for (package, features) in [
        ("authtool-contract", &[][..]),
        ("authtool-contract", &["--all-features"]),
        ("authtool-bff", &[]),
        ("authtool-bff", &["--no-default-features"]),
        ("authtool-bff", &["--no-default-features", "--features", "store-contract"]),
        ("authtool-client", &[]),
        ("authtool-leptos", &["--features", "ssr"]),
        ("authtool-leptos", &["--features", "mounted"]),
        ("authtool-leptos", &["--features", "remote"]),
    ] {
        let arguments = [&["check", "--package", package], features].concat();
        cargo(context, &format!("Compile {package} {}", features.join(" ")), &arguments)?;
    }
    Ok(())
}

/// Bans, licences and sources are decided by files of this repository. Advisories need a database from
/// the network: that it cannot be reached is said, and is no failure; an advisory is one.
fn dependencies(context: &Context) -> Result<()> {
    let deny = |arguments: &[&str]| -> Result<Command> {
        let mut command = rust_tools::cargo_deny(context)?;
        command.args(arguments).current_dir(context.workspace.path("."));
        Ok(command)
    };
    let check = deny(&["check", "bans", "licenses", "sources"])?;
    context
        .progress
        .step("Check the dependencies' licences and sources", |log| context.supervisor.run(&check, log))?;
    let (_, log) = context.progress.log("fetch the advisories")?;
    if context.supervisor.run(&deny(&["fetch", "db"])?, &log).is_err() {
        context.supervisor.proceed()?;
        note("The advisory database cannot be reached: advisories were not checked.");
        return Ok(());
    }
    let check = deny(&["check", "--disable-fetch", "advisories"])?;
    context.progress.step("Check the dependencies' advisories", |log| context.supervisor.run(&check, log))
}

fn documentation(context: &Context) -> Result<()> {
    context.progress.step("Build the crates' documentation", |log| {
        // Programs of ours that have no library beside them.
        let mut command = rust_tools::rustdoc(context, &["--bin", "xtask", "--bin", "authtool-bench"]);
        command.env("RUSTDOCFLAGS", "-D warnings");
        context.supervisor.run(&command, log)
    })?;
    let examples = cargo(
        context,
        "Run the examples of the Rust documentation",
        &["test", "--workspace", "--doc", "--no-fail-fast"],
    );
    context.supervisor.proceed()?;
    book::build(context).and(examples)
}

/// A command of the npm package's.
fn npm(context: &Context, title: &str, arguments: &[&str], env: &[(&str, &std::path::Path)]) -> Result<()> {
    context.progress.step(title, |log| {
        let mut command = Command::new("npm");
        command.args(arguments).current_dir(context.workspace.path("npm")).envs(env.iter().copied());
        context.supervisor.run(&command, log)
    })
}

/// The npm package's tests that need no browser.
pub(super) fn npm_tests(context: &Context) -> Result<()> {
    node::install(context, "npm/test/size")?;
    npm(context, "Run the npm package's tests", &["test"], &[])
}

fn npm_package(context: &Context) -> Result<()> {
    npm_tests(context)?;
    let browser = browser::chromium(context)?;
    let chromium = &[("CHROMIUM", browser.chromium.as_path())];
    npm(context, "Run the built package in Chromium", &["run", "test:browser"], chromium)?;
    npm(context, "Build apps with the packed package, and run them", &["run", "test:bundlers"], chromium)?;
    let driver = browser::geckodriver(context)?;
    npm(context, "Run the built package in Firefox", &["run", "test:firefox"], &[("GECKODRIVER", &driver)])
}

fn examples(context: &Context) -> Result<()> {
    node::build_example(context, "vanilla")?;
    node::build_example(context, "react-vite")?;
    node::build_leptos_example(context, "leptos-csr")?;
    node::build_leptos_example(context, "leptos-ssr")
}

fn sizes(context: &Context) -> Result<()> {
    node::check()?;
    let size = node::leptos_script(context, "size.mjs")?;
    context
        .progress
        .step("Measure what authtool adds to a Leptos app", |log| context.supervisor.run(&size, log))
}

fn journeys(context: &Context) -> Result<()> {
    node::check()?;
    let browser = browser::chromium(context)?;
    let firefox = browser::firefox(context)?;
    node::install(context, "tests/e2e")?;
    node::install(context, "tests/provider")?;
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
