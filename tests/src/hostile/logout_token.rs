//! Logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.4), and what they are about.

use super::grants::canary;
use super::id_token::{IdTokenDraft, now};
use super::{CLIENT_ID, HostileOp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The member of `events` that makes a token a logout token.
pub const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

impl HostileOp {
    /// A correct logout token, with a `jti` of its own. `who` brings `sub`, `sid` or both.
    pub fn logout_token(&self, who: &Value) -> IdTokenDraft {
        let mut claims = json!({
            "iss": self.issuer(), "aud": CLIENT_ID, "iat": now(), "exp": now() + 120, "jti": canary("jti"),
            "events": {LOGOUT_EVENT: {}},
        });
        for (name, value) in who.as_object().expect("who logged out is an object") {
            claims[name] = value.clone();
        }
        let mut draft = IdTokenDraft::new(claims, self.state.oddities.signing_key());
        draft.header["typ"] = json!("logout+jwt");
        self.state.oddities.edit_logout_token(&mut draft);
        draft
    }

    /// The sessions at the provider (`sid`) that ID tokens were issued for so far, oldest first.
    pub fn provider_sessions(&self) -> Vec<String> {
        let sid = |token: &String| {
            let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
            let claims: Value = serde_json::from_slice(&payload).ok()?;
            Some(claims["sid"].as_str()?.to_owned())
        };
        self.id_tokens().iter().filter_map(sid).collect()
    }
}
