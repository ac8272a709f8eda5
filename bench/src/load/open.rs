//! Requests at a given rate, whether or not the server keeps up: what users do.
//!
//! A latency counts from the moment at which the request was due, not from when a connection was free to send it, so
//! that a server that stalls is charged for everybody who waited (no coordinated omission). Threads that sleep, since
//! the timers of an event loop are a millisecond too coarse.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use super::{
    Asked, Outcome,
    answer::{Progress, progress},
    histogram, record,
};

/// More than are ever busy at half the load that saturates; one that waits costs nothing.
const CONNECTIONS: usize = 32;

/// Before anything is counted.
const WARM_UP: Duration = Duration::from_millis(500);

/// Asks `rate` times a second.
///
/// # Panics
/// When an answer is not a success.
#[allow(clippy::cast_precision_loss, reason = "no bench runs that long")]
pub(crate) fn open(asked: &Asked, rate: f64, duration: Duration) -> Outcome {
    let next = AtomicUsize::new(0);
    let started = Instant::now() + Duration::from_millis(50);
    let counted_from = started + WARM_UP;
    let ends = counted_from + duration;
    let due = |turn: usize| started + Duration::from_secs_f64(turn as f64 / rate);
    let work = || {
        let mut latency = histogram();
        let mut stream = TcpStream::connect(asked.address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket has options");
        let (mut request, mut received) = (Vec::new(), Vec::with_capacity(16 * 1024));
        loop {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            let due = due(turn);
            if due >= ends {
                return latency;
            }
            thread::sleep(due.saturating_duration_since(Instant::now()));
            asked.write(turn, &mut request);
            ask(&mut stream, &request, &mut received);
            if due >= counted_from {
                record(&mut latency, due.elapsed());
            }
        }
    };
    let latency = thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().fold(histogram(), |mut all: Histogram<u64>, thread| {
            all.add(thread.join().expect("the server answers every request with success"))
                .expect("the same bounds");
            all
        })
    });
    Outcome { requests: latency.len(), elapsed: duration, latency }
}

fn ask(stream: &mut TcpStream, request: &[u8], received: &mut Vec<u8>) {
    stream.write_all(request).expect("the server reads");
    received.clear();
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = stream.read(&mut buffer).expect("the server answers");
        assert!(read > 0, "the server closed a connection");
        received.extend_from_slice(&buffer[..read]);
        match progress(received) {
            Progress::Partial => {}
            Progress::Whole(200) => return,
            Progress::Whole(_) => panic!("{}", String::from_utf8_lossy(received)),
        }
    }
}
