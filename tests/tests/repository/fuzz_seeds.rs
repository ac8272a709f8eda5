//! What the fuzz targets start from, without a fuzzer: every seed, variations of the seeds that are the same in every
//! run, and what is long rather than clever. `cargo xtask fuzz` searches for more, at random and guided by coverage.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says at which seed"
)]

use authtool_bff::fuzz::TARGETS;
use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
        // The default run does not compile the targets, since that compiles everything again, for libFuzzer.
        let target = fs::read_to_string(folder("fuzz_targets").join(format!("{name}.rs"))).expect("a target");
        let call = format!("libfuzzer_sys::fuzz_target!(|data: &[u8]| authtool_bff::fuzz::{name}(data));");
        assert_eq!(target.trim(), format!("#![no_main]\n\n{call}"), "fuzz_targets/{name}.rs");
    }
}

/// The seeds of a target with their names, in the same order everywhere.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let mut seeds: Vec<_> = fs::read_dir(folder("seeds").join(target))
        .expect("seeds")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a seed can be read")))
        .collect();
    seeds.sort();
    seeds
}

#[test]
fn sec_186_no_seed_is_a_finding() {
    for (name, target) in TARGETS {
        for (path, seed) in seeds(name) {
            eprintln!("{path}");
            target(&seed);
        }
    }
}

/// Bytes that parsers treat specially, and numbers at the edges of their types.
const SPECIAL: [&[u8]; 40] = [
    b"\0",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xc0\xaf",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\n",
    b"\t",
    b" ",
    b"\"",
    b"'",
    b"\\",
    b"/",
    b"//",
    b"/../",
    b"%",
    b"%00",
    b"%2f",
    b"%5c",
    b"?",
    b"#",
    b"@",
    b":",
    b";",
    b",",
    b"=",
    b"&",
    b".",
    b"..",
    b"{",
    b"}",
    b"[",
    b"]",
    b"null",
    b"true",
    b"-1",
    b"1e400",
    b"9223372036854775808",
    b"18446744073709551616",
];

/// A seed with one to four changes, some of them parts of another seed.
fn variation(random: &mut fastrand::Rng, seeds: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (_, seed) = random.choice(seeds).expect("there are seeds");
    let mut bytes = seed.clone();
    for _ in 0..random.usize(1..=4) {
        let at = random.usize(0..=bytes.len());
        let end = (at + random.usize(0..=16)).min(bytes.len());
        match random.u8(0..8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.u8(0..8),
            1 if at < bytes.len() => bytes[at] = random.u8(..),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let repeated = bytes[at..end].repeat(random.usize(1..=20));
                bytes.splice(at..at, repeated);
            }
            5 => {
                let (_, other) = random.choice(seeds).expect("there are seeds");
                let from = random.usize(0..=other.len());
                let to = random.usize(from..=other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            6 => {
                let special = random.choice(SPECIAL).expect("there are some");
                bytes.splice(at..end, special.iter().copied());
            }
            _ => {
                // A number at the edge of its type in the place of another.
                let digits = |from: usize| bytes[from..].iter().take_while(|it| it.is_ascii_digit()).count();
                if let Some(first) = (at..bytes.len()).find(|place| digits(*place) > 0) {
                    let edge = (1_u128 << random.u32(0..=65)).wrapping_sub(random.u128(0..=2));
                    let last = first + digits(first);
                    bytes.splice(first..last, edge.to_string().into_bytes());
                }
            }
        }
    }
    bytes
}

#[test]
fn sec_186_no_variation_of_a_seed_is_a_finding() {
    const VARIATIONS: usize = 3000;
    for (name, target) in TARGETS {
        // Each target has numbers of its own, so that a new one changes nothing for the others.
        let number = name.bytes().fold(0, |number: u64, byte| number.wrapping_mul(31) + u64::from(byte));
        let mut random = fastrand::Rng::with_seed(number);
        let seeds = seeds(name);
        for _ in 0..VARIATIONS {
            let bytes = variation(&mut random, &seeds);
            assert!(
                catch_unwind(|| target(&bytes)).is_ok(),
                "{name} does not survive b\"{}\". Once it does, keep that as a seed in fuzz/seeds/{name}.",
                bytes.escape_ascii()
            );
        }
    }
}

/// What this thread has had so far (`proc_pid_stat(5)`, in hundredths of a second): what others do meanwhile does not count.
fn time_on_the_processor() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/stat").expect("Linux says so");
    let (_, numbers) = stat.rsplit_once(") ").expect("the name is in parentheses");
    // The 14th and 15th field, of which two precede these.
    let ticks = numbers.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

#[test]
fn sec_186_parsing_takes_no_longer_than_the_input_is_long() {
    const LENGTH: usize = 100_000;
    // A parser that is quadratic takes minutes for these, and one that is not, milliseconds.
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
                let started = time_on_the_processor();
                target(input.as_bytes());
                let took = time_on_the_processor().saturating_sub(started);
                assert!(took < PATIENCE, "{name}: {prefix:?} and {pattern:?} again and again took {took:?}");
            }
        }
    }
}
