//! nginx, for the tests of its recipe.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::{Context, debian};

/// Makes sure that the tests can start nginx. A service that the package starts on the way is left alone: the tests
/// run processes of their own, on ports of their own.
pub(crate) fn ensure_installed(context: &Context) -> Result<()> {
    const ADVICE: &str = "nginx is needed in /usr/sbin. Debian and Ubuntu: `apt-get install nginx`.";
    // Not on the PATH of everybody.
    let is_installed = || {
        ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"]
            .iter()
            .any(|it| Path::new(it).is_file())
    };
    if !is_installed() {
        debian::install(context, "Install nginx", &["nginx"], ADVICE)?;
        ensure!(is_installed(), "{ADVICE}");
    }
    Ok(())
}
