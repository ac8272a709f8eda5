//! The benches, one a file: what each sets up, and what it makes of what it sees.

mod cached;
mod client;
mod envoy;
mod idle;
mod latency;
mod login;
mod memory;
mod peers;
mod scale;
mod session;
mod storm;
mod token;

use clap::ValueEnum;

use crate::{report::Row, rounds::Effort};

/// What can be measured, in the order in which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bench {
    /// Cookie to access token, from Redis, beside a bare handler
    Token,
    /// The same from the server's memory, beside a handler that asks nobody
    Cached,
    /// Cookie to session, from Redis, beside a bare handler
    Session,
    /// How long the unlucky wait at half the load that saturates
    Latency,
    /// A cold login
    Login,
    /// Through Envoy with the Lua exchange
    Envoy,
    /// Everybody's token expires at once, at two replicas
    Storm,
    /// What a session takes in Redis
    Memory,
    /// A server that nobody uses
    Idle,
    /// A million sessions
    Scale,
    /// The same job done by Apache, Node and Envoy
    Peers,
    /// The browser client: its bytes, and how soon it asks
    Client,
}

impl Bench {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Cached => "cached",
            Self::Session => "session",
            Self::Latency => "latency",
            Self::Login => "login",
            Self::Envoy => "envoy",
            Self::Storm => "storm",
            Self::Memory => "memory",
            Self::Idle => "idle",
            Self::Scale => "scale",
            Self::Peers => "peers",
            Self::Client => "client",
        }
    }

    pub(crate) fn describe(self) -> String {
        self.to_possible_value().and_then(|it| it.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    pub(crate) async fn run(self, effort: Effort) -> Vec<Row> {
        match self {
            Self::Token => token::run(effort).await,
            Self::Cached => cached::run(effort).await,
            Self::Session => session::run(effort).await,
            Self::Latency => latency::run(effort).await,
            Self::Login => login::run(effort).await,
            Self::Envoy => envoy::run(effort).await,
            Self::Storm => storm::run(effort).await,
            Self::Memory => memory::run(effort).await,
            Self::Idle => idle::run(effort).await,
            Self::Scale => scale::run(effort).await,
            Self::Peers => peers::run(effort).await,
            Self::Client => client::run(effort),
        }
    }
}
