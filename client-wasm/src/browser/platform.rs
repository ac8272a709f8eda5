//! What `platform.js` exports.

use alloc::string::String;
use wasm_bindgen::prelude::*;

/// Takes every signal: its number, and what [`Answer`](crate::rules::answer::Answer) is made of (status, `expires_in`, wait,
/// text, correlation id).
pub(super) type Callback = Closure<dyn Fn(u8, u16, f64, f64, Option<String>, Option<String>)>;

#[wasm_bindgen(module = "/src/browser/platform.js")]
extern "C" {
    pub(super) type Window;
    pub(super) fn connect(name: &str, signal: &Callback) -> Window;
    #[wasm_bindgen(method)]
    pub(super) fn watch(this: &Window);
    #[wasm_bindgen(method)]
    pub(super) fn close(this: &Window);
    #[wasm_bindgen(method)]
    pub(super) fn tell(this: &Window, news: &str);
    #[wasm_bindgen(method)]
    pub(super) fn set(this: &Window, ms: f64);
    #[wasm_bindgen(method)]
    pub(super) fn clear(this: &Window);
    #[wasm_bindgen(method)]
    pub(super) fn request(this: &Window, url: &str, wants_token: bool);

    pub(super) fn now() -> f64;
    pub(super) fn random() -> f64;
    pub(super) fn origin() -> String;
    pub(super) fn here() -> String;
    pub(super) fn resolve(address: &str) -> Option<String>;
    pub(super) fn hidden() -> bool;
    pub(super) fn acting() -> bool;
    pub(super) fn go(url: &str);
    pub(super) fn post(url: &str);
    pub(super) fn recall(name: &str) -> f64;
    pub(super) fn keep(name: &str, value: f64);
}
