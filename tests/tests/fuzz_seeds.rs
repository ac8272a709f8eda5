//! What the fuzz targets start from, without a fuzzer: every seed, and what is long rather than clever. `cargo xtask
//! fuzz` searches for more.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says at which seed"
)]

use authtool_bff::fuzz::TARGETS;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(name)
}

/// The names in a folder, without their extension.
fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect()
}

#[test]
fn sec_186_every_parser_has_a_fuzz_target_and_seeds() {
    let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder("fuzz_targets")), targets, "one file a target");
    assert_eq!(names(&folder("seeds")), targets, "one folder of seeds a target");
    let manifest = fs::read_to_string(folder("Cargo.toml")).expect("fuzz/Cargo.toml");
    for name in &targets {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml has no [[bin]] {name}");
        assert!(names(&folder("seeds").join(name)).len() >= 3, "{name} has hardly any seeds");
    }
}

#[test]
fn sec_186_no_seed_is_a_finding() {
    for (name, target) in TARGETS {
        for entry in fs::read_dir(folder("seeds").join(name)).expect("seeds") {
            let path = entry.expect("an entry").path();
            eprintln!("{}", path.display());
            target(&fs::read(&path).expect("a seed can be read"));
        }
    }
}

#[test]
fn sec_186_parsing_takes_no_longer_than_the_input_is_long() {
    const LENGTH: usize = 100_000;
    // A parser that is quadratic takes minutes for these.
    const PATIENCE: Duration = Duration::from_secs(5);
    let patterns = [
        ".",
        "[",
        "{\"a\":",
        "%",
        "%2e",
        "=",
        "&",
        "a=b&",
        ";",
        "a=b; ",
        "/../",
        "\\",
        "\"",
        "0",
        "-",
        "\n",
        "a:b\n",
        "AAAA",
        "[[a]]\n",
        "&a [",
        "*a ",
        "\u{1F600}",
        "\0",
    ];
    for (name, target) in TARGETS {
        for pattern in patterns {
            for prefix in ["", "j", "y", "t", "a.", "{\"keys\":[", "__Host-session_id="] {
                let input = format!("{prefix}{}", pattern.repeat(LENGTH / pattern.len()));
                let started = Instant::now();
                target(input.as_bytes());
                let took = started.elapsed();
                assert!(took < PATIENCE, "{name}: {prefix:?} and {pattern:?} again and again took {took:?}");
            }
        }
    }
}
