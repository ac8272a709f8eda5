//! Glewlwyd, the second OpenID Provider of the tests.

use std::path::Path;

use crate::debian::Part;
use crate::rust_tools::on_path;

/// The tables of its database, which the tests make databases of their own with.
const TABLES: &str = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3";

/// The tests run processes of their own. The service that the package brings would let everybody in as its
/// administrator, and is not allowed to start.
pub(crate) const PART: Part = Part {
    name: "Glewlwyd",
    packages: &["glewlwyd", "dbconfig-sqlite3"],
    is_installed: || {
        ["glewlwyd", "sqlite3"].iter().all(|it| on_path(it).is_some()) && Path::new(TABLES).is_file()
    },
    advice: "Glewlwyd (an OpenID Provider) and sqlite3 are needed on the PATH.\n\
             Debian and Ubuntu: `apt-get install glewlwyd dbconfig-sqlite3`.",
    masks: Some("glewlwyd.service"),
};
