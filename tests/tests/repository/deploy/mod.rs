//! What is in `deploy/`: it fits the server as it is, and gives it no more than it needs. The linters of each kind of file
//! are another step (`cargo xtask test deploy`).
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod confinement;
mod fits;
mod metrics;

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file of this repository.
fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(relative)
}

fn text(relative: &str) -> String {
    std::fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// The documents of a YAML file.
fn documents(relative: &str) -> Vec<Value> {
    text(relative)
        .split("\n---\n")
        .map(|document| {
            serde_saphyr::from_str(document).unwrap_or_else(|error| panic!("{relative}: {error}"))
        })
        .collect()
}

/// Compares a file with what it is made from, or makes it so.
fn is_made_of(relative: &str, expected: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path(relative), expected).unwrap();
    } else {
        assert!(
            text(relative) == expected,
            "{relative} is out of date: UPDATE=1 cargo test --workspace --test repository deploy"
        );
    }
}
