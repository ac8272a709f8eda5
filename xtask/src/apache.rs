//! Apache with `mod_auth_openidc`, for the bench of what others do.

use std::path::Path;

use crate::debian::Part;

/// The package of the binary alone brings no service that would listen.
pub(crate) const PART: Part = Part {
    name: "Apache with mod_auth_openidc",
    packages: &["apache2-bin", "libapache2-mod-auth-openidc"],
    is_installed: || {
        ["/usr/sbin/apache2", "/usr/lib/apache2/modules/mod_auth_openidc.so"]
            .iter()
            .all(|file| Path::new(file).is_file())
    },
    advice: "Apache 2.4 with mod_auth_openidc is needed at Debian's places.\n\
             Debian and Ubuntu: `apt-get install apache2-bin libapache2-mod-auth-openidc`.",
    masks: None,
};
