#![doc = include_str!("../README.md")]
//!
//! # Where to begin
//!
//! [`provide_authtool`] with [`AuthtoolOptions`], then [`use_authtool`]: an [`Authtool`] has the signals and what can be done.
//! [`Status`] says what is known, and [`Failure`] why nothing is. The components are small uses of these. On the server, `server`
//! finds the session before anything is rendered.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![allow(clippy::must_use_candidate, reason = "components are called by `view!`")]

mod authtool;
mod components;
mod initial;
mod login_options;
mod options;
mod provide;
#[cfg(feature = "ssr")]
pub mod server;
mod use_user;
mod way_back;

pub use authtool::{Authtool, use_authtool};
pub use authtool_client::rules::login_parameters::LoginParameters;
pub use authtool_client::rules::state::{Failure, FailureKind, Occurrence, Session, Status};
pub use components::*;
pub use login_options::LoginOptions;
pub use options::AuthtoolOptions;
pub use provide::provide_authtool;
pub use use_user::use_user;

#[cfg(not(any(feature = "csr", feature = "hydrate", feature = "ssr")))]
compile_error!(
    "authtool-leptos needs one of its features, the same that the app gives to leptos: \"csr\" for an app that the \
     browser renders, \"hydrate\" (in the browser) and \"ssr\" (on the server) for one that the server renders"
);

/// The pages of the documentation whose Rust belongs to this crate, compiled as documentation tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../docs/guides/leptos-csr.md")]
    struct InTheBrowser;
    #[doc = include_str!("../../docs/guides/leptos-ssr.md")]
    struct ByAServer;
}
