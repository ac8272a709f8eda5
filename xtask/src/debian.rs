//! What is missing is installed, where that is possible without asking anybody: on Debian and its children, as
//! root.

use std::process::Command;

use anyhow::{Result, bail};

use crate::Context;
use crate::rust_tools::on_path;

/// Installs packages; `advice` is the error where that is not ours to do.
pub(crate) fn install(context: &Context, title: &str, packages: &[&str], advice: &str) -> Result<()> {
    if !rustix::process::geteuid().is_root() || on_path("apt-get").is_none() {
        bail!("{advice}");
    }
    context.progress.step(title, |log| {
        let install = [&["install", "-y", "--no-install-recommends"], packages].concat();
        for arguments in [&["update"][..], &install] {
            let mut command = Command::new("apt-get");
            command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
            context.supervisor.run(&command, log)?;
        }
        Ok(())
    })
}
