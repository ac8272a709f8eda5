//! §8 Logout.

use crate::expect::{value, values};
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{CLIENT_ID, Endpoint, HostileOp, Lie, Transport};
use authtool_tests::{SESSION, Server, ServerConfig, Stage};
use http::Method;
use serde_json::json;
use url::Url;

#[tokio::test]
async fn sec_105_a_dead_provider_does_not_prevent_the_logout() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let saved = browser.cookie(SESSION).unwrap();
    for endpoint in [Endpoint::Revocation, Endpoint::EndSession, Endpoint::Discovery, Endpoint::Jwks] {
        stage.op.lies(Lie::about(endpoint).transport(Transport::Reset));
    }
    let answer = stage.log_out(&browser).await;
    assert!(matches!(answer.status.as_u16(), 302 | 303), "{answer:?}");
    assert!(browser.cookie(SESSION).is_none(), "the cookie is still there");
    assert_eq!(stage.session_for(&saved).await.status, 401);
    assert_eq!(stage.token_for(&saved).await.status, 401);
}

#[tokio::test]
async fn sec_106_a_logout_kills_the_cookie_at_once() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let twin = Browser::new();
    twin.jar().copy_from(&browser.jar());
    // Asked just before, so that whatever the server remembers is fresh.
    assert_eq!(stage.token(&twin).await.status, 200);
    stage.log_out(&browser).await;
    assert_eq!(stage.token(&twin).await.status, 401);
    assert_eq!(stage.session(&twin).await.status, 401);
}

#[tokio::test]
async fn sec_107_tokens_are_revoked_within_a_bounded_time() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    // The revocation waits until the browser is back: a provider that has none of it any more logs nobody out.
    stage.log_out_and_return(&browser).await;
    stage.op.has_received(Endpoint::Revocation, 1).await;
    let revoked = stage.op.received_at(Endpoint::Revocation);
    let tokens: Vec<_> = revoked.iter().filter_map(|request| request.form_value("token")).collect();
    assert!(tokens.contains(&stage.op.refresh_tokens()[0]), "{revoked:?}");

    let browser = stage.logged_in().await;
    stage.op.lies(Lie::about(Endpoint::Revocation).transport(Transport::Hang));
    let abandoned = stage.op.abandoned();
    let page = stage.log_out_and_return(&browser).await;
    assert_eq!(page.url, stage.app(), "{page:?}");
    // A logout that waited for it would be answered when the server has given it up, and closed its connection.
    stage.op.hears_what_was_closed().await;
    assert_eq!(stage.op.abandoned(), abandoned, "the logout waited until the revocation was given up");
    stage.op.has_received(Endpoint::Revocation, 2).await;
}

#[tokio::test]
async fn sec_108_only_the_app_itself_logs_its_user_out() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let (app, logout) = (stage.app(), stage.bff("/logout"));
    let evil = "http://evil.example/";
    let sibling = "http://localhost:1/";
    let mut answers = vec![
        ("image", browser.fetch(evil, &logout).as_subresource("image").go().await),
        ("image of the app", browser.fetch(&app, &logout).as_subresource("image").go().await),
        ("sibling's image", browser.fetch(sibling, &logout).as_subresource("image").go().await),
        ("fetch", browser.fetch(evil, &logout).with_credentials().go().await),
        ("sibling's fetch", browser.fetch(sibling, &logout).with_credentials().go().await),
        ("GET fetch of the app", browser.fetch(&app, &logout).go().await),
        ("sibling's POST by fetch", browser.fetch(sibling, &logout).form("").with_credentials().go().await),
    ];
    for (what, navigation) in [
        ("frame", browser.follow(evil, &logout).in_frame()),
        ("frame of the app", browser.follow(&app, &logout).in_frame()),
        ("link", browser.follow(evil, &logout)),
        ("sibling's link", browser.follow(sibling, &logout)),
        ("form", browser.follow(evil, &logout).posting("")),
        ("sibling's form", browser.follow(sibling, &logout).posting("a=b")),
        ("prerender", browser.follow(&app, &logout).header("sec-purpose", "prefetch;prerender")),
        ("prefetch", browser.follow(&app, &logout).header("sec-purpose", "prefetch")),
    ] {
        answers.push((what, navigation.first_hop().go().await.answer));
    }
    for (what, answer) in answers {
        assert!(answer.set_cookies().is_empty(), "{what}: {answer:?}");
        assert_eq!(stage.session(&browser).await.status, 200, "{what} logged the user out: {answer:?}");
    }
}

#[tokio::test]
async fn sec_108_the_app_logs_out_by_form_link_and_address_bar() {
    let stage = Stage::new().await;
    let (app, logout) = (stage.app(), stage.bff("/logout"));
    for what in ["form", "link", "address bar"] {
        let browser = stage.logged_in().await;
        let saved = browser.cookie(SESSION).unwrap();
        let navigation = match what {
            "form" => browser.follow(&app, &logout).posting(""),
            "link" => browser.follow(&app, &logout),
            _ => browser.open(&logout),
        };
        let page = navigation.go().await;
        assert_eq!(page.url, app, "{what}: {page:?}");
        assert!(browser.jar().all().is_empty(), "{what}: {:?}", browser.jar().all());
        assert_eq!(stage.session_for(&saved).await.status, 401, "{what}");
    }
}

#[tokio::test]
async fn sec_109_get_can_be_disabled() {
    let stage = Stage::with(|config| {
        config.set("/session/disableLogoutOnGet", json!(true));
    })
    .await;
    let browser = stage.logged_in().await;
    for path in ["/logout", "/logout/"] {
        for method in [Method::GET, Method::HEAD] {
            let page =
                browser.follow(stage.app(), stage.bff(path)).method(method.clone()).first_hop().go().await;
            assert_eq!(page.status(), 405, "{method} {path}: {page:?}");
            assert_eq!(page.answer.header("allow"), "POST", "{method} {path}: {page:?}");
            assert!(page.answer.set_cookies().is_empty(), "{method} {path}: {page:?}");
        }
    }
    assert_eq!(stage.session(&browser).await.status, 200);
    assert!(matches!(stage.log_out(&browser).await.status.as_u16(), 302 | 303));
    assert_eq!(stage.session(&browser).await.status, 401);
}

#[tokio::test]
async fn sec_110_the_provider_is_told_who_logs_out_and_where_to_return_to() {
    let stage = Stage::new().await;
    for query in ["", "?post_logout_redirect_uri=//evil.example", "?id_token_hint=x&state=fixed&client_id=y"]
    {
        let browser = stage.logged_in().await;
        let url = stage.bff(&format!("/logout{query}"));
        let page = browser.follow(stage.app(), url).posting("").first_hop().go().await;
        let request = Url::parse(page.answer.header("location")).unwrap();
        assert!(request.as_str().starts_with(&format!("{}/end_session?", stage.op.issuer())), "{request}");
        assert_eq!(value(&request, "post_logout_redirect_uri"), stage.bff("/oidc/logout/callback").as_str());
        assert_eq!(value(&request, "client_id"), CLIENT_ID);
        assert_eq!(value(&request, "id_token_hint"), stage.op.id_tokens().pop().unwrap());
        let random = value(&request, "state");
        assert!(random.len() >= 22, "{random}");
        let cookies = browser.jar().all();
        assert!(cookies.iter().all(|cookie| !cookie.name.ends_with("session_id")), "{cookies:?}");
        for cookie in cookies {
            assert!(cookie.name.starts_with("__Host-") && cookie.http_only, "{cookie:?}");
            assert_eq!(cookie.same_site, authtool_tests::browser::SameSite::Lax, "{cookie:?}");
            assert!(cookie.max_age.is_some_and(|seconds| seconds <= 600), "{cookie:?}");
        }
    }
}

#[tokio::test]
async fn sec_112_coming_back_from_the_provider_only_finishes_a_redirect() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    for query in
        ["", "?state=unknown", "?state=", "?state=a&state=b", "?state=%FF", "?redirect_uri=//evil.example"]
    {
        let url = stage.bff(&format!("/oidc/logout/callback{query}"));
        for navigation in [browser.follow("http://evil.example/", &url), browser.open(&url)] {
            let page = navigation.first_hop().go().await;
            assert!(matches!(page.status().as_u16(), 302 | 303), "{query}: {page:?}");
            assert_eq!(page.answer.header("location"), stage.app().as_str(), "{query}");
            assert!(page.answer.set_cookie(SESSION).is_none(), "{query}: {page:?}");
            assert!(page.answer.header("clear-site-data").is_empty(), "{query}: {page:?}");
        }
    }
    assert_eq!(stage.session(&browser).await.status, 200);
}

#[tokio::test]
async fn sec_112_a_logout_returns_to_the_page_it_was_asked_to() {
    let stage = Stage::new().await;
    for (asked, reached) in [("/goodbye?a=b", "goodbye?a=b"), ("//evil.example", ""), ("/bff/login", "")] {
        let browser = stage.logged_in().await;
        let mut url = stage.bff("/logout");
        url.query_pairs_mut().append_pair("redirect_uri", asked);
        let page = browser
            .follow(stage.app(), url)
            .posting("")
            .stop_before(|next| next.path() == "/goodbye")
            .go()
            .await;
        let end = page.next.unwrap_or(page.url);
        assert_eq!(end.as_str(), format!("{}{reached}", stage.app()), "{asked}");
    }
}

#[tokio::test]
async fn sec_113_a_provider_without_logout_is_not_asked() {
    let op = HostileOp::start().await;
    op.lies(Lie::about(Endpoint::Discovery).without("end_session_endpoint"));
    let server = Server::start(ServerConfig::new(op.issuer())).await;
    let stage = Stage { server, op };
    let browser = stage.logged_in().await;
    let page = browser.follow(stage.app(), stage.bff("/logout")).posting("").go().await;
    assert_eq!(page.url, stage.app());
    assert_eq!(page.status(), 200, "{page:?}");
    assert!(browser.cookie(SESSION).is_none());
    assert_eq!(stage.op.count(Endpoint::EndSession), 0);
    assert!(values(&page.url, "state").is_empty());
}

#[tokio::test]
async fn sec_150_a_logout_has_the_browser_forget_what_it_cached() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let answer = stage.log_out(&browser).await;
    assert_eq!(answer.header("clear-site-data"), "\"cache\"", "{answer:?}");
    // Not for whoever was not logged in (SEC-85).
    let answer = stage.log_out(&Browser::new()).await;
    assert_eq!(answer.header("clear-site-data"), "", "{answer:?}");
}
