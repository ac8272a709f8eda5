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
    /// The `Content-Type`, as it was sent; empty when there was none.
    pub content_type: String,
    /// The wait that `Retry-After` asks for, in milliseconds; NaN for none, or a header that is neither seconds nor a date.
    pub retry_after_ms: f64,
    /// The `x-correlation-id`.
    pub correlation_id: Option<String>,
}

impl Head {
    /// Whether the body can be what was asked for.
    pub fn announces_json(&self) -> bool {
        // Whatever follows the semicolon are parameters (RFC 9110 §8.3.1).
        let essence = self.content_type.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        self.status == 200 && essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
    }
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
    /// Absent when there was none, it was too long, or it was not a JSON object.
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

/// Reads the answer of `/token` that arrived at `now`.
pub fn interpret_token(answer: Answer, now: f64) -> Result<Token, Failure> {
    read(answer, |body| {
        let value = token::bearer(&body.text)?.into();
        let expires_at = expiry::expires_at(body.expires_in, now)?.max(now + token::SHORTEST_MS);
        Some(Token { value, expires_at })
    })
}

fn read<T>(answer: Answer, wanted: impl FnOnce(Body) -> Option<T>) -> Result<T, Failure> {
    let Some(head) = answer.head else {
        return Err(Failure::of(FailureKind::Network));
    };
    if head.announces_json()
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
    use super::{Answer, Body, Head, Outcome, interpret};
    use crate::rules::state::FailureKind;

    fn head(status: u16, content_type: &str) -> Head {
        Head { status, content_type: content_type.into(), ..Head::default() }
    }

    fn answer(status: u16, content_type: &str, expires_in: f64) -> Answer {
        let body = Body { expires_in, text: r#"{"email":"ada@example.com"}"#.into() };
        Answer { head: Some(head(status, content_type)), body: Some(body) }
    }

    #[test]
    fn a_session_has_claims_and_an_end() {
        for content_type in
            ["application/json", "application/json; charset=utf-8", "Application/JSON ;charset=UTF-8"]
        {
            let Outcome::Session(session) = interpret(answer(200, content_type, 60.0), 1_000.0) else {
                panic!("{content_type}");
            };
            assert_eq!(session.claims, r#"{"email":"ada@example.com"}"#);
            assert!((session.expires_at - 61_000.0).abs() < 1.0);
        }
    }

    #[test]
    fn only_401_means_that_nobody_is_logged_in() {
        for status in 200..600 {
            let outcome = interpret(answer(status, "application/problem+json", 60.0), 0.0);
            assert_eq!(outcome == Outcome::NoSession, status == 401, "{status}: {outcome:?}");
        }
        assert_eq!(interpret(answer(401, "text/html", 60.0), 0.0), Outcome::NoSession);
    }

    #[test]
    fn what_is_not_a_session_leaves_the_question_open() {
        for (name, answer, kind) in [
            ("no answer", Answer::default(), FailureKind::Network),
            ("forbidden", answer(403, "application/problem+json", 1.0), FailureKind::Server),
            ("not found", answer(404, "text/html", 1.0), FailureKind::Server),
            ("too many requests", answer(429, "application/json", 1.0), FailureKind::Server),
            ("overloaded", answer(503, "application/json", 1.0), FailureKind::Server),
            ("a login page", answer(200, "text/html", 1.0), FailureKind::Protocol),
            ("no content type", answer(200, "", 1.0), FailureKind::Protocol),
            ("JSON of another kind", answer(200, "application/jsonp", 1.0), FailureKind::Protocol),
            ("no content", answer(204, "application/json", 1.0), FailureKind::Protocol),
            ("redirected", answer(302, "application/json", 1.0), FailureKind::Protocol),
            ("no duration", answer(200, "application/json", f64::NAN), FailureKind::Protocol),
            ("a negative duration", answer(200, "application/json", -1.0), FailureKind::Protocol),
            (
                "no body",
                Answer { head: Some(head(200, "application/json")), body: None },
                FailureKind::Protocol,
            ),
        ] {
            match interpret(answer, 0.0) {
                Outcome::Failed(failure) => assert_eq!(failure.kind, kind, "{name}"),
                outcome => panic!("{name}: {outcome:?}"),
            }
        }
    }

    #[test]
    fn a_failure_carries_what_support_and_the_retry_need() {
        let mut answer = answer(503, "application/problem+json", 1.0);
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
