//! Starting processes so that none of them outlives us.
//!
//! Every process leads a group of its own, so that its children end with it and Ctrl-C reaches them in
//! our order rather than the terminal's. On Linux the kernel also ends them when we are killed in a way
//! that leaves no time to clean up.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// How long a process may take to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// Knows every process that was started, and ends them.
#[derive(Clone)]
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    /// This program, as it was called when it started: `cargo test` may replace the file meanwhile.
    executable: Arc<PathBuf>,
}

#[derive(Default)]
struct Shared {
    running: Mutex<Running>,
    changed: Condvar,
    interrupts: AtomicUsize,
}

#[derive(Default)]
struct Running {
    groups: BTreeMap<i32, Pid>,
    on_interrupt: Option<Sender<Event>>,
}

/// What a task that has services running waits for.
pub(crate) enum Event {
    /// Somebody asked us to stop: Ctrl-C, SIGTERM or SIGHUP.
    Interrupted,
    /// A service ended, which it should not.
    Exited {
        /// The name that it was started with.
        service: String,
        /// How it ended.
        status: ExitStatus,
    },
}

/// Somebody asked us to stop.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

impl Supervisor {
    /// Takes over the signals that ask this program to stop.
    pub(crate) fn install() -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let handled = Arc::clone(&shared);
        ctrlc::set_handler(move || handled.interrupt()).context("cannot handle Ctrl-C")?;
        Ok(Self { shared, executable: Arc::new(std::env::current_exe()?) })
    }

    /// The file of this program.
    pub(crate) fn executable(&self) -> &Path {
        &self.executable
    }

    /// Stops when our own standard input ends: the caller's way to end us even if it is killed.
    pub(crate) fn stop_with_standard_input(&self) {
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || {
            drop(io::copy(&mut io::stdin(), &mut io::sink()));
            shared.interrupt();
        });
    }

    /// Fails once somebody asked us to stop.
    pub(crate) fn proceed(&self) -> Result<()> {
        if self.shared.interrupts.load(Ordering::SeqCst) > 0 { Err(Interrupted.into()) } else { Ok(()) }
    }

    /// Runs `command` to its end, its output going to `log`.
    pub(crate) fn run(&self, command: &Command, log: &File) -> Result<()> {
        let shown = show(command);
        let child = self.spawn(command, log)?;
        let status = self.shared.wait(child)?;
        self.proceed()?;
        if !status.success() {
            bail!("`{shown}` {}", describe(status));
        }
        Ok(())
    }

    /// Starts `command` as a service that should run until we end; `events` hears when it does not. Answers its process id.
    pub(crate) fn serve(
        &self,
        service: &str,
        command: &Command,
        log: &File,
        events: &Sender<Event>,
    ) -> Result<u32> {
        let child = self.spawn(command, log)?;
        let id = child.id();
        let shared = Arc::clone(&self.shared);
        let service = service.to_owned();
        let events = events.clone();
        thread::spawn(move || {
            if let Ok(status) = shared.wait(child) {
                // Nobody listens any more while we are ending.
                drop(events.send(Event::Exited { service, status }));
            }
        });
        Ok(id)
    }

    /// Sends an event to `events` when somebody asks us to stop.
    pub(crate) fn notify(&self, events: &Sender<Event>) {
        self.shared.lock().on_interrupt = Some(events.clone());
        if self.proceed().is_err() {
            drop(events.send(Event::Interrupted));
        }
    }

    /// Ends everything that was started, politely first, and waits until it has ended.
    pub(crate) fn end_all(&self) {
        self.shared.signal(Signal::TERM);
        let ended = |running: &mut Running| !running.groups.is_empty();
        let (running, timeout) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), GRACE, ended)
            .unwrap_or_else(PoisonError::into_inner);
        drop(running);
        if timeout.timed_out() {
            self.shared.signal(Signal::KILL);
        }
    }

    fn spawn(&self, command: &Command, log: &File) -> Result<Child> {
        self.proceed()?;
        // The program runs through `with-parent`, which asks the kernel to end it with us: doing that
        // between fork and exec would need unsafe code.
        let mut child = Command::new(&*self.executable);
        child.arg("with-parent").arg(std::process::id().to_string()).arg("--");
        child.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => child.env(name, value),
                None => child.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            child.current_dir(folder);
        }
        child.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);

        let mut running = self.shared.lock();
        let child = child.spawn().with_context(|| format!("cannot start `{}`", show(command)))?;
        let group = Pid::from_child(&child);
        running.groups.insert(group.as_raw_nonzero().get(), group);
        Ok(child)
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if Arc::strong_count(&self.executable) == 1 {
            self.end_all();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first request to stop is polite, the second is not.
    fn interrupt(&self) {
        let before = self.interrupts.fetch_add(1, Ordering::SeqCst);
        self.signal(if before == 0 { Signal::TERM } else { Signal::KILL });
        if let Some(events) = &self.lock().on_interrupt {
            drop(events.send(Event::Interrupted));
        }
    }

    fn signal(&self, signal: Signal) {
        for group in self.lock().groups.values() {
            // A group that has just ended cannot be signalled, and need not be.
            let _ = kill_process_group(*group, signal);
        }
    }

    /// Waits for the end of `child` and of whatever it left behind in its group.
    fn wait(&self, mut child: Child) -> io::Result<ExitStatus> {
        let group = Pid::from_child(&child);
        // Without reaping it: as long as it is a zombie, its number is not given to another process,
        // which a signal of ours would then hit.
        while let Err(error) = waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            if error != rustix::io::Errno::INTR {
                return Err(error.into());
            }
        }
        let mut running = self.lock();
        let _ = kill_process_group(group, Signal::TERM);
        running.groups.remove(&group.as_raw_nonzero().get());
        let status = child.wait();
        self.changed.notify_all();
        status
    }
}

/// Replaces this process by `command`, which the kernel ends when `parent` ends. Returns only if that
/// fails.
pub(crate) fn become_child_of(parent: u32, command: &[OsString]) -> anyhow::Error {
    #[cfg(target_os = "linux")]
    {
        if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
            return error.into();
        }
    }
    if std::os::unix::process::parent_id() != parent {
        // It ended before the kernel was asked.
        return anyhow::anyhow!("process {parent} has ended");
    }
    let Some((program, arguments)) = command.split_first() else {
        return anyhow::anyhow!("no program is named");
    };
    let error = Command::new(program).args(arguments).exec();
    anyhow::Error::new(error).context(format!("cannot run `{}`", program.to_string_lossy()))
}

/// How a process ended, as the end of a sentence that starts with its name.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// The command line, for people.
fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The exit code of a program that was interrupted, by the shells' convention.
pub(crate) fn interrupted_exit_code() -> ExitCode {
    ExitCode::from(130)
}
