//! authtool-bff
pub mod adapters;
pub mod config;
pub mod domain;
pub mod ports;
pub mod seal;
pub mod service;
pub use config::Config;
