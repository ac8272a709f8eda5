//! Several programs at a time, because most of those that test something wait more than they compute, or compute on
//! one processor.

use std::collections::VecDeque;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Result;

use crate::Context;
use crate::process::Interrupted;
use crate::progress::show_tail;

/// Programs at a time: they share nothing but the processor, and two keep a small machine busy without making a server
/// so slow that its time limits are met.
const AT_A_TIME: usize = 2;

/// Does the work for each item, in their order, whether or not it failed for one before it: who fixes something wants
/// to know all of it. Says why it failed, and answers those for which it did.
///
/// Fails if somebody asked us to stop.
pub(crate) fn each<T: Send>(
    context: &Context,
    items: impl IntoIterator<Item = T>,
    work: impl Fn(&T) -> Result<()> + Sync,
) -> Result<Vec<T>> {
    let waiting = Mutex::new(items.into_iter().collect::<VecDeque<T>>());
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(item) = next(&waiting) {
                    if let Err(error) = work(&item) {
                        if !error.is::<Interrupted>() {
                            eprintln!("    {error:#}");
                        }
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(item);
                    }
                }
            });
        }
    });
    context.supervisor.proceed()?;
    Ok(failed.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Runs one program, with a log of this name, whose end is shown when it fails.
pub(crate) fn run(context: &Context, name: &str, command: &Command) -> Result<()> {
    let (path, log) = context.progress.log(name)?;
    let outcome = context.supervisor.run(command, &log);
    if outcome.as_ref().is_err_and(|error| !error.is::<Interrupted>()) {
        show_tail(&path);
    }
    outcome
}

fn next<T>(waiting: &Mutex<VecDeque<T>>) -> Option<T> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}
