//! Free TCP ports for child processes that must be told theirs.

use crate::wait;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpStream};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Mutex;
use tokio::net::TcpListener;

/// Below the range from which the kernel takes the source ports of outgoing connections, so that no
/// connection of a parallel test can occupy a port between our look and the child's bind.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// How many ports a process reserves at a time.
const BLOCK: u16 = 100;

/// The ports of this process: test binaries run at the same time, and two must not be given the same port before a child
/// has bound it.
static OURS: Mutex<Ours> = Mutex::new(Ours { blocks: Vec::new(), given: 0 });

struct Ours {
    /// Where each block begins, and what keeps other processes out of it until this one has ended.
    blocks: Vec<(u16, UnixListener)>,
    given: usize,
}

impl Ours {
    fn next(&mut self) -> u16 {
        let (block, offset) = (self.given / usize::from(BLOCK), self.given % usize::from(BLOCK));
        if block == self.blocks.len() {
            match reserve(self.blocks.len()) {
                Some(reserved) => self.blocks.push(reserved),
                // What was given long ago may be free again.
                None => {
                    self.given = 0;
                    assert!(!self.blocks.is_empty(), "other processes have reserved all ports of the tests");
                    return self.next();
                }
            }
        }
        self.given += 1;
        self.blocks[block].0 + u16::try_from(offset).expect("a block is small")
    }
}

/// Reserves a block that no other process has: an abstract socket's name belongs to one process, and is free when that ends.
fn reserve(ours: usize) -> Option<(u16, UnixListener)> {
    let blocks = COUNT / BLOCK;
    // Each process begins elsewhere, so that most find a free block at once.
    let start =
        u16::try_from((std::process::id() as usize * 7 + ours) % usize::from(blocks)).unwrap_or_default();
    (0..blocks).find_map(|step| {
        let first = FIRST + (start + step) % blocks * BLOCK;
        let name = SocketAddr::from_abstract_name(format!("authtool-tests-ports-{first}")).ok()?;
        Some((first, UnixListener::bind_addr(&name).ok()?))
    })
}

/// A port on the loopback interface that nobody listens on, and that this process gives to nobody else.
pub fn free() -> u16 {
    for _ in 0..COUNT {
        let port = OURS.lock().unwrap().next();
        // A look by binding would leave a listening socket with every child that another thread forks meanwhile, until that
        // child executes its program: whoever binds the port next would find it taken.
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}

/// Listens on a port that was given by [`free`], for the first time or again. It waits while a child that another thread has
/// just forked still holds the socket that listened there before.
///
/// # Panics
/// When the port stays taken.
pub async fn listen(port: u16) -> TcpListener {
    wait::until(&format!("port {port} is free"), async || {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => Some(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse => None,
            Err(error) => panic!("cannot listen on port {port}: {error}"),
        }
    })
    .await
}
