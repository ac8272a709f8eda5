//! Secrets in the configuration: the text itself, or where to find it.
//!
//! ```json
//! "a plain string"
//! { "type": "env", "key": "CLIENT_SECRET" }
//! { "type": "file", "path": "/run/secrets/keys.json", "key": "signing", "encoding": "base64" }
//! ```

use std::{
    borrow::Cow,
    fmt,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{encoding, env_file};

/// Where a secret is.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SecretSource {
    place: Place,
    base64: bool,
}

#[derive(Clone, PartialEq, Eq)]
enum Place {
    Inline(Zeroizing<String>),
    Env(String),
    File { path: PathBuf, key: Option<String> },
}

/// One secret or a list: the first is current, the others still verify and open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SecretList(pub(super) Vec<SecretSource>);

/// Why a secret cannot be had. Names the place, never the content.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SecretError {
    #[error("the environment variable {0} is not set")]
    EnvMissing(String),
    #[error("the environment variable {0} is not valid UTF-8")]
    EnvNotText(String),
    #[error("the file {0} cannot be read ({1})")]
    FileUnreadable(String, std::io::ErrorKind),
    #[error("the file {0} has no entry {1:?}; it must be a JSON object or lines of KEY=value")]
    KeyMissing(String, String),
    #[error("the entry {1:?} of the file {0} is not text; put it in quotes")]
    EntryNotText(String, String),
    #[error("it is not valid base64")]
    NotBase64,
    #[error("it is empty")]
    Empty,
    #[error("it is not valid UTF-8")]
    NotText,
}

impl SecretSource {
    /// The secret's bytes. A file's trailing line break does not belong to the secret, nor does its byte order mark.
    /// What was ignored is noted in `remarks`.
    pub(super) fn resolve(&self, remarks: &mut Vec<String>) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let raw = match &self.place {
            Place::Inline(text) => Zeroizing::new(text.as_bytes().to_vec()),
            Place::Env(name) => from_environment(name, remarks)?,
            Place::File { path, key } => {
                let shown = path.display().to_string();
                let content = Zeroizing::new(
                    std::fs::read(path)
                        .map_err(|error| SecretError::FileUnreadable(looked_for(path), error.kind()))?,
                );
                let content = without_mark(content, key.is_some(), &shown, remarks);
                match key {
                    Some(key) => entry(&content, key, shown)?,
                    None => content,
                }
            }
        };
        let raw = trimmed(&raw);
        let secret = if self.base64 {
            // Wrapped base64, as `openssl base64` prints it, has line breaks.
            let text: Vec<u8> = raw.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            Zeroizing::new(STANDARD.decode(Zeroizing::new(text)).map_err(|_| SecretError::NotBase64)?)
        } else {
            Zeroizing::new(raw.to_vec())
        };
        if secret.is_empty() { Err(SecretError::Empty) } else { Ok(secret) }
    }

    /// The secret as text.
    pub(super) fn resolve_text(&self, remarks: &mut Vec<String>) -> Result<Zeroizing<String>, SecretError> {
        let bytes = self.resolve(remarks)?;
        std::str::from_utf8(&bytes)
            .map(|text| Zeroizing::new(text.to_owned()))
            .map_err(|_| SecretError::NotText)
    }
}

/// A path, with the folder in which a relative one was looked for: not always that of the configuration.
fn looked_for(path: &Path) -> String {
    let shown = path.display();
    match std::env::current_dir() {
        Ok(folder) if path.is_relative() => format!("{shown} in {}", folder.display()),
        _ => shown.to_string(),
    }
}

/// Has the relative path of a secret's file lead to the configuration's folder where the file is there, and not in the working
/// directory. Each time is noted in `remarks`.
pub(super) fn find_beside(value: &mut Value, folder: &Path, remarks: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| find_beside(item, folder, remarks)),
        Value::Object(members) => {
            let is_file = members.get("type").and_then(Value::as_str) == Some("file");
            if let (true, Some(Value::String(path))) = (is_file, members.get_mut("path"))
                && Path::new(path).is_relative()
                && !Path::new(path).exists()
                && let Some(beside) = folder.join(&*path).to_str().filter(|it| Path::new(it).exists())
            {
                remarks.push(format!(
                    "the file {path} is not in the working directory; the one beside the configuration was taken"
                ));
                beside.clone_into(path);
            }
            members.values_mut().for_each(|member| find_beside(member, folder, remarks));
        }
        _ => {}
    }
}

/// Docker's `--env-file` passes the quotes of `NAME="value"` on, where shells, systemd and Compose take them off.
fn from_environment(name: &str, remarks: &mut Vec<String>) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let value = match std::env::var(name) {
        Ok(value) => Zeroizing::new(value),
        Err(std::env::VarError::NotPresent) => return Err(SecretError::EnvMissing(name.to_owned())),
        Err(std::env::VarError::NotUnicode(_)) => return Err(SecretError::EnvNotText(name.to_owned())),
    };
    let bytes = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
    let line = std::str::from_utf8(trimmed(value.as_bytes())).unwrap_or_default();
    Ok(match env_file::without_quotes(line) {
        Some(inner) => {
            remarks.push(format!(
                "the value of the environment variable {name} stands in quotes, which were ignored: `docker run \
                 --env-file` passes them on; write it without"
            ));
            bytes(inner)
        }
        None => bytes(&value),
    })
}

/// A file's content without the byte order mark of text. The bytes of a key may be any, so where the file need not be text,
/// a mark only counts if what follows is: UTF-8, or in UTF-16, where more or less everything is, ASCII.
fn without_mark(
    content: Zeroizing<Vec<u8>>,
    is_text: bool,
    shown: &str,
    remarks: &mut Vec<String>,
) -> Zeroizing<Vec<u8>> {
    let Some(encoding::Decoded { text, mark: Some(mark) }) = encoding::decode(&content) else {
        return content;
    };
    if mark != "UTF-8" && !is_text && !text.is_ascii() {
        return content;
    }
    remarks.push(format!("the file {shown} begins with the byte order mark of {mark}, which was ignored"));
    Zeroizing::new(text.into_owned().into_bytes())
}

/// The members of the file that hold what nobody else should know. `clientId` may be a Secret, but is none.
const SECRETS: &[&str] = &[
    "secret",
    "privateKey",
    "signingKey",
    "encryptionKey",
    "password",
    "gatewayCredential",
    "operatorCredential",
];

/// Notes where a file holds secrets as text.
pub(super) fn inline(value: &Value, at: &str, found: &mut Vec<String>) {
    let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let is_text = match member {
                    Value::String(_) => true,
                    Value::Array(items) => items.iter().any(Value::is_string),
                    _ => false,
                };
                if is_text && (SECRETS.contains(&name.as_str()) || holds_a_secret(name, members)) {
                    found.push(below(name));
                } else {
                    inline(member, &below(name), found);
                }
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                inline(item, &format!("{at}[{i}]"), found);
            }
        }
        _ => {}
    }
}

/// Members that are secrets in some places only: the key of a certificate, and a URL with a password.
fn holds_a_secret(name: &str, among: &serde_json::Map<String, Value>) -> bool {
    match (name, among.get(name)) {
        ("key", _) => among.contains_key("cert"),
        ("url", Some(Value::String(url))) => {
            url.split_once("://").is_some_and(|(_, rest)| rest.contains('@') || rest.contains("pass"))
        }
        _ => false,
    }
}

fn trimmed(raw: &[u8]) -> &[u8] {
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    raw.strip_suffix(b"\r").unwrap_or(raw)
}

/// One entry of a file that holds several secrets.
fn entry(content: &[u8], key: &str, shown: String) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let missing = || SecretError::KeyMissing(shown.clone(), key.to_owned());
    if let Ok(Value::Object(object)) = serde_json::from_slice(content) {
        return match object.get(key).ok_or_else(missing)? {
            Value::String(text) => Ok(Zeroizing::new(text.as_bytes().to_vec())),
            // JSON has one way to write a whole number.
            Value::Number(number) if number.is_u64() => Ok(Zeroizing::new(number.to_string().into_bytes())),
            _ => Err(SecretError::EntryNotText(shown.clone(), key.to_owned())),
        };
    }
    let text = std::str::from_utf8(content).map_err(|_| missing())?;
    let value = env_file::value(text, key).ok_or_else(missing)?;
    Ok(Zeroizing::new(value.as_bytes().to_vec()))
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Inline(_) => f.write_str("Secret(…)"),
            Place::Env(name) => write!(f, "Secret(env {name})"),
            Place::File { path, .. } => write!(f, "Secret(file {})", path.display()),
        }
    }
}

impl JsonSchema for SecretSource {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let encoding = json!({
            "const": "base64",
            "description": "The value found is base64. Default: it is the secret itself.",
        });
        json_schema!({
            "description": "A secret: the text itself, or where to find it.",
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": {
                        "type": { "const": "env" },
                        "key": { "type": "string", "description": "The environment variable." },
                        "encoding": encoding,
                    },
                    "required": ["type", "key"],
                    "additionalProperties": false,
                },
                {
                    "type": "object",
                    "properties": {
                        "type": { "const": "file" },
                        "path": { "type": "string", "description": "The file; a final line break is ignored." },
                        "key": {
                            "type": "string",
                            "description": "The entry, where the file is a JSON object or an environment file: lines of KEY=value.",
                        },
                        "encoding": encoding,
                    },
                    "required": ["type", "path"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl JsonSchema for SecretList {
    fn schema_name() -> Cow<'static, str> {
        "Secrets".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let secret = generator.subschema_for::<SecretSource>();
        let text = json!({ "type": "string" });
        json_schema!({
            "description": "A secret, or a list of secrets: the first is current, the others are still accepted.",
            "anyOf": [text, secret, { "type": "array", "items": secret, "minItems": 1 }],
        })
    }
}

/// By hand, so that no error message quotes what stands there.
impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const SHAPE: &str =
            "a secret is a string, {\"type\": \"env\", \"key\": …} or {\"type\": \"file\", \"path\": …}";
        let object = match Value::deserialize(deserializer)? {
            Value::String(text) => {
                return Ok(Self { place: Place::Inline(Zeroizing::new(text)), base64: false });
            }
            Value::Object(object) => object,
            _ => return Err(D::Error::custom(SHAPE)),
        };
        let text = |name: &str| match object.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(_) => {
                Err(D::Error::custom(format!("`{name}` of a secret must be a non-empty string, in quotes")))
            }
        };
        let (known, place) = match text("type")?.as_deref() {
            Some("env") => {
                let key = text("key")?.ok_or_else(|| D::Error::custom("a secret of type env needs `key`"))?;
                (&["type", "key", "encoding"][..], Place::Env(key))
            }
            Some("file") => {
                let path =
                    text("path")?.ok_or_else(|| D::Error::custom("a secret of type file needs `path`"))?;
                (
                    &["type", "path", "key", "encoding"][..],
                    Place::File { path: path.into(), key: text("key")? },
                )
            }
            _ => return Err(D::Error::custom(SHAPE)),
        };
        if object.keys().any(|name| !known.contains(&name.as_str())) {
            return Err(D::Error::custom(format!(
                "a secret of this type has only the members {}",
                known.join(", ")
            )));
        }
        let base64 = match text("encoding")?.as_deref() {
            None => false,
            Some("base64") => true,
            Some(_) => return Err(D::Error::custom("`encoding` of a secret can only be \"base64\"")),
        };
        Ok(Self { place, base64 })
    }
}

impl<'de> Deserialize<'de> for SecretList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Array(list) if list.is_empty() => {
                Err(D::Error::custom("a list of secrets cannot be empty"))
            }
            Value::Array(list) => list
                .into_iter()
                .map(|item| SecretSource::deserialize(item).map_err(D::Error::custom))
                .collect::<Result<_, _>>()
                .map(Self),
            one => SecretSource::deserialize(one).map(|it| Self(vec![it])).map_err(D::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(value: Value) -> Result<Vec<u8>, SecretError> {
        noting(value, &mut Vec::new())
    }

    fn noting(value: Value, remarks: &mut Vec<String>) -> Result<Vec<u8>, SecretError> {
        serde_json::from_value::<SecretSource>(value).unwrap().resolve(remarks).map(|it| it.to_vec())
    }

    #[test]
    fn a_secret_comes_from_the_text_the_environment_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        };
        assert_eq!(resolve(json!("plain")).unwrap(), b"plain");
        assert!(resolve(json!({"type": "env", "key": "PATH"})).is_ok());
        assert_eq!(
            resolve(json!({"type": "env", "key": "AUTHTOOL_SURELY_UNSET"})),
            Err(SecretError::EnvMissing("AUTHTOOL_SURELY_UNSET".into()))
        );
        let with_newline = write("a", "from a file\n");
        assert_eq!(resolve(json!({"type": "file", "path": with_newline})).unwrap(), b"from a file");
        let object = write("b.json", r#"{"one": "first"}"#);
        assert_eq!(resolve(json!({"type": "file", "path": object, "key": "one"})).unwrap(), b"first");
        let lines = write("c.env", "ONE=first\nTWO = second\n");
        assert_eq!(resolve(json!({"type": "file", "path": lines, "key": "TWO"})).unwrap(), b"second");
        assert!(matches!(
            resolve(json!({"type": "file", "path": lines, "key": "NO"})),
            Err(SecretError::KeyMissing(..))
        ));
        let encoded = write("d", "Zmly\nc3Q=\n");
        assert_eq!(
            resolve(json!({"type": "file", "path": encoded, "encoding": "base64"})).unwrap(),
            b"first"
        );
        assert_eq!(resolve(json!("")), Err(SecretError::Empty));
    }

    #[test]
    fn a_secret_is_read_from_files_as_editors_and_shells_write_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let utf16 = |text: &str| -> Vec<u8> {
            format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
        };
        let binary: Vec<u8> = b"\xff\xfe".iter().copied().chain(0x80..0x9e).collect();
        for (content, key, expected, remarked) in [
            (b"\xef\xbb\xbfs3cret\r\n".to_vec(), None, &b"s3cret"[..], true),
            (utf16("s3cret\r\n"), None, b"s3cret", true),
            (b"\xef\xbb\xbfCLIENT_SECRET=\"s3cret\"\r\n".to_vec(), Some("CLIENT_SECRET"), b"s3cret", true),
            (utf16("CLIENT_SECRET='\u{e9}'\r\n"), Some("CLIENT_SECRET"), "\u{e9}".as_bytes(), true),
            (b"\xef\xbb\xbf{\"id\": \"s3cret\"}".to_vec(), Some("id"), b"s3cret", true),
            (b"export CLIENT_SECRET=\"s3cret\" # here".to_vec(), Some("CLIENT_SECRET"), b"s3cret", false),
            (br#"{"id": 123456789012345678}"#.to_vec(), Some("id"), b"123456789012345678", false),
            // Keys that are bytes are left alone.
            (binary.clone(), None, &binary, false),
            (b"\xef\xbb\xbf\xff\xff".to_vec(), None, b"\xef\xbb\xbf\xff\xff", false),
            (b"\"s3cret\"".to_vec(), None, b"\"s3cret\"", false),
        ] {
            std::fs::write(&path, &content).unwrap();
            let mut source = json!({"type": "file", "path": path});
            if let Some(key) = key {
                source["key"] = key.into();
            }
            let mut remarks = Vec::new();
            let found = noting(source, &mut remarks).unwrap_or_else(|error| panic!("{content:?}: {error}"));
            assert_eq!(found, expected, "{content:?}");
            assert_eq!(!remarks.is_empty(), remarked, "{content:?}: {remarks:?}");
            assert!(!format!("{remarks:?}").contains("s3cret"), "{remarks:?}");
        }
        for value in ["1.5", "12345678901234567890123", "true", "null", "[]", "{}"] {
            std::fs::write(&path, format!("{{\"id\": {value}}}")).unwrap();
            let outcome = resolve(json!({"type": "file", "path": path, "key": "id"}));
            assert!(matches!(outcome, Err(SecretError::EntryNotText(..))), "{value}: {outcome:?}");
        }
    }

    #[test]
    fn secrets_that_stand_in_the_file_itself_are_found_by_their_keys() {
        let elsewhere = json!({"type": "file", "path": "/run/secrets/x"});
        let mut found = Vec::new();
        let file = json!({
            "client": {"clients": [{"credentials": {"secret": "s"}}, {"credentials": {"privateKey": elsewhere}}]},
            "connections": {
                "one": {"config": {"url": "redis://:s@redis", "tls": {"cert": "c", "key": "s"}}},
                "two": {"config": {"url": "redis://redis", "tls": {"cert": "c", "key": elsewhere}}},
            },
            "session": {"signingKey": ["a", elsewhere], "encryptionKey": elsewhere},
        });
        inline(&file, "", &mut found);
        let (secret, one) = ("client.clients[0].credentials.secret", "connections.one.config");
        let (url, key) = (format!("{one}.url"), format!("{one}.tls.key"));
        assert_eq!(found, [secret, &key, &url, "session.signingKey"]);
    }

    #[test]
    fn sec_140_no_error_about_a_secret_quotes_it() {
        for bad in [
            json!(1_234_567),
            json!(["canary"]),
            json!({"value": "canary"}),
            json!({"type": "env", "value": "canary"}),
            json!({"type": "env", "key": "X", "canary": 1}),
            json!({"type": "file", "path": "x", "encoding": "canary"}),
        ] {
            let error = serde_json::from_value::<SecretSource>(bad.clone()).unwrap_err().to_string();
            assert!(!error.contains("canary") && !error.contains("1234567"), "{bad}: {error}");
            assert!(error.contains("secret"), "{bad}: {error}");
        }
        let source: SecretSource = serde_json::from_value(json!("canary")).unwrap();
        assert!(!format!("{source:?}").contains("canary"));
    }
}
