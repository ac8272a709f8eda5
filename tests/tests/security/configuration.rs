//! The configuration as operators write it: in three formats, overridden by the environment, and checked.

use authtool_contract::header::{CSRF, CSRF_VALUE};
use authtool_tests::hostile::{CLIENT_ID, CLIENT_SECRET, Endpoint, HostileOp, Lie};
use authtool_tests::redis::RedisServer;
use authtool_tests::{Server, ServerConfig, Stage, random_key};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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

/// A key as `openssl genrsa` makes it.
fn rsa_key() -> String {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()))
}

#[tokio::test]
async fn the_example_that_the_original_documents_logs_in() {
    let (op, redis) = (HostileOp::start().await, RedisServer::start().await);
    let issuer = format!("{}/realms/platform-demo", op.issuer());
    op.lies(Lie::about(Endpoint::Discovery).member("issuer", json!(issuer)));
    op.lies(Lie::about(Endpoint::CodeExchange).claim("iss", json!(issuer)));
    let renamed = issuer.clone();
    op.lies(Lie::about(Endpoint::Authorization).parameters(move |it| {
        it.retain(|(name, _)| name != "iss");
        it.push(("iss".to_owned(), renamed.clone()));
    }));
    let mut config = ServerConfig::new("");
    let key_file = |name: &str, content: String| config.file(name, content).to_str().unwrap().to_owned();
    // Nothing is changed but hosts and key files; ports are this machine's.
    let text = include_str!("../../configs/original/documented-example.json")
        .replace("https://keycloak.example.com", op.issuer())
        .replace("https://catalog.example.com", &config.app())
        .replace(
            "\"host\": \"authorization-cache\"",
            &format!("\"host\": \"127.0.0.1\", \"port\": {}", redis.port),
        )
        .replace("key.pem", &key_file("key.pem", rsa_key()))
        .replace("cookie-secret.key", &key_file("cookie-secret.key", random_key()))
        .replace("redis-token-enc.key", &key_file("redis-token-enc.key", random_key()));
    let ports = [
        ("AUTHTOOL__SERVER__PORT", config.public_port()),
        ("AUTHTOOL__SERVER__INTERNAL__PORT", config.internal_port()),
    ];
    for (name, port) in ports {
        config.environment(name, &port.to_string());
    }
    config.handwritten("authtool-bff.json", &text);
    let checked = config.run(&["check"]);
    assert!(checked.status.success(), "{}", all(&checked));
    let segment = "/realms/platform-demo/.well-known/openid-configuration";
    assert!(out(&checked).contains(&format!("metadata   {}{segment}\n", op.issuer())), "{}", all(&checked));
    let stage = Stage { server: Server::start(config).await, op };
    let browser = stage.logged_in().await;
    assert_eq!(stage.session(&browser).await.status, 200);
    assert_eq!(stage.token(&browser).await.status, 200);
}

/// UTF-16 with its mark, as `PowerShell` writes it.
fn utf16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[tokio::test]
async fn a_user_logs_in_though_editors_and_shells_have_left_their_marks() {
    type Write = fn(&str) -> Vec<u8>;
    let marked = |text: &str| format!("\u{feff}{text}").into_bytes();
    let as_it_is = |text: &str| text.as_bytes().to_vec();
    let writes: [(&str, Write); 3] = [("as it is", as_it_is), ("marked", marked), ("UTF-16", utf16)];
    for (how, write) in writes {
        let op = HostileOp::start().await;
        let mut config = ServerConfig::new(op.issuer());
        let env = format!("# secrets\r\nexport CLIENT_SECRET=\"{CLIENT_SECRET}\" # of the client\r\n");
        let secrets = config.file("secrets.env", write(&env));
        config.set(
            "/client/credentials/secret",
            json!({"type": "file", "path": secrets, "key": "CLIENT_SECRET"}),
        );
        // A block of text ends in a line feed, and Docker passes quotes on.
        config.set("/client/issuer", json!(format!("{}\n", op.issuer())));
        config.set("/client/clientId", json!({"type": "env", "key": "TEST_CLIENT_ID"}));
        config.environment("TEST_CLIENT_ID", &format!("\"{CLIENT_ID}\""));
        config.environment("AUTHTOOL__CLIENT__SCOPE", "\"openid profile email offline_access\"");
        let path = config.file("marked.json", write(&config.text()));
        config.command(&["--config", path.to_str().unwrap()]);
        let server = Server::start(config).await;
        for said in
            ["white space", "TEST_CLIENT_ID stands in quotes", "AUTHTOOL__CLIENT__SCOPE stands in quotes"]
        {
            server.log().shows(said).await;
            assert_eq!(server.log().count(said), 1, "{how}: {said}");
        }
        assert_eq!(server.log().count("byte order mark"), if how == "as it is" { 0 } else { 2 }, "{how}");
        let stage = Stage { server, op };
        stage.logged_in().await;
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_to_write() {
    let base = ServerConfig::new("https://op.example");
    for (pointer, value, says) in [
        (
            "/client/issuer",
            json!("https://op.example/realms/x/.well-known/openid-configuration"),
            "write https://op.example/realms/x,",
        ),
        ("/scope", json!("openid"), "did you mean `client.scope`?"),
        ("/server/allowedReturnOrigins", json!(["https://*.co.uk"]), "server.allowedReturnOrigins[0]"),
        (
            "/server/allowedReturnOrigins",
            json!(["https://*.*.example.com"]),
            "server.allowedReturnOrigins[0]",
        ),
        ("/client/redirect_uri", json!("https://*.example.com/bff/oauth/callback"), "client.redirect_uri"),
        ("/client/clientId", json!(1.5), "put it in quotes"),
    ] {
        let mut config = base.copy();
        config.set(pointer, value);
        let output = config.run(&["check"]);
        assert!(!output.status.success(), "{pointer}: {}", all(&output));
        assert!(all(&output).contains(says), "{pointer}: {}", all(&output));
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
