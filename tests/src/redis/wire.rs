//! A network between servers and Redis that fails in the ways that networks do.

use super::connection;
use crate::{ports, wait};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// What does not pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    Nothing,
    /// What belongs to the connections on which changes are reported.
    Reports,
    /// What Redis answers on the others.
    Answers,
}

struct State {
    held: watch::Sender<Held>,
    /// How often the connections on which changes are reported were cut.
    cuts: watch::Sender<u64>,
    accepted: AtomicUsize,
    /// How many connections were asked to report changes.
    reporting: AtomicUsize,
    /// How many of those are closed.
    closed: AtomicUsize,
    /// How often Redis was asked for several records at once.
    reads: AtomicUsize,
    /// When something last passed, in milliseconds since it was made.
    last: AtomicU64,
    began: Instant,
    /// How many connections have ended.
    ended: AtomicUsize,
    /// Connections with a lower number are dead: what is sent on them arrives nowhere.
    swallowed: watch::Sender<usize>,
    /// Connections with a lower number are closed.
    closed_below: watch::Sender<usize>,
}

/// A port through which Redis is reached, until the drop.
pub struct Wire {
    /// Where it listens.
    pub port: u16,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

impl Wire {
    /// To one Redis.
    pub async fn to(redis: u16) -> Self {
        Self::balancing(&[redis]).await
    }

    /// To several that know nothing of each other, each new connection to the next: what a balancer does that
    /// nobody should have put there.
    pub async fn balancing(redis: &[u16]) -> Self {
        let port = ports::free();
        let listener = ports::listen(port).await;
        let state = Arc::new(State {
            held: watch::Sender::new(Held::Nothing),
            cuts: watch::Sender::new(0),
            accepted: AtomicUsize::new(0),
            reporting: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
            last: AtomicU64::new(0),
            began: Instant::now(),
            ended: AtomicUsize::new(0),
            swallowed: watch::Sender::new(0),
            closed_below: watch::Sender::new(0),
        });
        let (of_connections, redis) = (Arc::clone(&state), redis.to_vec());
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let number = of_connections.accepted.fetch_add(1, Ordering::SeqCst);
                let port = redis[number % redis.len()];
                let state = Arc::clone(&of_connections);
                tokio::spawn(async move {
                    carry(near, port, number, Arc::clone(&state)).await;
                    state.ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, state, accepting }
    }

    /// The server's configuration of a connection through it.
    pub fn connection(&self) -> Value {
        connection(json!({"host": "127.0.0.1", "port": self.port}))
    }

    /// From now on nothing comes of what Redis reports, though its connections stay open: a network that swallows
    /// packets.
    pub fn holds_reports(&self) {
        self.state.held.send_replace(Held::Reports);
    }

    /// From now on nothing comes of what Redis answers, though it is asked: a Redis that is very far away.
    pub fn holds_answers(&self) {
        self.state.held.send_replace(Held::Answers);
    }

    /// Everything passes again, what was held first.
    pub fn passes(&self) {
        self.state.held.send_replace(Held::Nothing);
    }

    /// What is sent on the connections of now arrives nowhere from now on, and they stay open: a firewall has forgotten them.
    /// New ones are not affected.
    pub fn swallows(&self) {
        self.state.swallowed.send_replace(self.connections());
    }

    /// Closes the connections of now, as a Redis with `timeout` does. They are closed when this returns.
    pub async fn closes(&self) {
        let connections = self.connections();
        self.state.closed_below.send_replace(connections);
        wait::until("the connections are closed", async || {
            (self.state.ended.load(Ordering::SeqCst) >= connections).then_some(())
        })
        .await;
    }

    /// Waits until nothing has passed for so long.
    pub async fn falls_silent(&self, silence: Duration) {
        wait::until("nothing passes", async || {
            let last = Duration::from_millis(self.state.last.load(Ordering::SeqCst));
            (self.state.began.elapsed().saturating_sub(last) > silence).then_some(())
        })
        .await;
    }

    /// How many connections have been made through it so far.
    pub fn connections(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    /// How often Redis was asked for several records at once (`MGET`) so far.
    pub fn reads(&self) -> usize {
        self.state.reads.load(Ordering::SeqCst)
    }

    /// Closes the connections on which changes are reported. They are closed when this returns.
    pub async fn cuts_reports(&self) {
        let reporting = self.reporting();
        self.state.cuts.send_modify(|cuts| *cuts += 1);
        wait::until("the connections are cut", async || {
            (self.state.closed.load(Ordering::SeqCst) >= reporting).then_some(())
        })
        .await;
    }

    /// How many connections were asked to report changes so far.
    pub fn reporting(&self) -> usize {
        self.state.reporting.load(Ordering::SeqCst)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(near: TcpStream, port: u16, number: usize, state: Arc<State>) {
    let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
    // Small messages are not to wait for each other: this is a wire, not a brake.
    if near.set_nodelay(true).and(far.set_nodelay(true)).is_err() {
        return;
    }
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    let reports = Arc::new(AtomicBool::new(false));
    let mut cuts = state.cuts.subscribe();
    cuts.mark_unchanged();
    let cut = async {
        loop {
            if cuts.changed().await.is_err() || reports.load(Ordering::SeqCst) {
                return;
            }
        }
    };
    let (mut swallowed, mut closed_below) = (state.swallowed.subscribe(), state.closed_below.subscribe());
    {
        let (there, back) = (
            one_way(from_near, to_far, &state, &reports, true),
            one_way(from_far, to_near, &state, &reports, false),
        );
        let (mut there, mut back) = (std::pin::pin!(there), std::pin::pin!(back));
        let is_swallowed = tokio::select! {
            () = &mut there => false,
            () = &mut back => false,
            () = cut => false,
            _ = closed_below.wait_for(|below| number < *below) => false,
            _ = swallowed.wait_for(|below| number < *below) => true,
        };
        if is_swallowed {
            // The sockets stay open, and nobody looks at them any more.
            let _closed = closed_below.wait_for(|below| number < *below).await;
        }
    }
    // Both sockets were closed with what carried them.
    if reports.load(Ordering::SeqCst) {
        state.closed.fetch_add(1, Ordering::SeqCst);
    }
}

async fn one_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    reports: &AtomicBool,
    is_request: bool,
) {
    let (sent, mut on_its_way) = mpsc::unbounded_channel::<Vec<u8>>();
    let arriving = async {
        while let Some(bytes) = on_its_way.recv().await {
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    let mut held = state.held.subscribe();
    let mut buffer = vec![0; 64 * 1024];
    let leaving = async move {
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let bytes = &buffer[..length];
            let now = u64::try_from(state.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            state.last.store(now, Ordering::SeqCst);
            if is_request
                && bytes.windows(8).any(|window| window == b"TRACKING")
                && !reports.swap(true, Ordering::SeqCst)
            {
                state.reporting.fetch_add(1, Ordering::SeqCst);
            }
            if is_request {
                let reads = bytes.windows(4).filter(|window| *window == b"MGET").count();
                state.reads.fetch_add(reads, Ordering::SeqCst);
            }
            let passes = held.wait_for(|held| match held {
                Held::Nothing => true,
                Held::Reports => !reports.load(Ordering::SeqCst),
                Held::Answers => is_request || reports.load(Ordering::SeqCst),
            });
            if passes.await.is_err() || sent.send(bytes.to_vec()).is_err() {
                return;
            }
        }
    };
    tokio::join!(leaving, arriving);
}
