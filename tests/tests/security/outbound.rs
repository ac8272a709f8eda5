//! §11 Discovery, keys and everything else that the server fetches.

use crate::expect::{accepted, login_answer, login_with, refused, server_that_refuses_metadata};
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{Endpoint, Gate, HostileOp, Lie, SigningKey, Transport, octets};
use authtool_tests::{Server, ServerConfig, Stage, ports, wait};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

fn discovery() -> Lie {
    Lie::about(Endpoint::Discovery)
}

/// The server is alive, says what it lacks, and logs nobody in.
async fn is_not_ready(what: &str, server: &Server) {
    let readiness = server.readiness().await;
    assert_eq!(readiness.status, 503, "{what}: {readiness:?}");
    assert!(readiness.text().contains("provider"), "{what}: {readiness:?}");
    let answer = login_answer(server).await;
    assert_eq!(answer.status, 503, "{what}: {answer:?}");
    assert!(answer.header("location").is_empty(), "{what}: {answer:?}");
}

#[tokio::test]
async fn sec_130_metadata_of_another_issuer_is_not_used() {
    let differs = |what: &'static str, change: fn(&str) -> Value| async move {
        let lie = discovery().json(move |document| {
            let issuer = document["issuer"].as_str().unwrap_or_default().to_owned();
            document["issuer"] = change(&issuer);
        });
        let (op, server) = server_that_refuses_metadata(lie).await;
        is_not_ready(what, &server).await;
        let page = login_answer(&server).await.text();
        assert!(page.contains("provider_misconfigured"), "{what}: that does not mend itself: {page}");
        assert_eq!(op.count(Endpoint::Authorization), 0, "{what}");
    };
    tokio::join!(
        differs("a slash more", |issuer| json!(format!("{issuer}/"))),
        differs("another", |_| json!("https://evil.example")),
        differs("in capitals", |issuer| json!(issuer.to_uppercase())),
        differs("none", |_| json!(null)),
        differs("an array", |issuer| json!([issuer])),
    );
}

#[tokio::test]
async fn a_login_right_after_the_start_waits_for_the_metadata() {
    let op = HostileOp::start().await;
    let gate = Gate::closed();
    op.lies(discovery().held_by(&gate));
    let server = Server::start_unready(ServerConfig::new(op.issuer())).await;
    let (answer, ()) = tokio::join!(login_answer(&server), async {
        op.has_received(Endpoint::Discovery, 1).await;
        gate.open();
    });
    assert!(answer.status.is_redirection(), "{answer:?}");
}

#[tokio::test]
async fn sec_130_a_configured_metadata_path_changes_nothing_about_the_issuer() {
    let op = HostileOp::start().await;
    let mut config = ServerConfig::new(op.issuer());
    config.set("/client/issuerMetadataSegment", json!("/no/such/document"));
    let server = Server::start_unready(config).await;
    op.has_received(Endpoint::Elsewhere, 1).await;
    assert_eq!(op.received_at(Endpoint::Elsewhere)[0].uri.path(), "/no/such/document");
    is_not_ready("another path", &server).await;
    assert_eq!(op.count(Endpoint::Discovery), 0, "the standard path is no fallback");
}

#[tokio::test]
async fn sec_131_unsafe_endpoints_that_logins_rest_on_spoil_the_whole_document() {
    let spoiled = |name: &'static str, value: Value| {
        Box::pin(async move {
            let what = format!("{name}: {value}");
            let (_op, server) = server_that_refuses_metadata(discovery().member(name, value)).await;
            is_not_ready(&what, &server).await;
        })
    };
    join_all([
        spoiled("token_endpoint", json!("http://op.example/token")),
        spoiled("token_endpoint", json!("file:///etc/passwd")),
        spoiled("token_endpoint", json!("/token")),
        spoiled("token_endpoint", json!("https://user:password@op.example/token")),
        spoiled("token_endpoint", json!("https://op.example/token#fragment")),
        spoiled("token_endpoint", json!("")),
        spoiled("token_endpoint", json!(7)),
        spoiled("jwks_uri", json!("http://op.example/jwks")),
        spoiled("jwks_uri", json!("file:///etc/passwd")),
        spoiled("authorization_endpoint", json!("javascript:alert(1)")),
        spoiled("authorization_endpoint", json!("http://op.example/authorize")),
    ])
    .await;
}

/// A provider may have none of these, so one that cannot be used is left out, and named. Nothing is sent there: whoever could
/// write it into the document gains what leaving it out would gain.
#[tokio::test]
async fn sec_131_unsafe_endpoints_that_a_provider_need_not_have_are_never_used() {
    let op = HostileOp::start().await;
    let elsewhere = format!("{}/elsewhere", op.issuer()).replace("127.0.0.1", "plain.example");
    let members = ["end_session_endpoint", "revocation_endpoint", "userinfo_endpoint"];
    for (member, value) in members.iter().zip([json!("javascript:alert(1)"), json!(elsewhere), json!(7)]) {
        op.lies(discovery().member(member, value));
    }
    let stage = Stage { server: Server::start(ServerConfig::new(op.issuer())).await, op };
    let browser = stage.logged_in().await;
    let page = browser.follow(stage.app(), stage.bff("/logout")).posting("").go().await;
    assert_eq!(page.url.as_str(), stage.app().as_str(), "a logout here alone: {page:#?}");
    assert_eq!(stage.session(&browser).await.status, 401);
    for endpoint in [Endpoint::EndSession, Endpoint::Revocation, Endpoint::UserInfo, Endpoint::Elsewhere] {
        assert_eq!(stage.op.count(endpoint), 0, "{endpoint:?}");
    }
    let log = stage.server.log().text();
    for member in members {
        assert_eq!(log.matches(&format!("{member} is not an absolute https URL")).count(), 1, "{member}");
    }
}

#[tokio::test]
async fn sec_131_an_endpoint_that_every_login_needs_must_be_there() {
    let missing = |name: &'static str| async move {
        let (_op, server) = server_that_refuses_metadata(discovery().without(name)).await;
        is_not_ready(name, &server).await;
    };
    tokio::join!(missing("authorization_endpoint"), missing("token_endpoint"));
}

#[tokio::test]
async fn sec_131_without_published_keys_nobody_is_logged_in() {
    let op = HostileOp::start().await;
    op.lies(discovery().without("jwks_uri"));
    let server = Server::start_unready(ServerConfig::new(op.issuer())).await;
    op.has_received(Endpoint::Discovery, 1).await;
    let answer = wait::until("the metadata is read or refused", async || {
        let answer = login_answer(&server).await;
        (answer.status.is_redirection() || op.count(Endpoint::Discovery) > 1).then_some(answer)
    })
    .await;
    if answer.status.is_redirection() {
        let stage = Stage { server, op };
        refused("no keys", &stage.callback_answer().await.1);
    } else {
        assert_eq!(answer.status, 503, "{answer:?}");
    }
}

#[tokio::test]
async fn sec_132_metadata_is_bounded_and_not_redirected() {
    let refuses = |what: &'static str, lie: Lie| async move {
        let (op, server) = server_that_refuses_metadata(lie).await;
        is_not_ready(what, &server).await;
        assert_eq!(op.count(Endpoint::Elsewhere), 0, "{what}: a redirect was followed");
        let size = server.resident_kib();
        assert!(size < 200 * 1024, "{what}: {size} KiB resident");
    };
    let op = HostileOp::start().await;
    let elsewhere = format!("{}/elsewhere", op.issuer());
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    tokio::join!(
        refuses("a redirect", discovery().redirect(&elsewhere)),
        refuses("300 KiB", discovery().transport(Transport::Flood { bytes: 300 * 1024 })),
        refuses("a gigabyte", discovery().transport(Transport::Flood { bytes: 1 << 30 })),
        refuses("a gzip bomb", discovery().transport(Transport::GzipBomb { bytes: 256 << 20 })),
        refuses("half a document", discovery().transport(Transport::Truncate)),
        refuses("deep nesting", discovery().body(nested)),
        refuses("HTML", discovery().header("content-type", "text/html").body("<h1>maintenance</h1>")),
        refuses("500 with a good document", discovery().status(500)),
        refuses("an array", discovery().body("[]")),
    );
    assert_eq!(op.count(Endpoint::Elsewhere), 0);
}

#[tokio::test]
async fn sec_132_token_answers_are_bounded_and_not_redirected() {
    let stage = Stage::new().await;
    let elsewhere = format!("{}/elsewhere", stage.op.issuer());
    let about = || Lie::about(Endpoint::CodeExchange);
    for (what, lie) in [
        ("a redirect", about().redirect(&elsewhere)),
        ("a permanent redirect", about().status(308).header("location", &elsewhere)),
        ("300 KiB", about().transport(Transport::Flood { bytes: 300 * 1024 })),
        ("a gigabyte", about().transport(Transport::Flood { bytes: 1 << 30 })),
        ("a gzip bomb", about().transport(Transport::GzipBomb { bytes: 256 << 20 })),
    ] {
        let (_, answer) = login_with(&stage, lie).await;
        refused(what, &answer);
    }
    assert_eq!(stage.op.count(Endpoint::Elsewhere), 0, "a redirect was followed");
    let size = stage.server.resident_kib();
    assert!(size < 200 * 1024, "{size} KiB resident");
}

#[tokio::test]
async fn sec_132_an_answer_that_never_ends_is_given_up() {
    let stage = Stage::new().await;
    let drip = Transport::Drip { pause: Duration::from_secs(1) };
    let (_, answer) = login_with(&stage, Lie::about(Endpoint::CodeExchange).transport(drip)).await;
    refused("a byte a second", &answer);
    // Meanwhile and afterwards, others are served.
    accepted("the next user", &stage.callback_answer().await.1);
}

#[tokio::test]
async fn sec_132_keys_are_bounded_and_not_redirected() {
    let refuses = |what: &'static str, lie: Lie| async move {
        let op = HostileOp::start().await;
        op.lies(lie);
        let server = Server::start_unready(ServerConfig::new(op.issuer())).await;
        // Keys may be fetched before or with the first login: neither may succeed.
        op.has_received(Endpoint::Discovery, 1).await;
        let answer = wait::until("the keys are asked for", async || {
            let answer = login_answer(&server).await;
            (answer.status.is_redirection() || op.count(Endpoint::Jwks) > 0).then_some(answer)
        })
        .await;
        if answer.status.is_redirection() {
            let stage = Stage { server, op };
            refused(what, &stage.callback_answer().await.1);
            assert_eq!(stage.op.count(Endpoint::Elsewhere), 0, "{what}: a redirect was followed");
        } else {
            assert_eq!(answer.status, 503, "{what}: {answer:?}");
            assert_eq!(op.count(Endpoint::Elsewhere), 0, "{what}: a redirect was followed");
        }
    };
    let about = || Lie::about(Endpoint::Jwks);
    let other = HostileOp::start().await;
    tokio::join!(
        refuses("a redirect", about().redirect(&format!("{}/jwks", other.issuer()))),
        refuses("600 KiB", about().transport(Transport::Flood { bytes: 600 * 1024 })),
        refuses("a gzip bomb", about().transport(Transport::GzipBomb { bytes: 256 << 20 })),
        refuses("500 with good keys", about().status(500)),
    );
    assert!(other.received().is_empty(), "{:?}", other.received());
}

#[tokio::test]
async fn sec_132_the_outbound_client_has_no_cookies_and_no_proxy() {
    let op = HostileOp::start().await;
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks, Endpoint::CodeExchange, Endpoint::Refresh] {
        op.lies(Lie::about(endpoint).header("set-cookie", "tracker=canary-cookie; Path=/"));
    }
    let mut config = ServerConfig::new(op.issuer());
    config.set("/session/sessionJitterSecs", json!(0));
    let dead = format!("http://127.0.0.1:{}", ports::free());
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        config.environment(name, &dead);
    }
    let server = Server::start(config).await;
    let stage = Stage { server, op };
    stage.op.issues_access_tokens_for(1);
    let browser = stage.logged_in().await;
    wait::until("a refresh", async || {
        stage.token(&browser).await;
        (stage.op.count(Endpoint::Refresh) > 0).then_some(())
    })
    .await;
    for request in stage.op.received() {
        if request.endpoint != Endpoint::Authorization {
            assert!(request.headers.get("cookie").is_none(), "{request:?}");
        }
    }
}

#[tokio::test]
async fn sec_133_keys_survive_an_outage_of_the_provider() {
    let stage = Stage::new().await;
    stage.logged_in().await;
    for endpoint in [Endpoint::Jwks, Endpoint::Discovery] {
        stage.op.lies(Lie::about(endpoint).status(503).body("canary-maintenance"));
    }
    let unknown =
        Lie::about(Endpoint::CodeExchange).id_token(|draft| draft.header["kid"] = json!("unknown")).once();
    stage.op.lies(unknown);
    refused("an unknown key during the outage", &stage.callback_answer().await.1);
    accepted("a known key during the outage", &stage.callback_answer().await.1);
}

#[tokio::test]
async fn sec_134_unknown_keys_cause_one_fetch() {
    let stage = Stage::new().await;
    stage.logged_in().await;
    let before = stage.op.count(Endpoint::Jwks);
    for number in 0..25 {
        let kid = format!("unknown-{number}");
        let lie = Lie::about(Endpoint::CodeExchange).id_token(move |draft| draft.header["kid"] = json!(kid));
        refused("an unknown key", &login_with(&stage, lie).await.1);
    }
    let fetches = stage.op.count(Endpoint::Jwks) - before;
    assert!(fetches <= 1, "{fetches} fetches for 25 unknown keys");
}

#[tokio::test]
async fn sec_134_and_047_the_first_login_after_a_key_rotation_works() {
    let stage = Stage::new().await;
    stage.logged_in().await;
    stage.op.lies(Lie::about(Endpoint::Jwks).member("keys", json!([SigningKey::next().jwk()])));
    stage.op.lies(
        Lie::about(Endpoint::CodeExchange).id_token(|draft| draft.sign_with(SigningKey::next(), "RS256")),
    );
    accepted("signed by the next key", &stage.callback_answer().await.1);
}

#[tokio::test]
async fn sec_135_unusable_keys_are_passed_over() {
    let op = HostileOp::start().await;
    let mut encryption = SigningKey::attacker().jwk();
    encryption["use"] = json!("enc");
    encryption["kid"] = json!("provider-1");
    op.lies(Lie::about(Endpoint::Jwks).json(move |document| {
        document["keys"] = json!([
            {"kty": "oct", "kid": "provider-1", "k": "c2VjcmV0", "alg": "HS256"},
            encryption,
            {"kty": "RSA", "kid": "small", "n": "AQAB", "e": "AQAB"},
            {"kty": "RSA", "kid": "no-modulus", "e": "AQAB"},
            {"kty": "RSA", "kid": "bad-base64", "n": "!!!", "e": "AQAB"},
            {"kty": "EC", "kid": "curve", "crv": "P-999", "x": "AA", "y": "AA"},
            {"kty": "EC", "kid": "off-curve", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
            {"kty": "OKP", "kid": "x25519", "crv": "X25519", "x": "AA"},
            {"kty": "quantum", "kid": "future"},
            {"kid": "no-type"},
            {},
            SigningKey::provider().jwk(),
        ]);
    }));
    let server = Server::start(ServerConfig::new(op.issuer())).await;
    let stage = Stage { server, op };
    accepted("one good key among bad ones", &stage.callback_answer().await.1);
}

/// A key may be written in more ways than the RFCs allow. An attacker gains nothing from that: it is the same number, comes
/// from the same place, and what it has not signed is refused as ever.
#[tokio::test]
async fn keys_that_are_written_in_unusual_ways_verify_what_they_signed_and_nothing_else() {
    fn with(key: &SigningKey, change: impl Fn(&str, Vec<u8>) -> String) -> Value {
        let mut jwk = key.jwk();
        for member in ["n", "x", "y"] {
            if !jwk[member].is_null() {
                jwk[member] = change(member, octets(&jwk[member])).into();
            }
        }
        jwk
    }
    let zeros_and = |zeros: usize, it: Vec<u8>| [vec![0; zeros], it].concat();
    let trimmed = |it: Vec<u8>| it.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    let (rsa, short) = (SigningKey::provider(), SigningKey::short());
    let cases = [
        ("a leading zero byte", &rsa, with(&rsa, |_, it| URL_SAFE_NO_PAD.encode(zeros_and(1, it)))),
        ("padding", &rsa, with(&rsa, |_, it| URL_SAFE.encode(it))),
        ("the standard alphabet", &rsa, with(&rsa, |_, it| STANDARD.encode(it))),
        ("line breaks", &rsa, {
            let lines = |it: Vec<u8>| STANDARD.encode(it).replace("//", "//\r\n").replace('A', "A\n");
            with(&rsa, |_, it| lines(it))
        }),
        ("a short coordinate", &short, with(&short, |_, it| URL_SAFE_NO_PAD.encode(trimmed(it)))),
        ("a coordinate as a signed number", &short, {
            with(&short, |_, it| URL_SAFE_NO_PAD.encode(zeros_and(1, it)))
        }),
        ("a short coordinate with padding", &short, with(&short, |_, it| STANDARD.encode(trimmed(it)))),
    ];
    for (what, key, jwk) in cases {
        let algorithm = if key.kid == rsa.kid { "RS256" } else { "ES256" };
        let op = HostileOp::start().await;
        op.lies(Lie::about(Endpoint::Jwks).member("keys", json!([jwk])));
        op.lies(discovery().member("id_token_signing_alg_values_supported", json!([algorithm])));
        let stage = Stage { server: Server::start(ServerConfig::new(op.issuer())).await, op };
        let signed_by = |signer: SigningKey| {
            let kid = key.kid.clone();
            Lie::about(Endpoint::CodeExchange).id_token(move |draft| {
                draft.sign_with(signer.clone(), algorithm);
                draft.header["kid"] = json!(kid);
            })
        };
        accepted(what, &login_with(&stage, signed_by(key.clone())).await.1);
        let another = if algorithm == "RS256" { SigningKey::attacker() } else { SigningKey::elliptic() };
        refused(what, &login_with(&stage, signed_by(another)).await.1);
        assert!(stage.server.log().find("provider_key_unusable").is_none(), "{what}");
    }
}

/// The keys of a provider of which the first two cannot be used, and not for the same reason.
fn mostly_unusable(last: &Value) -> Value {
    let mut small = SigningKey::attacker().jwk();
    (small["kid"], small["n"]) = (json!("small"), json!("u".repeat(171)));
    let encryption = json!({"kty": "RSA", "use": "enc", "kid": "sealing", "n": "AQAB", "e": "AQAB"});
    json!([small, {"kty": "EC", "crv": "P-256", "kid": "nowhere", "x": "AAAA", "y": "AAAA"}, encryption, last])
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_135_a_key_that_cannot_be_used_is_named_with_its_reason_once_and_by_the_doctor() {
    let op = HostileOp::start().await;
    op.lies(Lie::about(Endpoint::Jwks).member("keys", mostly_unusable(&SigningKey::provider().jwk())));
    let server = Server::start(ServerConfig::new(op.issuer())).await;
    let stage = Stage { server, op };
    stage.logged_in().await;
    // A key id that nobody knows has the keys fetched again.
    let unknown = Lie::about(Endpoint::CodeExchange).id_token(|draft| draft.header["kid"] = json!("unknown"));
    stage.op.lies(unknown.once());
    let fetched = stage.op.count(Endpoint::Jwks);
    refused("an unknown key", &stage.callback_answer().await.1);
    assert_eq!(stage.op.count(Endpoint::Jwks), fetched + 1);
    for key in ["small", "nowhere"] {
        wait::until("the log names the key", async || {
            stage
                .server
                .log()
                .lines()
                .into_iter()
                .find(|it| it.contains("provider_key_unusable") && it.contains(key))
        })
        .await;
    }
    let log = stage.server.log().text();
    let lines: Vec<&str> = log.lines().filter(|it| it.contains("provider_key_unusable")).collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    let config = stage.server.config.copy();
    let output = tokio::task::spawn_blocking(move || config.run(&["doctor"])).await.unwrap();
    let doctor = String::from_utf8_lossy(&output.stdout);
    for said in ["small", "nowhere", "its modulus has 1024 bits", "not a point on its curve"] {
        assert!(lines.iter().any(|line| line.contains(said)), "{said}: {lines:#?}");
        assert!(doctor.contains(said), "{said}: {doctor}");
    }
    assert!(doctor.contains("its keys can be used: provider-1 (RS256)"), "{doctor}");
    assert!(
        !log.contains("\"sealing\"") && !doctor.contains("sealing"),
        "a key for encryption is nobody's mistake"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_135_without_any_usable_key_the_server_is_not_ready_and_nobody_types_a_password_for_nothing() {
    let op = HostileOp::start().await;
    let unusable = mostly_unusable(&json!({"kty": "OKP", "crv": "Ed448", "kid": "new", "x": "AA"}));
    op.lies(Lie::about(Endpoint::Jwks).member("keys", unusable));
    let mut server = Server::start_unready(ServerConfig::new(op.issuer())).await;
    let reason = "its key set has no key that signatures can be verified with";
    wait::until("the server says what it lacks", async || {
        let readiness = server.readiness().await;
        assert_eq!(readiness.status, 503, "{readiness:?}");
        readiness.text().contains(reason).then_some(())
    })
    .await;
    let readiness = server.readiness().await.text();
    for named in ["small: its modulus has 1024 bits", "sealing: it is not for signatures", "Ed448"] {
        assert!(readiness.contains(named), "{named}: {readiness}");
    }
    wait::until("the log says so", async || server.log().find(reason)).await;
    let log = server.log().text();
    assert!(log.contains("\"still_usable\":false"), "{log}");
    assert!(!log.contains("\"still_usable\":true"), "nothing has ever been usable: {log}");
    let answer = login_answer(&server).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.text().contains("The login provider cannot be used right now"), "{answer:?}");
    assert_eq!(op.count(Endpoint::Authorization), 0);
    let config = server.config.copy();
    let output = tokio::task::spawn_blocking(move || config.run(&["check", "--online"])).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains(reason), "{said}");
    // Whoever repairs the provider has nothing to do here.
    op.tells_the_truth();
    server.is_ready().await;
}

#[tokio::test]
async fn keys_are_not_needed_where_the_clients_secret_signs() {
    let op = HostileOp::start().await;
    op.lies(Lie::about(Endpoint::Jwks).member("keys", json!([])));
    let mut config = ServerConfig::new(op.issuer());
    let secret = "a secret of at least thirty-two bytes";
    config.set("/client/idTokenSigningAlgorithms", json!(["HS256"]));
    config.set("/client/credentials/secret", json!(secret));
    let server = Server::start(config).await;
    assert_eq!(server.readiness().await.status, 200);
}

#[tokio::test]
async fn sec_135_a_set_without_a_usable_key_verifies_nothing() {
    let nothing = |what: &'static str, keys: Value| async move {
        let op = HostileOp::start().await;
        op.lies(Lie::about(Endpoint::Jwks).json(move |document| *document = keys.clone()));
        let server = Server::start_unready(ServerConfig::new(op.issuer())).await;
        op.has_received(Endpoint::Discovery, 1).await;
        let answer = wait::until("the keys are asked for", async || {
            let answer = login_answer(&server).await;
            (answer.status.is_redirection() || op.count(Endpoint::Jwks) > 0).then_some(answer)
        })
        .await;
        if answer.status.is_redirection() {
            let stage = Stage { server, op };
            refused(what, &stage.callback_answer().await.1);
        } else {
            assert_eq!(answer.status, 503, "{what}: {answer:?}");
        }
    };
    let mut small = SigningKey::provider().jwk();
    small["n"] = json!("u".repeat(171));
    let mut huge = SigningKey::provider().jwk();
    huge["n"] = json!("u".repeat(2731));
    let mut exponent = SigningKey::provider().jwk();
    exponent["e"] = json!("AQ");
    let mut many: Vec<_> = (0..150)
        .map(|number| {
            let mut key = SigningKey::attacker().jwk();
            key["kid"] = json!(format!("key-{number}"));
            key
        })
        .collect();
    many.push(SigningKey::provider().jwk());
    tokio::join!(
        nothing("an empty set", json!({"keys": []})),
        nothing("no set", json!({})),
        nothing("an array", json!([])),
        nothing("keys that are no array", json!({"keys": "none"})),
        nothing("a 1024-bit key", json!({"keys": [small]})),
        nothing("a 16384-bit key", json!({"keys": [huge]})),
        nothing("the exponent 1", json!({"keys": [exponent]})),
        nothing("150 other keys first", json!({"keys": many})),
    );
}

#[tokio::test]
async fn sec_136_the_server_starts_without_its_provider_and_recovers() {
    let port = ports::free();
    let config = ServerConfig::new(&format!("http://127.0.0.1:{port}"));
    let mut server = Server::start_unready(config).await;
    is_not_ready("no provider", &server).await;
    let session = Browser::new().fetch(&server.public, server.bff("/session")).go().await;
    assert_eq!(session.status, 401, "who has no session has none, provider or not: {session:?}");
    // Many users at the door do not become many requests.
    for _ in 0..20 {
        login_answer(&server).await;
    }
    let op = HostileOp::start_at(port).await;
    server.is_ready().await;
    assert!(op.count(Endpoint::Discovery) <= 3, "{:?}", op.received());
    let stage = Stage { server, op };
    stage.logged_in().await;
}

#[tokio::test]
async fn sec_136_requests_do_not_cause_discovery() {
    let (op, server) = server_that_refuses_metadata(discovery().status(503)).await;
    let before = op.count(Endpoint::Discovery);
    for _ in 0..30 {
        assert_eq!(login_answer(&server).await.status, 503);
    }
    let fetches = op.count(Endpoint::Discovery) - before;
    // The server tries again by itself, a few times in the first minute.
    assert!(fetches <= 8, "{fetches} fetches for 30 requests");
}
