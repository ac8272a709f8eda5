//! `cargo xtask fuzz`: looks for bytes that a parser does not survive.
//!
//! The targets are those of `cargo fuzz`, but the pinned stable compiler builds them: coverage needs no more than
//! flags of LLVM. A panic or an overflow is a finding; the memory errors that sanitizers look for cannot happen in
//! code without `unsafe`.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::debian::{self, Part};
use crate::rust_tools::on_path;
use crate::{Context, side_by_side};

/// What `cargo xtask fuzz` runs.
#[derive(Args)]
pub(crate) struct Options {
    /// Only these targets (the names of the folders in fuzz/seeds)
    #[arg(value_name = "TARGET")]
    only: Vec<String>,
    /// How long each target runs
    #[arg(long, default_value_t = 300)]
    seconds: u64,
}

/// The platforms of libFuzzer that we know.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// As `cargo fuzz` instruments, without what only nightly compilers know.
const FLAGS: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
     -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The longest token we read, and a little more.
const MAX_BYTES: usize = 20_000;

/// The task.
pub(crate) fn run(context: &Context, options: &Options) -> Result<ExitCode> {
    fuzz(context, &options.only, options.seconds)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs targets, all if none is named, each for this long. Every target runs, whether or not one before it found
/// something.
pub(crate) fn fuzz(context: &Context, only: &[String], seconds: u64) -> Result<()> {
    ensure!(
        cfg!(all(target_arch = "x86_64", target_os = "linux")),
        "fuzzing is set up for {TARGET} only; the seeds run everywhere: cargo test --workspace --test repository fuzz"
    );
    let targets = targets(&context.workspace.path("fuzz/seeds"))?;
    if let Some(unknown) = only.iter().find(|name| !targets.contains(name)) {
        bail!("there is no fuzz target {unknown}; there are {}", targets.join(", "));
    }
    debian::ensure(context, &[&COMPILER])?;
    locks_what_the_workspace_locks(context)?;
    context.progress.step("Build the fuzz targets", |log| context.supervisor.run(&build(context), log))?;
    let chosen: Vec<&String> = targets.iter().filter(|name| only.is_empty() || only.contains(name)).collect();
    let title = format!("Fuzz {} for {seconds} seconds each", counted(chosen.len()));
    context.progress.step(&title, |_| {
        let findings = side_by_side::each(context, chosen, |name| {
            side_by_side::run(context, &format!("fuzz {name}"), &target(context, name, seconds)?)
        })?;
        let names: Vec<&str> = findings.iter().map(|name| name.as_str()).collect();
        ensure!(
            findings.is_empty(),
            "findings in {}: the inputs are in {}; run a target's binary with one of them to see it again",
            names.join(", "),
            context.workspace.target("fuzz/findings").display()
        );
        Ok(())
    })
}

/// Each has a folder of seeds.
fn targets(seeds: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(seeds)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// libFuzzer is C++.
const COMPILER: Part = Part {
    name: "a C++ compiler",
    packages: &["g++"],
    is_installed: || ["c++", "g++", "clang++"].iter().any(|it| on_path(it).is_some()),
    advice: "A C++ compiler is needed on the PATH for libFuzzer.\n\
             Debian and Ubuntu: `apt-get install g++`.",
    masks: None,
};

fn counted(targets: usize) -> String {
    if targets == 1 { "one target".to_owned() } else { format!("{targets} targets") }
}

/// The same versions as in the workspace, whose lock file is copied whenever it has changed; libFuzzer comes on top.
fn locks_what_the_workspace_locks(context: &Context) -> Result<()> {
    let (ours, theirs) = (context.workspace.path("Cargo.lock"), context.workspace.path("fuzz/Cargo.lock"));
    let changed = |path: &Path| fs::metadata(path).and_then(|it| it.modified()).ok();
    if changed(&theirs) < changed(&ours) {
        fs::copy(ours, theirs)?;
    }
    Ok(())
}

fn build(context: &Context) -> Command {
    // The target is named so that the flags do not reach build scripts.
    let mut command = context.workspace.cargo(&["build", "--release", "--bins", "--target", TARGET]);
    command
        .current_dir(context.workspace.path("fuzz"))
        .env("CARGO_TARGET_DIR", context.workspace.target("fuzz"))
        .env("RUSTFLAGS", FLAGS);
    command
}

fn target(context: &Context, name: &str, seconds: u64) -> Result<Command> {
    let corpus = context.workspace.target(&format!("fuzz/corpus/{name}"));
    let findings = context.workspace.target(&format!("fuzz/findings/{name}"));
    for folder in [&corpus, &findings] {
        fs::create_dir_all(folder)?;
    }
    let mut command = Command::new(context.workspace.target(&format!("fuzz/{TARGET}/release/{name}")));
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={MAX_BYTES}"))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"])
        // What is found is written to the first folder.
        .arg(corpus)
        .arg(context.workspace.path(&format!("fuzz/seeds/{name}")));
    Ok(command)
}
