//! The journey with a second real OpenID Provider, which other people wrote in another language: what works with
//! one certified implementation only could be a habit of its own.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use authtool_tests::browser::{Browser, Page};
use authtool_tests::{Answer, Glewlwyd, SESSION, Server, ServerConfig, wait};
use serde_json::json;

struct Journey {
    provider: Glewlwyd,
    server: Server,
    browser: Browser,
}

impl Journey {
    async fn begin() -> Self {
        let mut config = ServerConfig::new("http://127.0.0.1:9");
        let provider = Glewlwyd::start(&config.app()).await;
        provider.register(&mut config);
        config
            .set("/session/userClaims", json!(["email", "name"]))
            .set("/session/sessionJitterSecs", json!(0));
        let server = Server::start(config).await;
        Self { provider, server, browser: Browser::new() }
    }

    async fn login_page(&self) -> Page {
        self.browser.follow(&self.server.public, self.server.bff("/login")).go().await
    }

    async fn session(&self) -> Answer {
        self.browser.fetch(&self.server.public, self.server.bff("/session")).go().await
    }

    fn cookie(&self) -> String {
        self.browser.cookie(SESSION).expect("a session cookie")
    }
}

#[tokio::test]
async fn a_user_logs_in_is_refreshed_and_logs_out_at_glewlwyd() {
    let journey = Journey::begin().await;
    let page = journey.login_page().await;
    assert!(journey.provider.is_here(&page.url), "the provider shows its login page: {page:#?}");
    let page = journey.provider.log_in(&journey.browser, page).await;
    assert_eq!(page.url, journey.server.public, "{page:#?}");
    let session = journey.session().await;
    assert_eq!(session.status, 200, "{session:?}");
    assert_eq!(session.json()["name"], "Ada Lovelace", "{session:?}");
    assert_eq!(session.json()["email"], "ada@example.com", "{session:?}");

    // Its access tokens last two seconds, and each refresh token works once.
    let cookie = journey.cookie();
    let mut previous = journey.server.token_for(&cookie).await.json()["access_token"].clone();
    for _ in 0..2 {
        previous = wait::until("the access token is another", async || {
            let answer = journey.server.token_for(&cookie).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let next = answer.json()["access_token"].clone();
            (next != previous).then_some(next)
        })
        .await;
    }

    let page =
        journey.browser.follow(&journey.server.public, journey.server.bff("/logout")).posting("").go().await;
    assert!(journey.provider.is_here(&page.url), "the provider asks for confirmation: {page:#?}");
    assert_eq!(journey.session().await.status, 401, "the session ends before the provider is asked");
    let page = journey.provider.confirm_logout(&journey.browser, page).await;
    assert_eq!(page.url, journey.server.public, "{page:#?}");
    assert_eq!(journey.server.token_for(&cookie).await.status, 401);
    let page = journey.login_page().await;
    assert!(journey.provider.is_here(&page.url), "the provider still has a session: {page:#?}");
}

#[tokio::test]
async fn sec_114_a_logout_at_glewlwyd_ends_the_sessions_that_belong_to_it() {
    let journey = Journey::begin().await;
    let page = journey.login_page().await;
    journey.provider.log_in(&journey.browser, page).await;
    let first = journey.cookie();
    // In another browser profile that shares the provider's session, say: it is not asked to log in again.
    journey.browser.jar().remove(SESSION);
    let page = journey.login_page().await;
    let page = if journey.provider.is_here(&page.url) {
        journey.provider.log_in(&journey.browser, page).await
    } else {
        page
    };
    assert_eq!(page.url, journey.server.public, "{page:#?}");
    let second = journey.cookie();
    assert_ne!(first, second);
    assert_eq!(journey.server.token_for(&first).await.status, 200);

    // The second logs out; the first hears of it from the provider alone.
    let page =
        journey.browser.follow(&journey.server.public, journey.server.bff("/logout")).posting("").go().await;
    assert_eq!(journey.server.token_for(&first).await.status, 200);
    journey.provider.confirm_logout(&journey.browser, page).await;
    wait::until("the provider has reported the logout", async || {
        journey.server.log().find("back_channel_logout").filter(|line| line.contains("\"ended\":1,"))
    })
    .await;
    assert_eq!(journey.server.token_for(&first).await.status, 401);
}
