//! §6 Cookies.

use crate::expect::{flow_cookies, refused};
use authtool_tests::browser::{Browser, SameSite};
use authtool_tests::{Answer, SESSION, Server, ServerConfig, Stage, raw};
use serde_json::{Value, json};

/// `/session` with these `Cookie` lines.
async fn session_with(stage: &Stage, lines: &[&[u8]]) -> Answer {
    let mut request = raw::get(&stage.server.public, "/bff/session").as_same_origin_fetch();
    for line in lines {
        request = request.header("cookie", line);
    }
    request.send().await
}

/// `/token` on the internal listener with these `Cookie` lines.
async fn token_with(stage: &Stage, lines: &[&[u8]]) -> Answer {
    let mut request = raw::get(&stage.server.internal, "/bff/token");
    for line in lines {
        request = request.header("cookie", line);
    }
    request.send().await
}

fn pair(value: &str) -> String {
    format!("{SESSION}={value}")
}

#[tokio::test]
async fn sec_076_the_session_cookie_is_strict_and_of_this_host() {
    let stage = Stage::new().await;
    let browser = Browser::new();
    let page = stage.log_in(&browser).await;
    assert!(browser.jar().rejected().is_empty(), "{:?}", browser.jar().rejected());
    let cookie = browser.jar().get(SESSION).cloned().expect("a session cookie");
    assert!(cookie.secure && cookie.http_only && cookie.host_only && cookie.path == "/", "{cookie:?}");
    assert_eq!(cookie.same_site, SameSite::Strict, "{cookie:?}");
    let line = page.hop("/bff/oauth/callback").answer.set_cookie(SESSION).expect("a Set-Cookie line");
    assert!(!line.to_ascii_lowercase().contains("domain"), "{line}");
}

#[test]
fn sec_076_contradictory_cookie_settings_are_refused_at_startup() {
    let settings: [(&str, Value, &str); 6] = [
        ("host with a domain", json!({"sessionIdHardening": "host", "domain": "example.com"}), "domain"),
        ("host with a path", json!({"sessionIdHardening": "host", "path": "/app"}), "path"),
        ("host without Secure", json!({"sessionIdHardening": "host", "secure": false}), "secure"),
        ("__Secure- without Secure", json!({"sessionIdHardening": "secure", "secure": false}), "secure"),
        (
            "SameSite=None without Secure",
            json!({"sessionIdHardening": "none", "sameSite": "none", "secure": false}),
            "secure",
        ),
        ("an unknown SameSite", json!({"sameSite": "sometimes"}), "sameSite"),
    ];
    for (what, mode, key) in settings {
        let mut config = ServerConfig::new("http://127.0.0.1:9");
        for (name, value) in mode.as_object().unwrap() {
            config.set(&format!("/session/mode/{name}"), value.clone());
        }
        let refusal = Server::refuses(&config);
        assert_ne!(refusal.code, Some(0), "{what}: {refusal:?}");
        assert!(refusal.output.contains(key), "{what}: the message does not name {key}: {refusal:?}");
    }
}

#[tokio::test]
async fn sec_077_names_are_compared_byte_by_byte() {
    let stage = Stage::new().await;
    let good = stage.logged_in().await.cookie(SESSION).unwrap();
    let real = pair(&good);
    for impostor in [
        &b"%5F%5FHost-session_id"[..],
        b"__host-session_id",
        b"__HOST-SESSION_ID",
        b"x__Host-session_id",
        b"__Host-session_id.",
        b"\xe2\x80\x80__Host-session_id",
        b"\xc2\xa0__Host-session_id",
        b"$__Host-session_id",
        b"__Host-session%5Fid",
        b"\"__Host-session_id\"",
    ] {
        let what = String::from_utf8_lossy(impostor).into_owned();
        let alone = [impostor, b"=", good.as_bytes()].concat();
        assert_eq!(session_with(&stage, &[&alone]).await.status, 401, "{what} alone");
        let evil = [impostor, b"=evil"].concat();
        for both in [[&evil, &b"; "[..], real.as_bytes()].concat(), [real.as_bytes(), b"; ", &evil].concat()]
        {
            assert_eq!(session_with(&stage, &[&both]).await.status, 200, "{what} beside the real one");
        }
    }
}

#[tokio::test]
async fn sec_077_only_spaces_and_tabs_are_trimmed() {
    let stage = Stage::new().await;
    let good = stage.logged_in().await.cookie(SESSION).unwrap();
    let real = pair(&good);
    for line in [
        format!("a=b;{real}"),
        format!("a=b;\t {real} \t;c=d"),
        format!(";;a;=;{real};"),
        format!("a=b; {real};"),
    ] {
        assert_eq!(session_with(&stage, &[line.as_bytes()]).await.status, 200, "{line:?}");
    }
    for line in
        [format!("{SESSION}=\"{good}\""), format!("{SESSION}={good}\u{a0}"), format!("{SESSION}=%20{good}")]
    {
        assert_eq!(session_with(&stage, &[line.as_bytes()]).await.status, 401, "{line:?}");
    }
}

#[tokio::test]
async fn sec_078_a_neighbour_that_is_not_ascii_hides_nothing() {
    let stage = Stage::new().await;
    let real = pair(&stage.logged_in().await.cookie(SESSION).unwrap());
    for junk in [&b"junk=\xe9"[..], b"\xff\xfe=\x80", "müll=ü".as_bytes(), b"=", b";"] {
        let line = [junk, b"; ", real.as_bytes()].concat();
        assert_eq!(session_with(&stage, &[&line]).await.status, 200, "{}", String::from_utf8_lossy(&line));
        let line = [real.as_bytes(), b"; ", junk].concat();
        assert_eq!(session_with(&stage, &[&line]).await.status, 200, "{}", String::from_utf8_lossy(&line));
        assert_eq!(token_with(&stage, &[&line]).await.status, 200, "{}", String::from_utf8_lossy(&line));
    }
}

#[tokio::test]
async fn sec_079_two_session_cookies_are_ambiguous() {
    let stage = Stage::new().await;
    let first = stage.logged_in().await.cookie(SESSION).unwrap();
    let second = stage.logged_in().await.cookie(SESSION).unwrap();
    for (one, two) in [
        (&first, &second),
        (&second, &first),
        (&first, &first),
        (&first, &"junk".to_owned()),
        (&String::new(), &first),
    ] {
        let (one, two) = (pair(one), pair(two));
        let line = format!("{one}; a=b; {two}");
        for lines in [vec![line.as_bytes()], vec![one.as_bytes(), two.as_bytes()]] {
            let answer = session_with(&stage, &lines).await;
            assert_eq!(answer.status, 401, "{lines:?}: {answer:?}");
            assert_eq!(answer.problem_code(), "no_session");
            let answer = token_with(&stage, &lines).await;
            assert_eq!(answer.status, 401, "{lines:?}: {answer:?}");
        }
    }
    assert_eq!(stage.session_for(&first).await.status, 200, "neither session is ended");
    assert_eq!(stage.session_for(&second).await.status, 200, "neither session is ended");
}

#[tokio::test]
async fn sec_080_every_cookie_line_is_read() {
    let stage = Stage::new().await;
    let real = pair(&stage.logged_in().await.cookie(SESSION).unwrap());
    let many: Vec<_> = (0..30).map(|number| format!("c{number}=v")).collect();
    let mut lines: Vec<_> = many.iter().map(String::as_bytes).collect();
    lines.push(real.as_bytes());
    assert_eq!(session_with(&stage, &[b"a=b", real.as_bytes()]).await.status, 200);
    assert_eq!(session_with(&stage, &[real.as_bytes(), b"a=b"]).await.status, 200);
    assert_eq!(session_with(&stage, &lines).await.status, 200);
    assert_eq!(token_with(&stage, &[b"a=\xe9", real.as_bytes()]).await.status, 200);
}

#[tokio::test]
async fn sec_080_cookie_crumbs_of_http_2_are_read_with_the_same_rules() {
    let stage = Stage::new().await;
    let first = pair(&stage.logged_in().await.cookie(SESSION).unwrap());
    let second = pair(&stage.logged_in().await.cookie(SESSION).unwrap());
    let (first, second) = (first.as_bytes(), second.as_bytes());
    let none: &[u8] = b"a=b";
    for (crumbs, status) in [
        (vec![first], 200),
        (vec![none, first], 200),
        (vec![none, b"junk=\xe9", first, b"c=d"], 200),
        (vec![first, second], 401),
        (vec![first, none, first], 401),
        (vec![none], 401),
    ] {
        let crumbs: Vec<_> = crumbs.into_iter().map(|crumb| ("cookie", crumb)).collect();
        let answer = raw::http2_get(&stage.server.internal, "/bff/token", &crumbs).await;
        assert_eq!(answer.status, status, "{crumbs:?}: {answer:?}");
        let answer = raw::http2_get(&stage.server.public, "/bff/token", &crumbs).await;
        assert_eq!(answer.status, status, "{crumbs:?}: {answer:?}");
    }
    let browser = [("cookie", first), ("sec-fetch-site", &b"same-origin"[..])];
    assert_eq!(raw::http2_get(&stage.server.public, "/bff/token", &browser).await.status, 403);
}

#[tokio::test]
async fn sec_081_every_changed_character_makes_the_cookie_worthless() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let good = browser.cookie(SESSION).unwrap();
    assert!(good.len() <= 256, "{} bytes", good.len());
    assert!(good.is_ascii() && !good.contains(['%', '"', '=', ' ', ',', ';']), "{good}");
    let mut forgeries: Vec<String> = Vec::new();
    for (place, old) in good.char_indices() {
        // The neighbour in the alphabet differs in the last bit: a lenient decoder takes both for one at the end.
        let new = match old {
            'A' => 'B',
            'z' => 'y',
            '9' => '8',
            '-' => '+',
            '_' => '/',
            other => char::from_u32(u32::from(other) + 1).unwrap_or('A'),
        };
        let mut changed = good.clone();
        changed.replace_range(place..=place, &new.to_string());
        forgeries.push(changed);
    }
    let doubled = format!("{good}{good}");
    forgeries.extend([
        format!("{good}="),
        format!("{good}A"),
        format!("\"{good}\""),
        good.to_lowercase(),
        doubled,
    ]);
    forgeries.extend([
        good[1..].to_owned(),
        good[..good.len() - 1].to_owned(),
        "A".repeat(5000),
        ".".repeat(200),
    ]);
    forgeries.push(good.replace('.', "%2E"));
    for forgery in forgeries.iter().filter(|forgery| **forgery != good) {
        let answer = stage.session_for(forgery).await;
        assert_eq!(answer.status, 401, "{forgery}: {answer:?}");
        assert_eq!(stage.token_for(forgery).await.status, 401, "{forgery}");
    }
    assert_eq!(stage.session(&browser).await.status, 200);
}

#[tokio::test]
async fn sec_082_no_cookie_stands_in_for_another() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let callback = stage.callback_url(&browser).await;
    let session = browser.cookie(SESSION).unwrap();
    let flows = flow_cookies(&browser);
    assert!(!flows.is_empty());
    for flow in flows {
        assert_eq!(stage.session_for(&flow.value).await.status, 401, "{flow:?} as a session");
        let line = format!("{}={session}; Secure; HttpOnly; Path=/; SameSite=Lax", flow.name);
        browser.jar().plant(&stage.app(), &line);
    }
    refused("a session cookie as a login's", &stage.come_back(&browser, &callback).await);

    let other_keys = Stage::new().await;
    assert_eq!(other_keys.session_for(&session).await.status, 401, "signed by another server");
}

#[tokio::test]
async fn sec_084_a_logout_deletes_the_cookie_with_its_own_attributes() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    let answer = stage.log_out(&browser).await;
    let line = answer.set_cookie(SESSION).expect("a deletion").to_ascii_lowercase();
    for attribute in ["secure", "httponly", "path=/", "samesite=strict", "max-age=0"] {
        assert!(line.split(';').any(|part| part.trim() == attribute), "{attribute} is missing in {line}");
    }
    assert!(!line.contains("domain"), "{line}");
    assert!(browser.cookie(SESSION).is_none(), "the browser keeps the cookie");
    assert!(browser.jar().rejected().is_empty(), "{:?}", browser.jar().rejected());
}

#[tokio::test]
async fn sec_085_and_108_a_link_from_elsewhere_deletes_nothing() {
    let stage = Stage::new().await;
    let browser = stage.logged_in().await;
    for path in ["/logout", "/logout/", "/logout?redirect_uri=/x"] {
        let page = browser.follow("http://evil.example/", stage.bff(path)).first_hop().go().await;
        assert!(page.answer.set_cookies().is_empty(), "{path}: {page:?}");
        assert!(matches!(page.status().as_u16(), 302 | 303 | 403), "{path}: {page:?}");
        let location = page.answer.header("location");
        assert!(!location.starts_with(stage.op.issuer()), "the user is logged out at the provider: {page:?}");
    }
    assert!(browser.cookie(SESSION).is_some());
    assert_eq!(stage.session(&browser).await.status, 200);
}

#[tokio::test]
async fn sec_085_a_stranger_is_sent_no_deletion() {
    let stage = Stage::new().await;
    let stranger = Browser::new();
    for path in ["/session", "/token"] {
        let answer = stranger.fetch(stage.app(), stage.bff(path)).go().await;
        assert!(answer.set_cookies().is_empty(), "{path}: {answer:?}");
    }
    let answer = stage.log_out(&stranger).await;
    assert!(answer.set_cookie(SESSION).is_none(), "{answer:?}");
}

#[tokio::test]
async fn sec_087_the_newer_prefix_is_a_matter_of_configuration() {
    const NAME: &str = "__Host-Http-session_id";
    let stage = Stage::with(|config| {
        config.set("/session/mode/sessionIdHardening", json!("hostHttp"));
    })
    .await;
    let browser = Browser::new();
    stage.log_in(&browser).await;
    let value = browser.cookie(NAME).expect("the cookie has the newer name");
    assert!(browser.cookie(SESSION).is_none());
    assert_eq!(stage.session(&browser).await.status, 200);
    // The old name is nobody's.
    assert_eq!(stage.session_for(&value).await.status, 401);
}
