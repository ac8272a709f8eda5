//! What can be read in two ways: members that occur twice, and an error beside tokens.

use crate::expect::{accepted, login_with, refused};
use authtool_tests::Stage;
use authtool_tests::hostile::{Endpoint, Lie};
use serde_json::{Value, json};

/// The lie, and the member that the log must name.
fn twofold() -> Vec<(&'static str, Lie)> {
    let exchange = || Lie::about(Endpoint::CodeExchange);
    let mut lies: Vec<(&'static str, Lie)> = Vec::new();
    for (claim, value) in [
        ("sub", json!("eve")),
        ("iss", json!("https://evil.example")),
        ("aud", json!("another-app")),
        ("nonce", json!("another")),
        ("exp", json!(1)),
        // The same value twice is no better: readers differ in whether they take the document at all.
        ("azp", Value::Null),
        ("email", json!("eve@example.com")),
    ] {
        lies.push((
            claim,
            exchange().id_token(move |token| {
                if claim == "azp" {
                    token.claims["azp"] = json!("another-app");
                }
                token.repeats(claim, &value);
            }),
        ));
    }
    for (member, value) in [("alg", json!("none")), ("kid", json!("another")), ("typ", json!("JWT"))] {
        lies.push((member, exchange().id_token(move |token| token.repeats_in_header(member, &value))));
    }
    for (member, value) in [
        ("access_token", json!("canary-another-token")),
        ("token_type", json!("Bearer")),
        ("id_token", json!("canary.another.token")),
        ("refresh_token", json!("canary-another-refresh-token")),
    ] {
        lies.push((member, exchange().repeats(member, value)));
    }
    lies
}

#[tokio::test]
async fn sec_196_a_document_with_a_member_twice_is_refused_and_the_log_names_it() {
    let stage = Stage::new().await;
    for (member, lie) in twofold() {
        stage.op.tells_the_truth();
        let (browser, answer) = login_with(&stage, lie).await;
        refused(member, &answer);
        assert_eq!(stage.session(&browser).await.status, 401, "{member}");
        stage.server.log().shows(&format!("`{member}` occurs twice")).await;
    }
    stage.op.tells_the_truth();
    accepted("the truth", &stage.callback_answer().await.1);
}

#[tokio::test]
async fn sec_196_tokens_with_an_error_beside_them_are_no_tokens() {
    let stage = Stage::new().await;
    for (error, counts) in [
        (json!("invalid_grant"), true),
        (json!({"code": 190}), true),
        // What some serialisers write for "none".
        (json!(""), false),
        (Value::Null, false),
    ] {
        stage.op.tells_the_truth();
        let lie = Lie::about(Endpoint::CodeExchange).member("error", error.clone());
        let (browser, answer) = login_with(&stage, lie).await;
        let session = stage.session(&browser).await.status;
        if counts {
            refused(&error.to_string(), &answer);
            assert_eq!(session, 401, "{error}");
        } else {
            accepted(&error.to_string(), &answer);
            assert_eq!(session, 200, "{error}");
        }
    }
}
