//! Chromium and its driver, for the tests that need a real browser.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::rust_tools::on_path;
use crate::{Context, debian};

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
    debian::install(context, "Install Chromium", &["chromium", "chromium-driver"], advice)?;
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
