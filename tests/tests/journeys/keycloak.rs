//! Journeys with a real Keycloak. Each has a realm of its own, and all of them share one process and go side by side: it takes
//! most of a minute to start.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use authtool_tests::browser::{Browser, Page};
use authtool_tests::{Answer, Keycloak, Realm, SESSION, Server, ServerConfig, wait};
use serde_json::{Value, json};

struct Journey<'a> {
    realm: Realm<'a>,
    server: Server,
}

impl<'a> Journey<'a> {
    async fn begin(keycloak: &'a Keycloak, name: &str, change: impl FnOnce(&mut Value)) -> Self {
        let mut config = ServerConfig::new("http://127.0.0.1:9");
        let realm = keycloak.realm(name, &config.app(), change).await;
        realm.register(&mut config);
        config
            .set("/session/userClaims", json!(["email", "name", "preferred_username"]))
            .set("/session/sessionJitterSecs", json!(0));
        Self { realm, server: Server::start(config).await }
    }

    async fn open_login(&self, browser: &Browser, query: &str) -> Page {
        let login = self.server.bff(&format!("/login{query}"));
        browser.follow(&self.server.public, login).go().await
    }

    /// A browser in which Ada has typed her password.
    async fn logged_in(&self) -> Browser {
        let browser = Browser::new();
        let page = self.open_login(&browser, "").await;
        let page = self.realm.log_in(&browser, &page).await;
        assert_eq!(page.url, self.server.public, "{page:#?}");
        assert!(browser.cookie(SESSION).is_some(), "{page:#?}");
        browser
    }

    async fn session(&self, browser: &Browser) -> Answer {
        browser.fetch(&self.server.public, self.server.bff("/session")).go().await
    }

    async fn token(&self, cookie: &str) -> Value {
        let answer = self.server.token_for(cookie).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].clone()
    }

    /// Keycloak's access tokens last two seconds here: has the server refresh.
    async fn refreshes(&self, browser: &Browser, what: &str) {
        let cookie = browser.cookie(SESSION).unwrap_or_else(|| panic!("{what}: no session"));
        let before = self.token(&cookie).await;
        wait::until(&format!("{what}: another access token"), async || {
            (self.token(&cookie).await != before).then_some(())
        })
        .await;
    }

    async fn log_out(&self, browser: &Browser) -> Page {
        browser.follow(&self.server.public, self.server.bff("/logout")).posting("").go().await
    }
}

#[tokio::test]
async fn users_of_a_real_keycloak_get_along() {
    let keycloak = Keycloak::start().await;
    tokio::join!(
        a_whole_day(&keycloak),
        a_second_login_in_the_same_browser(&keycloak),
        a_logout_while_the_browser_takes_its_time(&keycloak),
        a_logout_by_the_administrator(&keycloak),
        keys_of_another_kind(&keycloak),
    );
}

/// Login, claims, refreshes with rotation, logout.
async fn a_whole_day(keycloak: &Keycloak) {
    let journey = Journey::begin(keycloak, "whole-day", |_| {}).await;
    let browser = journey.logged_in().await;
    let session = journey.session(&browser).await;
    assert_eq!(session.json()["name"], "Ada Lovelace", "{session:?}");
    assert_eq!(session.json()["preferred_username"], "ada", "{session:?}");
    for turn in 0..2 {
        journey.refreshes(&browser, &format!("refresh {turn}")).await;
    }
    let cookie = browser.cookie(SESSION).unwrap();
    let page = journey.log_out(&browser).await;
    assert_eq!(page.url, journey.server.public, "{page:#?}");
    assert_eq!(journey.server.token_for(&cookie).await.status, 401);
    assert_eq!(journey.realm.sessions().await, 0);
    wait::until("the revocation, when the browser is back", async || {
        journey.server.log().find("token_revoked").map(drop)
    })
    .await;
    let page = journey.open_login(&browser, "").await;
    assert!(journey.realm.asks_for_the_password(&page), "the single sign-on has ended: {page:#?}");
}

/// Whatever ends our older session, the newer one and the single sign-on go on.
async fn a_second_login_in_the_same_browser(keycloak: &Keycloak) {
    let journey = Journey::begin(keycloak, "second-login", |_| {}).await;
    let browser = journey.logged_in().await;
    for (what, query, asks) in
        [("another tab", "", false), ("prompt=login", "?prompt=login", true), ("max_age", "?max_age=0", true)]
    {
        let before = browser.cookie(SESSION);
        let mut page = journey.open_login(&browser, query).await;
        assert_eq!(journey.realm.asks_for_the_password(&page), asks, "{what}: {page:#?}");
        if asks {
            page = journey.realm.log_in(&browser, &page).await;
        }
        assert_eq!(page.url, journey.server.public, "{what}: {page:#?}");
        assert_ne!(browser.cookie(SESSION), before, "{what}");
        for _ in 0..2 {
            journey.refreshes(&browser, what).await;
        }
    }
    // A step-up that Keycloak cannot do.
    let page = journey.open_login(&browser, "?acr_values=urn:gold").await;
    let page = if journey.realm.asks_for_the_password(&page) {
        journey.realm.log_in(&browser, &page).await
    } else {
        page
    };
    drop(page);
    journey.refreshes(&browser, "a step-up").await;
    assert_eq!(journey.realm.sessions().await, 1, "the single sign-on is there");
    assert!(journey.realm.events("REVOKE_GRANT").await.is_empty(), "nothing has been revoked");
    // What was owed is paid when the last session has ended.
    journey.log_out(&browser).await;
    assert_eq!(journey.realm.sessions().await, 0);
}

/// The browser leaves for Keycloak, and is slow: Keycloak still finds the session that it is to end.
async fn a_logout_while_the_browser_takes_its_time(keycloak: &Keycloak) {
    let journey = Journey::begin(keycloak, "slow-logout", |_| {}).await;
    let browser = journey.logged_in().await;
    let logout = browser.follow(&journey.server.public, journey.server.bff("/logout")).posting("");
    let way_out = logout.first_hop().go().await.first_location();
    // What the server would do meanwhile is done when it has ended.
    let mut journey = journey;
    journey.server.restart_gracefully().await;
    assert_eq!(journey.realm.sessions().await, 1, "nothing was revoked meanwhile");
    let page = browser.follow(&journey.server.public, way_out).go().await;
    assert_eq!(page.url, journey.server.public, "{page:#?}");
    assert_eq!(journey.realm.sessions().await, 0);
    assert_eq!(journey.realm.events("LOGOUT").await.len(), 1, "Keycloak has logged Ada out");
}

/// Back-channel logout: Keycloak reports it.
async fn a_logout_by_the_administrator(keycloak: &Keycloak) {
    let journey = Journey::begin(keycloak, "reported-logout", |_| {}).await;
    let browsers = [journey.logged_in().await, journey.logged_in().await];
    journey.realm.ends_all_sessions().await;
    for browser in browsers {
        let cookie = browser.cookie(SESSION).unwrap();
        wait::until("the session has ended", async || {
            (journey.server.token_for(&cookie).await.status == 401).then_some(())
        })
        .await;
    }
    wait::until("the log has the report", async || {
        journey.server.log().find("back_channel_logout").map(drop)
    })
    .await;
}

/// A realm whose tokens are signed with ES256.
async fn keys_of_another_kind(keycloak: &Keycloak) {
    let journey = Journey::begin(keycloak, "elliptic", |realm| {
        realm["defaultSignatureAlgorithm"] = json!("ES256");
    })
    .await;
    let browser = journey.logged_in().await;
    journey.refreshes(&browser, "ES256").await;
    assert_eq!(journey.session(&browser).await.json()["email"], "ada@example.com");
    assert_eq!(journey.log_out(&browser).await.url, journey.server.public);
}
