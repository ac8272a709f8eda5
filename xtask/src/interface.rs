//! The public interfaces of the crates, compared with the record of them that is kept beside each: whoever changes one
//! sees it in the diff, and so does whoever reviews it.
//!
//! `UPDATE=1 cargo xtask test interface` writes the records anew. Those of the npm package are its own (`npm/interface`).

use std::env;
use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::{Context, rust_tools};

/// Where the record of a crate is, in its folder.
const RECORD: &str = "interface.txt";

/// A crate that others depend on, with the features that they may choose.
struct Library {
    package: &'static str,
    folder: &'static str,
    features: &'static [&'static str],
}

/// Features that are for our own use (`fuzzing`, and what the npm package is built of) are no promise to anybody.
const LIBRARIES: [Library; 4] = [
    Library { package: "authtool-contract", folder: "contract", features: &["schema"] },
    Library { package: "authtool-bff", folder: "bff-server", features: &["store-contract"] },
    Library { package: "authtool-client", folder: "client-wasm", features: &[] },
    Library { package: "authtool-leptos", folder: "client-leptos", features: &["mounted", "remote"] },
];

/// Compares the interface of every crate with its record.
pub(crate) fn check(context: &Context) -> Result<()> {
    let rustdoc = rust_tools::rustdoc_with_json(context)?;
    context.progress.step("Describe the crates' interfaces", |log| {
        // With the features of the whole workspace, our own among them: what is behind those is `doc(hidden)`.
        let mut command = rust_tools::rustdoc(context, &[]);
        for Library { package, features, .. } in &LIBRARIES {
            command.args(features.iter().flat_map(|it| ["--features".to_owned(), format!("{package}/{it}")]));
        }
        command.env("RUSTDOC", &rustdoc).env("RUSTDOCFLAGS", "-Zunstable-options --output-format json");
        context.supervisor.run(&command, log)
    })?;
    context.progress.step("Compare the crates' interfaces with their records", |_| {
        let update = env::var_os("UPDATE").is_some();
        LIBRARIES.iter().try_for_each(|library| compare(context, library, update))
    })
}

fn compare(context: &Context, library: &Library, update: bool) -> Result<()> {
    let Library { package, folder, .. } = library;
    let json = context.workspace.target(&format!("doc/{}.json", package.replace('-', "_")));
    let interface = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()
        .context("cannot read what rustdoc wrote")?
        .to_string();
    let path = context.workspace.path(&format!("{folder}/{RECORD}"));
    if update {
        return fs::write(&path, interface).with_context(|| format!("cannot write {}", path.display()));
    }
    let record = fs::read_to_string(&path).unwrap_or_default();
    let changes = changes(&record, &interface);
    if changes.is_empty() {
        return Ok(());
    }
    bail!(
        "the interface of {package} is not the one in {folder}/{RECORD}:\n{}\n      If that is meant, say it in \
         CHANGELOG.md, and accept it with: UPDATE=1 cargo xtask test interface",
        changes.join("\n")
    );
}

/// Lines that only one of them has. Both are sorted by path, and each line stands for itself.
fn changes(record: &str, interface: &str) -> Vec<String> {
    let missing = |lines: &str, from: &str, sign: char| {
        let others: Vec<&str> = from.lines().collect();
        let missing = lines.lines().filter(|line| !others.contains(line));
        missing.map(|line| format!("      {sign} {line}")).collect::<Vec<_>>()
    };
    [missing(record, interface, '-'), missing(interface, record, '+')].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_and_what_came_is_shown() {
        assert_eq!(changes("a\nb\n", "b\nc\n"), ["      - a", "      + c"]);
        assert!(changes("a\nb\n", "a\nb\n").is_empty());
    }
}
