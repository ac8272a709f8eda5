//! The Rust tests: several programs at a time. Each starts servers of its own, on free ports.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::{Context, caddy, debian, envoy, glewlwyd, keycloak, nginx, node, redis, side_by_side};

/// What runs longest starts first; the order of the others does not matter.
const LONGEST_FIRST: [&str; 4] = ["gateway", "security", "replicas", "stores"];

/// What everything natively compiled is compiled with. The features of a dependency depend on the packages that are
/// asked for, so a command that names fewer would compile half of them again.
pub(crate) const EVERYTHING: [&str; 1] = ["--workspace"];

/// A program of tests.
#[derive(Clone)]
pub(crate) struct Program {
    /// `package::target`
    pub(crate) name: String,
    /// The executable, or the WebAssembly module.
    pub(crate) file: PathBuf,
    /// The package's folder: tests expect to start there.
    pub(crate) folder: PathBuf,
}

/// Builds the server, the other programs that tests and demos start, and all tests.
pub(crate) fn build(context: &Context) -> Result<()> {
    for (title, arguments) in [
        ("Build the server and the examples' programs", &["build", "--bins"][..]),
        ("Build the tests", &["test", "--no-run"]),
    ] {
        let arguments = [arguments, &EVERYTHING[..]].concat();
        context
            .progress
            .step(title, |log| context.supervisor.run(&context.workspace.cargo(&arguments), log))?;
    }
    programs(context, &EVERYTHING).map(drop)
}

/// Installs what the tests need, and runs all of them.
pub(crate) fn run(context: &Context) -> Result<()> {
    prepare(context)?;
    let programs = programs(context, &EVERYTHING)?;
    context
        .progress
        .step(&format!("Run {} programs of Rust tests", programs.len()), |_| run_all(context, programs, &[]))
}

/// The integration tests start one provider with node, two others, Redis and gateways.
pub(crate) fn prepare(context: &Context) -> Result<()> {
    node::check()?;
    debian::ensure(context, &[&redis::PART, &nginx::PART, &caddy::PART, &glewlwyd::PART])?;
    envoy::ensure_installed(context)?;
    keycloak::ensure_installed(context)?;
    node::install(context, "tests/provider")
}

/// The programs of tests that cargo builds for these arguments: cargo is asked, so that none can be forgotten. It is
/// asked once, since it may be busy when the answer is wanted again.
pub(crate) fn programs(context: &Context, arguments: &[&str]) -> Result<Vec<Program>> {
    let key = arguments.join(" ");
    let mut known = context.programs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(programs) = known.get(&key) {
        return Ok(programs.clone());
    }
    let output = context
        .workspace
        .cargo(&[&["test", "--no-run", "--quiet", "--message-format=json"], arguments].concat())
        .output()
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "cargo cannot list the tests:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut programs: Vec<Program> =
        String::from_utf8_lossy(&output.stdout).lines().filter_map(program).collect();
    ensure!(!programs.is_empty(), "cargo names no program of tests");
    let place = |program: &Program| {
        let longest = |it: &&str| program.name.ends_with(&format!("::{it}"));
        LONGEST_FIRST.iter().position(longest).unwrap_or(LONGEST_FIRST.len())
    };
    programs.sort_by_key(place);
    known.insert(key, programs.clone());
    Ok(programs)
}

/// One line of cargo's, if it is about a program of tests.
fn program(line: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message.get("reason")? != "compiler-artifact" || message.pointer("/profile/test")? != true {
        return None;
    }
    let file = PathBuf::from(message.get("executable")?.as_str()?);
    let folder = Path::new(message.get("manifest_path")?.as_str()?).parent()?.to_owned();
    let target = message.pointer("/target/name")?.as_str()?;
    let package = folder.file_name()?.to_str()?;
    Some(Program { name: format!("{package}::{target}"), file, folder })
}

/// Runs these programs with these arguments, each as if the others passed: a person who fixes something wants to know
/// all of it.
pub(crate) fn run_all(context: &Context, programs: Vec<Program>, arguments: &[String]) -> Result<()> {
    let server = context.workspace.target("debug/authtool-bff");
    let failed = side_by_side::each(context, programs, |program| {
        let mut command = Command::new(&program.file);
        // The server that has just been built: cargo may be busy with something else.
        command.args(arguments).current_dir(&program.folder).env("AUTHTOOL_BFF", &server);
        side_by_side::run(context, &format!("tests of {}", program.name), &command)
    })?;
    if failed.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = failed.iter().map(|program| program.name.as_str()).collect();
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
        let found = program(&line(true)).unwrap();
        assert_eq!(
            (found.name.as_str(), found.folder.as_path()),
            ("tests::gateway", Path::new("/repository/tests"))
        );
        assert!(program(&line(false)).is_none());
        assert!(program("not JSON").is_none());
    }
}
