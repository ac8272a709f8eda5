//! Several servers over one Redis, under load, while processes are killed and keys are changed: sessions
//! survive everything.
//!
//! `AUTHTOOL_ROUNDS=20` makes the storm of refreshes as long as a release deserves.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says how long what took"
)]

use tokio::sync::RwLock;

/// The storm of refreshes needs a machine for itself; the others share one.
static MACHINE: RwLock<()> = RwLock::const_new(());

mod keys;
mod killed;
mod local_cache;
mod provider;
mod redis;
mod shared;
mod storm;
