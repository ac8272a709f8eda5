//! Configurations and answers that the documentation shows are ones that the server reads and gives.

use authtool_bff::Config;
use authtool_contract::{Problem, SessionAnswer, TokenAnswer};
use serde_json::{Map, Value, json};

use crate::pages::{Block, blocks};

/// The sections of a configuration file.
const SECTIONS: [&str; 5] = ["$schema", "client", "connections", "session", "server"];

/// What a fragment is put into, so that it is a whole.
fn whole() -> Value {
    json!({
        "client": {
            "issuer": "https://login.example.com/realms/main",
            "clientId": "my-app",
            "redirect_uri": "https://app.example.com/bff/oauth/callback",
            "credentials": {"secret": "a secret of the provider's making"},
            "scope": "openid profile email",
        },
        "connections": {"sessions": {"type": "embedded", "config": {}}},
        "session": {
            "mode": {"type": "bff"},
            "signingKey": KEYS[0],
            "encryptionKey": KEYS[1],
            "authorizationFlowCache": {"connectionName": "sessions"},
        },
        "server": {"apiPrefix": "/bff"},
    })
}

const KEYS: [&str; 2] = ["0123456789abcdefghijklmnopqrstuv", "vutsrqponmlkjihgfedcba9876543210"];

/// A private key that stands for the reader's own.
const PRIVATE_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// One of the kind that Apple gives: P-256 (RFC 7517 appendix A.2).
const APPLES_KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}"#;

/// RFC 7396.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let into = into.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            into.remove(key);
        } else {
            merge(into.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Puts what only the reader has in the place of what refers to it: secrets, and the folder of the built app.
fn provide(value: &mut Value, key: &str) {
    let refers = value.get("type").is_some_and(|it| it == "env" || it == "file");
    match (value, key) {
        (value, "signingKey" | "encryptionKey") => {
            let own = usize::from(key == "encryptionKey");
            *value = match value {
                Value::Array(list) => {
                    (0..list.len()).map(|it| json!(format!("{it}{}", &KEYS[own][1..]))).collect()
                }
                _ => json!(KEYS[own]),
            };
        }
        (Value::Object(map), "credentials") if map.contains_key("teamId") => {
            map.remove("secret");
            map.insert("privateKey".to_owned(), json!(APPLES_KEY));
        }
        (value, "privateKey") => *value = json!(PRIVATE_KEY),
        (value, "ca") => *value = json!(pem("authority.pem")),
        (value, "cert") => *value = json!(pem("client.pem")),
        (value, "key") if refers => *value = json!(pem("client-key.pem")),
        (value, "url") if refers => *value = json!("redis://user:password@redis.internal"),
        (value, _) if refers => {
            *value = json!("a secret that only the reader has: 0123456789".replace([' ', ':'], "-"));
        }
        (value, "root") => *value = json!(env!("CARGO_MANIFEST_DIR")),
        (Value::Object(map), _) => map.iter_mut().for_each(|(key, value)| provide(value, key)),
        (Value::Array(list), key) => list.iter_mut().for_each(|value| provide(value, key)),
        _ => {}
    }
}

/// Any certificate, and any key: these are the test's own.
fn pem(name: &str) -> String {
    std::fs::read_to_string(crate::pages::repository().join("bff-server/tests/docs").join(name)).unwrap()
}

fn is_configuration(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|it| !it.is_empty() && it.keys().all(|key| SECTIONS.contains(&key.as_str())))
}

fn loads(block: &Block, fragment: &Value) {
    let mut config = whole();
    if fragment["client"].get("clients").is_some() {
        config["client"] = json!({});
    }
    merge(&mut config, fragment);
    if config["client"].get("clients").is_some() && fragment["client"].get("issuer").is_none() {
        let issuers =
            config["client"]["clients"].as_array().unwrap().iter().all(|it| it.get("issuer").is_some());
        if !issuers {
            config["client"]["issuer"] = whole()["client"]["issuer"].clone();
        }
    }
    for (key, value) in config.as_object_mut().unwrap() {
        provide(value, key);
    }
    let loaded = Config::from_json(&config.to_string());
    match loaded {
        Ok(config) => assert_eq!(config.warnings, Vec::<String>::new(), "{}", block.place),
        Err(problems) => panic!("{} is no good configuration:\n{problems}\n{config:#}", block.place),
    }
}

#[test]
fn every_configuration_in_the_documentation_loads() {
    let mut seen = 0;
    for block in blocks(&["json", "yaml", "toml"]) {
        if block.mark.is_some() {
            continue;
        }
        let value: Value = match block.language.as_str() {
            "json" => {
                serde_json::from_str(&block.code).unwrap_or_else(|error| panic!("{}: {error}", block.place))
            }
            "toml" => toml::from_str(&block.code).unwrap_or_else(|error| panic!("{}: {error}", block.place)),
            // Several documents, as Kubernetes has them, are each one.
            _ => {
                let parse = |text: &str| {
                    serde_saphyr::from_str::<Value>(text)
                        .unwrap_or_else(|error| panic!("{}: {error}", block.place))
                };
                let documents: Vec<_> = block.code.split("\n---\n").map(parse).collect();
                documents.into_iter().find(is_configuration).unwrap_or_default()
            }
        };
        if is_configuration(&value) {
            loads(&block, &value);
            seen += 1;
        } else {
            assert_ne!(
                block.language, "json",
                "{}: mark this block with what it is: <!-- test: … -->",
                block.place
            );
        }
    }
    assert!(seen > 15, "only {seen} configurations were found");
}

#[test]
fn every_answer_in_the_documentation_is_the_contracts() {
    for block in blocks(&["json"]) {
        let Some(mark) = &block.mark else { continue };
        let same = |value: Value| {
            let shown: Value = serde_json::from_str(&block.code).unwrap();
            assert_eq!(value, shown, "{}: nothing is lost", block.place);
        };
        let error = |error: serde_json::Error| -> Value { panic!("{}: {error}", block.place) };
        match mark.as_str() {
            "session" => {
                same(serde_json::from_str::<SessionAnswer>(&block.code).map_or_else(error, |it| json!(it)));
            }
            "token" => {
                same(serde_json::from_str::<TokenAnswer>(&block.code).map_or_else(error, |it| json!(it)));
            }
            "problem" => {
                same(serde_json::from_str::<Problem>(&block.code).map_or_else(error, |it| json!(it)));
            }
            "not ours" => drop(serde_json::from_str::<Value>(&block.code).map_err(error)),
            other => panic!("{}: nobody knows what {other:?} is", block.place),
        }
    }
}

#[test]
fn the_wasm_bindgen_that_is_installed_is_the_one_that_the_client_is_compiled_with() {
    let lock = std::fs::read_to_string(crate::pages::repository().join("Cargo.lock")).unwrap();
    let (_, rest) = lock.split_once("name = \"wasm-bindgen\"\nversion = \"").unwrap();
    let version = rest.split('"').next().unwrap();
    let mut seen = 0;
    for block in blocks(&["sh"]) {
        for line in block.code.lines().filter(|it| it.contains("install wasm-bindgen-cli")) {
            assert!(
                line.ends_with(&format!("--version {version}")),
                "{}: {line}, not {version}",
                block.place
            );
            seen += 1;
        }
    }
    assert!(seen > 0, "nobody says how to install it");
}
