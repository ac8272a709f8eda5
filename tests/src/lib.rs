//! authtool-tests
