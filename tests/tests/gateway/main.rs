//! The gateway: a real Envoy by every way of exchange, a real nginx and a real Caddy, in front of a real server
//! (security.md §14).
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod a_minute;
mod behind;
mod beside_the_original;
mod configuration;
mod exchange;
mod ext_authz;
mod forward_auth;
mod machines;
mod policy;
mod provenance;
mod replicas;
mod server_down;
mod streams;
mod tokens;
mod whole_site;
