//! What the provider has granted.

use super::id_token::s256;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Codes and tokens. Every value begins with `canary-`, so that it is found wherever it leaks.
#[derive(Default)]
pub(super) struct Grants {
    codes: HashMap<String, Authorization>,
    sessions: HashMap<String, Authorization>,
    issued_codes: Vec<String>,
    access_tokens: Vec<String>,
    users: HashMap<String, Map<String, Value>>,
    refresh_tokens: Vec<String>,
    id_tokens: Vec<String>,
    spent: HashMap<String, String>,
    reuses: usize,
}

/// What a user agreed to.
#[derive(Clone)]
pub(super) struct Authorization {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) code_challenge: String,
    pub(super) nonce: Option<String>,
    pub(super) user: Map<String, Value>,
    pub(super) sid: String,
    pub(super) authenticated_at: i64,
}

impl Grants {
    pub(super) fn issue_code(&mut self, authorization: Authorization) -> String {
        let code = canary("code");
        self.codes.insert(code.clone(), authorization);
        self.issued_codes.push(code.clone());
        code
    }

    /// A code works once, for the request it was issued to, with the verifier behind its challenge.
    pub(super) fn redeem_code(
        &mut self,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
    ) -> Option<Authorization> {
        let authorization = self.codes.remove(code)?;
        let proven =
            authorization.redirect_uri == redirect_uri && authorization.code_challenge == s256(verifier);
        proven.then_some(authorization)
    }

    /// With rotation, a token that comes back was stolen from somebody: its grant ends (RFC 9700 §4.14.2).
    pub(super) fn redeem_refresh_token(&mut self, token: &str, rotate: bool) -> Option<Authorization> {
        if !rotate {
            return self.sessions.get(token).cloned();
        }
        if let Some(grant) = self.spent.get(token) {
            self.reuses += 1;
            self.sessions.retain(|_, authorization| authorization.sid != *grant);
            return None;
        }
        let authorization = self.sessions.remove(token)?;
        self.spent.insert(token.to_owned(), authorization.sid.clone());
        Some(authorization)
    }

    pub(super) fn reuses(&self) -> usize {
        self.reuses
    }

    pub(super) fn issue_access_token(&mut self, authorization: &Authorization, ending: &str) -> String {
        let token = format!("{}{ending}", canary("at"));
        self.users.insert(token.clone(), authorization.user.clone());
        self.access_tokens.push(token.clone());
        token
    }

    pub(super) fn issue_refresh_token(&mut self, authorization: Authorization) -> String {
        let token = canary("rt");
        self.sessions.insert(token.clone(), authorization);
        self.refresh_tokens.push(token.clone());
        token
    }

    pub(super) fn remember_id_token(&mut self, token: String) {
        self.id_tokens.push(token);
    }

    pub(super) fn forget_refresh_tokens(&mut self) {
        self.sessions.clear();
    }

    /// Ends what a refresh token stands for, and at some providers everything of its session.
    pub(super) fn revoke(&mut self, token: &str, whole_session: bool) {
        let removed = self.sessions.remove(token);
        if whole_session && let Some(revoked) = removed {
            let same = |it: &Authorization| it.sid == revoked.sid && it.client_id == revoked.client_id;
            self.sessions.retain(|_, it| !same(it));
        }
    }

    pub(super) fn subject_of(&self, access_token: &str) -> Option<String> {
        self.users.get(access_token)?.get("sub")?.as_str().map(str::to_owned)
    }

    pub(super) fn user_of(&self, access_token: &str) -> Option<Map<String, Value>> {
        self.users.get(access_token).cloned()
    }

    pub(super) fn access_tokens(&self) -> &[String] {
        &self.access_tokens
    }

    pub(super) fn refresh_tokens(&self) -> &[String] {
        &self.refresh_tokens
    }

    pub(super) fn id_tokens(&self) -> &[String] {
        &self.id_tokens
    }

    pub(super) fn secrets(&self) -> Vec<String> {
        // The header of an ID token is no secret, and it is the same in all of them.
        let id_token_parts =
            self.id_tokens.iter().flat_map(|token| token.split('.').skip(1).map(str::to_owned));
        [&self.issued_codes, &self.access_tokens, &self.refresh_tokens]
            .into_iter()
            .flatten()
            .cloned()
            .chain(id_token_parts)
            .collect()
    }
}

pub(super) fn canary(kind: &str) -> String {
    let mut random = [0; 24];
    rand::fill(&mut random).expect("the system has randomness");
    format!("canary-{kind}-{}", URL_SAFE_NO_PAD.encode(random))
}
