//! Waiting until every replica has heard of a change, or cannot rely on its memory any more.
//!
//! Those who wait at the same time ask together: one question is being put at a time, and whoever comes meanwhile shares
//! the next one. So a replica asks no more often than Redis answers it, however many log out.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use super::{
    super::RedisStore,
    tracking::{Line, Tracking},
};

/// No configuration lets a replica stay in the list for longer (5/4 of the largest `maxStalenessMs`): a clock of Redis that
/// was set back keeps nobody waiting.
const LONGEST: Duration = Duration::from_millis(12_500);

/// The questions that are open on a connection, each with the way back to who asked.
#[derive(Default)]
pub(super) struct Answers {
    asked: AtomicU64,
    open: Mutex<BTreeMap<u64, mpsc::UnboundedSender<String>>>,
}

/// Closes a question when nobody waits for its answers any more.
struct Question<'a> {
    answers: &'a Answers,
    number: u64,
}

impl Answers {
    fn begin(&self) -> (Question<'_>, mpsc::UnboundedReceiver<String>) {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = mpsc::unbounded_channel();
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(number, sender);
        (Question { answers: self, number }, receiver)
    }

    /// A listener has heard of everything before this question, and so of what came before those that were put earlier.
    pub(super) fn came(&self, number: u64, from: &str) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for asking in open.range(..=number).map(|(_, asking)| asking) {
            // Whoever has gone does not need it.
            let _gone = asking.send(from.to_owned());
        }
    }

    /// No answer comes any more.
    pub(super) fn end(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.answers.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// Puts the questions of one replica, one after the other.
#[derive(Default)]
pub(super) struct Settling {
    /// The next question, for all who came before it is put.
    next: Arc<Mutex<Option<Shared<BoxFuture<'static, ()>>>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Settling {
    /// Returns when no replica recalls anything as it was before what has been written so far. Without a connection on
    /// which answers would be heard, that is when the time of all of them is up.
    pub(super) async fn settle(
        &self,
        store: &Arc<RedisStore>,
        tracking: Option<&Arc<Tracking>>,
        max_staleness: Duration,
    ) {
        let question = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let begin = || {
                let (waiting, turn) = (Arc::clone(&self.next), Arc::clone(&self.turn));
                let (store, tracking) = (Arc::clone(store), tracking.map(Arc::clone));
                let question = async move {
                    let turn = turn.lock_owned().await;
                    // Whoever comes from now on may have changed something that this question comes too early for.
                    waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
                    let line = tracking.and_then(|it| it.line());
                    ask_and_wait(&store, line.as_deref(), max_staleness, turn).await;
                };
                question.boxed().shared()
            };
            next.get_or_insert_with(begin).clone()
        };
        question.await;
    }
}

/// The turn ends when Redis has the question: the next one is put while the answers to this one come.
async fn ask_and_wait(
    store: &RedisStore,
    line: Option<&Line>,
    max_staleness: Duration,
    turn: tokio::sync::OwnedMutexGuard<()>,
) {
    let began = Instant::now();
    let question = line.map(|line| line.answers.begin());
    let number = question.as_ref().map_or(0, |(question, _)| question.number);
    let asked = store.ask(line.map(Line::keys), number, max_staleness).await;
    drop(turn);
    let listeners = match asked {
        Ok(listeners) => listeners,
        Err(error) => {
            tracing::warn!(%error, "whether other replicas have heard of a change cannot be asked; waiting instead");
            sleep(max_staleness + max_staleness / 4).await;
            return;
        }
    };
    // Counted from the answer, and so no shorter than Redis counts it.
    let asked = Instant::now();
    // This replica too: another one may have made the change, and its report may be on its way here.
    let mut awaited: HashMap<String, Duration> =
        listeners.into_iter().map(|(listener, left)| (listener, left.min(LONGEST))).collect();
    let mut answered = HashSet::new();
    if let Some((_question, mut answers)) = question {
        while let Some(longest) = awaited.values().max() {
            match timeout_at(asked + *longest, answers.recv()).await {
                Ok(Some(listener)) => {
                    awaited.remove(&listener);
                    answered.insert(listener);
                }
                Ok(None) | Err(_) => break,
            }
        }
    }
    if let Some(longest) = awaited.values().max() {
        sleep_until(asked + *longest).await;
        tracing::warn!(event = "replica_silent", silent = awaited.len(), heard = answered.len(), took = ?began.elapsed(),
            "some replica has not said that it heard of a change, and was waited for until it cannot rely on its memory");
    }
}
