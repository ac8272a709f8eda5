//! The functions and objects of the platform that are used, and nothing else of them.

use alloc::string::String;
use wasm_bindgen::prelude::*;

/// Every callback has this one signature, so that they share their glue.
pub(super) type Callback = Closure<dyn Fn(JsValue)>;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Date)]
    pub(super) fn now() -> f64;
    #[wasm_bindgen(js_namespace = Date, js_name = parse)]
    pub(super) fn parse_date(text: &JsValue) -> f64;
    #[wasm_bindgen(js_namespace = Math)]
    pub(super) fn random() -> f64;
    #[wasm_bindgen(js_name = Number)]
    pub(super) fn number(value: &JsValue) -> f64;
    #[wasm_bindgen(js_name = String)]
    pub(super) fn text(value: &JsValue) -> String;

    #[wasm_bindgen(js_name = setTimeout)]
    pub(super) fn set_timeout(callback: &Callback, ms: f64) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    pub(super) fn clear_timeout(id: &JsValue);

    // The window's own: `visibilitychange` bubbles up to it.
    #[wasm_bindgen(js_name = addEventListener)]
    pub(super) fn add_event_listener(kind: &str, callback: &Callback);
    #[wasm_bindgen(js_name = removeEventListener)]
    pub(super) fn remove_event_listener(kind: &str, callback: &Callback);

    pub(super) type Event;
    #[wasm_bindgen(method, structural, getter, js_name = type)]
    pub(super) fn kind(this: &Event) -> String;
    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn persisted(this: &Event) -> bool;
    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn data(this: &Event) -> JsValue;

    pub(super) type BroadcastChannel;
    #[wasm_bindgen(constructor, catch)]
    pub(super) fn new(name: &str) -> Result<BroadcastChannel, JsValue>;
    #[wasm_bindgen(method, structural, setter)]
    pub(super) fn set_onmessage(this: &BroadcastChannel, callback: &Callback);
    #[wasm_bindgen(method, structural, js_name = postMessage)]
    pub(super) fn post_message(this: &BroadcastChannel, message: &str);
    #[wasm_bindgen(method, structural)]
    pub(super) fn close(this: &BroadcastChannel);
}

/// `location`, `document`, `navigator` and `sessionStorage`.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = location)]
    pub(super) type Location;
    #[wasm_bindgen(static_method_of = Location, js_class = location, getter)]
    pub(super) fn href() -> String;
    #[wasm_bindgen(static_method_of = Location, js_class = location, getter)]
    pub(super) fn origin() -> String;
    #[wasm_bindgen(js_namespace = location)]
    pub(super) fn assign(url: &str);

    #[wasm_bindgen(js_name = URL)]
    pub(super) type Url;
    #[wasm_bindgen(constructor, catch, js_class = URL)]
    pub(super) fn new(url: &str, base: &str) -> Result<Url, JsValue>;
    #[wasm_bindgen(method, structural, getter, js_name = href)]
    pub(super) fn serialised(this: &Url) -> String;

    #[wasm_bindgen(js_name = document)]
    pub(super) type Document;
    #[wasm_bindgen(static_method_of = Document, js_class = document, getter)]
    pub(super) fn hidden() -> bool;
    #[wasm_bindgen(static_method_of = Document, js_class = document, getter, js_name = documentElement)]
    pub(super) fn root() -> Element;
    #[wasm_bindgen(js_namespace = document, js_name = createElement)]
    pub(super) fn create_element(name: &str) -> Element;

    pub(super) type Element;
    #[wasm_bindgen(method, structural)]
    pub(super) fn append(this: &Element, child: &Element);
    #[wasm_bindgen(method, structural, setter)]
    pub(super) fn set_method(this: &Element, method: &str);
    #[wasm_bindgen(method, structural, setter)]
    pub(super) fn set_action(this: &Element, action: &str);
    #[wasm_bindgen(method, structural)]
    pub(super) fn submit(this: &Element);

    #[wasm_bindgen(js_name = navigator)]
    pub(super) type Navigator;
    #[wasm_bindgen(static_method_of = Navigator, js_class = navigator, getter, js_name = userActivation)]
    pub(super) fn user_activation() -> Option<UserActivation>;
    pub(super) type UserActivation;
    #[wasm_bindgen(method, structural, getter, js_name = isActive)]
    pub(super) fn is_active(this: &UserActivation) -> bool;

    #[wasm_bindgen(js_namespace = sessionStorage, js_name = getItem, catch)]
    pub(super) fn get_item(name: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = sessionStorage, js_name = setItem, catch)]
    pub(super) fn set_item(name: &str, value: f64) -> Result<(), JsValue>;
}

/// Fetch, streams and JSON.
#[wasm_bindgen]
extern "C" {
    pub(super) fn fetch(url: &str, init: &RequestInit) -> Promise;

    pub(super) type Promise;
    #[wasm_bindgen(method, structural)]
    pub(super) fn then(this: &Promise, fulfilled: &Callback, rejected: &Callback);

    pub(super) type RequestInit;
    #[wasm_bindgen(js_namespace = JSON, js_name = parse)]
    pub(super) fn request_init(json: &str) -> RequestInit;
    #[wasm_bindgen(method, structural, setter)]
    pub(super) fn set_signal(this: &RequestInit, signal: &JsValue);
    #[wasm_bindgen(js_namespace = AbortSignal, js_name = timeout, catch)]
    pub(super) fn abort_after(ms: f64) -> Result<JsValue, JsValue>;

    pub(super) type Response;
    #[wasm_bindgen(constructor)]
    pub(super) fn new(body: &Blob) -> Response;
    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn status(this: &Response) -> u16;
    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn headers(this: &Response) -> Headers;
    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn body(this: &Response) -> Option<ReadableStream>;
    #[wasm_bindgen(method, structural)]
    pub(super) fn json(this: &Response) -> Promise;

    pub(super) type Headers;
    #[wasm_bindgen(method, structural)]
    pub(super) fn get(this: &Headers, name: &str) -> Option<String>;
    #[wasm_bindgen(method, structural, js_name = get)]
    pub(super) fn get_value(this: &Headers, name: &str) -> JsValue;

    pub(super) type ReadableStream;
    #[wasm_bindgen(method, structural, js_name = getReader)]
    pub(super) fn reader(this: &ReadableStream) -> Reader;
    pub(super) type Reader;
    #[wasm_bindgen(method, structural)]
    pub(super) fn read(this: &Reader) -> Promise;
    #[wasm_bindgen(method, structural)]
    pub(super) fn cancel(this: &Reader) -> Promise;

    /// What a reader reads.
    pub(super) type Chunk;
    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn done(this: &Chunk) -> bool;
    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn value(this: &Chunk) -> Bytes;
    pub(super) type Bytes;
    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn length(this: &Bytes) -> f64;

    #[wasm_bindgen(js_name = Array)]
    pub(super) type Chunks;
    #[wasm_bindgen(constructor, js_class = Array)]
    pub(super) fn new() -> Chunks;
    #[wasm_bindgen(method, structural)]
    pub(super) fn push(this: &Chunks, bytes: &Bytes);
    pub(super) type Blob;
    #[wasm_bindgen(constructor)]
    pub(super) fn new(chunks: &Chunks) -> Blob;

    /// A parsed JSON value.
    pub(super) type Json;
    #[wasm_bindgen(method, structural, indexing_getter, catch)]
    pub(super) fn member(this: &Json, name: &str) -> Result<Option<Timing>, JsValue>;
    #[wasm_bindgen(method, structural, indexing_deleter)]
    pub(super) fn remove(this: &Json, name: &str);
    #[wasm_bindgen(js_namespace = JSON)]
    pub(super) fn stringify(value: &Json) -> String;
    pub(super) type Timing;
    #[wasm_bindgen(method, structural, getter)]
    pub(super) fn expires_in(this: &Timing) -> f64;
}
