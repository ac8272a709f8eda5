//! Extractors for handlers of your own, in an axum app that mounts authtool.
//!
//! ```no_run
//! use authtool_bff::{Bff, Config, extract::{AccessToken, Session}};
//! use axum::{Router, routing::get};
//!
//! async fn greet(session: Session) -> String {
//!     format!("hello, {}", session.claims["name"])
//! }
//!
//! async fn orders(token: AccessToken) -> String {
//!     // Call an API with `Authorization: Bearer {token.expose()}`.
//!     format!("a token of {} characters", token.expose().len())
//! }
//!
//! # async fn example(config: Config) -> Result<(), Box<dyn std::error::Error>> {
//! let bff = Bff::start(&config)?;
//! let app: Router = Router::new()
//!     .route("/api/greeting", get(greet))
//!     .route("/api/orders", get(orders))
//!     .layer(bff.extractors())
//!     .merge(bff.public_router());
//! # Ok(()) }
//! ```
//!
//! Where there is no session the answer is 401 with a problem document, where the store or the provider is
//! down 503, and where another site calls 403: a handler runs only for whom it may.

use std::{fmt, sync::Arc};

pub use authtool_contract::TokenType;
use axum::{extract::FromRequestParts, response::Response};
use http::{Method, request::Parts};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    domain::dpop::Nonce,
    http::{App, api_proof, own_headers, session_of, token_of},
    service::sessions::UsableToken,
};

/// What the extractors need; made by [`Bff::extractors`](crate::Bff::extractors).
#[derive(Clone)]
pub struct Extractors(pub(crate) Arc<App>);

/// The session of the request, from its cookie.
#[derive(Clone, Debug)]
pub struct Session {
    /// The claims that `session.userClaims` selects.
    pub claims: Map<String, Value>,
    /// Seconds until the session ends.
    pub expires_in: u64,
}

/// The session's access token, refreshed if it was about to expire.
#[derive(Clone)]
pub struct AccessToken {
    app: Arc<App>,
    token: UsableToken,
    /// Seconds for which it may be used.
    pub expires_in: u64,
}

impl AccessToken {
    /// The token itself, for an `Authorization` header of the scheme [`token_type`](Self::token_type) and nothing
    /// else.
    pub fn expose(&self) -> &str {
        self.token.access_token().expose()
    }

    /// How the token is presented: as `Bearer`, unless `client.dpop` is set.
    pub fn token_type(&self) -> TokenType {
        self.token.token_type()
    }

    /// The `DPoP` header of one request with this token (RFC 9449 §7); `None` for a bearer token. `nonce` is the
    /// API's latest `DPoP-Nonce`, if it sends any.
    pub fn proof(&self, method: &Method, url: &Url, nonce: Option<&str>) -> Option<String> {
        let nonce = nonce.and_then(Nonce::parse);
        api_proof::proof(&self.app, &self.token, method, url, nonce.as_ref())
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let app = app(parts);
        let visible = session_of(&app, parts).await.map_err(own_headers)?;
        // Written by us, as an object.
        let claims = serde_json::from_str(visible.claims_json()).unwrap_or_default();
        Ok(Self { claims, expires_in: visible.expires_in })
    }
}

impl<S: Sync> FromRequestParts<S> for AccessToken {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let app = app(parts);
        let usable = token_of(&app, parts).await.map_err(own_headers)?;
        Ok(Self { expires_in: usable.expires_in, token: usable, app })
    }
}

/// A mistake in the program that mounts us, found by its first request.
#[allow(clippy::panic)]
fn app(parts: &Parts) -> Arc<App> {
    match parts.extensions.get::<Extractors>() {
        Some(Extractors(app)) => Arc::clone(app),
        None => panic!("authtool's extractors need `.layer(bff.extractors())` on the routes that use them"),
    }
}
