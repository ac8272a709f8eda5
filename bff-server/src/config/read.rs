//! From text to the file's shape: all unknown keys and all values of the wrong type, not just the first.

use serde_json::Value;

use super::{file::ConfigFile, problem::ConfigProblems};

/// The key of a problem that is nowhere in particular.
pub(super) const WHOLE_FILE: &str = "(the whole file)";

/// Reads JSON.
pub(super) fn parse_json(text: &str) -> Result<Value, ConfigProblems> {
    serde_json::from_str(text).map_err(|error| {
        let mut problems = ConfigProblems::default();
        problems.add(
            format!("line {}, column {}", error.line(), error.column()),
            "the file is not valid JSON here",
            "look for a missing comma, quote or bracket at or just before this place",
        );
        problems
    })
}

/// Reads the shape. Each value that does not fit is noted and taken out, and the rest is read again.
pub(super) fn shape(mut value: Value, problems: &mut ConfigProblems) -> ConfigFile {
    if !value.is_object() {
        problems.add(WHOLE_FILE, "it is not an object", "begin with { and end with }");
        return ConfigFile::default();
    }
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
                    let key = key.replace(".?", "");
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
                let shown = shown(&path);
                problems.add(shown, without_values(&error.to_string()), "give it a value of that form");
                if !remove(&mut value, &path) {
                    return ConfigFile::default();
                }
            }
        }
    }
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
            let changed = !item.is_object() || !item.as_object().is_some_and(serde_json::Map::is_empty);
            *item = Value::Object(serde_json::Map::new());
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

/// Every key of the file, by its last name.
const KNOWN: &[&str] = &[
    "client",
    "connections",
    "session",
    "server",
    "issuer",
    "issuerMetadataSegment",
    "idTokenSigningAlgorithms",
    "allowInsecureHttp",
    "clients",
    "clientId",
    "redirect_uri",
    "credentials",
    "scope",
    "extra",
    "default",
    "idTokenValidationIssuer",
    "postLogoutRedirectUri",
    "preferredTokenEndpointAuthMethod",
    "preferredTokenEndpointSigningAlgorithm",
    "secret",
    "privateKey",
    "kid",
    "type",
    "config",
    "path",
    "host",
    "port",
    "namespace",
    "connection",
    "tls",
    "db",
    "username",
    "password",
    "protocol",
    "ca",
    "mode",
    "signingKey",
    "encryptionKey",
    "encryptAccessToken",
    "authorizationFlowCache",
    "absoluteLifetimeSecs",
    "refreshTokenExpirationSecs",
    "refreshTokenRotation",
    "refreshTokenExpirationPayloadField",
    "sessionJitterSecs",
    "userClaims",
    "errorRedirects",
    "disableLogoutOnGet",
    "sessionIdHardening",
    "sameSite",
    "secure",
    "http_only",
    "domain",
    "partitioned",
    "expirationSecs",
    "connectionName",
    "apiPrefix",
    "ip",
    "internal",
    "allowedReturnOrigins",
    "static",
    "proxy",
    "root",
    "fallback",
    "contentSecurityPolicy",
    "prefix",
    "upstream",
    "timeoutSecs",
    "idleTimeoutSecs",
    "maxSessionsPerUser",
    "sentinel",
    "cluster",
    "nodes",
    "primary",
];

/// The known name that `key`'s last part most likely was meant to be.
fn similar(key: &str) -> Option<&'static str> {
    let bare = |name: &str| {
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    let wanted = bare(key.rsplit(['.', ']']).next()?);
    KNOWN
        .iter()
        .map(|known| (distance(&wanted, &bare(known)), *known))
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
    fn sec_140_a_secret_in_the_wrong_place_is_not_quoted() {
        let found =
            problems(json!({"client": {"credentials": "canary \" with quotes"}, "session": "canary"}));
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(!format!("{found:?}").contains("canary"), "{found:#?}");
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
