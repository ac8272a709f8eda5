//! On the server: who asks for this page, or calls this server function.
//!
//! [`with_session`] is a middleware for the routes that Leptos renders. It finds the session of the request before the
//! first component runs, so nothing waits in a `<Suspense>`, whatever the streaming mode, and the first paint is right.
//!
//! With `authtool-bff` mounted in the same process (feature `mounted`):
//!
#![cfg_attr(feature = "mounted", doc = "```no_run")]
#![cfg_attr(not(feature = "mounted"), doc = "```ignore")]
//! use authtool_leptos::server::{Sessions, with_session};
//! use axum::{Router, middleware};
//!
//! fn app(bff: &authtool_bff::Bff, pages: Router) -> Router {
//!     pages
//!         .layer(middleware::from_fn_with_state(Sessions::mounted(bff), with_session))
//!         .merge(bff.public_router())
//! }
//! ```
//!
//! With `authtool-bff` elsewhere (feature `remote`), `Sessions::remote(RemoteBff::new("http://bff:3000/bff")?)` instead. In both
//! cases set the server's `session.sameSiteReturn` to `true`: without it browsers leave the session cookie out of the
//! first page after a login.
//!
//! In server functions, and wherever else Leptos provides the request's parts:
//!
//! ```
//! use leptos::prelude::*;
//! use authtool_leptos::server;
//!
//! async fn rename(name: String) -> Result<(), ServerFnError> {
//!     let session = server::session().await?;          // for those who are logged in, and from the app's own pages
//!     let token = server::access_token().await?;       // `Authorization: Bearer {token.expose()}` for another API
//! #   let _ = (name, session.claims, token.expose().len());
//!     Ok(())
//! }
//! ```

mod access;
#[cfg(feature = "mounted")]
mod mounted;
#[cfg(any(feature = "remote", test))]
mod provenance;
#[cfg(feature = "remote")]
mod remote;
mod sessions;
mod with_session;

pub use access::{NoAccess, ServerAccessToken, ServerSession, access_token, session};
#[cfg(feature = "remote")]
pub use remote::{InvalidRemote, RemoteBff};
pub use sessions::Sessions;
pub use with_session::with_session;

use leptos::prelude::use_context;

use crate::initial::Initial;

/// What [`with_session`] has found for the request that is being rendered.
pub(crate) fn found() -> Initial {
    use_context::<http::request::Parts>()
        .and_then(|parts| parts.extensions.get::<Initial>().cloned())
        .unwrap_or_default()
}
