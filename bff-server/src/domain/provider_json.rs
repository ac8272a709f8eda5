//! JSON as providers send it. The one place that reads it: token answers, errors, ID tokens and their headers, metadata,
//! keys, `UserInfo`, logout tokens.
//!
//! A member that is `null` counts as absent, at any depth. Libraries that serialise objects with optional fields write
//! `null` where the specifications say to leave a member out. No member of these documents has a meaning when it is
//! `null`, so an attacker who sends `null` gains exactly what leaving the member out would gain: every rule that requires a
//! member still refuses. Elements of arrays are not members, and stay.

use serde_json::{Map, Value};

/// Some editors and frameworks put one in front of UTF-8. RFC 8259 §8.1 lets a reader skip it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Any JSON text.
pub fn value(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::from_slice(without_mark(text))?;
    drop_nulls(&mut value);
    Ok(value)
}

/// A JSON text that must be an object.
pub fn object(text: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    let mut members = serde_json::from_slice(without_mark(text))?;
    drop_nulls_of(&mut members);
    Ok(members)
}

fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// The parser bounds the depth.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => drop_nulls_of(members),
        Value::Array(elements) => elements.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn drop_nulls_of(members: &mut Map<String, Value>) {
    members.retain(|_, member| !member.is_null());
    members.values_mut().for_each(drop_nulls);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_that_is_null_is_absent_at_any_depth() {
        for (text, read) in [
            (r#"{"nonce":null,"sub":"ada"}"#, json!({"sub": "ada"})),
            (r#"{"nonce":null}"#, json!({})),
            (r#"{"address":{"street":null,"city":"Turin"}}"#, json!({"address": {"city": "Turin"}})),
            (r#"{"keys":[{"kid":"1","use":null}]}"#, json!({"keys": [{"kid": "1"}]})),
            (r#"{"events":{"http://schemas.openid.net/event":null}}"#, json!({"events": {}})),
            // An element is not a member: what a list of audiences holds is for the rules to judge.
            (r#"{"aud":["app",null]}"#, json!({"aud": ["app", null]})),
            (r#"{"a":[[{"b":null}]]}"#, json!({"a": [[{}]]})),
            // Falsy is not absent.
            (
                r#"{"a":"","b":0,"c":false,"d":[],"e":"null"}"#,
                json!({"a": "", "b": 0, "c": false, "d": [], "e": "null"}),
            ),
            // Of two, the last counts, as ever.
            (r#"{"nonce":"n","nonce":null}"#, json!({})),
            ("\u{feff}{\"a\":1}", json!({"a": 1})),
        ] {
            assert_eq!(value(text.as_bytes()).unwrap(), read, "{text}");
            assert_eq!(Value::Object(object(text.as_bytes()).unwrap()), read, "{text}");
        }
    }

    #[test]
    fn what_is_no_object_is_none() {
        for text in ["null", "[]", "\"x\"", "7", "", "{", "\u{feff}", "<html>"] {
            assert!(object(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(value(b"null").unwrap(), Value::Null);
        assert!(value("[".repeat(100_000).as_bytes()).is_err(), "the depth is bounded");
    }
}
