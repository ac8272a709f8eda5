//! The library as others use it: mounted in their own server, and with the configuration of the system that it replaces.

mod extractors;
mod original;
