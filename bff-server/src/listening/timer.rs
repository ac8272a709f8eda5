//! hyper's timers of one connection, by one timer of the runtime.
//!
//! hyper bounds the time that a request's head may take by a timer which begins and ends with each head: on a busy connection
//! thousands of times before it could ever fire, each time under the lock that the runtime's timers share. Here one timer
//! runs on, and when it fires looks whether what is waited for by then is due.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};

/// For one connection: whoever waits last is woken.
#[derive(Clone, Debug)]
pub(super) struct ConnectionTimer(Arc<Mutex<Pin<Box<tokio::time::Sleep>>>>);

struct Until {
    deadline: Instant,
    timer: ConnectionTimer,
}

impl ConnectionTimer {
    /// Must be called within a Tokio runtime.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Box::pin(tokio::time::sleep(Duration::ZERO)))))
    }
}

impl Timer for ConnectionTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Until { deadline, timer: self.clone() })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut timer = self.timer.0.lock().unwrap_or_else(PoisonError::into_inner);
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

    #[tokio::test(start_paused = true)]
    async fn it_fires_when_it_is_due() {
        let timer = ConnectionTimer::new();
        let started = timer.now();
        for seconds in [3, 1, 2] {
            timer.sleep(seconds * SECOND).await;
        }
        assert_eq!(timer.now() - started, Duration::from_secs(6));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_given_up_does_not_make_the_next_one_fire_early_or_late() {
        let timer = ConnectionTimer::new();
        for next in [10, 1] {
            timeout(SECOND, timer.sleep(5 * SECOND)).await.unwrap_err();
            let started = timer.now();
            timer.sleep(next * SECOND).await;
            assert_eq!(timer.now() - started, next * SECOND);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_in_the_past_is_due() {
        let timer = ConnectionTimer::new();
        let past = timer.now();
        advance(SECOND).await;
        timer.sleep_until(past).await;
    }
}
