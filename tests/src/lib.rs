//! The harness of authtool's black-box tests.
//!
//! | part | what it is |
//! |---|---|
//! | [`Server`] | the real `authtool-bff` binary as a child process, with a configuration of its own |
//! | [`Provider`] | the real OpenID Provider (npm `oidc-provider`), as a child process |
//! | [`Glewlwyd`] | another real OpenID Provider, by other people and in C (Debian's `glewlwyd`) |
//! | [`Keycloak`] | the provider that many people run, one instance with a realm for each journey |
//! | [`hostile::HostileOp`] | an OpenID Provider that is correct until told which [`hostile::Lie`] to tell |
//! | [`Collector`] | a collector of traces, which remembers the spans it was sent |
//! | [`Upstream`] | a protected API that remembers what reached it |
//! | [`browser::Browser`] | a client with a browser's cookie jar and Fetch Metadata, which shows every hop |
//! | [`redis`] | real Redis: one server, Sentinels, a Cluster, TLS |
//! | [`Replicas`] | several servers over one store, and [`load::Load`] on them |
//! | [`envoy`] | a real Envoy, configured by `authtool-bff envoy` |
//! | [`nginx`], [`caddy`] | the other gateways, with the recipes of `gateway/` |
//! | [`policy`] | a policy service that Envoy asks by `ext_authz` |
//! | [`Gateway`] | many requests at once, over few connections |
//! | [`raw`] | requests that no well-behaved client sends |
//! | [`Stage`] | a server in front of a hostile provider, ready for a test |
//!
//! A missing part (node, the provider's packages, the server's binary) fails the test that needs it: nothing
//! is skipped.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a harness reports a broken expectation by failing the test"
)]

mod answer;
pub mod browser;
pub mod caddy;
pub mod catalogue;
mod collector;
pub mod egress;
pub mod envoy;
mod gateway;
mod glewlwyd;
pub mod hostile;
mod keycloak;
pub mod load;
mod log;
pub mod nginx;
pub mod policy;
pub mod ports;
mod process;
mod provider;
pub mod raw;
pub mod redis;
mod replicas;
mod server;
mod stage;
pub mod streaming_upstream;
mod tls_front;
pub mod trailing_upstream;
pub mod tunnel;
mod upstream;
pub mod wait;

pub use answer::Answer;
pub use collector::{Collector, ExportedSpan};
pub use gateway::Gateway;
pub use glewlwyd::Glewlwyd;
pub use keycloak::{Keycloak, Realm};
pub use log::Log;
pub use process::Process;
pub use provider::{API_AUDIENCE, Provider, ProviderOptions};
pub use replicas::{LoggedIn, Replicas};
pub use server::{Refusal, Server, ServerConfig, binary as server_binary, random_key};
pub use stage::{SESSION, Stage};
pub use tls_front::TlsFront;
pub use upstream::Upstream;
