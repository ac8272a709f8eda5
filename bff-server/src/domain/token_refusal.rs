//! What a refusal of the token endpoint means for the grant that was presented (RFC 6749 §5.2), and for the client.
//!
//! Providers answer a dead refresh token in many ways: `invalid_grant` with 400, 401 or 403; `invalid_request`; JSON of their
//! own without any code. Believing too little leaves a user "logged in" with a 503 for every call. Believing too much logs
//! everybody out when an operator mistypes a client secret. So a refusal that says it is about the grant ends the session at
//! once; one that may be about the grant must repeat itself ([`Doubts`]); and one about the client, or from a proxy, never
//! does.
//!
//! None of this helps an attacker: the answer comes from the provider's own token endpoint, over TLS.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{provider_json, time::UnixSeconds};

/// The error codes that are known: RFC 6749 §5.2, its extensions, and GitHub's. Others are not printed.
const KNOWN_CODES: &[&str] = &[
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
    "invalid_request_object",
    "invalid_request_uri",
    "invalid_dpop_proof",
    "use_dpop_nonce",
    "bad_verification_code",
    "bad_refresh_token",
    "incorrect_client_credentials",
    "redirect_uri_mismatch",
    "temporarily_unavailable",
    "server_error",
];

/// Codes about the grant. GitHub has a name of its own for each kind of grant.
const OF_THE_GRANT: &[&str] = &["invalid_grant", "bad_verification_code", "bad_refresh_token"];

/// Codes about the client.
const OF_THE_CLIENT: &[&str] = &["invalid_client", "unauthorized_client", "incorrect_client_credentials"];

/// Codes that say nothing about the request.
const TEMPORARY: &[&str] = &["temporarily_unavailable", "server_error"];

/// An answer that brought no tokens.
#[derive(Clone, Copy, Debug)]
pub struct RefusedAnswer<'a> {
    /// Its status.
    pub status: u16,
    /// Its `Content-Type`, without parameters, in lower case; empty where there is none.
    pub media_type: &'a str,
    /// Its body.
    pub body: &'a [u8],
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// The grant: it is no longer good.
    Grant,
    /// Perhaps the grant; some providers have no better answer for one that has ended.
    Doubtful,
    /// The client's own authentication, or what the client may do.
    Client,
    /// Something else about the request, which only another configuration can mend.
    Request,
    /// Nothing that lasts: the provider, or what stands before it, is in trouble.
    Temporary,
}

/// The `error` of an answer (RFC 6749 §5.2), if it is one that we know.
pub fn known_code(body: &[u8]) -> Option<&'static str> {
    let body = provider_json::object_of_an_error(body).ok()?;
    let error = body.get("error")?.as_str()?;
    KNOWN_CODES.iter().find(|known| **known == error).copied()
}

impl RefusedAnswer<'_> {
    /// What the refusal is about.
    pub fn meaning(&self) -> TokenRefusal {
        let code = known_code(self.body);
        let is = |codes: &[&str]| code.is_some_and(|code| codes.contains(&code));
        match self.status {
            // RFC 9110 §15.5: these, and 5xx, are about the moment.
            408 | 425 | 429 => TokenRefusal::Temporary,
            // GitHub answers its errors with 200.
            200..=299 | 400..=499 if is(TEMPORARY) => TokenRefusal::Temporary,
            // The one code that a 401 may carry and still be about the grant.
            401 if code == Some("invalid_grant") => TokenRefusal::Grant,
            401 => TokenRefusal::Client,
            200..=299 | 400..=499 if is(OF_THE_GRANT) => TokenRefusal::Grant,
            200..=299 | 400..=499 if is(OF_THE_CLIENT) => TokenRefusal::Client,
            400..=499 if code == Some("invalid_request") => TokenRefusal::Doubtful,
            200..=299 | 400..=499 if code.is_some() => TokenRefusal::Request,
            400 if self.is_json() => TokenRefusal::Doubtful,
            // It has answered, and would answer the same again.
            400 => TokenRefusal::Request,
            401..=499 if self.is_json() => TokenRefusal::Request,
            _ => TokenRefusal::Temporary,
        }
    }

    /// Whether the provider itself seems to have written it. A page is a proxy's, whatever is in it.
    fn is_json(&self) -> bool {
        !matches!(self.media_type, "text/html" | "application/xhtml+xml")
            && provider_json::value_of_an_error(self.body).is_ok_and(|it| it.is_object() || it.is_array())
    }
}

/// Doubtful refusals of one refresh token, in a row. Kept in the session's record, so that they count whichever replica was
/// refused, and so that they go when the refresh token does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubts {
    /// How many there were.
    pub refusals: u32,
    /// When the first one came.
    pub since: UnixSeconds,
}

/// What follows from one more doubtful refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// It counts, and must be kept.
    Noted(Doubts),
    /// Enough of them are noted, and too little time has passed.
    Wait,
    /// The refresh token is no longer good.
    Ended,
}

impl Doubts {
    /// So many refusals,
    const ENOUGH: u32 = 3;
    /// and so long from the first to the last: Hydra says `invalid_request` once in a while, to a good refresh token.
    const LONG_ENOUGH: Duration = Duration::from_mins(1);

    /// One more refusal, at `now`. Of each refresh token, at most two are noted.
    pub fn one_more(before: Option<Self>, now: UnixSeconds) -> Conclusion {
        let Some(before) = before else { return Conclusion::Noted(Self { refusals: 1, since: now }) };
        let refusals = before.refusals.saturating_add(1);
        if refusals < Self::ENOUGH {
            return Conclusion::Noted(Self { refusals, ..before });
        }
        if now.since(before.since) >= Self::LONG_ENOUGH { Conclusion::Ended } else { Conclusion::Wait }
    }
}

#[cfg(test)]
mod tests {
    use super::{TokenRefusal::*, *};

    fn meaning(status: u16, media_type: &str, body: &str) -> TokenRefusal {
        RefusedAnswer { status, media_type, body: body.as_bytes() }.meaning()
    }

    #[test]
    fn sec_090_and_091_a_refusal_says_what_it_is_about() {
        const JSON: &str = "application/json";
        const GRANT: &str = r#"{"error":"invalid_grant"}"#;
        const REQUEST: &str = r#"{"error":"invalid_request"}"#;
        const CLIENT: &str = r#"{"error":"invalid_client"}"#;
        const TWITCH: &str = r#"{"status":400,"message":"Invalid refresh token"}"#;
        for (status, media_type, body, expected) in [
            // RFC 6749; Auth0; and others that have their own idea of a status.
            (400, JSON, GRANT, Grant),
            (403, JSON, GRANT, Grant),
            (401, JSON, GRANT, Grant),
            (404, JSON, GRANT, Grant),
            (422, JSON, GRANT, Grant),
            (400, "text/html", GRANT, Grant),
            (400, "text/plain", GRANT, Grant),
            (400, "", GRANT, Grant),
            (400, "application/problem+json", GRANT, Grant),
            (400, JSON, "\u{feff}{\"error\":\"invalid_grant\"}", Grant),
            (400, JSON, r#"{"error":"invalid_grant","error_description":null,"error_uri":null}"#, Grant),
            (200, JSON, r#"{"error":"bad_refresh_token"}"#, Grant),
            (200, JSON, r#"{"error":"bad_verification_code"}"#, Grant),
            (400, JSON, r#"{"error":"bad_refresh_token"}"#, Grant),
            (200, JSON, GRANT, Grant),
            // Statuses that are about the moment, and a redirect.
            (408, JSON, GRANT, Temporary),
            (425, JSON, GRANT, Temporary),
            (429, JSON, GRANT, Temporary),
            (500, JSON, GRANT, Temporary),
            (503, JSON, GRANT, Temporary),
            (599, JSON, TWITCH, Temporary),
            (302, JSON, GRANT, Temporary),
            // Dex, better-auth; Twitch; Facebook.
            (400, JSON, REQUEST, Doubtful),
            (403, JSON, REQUEST, Doubtful),
            (400, "text/plain", REQUEST, Doubtful),
            (400, JSON, TWITCH, Doubtful),
            (400, JSON, r#"{"error":{"message":"The refresh token has expired","code":190}}"#, Doubtful),
            (400, JSON, r#"{"error":"Bad Request"}"#, Doubtful),
            (400, JSON, r#"{"error":"expired_token"}"#, Doubtful),
            (400, JSON, r#"{"error":null,"message":"no"}"#, Doubtful),
            (400, JSON, "{}", Doubtful),
            (400, JSON, "[]", Doubtful),
            (400, "text/plain", TWITCH, Doubtful),
            (408, JSON, REQUEST, Temporary),
            (429, JSON, REQUEST, Temporary),
            // A wrong client secret must not log everybody out, in whatever words.
            (401, JSON, CLIENT, Client),
            (400, JSON, CLIENT, Client),
            (403, JSON, CLIENT, Client),
            (400, JSON, r#"{"error":"unauthorized_client"}"#, Client),
            (200, JSON, r#"{"error":"incorrect_client_credentials"}"#, Client),
            (401, JSON, REQUEST, Client),
            (401, JSON, TWITCH, Client),
            (401, JSON, r#"{"error":"bad_refresh_token"}"#, Client),
            (401, "text/html", "<h1>no</h1>", Client),
            (401, "", "", Client),
            // Configuration.
            (400, JSON, r#"{"error":"unsupported_grant_type"}"#, Request),
            (400, JSON, r#"{"error":"invalid_scope"}"#, Request),
            (400, JSON, r#"{"error":"invalid_dpop_proof"}"#, Request),
            (400, JSON, r#"{"error":"use_dpop_nonce"}"#, Request),
            (403, JSON, r#"{"status":403,"message":"invalid client secret"}"#, Request),
            (404, JSON, r#"{"message":"no Route matched"}"#, Request),
            // Proxies, and providers in trouble.
            (400, "text/html", "<h1>Bad Request</h1>", Request),
            (400, "text/html", TWITCH, Request),
            (400, JSON, "", Request),
            (400, JSON, "invalid_grant", Request),
            (400, JSON, r#""invalid_grant""#, Request),
            (403, "text/html", "<h1>Forbidden</h1>", Temporary),
            (404, "text/plain", "default backend", Temporary),
            (400, JSON, r#"{"error":"temporarily_unavailable"}"#, Temporary),
            (200, JSON, r#"{"error":"server_error"}"#, Temporary),
            (200, JSON, "{}", Temporary),
            (204, "", "", Temporary),
            // Codes are compared exactly.
            (400, JSON, r#"{"error":"INVALID_GRANT"}"#, Doubtful),
            (400, JSON, r#"{"error":["invalid_grant"]}"#, Doubtful),
            (400, JSON, r#"["invalid_grant"]"#, Doubtful),
            (403, JSON, r#"{"message":"invalid_grant"}"#, Request),
        ] {
            assert_eq!(meaning(status, media_type, body), expected, "{status} {media_type:?} {body}");
        }
    }

    #[test]
    fn sec_090_and_091_a_refusal_is_understood_in_whatever_encoding_it_came() {
        let grant = r#"{"error":"invalid_grant","error_description":"ungültig"}"#;
        let own = r#"{"message":"Aktualisierung ungültig"}"#;
        let latin1 =
            |text: &str| text.chars().map(|it| u8::try_from(u32::from(it)).unwrap()).collect::<Vec<_>>();
        let utf16 = |mark: &str, text: &str, bytes: fn(u16) -> [u8; 2]| {
            format!("{mark}{text}").encode_utf16().flat_map(bytes).collect::<Vec<_>>()
        };
        for (text, expected) in [(grant, Grant), (own, Doubtful)] {
            for (what, body) in [
                ("UTF-8", text.as_bytes().to_vec()),
                ("UTF-8 with a mark", format!("\u{feff}{text}").into_bytes()),
                ("Latin-1", latin1(text)),
                ("UTF-16, little end first", utf16("", text, u16::to_le_bytes)),
                ("UTF-16, big end first", utf16("", text, u16::to_be_bytes)),
                ("UTF-16 with a mark", utf16("\u{feff}", text, u16::to_le_bytes)),
                ("UTF-16 with a mark, big end first", utf16("\u{feff}", text, u16::to_be_bytes)),
            ] {
                let answer = RefusedAnswer { status: 400, media_type: "application/json", body: &body };
                assert_eq!(answer.meaning(), expected, "{what}: {text}");
            }
        }
        let cut_off = utf16("", grant, u16::to_le_bytes);
        let cut_off = &cut_off[..cut_off.len() - 1];
        let answer = RefusedAnswer { status: 400, media_type: "application/json", body: cut_off };
        assert_eq!(answer.meaning(), Request, "no JSON, and no panic");
    }

    #[test]
    fn sec_091_three_doubtful_refusals_over_a_minute_end_a_session() {
        let start = UnixSeconds::new(1_800_000_000);
        let at = |seconds| start.plus(Duration::from_secs(seconds));
        // When the refusals come, and when the session ends.
        for (times, ends) in [
            (&[0, 30, 60][..], Some(60)),
            (&[0, 1, 2, 59, 60], Some(60)),
            (&[0, 1, 2, 3, 4, 5, 59], None),
            (&[0, 59], None),
            (&[0, 86_400], None),
            (&[0, 86_400, 86_401], Some(86_401)),
            (&[0], None),
        ] {
            let (mut doubts, mut writes, mut ended) = (None, 0, None);
            for seconds in times {
                match Doubts::one_more(doubts, at(*seconds)) {
                    Conclusion::Noted(noted) => {
                        doubts = Some(noted);
                        writes += 1;
                    }
                    Conclusion::Wait => {}
                    Conclusion::Ended => ended = Some(*seconds),
                }
            }
            assert_eq!(ended, ends, "{times:?}");
            assert!(writes <= 2, "{times:?}: {writes} writes");
        }
        // A clock that was set back is no reason to end anything.
        let doubts = Doubts { refusals: 2, since: at(1_000) };
        assert_eq!(Doubts::one_more(Some(doubts), at(0)), Conclusion::Wait);
    }
}
