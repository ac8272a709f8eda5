//! The configuration as operators write it: in three formats, overridden by the environment, and checked.

use authtool_contract::header::{CSRF, CSRF_VALUE};
use authtool_tests::hostile::{CLIENT_ID, CLIENT_SECRET, HostileOp};
use authtool_tests::{Server, ServerConfig, Stage};
use serde_json::{Value, json};
use std::process::Output;

/// The configuration of the tests in YAML, as somebody types it.
fn yaml(config: &ServerConfig) -> String {
    let text = |pointer: &str| config.get(pointer).as_str().unwrap().to_owned();
    format!(
        "# A comment, which JSON has not.
client:
  issuer: {issuer}
  clientId: {CLIENT_ID}
  redirect_uri: {redirect_uri}
  postLogoutRedirectUri: '{logout}'
  credentials:
    secret: \"{CLIENT_SECRET}\"
  scope: >-
    openid profile
    email offline_access
connections:
  sessions: {{type: embedded}}
session:
  mode:
    type: bff
    sessionIdHardening: host
  signingKey: {signing}
  encryptionKey: {encryption}
  authorizationFlowCache:
    connectionName: sessions
  userClaims:
    - email
    - name
server:
  apiPrefix: /bff
  ip: 127.0.0.1
  port: {port}
  internal:
    ip: 127.0.0.1
    port: {internal}
  static:
    root: {root}
",
        issuer = text("/client/issuer"),
        redirect_uri = text("/client/redirect_uri"),
        logout = text("/client/postLogoutRedirectUri"),
        signing = text("/session/signingKey"),
        encryption = text("/session/encryptionKey"),
        port = config.get("/server/port"),
        internal = config.get("/server/internal/port"),
        root = text("/server/static/root"),
    )
}

/// The same in TOML.
fn toml(config: &ServerConfig) -> String {
    let text = |pointer: &str| config.get(pointer).as_str().unwrap().to_owned();
    format!(
        "# A comment, which JSON has not.
[client]
issuer = \"{issuer}\"
clientId = '{CLIENT_ID}'
redirect_uri = \"{redirect_uri}\"
postLogoutRedirectUri = \"{logout}\"
credentials.secret = \"{CLIENT_SECRET}\"
scope = \"openid profile email offline_access\"

[connections.sessions]
type = \"embedded\"

[session]
mode = {{ type = \"bff\", sessionIdHardening = \"host\" }}
signingKey = \"{signing}\"
encryptionKey = \"{encryption}\"
userClaims = [
  \"email\",
  \"name\",
]
[session.authorizationFlowCache]
connectionName = \"sessions\"

[server]
apiPrefix = \"/bff\"
ip = \"127.0.0.1\"
port = {port}
static.root = \"{root}\"
[server.internal]
ip = \"127.0.0.1\"
port = {internal}
",
        issuer = text("/client/issuer"),
        redirect_uri = text("/client/redirect_uri"),
        logout = text("/client/postLogoutRedirectUri"),
        signing = text("/session/signingKey"),
        encryption = text("/session/encryptionKey"),
        port = config.get("/server/port"),
        internal = config.get("/server/internal/port"),
        root = text("/server/static/root"),
    )
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn all(output: &Output) -> String {
    format!("{}{}", out(output), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn a_user_logs_in_whether_the_configuration_is_json_yaml_or_toml() {
    for name in ["authtool.yaml", "authtool.yml", "authtool.toml"] {
        let op = HostileOp::start().await;
        let mut config = ServerConfig::new(op.issuer());
        let expected = out(&config.run(&["check"])).replace("authtool.json", name);
        assert!(expected.contains("is a good configuration"), "{expected}");
        let text = if name.ends_with("toml") { toml(&config) } else { yaml(&config) };
        config.handwritten(name, &text);
        assert_eq!(out(&config.run(&["check"])), expected, "{text}");
        let stage = Stage { server: Server::start(config).await, op };
        let browser = stage.logged_in().await;
        let answer = stage.session(&browser).await;
        assert_eq!(answer.json()["name"], "Ada Lovelace", "{name}: {answer:?}");
        assert_eq!(browser.open(stage.app()).go().await.status(), 200, "{name}");
    }
}

#[test]
fn a_file_of_another_kind_is_refused_by_its_name() {
    let mut config = ServerConfig::new("http://127.0.0.1:9");
    let text = config.text();
    config.handwritten("authtool.ini", &text);
    let output = config.run(&["check"]);
    assert!(!output.status.success(), "{output:?}");
    for word in ["authtool.ini", ".json", ".yaml", ".toml"] {
        assert!(all(&output).contains(word), "{word}: {}", all(&output));
    }
}

#[tokio::test]
async fn a_variable_of_the_environment_overrides_the_file() {
    let op = HostileOp::start().await;
    let mut config = ServerConfig::new(op.issuer());
    config.remove("/client/credentials");
    config
        .set("/session/mode/type", json!("tokenExchange"))
        .environment("AUTHTOOL__SESSION__USERCLAIMS", "[\"groups\"]")
        .environment("AUTHTOOL__SESSION__MODE__TYPE", "bff")
        .environment("AUTHTOOL__CLIENT__CREDENTIALS__SECRET", CLIENT_SECRET);
    let stage = Stage { server: Server::start(config).await, op };
    let browser = stage.logged_in().await;
    let shown = stage.session(&browser).await.json();
    assert_eq!((&shown["groups"], &shown["email"]), (&json!(["analysts"]), &Value::Null), "{shown}");
    let answer = browser.fetch(stage.app(), stage.bff("/token")).header(CSRF, CSRF_VALUE).go().await;
    assert_eq!(answer.status, 403, "in bff mode no browser gets a token: {answer:?}");
}

#[test]
fn a_wrong_value_in_the_environment_is_one_problem_under_the_variables_name() {
    let mut unclear = Vec::new();
    for (name, value) in [
        ("AUTHTOOL__SESSION__SESSIONJITTERSECS", "abc"),
        ("AUTHTOOL__SESSION__SESSIONJITTERSEC", "10"),
        ("AUTHTOOL__SESION__SESSIONJITTERSECS", "10"),
        ("AUTHTOOL__SERVER__PORT", "99999"),
        ("AUTHTOOL__SESSION__MODE__TYPE", "bbf"),
        ("AUTHTOOL__SERVER__PROXY__first__PREFIX", "/api"),
    ] {
        let mut config = ServerConfig::new("http://127.0.0.1:9");
        config.environment(name, value);
        let refusal = Server::refuses(&config);
        assert_ne!(refusal.code, Some(0), "{name}={value}: {refusal:?}");
        let output = refusal.output;
        if !output.contains(name) || !output.contains("the configuration has 1 problem:") {
            unclear.push(format!("{name}={value}\n{output}"));
        }
    }
    assert!(unclear.is_empty(), "{}", unclear.join("\n"));
}

#[test]
fn sec_140_a_secret_in_the_environment_is_not_shown_when_it_is_in_the_wrong_place() {
    for (name, value) in [
        ("AUTHTOOL__SESSION__SESSIONJITTERSECS", "canary-secret"),
        ("AUTHTOOL__SESSION__SIGNINGKEY", "canary-secret"),
        ("AUTHTOOL__SESION__SIGNINGKEY", "canary-secret"),
        ("AUTHTOOL__CLIENT__CREDENTIALS", "canary-secret"),
    ] {
        let mut config = ServerConfig::new("http://127.0.0.1:9");
        config.environment(name, value);
        let refusal = Server::refuses(&config);
        assert_ne!(refusal.code, Some(0), "{name}: {refusal:?}");
        assert!(!refusal.output.contains("canary-secret"), "{name}: {}", refusal.output);
    }
}

#[test]
fn check_lists_every_mistake_at_once_with_its_key() {
    let mut config = ServerConfig::new("ftp://op.example");
    config
        .set("/client/scpoe", json!("openid"))
        .set("/session/mode/sessionIdHardening", json!("very"))
        .set("/session/sessionJitterSecs", json!("soon"))
        .set("/session/signingKey", json!("short"));
    let output = config.run(&["check"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = all(&output);
    assert!(text.contains("the configuration has 5 problems:"), "{text}");
    for key in [
        "client.issuer",
        "client.scpoe",
        "session.mode.sessionIdHardening",
        "session.sessionJitterSecs",
        "session.signingKey",
    ] {
        let lines = text.lines().filter(|line| line.trim() == key).count();
        assert_eq!(lines, 1, "{key} in {text}");
    }
    assert_eq!(text.matches("problem: ").count(), 5, "{text}");
    assert_eq!(text.matches("fix: ").count(), 5, "{text}");
    assert!(text.contains("did you mean `scope`?"), "{text}");
}

/// Whether the schema knows every key of a value: what an editor tells whoever types it.
fn unknown_keys(schema: &Value, place: &Value, value: &Value, at: &str) -> Vec<String> {
    let place = match place.get("$ref").and_then(Value::as_str) {
        Some(reference) => schema.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null),
        None => place,
    };
    for choice in ["anyOf", "oneOf"] {
        if let Some(choices) = place.get(choice).and_then(Value::as_array) {
            let unknown = choices.iter().map(|choice| unknown_keys(schema, choice, value, at));
            return unknown.min_by_key(Vec::len).unwrap_or_default();
        }
    }
    let Value::Object(members) = value else { return Vec::new() };
    let mut unknown = Vec::new();
    for (name, value) in members {
        let at = format!("{at}/{name}");
        match place["properties"].get(name).or_else(|| place.get("additionalProperties")) {
            Some(inner @ Value::Object(_)) => unknown.extend(unknown_keys(schema, inner, value, &at)),
            _ => unknown.push(at),
        }
    }
    unknown
}

#[test]
fn the_schema_is_json_and_knows_the_configuration() {
    let mut config = ServerConfig::new("http://127.0.0.1:9");
    let output = config.run(&["schema"]);
    assert!(output.status.success(), "{output:?}");
    let schema: Value = serde_json::from_str(&out(&output)).expect("the schema is JSON");
    assert!(schema["$schema"].as_str().is_some_and(|it| it.contains("json-schema.org")), "{schema:#}");
    let known = |config: &ServerConfig| {
        let value: Value = serde_json::from_str(&config.text()).unwrap();
        unknown_keys(&schema, &schema, &value, "")
    };
    assert_eq!(known(&config), Vec::<String>::new());
    config.set("/client/scpoe", json!("openid")).set("/server/internal/prot", json!(1));
    assert_eq!(known(&config), ["/client/scpoe", "/server/internal/prot"]);
}
