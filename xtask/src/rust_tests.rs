//! The Rust tests: several programs at a time. Each starts servers of its own, on free ports.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::{Context, caddy, envoy, glewlwyd, nginx, node, redis, side_by_side};

/// What runs longest starts first; the order of the others does not matter.
const LONGEST_FIRST: [&str; 4] = ["gateway", "security", "replicas", "stores"];

/// A program of tests.
struct Suite {
    /// `package::target`
    name: String,
    program: PathBuf,
    /// The package's folder: tests expect to start there.
    folder: PathBuf,
}

/// Installs what the tests need, builds them, and runs all of them.
pub(crate) fn run(context: &Context) -> Result<()> {
    // The integration tests start one provider with node, another, and Redis.
    node::check()?;
    redis::ensure_installed(context)?;
    envoy::ensure_installed(context)?;
    nginx::ensure_installed(context)?;
    caddy::ensure_installed(context)?;
    glewlwyd::ensure_installed(context)?;
    node::install(context, "tests/provider")?;
    context.progress.step("Build the tests and the server", |log| {
        context.supervisor.run(&context.workspace.cargo(&["build", "--workspace", "--all-targets"]), log)
    })?;
    let suites = suites(context)?;
    // Each as if the other passed: who fixes something wants to know all of it.
    let programs = context
        .progress
        .step(&format!("Run {} programs of Rust tests", suites.len()), |_| run_all(context, suites));
    context.supervisor.proceed()?;
    let examples = context.progress.step("Run the examples of the Rust documentation", |log| {
        context
            .supervisor
            .run(&context.workspace.cargo(&["test", "--workspace", "--doc", "--no-fail-fast"]), log)
    });
    programs.and(examples)
}

/// Asks cargo which programs there are: none can be forgotten.
fn suites(context: &Context) -> Result<Vec<Suite>> {
    let output = context
        .workspace
        .cargo(&["test", "--workspace", "--no-run", "--quiet", "--message-format=json"])
        .output()
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "cargo cannot list the tests:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut suites: Vec<Suite> = String::from_utf8_lossy(&output.stdout).lines().filter_map(suite).collect();
    ensure!(!suites.is_empty(), "cargo names no program of tests");
    let place = |suite: &Suite| {
        let longest = |it: &&str| suite.name.ends_with(&format!("::{it}"));
        LONGEST_FIRST.iter().position(longest).unwrap_or(LONGEST_FIRST.len())
    };
    suites.sort_by_key(place);
    Ok(suites)
}

/// One line of cargo's, if it is about a program of tests.
fn suite(line: &str) -> Option<Suite> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message.get("reason")? != "compiler-artifact" || message.pointer("/profile/test")? != true {
        return None;
    }
    let program = PathBuf::from(message.get("executable")?.as_str()?);
    let folder = Path::new(message.get("manifest_path")?.as_str()?).parent()?.to_owned();
    let target = message.pointer("/target/name")?.as_str()?;
    let package = folder.file_name()?.to_str()?;
    Some(Suite { name: format!("{package}::{target}"), program, folder })
}

fn run_all(context: &Context, suites: Vec<Suite>) -> Result<()> {
    let failed = side_by_side::each(context, suites, |suite| {
        let mut command = Command::new(&suite.program);
        command.current_dir(&suite.folder);
        side_by_side::run(context, &format!("tests of {}", suite.name), &command)
    })?;
    if failed.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = failed.iter().map(|suite| suite.name.as_str()).collect();
    bail!("tests failed in {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_tests_is_told_from_other_artifacts() {
        let line = |test: bool| {
            serde_json::json!({
                "reason": "compiler-artifact", "manifest_path": "/repository/tests/Cargo.toml",
                "target": { "name": "gateway" }, "profile": { "test": test }, "executable": "/target/gateway-1",
            })
            .to_string()
        };
        let found = suite(&line(true)).unwrap();
        assert_eq!(
            (found.name.as_str(), found.folder.as_path()),
            ("tests::gateway", Path::new("/repository/tests"))
        );
        assert!(suite(&line(false)).is_none());
        assert!(suite("not JSON").is_none());
    }
}
