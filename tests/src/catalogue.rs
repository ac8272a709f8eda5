//! Which test covers which requirement of the security catalogue, read from the tests' own names.

use regex::Regex;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// A requirement's number as it stands in a name (`043`, `183b`), and the tests that are named after it.
pub type Coverage = BTreeMap<String, Vec<String>>;

/// Reads the names of all tests in folders of Rust and JavaScript sources: `sec_043_a_missing_nonce_is_refused` covers
/// SEC-43, `sec_017_and_026_…` covers both. A part of a name that is filled in when the test runs is shown as `…`.
pub fn coverage(folders: &[&Path]) -> Coverage {
    // Or a name in a list of tests that a macro makes, alone on its line.
    let rust = Regex::new(
        r"(?:#\[(?:tokio::|wasm_bindgen_)?test[^\]]*\]\s+(?:async )?fn (?<test>sec_[a-z0-9_]+)|(?m:^    (?<listed>sec_[a-z0-9_]+),$))",
    )
    .expect("a pattern");
    let javascript = Regex::new(r"\btest\(\s*['`](?<test>sec_[^'`]+)['`]").expect("a pattern");
    let filled_in = Regex::new(r"\$\{[^}]*\}").expect("a pattern");
    let id = Regex::new(r"^(?:sec|and)_(\d{3}b?)_").expect("a pattern");
    let mut coverage = Coverage::new();
    for source in folders.iter().flat_map(|folder| sources(folder)) {
        let content = std::fs::read_to_string(&source).expect("a source file is readable");
        let test =
            if source.extension().is_some_and(|extension| extension == "rs") { &rust } else { &javascript };
        for found in test.captures_iter(&content) {
            let Some(name) = found.name("test").or_else(|| found.name("listed")) else { continue };
            let name = filled_in.replace_all(name.as_str(), "…");
            let mut rest = &*name;
            while let Some(found) = id.captures(rest) {
                coverage.entry(found[1].to_owned()).or_default().push(name.to_string());
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
        // At least two digits, as the catalogue writes them.
        let number = number.strip_prefix('0').unwrap_or(number);
        let tests: Vec<_> = tests.iter().map(|test| format!("`{test}`")).collect();
        writeln!(table, "| SEC-{number} | {} |", tests.join("<br>")).expect("a string takes text");
    }
    table
}

fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder of the tests is readable") {
        let path = entry.expect("the folder of the tests is readable").path();
        if path.is_dir() {
            if path.ends_with("node_modules") {
                continue;
            }
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "mjs") {
            found.push(path);
        }
    }
    found.sort();
    found
}
