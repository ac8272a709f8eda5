//! authtool-bff
