//! The wrong value for every key is an error that names the key and says what to do.
//!
//! The keys come from the schema, so none can be forgotten: a key without a row here fails the test. Values of
//! the wrong type are made from the schema; those of the right type that are wrong all the same stand in the
//! rows.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Config, ConfigProblems, problem::ConfigProblem, read::Format, schema::SCHEMA};

/// A key that the user names: a connection, or a further parameter of the authorization request.
const OWN_NAME: &str = "here";

/// What is wrong with one key, apart from values of another type.
struct Row {
    /// As in the schema: `*` for a name of the user's own, `[]` for an item of a list.
    key: &'static str,
    /// What else must be in the file for the value to be wrong; merged into [`good`] (RFC 7396).
    context: Value,
    wrong: Wrong,
}

enum Wrong {
    Values(Vec<Value>),
    /// Every value of the right type is good, and this is why.
    OnlyTypes(&'static str),
}

fn row(key: &'static str, wrong: Value) -> Row {
    row_in(key, json!({}), wrong)
}

fn row_in(key: &'static str, context: Value, wrong: Value) -> Row {
    let Value::Array(values) = wrong else { panic!("{key}: wrong values are a list") };
    assert!(!values.is_empty(), "{key}: name a wrong value, or say why there is none");
    Row { key, context, wrong: Wrong::Values(values) }
}

fn any(key: &'static str, reason: &'static str) -> Row {
    Row { key, context: json!({}), wrong: Wrong::OnlyTypes(reason) }
}

/// A secret that is not there, in every way.
fn missing_secrets() -> Value {
    json!([
        "",
        {"type": "env", "key": "AUTHTOOL_SURELY_UNSET"},
        {"type": "file", "path": "/nowhere/at/all"},
        {"type": "file", "path": "/etc/passwd", "key": "nobody-has-this"},
        {"type": "file", "path": "/etc/passwd", "encoding": "base64"},
        {"type": "vault", "path": "x"},
        {"type": "env"},
        {"type": "env", "key": "PATH", "encoding": "hex"},
        {"type": "env", "key": "PATH", "extra": 1},
    ])
}

/// No credential that could not be guessed.
fn credentials() -> Value {
    and(missing_secrets(), json!(["x".repeat(31), format!("with a blank {}", "x".repeat(32))]))
}

/// What is no certificate to trust.
fn unusable_certificates() -> Value {
    json!([
        "not a certificate",
        "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n",
    ])
}

fn egress() -> Value {
    json!({"server": {"outbound": {"proxy": {"url": "http://proxy:3128"}}}})
}

fn traced() -> Value {
    json!({"server": {"traces": {"endpoint": "http://127.0.0.1:4318/v1/traces"}}})
}

fn and(list: Value, more: Value) -> Value {
    let (Value::Array(mut list), Value::Array(more)) = (list, more) else { panic!("two lists") };
    list.extend(more);
    Value::Array(list)
}

fn without_inline_client() -> Value {
    json!({"client": {"clientId": null, "redirect_uri": null, "credentials": null}})
}

/// The keys of an authorization server, of all clients or of one in the list.
fn issuer_rows() -> Vec<Row> {
    let places =
        || json!(["", "/x", "http://op.example/x", "https://a:b@op.example", "https://op.example#x"]);
    let tenants = || json!({"idTokenValidationIssuer": "https://op.example/{tenantid}"});
    let cases: [(&str, Value, Value); 21] = [
        (
            "issuer",
            json!({}),
            json!(["", "op.example", "http://op.example", "https://op.example?x", "https://op.example#x"]),
        ),
        ("issuerMetadataSegment", json!({}), json!(["", "openid-configuration"])),
        ("metadataUrl", json!({}), places()),
        ("endpoints.authorization", json!({}), places()),
        ("endpoints.token", json!({}), places()),
        ("endpoints.jwks", json!({}), places()),
        ("endpoints.userinfo", json!({}), places()),
        ("endpoints.endSession", json!({}), places()),
        ("endpoints.revocation", json!({}), places()),
        ("endpoints.pushedAuthorizationRequest", json!({}), places()),
        ("allowInsecureHttp", json!({}), json!([])),
        ("allowLogoutTokensWithoutExp", json!({}), json!([])),
        ("allowIdTokensWithoutNonce", json!({}), json!([])),
        ("maxIdTokenBytes", json!({}), json!([0, 4095, 131_073, u32::MAX])),
        ("idTokenSigningAlgorithms", json!({}), json!([[], ["none"], ["HS256"], ["RS256", "rs256"]])),
        ("idTokenSigningAlgorithms[]", json!({}), json!(["", "none", "HS256"])),
        ("idTokenFurtherAudiences", json!({}), json!([[""], ["a", ""]])),
        ("idTokenFurtherAudiences[]", json!({}), json!([""])),
        ("allowedTenants", tenants(), json!([[], ["contoso.com"], ["*", "*"]])),
        ("allowedTenants[]", tenants(), json!(["", "common", "{tenantid}"])),
        ("name", json!({}), json!(["", "a\tb"])),
    ];
    let mut rows = Vec::new();
    for (name, context, wrong) in cases {
        let leak = |text: String| -> &'static str { text.leak() };
        let (inline, listed) = (leak(format!("client.{name}")), leak(format!("client.clients[].{name}")));
        if wrong == json!([]) {
            rows.extend([inline, listed].map(|key| any(key, "both values are good")));
            continue;
        }
        rows.push(row_in(inline, json!({"client": context.clone()}), wrong.clone()));
        let mut entry = good()["client"].clone();
        merge(&mut entry, &context);
        let mut context = without_inline_client();
        context["client"]["issuer"] = Value::Null;
        context["client"]["clients"] = json!([entry]);
        rows.push(row_in(listed, context, wrong));
    }
    rows
}

/// The keys of a client, inline or in the list.
#[allow(clippy::too_many_lines, reason = "one row for each key")]
fn client_rows() -> Vec<Row> {
    const TRUTH: &str = "both values are good";
    let named: [(&str, &str, Value); 26] = [
        ("client.clientId", "client.clients[].clientId", missing_secrets()),
        (
            "client.redirect_uri",
            "client.clients[].redirect_uri",
            json!(["", "/bff/oauth/callback", "ftp://app.example/x", "https://app.example/x#y"]),
        ),
        ("client.credentials.secret", "client.clients[].credentials.secret", missing_secrets()),
        (
            "client.credentials.privateKey",
            "client.clients[].credentials.privateKey",
            and(
                missing_secrets(),
                json!(["not a key", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----"]),
            ),
        ),
        ("client.credentials.kid", "client.clients[].credentials.kid", json!([""])),
        (
            "client.credentials.teamId",
            "client.clients[].credentials.teamId",
            json!(["", "team id", "TEAM123456"]),
        ),
        (
            "client.responseMode",
            "client.clients[].responseMode",
            json!(["", "fragment", "FORM_POST", "query.jwt"]),
        ),
        ("client.frontChannelLogout", "client.clients[].frontChannelLogout", json!([true])),
        ("client.scope", "client.clients[].scope", json!(["openid \"email\"", "openid\\email", "öffnen"])),
        ("client.extra.*", "client.clients[].extra.*", json!([{"a": 1}, ["a"], [[]]])),
        ("client.idTokenValidationIssuer", "client.clients[].idTokenValidationIssuer", json!([""])),
        (
            "client.postLogoutRedirectUri",
            "client.clients[].postLogoutRedirectUri",
            json!(["", "/bff/oidc/logout/callback", "https://ada:secret@app.example/"]),
        ),
        (
            "client.endSessionParameters.*",
            "client.clients[].endSessionParameters.*",
            json!(["{refresh_token}", "x{state}", "{post_logout_redirect_uri}"]),
        ),
        ("client.userinfo", "client.clients[].userinfo", json!(["", "sometimes", "Always"])),
        ("client.userinfoSubjectClaim", "client.clients[].userinfoSubjectClaim", json!(["", "id"])),
        (
            "client.accessTokenExpirationSecs",
            "client.clients[].accessTokenExpirationSecs",
            json!([0, 9_000_000_000_000_u64]),
        ),
        (
            "client.preferredTokenEndpointAuthMethod",
            "client.clients[].preferredTokenEndpointAuthMethod",
            json!(["", "basic", "CLIENT_SECRET_BASIC", "private_key_jwt"]),
        ),
        (
            "client.preferredTokenEndpointSigningAlgorithm",
            "client.clients[].preferredTokenEndpointSigningAlgorithm",
            json!(["", "none", "rs256"]),
        ),
        ("client.default", "client.clients[].default", json!([])),
        (
            "client.loginParameters",
            "client.clients[].loginParameters",
            json!([["scope"], ["prompt", "Prompt"]]),
        ),
        ("client.loginParameters[]", "client.clients[].loginParameters[]", json!(["", "scope", "state"])),
        ("client.loginParametersFrom", "client.clients[].loginParametersFrom", json!(["", "everywhere"])),
        ("client.dpop", "client.clients[].dpop", json!([true])),
        ("client.requireAcr", "client.clients[].requireAcr", json!([true])),
        (
            "client.pushedAuthorizationRequests",
            "client.clients[].pushedAuthorizationRequests",
            json!(["", "required", "Auto"]),
        ),
        (
            "client.requestObjectSigningAlgorithm",
            "client.clients[].requestObjectSigningAlgorithm",
            json!(["", "none", "HS256", "RS256"]),
        ),
    ];
    let mut rows = Vec::new();
    for (inline, listed, wrong) in named {
        if wrong == json!([]) {
            rows.extend([any(inline, TRUTH), any(listed, TRUTH)]);
            continue;
        }
        // A private key is one credential too many beside the good configuration's secret.
        let context = if inline.ends_with("privateKey") {
            json!({"client": {"credentials": {"secret": null}}})
        } else if inline.ends_with("dpop") {
            json!({"session": {"mode": {"type": "tokenExchange"}}})
        } else if inline.ends_with("requireAcr") {
            json!({"client": {"scope": "email"}})
        } else {
            json!({})
        };
        rows.push(row_in(inline, context.clone(), wrong.clone()));
        let mut entry = good()["client"].clone();
        entry.as_object_mut().unwrap().remove("issuer");
        if let Some(context) = context.get("client") {
            merge(&mut entry, context);
        }
        let mut in_list = without_inline_client();
        in_list["client"]["clients"] = json!([entry]);
        if let Some(session) = context.get("session") {
            in_list["session"] = session.clone();
        }
        rows.push(row_in(listed, in_list, wrong));
    }
    rows
}

/// The keys of a Redis, under a name or inline.
fn redis_rows() -> Vec<Row> {
    let host = || json!(["", "redis://redis", "a b", "[::1]:6379/0"]);
    let nodes = || json!([[], ["a:port"], ["a", "redis://b"], [""], ["a:70000"]]);
    let node = || json!(["", "a:port", "redis://b", "a:70000"]);
    let users = || json!([""]);
    let mut rows = Vec::new();
    let mut both = |key: &str, context: Value, wrong: Value| {
        let leak = |text: String| -> &'static str { text.leak() };
        let named = json!({"connections": {OWN_NAME: {"type": "redis", "config": context.clone()}}});
        let mut inline = context;
        inline["connectionName"] = Value::Null;
        let inline = json!({"session": {"authorizationFlowCache": inline}});
        rows.push(row_in(leak(format!("connections.*.config.{key}")), named, wrong.clone()));
        rows.push(row_in(leak(format!("session.authorizationFlowCache.{key}")), inline, wrong));
    };
    let standalone = || json!({"host": "redis"});
    let sentinel = || json!({"sentinel": {"nodes": ["a"], "primary": "main"}});
    let cluster = || json!({"cluster": {"nodes": ["a"]}});
    both("host", standalone(), host());
    both("port", standalone(), json!([70_000, 0]));
    let urls =
        json!(["redis://", "http://redis", "rediss://redis#insecure", "redis://redis?retry=1", "redis"]);
    both("url", json!({}), and(missing_secrets(), urls));
    both("socket", json!({}), json!(["", "redis.sock", "unix:///run/redis.sock"]));
    both("namespace", standalone(), json!(["", "a b", "{a}", "a*"]));
    both("connection.db", cluster(), json!([1]));
    both("connection.username", standalone(), users());
    both("connection.password", standalone(), missing_secrets());
    both("connection.protocol", standalone(), json!(["", "resp3", "HTTP"]));
    both("tls.ca", standalone(), and(missing_secrets(), unusable_certificates()));
    let authority = include_str!("../../tests/docs/authority.pem");
    let with = |name: &str, value: &str| json!({"host": "redis", "tls": {name: value}});
    both("tls.cert", with("key", "x"), and(missing_secrets(), unusable_certificates()));
    both("tls.key", with("cert", authority), and(missing_secrets(), json!(["no key", authority])));
    both("localCache.enabled", cluster(), json!([true]));
    both("localCache.maxMebibytes", standalone(), json!([0]));
    both("localCache.maxStalenessMs", standalone(), json!([0, 99, 10_001]));
    both("sentinel.nodes", sentinel(), nodes());
    both("sentinel.nodes[]", sentinel(), node());
    both("sentinel.primary", sentinel(), json!([""]));
    both("sentinel.username", sentinel(), users());
    both("sentinel.password", sentinel(), missing_secrets());
    both("cluster.nodes", cluster(), nodes());
    both("cluster.nodes[]", cluster(), node());
    rows
}

fn session_rows() -> Vec<Row> {
    const TRUTH: &str = "both values are good";
    let keys = || and(missing_secrets(), json!(["short", "changeme-changeme-changeme-changeme", []]));
    let lifetimes = || json!([0, 9_000_000_000_000_u64]);
    vec![
        row("session.mode.type", json!(["", "spa", "BFF"])),
        row("session.mode.sessionIdHardening", json!(["", "very", "__Host-"])),
        row("session.mode.sameSite", json!(["", "sometimes"])),
        row("session.mode.secure", json!([false])),
        any("session.mode.http_only", "false is good in debug builds, of which this is one"),
        row("session.mode.path", json!(["", "/app", "app", "/a;b"])),
        row("session.mode.domain", json!(["", "example.com", "a b", "a;b"])),
        row_in(
            "session.mode.partitioned",
            json!({"session": {"mode": {"secure": false, "sessionIdHardening": "none"}}}),
            json!([true]),
        ),
        row("session.mode.expirationSecs", json!([0])),
        row("session.signingKey", keys()),
        row("session.encryptionKey", and(keys(), json!(["0123456789abcdefghijklmnopqrstuv"]))),
        any("session.encryptAccessToken", "accepted for compatibility"),
        row("session.authorizationFlowCache.connectionName", json!(["", "there"])),
        row("session.absoluteLifetimeSecs", lifetimes()),
        row("session.idleTimeoutSecs", lifetimes()),
        row("session.maxSessionsPerUser", json!([0, 5_000_000_000_u64])),
        row("session.revocationDelaySecs", json!([0, 301])),
        row("session.refreshTokenExpirationSecs", lifetimes()),
        any("session.refreshTokenRotation", "accepted for compatibility"),
        any("session.refreshTokenExpirationPayloadField", "a provider may name its members as it likes"),
        row("session.sessionJitterSecs", json!([3601])),
        row("session.userClaims", json!([["session"], [""], ["a", 7.5]])),
        row("session.userClaims[]", json!(["session", ""])),
        row("session.errorRedirects", json!(["", "/error", "javascript:alert(1)"])),
        any("session.disableLogoutOnGet", TRUTH),
        any("session.sameSiteReturn", TRUTH),
    ]
}

fn server_rows() -> Vec<Row> {
    let proxied = |wrong: &str| {
        let mut route = json!({"prefix": "/api", "upstream": "http://127.0.0.1:1"});
        route.as_object_mut().unwrap().remove(wrong);
        json!({"server": {"proxy": [route]}})
    };
    let machines = |prefix: &str| json!({"server": {"machineClients": [{"prefix": prefix, "audiences": ["https://api.example"]}]}});
    let statics = || json!({"server": {"static": {"root": "/"}}});
    vec![
        row_in(
            "server.apiPrefix",
            json!({"server": {"publicBasePath": "/myapp"}}),
            json!(["bff", "/b//ff", "/b/../ff", "/b?ff", "/myapp", "/myapp/bff"]),
        ),
        row("server.publicBasePath", json!(["myapp", "/a//b", "/a/../b", "/a?b"])),
        row("server.keepAliveSecs", json!([0, 9_000_000_000_000_u64])),
        row("server.ip", json!(["", "localhost", "1.2.3"])),
        row("server.port", json!([65_536])),
        row("server.internal.ip", json!(["", "localhost"])),
        row("server.internal.port", json!([3000, 65_536])),
        row("server.logFilter", json!(["authtool_bff=loud", "a=b=c", "[span"])),
        row("server.allowedReturnOrigins", json!([["https://a.example/x"], ["a.example"], [7.5]])),
        row(
            "server.allowedReturnOrigins[]",
            json!([
                "",
                "https://a.example/x",
                "a.example",
                "https://*.com",
                "http://*.a.example",
                "https://a.*.example"
            ]),
        ),
        row_in(
            "server.publicToken",
            json!({"session": {"mode": {"type": "tokenExchange"}}}),
            json!(["", "open", "Closed", "closed"]),
        ),
        row("server.gatewayCredential", credentials()),
        row("server.internal.operatorCredential", credentials()),
        row("server.trustedProxies", json!([["nonsense"], ["10.0.0.0/33"], [7]])),
        row("server.trustedProxies[]", json!(["", "10.0.0", "10.0.0.0/33", "proxy.example"])),
        row("server.trustedProxyHeaders", json!([["x-forwarded-user"], [7]])),
        row("server.trustedProxyHeaders[]", json!(["", "x-forwarded-user", "authorization", "x-real-ip"])),
        row("server.traces.endpoint", json!(["", "collector:4318", "/v1/traces", "http://a:b@c.example/"])),
        row_in("server.traces.sampleRatio", traced(), json!([-0.1, 1.5])),
        any("server.traces.serviceName", "a name can be any text"),
        row("server.outbound.tls.ca", and(missing_secrets(), unusable_certificates())),
        row(
            "server.outbound.proxy.url",
            json!([
                "",
                "proxy:3128",
                "socks5://proxy:1080",
                "http://a:b@proxy:3128",
                "http://proxy:3128/path"
            ]),
        ),
        row_in(
            "server.outbound.proxy.username",
            json!({"server": {"outbound": {"proxy": {"url": "http://proxy:3128", "password": "p"}}}}),
            json!(["", "a:b", "a\nb"]),
        ),
        row_in(
            "server.outbound.proxy.password",
            json!({"server": {"outbound": {"proxy": {"url": "http://proxy:3128", "username": "u"}}}}),
            missing_secrets(),
        ),
        row_in("server.outbound.proxy.noProxy", egress(), json!([["a b"], ["http://a.example"], [7.5]])),
        row_in(
            "server.outbound.proxy.noProxy[]",
            egress(),
            json!(["", ".", "a.example:443", "*.a.example", "10.0.0.0/33", "a,b"]),
        ),
        row("server.static.root", json!(["", "/nowhere/at/all"])),
        row_in("server.static.fallback", statics(), json!(["/etc/passwd", "../x"])),
        row_in("server.static.contentSecurityPolicy", statics(), json!(["a\nb"])),
        row("server.proxy", json!([["/api"], [{}], [{"prefix": "/api"}]])),
        row_in("server.proxy[].prefix", proxied("prefix"), json!(["", "/", "api", "/bff", "/bff/api"])),
        row_in(
            "server.proxy[].upstream",
            proxied("upstream"),
            json!(["", "127.0.0.1:1", "http://a.example/x"]),
        ),
        row_in("server.proxy[].timeoutSecs", proxied("timeoutSecs"), json!([0])),
        row_in("server.proxy[].encodedSlashes", proxied("encodedSlashes"), json!(["yes", 1])),
        row(
            "server.machineClients",
            json!([["/api"], [{}], [{"prefix": "/api"}], [{"prefix": "/api", "audiences": []}], [{"audiences": ["a"]}]]),
        ),
        row_in("server.machineClients[].prefix", machines("/a"), json!(["", "/", "api", "/bff", "/bff/api"])),
        row_in("server.machineClients[].audiences", machines("/a"), json!([[], [""], ["app"], ["a", 7.5]])),
        row_in("server.machineClients[].audiences[]", machines("/a"), json!(["", "a\nb", "app"])),
    ]
}

fn rows() -> Vec<Row> {
    let mut rows = vec![
        any("$schema", "it is for editors"),
        row_in("client.clients", without_inline_client(), json!([[], [7], [{}]])),
        row("connections.*.type", json!(["", "etcd", "Redis"])),
        row("connections.*.config.path", json!([""])),
    ];
    rows.extend(issuer_rows());
    rows.extend(client_rows());
    rows.extend(redis_rows());
    rows.extend(session_rows());
    rows.extend(server_rows());
    rows
}

fn good() -> Value {
    json!({
        "client": {
            "issuer": "https://op.example",
            "clientId": "app",
            "redirect_uri": "https://app.example/bff/oauth/callback",
            "credentials": {"secret": "s3cret"},
        },
        "connections": {OWN_NAME: {"type": "embedded"}},
        "session": {
            "mode": {"type": "bff"},
            "signingKey": "0123456789abcdefghijklmnopqrstuv",
            "encryptionKey": "vutsrqponmlkjihgfedcba9876543210",
            "authorizationFlowCache": {"connectionName": OWN_NAME},
        },
        "server": {"apiPrefix": "/bff"},
    })
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (name, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

/// A key of the schema, with the schemas that its value may fit.
struct Key {
    path: String,
    types: BTreeSet<String>,
    is_section: bool,
}

/// Every key, sections and items of lists included.
fn keys() -> Vec<Key> {
    let mut keys = Vec::new();
    walk("", &SCHEMA, &mut keys);
    keys
}

fn walk(path: &str, schema: &Value, keys: &mut Vec<Key>) {
    let mut alternatives = Vec::new();
    expand(schema, &mut alternatives);
    // A secret is one value, however it is written.
    let is_secret = alternatives.iter().any(|it| it["properties"].get("encoding").is_some());
    let types = alternatives.iter().flat_map(|it| match &it["type"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(several) => several.iter().filter_map(|it| Some(it.as_str()?.to_owned())).collect(),
        _ => Vec::new(),
    });
    let types: BTreeSet<String> = types.collect();
    let mut inner = Vec::new();
    for alternative in alternatives.iter().filter(|_| !is_secret) {
        let dot = if path.is_empty() { "" } else { "." };
        let properties = alternative["properties"].as_object().into_iter().flatten();
        inner.extend(properties.map(|(name, schema)| (format!("{path}{dot}{name}"), schema.clone())));
        match &alternative["additionalProperties"] {
            Value::Null | Value::Bool(false) => {}
            schema => inner.push((format!("{path}.*"), schema.clone())),
        }
        inner.extend(alternative.get("items").map(|schema| (format!("{path}[]"), schema.clone())));
    }
    if !path.is_empty() {
        let is_section = types.contains("object") && !inner.is_empty();
        keys.push(Key { path: path.to_owned(), types, is_section });
    }
    for (path, schema) in inner {
        walk(&path, &schema, keys);
    }
}

/// Follows references and alternatives.
fn expand(schema: &Value, into: &mut Vec<Value>) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        expand(SCHEMA.pointer(reference.trim_start_matches('#')).unwrap(), into);
    } else if let Some(alternatives) = schema.get("anyOf").or_else(|| schema.get("oneOf")) {
        alternatives.as_array().unwrap().iter().for_each(|it| expand(it, into));
    } else {
        into.push(schema.clone());
    }
}

/// Values that no alternative of the schema allows.
fn values_of_other_types(types: &BTreeSet<String>) -> Vec<Value> {
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let values = [
        json!(null),
        json!(true),
        json!(7),
        json!(-1),
        json!(7.5),
        json!("text"),
        json!([]),
        json!(["text"]),
        json!({}),
    ];
    // A schema without a type takes everything, and a whole number is text too.
    let is_text = |value: &Value| types.contains("string") && (value.is_u64() || value.is_i64());
    let is_wrong = |value: &Value| !types.is_empty() && !types.contains(kind(value)) && !is_text(value);
    values.into_iter().filter(is_wrong).collect()
}

/// `connections.*.config` as `connections.here.config`, and `[]` as `[0]`.
fn instance(path: &str) -> String {
    path.replace('*', OWN_NAME).replace("[]", "[0]")
}

/// The parts of a key: names and positions.
fn parts(key: &str) -> Vec<String> {
    key.replace('[', ".").replace(']', "").split('.').map(str::to_owned).collect()
}

fn set(file: &mut Value, key: &str, value: Value) {
    let mut place = file;
    for part in parts(key) {
        place = match part.parse::<usize>() {
            Ok(position) => {
                if !place.is_array() {
                    *place = json!([]);
                }
                let list = place.as_array_mut().unwrap();
                if list.len() <= position {
                    list.push(Value::Null);
                }
                &mut list[position]
            }
            Err(_) => {
                if !place.is_object() {
                    *place = json!({});
                }
                &mut place[part]
            }
        };
    }
    *place = value;
}

/// The problem that names this key, or what is in it; and that is understandable.
fn naming<'a>(problems: &'a ConfigProblems, key: &str) -> Result<&'a ConfigProblem, String> {
    let names = |problem: &&ConfigProblem| {
        let rest = problem.key.strip_prefix(key);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[', ' ']))
    };
    let Some(found) = problems.0.iter().find(names) else { return Err("no problem names it".to_owned()) };
    if found.problem.is_empty() || found.fix.len() < 5 {
        return Err("the problem or its fix says nothing".to_owned());
    }
    if problems.0.iter().filter(|it| it.key == found.key).count() > 1 {
        return Err(format!("there are two problems with {}", found.key));
    }
    for rust in ["struct ", "expected u", "invalid length", "a sequence", "Option", "variant"] {
        if found.problem.contains(rust) {
            return Err(format!("it speaks of {rust:?}"));
        }
    }
    Ok(found)
}

/// All ways to give a value: the file in each format, and the environment.
fn refused_everywhere(
    context: &Value,
    key: &str,
    value: &Value,
    takes_text: bool,
    failures: &mut Vec<String>,
) {
    let mut file = good();
    merge(&mut file, context);
    let without = file.clone();
    set(&mut file, key, value.clone());
    let mut note = |how: &str, problem: String, all: &str| {
        failures.push(format!("{key} = {value} ({how}): {problem}\n{all}"));
    };
    let formats = [
        ("JSON", Format::Json, Some(file.to_string())),
        // Every JSON text is YAML.
        ("YAML", Format::Yaml, Some(file.to_string())),
        // TOML has no null.
        ("TOML", Format::Toml, toml::to_string(&file).ok()),
    ];
    for (how, format, text) in formats {
        let Some(text) = text else { continue };
        match Config::from_value(format.parse(&text).unwrap(), []) {
            Ok(_) => note(how, "it was accepted".to_owned(), ""),
            Err(problems) => {
                if let Err(why) = naming(&problems, key) {
                    note(how, why, &problems.to_string());
                }
            }
        }
    }
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => value.to_string(),
        // In the environment, where text is expected, everything is text.
        _ if takes_text => return,
        other => other.to_string(),
    };
    let name = |part: &String| if part == OWN_NAME { part.clone() } else { part.to_ascii_uppercase() };
    let variable = format!("AUTHTOOL__{}", parts(key).iter().map(name).collect::<Vec<_>>().join("__"));
    match Config::from_value(without, [(variable.clone(), text)]) {
        Ok(_) => note("environment", "it was accepted".to_owned(), ""),
        Err(problems) => match naming(&problems, key) {
            Ok(problem)
                if problem.key.ends_with(&format!("(set by the environment variable {variable})")) => {}
            Ok(problem) => note("environment", format!("{} does not name {variable}", problem.key), ""),
            Err(why) => note("environment", why, &problems.to_string()),
        },
    }
}

#[test]
fn every_key_has_a_row_and_every_row_a_key() {
    let keys: BTreeSet<String> = keys().into_iter().filter(|it| !it.is_section).map(|it| it.path).collect();
    let mut rows: Vec<&str> = rows().into_iter().map(|it| it.key).collect();
    rows.sort_unstable();
    let unique: BTreeSet<String> = rows.iter().map(|it| (*it).to_owned()).collect();
    assert_eq!(unique.len(), rows.len(), "a key has two rows");
    let without: Vec<_> = keys.difference(&unique).collect();
    assert!(without.is_empty(), "say in {} which values of these keys are wrong: {without:#?}", file!());
    let unknown: Vec<_> = unique.difference(&keys).collect();
    assert!(unknown.is_empty(), "there are no such keys: {unknown:#?}");
    assert!(keys.len() > 90, "the schema was not walked: {keys:#?}");
}

#[test]
fn a_value_of_another_type_is_refused_for_every_key_and_section() {
    let mut failures = Vec::new();
    for key in keys() {
        for value in values_of_other_types(&key.types) {
            let takes_text = key.types.contains("string") || key.types.is_empty();
            refused_everywhere(&json!({}), &instance(&key.path), &value, takes_text, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{} of them:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_wrong_value_is_refused_for_every_key() {
    let mut failures = Vec::new();
    for Row { key, context, wrong } in rows() {
        let values = match wrong {
            Wrong::Values(values) => values,
            Wrong::OnlyTypes(reason) => {
                assert!(!reason.is_empty(), "{key}: say why");
                continue;
            }
        };
        for value in values {
            let takes_text = key.ends_with(".*");
            refused_everywhere(&context, &instance(key), &value, takes_text, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{} of them:\n{}", failures.len(), failures.join("\n"));
}
