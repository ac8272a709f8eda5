//! The access token of `tokenExchange` mode.
//!
//! Nothing is fetched before somebody asks, and nothing is renewed that nobody has used since the last time: a page that
//! is left open does not keep a session from being idle, and one that is hidden renews nothing.

use super::{Life, Manager, NEVER};
use crate::ports::Host;
use crate::rules::answer::{self, Answer};
use crate::rules::state::{Failure, FailureKind, Status};
use crate::rules::token::{self, Token};
use crate::rules::{navigation, retry};
use crate::slot::Slot;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use authtool_contract::endpoint::TOKEN;
use core::cell::Cell;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

type Waiter = Box<dyn FnOnce(Result<&str, &Failure>)>;

pub(super) struct Tokens {
    token: Slot<Token>,
    waiters: Cell<Vec<Waiter>>,
    /// A request is under way.
    asking: Cell<bool>,
    /// What the request under way brings is not to be used: it may have left the server before a logout or another login.
    ask_again: Cell<bool>,
    /// Somebody got the token since it was fetched.
    used: Cell<bool>,
    pub(super) renew_at: Cell<f64>,
    failures: Cell<u32>,
}

impl Tokens {
    pub(super) fn new() -> Self {
        Self {
            token: Slot::empty(),
            waiters: Cell::default(),
            asking: Cell::default(),
            ask_again: Cell::default(),
            used: Cell::default(),
            renew_at: Cell::new(NEVER),
            failures: Cell::default(),
        }
    }
}

impl<H: Host + 'static> Manager<H> {
    /// A currently valid access token: the one in memory, or a new one. However many ask, there is one request.
    ///
    /// `rejected` is a token that an API has refused: if it is the one in memory, another is asked for.
    ///
    /// The error's kind is [`Unauthorized`](FailureKind::Unauthorized) only when nobody is logged in. The future does not
    /// need to be polled for the token to be fetched.
    pub fn access_token(&self, rejected: Option<&str>) -> AccessToken {
        let shared = Rc::new(Shared::default());
        let waiter = Rc::clone(&shared);
        self.with_access_token(rejected, move |result| {
            waiter.result.set(Some(result.map(String::from).map_err(Failure::clone)));
            if let Some(waker) = waiter.waker.take() {
                waker.wake();
            }
        });
        AccessToken(shared)
    }

    /// [`access_token`](Self::access_token), for those who have no executor: calls `done` with it, once.
    pub fn with_access_token(
        &self,
        rejected: Option<&str>,
        done: impl FnOnce(Result<&str, &Failure>) + 'static,
    ) {
        let inner = &self.0;
        let tokens = &inner.tokens;
        let refusal = if inner.settings.max_jitter_ms.is_none() {
            Some(FailureKind::WrongMode)
        } else if inner.life.get() == Life::Disposed || inner.logging_out.get() {
            // Not "unauthorized", which an app may answer with a login that cancels the logout.
            Some(FailureKind::Inactive)
        } else if self.state().status == Status::Unauthenticated && !self.is_looking() {
            Some(FailureKind::Unauthorized)
        } else {
            None
        };
        if let Some(kind) = refusal {
            return done(Err(&Failure::of(kind)));
        }
        if inner.life.get() == Life::New {
            self.check();
        }
        match tokens.token.get() {
            Some(token)
                if Some(token.value.as_str()) != rejected && token.expires_at > inner.host.now_ms() =>
            {
                tokens.used.set(true);
                done(Ok(&token.value));
            }
            _ => {
                tokens.token.clear();
                let mut waiters = tokens.waiters.take();
                waiters.push(Box::new(done));
                tokens.waiters.set(waiters);
                self.ask_for_token();
            }
        }
    }

    fn ask_for_token(&self) {
        let inner = &self.0;
        inner.tokens.renew_at.set(NEVER);
        if !inner.tokens.asking.replace(true) {
            inner.host.request_token(&navigation::endpoint(&inner.base, TOKEN));
        }
    }

    /// Forgets the token, and what the request under way will bring.
    pub(super) fn drop_token(&self) {
        let tokens = &self.0.tokens;
        tokens.token.clear();
        tokens.renew_at.set(NEVER);
        tokens.ask_again.set(tokens.asking.get());
    }

    pub(super) fn token_answered(&self, answer: Answer) {
        let inner = &self.0;
        let tokens = &inner.tokens;
        tokens.asking.set(false);
        let waiters = tokens.waiters.take();
        let anybody = !waiters.is_empty();
        tokens.waiters.set(waiters);
        if tokens.ask_again.take() {
            if inner.logging_out.get() {
                self.answer_waiters(Err(&Failure::of(FailureKind::Inactive)));
            } else if anybody {
                self.ask_for_token();
            }
            return;
        }
        let now = inner.host.now_ms();
        match answer::interpret_token(answer, now) {
            Ok(token) => {
                let jitter = inner.settings.max_jitter_ms.unwrap_or_default();
                tokens.failures.set(0);
                tokens.used.set(anybody);
                tokens.renew_at.set(token::renew_at(token.expires_at, now, jitter, inner.host.unit()));
                // To the server that was use of the session.
                inner.touched.set(true);
                let value = token.value.clone();
                tokens.token.set(token);
                self.set_alarm();
                self.answer_waiters(Ok(&value));
            }
            Err(failure) => {
                let failures = tokens.failures.get().saturating_add(1);
                tokens.failures.set(failures);
                if failure.kind == FailureKind::Unauthorized {
                    tokens.token.clear();
                    self.check_anew();
                } else if tokens.token.get().is_some() {
                    // A renewal ahead of time: there is still time to try again.
                    tokens.used.set(true);
                    let delay = retry::delay_ms(failures, inner.host.unit(), failure.retry_after_ms);
                    tokens.renew_at.set(now + delay);
                }
                self.set_alarm();
                self.answer_waiters(Err(&failure));
            }
        }
    }

    pub(super) fn answer_waiters(&self, result: Result<&str, &Failure>) {
        for waiter in self.0.tokens.waiters.take() {
            waiter(result);
        }
    }

    /// Renews the token if the time has come and it is in use.
    pub(super) fn renew_token(&self, now: f64) {
        let inner = &self.0;
        let tokens = &inner.tokens;
        if tokens.renew_at.get() > now + super::EARLY_MS || inner.host.is_hidden() {
            return;
        }
        let usable = tokens.token.get().is_some_and(|token| token.expires_at > now);
        if tokens.used.take() && usable {
            self.ask_for_token();
        } else {
            // Whoever asks next gets a new one.
            self.drop_token();
        }
    }
}

#[derive(Default)]
struct Shared {
    result: Cell<Option<Result<String, Failure>>>,
    waker: Cell<Option<Waker>>,
}

/// The future of [`Manager::access_token`].
pub struct AccessToken(Rc<Shared>);

impl Future for AccessToken {
    type Output = Result<String, Failure>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                self.0.waker.set(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}
