//! §10 Return URLs and open redirects.

use crate::expect::{accepted, login_answer};
use authtool_tests::browser::Browser;
use authtool_tests::{Stage, raw};
use serde_json::json;
use url::form_urlencoded;

fn login_path(return_url: &str) -> String {
    let query: String = form_urlencoded::byte_serialize(return_url.as_bytes()).collect();
    format!("/login?redirect_uri={query}")
}

/// Where a login that asked for this return URL ends.
async fn destination(stage: &Stage, return_url: &str) -> String {
    let browser = Browser::new();
    let callback = stage.callback_url_for(&browser, &login_path(return_url)).await;
    let answer = stage.come_back(&browser, &callback).await;
    accepted(return_url, &answer);
    answer.header("location").to_owned()
}

#[tokio::test]
async fn sec_124_no_return_url_leaves_the_app() {
    let stage = Stage::new().await;
    let app = stage.app();
    let port = app.port().unwrap();
    let corpus = [
        "//evil.example",
        "///evil.example",
        "////evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "\\/evil.example",
        "/\\/evil.example",
        "//\\evil.example",
        "http:\\\\evil.example",
        "http://evil.example",
        "https://evil.example",
        "HTTPS://EVIL.EXAMPLE",
        "https:evil.example",
        "https:/evil.example",
        "http:///evil.example",
        "https:///evil.example",
        "ftp://evil.example",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "javascript://localhost/%0aalert(1)",
        "java\tscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:msgbox(1)",
        "blob:http://localhost/x",
        "about:blank",
        "view-source:http://localhost",
        "intent://evil.example#Intent;scheme=http;end",
        "mailto:a@evil.example",
        "tel:1",
        "ws://localhost",
        "//localhost@evil.example",
        "http://localhost@evil.example/",
        "http://localhost:PORT@evil.example/",
        "http://user:password@localhost:PORT/",
        "http://user@localhost:PORT/",
        "http://:@evil.example/",
        "http://localhost:PORT.evil.example/",
        "http://localhost.evil.example/",
        "http://evil.example/localhost:PORT",
        "http://evil.example#@localhost:PORT/",
        "http://evil.example?@localhost:PORT/",
        "http://evil.example\\@localhost:PORT/",
        "http://evil.example%2f@localhost:PORT/",
        "http://evil.example%00@localhost:PORT/",
        "http://localhost/",
        "http://localhost:1/",
        "https://localhost:PORT/",
        "http://localhost.:PORT/",
        "http://127.0.0.1:PORT/",
        "http://[::1]:PORT/",
        "http://[::1",
        "http://0x7f000001:PORT/",
        "http://2130706433:PORT/",
        "http://xn--lcalhost-45a:PORT/",
        "http://locaLhost\u{2024}evil.example/",
        "//evil。example",
        "//evil\u{3002}example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r/evil.example",
        "\t//evil.example",
        " //evil.example",
        "\u{a0}//evil.example",
        "\u{0}//evil.example",
        "/\u{0}/evil.example",
        "/\u{7f}evil",
        "/ä",
        "/\u{202e}elpmaxe.live",
        "http://loc\talhost:PORT/",
        "ht\ntp://evil.example/",
        "http://evil.example:PORT/",
        "http:// evil.example/",
        "http://",
        "http:",
        "//",
        "///",
        "?//evil.example\\",
        "@evil.example\\",
        "http://%6c%6f%63%61%6c%68%6f%73%74:PORT@evil.example/",
        "http://ⓔvil.example/",
    ];
    assert!(corpus.len() >= 60);
    let mut elsewhere = Vec::new();
    for template in corpus {
        let return_url = template.replace("PORT", &port.to_string());
        let reached = destination(&stage, &return_url).await;
        if reached != app.as_str() {
            elsewhere.push((return_url, reached));
        }
    }
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
}

#[tokio::test]
async fn sec_124_pages_of_the_app_are_reached() {
    let stage = Stage::new().await;
    let app = stage.app();
    let absolute = format!("{app}orders/7?tab=a#top");
    for (asked, reached) in [
        ("/", ""),
        ("/orders", "orders"),
        ("/orders/7?tab=a&x=%26prompt%3Dnone#top&b", "orders/7?tab=a&x=%26prompt%3Dnone#top&b"),
        ("/#section?x=1", "#section?x=1"),
        ("/?x=1&prompt=none#a&b", "?x=1&prompt=none#a&b"),
        ("/a%20b/%C3%A4", "a%20b/%C3%A4"),
        ("/bffx", "bffx"),
        (&absolute, "orders/7?tab=a#top"),
    ] {
        assert_eq!(destination(&stage, asked).await, format!("{app}{reached}"), "{asked}");
    }
}

#[tokio::test]
async fn sec_125_dots_and_slashes_stay_on_our_origin() {
    let stage = Stage::new().await;
    let app = stage.app();
    for trick in [
        // Without slashes, or with one, a URL of the base's own scheme is relative.
        "http:evil.example",
        "http:/evil.example",
        "://evil.example",
        "/..//evil.example",
        "/.//evil.example",
        "/a/..//evil.example",
        "/%2e%2e//evil.example",
        "/./..//evil.example/%2f..",
        "..//evil.example",
        ".//evil.example",
        "a/../..//evil.example",
        "/%5cevil.example",
        "/%2fevil.example",
        "/%09/evil.example",
    ] {
        let reached = destination(&stage, trick).await;
        assert!(reached.starts_with(app.as_str()), "{trick} led to {reached}");
        let url = url::Url::parse(&reached).unwrap();
        assert_eq!(url.origin(), app.origin(), "{trick} led to {reached}");
    }
}

#[tokio::test]
async fn sec_126_an_unusable_return_url_leads_to_the_default_page() {
    let stage = Stage::new().await;
    let app = stage.app();
    let long = format!("/{}", "x".repeat(3000));
    for return_url in ["http://[::1", "", "http://a b", "http://localhost:99999/", &long] {
        let reached = destination(&stage, return_url).await;
        assert_eq!(reached, app.as_str(), "{return_url:.60}");
    }
    for query in [
        "redirect_uri=%FF%FE",
        "redirect_uri=%",
        "redirect_uri",
        "redirect_uri=/a&redirect_uri=//evil.example",
    ] {
        let answer =
            raw::get(&stage.server.public, format!("/bff/login?{query}")).as_navigation().send().await;
        let status = answer.status.as_u16();
        assert!(matches!(status, 302 | 303 | 400), "{query}: {answer:?}");
    }
    let megabyte = format!("/bff/login?redirect_uri=/{}", "x".repeat(1_000_000));
    if let Ok(answer) = raw::get(&stage.server.public, megabyte).as_navigation().try_send().await {
        assert!(matches!(answer.status.as_u16(), 302 | 303 | 400 | 414 | 431), "{answer:?}");
    }
    assert!(matches!(login_answer(&stage.server).await.status.as_u16(), 302 | 303), "the server is well");
}

#[tokio::test]
async fn sec_127_our_own_endpoints_are_no_destination() {
    let stage = Stage::new().await;
    let app = stage.app();
    for return_url in [
        "/bff",
        "/bff/",
        "/bff/login",
        "/bff/logout",
        "/bff/logout?x#y",
        "/bff/oauth/callback?code=a&state=b",
        "/bff/oidc/logout/callback",
        "/bff/token",
        "/x/../bff/logout",
        "/./bff/logout",
        "/%62ff/logout",
        "/BFF/logout",
        "/bff%2flogout",
        "bff/logout",
        "//bff/logout",
    ] {
        assert_eq!(destination(&stage, return_url).await, app.as_str(), "{return_url}");
    }
}

#[tokio::test]
async fn sec_128_a_location_is_one_ascii_line() {
    let stage = Stage::new().await;
    for raw_query in [
        "/x%0d%0aSet-Cookie:x=1",
        "/x%0aSet-Cookie:x=1",
        "/x%0d",
        "/x%E2%80%A8y",
        "/%C3%A4",
        "/x%00",
        "/x%7f",
    ] {
        let browser = Browser::new();
        let callback = stage.callback_url_for(&browser, &format!("/login?redirect_uri={raw_query}")).await;
        let answer = stage.come_back(&browser, &callback).await;
        accepted(raw_query, &answer);
        let location = answer.headers.get("location").unwrap().as_bytes();
        assert!(location.iter().all(u8::is_ascii_graphic), "{raw_query}: {answer:?}");
        assert!(answer.set_cookie("x").is_none(), "{answer:?}");
    }
}

#[tokio::test]
async fn sec_129_other_redirects_keep_the_same_rules() {
    let stage = Stage::with(|config| {
        let app = config.app();
        config.set("/session/errorRedirects", json!(format!("{app}/oops")));
    })
    .await;
    let browser = stage.logged_in().await;
    for evil in [
        "//evil.example",
        "http://evil.example",
        "/\\evil.example",
        "/..//evil.example",
        "javascript:alert(1)",
    ] {
        let query: String = form_urlencoded::byte_serialize(evil.as_bytes()).collect();
        for path in [
            format!("/logout?redirect_uri={query}"),
            format!("/oidc/logout/callback?redirect_uri={query}&state={query}"),
            format!("/oauth/callback?error=x&state=y&redirect_uri={query}"),
        ] {
            let page = browser.follow("http://other.example/", stage.bff(&path)).first_hop().go().await;
            let location = page.answer.header("location");
            if !location.is_empty() {
                let reached = stage.bff(&path).join(location).unwrap();
                assert_eq!(reached.origin(), stage.app().origin(), "{path}: {page:?}");
            }
        }
    }
}

#[tokio::test]
async fn sec_124_a_wildcard_leads_to_one_label_below_a_domain_of_the_operator() {
    let stage = Stage::with(|config| {
        config.set("/server/allowedReturnOrigins", json!(["https://*.example.com"]));
    })
    .await;
    for good in ["https://shop.example.com/x?y#z", "https://A.example.com:443/"] {
        let expected = url::Url::parse(good).unwrap();
        assert_eq!(destination(&stage, good).await, expected.as_str());
    }
    for bad in [
        "https://example.com/",
        "https://a.b.example.com/",
        "https://evil-example.com/",
        "https://shop.example.com.evil.test/",
        "http://shop.example.com/",
        "https://shop.example.com:8443/",
        "https://shop.example.com@evil.test/",
        "https://*.example.com/",
        "//evil.test/.example.com",
    ] {
        assert_eq!(destination(&stage, bad).await, stage.app().as_str(), "{bad}");
    }
}
