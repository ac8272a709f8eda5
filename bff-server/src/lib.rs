//! authtool-bff: login for browser apps, with the tokens kept on the server.
//!
//! A confidential client of any OpenID Connect or OAuth 2.x provider: Authorization Code with PKCE, tokens
//! sealed in a store, an opaque `__Host-` cookie in the browser. Run it as the binary `authtool-bff`, or
//! mount it in an axum app:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = authtool_bff::Config::load("authtool.json".as_ref())?;
//! let bff = authtool_bff::Bff::start(&config)?;
//! let app: axum::Router = axum::Router::new().merge(bff.public_router());
//! # Ok(()) }
//! ```
//!
//! The [documentation](https://github.com/authtool/authtool/tree/main/docs) is for those who run it; this one is for those who read
//! or extend it.
//!
//! # Where things are
//!
//! In the order in which to read them: dependencies point up this list, never down. Begin with [`domain::login_flow`],
//! [`domain::id_token`] and [`domain::session`], which are what everything else is about.
//!
//! | module | what lives there |
//! |---|---|
//! | [`domain`] | the rules: sessions, tokens, flows, return URLs. No I/O, no clock |
//! | [`ports`] | what the rules need of the world, as traits |
//! | [`seal`] | encryption of what is stored |
//! | [`adapters`] | the authorization server over HTTP, the embedded store, the system |
//! | [`service`] | the use cases: log in, use a session, refresh, log out |
//! | `http` | one file per endpoint, and the guards in front of them |
//! | [`extract`] | the session and its token, for handlers of your own |
//! | [`envoy`] | a gateway's configuration that fits the server's |
//! | [`telemetry`] | what is counted |
//! | [`config`] | the configuration file, checked |
//! | [`doctor`] | whether the parts that a configuration names are there, and fit together |
//! | `listening` | accepting connections, and serving them |
//! | `reload` | what a new configuration changes while the server runs |
//! | `server` | putting it together, and listening |

// A slice out of bounds is a test that fails.
#![cfg_attr(test, allow(clippy::string_slice))]

pub mod adapters;
pub mod config;
pub mod doctor;
pub mod domain;
pub mod envoy;
pub mod extract;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzz;
mod http;
mod listening;
pub mod ports;
mod reload;
pub mod seal;
mod server;
pub mod service;
pub mod telemetry;

pub use config::Config;
pub use http::{ErrorPage, error_pages};
pub use reload::Reloaded;
pub use server::{Bff, Server, StartError, router, serve};

/// The pages of the documentation whose Rust belongs to this crate, compiled as documentation tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../docs/guides/axum.md")]
    struct Axum;
}
