//! The gateway: a real Envoy with the Lua exchange, or a real nginx, in front of a real server (security.md §14).
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod behind;
mod configuration;
mod exchange;
mod forward_auth;
mod provenance;
mod replicas;
mod streams;
mod tokens;
