//! Numbers that stand where text is wanted, as a client id of digits does without its quotes.
//!
//! A whole number that is written in the one usual way is taken as that text. Of any other (`007`, `1_000`, `0x1f`, `1.10`)
//! the formats' readers make something else than what is written: it is left for [`leniency`](super::leniency) to refuse.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::schema::Place;

/// Takes the numbers of a JSON document, where a whole number has one spelling.
pub(super) fn take_json(value: &mut Value, place: Place) {
    match value {
        Value::Number(number) if place.takes_text() => {
            let spelling = number.to_string();
            take(value, &spelling);
        }
        Value::Object(members) => {
            for (name, value) in members {
                if let Some((_, inner)) = place.key(name) {
                    take_json(value, inner);
                }
            }
        }
        Value::Array(items) => {
            let Some(inner) = place.item() else { return };
            for item in items {
                take_json(item, inner);
            }
        }
        _ => {}
    }
}

/// Takes the numbers of a YAML document that was read before. Where it cannot be followed, they stay what they are.
pub(super) fn take_yaml(value: &mut Value, text: &str) {
    if has_numbers(value, Place::root()) {
        let followed = serde_saphyr::with_deserializer_from_str(text, |yaml| {
            Follow { value, place: Place::root() }.deserialize(yaml)
        });
        drop(followed);
    }
}

/// Takes the numbers of a TOML document that was read before.
pub(super) fn take_toml(value: &mut Value, text: &str) {
    if has_numbers(value, Place::root())
        && let (Ok(table), Value::Object(members)) = (DeTable::parse(text), value)
    {
        follow_table(members, table.get_ref(), Place::root(), text);
    }
}

/// Whether there is anything to do.
fn has_numbers(value: &Value, place: Place) -> bool {
    match value {
        Value::Number(_) => place.takes_text(),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| place.key(name).is_some_and(|(_, inner)| has_numbers(value, inner))),
        Value::Array(items) => {
            place.item().is_some_and(|inner| items.iter().any(|item| has_numbers(item, inner)))
        }
        _ => false,
    }
}

fn take(value: &mut Value, spelling: &str) {
    let digits = spelling.strip_prefix('-').unwrap_or(spelling);
    let is_usual = !digits.is_empty()
        && digits.bytes().all(|it| it.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    if is_usual {
        *value = Value::String(spelling.to_owned());
    }
}

/// Reads a document again, beside what was made of it, and asks for the text of its numbers.
struct Follow<'v> {
    value: &'v mut Value,
    place: Place<'static>,
}

impl<'de> DeserializeSeed<'de> for Follow<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.value {
            Value::Number(_) if self.place.takes_text() => deserializer.deserialize_str(self),
            Value::Object(_) => deserializer.deserialize_map(self),
            Value::Array(_) => deserializer.deserialize_seq(self),
            _ => deserializer.deserialize_ignored_any(IgnoredAny).map(drop),
        }
    }
}

impl<'de> Visitor<'de> for Follow<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was read before")
    }

    fn visit_str<E: Error>(self, spelling: &str) -> Result<(), E> {
        take(self.value, spelling);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let known = self.value.get_mut(&name).zip(self.place.key(&name));
            match known {
                Some((value, (_, place))) => map.next_value_seed(Follow { value, place })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let place = self.place.item();
        for value in self.value.as_array_mut().into_iter().flatten() {
            let more = match place {
                Some(place) => list.next_element_seed(Follow { value, place })?.is_some(),
                None => list.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

fn follow_table(
    members: &mut serde_json::Map<String, Value>,
    table: &DeTable<'_>,
    place: Place<'static>,
    text: &str,
) {
    for (name, item) in table {
        let name = name.get_ref().as_ref();
        if let Some((value, (_, inner))) = members.get_mut(name).zip(place.key(name)) {
            follow_toml(value, item, inner, text);
        }
    }
}

fn follow_toml(value: &mut Value, item: &Spanned<DeValue<'_>>, place: Place<'static>, text: &str) {
    match (&mut *value, item.get_ref()) {
        (Value::Object(members), DeValue::Table(table)) => follow_table(members, table, place, text),
        (Value::Array(values), DeValue::Array(items)) => {
            let Some(inner) = place.item() else { return };
            for (value, item) in values.iter_mut().zip(items.iter()) {
                follow_toml(value, item, inner, text);
            }
        }
        (Value::Number(_), _) if place.takes_text() => {
            take(value, text.get(item.span()).unwrap_or_default());
        }
        _ => {}
    }
}
