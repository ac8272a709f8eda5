//! Sessions in a real Redis: the store's contract on each kind of it, and what the server makes of it.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says how long what took"
)]

mod contract;
mod idle;
mod local_cache;
mod mistakes;
mod rotation;
mod secrecy;
mod shared_reads;
mod trouble;
