//! A server in front of a hostile provider.

use crate::browser::{Browser, Form, Page};
use crate::hostile::{HostileOp, Lie, Oddity};
use crate::{Answer, Server, ServerConfig};
use http::Method;
use serde_json::json;
use url::Url;

/// What most tests need. When it ends, the server's log must not contain any secret that passed (SEC-140).
pub struct Stage {
    /// The server under test.
    pub server: Server,
    /// Its provider.
    pub op: HostileOp,
}

impl Stage {
    /// With the default configuration.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With a configuration that differs from the default.
    pub async fn with(configure: impl FnOnce(&mut ServerConfig)) -> Self {
        let op = HostileOp::start().await;
        let mut config = ServerConfig::new(op.issuer());
        configure(&mut config);
        let server = Server::start(config).await;
        Self { server, op }
    }

    /// With a provider that is honest and odd, and a configuration that differs from the default: what these habits need to be
    /// configured is.
    pub async fn odd(oddities: &[Oddity], configure: impl FnOnce(&mut ServerConfig)) -> Self {
        let op = HostileOp::start_odd(oddities).await;
        let mut config = ServerConfig::new(op.issuer());
        for oddity in oddities {
            match oddity {
                Oddity::NoNonce => config.set("/client/allowIdTokensWithoutNonce", json!(true)),
                Oddity::ShortCoordinate => config.set("/client/idTokenSigningAlgorithms", json!(["ES256"])),
                _ => &mut config,
            };
        }
        configure(&mut config);
        let server = Server::start(config).await;
        Self { server, op }
    }

    /// With a provider that tells a lie from the beginning, and a configuration that differs from the default.
    pub async fn lying(lie: Lie, configure: impl FnOnce(&mut ServerConfig)) -> Self {
        let op = HostileOp::start().await;
        op.lies(lie);
        let mut config = ServerConfig::new(op.issuer());
        configure(&mut config);
        let server = Server::start(config).await;
        Self { server, op }
    }

    /// The URL of the app's page.
    pub fn app(&self) -> Url {
        self.server.public.clone()
    }

    /// The URL of an endpoint of ours, for example `/session?a=b`.
    pub fn bff(&self, path: &str) -> Url {
        self.server.bff(path)
    }

    /// Logs in from the app's page, all the way back to it.
    pub async fn log_in(&self, browser: &Browser) -> Page {
        let page = browser.follow(self.app(), self.bff("/login")).go().await;
        match answer_to_post(&page) {
            Some(form) => browser.submit(&page, &form).go().await,
            None => page,
        }
    }

    /// Begins a login whose answer is to be posted, and stops at the provider's page that would post it.
    pub async fn page_that_posts(&self, browser: &Browser) -> (Page, Form) {
        let page = browser.follow(self.app(), self.bff("/login")).go().await;
        let form = answer_to_post(&page).unwrap_or_else(|| panic!("nothing is to be posted: {page:#?}"));
        (page, form)
    }

    /// A browser that is logged in.
    pub async fn logged_in(&self) -> Browser {
        let browser = Browser::new();
        let page = self.log_in(&browser).await;
        assert!(
            browser.cookie(SESSION).is_some(),
            "the login did not succeed: {page:#?}\ncookies a browser ignores: {:#?}",
            browser.jar().rejected()
        );
        browser
    }

    /// Begins a login and stops before the browser comes back: the answer is the callback's URL.
    pub async fn callback_url(&self, browser: &Browser) -> Url {
        self.callback_url_for(browser, "/login").await
    }

    /// [`callback_url`](Self::callback_url) for another login URL.
    pub async fn callback_url_for(&self, browser: &Browser, login: &str) -> Url {
        let page = browser
            .follow(self.app(), self.bff(login))
            .stop_before(|url| url.path().ends_with("/oauth/callback"))
            .go()
            .await;
        page.next.clone().unwrap_or_else(|| panic!("the provider did not send the browser back: {page:#?}"))
    }

    /// Comes back from the provider to this callback URL, and stops at its answer.
    pub async fn come_back(&self, browser: &Browser, callback: &Url) -> Answer {
        browser.follow(self.op.issuer(), callback).first_hop().go().await.answer
    }

    /// One whole login of a fresh browser, up to the callback's answer.
    pub async fn callback_answer(&self) -> (Browser, Answer) {
        let browser = Browser::new();
        let callback = self.callback_url(&browser).await;
        let answer = self.come_back(&browser, &callback).await;
        (browser, answer)
    }

    /// What the app's script gets from `/session`.
    pub async fn session(&self, browser: &Browser) -> Answer {
        browser.fetch(self.app(), self.bff("/session")).go().await
    }

    /// What a gateway gets from `/token` on the internal listener, for the session of this browser.
    pub async fn token(&self, browser: &Browser) -> Answer {
        self.token_for(&browser.cookie(SESSION).unwrap_or_default()).await
    }

    /// [`token`](Self::token) for a session cookie's value.
    pub async fn token_for(&self, session_cookie: &str) -> Answer {
        self.server.token_for(session_cookie).await
    }

    /// What the app gets from `/session` with a session cookie of this value.
    pub async fn session_for(&self, session_cookie: &str) -> Answer {
        crate::raw::get(&self.server.public, "/bff/session")
            .as_same_origin_fetch()
            .header("cookie", format!("{SESSION}={session_cookie}"))
            .send()
            .await
    }

    /// Logs out with a form post of the app's page, and stops at the server's answer.
    pub async fn log_out(&self, browser: &Browser) -> Answer {
        browser
            .follow(self.app(), self.bff("/logout"))
            .posting("")
            .method(Method::POST)
            .first_hop()
            .go()
            .await
            .answer
    }

    /// Logs out with a form post of the app's page, all the way to the provider and back.
    pub async fn log_out_and_return(&self, browser: &Browser) -> Page {
        let logout = browser.follow(self.app(), self.bff("/logout")).posting("").method(Method::POST);
        logout.go().await
    }
}

/// The form with which a page of the provider's answers by `form_post`.
fn answer_to_post(page: &Page) -> Option<Form> {
    page.forms().into_iter().find(|form| form.action.path().contains("/oauth/callback"))
}

/// The session cookie's name in the default configuration.
pub const SESSION: &str = "__Host-session_id";

impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.server.log().assert_free_of(&self.op.secrets());
        }
    }
}
