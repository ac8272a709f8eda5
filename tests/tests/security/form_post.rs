//! §2 The callback, where the provider posts its answer (`response_mode=form_post`), and Apple, who answers no other way.

use crate::expect::{accepted, authorization_request, login_answer, refused, value, values};
use authtool_tests::browser::{Browser, Form, Page};
use authtool_tests::hostile::{CLIENT_SECRET, Endpoint, Lie, Team};
use authtool_tests::{Answer, SESSION, ServerConfig, Stage, raw, wait};
use http::Method;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

const COOKIE: &str = "__Host-authtool_login_post.";
const LAX_COOKIE: &str = "__Host-authtool_login_";

fn by_form_post(config: &mut ServerConfig) {
    config.set("/client/responseMode", json!("form_post"));
}

async fn stage() -> Stage {
    Stage::with(by_form_post).await
}

/// At a provider that is Apple's way in everything that this server sees of it.
async fn apple(configure: impl FnOnce(&mut ServerConfig)) -> Stage {
    let team = Team::new();
    let stage = Stage::with(|config| {
        by_form_post(config);
        config.set("/client/credentials", team.credentials());
        config.set("/session/sessionJitterSecs", json!(0));
        configure(config);
    })
    .await;
    stage.op.takes_secrets_signed_by(&team);
    // No name in its ID tokens.
    stage.op.lies(Lie::about(Endpoint::CodeExchange).id_token(|token| token.without("name")));
    stage
}

fn encoded(fields: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// Posts what the provider's page would post, from that page.
async fn post(browser: &Browser, page: &Page, form: &Form) -> Answer {
    post_body(browser, page, &form.action, &encoded(&form.fields)).await
}

async fn post_body(browser: &Browser, page: &Page, action: &Url, body: &str) -> Answer {
    browser.follow(&page.url, action).posting(body).first_hop().go().await.answer
}

/// The cookie of the one login that is open.
fn login_cookie(browser: &Browser) -> authtool_tests::browser::Cookie {
    let mut cookies = browser.jar().all();
    cookies.retain(|cookie| cookie.name.starts_with(LAX_COOKIE));
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    cookies.remove(0)
}

#[tokio::test]
async fn sec_031_a_posted_answer_logs_in_and_ends_at_a_page_that_sees_the_strict_cookie() {
    let stage = stage().await;
    let request = authorization_request(&login_answer(&stage.server).await);
    assert_eq!(value(&request, "response_mode"), "form_post");

    let browser = Browser::new();
    let (page, form) = stage.page_that_posts(&browser).await;
    let set = page.hops[0].answer.set_cookies();
    assert_eq!(set.len(), 1, "{set:?}");
    assert!(
        set[0].starts_with(COOKIE)
            && set[0].ends_with("; Path=/; Secure; HttpOnly; SameSite=None; Max-Age=600"),
        "{set:?}"
    );
    let back = browser.submit(&page, &form).go().await;
    let answer = &back.hops[0].answer;
    assert_eq!(
        (back.hops[0].sent["sec-fetch-site"].to_str().unwrap(), answer.status.as_u16()),
        ("cross-site", 303)
    );
    accepted("a posted answer", answer);
    assert!(answer.set_cookie(SESSION).unwrap().contains("SameSite=Strict"), "{answer:?}");
    assert!(!answer.header("location").contains("code="), "{answer:?}");
    assert!(browser.jar().all().iter().all(|cookie| !cookie.name.contains("_login_")), "its cookie is gone");

    // The hop after the POST is still another site's navigation. The one that our page begins is not.
    assert_eq!((back.url.path(), back.status().as_u16()), ("/bff/oauth/continue", 200));
    let sent =
        |page: &Page| page.hops.last().unwrap().sent.get("cookie").map(|it| it.to_str().unwrap().to_owned());
    assert!(!sent(&back).unwrap_or_default().contains(SESSION), "{:?}", sent(&back));
    let html = back.answer.text();
    let app = format!("content=\"0; url={}\"", stage.app());
    assert!(html.contains(&app), "{html}");
    let page = browser.follow(&back.url, stage.app()).go().await;
    assert!(sent(&page).unwrap().contains(SESSION), "{:?}", sent(&page));
    assert_eq!(stage.session(&browser).await.status, 200);
    assert_eq!(stage.token(&browser).await.status, 200);
}

#[tokio::test]
async fn sec_031_a_login_by_query_asks_for_no_mode_and_takes_no_post() {
    // `stage` has no client that asks for form_post: `sec_031_a_response_by_post_is_refused` has the details.
    let stage = Stage::new().await;
    let request = authorization_request(&login_answer(&stage.server).await);
    assert_eq!(values(&request, "response_mode"), [""; 0]);

    // Beside a client that asks for it, the others still do not take it, even with a cookie that such a POST carries.
    let stage = Stage::with(|config| {
        let client = config.get("/client").clone();
        let entry = |name: &str, id: &str, extra: Value| {
            let mut entry = client.clone();
            entry.as_object_mut().unwrap().remove("issuer");
            entry["name"] = json!(name);
            entry["clientId"] = json!(id);
            entry.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            entry
        };
        config.set(
            "/client",
            json!({
                "issuer": client["issuer"],
                "clients": [
                    entry("query", authtool_tests::hostile::CLIENT_ID, json!({})),
                    entry("form", authtool_tests::hostile::OTHER_CLIENT_ID, json!({"responseMode": "form_post"})),
                ],
            }),
        );
    })
    .await;
    let browser = Browser::new();
    let callback = stage.callback_url_for(&browser, "/login?client=query").await;
    let cookie = login_cookie(&browser);
    let query = callback.query().unwrap_or_default();
    for name in [cookie.name.clone(), cookie.name.replace("login_", "login_post.")] {
        let answer = raw::request("POST", &stage.server.public, "/bff/oauth/callback")
            .header("cookie", format!("{name}={}", cookie.value))
            .body("application/x-www-form-urlencoded", query)
            .send()
            .await;
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
        refused(&name, &answer);
    }
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 0);
    accepted("the query", &stage.come_back(&browser, &callback).await);
}

#[tokio::test]
async fn sec_004_and_031_a_posted_answer_is_bound_to_its_browser_and_its_login() {
    let stage = stage().await;
    let attacker = Browser::new();
    let (page, form) = stage.page_that_posts(&attacker).await;
    let state = |form: &Form| form.fields.iter().find(|(name, _)| name == "state").unwrap().1.clone();

    // An attacker's page has the browser of a victim post the attacker's code: nobody is logged in as the attacker.
    let victim = Browser::new();
    let evil = Page { url: "https://evil.example/".parse().unwrap(), ..page.clone() };
    refused("a browser without a login", &post(&victim, &evil, &form).await);
    let (victims_page, victims_form) = stage.page_that_posts(&victim).await;
    refused("another login's answer", &post(&victim, &evil, &form).await);
    let victims_cookie = login_cookie(&victim);
    assert_ne!(state(&form), state(&victims_form));

    // Another login's cookie under this one's name, and this one's under another's.
    let attackers_cookie = login_cookie(&attacker);
    for (what, name, cookie) in [
        ("the cookie of another login, renamed", &attackers_cookie.name, &victims_cookie.value),
        (
            "a cookie under the name of a login by query",
            &attackers_cookie.name.replace("post.", ""),
            &attackers_cookie.value,
        ),
        (
            "two cookies",
            &attackers_cookie.name,
            &format!("{0}; {1}={0}", attackers_cookie.value, attackers_cookie.name),
        ),
        (
            "a forged cookie",
            &attackers_cookie.name,
            &attackers_cookie.value.replace(&attackers_cookie.value[..8], "AAAAAAAA"),
        ),
    ] {
        let answer = raw::request("POST", &stage.server.public, "/bff/oauth/callback")
            .header("cookie", format!("{name}={cookie}"))
            .body("application/x-www-form-urlencoded", encoded(&form.fields))
            .send()
            .await;
        refused(what, &answer);
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
    }
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 0);
    // None of it has hurt either login.
    accepted("the attacker's own", &post(&attacker, &page, &form).await);
    accepted("the victim's own", &post(&victim, &victims_page, &victims_form).await);
}

#[tokio::test]
async fn sec_018_and_031_a_posted_answer_works_once() {
    let stage = stage().await;
    let browser = Browser::new();
    let (page, form) = stage.page_that_posts(&browser).await;
    let cookie = login_cookie(&browser);
    accepted("the first time", &post(&browser, &page, &form).await);
    let thief = Browser::new();
    let line = format!("{}={}; Secure; HttpOnly; Path=/; SameSite=None", cookie.name, cookie.value);
    for browser in [&thief, &browser] {
        browser.jar().plant(&stage.app(), &line);
        refused("the second time", &post(browser, &page, &form).await);
    }
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 1);
    assert_eq!(stage.session(&browser).await.status, 200, "the session of the first is unhurt");

    // An error spends the state, too.
    let browser = Browser::new();
    let (page, form) = stage.page_that_posts(&browser).await;
    let cookie = login_cookie(&browser);
    let mut error = form.clone();
    error.fields.retain(|(name, _)| name != "code");
    error.fill("error", "access_denied");
    let answer = post(&browser, &page, &error).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let line = format!("{}={}; Secure; HttpOnly; Path=/; SameSite=None", cookie.name, cookie.value);
    browser.jar().plant(&stage.app(), &line);
    refused("a code after the error", &post(&browser, &page, &form).await);
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 1);
}

#[tokio::test]
async fn sec_031_a_code_in_the_query_is_refused_where_it_was_to_be_posted_and_an_error_is_what_it_says() {
    let stage = stage().await;
    let in_query = |form: &Form| {
        let mut url = form.action.clone();
        url.query_pairs_mut().extend_pairs(&form.fields);
        url
    };
    let browser = Browser::new();
    let (_, form) = stage.page_that_posts(&browser).await;
    let answer = stage.come_back(&browser, &in_query(&form)).await;
    refused("a code in the query", &answer);
    assert_eq!(answer.status, 400, "{answer:?}");
    stage.server.log().shows("client.responseMode").await;
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 0);

    // Some providers look at `response_mode` only after they have accepted the request.
    let (_, mut form) = stage.page_that_posts(&browser).await;
    form.fields.retain(|(name, _)| name != "code");
    form.fill("error", "access_denied");
    let answer = stage.come_back(&browser, &in_query(&form)).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(answer.text().contains("access_denied"), "{answer:?}");
    refused("an error in the query", &answer);
}

#[tokio::test]
async fn sec_019_and_020_and_031_malformed_and_oversized_forms_are_refused() {
    let stage = stage().await;
    let browser = Browser::new();
    let (page, form) = stage.page_that_posts(&browser).await;
    let good = encoded(&form.fields);
    let mut tried = 0;
    for name in ["code", "state", "iss", "error"] {
        let again = form.fields.iter().find(|(it, _)| it == name).map_or("access_denied", |(_, value)| value);
        let pair = encoded(&[(name.to_owned(), again.to_owned())]);
        let doubled =
            if name == "error" { format!("{good}&{pair}&{pair}") } else { format!("{good}&{pair}") };
        let answer = post_body(&browser, &page, &form.action, &doubled).await;
        assert_eq!(answer.status, 400, "{name} twice: {answer:?}");
        refused(name, &answer);
        tried += 1;
    }
    for (what, body) in [
        ("nothing", String::new()),
        ("no state", good.replace("state=", "estate=")),
        ("bytes that are no text", good.replace("code=", "code=%FF")),
        ("a huge code", good.replace("code=", &format!("code={}", "x".repeat(5000)))),
        ("a zero byte", good.replace("state=", "state=%00")),
    ] {
        let answer = post_body(&browser, &page, &form.action, &body).await;
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        refused(what, &answer);
        tried += 1;
    }
    assert_eq!(tried, 9);
    let cookie = login_cookie(&browser);
    let cookie = format!("{}={}", cookie.name, cookie.value);
    let callback =
        || raw::request("POST", &stage.server.public, "/bff/oauth/callback").header("cookie", &cookie);
    for (what, request, status) in [
        (
            "a body above the limit",
            callback()
                .body("application/x-www-form-urlencoded", format!("{good}&user={}", "x".repeat(40_000))),
            413,
        ),
        ("JSON", callback().body("application/json", good.clone()), 400),
        ("text", callback().body("text/plain", good.clone()), 400),
        ("multipart", callback().body("multipart/form-data; boundary=x", good.clone()), 400),
        ("no body at all", callback(), 400),
        ("bytes", callback().body("application/x-www-form-urlencoded", [0xff, 0xfe, b'=']), 400),
        (
            "what stands in the query",
            raw::request("POST", &stage.server.public, format!("/bff/oauth/callback?{good}"))
                .header("cookie", &cookie)
                .body("application/x-www-form-urlencoded", "a=b"),
            400,
        ),
    ] {
        let answer = request.send().await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        refused_at_once(what, &answer);
    }
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 0);
    accepted("the real answer", &post(&browser, &page, &form).await);
}

#[track_caller]
fn refused_at_once(what: &str, answer: &Answer) {
    assert!(!answer.sets_session() && answer.set_cookies().is_empty(), "{what}: {answer:?}");
}

#[tokio::test]
async fn sec_031_neither_a_frame_nor_a_script_posts_an_answer() {
    let stage = stage().await;
    let browser = Browser::new();
    let (page, form) = stage.page_that_posts(&browser).await;
    let body = encoded(&form.fields);
    let framed =
        browser.follow(&page.url, &form.action).posting(&body).in_frame().first_hop().go().await.answer;
    assert_eq!(framed.status, 403, "{framed:?}");
    refused_at_once("in a frame", &framed);
    let scripted = raw::request("POST", &stage.server.public, "/bff/oauth/callback")
        .header("sec-fetch-mode", "cors")
        .header("sec-fetch-dest", "empty")
        .header("sec-fetch-site", "cross-site")
        .body("application/x-www-form-urlencoded", body)
        .send()
        .await;
    assert_eq!(scripted.status, 403, "{scripted:?}");
    refused_at_once("by a script", &scripted);
    for method in [Method::PUT, Method::HEAD, Method::DELETE] {
        let answer =
            browser.follow(&page.url, &form.action).method(method.clone()).first_hop().go().await.answer;
        assert_eq!(answer.status, 405, "{method}: {answer:?}");
        assert_eq!(answer.header("allow"), "GET, POST", "{answer:?}");
    }
    accepted("by the page", &post(&browser, &page, &form).await);
}

#[tokio::test]
async fn sec_027_and_031_a_posted_forgery_leaves_the_session_that_is_there() {
    let stage = stage().await;
    let browser = stage.logged_in().await;
    let before = browser.cookie(SESSION);
    let attacker = Browser::new();
    let (page, form) = stage.page_that_posts(&attacker).await;
    let evil = Page { url: "https://evil.example/".parse().unwrap(), ..page };
    for fields in [
        form.fields.clone(),
        vec![("state".to_owned(), "x".repeat(43)), ("error".to_owned(), "access_denied".to_owned())],
    ] {
        let answer = post_body(&browser, &evil, &form.action, &encoded(&fields)).await;
        refused_at_once("a forgery", &answer);
    }
    assert_eq!(browser.cookie(SESSION), before);
    assert_eq!(stage.session(&browser).await.status, 200);

    // A login that is meant replaces it, although its POST does not carry the old session's cookie.
    let page = stage.log_in(&browser).await;
    accepted("a second login", &page.hops[0].answer);
    assert_ne!(browser.cookie(SESSION), before);
    assert_eq!(stage.session_for(&before.unwrap()).await.status, 401, "the first session has ended");
}

#[tokio::test]
async fn sec_010_and_031_open_logins_are_counted_together_however_they_are_answered() {
    let stage = stage().await;
    let browser = Browser::new();
    for _ in 0..20 {
        stage.page_that_posts(&browser).await;
    }
    let (page, form) = stage.page_that_posts(&browser).await;
    let open = browser.jar().all().iter().filter(|cookie| cookie.name.starts_with(COOKIE)).count();
    assert!(open <= 5, "{open} cookies");
    accepted("the newest", &post(&browser, &page, &form).await);
}

#[tokio::test]
async fn apples_client_secret_is_signed_anew_for_each_request() {
    let stage = apple(|_| {}).await;
    stage.op.issues_access_tokens_for(1);
    let browser = stage.logged_in().await;
    refreshed(&stage, &browser).await;
    let requests = [Endpoint::CodeExchange, Endpoint::Refresh].map(|it| stage.op.received_at(it));
    let secrets: Vec<_> =
        requests.iter().flatten().map(|it| it.form_value("client_secret").unwrap()).collect();
    assert!(secrets.len() >= 2 && secrets[0] != secrets[1], "{}", secrets.len());
    for request in requests.iter().flatten() {
        assert!(!request.headers.contains_key("authorization"), "{request:?}");
    }
    stage.log_out_and_return(&browser).await;
    stage.op.has_received(Endpoint::Revocation, 1).await;
    assert!(stage.op.received_at(Endpoint::Revocation)[0].form_value("client_secret").is_some());
    let keys = raw::get(&stage.server.public, "/bff/oauth/jwks").send().await.json();
    assert_eq!(keys, json!({"keys": []}), "the key is Apple's to know, and nobody else's");
}

/// Asks for the token until it has been refreshed.
async fn refreshed(stage: &Stage, browser: &Browser) {
    wait::until("the token is refreshed", async || {
        let answer = stage.token(browser).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        (stage.op.count(Endpoint::Refresh) > 0).then_some(())
    })
    .await;
}

/// Logs in while the provider's page posts this `user` beside the code, and gives what `/session` shows.
async fn session_with(stage: &Stage, user: &str) -> (Browser, Value) {
    let browser = Browser::new();
    let (page, mut form) = stage.page_that_posts(&browser).await;
    form.fill("user", user);
    accepted(user, &post(&browser, &page, &form).await);
    let session = stage.session(&browser).await;
    assert_eq!(session.status, 200, "{user}: {session:?}");
    let claims = session.json();
    (browser, claims)
}

#[tokio::test]
async fn apples_user_gives_a_name_to_show_and_nothing_else() {
    let stage = apple(|_| {}).await;
    let user = |first: &str, last: &str| {
        json!({"name": {"firstName": first, "lastName": last}, "email": "admin@app.example", "sub": "grace"})
            .to_string()
    };
    let (browser, claims) = session_with(&stage, &user("Grace", "Hopper")).await;
    assert_eq!((&claims["name"], &claims["email"]), (&json!("Grace Hopper"), &json!("ada@example.com")));
    assert!(!claims.to_string().contains("admin"), "{claims}");
    let token = stage.token(&browser).await;
    assert!(!token.everything().contains("Hopper"), "no gateway is told: {token:?}");

    let (_, claims) = session_with(&stage, &user("<img src=x onerror=alert(1)>", "")).await;
    assert_eq!(claims["name"], "<img src=x onerror=alert(1)>", "text, for whoever shows it as text");
    for odd in [
        "",
        "no JSON",
        "[[[[[[",
        r#"{"name":"Grace"}"#,
        &user("\u{202e}ecarG", "Hopper"),
        &user("Grace\r\nSet-Cookie: a=b", "\u{7}"),
        &user(&"x".repeat(2000), "Hopper"),
        &user(&"x".repeat(20_000), "Hopper"),
    ] {
        let (_, claims) = session_with(&stage, odd).await;
        assert_eq!(claims["email"], "ada@example.com", "{odd}");
        let named = claims["name"].as_str().unwrap_or_default();
        assert!(named.is_empty() || named == "Grace Set-Cookie: a=b", "{odd}: {claims}");
    }
}

#[tokio::test]
async fn apples_user_outlives_a_refresh_and_gives_way_to_what_is_signed() {
    let stage = apple(|_| {}).await;
    let user = r#"{"name":{"firstName":"Grace","lastName":"Hopper"}}"#;
    // Apple sends an ID token with each refresh, and the name with none.
    stage.op.lies(Lie::about(Endpoint::Refresh).id_token(|token| token.without("name")));
    stage.op.issues_access_tokens_for(1);
    let (browser, _) = session_with(&stage, user).await;
    refreshed(&stage, &browser).await;
    assert_eq!(stage.session(&browser).await.json()["name"], "Grace Hopper");

    stage.op.tells_the_truth();
    let (_, claims) = session_with(&stage, user).await;
    assert_eq!(claims["name"], "Ada Lovelace", "what an ID token says counts more");

    let stage = apple(|config| {
        config.set("/session/userClaims", json!(["email"]));
    })
    .await;
    let (_, claims) = session_with(&stage, user).await;
    assert_eq!(claims.get("name"), None, "it was not selected: {claims}");
}

#[tokio::test]
async fn nobody_but_apple_names_a_user_beside_the_code() {
    let stage = stage().await;
    stage.op.lies(Lie::about(Endpoint::CodeExchange).id_token(|token| token.without("name")));
    let (_, claims) = session_with(&stage, r#"{"name":{"firstName":"Grace"}}"#).await;
    assert_eq!(claims.get("name"), None, "{claims}");
    assert!(stage.op.received_at(Endpoint::CodeExchange)[0].form_value("client_secret").is_none());
    assert!(!stage.server.log().text().contains(CLIENT_SECRET));
}

#[tokio::test]
async fn sec_026_and_031_a_silent_login_that_is_posted_an_error_goes_back_to_the_app() {
    let stage = stage().await;
    stage.op.lies(Lie::about(Endpoint::Authorization).parameters(|parameters| {
        parameters.retain(|(name, _)| name != "code");
        parameters.push(("error".to_owned(), "login_required".to_owned()));
    }));
    let browser = Browser::new();
    let page = browser.follow(stage.app(), stage.bff("/login?prompt=none")).go().await;
    let form = page.forms().remove(0);
    let answer = post(&browser, &page, &form).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert!(answer.header("location").contains("login_error=login_required"), "{answer:?}");
    assert!(!answer.sets_session());
}
