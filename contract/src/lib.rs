//! What crosses the wire between authtool's server, its browser clients and its gateways.
//!
//! Every name and every JSON shape is written here once. The server serialises these types, the
//! browser client reads the same names, and the types of the npm package follow them.
//!
//! | endpoint | answer |
//! |---|---|
//! | `GET {apiPrefix}/session` | [`SessionAnswer`], or a [`Problem`] with status 401 or 503 |
//! | `GET {apiPrefix}/token` | [`TokenAnswer`], or a [`Problem`] with status 401, 403 or 503 |
//! | `GET {apiPrefix}/login`, `GET\|POST {apiPrefix}/logout` | a redirect (navigations only) |
//!
//! In the order in which to read them: the paths ([`endpoint`]) and their parameters ([`endpoint::param`]), the [`header`]s, the
//! answers ([`SessionAnswer`], [`TokenAnswer`]), and what is said when something is refused ([`ProblemCode`]).
//!
//! All durations are whole **seconds** and relative to the moment of the answer: a browser's clock is
//! not to be trusted with absolute times.
//!
//! With the feature `schema` the answers describe themselves as JSON Schema, for the document in `docs/reference`.
//!
//! Without the `serde` feature only the names remain, which is what the WebAssembly client links.
#![cfg_attr(docsrs, feature(doc_cfg))]
// The npm build has no standard library, and linking one crate that uses it would bring it back.
#![cfg_attr(not(feature = "serde"), no_std)]

pub mod endpoint;
pub mod header;
mod problem;
#[cfg(feature = "serde")]
mod session;
#[cfg(feature = "serde")]
mod token;

#[cfg(feature = "serde")]
pub use problem::Problem;
pub use problem::ProblemCode;
#[cfg(feature = "serde")]
pub use session::{SessionAnswer, SessionTiming};
#[cfg(feature = "serde")]
pub use token::{TokenAnswer, TokenType};

/// Media type of a [`Problem`] (RFC 9457 §3).
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// The member of a [`SessionAnswer`] that holds authtool's own data, beside the user's claims.
///
/// It is the one claim name that `session.userClaims` cannot select.
pub const SESSION_MEMBER: &str = "session";
