//! §3 ID token validation.

use crate::expect::{accepted, login_with, refused};
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{
    CLIENT_ID, CLIENT_SECRET, Endpoint, HostileOp, IdTokenDraft, Lie, Signer, SigningKey, now,
};
use authtool_tests::{SESSION, Server, ServerConfig, Stage};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

fn token(edit: impl Fn(&mut IdTokenDraft) + Send + Sync + 'static) -> Lie {
    Lie::about(Endpoint::CodeExchange).id_token(edit)
}

fn claim(name: &str, value: Value) -> Lie {
    Lie::about(Endpoint::CodeExchange).claim(name, value)
}

/// An ID token whose claims are this JSON text, with the honest claims around one member.
fn raw_claim(name: &'static str, text: &'static str) -> Lie {
    token(move |draft| {
        draft.without(name);
        let rest = draft.claims.to_string();
        draft.payload = Some(format!("{{\"{name}\":{text},{}", rest.trim_start_matches('{')));
    })
}

async fn all_refused(stage: &Stage, lies: impl IntoIterator<Item = (String, Lie)>) {
    for (what, lie) in lies {
        let (browser, answer) = login_with(stage, lie).await;
        refused(&what, &answer);
        assert_eq!(stage.session(&browser).await.status, 401, "{what}");
    }
    honest(stage).await;
}

async fn all_accepted(stage: &Stage, lies: impl IntoIterator<Item = (String, Lie)>) {
    for (what, lie) in lies {
        let (browser, answer) = login_with(stage, lie).await;
        accepted(&what, &answer);
        assert_eq!(stage.session(&browser).await.status, 200, "{what}");
    }
}

/// The same login without a lie works: what was refused was refused for the lie.
async fn honest(stage: &Stage) {
    stage.op.tells_the_truth();
    accepted("the truth", &stage.callback_answer().await.1);
}

/// Lies about one claim.
fn claims(name: &str, values: impl IntoIterator<Item = Value>) -> Vec<(String, Lie)> {
    values.into_iter().map(|value| (format!("{name}: {value}"), claim(name, value))).collect()
}

/// A provider whose published keys or metadata differ from the beginning.
async fn stage_with(lies: impl IntoIterator<Item = Lie>) -> Stage {
    let op = HostileOp::start().await;
    for lie in lies {
        op.lies(lie);
    }
    let server = Server::start(ServerConfig::new(op.issuer())).await;
    Stage { server, op }
}

#[tokio::test]
async fn sec_034_an_id_token_must_be_there() {
    let stage = Stage::new().await;
    let about = || Lie::about(Endpoint::CodeExchange);
    let mut lies = vec![("absent".to_owned(), about().without("id_token"))];
    for value in [
        json!(null),
        json!(""),
        json!("x"),
        json!("x.y"),
        json!("x.y.z"),
        json!("a.b.c.d.e"),
        json!(7),
        json!([]),
        json!({}),
        json!(".."),
    ] {
        lies.push((format!("id_token: {value}"), about().member("id_token", value)));
    }
    all_refused(&stage, lies).await;
}

#[tokio::test]
async fn sec_035_the_algorithm_none_is_refused_in_every_spelling() {
    let stage = Stage::new().await;
    let mut lies = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", " none", ""] {
        lies.push((
            format!("alg: {alg:?}, no signature"),
            token(move |draft| {
                draft.header["alg"] = json!(alg);
                draft.signer = Signer::Bytes(Vec::new());
            }),
        ));
        lies.push((
            format!("alg: {alg:?}, the right signature"),
            token(move |draft| draft.header["alg"] = json!(alg)),
        ));
    }
    for alg in [
        json!("RS512"),
        json!("PS256"),
        json!("ES256"),
        json!("EdDSA"),
        json!("HS256"),
        json!("rs256"),
        json!(256),
        json!(null),
        json!(["RS256"]),
    ] {
        lies.push((format!("alg: {alg}"), token(move |draft| draft.header["alg"] = alg.clone())));
    }
    lies.push(("no alg".to_owned(), token(|draft| draft.without_header("alg"))));
    all_refused(&stage, lies).await;
}

#[tokio::test]
async fn sec_035_the_client_secret_is_no_signing_key_even_if_the_provider_says_so() {
    let algorithms = json!(["RS256", "HS256", "none"]);
    let stage = stage_with([
        Lie::about(Endpoint::Discovery).member("id_token_signing_alg_values_supported", algorithms)
    ])
    .await;
    // `login_with` ends the lie about the metadata, which the server has read by then.
    let hs256 = |draft: &mut IdTokenDraft| {
        draft.header = json!({"alg": "HS256", "typ": "JWT"});
        draft.signer = Signer::Hs256(CLIENT_SECRET.as_bytes().to_vec());
    };
    let none = |draft: &mut IdTokenDraft| {
        draft.header = json!({"alg": "none"});
        draft.signer = Signer::Bytes(Vec::new());
    };
    all_refused(&stage, [("HS256".to_owned(), token(hs256)), ("none".to_owned(), token(none))]).await;
}

/// A provider that publishes a key of every kind, and announces these algorithms.
async fn announcing(algorithms: Value, configured: Option<Value>) -> Stage {
    let mut any_rsa = SigningKey::provider().jwk();
    any_rsa.as_object_mut().unwrap().remove("alg");
    let keys = json!([
        any_rsa,
        SigningKey::elliptic().jwk(),
        SigningKey::p521().jwk(),
        SigningKey::edwards().jwk(),
        // Bound to RS256 by its own `alg`.
        SigningKey::next().jwk(),
    ]);
    let op = HostileOp::start().await;
    op.lies(Lie::about(Endpoint::Jwks).member("keys", keys));
    op.lies(announces(algorithms));
    let mut config = ServerConfig::new(op.issuer());
    if let Some(configured) = configured {
        config.set("/client/idTokenSigningAlgorithms", configured);
    }
    Stage { server: Server::start(config).await, op }
}

fn announces(algorithms: Value) -> Lie {
    Lie::about(Endpoint::Discovery).json(move |document| {
        if algorithms.is_null() {
            document.as_object_mut().unwrap().remove("id_token_signing_alg_values_supported");
        } else {
            document["id_token_signing_alg_values_supported"] = algorithms.clone();
        }
    })
}

fn signed_with(key: fn() -> SigningKey, algorithm: &'static str) -> Lie {
    token(move |draft| {
        draft.sign_with(key(), algorithm);
        if algorithm == "PS256" {
            draft.signer = Signer::Pss(key());
        }
        // It is made with SHA-256, whatever the algorithm.
        draft.without("at_hash");
    })
}

/// A key pair of the provider's alone can make these signatures, so a longer list helps nobody else. What the metadata
/// says can only shorten the list; it never brings in `none` or the client's secret.
#[tokio::test]
async fn sec_035_the_algorithms_that_the_provider_announces_are_accepted_within_a_fixed_list() {
    type Key = fn() -> SigningKey;
    const ALL: [(&str, Key); 5] = [
        ("RS256", SigningKey::provider),
        ("PS256", SigningKey::provider),
        ("ES256", SigningKey::elliptic),
        ("ES512", SigningKey::p521),
        ("EdDSA", SigningKey::edwards),
    ];
    let everything = json!(["RS256", "PS256", "ES256", "ES512", "EdDSA", "HS256", "none"]);
    for (announced, configured, good) in [
        (everything.clone(), None, vec!["RS256", "PS256", "ES256", "ES512", "EdDSA"]),
        (json!(["ES256"]), None, vec!["ES256"]),
        (json!(["PS256", "RS256"]), None, vec!["RS256", "PS256"]),
        (json!(null), None, vec!["RS256"]),
        (json!(["none", "HS256"]), None, vec!["RS256"]),
        // The setting replaces the list, in both directions.
        (everything, Some(json!(["RS256"])), vec!["RS256"]),
        (json!(["RS256"]), Some(json!(["ES512", "EdDSA"])), vec!["ES512", "EdDSA"]),
    ] {
        let stage = announcing(announced.clone(), configured.clone()).await;
        for (algorithm, key) in ALL {
            let what = format!("{algorithm}, announced {announced}, configured {configured:?}");
            // The metadata may be fetched anew, and still says the same.
            stage.op.tells_the_truth();
            stage.op.lies(announces(announced.clone()));
            stage.op.lies(signed_with(key, algorithm));
            let (_, answer) = stage.callback_answer().await;
            if good.contains(&algorithm) {
                accepted(&what, &answer);
            } else {
                refused(&what, &answer);
            }
        }
    }
}

#[tokio::test]
async fn sec_035_and_036_an_announced_algorithm_needs_a_key_of_its_kind_and_one_that_is_for_it() {
    let stage = announcing(json!(["RS256", "PS256", "ES256", "ES512", "EdDSA"]), None).await;
    let lies: [(&str, Lie); 5] = [
        ("ES256 with a key of P-521", signed_with(SigningKey::p521, "ES256")),
        ("ES512 with a key of P-256", signed_with(SigningKey::elliptic, "ES512")),
        ("RS256 with an EC key", signed_with(SigningKey::elliptic, "RS256")),
        ("PS256 with a key that is for RS256", signed_with(SigningKey::next, "PS256")),
        ("EdDSA with a key nobody published", signed_with(SigningKey::short, "EdDSA")),
    ];
    all_refused(&stage, lies.map(|(what, lie)| (what.to_owned(), lie))).await;
}

#[tokio::test]
async fn sec_035_an_algorithm_outside_the_configured_list_is_refused_though_its_key_is_published() {
    let keys = json!([SigningKey::provider().jwk(), SigningKey::elliptic().jwk()]);
    let op = HostileOp::start().await;
    op.lies(Lie::about(Endpoint::Jwks).member("keys", keys));
    op.lies(
        Lie::about(Endpoint::Discovery)
            .member("id_token_signing_alg_values_supported", json!(["RS256", "ES256"])),
    );
    // Without the setting the announced one is accepted (above).
    let mut config = ServerConfig::new(op.issuer());
    config.set("/client/idTokenSigningAlgorithms", json!(["RS256"]));
    let stage = Stage { server: Server::start(config).await, op };
    stage.op.lies(token(|draft| draft.sign_with(SigningKey::elliptic(), "ES256")));
    refused("ES256", &stage.callback_answer().await.1);
}

#[tokio::test]
async fn sec_036_a_public_key_is_no_secret_and_a_signature_must_be_one() {
    let stage = Stage::new().await;
    let key = SigningKey::provider();
    let mut lies = Vec::new();
    for (what, secret) in [
        ("the modulus", key.modulus()),
        ("the encoded modulus", URL_SAFE_NO_PAD.encode(key.modulus()).into_bytes()),
        ("the PEM file", key.public_pem().into_bytes()),
        ("the PEM file without its last line feed", key.public_pem().trim_end().as_bytes().to_vec()),
        ("the JWK", key.jwk().to_string().into_bytes()),
        ("nothing", Vec::new()),
    ] {
        lies.push((
            format!("HS256 with {what}"),
            token(move |draft| {
                draft.header["alg"] = json!("HS256");
                draft.signer = Signer::Hs256(secret.clone());
            }),
        ));
    }
    for (what, signature) in [
        ("no signature", Vec::new()),
        ("zeroes", vec![0; 256]),
        ("r = s = 0", vec![0; 64]),
        ("ones", vec![0xff; 256]),
        ("one byte", vec![1]),
        ("a long signature", vec![1; 5000]),
    ] {
        for alg in ["RS256", "ES256"] {
            let signature = signature.clone();
            lies.push((
                format!("{alg} with {what}"),
                token(move |draft| {
                    draft.header["alg"] = json!(alg);
                    draft.signer = Signer::Bytes(signature.clone());
                }),
            ));
        }
    }
    lies.push((
        "a signature with a byte more".to_owned(),
        token(|draft| draft.compact = Some(format!("{}AA", draft.serialise()))),
    ));
    lies.push((
        "a signature with a byte less".to_owned(),
        token(|draft| {
            let mut compact = draft.serialise();
            compact.truncate(compact.len() - 2);
            draft.compact = Some(compact);
        }),
    ));
    lies.push((
        "claims changed after the signature".to_owned(),
        token(|draft| {
            let signed = draft.serialise();
            draft.claims["email"] = json!("someone@else.example");
            let changed = draft.serialise();
            let parts: Vec<_> = changed.split('.').collect();
            let signature = signed.rsplit('.').next().unwrap();
            draft.compact = Some(format!("{}.{}.{signature}", parts[0], parts[1]));
        }),
    ));
    all_refused(&stage, lies).await;
}

#[tokio::test]
async fn sec_037_keys_come_only_from_the_published_set() {
    let stage = Stage::new().await;
    let attacker = SigningKey::attacker;
    let url = format!("{}/attacker-keys", stage.op.issuer());
    let certificate = STANDARD.encode(attacker().modulus());
    let mut lies = Vec::new();
    for (member, value) in
        [("jwk", attacker().jwk()), ("jku", json!(url)), ("x5u", json!(url)), ("x5c", json!([certificate]))]
    {
        for kid in [Some("attacker-1"), Some("provider-1"), None] {
            let value = value.clone();
            lies.push((
                format!("{member} with kid {kid:?}"),
                token(move |draft| {
                    draft.sign_with(attacker(), "RS256");
                    draft.header[member] = value.clone();
                    match kid {
                        Some(kid) => draft.header["kid"] = json!(kid),
                        None => draft.without_header("kid"),
                    }
                }),
            ));
        }
    }
    lies.push((
        "an attacker's key under our kid".to_owned(),
        token(|draft| {
            draft.sign_with(SigningKey::attacker(), "RS256");
            draft.header["kid"] = json!("provider-1");
        }),
    ));
    // An empty list, which demands nothing, is for the unit tests of `jws`.
    for crit in [json!(["exp"]), json!(["x-unknown"]), json!({}), json!("b64")] {
        lies.push((
            format!("crit: {crit}"),
            token(move |draft| {
                draft.header["crit"] = crit.clone();
                draft.header["x-unknown"] = json!(true);
                draft.header["exp"] = json!(1);
            }),
        ));
    }
    all_refused(&stage, lies).await;
    assert_eq!(stage.op.count(Endpoint::Elsewhere), 0, "a URL in a header was fetched");
}

#[tokio::test]
async fn sec_037_header_keys_beside_a_good_signature_are_ignored() {
    let stage = Stage::new().await;
    let url = format!("{}/attacker-keys", stage.op.issuer());
    let lie = token(move |draft| {
        draft.header["jku"] = json!(url);
        draft.header["x5u"] = json!(url);
        draft.header["jwk"] = SigningKey::attacker().jwk();
    });
    // Ignored or refused are both safe; fetched is not.
    login_with(&stage, lie).await;
    assert_eq!(stage.op.count(Endpoint::Elsewhere), 0);
}

#[tokio::test]
async fn sec_038_the_issuer_is_compared_exactly() {
    let stage = Stage::new().await;
    let issuer = stage.op.issuer().to_owned();
    let values = [
        json!(format!("{issuer}/")),
        json!(issuer.to_uppercase()),
        json!(issuer.replace("127.0.0.1", "localhost")),
        json!(format!("{issuer}:443")),
        json!(format!("{issuer}#")),
        json!(format!("{issuer}.evil.example")),
        json!(format!(" {issuer}")),
        json!(issuer.trim_start_matches("http://")),
        json!([issuer]),
        json!(""),
        json!(null),
    ];
    let mut lies = claims("iss", values);
    lies.push(("no iss".to_owned(), token(|draft| draft.without("iss"))));
    all_refused(&stage, lies).await;
}

#[tokio::test]
async fn sec_039_the_audience_is_this_client_and_nobody_else() {
    let stage = Stage::new().await;
    let values = [
        json!("another-client"),
        json!(["another-client"]),
        json!([CLIENT_ID, "another-client"]),
        json!(["another-client", CLIENT_ID]),
        json!([]),
        json!(""),
        json!([""]),
        json!(null),
        json!(7),
        json!([7, CLIENT_ID]),
        json!({"a": CLIENT_ID}),
        json!(CLIENT_ID.to_uppercase()),
        json!(format!("{CLIENT_ID} ")),
    ];
    let mut lies = claims("aud", values);
    lies.push(("no aud".to_owned(), token(|draft| draft.without("aud"))));
    all_refused(&stage, lies).await;
    all_accepted(&stage, claims("aud", [json!([CLIENT_ID])])).await;
}

#[tokio::test]
async fn sec_040_the_authorized_party_is_this_client() {
    let stage = Stage::new().await;
    all_refused(&stage, claims("azp", [json!("another-client"), json!(" "), json!([CLIENT_ID]), json!(7)]))
        .await;
    // An empty one is one that was left out, as it may be where nobody else is in the audience.
    all_accepted(&stage, claims("azp", [json!(CLIENT_ID), json!("")])).await;
}

#[tokio::test]
async fn sec_041_times_are_checked_with_little_leeway() {
    let stage = Stage::new().await;
    let at = |seconds: i64| json!(now() + seconds);
    let mut lies = Vec::new();
    lies.extend(claims("exp", [at(-120), at(-3600), json!(0)]));
    lies.extend(claims("iat", [at(7200), at(120), json!(0), at(-12 * 60), at(365 * 24 * 3600)]));
    lies.extend(claims("nbf", [at(3600), at(120)]));
    for name in ["exp", "iat"] {
        lies.push((format!("no {name}"), token(move |draft| draft.without(name))));
    }
    all_refused(&stage, lies).await;
    let mut lies = claims("exp", [at(-5)]);
    lies.extend(claims("iat", [at(5), at(-5 * 60)]));
    lies.extend(claims("nbf", [at(5), at(-3600)]));
    all_accepted(&stage, lies).await;
}

#[tokio::test]
async fn sec_042_odd_times_never_mean_absent_or_valid_forever() {
    let stage = Stage::new().await;
    let mut lies = Vec::new();
    for name in ["exp", "iat", "nbf"] {
        let soon = format!("{}", now() + 100);
        lies.extend(claims(name, [json!(soon), json!([]), json!({}), json!(true), json!("never")]));
    }
    // `null` does mean absent, which is refused where a time must be there.
    lies.extend(claims("exp", [json!(null)]));
    lies.extend(claims("iat", [json!(null)]));
    lies.extend(claims("exp", [json!(-1), json!(i64::MIN)]));
    lies.push(("exp: -1e300".to_owned(), raw_claim("exp", "-1e300")));
    lies.push(("iat: 1e300".to_owned(), raw_claim("iat", "1e300")));
    lies.push(("iat: -1e300".to_owned(), raw_claim("iat", "-1e300")));
    lies.push(("nbf: 1e300".to_owned(), raw_claim("nbf", "1e300")));
    lies.extend(claims("iat", [json!(-1), json!(i64::MAX), json!(u64::MAX), json!(i64::MIN)]));
    lies.extend(claims("nbf", [json!(i64::MAX), json!(u64::MAX)]));
    all_refused(&stage, lies).await;
}

#[tokio::test]
async fn sec_042_extreme_times_are_answered_the_same_each_time() {
    let stage = Stage::new().await;
    for (name, text) in [
        ("exp", "1e300"),
        ("exp", "9223372036854775807"),
        ("exp", "18446744073709551615"),
        ("exp", "99999999999999999999999999"),
        ("exp", "4102444800.5"),
        ("nbf", "-1"),
        ("nbf", "0.5"),
        ("auth_time", "\"yesterday\""),
        ("auth_time", "1e300"),
        ("auth_time", "-9223372036854775808"),
        ("auth_time", "null"),
    ] {
        let (_, first) = login_with(&stage, raw_claim(name, text)).await;
        let (_, second) = login_with(&stage, raw_claim(name, text)).await;
        assert_eq!(first.sets_session(), second.sets_session(), "{name}: {text}");
        assert!(first.status.as_u16() < 500, "{name}: {text}: {first:?}");
    }
    honest(&stage).await;
}

#[tokio::test]
async fn sec_043_a_missing_or_foreign_nonce_is_refused() {
    let stage = Stage::new().await;
    let other = crate::expect::login_answer(&stage.server).await;
    let foreign = crate::expect::value(&crate::expect::authorization_request(&other), "nonce");
    let mut lies = claims("nonce", [json!(""), json!(null), json!(foreign), json!([]), json!(7), json!({})]);
    lies.push(("no nonce".to_owned(), token(|draft| draft.without("nonce"))));
    lies.push((
        "the nonce in an array".to_owned(),
        token(|draft| draft.claims["nonce"] = json!([draft.claims["nonce"]])),
    ));
    lies.push((
        "the nonce and more".to_owned(),
        token(|draft| {
            draft.claims["nonce"] = json!(format!("{}A", draft.claims["nonce"].as_str().unwrap()));
        }),
    ));
    all_refused(&stage, lies).await;
}

#[tokio::test]
async fn sec_044_the_subject_is_a_short_ascii_string() {
    let stage = Stage::new().await;
    let values = [json!(""), json!(null), json!("a".repeat(256)), json!("ädä"), json!(7), json!(["ada"])];
    let mut lies = claims("sub", values);
    lies.push(("no sub".to_owned(), token(|draft| draft.without("sub"))));
    all_refused(&stage, lies).await;
    all_accepted(&stage, claims("sub", [json!("a".repeat(255)), json!("auth0|5f7c8ec7c33c6c004bbafe82")]))
        .await;
}

#[tokio::test]
async fn sec_045_a_wrong_at_hash_is_refused() {
    let stage = Stage::new().await;
    let mut lies = claims("at_hash", [json!("AAAAAAAAAAAAAAAAAAAAAA"), json!(""), json!(7)]);
    // The honest hash belongs to another access token than the one that is answered.
    let another_token =
        Lie::about(Endpoint::CodeExchange).member("access_token", json!("canary-at-another-token"));
    lies.push(("of another access token".to_owned(), another_token));
    all_refused(&stage, lies).await;
    all_accepted(&stage, [("no at_hash".to_owned(), token(|draft| draft.without("at_hash")))]).await;
    // Absent too: an attacker who can have `null` signed can have it left out.
    all_accepted(&stage, claims("at_hash", [json!(null)])).await;
}

#[tokio::test]
async fn sec_045_a_wrong_c_hash_is_refused() {
    let stage = Stage::new().await;
    all_refused(&stage, claims("c_hash", [json!("AAAAAAAAAAAAAAAAAAAAAA"), json!(""), json!(7)])).await;
}

#[tokio::test]
async fn sec_046_tokens_of_other_kinds_are_no_id_tokens() {
    let stage = Stage::new().await;
    let mut lies = Vec::new();
    for typ in [
        "at+jwt",
        "application/at+jwt",
        "AT+JWT",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "oauth-authz-req+jwt",
    ] {
        lies.push((format!("typ: {typ}"), token(move |draft| draft.header["typ"] = json!(typ))));
    }
    let logout = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    lies.push(("a logout token's events".to_owned(), claim("events", logout)));
    all_refused(&stage, lies).await;
    let typ = |typ| token(move |draft| draft.header["typ"] = json!(typ));
    all_accepted(
        &stage,
        [
            ("typ: JWT".to_owned(), typ("JWT")),
            ("no typ".to_owned(), token(|draft| draft.without_header("typ"))),
        ],
    )
    .await;
}

#[tokio::test]
async fn sec_047_a_missing_key_id_is_resolved_only_when_it_is_unambiguous() {
    let without_kid = || token(|draft| draft.without_header("kid"));
    let stage = Stage::new().await;
    all_accepted(&stage, [("one key".to_owned(), without_kid())]).await;

    let mut encryption = SigningKey::attacker().jwk();
    encryption["use"] = json!("enc");
    encryption["alg"] = json!("RSA-OAEP");
    let keys = json!([encryption, SigningKey::elliptic().jwk(), SigningKey::provider().jwk()]);
    let stage = stage_with([Lie::about(Endpoint::Jwks).member("keys", keys)]).await;
    stage.op.lies(without_kid());
    accepted("one signing key of the right type", &stage.callback_answer().await.1);

    // With several, an attacker's key must not be among what is tried.
    let keys = json!([SigningKey::next().jwk(), SigningKey::provider().jwk()]);
    let stage = stage_with([Lie::about(Endpoint::Jwks).member("keys", keys)]).await;
    stage.op.lies(token(|draft| {
        draft.sign_with(SigningKey::attacker(), "RS256");
        draft.without_header("kid");
    }));
    refused("a key outside the set", &stage.callback_answer().await.1);
}

#[tokio::test]
async fn sec_047_two_keys_of_one_id_are_answered_the_same_each_time() {
    let mut twin = SigningKey::next().jwk();
    twin["kid"] = json!("provider-1");
    for keys in [json!([twin, SigningKey::provider().jwk()]), json!([SigningKey::provider().jwk(), twin])] {
        let stage = stage_with([Lie::about(Endpoint::Jwks).member("keys", keys)]).await;
        let first = stage.callback_answer().await.1;
        let second = stage.callback_answer().await.1;
        assert_eq!(first.sets_session(), second.sets_session(), "{first:?} {second:?}");
        assert!(first.status.as_u16() < 500, "{first:?}");
    }
}

#[tokio::test]
async fn sec_048_odd_profile_claims_do_not_prevent_a_login() {
    let stage = Stage::with(|config| {
        config.set("/session/userClaims", json!(["email", "email_verified", "address"]));
    })
    .await;
    let odd = token(|draft| {
        draft.claims["email"] = json!(7);
        draft.claims["email_verified"] = json!("true");
        draft.claims["address"] = json!("Ockham");
        draft.claims["updated_at"] = json!("1843-10-01T00:00:00Z");
        draft.claims["name"] = json!(["Ada"]);
        draft.claims["zoneinfo"] = json!(null);
    });
    let (browser, answer) = login_with(&stage, odd).await;
    accepted("a Cognito-style token", &answer);
    let session = stage.session(&browser).await.json();
    assert_eq!(session["email"], json!(7), "{session}");
    assert_eq!(session["email_verified"], json!("true"), "{session}");
    assert_eq!(session["address"], json!("Ockham"), "{session}");
}

#[tokio::test]
async fn sec_049_two_subjects_with_one_address_are_two_users() {
    let stage = Stage::with(|config| {
        config.set("/session/userClaims", json!(["sub", "email"]));
    })
    .await;
    let email = json!({"email": "shared@example.com"});
    stage.op.logs_in("first", &email);
    let first = stage.logged_in().await;
    stage.op.logs_in("second", &email);
    let second = stage.logged_in().await;
    assert_eq!(stage.session(&first).await.json()["sub"], "first");
    assert_eq!(stage.session(&second).await.json()["sub"], "second");
    let saved = first.cookie(SESSION).unwrap();
    stage.log_out(&first).await;
    assert_eq!(stage.session_for(&saved).await.status, 401);
    assert_eq!(stage.session(&second).await.json()["sub"], "second");
    let stranger: &Browser = &Browser::new();
    assert_eq!(stage.session(stranger).await.status, 401);
}

#[tokio::test]
async fn sec_039_and_040_further_audiences_are_those_configured_and_name_the_authorized_party() {
    let stage = Stage::with(|config| {
        config.set("/client/idTokenFurtherAudiences", json!(["the-project"]));
    })
    .await;
    let token = |audience: Value, party: Value| {
        Lie::about(Endpoint::CodeExchange).claim("aud", audience).claim("azp", party)
    };
    for (what, audience, party) in [
        ("nobody to say whose it is", json!([CLIENT_ID, "the-project"]), json!(null)),
        ("issued to the other", json!([CLIENT_ID, "the-project"]), json!("the-project")),
        ("for the other alone", json!("the-project"), json!(CLIENT_ID)),
        ("for the other alone, in a list", json!(["the-project"]), json!(CLIENT_ID)),
        ("for a stranger too", json!([CLIENT_ID, "the-project", "evil"]), json!(CLIENT_ID)),
        ("for a stranger", json!([CLIENT_ID, "evil"]), json!(CLIENT_ID)),
    ] {
        refused(what, &login_with(&stage, token(audience, party)).await.1);
    }
    let good = token(json!(["the-project", CLIENT_ID]), json!(CLIENT_ID));
    accepted("with the project", &login_with(&stage, good).await.1);
    let alone = Lie::about(Endpoint::CodeExchange).claim("aud", json!(CLIENT_ID));
    accepted("without it", &login_with(&stage, alone).await.1);
}
