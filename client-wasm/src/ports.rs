//! What the client needs from the world around it, one small trait for each need.
//!
//! A browser implements them in `browser`; a test implements them with values.

use crate::rules::answer::Answer;
use alloc::rc::Rc;
use alloc::string::String;

/// A wall clock that never goes back: what was over stays over when the machine's clock is set back. It goes on while
/// the machine sleeps.
pub trait Clock {
    /// Milliseconds since the epoch.
    fn now_ms(&self) -> f64;
}

/// Chance, for jitter. Not for secrets.
pub trait Entropy {
    /// A number in `[0, 1)`.
    fn unit(&self) -> f64;
}

/// Asks the server.
pub trait Transport {
    /// Sends `GET url`. The answer arrives later as [`Signal::Answered`], always and once; until then
    /// there is no second request for a session.
    fn request_session(&self, url: &str);
    /// Sends `GET url`. The answer arrives later as [`Signal::TokenAnswered`], always and once; until then there is no
    /// second request for a token. Tabs should ask one after the other: the first may cause a refresh, of which the
    /// others then get the result.
    fn request_token(&self, url: &str);
}

/// One alarm clock.
pub trait Timer {
    /// Sets the alarm, in place of the one before. It arrives as [`Signal::Elapsed`].
    fn set(&self, ms: f64);
    /// Forgets the alarm.
    fn clear(&self);
}

/// The page the client runs in.
pub trait Page {
    /// Where the page is, from its path on: path, query and fragment.
    fn location(&self) -> String;
    /// The absolute form of an address that was written on this page; `None` when it is none.
    fn resolve(&self, address: &str) -> Option<String>;
    /// Whether nobody sees the page.
    fn is_hidden(&self) -> bool;
    /// Whether what happens now is the direct consequence of a click or a key.
    fn is_user_acting(&self) -> bool;
    /// Leaves for another address.
    fn go(&self, url: &str);
    /// Leaves for another address with a POST.
    fn post(&self, url: &str);
}

/// The app's other tabs.
pub trait Tabs {
    /// Tells them. It arrives there as [`Signal::Told`].
    fn tell(&self, news: News);
}

/// What survives a navigation within this tab: a few numbers, and never a secret.
pub trait Memory {
    /// The number kept under a name; 0 when there is none, `None` when nothing can be kept at all.
    fn recall(&self, name: &str) -> Option<f64>;
    /// Keeps a number under a name.
    fn keep(&self, name: &str, value: f64);
}

/// All of it, and the way back.
pub trait Host: Clock + Entropy + Transport + Timer + Page + Tabs + Memory {
    /// Takes the way back for signals. Called once, before anything is requested.
    fn open(&self, sink: Sink);
    /// Starts to listen to the page and to the other tabs. Called once, after the first request: the app waits
    /// for that one, and in a browser this takes longer than everything before it.
    fn watch(&self);
    /// Stops delivering signals, and lets go of everything.
    fn close(&self);
}

/// Takes the signals of a [`Host`].
pub type Sink = Rc<dyn Fn(Signal)>;

/// What one tab tells the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A session appeared.
    Login,
    /// The session was ended by the user.
    Logout,
}

/// Something that happened in the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    /// The answer to [`Transport::request_session`].
    Answered(Answer),
    /// The answer to [`Transport::request_token`].
    TokenAnswered(Answer),
    /// The alarm of [`Timer::set`].
    Elapsed,
    /// The page is seen again.
    Shown,
    /// The page came back from the back/forward cache, as it was when it was left.
    Restored,
    /// The network is back.
    Online,
    /// The page is being left.
    Leaving,
    /// Another tab has news.
    Told(News),
}
