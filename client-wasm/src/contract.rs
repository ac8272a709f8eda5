//! The names of the wire contract that the client uses; `build.rs` copies them from `authtool-contract`.
#![cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "some are used by the browser only"))]

include!(concat!(env!("OUT_DIR"), "/contract.rs"));
