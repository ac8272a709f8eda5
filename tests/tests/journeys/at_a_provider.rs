//! What a journey at the real OpenID Provider begins with, and the steps that all of them have.

use authtool_tests::browser::{Browser, Page};
use authtool_tests::{Answer, Provider, ProviderOptions, SESSION, Server, ServerConfig};
use serde_json::{Value, json};

/// How the provider says what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habits {
    /// As npm `oidc-provider` does.
    Usual,
    /// As `tests/provider/odd.mjs` has it: compressed unless asked otherwise, nulls, 201, lifetimes as strings.
    Odd,
}

/// Runs each of these journeys twice: at the provider with its usual habits, and with odd ones.
macro_rules! with_all_habits {
    ($($journey:ident),+ $(,)?) => {
        mod with_usual_habits {
            $(
                #[tokio::test]
                async fn $journey() {
                    super::$journey(super::Habits::Usual).await;
                }
            )+
        }
        mod with_odd_habits {
            $(
                #[tokio::test]
                async fn $journey() {
                    super::$journey(super::Habits::Odd).await;
                }
            )+
        }
    };
}
pub(crate) use with_all_habits;

/// A provider, a server in front of it, and a user's browser.
pub(crate) struct Journey {
    pub(crate) provider: Provider,
    pub(crate) server: Server,
    pub(crate) browser: Browser,
}

impl Journey {
    pub(crate) async fn begin(
        habits: Habits,
        options: impl FnOnce(&mut ProviderOptions),
        configure: impl FnOnce(&mut ServerConfig),
    ) -> Self {
        // A placeholder: the provider must know the app's port before it can say its own.
        let mut config = ServerConfig::new("http://127.0.0.1:9");
        let mut provider_options = ProviderOptions::new(&config.app());
        provider_options.odd = habits == Habits::Odd;
        options(&mut provider_options);
        let provider = Provider::start(&provider_options).await;
        provider.register(&mut config);
        config.set("/session/sessionJitterSecs", json!(0));
        configure(&mut config);
        let server = Server::start(config).await;
        Self { provider, server, browser: Browser::new() }
    }

    /// From the app's page through the provider's login and consent pages, back to the app.
    pub(crate) async fn log_in(&self, login: &str) -> Page {
        self.log_in_from(login, "/login").await
    }

    /// The same with this login URL.
    pub(crate) async fn log_in_from(&self, login: &str, url: &str) -> Page {
        let page = self.browser.follow(&self.server.public, self.server.bff(url)).go().await;
        assert!(self.provider.is_here(&page.url), "the provider shows its login page: {page:#?}");
        self.provider.log_in(&self.browser, page, login).await
    }

    /// Asks for the session, as the app does.
    pub(crate) async fn session(&self) -> Answer {
        self.browser.fetch(&self.server.public, self.server.bff("/session")).go().await
    }

    /// The token, as a gateway gets it.
    pub(crate) async fn token(&self) -> Value {
        let answer = self.server.token_for(&self.browser.cookie(SESSION).unwrap_or_default()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The page after a click on the app's button to log out: in general the provider's.
    pub(crate) async fn log_out(&self) -> Page {
        self.browser.follow(&self.server.public, self.server.bff("/logout")).posting("").go().await
    }
}
