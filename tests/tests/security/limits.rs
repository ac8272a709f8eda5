//! §16 Denial of service and limits.

use crate::expect::{accepted, login_with, refused};
use authtool_tests::browser::Browser;
use authtool_tests::hostile::{Endpoint, Gate, Lie};
use authtool_tests::{SESSION, Stage, raw, wait};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn sec_185_large_requests_are_refused() {
    let stage = Stage::new().await;
    for base in [&stage.server.public, &stage.server.internal] {
        for (what, request) in [
            (
                "a large cookie",
                raw::get(base, "/bff/session").header("cookie", "a=".to_owned() + &"b".repeat(100_000)),
            ),
            ("a large header", raw::get(base, "/bff/session").header("x-large", "b".repeat(450_000))),
            (
                "many headers",
                (0..500).fold(raw::get(base, "/bff/session"), |request, _| request.header("x-a", "b")),
            ),
            ("a long URI", raw::get(base, format!("/bff/session?a={}", "b".repeat(20_000)))),
        ] {
            // Closing the connection on somebody who keeps sending is an answer, too.
            if let Ok(answer) = request.as_same_origin_fetch().try_send().await {
                assert!(matches!(answer.status.as_u16(), 400 | 414 | 431), "{what}: {answer:?}");
            }
        }
    }
    let ordinary = "b".repeat(6_000);
    let answer = raw::get(&stage.server.public, "/bff/session")
        .as_same_origin_fetch()
        .header("cookie", format!("a={ordinary}"))
        .send()
        .await;
    assert_eq!(answer.status, 401, "an app's own large cookie is fine: {answer:?}");
}

#[tokio::test]
async fn sec_185_large_bodies_are_refused() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION).unwrap());
    let own = stage.app().origin().ascii_serialization();
    let request = |path| {
        raw::request("POST", &stage.server.public, path)
            .as_same_origin_fetch()
            .header("origin", &own)
            .header("cookie", &cookie)
    };
    for path in ["/bff/logout", "/bff/session", "/bff/oauth/callback"] {
        let body = "a".repeat(1_000_000);
        if let Ok(answer) = request(path).body("application/x-www-form-urlencoded", body).try_send().await {
            assert!(matches!(answer.status.as_u16(), 400 | 405 | 413), "{path}: {answer:?}");
        }
    }
    // A length that is announced is refused before the body comes.
    let announced = request("/bff/logout").header("content-length", "1000000000").try_send().await;
    if let Ok(answer) = announced {
        assert_eq!(answer.status, 413, "{answer:?}");
    }
    assert_eq!(stage.session(&browser).await.status, 200, "a refused request ends nothing");
}

#[tokio::test]
async fn sec_185_a_half_sent_request_is_given_up() {
    let stage = Stage::new().await;
    // By default this is longer than proxies keep idle connections (SEC-185: what has served a request costs what any idle
    // connection does, and there is a limit of those).
    let after_an_answer = Stage::with(|config| {
        config.set("/server/keepAliveSecs", json!(5));
    })
    .await;
    let served = after_an_answer.server.public.clone();
    let (public, internal) = (stage.server.public.clone(), stage.server.internal.clone());
    let given_up = |what: &'static str, base: url::Url, first: &'static str, drip: Option<&'static [u8]>| async move {
        let mut connection = raw::open(&base, first.as_bytes()).await;
        let ended = async {
            let mut buffer = [0; 1024];
            loop {
                let pause = tokio::time::sleep(Duration::from_secs(1));
                tokio::select! {
                    read = connection.read(&mut buffer) => {
                        if !matches!(read, Ok(1..)) {
                            return;
                        }
                    }
                    () = pause => {
                        if let Some(drip) = drip
                            && connection.write_all(drip).await.is_err()
                        {
                            return;
                        }
                    }
                }
            }
        };
        // A dripping body would take a hundred seconds, and the others would never end.
        assert!(
            tokio::time::timeout(wait::PATIENCE, ended).await.is_ok(),
            "{what}: the connection is still open after {:?}",
            wait::PATIENCE
        );
    };
    let head = "GET /bff/session HTTP/1.1\r\nhost: localhost\r\n";
    let body = "POST /bff/logout HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\na=";
    let next = "GET /bff/session HTTP/1.1\r\nhost: localhost\r\n\r\nGET /bff";
    let nothing = "GET /bff/session HTTP/1.1\r\nhost: localhost\r\n\r\n";
    tokio::join!(
        given_up("half a header after an answer", served.clone(), next, None),
        given_up("nothing after an answer", served, nothing, None),
        given_up("nothing after an answer inside", after_an_answer.server.internal.clone(), nothing, None),
        given_up("a silent header", public.clone(), head, None),
        given_up("a dripping header", public.clone(), head, Some(b"x-a: b\r\n")),
        given_up("a silent body", public.clone(), body, None),
        given_up("a dripping body", public, body, Some(b"a")),
        given_up("a silent header inside", internal, head, None),
    );
}

#[tokio::test]
async fn sec_187_huge_and_compressed_tokens_are_refused() {
    let stage = Stage::new().await;
    let about = || Lie::about(Endpoint::CodeExchange);
    let with_compact = |compact: String| about().id_token(move |draft| draft.compact = Some(compact.clone()));
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM","zip":"DEF"}"#);
    let pbes2 =
        URL_SAFE_NO_PAD.encode(r#"{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":2147483647,"p2s":"AA"}"#);
    for (what, lie) in [
        ("a token of more than 64 KiB", about().claim("padding", json!("x".repeat(49 * 1024)))),
        ("a token that no setting allows", about().claim("padding", json!("x".repeat(150 * 1024)))),
        ("100 000 dots", with_compact(".".repeat(100_000))),
        ("a JWE", with_compact(format!("{header}.AAAA.AAAA.AAAA.AAAA"))),
        ("PBES2", with_compact(format!("{pbes2}.AAAA.AAAA.AAAA.AAAA"))),
        (
            "zip in a JWS",
            about().id_token(|draft| draft.header["zip"] = json!("DEF")).claim("nonce", json!("x")),
        ),
        (
            "deep claims",
            about().id_token(|draft| {
                draft.payload = Some(format!("{{\"a\":{}1{}}}", "[".repeat(5000), "]".repeat(5000)));
            }),
        ),
        (
            "a deep header",
            about().id_token(|draft| {
                let header = format!("{{\"alg\":\"RS256\",\"a\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
                let header = URL_SAFE_NO_PAD.encode(header);
                draft.compact = Some(format!("{header}.AAAA.AAAA"));
            }),
        ),
    ] {
        let (_, answer) = login_with(&stage, lie).await;
        refused(what, &answer);
    }
    wait::until("the log names the bound", async || {
        stage.server.log().text().contains("client.maxIdTokenBytes").then_some(())
    })
    .await;
    accepted("the truth", &stage.callback_answer().await.1);
}

/// Three hundred groups take 20 to 60 KiB. A token of this size costs its own provider's users a login, and nobody else.
#[tokio::test]
async fn sec_187_an_id_token_of_many_groups_is_accepted_up_to_the_configured_bound() {
    let groups =
        |bytes: usize| Lie::about(Endpoint::CodeExchange).claim("groups", json!(["x".repeat(bytes)]));
    let stage = Stage::new().await;
    for bytes in [20 * 1024, 47 * 1024] {
        let (browser, answer) = login_with(&stage, groups(bytes)).await;
        accepted(&bytes.to_string(), &answer);
        assert_eq!(stage.session(&browser).await.json()["email"], "ada@example.com");
    }
    let stage = Stage::with(|config| {
        config.set("/client/maxIdTokenBytes", json!(8192));
    })
    .await;
    accepted("below", &login_with(&stage, groups(4096)).await.1);
    refused("above", &login_with(&stage, groups(8192)).await.1);
    let stage = Stage::with(|config| {
        config.set("/client/maxIdTokenBytes", json!(131_072));
    })
    .await;
    accepted("far above the default", &login_with(&stage, groups(90 * 1024)).await.1);
}

#[tokio::test]
async fn sec_188_hostile_requests_do_not_hurt_the_next_one() {
    let mut stage = Stage::new().await;
    let base = stage.server.public.clone();
    for path in ["/session", "/token", "/login", "/oauth/callback", "/oidc/logout/callback", "/logout"] {
        for query in
            ["", "?", "?&&&", "?=", "?%", "?%FF=%FF", "?state", "?state=%00&code=%00&iss=%00", "?state=💥"]
        {
            for cookie in
                ["", "=", ";", "__Host-session_id", "__Host-session_id=", "__Host-session_id=....", "\u{ff}"]
            {
                let answer = raw::get(&base, format!("/bff{path}{query}"))
                    .as_navigation()
                    .header("cookie", cookie)
                    .send()
                    .await;
                assert!(answer.status.as_u16() < 500, "{path}{query} with {cookie:?}: {answer:?}");
            }
        }
    }
    for garbage in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        drop(raw::open(&base, garbage).await);
    }
    assert!(stage.server.is_running());
    assert!(!stage.server.log().text().contains("panicked"), "a request panicked");
    let browser = Browser::new();
    stage.log_in(&browser).await;
    assert_eq!(stage.session(&browser).await.status, 200);
}

#[tokio::test]
async fn sec_191_a_server_that_is_asked_to_end_finishes_what_it_began() {
    let mut stage = Stage::with(|config| {
        let file = config.folder().join("sessions.redb");
        config.set("/connections/sessions/config/path", json!(file));
    })
    .await;
    let browser = Browser::new();
    let callback = stage.callback_url(&browser).await;
    let gate = Gate::closed();
    stage.op.lies(Lie::about(Endpoint::CodeExchange).held_by(&gate));
    let (answer, ()) = tokio::join!(stage.come_back(&browser, &callback), async {
        stage.op.has_received(Endpoint::CodeExchange, 1).await;
        stage.server.asks_to_end();
        wait::until("nobody new is let in", async || {
            raw::get(&stage.server.public, "/bff/session").try_send().await.err()
        })
        .await;
        gate.open();
    });
    accepted("the login that was under way", &answer);
    assert_eq!(stage.server.has_ended().await, Some(0));
    stage.server.restart().await;
    assert_eq!(stage.session(&browser).await.status, 200, "the session was stored");
}

#[tokio::test]
async fn sec_191_connections_on_which_nothing_happens_do_not_hold_up_the_end() {
    // With and without an API behind, and on either listener.
    for proxy in [json!([]), json!([{"prefix": "/api", "upstream": "http://127.0.0.1:9"}])] {
        let mut stage = Stage::with(|config| {
            config.set("/server/proxy", proxy.clone());
        })
        .await;
        let multiplexed = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
        let mut open = Vec::new();
        for base in [&stage.server.public, &stage.server.internal] {
            open.push(raw::open(base, b"").await);
            let mut answered = raw::open(base, b"GET /bff/token HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
            assert!(answered.read(&mut [0; 1024]).await.unwrap() > 0);
            open.push(answered);
            multiplexed.get(base.join("/bff/token").unwrap()).send().await.unwrap();
        }
        stage.server.asks_to_end();
        // Whoever is held up by them ends after twenty seconds.
        wait::within(Duration::from_secs(15), "the server has ended", async || {
            (!stage.server.is_running()).then_some(())
        })
        .await;
        assert_eq!(open.len(), 4, "and until then nobody closed them here");
    }
}
