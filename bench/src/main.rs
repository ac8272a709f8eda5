//! How fast authtool is, beside what would be the fastest possible. `cargo xtask bench` builds all it needs and runs
//! it.
//!
//! A limit is a program that does only what cannot be left out. It and the server have their turns within one run, so
//! that the ratio between them means something on a machine that is slow, or busy.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::string_slice,
    reason = "a bench reports what does not work by failing"
)]

mod load;
mod parts;
mod report;
mod rounds;
mod rows;
mod sessions;
mod sizing;
mod tokens;
mod usage;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum as _};
use serde_json::json;

use crate::{rounds::Effort, rows::Bench};

/// Measures, prints a table, and writes JSON.
#[derive(Parser)]
struct Options {
    /// Only these
    #[arg(value_name = "BENCH")]
    only: Vec<Bench>,
    /// How many rounds, of which the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each is measured in a round, a slice at a time
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Less of everything: to see whether it works
    #[arg(long)]
    quick: bool,
    /// Show what there is
    #[arg(long)]
    list: bool,
    /// Where to write the table and the JSON
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        for bench in Bench::value_variants() {
            println!("  {:<10} {}", bench.name(), bench.describe());
        }
        return ExitCode::SUCCESS;
    }
    let effort = if options.quick {
        Effort { rounds: 2, turn: Duration::from_secs(1), quick: true }
    } else {
        Effort { rounds: options.rounds, turn: Duration::from_secs(options.seconds), quick: false }
    };
    let load_before = usage::load_average();
    let mut all = Vec::new();
    let wanted = |bench: &Bench| options.only.is_empty() || options.only.contains(bench);
    for bench in Bench::value_variants().iter().copied().filter(wanted) {
        progress(&format!("{}: {}", bench.name(), bench.describe()));
        let before = usage::load_average();
        let rows = bench.run(effort).await;
        let conditions = json!({
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "load_average_before": before,
            "rounds": effort.rounds,
            "seconds": effort.turn.as_secs(),
        });
        report::write(&options.out, bench.name(), &conditions, &rows);
        all.extend(rows);
    }
    let conditions = format!(
        "{} processors ({}); {} rounds of {} s; load average {load_before} before, {} after.",
        std::thread::available_parallelism().map_or(0, usize::from),
        usage::processor(),
        effort.rounds,
        effort.turn.as_secs(),
        usage::load_average(),
    );
    let table = format!("{conditions}\n\n{}", report::table(&all));
    std::fs::create_dir_all(&options.out).expect("the target folder is writable");
    std::fs::write(options.out.join("table.md"), &table).expect("the target folder is writable");
    if let Some(measured) = sizing::Measured::of(&all) {
        let table = sizing::table(measured);
        std::fs::write(options.out.join("sizing.md"), table).expect("the target folder is writable");
    }
    progress(&format!("written to {}", options.out.display()));
    ExitCode::SUCCESS
}

/// Says what goes on.
fn progress(what: &str) {
    eprintln!("  · {what}");
}
