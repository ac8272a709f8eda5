//! Which test covers which requirement of the security catalogue, read from the tests' own names.

use regex::Regex;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// A requirement's number, and the tests that are named after it.
pub type Coverage = BTreeMap<u16, Vec<String>>;

/// Reads the names of all tests in a folder of Rust sources: `sec_043_a_missing_nonce_is_refused` covers
/// SEC-43, `sec_017_and_026_…` covers both.
pub fn coverage(folder: &Path) -> Coverage {
    let test =
        Regex::new(r"#\[(?:tokio::)?test[^\]]*\]\s+(?:async )?fn (sec_[a-z0-9_]+)").expect("a pattern");
    let id = Regex::new(r"^(?:sec|and)_(\d{3})_").expect("a pattern");
    let mut coverage = Coverage::new();
    for source in sources(folder) {
        let content = std::fs::read_to_string(&source).expect("a source file is readable");
        for name in test.captures_iter(&content).filter_map(|found| found.get(1)) {
            let mut rest = name.as_str();
            while let Some(found) = id.captures(rest) {
                let number = found[1].parse().expect("three digits are a number");
                coverage.entry(number).or_default().push(name.as_str().to_owned());
                rest = rest.strip_prefix(&found[0]).unwrap_or_default();
            }
        }
    }
    for tests in coverage.values_mut() {
        tests.sort();
    }
    coverage
}

/// The coverage as a Markdown table.
pub fn table(coverage: &Coverage) -> String {
    let mut table = String::from("| id | tests |\n|---|---|\n");
    for (number, tests) in coverage {
        let tests: Vec<_> = tests.iter().map(|test| format!("`{test}`")).collect();
        writeln!(table, "| SEC-{number:02} | {} |", tests.join("<br>")).expect("a string takes text");
    }
    table
}

fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder of the tests is readable") {
        let path = entry.expect("the folder of the tests is readable").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}
