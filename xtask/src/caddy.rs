//! Caddy, for the tests of its recipe.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::{Context, debian};

/// Makes sure that the tests can start Caddy. A service that the package starts on the way is left alone: the tests
/// run processes of their own, on ports of their own.
pub(crate) fn ensure_installed(context: &Context) -> Result<()> {
    const ADVICE: &str = "Caddy is needed in /usr/bin. Debian and Ubuntu: `apt-get install caddy`.";
    let is_installed = || ["/usr/bin/caddy", "/usr/local/bin/caddy"].iter().any(|it| Path::new(it).is_file());
    if !is_installed() {
        debian::install(context, "Install Caddy", &["caddy"], ADVICE)?;
        ensure!(is_installed(), "{ADVICE}");
    }
    Ok(())
}
