//! §1 Login initiation: pushed authorization requests.

use crate::expect::{accepted, authorization_request, login_answer, value};
use authtool_tests::hostile::{CLIENT_ID, Endpoint, Lie, Team, Transport};
use authtool_tests::{ServerConfig, Stage};
use serde_json::{Value, json};

/// The metadata of a provider that takes pushed requests, or nothing else.
fn offering(required: bool) -> Lie {
    Lie::about(Endpoint::Discovery).json(move |metadata| {
        let issuer = metadata["issuer"].as_str().unwrap().to_owned();
        metadata["pushed_authorization_request_endpoint"] = json!(format!("{issuer}/par"));
        metadata["require_pushed_authorization_requests"] = json!(required);
    })
}

/// No login begins: no redirect, no cookie, no request in the query.
#[track_caller]
fn begins_nothing(what: &str, answer: &authtool_tests::Answer, status: u16) {
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert!(answer.header("location").is_empty(), "{what}: {answer:?}");
    assert!(answer.set_cookies().is_empty(), "{what}: {answer:?}");
}

#[tokio::test]
async fn sec_014_a_provider_that_takes_pushed_requests_gets_them() {
    for required in [false, true] {
        let stage = Stage::lying(offering(required), |_| {}).await;
        let answer = login_answer(&stage.server).await;
        let location = authorization_request(&answer);
        let names: Vec<_> = location.query_pairs().map(|(name, _)| name.into_owned()).collect();
        assert_eq!(names, ["client_id", "request_uri"], "{location}");
        assert_eq!(value(&location, "client_id"), CLIENT_ID);

        let pushed = stage.op.received_at(Endpoint::Push).pop().expect("a request was pushed");
        assert!(pushed.headers.contains_key("authorization"), "the client proves who it is: {pushed:?}");
        for name in
            ["response_type", "redirect_uri", "scope", "state", "nonce", "code_challenge", "client_id"]
        {
            let count = pushed.form.iter().filter(|(it, _)| it == name).count();
            assert_eq!(count, 1, "{name}: {pushed:?}");
        }
        accepted("a login by a pushed request", &stage.callback_answer().await.1);
    }
}

#[tokio::test]
async fn sec_014_a_request_that_cannot_be_pushed_does_not_go_into_the_query() {
    for required in [false, true] {
        let stage = Stage::lying(offering(required), |_| {}).await;
        let about = || Lie::about(Endpoint::Push);
        for (what, lie, status) in [
            ("an error of the server", about().status(500), 503),
            ("a refused client", about().oauth_error(401, "invalid_client"), 502),
            ("a refused request", about().oauth_error(400, "invalid_request"), 502),
            ("too many requests", about().status(429).header("retry-after", "7"), 503),
            ("a redirect", about().redirect("http://127.0.0.1:9/"), 503),
            ("a page", about().status(200).body("<html>"), 503),
            ("no request_uri", about().without("request_uri"), 503),
            ("an empty request_uri", about().member("request_uri", json!("")), 503),
            ("a number", about().member("request_uri", json!(7)), 503),
            ("no URI", about().member("request_uri", json!("x y")), 503),
            ("a URI with a line feed", about().member("request_uri", json!("urn:x\nSet-Cookie: a=b")), 503),
            ("an expired request", about().member("expires_in", json!(0)), 503),
            (
                "a huge answer",
                about().member("request_uri", json!("urn:".to_owned() + &"x".repeat(100_000))),
                503,
            ),
            ("a reset", about().transport(Transport::Reset), 503),
        ] {
            stage.op.lies(lie.once());
            begins_nothing(what, &login_answer(&stage.server).await, status);
        }
        assert_eq!(stage.op.count(Endpoint::Authorization), 0);
        accepted("afterwards", &stage.callback_answer().await.1);
    }
}

#[tokio::test]
async fn sec_014_configuration_decides_and_a_contradiction_begins_nothing() {
    let with = async |lie: Lie, setting: &str| {
        let setting = json!(setting);
        Stage::lying(lie, |config| {
            config.set("/client/pushedAuthorizationRequests", setting);
        })
        .await
    };
    let stage = with(offering(false), "never").await;
    assert_eq!(value(&authorization_request(&login_answer(&stage.server).await), "response_type"), "code");
    assert_eq!(stage.op.count(Endpoint::Push), 0);

    let stage = with(offering(true), "never").await;
    begins_nothing("required, but `never`", &login_answer(&stage.server).await, 502);
    stage.server.log().shows("pushedAuthorizationRequests is `never`").await;

    let stage = with(Lie::about(Endpoint::Discovery), "always").await;
    begins_nothing("not offered, but `always`", &login_answer(&stage.server).await, 502);

    let required_without_endpoint =
        Lie::about(Endpoint::Discovery).member("require_pushed_authorization_requests", json!(true));
    let stage = with(required_without_endpoint, "auto").await;
    begins_nothing("required, but nowhere", &login_answer(&stage.server).await, 502);
}

#[tokio::test]
async fn sec_014_a_signed_request_has_beside_it_what_openid_connect_wants_and_a_pushed_one_has_not() {
    let team = Team::new();
    let signing = |pushed: &'static str| {
        let key = team.credentials()["privateKey"].clone();
        move |config: &mut ServerConfig| {
            config
                .set("/client/credentials", json!({"privateKey": key}))
                .set("/client/requestObjectSigningAlgorithm", json!("ES256"))
                .set("/client/pushedAuthorizationRequests", json!(pushed));
        }
    };
    // OpenID Connect Core 1.0 §6.1: `response_type`, `client_id` and `scope`; the values of the object.
    let stage = Stage::with(signing("never")).await;
    let request = authorization_request(&login_answer(&stage.server).await);
    let mut sent: Vec<_> = request.query_pairs().map(|(name, _)| name.into_owned()).collect();
    sent.sort();
    assert_eq!(sent, ["client_id", "request", "response_type", "scope"], "{request}");
    assert_eq!(value(&request, "response_type"), "code");
    assert_eq!(value(&request, "scope"), "openid profile email offline_access");
    assert_eq!(value(&request, "client_id"), CLIENT_ID);

    // RFC 9126 §3: everything in the object. (This provider does not take the client's key; what it was sent counts.)
    let stage = Stage::lying(offering(true), signing("always")).await;
    begins_nothing("a client that is not known", &login_answer(&stage.server).await, 502);
    let pushed = &stage.op.received_at(Endpoint::Push)[0];
    let mut sent: Vec<_> = pushed.form.iter().map(|(name, _)| name.as_str()).collect();
    sent.sort_unstable();
    assert_eq!(sent, ["client_assertion", "client_assertion_type", "client_id", "request"], "{pushed:?}");
}

#[tokio::test]
async fn sec_014_a_provider_that_takes_only_signed_requests_gets_no_other() {
    let signed = Lie::about(Endpoint::Discovery).member("require_signed_request_object", Value::Bool(true));
    let stage = Stage::lying(signed, |_| {}).await;
    begins_nothing("unsigned", &login_answer(&stage.server).await, 502);
    stage.server.log().shows("requestObjectSigningAlgorithm").await;
}
