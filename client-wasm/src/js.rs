//! What the npm package calls. Its TypeScript gives it the idioms of JavaScript and decides nothing.

use crate::browser::Browser;
use crate::manager::{Destination, Manager, Notice, Settings};
use alloc::string::String;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// What the TypeScript side is told.
    pub type Observer;

    /// The state is another one now. `status` and `failure` are the discriminants of
    /// [`Status`](crate::rules::state::Status) and [`FailureKind`](crate::rules::state::FailureKind) (0: none).
    #[wasm_bindgen(method, structural)]
    fn changed(
        this: &Observer,
        status: u8,
        claims: Option<&str>,
        expires_at: f64,
        failure: u8,
        http_status: u16,
        correlation_id: Option<&str>,
    );

    /// One of [`Occurrence`](crate::rules::state::Occurrence) happened.
    #[wasm_bindgen(method, structural)]
    fn occurred(this: &Observer, occurrence: u8);

    /// A look at the session is over.
    #[wasm_bindgen(method, structural)]
    fn settled(this: &Observer);

    /// Waits for a token.
    pub type Waiter;

    /// There is one, or there is a failure.
    #[wasm_bindgen(method, structural)]
    fn done(this: &Waiter, token: Option<&str>, failure: u8, http_status: u16, correlation_id: Option<&str>);
}

/// A [`Manager`] in this window.
#[wasm_bindgen]
pub struct Core(Manager<Browser>);

#[allow(clippy::needless_pass_by_value, reason = "an exported function cannot take an `Option<&str>`")]
#[wasm_bindgen]
impl Core {
    /// `base` is normalised, and `max_jitter_ms` negative in `bff` mode.
    #[wasm_bindgen(constructor)]
    pub fn new(base: String, max_jitter_ms: f64, warn_ms: f64, poll_ms: f64, observer: Observer) -> Self {
        let max_jitter_ms = (max_jitter_ms >= 0.0).then_some(max_jitter_ms);
        let manager = Manager::new(Browser::new(&base), base, Settings { max_jitter_ms, warn_ms, poll_ms });
        manager.listen(move |state, notice| match notice {
            Notice::Changed => {
                let session = state.session.as_ref();
                let failure = state.failure.as_ref();
                observer.changed(
                    state.status as u8,
                    session.map(|session| session.claims.as_str()),
                    session.map_or(0.0, |session| session.expires_at),
                    failure.map_or(0, |failure| failure.kind as u8),
                    failure.map_or(0, |failure| failure.status),
                    failure.and_then(|failure| failure.correlation_id.as_deref()),
                );
            }
            Notice::Occurred(occurrence) => observer.occurred(occurrence as u8),
            Notice::Settled => observer.settled(),
        });
        Self(manager)
    }

    pub fn check(&self) {
        self.0.check();
    }

    pub fn touch(&self) {
        self.0.touch();
    }

    pub fn token(&self, rejected: Option<String>, waiter: Waiter) {
        self.0.with_access_token(rejected.as_deref(), move |result| match result {
            Ok(token) => waiter.done(Some(token), 0, 0, None),
            Err(failure) => {
                waiter.done(None, failure.kind as u8, failure.status, failure.correlation_id.as_deref());
            }
        });
    }

    pub fn dispose(&self) {
        self.0.dispose();
    }

    /// `url` is the address of the login or the logout.
    pub fn leave(&self, logout: bool, url: &str) {
        self.0.leave_for(if logout { Destination::Logout } else { Destination::Login }, url);
    }
}
