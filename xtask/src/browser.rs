//! Real browsers and their drivers, for the tests that need them.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::Context;
use crate::debian::{self, Part};
use crate::rust_tools::{self, on_path};

/// Chromium, and the program that drives it.
pub(crate) const CHROMIUM: Part = Part {
    name: "Chromium",
    packages: &["chromium", "chromium-driver"],
    is_installed: || find_chromium().is_some(),
    advice: "Chromium and chromedriver are needed.\n\
             Debian and Ubuntu: `apt-get install chromium chromium-driver`. \
             Elsewhere: name them in CHROMIUM and CHROMEDRIVER.",
    masks: None,
};

/// Firefox. Its driver is not among Debian's packages.
pub(crate) const FIREFOX: Part = Part {
    name: "Firefox",
    packages: &["firefox-esr"],
    is_installed: || find_firefox().is_some(),
    advice: "Firefox is needed.\n\
             Debian: `apt-get install firefox-esr`. Elsewhere: https://www.firefox.com, and put it on the PATH.",
    masks: None,
};

/// Chromium and the program that drives it.
pub(crate) struct Browser {
    /// `chromium`.
    pub(crate) chromium: PathBuf,
    /// `chromedriver`.
    pub(crate) driver: PathBuf,
}

/// Finds Chromium, installing it where that is possible without asking anybody.
pub(crate) fn chromium(context: &Context) -> Result<Browser> {
    debian::ensure(context, &[&CHROMIUM])?;
    find_chromium().context(CHROMIUM.advice)
}

/// Finds Firefox, installing it where that is possible without asking anybody.
pub(crate) fn firefox(context: &Context) -> Result<PathBuf> {
    debian::ensure(context, &[&FIREFOX])?;
    find_firefox().context(FIREFOX.advice)
}

/// Makes sure that Firefox is there, and finds its driver, which Debian does not have: cargo installs it.
pub(crate) fn geckodriver(context: &Context) -> Result<PathBuf> {
    // The driver looks for it on the PATH by itself.
    firefox(context)?;
    match named("GECKODRIVER").or_else(|| on_path("geckodriver")) {
        Some(driver) => Ok(driver),
        None => rust_tools::geckodriver(context),
    }
}

/// What an environment variable names, if that is a file.
fn named(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file())
}

fn find_firefox() -> Option<PathBuf> {
    named("FIREFOX").or_else(|| ["firefox", "firefox-esr"].into_iter().find_map(on_path))
}

fn find_chromium() -> Option<Browser> {
    let first = |programs: &[&str]| programs.iter().find_map(|program| on_path(program));
    Some(Browser {
        chromium: named("CHROMIUM").or_else(|| first(&["chromium", "chromium-browser", "google-chrome"]))?,
        driver: named("CHROMEDRIVER").or_else(|| first(&["chromedriver"]))?,
    })
}
