//! What a provider says about an error, for the operator: in the log and on the developer's page, and on no page that
//! users see (SEC-26). Short, on one line, and without what the request sent, since some providers repeat that, nor anything that
//! looks like a token.

use percent_encoding::percent_decode;
use serde_json::Value;
use url::form_urlencoded;

use super::provider_json;

const MAX_CODE_CHARS: usize = 64;
const MAX_DESCRIPTION_CHARS: usize = 300;

/// Shorter ones are words, and numbers of errors.
const SHORTEST_SECRET: usize = 20;

/// What was sent is taken out from this length on. A shorter code or secret is part of too many words.
const SHORTEST_SENT: usize = 4;

/// The `error` and `error_description` of an authorization response (RFC 6749 §4.1.2.1), without what was `sent`.
pub fn of_response(query: &str, sent: &[&str]) -> Option<String> {
    said(parameter(query, "error").as_deref(), parameter(query, "error_description").as_deref(), sent)
}

/// Those of an answer in JSON (RFC 6749 §5.2), without what was `sent`: codes, tokens, secrets.
pub fn of_body(body: &[u8], sent: &[&str]) -> Option<String> {
    let body = provider_json::object_of_an_error(body).ok()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    said(text("error"), text("error_description"), sent)
}

fn said(code: Option<&str>, description: Option<&str>, sent: &[&str]) -> Option<String> {
    // Before anything is cut off, of which a part might be left.
    let cleaned = |text: &str, max_chars| cleaned(&without_sent(text, sent), max_chars);
    let code = code.map(|it| cleaned(it, MAX_CODE_CHARS)).filter(|it| !it.is_empty());
    let description = description.map(|it| cleaned(it, MAX_DESCRIPTION_CHARS)).filter(|it| !it.is_empty());
    match (code, description) {
        (Some(code), Some(description)) => Some(format!("{code}, {description:?}")),
        (Some(code), None) => Some(code),
        (None, description) => description.map(|it| format!("{it:?}")),
    }
}

/// As it was sent, and as a form or a URL writes it.
fn without_sent(text: &str, sent: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in sent.iter().filter(|it| it.len() >= SHORTEST_SENT) {
        let in_a_form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let in_a_url = in_a_form.replace('+', "%20");
        for form in [*secret, &in_a_form, &in_a_url] {
            text = text.replace(form, "…");
        }
    }
    text
}

/// The first of this name, whatever is in it: descriptions are prose, with line breaks and more.
fn parameter(query: &str, name: &str) -> Option<String> {
    let (_, value) = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(it, _)| percent_decode(it.as_bytes()).eq(name.bytes()))?;
    // What is decoded is at most as long.
    let value: String = value.chars().take(3 * MAX_DESCRIPTION_CHARS).collect::<String>().replace('+', " ");
    Some(percent_decode(value.as_bytes()).decode_utf8_lossy().into_owned())
}

fn cleaned(text: &str, max_chars: usize) -> String {
    let blank = |char: char| char.is_whitespace() || char.is_control() || is_invisible(char);
    let words = text.split(blank).filter(|word| !word.is_empty()).map(without_secrets);
    let text = words.collect::<Vec<_>>().join(" ");
    if text.chars().count() <= max_chars {
        return text;
    }
    text.chars().take(max_chars).chain(['…']).collect()
}

/// What shows text in another order than it is written, or not at all.
fn is_invisible(char: char) -> bool {
    matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fffd}')
}

fn without_secrets(word: &str) -> String {
    let of_a_token = |char: char| char.is_ascii_alphanumeric() || "-_.~+=".contains(char);
    let mut kept = String::with_capacity(word.len());
    let mut rest = word;
    while !rest.is_empty() {
        let end = rest.find(|char| !of_a_token(char)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        kept.push_str(if looks_secret(run) { "…" } else { run });
        let next = after.find(of_a_token).unwrap_or(after.len());
        let (between, after) = after.split_at(next);
        kept.push_str(between);
        rest = after;
    }
    kept
}

/// Letters and digits without end. Identifiers of tenants and applications (UUIDs) are what one wants to read.
fn looks_secret(run: &str) -> bool {
    let is_uuid = run.len() == 36 && run.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    run.len() >= SHORTEST_SECRET
        && !is_uuid
        && run.bytes().any(|byte| byte.is_ascii_digit())
        && run.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_description_are_there_for_the_operator() {
        for (query, expected) in [
            ("state=s", None),
            ("error=&error_description=", None),
            ("error=invalid_scope&state=s", Some("invalid_scope")),
            (
                "state=s&error=access_denied&error_description=The+user%20is%20not%20assigned%0D%0ATrace%20ID:%201",
                Some(r#"access_denied, "The user is not assigned Trace ID: 1""#),
            ),
            ("error=AADSTS700016", Some("AADSTS700016")),
            ("error_description=only%20words", Some(r#""only words""#)),
        ] {
            assert_eq!(of_response(query, &[]).as_deref(), expected, "{query}");
        }
        let body = br#"{"error":"invalid_client","error_description":"app 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0123' is off"}"#;
        assert_eq!(
            of_body(body, &[]).unwrap(),
            r#"invalid_client, "app 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0123' is off""#
        );
        for nothing in [&b""[..], b"<html>", b"[]", b"{}", br#"{"error":{"code":7}}"#] {
            assert_eq!(of_body(nothing, &[]), None);
        }
    }

    #[test]
    fn sec_140_and_141_what_a_provider_says_is_one_line_without_secrets() {
        for (description, expected) in [
            ("code eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln is bad", "code … is bad"),
            ("token=0123456789abcdef0123456789abcdef;", "…;"),
            ("http://localhost:3000/bff/oauth/callback", "http://localhost:3000/bff/oauth/callback"),
            ("a\u{202e}b\u{200b}c\u{0}d\u{1b}[31m", "a b c d [31m"),
            ("line\nbreak\r\n\tand tab", "line break and tab"),
        ] {
            assert_eq!(cleaned(description, 300), expected);
        }
        let long = cleaned(&"ä".repeat(5000), MAX_DESCRIPTION_CHARS);
        assert_eq!(long.chars().count(), MAX_DESCRIPTION_CHARS + 1);
        assert!(of_response(&format!("error={}", "%F0%9F".repeat(9000)), &[]).is_none());
    }

    #[test]
    fn sec_140_what_the_request_sent_is_not_repeated_however_short_it_is() {
        let sent = ["SplxlOBe", "tGzv 3J+kF", "s3cr€t", "abc"];
        for (description, expected) in [
            ("code SplxlOBe not found", "code … not found"),
            ("'SplxlOBeSplxlOBe'", "'……'"),
            ("token tGzv 3J+kF and tGzv+3J%2BkF and tGzv%203J%2BkF", "token … and … and …"),
            ("secret s3cr€t", "secret …"),
            ("abcdefg", "abcdefg"),
        ] {
            let body = serde_json::json!({"error": "invalid_grant", "error_description": description});
            let said = of_body(body.to_string().as_bytes(), &sent).unwrap();
            assert_eq!(said, format!("invalid_grant, {expected:?}"));
        }
        let long = format!("{}SplxlOBe", "x ".repeat(MAX_DESCRIPTION_CHARS / 2 - 2));
        let body = serde_json::json!({"error": "SplxlOBe", "error_description": long}).to_string();
        let said = of_body(body.as_bytes(), &sent).unwrap();
        assert!(!said.contains("Splx"), "{said}");
        assert_eq!(of_response("error=x&error_description=SplxlOBe", &sent).unwrap(), "x, \"…\"");
    }

    proptest::proptest! {
        #[test]
        fn sec_186_no_words_make_it_panic_or_long(query in ".{0,600}", body in ".{0,300}") {
            let said = of_response(&format!("error={query}"), &["code"]).unwrap_or_default();
            assert!(said.chars().count() < 2000 && !said.chars().any(char::is_control));
            drop(of_body(body.as_bytes(), &[]));
        }
    }
}
