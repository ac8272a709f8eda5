//! What a request to the provider is about.

use super::oddity::ISSUER_PATH;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method, Uri};
use serde_json::Value;
use std::time::Instant;

/// The provider's endpoints, as finely as lies are told about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// The metadata document.
    Discovery,
    /// The keys.
    Jwks,
    /// Where authorisation requests are pushed to (RFC 9126). The metadata names it only when a lie does.
    Push,
    /// The authorisation endpoint, a navigation.
    Authorization,
    /// The token endpoint, asked with an authorisation code.
    CodeExchange,
    /// The token endpoint, asked with a refresh token.
    Refresh,
    /// `UserInfo`.
    UserInfo,
    /// RP-initiated logout, a navigation.
    EndSession,
    /// RFC 7009.
    Revocation,
    /// No endpoint of ours: nobody has a reason to come here.
    Elsewhere,
}

impl Endpoint {
    pub(super) fn of(path: &str, form: &[(String, String)]) -> Self {
        match path.strip_prefix(ISSUER_PATH).unwrap_or(path) {
            path if path.ends_with("/.well-known/openid-configuration") => Self::Discovery,
            path if path.starts_with("/.well-known/oauth-authorization-server") => Self::Discovery,
            "/jwks" => Self::Jwks,
            "/par" => Self::Push,
            "/authorize" => Self::Authorization,
            "/token" if value(form, "grant_type").as_deref() == Some("refresh_token") => Self::Refresh,
            "/token" => Self::CodeExchange,
            "/userinfo" => Self::UserInfo,
            "/end_session" => Self::EndSession,
            "/revoke" => Self::Revocation,
            _ => Self::Elsewhere,
        }
    }
}

/// A request as the provider received it.
#[derive(Clone)]
pub struct Received {
    /// What it was about.
    pub endpoint: Endpoint,
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub uri: Uri,
    /// Its query, decoded.
    pub query: Vec<(String, String)>,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its form, decoded; empty when the body is something else.
    pub form: Vec<(String, String)>,
    /// When it arrived.
    pub at: Instant,
}

impl Received {
    /// A parameter of the query.
    pub fn query_value(&self, name: &str) -> Option<String> {
        value(&self.query, name)
    }

    /// The claims of its `DPoP` proof, if it has one (RFC 9449 §4.2), with the proof's `jwk` beside them.
    pub fn dpop_proof(&self) -> Option<Value> {
        let part = |part: Option<&str>| -> Option<Value> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part?).ok()?).ok()
        };
        let mut parts = self.headers.get("dpop")?.to_str().ok()?.split('.');
        let header = part(parts.next())?;
        let mut claims = part(parts.next())?;
        claims["jwk"] = header["jwk"].clone();
        Some(claims)
    }

    /// A parameter of the form.
    pub fn form_value(&self, name: &str) -> Option<String> {
        value(&self.form, name)
    }
}

impl std::fmt::Debug for Received {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {} {} {:?}", self.endpoint, self.method, self.uri, self.form)
    }
}

fn value(pairs: &[(String, String)], name: &str) -> Option<String> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}
