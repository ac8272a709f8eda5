//! What has passed and how long it took: the table at the end.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::Context;
use crate::process::{Interrupted, Supervisor, interrupted_exit_code};
use crate::progress::duration;

/// A whole run on two cores: from an empty cache, and with a warm one.
const WHOLE: (Duration, Duration) = (Duration::from_mins(35), Duration::from_mins(15));

/// The rows so far.
pub(super) struct Report<'a> {
    supervisor: &'a Supervisor,
    started: Instant,
    rows: Mutex<Vec<Row>>,
    /// There once a complete run has passed: what it has compiled and installed is not made anew.
    mark: PathBuf,
    is_warm: bool,
    is_complete: bool,
}

struct Row {
    name: String,
    passed: bool,
    time: Duration,
    budget: Option<Duration>,
}

impl<'a> Report<'a> {
    /// Starts the clock. `is_complete` says whether everything runs.
    pub(super) fn new(context: &'a Context, is_complete: bool) -> Self {
        let mark = context.workspace.logs().join("complete");
        let is_warm = mark.exists();
        Self {
            supervisor: &context.supervisor,
            started: Instant::now(),
            rows: Mutex::default(),
            mark,
            is_warm,
            is_complete,
        }
    }

    /// Whether a complete run has passed in this target folder.
    pub(super) fn is_warm(&self) -> bool {
        self.is_warm
    }

    /// Does one piece of work and keeps its row. Answers whether to go on: not once somebody asked us to stop.
    pub(super) fn attempt(
        &self,
        name: &str,
        budget: Option<Duration>,
        work: impl FnOnce() -> Result<()>,
    ) -> bool {
        let started = Instant::now();
        let outcome = work();
        if let Err(error) = &outcome {
            if error.is::<Interrupted>() || self.supervisor.proceed().is_err() {
                return false;
            }
            eprintln!("    {name}: {error:#}");
        }
        let row = Row { name: name.to_owned(), passed: outcome.is_ok(), time: started.elapsed(), budget };
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).push(row);
        true
    }

    /// Prints the table, in the order in which the rows ended.
    pub(super) fn finish(self) -> ExitCode {
        if self.supervisor.proceed().is_err() {
            self.supervisor.end_all();
            return interrupted_exit_code();
        }
        let mut rows = self.rows.into_inner().unwrap_or_else(PoisonError::into_inner);
        let failed = rows.iter().filter(|row| !row.passed).count();
        let passed = rows.len() - failed;
        rows.push(Row {
            name: "in all".to_owned(),
            passed: failed == 0,
            time: self.started.elapsed(),
            budget: self.is_complete.then_some(if self.is_warm { WHOLE.1 } else { WHOLE.0 }),
        });
        print!("\n{}", table(&rows));
        println!("\nsteps: {passed} passed, {failed} failed\n");
        if failed > 0 {
            return ExitCode::FAILURE;
        }
        if self.is_complete {
            // Without it, the next run's budgets are those of an empty cache: no reason to fail.
            drop(fs::write(&self.mark, ""));
        }
        ExitCode::SUCCESS
    }
}

/// A line for each row; a row that took half as long again as its budget is marked.
fn table(rows: &[Row]) -> String {
    use std::fmt::Write as _;

    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or_default().max("step".len());
    let mut table = format!("  {:<width$}  result  time\n", "step");
    for Row { name, passed, time, budget } in rows {
        let result = if *passed { "passed" } else { "FAILED" };
        let _ = write!(table, "  {name:<width$}  {result}  {:<12}", duration(*time));
        if let Some(budget) = budget.filter(|budget| *time > *budget * 3 / 2) {
            let _ = write!(table, "  slow: its budget is {}", duration(budget));
        }
        table.truncate(table.trim_end().len());
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_marks_what_took_half_as_long_again() {
        let row = |name: &str, passed, seconds, budget: Option<u64>| Row {
            name: name.to_owned(),
            passed,
            time: Duration::from_secs(seconds),
            budget: budget.map(Duration::from_secs),
        };
        let shown = table(&[
            row("fmt", true, 15, Some(10)),
            row("clippy", true, 151, Some(100)),
            row("interface", false, 5, None),
        ]);
        assert_eq!(
            shown,
            "  step       result  time\n  \
               fmt        passed  15 s\n  \
               clippy     passed  2 min 31 s    slow: its budget is 1 min 40 s\n  \
               interface  FAILED  5.0 s\n"
        );
    }
}
