//! `docs/conformance.md` names a test of ours, or a reason, for each of the OpenID Foundation's tests of relying
//! parties. Every test that it names exists.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use regex::Regex;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The names of all tests of this crate, those in a macro's list included.
fn tests() -> BTreeSet<String> {
    let test = Regex::new(r"#\[(?:tokio::)?test[^\]]*\]\s+(?:async )?fn (\w+)|(?m:^    ([a-z0-9_]+),$)")
        .expect("a pattern");
    let mut names = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                let names_of = |found: regex::Captures<'_>| {
                    found.iter().skip(1).flatten().next().map(|it| it.as_str().to_owned())
                };
                names.extend(test.captures_iter(&source).filter_map(names_of));
            }
        }
    }
    names
}

#[test]
fn every_conformance_test_has_one_of_ours_or_a_reason() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance.md");
    let page = std::fs::read_to_string(page).unwrap();
    let row = Regex::new(r"(?m)^\| `(oidcc-client-test[a-z0-9-]*)` \| (.+) \|$").expect("a pattern");
    let name = Regex::new(r"`([a-z0-9_]*_[a-z0-9_]+)`").expect("a pattern");
    let tests = tests();
    let mut listed = BTreeSet::new();
    for found in row.captures_iter(&page) {
        let (theirs, ours) = (&found[1], &found[2]);
        assert!(listed.insert(theirs.to_owned()), "{theirs} is listed twice");
        if ours.starts_with("does not apply: ") {
            continue;
        }
        let named: Vec<_> = name.captures_iter(ours).map(|found| found[1].to_owned()).collect();
        let missing: Vec<_> = named.iter().filter(|it| !tests.contains(*it)).collect();
        assert!(missing.is_empty(), "{theirs}: there is no test {missing:?}");
        assert!(!named.is_empty(), "{theirs} has neither a test nor a reason: {ours}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| `oidcc-")).count();
    assert_eq!((rows, listed.len()), (60, 60), "a row is malformed, or the list has changed");
}
