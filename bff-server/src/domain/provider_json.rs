//! JSON as providers send it. The one place that reads it: token answers, errors, ID tokens and their headers, metadata,
//! keys, `UserInfo`, logout tokens.
//!
//! A member that is `null` counts as absent, at any depth. Libraries that serialise objects with optional fields write
//! `null` where the specifications say to leave a member out. No member of these documents has a meaning when it is
//! `null`, so an attacker who sends `null` gains exactly what leaving the member out would gain: every rule that requires a
//! member still refuses. Elements of arrays are not members, and stay.
//!
//! A member that occurs twice is an error, at any depth (RFC 7515 §4, RFC 7519 §4, RFC 8725 §3.11). Readers differ in which of
//! two they believe. Whoever can add one to a document could show one value to the software that checked it and another
//! one to us.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Some editors and frameworks put one in front of UTF-8. RFC 8259 §8.1 lets a reader skip it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a document cannot be read. It shows nothing of the document but the name of a member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        Self(if error.is_data() { error.to_string() } else { format!("it is not JSON ({error})") })
    }
}

/// Any JSON text.
pub fn value(text: &[u8]) -> Result<Value, Unreadable> {
    let Strict(mut value) = serde_json::from_slice(without_mark(text))?;
    drop_nulls(&mut value);
    Ok(value)
}

/// A JSON text that must be an object.
pub fn object(text: &[u8]) -> Result<Map<String, Value>, Unreadable> {
    match value(text)? {
        Value::Object(members) => Ok(members),
        _ => Err(Unreadable("it is not a JSON object".to_owned())),
    }
}

/// What was meant for an object, in whatever encoding it came: UTF-16 is recognised, and of any other what is not UTF-8 is
/// replaced. For errors alone, whose codes are ASCII and whose descriptions go to the log: `ü` in Latin-1 must not hide that a
/// grant is over. Tokens, claims, keys and metadata are UTF-8 (RFC 8259 §8.1), or are not read.
pub fn object_of_an_error(text: &[u8]) -> Result<Map<String, Value>, Unreadable> {
    object(decoded(text).as_bytes())
}

/// The same, of any JSON text.
pub fn value_of_an_error(text: &[u8]) -> Result<Value, Unreadable> {
    value(decoded(text).as_bytes())
}

fn decoded(text: &[u8]) -> Cow<'_, str> {
    // JSON begins with two ASCII characters, unless it is a single digit: where the zero bytes are, says the order (RFC 4627 §3).
    let (text, unit): (_, fn([u8; 2]) -> u16) = match text {
        [0xff, 0xfe, rest @ ..] => (rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => (rest, u16::from_be_bytes),
        [first, 0, ..] if *first != 0 => (text, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => (text, u16::from_be_bytes),
        _ => return String::from_utf8_lossy(text),
    };
    let units: Vec<u16> = text.as_chunks().0.iter().copied().map(unit).collect();
    Cow::Owned(String::from_utf16_lossy(&units))
}

fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// A value in which no member occurs twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        StrictVisitor.deserialize(deserializer).map(Self)
    }
}

struct StrictVisitor;

impl<'de> DeserializeSeed<'de> for StrictVisitor {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(element) = elements.next_element_seed(Self)? {
            read.push(element);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if read.contains_key(&name) {
                return Err(A::Error::custom(twice(&name)));
            }
            let value = members.next_value_seed(Self)?;
            read.insert(name, value);
        }
        Ok(Value::Object(read))
    }
}

/// Names are the sender's to choose, and may be long or unfit for a log.
fn twice(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'#');
    if name.len() <= 40 && name.bytes().all(is_plain) {
        format!("the member `{name}` occurs twice")
    } else {
        "a member occurs twice".to_owned()
    }
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
            (
                r#"{"a":-7,"b":18446744073709551615,"c":1.5,"d":true,"e":"\u00e4"}"#,
                json!({"a": -7, "b": u64::MAX, "c": 1.5, "d": true, "e": "ä"}),
            ),
            ("\u{feff}{\"a\":1}", json!({"a": 1})),
        ] {
            assert_eq!(value(text.as_bytes()).unwrap(), read, "{text}");
            assert_eq!(Value::Object(object(text.as_bytes()).unwrap()), read, "{text}");
        }
    }

    #[test]
    fn sec_196_a_member_that_occurs_twice_is_an_error_at_any_depth() {
        for (text, named) in [
            (r#"{"sub":"ada","sub":"eve"}"#, "`sub`"),
            (r#"{"sub":"ada","sub":"ada"}"#, "`sub`"),
            (r#"{"nonce":"n","nonce":null}"#, "`nonce`"),
            (r#"{"nonce":null,"nonce":"n"}"#, "`nonce`"),
            (r#"{"alg":"RS256","kid":"1","alg":"none"}"#, "`alg`"),
            (r#"{"keys":[{"kid":"1","n":"a","n":"b"}]}"#, "`n`"),
            (r#"{"address":{"city":"Turin","city":"Rome"}}"#, "`city`"),
            (r#"{"a":[[{"b":1,"b":2}]]}"#, "`b`"),
            // Another spelling of the same name.
            (r#"{"sub":"ada","\u0073ub":"eve"}"#, "`sub`"),
            ("{\"<script>\":1,\"<script>\":2}", "a member occurs twice"),
        ] {
            for error in [value(text.as_bytes()).unwrap_err(), object(text.as_bytes()).unwrap_err()] {
                assert!(error.to_string().contains(named), "{text}: {error}");
            }
        }
        let long = format!("{{\"{0}\":1,\"{0}\":2}}", "x".repeat(500));
        assert!(object(long.as_bytes()).unwrap_err().to_string().len() < 80);
        // Members of different objects, and names that differ in case, are different members.
        for text in [r#"{"a":{"b":1},"c":{"b":1}}"#, r#"[{"b":1},{"b":1}]"#, r#"{"sub":"a","Sub":"b"}"#] {
            assert!(value(text.as_bytes()).is_ok(), "{text}");
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
