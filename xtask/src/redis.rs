//! Redis, for the tests that keep sessions in a real one.

use crate::debian::Part;
use crate::rust_tools::on_path;

/// A service that the packages start on the way is left alone: the tests run processes of their own, on ports of their
/// own.
pub(crate) const PART: Part = Part {
    name: "Redis",
    packages: &["redis-server", "redis-sentinel"],
    is_installed: || ["redis-server", "redis-sentinel"].iter().all(|program| on_path(program).is_some()),
    advice: "redis-server and redis-sentinel (Redis 7 or newer) are needed on the PATH.\n\
             Debian and Ubuntu: `apt-get install redis-server redis-sentinel`.",
    masks: None,
};
