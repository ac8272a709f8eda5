//! The signals and components, in a real browser. `fetch` alone is replaced, and only for the server's addresses, so that
//! a fault can be had at will.
#![cfg(target_family = "wasm")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use authtool_leptos::{
    Authenticated, Authtool, AuthtoolOptions, FailureKind, LoginLink, LoginOptions, LoginParameters,
    LogoutForm, Occurrence, RequireAuth, Status, Unauthenticated, provide_authtool, use_authtool, use_user,
};
use leptos::mount::{UnmountHandle, mount_to};
use leptos::prelude::*;
use leptos::wasm_bindgen::prelude::*;
use leptos::web_sys::HtmlElement;
use leptos::web_sys::js_sys::Promise;
use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen(inline_js = r#"
const real = globalThis.fetch;
const requests = [];
let answers = {};
globalThis.fetch = async (url, init) => {
  const path = new URL(url, location.href).pathname;
  const answer = answers[path];
  if (answer === undefined) return real(url, init);
  requests.push(path);
  if (answer.status === 0) throw new TypeError('refused');
  return new Response(answer.body, { status: answer.status, headers: { 'content-type': 'application/json' } });
};
export function answer(path, status, body) {
  answers[path] = { status, body };
}
export function count(path) {
  return requests.filter((it) => it === path).length;
}
export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
export function tell(channel, message) {
  const sender = new BroadcastChannel(channel);
  sender.postMessage(message);
  sender.close();
}
export function forget_logins() {
  sessionStorage.clear();
}
export function fill_logins() {
  const now = String(Date.now());
  sessionStorage.setItem('authtool:login:last', now);
  sessionStorage.setItem('authtool:login:before', now);
}
"#)]
extern "C" {
    fn answer(path: &str, status: u16, body: &str);
    fn count(path: &str) -> u32;
    fn sleep(ms: u32) -> Promise;
    fn tell(channel: &str, message: &str);
    fn forget_logins();
    fn fill_logins();
}

const SESSION: &str = "/bff/session";
const TOKEN: &str = "/bff/token";
const ADA: &str = r#"{"name":"Ada","email":"ada@example.com","session":{"expires_in":3600}}"#;
const GRACE: &str = r#"{"name":"Grace","session":{"expires_in":3600}}"#;

#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
struct User {
    name: String,
    email: Option<String>,
}

/// A mounted app, which goes away with the scene.
struct Scene {
    element: HtmlElement,
    authtool: Authtool,
    handle: Option<Box<dyn Any>>,
}

impl Scene {
    fn show<V: IntoView + 'static>(options: AuthtoolOptions, view: impl Fn() -> V + 'static) -> Self
    where
        V::State: 'static,
    {
        let element: HtmlElement = document().create_element("div").unwrap().unchecked_into();
        document().body().unwrap().append_child(&element).unwrap();
        let made: Rc<RefCell<Option<Authtool>>> = Rc::default();
        let given = Rc::clone(&made);
        let handle: UnmountHandle<_> = mount_to(element.clone(), move || {
            *given.borrow_mut() = Some(provide_authtool(options));
            view()
        });
        let authtool = made.borrow_mut().take().unwrap();
        Self { element, authtool, handle: Some(Box::new(handle)) }
    }

    fn text(&self) -> String {
        self.element.text_content().unwrap_or_default()
    }

    /// Waits until the page says this.
    async fn says(&self, text: &str) {
        until(|| self.text() == text, || format!("{text:?}, but the page says {:?}", self.text())).await;
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.handle.take();
        self.element.remove();
    }
}

async fn until(holds: impl Fn() -> bool, what: impl Fn() -> String) {
    for _ in 0..3_000 {
        if holds() {
            return;
        }
        JsFuture::from(sleep(10)).await.unwrap();
    }
    panic!("never: {}", what());
}

fn page() -> impl IntoView {
    let authtool = use_authtool();
    let user = use_user::<User>();
    view! {
        <Show when=move || authtool.status.get() == Status::Initialising>"waiting"</Show>
        <Show when=move || authtool.status.get() == Status::Unavailable>"unavailable "</Show>
        <Unauthenticated>"nobody"</Unauthenticated>
        <Authenticated>{move || user.get().map(|user| user.name)}</Authenticated>
    }
}

#[wasm_bindgen_test]
async fn the_page_follows_the_session() {
    answer(SESSION, 200, ADA);
    let scene = Scene::show(AuthtoolOptions::default(), page);
    assert_eq!(scene.text(), "waiting");
    scene.says("Ada").await;
    assert_eq!(scene.authtool.status.get_untracked(), Status::Authenticated);
    answer(SESSION, 401, "{}");
    tell("authtool:/bff", "logout");
    scene.says("nobody").await;
    answer(SESSION, 200, GRACE);
    tell("authtool:/bff", "login");
    scene.says("Grace").await;
}

#[wasm_bindgen_test]
async fn an_outage_is_no_logout() {
    answer(SESSION, 503, "{}");
    let scene = Scene::show(AuthtoolOptions::default(), page);
    scene.says("unavailable ").await;
    assert_eq!(scene.authtool.failure.get_untracked().unwrap().status, 503);
    answer(SESSION, 200, ADA);
    scene.authtool.check();
    scene.says("Ada").await;
    answer(SESSION, 0, "");
    scene.authtool.check();
    scene.says("unavailable Ada").await;
}

#[wasm_bindgen_test]
async fn the_content_stays_while_the_session_is_extended() {
    answer(SESSION, 200, ADA);
    let renders = Rc::new(RefCell::new(0));
    let counted = send_wrapper_of(&renders);
    let scene = Scene::show(AuthtoolOptions::default(), move || {
        let counted = counted.clone();
        view! { <Authenticated>{ *counted.borrow_mut() += 1; "content" }</Authenticated> }
    });
    scene.says("content").await;
    let end = scene.authtool.session.get_untracked().unwrap().expires_at;
    answer(SESSION, 200, &ADA.replace("3600", "7200"));
    scene.authtool.check();
    let moved = || scene.authtool.session.get_untracked().unwrap().expires_at > end + 1_000_000.0;
    until(moved, || "the session's new end".to_owned()).await;
    assert_eq!(*renders.borrow(), 1);
}

/// Leptos asks for `Send`, which in a browser costs nothing.
fn send_wrapper_of<T: 'static>(value: &Rc<T>) -> leptos::__reexports::send_wrapper::SendWrapper<Rc<T>> {
    leptos::__reexports::send_wrapper::SendWrapper::new(Rc::clone(value))
}

#[wasm_bindgen_test]
async fn claims_that_do_not_fit_the_struct_are_nobody() {
    #[derive(Clone, PartialEq, serde::Deserialize)]
    struct Strict {
        employee_number: u32,
    }
    answer(SESSION, 200, ADA);
    let scene = Scene::show(AuthtoolOptions::default(), || {
        let user = use_user::<Strict>();
        view! { <Authenticated>{move || user.get().map_or(0, |user| user.employee_number)}</Authenticated> }
    });
    scene.says("0").await;
}

#[wasm_bindgen_test]
async fn what_happens_to_the_session_is_heard() {
    answer(SESSION, 200, ADA);
    let heard: Rc<RefCell<Vec<Occurrence>>> = Rc::default();
    let listener = Rc::clone(&heard);
    let scene = Scene::show(AuthtoolOptions::default(), move || {
        let listener = Rc::clone(&listener);
        use_authtool().on(move |occurrence| listener.borrow_mut().push(occurrence));
    });
    let has = |wanted| heard.borrow().contains(&wanted);
    until(|| has(Occurrence::Login), || format!("{:?}", heard.borrow())).await;
    answer(SESSION, 401, "{}");
    scene.authtool.check();
    until(|| has(Occurrence::Expired), || format!("{:?}", heard.borrow())).await;
}

#[wasm_bindgen_test]
async fn a_token_is_fetched_once_however_many_ask() {
    answer(SESSION, 200, ADA);
    answer(TOKEN, 200, r#"{"access_token":"abc","token_type":"Bearer","expires_in":300}"#);
    let scene = Scene::show(AuthtoolOptions::default().token_exchange(), page);
    scene.says("Ada").await;
    let before = count(TOKEN);
    let authtool = scene.authtool;
    let tokens = [authtool.access_token().await, authtool.access_token().await];
    assert_eq!(tokens.map(Result::unwrap), ["abc", "abc"]);
    assert_eq!(count(TOKEN) - before, 1);
    answer(TOKEN, 200, r#"{"access_token":"def","token_type":"Bearer","expires_in":300}"#);
    assert_eq!(authtool.access_token_after("abc").await.unwrap(), "def");
    assert_eq!(count(TOKEN) - before, 2);
}

#[wasm_bindgen_test]
async fn in_bff_mode_there_is_no_token() {
    answer(SESSION, 200, ADA);
    let scene = Scene::show(AuthtoolOptions::default(), page);
    let failure = scene.authtool.access_token().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongMode);
}

#[wasm_bindgen_test]
async fn sec_183_a_login_link_leads_back_to_the_page_it_is_on() {
    answer(SESSION, 401, "{}");
    let options = || {
        LoginOptions::default()
            .redirect_uri("/invoices?x=1&prompt=none#a&b")
            .parameters(LoginParameters::default().login_hint("ada"))
    };
    let scene = Scene::show(
        AuthtoolOptions::default(),
        move || view! { <LoginLink options=options()>"in"</LoginLink> },
    );
    let link = scene.element.query_selector("a[rel=external]").unwrap().unwrap();
    assert_eq!(
        link.get_attribute("href").unwrap(),
        "/bff/login?redirect_uri=%2Finvoices%3Fx%3D1%26prompt%3Dnone%23a%26b&login_hint=ada"
    );
    assert!(scene.authtool.login_url(&LoginOptions::default()).starts_with("/bff/login?redirect_uri=%2F"));
}

#[wasm_bindgen_test]
async fn a_logout_is_a_form() {
    answer(SESSION, 200, ADA);
    let scene =
        Scene::show(AuthtoolOptions::default(), || view! { <LogoutForm><button>"out"</button></LogoutForm> });
    let form = scene.element.query_selector("form[method=post]").unwrap().unwrap();
    assert_eq!(form.get_attribute("action").unwrap(), "/bff/logout");
}

#[wasm_bindgen_test]
async fn sec_179_a_guarded_page_does_not_send_anybody_to_the_login_for_ever() {
    answer(SESSION, 401, "{}");
    // Two automatic logins, a moment ago.
    fill_logins();
    let scene = Scene::show(AuthtoolOptions::default(), || {
        view! {
            <RequireAuth fallback=|| {
                let failure = use_authtool().failure;
                move || failure.get().map(|failure| format!("{:?}", failure.kind))
            }>
                <RequireAuth>"secret"</RequireAuth>
            </RequireAuth>
        }
    });
    scene.says("LoginLoop").await;
    forget_logins();
}

#[wasm_bindgen_test]
async fn what_goes_away_asks_no_more() {
    answer(SESSION, 401, "{}");
    let gone = Scene::show(AuthtoolOptions::default(), page);
    gone.says("nobody").await;
    let witness = Scene::show(AuthtoolOptions::default(), page);
    witness.says("nobody").await;
    drop(gone);
    let before = count(SESSION);
    answer(SESSION, 200, ADA);
    tell("authtool:/bff", "login");
    witness.says("Ada").await;
    assert_eq!(count(SESSION) - before, 1);
}
