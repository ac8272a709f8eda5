//! nginx, for the tests of its recipe.

use std::path::Path;

use crate::debian::Part;

/// A service that the package starts on the way is left alone: the tests run processes of their own, on ports of their
/// own.
pub(crate) const PART: Part = Part {
    name: "nginx",
    packages: &["nginx"],
    // Not on the PATH of everybody.
    is_installed: || {
        ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"]
            .iter()
            .any(|it| Path::new(it).is_file())
    },
    advice: "nginx is needed in /usr/sbin. Debian and Ubuntu: `apt-get install nginx`.",
    masks: None,
};
