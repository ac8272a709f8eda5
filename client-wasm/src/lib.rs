//! The session manager of authtool's browser clients.
//!
//! It answers one question for the app, *is somebody logged in*, and keeps the answer right: across tabs,
//! outages, sleep and the back button. In `tokenExchange` mode it also has the access token, in memory and nowhere else.
//!
//! | layer | what it knows |
//! |---|---|
//! | [`rules`] | every decision, as functions over values |
//! | [`ports`] | what is needed from the world, as small traits |
//! | [`manager`] | which rule a signal calls for, and what is done with the result |
//! | `browser` | the ports, in a browser (WebAssembly only) |
//! | `js` | the exports of the npm package (feature `js`) |
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
