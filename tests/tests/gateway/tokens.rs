//! Envoy checks what the exchange brought.

use crate::behind::{AUDIENCE, once_by_every_exchange};
use authtool_tests::hostile::{Signer, SigningKey, now};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn sec_163_a_token_that_is_not_good_never_reaches_the_api() {
    once_by_every_exchange(&["--audience", AUDIENCE], async |behind| {
        behind.issues(|_| {});
        let good = behind.cookie().await;
        let answer = behind.call_with(&good, "/api/x").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(behind.token_at_the_api().starts_with("Bearer eyJ"), "the token is forwarded");

        let before = behind.arrived();
        behind.issues(|token| token.claims["aud"] = json!("https://other.example"));
        let audience = behind.cookie().await;
        behind.issues(|token| token.claims["iss"] = json!("https://evil.example"));
        let issuer = behind.cookie().await;
        behind.issues(|token| token.signer = Signer::Bytes(vec![7; 256]));
        let signature = behind.cookie().await;
        behind.issues(|token| token.claims["exp"] = json!(now() - 60));
        let expired = behind.cookie().await;
        behind.issues(|token| {
            if let Some(claims) = token.claims.as_object_mut() {
                claims.remove("exp");
            }
        });
        let endless = behind.cookie().await;
        behind.issues(|token| token.header["alg"] = json!("none"));
        let none = behind.cookie().await;
        behind.issues(|token| token.sign_with(SigningKey::attacker(), "RS256"));
        let stranger = behind.cookie().await;
        for (what, cookie) in [
            ("audience", &audience),
            ("issuer", &issuer),
            ("signature", &signature),
            ("expired", &expired),
            ("endless", &endless),
            ("none", &none),
            ("stranger", &stranger),
        ] {
            let answer = behind.call_with(cookie, "/api/x").await;
            assert!(matches!(answer.status.as_u16(), 401 | 403), "{what}: {answer:?}");
        }
        assert_eq!(behind.arrived(), before, "none of them arrived");
        assert_eq!(
            behind.call_with(&good, "/api/x").await.status,
            200,
            "and the good one still does ({AUDIENCE})"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_163_a_token_in_the_query_is_no_token() {
    once_by_every_exchange(&["--audience", AUDIENCE], async |behind| {
        behind.issues(|_| {});
        let cookie = behind.cookie().await;
        assert_eq!(behind.call_with(&cookie, "/api/x").await.status, 200);
        let token = behind.token_at_the_api().trim_start_matches("Bearer ").to_owned();
        let before = behind.arrived();
        let answer = behind.get(&format!("/api/x?access_token={token}")).send().await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(behind.arrived(), before);
    })
    .await;
}
