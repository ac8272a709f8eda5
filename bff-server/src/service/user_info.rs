//! Who has logged in, and with which claims, as far as `UserInfo` has a say in it.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{clients::Client, sessions::Sessions};
use crate::{
    domain::{
        apple_user,
        dpop::HeldToken,
        id_token::Identity,
        session::Session,
        user_claims,
        user_info::{self, UserInfoUse},
    },
    ports::{ProviderError, UserInfo, UserInfoError},
};

/// New tokens wait for it under the refresh's lease, not yet stored.
const PATIENCE_AT_REFRESH: Duration = Duration::from_secs(3);

/// The selected claims of a user.
type Claims = Map<String, Value>;

impl Sessions {
    /// The claims of a user whose ID token has passed every check, completed where the client wants that.
    pub(super) async fn claims_of(
        &self,
        client: &Client,
        identity: &Identity,
        id_token: &Claims,
        token: HeldToken<'_>,
    ) -> Result<Claims, UserInfoError> {
        let of_id_token = user_claims::select(id_token, &self.user_claims);
        let ask = match client.user_info.usage {
            UserInfoUse::Never => false,
            UserInfoUse::WhenMissing => of_id_token.len() < self.user_claims.len(),
            UserInfoUse::Always => true,
        };
        if !ask {
            return Ok(bounded(of_id_token));
        }
        let claims = self.ask(client, token).await?;
        user_info::check_subject(&claims, &identity.subject)
            .map_err(|refusal| UserInfoError::Refused(refusal.to_string()))?;
        Ok(bounded(user_info::joined(user_claims::select(&claims, &self.user_claims), of_id_token)))
    }

    /// Who has logged in where no ID token says so. Without `UserInfo`, nobody knows.
    pub(super) async fn user_without_id_token(
        &self,
        client: &Client,
        token: HeldToken<'_>,
    ) -> Result<(Option<Identity>, Claims), UserInfoError> {
        if client.user_info.usage == UserInfoUse::Never {
            return Ok((None, Claims::new()));
        }
        let mut claims = self.ask(client, token).await?;
        let subject = user_info::subject(&claims, &client.user_info.subject_claim)
            .map_err(|refusal| UserInfoError::Refused(refusal.to_string()))?;
        // The app may ask for `sub` whatever the provider calls it.
        claims.insert("sub".to_owned(), subject.as_str().into());
        let identity =
            Identity { issuer: client.issuer.clone(), subject, provider_session: None, auth_time: None };
        Ok((Some(identity), bounded(user_claims::select(&claims, &self.user_claims))))
    }

    /// The claims of a session after a refresh that brought a new ID token. `UserInfo` is asked again, since what it
    /// said at the login may be true no longer. While it cannot answer, that stays; where it answers something that
    /// is not to be believed, it goes.
    pub(super) async fn refreshed_claims(
        &self,
        client: &Client,
        session: &Session,
        login: &Identity,
        id_token: &Claims,
        token: HeldToken<'_>,
    ) -> Claims {
        let known = serde_json::from_str(&session.live.claims_json).unwrap_or_default();
        let claims = self.claims_of(client, login, id_token, token);
        let trouble: UserInfoError = match tokio::time::timeout(PATIENCE_AT_REFRESH, claims).await {
            Ok(Ok(claims)) => {
                let mut claims = user_claims::continued(claims, &known);
                if client.takes_unsigned_name {
                    self.keep_unsigned_name(&mut claims, session);
                }
                return claims;
            }
            Ok(Err(error)) => error,
            Err(_) => ProviderError::new("its userinfo endpoint did not answer in time").into(),
        };
        tracing::warn!(error = %trouble, event = "userinfo_failed",
            "a refreshed session's claims could not be completed");
        let of_id_token = user_claims::select(id_token, &self.user_claims);
        bounded(match trouble {
            UserInfoError::Refused(_) => user_claims::continued(of_id_token, &known),
            UserInfoError::Unavailable(_) => {
                let of_id_token = user_claims::continued(of_id_token, &known);
                user_info::joined(known, of_id_token)
            }
        })
    }

    /// Adds the name that a user gave beside the code, where the app asks for one and nobody who signs says it.
    pub(super) fn add_unsigned_name(&self, claims: &mut Claims, name: Value) {
        let is_selected = self.user_claims.iter().any(|claim| claim == apple_user::CLAIM);
        if is_selected && !claims.contains_key(apple_user::CLAIM) {
            claims.insert(apple_user::CLAIM.to_owned(), name);
            user_claims::drop_excess(claims);
        }
    }

    /// It was given at the login, and no refresh brings it again.
    fn keep_unsigned_name(&self, claims: &mut Claims, session: &Session) {
        let mut known: Claims = serde_json::from_str(&session.live.claims_json).unwrap_or_default();
        if let Some(name) = known.remove(apple_user::CLAIM) {
            self.add_unsigned_name(claims, name);
        }
    }

    async fn ask(&self, client: &Client, token: HeldToken<'_>) -> Result<Claims, UserInfoError> {
        match self.server.user_info(&client.name, token).await? {
            UserInfo::Plain(claims) => Ok(claims),
            UserInfo::Signed(signed) => signed
                .validate_user_info(&client.id_token_issuer, &client.client_id, self.clock.now())
                .map_err(|refusal| UserInfoError::Refused(refusal.to_string())),
        }
    }
}

/// Without what no session should carry around.
fn bounded(mut claims: Claims) -> Claims {
    for claim in user_claims::drop_excess(&mut claims) {
        tracing::warn!(
            claim,
            event = "claim_dropped",
            "a claim of session.userClaims is too large for a session, and left out"
        );
    }
    claims
}
