//! The session manager against a world made of values.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

use authtool_client::manager::{Destination, Manager, Notice};
use authtool_client::ports::{
    Clock, Entropy, Host, Memory, News, Page, Signal, Sink, Tabs, Timer, Transport,
};
use authtool_client::rules::answer::{Answer, Body, Head};
use authtool_client::rules::state::{FailureKind, Occurrence, Status};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// What the manager did, in order.
#[derive(Clone, Debug, PartialEq)]
enum Deed {
    Asked(String),
    Watched,
    SetTimer(f64),
    Went(String),
    Posted(String),
    Told(News),
    Closed,
}

#[derive(Default)]
struct World {
    now: Cell<f64>,
    hidden: Cell<bool>,
    user_acting: Cell<bool>,
    memory_blocked: Cell<bool>,
    memory: RefCell<HashMap<String, f64>>,
    sink: RefCell<Option<Sink>>,
    deeds: RefCell<Vec<Deed>>,
}

impl World {
    fn did(&self, deed: Deed) {
        self.deeds.borrow_mut().push(deed);
    }

    /// What was done since the last call.
    fn deeds(&self) -> Vec<Deed> {
        self.deeds.take()
    }

    fn requests(&self) -> usize {
        self.deeds().iter().filter(|deed| matches!(deed, Deed::Asked(_))).count()
    }

    fn send(&self, signal: Signal) {
        let sink = self.sink.borrow().clone().expect("the manager has not opened the host");
        sink(signal);
    }

    fn answer(&self, status: u16, expires_in: f64, claims: &str) {
        let head = Head { status, content_type: "application/json".into(), ..Head::default() };
        let body = Body { expires_in, claims: claims.into() };
        self.send(Signal::Answered(Answer { head: Some(head), body: Some(body) }));
    }

    fn answer_session(&self) {
        self.answer(200, 3_600.0, r#"{"sub":"ada"}"#);
    }

    fn pass(&self, ms: f64) {
        self.now.set(self.now.get() + ms);
    }
}

/// The manager's handle on the world.
struct Handle(Rc<World>);

impl Clock for Handle {
    fn now_ms(&self) -> f64 {
        self.0.now.get()
    }
}
impl Entropy for Handle {
    fn unit(&self) -> f64 {
        1.0
    }
}
impl Transport for Handle {
    fn request_session(&self, url: &str) {
        self.0.did(Deed::Asked(url.into()));
    }
}
impl Timer for Handle {
    fn set(&self, ms: f64) {
        self.0.did(Deed::SetTimer(ms));
    }
    fn clear(&self) {}
}
impl Page for Handle {
    fn location(&self) -> String {
        "/here?x=1#y".into()
    }
    fn resolve(&self, address: &str) -> Option<String> {
        (!address.starts_with("http://[")).then(|| format!("https://app.example{address}"))
    }
    fn is_hidden(&self) -> bool {
        self.0.hidden.get()
    }
    fn is_user_acting(&self) -> bool {
        self.0.user_acting.get()
    }
    fn go(&self, url: &str) {
        self.0.did(Deed::Went(url.into()));
    }
    fn post(&self, url: &str) {
        self.0.did(Deed::Posted(url.into()));
    }
}
impl Tabs for Handle {
    fn tell(&self, news: News) {
        self.0.did(Deed::Told(news));
    }
}
impl Memory for Handle {
    fn recall(&self, name: &str) -> Option<f64> {
        (!self.0.memory_blocked.get()).then(|| self.0.memory.borrow().get(name).copied().unwrap_or_default())
    }
    fn keep(&self, name: &str, value: f64) {
        self.0.memory.borrow_mut().insert(name.into(), value);
    }
}
impl Host for Handle {
    fn open(&self, sink: Sink) {
        self.0.sink.replace(Some(sink));
    }
    fn watch(&self) {
        self.0.did(Deed::Watched);
    }
    fn close(&self) {
        self.0.did(Deed::Closed);
    }
}

struct Scene {
    world: Rc<World>,
    manager: Manager<Handle>,
    notices: Rc<RefCell<Vec<Notice>>>,
}

impl Scene {
    /// A manager that nobody has started.
    fn new() -> Self {
        let world = Rc::new(World::default());
        world.pass(1_700_000_000_000.0);
        let manager = Manager::new(Handle(Rc::clone(&world)), "/bff".into());
        let notices: Rc<RefCell<Vec<Notice>>> = Rc::default();
        let heard = Rc::clone(&notices);
        manager.listen(move |_, notice| heard.borrow_mut().push(notice));
        Self { world, manager, notices }
    }

    /// A manager that has found a session.
    fn logged_in() -> Self {
        let scene = Self::new();
        scene.manager.start();
        scene.world.answer_session();
        scene.world.deeds();
        scene.notices.take();
        scene
    }

    fn status(&self) -> Status {
        self.manager.state().status
    }
}

#[test]
fn nothing_happens_before_the_start_and_starting_twice_asks_once() {
    let scene = Scene::new();
    assert_eq!(scene.world.deeds(), []);
    scene.manager.start();
    scene.manager.start();
    scene.manager.check();
    let deeds = [Deed::Asked("/bff/session".into()), Deed::Watched];
    assert_eq!(scene.world.deeds(), deeds, "nothing else comes before the request");
    assert_eq!(scene.status(), Status::Initialising);
}

#[test]
fn a_session_is_announced_and_looked_at_again_when_it_ends() {
    let scene = Scene::new();
    scene.manager.start();
    scene.world.answer_session();
    assert_eq!(scene.status(), Status::Authenticated);
    assert_eq!(scene.notices.take(), [Notice::Changed, Notice::Occurred(Occurrence::Login), Notice::Settled]);
    assert_eq!(
        scene.world.deeds(),
        [
            Deed::Asked("/bff/session".into()),
            Deed::Watched,
            Deed::SetTimer(3_600_000.0),
            Deed::Told(News::Login)
        ]
    );

    scene.world.pass(3_600_000.0);
    scene.world.hidden.set(true);
    scene.world.send(Signal::Elapsed);
    assert_eq!(scene.world.requests(), 1);
    scene.world.answer(401, 0.0, "");
    assert_eq!(
        scene.notices.take(),
        [Notice::Changed, Notice::Occurred(Occurrence::Expired), Notice::Settled]
    );
    assert_eq!(scene.world.deeds(), [], "nobody logged in, nothing to wait for");
}

#[test]
fn an_outage_is_waited_out_with_growing_patience_and_keeps_the_session() {
    let scene = Scene::logged_in();
    scene.manager.check();
    for expected in [1_000.0, 2_000.0, 4_000.0] {
        scene.world.answer(503, 0.0, "");
        assert_eq!(scene.world.deeds().last(), Some(&Deed::SetTimer(expected)));
        assert_eq!(scene.status(), Status::Unavailable);
        assert!(scene.manager.state().session.is_some());
        scene.world.send(Signal::Elapsed);
    }
    scene.world.answer_session();
    assert_eq!(scene.status(), Status::Authenticated);

    scene.manager.check();
    scene.world.deeds();
    scene.world.answer(503, 0.0, "");
    assert_eq!(scene.world.deeds(), [Deed::SetTimer(1_000.0)], "patience starts over after a success");
}

#[test]
fn a_hidden_page_does_not_retry_until_it_is_seen() {
    let scene = Scene::logged_in();
    scene.manager.check();
    scene.world.send(Signal::Answered(Answer::default()));
    scene.world.hidden.set(true);
    scene.world.deeds();
    scene.world.send(Signal::Elapsed);
    scene.world.send(Signal::Online);
    assert_eq!(scene.world.requests(), 0);

    scene.world.hidden.set(false);
    scene.world.send(Signal::Shown);
    assert_eq!(scene.world.requests(), 1);
}

#[test]
fn a_page_that_is_seen_again_asks_unless_it_just_did() {
    let scene = Scene::logged_in();
    scene.world.pass(9_000.0);
    scene.world.send(Signal::Shown);
    assert_eq!(scene.world.requests(), 0);
    scene.world.pass(2_000.0);
    scene.world.send(Signal::Shown);
    assert_eq!(scene.world.requests(), 1);
}

#[test]
fn a_session_that_ended_during_sleep_is_noticed_when_the_page_is_seen() {
    let scene = Scene::new();
    scene.manager.start();
    scene.world.answer(200, 5.0, "{}");
    scene.world.deeds();
    scene.world.pass(6_000.0);
    scene.world.send(Signal::Shown);
    assert_eq!(scene.world.requests(), 1);
}

#[test]
fn a_page_from_the_back_forward_cache_always_asks() {
    let scene = Scene::logged_in();
    scene.world.send(Signal::Restored);
    assert_eq!(scene.world.requests(), 1);
}

#[test]
fn an_answer_that_may_be_older_than_the_news_is_asked_for_again() {
    let scene = Scene::logged_in();
    scene.manager.check();
    scene.world.send(Signal::Told(News::Logout));
    scene.world.deeds();
    scene.world.answer_session();
    assert_eq!(scene.world.requests(), 1);
    assert_eq!(scene.notices.take(), [], "the old answer tells nothing");
    scene.world.answer(401, 0.0, "");
    assert_eq!(
        scene.notices.take(),
        [Notice::Changed, Notice::Occurred(Occurrence::Logout), Notice::Settled]
    );
}

#[test]
fn news_from_a_tab_is_not_told_to_the_tabs() {
    let scene = Scene::new();
    scene.manager.start();
    scene.world.answer(401, 0.0, "");
    scene.world.deeds();
    scene.world.send(Signal::Told(News::Login));
    scene.world.answer_session();
    assert!(!scene.world.deeds().contains(&Deed::Told(News::Login)));
    assert_eq!(scene.status(), Status::Authenticated);
}

#[test]
fn a_hidden_tab_that_hears_of_a_login_asks_when_it_is_seen() {
    let scene = Scene::logged_in();
    scene.world.hidden.set(true);
    scene.world.send(Signal::Told(News::Login));
    assert_eq!(scene.world.requests(), 0);
    scene.world.hidden.set(false);
    scene.world.send(Signal::Shown);
    assert_eq!(scene.world.requests(), 1);
}

#[test]
fn a_hidden_tab_that_hears_of_a_logout_asks_at_once() {
    let scene = Scene::logged_in();
    scene.world.hidden.set(true);
    scene.world.send(Signal::Told(News::Logout));
    assert_eq!(scene.world.requests(), 1);
}

#[test]
fn the_login_leads_back_to_the_current_page() {
    let scene = Scene::new();
    assert_eq!(
        scene.manager.url(Destination::Login, None).unwrap(),
        "/bff/login?redirect_uri=%2Fhere%3Fx%3D1%23y"
    );
    assert_eq!(
        scene.manager.url(Destination::Login, Some("/there")).unwrap(),
        "/bff/login?redirect_uri=https%3A%2F%2Fapp.example%2Fthere"
    );
    assert!(scene.manager.url(Destination::Login, Some("http://[")).is_err());
    assert!(scene.manager.leave(Destination::Login, Some("http://[")).is_err());
    assert!(scene.manager.leave(Destination::Logout, Some("http://[")).is_err());
    assert_eq!(scene.world.deeds(), []);
}

#[test]
fn the_third_automatic_login_stays_and_says_why() {
    let scene = Scene::new();
    for _ in 0..2 {
        scene.manager.leave(Destination::Login, None).unwrap();
        scene.world.pass(5_000.0);
        assert!(matches!(scene.world.deeds().as_slice(), [Deed::Went(_)]));
    }
    scene.manager.leave(Destination::Login, None).unwrap();
    assert_eq!(scene.world.deeds(), []);
    assert_eq!(scene.status(), Status::Unavailable);
    assert_eq!(scene.manager.state().failure.as_ref().unwrap().kind, FailureKind::LoginLoop);

    scene.world.user_acting.set(true);
    scene.manager.leave(Destination::Login, None).unwrap();
    assert!(matches!(scene.world.deeds().as_slice(), [Deed::Went(_)]), "a click is not a loop");

    scene.world.user_acting.set(false);
    scene.world.pass(30_000.0);
    scene.manager.leave(Destination::Login, None).unwrap();
    assert!(matches!(scene.world.deeds().as_slice(), [Deed::Went(_)]), "thirty seconds later it may again");
}

#[test]
fn where_nothing_can_be_counted_nothing_is_automatic() {
    let scene = Scene::new();
    scene.world.memory_blocked.set(true);
    scene.manager.leave(Destination::Login, None).unwrap();
    assert_eq!(scene.world.deeds(), []);
    scene.world.user_acting.set(true);
    scene.manager.leave(Destination::Login, None).unwrap();
    assert_eq!(scene.world.deeds().len(), 1);
}

#[test]
fn a_logout_posts_and_the_tabs_hear_of_it_when_the_page_is_left() {
    let scene = Scene::logged_in();
    scene.world.send(Signal::Leaving);
    assert_eq!(scene.world.deeds(), [], "leaving is no logout");

    scene.manager.leave(Destination::Logout, Some("/bye")).unwrap();
    assert_eq!(
        scene.world.deeds(),
        [Deed::Posted("/bff/logout?redirect_uri=https%3A%2F%2Fapp.example%2Fbye".into())]
    );
    assert_eq!(scene.notices.take(), [Notice::Occurred(Occurrence::Logout)]);
    assert_eq!(scene.status(), Status::Authenticated, "the logout must not be raced by a login");
    scene.world.send(Signal::Leaving);
    assert_eq!(scene.world.deeds(), [Deed::Told(News::Logout)]);
}

#[test]
fn a_short_session_is_not_asked_about_without_a_pause() {
    let scene = Scene::new();
    scene.manager.start();
    scene.world.answer(200, 0.0, "{}");
    assert!(scene.world.deeds().contains(&Deed::SetTimer(1_000.0)));
}

#[test]
fn a_disposed_manager_does_nothing_and_tells_nobody() {
    let scene = Scene::logged_in();
    scene.manager.check();
    scene.world.deeds();
    scene.manager.dispose();
    scene.manager.dispose();
    assert_eq!(scene.world.deeds(), [Deed::Closed]);
    scene.world.answer(401, 0.0, "");
    scene.world.send(Signal::Restored);
    scene.manager.check();
    scene.manager.start();
    assert_eq!(scene.world.deeds(), []);
    assert_eq!(scene.notices.take(), []);
    assert_eq!(scene.status(), Status::Authenticated, "the state stays readable");
}

#[test]
fn the_state_is_the_same_value_until_it_changes() {
    let scene = Scene::logged_in();
    let before = scene.manager.state();
    scene.manager.check();
    scene.world.answer_session();
    assert!(Rc::ptr_eq(&before, &scene.manager.state()));
    scene.manager.check();
    scene.world.answer(200, 3_600.0, r#"{"sub":"bob"}"#);
    assert!(!Rc::ptr_eq(&before, &scene.manager.state()));
}

#[test]
fn a_listener_may_leave_while_it_is_called() {
    let scene = Scene::new();
    let id = Rc::new(Cell::new(0));
    let (manager, own, calls) = (scene.manager.clone(), Rc::clone(&id), Rc::new(Cell::new(0)));
    let counted = Rc::clone(&calls);
    id.set(scene.manager.listen(move |_, _| {
        counted.set(counted.get() + 1);
        manager.unlisten(own.get());
        manager.check();
    }));
    scene.manager.start();
    scene.world.answer_session();
    scene.world.answer_session();
    assert_eq!(calls.get(), 1);
}
