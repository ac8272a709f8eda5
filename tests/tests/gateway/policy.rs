//! A policy behind the exchange: asked about requests whose token is known to be good.

use crate::behind::{AUDIENCE, Behind, code, each};
use authtool_tests::SESSION;
use authtool_tests::policy::Policy;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn sec_158_and_166_a_policy_decides_by_the_claims_and_nothing_gets_past_it() {
    each(async |exchange| {
        let mut policy = Policy::start().await;
        let arguments = ["--audience", AUDIENCE, "--policy", &policy.address];
        let behind = Behind::with(exchange, |_| {}, &arguments).await;
        behind.issues(|_| {});
        let ada = behind.cookie().await;
        behind.issues(|token| token.claims["sub"] = json!("mallory"));
        let mallory = behind.cookie().await;

        let sent = format!("theme=dark; {ada}");
        let answer = behind.get("/api/orders?a=1").as_same_origin_fetch().header("cookie", &sent);
        let answer = answer.header("x-user", "root").send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.text().as_str()),
            (200, "from the upstream"),
            "{answer:?}"
        );
        assert_eq!(behind.api.last().header("x-user"), "ada", "what the policy adds arrives");
        let asked = policy.asked().pop().unwrap();
        assert_eq!((asked.path.as_str(), asked.subject.as_deref()), ("/api/orders?a=1", Some("ada")));
        assert!(asked.headers["authorization"].starts_with("Bearer eyJ"), "{asked:?}");
        assert_eq!(asked.headers.get("cookie").map(String::as_str), Some("theme=dark"));

        let before = behind.arrived();
        for (cookie, path) in [(&mallory, "/api/orders"), (&ada, "/api/secret/x")] {
            let answer = behind.call_with(cookie, path).await;
            let said = (answer.status.as_u16(), answer.text());
            assert_eq!(said, (403, "not by this policy".to_owned()), "the policy's own words: {answer:?}");
        }
        // Whoever is not logged in, and whose token is not good, is no matter for the policy.
        let questions = policy.asked().len();
        assert_eq!(behind.get("/api/orders").send().await.status, 401);
        behind.issues(|token| token.claims["aud"] = json!("https://other.example"));
        let other = behind.cookie().await;
        assert!(behind.call_with(&other, "/api/orders").await.status.is_client_error());
        // Nor is authtool itself.
        assert_eq!(behind.call_with(&ada, "/bff/session").await.status, 200);
        assert_eq!(policy.asked().len(), questions);
        assert!(policy.asked().iter().all(|it| !format!("{it:?}").contains(SESSION)), "{:?}", policy.asked());

        policy.stop().await;
        let answer = behind.call_with(&ada, "/api/orders").await;
        assert_eq!(
            (answer.status.as_u16(), code(&answer)),
            (503, json!("gateway_unavailable")),
            "{answer:?}"
        );
        assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
        assert_eq!(behind.arrived(), before, "nothing got past it");
    })
    .await;
}
