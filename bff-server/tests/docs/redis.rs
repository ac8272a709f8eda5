//! `guides/redis.md`: what an account of Redis needs, from the table that the server itself probes by.

use std::fmt::Write as _;

use authtool_bff::adapters::redis::commands::{COMMANDS, KEYS, Need, rules};

use crate::pages::repository;

const BEGIN: &str = "<!-- made from the code: the account -->\n";
const END: &str = "<!-- end -->\n";

fn section() -> String {
    let mut text = format!(
        "\nA user of its own, which may do what sessions need on the keys of the namespace, and nothing else:\n\n\
         ```text\nuser authtool on >password {}\n```\n\nOnce more, one by one:\n\n\
         | command | who needs it |\n|---|---|\n",
        rules("authtool_bff")
    );
    let mut needed: Vec<String> = Vec::new();
    let mut rows = String::new();
    for command in COMMANDS {
        let name = format!("`{}`", command.name.replace('|', " ").to_ascii_uppercase());
        match command.need {
            Need::Sessions => needed.push(name),
            Need::Useful(what) => writeln!(rows, "| {name} | {what} |").unwrap(),
            Need::Doctor => writeln!(rows, "| {name} | the doctor, to see how Redis is set |").unwrap(),
        }
    }
    writeln!(text, "| {} | logins, refreshes and logouts |\n{rows}", needed.join(", ")).unwrap();
    text.push_str("| keys, below the namespace | what for |\n|---|---|\n");
    for (pattern, what) in KEYS {
        writeln!(text, "| `{pattern}` | {what} |").unwrap();
    }
    text.push('\n');
    text
}

#[test]
fn the_guide_lists_the_rights_that_the_server_asks_for() {
    let path = repository().join("docs/guides/redis.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", section())).unwrap();
        return;
    }
    assert!(
        found == section(),
        "docs/guides/redis.md is not what the code says now; write it anew with: UPDATE=1 cargo test --workspace --test docs"
    );
}
