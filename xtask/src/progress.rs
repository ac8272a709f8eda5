//! Telling what happens, and keeping the noise in files until somebody needs it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::process::Interrupted;

/// Lines of a failed step's log that are shown.
const TAIL: usize = 60;

/// How often the line of what is running is drawn again.
const REDRAW: Duration = Duration::from_millis(200);

/// Prints steps to standard error; standard output is for results. Several may run at a time.
pub(crate) struct Progress {
    logs: PathBuf,
    board: Arc<Board>,
}

impl Progress {
    /// With the output of steps below the folder `logs`.
    pub(crate) fn new(logs: PathBuf) -> Result<Self> {
        fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
        Ok(Self { logs, board: Board::new(std::io::stderr().is_terminal()) })
    }

    /// Does one piece of work, showing its title and how long it takes. When it fails, the end of its
    /// log is shown.
    pub(crate) fn step<T>(&self, title: &str, work: impl FnOnce(&File) -> Result<T>) -> Result<T> {
        let path = self.log_path(title);
        let log = create(&path)?;
        let line = self.board.start(title);
        let outcome = work(&log);
        match &outcome {
            Ok(_) => self.board.finish(line, "✓"),
            Err(error) if error.is::<Interrupted>() => self.board.finish(line, "–"),
            Err(_) => {
                self.board.finish(line, "✗");
                show_tail(&path);
            }
        }
        outcome
    }

    /// A fresh log file for something that runs on after its step.
    pub(crate) fn log(&self, name: &str) -> Result<(PathBuf, File)> {
        let path = self.log_path(name);
        let file = create(&path)?;
        Ok((path, file))
    }

    fn log_path(&self, title: &str) -> PathBuf {
        self.logs.join(format!("{}.log", slug(title)))
    }
}

/// Says something beside the steps.
pub(crate) fn note(text: &str) {
    eprintln!("  ! {}", text.replace('\n', "\n    "));
}

/// Shows the last lines of a log, and where the rest is.
pub(crate) fn show_tail(path: &Path) {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    // In one piece: something else may be writing at the same time.
    let mut shown = String::new();
    for line in lines.iter().skip(lines.len().saturating_sub(TAIL)) {
        let _ = writeln!(shown, "    │ {line}");
    }
    eprintln!("{shown}    └ {}", path.display());
}

/// Seconds below ten with a decimal, minutes above sixty seconds.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else if seconds < 60.0 {
        format!("{seconds:.0} s")
    } else {
        let whole = duration.as_secs();
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

fn slug(title: &str) -> String {
    let lower = title.to_lowercase();
    let words =
        lower.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

/// The steps that are running. On a terminal they share the last line, which counts their seconds; elsewhere each is
/// written when it starts and when it ends.
struct Board {
    terminal: bool,
    running: Mutex<Running>,
    changed: Condvar,
}

#[derive(Default)]
struct Running {
    /// By the order in which they started.
    lines: BTreeMap<u64, (String, Instant)>,
    started: u64,
    is_drawn: bool,
}

impl Board {
    fn new(terminal: bool) -> Arc<Self> {
        let board = Arc::new(Self { terminal, running: Mutex::default(), changed: Condvar::new() });
        if terminal {
            let board = Arc::downgrade(&board);
            thread::spawn(move || {
                while let Some(board) = board.upgrade() {
                    board.redraw();
                }
            });
        }
        board
    }

    fn start(&self, title: &str) -> u64 {
        let mut running = self.lock();
        running.started += 1;
        let line = running.started;
        running.lines.insert(line, (title.to_owned(), Instant::now()));
        if !self.terminal {
            eprintln!("  · {title}");
        }
        self.changed.notify_all();
        line
    }

    fn finish(&self, line: u64, mark: &str) {
        let mut running = self.lock();
        let Some((title, started)) = running.lines.remove(&line) else { return };
        let start = if std::mem::take(&mut running.is_drawn) { "\r\x1b[K" } else { "" };
        eprintln!("{start}  {mark} {title} ({})", duration(started.elapsed()));
    }

    /// Draws the line of what is running, and waits until it should be drawn again.
    fn redraw(&self) {
        let mut running = self.lock();
        if let Some((title, started)) = running.lines.values().next_back() {
            // One line, whatever the terminal's width: the step that started last, and how many others there are.
            let others = match running.lines.len() - 1 {
                0 => String::new(),
                others => format!(", and {others} more"),
            };
            eprint!("\r\x1b[K  · {title} ({}){others}", duration(started.elapsed()));
            drop(std::io::stderr().flush());
            running.is_drawn = true;
        }
        drop(self.changed.wait_timeout(running, REDRAW));
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_named_after_its_step() {
        assert_eq!(slug("Build the server (authtool-bff)"), "build-the-server-authtool-bff");
    }

    #[test]
    fn durations_are_as_precise_as_they_are_interesting() {
        assert_eq!(duration(Duration::from_millis(1234)), "1.2 s");
        assert_eq!(duration(Duration::from_secs(42)), "42 s");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 05 s");
    }
}
