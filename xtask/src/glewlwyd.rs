//! Glewlwyd, the second OpenID Provider of the tests.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::rust_tools::on_path;
use crate::{Context, debian};

/// The tables of its database, which the tests make databases of their own with.
const TABLES: &str = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3";

/// Makes sure that the tests can start it. They run processes of their own: the service that the package brings
/// would let everybody in as its administrator, and is not allowed to start.
pub(crate) fn ensure_installed(context: &Context) -> Result<()> {
    const ADVICE: &str = "Glewlwyd (an OpenID Provider) and sqlite3 are needed on the PATH.\n\
                          Debian and Ubuntu: `apt-get install glewlwyd dbconfig-sqlite3`.";
    let is_installed =
        || ["glewlwyd", "sqlite3"].iter().all(|it| on_path(it).is_some()) && Path::new(TABLES).is_file();
    if !is_installed() {
        if on_path("systemctl").is_some() {
            // Without systemd running there is no service that could start.
            drop(Command::new("systemctl").args(["--quiet", "mask", "glewlwyd.service"]).status());
        }
        debian::install(context, "Install Glewlwyd", &["glewlwyd", "dbconfig-sqlite3"], ADVICE)?;
        ensure!(is_installed(), "{ADVICE}");
    }
    Ok(())
}
