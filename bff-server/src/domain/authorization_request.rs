//! The request to the authorization server (RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID Connect Core 1.0 §3.1.2.1):
//! what it says. How it travels is the adapter's business.

use super::{dpop::ProofKey, login_flow::LoginFlow, response_mode::ResponseMode, scope};

/// Parameters that the protocol sets. Configuration may not set them, nor may a request.
pub const PROTOCOL_PARAMETERS: &[&str] = &[
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "request",
    "request_uri",
];

/// The parameters of a flow's request, and then the further ones.
pub fn authorization_request(
    flow: &LoginFlow,
    requested_scope: &str,
    mode: ResponseMode,
    further: Vec<(String, String)>,
) -> Vec<(String, String)> {
    let mut parameters = Vec::with_capacity(8 + further.len());
    let mut add = |name: &str, value: String| parameters.push((name.to_owned(), value));
    add("response_type", "code".to_owned());
    if mode != ResponseMode::default() {
        add("response_mode", mode.name().to_owned());
    }
    add("client_id", flow.client_id.clone());
    add("redirect_uri", flow.redirect_uri.clone());
    if !requested_scope.is_empty() {
        add("scope", requested_scope.to_owned());
    }
    add("state", flow.state());
    add("code_challenge", flow.code_challenge());
    add("code_challenge_method", "S256".to_owned());
    if scope::contains_openid(requested_scope) {
        add("nonce", flow.nonce());
    }
    // RFC 9449 §10: the code, too, is for the holder of the key.
    if let Some(thumbprint) = flow.proof_key.as_ref().and_then(ProofKey::thumbprint) {
        add("dpop_jkt", thumbprint);
    }
    parameters.extend(further);
    parameters
}
