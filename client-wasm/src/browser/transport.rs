//! The session request, by `fetch`.

use super::imports::{self, Blob, Callback, Chunk, Chunks, Json, Promise, Reader, Response};
use super::signals::callback;
use crate::ports::{Signal, Sink};
use crate::rules::answer::{Answer, Body, Head, LONGEST_BODY};
use crate::rules::concat;
use alloc::rc::{Rc, Weak};
use alloc::string::String;
use authtool_contract::SESSION_MEMBER;
use authtool_contract::header::{CORRELATION_ID, CSRF, CSRF_VALUE};
use core::cell::Cell;
use wasm_bindgen::prelude::*;

/// A server that has not answered by now is down, as far as the user is concerned.
const TIMEOUT_MS: f64 = 15_000.0;

/// One request at a time: callbacks are made once and serve all requests, so that nothing has to be
/// freed after each.
pub(super) struct Fetch {
    sink: Sink,
    /// A request under way keeps its callbacks, also when the client is disposed of meanwhile.
    under_way: Cell<Option<Rc<Self>>>,
    on_response: Callback,
    on_chunk: Callback,
    on_json: Callback,
    on_failure: Callback,
    head: Cell<Option<Head>>,
    reading: Cell<Option<(Reader, Chunks)>>,
    size: Cell<f64>,
}

impl Fetch {
    pub(super) fn new(sink: Sink) -> Rc<Self> {
        Rc::new_cyclic(|weak| Self {
            sink,
            under_way: Cell::default(),
            on_response: step(weak, |fetch, value| fetch.responded(&value.unchecked_into())),
            on_chunk: step(weak, |fetch, value| fetch.read(&value.unchecked_into())),
            on_json: step(weak, |fetch, value| fetch.parsed(&value.unchecked_into())),
            on_failure: step(weak, |fetch, _| fetch.failed()),
            head: Cell::default(),
            reading: Cell::default(),
            size: Cell::default(),
        })
    }

    pub(super) fn send(self: &Rc<Self>, url: &str) {
        self.under_way.set(Some(Rc::clone(self)));
        let init = imports::request_init(&init());
        if let Ok(signal) = imports::abort_after(TIMEOUT_MS) {
            init.set_signal(&signal);
        }
        self.then(&imports::fetch(url, &init), &self.on_response);
    }

    fn responded(&self, response: &Response) {
        let headers = response.headers();
        let head = Head {
            status: response.status(),
            content_type: headers.get("content-type").unwrap_or_default(),
            retry_after_ms: headers
                .get("retry-after")
                .map(|_| retry_after_ms(&headers.get_value("retry-after"))),
            correlation_id: headers.get(CORRELATION_ID),
        };
        match response.body() {
            Some(body) if head.announces_session() => {
                self.head.set(Some(head));
                self.size.set(0.0);
                self.read_on(body.reader(), Chunks::new());
            }
            _ => self.deliver(Some(head), None),
        }
    }

    fn read_on(&self, reader: Reader, chunks: Chunks) {
        let chunk = reader.read();
        self.reading.set(Some((reader, chunks)));
        self.then(&chunk, &self.on_chunk);
    }

    fn read(&self, chunk: &Chunk) {
        let Some((reader, chunks)) = self.reading.take() else { return };
        if chunk.done() {
            self.then(&Response::new(&Blob::new(&chunks)).json(), &self.on_json);
            return;
        }
        let bytes = chunk.value();
        let size = self.size.get() + bytes.length();
        self.size.set(size);
        if size > LONGEST_BODY {
            reader.cancel();
            self.deliver(self.head.take(), None);
            return;
        }
        chunks.push(&bytes);
        self.read_on(reader, chunks);
    }

    fn parsed(&self, json: &Json) {
        // Fails on `null`, the one JSON value without members.
        let timing = json.member(SESSION_MEMBER).ok().flatten();
        let body = timing.map(|timing| {
            json.remove(SESSION_MEMBER);
            Body { expires_in: timing.expires_in(), claims: imports::stringify(json) }
        });
        self.deliver(self.head.take(), body);
    }

    /// The network failed, or what it brought is not JSON.
    fn failed(&self) {
        let head = self.head.take();
        // A body that broke off is a network that failed.
        let broke_off = self.reading.take().is_some();
        self.deliver(head.filter(|_| !broke_off), None);
    }

    fn deliver(&self, head: Option<Head>, body: Option<Body>) {
        self.under_way.take();
        (self.sink)(Signal::Answered(Answer { head, body }));
    }

    fn then(&self, promise: &Promise, step: &Callback) {
        promise.then(step, &self.on_failure);
    }
}

/// One step of a request, unless the client was disposed of meanwhile.
fn step(fetch: &Weak<Fetch>, step: impl Fn(&Fetch, JsValue) + 'static) -> Callback {
    let fetch = Weak::clone(fetch);
    callback(move |value| {
        if let Some(fetch) = fetch.upgrade() {
            step(&fetch, value);
        }
    })
}

/// The options of the request, SEC-177: only to our own origin, never from a cache, never redirected; and the
/// header that a page of another origin cannot send (SEC-121).
fn init() -> String {
    concat(&[
        r#"{"credentials":"same-origin","cache":"no-store","redirect":"error","headers":{"accept":"application/json",""#,
        CSRF,
        r#"":""#,
        CSRF_VALUE,
        r#""}}"#,
    ])
}

/// Seconds or a date (RFC 9110 §10.2.3).
fn retry_after_ms(value: &JsValue) -> f64 {
    let seconds = imports::number(value);
    if seconds.is_nan() { imports::parse_date(value) - imports::now() } else { seconds * 1_000.0 }
}
