//! The [ports](crate::ports), in a browser.
//!
//! The imports are declared by hand, and only those that are used; `npm/FIGURES.md` has the bytes that
//! `web-sys`, `js-sys`, `gloo-net` and `serde-wasm-bindgen` were measured to cost instead.

mod imports;
mod page;
mod signals;
mod transport;

use crate::ports::{Clock, Entropy, Host, News, Signal, Sink, Tabs, Timer, Transport};
use crate::rules::concat;
use crate::slot::Slot;
use alloc::rc::Rc;
use alloc::string::String;
use core::cell::Cell;
use imports::Callback;
use signals::Subscription;
use transport::Fetch;
use wasm_bindgen::JsValue;

pub use page::origin;

/// The window that this code runs in.
pub struct Browser {
    channel: String,
    open: Slot<Open>,
}

/// What exists between [`Host::open`] and [`Host::close`].
struct Open {
    sink: Sink,
    /// Empty until [`Host::watch`].
    signals: Slot<Subscription>,
    fetch: Rc<Fetch>,
    on_timeout: Callback,
    timeout: Cell<JsValue>,
}

impl Browser {
    /// `base` is the normalised base URL: tabs talk to each other about one server only.
    pub fn new(base: &str) -> Self {
        Self { channel: concat(&["authtool:", base]), open: Slot::empty() }
    }
}

impl Host for Browser {
    fn open(&self, sink: Sink) {
        self.open.set(Open {
            signals: Slot::empty(),
            fetch: Fetch::new(Rc::clone(&sink)),
            on_timeout: {
                let sink = Rc::clone(&sink);
                signals::callback(move |_| sink(Signal::Elapsed))
            },
            timeout: Cell::new(JsValue::UNDEFINED),
            sink,
        });
    }

    fn watch(&self) {
        if let Some(open) = self.open.get() {
            open.signals.set(Subscription::new(&self.channel, Rc::clone(&open.sink)));
        }
    }

    fn close(&self) {
        self.clear();
        self.open.clear();
    }
}

impl Transport for Browser {
    fn request_session(&self, url: &str) {
        if let Some(open) = self.open.get() {
            open.fetch.send(url);
        }
    }
}

impl Timer for Browser {
    fn set(&self, ms: f64) {
        if let Some(open) = self.open.get() {
            let timeout = imports::set_timeout(&open.on_timeout, ms);
            imports::clear_timeout(&open.timeout.replace(timeout));
        }
    }

    fn clear(&self) {
        if let Some(open) = self.open.get() {
            imports::clear_timeout(&open.timeout.take());
        }
    }
}

impl Tabs for Browser {
    fn tell(&self, news: News) {
        if let Some(signals) = self.open.get().and_then(|open| open.signals.get()) {
            signals.tell(news);
        }
    }
}

impl Clock for Browser {
    fn now_ms(&self) -> f64 {
        imports::now()
    }
}

impl Entropy for Browser {
    fn unit(&self) -> f64 {
        imports::random()
    }
}
