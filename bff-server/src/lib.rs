//! authtool-bff
pub mod adapters;
pub mod domain;
pub mod ports;
pub mod seal;
pub mod service;
