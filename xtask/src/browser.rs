//! Real browsers and their drivers, for the tests that need them.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::rust_tools::{self, on_path};
use crate::{Context, debian};

/// Chromium and the program that drives it.
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
    debian::install(context, "Install Chromium", &["chromium", "chromium-driver"], advice)?;
    find().context(advice)
}

/// Finds Firefox, installing it where that is possible without asking anybody.
pub(crate) fn firefox(context: &Context) -> Result<PathBuf> {
    let find = || named("FIREFOX").or_else(|| ["firefox", "firefox-esr"].into_iter().find_map(on_path));
    if let Some(firefox) = find() {
        return Ok(firefox);
    }
    let advice = "Firefox is needed.\n\
                  Debian: `apt-get install firefox-esr`. Elsewhere: https://www.firefox.com, and put it on the PATH.";
    debian::install(context, "Install Firefox", &["firefox-esr"], advice)?;
    find().context(advice)
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

fn find() -> Option<Browser> {
    let first = |programs: &[&str]| programs.iter().find_map(|program| on_path(program));
    Some(Browser {
        chromium: named("CHROMIUM").or_else(|| first(&["chromium", "chromium-browser", "google-chrome"]))?,
        driver: named("CHROMEDRIVER").or_else(|| first(&["chromedriver"]))?,
    })
}
