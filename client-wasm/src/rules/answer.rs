//! What an answer of `GET {baseUrl}/session` or `GET {baseUrl}/token` means.
//!
//! Only 401 means that nobody is logged in (SEC-178). Whatever else is not what was asked for leaves the question
//! open: a network that is down, a server that is overloaded, a proxy that answers its own page (SEC-177).

use super::expiry;
use super::state::{Failure, FailureKind, Session};
use super::token::{self, Token};
use alloc::string::String;

/// The part of an answer that comes before its body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// The wait that `Retry-After` asks for, in milliseconds; NaN for none, or a header that is neither seconds nor a date.
    pub retry_after_ms: f64,
    /// The `x-correlation-id`.
    pub correlation_id: Option<String>,
}

/// The body of an answer, after the platform's JSON parser.
#[derive(Clone, PartialEq)]
pub struct Body {
    /// `session.expires_in` of a session, `expires_in` of a token; NaN when it is absent or not a number.
    pub expires_in: f64,
    /// Of a session: the other members, as the text of a JSON object. Of a token: `token_type` and
    /// `access_token`, with a space between them, as in an `Authorization` header.
    pub text: String,
}

/// Does not print the text, which may be a token.
impl core::fmt::Debug for Body {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Body").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// Everything that came back. Each part is absent when it did not arrive or could not be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Absent when the network failed, the server redirected, or the time was up.
    pub head: Option<Head>,
    /// Absent when there was none, it was too long, or it was not JSON: neither by its `Content-Type` nor by itself.
    pub body: Option<Body>,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Somebody is logged in.
    Session(Session),
    /// Nobody is logged in.
    NoSession,
    /// It is not known.
    Failed(Failure),
}

/// Reads the answer of `/session` that arrived at `now`.
pub fn interpret(answer: Answer, now: f64) -> Outcome {
    let session = |body: Body| {
        let expires_at = expiry::expires_at(body.expires_in, now)?;
        Some(Session { claims: body.text, expires_at })
    };
    match read(answer, session) {
        Ok(session) => Outcome::Session(session),
        Err(failure) if failure.kind == FailureKind::Unauthorized => Outcome::NoSession,
        Err(failure) => Outcome::Failed(failure),
    }
}

/// Reads the answer of `/token` that arrived at `now`. That there is no such endpoint is what a server in `bff` mode says,
/// and the gateway in front of one.
pub fn interpret_token(answer: Answer, now: f64) -> Result<Token, Failure> {
    let token = read(answer, |body| {
        let value = token::bearer(&body.text)?.into();
        let expires_at = expiry::expires_at(body.expires_in, now)?.max(now + token::SHORTEST_MS);
        Some(Token { value, expires_at })
    });
    token.map_err(|mut failure| {
        if failure.status == 404 {
            failure.kind = FailureKind::WrongMode;
        }
        failure
    })
}

fn read<T>(answer: Answer, wanted: impl FnOnce(Body) -> Option<T>) -> Result<T, Failure> {
    let Some(head) = answer.head else {
        return Err(Failure::of(FailureKind::Network));
    };
    if head.status == 200
        && let Some(found) = answer.body.and_then(wanted)
    {
        return Ok(found);
    }
    let kind = match head.status {
        401 => FailureKind::Unauthorized,
        400.. => FailureKind::Server,
        _ => FailureKind::Protocol,
    };
    Err(Failure {
        kind,
        status: head.status,
        correlation_id: head.correlation_id,
        retry_after_ms: head.retry_after_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::{Answer, Body, Head, Outcome, interpret, interpret_token};
    use crate::rules::state::FailureKind;

    fn answer(status: u16, expires_in: f64) -> Answer {
        let body = Body { expires_in, text: r#"{"email":"ada@example.com"}"#.into() };
        Answer { head: Some(Head { status, ..Head::default() }), body: Some(body) }
    }

    #[test]
    fn a_session_has_claims_and_an_end() {
        let Outcome::Session(session) = interpret(answer(200, 60.0), 1_000.0) else { panic!() };
        assert_eq!(session.claims, r#"{"email":"ada@example.com"}"#);
        assert!((session.expires_at - 61_000.0).abs() < 1.0);
    }

    #[test]
    fn only_401_means_that_nobody_is_logged_in() {
        for status in 200..600 {
            let outcome = interpret(answer(status, 60.0), 0.0);
            assert_eq!(outcome == Outcome::NoSession, status == 401, "{status}: {outcome:?}");
        }
    }

    #[test]
    fn what_is_not_a_session_leaves_the_question_open() {
        for (name, answer, kind) in [
            ("no answer", Answer::default(), FailureKind::Network),
            ("forbidden", answer(403, 1.0), FailureKind::Server),
            ("not found", answer(404, 1.0), FailureKind::Server),
            ("too many requests", answer(429, 1.0), FailureKind::Server),
            ("overloaded", answer(503, 1.0), FailureKind::Server),
            ("no JSON", Answer { body: None, ..answer(200, 1.0) }, FailureKind::Protocol),
            ("no content", answer(204, 1.0), FailureKind::Protocol),
            ("redirected", answer(302, 1.0), FailureKind::Protocol),
            ("no duration", answer(200, f64::NAN), FailureKind::Protocol),
            ("a negative duration", answer(200, -1.0), FailureKind::Protocol),
        ] {
            match interpret(answer, 0.0) {
                Outcome::Failed(failure) => assert_eq!(failure.kind, kind, "{name}"),
                outcome => panic!("{name}: {outcome:?}"),
            }
        }
    }

    #[test]
    fn where_there_are_no_tokens_the_server_is_in_the_other_mode() {
        for (status, kind) in [
            (401, FailureKind::Unauthorized),
            (403, FailureKind::Server),
            (404, FailureKind::WrongMode),
            (503, FailureKind::Server),
        ] {
            let failure = interpret_token(answer(status, 60.0), 0.0).unwrap_err();
            assert_eq!((failure.kind, failure.status), (kind, status));
        }
    }

    #[test]
    fn a_failure_carries_what_support_and_the_retry_need() {
        let mut answer = answer(503, 1.0);
        if let Some(head) = &mut answer.head {
            head.retry_after_ms = 5_000.0;
            head.correlation_id = Some("c-1".into());
        }
        let Outcome::Failed(failure) = interpret(answer, 0.0) else { panic!() };
        assert_eq!(failure.status, 503);
        assert_eq!(failure.correlation_id.as_deref(), Some("c-1"));
        assert!((failure.retry_after_ms - 5_000.0).abs() < 1.0);
    }
}
