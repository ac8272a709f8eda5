//! §2 The callback.

use crate::expect::{accepted, login_with, refused, value, with_parameter};
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{Endpoint, Gate, Lie, Transport};
use authtool_tests::{SESSION, Stage, raw, wait};
use base64::Engine as _;
use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

/// A callback URL whose query is written out as given.
fn callback_with_query(stage: &Stage, query: &str) -> Url {
    let mut url = stage.bff("/oauth/callback");
    url.set_query(Some(query));
    url
}

#[tokio::test]
async fn sec_017_state_is_checked_before_anything_else() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let callback = stage.callback_url(&browser).await;
    let real = value(&callback, "state");
    let (shorter, longer) = (real[1..].to_owned(), format!("{real}A"));
    let mut flipped = real.clone().into_bytes();
    flipped[0] = if flipped[0] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    let code = value(&callback, "code");
    for query in [
        "error=x&state=bad".to_owned(),
        "error=access_denied".to_owned(),
        format!("code={code}"),
        format!("code={code}&state={shorter}&iss={}", stage.op.issuer()),
        format!("code={code}&state={longer}&iss={}", stage.op.issuer()),
        format!("code={code}&state={flipped}&iss={}", stage.op.issuer()),
    ] {
        let answer = stage.come_back(&browser, &callback_with_query(&stage, &query)).await;
        refused(&query, &answer);
    }
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 0);
    assert!(
        !stage.server.log().text().contains("access_denied"),
        "an error without a state is not the provider's"
    );
    accepted("the real answer", &stage.come_back(&browser, &callback).await);
}

#[tokio::test]
async fn sec_018_simultaneous_deliveries_make_one_token_request() {
    let stage = Stage::new().await;
    let gate = Gate::closed();
    stage.op.lies(Lie::about(Endpoint::CodeExchange).held_by(&gate));
    let browser = Browser::new();
    let callback = stage.callback_url(&browser).await;
    let (answers, ()) = tokio::join!(
        join_all((0..8).map(|_| {
            let twin = Browser::new();
            twin.jar().copy_from(&browser.jar());
            let (stage, callback) = (&stage, &callback);
            async move { stage.come_back(&twin, callback).await }
        })),
        async {
            stage.op.has_received(Endpoint::CodeExchange, 1).await;
            gate.open();
        }
    );
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 1);
    let sessions = answers.iter().filter(|answer| answer.sets_session()).count();
    assert_eq!(sessions, 1, "{answers:?}");
    assert!(answers.iter().all(|answer| answer.status.as_u16() < 500), "{answers:?}");
}

#[tokio::test]
async fn sec_018_an_error_response_spends_the_state_too() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let callback = stage.callback_url(&browser).await;
    let keep = browser.jar().all();
    let error = with_parameter(&with_parameter(&callback, "code", None), "error", Some("access_denied"));
    refused("an error", &stage.come_back(&browser, &error).await);
    // An attacker who kept the cookie has no use for it.
    for cookie in keep {
        let line = format!("{}={}; Secure; HttpOnly; Path=/; SameSite=Lax", cookie.name, cookie.value);
        browser.jar().plant(&stage.app(), &line);
    }
    refused("a code after the error", &stage.come_back(&browser, &callback).await);
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 0);
}

#[tokio::test]
async fn sec_019_a_doubled_parameter_is_refused() {
    let stage = Stage::new().await;
    for name in ["code", "state", "iss", "error"] {
        let browser = Browser::new();
        let callback = stage.callback_url(&browser).await;
        let mut doubled = callback.clone();
        let again = callback
            .query_pairs()
            .find(|(key, _)| key == name)
            .map_or_else(|| "access_denied".to_owned(), |(_, value)| value.into_owned());
        doubled.query_pairs_mut().append_pair(name, &again);
        if name == "error" {
            doubled.query_pairs_mut().append_pair(name, &again);
        }
        let answer = stage.come_back(&browser, &doubled).await;
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
        refused(name, &answer);
    }
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 0);
}

#[tokio::test]
async fn sec_020_malformed_parameters_are_refused() {
    let stage = Stage::new().await;
    let issuer = stage.op.issuer().to_owned();
    let long = |length| "a".repeat(length);
    for (what, change) in [
        ("a state that is not UTF-8", ("state", "%FF".to_owned())),
        ("a state with a zero byte", ("state", "a%00b".to_owned())),
        ("an empty state", ("state", String::new())),
        ("a long state", ("state", long(129))),
        ("a code that is not UTF-8", ("code", "%FF%FE".to_owned())),
        ("a code with a line feed", ("code", "a%0Ab".to_owned())),
        ("a code with a zero byte", ("code", "a%00b".to_owned())),
        ("an empty code", ("code", String::new())),
        ("a long code", ("code", long(5000))),
        ("a huge code", ("code", long(60_000))),
        ("an empty issuer", ("iss", String::new())),
        ("an issuer that is not UTF-8", ("iss", "%C3".to_owned())),
        ("a long issuer", ("iss", long(600))),
    ] {
        let browser = Browser::new();
        let callback = stage.callback_url(&browser).await;
        let (name, raw_value) = change;
        let mut query = format!("{name}={raw_value}");
        for other in ["code", "state", "iss"].into_iter().filter(|other| *other != name) {
            let value = if other == "iss" { issuer.clone() } else { value(&callback, other) };
            query = format!("{query}&{other}={value}");
        }
        let answer = stage.come_back(&browser, &callback_with_query(&stage, &query)).await;
        assert!(matches!(answer.status.as_u16(), 400 | 414 | 431), "{what}: {answer:?}");
        refused(what, &answer);
    }
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 0);
}

#[tokio::test]
async fn sec_021_the_issuer_in_the_response_must_be_ours() {
    let stage = Stage::new().await;
    let issuer = stage.op.issuer().to_owned();
    for (what, iss) in [
        ("missing", None),
        ("another", Some("http://127.0.0.1:1".to_owned())),
        ("with a slash", Some(format!("{issuer}/"))),
        ("in capitals", Some(issuer.to_uppercase())),
        ("with a prefix of ours", Some(format!("{issuer}.evil.example"))),
    ] {
        let browser = Browser::new();
        let callback = stage.callback_url(&browser).await;
        let changed = with_parameter(&callback, "iss", iss.as_deref());
        refused(what, &stage.come_back(&browser, &changed).await);
        // RFC 9207 §2.4: of error responses too.
        let callback = stage.callback_url(&browser).await;
        let error = with_parameter(&with_parameter(&callback, "code", None), "error", Some("server_error"));
        let error = with_parameter(&error, "iss", iss.as_deref());
        refused(what, &stage.come_back(&browser, &error).await);
    }
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 0);
}

#[tokio::test]
async fn sec_021_an_error_without_the_issuer_ends_the_login_that_it_belongs_to_and_no_other() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let without = |callback: &Url, error: &str| {
        let changed = with_parameter(&with_parameter(callback, "iss", None), "code", None);
        with_parameter(&changed, "error", Some(error))
    };
    // Canaille announces `iss`, and leaves it out of errors.
    let silent = stage.callback_url_for(&browser, "/login?prompt=none").await;
    let other = stage.callback_url(&browser).await;
    let answer = stage.come_back(&browser, &without(&silent, "login_required")).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert!(answer.header("location").ends_with("?login_error=login_required"), "{answer:?}");
    accepted("the login in the other tab", &stage.come_back(&browser, &other).await);
    refused("the one that has ended", &stage.come_back(&browser, &silent).await);

    // It needs the login's own state, and an issuer that is there must be the right one.
    let callback = stage.callback_url(&browser).await;
    let forged = with_parameter(&without(&callback, "access_denied"), "state", Some(&"x".repeat(43)));
    let answer = stage.come_back(&browser, &forged).await;
    assert!(answer.set_cookies().is_empty(), "{answer:?}");
    let foreign = with_parameter(&without(&callback, "access_denied"), "iss", Some("https://evil.example"));
    let answer = stage.come_back(&browser, &foreign).await;
    assert!(answer.text().contains("login_failed"), "{answer:?}");
    // A code without it is refused as before.
    let callback = with_parameter(&stage.callback_url(&browser).await, "iss", None);
    refused("a code", &stage.come_back(&browser, &callback).await);
}

#[tokio::test]
async fn sec_026_what_the_provider_says_about_an_error_is_in_the_log_cleaned_and_on_no_page() {
    let stage = Stage::new().await;
    let refusal = |callback: &Url, code: &str, description: &str| {
        let changed = with_parameter(&with_parameter(callback, "code", None), "error", Some(code));
        with_parameter(&changed, "error_description", Some(description))
    };
    let browser = Browser::new();
    let callback = stage.callback_url(&browser).await;
    let words = "AADSTS50105: the user is not assigned\r\ninjected-line \u{1b}[31m eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl";
    let answer = stage.come_back(&browser, &refusal(&callback, "unheard_of", words)).await;
    refused("an error", &answer);
    assert!(!answer.everything().contains("AADSTS50105"), "{answer:?}");
    let line = stage.server.log().shows("AADSTS50105: the user is not assigned injected-line").await;
    assert!(line.contains("unheard_of"), "{line}");
    let log = stage.server.log().text();
    assert!(!log.contains("eyJhbGciOiJSUzI1NiJ9.e30") && !log.contains('\u{1b}'), "{log}");

    // Of somebody who has no login here nothing is written down.
    let forged = with_parameter(&refusal(&callback, "x", "nobody-says-this"), "state", Some(&"x".repeat(43)));
    stage.come_back(&browser, &forged).await;
    let error = Lie::about(Endpoint::CodeExchange).oauth_error(401, "invalid_client");
    let (_, answer) = login_with(&stage, error).await;
    refused("the token endpoint's", &answer);
    assert!(!answer.everything().contains("canary-error-description"), "{answer:?}");
    let line = stage.server.log().shows("canary-error-description").await;
    assert!(line.contains("invalid_client"), "{line}");
    let log = stage.server.log().text();
    assert!(!log.contains("nobody-says-this"), "{log}");
}

#[tokio::test]
async fn sec_021_a_provider_that_does_not_announce_the_issuer_may_leave_it_out() {
    let op = authtool_tests::hostile::HostileOp::start().await;
    op.lies(Lie::about(Endpoint::Discovery).without("authorization_response_iss_parameter_supported"));
    let server = authtool_tests::Server::start(authtool_tests::ServerConfig::new(op.issuer())).await;
    let stage = Stage { server, op };
    for (iss, works) in [(None, true), (Some("http://127.0.0.1:1"), false), (Some(stage.op.issuer()), true)] {
        let browser = Browser::new();
        let callback = with_parameter(&stage.callback_url(&browser).await, "iss", iss);
        let answer = stage.come_back(&browser, &callback).await;
        assert_eq!(answer.sets_session(), works, "{iss:?}: {answer:?}");
    }
}

#[tokio::test]
async fn sec_022_the_code_is_exchanged_as_it_was_asked_for() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let page = stage.log_in(&browser).await;
    let request = page.first_location();
    let exchanges = stage.op.received_at(Endpoint::CodeExchange);
    let [exchange] = exchanges.as_slice() else { panic!("{exchanges:?}") };
    let form = |name| exchange.form_value(name).unwrap_or_default();
    assert_eq!(exchange.method, Method::POST);
    assert_eq!(form("grant_type"), "authorization_code");
    assert_eq!(form("redirect_uri"), value(&request, "redirect_uri"));
    assert_eq!(form("code"), value(&page.hop("/bff/oauth/callback").url, "code"));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form("code_verifier").as_bytes());
    let challenge = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest);
    assert_eq!(challenge, value(&request, "code_challenge"));
    let names: Vec<_> = exchange.form.iter().map(|(name, _)| name.as_str()).collect();
    assert!(
        !names.contains(&"client_secret"),
        "client_secret_basic puts the secret in the header: {names:?}"
    );
}

#[tokio::test]
async fn sec_023_a_code_is_never_sent_twice() {
    let stage = Stage::new().await;
    for (what, lie) in [
        ("503", Lie::about(Endpoint::CodeExchange).status(503)),
        ("500 without JSON", Lie::about(Endpoint::CodeExchange).status(500).body("oops")),
        ("429", Lie::about(Endpoint::CodeExchange).status(429).header("retry-after", "0")),
        ("no answer", Lie::about(Endpoint::CodeExchange).transport(Transport::Reset)),
        ("half an answer", Lie::about(Endpoint::CodeExchange).transport(Transport::Truncate)),
        ("garbage", Lie::about(Endpoint::CodeExchange).body("{")),
        ("an error", Lie::about(Endpoint::CodeExchange).oauth_error(400, "invalid_grant")),
    ] {
        let before = stage.op.count(Endpoint::CodeExchange);
        let (_, answer) = login_with(&stage, lie).await;
        refused(what, &answer);
        assert_eq!(stage.op.count(Endpoint::CodeExchange) - before, 1, "{what}");
    }
}

#[tokio::test]
async fn sec_023_a_token_endpoint_that_hangs_is_asked_once() {
    let stage = Stage::new().await;
    let (_, answer) = login_with(&stage, Lie::about(Endpoint::CodeExchange).transport(Transport::Hang)).await;
    refused("a token endpoint that hangs", &answer);
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 1);
}

/// A browser that comes back from the provider, over a connection of its own, and waits until the gate lets its code be
/// exchanged.
async fn comes_back_through(gate: &Gate, stage: &Stage) -> TcpStream {
    let browser = Browser::new();
    let callback = stage.callback_url(&browser).await;
    stage.op.lies(Lie::about(Endpoint::CodeExchange).held_by(gate));
    let cookies: Vec<_> =
        browser.jar().all().into_iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\n\
         sec-fetch-dest: document\r\ncookie: {}\r\n\r\n",
        &callback[url::Position::BeforePath..],
        cookies.join("; ")
    );
    raw::open(&stage.server.public, request.as_bytes()).await
}

#[tokio::test]
async fn who_has_nothing_more_to_say_is_answered() {
    let stage = Stage::new().await;
    let gate = Gate::closed();
    let mut connection = comes_back_through(&gate, &stage).await;
    // The end of what it sends: the server may go on sending (RFC 9112 §9.6).
    connection.shutdown().await.unwrap();
    stage.op.has_received(Endpoint::CodeExchange, 1).await;
    gate.open();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    assert!(answer.contains(&format!("{SESSION}=1.")), "{answer}");
}

#[tokio::test]
async fn sec_024_a_browser_that_goes_away_leaves_no_loose_tokens() {
    let stage = Stage::new().await;
    let gate = Gate::closed();
    let connection = comes_back_through(&gate, &stage).await;
    stage.op.has_received(Endpoint::CodeExchange, 1).await;
    drop(connection);
    // The server has seen the connection go before the provider answers.
    wait::until("a later request is answered", async || {
        (stage.session(&Browser::new()).await.status == 401).then_some(())
    })
    .await;
    gate.open();
    wait::until("the login is finished or its tokens are revoked", async || {
        let revoked = stage.op.count(Endpoint::Revocation) > 0;
        let finished = stage.server.log().find("session_begun").is_some();
        (revoked || finished).then_some(())
    })
    .await;
}

#[tokio::test]
async fn sec_026_what_the_provider_says_about_an_error_is_not_shown() {
    for (configured, errors) in [(None, "an error page"), (Some("/oops?from=bff"), "errorRedirects")] {
        let stage = Stage::with(|config| {
            if let Some(page) = configured {
                let app = config.app();
                config.set("/session/errorRedirects", json!(format!("{app}{page}")));
            }
        })
        .await;
        for error in
            ["<script>alert(1)</script>", "access_denied", "login_required\r\nset-cookie: a=b", "\u{202e}x"]
        {
            let browser = Browser::new();
            let callback = with_parameter(&stage.callback_url(&browser).await, "code", None);
            let callback = with_parameter(&callback, "error", Some(error));
            let callback = with_parameter(&callback, "error_description", Some("canary-description <b>"));
            let callback = with_parameter(&callback, "error_uri", Some("https://canary-uri.example/"));
            let answer = stage.come_back(&browser, &callback).await;
            refused(errors, &answer);
            let shown = answer.everything();
            let sent = value(&callback, "state");
            for forbidden in
                ["<script>alert", "canary-description", "canary-uri", "set-cookie: a", "\u{202e}", &sent]
            {
                assert!(!shown.contains(forbidden), "{error:?} shows {forbidden:?}: {shown}");
            }
            if configured.is_some() {
                let location = Url::parse(answer.header("location")).unwrap();
                assert_eq!(location.path(), "/oops", "{location}");
                assert_eq!(value(&location, "from"), "bff");
                let code = value(&location, "error");
                assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{location}");
                assert!(!value(&location, "correlation_id").is_empty(), "{location}");
            } else {
                assert!(matches!(answer.status.as_u16(), 400 | 403), "{answer:?}");
                assert!(answer.header("content-type").starts_with("text/html"), "{answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn sec_027_a_forged_callback_does_not_touch_the_session() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    for query in ["error=access_denied&state=zzz", "code=a&state=b", "", "state=%FF", "error=login_required"]
    {
        let url = callback_with_query(&stage, query);
        let page = browser.follow("http://evil.example/", &url).first_hop().go().await;
        assert!(page.answer.set_cookie(SESSION).is_none(), "{query}: {page:?}");
        // The same from the address bar, where the session cookie does travel.
        let page = browser.open(&url).first_hop().go().await;
        assert!(page.answer.set_cookie(SESSION).is_none(), "{query}: {page:?}");
    }
    assert_eq!(stage.session(&browser).await.status, 200);
}

#[tokio::test]
async fn sec_027_a_login_that_fails_keeps_the_session_that_was_there() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    stage.op.lies(Lie::about(Endpoint::CodeExchange).claim("nonce", json!("another login's")));
    let callback = stage.callback_url(&browser).await;
    let answer = stage.come_back(&browser, &callback).await;
    refused("a wrong nonce", &answer);
    assert!(answer.set_cookie(SESSION).is_none(), "{answer:?}");
    assert_eq!(stage.session(&browser).await.status, 200);
}

#[tokio::test]
async fn sec_028_the_callback_redirects_to_a_clean_url() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let callback = stage.callback_url_for(&browser, "/login?redirect_uri=/orders%3Ftab%3D1%23top").await;
    let answer = stage.come_back(&browser, &callback).await;
    accepted("the callback", &answer);
    assert_eq!(answer.header("location"), format!("{}orders?tab=1#top", stage.app()));
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert!(answer.header("cache-control").contains("no-store"), "{answer:?}");
    let everything = answer.everything();
    for secret in [stage.op.access_tokens(), stage.op.refresh_tokens(), stage.op.id_tokens()].concat() {
        assert!(!everything.contains(&secret), "{answer:?}");
    }
    assert!(!everything.contains(&value(&callback, "code")), "{answer:?}");
}

#[tokio::test]
async fn sec_029_tokens_are_not_used_before_the_id_token_is_checked() {
    let stage = Stage::new().await;
    let (browser, answer) =
        login_with(&stage, Lie::about(Endpoint::CodeExchange).claim("nonce", json!("another login's"))).await;
    refused("a wrong nonce", &answer);
    assert_eq!(stage.op.count(Endpoint::UserInfo), 0);
    assert_eq!(stage.session(&browser).await.status, 401);
    let answer = answer.everything();
    assert!(stage.op.access_tokens().iter().all(|token| !answer.contains(token)), "{answer}");
}

#[tokio::test]
async fn sec_030_reloading_a_finished_callback_keeps_the_session() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let callback = stage.callback_url(&browser).await;
    let before = browser.jar().all();
    accepted("the first delivery", &stage.come_back(&browser, &callback).await);
    let session = browser.cookie(SESSION);

    // A reload from the address bar carries the session; one that keeps its initiator does not.
    let reload = browser.open(&callback).first_hop().go().await.answer;
    assert!(matches!(reload.status.as_u16(), 302 | 303), "{reload:?}");
    assert_eq!(reload.header("location"), stage.app().as_str());
    assert!(reload.set_cookie(SESSION).is_none(), "{reload:?}");
    let reload = stage.come_back(&browser, &callback).await;
    assert!(matches!(reload.status.as_u16(), 302 | 303 | 400), "{reload:?}");
    assert!(reload.set_cookie(SESSION).is_none(), "{reload:?}");

    // A second delivery of the very same request, login cookie included.
    for cookie in before {
        let line = format!("{}={}; Secure; HttpOnly; Path=/; SameSite=Lax", cookie.name, cookie.value);
        browser.jar().plant(&stage.app(), &line);
    }
    let twin = stage.come_back(&browser, &callback).await;
    assert!(matches!(twin.status.as_u16(), 302 | 303 | 400), "{twin:?}");
    assert!(twin.set_cookie(SESSION).is_none(), "{twin:?}");

    assert_eq!(browser.cookie(SESSION), session);
    assert_eq!(stage.session(&browser).await.status, 200);
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 1);
}

#[tokio::test]
async fn sec_031_a_response_by_post_is_refused() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let callback = stage.callback_url(&browser).await;
    let query = callback.query().unwrap_or_default().to_owned();
    for (what, url, body) in [
        ("in the body", stage.bff("/oauth/callback"), query.as_str()),
        ("in the query", callback.clone(), ""),
        ("with a slash", stage.bff("/oauth/callback/"), query.as_str()),
    ] {
        let page = browser.follow(stage.op.issuer(), &url).posting(body).first_hop().go().await;
        assert_eq!(page.status(), 405, "{what}: {page:?}");
        assert!(page.answer.header("allow").contains("GET"), "{what}: {page:?}");
        refused_or_not_allowed(&page.answer);
    }
    assert_eq!(stage.op.count(Endpoint::CodeExchange), 0);
}

#[track_caller]
fn refused_or_not_allowed(answer: &authtool_tests::Answer) {
    assert!(!answer.sets_session() && answer.set_cookies().is_empty(), "{answer:?}");
}

#[tokio::test]
async fn sec_032_a_login_started_by_a_third_party_is_an_ordinary_login() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let login = "/login?iss=https://evil.example&target_link_uri=//evil.example&login_hint=x";
    let callback = stage.callback_url_for(&browser, login).await;
    let answer = stage.come_back(&browser, &callback).await;
    accepted("the login", &answer);
    assert_eq!(answer.header("location"), stage.app().as_str());
}

#[tokio::test]
async fn sec_033_a_planted_session_id_is_not_adopted() {
    let stage = Stage::new().await;
    let attacker = stage.logged_in().await;
    let planted = attacker.cookie(SESSION).unwrap();
    let victim = Browser::new();
    let line = format!("{SESSION}={planted}; Secure; HttpOnly; Path=/; SameSite=Strict");
    victim.jar().plant(&stage.app(), &line);
    stage.op.logs_in("grace", &json!({"email": "grace@example.com"}));
    // From the app's page, where the planted cookie travels with the request.
    stage.log_in(&victim).await;
    let fresh = victim.cookie(SESSION).unwrap();
    assert_ne!(fresh, planted);
    assert_eq!(stage.session(&victim).await.json()["email"], "grace@example.com");
    assert_eq!(stage.session_for(&planted).await.status, 401, "the planted session is retired");
}
