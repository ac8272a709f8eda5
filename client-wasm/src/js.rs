//! What the npm package calls. Its TypeScript gives it the idioms of JavaScript and decides nothing.

use crate::browser::{self, Browser};
use crate::manager::{Destination, InvalidRedirectUri, Manager, Notice};
use crate::rules::base_url;
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

    type TypeError;
    #[wasm_bindgen(constructor)]
    fn new(message: &str) -> TypeError;
}

fn type_error(message: &str) -> JsValue {
    TypeError::new(message).into()
}

fn invalid_redirect_uri(_: InvalidRedirectUri) -> JsValue {
    type_error("authtool: redirectUri must be a URL or a path, such as '/account'")
}

/// A [`Manager`] in this window.
#[wasm_bindgen]
pub struct Core(Manager<Browser>);

#[allow(clippy::needless_pass_by_value, reason = "an exported function cannot take an `Option<&str>`")]
#[wasm_bindgen]
impl Core {
    /// Throws a `TypeError` that explains what is wrong with `base_url`.
    #[wasm_bindgen(constructor)]
    pub fn new(base_url: &str, observer: Observer) -> Result<Core, JsValue> {
        let base =
            base_url::normalise(base_url, &browser::origin()).map_err(|error| type_error(error.advice()))?;
        let manager = Manager::new(Browser::new(&base), base);
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
        Ok(Self(manager))
    }

    // Strings are returned as JavaScript's: as Rust's they would be copied, and freed by more glue.
    #[wasm_bindgen(js_name = baseUrl, unchecked_return_type = "string")]
    pub fn base_url(&self) -> JsValue {
        JsValue::from_str(self.0.base_url())
    }

    pub fn check(&self) {
        self.0.check();
    }

    pub fn dispose(&self) {
        self.0.dispose();
    }

    #[wasm_bindgen(unchecked_return_type = "string")]
    pub fn url(&self, logout: bool, redirect_uri: Option<String>) -> Result<JsValue, JsValue> {
        match self.0.url(destination(logout), redirect_uri.as_deref()) {
            Ok(url) => Ok(JsValue::from_str(&url)),
            Err(error) => Err(invalid_redirect_uri(error)),
        }
    }

    pub fn leave(&self, logout: bool, redirect_uri: Option<String>) -> Result<(), JsValue> {
        self.0.leave(destination(logout), redirect_uri.as_deref()).map_err(invalid_redirect_uri)
    }
}

fn destination(logout: bool) -> Destination {
    if logout { Destination::Logout } else { Destination::Login }
}
