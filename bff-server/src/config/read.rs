//! From text to the file's shape: all unknown keys and all values of the wrong type, not just the first.

use std::{ffi::OsStr, path::Path};

use serde_json::Value;

use super::{
    file::ConfigFile,
    problem::ConfigProblems,
    schema::{KEY_NAMES, Place},
};

/// The key of a problem that is nowhere in particular.
pub(super) const WHOLE_FILE: &str = "(the whole file)";

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Yaml,
    Toml,
}

impl Format {
    /// By the file's extension; JSON if it has none.
    pub(super) fn of(path: &Path) -> Option<Self> {
        match path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase).as_deref() {
            None | Some("json") => Some(Self::Json),
            Some("yaml" | "yml") => Some(Self::Yaml),
            Some("toml") => Some(Self::Toml),
            Some(_) => None,
        }
    }

    /// Reads text. The message says where the first mistake is, and quotes nothing of the text.
    pub(super) fn parse(self, text: &str) -> Result<Value, ConfigProblems> {
        let (name, place) = match self {
            Self::Json => match serde_json::from_str(text) {
                Ok(value) => return Ok(value),
                Err(error) => ("JSON", Some((error.line(), error.column()))),
            },
            Self::Yaml => match serde_saphyr::from_str(text) {
                Ok(value) => return Ok(value),
                Err(error) => {
                    let place = error.location().and_then(|it| {
                        Some((usize::try_from(it.line()).ok()?, usize::try_from(it.column()).ok()?))
                    });
                    ("YAML", place)
                }
            },
            Self::Toml => match toml::from_str(text) {
                Ok(value) => return Ok(value),
                Err(error) => ("TOML", error.span().map(|span| line_and_column(text, span.start))),
            },
        };
        let mut problems = ConfigProblems::default();
        problems.add(
            place.map_or_else(
                || WHOLE_FILE.to_owned(),
                |(line, column)| format!("line {line}, column {column}"),
            ),
            format!("the file is not valid {name} here"),
            "look for a mistake at or just before this place, such as a missing comma, quote or bracket",
        );
        Err(problems)
    }
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or_default();
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count());
    (before.matches('\n').count() + 1, column + 1)
}

/// Reads the shape. Each value that does not fit is noted and taken out, and the rest is read again.
pub(super) fn shape(mut value: Value, problems: &mut ConfigProblems) -> ConfigFile {
    if !value.is_object() {
        problems.add(WHOLE_FILE, "it is not an object", "begin with { and end with }");
        return ConfigFile::default();
    }
    without_lists(&mut value, Place::root(), &mut Vec::new(), problems);
    loop {
        let mut unknown = Vec::new();
        let mut track = serde_path_to_error::Track::new();
        let outcome: Result<ConfigFile, _> = {
            let tracked = serde_path_to_error::Deserializer::new(&value, &mut track);
            serde_ignored::deserialize(tracked, |path| unknown.push(path.to_string()))
        };
        match outcome {
            Ok(file) => {
                for key in unknown {
                    let mut key = key.replace(".?", "");
                    // A name of no characters would be hard to see.
                    if key.is_empty() || key.ends_with('.') {
                        key.push_str("\"\"");
                    }
                    let fix = match similar(&key) {
                        Some(known) => format!("did you mean `{known}`?"),
                        None => "remove it, or look for its right name and place in the reference".to_owned(),
                    };
                    problems.add(key, "there is no such key", fix);
                }
                return file;
            }
            Err(error) => {
                let path: Vec<Segment> = track.path().iter().filter_map(Segment::of).collect();
                let problem = in_plain_words(&without_values(&error.to_string()));
                let fix = match place_of(&path).and_then(Place::description) {
                    Some(description) => format!("give it a value of that form: {description}"),
                    None => "give it a value of that form".to_owned(),
                };
                problems.add(shown(&path), problem, fix);
                if !remove(&mut value, &path) {
                    return ConfigFile::default();
                }
            }
        }
    }
}

/// Serde takes a list for an object, and its items for the members in their order: nobody means that. Takes such
/// lists out; `false` if this value is one.
fn without_lists(
    value: &mut Value,
    place: Place,
    path: &mut Vec<Segment>,
    problems: &mut ConfigProblems,
) -> bool {
    match value {
        Value::Array(_) if place.is_section() => {
            problems.add(shown(path), "it is a list", "write an object: keys with their values, in { }");
            return false;
        }
        Value::Object(members) => members.retain(|name, value| {
            let known = place.key(name).filter(|(known, _)| known == name);
            let Some((_, inner)) = known else { return true };
            path.push(Segment::Key(name.clone()));
            let keep = without_lists(value, inner, path, problems);
            path.pop();
            keep
        }),
        Value::Array(items) if place.is_list() => {
            for (index, item) in items.iter_mut().enumerate() {
                let Some((_, inner)) = place.key(&index.to_string()) else { continue };
                path.push(Segment::Index(index));
                if !without_lists(item, inner, path, problems) {
                    // The item's place is kept, so that later messages name the right index.
                    *item = Value::Object(serde_json::Map::new());
                }
                path.pop();
            }
        }
        _ => {}
    }
    true
}

enum Segment {
    Key(String),
    Index(usize),
}

impl Segment {
    fn of(segment: &serde_path_to_error::Segment) -> Option<Self> {
        match segment {
            serde_path_to_error::Segment::Seq { index } => Some(Self::Index(*index)),
            serde_path_to_error::Segment::Map { key } => Some(Self::Key(key.clone())),
            serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => None,
        }
    }
}

fn shown(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Key(key) if text.is_empty() => text.push_str(key),
            Segment::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Segment::Index(index) => {
                text.push('[');
                text.push_str(&index.to_string());
                text.push(']');
            }
        }
    }
    if text.is_empty() { WHOLE_FILE.to_owned() } else { text }
}

/// Takes the value at `path` out; `false` if there is none.
fn remove(value: &mut Value, path: &[Segment]) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    let mut place = value;
    for segment in parents {
        let next = match segment {
            Segment::Key(key) => place.get_mut(key),
            Segment::Index(index) => place.get_mut(*index),
        };
        let Some(next) = next else { return false };
        place = next;
    }
    match (last, place) {
        (Segment::Key(key), Value::Object(object)) => object.remove(key).is_some(),
        // The item's place is kept, so that later messages name the right index.
        (Segment::Index(index), Value::Array(list)) => list.get_mut(*index).is_some_and(|item| {
            let placeholder = if place_of(path).is_some_and(Place::is_section) {
                Value::Object(serde_json::Map::new())
            } else {
                Value::String(String::new())
            };
            let changed = *item != placeholder;
            *item = placeholder;
            changed
        }),
        _ => false,
    }
}

/// Serde quotes strings it did not expect; one of them could be a secret in the wrong place.
fn without_values(message: &str) -> String {
    match message.split_once("string \"").and_then(|(before, rest)| Some((before, rest.rsplit_once('"')?.1)))
    {
        Some((before, after)) => format!("{before}a string{after}"),
        None => message.to_owned(),
    }
}

/// Serde names what it expected as Rust does.
fn in_plain_words(message: &str) -> String {
    const WORDS: [(&str, &str); 8] = [
        ("u16", "a whole number from 0 to 65535"),
        ("u32", "a whole number from 0 to 4294967295"),
        ("u64", "a whole number that is not negative"),
        ("a boolean", "true or false"),
        ("a sequence", "a list"),
        ("a map", "an object"),
        ("a string", "text"),
        ("unit", "null"),
    ];
    let Some((found, expected)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    let words = WORDS
        .iter()
        .find(|(rust, _)| *rust == expected)
        .map_or(if expected.starts_with("struct ") { "an object" } else { expected }, |(_, words)| words);
    format!("{found}, expected {words}")
}

/// What the schema says of a path.
fn place_of(path: &[Segment]) -> Option<Place<'static>> {
    path.iter().try_fold(Place::root(), |place, segment| {
        let inner = match segment {
            Segment::Key(key) => place.key(key),
            Segment::Index(index) => place.key(&index.to_string()),
        };
        inner.map(|(_, place)| place)
    })
}

/// The known name that `key`'s last part most likely was meant to be.
fn similar(key: &str) -> Option<&'static String> {
    let bare = |name: &str| {
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    let wanted = bare(key.rsplit(['.', ']']).next()?);
    KEY_NAMES
        .iter()
        .map(|known| (distance(&wanted, &bare(known)), known))
        .min()
        .filter(|(distance, known)| *distance <= 2 && *distance * 2 < known.len())
        .map(|(_, known)| known)
}

/// Levenshtein's.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let above = *cell;
            left = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems(value: Value) -> Vec<(String, String, String)> {
        let mut problems = ConfigProblems::default();
        shape(value, &mut problems);
        problems.0.into_iter().map(|it| (it.key, it.problem, it.fix)).collect()
    }

    #[test]
    fn every_unknown_key_and_every_wrong_type_is_named_at_once() {
        let found = problems(json!({
            "client": {"isuer": "x", "scope": 7},
            "session": {"sessionJitterSecs": "soon", "userClaims": {}},
            "server": {"port": 99999, "colour": "red"},
        }));
        let keys: Vec<&str> = found.iter().map(|it| it.0.as_str()).collect();
        for key in [
            "client.scope",
            "session.sessionJitterSecs",
            "session.userClaims",
            "server.port",
            "client.isuer",
            "server.colour",
        ] {
            assert!(keys.contains(&key), "{key} is not in {found:#?}");
        }
        assert!(found.iter().any(|it| it.2 == "did you mean `issuer`?"), "{found:#?}");
    }

    #[test]
    fn a_key_without_a_name_can_be_seen() {
        let found = problems(json!({"": 7, "server": {"": 7}}));
        let keys: Vec<&str> = found.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(keys, ["\"\"", "server.\"\""]);
    }

    #[test]
    fn sec_140_a_secret_in_the_wrong_place_is_not_quoted() {
        let found =
            problems(json!({"client": {"credentials": "canary \" with quotes"}, "session": "canary"}));
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(!format!("{found:?}").contains("canary"), "{found:#?}");
    }

    #[test]
    fn the_same_file_reads_the_same_in_every_format() {
        let json =
            r#"{"server": {"port": 3000, "proxy": [{"prefix": "/api"}]}, "session": {"userClaims": ["a"]}}"#;
        let yaml = "server:\n  port: 3000\n  proxy:\n    - prefix: /api\nsession:\n  userClaims: [a]\n";
        let toml =
            "[server]\nport = 3000\n[[server.proxy]]\nprefix = \"/api\"\n[session]\nuserClaims = [\"a\"]\n";
        let value = Format::Json.parse(json).unwrap();
        assert_eq!(Format::Yaml.parse(yaml).unwrap(), value);
        assert_eq!(Format::Toml.parse(toml).unwrap(), value);
    }

    #[test]
    fn a_mistake_is_found_by_line_and_column_and_not_quoted() {
        for (format, text) in [
            (Format::Json, "{\n  \"a\": canary\n}"),
            (Format::Yaml, "a: b\nc: [canary\n"),
            (Format::Toml, "a = 1\nb = canary\n"),
        ] {
            let problems = format.parse(text).unwrap_err();
            assert!(problems.0[0].key.starts_with("line "), "{format:?}: {problems}");
            assert!(!problems.to_string().contains("canary"), "{problems}");
        }
    }

    #[test]
    fn a_file_that_is_no_object_is_one_clear_problem() {
        for value in [json!([]), json!("x"), json!(null), json!(7)] {
            assert_eq!(problems(value.clone()).len(), 1, "{value}");
        }
    }

    #[test]
    fn a_wrong_item_of_a_list_is_named_by_its_index() {
        let found = problems(json!({"server": {"proxy": [{"prefix": "/a"}, "x", {"prefix": 7}]}}));
        let keys: Vec<&str> = found.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(keys, ["server.proxy[1]", "server.proxy[2].prefix"]);
    }
}
