//! The state machine: `initialising → authenticated | unauthenticated | unavailable`.
//!
//! *Unavailable is not unauthenticated.* While the question is open, the last known session stays
//! readable until its own end, so that an outage does not show a login page to somebody who is logged in.

use super::answer::Outcome;
use alloc::string::String;

/// What is known about the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The first answer has not come yet.
    Initialising = 0,
    /// Somebody is logged in.
    Authenticated = 1,
    /// Nobody is logged in: the server answered 401.
    Unauthenticated = 2,
    /// The server could not be asked, or did not answer the question.
    Unavailable = 3,
}

/// A session, as the server last described it.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// The user's claims: the text of a JSON object.
    pub claims: String,
    /// When the session ends unless something extends it, in milliseconds since the epoch by the
    /// browser's own clock.
    pub expires_at: f64,
}

/// How much `expires_at` may move before it counts as news. The server counts whole seconds and an answer
/// takes its time, so the same end is computed a little differently at every look.
pub(crate) const SAME_END_MS: f64 = 2_000.0;

impl Session {
    /// Whether `other` tells nothing new.
    fn is_same_as(&self, other: &Self) -> bool {
        self.claims == other.claims && (self.expires_at - other.expires_at).abs() < SAME_END_MS
    }
}

/// Why the session is not known, or why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No answer: offline, refused, redirected elsewhere, or too late.
    Network = 1,
    /// An answer that refuses the request, with any error status but 401.
    Server = 2,
    /// An answer that is no session: another media type, a body that cannot be read, a status that has
    /// no place here. Usually something between the browser and the server, or a wrong `baseUrl`.
    Protocol = 3,
    /// Automatic logins came back without a session too often (see [`super::login_guard`]).
    LoginLoop = 4,
    /// Of a token only: nobody is logged in. The one kind that calls for a login.
    Unauthorized = 5,
    /// Of a token only: the manager was disposed of, or is on its way to the logout.
    Inactive = 6,
    /// Of a token only: in `bff` mode no token leaves the server. With the status 404, it is the server that is in that mode.
    WrongMode = 7,
}

/// A failure, and what the answer said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What went wrong.
    pub kind: FailureKind,
    /// The HTTP status, or 0 without an answer.
    pub status: u16,
    /// Names the request in the server's log.
    pub correlation_id: Option<String>,
    /// The wait that the server asked for, in milliseconds; NaN when it asked for none.
    pub retry_after_ms: f64,
}

impl Failure {
    /// A failure of which nothing else is known.
    pub const fn of(kind: FailureKind) -> Self {
        Self { kind, status: 0, correlation_id: None, retry_after_ms: f64::NAN }
    }
}

/// For a developer: an app tells its users in its own words, by the kind.
impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self.kind {
            FailureKind::Network => "no answer",
            FailureKind::Server => "the server answered with an error",
            FailureKind::Protocol => "the answer is not what was asked for; is the base URL right?",
            FailureKind::LoginLoop => "logins keep coming back without a session",
            FailureKind::Unauthorized => "nobody is logged in",
            FailureKind::Inactive => "the manager was disposed of, is logging out, or has no page",
            FailureKind::WrongMode => "access tokens need the mode tokenExchange, here and on the server",
        })?;
        if self.status != 0 {
            write!(f, " ({})", self.status)?;
        }
        match &self.correlation_id {
            Some(id) => write!(f, ", reference {id}"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for Failure {}

/// Something that happened to the session, besides the state that it led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// A session appeared: there was none known before.
    Login = 0,
    /// The session is gone because somebody logged out, in this tab or another.
    Logout = 1,
    /// The session is gone without a logout in this browser: it ended, or was ended elsewhere.
    Expired = 2,
    /// The question became open.
    Unavailable = 3,
    /// The session ends soon, unless something extends it.
    Expiring = 4,
}

/// What is known, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// What is known.
    pub status: Status,
    /// Always there when authenticated; while unavailable, the last one that was seen, until its end.
    pub session: Option<Session>,
    /// There exactly when unavailable.
    pub failure: Option<Failure>,
}

/// What an outcome did to the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Whether the state is another one now.
    pub changed: bool,
    /// What happened, if it is worth a name.
    pub occurrence: Option<Occurrence>,
}

impl State {
    /// Before the first answer.
    pub const INITIAL: Self = Self { status: Status::Initialising, session: None, failure: None };

    /// Whether a token that was fetched in the state `before` is for the user of this one. Before the first answer, and
    /// while an outage hides the session, nothing speaks against it.
    pub fn is_of_same_user(&self, before: &Self) -> bool {
        match (&self.session, &before.session) {
            (Some(now), Some(before)) => now.claims == before.claims,
            (Some(_), None) => before.status == Status::Initialising,
            (None, _) => false,
        }
    }

    /// Moves on to what `outcome` says. `logged_out` tells that a logout was announced, so that a session
    /// that is gone did not just expire.
    pub fn apply(&mut self, outcome: Outcome, now: f64, logged_out: bool) -> Change {
        let before = self.status;
        match outcome {
            Outcome::Session(session) => {
                let known = self.session.as_ref();
                if before == Status::Authenticated && known.is_some_and(|known| known.is_same_as(&session)) {
                    return Change::default();
                }
                let occurrence = known.is_none().then_some(Occurrence::Login);
                *self = Self { status: Status::Authenticated, session: Some(session), failure: None };
                Change { changed: true, occurrence }
            }
            Outcome::NoSession => {
                let gone = if logged_out { Occurrence::Logout } else { Occurrence::Expired };
                let occurrence = self.session.is_some().then_some(gone);
                *self = Self { status: Status::Unauthenticated, session: None, failure: None };
                Change { changed: before != Status::Unauthenticated, occurrence }
            }
            Outcome::Failed(failure) => {
                let session = self.session.take_if(|session| session.expires_at > now);
                let ended = self.session.take().is_some();
                let news = match &self.failure {
                    Some(known) => known.kind != failure.kind || known.status != failure.status,
                    None => true,
                };
                *self = Self { status: Status::Unavailable, session, failure: Some(failure) };
                let occurrence = (before != Status::Unavailable).then_some(Occurrence::Unavailable);
                Change { changed: news || ended, occurrence }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Failure, FailureKind, Occurrence, Session, State, Status};
    use crate::rules::answer::Outcome;

    #[test]
    fn a_failure_says_what_went_wrong_with_its_status_and_reference() {
        let refused =
            Failure { status: 403, correlation_id: Some("5f3a".into()), ..Failure::of(FailureKind::Server) };
        assert_eq!(refused.to_string(), "the server answered with an error (403), reference 5f3a");
        let error: Box<dyn core::error::Error> = Failure::of(FailureKind::Network).into();
        assert_eq!(error.to_string(), "no answer");
    }

    fn session(claims: &str, expires_at: f64) -> Outcome {
        Outcome::Session(Session { claims: claims.into(), expires_at })
    }

    fn failed(kind: FailureKind) -> Outcome {
        Outcome::Failed(Failure::of(kind))
    }

    fn state_after(outcomes: impl IntoIterator<Item = Outcome>) -> State {
        let mut state = State::INITIAL;
        for outcome in outcomes {
            state.apply(outcome, 0.0, false);
        }
        state
    }

    #[test]
    fn the_first_session_is_a_login() {
        let mut state = State::INITIAL;
        let change = state.apply(session("{}", 9.0), 0.0, false);
        assert_eq!(change, Change { changed: true, occurrence: Some(Occurrence::Login) });
        assert_eq!(state.status, Status::Authenticated);
    }

    #[test]
    fn a_session_that_is_gone_was_logged_out_or_has_expired() {
        for (logged_out, occurrence) in [(true, Occurrence::Logout), (false, Occurrence::Expired)] {
            let mut state = state_after([session("{}", 9.0)]);
            let change = state.apply(Outcome::NoSession, 0.0, logged_out);
            assert_eq!(change, Change { changed: true, occurrence: Some(occurrence) });
            assert_eq!(state, State { status: Status::Unauthenticated, session: None, failure: None });
        }
    }

    #[test]
    fn nobody_logged_in_from_the_start_is_no_occurrence() {
        let mut state = State::INITIAL;
        let change = state.apply(Outcome::NoSession, 0.0, true);
        assert_eq!(change, Change { changed: true, occurrence: None });
        assert_eq!(state.apply(Outcome::NoSession, 0.0, false), Change::default());
    }

    #[test]
    fn an_outage_keeps_the_session_until_its_end() {
        let mut state = state_after([session("{}", 60_000.0)]);
        let change = state.apply(failed(FailureKind::Network), 1_000.0, false);
        assert_eq!(change, Change { changed: true, occurrence: Some(Occurrence::Unavailable) });
        assert_eq!(state.status, Status::Unavailable);
        assert!(state.session.is_some());

        let change = state.apply(failed(FailureKind::Network), 2_000.0, false);
        assert_eq!(change, Change::default(), "the same failure is no news");

        let change = state.apply(failed(FailureKind::Network), 60_000.0, false);
        assert_eq!(change, Change { changed: true, occurrence: None }, "the session's own end is");
        assert!(state.session.is_none());
    }

    #[test]
    fn a_session_that_outlives_an_outage_is_no_login() {
        let mut state = state_after([session("{}", 60_000.0), failed(FailureKind::Server)]);
        let change = state.apply(session("{}", 60_000.0), 0.0, false);
        assert_eq!(change, Change { changed: true, occurrence: None });
        assert_eq!(state.failure, None);
    }

    #[test]
    fn looking_again_at_the_same_session_changes_nothing() {
        let mut state = state_after([session("{}", 60_000.0)]);
        assert_eq!(state.apply(session("{}", 60_900.0), 0.0, false), Change::default());
        assert_eq!(state, state_after([session("{}", 60_000.0)]), "the snapshot stays the same");
    }

    #[test]
    fn another_users_session_replaces_the_first() {
        let mut state = state_after([session(r#"{"sub":"a"}"#, 60_000.0)]);
        let change = state.apply(session(r#"{"sub":"b"}"#, 60_000.0), 0.0, false);
        assert!(change.changed);
        assert_eq!(state.session.unwrap().claims, r#"{"sub":"b"}"#);
    }

    #[test]
    fn an_extended_session_is_news() {
        let mut state = state_after([session("{}", 60_000.0)]);
        assert!(state.apply(session("{}", 90_000.0), 0.0, false).changed);
    }

    #[test]
    fn another_kind_of_failure_is_news_but_not_another_outage() {
        let mut state = state_after([failed(FailureKind::Network)]);
        let change = state.apply(failed(FailureKind::Protocol), 0.0, false);
        assert_eq!(change, Change { changed: true, occurrence: None });
    }
}
