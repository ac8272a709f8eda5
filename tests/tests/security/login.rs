//! §1 Login initiation.

use crate::expect::{
    accepted, authorization_request, flow_cookies, forbidden, login_answer, login_with, refused,
    server_that_refuses_metadata, value, values,
};
use authtool_tests::browser::{Browser, SameSite};
use authtool_tests::hostile::{CLIENT_ID, Endpoint, HostileOp, Lie, OTHER_CLIENT_ID, now};
use authtool_tests::{SESSION, Server, ServerConfig, Stage, raw};
use http::Method;
use serde_json::json;
use std::collections::{BTreeMap, HashSet};

#[tokio::test]
async fn sec_001_a_login_is_the_code_flow_with_pkce() {
    let stage = Stage::new().await;
    let answer = login_answer(&stage.server).await;
    assert!(matches!(answer.status.as_u16(), 302 | 303), "{answer:?}");
    let request = authorization_request(&answer);
    assert!(request.as_str().starts_with(&format!("{}/authorize?", stage.op.issuer())), "{request}");
    assert_eq!(value(&request, "response_type"), "code");
    assert_eq!(value(&request, "code_challenge_method"), "S256");
    assert_eq!(value(&request, "code_challenge").len(), 43);
    assert_eq!(value(&request, "client_id"), CLIENT_ID);
    assert_eq!(value(&request, "redirect_uri"), stage.bff("/oauth/callback").as_str());
    assert!(values(&request, "response_mode").iter().all(|mode| mode == "query"), "{request}");
}

#[tokio::test]
async fn sec_002_a_provider_without_s256_is_not_used() {
    let plain = Lie::about(Endpoint::Discovery).member("code_challenge_methods_supported", json!(["plain"]));
    let (_op, server) = server_that_refuses_metadata(plain).await;
    let readiness = server.readiness().await;
    assert_eq!(readiness.status, 503, "{readiness:?}");
    let answer = login_answer(&server).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("location").is_empty(), "{answer:?}");
}

#[tokio::test]
async fn sec_002_a_provider_that_does_not_mention_pkce_still_gets_it() {
    let op = HostileOp::start().await;
    op.lies(Lie::about(Endpoint::Discovery).without("code_challenge_methods_supported"));
    let server = Server::start(ServerConfig::new(op.issuer())).await;
    let request = authorization_request(&login_answer(&server).await);
    assert_eq!(value(&request, "code_challenge_method"), "S256");
}

#[tokio::test]
async fn sec_003_state_nonce_and_verifier_are_fresh_and_unrelated() {
    let stage = Stage::new().await;
    let mut seen = HashSet::new();
    for _ in 0..300 {
        let answer = raw::get(&stage.server.public, "/bff/login").as_navigation().send().await;
        let request = authorization_request(&answer);
        for name in ["state", "nonce", "code_challenge"] {
            let value = value(&request, name);
            assert!(value.len() >= 43, "{name} is shorter than 256 bits: {value}");
            // Eight characters are 48 bits: among 900 values a chance hit is a once-in-a-billion event.
            assert!(seen.insert(value[..8].to_owned()), "{name} {value} begins like an earlier value");
        }
    }
}

#[tokio::test]
async fn sec_004_another_browser_cannot_finish_a_login() {
    let stage = Stage::new().await;
    let (victim, attacker) = (Browser::new(), Browser::new());
    let callback = stage.callback_url(&attacker).await;
    let answer = stage.come_back(&victim, &callback).await;
    refused("in a browser that never logged in", &answer);

    let other = Browser::new();
    stage.callback_url(&other).await;
    let answer = stage.come_back(&other, &callback).await;
    refused("in a browser with a login of its own", &answer);
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 0);

    let answer = stage.come_back(&attacker, &callback).await;
    accepted("in the browser that began", &answer);
}

#[tokio::test]
async fn sec_005_the_cookie_of_one_login_does_not_finish_another() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let first = stage.callback_url(&browser).await;
    let cookies = flow_cookies(&browser);
    let second = stage.callback_url(&browser).await;
    let others: Vec<_> = flow_cookies(&browser)
        .into_iter()
        .filter(|cookie| cookies.iter().all(|first| first.name != cookie.name))
        .collect();
    let ([one], [two]) = (cookies.as_slice(), others.as_slice()) else {
        panic!("each login has a cookie of its own: {cookies:?} {others:?}");
    };
    // Each sealed value under the other's name.
    let attributes = "Secure; HttpOnly; Path=/; SameSite=Lax";
    browser.jar().plant(&stage.app(), &format!("{}={}; {attributes}", one.name, two.value));
    browser.jar().plant(&stage.app(), &format!("{}={}; {attributes}", two.name, one.value));
    for callback in [first, second] {
        refused("with the other login's data", &stage.come_back(&browser, &callback).await);
    }
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 0);
}

/// A server with two clients, of which the first is the default.
async fn with_two_clients() -> Stage {
    Stage::with(|config| {
        let client = |id: &str| {
            json!({
                "clientId": id,
                "credentials": config.get("/client/credentials"),
                "redirect_uri": config.get("/client/redirect_uri"),
                "scope": config.get("/client/scope"),
            })
        };
        let clients = json!([client(CLIENT_ID), client(OTHER_CLIENT_ID)]);
        for name in ["clientId", "credentials", "redirect_uri", "scope", "postLogoutRedirectUri"] {
            config.remove(&format!("/client/{name}"));
        }
        config.set("/client/clients", clients);
    })
    .await
}

#[tokio::test]
async fn sec_005_and_039_a_login_ends_with_the_client_that_began_it() {
    let stage = with_two_clients().await;
    for (login, client) in [
        ("/login".to_owned(), CLIENT_ID),
        (format!("/login?client={CLIENT_ID}"), CLIENT_ID),
        (format!("/login?client={OTHER_CLIENT_ID}"), OTHER_CLIENT_ID),
    ] {
        let browser = Browser::new();
        let callback = stage.callback_url_for(&browser, &login).await;
        let request = stage.op.received_at(Endpoint::Authorization).pop().unwrap();
        assert_eq!(request.query_value("client_id").as_deref(), Some(client), "{login}");
        // The callback's URL does not choose the client.
        let mut callback = callback;
        callback.query_pairs_mut().append_pair("client", CLIENT_ID);
        accepted(&login, &stage.come_back(&browser, &callback).await);
    }
    stage.op.lies(Lie::about(Endpoint::CodeExchange).claim("aud", json!(CLIENT_ID)));
    let browser = Browser::new();
    let callback = stage.callback_url_for(&browser, &format!("/login?client={OTHER_CLIENT_ID}")).await;
    refused("an ID token for the other client", &stage.come_back(&browser, &callback).await);
}

#[tokio::test]
async fn sec_007_an_unknown_client_starts_no_login() {
    let stage = with_two_clients().await;
    for client in ["unknown", "", "authtool-tests%00", "%FF"] {
        let url = stage.bff(&format!("/login?client={client}"));
        let answer = Browser::new().open(url).first_hop().go().await.answer;
        assert!(matches!(answer.status.as_u16(), 400 | 404), "{client:?}: {answer:?}");
        assert!(answer.header("location").is_empty() && answer.set_cookies().is_empty(), "{answer:?}");
    }
}

#[tokio::test]
async fn sec_007_query_parameters_do_not_reach_the_authorization_request() {
    let stage = Stage::new().await;
    let comparable = |answer: &authtool_tests::Answer| -> BTreeMap<String, String> {
        authorization_request(answer)
            .query_pairs()
            .into_owned()
            .filter(|(name, _)| !matches!(name.as_str(), "state" | "nonce" | "code_challenge"))
            .collect()
    };
    let honest = comparable(&login_answer(&stage.server).await);
    for query in [
        "?scope=admin&client_id=x&redirect_uri=/a%26prompt%3Dnone",
        "?redirect_uri=/a%26client_id%3Dx%26state%3Dy",
        "?response_type=token&response_mode=fragment&request_uri=urn:x&request=y",
        "?state=fixed&nonce=fixed&code_challenge=fixed&code_challenge_method=plain",
        "?acr_values=x&login_hint=y&prompt=none&max_age=0&audience=z&resource=w",
    ] {
        let answer = Browser::new().open(stage.bff(&format!("/login{query}"))).first_hop().go().await.answer;
        assert_eq!(comparable(&answer), honest, "{query}");
        let request = authorization_request(&answer);
        assert_eq!(value(&request, "code_challenge").len(), 43, "{query}: {request}");
        assert_ne!(value(&request, "state"), "fixed", "{query}");
    }
}

#[test]
fn sec_008_configured_extra_parameters_cannot_be_protocol_parameters() {
    for name in [
        "client_id",
        "redirect_uri",
        "response_type",
        "response_mode",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "request",
        "request_uri",
    ] {
        let mut config = ServerConfig::new("http://127.0.0.1:9");
        config.set("/client/extra", json!({name: "x"}));
        let refusal = Server::refuses(&config);
        assert_ne!(refusal.code, Some(0), "{name}: {refusal:?}");
        assert!(refusal.output.contains("extra") && refusal.output.contains(name), "{name}: {refusal:?}");
    }
}

#[tokio::test]
async fn sec_008_configured_extra_parameters_are_sent_encoded_and_once() {
    let stage = Stage::with(|config| {
        config.set("/client/extra", json!({"audience": "https://api.example/?a=b&state=c"}));
    })
    .await;
    let request = authorization_request(&login_answer(&stage.server).await);
    assert_eq!(value(&request, "audience"), "https://api.example/?a=b&state=c");
    let names: Vec<_> = request.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(
        names.iter().collect::<HashSet<_>>().len(),
        names.len(),
        "a parameter is there twice: {request}"
    );
}

#[tokio::test]
async fn sec_009_the_login_cookie_belongs_to_this_host_and_lasts_ten_minutes() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let page = browser.open(stage.bff("/login")).first_hop().go().await;
    assert!(browser.jar().rejected().is_empty(), "{:?}", browser.jar().rejected());
    let cookies = flow_cookies(&browser);
    let [cookie] = cookies.as_slice() else { panic!("one cookie a login: {cookies:?}") };
    assert!(cookie.name.starts_with("__Host-"), "{cookie:?}");
    assert!(cookie.secure && cookie.http_only && cookie.host_only && cookie.path == "/", "{cookie:?}");
    assert_eq!(cookie.same_site, SameSite::Lax, "{cookie:?}");
    assert!(cookie.max_age.is_some_and(|seconds| (1..=600).contains(&seconds)), "{cookie:?}");
    let request = authorization_request(&page.answer);
    for secret in ["state", "nonce"] {
        assert!(!cookie.value.contains(&value(&request, secret)), "{secret} is readable in {cookie:?}");
    }
}

#[tokio::test]
async fn sec_009_a_login_completes_across_sites_and_would_not_with_a_strict_cookie() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let page = stage.log_in(&browser).await;
    assert_eq!(page.url, stage.app());
    assert_eq!(stage.session(&browser).await.status, 200);
    assert!(flow_cookies(&browser).is_empty(), "the login's cookie stays: {:?}", flow_cookies(&browser));

    let strict = Browser::editing_set_cookie(|line| line.replace("SameSite=Lax", "SameSite=Strict"));
    let callback = stage.callback_url(&strict).await;
    assert_eq!(flow_cookies(&strict).len(), 1, "the edited cookie is in the jar");
    refused("with a Strict login cookie", &stage.come_back(&strict, &callback).await);
}

#[tokio::test]
async fn sec_010_fifty_open_logins_leave_a_handful_of_cookies() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let mut newest = None;
    for _ in 0..50 {
        newest = Some(stage.callback_url(&browser).await);
    }
    let cookies = flow_cookies(&browser);
    let size: usize = cookies.iter().map(|cookie| cookie.name.len() + cookie.value.len() + 3).sum();
    assert!(cookies.len() <= 8, "{} cookies of open logins", cookies.len());
    assert!(size <= 8 * 1024, "the Cookie header has {size} bytes");
    accepted("the newest login", &stage.come_back(&browser, &newest.expect("fifty logins")).await);
}

#[tokio::test]
async fn sec_010_two_tabs_log_in_side_by_side() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let first = stage.callback_url_for(&browser, "/login?redirect_uri=/first").await;
    let second = stage.callback_url_for(&browser, "/login?redirect_uri=/second").await;
    for (callback, page) in [(second, "/second"), (first, "/first")] {
        let answer = stage.come_back(&browser, &callback).await;
        accepted(page, &answer);
        assert!(answer.header("location").ends_with(page), "{answer:?}");
    }
    assert_eq!(stage.session(&browser).await.status, 200);
}

#[tokio::test]
async fn sec_011_only_a_top_level_navigation_starts_a_login() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let (app, login) = (stage.app(), stage.bff("/login"));
    for dest in ["image", "script", "style", "font", "video", "object", "embed"] {
        forbidden(dest, &browser.fetch(&app, &login).as_subresource(dest).go().await);
    }
    forbidden("fetch", &browser.fetch(&app, &login).go().await);
    let other_site = "http://evil.example/";
    forbidden("cross-site fetch", &browser.fetch(other_site, &login).with_credentials().go().await);
    forbidden("frame", &browser.follow(&app, &login).in_frame().first_hop().go().await.answer);
    for purpose in ["prefetch", "prefetch;prerender", "prerender"] {
        let page = browser.follow(&app, &login).header("sec-purpose", purpose).first_hop().go().await;
        forbidden(purpose, &page.answer);
    }
    assert!(browser.jar().all().is_empty());
    assert_eq!(stage.op.count(Endpoint::Authorization), 0);
}

#[tokio::test]
async fn sec_012_head_has_no_side_effects() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let callback = stage.callback_url(&browser).await;
    let exchanges = stage.op.count(Endpoint::CodeExchange);
    for url in [stage.bff("/login"), callback.clone(), stage.bff("/logout")] {
        let page = browser.follow(stage.app(), &url).method(Method::HEAD).first_hop().go().await;
        assert!(page.answer.set_cookies().is_empty(), "{url}: {page:?}");
        assert!(matches!(page.status().as_u16(), 200 | 405), "{url}: {page:?}");
    }
    assert_eq!(stage.op.count(Endpoint::CodeExchange), exchanges);
    assert_eq!(stage.session(&browser).await.status, 200);
    accepted("the same callback by GET", &stage.come_back(&browser, &callback).await);
}

#[tokio::test]
async fn sec_013_no_answer_of_the_login_endpoint_is_cached() {
    let stage = Stage::new().await;
    let base = &stage.server.public;
    for (what, answer) in [
        ("a redirect", raw::get(base, "/bff/login").as_navigation().send().await),
        ("with a slash", raw::get(base, "/bff/login/").as_navigation().send().await),
        ("a refusal", raw::get(base, "/bff/login").as_same_origin_fetch().send().await),
        ("another method", raw::request("DELETE", base, "/bff/login").as_navigation().send().await),
        ("HEAD", raw::request("HEAD", base, "/bff/login").as_navigation().send().await),
    ] {
        assert!(answer.header("cache-control").contains("no-store"), "{what}: {answer:?}");
    }
}

#[tokio::test]
async fn sec_015_and_033_a_second_login_ends_the_first_session() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let first = browser.cookie(SESSION).unwrap();
    stage.op.logs_in("grace", &json!({"email": "grace@example.com"}));
    stage.log_in(&browser).await;
    let second = browser.cookie(SESSION).unwrap();
    if stage.op.count(Endpoint::Authorization) == 1 {
        assert_eq!(first, second, "a login that is cut short keeps the session");
        return;
    }
    assert_ne!(first, second);
    assert_eq!(stage.session(&browser).await.json()["email"], "grace@example.com");
    assert_eq!(stage.session_for(&first).await.status, 401, "the first session is alive");
    assert_eq!(stage.token_for(&first).await.status, 401, "the first session is alive");
}

#[tokio::test]
async fn sec_016_only_configured_scopes_are_asked_for() {
    let stage = Stage::with(|config| {
        config.set("/client/scope", json!("openid email"));
    })
    .await;
    let request = authorization_request(&login_answer(&stage.server).await);
    assert_eq!(value(&request, "scope"), "openid email");
    for name in ["prompt", "max_age", "acr_values", "login_hint", "claims"] {
        assert!(values(&request, name).is_empty(), "{name} in {request}");
    }
}

#[tokio::test]
async fn sec_016_a_configured_max_age_is_checked_on_return() {
    let stage = Stage::with(|config| {
        config.set("/client/extra", json!({"max_age": "60"}));
    })
    .await;
    let request = authorization_request(&login_answer(&stage.server).await);
    assert_eq!(value(&request, "max_age"), "60");
    let about_time = |value| Lie::about(Endpoint::CodeExchange).claim("auth_time", value);
    let (_, answer) = login_with(&stage, about_time(json!(now() - 3600))).await;
    refused("a login of an hour ago", &answer);
    let missing = Lie::about(Endpoint::CodeExchange).id_token(|token| token.without("auth_time"));
    let (_, answer) = login_with(&stage, missing).await;
    refused("a login of unknown age", &answer);
    let (_, answer) = login_with(&stage, about_time(json!(now() - 30))).await;
    accepted("a login of half a minute ago", &answer);
}
