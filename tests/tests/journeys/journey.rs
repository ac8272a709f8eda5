//! Whole journeys with the real OpenID Provider: nothing on the way is mocked.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use authtool_tests::browser::{Browser, Page};
use authtool_tests::{
    API_AUDIENCE, Provider, ProviderOptions, SESSION, Server, ServerConfig, Upstream, raw, wait,
};
use serde_json::{Value, json};

struct Journey {
    provider: Provider,
    server: Server,
    browser: Browser,
}

impl Journey {
    async fn begin(
        options: impl FnOnce(&mut ProviderOptions),
        configure: impl FnOnce(&mut ServerConfig),
    ) -> Self {
        // A placeholder: the provider must know the app's port before it can say its own.
        let mut config = ServerConfig::new("http://127.0.0.1:9");
        let mut provider_options = ProviderOptions::new(&config.app());
        options(&mut provider_options);
        let provider = Provider::start(&provider_options).await;
        provider.register(&mut config);
        configure(&mut config);
        let server = Server::start(config).await;
        Self { provider, server, browser: Browser::new() }
    }

    /// From the app's page through the provider's login and consent pages, back to the app.
    async fn log_in(&self, login: &str) -> Page {
        let page = self
            .browser
            .follow(&self.server.public, self.server.bff("/login?redirect_uri=/%3Fa%3Db%23top"))
            .go()
            .await;
        assert!(self.provider.is_here(&page.url), "the provider shows its login page: {page:#?}");
        self.provider.log_in(&self.browser, page, login).await
    }

    async fn session(&self) -> authtool_tests::Answer {
        self.browser.fetch(&self.server.public, self.server.bff("/session")).go().await
    }

    async fn token(&self) -> Value {
        let answer = self.server.token_for(&self.browser.cookie(SESSION).unwrap_or_default()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }
}

#[tokio::test]
async fn a_user_logs_in_uses_the_api_and_logs_out_everywhere() {
    let upstream = Upstream::start().await;
    let journey = Journey::begin(
        |_| {},
        |config| {
            config
                .set("/session/userClaims", json!(["sub", "email", "name"]))
                .set("/server/proxy", json!([{"prefix": "/api", "upstream": upstream.origin}]));
        },
    )
    .await;
    let (browser, app) = (&journey.browser, &journey.server.public);
    assert_eq!(journey.session().await.status, 401);

    let page = journey.log_in("ada").await;
    assert_eq!(page.url.as_str(), format!("{app}?a=b#top"), "a deep link is returned to");
    assert!(browser.jar().rejected().is_empty(), "{:?}", browser.jar().rejected());
    let session = journey.session().await;
    assert_eq!(session.status, 200, "{session:?}");
    let session = session.json();
    assert_eq!(session["sub"], "ada", "{session}");
    assert!(session["name"].as_str().is_some_and(|name| name.contains("Ada")), "{session}");
    assert!(session["session"]["expires_in"].as_u64().is_some_and(|seconds| seconds > 0), "{session}");

    let token = journey.token().await["access_token"].as_str().unwrap().to_owned();
    let answer = browser.fetch(app, app.join("/api/orders").unwrap()).go().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(upstream.last().header("authorization"), format!("Bearer {token}"));
    assert!(!upstream.last().header("cookie").contains(SESSION), "{:?}", upstream.last());

    let saved = browser.cookie(SESSION).unwrap();
    let page = browser.follow(app, journey.server.bff("/logout")).posting("").go().await;
    assert!(journey.provider.is_here(&page.url), "the provider asks for confirmation: {page:#?}");
    assert_eq!(journey.session().await.status, 401, "the session ends before the provider is asked");
    let page = journey.provider.confirm_logout(browser, page).await;
    assert_eq!(page.url.as_str(), app.as_str());
    assert_eq!(journey.server.token_for(&saved).await.status, 401);

    let page = browser.follow(app, journey.server.bff("/login")).go().await;
    let asks = page.forms().iter().any(|form| form.has("login"));
    assert!(asks, "the provider still has a session: {page:#?}");
}

#[tokio::test]
async fn access_tokens_are_refreshed_while_the_provider_rotates_refresh_tokens() {
    for rotate in [true, false] {
        let journey = Journey::begin(
            |options| {
                options.access_token_ttl = 1;
                options.rotate = rotate;
            },
            |config| {
                config.set("/session/sessionJitterSecs", json!(0));
            },
        )
        .await;
        journey.log_in("grace").await;
        let mut previous = journey.token().await;
        for turn in 0..3 {
            previous = wait::until("the access token is another", async || {
                let next = journey.token().await;
                (next["access_token"] != previous["access_token"]).then_some(next)
            })
            .await;
            assert_eq!(previous["token_type"], "Bearer", "refresh {turn}, rotation {rotate}");
        }
        assert_eq!(journey.session().await.status, 200);
    }
}

#[tokio::test]
async fn a_user_who_declines_at_the_provider_is_back_with_an_error_and_may_try_again() {
    let journey = Journey::begin(|_| {}, |_| {}).await;
    let browser = &journey.browser;
    let page = browser.follow(&journey.server.public, journey.server.bff("/login")).go().await;
    let mut form = page.forms().into_iter().next().expect("a login form");
    form.fill("abort", "yes");
    let page = browser.submit(&page, &form).go().await;
    assert!(matches!(page.status().as_u16(), 400 | 403), "{page:#?}");
    assert!(page.answer.header("content-type").starts_with("text/html"), "{page:#?}");
    assert!(page.answer.text().contains(page.answer.header("x-correlation-id")), "{page:#?}");
    assert_eq!(journey.session().await.status, 401);
    journey.log_in("ada").await;
    assert_eq!(journey.session().await.status, 200);
}

#[tokio::test]
async fn sec_114_a_logout_at_the_provider_ends_the_sessions_that_belong_to_it() {
    let journey = Journey::begin(
        |options| {
            options.client = json!({
                "backchannel_logout_uri": format!("{}/bff/oidc/logout/backchannel", options.app),
                "backchannel_logout_session_required": true,
            });
        },
        |_| {},
    )
    .await;
    journey.log_in("ada").await;
    let first = journey.browser.cookie(SESSION).unwrap();
    // In another window that shares the provider's session, say: nobody is asked to log in again.
    journey.browser.jar().remove(SESSION);
    let app = &journey.server.public;
    let page = journey.browser.follow(app, journey.server.bff("/login")).go().await;
    assert_eq!(page.url.as_str(), app.as_str(), "{page:#?}");
    let second = journey.browser.cookie(SESSION).unwrap();
    assert_ne!(first, second);
    assert_eq!(journey.server.token_for(&first).await.status, 200);

    // The second logs out; the first hears of it from the provider alone.
    let page = journey.browser.follow(app, journey.server.bff("/logout")).posting("").go().await;
    assert_eq!(journey.server.token_for(&first).await.status, 200);
    journey.provider.confirm_logout(&journey.browser, page).await;
    wait::until("the provider's report ends the first session", async || {
        (journey.server.token_for(&first).await.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn tabs_share_a_session_and_a_logout() {
    let journey = Journey::begin(|_| {}, |_| {}).await;
    // Two tabs at the login page; the second finishes first, and the provider then knows the user.
    let app = &journey.server.public;
    let first = journey.browser.follow(app, journey.server.bff("/login?redirect_uri=/%231")).go().await;
    let second = journey.browser.follow(app, journey.server.bff("/login?redirect_uri=/%232")).go().await;
    let second = journey.provider.log_in(&journey.browser, second, "ada").await;
    assert_eq!(second.url.fragment(), Some("2"));
    assert_eq!(journey.session().await.status, 200);
    let first = journey.provider.log_in(&journey.browser, first, "ada").await;
    assert_eq!(first.url.fragment(), Some("1"), "{first:#?}");
    assert_eq!(journey.session().await.status, 200);
    let page = journey.browser.follow(app, journey.server.bff("/logout")).posting("").go().await;
    journey.provider.confirm_logout(&journey.browser, page).await;
    assert_eq!(journey.session().await.status, 401);
}

#[tokio::test]
async fn a_program_with_a_token_of_its_own_uses_the_api_beside_the_browser() {
    let upstream = Upstream::start().await;
    let journey = Journey::begin(
        |_| {},
        |config| {
            config
                .set("/server/proxy", json!([{"prefix": "/api", "upstream": upstream.origin}]))
                .set("/server/machineClients", json!([{"prefix": "/api", "audiences": [API_AUDIENCE]}]));
        },
    )
    .await;
    let app = &journey.server.public;
    let machine = format!("Bearer {}", journey.provider.machine_token().await);
    let call =
        |authorization: &str| raw::get(app, "/api/orders").header("authorization", authorization).send();
    let answer = call(&machine).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(upstream.last().header("authorization"), machine);

    journey.log_in("ada").await;
    let of_user = format!("Bearer {}", journey.token().await["access_token"].as_str().unwrap());
    let answer = journey
        .browser
        .fetch(app, app.join("/api/orders").unwrap())
        .header("authorization", &machine)
        .go()
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(upstream.last().header("authorization"), of_user, "the browser's session counts");

    let before = upstream.arrived().len();
    let (head, signature) = machine.rsplit_once('.').unwrap();
    let (first, rest) = signature.split_at(1);
    let forged = format!("{head}.{}{rest}", if first == "A" { "B" } else { "A" });
    for token in [forged.as_str(), "Bearer x"] {
        assert_eq!(call(token).await.problem_code(), "invalid_token");
    }
    assert_eq!(upstream.arrived().len(), before);
}
