//! The [ports](crate::ports), in a browser.
//!
//! The imports are declared by hand, and only those that are used; `npm/SIZE.md` has the bytes that
//! `web-sys`, `js-sys`, `gloo-net` and `serde-wasm-bindgen` were measured to cost instead.

mod imports;
mod page;
mod signals;
mod transport;

use crate::ports::{Clock, Entropy, Host, News, Sink, Tabs, Timer, Transport};
use crate::rules::concat;
use alloc::rc::Rc;
use alloc::string::String;
use core::cell::RefCell;
use imports::Callback;
use signals::Subscription;
use transport::Fetch;
use wasm_bindgen::JsValue;

pub use page::origin;

/// The window that this code runs in.
pub struct Browser {
    channel: String,
    open: RefCell<Option<Open>>,
}

/// What exists between [`Host::open`] and [`Host::close`].
struct Open {
    signals: Subscription,
    fetch: Rc<Fetch>,
    on_timeout: Callback,
    timeout: JsValue,
}

impl Browser {
    /// `base` is the normalised base URL: tabs talk to each other about one server only.
    pub fn new(base: &str) -> Self {
        Self { channel: concat(&["authtool:", base]), open: RefCell::default() }
    }
}

impl Host for Browser {
    fn open(&self, sink: Sink) {
        *self.open.borrow_mut() = Some(Open {
            signals: Subscription::new(&self.channel, Rc::clone(&sink)),
            fetch: Fetch::new(Rc::clone(&sink)),
            on_timeout: signals::callback(move |_| sink(crate::ports::Signal::Elapsed)),
            timeout: JsValue::UNDEFINED,
        });
    }

    fn close(&self) {
        self.clear();
        self.open.take();
    }
}

impl Transport for Browser {
    fn request_session(&self, url: &str) {
        if let Some(open) = &*self.open.borrow() {
            open.fetch.send(url);
        }
    }
}

impl Timer for Browser {
    fn set(&self, ms: f64) {
        if let Some(open) = &mut *self.open.borrow_mut() {
            imports::clear_timeout(&open.timeout);
            open.timeout = imports::set_timeout(&open.on_timeout, ms);
        }
    }

    fn clear(&self) {
        if let Some(open) = &*self.open.borrow() {
            imports::clear_timeout(&open.timeout);
        }
    }
}

impl Tabs for Browser {
    fn tell(&self, news: News) {
        if let Some(open) = &*self.open.borrow() {
            open.signals.tell(news);
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
