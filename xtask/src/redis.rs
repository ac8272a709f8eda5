//! Redis, for the tests that keep sessions in a real one.

use anyhow::{Result, ensure};

use crate::rust_tools::on_path;
use crate::{Context, debian};

/// Makes sure that the tests can start Redis and its Sentinel. A service that the packages start on the way
/// is left alone: the tests run processes of their own, on ports of their own.
pub(crate) fn ensure_installed(context: &Context) -> Result<()> {
    const ADVICE: &str = "redis-server and redis-sentinel (Redis 7 or newer) are needed on the PATH.\n\
                          Debian and Ubuntu: `apt-get install redis-server redis-sentinel`.";
    let is_installed = || ["redis-server", "redis-sentinel"].iter().all(|program| on_path(program).is_some());
    if !is_installed() {
        debian::install(context, "Install Redis", &["redis-server", "redis-sentinel"], ADVICE)?;
        ensure!(is_installed(), "{ADVICE}");
    }
    Ok(())
}
