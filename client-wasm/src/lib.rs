//! The session manager of authtool's browser clients.
//!
//! It answers one question for the app, *is somebody logged in*, and keeps the answer right: across tabs,
//! outages, sleep and the back button. In `tokenExchange` mode it also has the access token, in memory and nowhere else.
//!
//! In a Rust frontend:
//!
//! ```no_run
//! # #[cfg(target_family = "wasm")]
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use authtool_client::browser::{Browser, origin};
//! use authtool_client::manager::{Destination, Manager, Notice, Settings};
//! use authtool_client::rules::base_url::{InvalidBaseUrl, normalise};
//! use authtool_client::rules::login_parameters::LoginParameters;
//! use authtool_client::rules::state::Status;
//!
//! let base = normalise("/bff", &origin()).map_err(InvalidBaseUrl::advice)?;
//! let manager = Manager::new(Browser::new(&base), base, Settings::TOKEN_EXCHANGE);
//! let own = manager.clone();
//! manager.listen(move |state, notice| {
//!     if notice == Notice::Changed && state.status == Status::Unauthenticated {
//!         // At most twice in thirty seconds: see `Manager::leave`.
//!         own.leave(Destination::Login, None, &LoginParameters::default()).ok();
//!     }
//! });
//! manager.start();
//!
//! let token = manager.access_token(None).await.map_err(|failure| format!("{failure:?}"))?;
//! # drop(token); Ok(())
//! # }
//! ```
//!
//! Read it from the top of this table: a rule is a function, and the manager only knows when to ask which.
//!
//! | layer | what it knows |
//! |---|---|
//! | [`rules`] | every decision, as functions over values |
//! | [`ports`] | what is needed from the world, as small traits |
//! | [`manager`] | which rule a signal calls for, and what is done with the result |
//! | `browser` | the ports, in a browser (WebAssembly only) |
//! | `js` | the exports of the npm package (feature `js`) |
//!
//! `browser` has a module of JavaScript with it, which `wasm-bindgen` puts beside its own: any target will do but `no-modules`
//! and `nodejs`.
#![cfg_attr(docsrs, feature(doc_cfg))]
// The npm build leaves the standard library out: see `standalone`.
#![cfg_attr(all(feature = "standalone", target_family = "wasm"), no_std)]

extern crate alloc;

#[cfg(target_family = "wasm")]
pub mod browser;
#[cfg(all(feature = "js", target_family = "wasm"))]
mod js;
pub mod manager;
pub mod ports;
pub mod rules;
mod slot;
#[cfg(all(feature = "standalone", target_family = "wasm"))]
mod standalone;
