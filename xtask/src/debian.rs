//! Parts from the system's packages. What is missing is installed where that is possible without asking anybody: on
//! Debian and its children, as root.

use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};

use crate::Context;
use crate::rust_tools::on_path;

/// Something that a test or a demo starts, and where it comes from.
pub(crate) struct Part {
    /// What people call it.
    pub(crate) name: &'static str,
    /// Debian's packages.
    pub(crate) packages: &'static [&'static str],
    /// Whether it is there, whoever installed it.
    pub(crate) is_installed: fn() -> bool,
    /// The error where it is not there and cannot be installed: what is needed, and how to get it.
    pub(crate) advice: &'static str,
    /// Whether the package would start a service that must not run.
    pub(crate) masks: Option<&'static str>,
}

/// Only one apt-get works at a time.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Installs those that are missing, all at once.
pub(crate) fn ensure(context: &Context, parts: &[&Part]) -> Result<()> {
    if missing(parts).is_empty() {
        return Ok(());
    }
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = missing(parts);
    if wanted.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() || on_path("apt-get").is_none() {
        bail!("{}", advice(&wanted));
    }
    for service in wanted.iter().filter_map(|part| part.masks) {
        if on_path("systemctl").is_some() {
            // Without systemd running there is no service that could start.
            drop(Command::new("systemctl").args(["--quiet", "mask", service]).status());
        }
    }
    let names: Vec<&str> = wanted.iter().map(|part| part.name).collect();
    context.progress.step(&format!("Install {}", names.join(", ")), |log| {
        let packages = wanted.iter().flat_map(|part| part.packages);
        let install: Vec<&str> =
            ["install", "-y", "--no-install-recommends"].iter().chain(packages).copied().collect();
        for arguments in [&["update"][..], &install] {
            let mut command = Command::new("apt-get");
            command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
            context.supervisor.run(&command, log)?;
        }
        Ok(())
    })?;
    let still = missing(parts);
    if still.is_empty() { Ok(()) } else { bail!("{}", advice(&still)) }
}

fn missing<'a>(parts: &[&'a Part]) -> Vec<&'a Part> {
    parts.iter().copied().filter(|part| !(part.is_installed)()).collect()
}

fn advice(parts: &[&Part]) -> String {
    parts.iter().map(|part| part.advice).collect::<Vec<_>>().join("\n")
}
