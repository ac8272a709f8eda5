//! §1 Login initiation: what the app may ask of a login besides, and what the answer must then show.

use crate::expect::{accepted, authorization_request, flow_cookies, refused, value, values};
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{Endpoint, Lie, now};
use authtool_tests::{Answer, SESSION, Stage};
use serde_json::json;
use url::Url;

const ALL: &str = "/login?prompt=login+consent&login_hint=ada%40example.com&acr_values=urn:gold&max_age=60&ui_locales=de-CH+en";
const NAMES: [&str; 5] = ["prompt", "login_hint", "acr_values", "max_age", "ui_locales"];

/// The answer of `/login` to a navigation from a page.
async fn login_from(stage: &Stage, page: &str, login: &str) -> Answer {
    Browser::new().follow(page, stage.bff(login)).first_hop().go().await.answer
}

/// Instead of a code, the provider sends this error.
fn error(code: &'static str) -> Lie {
    Lie::about(Endpoint::Authorization).parameters(move |parameters| {
        parameters.retain(|(name, _)| name != "code");
        parameters.push(("error".to_owned(), code.to_owned()));
        parameters.push(("error_description".to_owned(), "canary-error-description".to_owned()));
    })
}

/// Begins a login from the app's page, comes back, and stops at the callback's answer.
async fn answer_to(stage: &Stage, browser: &Browser, login: &str) -> Answer {
    let callback = stage.callback_url_for(browser, login).await;
    stage.come_back(browser, &callback).await
}

#[tokio::test]
async fn sec_007_only_the_apps_own_pages_ask_for_more() {
    let stage = Stage::new().await;
    let request = authorization_request(&login_from(&stage, stage.app().as_str(), ALL).await);
    for (name, expected) in
        NAMES.iter().zip(["login consent", "ada@example.com", "urn:gold", "60", "de-CH en"])
    {
        assert_eq!(value(&request, name), expected, "{request}");
    }
    let typed = Browser::new().open(stage.bff(ALL)).first_hop().go().await.answer;
    let elsewhere = login_from(&stage, "http://evil.example/", ALL).await;
    for (what, answer) in [("typed", typed), ("a link of another site", elsewhere)] {
        let request = authorization_request(&answer);
        for name in NAMES {
            assert!(values(&request, name).is_empty(), "{what}: {name} in {request}");
        }
    }
}

#[tokio::test]
async fn sec_007_configuration_says_which_parameters_count_and_from_where() {
    for (parameters, from, page, expected) in [
        (json!(["prompt"]), "app", None, vec!["prompt"]),
        (json!([]), "app", None, vec![]),
        (json!(["login_hint"]), "anywhere", Some("http://partner.example/"), vec!["login_hint"]),
    ] {
        let stage = Stage::with(|config| {
            config.set("/client/loginParameters", parameters.clone());
            config.set("/client/loginParametersFrom", json!(from));
        })
        .await;
        let app = stage.app();
        let answer = login_from(&stage, page.unwrap_or(app.as_str()), ALL).await;
        let request = authorization_request(&answer);
        let sent: Vec<_> = NAMES.into_iter().filter(|name| !values(&request, name).is_empty()).collect();
        assert_eq!(sent, expected, "{request}");
    }
}

#[tokio::test]
async fn sec_016_what_only_an_id_token_shows_is_not_asked_for_where_there_is_none() {
    let stage = Stage::with(|config| {
        config.set("/client/scope", json!("api"));
    })
    .await;
    let request = authorization_request(&login_from(&stage, stage.app().as_str(), ALL).await);
    let sent: Vec<_> = NAMES.into_iter().filter(|name| !values(&request, name).is_empty()).collect();
    assert_eq!(sent, ["prompt", "login_hint", "ui_locales"], "{request}");
}

#[tokio::test]
async fn sec_007_a_malformed_parameter_begins_no_login() {
    let stage = Stage::new().await;
    for query in [
        "prompt=none+login",
        "prompt=root",
        "prompt=login&prompt=login",
        "max_age=-1",
        "max_age=",
        "login_hint=a%0d%0aSet-Cookie:b",
        "acr_values=%FF",
        &format!("login_hint={}", "x".repeat(300)),
    ] {
        let answer = login_from(&stage, stage.app().as_str(), &format!("/login?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
        assert!(answer.header("location").is_empty() && answer.set_cookies().is_empty(), "{answer:?}");
    }
}

#[tokio::test]
async fn sec_016_a_max_age_that_the_app_asks_for_is_checked_on_return() {
    let stage = Stage::new().await;
    for (auth_time, good) in [(json!(now() - 3600), false), (json!(null), false), (json!(now() - 30), true)] {
        stage.op.tells_the_truth();
        stage.op.lies(Lie::about(Endpoint::CodeExchange).claim("auth_time", auth_time.clone()));
        let answer = answer_to(&stage, &Browser::new(), "/login?max_age=60").await;
        if good { accepted("recent", &answer) } else { refused(&auth_time.to_string(), &answer) }
    }
}

#[tokio::test]
async fn sec_016_a_provider_that_does_not_ask_again_within_a_minute_is_noticed_and_named() {
    let stage = Stage::new().await;
    for (ago, good) in [(0, true), (3, true), (20, false), (59, false)] {
        stage.op.tells_the_truth();
        stage.op.lies(Lie::about(Endpoint::CodeExchange).claim("auth_time", json!(now() - ago)));
        let answer = answer_to(&stage, &Browser::new(), "/login?max_age=0").await;
        if good {
            accepted("a fresh login", &answer);
        } else {
            refused(&format!("{ago} seconds ago"), &answer);
            assert_eq!(answer.status, 403, "{answer:?}");
            assert!(answer.text().contains("login_not_fresh"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn sec_016_a_login_that_had_to_reach_a_class_and_did_not_brings_no_session() {
    let stage = Stage::with(|config| {
        config.set("/client/requireAcr", json!(true));
    })
    .await;
    for (acr, good) in [
        (json!(null), false),
        (json!("urn:bronze"), false),
        (json!(["urn:gold"]), false),
        (json!("urn:gold"), true),
    ] {
        stage.op.tells_the_truth();
        stage.op.lies(Lie::about(Endpoint::CodeExchange).claim("acr", acr.clone()));
        let browser = Browser::new();
        let answer = answer_to(&stage, &browser, "/login?acr_values=urn:silver+urn:gold").await;
        if good {
            accepted("strong enough", &answer);
        } else {
            refused(&acr.to_string(), &answer);
            assert!(answer.text().contains("insufficient_user_authentication"), "{acr}: {answer:?}");
        }
        assert!(flow_cookies(&browser).is_empty());
    }
    stage.op.tells_the_truth();
    accepted("nothing was asked for", &answer_to(&stage, &Browser::new(), "/login").await);
}

#[tokio::test]
async fn sec_027_and_033_a_stronger_login_replaces_the_session_or_leaves_it() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let first = browser.cookie(SESSION).unwrap();
    let step_up = "/login?acr_values=urn:gold&max_age=0&redirect_uri=/pay";

    stage.op.lies(error("access_denied").once());
    refused("the user cancels", &answer_to(&stage, &browser, step_up).await);
    stage.op.lies(error("unmet_authentication_requirements").once());
    let answer = answer_to(&stage, &browser, step_up).await;
    refused("the user has no second factor", &answer);
    assert!(answer.text().contains("insufficient_user_authentication"), "{answer:?}");
    assert_eq!(browser.cookie(SESSION).as_ref(), Some(&first));
    assert_eq!(stage.session(&browser).await.status, 200);

    let answer = answer_to(&stage, &browser, step_up).await;
    accepted("the user confirms", &answer);
    assert_eq!(answer.header("location"), stage.app().join("/pay").unwrap().as_str());
    assert_ne!(browser.cookie(SESSION).unwrap(), first);
    assert_eq!(stage.token_for(&first).await.status, 401, "the weaker session is alive");
}

#[tokio::test]
async fn sec_033_nobody_else_takes_the_place_of_a_user_who_was_to_log_in_more_strongly() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    stage.op.logs_in("grace", &json!({"email": "grace@example.com"}));
    let answer = answer_to(&stage, &browser, "/login?max_age=0").await;
    refused("another user", &answer);
    assert!(answer.text().contains("other_user"), "{answer:?}");
    assert_eq!(stage.session(&browser).await.json()["email"], "ada@example.com");
    stage.op.has_received(Endpoint::Revocation, 1).await;

    accepted("another user, on purpose", &answer_to(&stage, &browser, "/login?prompt=select_account").await);
    assert_eq!(stage.session(&browser).await.json()["email"], "grace@example.com");
}

#[tokio::test]
async fn sec_026_a_silent_login_that_brings_nobody_tells_the_app_and_shows_no_page() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let silent = "/login?prompt=none&redirect_uri=/deep%3Fa%3Db%26login_error%3Dold%23top";
    let returned = |answer: &Answer| {
        assert!(!answer.sets_session(), "{answer:?}");
        let to = Url::parse(answer.header("location")).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
        assert!(to.as_str().starts_with(stage.app().as_str()), "{to}");
        assert_eq!((to.path(), to.fragment()), ("/deep", Some("top")), "{to}");
        assert_eq!(value(&to, "a"), "b");
        assert!(!answer.header("location").contains("canary"), "{to}");
        value(&to, "login_error")
    };
    for (code, told) in [
        ("login_required", "login_required"),
        ("consent_required", "consent_required"),
        ("interaction_required", "interaction_required"),
        ("account_selection_required", "account_selection_required"),
        ("server_error", "provider_unavailable"),
        ("access_denied", "access_denied"),
        ("<script>", "login_failed"),
    ] {
        stage.op.lies(error(code).once());
        assert_eq!(returned(&answer_to(&stage, &browser, silent).await), told);
    }
    stage.op.lies(Lie::about(Endpoint::CodeExchange).claim("nonce", json!("another")).once());
    assert_eq!(returned(&answer_to(&stage, &browser, silent).await), "login_failed");

    let answer = answer_to(&stage, &browser, silent).await;
    accepted("somebody is logged in at the provider", &answer);
    let deep = stage.app().join("/deep?a=b#top").unwrap();
    assert_eq!(answer.header("location"), deep.as_str(), "what an earlier login left there is gone");

    stage.op.lies(error("login_required").once());
    assert_eq!(returned(&answer_to(&stage, &browser, silent).await), "login_required");
    assert_eq!(
        stage.session(&browser).await.status,
        200,
        "the session here does not depend on the provider's"
    );
    stage.op.lies(error("login_required").once());
    let answer = answer_to(&stage, &Browser::new(), "/login").await;
    refused("a login that is not silent shows a page", &answer);
}
