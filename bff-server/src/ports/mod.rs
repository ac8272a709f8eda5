//! What the rules need of the world, as traits. The adapters implement them; tests may too.

mod authorization_server;
mod clock;
#[cfg(any(test, feature = "store-contract"))]
pub mod contract_tests;
mod entropy;
mod held_lease;
mod session_store;

pub use authorization_server::{
    AuthorizationServer, ClientName, Grant, GrantError, ProviderError, Readiness, TokenOrigin,
    TokenVerificationError, UserInfo, UserInfoError,
};
pub use clock::Clock;
pub use entropy::{Entropy, EntropyFailure};
pub use held_lease::HeldLease;
pub use session_store::{
    LeaseOwner, Marker, OwedName, OwedWrite, Reading, Recalled, ReplaceOutcome, SessionStore, Steps,
    StoreError, StoredRecord, Version,
};
