//! `GET {apiPrefix}/oauth/jwks`: the public halves of our clients' private keys, for providers that are told
//! their URL (`jwks_uri`) instead of the keys themselves.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::{HeaderValue, header};
use serde_json::{Value, json};

use super::{App, answer, headers::Cacheable};
use crate::{adapters::oidc::ClientCredentials, config::ClientConfig};

/// The media type of a key set (RFC 7517 §8.5.2).
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/jwk-set+json");

/// The key set: it is public, and the same for everybody.
pub(crate) async fn client_keys(State(app): State<Arc<App>>) -> Response {
    let mut response = answer::json(app.client_keys.clone());
    response.headers_mut().insert(header::CONTENT_TYPE, MEDIA_TYPE);
    response.extensions_mut().insert(Cacheable);
    response
}

/// The key set of all clients; a key that several of them share is in it once.
pub(crate) fn key_set(clients: &[ClientConfig]) -> String {
    let mut keys: Vec<Value> = Vec::new();
    for client in clients {
        if let ClientCredentials::PrivateKey(key) = &client.authentication.credentials {
            let key = key.public_jwk();
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    json!({ "keys": keys }).to_string()
}
