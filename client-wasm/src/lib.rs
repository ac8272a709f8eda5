//! authtool-client
