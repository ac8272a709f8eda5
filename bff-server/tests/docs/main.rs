//! The documentation says what the code does: the reference is made from it, and every snippet is read by what it is for.
//!
//! `UPDATE=1 cargo test --workspace --test docs` writes the pages of `docs/reference` anew.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod cli;
mod configuration;
mod endpoints;
mod errors;
mod metrics;
mod pages;
mod readme;
mod redis;
mod snippets;

/// Compares a generated page with the one in the repository, or writes it.
fn keep(page: &str, content: &str) {
    let path = pages::repository().join("docs/reference").join(page);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, content).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let line = found.lines().zip(content.lines()).position(|(one, other)| one != other);
    let line = line.unwrap_or_else(|| found.lines().count().min(content.lines().count()));
    assert!(
        found == content,
        "docs/reference/{page} is not what the code says now:\n  there: {}\n  code:  {}\n\
         write it anew with: UPDATE=1 cargo test --workspace --test docs",
        found.lines().nth(line).unwrap_or_default(),
        content.lines().nth(line).unwrap_or_default()
    );
}

/// Text for a cell of a table, on one line.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
