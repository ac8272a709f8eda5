//! `cargo xtask test --changed`: what a change can affect, and nothing else. For the minutes between two edits; what
//! lands is checked by the complete run.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use super::report::Report;
use super::steps::{self, Step};
use crate::progress::note;
use crate::{Context, book, browser, node, rust_tests};

/// What to do about some changed files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Plan {
    /// Steps of the complete run.
    steps: BTreeSet<&'static str>,
    /// Programs of Rust tests, as `package::target`.
    programs: BTreeSet<String>,
    /// Files of `npm/test/browser`.
    in_chromium: BTreeSet<String>,
    /// The npm package's tests that need no browser.
    npm: bool,
    /// The documentation site, without the crates' own documentation.
    site: bool,
    /// Files that nothing is known about, or that can affect everything.
    complete: BTreeSet<String>,
}

/// The server's unit tests.
const UNIT: &str = "bff-server::authtool_bff";
/// The reference pages and the snippets of the documentation.
const DOCS: &str = "bff-server::docs";
/// What the repository says of itself.
const REPOSITORY: &str = "tests::repository";

/// By the beginning of a path, the first that fits: programs of Rust tests that a change there can affect. What takes
/// longer than it is likely to tell something is left to the complete run.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("bff-server/src/domain/", &[UNIT, REPOSITORY, "tests::security"]),
    ("bff-server/src/seal/", &[UNIT, REPOSITORY, "tests::stores"]),
    ("bff-server/src/adapters/redis/", &[UNIT, "tests::stores"]),
    ("bff-server/src/adapters/embedded", &[UNIT, "tests::stores"]),
    ("bff-server/src/adapters/", &[UNIT, "tests::security", "tests::journeys"]),
    ("bff-server/src/config/", &[UNIT, DOCS, "bff-server::library", "tests::operations"]),
    ("bff-server/src/doctor/", &[UNIT, DOCS, "tests::operations"]),
    ("bff-server/src/telemetry/", &[UNIT, DOCS, "tests::operations"]),
    ("bff-server/src/bin/", &[DOCS, "tests::operations"]),
    ("bff-server/src/envoy/", &[UNIT, "tests::gateway"]),
    ("bff-server/src/", &[UNIT, DOCS, "tests::security", "tests::journeys"]),
    ("bff-server/tests/docs/", &[DOCS]),
    ("bff-server/tests/library/", &["bff-server::library"]),
    ("bench/", &["bench::authtool_bench"]),
    ("client-leptos/src/", &["client-leptos::authtool_leptos", "client-leptos::ssr", "tests::journeys"]),
    ("client-leptos/tests/ssr", &["client-leptos::ssr"]),
    ("client-wasm/src/", &["client-wasm::authtool_client", "client-wasm::manager"]),
    ("client-wasm/tests/manager", &["client-wasm::manager"]),
    ("contract/src/", &["contract::authtool_contract", UNIT, DOCS, "tests::security"]),
    ("deploy/", &[REPOSITORY]),
    ("fuzz/", &[REPOSITORY]),
    ("gateway/", &["tests::gateway"]),
    ("tests/configs/", &["bff-server::library"]),
    ("tests/fixtures/", &["tests::journeys"]),
    ("tests/provider/", &["tests::journeys"]),
    ("xtask/", &["xtask::xtask"]),
];

/// By the beginning of a path, all that fit: steps of the complete run.
const STEPS: &[(&str, &[Step])] = &[
    (".github/", &[Step::Deploy]),
    ("client-leptos/", &[Step::WasmBuild, Step::Wasm, Step::Sizes]),
    ("client-wasm/", &[Step::WasmBuild, Step::Wasm, Step::Client]),
    ("deny.toml", &[Step::Deny]),
    ("deploy/", &[Step::Deploy]),
    ("examples/", &[Step::Client, Step::Examples]),
    ("npm/package", &[Step::Client]),
    ("npm/scripts/", &[Step::Client]),
    ("npm/src/", &[Step::Client]),
];

/// By the beginning of a path, the first that fits: tests of the npm package in Chromium. Those of React stand for all
/// bindings, which have their logic in common.
const IN_CHROMIUM: &[(&str, &[&str])] = &[
    ("npm/src/react", &["react.test.mjs"]),
    ("npm/src/vue", &[]),
    ("npm/src/svelte", &[]),
    ("npm/src/solid", &[]),
    ("npm/src/testing", &[]),
    ("npm/src/streaming", &["loading.test.mjs"]),
    ("npm/src/fetch", &["fetch.test.mjs", "axios.test.mjs"]),
    ("npm/src/", &["client.test.mjs", "react.test.mjs", "fetch.test.mjs", "loading.test.mjs"]),
    ("client-wasm/", &["client.test.mjs", "contract.test.mjs"]),
];

/// Compares the working tree with where its branch left `main`, or with `since`, and runs what that can affect.
pub(super) fn run(context: &Context, since: Option<&str>) -> Result<ExitCode> {
    let files = changed_files(context, since)?;
    if files.is_empty() {
        note("Nothing has changed.");
        return Ok(ExitCode::SUCCESS);
    }
    let plan = Plan::of(files.iter().map(String::as_str));
    for file in &plan.complete {
        note(&format!("{file} can affect everything: run `cargo xtask test` before you propose it."));
    }
    let report = Report::new(context, false);
    plan.run(context, &files, &report);
    Ok(report.finish())
}

fn changed_files(context: &Context, since: Option<&str>) -> Result<Vec<String>> {
    let git = |arguments: &[&str]| -> Result<String> {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(context.workspace.path("."))
            .output()
            .context("cannot run git")?;
        if !output.status.success() {
            bail!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let base = match since {
        Some(commit) => commit.to_owned(),
        // A clone may have no branch `main` of its own.
        None => git(&["merge-base", "HEAD", "origin/main"])
            .or_else(|_| git(&["merge-base", "HEAD", "main"]))
            .context("say what to compare with: --since COMMIT")?,
    };
    let mut files: Vec<String> = Vec::new();
    for list in [
        git(&["diff", "--name-only", "--no-renames", &base])?,
        git(&["ls-files", "--others", "--exclude-standard"])?,
    ] {
        files.extend(list.lines().map(str::to_owned));
    }
    Ok(files)
}

fn has_extension(file: &str, extension: &str) -> bool {
    Path::new(file).extension().is_some_and(|it| it == extension)
}

impl Plan {
    /// For these files, relative to the repository's root.
    fn of<'a>(files: impl IntoIterator<Item = &'a str>) -> Self {
        let mut whole = Self::default();
        for file in files {
            let mut plan = Self::of_file(file);
            if plan == Self::default() {
                plan.complete.insert(file.to_owned());
            }
            whole.steps.extend(plan.steps);
            whole.programs.extend(plan.programs);
            whole.in_chromium.extend(plan.in_chromium);
            whole.npm |= plan.npm;
            whole.site |= plan.site;
            whole.complete.extend(plan.complete);
        }
        whole
    }

    fn of_file(file: &str) -> Self {
        let mut plan = Self::default();
        let mut programs = |names: &[&str]| plan.programs.extend(names.iter().map(|it| (*it).to_owned()));
        let is_page = file.starts_with("docs/") || has_extension(file, "md");
        if is_page {
            programs(&[DOCS, REPOSITORY]);
        } else if let Some((program, _)) = file.strip_prefix("tests/tests/").and_then(|it| it.split_once('/'))
        {
            programs(&[&format!("tests::{program}"), REPOSITORY]);
        } else if let Some((_, names)) = PROGRAMS.iter().find(|(beginning, _)| file.starts_with(beginning)) {
            programs(names);
        }
        plan.site = file.starts_with("docs/") || file == "book.toml";
        for (_, steps) in STEPS.iter().filter(|(beginning, _)| file.starts_with(beginning)) {
            plan.steps.extend(steps.iter().map(|step| step.name()));
        }
        if let Some(test) = file.strip_prefix("npm/test/browser/") {
            plan.in_chromium.extend(test.ends_with(".test.mjs").then(|| test.to_owned()));
            plan.steps.insert(Step::Client.name());
        } else if let Some((_, tests)) = IN_CHROMIUM.iter().find(|(beginning, _)| file.starts_with(beginning))
        {
            plan.in_chromium.extend(tests.iter().map(|it| (*it).to_owned()));
        }
        if file.starts_with("npm/") && !is_page {
            plan.npm = true;
            plan.steps.insert(Step::Client.name());
        }
        plan
    }

    fn run(&self, context: &Context, files: &[String], report: &Report<'_>) {
        let has_rust = files.iter().any(|file| has_extension(file, "rs"));
        let mut steps: Vec<Step> = Vec::new();
        if has_rust {
            steps.extend([Step::Fmt, Step::Clippy]);
        }
        let all = <Step as clap::ValueEnum>::value_variants();
        steps.extend(all.iter().filter(|step| self.steps.contains(step.name())));
        for step in steps {
            if !report.attempt(step.name(), None, || step.run(context)) {
                return;
            }
        }
        if self.npm && !report.attempt("npm", None, || steps::npm_tests(context)) {
            return;
        }
        if !self.in_chromium.is_empty() && !report.attempt("browser", None, || self.in_chromium(context)) {
            return;
        }
        if self.site && !report.attempt("site", None, || book::build(context)) {
            return;
        }
        if !self.programs.is_empty() {
            report.attempt("rust", None, || self.rust(context));
        }
    }

    fn in_chromium(&self, context: &Context) -> Result<()> {
        let browser = browser::chromium(context)?;
        node::install(context, "npm/test/apps")?;
        let files = self.in_chromium.iter().map(|file| format!("test/browser/{file}"));
        context.progress.step("Run the package's tests in Chromium", |log| {
            let mut install = Command::new("npm");
            install.args(["run", "install:apps"]).current_dir(context.workspace.path("npm"));
            context.supervisor.run(&install, log)?;
            let mut command = Command::new("node");
            command
                .args(["--test", "--test-reporter=spec"])
                .args(files)
                .current_dir(context.workspace.path("npm"))
                .env("CHROMIUM", &browser.chromium);
            context.supervisor.run(&command, log)
        })
    }

    fn rust(&self, context: &Context) -> Result<()> {
        rust_tests::prepare(context)?;
        // Only these, with the features of the whole workspace, so that no dependency is compiled again.
        let mut arguments = rust_tests::EVERYTHING.map(str::to_owned).to_vec();
        for program in &self.programs {
            let (_, target) = program.split_once("::").unwrap_or_default();
            let is_unit = ["authtool", "xtask"].iter().any(|it| target.starts_with(it));
            arguments.extend(if is_unit {
                vec!["--lib".to_owned()]
            } else {
                vec!["--test".to_owned(), target.to_owned()]
            });
        }
        if self.programs.contains("xtask::xtask") {
            arguments.extend(["--bin".to_owned(), "xtask".to_owned()]);
        }
        // What the integration tests start.
        arguments.extend(["--bin".to_owned(), "authtool-bff".to_owned()]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        context.progress.step("Build the tests and the server", |log| {
            let arguments = [&["test", "--no-run"], &arguments[..]].concat();
            context.supervisor.run(&context.workspace.cargo(&arguments), log)
        })?;
        let mut programs = rust_tests::programs(context, &arguments)?;
        programs.retain(|program| self.programs.contains(&program.name));
        // Nothing else runs beside them, and most tests wait.
        let threads = ["--test-threads=4".to_owned()];
        context.progress.step(&format!("Run {} programs of Rust tests", programs.len()), |_| {
            rust_tests::run_all(context, programs, &threads)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_runs_what_it_can_affect() {
        for (file, steps, programs, in_chromium, npm, site) in [
            (
                "bff-server/src/domain/id_token.rs",
                &[][..],
                &[UNIT, "tests::repository", "tests::security"][..],
                &[][..],
                false,
                false,
            ),
            ("bff-server/src/adapters/redis/link.rs", &[], &[UNIT, "tests::stores"], &[], false, false),
            (
                "bff-server/src/http/logout.rs",
                &[],
                &[UNIT, DOCS, "tests::journeys", "tests::security"],
                &[],
                false,
                false,
            ),
            ("npm/src/react/index.ts", &["client"], &[], &["react.test.mjs"], true, false),
            ("npm/test/browser/axios.test.mjs", &["client"], &[], &["axios.test.mjs"], true, false),
            ("docs/login.md", &[], &[DOCS, "tests::repository"], &[], false, true),
            ("npm/README.md", &[], &[DOCS, "tests::repository"], &[], false, false),
            (
                "tests/tests/stores/trouble.rs",
                &[],
                &["tests::repository", "tests::stores"],
                &[],
                false,
                false,
            ),
            (".github/workflows/ci.yml", &["deploy"], &[], &[], false, false),
        ] {
            let plan = Plan::of([file]);
            assert_eq!(plan.steps, steps.iter().copied().collect(), "{file}");
            assert_eq!(plan.programs, programs.iter().map(|it| (*it).to_owned()).collect(), "{file}");
            assert_eq!(plan.in_chromium, in_chromium.iter().map(|it| (*it).to_owned()).collect(), "{file}");
            assert_eq!((plan.npm, plan.site), (npm, site), "{file}");
            assert!(plan.complete.is_empty(), "{file}");
        }
    }

    #[test]
    fn what_can_affect_everything_asks_for_a_complete_run() {
        for file in ["Cargo.lock", "rust-toolchain.toml", "tests/src/server.rs", "something-new"] {
            assert_eq!(Plan::of([file]).complete.len(), 1, "{file}");
        }
    }
}
