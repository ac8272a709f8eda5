//! Apache with `mod_auth_openidc`, for the bench of what others do.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::{Context, debian};

/// Makes sure that the bench can start it. The package of the binary alone brings no service that would listen.
pub(crate) fn ensure_installed(context: &Context) -> Result<()> {
    const ADVICE: &str = "Apache 2.4 with mod_auth_openidc is needed at Debian's places.\n\
                          Debian and Ubuntu: `apt-get install apache2-bin libapache2-mod-auth-openidc`.";
    let is_installed = || {
        ["/usr/sbin/apache2", "/usr/lib/apache2/modules/mod_auth_openidc.so"]
            .iter()
            .all(|file| Path::new(file).is_file())
    };
    if !is_installed() {
        let packages = ["apache2-bin", "libapache2-mod-auth-openidc"];
        debian::install(context, "Install Apache with mod_auth_openidc", &packages, ADVICE)?;
        ensure!(is_installed(), "{ADVICE}");
    }
    Ok(())
}
