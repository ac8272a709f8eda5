//! The redirect to the authorization server (RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID Connect Core 1.0 §3.1.2.1).

use url::Url;

use super::{login_flow::LoginFlow, scope};

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
    "request",
    "request_uri",
];

/// Builds the URL. Serialised, never concatenated, so that no value can become another parameter.
pub fn authorization_url(
    endpoint: &Url,
    flow: &LoginFlow,
    requested_scope: &str,
    extra: &[(String, String)],
) -> Url {
    let mut url = endpoint.clone();
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &flow.client_id)
            .append_pair("redirect_uri", &flow.redirect_uri);
        if !requested_scope.is_empty() {
            query.append_pair("scope", requested_scope);
        }
        query
            .append_pair("state", &flow.state())
            .append_pair("code_challenge", &flow.code_challenge())
            .append_pair("code_challenge_method", "S256");
        if scope::contains_openid(requested_scope) {
            query.append_pair("nonce", &flow.nonce());
        }
        for (name, value) in extra {
            query.append_pair(name, value);
        }
    }
    url
}
