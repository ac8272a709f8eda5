//! The session manager against a world made of values.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

use authtool_client::manager::{Destination, Manager, Notice, Settings};
use authtool_client::ports::{
    Clock, Entropy, Host, Memory, News, Page, Signal, Sink, Tabs, Timer, Transport,
};
use authtool_client::rules::answer::{Answer, Body, Head};
use authtool_client::rules::login_parameters::LoginParameters;
use authtool_client::rules::state::{FailureKind, Occurrence, State, Status};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// What the manager did, in order.
#[derive(Clone, Debug, PartialEq)]
enum Deed {
    Asked(String),
    AskedForToken(String),
    Watched,
    SetTimer(f64),
    Went(String),
    Posted(String),
    Told(News),
    Closed,
}

fn answer(status: u16, expires_in: f64, text: &str) -> Answer {
    let head = Head { status, ..Head::default() };
    Answer { head: Some(head), body: Some(Body { expires_in, text: text.into() }) }
}

#[derive(Default)]
struct World {
    now: Cell<f64>,
    alarm: Cell<Option<f64>>,
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
        self.send(Signal::Answered(answer(status, expires_in, claims)));
    }

    fn answer_token(&self, token: &str, expires_in: f64) {
        self.send(Signal::TokenAnswered(answer(200, expires_in, &format!("Bearer {token}"))));
    }

    fn refuse_token(&self, status: u16) {
        self.send(Signal::TokenAnswered(answer(status, 0.0, "")));
    }

    /// Passes the time until the alarm, and lets it ring.
    fn ring(&self) {
        let ms = self.alarm.take().expect("no alarm is set");
        self.pass(ms);
        self.send(Signal::Elapsed);
    }

    fn token_requests(&self) -> usize {
        self.deeds().iter().filter(|deed| matches!(deed, Deed::AskedForToken(_))).count()
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
    fn request_token(&self, url: &str) {
        self.0.did(Deed::AskedForToken(url.into()));
    }
}
impl Timer for Handle {
    fn set(&self, ms: f64) {
        self.0.alarm.set(Some(ms));
        self.0.did(Deed::SetTimer(ms));
    }
    fn clear(&self) {
        self.0.alarm.set(None);
    }
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
        // No warning before the end, except where that is the subject.
        Self::with(Settings { warn_ms: f64::NEG_INFINITY, ..Settings::BFF })
    }

    fn with(settings: Settings) -> Self {
        let world = Rc::new(World::default());
        world.pass(1_700_000_000_000.0);
        let manager = Manager::new(Handle(Rc::clone(&world)), "/bff".into(), settings);
        let notices: Rc<RefCell<Vec<Notice>>> = Rc::default();
        let heard = Rc::clone(&notices);
        manager.listen(move |_, notice| heard.borrow_mut().push(notice));
        Self { world, manager, notices }
    }

    /// A manager that has found a session.
    fn logged_in() -> Self {
        Self::new().started()
    }

    /// The same, in `tokenExchange` mode.
    fn with_tokens() -> Self {
        Self::with(Settings { warn_ms: f64::NEG_INFINITY, ..Settings::TOKEN_EXCHANGE }).started()
    }

    fn started(self) -> Self {
        let scene = self;
        scene.manager.start();
        scene.world.answer_session();
        scene.world.deeds();
        scene.notices.take();
        scene
    }

    /// What a call for a token leads to.
    fn ask(&self) -> Rc<RefCell<Vec<Result<String, FailureKind>>>> {
        self.ask_instead_of(None)
    }

    fn ask_instead_of(&self, rejected: Option<&str>) -> Rc<RefCell<Vec<Result<String, FailureKind>>>> {
        let heard: Rc<RefCell<Vec<_>>> = Rc::default();
        let told = Rc::clone(&heard);
        self.manager.with_access_token(rejected, move |result| {
            told.borrow_mut().push(result.map(str::to_owned).map_err(|failure| failure.kind));
        });
        heard
    }

    fn leave(
        &self,
        destination: Destination,
        redirect_uri: Option<&str>,
    ) -> Result<(), authtool_client::manager::InvalidRedirectUri> {
        self.manager.leave(destination, redirect_uri, &LoginParameters::default())
    }

    fn url(
        &self,
        destination: Destination,
        redirect_uri: Option<&str>,
    ) -> Result<String, authtool_client::manager::InvalidRedirectUri> {
        self.manager.url(destination, redirect_uri, &LoginParameters::default())
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
fn a_manager_that_resumes_begins_with_what_is_known_and_asks_all_the_same() {
    let known = Scene::logged_in().manager.state().as_ref().clone();
    let scene = Scene::new();
    scene.manager.resume(known);
    assert_eq!(scene.status(), Status::Authenticated);
    let deeds = [Deed::Asked("/bff/session".into()), Deed::Watched, Deed::Told(News::Login)];
    assert_eq!(scene.world.deeds(), deeds);
    scene.world.answer_session();
    assert_eq!(scene.notices.take(), [Notice::Settled], "the same session is no news");
    scene.manager.resume(State::INITIAL);
    assert_eq!(scene.status(), Status::Authenticated, "it has begun already");
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
    assert_eq!(scene.url(Destination::Login, None).unwrap(), "/bff/login?redirect_uri=%2Fhere%3Fx%3D1%23y");
    assert_eq!(
        scene.url(Destination::Login, Some("/there")).unwrap(),
        "/bff/login?redirect_uri=https%3A%2F%2Fapp.example%2Fthere"
    );
    assert!(scene.url(Destination::Login, Some("http://[")).is_err());
    assert!(scene.leave(Destination::Login, Some("http://[")).is_err());
    assert!(scene.leave(Destination::Logout, Some("http://[")).is_err());
    assert_eq!(scene.world.deeds(), []);
}

#[test]
fn the_third_automatic_login_stays_and_says_why() {
    let scene = Scene::new();
    for _ in 0..2 {
        scene.leave(Destination::Login, None).unwrap();
        scene.world.pass(5_000.0);
        assert!(matches!(scene.world.deeds().as_slice(), [Deed::Went(_)]));
    }
    scene.leave(Destination::Login, None).unwrap();
    assert_eq!(scene.world.deeds(), []);
    assert_eq!(scene.status(), Status::Unavailable);
    assert_eq!(scene.manager.state().failure.as_ref().unwrap().kind, FailureKind::LoginLoop);

    scene.world.user_acting.set(true);
    scene.leave(Destination::Login, None).unwrap();
    assert!(matches!(scene.world.deeds().as_slice(), [Deed::Went(_)]), "a click is not a loop");

    scene.world.user_acting.set(false);
    scene.world.pass(30_000.0);
    scene.leave(Destination::Login, None).unwrap();
    assert!(matches!(scene.world.deeds().as_slice(), [Deed::Went(_)]), "thirty seconds later it may again");
}

#[test]
fn where_nothing_can_be_counted_nothing_is_automatic() {
    let scene = Scene::new();
    scene.world.memory_blocked.set(true);
    scene.leave(Destination::Login, None).unwrap();
    assert_eq!(scene.world.deeds(), []);
    scene.world.user_acting.set(true);
    scene.leave(Destination::Login, None).unwrap();
    assert_eq!(scene.world.deeds().len(), 1);
}

#[test]
fn a_logout_posts_and_the_tabs_hear_of_it_before_and_when_the_page_is_left() {
    let scene = Scene::logged_in();
    scene.world.send(Signal::Leaving);
    assert_eq!(scene.world.deeds(), [], "leaving is no logout");

    scene.leave(Destination::Logout, Some("/bye")).unwrap();
    assert_eq!(
        scene.world.deeds(),
        [
            Deed::Told(News::Logout),
            Deed::Posted("/bff/logout?redirect_uri=https%3A%2F%2Fapp.example%2Fbye".into())
        ]
    );
    assert_eq!(scene.notices.take(), [Notice::Occurred(Occurrence::Logout)]);
    assert_eq!(scene.status(), Status::Authenticated, "the logout must not be raced by a login");
    scene.world.send(Signal::Leaving);
    assert_eq!(scene.world.deeds(), [Deed::Told(News::Logout)]);
}

#[test]
fn a_logout_that_the_server_hears_of_later_than_the_tabs_is_looked_for_again() {
    let scene = Scene::logged_in();
    scene.world.send(Signal::Told(News::Logout));
    scene.world.answer_session();
    assert_eq!(scene.world.alarm.get(), Some(1_000.0));
    scene.world.ring();
    scene.world.answer_session();
    assert_eq!(scene.world.alarm.get(), Some(2_000.0));
    scene.notices.take();
    scene.world.ring();
    scene.world.answer(401, 0.0, "");
    assert_eq!(
        scene.notices.take(),
        [Notice::Changed, Notice::Occurred(Occurrence::Logout), Notice::Settled]
    );
}

#[test]
fn a_logout_that_never_comes_is_not_looked_for_without_end() {
    let scene = Scene::logged_in();
    let usual = scene.world.alarm.get();
    scene.world.send(Signal::Told(News::Logout));
    for _ in 0..3 {
        scene.world.answer_session();
        assert!(scene.world.alarm.get() < usual);
        scene.world.ring();
    }
    scene.world.answer_session();
    assert_eq!(scene.world.alarm.get(), usual);
    scene.manager.check();
    scene.notices.take();
    scene.world.answer(401, 0.0, "");
    assert!(
        scene.notices.take().contains(&Notice::Occurred(Occurrence::Expired)),
        "it is not called a logout any more"
    );
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

#[test]
fn a_login_carries_what_was_asked_of_it() {
    let scene = Scene::new();
    let parameters = LoginParameters::default().prompt("login").max_age(60);
    scene.manager.leave(Destination::Login, Some("/there"), &parameters).unwrap();
    let expected =
        "/bff/login?redirect_uri=https%3A%2F%2Fapp.example%2Fthere&prompt=login&max_age=60".to_owned();
    assert_eq!(scene.world.deeds(), [Deed::Went(expected)]);
}

#[test]
fn however_many_ask_there_is_one_request_for_a_token() {
    let scene = Scene::with_tokens();
    let heard: Vec<_> = (0..50).map(|_| scene.ask()).collect();
    assert_eq!(scene.world.deeds(), [Deed::AskedForToken("/bff/token".into())]);
    scene.world.answer_token("t1", 300.0);
    for heard in heard {
        assert_eq!(heard.take(), [Ok("t1".to_owned())]);
    }
    assert_eq!(scene.ask().take(), [Ok("t1".to_owned())], "from memory");
    assert_eq!(scene.world.token_requests(), 0);
}

#[test]
fn without_anybody_asking_there_is_no_token() {
    let scene = Scene::with_tokens();
    assert_eq!(scene.world.token_requests(), 0);
    scene.world.ring();
    assert_eq!(scene.world.token_requests(), 0);
}

#[test]
fn a_token_can_be_asked_for_before_anything_else() {
    let scene = Scene::with(Settings::TOKEN_EXCHANGE);
    let heard = scene.ask();
    let deeds = [Deed::Asked("/bff/session".into()), Deed::Watched, Deed::AskedForToken("/bff/token".into())];
    assert_eq!(scene.world.deeds(), deeds);
    scene.world.answer_token("t1", 300.0);
    assert_eq!(heard.take(), [Ok("t1".to_owned())]);
    scene.world.answer_session();
    assert_eq!(scene.ask().take(), [Ok("t1".to_owned())], "the first session is no other user's");
}

#[test]
fn in_bff_mode_there_are_no_tokens() {
    let scene = Scene::logged_in();
    assert_eq!(scene.ask().take(), [Err(FailureKind::WrongMode)]);
    assert_eq!(scene.world.deeds(), []);
}

#[test]
fn a_token_in_use_is_renewed_ahead_of_time_and_one_that_is_not_is_dropped() {
    let scene = Scene::with_tokens();
    scene.ask();
    scene.world.answer_token("t1", 300.0);
    assert_eq!(scene.world.deeds().last(), Some(&Deed::SetTimer(293_000.0)), "less the jitter");
    scene.world.ring();
    assert_eq!(scene.world.token_requests(), 1, "it was used");
    assert_eq!(scene.ask().take(), [Ok("t1".to_owned())], "the old one is good until its end");
    scene.world.answer_token("t2", 300.0);
    assert_eq!(scene.ask().take(), [Ok("t2".to_owned())]);

    scene.world.ring();
    scene.world.answer_token("t3", 300.0);
    scene.world.deeds();
    scene.world.ring();
    assert_eq!(scene.world.token_requests(), 0, "nobody used the third one");
    let heard = scene.ask();
    assert_eq!(scene.world.token_requests(), 1);
    scene.world.answer_token("t4", 300.0);
    assert_eq!(heard.take(), [Ok("t4".to_owned())]);
}

#[test]
fn a_hidden_page_renews_no_token_until_it_is_seen() {
    let scene = Scene::with_tokens();
    scene.ask();
    scene.world.answer_token("t1", 300.0);
    scene.world.deeds();
    scene.world.hidden.set(true);
    scene.world.ring();
    assert_eq!(scene.world.token_requests(), 0);
    scene.world.hidden.set(false);
    scene.world.send(Signal::Shown);
    assert_eq!(scene.world.token_requests(), 1);
}

#[test]
fn sec_180_timers_stay_within_bounds_whatever_the_server_says() {
    for (expires_in, alarm) in [
        (0.0, Some(1_000.0)),
        (1.0, Some(1_000.0)),
        (3.0, Some(1_500.0)),
        (2_592_000.0, Some(2_147_483_647.0)),
        (1e12, Some(2_147_483_647.0)),
        (f64::NAN, None),
        (-1.0, None),
        (f64::INFINITY, None),
    ] {
        let scene = Scene::with(Settings { warn_ms: f64::NEG_INFINITY, ..Settings::TOKEN_EXCHANGE });
        scene.manager.start();
        scene.world.answer(200, 1e13, "{}");
        let heard = scene.ask();
        scene.world.deeds();
        scene.world.answer_token("t1", expires_in);
        match alarm {
            Some(alarm) => {
                assert_eq!(scene.world.alarm.get(), Some(alarm), "{expires_in}");
                assert_eq!(heard.take(), [Ok("t1".to_owned())], "{expires_in}");
            }
            None => assert_eq!(heard.take(), [Err(FailureKind::Protocol)], "{expires_in}"),
        }
    }
}

#[test]
fn sec_180_a_token_that_ended_during_sleep_is_not_handed_out() {
    let scene = Scene::with_tokens();
    scene.ask();
    scene.world.answer_token("t1", 300.0);
    scene.world.pass(301_000.0);
    scene.world.deeds();
    let heard = scene.ask();
    assert_eq!(heard.take(), []);
    assert_eq!(scene.world.token_requests(), 1);
}

#[test]
fn sec_180_a_refused_token_is_fetched_again_once_for_all_who_had_it() {
    let scene = Scene::with_tokens();
    scene.ask();
    scene.world.answer_token("t1", 300.0);
    scene.world.deeds();
    let heard: Vec<_> = (0..5).map(|_| scene.ask_instead_of(Some("t1"))).collect();
    assert_eq!(scene.world.token_requests(), 1);
    scene.world.answer_token("t2", 300.0);
    for heard in heard {
        assert_eq!(heard.take(), [Ok("t2".to_owned())]);
    }
    assert_eq!(scene.ask_instead_of(Some("t1")).take(), [Ok("t2".to_owned())], "a late one, too");
    assert_eq!(scene.world.token_requests(), 0);
}

#[test]
fn no_session_at_the_token_endpoint_is_told_and_looked_at() {
    let scene = Scene::with_tokens();
    let heard = scene.ask();
    scene.world.deeds();
    scene.world.refuse_token(401);
    assert_eq!(heard.take(), [Err(FailureKind::Unauthorized)]);
    assert_eq!(scene.world.requests(), 1);
    scene.world.answer(401, 0.0, "");
    assert_eq!(scene.status(), Status::Unauthenticated);
    assert_eq!(scene.ask().take(), [Err(FailureKind::Unauthorized)]);
    assert_eq!(scene.world.deeds(), [], "nobody is logged in: nobody is asked");
}

#[test]
fn an_outage_at_the_token_endpoint_is_no_logout_and_a_good_token_survives_it() {
    let scene = Scene::with_tokens();
    let heard = scene.ask();
    scene.world.refuse_token(503);
    assert_eq!(heard.take(), [Err(FailureKind::Server)]);
    assert_eq!(scene.status(), Status::Authenticated);

    let heard = scene.ask();
    scene.world.send(Signal::TokenAnswered(Answer::default()));
    assert_eq!(heard.take(), [Err(FailureKind::Network)]);

    scene.ask();
    scene.world.answer_token("t1", 300.0);
    scene.world.ring();
    scene.world.deeds();
    scene.world.refuse_token(503);
    assert_eq!(scene.world.deeds(), [Deed::SetTimer(1_000.0)], "another attempt, with patience");
    assert_eq!(scene.ask().take(), [Ok("t1".to_owned())]);
    scene.world.ring();
    assert_eq!(scene.world.token_requests(), 1);
}

#[test]
fn sec_181_no_token_is_left_or_handed_out_on_the_way_to_the_logout() {
    let scene = Scene::with_tokens();
    scene.ask();
    scene.world.answer_token("t1", 300.0);
    scene.world.deeds();
    scene.leave(Destination::Logout, None).unwrap();
    assert_eq!(scene.ask().take(), [Err(FailureKind::Inactive)]);
    assert_eq!(scene.world.token_requests(), 0);
    scene.world.send(Signal::Leaving);
    scene.world.send(Signal::Restored);
    let heard = scene.ask();
    assert_eq!(heard.take(), [], "after the back button the server is asked");
}

#[test]
fn sec_181_a_token_that_arrives_after_the_logout_is_not_used() {
    let scene = Scene::with_tokens();
    let heard = scene.ask();
    scene.leave(Destination::Logout, None).unwrap();
    scene.world.answer_token("t1", 300.0);
    assert_eq!(heard.take(), [Err(FailureKind::Inactive)]);
}

#[test]
fn sec_182_a_token_does_not_outlive_the_user_it_was_for() {
    let scene = Scene::with_tokens();
    scene.ask();
    scene.world.answer_token("of-ada", 300.0);
    scene.manager.check();
    scene.world.answer(200, 3_600.0, r#"{"sub":"bob"}"#);
    let heard = scene.ask();
    assert_eq!(heard.take(), []);
    scene.world.answer_token("of-bob", 300.0);
    assert_eq!(heard.take(), [Ok("of-bob".to_owned())]);
}

#[test]
fn sec_182_news_of_another_login_drops_the_token_before_anybody_can_use_it() {
    let scene = Scene::with_tokens();
    scene.ask();
    scene.world.answer_token("of-ada", 300.0);
    scene.world.hidden.set(true);
    scene.world.send(Signal::Told(News::Login));
    assert_eq!(scene.ask().take(), []);
}

#[test]
fn sec_182_a_token_that_was_under_way_when_the_user_changed_is_asked_for_again() {
    let scene = Scene::with_tokens();
    let heard = scene.ask();
    scene.world.send(Signal::Told(News::Login));
    scene.world.deeds();
    scene.world.answer_token("of-ada", 300.0);
    assert_eq!(heard.take(), []);
    assert_eq!(scene.world.token_requests(), 1);
    scene.world.answer_token("of-bob", 300.0);
    assert_eq!(heard.take(), [Ok("of-bob".to_owned())]);
}

#[test]
fn a_disposed_manager_answers_those_who_wait_for_a_token() {
    let scene = Scene::with_tokens();
    let heard = scene.ask();
    scene.manager.dispose();
    assert_eq!(heard.take(), [Err(FailureKind::Inactive)]);
    assert_eq!(scene.ask().take(), [Err(FailureKind::Inactive)]);
}

#[test]
fn a_token_is_a_future_for_those_who_have_an_executor() {
    let scene = Scene::with_tokens();
    let mut token = std::pin::pin!(scene.manager.access_token(None));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(token.as_mut().poll(&mut context).is_pending());
    scene.world.answer_token("t1", 300.0);
    assert_eq!(token.as_mut().poll(&mut context), std::task::Poll::Ready(Ok("t1".to_owned())));
}

#[test]
fn the_end_of_a_session_is_announced_ahead_of_time_once() {
    let scene = Scene::with(Settings::BFF).started();
    assert_eq!(scene.world.alarm.get(), Some(3_540_000.0));
    scene.world.ring();
    assert_eq!(scene.notices.take(), [Notice::Occurred(Occurrence::Expiring)]);
    assert_eq!(scene.world.requests(), 0, "to ask would be to extend an idle session");
    scene.manager.check();
    scene.world.answer(200, 60.0, r#"{"sub":"ada"}"#);
    assert_eq!(scene.world.alarm.get(), Some(60_000.0), "what has been said is not said again");
    scene.world.pass(30_000.0);
    scene.manager.check();
    scene.world.answer(200, 3_600.0, r#"{"sub":"ada"}"#);
    assert_eq!(scene.world.alarm.get(), Some(3_540_000.0), "a new end is");
}

#[test]
fn a_session_that_was_in_use_is_looked_at_before_its_end_is_announced() {
    let scene = Scene::with(Settings::BFF).started();
    scene.manager.touch();
    scene.world.ring();
    assert_eq!(scene.world.requests(), 1);
    assert_eq!(scene.notices.take(), []);
    scene.world.answer(200, 60.0, r#"{"sub":"ada"}"#);
    scene.world.ring();
    assert!(
        scene.notices.take().contains(&Notice::Occurred(Occurrence::Expiring)),
        "nothing had extended it"
    );
}

#[test]
fn a_page_that_is_seen_polls_if_it_was_told_to_and_a_hidden_one_does_not() {
    let scene =
        Scene::with(Settings { poll_ms: 30_000.0, warn_ms: f64::NEG_INFINITY, ..Settings::BFF }).started();
    scene.world.ring();
    assert_eq!(scene.world.requests(), 1);
    scene.world.answer_session();
    scene.world.deeds();
    scene.world.hidden.set(true);
    scene.world.ring();
    assert_eq!(scene.world.requests(), 0);
    scene.world.hidden.set(false);
    scene.world.send(Signal::Shown);
    assert_eq!(scene.world.requests(), 1);
}
