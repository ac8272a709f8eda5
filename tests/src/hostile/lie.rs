//! One departure from a correct answer.

use super::{Endpoint, IdTokenDraft, Transport};
use crate::wait;
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// A lie about one endpoint, built up part by part; the parts are told together, in the order in which
/// they were added.
///
/// The provider has acted on the request by the time it lies: a code is spent and a refresh token rotated,
/// even if the answer says 503. `HostileOp::rotates_refresh_tokens(false)` makes a refresh repeatable.
#[must_use = "a lie is told with HostileOp::lies()"]
#[derive(Clone)]
pub struct Lie {
    pub(super) about: Endpoint,
    pub(super) remaining: Option<usize>,
    pub(super) parts: Vec<Part>,
}

/// Changes the parameters of a redirect.
type EditParameters = dyn Fn(&mut Vec<(String, String)>) + Send + Sync;

#[derive(Clone)]
pub(super) enum Part {
    Json(Arc<dyn Fn(&mut Value) + Send + Sync>),
    IdToken(Arc<dyn Fn(&mut IdTokenDraft) + Send + Sync>),
    Parameters(Arc<EditParameters>),
    Status(u16),
    Header(String, String),
    Body(Bytes),
    Prefix(&'static [u8]),
    Repeat(String, Value),
    Delay(Duration),
    Gate(Gate),
    Transport(Transport),
}

impl Lie {
    /// A lie about what `endpoint` answers. Without parts it is the truth.
    pub fn about(endpoint: Endpoint) -> Self {
        Self { about: endpoint, remaining: None, parts: Vec::new() }
    }

    /// Changes the JSON answer.
    pub fn json(self, edit: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        self.with(Part::Json(Arc::new(edit)))
    }

    /// Sets one member of the JSON answer.
    pub fn member(self, name: &str, value: Value) -> Self {
        let name = name.to_owned();
        self.json(move |body| body[name.as_str()] = value.clone())
    }

    /// Removes one member of the JSON answer.
    pub fn without(self, name: &str) -> Self {
        let name = name.to_owned();
        self.json(move |body| {
            if let Some(members) = body.as_object_mut() {
                members.remove(&name);
            }
        })
    }

    /// Changes the ID token in the answer of the token endpoint.
    pub fn id_token(self, edit: impl Fn(&mut IdTokenDraft) + Send + Sync + 'static) -> Self {
        self.with(Part::IdToken(Arc::new(edit)))
    }

    /// Sets one claim of the ID token.
    pub fn claim(self, name: &str, value: Value) -> Self {
        let name = name.to_owned();
        self.id_token(move |token| token.claims[name.as_str()] = value.clone())
    }

    /// Changes the parameters with which a navigation is sent back.
    pub fn parameters(self, edit: impl Fn(&mut Vec<(String, String)>) + Send + Sync + 'static) -> Self {
        self.with(Part::Parameters(Arc::new(edit)))
    }

    /// Answers with another status.
    pub fn status(self, status: u16) -> Self {
        self.with(Part::Status(status))
    }

    /// Adds or replaces a header.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.with(Part::Header(name.to_owned(), value.to_owned()))
    }

    /// Answers with these bytes.
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        self.with(Part::Body(body.into()))
    }

    /// Sends these bytes before the answer's own.
    pub fn prefixed(self, bytes: &'static [u8]) -> Self {
        self.with(Part::Prefix(bytes))
    }

    /// Says a member of the JSON answer once more, before the one that is there.
    pub fn repeats(self, member: &str, value: Value) -> Self {
        self.with(Part::Repeat(member.to_owned(), value))
    }

    /// An OAuth error answer (RFC 6749 §5.2).
    pub fn oauth_error(self, status: u16, code: &str) -> Self {
        let code = code.to_owned();
        self.status(status).json(move |body| {
            *body = serde_json::json!({"error": code, "error_description": "canary-error-description"});
        })
    }

    /// Redirects instead of answering.
    pub fn redirect(self, to: &str) -> Self {
        self.status(302).header("location", to).body("")
    }

    /// Thinks for a while first.
    pub fn delay(self, delay: Duration) -> Self {
        self.with(Part::Delay(delay))
    }

    /// Waits until the gate is opened.
    pub fn held_by(self, gate: &Gate) -> Self {
        self.with(Part::Gate(gate.clone()))
    }

    /// Misbehaves while sending.
    pub fn transport(self, transport: Transport) -> Self {
        self.with(Part::Transport(transport))
    }

    /// Only the next time.
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Only the next `times` times.
    pub fn times(mut self, times: usize) -> Self {
        self.remaining = Some(times);
        self
    }

    fn with(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }
}

/// Holds answers back until a test lets them go.
#[derive(Clone)]
pub struct Gate {
    open: Arc<watch::Sender<bool>>,
    waiting: Arc<AtomicUsize>,
}

impl Default for Gate {
    fn default() -> Self {
        Self::closed()
    }
}

impl Gate {
    /// A closed gate.
    pub fn closed() -> Self {
        Self { open: Arc::new(watch::Sender::new(false)), waiting: Arc::default() }
    }

    /// How many requests are held back by it right now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Waits until this many requests are held back by it.
    pub async fn holds(&self, count: usize) {
        let what = format!("{count} requests wait at the gate");
        wait::until(&what, async || (self.waiting() >= count).then_some(())).await;
    }

    /// Lets everybody through, for good.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    pub(super) async fn pass(&self) {
        let mut open = self.open.subscribe();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waits = Waits(&self.waiting);
        open.wait_for(|open| *open).await.ok();
    }
}

/// Counts a request until it passes, or its client goes away.
struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
