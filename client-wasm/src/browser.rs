//! The [ports](crate::ports), in a browser.
//!
//! What the platform does is called from JavaScript (`browser/platform.js`), by one object and one callback. `npm/FIGURES.md`
//! has the bytes that `web-sys`, `js-sys`, `gloo-net`, `serde-wasm-bindgen` and imports of each function were measured to cost
//! instead.

mod platform;

use crate::ports::{Clock, Entropy, Host, Memory, News, Page, Signal, Sink, Tabs, Timer, Transport};
use crate::rules::answer::{Answer, Body, Head};
use crate::rules::concat;
use crate::slot::Slot;
use alloc::boxed::Box;
use alloc::string::String;
use platform::{Callback, Window};
use wasm_bindgen::prelude::*;

/// The page's origin, as [`base_url::normalise`](crate::rules::base_url::normalise) wants it.
pub fn origin() -> String {
    platform::origin()
}

/// Where the page is, from its path on: path, query and fragment.
pub fn here() -> String {
    platform::here()
}

/// Milliseconds since the epoch, by a clock that never goes back.
pub fn now_ms() -> f64 {
    platform::now()
}

/// The window that this code runs in.
pub struct Browser {
    name: String,
    open: Slot<Open>,
}

/// What exists between [`Host::open`] and [`Host::close`], or the end of the manager.
struct Open {
    window: Window,
    _callback: Callback,
}

impl Drop for Open {
    fn drop(&mut self) {
        // Before the callback is gone: the window would go on calling it.
        self.window.close();
    }
}

impl Browser {
    /// `base` is the normalised base URL: tabs talk to each other about one server only.
    pub fn new(base: &str) -> Self {
        Self { name: concat(&["authtool:", base]), open: Slot::empty() }
    }

    fn with(&self, action: impl FnOnce(&Window)) {
        if let Some(open) = self.open.get() {
            action(&open.window);
        }
    }
}

impl Host for Browser {
    fn open(&self, sink: Sink) {
        let callback: Callback = Closure::wrap(Box::new(
            move |kind, status, expires_in, retry_after_ms, text: Option<String>, correlation_id| {
                let answer = || Answer {
                    head: (status > 0).then_some(Head { status, retry_after_ms, correlation_id }),
                    body: text.map(|text| Body { expires_in, text }),
                };
                // The numbers that `platform.js` knows.
                sink(match kind {
                    0 => Signal::Answered(answer()),
                    1 => Signal::TokenAnswered(answer()),
                    2 => Signal::Elapsed,
                    3 => Signal::Shown,
                    4 => Signal::Restored,
                    5 => Signal::Online,
                    6 => Signal::Leaving,
                    7 => Signal::Told(News::Login),
                    _ => Signal::Told(News::Logout),
                });
            },
        ));
        self.open.set(Open { window: platform::connect(&self.name, &callback), _callback: callback });
    }

    fn watch(&self) {
        self.with(Window::watch);
    }

    fn close(&self) {
        self.open.clear();
    }
}

impl Transport for Browser {
    fn request_session(&self, url: &str) {
        self.with(|window| window.request(url, false));
    }

    fn request_token(&self, url: &str) {
        self.with(|window| window.request(url, true));
    }
}

impl Timer for Browser {
    fn set(&self, ms: f64) {
        self.with(|window| window.set(ms));
    }

    fn clear(&self) {
        self.with(Window::clear);
    }
}

impl Tabs for Browser {
    fn tell(&self, news: News) {
        self.with(|window| {
            window.tell(match news {
                News::Login => "login",
                News::Logout => "logout",
            });
        });
    }
}

impl Clock for Browser {
    fn now_ms(&self) -> f64 {
        platform::now()
    }
}

impl Entropy for Browser {
    fn unit(&self) -> f64 {
        platform::random()
    }
}

impl Page for Browser {
    fn location(&self) -> String {
        platform::here()
    }

    fn resolve(&self, address: &str) -> Option<String> {
        platform::resolve(address)
    }

    fn is_hidden(&self) -> bool {
        platform::hidden()
    }

    fn is_user_acting(&self) -> bool {
        platform::acting()
    }

    fn go(&self, url: &str) {
        platform::go(url);
    }

    fn post(&self, url: &str) {
        platform::post(url);
    }
}

impl Memory for Browser {
    fn recall(&self, name: &str) -> Option<f64> {
        let number = platform::recall(name);
        // The platform's word for a storage that keeps nothing.
        (!number.is_nan()).then_some(number)
    }

    fn keep(&self, name: &str, value: f64) {
        platform::keep(name, value);
    }
}
