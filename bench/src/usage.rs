//! What processes have used of the machine, as the operating system says.

use std::{
    fs,
    ops::{AddAssign, Sub},
};

/// Of `/proc/<pid>/stat`: the unit is the same on every Linux (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of processor time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// Of the processes that are charged.
    pub(crate) own: f64,
    /// Of those beside.
    pub(crate) beside: f64,
}

impl Sub for Used {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { own: self.own - before.own, beside: self.beside - before.beside }
    }
}

impl AddAssign for Used {
    fn add_assign(&mut self, more: Self) {
        self.own += more.own;
        self.beside += more.beside;
    }
}

/// User and system time of a process and all its threads, in seconds.
#[allow(clippy::cast_precision_loss, reason = "no process runs that long")]
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // The name may contain anything; the fields begin after its closing parenthesis.
    let (_, fields) = stat.rsplit_once(") ").expect("stat has a name");
    let ticks: u64 = fields.split(' ').skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
    ticks as f64 / TICKS_PER_SECOND
}

/// The sum over processes.
pub(crate) fn cpu_seconds_of(pids: &[u32]) -> f64 {
    pids.iter().map(|pid| cpu_seconds(*pid)).sum()
}

/// A process and all that it has started.
pub(crate) fn with_children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|it| it.parse().ok());
    std::iter::once(pid).chain(children.flat_map(with_children)).collect()
}

/// Resident memory in KiB.
pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse().ok())
        .expect("a process has a size")
}

/// The average number of processes that wanted to run during the last minute.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// What the machine calls its processor.
pub(crate) fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("unnamed", |(_, name)| name).to_owned()
}
