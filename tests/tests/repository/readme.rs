//! The table in `README.md` says which tests cover which requirement. It is made from the tests' names.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use authtool_tests::catalogue;
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- the table: UPDATE=1 cargo test --workspace --test repository readme -->\n";
const END: &str = "<!-- end of the table -->";

/// Requirements without a test of their name, and why.
const UNTESTED: [(&str, &str); 4] = [
    (
        "051",
        "a choice of libraries: the claims are checked by rules of our own, tested one by one (SEC-38 to SEC-44)",
    ),
    ("073", "about a feature that there is not: nobody can ask for a token of a narrower scope"),
    ("100", "about a decision that there is not: nothing here is allowed or refused by scope"),
    ("195", "about a feature that there is not: client authentication by mutual TLS"),
];

/// The last requirement of the catalogue.
const LAST: u32 = 205;

/// Where tests are named after requirements.
fn black_box() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = folder.join("..");
    vec![
        folder.join("tests"),
        folder.join("e2e"),
        root.join("client-wasm/tests"),
        root.join("client-leptos/tests"),
        root.join("npm/test"),
    ]
}

fn coverage(folders: &[PathBuf]) -> catalogue::Coverage {
    catalogue::coverage(&folders.iter().map(PathBuf::as_path).collect::<Vec<_>>())
}

#[test]
fn every_requirement_has_a_test_or_a_reason() {
    let mut folders = black_box();
    // Some are about a clock, or about what no request can show: those are tested beside the code.
    folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../bff-server/src"));
    let covered = coverage(&folders);
    let missing: Vec<_> = (1..=LAST)
        .map(|number| format!("{number:03}"))
        .chain(["183b".to_owned()])
        .filter(|id| covered.contains_key(id) == UNTESTED.iter().any(|(untested, _)| untested == id))
        .collect();
    assert!(
        missing.is_empty(),
        "name a test after these, or say why there is none (and not both): {missing:?}"
    );
}

#[test]
fn the_readme_lists_the_tests_of_every_requirement() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = catalogue::table(&coverage(&black_box()));
    let path = folder.join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}\n{table}\n{END}{after}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, expected).unwrap();
    } else {
        assert!(
            readme == expected,
            "the table is out of date: UPDATE=1 cargo test --workspace --test repository readme"
        );
    }
}
