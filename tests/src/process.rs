//! A child process that never outlives the test.

use crate::{Log, wait};
use std::ffi::OsStr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Runs the command and waits for it, while a watcher holds our end of the pipe: when the test process
/// is gone, however it went, the pipe closes and the watcher ends the command. (A parent-death signal
/// would be bound to the *thread* that spawned, and a test's thread ends with its test.) A write beyond the
/// file size limit is an error rather than a signal, so that a test can play a full disk.
const WATCHDOG: &str = r#"
trap '' XFSZ
exec 3<&0
"$0" "$@" </dev/null 3<&- &
child=$!
echo "harness: process $child"
{ cat <&3; kill -KILL "$child"; } >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$child"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
"#;

/// How much of a child's log a failing test shows.
const LINES_SHOWN: usize = 200;

/// A running child, its log, and the promise that it is gone after the drop.
pub struct Process {
    name: String,
    watchdog: Child,
    readers: Vec<JoinHandle<()>>,
    log: Log,
}

impl Process {
    /// Starts `program` with a clean standard input; `prepare` sets arguments and environment.
    pub fn start(name: &str, program: impl AsRef<OsStr>, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(WATCHDOG).arg(program);
        prepare(&mut command);
        let mut watchdog = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let log = Log::default();
        let readers = vec![
            log.collect(watchdog.stdout.take().expect("stdout is piped")),
            log.collect(watchdog.stderr.take().expect("stderr is piped")),
        ];
        Self { name: name.to_owned(), watchdog, readers, log }
    }

    /// What the process wrote so far.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Its status, when it has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.watchdog.try_wait().expect("waiting for a child works")
    }

    /// The process id of the command itself. The watchdog writes it down, and its line may still be in the pipe.
    pub fn id(&self) -> u32 {
        blocking_until(&format!("the process id of {} is in its log", self.name), || {
            self.log.find("harness: process ")?.rsplit(' ').next()?.parse().ok()
        })
    }

    /// Waits for its end; the log is complete afterwards.
    pub fn wait_for_end(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                for reader in self.readers.drain(..) {
                    reader.join().ok();
                }
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// Ends it at once, without a chance to tidy up: what a power failure does. It has been reaped when this returns, so its
    /// connections are closed and its ports refuse.
    pub fn kill(&mut self) {
        drop(self.watchdog.stdin.take());
        self.watchdog.wait().ok();
    }

    /// Asks it to end (`SIGTERM`).
    pub fn asks_to_end(&self) {
        self.signal("-TERM");
    }

    /// Asks it to read its configuration again (`SIGHUP`).
    pub fn hangs_up(&self) {
        self.signal("-HUP");
    }

    /// Stops it (`SIGSTOP`). Every thread has stopped when this returns: `kill` returns earlier, and a thread that runs on
    /// another core could still answer.
    pub fn freezes(&self) {
        self.signal("-STOP");
        let id = self.id();
        blocking_until(&format!("every thread of {} has stopped", self.name), || {
            threads(id).iter().all(|state| *state == 'T').then_some(())
        });
    }

    /// Lets it run again (`SIGCONT`). No thread is stopped when this returns.
    pub fn thaws(&self) {
        self.signal("-CONT");
        let id = self.id();
        blocking_until(&format!("no thread of {} is stopped", self.name), || {
            threads(id).iter().all(|state| *state != 'T').then_some(())
        });
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.id().to_string()]).status().expect("kill runs");
        assert!(status.success(), "kill ended with {status}");
    }
}

/// The state of each thread of a process (`proc_pid_stat(5)`).
fn threads(process: u32) -> Vec<char> {
    let folder = std::fs::read_dir(format!("/proc/{process}/task")).expect("the process runs");
    folder
        // A thread may end while we look.
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok())
        // The name in parentheses may contain anything.
        .filter_map(|stat| stat.rsplit_once(") ")?.1.chars().next())
        .collect()
}

/// [`wait::until`] outside of a runtime.
fn blocking_until<T>(what: &str, condition: impl Fn() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(started.elapsed() < wait::PATIENCE, "waited {:?} in vain until {what}", wait::PATIENCE);
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        for reader in self.readers.drain(..) {
            reader.join().ok();
        }
        if std::thread::panicking() {
            let lines = self.log.lines();
            let tail = lines.len().saturating_sub(LINES_SHOWN);
            eprintln!("---- the end of the log of {}\n{}\n----", self.name, lines[tail..].join("\n"));
        }
    }
}
