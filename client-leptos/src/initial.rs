//! What the server found before it rendered the page, and tells the browser in it: never a token.

use authtool_client::rules::state::{Failure, FailureKind, Session, State, Status};
use serde::{Deserialize, Serialize};

/// Whether there is a session, as it crosses from server to browser.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Initial {
    /// Nobody has looked.
    #[default]
    Unasked,
    /// Somebody is logged in.
    Session {
        /// The text of a JSON object.
        claims: String,
        /// Whole seconds: the two clocks need not agree.
        expires_in: u64,
    },
    /// Nobody is logged in.
    Nobody,
    /// It could not be found out.
    Unavailable {
        /// Of the answer, or 0 without one.
        status: u16,
        /// Names the request in the server's log.
        correlation_id: Option<String>,
    },
}

impl Initial {
    /// As a state, at `now` in milliseconds since the epoch.
    pub(crate) fn into_state(self, now: f64) -> State {
        match self {
            Self::Unasked => State::INITIAL,
            Self::Session { claims, expires_in } => {
                // Whole seconds far below 2^52, where this is exact.
                #[allow(clippy::cast_precision_loss)]
                let expires_at = now + expires_in as f64 * 1_000.0;
                let session = Some(Session { claims, expires_at });
                State { status: Status::Authenticated, session, failure: None }
            }
            Self::Nobody => State { status: Status::Unauthenticated, session: None, failure: None },
            Self::Unavailable { status, correlation_id } => {
                let kind = if status == 0 { FailureKind::Network } else { FailureKind::Server };
                let failure = Some(Failure { status, correlation_id, ..Failure::of(kind) });
                State { status: Status::Unavailable, session: None, failure }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_session_is_counted_from_the_readers_own_clock() {
        let state = Initial::Session { claims: "{}".into(), expires_in: 60 }.into_state(1_000.0);
        assert_eq!(state.status, Status::Authenticated);
        assert!((state.session.unwrap().expires_at - 61_000.0).abs() < 0.1);
    }

    #[test]
    fn what_could_not_be_found_out_is_not_unauthenticated() {
        for status in [0, 403, 500, 503] {
            let state = Initial::Unavailable { status, correlation_id: None }.into_state(0.0);
            assert_eq!(state.status, Status::Unavailable, "{status}");
            assert!(state.failure.is_some());
        }
    }
}
