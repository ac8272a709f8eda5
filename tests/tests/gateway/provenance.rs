//! Who may call, and under which path.

use crate::behind::{Behind, OPAQUE, by_every_exchange, code, once_by_every_exchange};
use authtool_tests::envoy::Exchange;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn sec_120_another_site_changes_nothing_and_reads_nothing() {
    by_every_exchange(async |behind| {
        let cookie = behind.cookie().await;
        let app = behind.app();
        let app = app.as_str().trim_end_matches('/').to_owned();
        let send = |method: &str, headers: &[(&str, &str)]| {
            let mut request = behind.request(method, "/api/x").header("cookie", &cookie);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            request.send()
        };
        let before = behind.arrived();
        for (method, headers) in [
            ("POST", vec![]),
            ("POST", vec![("origin", "https://evil.example")]),
            ("POST", vec![("origin", "null")]),
            ("POST", vec![("origin", "http://localhost")]),
            ("POST", vec![("origin", "http://localhost.evil.example")]),
            ("POST", vec![("origin", &app), ("origin", &app)]),
            ("POST", vec![("sec-fetch-site", "same-site")]),
            ("DELETE", vec![("sec-fetch-site", "cross-site"), ("x-authtool-csrf", "1")]),
            ("PUT", vec![("sec-fetch-site", "none")]),
            (
                "GET",
                vec![
                    ("sec-fetch-site", "cross-site"),
                    ("sec-fetch-mode", "no-cors"),
                    ("sec-fetch-dest", "image"),
                ],
            ),
            ("GET", vec![("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")]),
            ("GET", vec![("origin", "https://evil.example")]),
        ] {
            let answer = send(method, &headers).await;
            let got = (answer.status.as_u16(), code(&answer));
            assert_eq!(got, (403, json!("forbidden_context")), "{method} {headers:?}: {answer:?}");
        }
        assert_eq!(behind.arrived(), before);
        for (method, headers) in [
            ("POST", vec![("origin", app.as_str())]),
            ("POST", vec![("sec-fetch-site", "same-origin")]),
            ("POST", vec![("x-authtool-csrf", "1")]),
            ("GET", vec![]),
            ("GET", vec![("sec-fetch-site", "none")]),
            (
                "GET",
                vec![
                    ("sec-fetch-site", "cross-site"),
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "document"),
                ],
            ),
        ] {
            let answer = send(method, &headers).await;
            assert_eq!(answer.status, 200, "{method} {headers:?}: {answer:?}");
        }
    })
    .await;
}

/// Browsers send a `Strict` cookie with requests of a sibling domain's pages.
#[tokio::test(flavor = "multi_thread")]
async fn sec_120_a_sibling_origin_calls_an_api_only_where_the_lua_module_lists_it() {
    let listing = |bootstrap: String| {
        let before = "allowed_origins = { \"";
        assert!(bootstrap.contains(before), "{bootstrap}");
        bootstrap.replace(before, &format!("allowed_origins = {{ \"https://admin.example.com\", {}", '"'))
    };
    let behind = Behind::edited(Exchange::Lua, |_| {}, OPAQUE, listing).await;
    let cookie = behind.cookie().await;
    for (origin, status) in [("https://admin.example.com", 200), ("https://other.example.com", 403)] {
        for method in ["GET", "POST"] {
            let answer = behind
                .request(method, "/api/x")
                .header("cookie", &cookie)
                .header("origin", origin)
                .header("sec-fetch-site", "same-site")
                .header("sec-fetch-mode", "cors")
                .header("sec-fetch-dest", "empty")
                .send()
                .await;
            assert_eq!(answer.status, status, "{method} {origin}: {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_170_a_websocket_of_another_origin_is_refused() {
    once_by_every_exchange(OPAQUE, async |behind| {
        let cookie = behind.cookie().await;
        let app = behind.app();
        let handshake = |origin: &str| {
            behind
                .get("/api/socket")
                .header("cookie", &cookie)
                .header("origin", origin)
                .header("connection", "Upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-version", "13")
                .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
                .send()
        };
        let before = behind.arrived();
        let answer = handshake("https://evil.example").await;
        assert_eq!((answer.status.as_u16(), code(&answer)), (403, json!("forbidden_context")), "{answer:?}");
        assert_eq!(behind.arrived(), before);
        let answer = handshake(app.as_str().trim_end_matches('/')).await;
        assert_ne!(answer.status, 403, "{answer:?}");
        assert_eq!(behind.token_at_the_api(), behind.issued(), "the same exchange");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_164_and_165_and_166_no_spelling_of_a_path_gets_around_the_exchange() {
    by_every_exchange(async |behind| {
        let before = behind.arrived();
        for path in [
            "/api/private",
            "/api/private?x=/bff/session",
            "/api/private;/bff/session",
            "/api/..;/bff",
            "/bff/../api/private",
            "/bff/%2e%2e/api/private",
            "/bff/..%2fapi/private",
            "/bff/..%5capi/private",
            "//api/private",
            "/./api/private",
            "/%61pi/private",
            "/bffevil/../api/private",
            "/bff/..;/api/private",
        ] {
            let answer = behind.get(path).header("authorization", "Bearer x").send().await;
            assert!(!answer.text().contains("from the upstream"), "{path}: {answer:?}");
        }
        assert_eq!(behind.arrived(), before, "without a session nothing reaches the API");
        // What only begins like the server's prefix is not exempt; with no app to show, it is nothing.
        for path in ["/bffx", "/bffx/session", "/bff.json"] {
            let answer = behind.get(path).send().await;
            assert!(
                !answer.header("x-correlation-id").is_empty() || answer.status == 404,
                "{path}: {answer:?}"
            );
            assert!(!answer.text().contains("no_session"), "{path}: {answer:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_171_a_request_chooses_neither_host_nor_upstream() {
    by_every_exchange(async |behind| {
        let cookie = behind.cookie().await;
        let before = behind.arrived();
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1"] {
            let answer = behind.get("/api/x").header("host", host).header("cookie", &cookie).send().await;
            assert_eq!(answer.status, 404, "{host}: {answer:?}");
        }
        let absolute = behind.get("http://evil.example/api/x").header("cookie", &cookie).send().await;
        assert!(absolute.status.is_client_error(), "{absolute:?}");
        assert_eq!(behind.arrived(), before);
    })
    .await;
}
