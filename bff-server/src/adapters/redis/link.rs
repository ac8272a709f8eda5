//! The connection that everybody shares. Only a multiplexed one: a request that is dropped halfway leaves nothing in a
//! socket for the next one to read (SEC-59). However many requests fail at once, one of them reconnects.
//!
//! A connection that nobody has used for a moment may be dead without anybody knowing: Redis closes idle ones (`timeout`),
//! and what stands in between forgets them, with or without telling. So:
//!
//! - one that is known to be closed is not handed out;
//! - one that has been silent for a second (a tenth, for what could not be sent again) is asked whether it still works, before
//!   anything is sent that could be lost;
//! - what may be done twice is done once more on a fresh connection, if the old one turns out to be dead on the way;
//! - what Redis refused without doing it, because it knew us no longer or had become a replica, likewise.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{AsyncConnectionConfig, ErrorKind, PushInfo, PushKind, RedisError, ServerErrorKind, Value, cmd};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::{
    advice::{self, Reason},
    settings::{Protocol, RedisSettings, Topology},
    way::{CONNECT_TIMEOUT, Connection, Way},
};
use crate::ports::StoreError;

/// Longer than any answer of a healthy Redis takes; nobody waits longer for an unhealthy one.
pub(super) const OPERATION_TIMEOUT: Duration = Duration::from_secs(3);
/// What may be done twice leaves time for it.
const FIRST_PATIENCE: Duration = Duration::from_millis(1500);
const LAST_LOOK: Duration = Duration::from_millis(50);
/// After a failed connection the next one waits, doubling.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(50);
pub(super) const LAST_PAUSE: Duration = Duration::from_secs(1);
/// A connection on which something was heard so lately is taken to be good.
const GOOD_FOR: Duration = Duration::from_secs(1);
/// And for what could not be sent again: logins and logouts, which are rare enough to ask first.
const SURELY_GOOD_FOR: Duration = Duration::from_millis(100);
/// How long a silent connection has to answer.
const CHECK: Duration = Duration::from_secs(1);
/// How long a reason that names what is wrong stays, where later attempts only say that it does not work.
const REASON_STAYS: Duration = Duration::from_mins(1);

/// Whether an operation may be done twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The second time changes nothing, and has the same answer.
    May,
    /// The second time has another answer.
    MustNot,
}

/// The way to Redis, and the connection that is open on it.
pub(super) struct Link {
    way: Way,
    slot: RwLock<Slot>,
    connecting: Mutex<Pause>,
    began: Instant,
}

#[derive(Default)]
struct Slot {
    open: Option<Open>,
    generation: u64,
}

/// A connection, with what is known of it.
#[derive(Clone)]
struct Open {
    connection: Connection,
    generation: u64,
    life: Arc<Life>,
}

#[derive(Default)]
struct Life {
    /// The client has noticed its end.
    is_closed: AtomicBool,
    /// When Redis last answered, in milliseconds since the link began.
    heard: AtomicU64,
    /// Many ask at once after a silence, and one question answers all of them.
    checking: Mutex<()>,
}

/// When the next attempt may be made after one that failed, and why it failed.
struct Pause {
    until: Instant,
    length: Duration,
    reason: Option<(Reason, Instant)>,
}

/// What became of an operation on one connection.
enum Outcome<T> {
    Done(T),
    Failed(RedisError),
    /// No answer in time.
    Silence,
}

impl Link {
    pub(super) fn new(settings: RedisSettings) -> Result<Self, RedisError> {
        Ok(Self {
            way: Way::new(settings)?,
            slot: RwLock::default(),
            connecting: Mutex::new(Pause { until: Instant::now(), length: FIRST_PAUSE, reason: None }),
            began: Instant::now(),
        })
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.way.is_cluster()
    }

    /// Runs one operation in bounded time, and lets go of a connection that turns out to be no good: it learns that from
    /// the operation's error, which must not be hidden in an `Ok`.
    pub(super) async fn once<T>(
        &self,
        operation: impl AsyncFnOnce(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, StoreError> {
        let deadline = Instant::now() + OPERATION_TIMEOUT;
        let (open, _) = self.open_by(deadline, Repeat::MustNot).await?;
        let mut connection = open.connection.clone();
        let outcome = self.attempt(&open, left_of(deadline), operation(&mut connection)).await;
        self.concluded(outcome)
    }

    /// The same, and once more on another connection where that is safe and may help.
    pub(super) async fn repeatedly<T, Working>(
        &self,
        repeat: Repeat,
        operation: impl Fn(Connection) -> Working,
    ) -> Result<T, StoreError>
    where
        Working: Future<Output = Result<T, RedisError>>,
    {
        let deadline = Instant::now() + OPERATION_TIMEOUT;
        let (open, is_fresh) = self.open_by(deadline, repeat).await?;
        let may_repeat = repeat == Repeat::May && !is_fresh;
        let left = left_of(deadline);
        let patience = if may_repeat { left.min(FIRST_PATIENCE) } else { left };
        let outcome = self.attempt(&open, patience, operation(open.connection.clone())).await;
        let helps = !is_fresh
            && match &outcome {
                Outcome::Done(_) => false,
                Outcome::Failed(error) => (may_repeat && error.is_io_error()) || was_refused_undone(error),
                Outcome::Silence => may_repeat,
            };
        if !helps {
            return self.concluded(outcome);
        }
        // Neither of the futures is needed beside the other.
        Box::pin(async {
            let (open, _) = self.open_by(deadline, repeat).await?;
            let outcome = self.attempt(&open, left_of(deadline), operation(open.connection.clone())).await;
            self.concluded(outcome)
        })
        .await
    }

    async fn open_by(&self, deadline: Instant, repeat: Repeat) -> Result<(Open, bool), StoreError> {
        let good_for = match repeat {
            Repeat::May => GOOD_FOR,
            Repeat::MustNot => SURELY_GOOD_FOR,
        };
        match within(left_of(deadline), &mut std::pin::pin!(self.open(good_for))).await {
            Some(opened) => opened.map_err(Reason::into_error),
            None => Err(unanswered()),
        }
    }

    async fn attempt<T>(
        &self,
        open: &Open,
        patience: Duration,
        working: impl Future<Output = Result<T, RedisError>>,
    ) -> Outcome<T> {
        match within(patience, &mut std::pin::pin!(working)).await {
            Some(Ok(done)) => {
                self.heard(open);
                Outcome::Done(done)
            }
            Some(Err(error)) => {
                self.judge(&error, open);
                Outcome::Failed(error)
            }
            None => {
                if !self.way.is_cluster() {
                    self.let_go(open.generation);
                }
                Outcome::Silence
            }
        }
    }

    fn concluded<T>(&self, outcome: Outcome<T>) -> Result<T, StoreError> {
        match outcome {
            Outcome::Done(done) => Ok(done),
            Outcome::Failed(error) => Err(advice::described(&error, &self.way.settings())),
            Outcome::Silence => Err(unanswered()),
        }
    }

    /// A connection that is known to be good, or was made just now (which the second part says).
    async fn open(&self, good_for: Duration) -> Result<(Open, bool), Reason> {
        if let Some(open) = self.current() {
            if self.still_works(&open, good_for).await {
                return Ok((open, false));
            }
            self.let_go(open.generation);
        }
        let mut pause = self.connecting.lock().await;
        if let Some(open) = self.current() {
            return Ok((open, false));
        }
        if Instant::now() < pause.until
            && let Some((reason, _)) = &pause.reason
        {
            return Err(reason.clone());
        }
        let life = Arc::new(Life::default());
        let config = self.config(&life);
        let failed = match timeout(CONNECT_TIMEOUT, self.way.connect(&config)).await {
            Ok(Ok(connection)) => {
                (pause.length, pause.reason) = (FIRST_PAUSE, None);
                let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
                slot.generation += 1;
                let open = Open { connection, generation: slot.generation, life };
                self.heard(&open);
                slot.open = Some(open.clone());
                return Ok((open, true));
            }
            Ok(Err(error)) => Reason::of(&error, &self.way.settings()),
            Err(_) => Reason::vague("no connection could be made in time"),
        };
        let failed = if failed.is_vague() {
            advice::look(&self.way.settings()).await.unwrap_or(failed)
        } else {
            failed
        };
        pause.until = Instant::now() + pause.length;
        pause.length = (pause.length * 2).min(LAST_PAUSE);
        let now = Instant::now();
        match &pause.reason {
            Some((known, since))
                if failed.is_vague() && !known.is_vague() && now.duration_since(*since) < REASON_STAYS =>
            {
                Err(known.clone())
            }
            _ => {
                pause.reason = Some((failed.clone(), now));
                Err(failed)
            }
        }
    }

    /// Asks a connection that has been silent. Any answer will do, also that the account may not ask.
    async fn still_works(&self, open: &Open, good_for: Duration) -> bool {
        if self.is_good(open, good_for) {
            return true;
        }
        let _alone = open.life.checking.lock().await;
        if self.is_good(open, good_for) {
            return true;
        }
        let mut connection = open.connection.clone();
        let ping = cmd("PING");
        let asking = ping.query_async::<Value>(&mut connection);
        match within(CHECK, &mut std::pin::pin!(asking)).await {
            Some(Ok(_)) => {}
            Some(Err(error)) if !is_broken(&error) => {}
            Some(Err(_)) | None => {
                tracing::debug!("a connection to Redis has died while it was idle");
                return false;
            }
        }
        self.heard(open);
        true
    }

    fn is_good(&self, open: &Open, good_for: Duration) -> bool {
        let heard = Duration::from_millis(open.life.heard.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(heard) < good_for
    }

    fn heard(&self, open: &Open) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Often the same as before, and then no other processor's copy is disturbed.
        if open.life.heard.load(Ordering::Relaxed) != now {
            open.life.heard.store(now, Ordering::Relaxed);
        }
    }

    /// Lets go of a connection after an error that a new one may not have.
    fn judge(&self, error: &RedisError, open: &Open) {
        if !is_broken(error) {
            self.heard(open);
        }
        // A Cluster's connection follows its nodes by itself, and is given up only where all of it is silent.
        let is_forgotten = error.code() == Some("NOAUTH");
        if self.way.is_cluster() && !is_forgotten {
            return;
        }
        if is_broken(error) || was_refused_undone(error) {
            self.let_go(open.generation);
        }
    }

    fn let_go(&self, generation: u64) {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        if slot.open.as_ref().is_some_and(|open| open.generation == generation) {
            slot.open = None;
        }
    }

    fn current(&self) -> Option<Open> {
        let slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
        slot.open.clone().filter(|open| !open.life.is_closed.load(Ordering::Relaxed))
    }

    fn config(&self, life: &Arc<Life>) -> AsyncConnectionConfig {
        // Whoever waits for an answer has a time limit of his own, and none of a connection's besides.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None);
        let settings = self.way.settings();
        // Only with RESP3 the client tells of the end of a connection that nobody uses.
        match (settings.protocol, settings.topology) {
            (Protocol::Resp2, _) | (_, Topology::Cluster(_)) => config,
            (Protocol::Resp3, _) => {
                let life = Arc::clone(life);
                config.set_push_sender(move |push: PushInfo| {
                    if push.kind == PushKind::Disconnection {
                        life.is_closed.store(true, Ordering::Relaxed);
                    }
                    Ok::<(), std::convert::Infallible>(())
                })
            }
        }
    }
}

fn left_of(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Waits for this long, and a little: a process that was paused finds that its time is up before it has read what came in the
/// meantime.
async fn within<F: Future>(patience: Duration, work: &mut std::pin::Pin<&mut F>) -> Option<F::Output> {
    match timeout(patience, work.as_mut()).await {
        Ok(output) => Some(output),
        Err(_) => timeout(LAST_LOOK, work.as_mut()).await.ok(),
    }
}

/// Whether nothing good comes of the connection any more.
fn is_broken(error: &RedisError) -> bool {
    // An answer to another question may be the first of many.
    let confused = error.kind() == ErrorKind::UnexpectedReturnType;
    error.is_io_error() || error.is_timeout() || error.is_unrecoverable_error() || confused
}

/// Whether Redis has done nothing of what it was asked, for a reason that another connection may not have: it does not know us
/// any more, or was a primary and is a replica now. The name may lead elsewhere by now.
fn was_refused_undone(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown))
        || matches!(error.code(), Some("NOAUTH"))
}

pub(super) fn unanswered() -> StoreError {
    StoreError::new(format!("Redis did not answer within {} s", OPERATION_TIMEOUT.as_secs()))
}
