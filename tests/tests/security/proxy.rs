//! §14 as far as it applies to the server's own proxy: what reaches the API, and what comes back.

use authtool_tests::browser::Browser;
use authtool_tests::hostile::{Endpoint, HostileOp, Lie};
use authtool_tests::streaming_upstream::StreamingUpstream;
use authtool_tests::tunnel::Tunnel;
use authtool_tests::{SESSION, Server, ServerConfig, Stage, Upstream, raw, wait};
use futures_util::StreamExt as _;
use serde_json::json;
use std::time::{Duration, Instant};

async fn with_api() -> (Stage, Upstream, Browser) {
    let upstream = Upstream::start().await;
    let op = HostileOp::start().await;
    let mut config = ServerConfig::new(op.issuer());
    config
        .set("/server/proxy", json!([{"prefix": "/api", "upstream": upstream.origin}]))
        .set("/session/sessionJitterSecs", json!(0));
    let server = Server::start(config).await;
    let stage = Stage { server, op };
    let browser = stage.logged_in().await;
    (stage, upstream, browser)
}

async fn in_front_of(origin: &str) -> Stage {
    Stage::with(|config| {
        config.set("/server/proxy", json!([{"prefix": "/api", "upstream": origin}]));
    })
    .await
}

#[tokio::test]
async fn sec_155_and_161_the_api_gets_the_session_s_token_and_no_other() {
    let (stage, upstream, browser) = with_api().await;
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    let token = format!("Bearer {}", stage.op.access_tokens()[0]);
    let request = || raw::get(&stage.server.public, "/api/orders?a=b").as_same_origin_fetch();
    for (what, request) in [
        ("plain", request()),
        ("forged", request().header("authorization", "Bearer forged")),
        (
            "forged twice",
            request().header("Authorization", "Bearer forged").header("AUTHORIZATION", "Basic eDp5"),
        ),
    ] {
        let answer = request.header("cookie", &cookie).send().await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert_eq!(upstream.last().header("authorization"), token, "{what}");
        assert_eq!(upstream.last().uri, "/api/orders?a=b", "{what}");
    }
    let before = upstream.arrived().len();
    for request in [request(), request().header("cookie", "__Host-session_id=forged")] {
        let answer = request.header("authorization", "Bearer forged").send().await;
        assert_eq!(answer.status, 401, "without a session: {answer:?}");
        assert_eq!(answer.problem_code(), "no_session");
    }
    assert_eq!(upstream.arrived().len(), before, "a stranger's request reached the API");
}

#[tokio::test]
async fn sec_155_only_a_trusted_proxy_says_for_which_host_a_request_was() {
    for (proxies, host) in
        [(json!(["127.0.0.0/8"]), "catalog.example.com"), (json!(["192.0.2.1"]), "localhost")]
    {
        let upstream = Upstream::start().await;
        let stage = Stage::with(|config| {
            config
                .set("/server/proxy", json!([{"prefix": "/api", "upstream": upstream.origin}]))
                .set("/server/trustedProxies", proxies.clone())
                .set("/server/trustedProxyHeaders", json!(["x-forwarded-host"]));
        })
        .await;
        let cookie = format!("{SESSION}={}", stage.logged_in().await.cookie(SESSION).unwrap());
        let answer = raw::get(&stage.server.public, "/api/x")
            .as_same_origin_fetch()
            .header("cookie", &cookie)
            .header("x-forwarded-host", "catalog.example.com")
            .header("x-forwarded-user", "root")
            .send()
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let arrived = upstream.last();
        assert_eq!(arrived.header("x-forwarded-host").split(':').next(), Some(host), "{proxies}");
        assert_eq!(arrived.header("x-forwarded-user"), "", "{proxies}");
    }
}

#[tokio::test]
async fn sec_158_the_api_is_not_called_without_a_usable_token() {
    let (stage, upstream, browser) = with_api().await;
    stage.op.issues_access_tokens_for(1);
    let browser = {
        drop(browser);
        stage.logged_in().await
    };
    stage.op.lies(Lie::about(Endpoint::Refresh).status(503));
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    let (answer, arrived) = wait::until("the access token has expired", async || {
        let before = upstream.arrived().len();
        let answer = raw::get(&stage.server.public, "/api/orders")
            .as_same_origin_fetch()
            .header("cookie", &cookie)
            .send()
            .await;
        (answer.status != 200).then(|| (answer, upstream.arrived().len() - before))
    })
    .await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(arrived, 0, "the request reached the API without a token");
}

#[tokio::test]
async fn sec_162_our_cookies_do_not_reach_the_api() {
    let (stage, upstream, browser) = with_api().await;
    stage.callback_url(&browser).await;
    let ours: Vec<_> =
        browser.jar().all().into_iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
    assert!(ours.len() >= 2, "a session and an open login: {ours:?}");
    let request = || raw::get(&stage.server.public, "/api/").as_same_origin_fetch();
    let line = format!("a=1; {}; b=2", ours.join("; "));
    for (what, request) in [
        ("one line", request().header("cookie", &line)),
        (
            "several lines",
            ours.iter()
                .fold(request().header("cookie", "a=1"), |request, pair| request.header("cookie", pair))
                .header("cookie", "b=2"),
        ),
        (
            "with a broken neighbour",
            request().header("cookie", [b"a=1; \xe9=\xff; ", ours.join("; ").as_bytes(), b"; b=2"].concat()),
        ),
    ] {
        let answer = request.send().await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        let arrived = upstream.last().header("cookie");
        assert!(!arrived.contains("__Host-"), "{what}: {arrived}");
        assert!(
            arrived.contains("a=1") && arrived.contains("b=2"),
            "{what}: the app's cookies are lost: {arrived}"
        );
    }
    let session_only = ours.iter().find(|pair| pair.starts_with(SESSION)).unwrap();
    request().header("cookie", session_only).send().await;
    assert_eq!(upstream.last().header("cookie"), "");
}

#[tokio::test]
async fn sec_168_connection_headers_remove_nothing_of_ours() {
    let (stage, upstream, browser) = with_api().await;
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    let token = format!("Bearer {}", stage.op.access_tokens()[0]);
    for named in ["close, authorization", "Authorization, Cookie", "te, authorization, x-authtool-csrf"] {
        let answer = raw::get(&stage.server.public, "/api/")
            .as_same_origin_fetch()
            .header("cookie", &cookie)
            .header("connection", named)
            .header("te", "trailers")
            .send()
            .await;
        if answer.status == 200 {
            assert_eq!(upstream.last().header("authorization"), token, "{named}");
            assert!(
                !upstream.last().header("connection").to_ascii_lowercase().contains("authorization"),
                "{named}"
            );
        } else {
            assert_eq!(answer.status, 400, "{named}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn sec_169_an_api_cannot_set_our_cookies() {
    let (stage, upstream, browser) = with_api().await;
    upstream.answers_with("set-cookie", "__Host-session_id=planted; Secure; Path=/");
    upstream.answers_with("set-cookie", "theme=dark; Path=/");
    upstream.answers_with("set-cookie", " __Host-session_id =planted; Secure; Path=/");
    upstream.answers_with("set-cookie", "=__Host-session_id=planted; Secure; Path=/");
    let before = browser.cookie(SESSION);
    let answer = browser.fetch(stage.app(), stage.app().join("/api/").unwrap()).go().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!answer.everything().contains("planted"), "{answer:?}");
    assert_eq!(browser.cookie("theme").as_deref(), Some("dark"), "the API's own cookies pass: {answer:?}");
    assert_eq!(browser.cookie(SESSION), before);
}

#[tokio::test]
async fn sec_203_an_api_says_nothing_for_the_whole_origin() {
    let (stage, upstream, browser) = with_api().await;
    let origin_wide = [
        ("clear-site-data", "\"*\""),
        ("service-worker-allowed", "/"),
        ("alt-svc", "h3=\"evil.example:443\"; ma=2592000"),
        ("strict-transport-security", "max-age=0"),
        ("public-key-pins", "pin-sha256=\"x\"; max-age=1"),
        ("expect-ct", "max-age=1"),
        ("nel", "{\"report_to\":\"x\",\"max_age\":1}"),
        ("report-to", "{\"group\":\"x\",\"endpoints\":[{\"url\":\"https://evil.example\"}]}"),
        ("accept-ch", "Sec-CH-UA-Model"),
        ("critical-ch", "Sec-CH-UA-Model"),
        ("origin-agent-cluster", "?1"),
        ("secure-session-registration", "(ES256);path=\"/x\""),
        ("set-login", "logged-in"),
    ];
    // What holds for the answer alone is the API's to say.
    let of_the_answer = [
        ("content-security-policy", "default-src 'none'"),
        ("etag", "\"v1\""),
        ("link", "</next>; rel=next"),
        ("deprecation", "@1688169599"),
        ("x-request-cost", "7"),
    ];
    for (name, value) in origin_wide.iter().chain(&of_the_answer) {
        upstream.answers_with(name, value);
    }
    let answer = browser.fetch(stage.app(), stage.app().join("/api/").unwrap()).go().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for (name, _) in origin_wide {
        assert!(!answer.headers.contains_key(name), "{name}: {answer:?}");
    }
    for (name, value) in of_the_answer {
        assert_eq!(answer.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn sec_166_only_the_configured_prefix_is_forwarded() {
    let (stage, upstream, browser) = with_api().await;
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    let before = upstream.arrived().len();
    for path in
        ["/apix", "/API/orders", "/x/../api/orders", "//api/orders", "/bff/../api/orders", "/bff/api/orders"]
    {
        let answer = raw::get(&stage.server.public, path)
            .as_same_origin_fetch()
            .header("cookie", &cookie)
            .send()
            .await;
        assert_ne!(answer.text(), "from the upstream", "{path}: {answer:?}");
    }
    assert_eq!(upstream.arrived().len(), before, "{:?}", upstream.arrived());
}

#[tokio::test]
async fn sec_164_and_166_dots_do_not_lead_out_of_the_prefix() {
    let (stage, upstream, browser) = with_api().await;
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    for path in [
        "/api/../admin",
        "/api/x/../../admin",
        "/api/%2e%2e/admin",
        "/api/..%2fadmin",
        "/api/..;/admin",
        "/api/..%5cadmin",
    ] {
        raw::get(&stage.server.public, path).as_same_origin_fetch().header("cookie", &cookie).send().await;
    }
    for arrived in upstream.arrived() {
        let path = arrived.uri.path().to_ascii_lowercase();
        assert!(path.starts_with("/api/"), "{arrived:?}");
        assert!(
            !path.contains("..") && !path.contains("%2e%2e"),
            "an upstream may resolve this: {arrived:?}"
        );
    }
}

/// What one API may be asked for and another not: as their operators have said.
#[tokio::test]
async fn sec_204_a_path_that_can_be_read_in_two_ways_does_not_go_on() {
    let upstream = Upstream::start().await;
    let stage = Stage::with(|config| {
        config.set(
            "/server/proxy",
            json!([
                {"prefix": "/api", "upstream": upstream.origin},
                {"prefix": "/git", "upstream": upstream.origin, "encodedSlashes": true},
            ]),
        );
    })
    .await;
    let cookie = format!("{SESSION}={}", stage.logged_in().await.cookie(SESSION).unwrap());
    let ask = async |path: &str| {
        let request = raw::get(&stage.server.public, path).as_same_origin_fetch().header("cookie", &cookie);
        request.send().await
    };
    for dots in [
        "%252e%252e",
        "..%00",
        "..%20",
        ".%09.",
        "%c0%ae%c0%ae",
        "%e0%80%ae.",
        "..;x",
        "..%5c",
        "..%252f",
        "%2e%2e",
    ] {
        for prefix in ["/api", "/git"] {
            let answer = ask(&format!("{prefix}/{dots}/admin")).await;
            assert_eq!(answer.status, 400, "{prefix} {dots}: {answer:?}");
        }
    }
    for slash in ["/a%2fb", "/a%2Fb", "/a%5cb", "/x/group%2Fproject/issues"] {
        let answer = ask(&format!("/api{slash}")).await;
        assert_eq!(answer.status, 400, "{slash}: {answer:?}");
        assert!(answer.text().contains("encodedSlashes"), "{slash}: the setting is named: {answer:?}");
        let path = format!("/git{slash}?a=%2f");
        assert_eq!(ask(&path).await.status, 200, "{slash}");
        assert_eq!(upstream.last().uri.to_string(), path, "it goes on as it came");
    }
    for path in
        ["/api/100%25", "/api/a%20b", "/api/Z%C3%BCrich", "/api/v1.0/..x/x..", "/api/a%252fb", "/api/?x=../y"]
    {
        assert_eq!(ask(path).await.status, 200, "{path}");
        assert_eq!(upstream.last().uri.to_string(), path);
    }
    let arrived = upstream.arrived();
    assert!(arrived.iter().all(|it| !it.uri.path().contains("admin")), "{arrived:?}");
}

#[tokio::test]
async fn sec_158_an_api_that_is_down_is_not_the_session_s_end() {
    let (stage, upstream, browser) = with_api().await;
    let api = stage.app().join("/api/").unwrap();
    drop(upstream);
    let answer = wait::until("the API is down", async || {
        let answer = browser.fetch(stage.app(), &api).go().await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(answer.problem_code(), "upstream_unavailable");
    assert_eq!(stage.session(&browser).await.status, 200);
}

#[tokio::test]
async fn sec_170_a_websocket_needs_our_own_origin() {
    let (stage, upstream, browser) = with_api().await;
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    let own = stage.app().origin().ascii_serialization();
    let before = upstream.arrived().len();
    let handshake = || {
        raw::get(&stage.server.public, "/api/socket")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("cookie", &cookie)
    };
    for (what, request) in [
        ("another site", handshake().header("origin", "http://evil.example")),
        (
            "a sibling",
            handshake().header("origin", "http://localhost:1").header("sec-fetch-site", "same-site"),
        ),
        ("null", handshake().header("origin", "null")),
        ("no origin", handshake()),
        ("a contradiction", handshake().header("origin", &own).header("sec-fetch-site", "cross-site")),
    ] {
        let answer = request.send().await;
        assert_eq!(answer.status, 403, "{what}: {answer:?}");
    }
    assert_eq!(upstream.arrived().len(), before, "{:?}", upstream.arrived());
}

#[tokio::test]
async fn sec_121_the_clients_own_header_is_proof_where_a_browser_says_nothing() {
    let upstream = Upstream::start().await;
    let stage = in_front_of(&upstream.origin).await;
    let cookie = format!("{SESSION}={}", stage.logged_in().await.cookie(SESSION).unwrap());
    let post = || raw::request("POST", &stage.server.public, "/api/x").header("cookie", &cookie);
    assert_eq!(post().send().await.status, 403, "a change without any proof");
    assert_eq!(post().header("x-authtool-csrf", "2").send().await.status, 403);
    assert!(upstream.arrived().is_empty());
    assert_eq!(post().header("x-authtool-csrf", "1").send().await.status, 200);
}

#[tokio::test]
async fn sec_170_streams_and_websockets_end_soon_after_a_logout() {
    let api = StreamingUpstream::start().await;
    let stage = in_front_of(&api.origin).await;
    let (leaves, stays) = (stage.logged_in().await, stage.logged_in().await);
    let open = async |browser: &Browser| {
        let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
        let events = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .get(stage.server.public.join("/api/events").unwrap())
            .header("cookie", &cookie)
            .header("sec-fetch-site", "same-origin")
            .send()
            .await
            .unwrap();
        assert_eq!(events.status(), 200);
        (events.bytes_stream(), Tunnel::open(&stage.server.public, "/api/tunnel", &cookie).await)
    };
    let (mut ending_events, mut ending_tunnel) = open(&leaves).await;
    let (mut events, mut tunnel) = open(&stays).await;
    assert_eq!(ending_tunnel.echo("hello").await.as_deref(), Some("hello"));
    assert!(matches!(ending_events.next().await, Some(Ok(_))));
    stage.log_out(&leaves).await;
    // The server looks every five seconds; what it does not end goes on for as long as the session would have.
    let began = Instant::now();
    let events_end = async {
        loop {
            match ending_events.next().await {
                Some(Ok(_)) => assert!(began.elapsed() < wait::PATIENCE, "the events go on"),
                // Not an orderly end: half an answer must not look like a whole one.
                Some(Err(_)) => return,
                None => panic!("the events end as if that were all"),
            }
        }
    };
    let tunnel_end = async {
        while ending_tunnel.echo("still there").await.is_some() {
            assert!(began.elapsed() < wait::PATIENCE, "the tunnel goes on");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    futures_util::future::join(events_end, tunnel_end).await;
    assert_eq!(tunnel.echo("hello").await.as_deref(), Some("hello"), "the others' go on");
    assert!(matches!(events.next().await, Some(Ok(_))));
}

#[tokio::test]
async fn a_stream_that_says_nothing_ends_with_its_client() {
    let api = StreamingUpstream::start().await;
    let stage = in_front_of(&api.origin).await;
    let cookie = stage.logged_in().await.cookie(SESSION).unwrap();
    let request = format!(
        "GET /api/silence HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: same-origin\r\ncookie: {SESSION}={cookie}\r\n\r\n"
    );
    let listener = raw::open(&stage.server.public, request.as_bytes()).await;
    wait::until("the API is listened to", async || (api.listeners() == 1).then_some(())).await;
    drop(listener);
    wait::until("nobody listens to the API", async || (api.listeners() == 0).then_some(())).await;
}

#[tokio::test]
async fn sec_170_a_tunnel_ends_when_its_session_has_had_its_time() {
    let api = StreamingUpstream::start().await;
    let stage = Stage::with(|config| {
        config
            .set("/server/proxy", json!([{"prefix": "/api", "upstream": api.origin}]))
            .set("/session/absoluteLifetimeSecs", json!(6));
    })
    .await;
    let cookie = format!("{SESSION}={}", stage.logged_in().await.cookie(SESSION).unwrap());
    let mut tunnel = Tunnel::open(&stage.server.public, "/api/tunnel", &cookie).await;
    let began = Instant::now();
    while tunnel.echo("still there").await.is_some() {
        assert!(began.elapsed() < Duration::from_secs(10), "the tunnel goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn an_upstream_s_own_address_does_not_reach_the_browser() {
    let (stage, upstream, browser) = with_api().await;
    let app = stage.app().origin().ascii_serialization();
    let own: &'static str = upstream.origin.clone().leak();
    upstream.answers_with("location", format!("{own}/api/next?a=b").leak());
    upstream
        .answers_with("content-location", format!("//{}/api/x", own.trim_start_matches("http://")).leak());
    upstream.answers_with("refresh", format!("5; url={own}/api/later").leak());
    upstream.answers_with("link", "<https://elsewhere.example/>; rel=next");
    let answer = browser.fetch(stage.app(), stage.app().join("/api/orders").unwrap()).go().await;
    assert_eq!(answer.header("location"), format!("{app}/api/next?a=b"), "{answer:?}");
    assert_eq!(answer.header("content-location"), format!("{app}/api/x"));
    assert_eq!(answer.header("refresh"), format!("5; url={app}/api/later"));
    assert_eq!(answer.header("link"), "<https://elsewhere.example/>; rel=next");
}

#[tokio::test]
async fn a_person_without_a_session_sees_a_page_with_a_login_and_a_script_a_problem() {
    let upstream = Upstream::start().await;
    let stage = in_front_of(&upstream.origin).await;
    let browser = Browser::new();
    let report = stage.app().join("/api/reports/7?year=2026&q=a%20b").unwrap();
    let fetched = browser.fetch(stage.app(), &report).go().await;
    assert_eq!((fetched.status.as_u16(), fetched.problem_code().as_str()), (401, "no_session"));
    for (what, page, may_be_logged_in) in [
        ("a bookmark", browser.open(&report).go().await, false),
        ("a mail", browser.follow("http://mail.example/", &report).go().await, true),
    ] {
        let html = page.answer.text();
        assert_eq!(page.status(), 401, "{what}: {page:#?}");
        assert!(page.answer.header("content-type").starts_with("text/html"), "{what}: {page:#?}");
        assert!(page.answer.header("cache-control").contains("no-store"), "{what}: {page:#?}");
        assert!(!html.contains("<script"), "{what}: {html}");
        let login = "/bff/login?redirect_uri=%2Fapi%2Freports%2F7%3Fyear%3D2026%26q%3Da%2520b";
        assert!(html.contains(&format!("<a href=\"{login}\">Log in</a>")), "{what}: {html}");
        // The Strict cookie does not come along from another site.
        assert_eq!(html.contains("open the page again"), may_be_logged_in, "{what}: {html}");
    }
    assert!(upstream.arrived().is_empty(), "SEC-158");
    let login = stage.bff("/login?redirect_uri=%2Fapi%2Freports%2F7%3Fyear%3D2026%26q%3Da%2520b");
    let page = browser.follow(&report, login).go().await;
    assert_eq!(page.url, report, "{page:#?}");
}

#[tokio::test]
async fn a_person_sees_a_page_when_an_api_cannot_be_reached() {
    let upstream = Upstream::start().await;
    let stage = in_front_of(&upstream.origin).await;
    let browser = stage.logged_in().await;
    drop(upstream);
    let page = browser.follow(stage.app(), stage.app().join("/api/x").unwrap()).go().await;
    assert_eq!(page.status(), 502, "{page:#?}");
    assert!(page.answer.text().contains("cannot be shown right now"), "{page:#?}");
    let answer = browser.fetch(stage.app(), stage.app().join("/api/x").unwrap()).go().await;
    assert_eq!((answer.status.as_u16(), answer.problem_code().as_str()), (502, "upstream_unavailable"));
}

#[tokio::test]
async fn dots_in_a_route_of_the_app_lead_to_the_app() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    for path in ["/docs/v1.2", "/users/jane.doe", "/orders"] {
        let page = browser.open(stage.app().join(path).unwrap()).go().await;
        assert_eq!(
            (page.status().as_u16(), page.answer.text().contains("the app's page")),
            (200, true),
            "{path}"
        );
        let fetched = browser.fetch(stage.app(), stage.app().join(path).unwrap()).go().await;
        assert_eq!(fetched.status, 404, "{path}: {fetched:?}");
    }
}
