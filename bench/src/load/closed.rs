//! As many requests at once as there are connections, each followed by the next: as fast as the server can.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::LocalSet,
};

use super::{
    Asked, Outcome,
    answer::{Progress, progress},
    histogram, record,
};

/// Before anything is counted, connections are made and caches are filled.
const WARM_UP: Duration = Duration::from_millis(500);

struct Shared {
    asked: Asked,
    ends: AtomicBool,
    measures: AtomicBool,
    answered: AtomicU64,
}

/// Keeps the server busy over this many connections.
///
/// # Panics
/// When an answer is not a success: nothing is measured by errors.
pub(crate) async fn closed(asked: &Asked, connections: usize, duration: Duration) -> Outcome {
    let shared = Arc::new(Shared {
        asked: asked.clone(),
        ends: AtomicBool::new(false),
        measures: AtomicBool::new(false),
        answered: AtomicU64::new(0),
    });
    let load = {
        let shared = Arc::clone(&shared);
        // A thread of its own: whatever else this process does, it does elsewhere.
        thread::spawn(move || run(&shared, connections))
    };
    tokio::time::sleep(WARM_UP).await;
    shared.measures.store(true, Ordering::Relaxed);
    let (started, before) = (Instant::now(), shared.answered.load(Ordering::Relaxed));
    tokio::time::sleep(duration).await;
    let (elapsed, after) = (started.elapsed(), shared.answered.load(Ordering::Relaxed));
    shared.ends.store(true, Ordering::Relaxed);
    let latency = load.join().expect("the server answers every request with success");
    Outcome { requests: after - before, elapsed, latency }
}

fn run(shared: &Arc<Shared>, connections: usize) -> hdrhistogram::Histogram<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let latency = Rc::new(RefCell::new(histogram()));
    let turn = Rc::new(Cell::new(0));
    let tasks = LocalSet::new();
    let all = (0..connections)
        .map(|_| tasks.spawn_local(ask_on(Arc::clone(shared), Rc::clone(&turn), Rc::clone(&latency))))
        .collect::<Vec<_>>();
    runtime.block_on(tasks.run_until(async {
        for task in all {
            task.await.expect("every answer is a success");
        }
    }));
    latency.borrow().clone()
}

async fn ask_on(
    shared: Arc<Shared>,
    turn: Rc<Cell<usize>>,
    latency: Rc<RefCell<hdrhistogram::Histogram<u64>>>,
) {
    let mut stream = TcpStream::connect(shared.asked.address).await.expect("the server listens");
    stream.set_nodelay(true).expect("a socket has options");
    let (mut request, mut received) = (Vec::new(), Vec::with_capacity(16 * 1024));
    while !shared.ends.load(Ordering::Relaxed) {
        shared.asked.write(turn.replace(turn.get() + 1), &mut request);
        let sent = Instant::now();
        exchange(&mut stream, &request, &mut received).await;
        if shared.measures.load(Ordering::Relaxed) {
            shared.answered.fetch_add(1, Ordering::Relaxed);
            record(&mut latency.borrow_mut(), sent.elapsed());
        }
    }
}

/// Sends a request and reads its answer.
///
/// # Panics
/// When the answer is not a success.
pub(super) async fn exchange(stream: &mut TcpStream, request: &[u8], received: &mut Vec<u8>) {
    stream.write_all(request).await.expect("the server reads");
    received.clear();
    loop {
        let read = stream.read_buf(received).await.expect("the server answers");
        assert!(read > 0, "the server closed a connection: {:?}", String::from_utf8_lossy(received));
        match progress(received) {
            Progress::Partial => {}
            Progress::Whole(200) => return,
            Progress::Whole(_) => panic!("{}", String::from_utf8_lossy(received)),
        }
    }
}
