//! Caddy, for the tests of its recipe.

use std::path::Path;

use crate::debian::Part;

/// A service that the package starts on the way is left alone: the tests run processes of their own, on ports of their
/// own.
pub(crate) const PART: Part = Part {
    name: "Caddy",
    packages: &["caddy"],
    is_installed: || ["/usr/bin/caddy", "/usr/local/bin/caddy"].iter().any(|it| Path::new(it).is_file()),
    advice: "Caddy is needed in /usr/bin. Debian and Ubuntu: `apt-get install caddy`.",
    masks: None,
};
