//! The table in `README.md` says which tests cover which requirement. It is made from the tests' names.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use authtool_tests::catalogue;
use std::path::Path;

const BEGIN: &str = "<!-- the table: UPDATE=1 cargo test -p authtool-tests --test readme -->\n";
const END: &str = "<!-- end of the table -->";

#[test]
fn the_readme_lists_the_tests_of_every_requirement() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = folder.join("..");
    let folders = [
        &folder.join("tests"),
        &folder.join("e2e"),
        &root.join("client-wasm/tests"),
        &root.join("client-leptos/tests"),
        &root.join("npm/test"),
    ];
    let table = catalogue::table(&catalogue::coverage(&folders.map(std::path::PathBuf::as_path)));
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
            "the table is out of date: UPDATE=1 cargo test -p authtool-tests --test readme"
        );
    }
}
