//! The JSON Schema of the configuration file, generated from its types, and what else follows from it: the
//! names of all keys.

use std::sync::LazyLock;

use serde_json::Value;

use super::file::ConfigFile;

/// The schema (JSON Schema 2020-12).
pub(super) static SCHEMA: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(ConfigFile).to_value());

/// Every key of the file, by its last name.
pub(super) static KEY_NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let definitions = SCHEMA.get("$defs").and_then(Value::as_object);
    let sections = definitions.into_iter().flat_map(|it| it.values()).chain(std::iter::once(&*SCHEMA));
    let mut names: Vec<String> = sections.flat_map(properties).map(|(name, _)| name.clone()).collect();
    names.sort();
    names.dedup();
    names
});

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

    /// Whether the value is a list, whose keys are positions.
    pub(super) fn is_list(self) -> bool {
        resolved(self.0).get("items").is_some()
    }

    /// Whether the value is an object, with keys of ours or of the user's own choosing.
    pub(super) fn is_section(self) -> bool {
        let here = resolved(self.0);
        properties(here).next().is_some() || here.get("additionalProperties").is_some_and(Value::is_object)
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
        let any_of = here.get("anyOf").or_else(|| here.get("oneOf")).and_then(Value::as_array);
        of_type(here) || any_of.is_some_and(|list| list.iter().any(of_type))
    }
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
        assert!(KEY_NAMES.iter().any(|name| name == "redirect_uri"));
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
