//! `reference/configuration.md`: every key, from the schema.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::{cell, keep};

const INTRODUCTION: &str = "\
# Configuration

Every key of the configuration file. This page is made from the code; `authtool-bff schema` prints the same as a JSON Schema, for
editors, and `authtool-bff check` names everything that is wrong with a file at once.

The file may be JSON, YAML or TOML, by its extension. Every key can be overridden by an environment variable: `AUTHTOOL`, and the
names of the path in capitals with two underscores between them. `session.sessionJitterSecs` is
`AUTHTOOL__SESSION__SESSIONJITTERSECS`, and the first of several clients has its id in `AUTHTOOL__CLIENT__CLIENTS__0__CLIENTID`.
Relative paths are relative to the working directory; files of secrets are looked for beside the configuration, too. A key that is `null` is not set. White space around a value and a byte order
mark are ignored, with a warning; a whole number may stand where text is wanted, if it is written in the usual way.

## Secrets

Where a key is a *secret*, its value is text, or says where the text is:

| value | meaning |
|---|---|
| `\"text\"` | the secret itself; better kept out of files |
| `{\"type\": \"env\", \"key\": \"NAME\"}` | an environment variable |
| `{\"type\": \"file\", \"path\": \"/run/secrets/name\"}` | a file; the line feed at its end does not count |
| `{\"type\": \"file\", \"path\": \"/run/secrets/all\", \"key\": \"name\"}` | the value of one key in a JSON object or in an environment file: lines of `name=value`, with `export`, quotes and comments as shells know them |

Each of them takes `\"encoding\": \"base64\"`. Where several are taken, a list of them is written.
";

/// The sections, in the order of the page, each with what it has for a schema.
fn page() -> String {
    let schema: Value = serde_json::from_str(&authtool_bff::Config::schema()).unwrap();
    let mut page = Page { schema: &schema, text: INTRODUCTION.to_owned(), written: BTreeMap::new() };
    page.section("", schema["properties"].as_object().unwrap(), "What stands at its top.");
    page.text
}

/// The keys below a key: what follows it in their path, the keys, and the name of their definition.
type Below<'a> = (&'static str, &'a Map<String, Value>, &'a str);

struct Page<'a> {
    schema: &'a Value,
    text: String,
    /// Where the keys of a definition, or keys that read the same, have been described.
    written: BTreeMap<String, String>,
}

impl<'a> Page<'a> {
    fn section(&mut self, path: &str, keys: &'a Map<String, Value>, title: &str) {
        let anchor = if path.is_empty() { "the file".to_owned() } else { path.to_owned() };
        write!(self.text, "\n## {}\n\n{}\n\n", heading(path), title.trim_end()).unwrap();
        // A section that shares most of its keys with one before it does not repeat them.
        let known: Vec<_> = keys
            .iter()
            .filter_map(|(key, schema)| {
                let place = self.written.get(&fingerprint(key, schema))?;
                Some((key, place.clone()))
            })
            .collect();
        let places: BTreeSet<_> = known.iter().map(|(_, place)| place).collect();
        let shares = known.len() > 3 && places.len() == 1;
        let mut inner = Vec::new();
        let mut rows = String::new();
        for (key, schema) in keys {
            let whole = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            if shares && known.iter().any(|(it, _)| *it == key) {
                continue;
            }
            self.written.insert(fingerprint(key, schema), anchor.clone());
            let description = schema["description"].as_str().unwrap_or_default();
            let (kind, section) = self.kind(schema);
            let mut meaning = cell(description);
            if let Some((suffix, keys, name)) = section {
                let below = format!("{whole}{suffix}");
                match self.written.get(name) {
                    Some(place) => write!(meaning, " Keys as in {}.", link(place)).unwrap(),
                    None => {
                        self.written.insert(name.to_owned(), below.clone());
                        write!(meaning, " Keys: {}.", link(&below)).unwrap();
                        inner.push((below, keys, name));
                    }
                }
            }
            writeln!(
                rows,
                "| <span id=\"key.{whole}\"></span>`{key}`<br><small>{kind}</small> | {meaning} |"
            )
            .unwrap();
        }
        if !rows.is_empty() {
            write!(self.text, "| key | meaning |\n|---|---|\n{rows}").unwrap();
        }
        if shares {
            let names: Vec<_> = known.iter().map(|(key, _)| format!("`{key}`")).collect();
            let place = link(places.first().unwrap());
            write!(self.text, "\nAnd, as in {place}: {}.\n", names.join(", ")).unwrap();
        }
        for (path, keys, name) in inner {
            let title = self.schema["$defs"][name]["description"].as_str().unwrap_or_default().to_owned();
            self.section(&path, keys, &title);
        }
    }

    /// What a value looks like, and the keys below it: with what follows the key in their path, and their definition's name.
    fn kind(&self, schema: &'a Value) -> (String, Option<Below<'a>>) {
        if let Some(items) = schema.get("items") {
            let (kind, section) = self.kind(items);
            return (format!("list of {kind}s"), section.map(|(_, keys, name)| ("[]", keys, name)));
        }
        if let Some(values) = schema.get("additionalProperties").filter(|it| !it.is_boolean()) {
            let (kind, section) = self.kind(values);
            return (format!("{kind}s by name"), section.map(|(_, keys, name)| (".*", keys, name)));
        }
        let reference = |schema: &'a Value| schema.get("$ref").and_then(Value::as_str);
        let any = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
        if let Some(name) = reference(schema).or_else(|| any.into_iter().find_map(reference)) {
            let name = name.trim_start_matches("#/$defs/");
            return match (name, self.schema["$defs"][name]["properties"].as_object()) {
                ("Secret", _) => ("secret".to_owned(), None),
                ("Secrets", _) => ("secret, or list of secrets".to_owned(), None),
                (_, Some(keys)) => ("section".to_owned(), Some(("", keys, name))),
                (_, None) => panic!("{name} is neither a secret nor a section"),
            };
        }
        if schema["type"] == "object" || schema["type"][0] == "object" {
            return ("values by name".to_owned(), None);
        }
        let types = match &schema["type"] {
            Value::String(one) => vec![one.as_str()],
            Value::Array(several) => {
                several.iter().filter_map(Value::as_str).filter(|it| *it != "null").collect()
            }
            _ => vec!["value"],
        };
        (types.join(" or ").replace("boolean", "true or false"), None)
    }
}

fn fingerprint(key: &str, schema: &Value) -> String {
    format!("{key}: {}", schema["description"])
}

fn heading(path: &str) -> String {
    if path.is_empty() { "The file".to_owned() } else { format!("`{path}`") }
}

fn link(path: &str) -> String {
    let anchor: String =
        path.to_lowercase().chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it)).collect();
    format!("[{}](#{})", heading(if path == "the file" { "" } else { path }), anchor.replace(' ', "-"))
}

#[test]
fn every_key_is_in_the_reference_and_nothing_else_is() {
    let page = page();
    keep("configuration.md", &page);
    // Whatever the page leaves out to read better: each name that the schema has stands on it.
    let schema: Value = serde_json::from_str(&authtool_bff::Config::schema()).unwrap();
    let sections = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let names: BTreeSet<&String> =
        sections.filter_map(|it| it["properties"].as_object()).flat_map(Map::keys).collect();
    assert!(names.len() > 80, "the schema was not walked: {names:?}");
    let missing: Vec<_> = names.into_iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
}
