//! Free TCP ports for child processes that must be told theirs.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which the kernel takes the source ports of outgoing connections, so that no
/// connection of a parallel test can occupy a port between our look and the child's bind.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Test binaries may run at the same time; each begins at its own place in the range.
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
    let start = u64::from(std::process::id()) * 97 % u64::from(COUNT);
    AtomicU16::new(u16::try_from(start).unwrap_or_default())
});

/// A port on the loopback interface that nobody listened on a moment ago, and that this process has
/// not given to anybody else.
pub fn free() -> u16 {
    for _ in 0..COUNT {
        let port = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
