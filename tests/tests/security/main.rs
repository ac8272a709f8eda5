//! The security catalogue, from outside: one module a chapter, every test named after its requirement.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod back_channel_logout;
mod callback;
mod configuration;
mod cookies;
mod csrf;
mod expect;
mod form_post;
mod front_channel_logout;
mod headers;
mod id_token;
mod issuers;
mod lies;
mod limits;
mod login;
mod login_parameters;
mod logout;
mod odd_provider;
mod outbound;
mod proxy;
mod pushed_requests;
mod refresh;
mod return_urls;
mod revocation;
mod secrets;
mod sender_constrained;
mod session_and_token;
mod session_ends;
mod static_files;
mod storage;
mod token_exchange;
mod twofold;
mod userinfo;
