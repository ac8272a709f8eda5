//! §5 `/token` in `tokenExchange` mode, where the app's own script may fetch an access token.

use authtool_contract::header::{CSRF, CSRF_VALUE};
use authtool_tests::browser::{Browser, Mode};
use authtool_tests::{Answer, SESSION, Stage, raw};
use http::Method;
use serde_json::json;
use std::collections::BTreeSet;

async fn stage_in_mode(mode: &str) -> Stage {
    Stage::with(|config| {
        config.set("/session/mode/type", json!(mode)).set("/session/sessionJitterSecs", json!(7));
    })
    .await
}

#[track_caller]
fn no_cors(what: &str, answer: &Answer) {
    let cors = answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
    assert!(cors.is_none(), "{what}: {answer:?}");
}

#[tokio::test]
async fn sec_070_and_071_the_apps_own_fetch_gets_a_token_and_nothing_else() {
    for mode in ["tokenExchange", "tokenMediation"] {
        let stage = stage_in_mode(mode).await;
        stage.op.issues_access_tokens_for(600);
        let browser = stage.logged_in().await;
        let app = stage.app();
        for path in ["/token", "/token/", "/token?callback=steal"] {
            for fetch_mode in [Mode::Cors, Mode::SameOrigin] {
                let what = format!("{mode}: {path} by {fetch_mode:?}");
                let fetch = browser.fetch(&app, stage.bff(path)).mode(fetch_mode).header(CSRF, CSRF_VALUE);
                let answer = fetch.go().await;
                assert_eq!(answer.status, 200, "{what}: {answer:?}");
                let body = answer.json();
                let members: BTreeSet<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
                assert_eq!(members, BTreeSet::from(["access_token", "token_type", "expires_in"]), "{what}");
                assert_eq!(body["access_token"], json!(stage.op.access_tokens()[0]), "{what}");
                assert_eq!(body["token_type"], "Bearer", "{what}");
                let expires_in = body["expires_in"].as_u64().unwrap();
                assert!((560..=593).contains(&expires_in), "{what}: {expires_in} is not 600 less the jitter");
                assert_eq!(answer.header("content-type"), "application/json", "{what}");
                assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
                assert!(answer.header("cache-control").contains("no-store"), "{what}: {answer:?}");
                no_cors(&what, &answer);
                for secret in [stage.op.refresh_tokens(), stage.op.id_tokens()].concat() {
                    assert!(!answer.everything().contains(&secret), "{what}: {answer:?}");
                }
            }
        }
    }
}

/// The client of the system that this one replaces sends no header of its own. An attacker gains nothing: no page can set
/// Fetch Metadata, and what they say is what the header proves.
#[tokio::test]
async fn sec_070_all_of_fetch_metadata_does_without_the_clients_header() {
    let stage = stage_in_mode("tokenExchange").await;
    let browser = stage.logged_in().await;
    let app = stage.app();
    for path in ["/token", "/token/"] {
        for fetch_mode in [Mode::Cors, Mode::SameOrigin] {
            let answer = browser.fetch(&app, stage.bff(path)).mode(fetch_mode).go().await;
            assert_eq!(answer.status, 200, "{path} by {fetch_mode:?}: {answer:?}");
            assert_eq!(answer.json()["access_token"], json!(stage.op.access_tokens()[0]), "{path}");
        }
    }
}

#[tokio::test]
async fn sec_070_nothing_but_the_apps_own_fetch_gets_a_token() {
    let stage = stage_in_mode("tokenExchange").await;
    let browser = stage.logged_in().await;
    let app = stage.app();
    let (evil, sibling) = ("http://evil.example/", "http://localhost:1/");
    let mut answers = Vec::new();
    for path in ["/token", "/token/"] {
        let url = stage.bff(path);
        let own = || browser.fetch(&app, &url);
        // A browser that sends no Fetch Metadata, or only some: what is missing could have said anything.
        let bare = || {
            raw::get(&stage.server.public, format!("/bff{path}"))
                .header("cookie", format!("{SESSION}={}", browser.cookie(SESSION).unwrap()))
                .header("origin", app.as_str().trim_end_matches('/'))
        };
        answers.push(("no header of ours", bare().send().await));
        for value in ["", "0", "true", "1, 1", "11"] {
            answers.push(("another value of the header", bare().header(CSRF, value).send().await));
        }
        for (name, value) in
            [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")]
        {
            answers.push(("some of Fetch Metadata", bare().header(name, value).send().await));
        }
        for (what, from) in [("cross-site", evil), ("same-site", sibling)] {
            let fetch = || browser.fetch(from, &url).with_credentials();
            answers.push((what, fetch().go().await));
            answers.push((what, fetch().header(CSRF, CSRF_VALUE).go().await));
            answers.push((what, fetch().mode(Mode::NoCors).go().await));
            answers.push((what, browser.fetch(from, &url).as_subresource("script").go().await));
            answers.push((what, browser.follow(from, &url).go().await.answer));
            answers.push((what, browser.follow(from, &url).in_frame().go().await.answer));
        }
        for dest in ["script", "image", "style", "font", "worker", "object", "embed", "audio"] {
            let subresource = own().as_subresource(dest).header(CSRF, CSRF_VALUE);
            answers.push((dest, subresource.go().await));
        }
        for (name, value) in [
            ("sec-fetch-site", "none"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", ""),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-mode", "websocket"),
            ("sec-fetch-dest", "document"),
            ("sec-fetch-dest", "iframe"),
            ("origin", "null"),
            ("origin", evil.trim_end_matches('/')),
            ("origin", sibling.trim_end_matches('/')),
            ("origin", ""),
        ] {
            answers.push((name, own().header(CSRF, CSRF_VALUE).header(name, value).go().await));
        }
        for navigation in [
            browser.open(&url).header(CSRF, CSRF_VALUE),
            browser.follow(&app, &url).header(CSRF, CSRF_VALUE),
            browser.follow(&app, &url).in_frame().header(CSRF, CSRF_VALUE),
        ] {
            answers.push(("navigation", navigation.go().await.answer));
        }
        let doubled = bare().header(CSRF, CSRF_VALUE).header(CSRF, CSRF_VALUE);
        answers.push(("the header twice", doubled.send().await));
    }
    let tokens = stage.op.access_tokens();
    for (what, answer) in answers {
        assert_eq!(answer.status, 403, "{what}: {answer:?}");
        assert_eq!(answer.problem_code(), "forbidden_context", "{what}: {answer:?}");
        assert!(!answer.everything().contains(&tokens[0]), "{what}: {answer:?}");
        assert!(answer.set_cookies().is_empty(), "{what}: {answer:?}");
        no_cors(what, &answer);
    }
    let answer = browser.fetch(&app, stage.bff("/token")).header(CSRF, CSRF_VALUE).go().await;
    assert_eq!(answer.status, 200, "the request that all of these differ from is good: {answer:?}");
}

#[tokio::test]
async fn sec_070_the_token_endpoint_knows_one_method() {
    let stage = stage_in_mode("tokenExchange").await;
    let browser = stage.logged_in().await;
    let app = stage.app();
    for path in ["/token", "/token/"] {
        for method in
            [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::HEAD, Method::OPTIONS]
        {
            let fetch = browser.fetch(&app, stage.bff(path)).method(method.clone());
            let answer = fetch.header(CSRF, CSRF_VALUE).go().await;
            assert_eq!(answer.status, 405, "{method} {path}: {answer:?}");
            assert_eq!(answer.header("allow"), "GET", "{method} {path}: {answer:?}");
            assert!(!answer.everything().contains(&stage.op.access_tokens()[0]), "{method} {path}");
            no_cors(path, &answer);
        }
        let form = browser.follow(&app, stage.bff(path)).posting("a=b").go().await;
        assert_eq!(form.status(), 405, "{form:?}");
    }
}

#[tokio::test]
async fn sec_070_without_a_session_the_apps_own_fetch_is_told_so() {
    let stage = stage_in_mode("tokenExchange").await;
    let stranger = Browser::new();
    let answer = stranger.fetch(stage.app(), stage.bff("/token")).header(CSRF, CSRF_VALUE).go().await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.problem_code(), "no_session");
    no_cors("a stranger", &answer);
}

#[tokio::test]
async fn sec_070_a_gateway_gets_a_token_where_no_browser_does() {
    let stage = stage_in_mode("tokenExchange").await;
    let browser = stage.logged_in().await;
    let answer = stage.token(&browser).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    let inside = raw::get(&stage.server.internal, "/bff/token").as_same_origin_fetch();
    let answer = inside.header("cookie", cookie).header(CSRF, CSRF_VALUE).send().await;
    assert_eq!(answer.status, 403, "the internal listener is for no browser: {answer:?}");
}

#[tokio::test]
async fn sec_149_no_other_origin_is_let_in_though_the_app_may_fetch_tokens() {
    let stage = stage_in_mode("tokenExchange").await;
    let cookie = format!("{SESSION}={}", stage.logged_in().await.cookie(SESSION).unwrap());
    let app = stage.server.config.app();
    let origins = [
        "http://evil.example".to_owned(),
        "null".to_owned(),
        "*".to_owned(),
        "http://localhost:1".to_owned(),
        "http://localhost".to_owned(),
        app.replace("http:", "https:"),
        format!("{app}.evil.example"),
        format!("{app}/"),
        app.clone(),
    ];
    for origin in origins {
        for path in ["/bff/token", "/bff/token/", "/bff/session"] {
            for method in ["GET", "OPTIONS", "POST", "HEAD"] {
                let what = format!("{method} {path} from {origin}");
                let answer = raw::request(method, &stage.server.public, path)
                    .header("origin", &origin)
                    .header("cookie", &cookie)
                    .header(CSRF, CSRF_VALUE)
                    .header("access-control-request-method", "GET")
                    .header("access-control-request-headers", CSRF)
                    .header("access-control-request-private-network", "true")
                    .send()
                    .await;
                no_cors(&what, &answer);
                if method == "GET" {
                    let expected = if origin == app { 200 } else { 403 };
                    assert_eq!(answer.status, expected, "{what}: {answer:?}");
                }
                let vary: Vec<_> =
                    answer.headers.get_all("vary").iter().filter_map(|value| value.to_str().ok()).collect();
                assert!(vary.join(",").to_ascii_lowercase().contains("origin"), "{what}: {answer:?}");
            }
        }
    }
}
