//! From text to the file's shape: all unknown keys and all values of the wrong type, not just the first.

use std::{ffi::OsStr, path::Path};

use serde_json::Value;

use super::{
    file::ConfigFile,
    leniency::{self, Found},
    problem::ConfigProblems,
    scalars,
    schema::{KEYS, Place, Step},
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
                Ok(mut value) => {
                    scalars::take_json(&mut value, Place::root());
                    return Ok(value);
                }
                Err(error) => ("JSON", Some((error.line(), error.column()))),
            },
            Self::Yaml => match serde_saphyr::from_str(text) {
                Ok(mut value) => {
                    scalars::take_yaml(&mut value, text);
                    return Ok(value);
                }
                Err(error) => {
                    let place = error.location().and_then(|it| {
                        Some((usize::try_from(it.line()).ok()?, usize::try_from(it.column()).ok()?))
                    });
                    ("YAML", place)
                }
            },
            Self::Toml => match toml::from_str(text) {
                Ok(mut value) => {
                    scalars::take_toml(&mut value, text);
                    return Ok(value);
                }
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
pub(super) fn shape(
    mut value: Value,
    problems: &mut ConfigProblems,
    warnings: &mut Vec<String>,
) -> ConfigFile {
    if !value.is_object() {
        problems.add(WHOLE_FILE, "it is not an object", "begin with { and end with }");
        return ConfigFile::default();
    }
    without_lists(&mut value, Place::root(), &mut Vec::new(), problems);
    leniency::mend(&mut value, &mut Found { problems, warnings });
    loop {
        let mut unknown = Vec::new();
        let mut track = serde_path_to_error::Track::new();
        let outcome: Result<ConfigFile, _> = {
            let tracked = serde_path_to_error::Deserializer::new(&value, &mut track);
            serde_ignored::deserialize(tracked, |path| unknown.push(segments(&path)))
        };
        match outcome {
            Ok(file) => {
                for path in unknown {
                    let fix = match meant(&path) {
                        Some(key) => format!("did you mean `{key}`?"),
                        None => "remove it, or look for its right name and place in the reference".to_owned(),
                    };
                    problems.add(shown(&path), "there is no such key", fix);
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

/// One step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
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

/// Where Serde met a key that it does not know.
fn segments(path: &serde_ignored::Path) -> Vec<Segment> {
    use serde_ignored::Path;
    let (parent, own) = match path {
        Path::Root => return Vec::new(),
        Path::Seq { parent, index } => (parent, Some(Segment::Index(*index))),
        Path::Map { parent, key } => (parent, Some(Segment::Key(key.clone()))),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            (parent, None)
        }
    };
    let mut segments = segments(parent);
    segments.extend(own);
    segments
}

/// A path as people write it.
pub(super) fn shown(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            // A name of no characters would be hard to see.
            Segment::Key(key) if key.is_empty() && text.is_empty() => text.push_str("\"\""),
            Segment::Key(key) if key.is_empty() => text.push_str(".\"\""),
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

/// The key that an unknown one most likely was meant to be: by its name alone if it is of the same section, otherwise with
/// its whole path.
fn meant(path: &[Segment]) -> Option<String> {
    let key = meant_path(path)?;
    match (key.split_last(), path.split_last()) {
        (Some((Segment::Key(name), section)), Some((_, here))) if section == here => Some(name.clone()),
        _ => Some(shown(&key)),
    }
}

/// The path of the key that an unknown one most likely was meant to be. Of several with names that are equally close, it
/// is the one that shares most of its path, and then the one that is least deep.
pub(super) fn meant_path(path: &[Segment]) -> Option<Vec<Segment>> {
    let bare = |name: &str| {
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    let (Segment::Key(name), here) = path.split_last()? else { return None };
    let wanted = bare(name);
    let shared = |section: &[Step]| {
        let is_same = |(step, segment): &(&Step, &Segment)| match (step, segment) {
            (Step::Key(name), Segment::Key(key)) => name == key,
            (Step::OwnName, Segment::Key(_)) | (Step::Item, Segment::Index(_)) => true,
            _ => false,
        };
        section.iter().zip(here).take_while(is_same).count()
    };
    let (known, shared, _) = KEYS
        .iter()
        .map(|known| (known, shared(&known.section), distance(&wanted, &bare(&known.name))))
        .filter(|(known, _, distance)| *distance <= 2 && *distance * 2 < known.name.len())
        .min_by_key(|(known, shared, distance)| {
            (*distance, std::cmp::Reverse(*shared), known.section.len())
        })?;
    let mut meant = here.get(..shared)?.to_vec();
    meant.extend(known.section.iter().skip(shared).map(|step| match step {
        Step::Key(name) => Segment::Key(name.clone()),
        Step::OwnName => Segment::Key("<name>".to_owned()),
        Step::Item => Segment::Index(0),
    }));
    meant.push(Segment::Key(known.name.clone()));
    Some(meant)
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
        shape(value, &mut problems, &mut Vec::new());
        problems.0.into_iter().map(|it| (it.key, it.problem, it.fix)).collect()
    }

    #[test]
    fn every_unknown_key_and_every_wrong_type_is_named_at_once() {
        let found = problems(json!({
            "client": {"isuer": "x", "scope": {}},
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
    fn a_key_in_the_wrong_section_is_told_its_place() {
        for (file, key, meant) in [
            (json!({"scope": "openid"}), "scope", "client.scope"),
            (json!({"apiPrefix": "/bff"}), "apiPrefix", "server.apiPrefix"),
            (json!({"mode": {"type": "bff"}}), "mode", "session.mode"),
            (json!({"credentials": {"secret": "s"}}), "credentials", "client.credentials"),
            (json!({"secret": "s"}), "secret", "client.credentials.secret"),
            (json!({"port": 3000}), "port", "server.port"),
            (json!({"operatorCredential": "s"}), "operatorCredential", "server.internal.operatorCredential"),
            (json!({"signing_key": "s"}), "signing_key", "session.signingKey"),
            (json!({"server": {"signingKey": "s"}}), "server.signingKey", "session.signingKey"),
            (json!({"server": {"upstream": "x"}}), "server.upstream", "server.proxy[0].upstream"),
            (json!({"session": {"sameSite": "lax"}}), "session.sameSite", "session.mode.sameSite"),
            (json!({"session": {"scope": "x"}}), "session.scope", "client.scope"),
            (json!({"client": {"kid": "x"}}), "client.kid", "client.credentials.kid"),
            (
                json!({"client": {"clients": [{}, {"kid": "x"}]}}),
                "client.clients[1].kid",
                "client.clients[1].credentials.kid",
            ),
            (
                json!({"connections": {"main": {"host": "x"}}}),
                "connections.main.host",
                "connections.main.config.host",
            ),
            (
                json!({"connections": {"main": {"config": {"password": "x"}}}}),
                "connections.main.config.password",
                "connections.main.config.connection.password",
            ),
            (
                json!({"connections": {"main": {"maxStalenessMs": 1}}}),
                "connections.main.maxStalenessMs",
                "connections.main.config.localCache.maxStalenessMs",
            ),
            // In its own section it needs no path, and comes before others that are called the same.
            (json!({"client": {"skope": "x"}}), "client.skope", "scope"),
            (json!({"server": {"internal": {"prt": 1}}}), "server.internal.prt", "port"),
            (json!({"server": {"proxy": [{"prefixx": "/"}]}}), "server.proxy[0].prefixx", "prefix"),
        ] {
            let found = problems(file.clone());
            let expected =
                (key.to_owned(), "there is no such key".to_owned(), format!("did you mean `{meant}`?"));
            assert!(found.contains(&expected), "{file}: {found:#?}");
        }
    }

    #[test]
    fn null_is_as_if_the_key_were_not_there() {
        let file = json!({
            "$schema": null,
            "client": {"extra": null, "endpoints": null, "clients": [{"requireAcr": null}], "dpop": null},
            "connections": null,
            "session": {"mode": null, "userClaims": null},
            "server": null,
        });
        assert_eq!(problems(file), []);
        let own = json!({"client": {"extra": {"audience": null}}, "connections": {"unused": null}});
        assert_eq!(problems(own), []);
        let unknown: Vec<_> = problems(json!({"clinet": null})).into_iter().map(|it| it.2).collect();
        assert_eq!(unknown, ["did you mean `client`?"], "it is still no key of ours");
    }

    #[test]
    fn a_whole_number_is_text_where_text_is_wanted() {
        let text_of = |format: Format, text: &str| {
            let value = format.parse(text).unwrap();
            let found = problems(value.clone());
            (value, found)
        };
        for (format, text, pointer, expected) in [
            (
                Format::Yaml,
                "client:\n  clientId: 123456789012345678",
                "/client/clientId",
                "123456789012345678",
            ),
            (Format::Yaml, "client: {clientId: 0, scope: openid}", "/client/clientId", "0"),
            (Format::Yaml, "client: {clients: [{clientId: 42}]}", "/client/clients/0/clientId", "42"),
            (Format::Yaml, "client: {credentials: {secret: 1234}}", "/client/credentials/secret", "1234"),
            (Format::Yaml, "session:\n  signingKey: [77, a]", "/session/signingKey/0", "77"),
            (Format::Yaml, "session:\n  userClaims:\n  - email\n  - 7", "/session/userClaims/1", "7"),
            (Format::Yaml, "client: &c\n  clientId: 42\nsession: {}", "/client/clientId", "42"),
            (
                Format::Yaml,
                "connections: {a: {config: {namespace: -5}}}",
                "/connections/a/config/namespace",
                "-5",
            ),
            (Format::Toml, "[client]\nclientId = 42", "/client/clientId", "42"),
            (Format::Toml, "client.clientId = 42", "/client/clientId", "42"),
            (Format::Toml, "[[client.clients]]\nclientId = 42", "/client/clients/0/clientId", "42"),
            (Format::Toml, "[session]\nuserClaims = [\"a\", 7]", "/session/userClaims/1", "7"),
            (Format::Json, r#"{"client": {"clientId": 42}}"#, "/client/clientId", "42"),
        ] {
            let (value, found) = text_of(format, text);
            assert_eq!(value.pointer(pointer), Some(&json!(expected)), "{text}");
            assert_eq!(found, [], "{text}");
        }
        for (format, text) in [
            (Format::Yaml, "client: {clientId: 0123}"),
            (Format::Yaml, "client: {clientId: 0x1f}"),
            (Format::Yaml, "client: {clientId: 0o17}"),
            (Format::Yaml, "client: {clientId: +5}"),
            (Format::Yaml, "client: {clientId: 1.10}"),
            (Format::Yaml, "client: {clientId: 1e3}"),
            (Format::Yaml, "client: {clientId: true}"),
            (Format::Toml, "client.clientId = 1_000"),
            (Format::Toml, "client.clientId = 0x1f"),
            (Format::Toml, "client.clientId = +5"),
            (Format::Toml, "client.clientId = 1.10"),
            (Format::Toml, "client.clientId = 2026-01-01"),
            (Format::Toml, "client.clientId = false"),
            (Format::Json, r#"{"client": {"clientId": 1.10}}"#),
            (Format::Json, r#"{"client": {"clientId": true}}"#),
        ] {
            let (value, found) = text_of(format, text);
            let keys: Vec<_> =
                found.iter().map(|it| (it.0.as_str(), it.2.starts_with("put it in quotes"))).collect();
            assert_eq!(keys, [("client.clientId", true)], "{text}: {value} {found:?}");
        }
        // What is a number stays one.
        let (value, _) = text_of(Format::Yaml, "server: {port: 3000}\nclient: {extra: {max_age: 7}}");
        assert_eq!(value, json!({"server": {"port": 3000}, "client": {"extra": {"max_age": 7}}}));
    }

    #[test]
    fn white_space_around_a_value_is_ignored_and_said() {
        let yaml = "client:\n  issuer: |\n    https://op.example\n  scope: ' openid '\nsession:\n  userClaims: [' a']\n  \
                    signingKey: ' kept '\n";
        let mut value = Format::Yaml.parse(yaml).unwrap();
        let (mut problems, mut warnings) = (ConfigProblems::default(), Vec::new());
        leniency::mend(&mut value, &mut Found { problems: &mut problems, warnings: &mut warnings });
        assert_eq!(problems.0, []);
        assert_eq!(
            value,
            json!({
                "client": {"issuer": "https://op.example", "scope": "openid"},
                "session": {"userClaims": ["a"], "signingKey": " kept "},
            })
        );
        let keys: Vec<_> = warnings.iter().filter_map(|it| it.split(':').next()).collect();
        assert_eq!(keys, ["client.issuer", "client.scope", "session.userClaims[0]"]);
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
        let found = problems(json!({"server": {"proxy": [{"prefix": "/a"}, "x", {"prefix": []}]}}));
        let keys: Vec<&str> = found.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(keys, ["server.proxy[1]", "server.proxy[2].prefix"]);
    }
}
