//! What is not written as it should be, though nobody can doubt what is meant: taken, and said once.
//!
//! - A key that is `null` is not set. The original's schema allows it for every optional key, and its example has one.
//! - White space around a value is not part of it: a block of YAML ends in a line feed, and pasted text in blanks.
//!
//! What can be read in two ways is refused here, with what to write instead: a number, a truth value or a date where text
//! is wanted.

use serde_json::Value;

use super::{
    problem::ConfigProblems,
    read::{Segment, shown},
    schema::Place,
};

/// What `toml` makes of a date.
const TOML_DATE: &str = "$__toml_private_datetime";

/// What is noted on the way.
pub(super) struct Found<'a> {
    pub(super) problems: &'a mut ConfigProblems,
    pub(super) warnings: &'a mut Vec<String>,
}

/// Mends a whole file.
pub(super) fn mend(file: &mut Value, found: &mut Found<'_>) {
    inside(file, Place::root(), &mut Vec::new(), found);
}

fn inside(value: &mut Value, place: Place<'static>, path: &mut Vec<Segment>, found: &mut Found<'_>) {
    match value {
        Value::Object(members) => members.retain(|name, value| {
            let known = place.key(name).filter(|(known, _)| known == name);
            let Some((_, inner)) = known else { return true };
            path.push(Segment::Key(name.clone()));
            let keep = !value.is_null() && text(value, inner, path, found);
            if keep {
                inside(value, inner, path, found);
            }
            path.pop();
            keep
        }),
        Value::Array(items) => {
            let Some(inner) = place.item() else { return };
            for (index, item) in items.iter_mut().enumerate() {
                path.push(Segment::Index(index));
                if text(item, inner, path, found) {
                    inside(item, inner, path, found);
                } else {
                    // The item's place is kept, so that later messages name the right index.
                    *item = Value::String(String::new());
                }
                path.pop();
            }
        }
        _ => {}
    }
}

/// Mends a value where text is wanted; `false` if it was refused.
fn text(value: &mut Value, place: Place, path: &[Segment], found: &mut Found<'_>) -> bool {
    if !place.takes_text() {
        return true;
    }
    let kind = match value {
        // A secret is whatever it is.
        Value::String(text) if !place.is_secret() => {
            let inner = trimmed(text);
            if inner.len() < text.len() {
                found.warnings.push(format!("{}: the white space around the value was ignored", shown(path)));
                *text = inner.to_owned();
            }
            return true;
        }
        Value::Number(_) => "number",
        Value::Bool(_) => "truth value (true, false, yes, no, on or off)",
        Value::Object(members) if members.contains_key(TOML_DATE) => "date or a time",
        _ => return true,
    };
    found.problems.add(
        shown(path),
        format!("it is a {kind}, and text is wanted"),
        "put it in quotes, so that it is taken as it is written",
    );
    false
}

/// Without white space around it, seen or unseen.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|it: char| it.is_whitespace() || matches!(it, '\u{feff}' | '\u{200b}'))
}
