//! The security catalogue, from outside: one module a chapter, every test named after its requirement.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod callback;
mod cookies;
mod csrf;
mod expect;
mod headers;
mod id_token;
mod limits;
mod login;
mod logout;
mod outbound;
mod proxy;
mod refresh;
mod return_urls;
mod secrets;
mod session_and_token;
mod storage;
