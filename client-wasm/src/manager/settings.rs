//! What an app can set.

/// How a [`Manager`](super::Manager) behaves. The default is `bff` mode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// In `tokenExchange` mode: by how many milliseconds, at most, a token is renewed before its end. `None` in `bff`
    /// mode, in which there are no tokens.
    pub max_jitter_ms: Option<f64>,
    /// How many milliseconds before a session's end [`Occurrence::Expiring`](crate::rules::state::Occurrence::Expiring) is
    /// announced. A negative infinity stands for never.
    pub warn_ms: f64,
    /// How often to look at a session while the page is seen, in milliseconds. Infinity, the default, stands for only when
    /// there is reason to. To the server every look is use of the session: polling keeps it from being idle.
    pub poll_ms: f64,
}

impl Settings {
    /// `maxJitterMs`, if nothing else is said.
    pub const MAX_JITTER_MS: f64 = 7_000.0;

    /// For `tokenExchange` mode.
    pub const TOKEN_EXCHANGE: Self = Self { max_jitter_ms: Some(Self::MAX_JITTER_MS), ..Self::BFF };

    /// For `bff` mode.
    pub const BFF: Self = Self { max_jitter_ms: None, warn_ms: 60_000.0, poll_ms: f64::INFINITY };
}

impl Default for Settings {
    fn default() -> Self {
        Self::BFF
    }
}
