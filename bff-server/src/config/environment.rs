//! Overrides from the environment: `AUTHTOOL__SESSION__SESSIONJITTERSECS=10` sets `session.sessionJitterSecs`.
//!
//! Two underscores separate the names of a path; case does not matter, except in names of the user's own
//! (connections, `extra`). Positions in lists are numbers. Values are text where the key takes text, and JSON
//! otherwise.

use serde_json::{Map, Value};

use super::{
    env_file,
    problem::ConfigProblems,
    read::{Segment, meant_path},
    schema::Place,
};

const PREFIX: &str = "AUTHTOOL__";

/// A key that a variable set.
pub(super) struct Override {
    /// Such as `session.sessionJitterSecs` or `server.proxy[0].upstream`.
    key: String,
    variable: String,
    /// Its value stood in quotes, as Docker's `--env-file` passes them on.
    was_quoted: bool,
}

/// Applies the variables, in the order of their names.
pub(super) fn apply(
    file: &mut Value,
    variables: impl IntoIterator<Item = (String, String)>,
    problems: &mut ConfigProblems,
) -> Vec<Override> {
    let mut variables: Vec<_> = variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    variables.sort();
    let mut overrides = Vec::new();
    for (variable, text) in variables {
        // On a copy: a variable that fails halfway leaves nothing behind.
        let mut changed = file.clone();
        let unquoted = env_file::without_quotes(&text);
        match set(&mut changed, &variable, unquoted.unwrap_or(&text)) {
            Ok(key) => {
                *file = changed;
                overrides.push(Override { key, variable, was_quoted: unquoted.is_some() });
            }
            Err((problem, fix)) => problems.add(format!("environment variable {variable}"), problem, fix),
        }
    }
    overrides
}

/// What somebody should know about the variables.
pub(super) fn remarks(overrides: &[Override]) -> impl Iterator<Item = String> {
    overrides.iter().filter(|it| it.was_quoted).map(|it| {
        format!("the value of the environment variable {} stands in quotes, which were ignored", it.variable)
    })
}

/// Says of each problem which variable set the value, or what it is in, where one did.
pub(super) fn attribute(problems: &mut ConfigProblems, overrides: &[Override]) {
    for problem in &mut problems.0 {
        let covers = |it: &&Override| {
            let rest = problem.key.strip_prefix(&it.key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if let Some(source) = overrides.iter().filter(covers).max_by_key(|it| it.key.len()) {
            problem.key = format!("{} (set by the environment variable {})", problem.key, source.variable);
        }
    }
}

/// Sets one key, and says which.
fn set(file: &mut Value, name: &str, text: &str) -> Result<String, (String, String)> {
    let mut place = Place::root();
    let mut target = file;
    let mut path = String::new();
    let mut before = Vec::new();
    let segments = || name.trim_start_matches(PREFIX).split("__");
    for (depth, segment) in segments().enumerate() {
        let here = before.clone();
        let no_such = |what: &str| {
            let after: Vec<_> = segments().skip(depth + 1).collect();
            (format!("there is no key {what:?} here"), hint(&here, what, &after))
        };
        let (key, inner) = place.key(segment).ok_or_else(|| no_such(segment))?;
        if place.is_list() {
            let position: usize = segment.parse().map_err(|_| {
                (format!("{segment:?} is not a position in a list"), "count from 0".to_owned())
            })?;
            if !target.is_array() {
                *target = Value::Array(Vec::new());
            }
            let list = target.as_array_mut().ok_or_else(|| no_such(segment))?;
            if position > list.len() {
                let fix = format!("the list has {} items so far; set the next one", list.len());
                return Err((format!("position {position} would leave a gap"), fix));
            }
            if position == list.len() {
                list.push(Value::Null);
            }
            path = format!("{path}[{position}]");
            before.push(Segment::Index(position));
            target = list.get_mut(position).ok_or_else(|| no_such(segment))?;
        } else {
            if !target.is_object() {
                *target = Value::Object(Map::new());
            }
            path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let members = target.as_object_mut().ok_or_else(|| no_such(segment))?;
            before.push(Segment::Key(key.clone()));
            target = members.entry(key).or_insert(Value::Null);
        }
        place = inner;
    }
    // A secret may also be given as JSON: {"type": "file", …}.
    let json = || serde_json::from_str::<Value>(text).ok();
    *target = match json().filter(|value| !place.takes_text() || value.is_object() || value.is_array()) {
        Some(value) => value,
        None => Value::String(text.to_owned()),
    };
    Ok(path)
}

/// The variable that one which names no key most likely was meant to be.
fn hint(before: &[Segment], unknown: &str, after: &[&str]) -> String {
    let path: Vec<_> = before.iter().cloned().chain([Segment::Key(unknown.to_owned())]).collect();
    let Some(meant) = meant_path(&path) else {
        return "see `authtool-bff schema` for all keys; two underscores stand for a dot".to_owned();
    };
    let mut variable = PREFIX.trim_end_matches('_').to_owned();
    for (at, segment) in meant.iter().enumerate() {
        let part = match segment {
            Segment::Index(index) => index.to_string(),
            // A name of the user's own keeps its case.
            Segment::Key(name) if is_own_name(&meant, at) => name.clone(),
            Segment::Key(name) => name.to_ascii_uppercase(),
        };
        variable.push_str("__");
        variable.push_str(&part);
    }
    for part in after {
        variable.push_str("__");
        variable.push_str(part);
    }
    format!("did you mean {variable}?")
}

/// Whether a part of a path is a name that the user chose.
fn is_own_name(path: &[Segment], at: usize) -> bool {
    let parent = path.iter().take(at).try_fold(Place::root(), |place, segment| match segment {
        Segment::Key(key) => place.key(key).map(|(_, inner)| inner),
        Segment::Index(_) => place.item(),
    });
    parent.is_some_and(Place::has_own_names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn applied(mut file: Value, variables: &[(&str, &str)]) -> (Value, ConfigProblems) {
        let mut problems = ConfigProblems::default();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        apply(&mut file, variables, &mut problems);
        (file, problems)
    }

    #[test]
    fn a_variable_sets_a_key_whatever_is_there() {
        let (file, problems) = applied(
            json!({"session": {"sessionJitterSecs": 7}, "server": {"proxy": [{"prefix": "/api"}]}}),
            &[
                ("AUTHTOOL__SESSION__SESSIONJITTERSECS", "10"),
                ("AUTHTOOL__SESSION__MODE__TYPE", "bff"),
                ("AUTHTOOL__CLIENT__CREDENTIALS__SECRET", "12345"),
                ("AUTHTOOL__SESSION__SIGNINGKEY", r#"{"type": "file", "path": "/k"}"#),
                ("AUTHTOOL__SESSION__USERCLAIMS", r#"["name"]"#),
                ("AUTHTOOL__SERVER__PROXY__0__UPSTREAM", "http://127.0.0.1:1"),
                ("AUTHTOOL__SERVER__PROXY__1__PREFIX", "/more"),
                ("AUTHTOOL__CONNECTIONS__main__TYPE", "redis"),
                ("AUTHTOOL_CONFIG", "not an override"),
                ("PATH", "neither"),
            ],
        );
        assert_eq!(problems.0, []);
        assert_eq!(
            file,
            json!({
                "session": {
                    "sessionJitterSecs": 10, "mode": {"type": "bff"}, "userClaims": ["name"],
                    "signingKey": {"type": "file", "path": "/k"},
                },
                "client": {"credentials": {"secret": "12345"}},
                "server": {"proxy": [{"prefix": "/api", "upstream": "http://127.0.0.1:1"}, {"prefix": "/more"}]},
                "connections": {"main": {"type": "redis"}},
            })
        );
    }

    #[test]
    fn a_variable_for_a_key_in_the_wrong_section_is_told_its_name() {
        for (variable, meant) in [
            ("AUTHTOOL__SCOPE", "AUTHTOOL__CLIENT__SCOPE"),
            ("AUTHTOOL__MODE__TYPE", "AUTHTOOL__SESSION__MODE__TYPE"),
            ("AUTHTOOL__SESION__SIGNINGKEY", "AUTHTOOL__SESSION__SIGNINGKEY"),
            ("AUTHTOOL__CONNECTIONS__main__HOST", "AUTHTOOL__CONNECTIONS__main__CONFIG__HOST"),
            ("AUTHTOOL__SERVER__PROXY__0__PREFIXX", "AUTHTOOL__SERVER__PROXY__0__PREFIX"),
        ] {
            let (_, problems) = applied(json!({}), &[(variable, "x")]);
            assert_eq!(problems.0.len(), 1, "{variable}");
            assert_eq!(problems.0[0].fix, format!("did you mean {meant}?"), "{variable}");
        }
    }

    #[test]
    fn quotes_around_a_whole_value_are_not_part_of_it() {
        let mut file = json!({});
        let variables = [
            ("AUTHTOOL__CLIENT__ISSUER", "\"https://op.example\""),
            ("AUTHTOOL__CLIENT__CLIENTID", "'app'"),
            ("AUTHTOOL__SERVER__PORT", "\"3000\""),
            ("AUTHTOOL__SESSION__SIGNINGKEY", r#"'{"type": "file", "path": "/k"}'"#),
            ("AUTHTOOL__SESSION__USERCLAIMS", r#"["name"]"#),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let overrides = apply(&mut file, variables, &mut ConfigProblems::default());
        assert_eq!(
            file,
            json!({
                "client": {"issuer": "https://op.example", "clientId": "app"},
                "server": {"port": 3000},
                "session": {"signingKey": {"type": "file", "path": "/k"}, "userClaims": ["name"]},
            })
        );
        assert_eq!(remarks(&overrides).count(), 4);
    }

    #[test]
    fn a_variable_that_names_no_key_is_a_problem_and_its_value_is_not_shown() {
        let (file, problems) = applied(
            json!({}),
            &[
                ("AUTHTOOL__SESION__SIGNINGKEY", "canary"),
                ("AUTHTOOL__SERVER__PROXY__x__PREFIX", "canary"),
                ("AUTHTOOL__SERVER__PROXY__5__PREFIX", "canary"),
            ],
        );
        assert_eq!(problems.0.len(), 3, "{problems}");
        assert!(!problems.to_string().contains("canary"), "{problems}");
        assert!(
            problems.0.iter().all(|it| it.key.starts_with("environment variable AUTHTOOL__")),
            "{problems}"
        );
        assert_eq!(file, json!({}), "a variable that fails leaves nothing behind");
    }
}
