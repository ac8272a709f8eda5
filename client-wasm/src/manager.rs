//! The session manager: lets the [rules](crate::rules) decide what a signal means, and has the
//! [ports](crate::ports) do it.

mod settings;
mod tokens;

pub use settings::Settings;
pub use tokens::AccessToken;

use crate::ports::{Host, News, Signal};
use crate::rules::answer::{self, Answer, Outcome};
use crate::rules::login_parameters::LoginParameters;
use crate::rules::state::{Failure, FailureKind, Occurrence, SAME_END_MS, Session, State, Status};
use crate::rules::{expiry, login_guard, navigation, retry};
use crate::slot::Slot;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use authtool_contract::endpoint::{LOGIN, LOGOUT, SESSION};
use core::cell::Cell;

/// A look at the session within this time is recent enough when the page is seen again: switching between
/// two windows does not ask the server each time.
const RECENT_MS: f64 = 10_000.0;

/// A browser's timer may be early by this much.
const EARLY_MS: f64 = 5.0;

/// A moment that does not come.
const NEVER: f64 = f64::INFINITY;

/// A tab that logs out says so when it begins to. The server may hear of it later than the other tabs do: they look this often,
/// each time waiting this much longer.
const LOOKS_FOR_LOGOUT: u32 = 4;
const LOOK_FOR_LOGOUT_MS: f64 = 1_000.0;

/// Where the moments of the last two automatic logins are kept.
const LAST_LOGIN: &str = "authtool:login:last";
const LOGIN_BEFORE: &str = "authtool:login:before";

/// What a [listener](Manager::listen) hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The state is another one now.
    Changed,
    /// Something happened to the session.
    Occurred(Occurrence),
    /// A look at the session is over, whatever it led to.
    Settled,
}

/// Where the server takes the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To the provider, and back with a session.
    Login,
    /// Out of the session, here and at the provider.
    Logout,
}

/// An address to return to that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRedirectUri;

type Listener = Rc<dyn Fn(&State, Notice)>;

/// Knows whether there is a session, keeps knowing it, and leads to login and logout.
///
/// Clones are handles to the same manager.
pub struct Manager<H: Host>(Rc<Inner<H>>);

impl<H: Host> Clone for Manager<H> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

struct Inner<H> {
    host: H,
    base: String,
    settings: Settings,
    tokens: tokens::Tokens,
    /// Never empty.
    state: Slot<State>,
    listeners: Slot<Vec<(u32, Listener)>>,
    next_listener: Cell<u32>,
    life: Cell<Life>,
    /// A look is under way.
    looking: Cell<bool>,
    /// What the look under way finds is out of date already: look again when it ends.
    look_again: Cell<bool>,
    /// The page was hidden when something called for a look.
    look_when_shown: Cell<bool>,
    looked_at: Cell<f64>,
    /// When to look next.
    look_at: Cell<f64>,
    /// When to say that the session ends soon.
    warn_at: Cell<f64>,
    /// The end of the session of which that was said.
    warned_of: Cell<f64>,
    /// Something may have extended the session since the last look.
    touched: Cell<bool>,
    failures: Cell<u32>,
    /// A logout was announced, here or in another tab, and the look that finds it is not over.
    logout_announced: Cell<bool>,
    /// The look was called for by another tab, which needs no answer.
    told: Cell<bool>,
    /// This tab is on its way to the server's logout.
    logging_out: Cell<bool>,
    /// Looks that may still find the logout that another tab has begun.
    looks_for_logout: Cell<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    New,
    Started,
    Disposed,
}

impl<H: Host + 'static> Manager<H> {
    /// A manager for the server below `base`, a [normalised](crate::rules::base_url::normalise) base URL.
    /// Nothing happens before [`start`](Self::start).
    pub fn new(host: H, base: String, settings: Settings) -> Self {
        Self(Rc::new(Inner {
            host,
            base,
            settings,
            tokens: tokens::Tokens::new(),
            state: Slot::new(State::INITIAL),
            listeners: Slot::new(Vec::new()),
            next_listener: Cell::default(),
            life: Cell::new(Life::New),
            looking: Cell::default(),
            look_again: Cell::default(),
            look_when_shown: Cell::default(),
            looked_at: Cell::default(),
            look_at: Cell::new(NEVER),
            warn_at: Cell::new(NEVER),
            warned_of: Cell::default(),
            touched: Cell::default(),
            failures: Cell::default(),
            logout_announced: Cell::default(),
            told: Cell::default(),
            logging_out: Cell::default(),
            looks_for_logout: Cell::default(),
        }))
    }

    /// [`start`](Self::start), with what is known already: by the server that rendered the page, say.
    pub fn resume(&self, known: State) {
        if self.0.life.get() == Life::New {
            let is_somebody = known.session.is_some();
            self.0.state.set(known);
            self.check();
            // It may be the first page after a login.
            if is_somebody {
                self.0.host.tell(News::Login);
            }
        }
    }

    /// Looks for the session for the first time, and from now on keeps looking when there is reason to.
    /// Calling it again does nothing.
    pub fn start(&self) {
        if self.0.life.get() == Life::New {
            self.check();
        }
    }

    /// Looks for the session now. Does nothing while a look is under way: its result is the answer.
    pub fn check(&self) {
        let inner = &self.0;
        let first = inner.life.get() == Life::New;
        if first {
            inner.life.set(Life::Started);
            let weak = Rc::downgrade(inner);
            inner.host.open(Rc::new(move |signal| {
                if let Some(inner) = weak.upgrade() {
                    Self(inner).handle(signal);
                }
            }));
        }
        if inner.life.get() == Life::Started && !inner.looking.replace(true) {
            inner.host.request_session(&navigation::endpoint(&inner.base, SESSION));
            inner.look_when_shown.set(false);
            inner.look_at.set(NEVER);
            if !first {
                self.set_alarm();
            }
        }
        if first {
            inner.host.watch();
        }
    }

    /// Stops everything. The state stays as it is, and nobody is told any more.
    pub fn dispose(&self) {
        let inner = &self.0;
        if inner.life.replace(Life::Disposed) == Life::Started {
            inner.host.close();
        }
        inner.listeners.clear();
        self.drop_token();
        self.answer_waiters(Err(&Failure::of(FailureKind::Inactive)));
    }

    /// The current state: the same `Rc` until it changes.
    pub fn state(&self) -> Rc<State> {
        self.0.state.get().unwrap_or_else(|| Rc::new(State::INITIAL))
    }

    /// The normalised base URL.
    pub fn base_url(&self) -> &str {
        &self.0.base
    }

    /// Whether a look is under way.
    pub fn is_looking(&self) -> bool {
        self.0.looking.get()
    }

    /// Adds a listener. The number [removes](Self::unlisten) it.
    pub fn listen(&self, listener: impl Fn(&State, Notice) + 'static) -> u32 {
        let id = self.0.next_listener.get();
        self.0.next_listener.set(id.wrapping_add(1));
        self.replace_listeners(|listeners| listeners.push((id, Rc::new(listener))));
        id
    }

    /// Removes a listener.
    pub fn unlisten(&self, id: u32) {
        self.replace_listeners(|listeners| listeners.retain(|(known, _)| *known != id));
    }

    /// A new list each time: the old one may be in use by [`notify`](Self::notify). After
    /// [`dispose`](Self::dispose) there is none.
    fn replace_listeners(&self, change: impl FnOnce(&mut Vec<(u32, Listener)>)) {
        if let Some(listeners) = self.0.listeners.get() {
            let mut listeners = Vec::clone(&listeners);
            change(&mut listeners);
            self.0.listeners.set(listeners);
        }
    }

    /// The address of a destination, which leads back to `redirect_uri`: by default to the current page after
    /// a login, and to where the server decides after a logout. A logout has no other parameters.
    pub fn url(
        &self,
        destination: Destination,
        redirect_uri: Option<&str>,
        parameters: &LoginParameters,
    ) -> Result<String, InvalidRedirectUri> {
        let page = &self.0.host;
        let (path, default) = match destination {
            Destination::Login => (LOGIN, Some(page.location())),
            Destination::Logout => (LOGOUT, None),
        };
        let back = match redirect_uri {
            Some(given) => Some(page.resolve(given).ok_or(InvalidRedirectUri)?),
            None => default,
        };
        Ok(navigation::with_return(&self.0.base, path, back.as_deref(), parameters.as_query()))
    }

    /// Leaves for a destination.
    ///
    /// **Login.** Automatic calls, which are those without a click or a key behind them, are counted: the third
    /// within thirty seconds makes the state unavailable instead (SEC-179). In a browser that keeps no count
    /// nothing is automatic, because nothing would end the loop.
    ///
    /// **Logout.** By POST: a server may refuse to log out on GET, and no link or image of another site can
    /// imitate it (SEC-108). The state stays as it is until the page is left. An app that answers
    /// "unauthenticated" with a login would otherwise cancel the logout by its own navigation. The other tabs
    /// are told when this one leaves, which is when the server has ended the session; and before, because Firefox
    /// may cut short what a page does while it is left.
    pub fn leave(
        &self,
        destination: Destination,
        redirect_uri: Option<&str>,
        parameters: &LoginParameters,
    ) -> Result<(), InvalidRedirectUri> {
        self.leave_for(destination, &self.url(destination, redirect_uri, parameters)?);
        Ok(())
    }

    /// [`leave`](Self::leave), for those who have the address already.
    pub fn leave_for(&self, destination: Destination, url: &str) {
        let inner = &self.0;
        match destination {
            Destination::Logout => {
                inner.logging_out.set(true);
                inner.logout_announced.set(true);
                // Before anything else can use it (SEC-181).
                self.drop_token();
                self.notify(Notice::Occurred(Occurrence::Logout));
                inner.host.tell(News::Logout);
                inner.host.post(url);
            }
            Destination::Login if inner.host.is_user_acting() || self.may_login_unasked() => {
                inner.host.go(url);
            }
            Destination::Login => self.settle(Outcome::Failed(Failure::of(FailureKind::LoginLoop))),
        }
    }

    /// Counts an automatic login, if it is permitted.
    fn may_login_unasked(&self) -> bool {
        let host = &self.0.host;
        let now = host.now_ms();
        match (host.recall(LOGIN_BEFORE), host.recall(LAST_LOGIN)) {
            (Some(before), Some(last)) if login_guard::permits(before, now) => {
                host.keep(LOGIN_BEFORE, last);
                host.keep(LAST_LOGIN, now);
                // A storage that takes nothing (a quota of zero) counts as none.
                host.recall(LAST_LOGIN).is_some_and(|kept| kept >= now)
            }
            _ => false,
        }
    }

    fn handle(&self, signal: Signal) {
        let inner = &self.0;
        if inner.life.get() != Life::Started {
            return;
        }
        match signal {
            Signal::Answered(answer) => self.answered(answer),
            Signal::TokenAnswered(answer) => self.token_answered(answer),
            Signal::Elapsed => self.elapsed(),
            Signal::Shown => {
                let now = inner.host.now_ms();
                let recent = (0.0..RECENT_MS).contains(&(now - inner.looked_at.get()));
                if inner.look_when_shown.get() || !recent || self.is_unavailable() {
                    self.check();
                }
                // A timer may be late: the machine was asleep, or the page was frozen.
                self.elapsed();
            }
            Signal::Online => self.check_when_seen(),
            Signal::Restored => {
                // The page shows what was true when it was left (SEC-181).
                inner.logging_out.set(false);
                self.drop_token();
                self.check_anew();
            }
            Signal::Leaving => {
                // A page in the back/forward cache holds none.
                self.drop_token();
                if inner.logging_out.get() {
                    inner.host.tell(News::Logout);
                }
            }
            Signal::Told(News::Logout) => {
                self.drop_token();
                inner.logout_announced.set(true);
                inner.looks_for_logout.set(LOOKS_FOR_LOGOUT);
                inner.told.set(true);
                self.check_anew();
            }
            Signal::Told(News::Login) => {
                // Whose login it was is not known yet (SEC-182).
                self.drop_token();
                inner.told.set(true);
                if inner.looking.get() { self.check_anew() } else { self.check_when_seen() }
            }
        }
    }

    /// Does what the time has come for.
    fn elapsed(&self) {
        let inner = &self.0;
        let now = inner.host.now_ms();
        let is_due = |moment: &Cell<f64>| {
            let due = moment.get() <= now + EARLY_MS;
            if due {
                moment.set(NEVER);
            }
            due
        };
        if is_due(&inner.look_at) {
            // The session's end is looked at even when nobody sees the page. Outages are not waited out, and sessions not
            // polled, by pages that nobody sees.
            let state = self.state();
            let ended = |session: &Session| session.expires_at <= now + EARLY_MS;
            if !self.is_unavailable() && state.session.as_ref().is_some_and(ended) {
                self.check();
            } else {
                self.check_when_seen();
            }
        }
        if is_due(&inner.warn_at) {
            if inner.touched.get() {
                self.check();
            } else if let Some(session) = &self.state().session
                && session.expires_at > now
            {
                inner.warned_of.set(session.expires_at);
                self.notify(Notice::Occurred(Occurrence::Expiring));
            }
        }
        self.renew_token(now);
        self.set_alarm();
    }

    /// Sets the one alarm to whatever comes first.
    fn set_alarm(&self) {
        let inner = &self.0;
        let mut next = inner.look_at.get().min(inner.warn_at.get());
        if !inner.host.is_hidden() {
            next = next.min(inner.tokens.renew_at.get());
        }
        if next < NEVER {
            inner.host.set(expiry::timer_ms(next, inner.host.now_ms()));
        } else {
            inner.host.clear();
        }
    }

    /// Says that something may have extended the session: a call of an API, for one. Then the end that is known may be out of
    /// date, and is looked at before [`Occurrence::Expiring`] is announced.
    pub fn touch(&self) {
        self.0.touched.set(true);
    }

    /// Looks now, or as soon as the page is seen.
    fn check_when_seen(&self) {
        if self.0.host.is_hidden() {
            self.0.look_when_shown.set(true);
        } else {
            self.check();
        }
    }

    /// Looks now. The look that may be under way does not count: its answer may have left the server
    /// before whatever happened.
    fn check_anew(&self) {
        if self.0.looking.get() {
            self.0.look_again.set(true);
        } else {
            self.check();
        }
    }

    fn answered(&self, answer: Answer) {
        let inner = &self.0;
        inner.looking.set(false);
        if inner.look_again.take() {
            self.check();
            return;
        }
        let now = inner.host.now_ms();
        inner.looked_at.set(now);
        inner.touched.set(false);
        let outcome = answer::interpret(answer, now);
        inner.warn_at.set(NEVER);
        match &outcome {
            Outcome::Session(session) => {
                inner.failures.set(0);
                self.await_end(session.expires_at, now);
                let left = inner.looks_for_logout.get().saturating_sub(1);
                inner.looks_for_logout.set(left);
                if left > 0 {
                    let patience = LOOK_FOR_LOGOUT_MS * f64::from(LOOKS_FOR_LOGOUT - left);
                    inner.look_at.set(session.expires_at.min(now + patience));
                }
            }
            Outcome::NoSession => {
                inner.failures.set(0);
                inner.looks_for_logout.set(0);
            }
            Outcome::Failed(failure) => {
                let failures = inner.failures.get().saturating_add(1);
                inner.failures.set(failures);
                inner.look_at.set(now + retry::delay_ms(failures, inner.host.unit(), failure.retry_after_ms));
            }
        }
        self.set_alarm();
        self.settle(outcome);
    }

    /// Plans the next look at a session, and the warning before its end.
    fn await_end(&self, expires_at: f64, now: f64) {
        let inner = &self.0;
        inner.look_at.set(expires_at.min(now + inner.settings.poll_ms));
        if (expires_at - inner.warned_of.get()).abs() >= SAME_END_MS {
            inner.warn_at.set(expires_at - inner.settings.warn_ms);
        }
    }

    /// Moves the state on, and tells everybody.
    fn settle(&self, outcome: Outcome) {
        let inner = &self.0;
        let open = matches!(outcome, Outcome::Failed(_));
        let before = self.state();
        let mut state = State::clone(&before);
        let change = state.apply(outcome, inner.host.now_ms(), inner.logout_announced.get());
        if change.changed {
            // Another user's, or nobody's: no token outlives whom it was for (SEC-182).
            if !open && !state.is_of_same_user(&before) {
                self.drop_token();
            }
            inner.state.set(state);
        }
        if !open {
            if inner.looks_for_logout.get() == 0 {
                inner.logout_announced.set(false);
            }
            // News that came from a tab does not go back to the tabs.
            if !inner.told.take() && change.occurrence == Some(Occurrence::Login) {
                inner.host.tell(News::Login);
            }
        }
        if change.changed {
            self.notify(Notice::Changed);
        }
        if let Some(occurrence) = change.occurrence {
            self.notify(Notice::Occurred(occurrence));
        }
        self.notify(Notice::Settled);
    }

    fn is_unavailable(&self) -> bool {
        self.state().status == Status::Unavailable
    }

    fn notify(&self, notice: Notice) {
        let state = self.state();
        if let Some(listeners) = self.0.listeners.get() {
            for (_, listener) in &*listeners {
                listener(&state, notice);
            }
        }
    }
}
