//! One login, from the redirect to the authorization server until the browser comes back.
//!
//! The flow's data travels in a sealed cookie of the browser that started it, so the flow is bound to
//! that browser (RFC 9700 §4.7) and an unauthenticated `/login` writes nothing to the store.

use std::time::Duration;

use aws_lc_rs::{constant_time, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::ZeroizeOnDrop;

use super::{
    arrival::Purpose, dpop::ProofKey, login_options::Demands, session_id::SessionKey, time::UnixSeconds,
};

/// How long a user may take at the authorization server. Checked by the server, whatever the browser
/// makes of `Max-Age`.
pub const LIFETIME: Duration = Duration::from_mins(10);

/// How many flows one browser may have open at once: several tabs, but a bounded `Cookie` header.
pub const MAX_OPEN: usize = 5;

/// 256 bits from the system's random source.
pub type Random256 = [u8; 32];

/// The three independent secrets of a flow.
#[derive(Clone, Serialize, Deserialize, ZeroizeOnDrop)]
pub struct FlowSecrets {
    /// Ties the answer to the flow (RFC 6749 §10.12).
    pub state: Random256,
    /// Ties the ID token to the flow (OpenID Connect Core 1.0 §3.1.2.1).
    pub nonce: Random256,
    /// Ties the code to whoever started the flow (RFC 7636 §4.1).
    pub verifier: Random256,
}

/// Everything that must still be true when the browser comes back.
///
/// A login may begin at one version of the server and end at another: the order of the members is what travels.
/// What is added goes to the end, and is read as zeros (`None`, `false`) where it was not written.
#[derive(Clone, Serialize, Deserialize)]
pub struct LoginFlow {
    secrets: FlowSecrets,
    /// The issuer the browser was sent to (RFC 9207 §2.4, RFC 9700 §4.4).
    pub issuer: String,
    /// The client that asked.
    pub client_id: String,
    /// The `redirect_uri` that was sent, and must be sent again with the code (RFC 6749 §4.1.3).
    pub redirect_uri: String,
    /// Where in the app to go afterwards: an absolute URL that passed the allow-list.
    pub return_to: String,
    /// The session this browser had when the flow began; a successful login retires it.
    pub previous_session: Option<SessionKey>,
    /// When the flow began.
    pub created_at: UnixSeconds,
    /// What the tokens are to be bound to (RFC 9449).
    pub proof_key: Option<ProofKey>,
    /// What the answer must show.
    pub demands: Demands,
    /// How many logins in a row have led to this one.
    pub turns: u8,
    /// Another site began it.
    pub from_another_site: bool,
    /// What for, to be known again.
    pub purpose: Purpose,
    /// Whether it may begin again by itself.
    pub again: Again,
}

/// Whether a login may begin again by itself, where the provider has forgotten it: once, and as it began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Again {
    /// It may not: it has, or it asked for more than a cookie can hold.
    #[default]
    No,
    /// It may, with these parameters, which the app asked for.
    With(Vec<(String, String)>),
}

/// What a cookie has room for besides everything else of a flow, in bytes.
const ROOM_FOR_PARAMETERS: usize = 1_500;

impl Again {
    /// What is remembered of a login that returns to `return_to`.
    pub fn with<'a>(asked: impl Iterator<Item = (&'static str, &'a str)>, return_to: &Url) -> Self {
        let asked: Vec<_> = asked.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let bytes: usize = asked.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        // Those of them that the answer must show are there twice.
        if bytes * 2 + return_to.as_str().len() > ROOM_FOR_PARAMETERS { Self::No } else { Self::With(asked) }
    }
}

/// What a flow is about.
pub struct FlowPurpose {
    /// The issuer the browser is sent to.
    pub issuer: String,
    /// The client that asks.
    pub client_id: String,
    /// Its `redirect_uri`.
    pub redirect_uri: String,
    /// Where in the app to go afterwards.
    pub return_to: Url,
    /// The session this browser has.
    pub previous_session: Option<SessionKey>,
    /// What the answer must show.
    pub demands: Demands,
    /// What the tokens are to be bound to.
    pub proof_key: Option<ProofKey>,
}

/// Why a flow and the answer that claims to belong to it do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlowMismatch {
    /// The answer's `state` is not this flow's.
    #[error("the state is not the one this browser was given")]
    State,
    /// The user took longer than [`LIFETIME`].
    #[error("the login was started more than {} seconds ago", LIFETIME.as_secs())]
    Expired,
}

impl LoginFlow {
    /// Begins a flow.
    pub fn begin(secrets: FlowSecrets, purpose: FlowPurpose, now: UnixSeconds) -> Self {
        Self {
            secrets,
            issuer: purpose.issuer,
            client_id: purpose.client_id,
            redirect_uri: purpose.redirect_uri,
            return_to: purpose.return_to.into(),
            previous_session: purpose.previous_session,
            created_at: now,
            proof_key: purpose.proof_key,
            demands: purpose.demands,
            turns: 0,
            from_another_site: false,
            purpose: Purpose::default(),
            again: Again::default(),
        }
    }

    /// The `state` parameter: 43 characters.
    pub fn state(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.secrets.state)
    }

    /// The `nonce` parameter: 43 characters.
    pub fn nonce(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.secrets.nonce)
    }

    /// The `code_verifier` (RFC 7636 §4.1): 43 characters.
    pub fn code_verifier(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.secrets.verifier)
    }

    /// The `code_challenge` of method `S256` (RFC 7636 §4.2): 43 characters.
    pub fn code_challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.code_verifier().as_bytes()))
    }

    /// Checks that an answer with this `state` may finish this flow now.
    pub fn check(&self, state: &str, now: UnixSeconds) -> Result<(), FlowMismatch> {
        let same = constant_time::verify_slices_are_equal(self.state().as_bytes(), state.as_bytes()).is_ok();
        if !same {
            return Err(FlowMismatch::State);
        }
        if self.is_expired(now) {
            return Err(FlowMismatch::Expired);
        }
        Ok(())
    }

    /// How long the flow may still be answered.
    pub fn remaining(&self, now: UnixSeconds) -> Duration {
        now.until(self.created_at.plus(LIFETIME))
    }

    /// Whether the flow has outlived [`LIFETIME`], or claims to begin in the future.
    pub fn is_expired(&self, now: UnixSeconds) -> bool {
        now >= self.created_at.plus(LIFETIME) || self.created_at > now.plus(Duration::from_mins(1))
    }
}

/// A short public name for a `state`, for the flow's cookie and its one-time marker: a hash, so that a
/// log of cookie names or store keys does not contain states.
pub fn flow_name(state: &str) -> String {
    let hash = digest::digest(&digest::SHA256, state.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..12).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(now: u64) -> LoginFlow {
        LoginFlow::begin(
            FlowSecrets { state: [1; 32], nonce: [2; 32], verifier: [3; 32] },
            FlowPurpose {
                issuer: "https://op.example".into(),
                client_id: "app".into(),
                redirect_uri: "https://app.example/bff/oauth/callback".into(),
                return_to: "https://app.example/".parse().unwrap(),
                previous_session: None,
                demands: Demands::default(),
                proof_key: None,
            },
            UnixSeconds::new(now),
        )
    }

    #[test]
    fn sec_006_a_flow_ends_after_ten_minutes_whatever_the_cookie_says() {
        let flow = flow(1_000);
        let state = flow.state();
        assert_eq!(flow.check(&state, UnixSeconds::new(1_599)), Ok(()));
        assert_eq!(flow.check(&state, UnixSeconds::new(1_600)), Err(FlowMismatch::Expired));
        assert_eq!(flow.check(&state, UnixSeconds::new(1_660)), Err(FlowMismatch::Expired));
        assert_eq!(flow.check(&state, UnixSeconds::new(10)), Err(FlowMismatch::Expired), "from the future");
    }

    #[test]
    fn sec_017_the_state_is_compared_before_the_age() {
        let flow = flow(1_000);
        for wrong in ["", "x", &flow.nonce(), &flow.state()[1..], &format!("{}=", flow.state())] {
            assert_eq!(flow.check(wrong, UnixSeconds::new(9_999)), Err(FlowMismatch::State), "{wrong}");
        }
    }

    #[test]
    fn the_challenge_is_the_one_of_rfc_7636_appendix_b() {
        let verifier = URL_SAFE_NO_PAD.decode("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        let mut flow = flow(0);
        flow.secrets.verifier.copy_from_slice(&verifier);
        assert_eq!(flow.code_challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
