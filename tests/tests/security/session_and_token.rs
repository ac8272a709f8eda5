//! §5 `/session` and `/token`.

use crate::expect::{accepted, login_with, refused};
use authtool_tests::browser::{Browser, Mode};
use authtool_tests::hostile::{Endpoint, Lie};
use authtool_tests::{Answer, SESSION, Stage, raw, wait};
use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn members(json: &Value) -> BTreeSet<String> {
    json.as_object().unwrap_or_else(|| panic!("{json} is an object")).keys().cloned().collect()
}

#[tokio::test]
async fn sec_064_only_the_configured_claims_are_shown() {
    for (configured, shown) in [
        (None, vec!["email"]),
        (Some(json!(["name", "groups"])), vec!["groups", "name"]),
        (Some(json!(["sub", "no_such_claim"])), vec!["sub"]),
        (Some(json!([])), vec![]),
    ] {
        let stage = Stage::with(|config| match &configured {
            None => {
                config.remove("/session/userClaims");
            }
            Some(claims) => {
                config.set("/session/userClaims", claims.clone());
            }
        })
        .await;
        let browser = stage.logged_in().await;
        let answer = stage.session(&browser).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut expected: BTreeSet<_> = shown.into_iter().map(str::to_owned).collect();
        expected.insert("session".to_owned());
        assert_eq!(members(&answer.json()), expected, "{configured:?}: {answer:?}");
        assert_eq!(
            members(&answer.json()["session"]),
            BTreeSet::from(["expires_in".to_owned()]),
            "{answer:?}"
        );
        assert!(answer.header("content-type").starts_with("application/json"), "{answer:?}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn sec_064_claims_are_json_encoded() {
    let stage = Stage::new().await;
    let name = "</script><img onerror=\"x\">\u{2028}\r\n\u{0}";
    stage.op.logs_in("ada", &json!({"name": name}));
    let browser = stage.logged_in().await;
    assert_eq!(stage.session(&browser).await.json()["name"], name);
}

/// An answer without what differs between any two requests.
fn comparable(answer: &Answer) -> String {
    let mut answer = answer.clone();
    for name in ["x-correlation-id", "date", "connection"] {
        answer.headers.remove(name);
    }
    let id = Regex::new(r#""correlation_id":"[^"]*""#).unwrap();
    answer.body = id.replace_all(&answer.text(), "\"correlation_id\":\"…\"").into_owned().into();
    answer.everything()
}

#[tokio::test]
async fn sec_065_every_way_of_having_no_session_looks_the_same() {
    let stage = Stage::with(|config| {
        config.set("/session/absoluteLifetimeSecs", json!(2));
    })
    .await;
    let expired = stage.logged_in().await.cookie(SESSION).unwrap();
    let browser = stage.logged_in().await;
    let logged_out = browser.cookie(SESSION).unwrap();
    stage.log_out(&browser).await;
    wait::until("the session expires", async || {
        (stage.session_for(&expired).await.status == 401).then_some(())
    })
    .await;
    let mut bad_signature = logged_out.clone();
    let last = bad_signature.pop().unwrap();
    bad_signature.insert(bad_signature.len() - 4, if last == 'A' { 'B' } else { 'A' });
    let base = &stage.server.public;
    let absent = raw::get(base, "/bff/session").as_same_origin_fetch().send().await;
    assert_eq!(absent.status, 401, "{absent:?}");
    assert_eq!(absent.problem_code(), "no_session");
    let mut answers = Vec::new();
    for value in ["", "garbage", &bad_signature, &logged_out, &expired] {
        let answer = stage.session_for(value).await;
        assert_eq!(answer.status, 401, "{value}: {answer:?}");
        // A deletion is only for those who presented a cookie (SEC-85); the rest is the same for all.
        let mut without_deletion = answer.clone();
        without_deletion.headers.remove("set-cookie");
        assert_eq!(comparable(&without_deletion), comparable(&absent), "{value}");
        answers.push(comparable(&answer));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
}

#[tokio::test]
async fn sec_066_an_unreachable_provider_is_503_and_keeps_the_session() {
    let stage = Stage::with(|config| {
        config.set("/session/sessionJitterSecs", json!(0));
    })
    .await;
    stage.op.issues_access_tokens_for(1);
    let browser = stage.logged_in().await;
    stage.op.lies(Lie::about(Endpoint::Refresh).status(503));
    let answer = wait::until("the access token has expired", async || {
        let answer = stage.token(&browser).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.problem_code(), "provider_unavailable");
    assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
    assert!(answer.set_cookies().is_empty(), "{answer:?}");
    assert_eq!(stage.session(&browser).await.status, 200);
}

#[tokio::test]
async fn sec_067_a_browser_never_gets_a_token() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let mut answers = Vec::new();
    let app = stage.app();
    for path in ["/token", "/token/"] {
        let url = stage.bff(path);
        answers.push(("fetch", browser.fetch(&app, &url).go().await));
        answers.push(("same-origin fetch", browser.fetch(&app, &url).mode(Mode::SameOrigin).go().await));
        let csrf = authtool_contract::header::CSRF;
        answers.push(("fetch with our header", browser.fetch(&app, &url).header(csrf, "1").go().await));
        answers.push((
            "cross-site fetch",
            browser.fetch("http://evil.example/", &url).with_credentials().go().await,
        ));
        answers.push(("script", browser.fetch(&app, &url).as_subresource("script").go().await));
        answers.push(("image", browser.fetch(&app, &url).as_subresource("image").go().await));
        answers.push(("navigation", browser.follow(&app, &url).go().await.answer));
        answers.push(("address bar", browser.open(&url).go().await.answer));
        answers.push(("frame", browser.follow(&app, &url).in_frame().go().await.answer));
        answers.push(("form", browser.follow(&app, &url).posting("").go().await.answer));
    }
    let token = stage.op.access_tokens()[0].clone();
    for (what, answer) in answers {
        assert!(matches!(answer.status.as_u16(), 403..=405), "{what}: {answer:?}");
        assert!(!answer.everything().contains(&token), "{what}: {answer:?}");
        assert!(answer.header("access-control-allow-origin").is_empty(), "{what}: {answer:?}");
    }
    assert_eq!(stage.session(&browser).await.status, 200, "the session is untouched");
}

#[tokio::test]
async fn sec_068_any_trace_of_a_browser_closes_the_public_token_endpoint() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    let ask = |method, path| raw::request(method, &stage.server.public, path).header("cookie", &cookie);
    for path in ["/bff/token", "/bff/token/"] {
        let answer = ask("GET", path).send().await;
        assert_eq!(answer.status, 200, "a gateway at the public listener: {answer:?}");
        assert_eq!(answer.json()["access_token"], json!(stage.op.access_tokens()[0]));
        for (name, value) in [
            ("sec-fetch-site", "same-origin"),
            ("Sec-Fetch-Site", "none"),
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-dest", "empty"),
            ("sec-fetch-user", "?1"),
            ("sec-fetch-storage-access", "none"),
            ("sec-fetch-something-new", "1"),
            ("sec-purpose", "prefetch"),
            ("origin", "http://localhost"),
            ("origin", "null"),
            ("referer", "http://localhost/"),
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "x"),
            ("sec-fetch-site", ""),
            ("origin", ""),
        ] {
            let answer = ask("GET", path).header(name, value).send().await;
            assert_eq!(answer.status, 403, "{name}: {value}: {answer:?}");
            assert_eq!(answer.problem_code(), "forbidden_context");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"] {
            let answer = ask(method, path).send().await;
            assert!(matches!(answer.status.as_u16(), 403 | 405), "{method}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn sec_067_in_hard_mode_only_the_gateway_gets_a_token() {
    let (current, next) = ("c".repeat(32), "n".repeat(40));
    let stage = Stage::with(|config| {
        config.set("/server/gatewayCredential", json!([current, next]));
    })
    .await;
    let browser = stage.logged_in().await;
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    for base in [&stage.server.public, &stage.server.internal] {
        let ask = || raw::get(base, "/bff/token").header("cookie", &cookie);
        for (what, request) in [
            ("none", ask()),
            ("an empty one", ask().header("x-authtool-gateway", "")),
            ("a wrong one", ask().header("x-authtool-gateway", "x".repeat(32))),
            ("half of it", ask().header("x-authtool-gateway", &current[..16])),
            ("two", ask().header("x-authtool-gateway", &current).header("x-authtool-gateway", &next)),
            ("elsewhere", ask().header("authorization", format!("Bearer {current}"))),
        ] {
            let answer = request.send().await;
            assert_eq!(answer.status, 403, "{what} at {base}: {answer:?}");
            assert_eq!(answer.problem_code(), "forbidden_context");
            assert!(!answer.everything().contains(&current), "{answer:?}");
        }
        for right in [&current, &next] {
            let answer = ask().header("x-authtool-gateway", right).send().await;
            assert_eq!(answer.status, 200, "{base}: {answer:?}");
        }
    }
    let as_a_browser = raw::get(&stage.server.public, "/bff/token")
        .as_same_origin_fetch()
        .header("cookie", &cookie)
        .header("x-authtool-gateway", &current)
        .send()
        .await;
    assert_eq!(as_a_browser.status, 403, "even with the credential: {as_a_browser:?}");
    stage.server.log().assert_free_of(&[current, next]);
}

#[tokio::test]
async fn sec_067_a_closed_public_token_endpoint_is_not_there() {
    let stage = Stage::with(|config| {
        config.set("/server/publicToken", json!("closed"));
    })
    .await;
    let browser = stage.logged_in().await;
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    for path in ["/bff/token", "/bff/token/"] {
        let answer = raw::get(&stage.server.public, path).header("cookie", &cookie).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem_code().as_str()),
            (404, "not_found"),
            "{answer:?}"
        );
    }
    assert_eq!(stage.token(&browser).await.status, 200, "the internal listener has it");
}

#[tokio::test]
async fn sec_069_no_header_of_a_client_opens_the_token_endpoint() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("x-original-uri", "/-/healthz"),
        ("x-envoy-internal", "true"),
        ("user-agent", "kube-probe/1.30"),
        ("x-http-method-override", "GET"),
        ("forwarded", "for=127.0.0.1;by=gateway"),
    ] {
        let answer = raw::get(&stage.server.public, "/bff/token")
            .as_same_origin_fetch()
            .header("cookie", &cookie)
            .header(name, value)
            .send()
            .await;
        assert_eq!(answer.status, 403, "{name}: {answer:?}");
        let answer = raw::get(&stage.server.public, "/bff/token").header(name, value).send().await;
        assert_eq!(answer.status, 401, "{name} without a session: {answer:?}");
    }
}

#[tokio::test]
async fn sec_071_a_token_answer_has_three_members_and_is_not_cached() {
    let stage = Stage::with(|config| {
        config.set("/session/sessionJitterSecs", json!(7));
    })
    .await;
    stage.op.issues_access_tokens_for(600);
    stage.op.lies(Lie::about(Endpoint::CodeExchange).json(|body| {
        body["private_note"] = json!("canary-note");
        body["email"] = json!("ada@example.com");
    }));
    let browser = stage.logged_in().await;
    let answer = stage.token(&browser).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let expected = ["access_token", "token_type", "expires_in"].map(str::to_owned);
    assert_eq!(members(&body), BTreeSet::from(expected), "{answer:?}");
    assert_eq!(body["access_token"], json!(stage.op.access_tokens()[0]));
    assert_eq!(body["token_type"], "Bearer");
    let expires_in = body["expires_in"].as_u64().unwrap();
    assert!((560..=593).contains(&expires_in), "{expires_in} is not 600 less the jitter");
    assert!(answer.header("cache-control").contains("no-store"), "{answer:?}");
    assert_eq!(answer.header("pragma"), "no-cache");
    let vary: Vec<_> =
        answer.headers.get_all("vary").iter().filter_map(|value| value.to_str().ok()).collect();
    let vary = vary.join(",").to_ascii_lowercase();
    for name in ["cookie", "origin", "sec-fetch-site"] {
        assert!(vary.contains(name), "Vary: {vary}");
    }
}

#[tokio::test]
async fn sec_072_a_token_that_lives_no_longer_than_the_jitter_is_not_refreshed_at_every_call() {
    let stage = Stage::with(|config| {
        config.set("/session/sessionJitterSecs", json!(7));
    })
    .await;
    stage.op.issues_access_tokens_for(5);
    let browser = stage.logged_in().await;
    let started = Instant::now();
    let mut calls = 0;
    while calls < 100 || started.elapsed() < Duration::from_secs(3) {
        let answer = stage.token(&browser).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        calls += 1;
    }
    // At most one in two seconds is right; one for each call is wrong.
    let (refreshes, seconds) = (stage.op.count(Endpoint::Refresh), started.elapsed().as_secs());
    assert!(refreshes as u64 <= seconds + 1, "{refreshes} refreshes of {calls} calls in {seconds} s");
}

#[tokio::test]
async fn sec_074_a_trailing_slash_changes_nothing_and_other_spellings_are_not_found() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    let base = &stage.server.public;
    for path in ["/bff/session", "/bff/session/"] {
        let answer = raw::get(base, path).as_same_origin_fetch().header("cookie", &cookie).send().await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let answer = raw::get(base, path)
            .header("sec-fetch-site", "cross-site")
            .header("cookie", &cookie)
            .send()
            .await;
        assert_eq!(answer.status, 403, "{path}: {answer:?}");
    }
    let token = stage.op.access_tokens()[0].clone();
    for listener in [base, &stage.server.internal] {
        for name in ["token", "session"] {
            let upper = name.to_uppercase();
            let escaped = format!("%{:x}{}", name.as_bytes()[0], &name[1..]);
            for path in [
                format!("/bff//{name}"),
                format!("//bff/{name}"),
                format!("/bff/{name};x"),
                format!("/bff/{name}%2f"),
                format!("/bff/{name}//"),
                format!("/bff/{escaped}"),
                format!("/bff/{upper}"),
                format!("/BFF/{name}"),
                format!("/bff/./{name}"),
                format!("/bff/x/../{name}"),
                format!("/bff/{name}.json"),
                format!("/bff/{name}%00"),
                format!("/bff/{name}/x"),
                format!("/bffx/{name}"),
            ] {
                let answer = raw::get(listener, &path).header("cookie", &cookie).send().await;
                assert_eq!(answer.status, 404, "{path} at {listener}: {answer:?}");
                assert!(!answer.everything().contains(&token), "{path}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn sec_075_an_access_token_that_is_no_bearer_token_is_refused() {
    let stage = Stage::new().await;
    let odd = [
        json!(""),
        json!("a\r\nx-injected: y"),
        json!("a b"),
        json!("tökén"),
        json!("a\u{0}b"),
        json!("\"quoted\""),
        json!("a,b"),
        json!("back\\slash"),
        json!("a\u{7f}b"),
        json!("a".repeat(16 * 1024 + 1)),
        json!(null),
        json!(42),
        json!(["a"]),
    ];
    for value in odd {
        let lie = Lie::about(Endpoint::CodeExchange)
            .member("access_token", value.clone())
            .id_token(|draft| draft.without("at_hash"));
        let (browser, answer) = login_with(&stage, lie).await;
        let what: String = value.to_string().chars().take(40).collect();
        refused(&what, &answer);
        assert_eq!(stage.session(&browser).await.status, 401, "{what}");
    }
    let lie = Lie::about(Endpoint::CodeExchange).without("access_token");
    refused("no access token", &login_with(&stage, lie).await.1);
    wait::until("the log names the bound, and what to do", async || {
        let log = stage.server.log().text();
        (log.contains("16385 bytes") && log.contains("put less into access tokens")).then_some(())
    })
    .await;
}

/// Amazon's and Salesforce's tokens do not keep to RFC 6750's grammar. Nothing that is visible, other than quotes,
/// backslashes and commas, leads out of a header or of our JSON.
#[tokio::test]
async fn sec_075_an_access_token_of_visible_characters_is_handed_out_as_it_is() {
    let stage = Stage::new().await;
    for token in ["Atza|IwEBIAz9", "00D5!AQ0AQDp:EDK", "a=b", "=leading", "!#$%&'()*+-./:;<=>?@[]^_`{|}~"] {
        let lie = Lie::about(Endpoint::CodeExchange)
            .member("access_token", json!(token))
            .id_token(|draft| draft.without("at_hash"));
        let (browser, answer) = login_with(&stage, lie).await;
        accepted(token, &answer);
        assert_eq!(stage.token(&browser).await.json()["access_token"], token);
    }
}

#[tokio::test]
async fn sec_075_a_refreshed_token_that_is_no_bearer_token_is_not_handed_out() {
    let stage = Stage::with(|config| {
        config.set("/session/sessionJitterSecs", json!(0));
    })
    .await;
    stage.op.issues_access_tokens_for(1);
    stage.op.lies(Lie::about(Endpoint::Refresh).member("access_token", json!("a\r\nx-injected: y")));
    let browser = stage.logged_in().await;
    let answer = wait::until("the access token has expired", async || {
        let answer = stage.token(&browser).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert!(matches!(answer.status.as_u16(), 401 | 503), "{answer:?}");
    assert!(answer.headers.get("x-injected").is_none(), "{answer:?}");
}

#[tokio::test]
async fn sec_065_a_stranger_at_the_token_endpoint_is_told_so() {
    let stage = Stage::new().await;
    for answer in [stage.token(&Browser::new()).await, stage.token_for("garbage").await] {
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(answer.problem_code(), "no_session");
    }
}

#[tokio::test]
async fn sec_145_each_listener_serves_its_own() {
    let stage = Stage::new().await;
    let (public, internal) = (&stage.server.public, &stage.server.internal);
    for path in ["/-/metrics", "/-/dev", "/-/sessions/end", "/-/forward-auth", "/token", "/healthz"] {
        let answer = raw::get(public, path).header("user-agent", "kube-probe/1.30").send().await;
        assert_eq!(answer.status, 404, "{path} in public: {answer:?}");
    }
    for path in ["/bff/login", "/bff/session", "/bff/logout", "/bff/oauth/callback", "/"] {
        let answer = raw::get(internal, path).as_navigation().send().await;
        assert_eq!(answer.status, 404, "{path} inside: {answer:?}");
        assert!(answer.set_cookies().is_empty(), "{path} inside: {answer:?}");
    }
    for path in ["/-/healthz", "/-/ready"] {
        let answer = raw::get(internal, path).send().await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(!answer.text().contains(stage.op.issuer()), "{path} tells too much: {answer:?}");
    }
}

/// Two answers may have a second between them.
fn without_times(answer: &Answer) -> String {
    let seconds = Regex::new(r#"("expires_in":|ends-in[": ]+)[0-9]+"#).unwrap();
    seconds.replace_all(&comparable(answer), "$1…").into_owned()
}

/// The server answers usual requests past its router, which the slash at the end of a path leads to.
#[tokio::test]
async fn sec_065_and_070_whoever_asks_the_short_way_gets_the_answer_of_the_long_one() {
    let stage = Stage::with(|config| {
        config.set("/session/mode/expirationSecs", json!(600));
    })
    .await;
    let cookie = stage.logged_in().await.cookie(SESSION).unwrap();
    let ended = stage.logged_in().await;
    let gone = ended.cookie(SESSION).unwrap();
    stage.log_out(&ended).await;
    let named = |value: &str| format!("{SESSION}={value}");
    let forged = named(&format!("{}A", &cookie[..cookie.len() - 1]));
    let twice = format!("{}; {}", named(&cookie), named(&gone));
    let other = format!("a=b; {}; c", named(&cookie));
    let mut statuses = BTreeSet::new();
    for cookies in [&named(&cookie), &named(&gone), &forged, &twice, &other, "", "a=b"] {
        for more in [
            &[][..],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
            &[("sec-fetch-site", "cross-site")],
            &[("origin", "https://evil.example")],
            &[("referer", "https://app.example/")],
            &[("content-length", "0")],
            &[("x-big", &"x".repeat(33_000))],
        ] {
            for (listener, path) in
                [(&stage.server.internal, "/bff/token"), (&stage.server.public, "/bff/session")]
            {
                let ask = async |path: &str| {
                    let request = raw::get(listener, path).header("cookie", cookies);
                    let request =
                        more.iter().fold(request, |request, (name, value)| request.header(name, value));
                    request.send().await
                };
                let (short, long) = (ask(path).await, ask(&format!("{path}/")).await);
                let [ours, theirs] = [&short, &long].map(without_times);
                assert_eq!(ours, theirs, "{path} {cookies} {more:?}");
                statuses.insert(short.status.as_u16());
            }
        }
    }
    assert_eq!(statuses, BTreeSet::from([200, 401, 403, 431]));
}
