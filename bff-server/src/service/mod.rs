//! The use cases: what happens, in order, when a browser or a gateway asks for something. They call the
//! rules and the ports; HTTP calls them.

pub mod back_channel;
pub mod clients;
pub mod front_channel;
pub mod login;
pub mod logout;
pub mod machine_clients;
mod refresh;
mod revocation;
pub mod sessions;
pub mod store_watch;
pub mod tasks;
mod user_info;
