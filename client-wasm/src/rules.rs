//! Every decision the client takes, as functions over values.
//!
//! Nothing in here knows a browser, a clock or a network: what they say comes in as arguments. That is
//! why these rules are tested by a plain `cargo test`.

use alloc::string::String;

pub mod answer;
pub mod base_url;
pub mod expiry;
pub mod login_guard;
pub mod login_parameters;
pub mod navigation;
pub mod retry;
pub mod state;
pub mod token;

/// Strings, one after the other. The standard library's `concat` checks more, in more bytes.
pub(crate) fn concat(parts: &[&str]) -> String {
    let mut whole = String::new();
    for part in parts {
        whole.push_str(part);
    }
    whole
}
