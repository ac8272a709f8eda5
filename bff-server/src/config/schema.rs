//! The JSON Schema of the configuration file, generated from its types, and what else follows from it: the
//! names of all keys.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::file::ConfigFile;

/// The schema (JSON Schema 2020-12).
pub(super) static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut schema = schemars::schema_for!(ConfigFile).to_value();
    with_null(&mut schema);
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        definitions.values_mut().for_each(with_null);
    }
    schema
});

/// Every key of a section may be `null`, which is as if it were not there.
fn with_null(section: &mut Value) {
    let properties = section.get_mut("properties").and_then(Value::as_object_mut);
    for schema in properties.into_iter().flat_map(|it| it.values_mut()) {
        if let Some(of_own_name) = schema.get_mut("additionalProperties") {
            allow_null(of_own_name);
        }
        allow_null(schema);
    }
}

fn allow_null(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    if let Some(kind @ Value::String(_)) = schema.get_mut("type") {
        *kind = json!([kind, "null"]);
    } else if let Some(reference) = schema.remove("$ref") {
        schema.insert("anyOf".to_owned(), json!([{ "$ref": reference }, { "type": "null" }]));
    }
}

/// Every key of the file.
pub(super) static KEYS: LazyLock<Vec<KnownKey>> = LazyLock::new(|| {
    let mut keys = Vec::new();
    Place::root().keys_below(&mut Vec::new(), &mut keys);
    keys
});

/// A key, and the section that it is in.
pub(super) struct KnownKey {
    pub(super) section: Vec<Step>,
    pub(super) name: String,
}

/// One step to a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A key of ours.
    Key(String),
    /// A name of the user's own choosing.
    OwnName,
    /// An item of a list.
    Item,
}

/// What a key path leads to.
#[derive(Clone, Copy)]
pub(super) struct Place<'a>(&'a Value);

impl Place<'static> {
    pub(super) fn root() -> Self {
        Self(&SCHEMA)
    }
}

impl<'a> Place<'a> {
    /// The key below this place that is spelled like `name` but for case, in its right spelling.
    pub(super) fn key(self, name: &str) -> Option<(String, Place<'a>)> {
        let here = resolved(self.0);
        if let Some((known, schema)) = properties(here).find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Some((known.clone(), Place(schema)));
        }
        // A map with keys of the user's own choosing, or a list.
        let inner = here.get("additionalProperties").filter(|it| it.is_object() || **it == Value::Bool(true));
        inner.or_else(|| here.get("items")).map(|inner| (name.to_owned(), Place(inner)))
    }

    /// The items below this place, where a list may stand.
    pub(super) fn item(self) -> Option<Place<'a>> {
        let here = resolved(self.0);
        let listed = || alternatives(here).find_map(|it| it.get("items"));
        here.get("items").or_else(listed).map(Place)
    }

    /// Whether a secret may stand here, or several.
    pub(super) fn is_secret(self) -> bool {
        let is_one = |it: &Value| it.pointer("/properties/encoding").is_some();
        alternatives(resolved(self.0)).any(|it| is_one(it) || alternatives(resolved(it)).any(is_one))
    }

    fn keys_below(self, section: &mut Vec<Step>, keys: &mut Vec<KnownKey>) {
        let here = resolved(self.0);
        let mut inside = |step: Step, schema: &'a Value, keys: &mut Vec<KnownKey>| {
            section.push(step);
            Place(schema).keys_below(section, keys);
            section.pop();
        };
        for (name, schema) in properties(here) {
            inside(Step::Key(name.clone()), schema, keys);
        }
        if let Some(schema) = here.get("additionalProperties").filter(|it| it.is_object()) {
            inside(Step::OwnName, schema, keys);
        }
        if let Some(schema) = here.get("items") {
            inside(Step::Item, schema, keys);
        }
        let own = properties(here).map(|(name, _)| KnownKey { section: section.clone(), name: name.clone() });
        keys.extend(own);
    }

    /// Whether the value is a list, whose keys are positions.
    pub(super) fn is_list(self) -> bool {
        resolved(self.0).get("items").is_some()
    }

    /// Whether the value is an object, with keys of ours or of the user's own choosing.
    pub(super) fn is_section(self) -> bool {
        let here = resolved(self.0);
        properties(here).next().is_some() || here.get("additionalProperties").is_some_and(Value::is_object)
    }

    /// Whether its keys are names of the user's own choosing.
    pub(super) fn has_own_names(self) -> bool {
        let here = resolved(self.0);
        properties(here).next().is_none()
            && here.get("additionalProperties").is_some_and(|it| it.is_object() || *it == Value::Bool(true))
    }

    /// What the key is for.
    pub(super) fn description(self) -> Option<&'a str> {
        let of = |schema: &'a Value| schema.get("description").and_then(Value::as_str);
        of(self.0).or_else(|| of(resolved(self.0)))
    }

    /// Whether text stands for itself here, and is not a number, a truth value or JSON.
    pub(super) fn takes_text(self) -> bool {
        let here = resolved(self.0);
        let of_type = |schema: &Value| match schema.get("type") {
            Some(Value::String(one)) => one == "string",
            Some(Value::Array(several)) => several.iter().any(|it| it == "string"),
            _ => false,
        };
        of_type(here) || alternatives(here).any(of_type)
    }
}

fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array).into_iter().flatten()
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// Follows `$ref`, also out of the "or null" that optional keys have.
fn resolved(schema: &Value) -> &Value {
    let reference = |schema: &Value| schema.get("$ref").and_then(Value::as_str).map(str::to_owned);
    let direct = reference(schema);
    let optional = || {
        let any_of = schema.get("anyOf")?.as_array()?;
        any_of.iter().find_map(reference)
    };
    match direct.or_else(optional) {
        Some(path) => SCHEMA.pointer(path.trim_start_matches('#')).unwrap_or(schema),
        None => schema,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_described() {
        let definitions = SCHEMA["$defs"].as_object().unwrap();
        for (section, schema) in definitions.iter().chain([(&"the file".to_owned(), &*SCHEMA)]) {
            for (name, schema) in properties(schema) {
                let described =
                    schema.get("description").and_then(Value::as_str).is_some_and(|it| !it.is_empty());
                assert!(described, "{name} of {section} has no description");
            }
        }
        let callback = KEYS.iter().filter(|key| key.name == "redirect_uri").map(|key| key.section.clone());
        let client = Step::Key("client".to_owned());
        let list = vec![client.clone(), Step::Key("clients".to_owned()), Step::Item];
        assert_eq!(callback.collect::<Vec<_>>(), [list, vec![client]]);
    }

    #[test]
    fn every_key_may_be_null() {
        let definitions = SCHEMA["$defs"].as_object().unwrap();
        for (section, schema) in definitions.iter().chain([(&"the file".to_owned(), &*SCHEMA)]) {
            for (name, schema) in properties(schema) {
                let may_be_null = schema["type"].as_array().is_some_and(|it| it.contains(&json!("null")))
                    || alternatives(schema).any(|it| it["type"] == "null")
                    || schema.get("type").is_none() && schema.get("anyOf").is_none();
                assert!(may_be_null, "{name} of {section}: {schema}");
            }
        }
    }

    #[test]
    fn a_path_is_followed_whatever_its_case() {
        let follow = |path: &[&str]| {
            path.iter().try_fold((Vec::new(), Place::root()), |(mut names, place), name| {
                let (name, place) = place.key(name)?;
                names.push(name);
                Some((names, place))
            })
        };
        let (names, place) = follow(&["SESSION", "SESSIONJITTERSECS"]).unwrap();
        assert_eq!(names, ["session", "sessionJitterSecs"]);
        assert!(!place.takes_text());
        let (names, place) = follow(&["CONNECTIONS", "main", "CONFIG", "CONNECTION", "PASSWORD"]).unwrap();
        assert_eq!(names, ["connections", "main", "config", "connection", "password"]);
        assert!(place.takes_text());
        assert!(follow(&["CLIENT", "EXTRA", "audience"]).is_some());
        assert!(follow(&["SERVER", "PROXY", "0", "UPSTREAM"]).unwrap().1.takes_text());
        assert!(follow(&["SESSION", "NONSENSE"]).is_none());
    }
}
