//! Chromium and its driver, for the tests that need a real browser.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::Context;
use crate::rust_tools::on_path;

/// A browser and the program that drives it.
pub(crate) struct Browser {
    /// `chromium`.
    pub(crate) chromium: PathBuf,
    /// `chromedriver`.
    pub(crate) driver: PathBuf,
}

/// Finds Chromium, installing it where that is possible without asking anybody.
pub(crate) fn chromium(context: &Context) -> Result<Browser> {
    if let Some(browser) = find() {
        return Ok(browser);
    }
    let advice = "Chromium and chromedriver are needed.\n\
                  Debian and Ubuntu: `apt-get install chromium chromium-driver`. \
                  Elsewhere: name them in CHROMIUM and CHROMEDRIVER.";
    if !rustix::process::geteuid().is_root() || on_path("apt-get").is_none() {
        bail!("{advice}");
    }
    context.progress.step("Install Chromium", |log| {
        for arguments in
            [&["update"][..], &["install", "-y", "--no-install-recommends", "chromium", "chromium-driver"]]
        {
            let mut command = Command::new("apt-get");
            command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
            context.supervisor.run(&command, log)?;
        }
        Ok(())
    })?;
    find().context(advice)
}

fn find() -> Option<Browser> {
    let named = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_file());
    let first = |programs: &[&str]| programs.iter().find_map(|program| on_path(program));
    Some(Browser {
        chromium: named("CHROMIUM").or_else(|| first(&["chromium", "chromium-browser", "google-chrome"]))?,
        driver: named("CHROMEDRIVER").or_else(|| first(&["chromedriver"]))?,
    })
}
