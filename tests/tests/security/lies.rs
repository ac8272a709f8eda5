//! Every field of every answer that the server reads, with lies about it. Whatever the lie: no session or token comes
//! of it, whoever asked sees a page that helps, the log names the cause, and a counter counts it.
//!
//! The fields come from the honest answers of the hostile provider, so none can be forgotten: a field without a row
//! fails the test.

use authtool_tests::browser::{Browser, Page};
use authtool_tests::hostile::{
    Endpoint, HostileOp, IdTokenDraft, LOGOUT_EVENT, Lie, Signer, SigningKey, now,
};
use authtool_tests::{Answer, SESSION, Server, ServerConfig, Stage, raw, wait};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Lies about a field, and what the log must say about each.
struct Row {
    field: &'static str,
    lies: Vec<(&'static str, Lie)>,
    /// Why a lie about it does no harm, where there are none to tell.
    harmless: &'static str,
    says: &'static str,
}

fn row(field: &'static str, says: &'static str, lies: Vec<(&'static str, Lie)>) -> Row {
    assert!(!lies.is_empty(), "{field}: tell a lie, or say why there is none");
    Row { field, lies, harmless: "", says }
}

fn harmless(field: &'static str, reason: &'static str) -> Row {
    assert!(!reason.is_empty(), "{field}: say why");
    Row { field, lies: Vec::new(), harmless: reason, says: "" }
}

fn exchange() -> Lie {
    Lie::about(Endpoint::CodeExchange)
}

fn discovery() -> Lie {
    Lie::about(Endpoint::Discovery)
}

fn jwks() -> Lie {
    Lie::about(Endpoint::Jwks)
}

/// Changes one parameter of the way back.
fn returned(name: &'static str, value: Option<&'static str>) -> Lie {
    Lie::about(Endpoint::Authorization).parameters(move |parameters| {
        parameters.retain(|(key, _)| key != name);
        parameters.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    })
}

fn twice(name: &'static str) -> Lie {
    Lie::about(Endpoint::Authorization).parameters(move |parameters| {
        let again = parameters.iter().find(|(key, _)| key == name).cloned();
        parameters.extend(again);
    })
}

/// Changes one member of the first key.
fn key(name: &'static str, value: Value) -> Lie {
    jwks().json(move |set| set["keys"][0][name] = value.clone())
}

fn claim(name: &str, value: Value) -> Lie {
    exchange().claim(name, value)
}

fn without_claim(name: &'static str) -> Lie {
    exchange().id_token(move |token| token.without(name))
}

fn header(name: &'static str, value: Value) -> Lie {
    exchange().id_token(move |token| token.header[name] = value.clone())
}

/// What the provider says through the browser, and what it answers to the code.
fn login_rows() -> Vec<Row> {
    let mut rows = vec![
        row(
            "redirect.code",
            "code",
            vec![
                ("none", returned("code", None)),
                ("empty", returned("code", Some(""))),
                ("twice", twice("code")),
                ("made up", returned("code", Some("made-up"))),
                ("with a line break", returned("code", Some("a\nb"))),
            ],
        ),
        row(
            "redirect.state",
            "state",
            vec![
                ("none", returned("state", None)),
                ("empty", returned("state", Some(""))),
                ("twice", twice("state")),
                ("another", returned("state", Some("another"))),
            ],
        ),
        row(
            "redirect.iss",
            "iss",
            vec![
                ("none, though it was promised", returned("iss", None)),
                ("another", returned("iss", Some("https://evil.example"))),
                ("twice", twice("iss")),
            ],
        ),
        row(
            "redirect.error",
            "refused the login",
            vec![
                ("with a code", returned("error", Some("server_error"))),
                ("unheard of", returned("error", Some("<script>alert(1)</script>"))),
            ],
        ),
    ];
    rows.extend(exchange_rows());
    rows.extend(header_rows());
    rows.extend(claim_rows());
    rows
}

fn exchange_rows() -> Vec<Row> {
    vec![
        row(
            "exchange.(the answer)",
            "token endpoint",
            vec![
                ("503", exchange().status(503)),
                ("404", exchange().status(404)),
                ("400 without a reason", exchange().status(400).body("no")),
                ("an unknown error", exchange().oauth_error(400, "made_up")),
                ("an error about the client", exchange().oauth_error(401, "invalid_client")),
                ("no JSON", exchange().body("<html>")),
                ("a list", exchange().body("[]")),
                ("nothing", exchange().body("")),
            ],
        ),
        row(
            "exchange.error",
            "did not accept its own code",
            vec![("invalid_grant", exchange().oauth_error(400, "invalid_grant"))],
        ),
        row(
            "exchange.access_token",
            "`access_token`",
            vec![
                ("none", exchange().without("access_token")),
                ("empty", exchange().member("access_token", json!(""))),
                ("a number", exchange().member("access_token", json!(7))),
                ("a header", exchange().member("access_token", json!("x\r\nevil: 1"))),
            ],
        ),
        row(
            "exchange.token_type",
            "`token_type`",
            vec![
                ("none", exchange().without("token_type")),
                ("another", exchange().member("token_type", json!("mac"))),
                ("DPoP, unasked", exchange().member("token_type", json!("DPoP"))),
            ],
        ),
        row(
            "exchange.refresh_token",
            "`refresh_token`",
            vec![
                ("a number", exchange().member("refresh_token", json!(7))),
                ("unsendable", exchange().member("refresh_token", json!("a\nb"))),
            ],
        ),
        row(
            "exchange.id_token",
            "ID token",
            vec![
                ("none", exchange().without("id_token")),
                ("null", exchange().member("id_token", json!(null))),
            ],
        ),
        row(
            "exchange.id_token (its form)",
            "`id_token`",
            vec![
                ("garbage", exchange().member("id_token", json!("garbage"))),
                ("a number", exchange().member("id_token", json!(7))),
                ("encrypted", exchange().member("id_token", json!("a.b.c.d.e"))),
            ],
        ),
        harmless(
            "exchange.expires_in",
            "what is no lifetime is taken as an hour or as the token's own (SEC-96)",
        ),
        harmless("exchange.scope", "it is not acted on"),
        harmless("exchange.session_state", "it is not read"),
    ]
}

fn header_rows() -> Vec<Row> {
    vec![
        row(
            "header.alg",
            "idTokenSigningAlgorithms",
            vec![
                ("none", header("alg", json!("none"))),
                ("HS256", header("alg", json!("HS256"))),
                ("another of the key's", header("alg", json!("PS256"))),
                ("missing", exchange().id_token(|token| token.without_header("alg"))),
            ],
        ),
        row("header.kid", "key", vec![("unknown", header("kid", json!("unknown")))]),
        row("header.kid (its form)", "wrong type", vec![("a list", header("kid", json!(["provider-1"])))]),
        row(
            "header.typ",
            "another kind",
            vec![
                ("an access token's", header("typ", json!("at+jwt"))),
                ("a logout token's", header("typ", json!("logout+jwt"))),
            ],
        ),
        row("header.crit", "crit", vec![("an extension", header("crit", json!(["exp"])))]),
        row(
            "(the signature)",
            "signature",
            vec![
                (
                    "another key's",
                    exchange().id_token(|token| token.signer = Signer::Key(SigningKey::attacker())),
                ),
                ("nothing", exchange().id_token(|token| token.signer = Signer::Bytes(vec![0; 256]))),
            ],
        ),
    ]
}

fn claim_rows() -> Vec<Row> {
    vec![
        row(
            "claim.iss",
            "`iss`",
            vec![("another", claim("iss", json!("https://evil.example"))), ("none", without_claim("iss"))],
        ),
        row(
            "claim.sub",
            "`sub`",
            vec![
                ("none", without_claim("sub")),
                ("empty", claim("sub", json!(""))),
                ("a number", claim("sub", json!(7))),
                ("too long", claim("sub", json!("x".repeat(256)))),
            ],
        ),
        row(
            "claim.aud",
            "`aud`",
            vec![
                ("another", claim("aud", json!("somebody-else"))),
                ("none", without_claim("aud")),
                ("an empty list", claim("aud", json!([]))),
            ],
        ),
        row("claim.azp", "`azp`", vec![("another", claim("azp", json!("somebody-else")))]),
        row(
            "claim.exp",
            "`exp`",
            vec![
                ("past", claim("exp", json!(now() - 3600))),
                ("none", without_claim("exp")),
                ("text", claim("exp", json!("soon"))),
            ],
        ),
        row(
            "claim.iat",
            "`iat`",
            vec![
                ("to come", claim("iat", json!(now() + 3600))),
                ("long ago", claim("iat", json!(now() - 86_400))),
                ("none", without_claim("iat")),
            ],
        ),
        row("claim.nbf", "`nbf`", vec![("to come", claim("nbf", json!(now() + 3600)))]),
        row(
            "claim.nonce",
            "`nonce`",
            vec![
                ("another", claim("nonce", json!("another login's"))),
                ("none", without_claim("nonce")),
                ("a list", claim("nonce", json!([]))),
            ],
        ),
        row(
            "claim.at_hash",
            "`at_hash`",
            vec![
                ("another's", claim("at_hash", json!("77QmUPtjPfzWtF2AnpK9RQ"))),
                ("a number", claim("at_hash", json!(7))),
            ],
        ),
        row(
            "claim.c_hash",
            "`c_hash`",
            vec![("another's", claim("c_hash", json!("77QmUPtjPfzWtF2AnpK9RQ")))],
        ),
        row("claim.events", "another kind", vec![("a logout", claim("events", json!({LOGOUT_EVENT: {}})))]),
        harmless("claim.auth_time", "asked for with `max_age` only; see the tests of logins"),
        harmless("claim.sid", "it finds the session when its end is reported, and nothing else"),
        harmless("claim.email", "it is shown as it is, and identifies nobody (SEC-49)"),
        harmless("claim.email_verified", "it is shown where configured"),
        harmless("claim.name", "it is shown as it is"),
        harmless("claim.preferred_username", "it is shown where configured"),
        harmless("claim.picture", "it is shown where configured"),
        harmless("claim.groups", "it is shown where configured"),
    ]
}

/// Whoever could spoil it could leave it out: `sec_131` in `outbound`, and `domain::metadata`.
const NOT_NEEDED: &str = "it counts as absent where it cannot be used";

fn metadata_rows() -> Vec<Row> {
    let endpoint = |name: &'static str| {
        row(name, name.trim_start_matches("metadata."), {
            let name = name.trim_start_matches("metadata.");
            vec![
                ("plain http", discovery().member(name, json!("http://op.example/x"))),
                ("a script", discovery().member(name, json!("javascript:alert(1)"))),
                ("a number", discovery().member(name, json!(7))),
            ]
        })
    };
    vec![
        row(
            "metadata.(the answer)",
            "openid-configuration",
            vec![
                ("500", discovery().status(500)),
                ("404", discovery().status(404)),
                ("no JSON", discovery().body("<html>")),
                ("a list", discovery().body("[]")),
                ("elsewhere", discovery().redirect("https://evil.example/")),
            ],
        ),
        row(
            "metadata.issuer",
            "issuer",
            vec![
                ("another", discovery().member("issuer", json!("https://evil.example"))),
                ("none", discovery().without("issuer")),
            ],
        ),
        endpoint("metadata.authorization_endpoint"),
        row(
            "metadata.authorization_endpoint (none)",
            "authorization_endpoint",
            vec![("none", discovery().without("authorization_endpoint"))],
        ),
        endpoint("metadata.token_endpoint"),
        row(
            "metadata.token_endpoint (none)",
            "token_endpoint",
            vec![("none", discovery().without("token_endpoint"))],
        ),
        endpoint("metadata.jwks_uri"),
        row("metadata.jwks_uri (none)", "jwks_uri", vec![("none", discovery().without("jwks_uri"))]),
        harmless("metadata.userinfo_endpoint", NOT_NEEDED),
        harmless("metadata.end_session_endpoint", NOT_NEEDED),
        harmless("metadata.revocation_endpoint", NOT_NEEDED),
        row(
            "metadata.code_challenge_methods_supported",
            "S256",
            vec![
                ("plain only", discovery().member("code_challenge_methods_supported", json!(["plain"]))),
                ("plain alone", discovery().member("code_challenge_methods_supported", json!("plain"))),
            ],
        ),
        harmless("metadata.authorization_response_iss_parameter_supported", NOT_NEEDED),
        harmless("metadata.token_endpoint_auth_methods_supported", NOT_NEEDED),
        harmless("metadata.response_types_supported", "the code flow is used, whatever it says"),
        harmless("metadata.response_modes_supported", "the default mode of the code flow is used"),
        harmless("metadata.grant_types_supported", "it is not read"),
        harmless("metadata.subject_types_supported", "it is not read"),
        harmless(
            "metadata.id_token_signing_alg_values_supported",
            "the configuration alone says what is accepted (SEC-35)",
        ),
        harmless("metadata.scopes_supported", "the configured scopes are asked for"),
    ]
}

fn key_rows() -> Vec<Row> {
    vec![
        row(
            "keys.(the answer)",
            "jwks_uri",
            vec![
                ("500", jwks().status(500)),
                ("no JSON", jwks().body("<html>")),
                ("no set", jwks().body("{}")),
                ("elsewhere", jwks().redirect("https://evil.example/")),
            ],
        ),
        row(
            "keys.(the set)",
            "key",
            vec![
                ("empty", jwks().member("keys", json!([]))),
                // The same key twice is one key: see `odd_provider`.
                (
                    "two keys of one name",
                    jwks().json(|set| {
                        let mut another = SigningKey::attacker().jwk();
                        another["kid"] = set["keys"][0]["kid"].clone();
                        set["keys"].as_array_mut().unwrap().push(another);
                    }),
                ),
            ],
        ),
        row(
            "key.kty",
            "key",
            vec![("another", key("kty", json!("oct"))), ("a number", key("kty", json!(7)))],
        ),
        row("key.kid", "key", vec![("another", key("kid", json!("another")))]),
        row("key.use", "key", vec![("for encryption", key("use", json!("enc")))]),
        row("key.alg", "key", vec![("another", key("alg", json!("RS512")))]),
        row("key.n", "key", vec![("short", key("n", json!("AQAB"))), ("a number", key("n", json!(7)))]),
        row(
            "key.n (another's)",
            "signature",
            vec![(
                "an attacker's key under the same name",
                jwks().json(|set| {
                    let name = set["keys"][0]["kid"].clone();
                    set["keys"][0] = SigningKey::attacker().jwk();
                    set["keys"][0]["kid"] = name;
                }),
            )],
        ),
        row("key.e", "key", vec![("one", key("e", json!("AQ"))), ("even", key("e", json!("BA")))]),
        row("key.key_ops", "key", vec![("for encryption", key("key_ops", json!(["encrypt"])))]),
    ]
}

/// The sum of a counter's series that do not say that all went well.
async fn failures(server: &Server, counter: &str) -> u64 {
    let metrics = raw::get(&server.internal, "/-/metrics").send().await;
    assert_eq!(metrics.status, 200, "{metrics:?}");
    let text = metrics.text();
    let lines = text.lines().filter(|line| line.starts_with(counter) && !line.contains("\"success\""));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Waits until the log, from line `mark` on, has a line about `event` that names the cause.
async fn is_logged(server: &Server, mark: usize, event: &str, what: &str, says: &str) {
    wait::until(&format!("{what}: a line about {event} says {says:?}"), async || {
        let lines = server.log().lines();
        lines.iter().skip(mark).any(|line| line.contains(event) && line.contains(says)).then_some(())
    })
    .await;
}

/// Names the problem in terms of what the user may do, under an id, and says nothing of what the provider said.
fn is_a_clear_page(what: &str, page: &Answer) {
    assert!(matches!(page.status.as_u16(), 400 | 403 | 502 | 503), "{what}: {page:?}");
    assert!(page.header("content-type").starts_with("text/html"), "{what}: {page:?}");
    let text = page.text();
    assert!(text.contains(page.header("x-correlation-id")), "{what}: {text}");
    assert!(text.contains("<h1"), "{what}: {text}");
    for inner in ["canary", "evil.example", "id_token", "nonce", "alert(1)", "jwks"] {
        assert!(!text.contains(inner), "{what}: the page shows {inner:?}: {text}");
    }
}

/// A login as far as it goes, by whoever clicks on "log in".
async fn attempt(server: &Server) -> (Browser, Page) {
    let browser = Browser::new();
    let page = browser.follow(&server.public, server.bff("/login")).go().await;
    (browser, page)
}

/// A login that a lie spoiled: the four things that must be true.
async fn is_refused(what: &str, server: &Server, says: &str, event: &str) {
    let mark = server.log().lines().len();
    let counted = failures(server, "authtool_logins_total").await;
    let (browser, page) = attempt(server).await;
    assert!(browser.cookie(SESSION).is_none(), "{what}: a session was handed out: {page:#?}");
    let session = browser.fetch(&server.public, server.bff("/session")).go().await;
    assert_eq!(session.status, 401, "{what}: {session:?}");
    is_a_clear_page(what, &page.answer);
    assert_eq!(failures(server, "authtool_logins_total").await, counted + 1, "{what}: it was not counted");
    is_logged(server, if event == "login_failed" { mark } else { 0 }, event, what, says).await;
}

/// Remembers the names in the honest answers of an endpoint.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<BTreeSet<String>>>);

impl Names {
    fn note<'a>(&self, kind: &str, names: impl IntoIterator<Item = &'a String>) {
        self.0.lock().unwrap().extend(names.into_iter().map(|name| format!("{kind}.{name}")));
    }

    /// Not a lie: it looks, and changes nothing.
    fn of_json(&self, endpoint: Endpoint, kind: &'static str) -> Lie {
        let names = self.clone();
        Lie::about(endpoint).json(move |body| names.note(kind, body.as_object().unwrap().keys()))
    }

    fn of_token(&self, endpoint: Endpoint) -> Lie {
        let names = self.clone();
        Lie::about(endpoint).id_token(move |token| {
            names.note("header", token.header.as_object().unwrap().keys());
            names.note("claim", token.claims.as_object().unwrap().keys());
        })
    }
}

fn has_rows(names: &Names, rows: &[Row]) {
    let told: BTreeSet<&str> = rows.iter().map(|row| row.field).collect();
    for name in names.0.lock().unwrap().iter() {
        assert!(told.contains(name.as_str()), "say in {} what a lie about {name} does", file!());
    }
    assert!(names.0.lock().unwrap().len() > 3, "no honest answer was seen");
    for row in rows.iter().filter(|row| row.lies.is_empty()) {
        assert!(!row.harmless.is_empty(), "{}", row.field);
    }
}

#[tokio::test]
async fn sec_143_a_lie_about_any_field_of_a_login_is_refused_explained_logged_and_counted() {
    let stage = Stage::new().await;
    let names = Names::default();
    stage.op.lies(names.of_json(Endpoint::CodeExchange, "exchange"));
    stage.op.lies(names.of_token(Endpoint::CodeExchange));
    let seen = names.clone();
    stage.op.lies(Lie::about(Endpoint::Authorization).parameters(move |parameters| {
        seen.note("redirect", parameters.iter().map(|(name, _)| name));
    }));
    stage.logged_in().await;
    let rows = login_rows();
    has_rows(&names, &rows);
    for Row { field, lies, says, .. } in rows {
        for (lie_name, lie) in lies {
            stage.op.tells_the_truth();
            stage.op.lies(lie);
            is_refused(&format!("{field}: {lie_name}"), &stage.server, says, "login_failed").await;
        }
    }
    stage.op.tells_the_truth();
    stage.logged_in().await;
}

#[tokio::test]
async fn sec_143_a_lie_about_any_field_of_metadata_and_keys_is_refused_explained_logged_and_counted() {
    const AT_ONCE: usize = 6;
    let (metadata, keys) = (Names::default(), Names::default());
    let op = HostileOp::start().await;
    op.lies(metadata.of_json(Endpoint::Discovery, "metadata"));
    let seen = keys.clone();
    op.lies(jwks().json(move |set| seen.note("key", set["keys"][0].as_object().unwrap().keys())));
    let server = Server::start(ServerConfig::new(op.issuer())).await;
    drop((server, op));
    let (metadata_rows, key_rows) = (metadata_rows(), key_rows());
    has_rows(&metadata, &metadata_rows);
    has_rows(&keys, &key_rows);

    let cases = metadata_rows.into_iter().chain(key_rows).flat_map(|Row { field, lies, says, .. }| {
        lies.into_iter().map(move |(lie_name, lie)| (format!("{field}: {lie_name}"), says, lie))
    });
    stream::iter(cases)
        .for_each_concurrent(AT_ONCE, async |(what, says, lie)| {
            let about_keys = what.starts_with("key");
            let op = HostileOp::start().await;
            op.lies(lie);
            let server = Server::start_unready(ServerConfig::new(op.issuer())).await;
            op.has_received(if about_keys { Endpoint::Jwks } else { Endpoint::Discovery }, 1).await;
            // Of metadata the log speaks when it is fetched; of keys, also when one is looked for.
            let event = if about_keys { "" } else { "metadata could not be fetched" };
            is_refused(&what, &server, says, event).await;
            if !about_keys {
                assert_eq!(op.count(Endpoint::Authorization), 0, "{what}: a browser was sent there");
            }
            server.log().assert_free_of(&op.secrets());
        })
        .await;
}

/// What a refresh must not believe, what becomes of the session, and what the log says.
fn refresh_rows() -> Vec<(&'static str, Lie, u16, &'static str)> {
    let refresh = || Lie::about(Endpoint::Refresh);
    vec![
        ("503", refresh().status(503), 503, "token endpoint answered 503"),
        ("no JSON", refresh().body("<html>"), 503, "not JSON"),
        ("an unknown error", refresh().oauth_error(400, "made_up"), 503, "token endpoint answered 400"),
        ("access_token: none", refresh().without("access_token"), 503, "`access_token`"),
        (
            "access_token: a header",
            refresh().member("access_token", json!("x\r\ny: 1")),
            503,
            "`access_token`",
        ),
        ("token_type: none", refresh().without("token_type"), 503, "`token_type`"),
        ("token_type: another", refresh().member("token_type", json!("mac")), 503, "`token_type`"),
        ("refresh_token: a number", refresh().member("refresh_token", json!(7)), 503, "`refresh_token`"),
        ("error: invalid_grant", refresh().oauth_error(400, "invalid_grant"), 401, "invalid_grant"),
        ("claim sub: another", refresh().claim("sub", json!("eve")), 401, "not about the user"),
        ("claim iss: another", refresh().claim("iss", json!("https://evil.example")), 401, "`iss`"),
        ("claim aud: another", refresh().claim("aud", json!("somebody-else")), 401, "`aud`"),
        (
            "the signature",
            refresh().id_token(|token| token.signer = Signer::Key(SigningKey::attacker())),
            401,
            "signature",
        ),
    ]
}

#[tokio::test]
async fn sec_143_a_lie_in_a_refresh_hands_out_nothing_and_is_logged_and_counted() {
    let stage = Stage::with(|config| {
        config.set("/session/sessionJitterSecs", json!(0));
    })
    .await;
    stage.op.issues_access_tokens_for(1);
    let rows = refresh_rows();
    let mut cookies = Vec::new();
    for _ in &rows {
        cookies.push(stage.logged_in().await.cookie(SESSION).unwrap());
    }
    stage.op.issues_access_tokens_for(3600);
    for ((what, lie, status, says), cookie) in rows.into_iter().zip(cookies) {
        let mark = stage.server.log().lines().len();
        let counted = failures(&stage.server, "authtool_refreshes_total").await;
        stage.op.tells_the_truth();
        stage.op.lies(lie);
        let answer = wait::until("the access token has expired", async || {
            let answer = stage.token_for(&cookie).await;
            (answer.status != 200).then_some(answer)
        })
        .await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert!(!answer.problem_code().is_empty(), "{what}: {answer:?}");
        let session = stage.session_for(&cookie).await;
        assert_eq!(session.status, if status == 503 { 200 } else { 401 }, "{what}: {session:?}");
        let event = if status == 503 { "refresh_failed" } else { "session_ended" };
        is_logged(&stage.server, mark, event, what, says).await;
        let counted_now = failures(&stage.server, "authtool_refreshes_total").await;
        assert_eq!(counted_now, counted + 1, "{what}: it was not counted once");
    }
}

type Edit = fn(&mut IdTokenDraft);

/// What a report must not say, and what the log calls it.
const REPORT_ROWS: [(&str, Edit, &str); 19] = [
    ("header.alg", |token| token.header["alg"] = json!("none"), "idTokenSigningAlgorithms"),
    ("header.kid", |token| token.header["kid"] = json!("unknown"), "key"),
    ("header.typ", |token| token.header["typ"] = json!("at+jwt"), "another kind"),
    ("header.crit", |token| token.header["crit"] = json!(["exp"]), "crit"),
    ("(the signature)", |token| token.signer = Signer::Key(SigningKey::attacker()), "signature"),
    ("(its form)", |token| token.compact = Some("garbage".to_owned()), "malformed"),
    ("claim.iss", |token| token.claims["iss"] = json!("https://evil.example"), "`iss`"),
    ("claim.aud", |token| token.claims["aud"] = json!("somebody-else"), "`aud`"),
    ("claim.iat", |token| token.claims["iat"] = json!(now() - 86_400), "`iat`"),
    ("claim.iat", |token| token.without("iat"), "`iat`"),
    ("claim.exp", |token| token.claims["exp"] = json!(now() - 3600), "`exp`"),
    ("claim.exp", |token| token.without("exp"), "`exp`"),
    ("claim.jti", |token| token.without("jti"), "`jti`"),
    ("claim.jti", |token| token.claims["jti"] = json!("x".repeat(1000)), "`jti`"),
    ("claim.events", |token| token.without("events"), "`events`"),
    ("claim.events", |token| token.claims["events"] = json!({"https://op.example/other": {}}), "`events`"),
    ("claim.nonce", |token| token.claims["nonce"] = json!("n"), "`nonce`"),
    ("claim.sub", |token| token.claims["sub"] = json!(7), "`sub`"),
    ("claim.sub", |token| token.without("sub"), "`sub`"),
];

#[tokio::test]
async fn sec_143_a_lie_about_any_field_of_a_reported_logout_ends_nothing_and_is_logged_and_counted() {
    let stage = Stage::new().await;
    let cookie = stage.logged_in().await.cookie(SESSION).unwrap();
    let honest = || stage.op.logout_token(&json!({"sub": "ada"}));
    let told: BTreeSet<&str> = REPORT_ROWS.iter().map(|(field, ..)| *field).collect();
    let draft = honest();
    for (kind, part) in [("header", &draft.header), ("claim", &draft.claims)] {
        for name in part.as_object().unwrap().keys() {
            let field = format!("{kind}.{name}");
            assert!(told.contains(field.as_str()), "say in {} what a lie about {field} does", file!());
        }
    }
    let report = async |token: String| {
        raw::request("POST", &stage.server.public, "/bff/oidc/logout/backchannel")
            .body("application/x-www-form-urlencoded", format!("logout_token={token}"))
            .send()
            .await
    };
    for (field, edit, says) in REPORT_ROWS {
        let mark = stage.server.log().lines().len();
        let counted = failures(&stage.server, "authtool_logout_reports_total").await;
        let mut draft = honest();
        edit(&mut draft);
        let what = format!("{field}: {} {}", draft.header, draft.claims);
        let answer = report(draft.serialise()).await;
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        assert_eq!(stage.token_for(&cookie).await.status, 200, "{what}: it ended the session");
        is_logged(&stage.server, mark, "back_channel_logout_refused", &what, says).await;
        let counted_now = failures(&stage.server, "authtool_logout_reports_total").await;
        assert_eq!(counted_now, counted + 1, "{what}: it was not counted once");
    }
    assert_eq!(report(honest().serialise()).await.status, 200);
    assert_eq!(stage.token_for(&cookie).await.status, 401);
}
