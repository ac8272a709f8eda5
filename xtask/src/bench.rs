//! `cargo xtask bench`: how fast and how small everything is, beside what would be the fastest possible.
//!
//! The measuring is done by the package `authtool-bench`. Here is what it needs: programs in their release profile, and
//! the parts around them.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{Context, apache, browser, debian, envoy, node, redis};

/// Where the documentation has the tables.
const DOCUMENT: &str = "docs/performance.md";
/// What is written there, each between two lines with its name.
const TABLES: [&str; 2] = ["table", "sizing"];
/// The micro-benchmarks, which are criterion's.
const MICRO: &str = "micro";

/// What `cargo xtask bench` runs.
#[derive(Args)]
pub(crate) struct Options {
    /// Only these; all if none is named (`--list` shows them)
    #[arg(value_name = "BENCH")]
    only: Vec<String>,
    /// Show what can be measured
    #[arg(long)]
    list: bool,
    /// How many rounds, of which the median counts
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// How long each is measured in a round, in seconds
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// Less of everything: to see whether it works
    #[arg(long)]
    quick: bool,
    /// Put the tables into docs/performance.md
    #[arg(long, conflicts_with_all = ["only", "list", "quick"])]
    update_docs: bool,
}

/// The task.
pub(crate) fn run(context: &Context, options: &Options) -> Result<ExitCode> {
    let is_wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|it| it == name);
    let measured: Vec<&String> = options.only.iter().filter(|name| *name != MICRO).collect();
    if options.only.is_empty() || !measured.is_empty() {
        measure(context, options, &measured)?;
    }
    if options.list {
        println!("  {MICRO:<10} The cookie, the seal and the record by themselves (criterion)");
    } else if is_wanted(MICRO) {
        let terminal = File::from(std::io::stderr().as_fd().try_clone_to_owned()?);
        let bench = context.workspace.cargo(&["bench", "--package", "authtool-bench", "--bench", "micro"]);
        context.supervisor.run(&bench, &terminal)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(context: &Context, options: &Options, only: &[&String]) -> Result<()> {
    // Each by itself: what one package asks of its dependencies does not change the other's.
    for (title, arguments) in [
        ("Build the server, in its release profile", ["--package", "authtool-bff", "--bin", "authtool-bff"]),
        (
            "Build the limits and the load, in the same profile",
            ["--package", "authtool-bench", "--bins", "--quiet"],
        ),
    ] {
        let build = context.workspace.cargo(&[&["build", "--release"], &arguments[..]].concat());
        context.progress.step(title, |log| context.supervisor.run(&build, log))?;
    }
    let out = context.workspace.target("bench");
    fs::create_dir_all(&out)?;
    let mut command = Command::new(context.workspace.target("release/authtool-bench"));
    command
        .current_dir(context.workspace.path("."))
        .env("AUTHTOOL_BFF", context.workspace.target("release/authtool-bff"));
    if options.list {
        command.arg("--list");
    } else {
        debian::ensure(context, &[&redis::PART])?;
        envoy::ensure_installed(context)?;
        if only.is_empty() || only.iter().any(|name| *name == "client") {
            browser::chromium(context)?;
            node::build_client(context)?;
            node::install(context, "npm/test/size")?;
        }
        if only.is_empty() || only.iter().any(|name| *name == "peers") {
            install_peers(context)?;
        }
        command.args(only).arg("--out").arg(&out);
        command.arg("--rounds").arg(options.rounds.to_string());
        command.arg("--seconds").arg(options.seconds.to_string());
        if options.quick {
            command.arg("--quick");
        }
    }
    // It says what it does while it does it.
    let terminal = File::from(std::io::stderr().as_fd().try_clone_to_owned()?);
    context.supervisor.run(&command, &terminal)?;
    if !options.list {
        let table = out.join("table.md");
        let table = fs::read_to_string(&table).with_context(|| format!("cannot read {}", table.display()))?;
        println!("\n{table}");
        if options.update_docs {
            let document = context.workspace.path(DOCUMENT);
            let mut text = fs::read_to_string(&document)
                .with_context(|| format!("cannot read {}", document.display()))?;
            for name in TABLES {
                let table = out.join(format!("{name}.md"));
                let table =
                    fs::read_to_string(&table).with_context(|| format!("cannot read {}", table.display()))?;
                text = with_table(&text, name, &table)?;
            }
            fs::write(&document, text).with_context(|| format!("cannot write {}", document.display()))?;
            println!("It is in {DOCUMENT} now.");
        }
    }
    Ok(())
}

/// Other people's servers, and the provider that all of them log in at.
fn install_peers(context: &Context) -> Result<()> {
    node::check()?;
    debian::ensure(context, &[&apache::PART])?;
    node::install(context, "bench/peers/node")?;
    node::install(context, "tests/provider")
}

/// The document with this table in place of the one that it has.
fn with_table(document: &str, name: &str, table: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- bench {name} begins -->"), format!("<!-- bench {name} ends -->"));
    let parts = document
        .split_once(&begin)
        .and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)))
        .with_context(|| format!("{DOCUMENT} lacks the lines {begin} and {end}"))?;
    let (before, after) = parts;
    Ok(format!("{before}{begin}\n\n{}\n\n{end}{after}", table.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_the_place_of_the_one_before() {
        let around = |table: &str| {
            format!("# Figures\n\n<!-- bench table begins -->\n{table}\n<!-- bench table ends -->\n\nMore.\n")
        };
        let updated = with_table(&around("| old |"), "table", "| new |\n").unwrap();
        assert_eq!(updated, around("\n| new |\n"));
        assert_eq!(with_table(&updated, "table", "| new |\n").unwrap(), updated);
        with_table("# No table\n", "table", "").unwrap_err();
    }

    #[test]
    fn the_document_has_a_place_for_each_table() {
        let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");
        let text = fs::read_to_string(document).unwrap();
        for name in TABLES {
            with_table(&text, name, "").unwrap();
        }
    }
}
