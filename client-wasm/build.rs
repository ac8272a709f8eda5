//! Copies the names of the wire contract into the crate.
//!
//! They are written once, in `authtool-contract`. The npm build has no standard library, and linking a
//! crate that uses it would bring it back; so the client takes the names and not the crate.

use authtool_contract::{SESSION_MEMBER, endpoint, header};
use std::fmt::Write as _;
use std::{env, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let names = [
        ("SESSION", endpoint::SESSION),
        ("LOGIN", endpoint::LOGIN),
        ("LOGOUT", endpoint::LOGOUT),
        ("REDIRECT_URI", endpoint::param::REDIRECT_URI),
        ("CSRF", header::CSRF),
        ("CSRF_VALUE", header::CSRF_VALUE),
        ("CORRELATION_ID", header::CORRELATION_ID),
        ("SESSION_MEMBER", SESSION_MEMBER),
    ];
    let mut source = String::new();
    for (name, value) in names {
        writeln!(source, "pub(crate) const {name}: &str = {value:?};")?;
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    fs::write(out.join("contract.rs"), source)?;
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
