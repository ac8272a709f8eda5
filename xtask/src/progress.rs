//! Telling what happens, and keeping the noise in files until somebody needs it.

use std::fs::{self, File};
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::process::Interrupted;

/// Lines of a failed step's log that are shown.
const TAIL: usize = 60;

/// Prints steps to standard error; standard output is for results.
pub(crate) struct Progress {
    logs: PathBuf,
    terminal: bool,
}

impl Progress {
    /// With the output of steps below the folder `logs`.
    pub(crate) fn new(logs: PathBuf) -> Result<Self> {
        fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
        Ok(Self { logs, terminal: std::io::stderr().is_terminal() })
    }

    /// Does one piece of work, showing its title and how long it takes. When it fails, the end of its
    /// log is shown.
    pub(crate) fn step<T>(&self, title: &str, work: impl FnOnce(&File) -> Result<T>) -> Result<T> {
        let path = self.log_path(title);
        let log = create(&path)?;
        let line = Line::start(title, self.terminal);
        let outcome = work(&log);
        match &outcome {
            Ok(_) => line.finish("✓"),
            Err(error) if error.is::<Interrupted>() => line.finish("–"),
            Err(_) => {
                line.finish("✗");
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
    for line in lines.iter().skip(lines.len().saturating_sub(TAIL)) {
        eprintln!("    │ {line}");
    }
    eprintln!("    └ {}", path.display());
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

/// The line of a running step: it counts the seconds on a terminal, and is written once elsewhere.
struct Line {
    title: String,
    started: Instant,
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Line {
    fn start(title: &str, terminal: bool) -> Self {
        let started = Instant::now();
        let ticker = terminal.then(|| {
            let (stop, stopped) = channel::<()>();
            let title = title.to_owned();
            let thread = thread::spawn(move || {
                loop {
                    eprint!("\r\x1b[K  · {title} ({})", duration(started.elapsed()));
                    drop(std::io::stderr().flush());
                    if stopped.recv_timeout(Duration::from_millis(200)) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                }
            });
            (stop, thread)
        });
        if ticker.is_none() {
            eprintln!("  · {title}");
        }
        Self { title: title.to_owned(), started, ticker }
    }

    fn finish(self, mark: &str) {
        let start = if let Some((stop, thread)) = self.ticker {
            drop(stop);
            drop(thread.join());
            "\r\x1b[K"
        } else {
            ""
        };
        eprintln!("{start}  {mark} {} ({})", self.title, duration(self.started.elapsed()));
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
