//! The events of the window and of the other tabs, as signals.

use super::imports::{self, BroadcastChannel, Callback, Event};
use crate::ports::{News, Signal, Sink};
use alloc::boxed::Box;
use wasm_bindgen::prelude::*;

const WINDOW_EVENTS: [&str; 4] = ["pageshow", "pagehide", "visibilitychange", "online"];

/// A function that JavaScript can call.
pub(super) fn callback(function: impl Fn(JsValue) + 'static) -> Callback {
    Closure::wrap(Box::new(function))
}

/// The listeners, until they are dropped.
pub(super) struct Subscription {
    callback: Callback,
    /// Absent where the platform has none: then the tabs find out when they are looked at.
    channel: Option<BroadcastChannel>,
}

impl Subscription {
    pub(super) fn new(channel: &str, sink: Sink) -> Self {
        let callback = callback(move |event| {
            if let Some(signal) = signal(&event.unchecked_into()) {
                sink(signal);
            }
        });
        for kind in WINDOW_EVENTS {
            imports::add_event_listener(kind, &callback);
        }
        let channel = BroadcastChannel::new(channel).ok();
        if let Some(channel) = &channel {
            channel.set_onmessage(&callback);
        }
        Self { callback, channel }
    }

    pub(super) fn tell(&self, news: News) {
        if let Some(channel) = &self.channel {
            channel.post_message(match news {
                News::Login => "login",
                News::Logout => "logout",
            });
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        for kind in WINDOW_EVENTS {
            imports::remove_event_listener(kind, &self.callback);
        }
        if let Some(channel) = &self.channel {
            channel.close();
        }
    }
}

fn signal(event: &Event) -> Option<Signal> {
    match event.kind().as_str() {
        "pageshow" if event.persisted() => Some(Signal::Restored),
        "pagehide" => Some(Signal::Leaving),
        "visibilitychange" if !imports::Document::hidden() => Some(Signal::Shown),
        "online" => Some(Signal::Online),
        // Any script of the origin can post anything here.
        "message" => match imports::text(&event.data()).as_str() {
            "login" => Some(Signal::Told(News::Login)),
            "logout" => Some(Signal::Told(News::Logout)),
            _ => None,
        },
        _ => None,
    }
}
