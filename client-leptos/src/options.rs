//! What an app can set.

use std::time::Duration;

use authtool_client::manager::Settings;

/// Options of [`provide_authtool`](crate::provide_authtool). The default is a server below `/bff` in `bff` mode.
///
/// ```
/// use std::time::Duration;
/// use authtool_leptos::AuthtoolOptions;
///
/// let options = AuthtoolOptions::default()
///     .base_url("/auth")
///     .token_exchange()
///     .warn_before_end(Duration::from_secs(120));
/// ```
#[derive(Clone, Debug)]
pub struct AuthtoolOptions {
    pub(crate) base_url: String,
    pub(crate) settings: Settings,
}

impl Default for AuthtoolOptions {
    fn default() -> Self {
        Self { base_url: "/bff".to_owned(), settings: Settings::BFF }
    }
}

impl AuthtoolOptions {
    /// Where the server is, on the app's own origin: its `server.apiPrefix`.
    #[must_use]
    pub fn base_url(self, base_url: impl Into<String>) -> Self {
        Self { base_url: base_url.into(), ..self }
    }

    /// The server's `session.mode` is `tokenExchange`: [`access_token`](crate::Authtool::access_token) has tokens.
    #[must_use]
    pub fn token_exchange(self) -> Self {
        self.max_jitter(Duration::from_secs(7))
    }

    /// [`token_exchange`](Self::token_exchange), with another limit to how long before its end a token is renewed.
    #[must_use]
    pub fn max_jitter(mut self, most: Duration) -> Self {
        self.settings.max_jitter_ms = Some(milliseconds(most));
        self
    }

    /// How long before a session's end [`Occurrence::Expiring`](crate::Occurrence::Expiring) is announced: a minute,
    /// if nothing else is said.
    #[must_use]
    pub fn warn_before_end(mut self, lead: Duration) -> Self {
        self.settings.warn_ms = milliseconds(lead);
        self
    }

    /// How often to look at the session while the page is seen. To the server every look is use of the session, which
    /// keeps it from being idle. Without this, looks happen only when there is reason to.
    #[must_use]
    pub fn poll(mut self, interval: Duration) -> Self {
        self.settings.poll_ms = milliseconds(interval);
        self
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
