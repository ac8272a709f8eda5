//! The ports of a real browser, under the real manager. `fetch` alone is replaced, and only for the addresses of the session
//! and the token, so that a fault can be had at will.
#![cfg(target_family = "wasm")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use authtool_client::browser::Browser;
use authtool_client::manager::{Destination, Manager, Notice, Settings};
use authtool_client::ports::{Clock, Entropy, Memory, Page};
use authtool_client::rules::login_parameters::LoginParameters;
use authtool_client::rules::state::{FailureKind, Occurrence, State, Status};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen(inline_js = r#"
const real = globalThis.fetch;
let requests = [];
function replace(respond) {
  requests = [];
  globalThis.fetch = (url, init) => {
    if (!/\/bff\/(session|token)$/.test(url)) return real(url, init);
    requests.push(init);
    return respond(init);
  };
}
export function answer(status, headers, body) {
  replace(async () => new Response(body, { status, headers: JSON.parse(headers) }));
}
export function answer_chunks(headers, body, size) {
  replace(async () => new Response(new ReadableStream({
    start(controller) {
      const bytes = new TextEncoder().encode(body);
      for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
      controller.close();
    },
  }), { status: 200, headers: JSON.parse(headers) }));
}
export function refuse() {
  replace(() => Promise.reject(new TypeError('refused')));
}
export function count() {
  return requests.length;
}
export function request() {
  const { signal, ...rest } = requests.at(-1);
  return JSON.stringify({ ...rest, bounded: signal instanceof AbortSignal });
}
export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
export function dispatch(kind, persisted) {
  const event = new Event(kind, { bubbles: true });
  if (persisted) Object.defineProperty(event, 'persisted', { value: true });
  (kind === 'visibilitychange' ? document : window).dispatchEvent(event);
}
export function set_clock_back(ms) {
  const real = Date.now;
  Date.now = () => real() - ms;
}
export function post(channel, message) {
  const sender = new BroadcastChannel(channel);
  sender.postMessage(message);
  sender.close();
}
"#)]
extern "C" {
    fn answer(status: u16, headers: &str, body: &str);
    fn answer_chunks(headers: &str, body: &str, size: u32);
    fn refuse();
    fn count() -> u32;
    fn request() -> String;
    fn sleep(ms: u32) -> js_sys::Promise;
    fn dispatch(kind: &str, persisted: bool);
    fn post(channel: &str, message: &JsValue);
    fn set_clock_back(ms: f64);
}

const JSON: &str = r#"{"content-type":"application/json; charset=utf-8"}"#;
const SESSION: &str = r#"{"email":"ada@example.com","name":"Adä","session":{"expires_in":60}}"#;

/// A manager in this window, which is disposed of with the scene.
struct Scene {
    manager: Manager<Browser>,
    notices: Rc<RefCell<Vec<Notice>>>,
}

impl Scene {
    fn new() -> Self {
        let manager = Manager::new(Browser::new("/bff"), "/bff".into(), Settings::TOKEN_EXCHANGE);
        let notices: Rc<RefCell<Vec<Notice>>> = Rc::default();
        let heard = Rc::clone(&notices);
        manager.listen(move |_, notice| heard.borrow_mut().push(notice));
        Self { manager, notices }
    }

    async fn started() -> Self {
        let scene = Self::new();
        scene.manager.start();
        scene.settled().await;
        scene
    }

    /// Waits for the look that is under way.
    async fn settled(&self) -> Rc<State> {
        self.until("no answer arrived", |_| true).await
    }

    /// Waits until a look has found this.
    async fn becomes(&self, status: Status) {
        self.until("it is not found", |state| state.status == status).await;
    }

    async fn until(&self, otherwise: &str, holds: impl Fn(&State) -> bool) -> Rc<State> {
        for _ in 0..3_000 {
            let state = self.manager.state();
            if !self.manager.is_looking() && holds(&state) {
                return state;
            }
            pause(10).await;
        }
        panic!("{otherwise}: {:?}", self.manager.state());
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.manager.dispose();
    }
}

async fn pause(ms: u32) {
    JsFuture::from(sleep(ms)).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_session_is_read_by_the_platforms_parser() {
    answer(200, JSON, SESSION);
    let scene = Scene::started().await;
    let state = scene.manager.state();
    assert_eq!(state.status, Status::Authenticated);
    let session = state.session.as_ref().unwrap();
    assert_eq!(session.claims, r#"{"email":"ada@example.com","name":"Adä"}"#);
    assert!(
        (session.expires_at - js_sys::Date::now() - 60_000.0).abs() < 20_000.0,
        "it is not in milliseconds"
    );
}

#[wasm_bindgen_test]
async fn the_request_stays_at_home_and_carries_the_custom_header() {
    answer(200, JSON, SESSION);
    let _scene = Scene::started().await;
    assert_eq!(
        request(),
        concat!(
            r#"{"credentials":"same-origin","cache":"no-store","redirect":"error","#,
            r#""headers":{"accept":"application/json","x-authtool-csrf":"1"},"bounded":true}"#
        )
    );
}

#[wasm_bindgen_test]
async fn a_401_is_nobody() {
    answer(401, r#"{"content-type":"application/problem+json"}"#, r#"{"code":"no_session"}"#);
    let scene = Scene::started().await;
    assert_eq!(scene.manager.state().status, Status::Unauthenticated);
}

#[wasm_bindgen_test]
async fn every_other_answer_leaves_the_question_open() {
    for (status, headers, body, kind) in [
        (403, JSON, "{}", FailureKind::Server),
        (429, JSON, "{}", FailureKind::Server),
        (503, JSON, "{}", FailureKind::Server),
        (200, r#"{"content-type":"text/html"}"#, SESSION, FailureKind::Protocol),
        (200, "{}", SESSION, FailureKind::Protocol),
        (200, r#"{"content-type":"application/jsonp"}"#, SESSION, FailureKind::Protocol),
        (200, r#"{"content-type":"text/plain; x=application/json"}"#, SESSION, FailureKind::Protocol),
        (200, JSON, "", FailureKind::Protocol),
        (200, JSON, "<html>", FailureKind::Protocol),
        (200, JSON, "null", FailureKind::Protocol),
        (200, JSON, "[]", FailureKind::Protocol),
        (200, JSON, "7", FailureKind::Protocol),
        (200, JSON, r#"{"session":null}"#, FailureKind::Protocol),
        (200, JSON, r#"{"session":7}"#, FailureKind::Protocol),
        (200, JSON, r#"{"session":{"expires_in":-1}}"#, FailureKind::Protocol),
        (200, JSON, r#"{"session":{"expires_in":"soon"}}"#, FailureKind::Protocol),
    ] {
        answer(status, headers, body);
        let scene = Scene::started().await;
        let state = scene.manager.state();
        assert_eq!(state.status, Status::Unavailable, "{status} {headers} {body}");
        assert_eq!(state.failure.as_ref().unwrap().kind, kind, "{status} {headers} {body}");
    }
}

#[wasm_bindgen_test]
async fn a_network_that_fails_is_not_a_logout() {
    refuse();
    let scene = Scene::started().await;
    let state = scene.manager.state();
    assert_eq!(state.failure.as_ref().unwrap().kind, FailureKind::Network);
}

#[wasm_bindgen_test]
async fn retry_after_is_read_as_seconds_and_as_a_date() {
    let date = js_sys::Date::new(&(js_sys::Date::now() + 90_000.0).into()).to_utc_string();
    for (value, expected) in [("120", Some(120_000.0)), (&String::from(date), Some(90_000.0)), ("soon", None)]
    {
        answer(503, &format!(r#"{{"retry-after":"{value}","x-correlation-id":"c-1"}}"#), "");
        let scene = Scene::started().await;
        let state = scene.manager.state();
        let failure = state.failure.as_ref().unwrap();
        assert_eq!(failure.correlation_id.as_deref(), Some("c-1"));
        let asked = failure.retry_after_ms;
        match expected {
            Some(expected) => assert!((asked - expected).abs() < 2_000.0, "{value}: {asked}"),
            None => assert!(asked.is_nan(), "{value}: {asked}"),
        }
    }
}

#[wasm_bindgen_test]
async fn a_body_in_many_pieces_is_whole_and_one_too_long_is_refused() {
    answer_chunks(JSON, SESSION, 7);
    let scene = Scene::started().await;
    assert_eq!(scene.manager.state().status, Status::Authenticated);

    answer_chunks(JSON, &format!("{}{SESSION}", " ".repeat(65_536)), 16_384);
    let scene = Scene::started().await;
    assert_eq!(scene.manager.state().failure.as_ref().unwrap().kind, FailureKind::Protocol);
}

#[wasm_bindgen_test]
async fn the_back_forward_cache_and_the_network_call_for_a_look() {
    answer(200, JSON, SESSION);
    let scene = Scene::started().await;
    assert_eq!(count(), 1);
    dispatch("pageshow", false);
    dispatch("visibilitychange", false);
    assert_eq!(count(), 1, "an ordinary pageshow, and a page seen again a moment later, do not");
    dispatch("pageshow", true);
    assert_eq!(count(), 2);
    scene.settled().await;
    dispatch("online", false);
    assert_eq!(count(), 3);
    scene.settled().await;
}

#[wasm_bindgen_test]
async fn the_tabs_news_is_heard_and_nothing_else_on_their_channel() {
    answer(200, JSON, SESSION);
    let scene = Scene::started().await;
    for noise in [JsValue::NULL, JsValue::from(5), js_sys::Object::new().into(), "else".into()] {
        post("authtool:/bff", &noise);
    }
    post("authtool:/other", &"logout".into());
    pause(100).await;
    assert_eq!(count(), 1);
    answer(401, "{}", "");
    post("authtool:/bff", &"logout".into());
    scene.becomes(Status::Unauthenticated).await;
    assert!(scene.notices.borrow().contains(&Notice::Occurred(Occurrence::Logout)));
}

#[wasm_bindgen_test]
async fn the_sessions_end_is_looked_at() {
    answer(200, JSON, r#"{"session":{"expires_in":1}}"#);
    let scene = Scene::started().await;
    answer(401, "{}", "");
    scene.becomes(Status::Unauthenticated).await;
    assert!(scene.notices.borrow().contains(&Notice::Occurred(Occurrence::Expired)));
}

#[wasm_bindgen_test]
async fn a_manager_that_is_gone_leaves_nothing_behind() {
    answer(200, JSON, SESSION);
    let scene = Scene::started().await;
    scene.manager.check();
    let asked = count();
    scene.manager.dispose();
    dispatch("pageshow", true);
    dispatch("online", false);
    post("authtool:/bff", &"logout".into());
    pause(100).await;
    assert_eq!(count(), asked);
}

#[wasm_bindgen_test]
fn addresses_are_resolved_against_this_page() {
    let page = Browser::new("/bff");
    let origin = authtool_client::browser::origin();
    assert_eq!(page.resolve("/a?b#c"), Some(format!("{origin}/a?b#c")));
    assert_eq!(page.resolve("http://["), None);
    assert!(page.location().starts_with('/'));
    let scene = Scene::new();
    let url = scene.manager.url(Destination::Login, None, &LoginParameters::default()).unwrap();
    assert!(url.starts_with("/bff/login?redirect_uri=%2F"), "{url}");
}

#[wasm_bindgen_test]
fn numbers_are_kept_for_this_tab() {
    let page = Browser::new("/bff");
    assert_eq!(page.recall("authtool:test"), Some(0.0));
    page.keep("authtool:test", 1_700_000_000_000.0);
    assert_eq!(page.recall("authtool:test"), Some(1_700_000_000_000.0));
    page.keep("authtool:test", 0.0);
}

#[wasm_bindgen_test]
fn time_passes_and_chance_stays_below_one() {
    let page = Browser::new("/bff");
    assert!(page.now_ms() > 1_700_000_000_000.0);
    assert!((0.0..1.0).contains(&page.unit()));
    assert!(!page.is_user_acting(), "nobody touches a headless browser");
}

const TOKEN: &str = r#"{"access_token":"t1","token_type":"Bearer","expires_in":60}"#;

#[wasm_bindgen_test]
async fn a_token_is_a_future_and_however_many_there_are_one_request() {
    answer(200, JSON, SESSION);
    let scene = Scene::started().await;
    answer(200, JSON, TOKEN);
    let tokens = [(); 20].map(|()| scene.manager.access_token(None));
    for token in tokens {
        assert_eq!(token.await.as_deref(), Ok("t1"));
    }
    assert_eq!(count(), 1);
    assert_eq!(
        request(),
        concat!(
            r#"{"credentials":"same-origin","cache":"no-store","redirect":"error","#,
            r#""headers":{"accept":"application/json","x-authtool-csrf":"1"},"bounded":true}"#
        )
    );
    assert_eq!(scene.manager.access_token(None).await.as_deref(), Ok("t1"));
    assert_eq!(count(), 1, "from memory");

    answer(401, "{}", "");
    let refused = scene.manager.access_token(Some("t1")).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unauthorized);
    assert_eq!(scene.settled().await.status, Status::Unauthenticated);
}

#[wasm_bindgen_test]
async fn what_is_no_token_is_none() {
    for (body, kind) in [
        ("{}", FailureKind::Protocol),
        ("null", FailureKind::Protocol),
        (r#"{"token_type":"Bearer","expires_in":60}"#, FailureKind::Protocol),
        (r#"{"access_token":["t1"],"token_type":"Bearer","expires_in":60}"#, FailureKind::Protocol),
        (r#"{"access_token":"t1","expires_in":60}"#, FailureKind::Protocol),
        (r#"{"access_token":"t1","token_type":"Bearer","expires_in":"60"}"#, FailureKind::Protocol),
    ] {
        answer(200, JSON, SESSION);
        let scene = Scene::started().await;
        answer(200, JSON, body);
        let failure = scene.manager.access_token(None).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{body}");
    }
}

#[wasm_bindgen_test]
fn a_clock_that_is_set_back_goes_on() {
    let page = Browser::new("/bff");
    let before = page.now_ms();
    set_clock_back(3_600_000.0);
    let after = page.now_ms();
    assert!(after >= before && after - before < 60_000.0, "{before} {after}");
    set_clock_back(-3_600_000.0);
}

/// The example of the crate's documentation, as it stands there.
async fn example() -> Result<(), Box<dyn std::error::Error>> {
    use authtool_client::browser::origin;
    use authtool_client::rules::base_url::{InvalidBaseUrl, normalise};

    let base = normalise("/bff", &origin()).map_err(InvalidBaseUrl::advice)?;
    let manager = Manager::new(Browser::new(&base), base, Settings::TOKEN_EXCHANGE);
    let own = manager.clone();
    manager.listen(move |state, notice| {
        if notice == Notice::Changed && state.status == Status::Unauthenticated {
            // At most twice in thirty seconds: see `Manager::leave`.
            own.leave(Destination::Login, None, &LoginParameters::default()).ok();
        }
    });
    manager.start();

    let token = manager.access_token(None).await.map_err(|failure| format!("{failure:?}"))?;
    assert_eq!(token, "t1");
    manager.dispose();
    Ok(())
}

#[wasm_bindgen_test]
async fn the_example_of_the_documentation_works() {
    answer(200, JSON, TOKEN);
    example().await.unwrap();
}

#[wasm_bindgen_test]
async fn a_manager_that_is_dropped_lets_go_of_the_window() {
    answer(200, JSON, SESSION);
    let manager = Manager::new(Browser::new("/bff"), "/bff".into(), Settings::BFF);
    manager.start();
    drop(manager);
    let asked = count();
    // A callback that is gone would throw here.
    dispatch("pageshow", true);
    dispatch("online", false);
    post("authtool:/bff", &"logout".into());
    pause(100).await;
    assert_eq!(count(), asked);
}
