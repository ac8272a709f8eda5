//! Several servers in turn, a tenth of a second each: what else the machine does in the meantime, and how fast it happens to
//! be, is the same for all of them.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{
    net::TcpStream,
    sync::Notify,
    task::{JoinSet, LocalSet},
};

use super::{Asked, Outcome, closed::exchange, histogram, record};
use crate::usage::Used;

/// Long enough for caches to be filled anew, short enough for nobody to notice a change of the weather.
const SLICE: Duration = Duration::from_millis(100);

/// Who is asked now, and what came of it.
struct Stage {
    /// Nobody, between two slices.
    whose_turn: Cell<Option<usize>>,
    changed: Notify,
    measures: Cell<bool>,
    under_way: Cell<usize>,
    all_answered: Notify,
    turns: Cell<usize>,
    answered: Vec<Cell<u64>>,
    latency: Vec<RefCell<Histogram<u64>>>,
}

/// Keeps each of them busy over this many connections, for `duration` altogether. `meter` is read before and after each
/// slice of the one with this number; what it says is added up.
///
/// # Panics
/// When an answer is not a success: nothing is measured by errors.
pub(crate) async fn alternating(
    asked: Vec<Asked>,
    connections: usize,
    duration: Duration,
    meter: impl Fn(usize) -> Used + Send + 'static,
) -> Vec<(Outcome, Used)> {
    let (done, result) = tokio::sync::oneshot::channel();
    // A thread of its own: whatever else this process does, it does elsewhere.
    thread::spawn(move || done.send(run(&asked, connections, duration, &meter)));
    result.await.expect("the servers answer every request with success")
}

fn run(
    asked: &[Asked],
    connections: usize,
    duration: Duration,
    meter: &impl Fn(usize) -> Used,
) -> Vec<(Outcome, Used)> {
    let stage = Rc::new(Stage {
        whose_turn: Cell::new(None),
        changed: Notify::new(),
        measures: Cell::new(false),
        under_way: Cell::new(0),
        all_answered: Notify::new(),
        turns: Cell::new(0),
        answered: asked.iter().map(|_| Cell::new(0)).collect(),
        latency: asked.iter().map(|_| RefCell::new(histogram())).collect(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let tasks = LocalSet::new();
    let (elapsed, metered) = runtime.block_on(tasks.run_until(async {
        let mut all = JoinSet::new();
        for number in (0..asked.len()).flat_map(|number| std::iter::repeat_n(number, connections)) {
            all.spawn_local(ask_on(Rc::clone(&stage), number, asked[number].clone()));
        }
        tokio::select! {
            // None of them ends by itself.
            Some(failed) = all.join_next() => panic!("an answer is not a success: {failed:?}"),
            measured = stage.direct(asked.len(), duration, meter) => measured,
        }
    }));
    let outcomes = stage.answered.iter().zip(&stage.latency).zip(elapsed.into_iter().zip(metered));
    outcomes
        .map(|((answered, latency), (elapsed, metered))| {
            (Outcome { requests: answered.get(), elapsed, latency: latency.borrow().clone() }, metered)
        })
        .collect()
}

impl Stage {
    async fn direct(
        &self,
        contenders: usize,
        duration: Duration,
        meter: &impl Fn(usize) -> Used,
    ) -> (Vec<Duration>, Vec<Used>) {
        let (mut elapsed, mut metered) =
            (vec![Duration::ZERO; contenders], vec![Used::default(); contenders]);
        // The first slices fill the caches, and are not counted.
        let mut round = 0_usize;
        while round == 0 || elapsed.iter().any(|it| *it < duration) {
            for place in 0..contenders {
                // Everybody comes first as often, and never twice in a row.
                let number = (round + place) % contenders;
                self.measures.set(round > 0);
                let (before, began) = (meter(number), Instant::now());
                self.whose_turn.set(Some(number));
                self.changed.notify_waiters();
                tokio::time::sleep(if round == 0 { 3 * SLICE } else { SLICE }).await;
                self.whose_turn.set(None);
                while self.under_way.get() > 0 {
                    self.all_answered.notified().await;
                }
                if round > 0 {
                    elapsed[number] += began.elapsed();
                    metered[number] += meter(number) - before;
                }
            }
            round += 1;
        }
        (elapsed, metered)
    }

    async fn turn_of(&self, number: usize) {
        while self.whose_turn.get() != Some(number) {
            self.changed.notified().await;
        }
    }
}

async fn ask_on(stage: Rc<Stage>, number: usize, asked: Asked) {
    let mut stream = TcpStream::connect(asked.address).await.expect("the server listens");
    stream.set_nodelay(true).expect("a socket has options");
    let (mut request, mut received) = (Vec::new(), Vec::with_capacity(16 * 1024));
    loop {
        stage.turn_of(number).await;
        stage.under_way.set(stage.under_way.get() + 1);
        asked.write(stage.turns.replace(stage.turns.get() + 1), &mut request);
        let sent = Instant::now();
        exchange(&mut stream, &request, &mut received).await;
        if stage.measures.get() {
            stage.answered[number].set(stage.answered[number].get() + 1);
            record(&mut stage.latency[number].borrow_mut(), sent.elapsed());
        }
        stage.under_way.set(stage.under_way.get() - 1);
        if stage.under_way.get() == 0 {
            stage.all_answered.notify_one();
        }
    }
}
