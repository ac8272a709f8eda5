//! The connection on which Redis reports changes, on a thread of its own: however busy the process is with requests,
//! a report does not queue behind them, and neither does a probe.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, PushInfo, PushKind, RedisError, Value, aio::MultiplexedConnection,
    cmd, pipe,
};
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{RedisStore, milliseconds},
    CacheSettings,
    keys::{Keys, Reported, Unwritten},
    lease::Lease,
    memory::Memory,
    settling::Answers,
};
use crate::{
    adapters::{
        SystemEntropy,
        redis::{
            link::{FIRST_PAUSE, LAST_PAUSE},
            way::{CONNECT_TIMEOUT, Way},
        },
    },
    ports::{Entropy, StoreError},
    telemetry,
};

/// A Redis that refuses to report will go on refusing until somebody changes its configuration.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);
/// What the thread does is bounded by this, in the worst case a connection that does not come about.
const ENDING: Duration = Duration::from_secs(3);
/// Probes in the time for which one is good: some may be late.
const PROBES_PER_LEASE: u32 = 5;

/// Whether memory is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not yet known.
    Starting,
    /// Redis reports changes.
    InUse,
    /// It does not, and this is why.
    OutOfUse(Arc<str>),
}

/// What the thread and the requests share.
pub(super) struct Tracking {
    /// The connection whose reports are listened to.
    current: RwLock<Option<(Arc<Line>, MultiplexedConnection)>>,
    state: watch::Sender<State>,
    stop: CancellationToken,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Tracking {
    /// Begins to listen. Must be called within the runtime that drives the store's own connection.
    pub(super) fn start(
        settings: CacheSettings,
        store: Arc<RedisStore>,
        dialler: Way,
        memory: Arc<Memory>,
    ) -> Arc<Self> {
        let tracking = Arc::new(Self {
            current: RwLock::default(),
            state: watch::Sender::new(State::Starting),
            stop: CancellationToken::new(),
            thread: Mutex::default(),
        });
        let listener = Listener {
            tracking: Arc::clone(&tracking),
            store,
            dialler,
            memory,
            max_staleness: settings.max_staleness,
            requests: Handle::current(),
        };
        let stop = tracking.stop.clone();
        let spawned = std::thread::Builder::new().name("authtool-cache".to_owned()).spawn(move || {
            match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => {
                    runtime.block_on(stop.run_until_cancelled(listener.listen()));
                }
                Err(error) => listener.is_out_of_use(&error),
            }
        });
        match spawned {
            Ok(thread) => *tracking.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread),
            Err(error) => {
                tracing::warn!(%error, "there is no thread for the local cache; it stays out of use");
            }
        }
        tracking
    }

    /// Where to read what is to be remembered: changes of what this connection reads are reported on it.
    pub(super) fn connection(&self) -> Option<MultiplexedConnection> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|(_, connection)| connection.clone())
    }

    /// What is heard on it.
    pub(super) fn line(&self) -> Option<Arc<Line>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|(line, _)| Arc::clone(line))
    }

    fn set(&self, current: Option<(Arc<Line>, MultiplexedConnection)>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
    }

    /// What is the case once it is known, or after `patience`.
    pub(super) async fn settled(&self, patience: Duration) -> State {
        let mut state = self.state.subscribe();
        match timeout(patience, state.wait_for(|state| *state != State::Starting)).await {
            Ok(Ok(settled)) => settled.clone(),
            _ => State::OutOfUse("Redis has not reported a change yet".into()),
        }
    }

    /// Stops, and takes itself out of the list, so that no logout waits for it. Returns when the thread has ended: a process
    /// that exits under a thread that still holds TLS and sockets may abort.
    pub(super) async fn retire(&self, store: &RedisStore) {
        self.stop();
        self.leave(store).await;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        let ending = tokio::task::spawn_blocking(move || thread.join().is_ok());
        if timeout(ENDING, ending).await.is_err() {
            tracing::debug!("the thread of the local cache is still busy");
        }
    }

    async fn leave(&self, store: &RedisStore) {
        let Some(line) = self.line() else { return };
        self.set(None);
        line.give_up();
        let _alone = line.listed.lock().await;
        if let Err(error) = store.leave(&line.keys).await {
            tracing::debug!(%error, "this replica is still in the list of listeners");
        }
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }
}

/// What the thread does.
struct Listener {
    tracking: Arc<Tracking>,
    store: Arc<RedisStore>,
    dialler: Way,
    memory: Arc<Memory>,
    max_staleness: Duration,
    /// Where the store's own connection lives: what makes it must not move it to this thread.
    requests: Handle,
}

/// Why a connection is of no use, or no longer.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("{0}")]
    Refused(String),
    #[error("the connection on which Redis reports changes was lost")]
    Lost,
    #[error("no change can be made that Redis would report: {0}")]
    Unwritten(StoreError),
    #[error(
        "Redis has not reported a change that was made {0:?} ago; if this stays so, something between here and \
         Redis does not pass its reports on: set localCache.enabled to false"
    )]
    Silent(Duration),
}

/// What was last heard on a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    Probe(u64),
    End,
}

/// One connection: its reports go to memory in the order in which Redis sends them.
pub(super) struct Line {
    memory: Arc<Memory>,
    keys: Keys,
    /// `None` once the connection is given up: what it still reports counts for nothing.
    lease: Mutex<Option<Lease>>,
    heard: watch::Sender<Heard>,
    /// Held while the list of listeners is changed, so that a probe does not put back who has left.
    listed: tokio::sync::Mutex<()>,
    /// What others wait for this one to have heard of.
    questions: Questions,
    /// Who is waited for here.
    pub(super) answers: Answers,
}

/// The newest question of each who asks and has not been answered: to answer it is to answer those before it.
#[derive(Default)]
struct Questions {
    newest: Mutex<HashMap<String, u64>>,
    came: Notify,
}

impl Questions {
    fn put(&self, from: &str, number: u64) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let known = newest.entry(from.to_owned()).or_insert(number);
        *known = number.max(*known);
        drop(newest);
        self.came.notify_one();
    }

    async fn take(&self) -> HashMap<String, u64> {
        self.came.notified().await;
        std::mem::take(&mut *self.newest.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Listener {
    async fn listen(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let trouble = match self.connect().await {
                Ok((line, connection)) => {
                    self.tracking.set(Some((Arc::clone(&line), connection.clone())));
                    let (trouble, was_in_use) = tokio::select! {
                        outcome = self.keep_in_use(&line) => outcome,
                        trouble = answer(&line, connection, self.max_staleness) => (trouble, false),
                    };
                    self.tracking.set(None);
                    line.give_up();
                    self.leave(&line);
                    if was_in_use {
                        pause = FIRST_PAUSE;
                    }
                    trouble
                }
                Err(trouble) => trouble,
            };
            self.is_out_of_use(&trouble);
            let is_refused = matches!(trouble, Trouble::Refused(_));
            sleep(if is_refused { REFUSED_PAUSE } else { pause }).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Nobody needs to wait for a connection that is gone. If this fails, they wait until its time is up.
    fn leave(&self, line: &Arc<Line>) {
        let (store, line) = (Arc::clone(&self.store), Arc::clone(line));
        drop(self.requests.spawn(async move {
            let _alone = line.listed.lock().await;
            if let Err(error) = store.leave(&line.keys).await {
                tracing::debug!(%error, "a lost connection is still in the list of listeners");
            }
        }));
    }

    async fn connect(&self) -> Result<(Arc<Line>, MultiplexedConnection), Trouble> {
        // Of this connection alone, so that no other's probe is taken for one of its own.
        let mut id = [0; 16];
        let entropy: &dyn Entropy = &SystemEntropy;
        entropy.fill(&mut id).map_err(|error| Trouble::Refused(error.to_string()))?;
        let line = Arc::new(Line {
            memory: Arc::clone(&self.memory),
            keys: Keys::new(&self.store.namespace, URL_SAFE_NO_PAD.encode(id)),
            lease: Mutex::new(Some(Lease::new(self.max_staleness))),
            heard: watch::Sender::new(Heard::Nothing),
            listed: tokio::sync::Mutex::default(),
            questions: Questions::default(),
            answers: Answers::default(),
        });
        let listening = Arc::clone(&line);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(self.max_staleness))
            .set_push_sender(move |push| {
                listening.hears(&push);
                Ok::<(), std::convert::Infallible>(())
            });
        let dialled = timeout(CONNECT_TIMEOUT, self.dialler.dial(&config)).await;
        let mut connection = dialled.map_err(|_| {
            RedisError::from((ErrorKind::Io, "no connection could be made in time for reports of changes"))
        })??;
        match tracking_on(line.keys.prefixes()).query_async::<()>(&mut connection).await {
            Ok(()) => Ok((line, connection)),
            Err(error) if error.is_io_error() || error.is_timeout() => Err(error.into()),
            Err(error) if error.code() == Some("NOPERM") => Err(Trouble::Refused(format!(
                "the ACL user may not ask Redis to report changes; it needs +client|tracking besides ({error})"
            ))),
            Err(error) => Err(Trouble::Refused(format!("Redis does not report changes: {error}"))),
        }
    }

    /// Probes until the connection is of no use any more. Also returns whether it ever was.
    async fn keep_in_use(&self, line: &Arc<Line>) -> (Trouble, bool) {
        let mut ticks = interval(self.max_staleness / PROBES_PER_LEASE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let patience = self.max_staleness * 2;
        let mut last_heard = Instant::now();
        let mut in_use = false;
        let mut unwritten = None;
        loop {
            ticks.tick().await;
            let Some(number) = line.sends() else { return (Trouble::Lost, in_use) };
            let mut heard = line.heard.subscribe();
            let (store, probed, max_staleness) =
                (Arc::clone(&self.store), Arc::clone(line), self.max_staleness);
            let mut write = self.requests.spawn(async move {
                let _alone = probed.listed.lock().await;
                if probed.is_given_up() {
                    return Ok(());
                }
                store.write_probe(&probed.keys, number, max_staleness).await
            });
            let arrives = heard.wait_for(|it| *it == Heard::End || *it == Heard::Probe(number));
            let arrival = async {
                tokio::pin!(arrives);
                tokio::select! {
                    arrival = &mut arrives => Ok(arrival.map_or(Heard::End, |it| *it)),
                    written = &mut write => match written {
                        Ok(Ok(())) => Ok(arrives.await.map_or(Heard::End, |it| *it)),
                        Ok(Err(why)) => Err(Some(why)),
                        Err(_) => Err(None),
                    },
                }
            };
            match timeout_at(last_heard + patience, arrival).await {
                Ok(Ok(Heard::End)) => return (Trouble::Lost, in_use),
                Ok(Ok(Heard::Probe(_))) => (last_heard, unwritten) = (Instant::now(), None),
                Ok(Err(Some(Unwritten::Refused(why)))) => return (Trouble::Refused(why), in_use),
                // Not this connection's fault: the next probe may be written.
                Ok(Err(Some(Unwritten::Failed(why)))) => unwritten = Some(why),
                Ok(Ok(Heard::Nothing) | Err(None)) | Err(_) => {}
            }
            if last_heard.elapsed() >= patience {
                return (unwritten.map_or(Trouble::Silent(patience), Trouble::Unwritten), in_use);
            }
            if !in_use && self.memory.is_trusted() {
                in_use = true;
                self.is_in_use();
            }
            self.count();
        }
    }

    fn is_in_use(&self) {
        if self.tracking.state.send_replace(State::InUse) != State::InUse {
            tracing::info!(
                event = "local_cache_in_use",
                "Redis reports changes; sessions are kept in memory"
            );
        }
    }

    /// Says so once, however often it is tried again.
    fn is_out_of_use(&self, reason: &dyn fmt::Display) {
        let reason: Arc<str> = reason.to_string().into();
        let before = self.tracking.state.send_replace(State::OutOfUse(Arc::clone(&reason)));
        if !matches!(before, State::OutOfUse(_)) {
            tracing::warn!(event = "local_cache_out_of_use", %reason,
                "the local cache is out of use, and every request asks Redis");
        }
        self.count();
    }

    fn count(&self) {
        let counts = &self.memory.counts;
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        telemetry::cache_reads("hit", take(&counts.hits));
        telemetry::cache_reads("miss", take(&counts.misses));
        telemetry::cache_reads("bypass", take(&counts.bypasses));
        telemetry::cache_invalidations(take(&counts.invalidations));
        telemetry::cache_state(self.memory.bytes(), self.memory.is_trusted());
    }
}

impl Line {
    /// `None` if the connection has ended.
    fn sends(&self) -> Option<u64> {
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        lease.as_mut().map(|lease| lease.sends(Instant::now()))
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Called by the connection for everything that Redis sends unasked, before anything that it sends later is
    /// looked at.
    fn hears(&self, push: &PushInfo) {
        match (&push.kind, push.data.first()) {
            (PushKind::Invalidate, Some(Value::Array(keys))) => {
                for key in keys {
                    self.reports(key);
                }
            }
            // The keys are not named when all of them are gone.
            (PushKind::Invalidate, _) => self.memory.forget_all(),
            (PushKind::Disconnection, _) => self.give_up(),
            _ => {}
        }
    }

    fn reports(&self, key: &Value) {
        let Value::BulkString(key) = key else { return };
        let Ok(key) = std::str::from_utf8(key) else { return };
        match self.keys.read(key) {
            Some(Reported::Session(session)) => self.memory.forget(session),
            Some(Reported::Probe(number)) => {
                let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
                // Redis also reports when the key of an earlier probe expires.
                let Some(lease) = lease.as_mut().filter(|lease| lease.awaits(number)) else { return };
                if let Some(until) = lease.hears() {
                    self.memory.trust_until(until);
                }
                self.heard.send_replace(Heard::Probe(number));
            }
            // One's own question is one's own answer: what came before it has been heard.
            Some(Reported::Question { from, number }) if self.keys.is(from) => {
                self.answers.came(number, from);
            }
            Some(Reported::Question { from, number }) => self.questions.put(from, number),
            Some(Reported::Answer { number, from }) => self.answers.came(number, from),
            None => {}
        }
    }

    fn is_given_up(&self) -> bool {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn give_up(&self) {
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        if lease.take().is_some() {
            self.memory.distrust();
            self.memory.forget_all();
        }
        drop(lease);
        self.answers.end();
        self.heard.send_replace(Heard::End);
    }
}

/// Who has been answered, and up to which question. Redis also reports when the key of a question expires, which is none.
#[derive(Default)]
struct Answered(HashMap<String, (u64, Instant)>);

impl Answered {
    /// What of these is new. Whoever has not asked for so long that no key of theirs can expire any more is forgotten.
    fn new_of(
        &mut self,
        questions: HashMap<String, u64>,
        now: Instant,
        forget_after: Duration,
    ) -> Vec<(String, u64)> {
        self.0.retain(|_, (_, at)| now.duration_since(*at) < forget_after);
        let is_new =
            |(from, number): &(String, u64)| self.0.get(from).is_none_or(|(answered, _)| number > answered);
        let new: Vec<_> = questions.into_iter().filter(is_new).collect();
        self.0.extend(new.iter().map(|(from, number)| (from.clone(), (*number, now))));
        new
    }
}

/// Tells those who ask that what they did has been heard of: what is asked on a connection is reported after it. Returns
/// when nobody can be told any more: a replica that listens without answering would make all others wait.
async fn answer(line: &Line, mut connection: MultiplexedConnection, max_staleness: Duration) -> Trouble {
    let mut answered = Answered::default();
    loop {
        let questions = line.questions.take().await;
        let new = answered.new_of(questions, Instant::now(), max_staleness * 4);
        if new.is_empty() {
            continue;
        }
        let mut answers = pipe();
        for (from, number) in &new {
            let key = line.keys.answer(from, *number);
            answers.cmd("SET").arg(key).arg(1).arg("PX").arg(milliseconds(max_staleness * 2)).ignore();
        }
        match answers.query_async::<()>(&mut connection).await {
            Ok(()) => {}
            // An answer that is lost costs patience, and a connection that is lost is noticed elsewhere.
            Err(error) if error.is_io_error() || error.is_timeout() => {
                tracing::debug!(%error, "another replica could not be told that a change was heard of");
            }
            Err(error) => {
                return Trouble::Refused(format!(
                    "Redis does not let this replica say what it has heard of: {error}"
                ));
            }
        }
    }
}

fn tracking_on(prefixes: [&str; 3]) -> Cmd {
    let mut tracking = cmd("CLIENT");
    tracking.arg("TRACKING").arg("ON").arg("BCAST");
    for prefix in prefixes {
        tracking.arg("PREFIX").arg(prefix);
    }
    tracking
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_question_of_each_is_answered_once() {
        let (questions, mut answered) = (Questions::default(), Answered::default());
        let (now, forget_after) = (Instant::now(), Duration::from_secs(4));
        for (from, number) in [("one", 3), ("one", 5), ("one", 4), ("other", 0)] {
            questions.put(from, number);
        }
        let mut new = answered.new_of(questions.take().await, now, forget_after);
        new.sort();
        assert_eq!(new, [("one".to_owned(), 5), ("other".to_owned(), 0)]);
        // Their keys expire, which Redis reports like any change.
        for (from, number) in [("one", 4), ("one", 5), ("other", 0)] {
            questions.put(from, number);
        }
        let later = now + forget_after / 2;
        assert!(answered.new_of(questions.take().await, later, forget_after).is_empty());
        questions.put("one", 6);
        assert_eq!(answered.new_of(questions.take().await, later, forget_after), [("one".to_owned(), 6)]);
        assert!(answered.new_of(HashMap::new(), now + forget_after * 2, forget_after).is_empty());
        assert!(answered.0.is_empty(), "whoever has gone is forgotten");
    }
}
