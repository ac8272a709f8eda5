//! Node.js, and the npm packages of this repository.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};

use crate::Context;
use crate::rust_tools::{self, WasmBindgen};
use crate::workspace::Fingerprint;

/// One installation at a time, so that two steps that need the same packages do not both install them.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Fails with advice unless a Node.js that our npm packages support, and npm, are installed.
pub(crate) fn check() -> Result<()> {
    const ADVICE: &str = "Install Node.js 22 or newer, which brings npm: https://nodejs.org/en/download";
    let version = match Command::new("node").arg("--version").output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => bail!("node is not installed.\n{ADVICE}"),
    };
    if !is_supported(&version) {
        bail!("node {version} is too old: 20.19, 22.12 or newer is needed.\n{ADVICE}");
    }
    if !Command::new("npm").arg("--version").output().is_ok_and(|output| output.status.success()) {
        bail!("npm is not installed, though node is.\n{ADVICE}");
    }
    Ok(())
}

/// What Vite, the most demanding of the packages, supports.
fn is_supported(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(20), Some(minor)) => minor >= 19,
        (Some(22), Some(minor)) => minor >= 12,
        (Some(major), _) => major > 22,
        (None, _) => false,
    }
}

/// Installs the packages of `folder` as its lock file says, unless that has been done.
pub(crate) fn install(context: &Context, folder: &str) -> Result<()> {
    let path = context.workspace.path(folder);
    let lock = fs::read(path.join("package-lock.json"))
        .with_context(|| format!("cannot read {folder}/package-lock.json"))?;
    // npm keeps a lock file of its own in there, but a different one: ours tells what was asked for.
    let installed = path.join("node_modules/.installed-package-lock.json");
    let is_installed = || fs::read(&installed).is_ok_and(|then| then == lock);
    if is_installed() {
        return Ok(());
    }
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if is_installed() {
        return Ok(());
    }
    context.progress.step(&format!("Install the npm packages of {folder}"), |log| {
        let mut command = Command::new("npm");
        command.args(["ci", "--no-audit", "--no-fund"]).current_dir(&path);
        context.supervisor.run(&command, log).with_context(|| {
            format!("cannot install the packages of {folder}; is the network there? (the npm registry must be reachable)")
        })?;
        fs::write(&installed, &lock).context("cannot write into node_modules")
    })
}

/// Builds the npm package `@authtool/client`, unless it is up to date.
pub(crate) fn build_client(context: &Context) -> Result<()> {
    rust_tools::wasm_target(context)?;
    let wasm_bindgen = rust_tools::wasm_bindgen(context)?;
    install(context, "npm")?;
    let folder = context.workspace.path("npm");
    let sources = ["client-wasm", "contract", "npm", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml"];
    build(
        context,
        "npm",
        &sources,
        &folder,
        &wasm_bindgen,
        "Build the browser client (WebAssembly and npm package)",
    )
}

/// Builds the example app into its `dist`, unless it is up to date. Needs the browser client.
pub(crate) fn build_example(context: &Context, name: &str) -> Result<()> {
    let folder = format!("examples/{name}");
    install(context, &folder)?;
    let wasm_bindgen = rust_tools::wasm_bindgen(context)?;
    build(
        context,
        &folder,
        &[&folder, "npm/dist", "npm/package.json"],
        &context.workspace.path(&folder),
        &wasm_bindgen,
        &format!("Build {folder}"),
    )
}

/// Builds a Leptos example's browser half into its `dist`, unless it is up to date.
pub(crate) fn build_leptos_example(context: &Context, name: &str) -> Result<()> {
    let folder = format!("examples/{name}");
    let sources = [
        &folder,
        "client-leptos",
        "client-wasm",
        "contract",
        "examples/vanilla/src/style.css",
        "Cargo.toml",
        "Cargo.lock",
        "rust-toolchain.toml",
    ];
    let mut command = leptos_script(context, "build.mjs")?;
    command.arg(name);
    let dist = context.workspace.path(&folder).join("dist");
    build_with(context, &folder, &sources, &dist, &format!("Build {folder}"), &command)
}

/// A script of `client-leptos`, with the tools that it needs.
pub(crate) fn leptos_script(context: &Context, script: &str) -> Result<Command> {
    rust_tools::wasm_target(context)?;
    let wasm_bindgen = rust_tools::wasm_bindgen(context)?;
    // For `wasm-opt`.
    install(context, "npm")?;
    let mut command = Command::new("node");
    command
        .arg(context.workspace.path("client-leptos/scripts").join(script))
        .env("WASM_BINDGEN", &wasm_bindgen.bindgen);
    Ok(command)
}

fn build(
    context: &Context,
    name: &str,
    sources: &[&str],
    folder: &Path,
    wasm_bindgen: &WasmBindgen,
    title: &str,
) -> Result<()> {
    let mut command = Command::new("npm");
    command.args(["run", "build"]).current_dir(folder).env("WASM_BINDGEN", &wasm_bindgen.bindgen);
    build_with(context, name, sources, &folder.join("dist"), title, &command)
}

fn build_with(
    context: &Context,
    name: &str,
    sources: &[&str],
    dist: &Path,
    title: &str,
    command: &Command,
) -> Result<()> {
    let stamp = context.workspace.logs().join(format!("{}.built", name.replace('/', "-")));
    let sources: Vec<_> = sources.iter().map(|source| context.workspace.path(source)).collect();
    if Fingerprint::of(stamp.clone(), &sources)?.is_current() && dist.is_dir() {
        return Ok(());
    }
    context.progress.step(title, |log| context.supervisor.run(command, log))?;
    // Looked at again: a build may touch its own sources, a lock file for instance.
    Fingerprint::of(stamp, &sources)?.remember()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_versions_are_compared_as_vite_does() {
        for (version, supported) in [
            ("v18.20.1", false),
            ("v20.18.9", false),
            ("v20.19.0", true),
            ("v21.7.0", false),
            ("v22.11.0", false),
            ("v22.12.0", true),
            ("v24.0.0", true),
            ("nonsense", false),
        ] {
            assert_eq!(is_supported(version), supported, "{version}");
        }
    }
}
