//! `reference/cli.md`: every command and option, as `--help` tells it.

use std::fmt::Write as _;
use std::process::Command;

use crate::{keep, pages::blocks};

fn help(command: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_authtool-bff"));
    let output = program.args(command).arg("--help").env_clear().output().unwrap();
    assert!(output.status.success(), "{command:?} --help: {output:?}");
    // The width of nobody's terminal.
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn commands() -> Vec<String> {
    let help = help(&[]);
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let list = list.split("\n\n").next().unwrap();
    let name = |line: &str| {
        line.strip_prefix("  ")?.split(' ').next().filter(|it| !it.is_empty()).map(str::to_owned)
    };
    list.lines().filter_map(name).filter(|it| it != "help").collect()
}

#[test]
fn every_command_and_option_is_in_the_reference_and_nothing_else_is() {
    let mut page = format!(
        "# Command line\n\nWhat `authtool-bff --help` and the help of each command say. This page is made from the program.\n\n\
         ```text\n{}\n```\n",
        help(&[]).trim_end()
    );
    let commands = commands();
    assert!(commands.len() > 4, "{commands:?}");
    for command in commands {
        write!(page, "\n## `authtool-bff {command}`\n\n```text\n{}\n```\n", help(&[&command]).trim_end())
            .unwrap();
    }
    keep("cli.md", &page);
}

/// One command line of a snippet: its words, without what a shell does with them.
fn words(line: &str) -> Vec<String> {
    let line = line.split(['|', '>', '#', ';', '&']).next().unwrap_or_default();
    line.split_whitespace().map(|word| word.trim_matches(['"', '\'']).to_owned()).collect()
}

#[test]
fn every_command_line_in_the_documentation_has_options_that_there_are() {
    let commands = commands();
    let mut seen = 0;
    for block in blocks(&["sh", "console", "bash", "yaml", "dockerfile", "ini"]) {
        for line in block.code.replace("\\\n", " ").lines() {
            // Also `docker run … authtool-bff check` and `cargo run --package authtool-bff -- check`.
            let all = words(line);
            let Some(start) =
                all.iter().position(|word| word == "authtool-bff" || word.ends_with("/authtool-bff"))
            else {
                continue;
            };
            let rest = &all[start + 1..];
            let is_run_by_cargo = all[0] == "cargo" && rest.first().is_some_and(|it| it == "--");
            let is_a_value = start > 0 && all[start - 1].starts_with('-');
            if (all[0] == "cargo" || is_a_value) && !is_run_by_cargo {
                // A package or a unit of that name.
                continue;
            }
            let mut rest = rest.iter().filter(|word| *word != "--").peekable();
            let command = rest.peek().filter(|it| commands.contains(it)).map(|it| (*it).clone());
            if let Some(word) = rest.peek().filter(|it| it.chars().all(|it| it.is_ascii_lowercase())) {
                assert!(commands.contains(word), "{}: `{line}`: there is no command {word}", block.place);
            }
            let known = help(command.as_deref().into_iter().collect::<Vec<_>>().as_slice());
            let options: Vec<_> = rest.filter(|it| it.starts_with('-')).collect();
            seen += 1;
            for option in options {
                let name = option.split('=').next().unwrap();
                let is_known =
                    known.split(|it: char| it.is_whitespace() || it == ',' || it == '=').any(|it| it == name);
                assert!(is_known, "{}: `{line}`: {command:?} has no {name}", block.place);
            }
        }
    }
    assert!(seen > 5, "only {seen} command lines were found");
}
