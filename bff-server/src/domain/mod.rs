//! The rules, without input or output: no network, no store, no clock, no randomness of their own.
//! What they need of those comes in as values.

pub mod access_token;
pub mod api_path;
pub mod apple_user;
pub mod arrival;
pub mod authorization_request;
pub mod credential;
pub mod dpop;
pub mod end_session;
pub mod expected_issuer;
pub mod id_token;
pub mod login_flow;
pub mod login_options;
pub mod logout_token;
pub(crate) mod mac;
pub mod metadata;
pub mod parameters;
pub mod provider_json;
pub mod provider_words;
pub mod redirect_uri;
pub mod response_mode;
pub mod return_url;
pub mod revocation;
pub mod scope;
pub mod session;
pub mod session_id;
pub mod session_index;
pub mod time;
pub mod token_refusal;
pub mod token_response;
pub mod user_claims;
pub mod user_info;
