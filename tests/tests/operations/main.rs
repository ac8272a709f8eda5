//! What operators and developers do: trace, check, develop.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod development;
mod doctor;
mod health;
mod log;
mod online_check;
mod outbound;
mod traces;
