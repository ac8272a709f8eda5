//! `cargo xtask`: what the repository does with itself.
//!
//! Everything that people and CI type is here, so that it works on a machine that has only cargo, node
//! and npm: what else is needed is installed on the way, pinned, into a cache of our own.
// A command-line tool talks on its standard streams.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod apache;
mod bench;
mod book;
mod browser;
mod caddy;
mod debian;
mod demo;
mod deploy;
mod envoy;
mod fuzz;
mod glewlwyd;
mod http;
mod interface;
mod keycloak;
mod nginx;
mod node;
mod ports;
mod process;
mod progress;
mod python;
mod redis;
mod rust_tests;
mod rust_tools;
mod side_by_side;
mod test;
mod workspace;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Mutex;

use clap::{CommandFactory, Parser, Subcommand};

use crate::process::Supervisor;
use crate::progress::Progress;
use crate::workspace::Workspace;

/// The tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// Build everything and start the demo: provider, API and server, on one machine
    Demo(demo::Options),
    /// Run every check and test, or only the steps that are named
    Test(test::Options),
    /// Measure how fast and how small everything is, beside what would be the fastest possible
    Bench(bench::Options),
    /// Look for bytes that a parser does not survive, in every fuzz target or those that are named
    Fuzz(fuzz::Options),
    /// Become a program that ends when its parent does (used by the other tasks)
    #[command(hide = true)]
    WithParent {
        /// The process id of the parent.
        parent: u32,
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        None => {
            let help = Arguments::command().render_help();
            eprintln!("{help}");
            return ExitCode::from(2);
        }
        Some(Task::WithParent { parent, command }) => Err(process::become_child_of(parent, &command)),
        Some(Task::Demo(options)) => start().and_then(|context| demo::run(&context, &options)),
        Some(Task::Bench(options)) => start().and_then(|context| bench::run(&context, &options)),
        Some(Task::Fuzz(options)) => start().and_then(|context| fuzz::run(&context, &options)),
        Some(Task::Test(options)) => start().and_then(|context| test::run(&context, &options)),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What every task works with.
struct Context {
    workspace: Workspace,
    supervisor: Supervisor,
    progress: Progress,
    /// The programs of tests that cargo has named, by the arguments that it was asked with.
    programs: Mutex<BTreeMap<String, Vec<rust_tests::Program>>>,
}

fn start() -> anyhow::Result<Context> {
    let workspace = Workspace::find()?;
    let supervisor = Supervisor::install()?;
    let progress = Progress::new(workspace.logs())?;
    Ok(Context { workspace, supervisor, progress, programs: Mutex::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What people copy from the pages is a command that there is, with options that it takes.
    #[test]
    fn every_task_in_the_documentation_is_one_of_ours() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut folders = vec![root.to_owned()];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if path.is_dir() {
                    let is_ours = !["target", "node_modules", "dist"].contains(&name.as_str());
                    if is_ours && !name.starts_with('.') {
                        folders.push(path);
                    }
                } else if path.extension().is_some_and(|it| it == "md") && name != "CHANGELOG.md" {
                    for line in std::fs::read_to_string(&path).unwrap().lines() {
                        let Some(task) = line.trim_start().strip_prefix("cargo xtask ") else { continue };
                        let task = task.split('#').next().unwrap_or_default();
                        let parsed =
                            Arguments::try_parse_from(["xtask"].into_iter().chain(task.split_whitespace()));
                        assert!(parsed.is_ok(), "{}: cargo xtask {task}: {:?}", path.display(), parsed.err());
                        seen += 1;
                    }
                }
            }
        }
        assert!(seen > 5, "only {seen} commands were found");
    }
}
