//! hyper's timers of one connection, by one timer of the runtime.
//!
//! hyper bounds the time that a request's head may take by a timer which begins and ends with each head: on a busy connection
//! thousands of times before it could ever fire, each time under the lock that the runtime's timers share. Here one timer
//! runs on, and when it fires looks whether what is waited for by then is due.
//!
//! hyper has one timeout for a head, and it begins with the wait for its first byte. A connection that has served a request
//! may wait longer: proxies keep idle connections, and a request that meets one being closed becomes a 502.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};

/// For one connection: whoever waits last is woken.
#[derive(Clone, Debug)]
pub(super) struct ConnectionTimer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    timer: Mutex<Pin<Box<tokio::time::Sleep>>>,
    /// How long the next head may take, once a first one has come.
    keep_alive: Duration,
    has_spoken: AtomicBool,
}

struct Until {
    deadline: Instant,
    timer: ConnectionTimer,
}

impl ConnectionTimer {
    /// Must be called within a Tokio runtime.
    pub(super) fn new(keep_alive: Duration) -> Self {
        Self(Arc::new(Shared {
            timer: Mutex::new(Box::pin(tokio::time::sleep(Duration::ZERO))),
            keep_alive,
            has_spoken: AtomicBool::new(false),
        }))
    }

    /// The connection has sent the head of a request.
    pub(super) fn hears_a_request(&self) {
        self.0.has_spoken.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_heard_a_request(&self) -> bool {
        self.0.has_spoken.load(Ordering::Relaxed)
    }
}

impl Timer for ConnectionTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    /// hyper asks for one sleep for each head: until the end of its timeout.
    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let deadline = if self.has_heard_a_request() { self.now() + self.0.keep_alive } else { deadline };
        Box::pin(Until { deadline, timer: self.clone() })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut timer = self.timer.0.timer.lock().unwrap_or_else(PoisonError::into_inner);
        if timer.deadline().into_std() > self.deadline {
            timer.as_mut().reset(self.deadline.into());
        }
        loop {
            ready!(timer.as_mut().poll(context));
            if self.timer.now() >= self.deadline {
                return Poll::Ready(());
            }
            // It ran for an earlier one, which did not need it any more.
            timer.as_mut().reset(self.deadline.into());
        }
    }
}

impl Sleep for Until {}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const KEEP_ALIVE: Duration = Duration::from_secs(75);

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_has_sent_a_request_may_wait_longer() {
        let timer = ConnectionTimer::new(KEEP_ALIVE);
        for expected in [10 * SECOND, KEEP_ALIVE, KEEP_ALIVE] {
            let started = timer.now();
            timer.sleep(10 * SECOND).await;
            assert_eq!(timer.now() - started, expected);
            timer.hears_a_request();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_fires_when_it_is_due() {
        let timer = ConnectionTimer::new(KEEP_ALIVE);
        let started = timer.now();
        for seconds in [3, 1, 2] {
            timer.sleep(seconds * SECOND).await;
        }
        assert_eq!(timer.now() - started, Duration::from_secs(6));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_given_up_does_not_make_the_next_one_fire_early_or_late() {
        let timer = ConnectionTimer::new(KEEP_ALIVE);
        for next in [10, 1] {
            timeout(SECOND, timer.sleep(5 * SECOND)).await.unwrap_err();
            let started = timer.now();
            timer.sleep(next * SECOND).await;
            assert_eq!(timer.now() - started, next * SECOND);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_in_the_past_is_due() {
        let timer = ConnectionTimer::new(KEEP_ALIVE);
        let past = timer.now();
        advance(SECOND).await;
        timer.sleep_until(past).await;
    }
}
