//! Grants in, tokens out (RFC 6749 §4.1.3, §5, §6), and revocation (RFC 7009).

use authtool_contract::TokenType;
use http::StatusCode;
use serde_json::Value;

use super::{
    OidcProvider,
    http::{Answer, ExchangeKind, FormHeaders},
};
use crate::{
    domain::{
        dpop::{ProofKey, ProvenRequest},
        metadata::ProviderMetadata,
        provider_words,
        token_response::{TokenResponse, UnusableReason, UnusableTokenResponse},
    },
    ports::{ClientName, Grant, GrantError, ProviderError, RevocableToken},
};

const MAX_TOKEN_ANSWER_BYTES: usize = 256 * 1024;
const MAX_REVOCATION_ANSWER_BYTES: usize = 16 * 1024;

/// The error codes of RFC 6749 §5.2 that are printed, and GitHub's; others are only counted as "another error".
const KNOWN_ERRORS: &[&str] = &[
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
    "invalid_request_object",
    "invalid_request_uri",
    "invalid_dpop_proof",
    "use_dpop_nonce",
    "bad_verification_code",
    "bad_refresh_token",
    "incorrect_client_credentials",
    "redirect_uri_mismatch",
    "temporarily_unavailable",
    "server_error",
];

/// Those that say nothing about the request.
const TEMPORARY_ERRORS: &[&str] = &["temporarily_unavailable", "server_error"];

pub(super) async fn redeem(
    provider: &OidcProvider,
    metadata: &ProviderMetadata,
    client: ClientName<'_>,
    grant: &Grant<'_>,
    proof_key: Option<&ProofKey>,
) -> Result<TokenResponse, GrantError> {
    let parameters = match grant {
        Grant::AuthorizationCode { code, code_verifier, redirect_uri } => vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", redirect_uri),
            ("code_verifier", code_verifier),
        ],
        Grant::RefreshToken { token, .. } => {
            vec![("grant_type", "refresh_token"), ("refresh_token", token.expose())]
        }
    };
    let client = provider.client(client)?;
    let (kind, lease) = match grant {
        Grant::AuthorizationCode { .. } => (ExchangeKind::Code, None),
        Grant::RefreshToken { lease, .. } => (ExchangeKind::Refresh, Some(*lease)),
    };
    let mut has_tried = false;
    let answer = loop {
        // Both are made anew for each attempt: a server may refuse to see one twice.
        let form = client.authentication.authenticate(
            &client.client_id,
            metadata,
            &parameters,
            provider.clock.now(),
            &*provider.entropy,
        )?;
        let nonce = provider.latest_nonce();
        let request = ProvenRequest {
            method: "POST",
            url: &metadata.token_endpoint,
            nonce: nonce.as_ref(),
            access_token: None,
        };
        let proof = proof_key.map(|key| provider.proof(key, &request)).transpose()?;
        let headers = FormHeaders { authorization: form.authorization, proof };
        let answer = provider
            .http
            .post_form(kind, &metadata.token_endpoint, form.body, headers, lease, MAX_TOKEN_ANSWER_BYTES)
            .await?;
        let has_new_nonce = proof_key.is_some() && provider.learns_nonce(&answer, nonce.as_ref());
        // The server says that it has not looked at the grant: even a code may be sent again. Once.
        let wants_nonce = is_client_error(&answer) && known_error(&answer) == Some("use_dpop_nonce");
        if has_tried || !wants_nonce || !has_new_nonce {
            break answer;
        }
        has_tried = true;
    };
    if answer.status != StatusCode::OK {
        return Err(refusal(&answer));
    }
    let token_type = if proof_key.is_some() { TokenType::DPoP } else { TokenType::Bearer };
    let tokens = match TokenResponse::parse(&answer.body, token_type) {
        Ok(tokens) => tokens,
        // Nothing is lost with it: there is no token in it at all.
        Err(unusable) if unusable.refresh_token.is_none() => {
            return Err(refusal_with_status_ok(&answer).unwrap_or(GrantError::Unusable(unusable)));
        }
        Err(unusable) => return Err(unusable.into()),
    };
    if proof_key.is_some_and(|key| !key.may_hold(&tokens.access_token)) {
        let (reason, refresh_token) = (UnusableReason::OtherKey, tokens.refresh_token);
        return Err(UnusableTokenResponse { reason, refresh_token }.into());
    }
    Ok(tokens)
}

fn is_client_error(answer: &Answer) -> bool {
    matches!(answer.status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED)
}

/// Only `invalid_grant`, said in the form that RFC 6749 §5.2 gives it, is about the grant. A proxy's error
/// page is not.
fn refusal(answer: &Answer) -> GrantError {
    let error = known_error(answer);
    let client_error = is_client_error(answer);
    if client_error && error == Some("invalid_grant") {
        return GrantError::Invalid;
    }
    let reason = format!("its token endpoint answered {} ({})", answer.status, in_its_words(answer));
    GrantError::Unavailable(ProviderError {
        refused: client_error && error.is_some_and(|error| !TEMPORARY_ERRORS.contains(&error)),
        ..ProviderError::retry_after(reason, answer.retry_after())
    })
}

/// What an answer says about an error, for the log.
pub(super) fn in_its_words(answer: &Answer) -> String {
    let said = answer.is_json().then(|| provider_words::of_body(&answer.body)).flatten();
    said.unwrap_or_else(|| "no error code".to_owned())
}

/// The error code of an answer in the form that RFC 6749 §5.2 gives it, if it is one that we know.
pub(super) fn known_error(answer: &Answer) -> Option<&'static str> {
    if !answer.is_json() {
        return None;
    }
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let error = body.get("error")?.as_str()?;
    KNOWN_ERRORS.iter().find(|known| **known == error).copied()
}

/// GitHub answers errors with status 200, by codes of its own.
fn refusal_with_status_ok(answer: &Answer) -> Option<GrantError> {
    let body: Value = answer.is_json().then(|| serde_json::from_slice(&answer.body).ok()).flatten()?;
    match body.get("error")?.as_str()? {
        "bad_verification_code" | "bad_refresh_token" => Some(GrantError::Invalid),
        _ => Some(refusal(answer)),
    }
}

pub(super) async fn revoke(
    provider: &OidcProvider,
    metadata: &ProviderMetadata,
    client: ClientName<'_>,
    token: &RevocableToken,
) -> Result<(), ProviderError> {
    let Some(endpoint) = &metadata.revocation_endpoint else { return Ok(()) };
    let (value, hint) = match token {
        RevocableToken::Refresh(token) => (token.expose(), "refresh_token"),
        RevocableToken::Access(token) => (token.expose(), "access_token"),
    };
    let client = provider.client(client)?;
    let form = client.authentication.authenticate(
        &client.client_id,
        metadata,
        &[("token", value), ("token_type_hint", hint)],
        provider.clock.now(),
        &*provider.entropy,
    )?;
    let answer = provider
        .http
        .post_form(
            ExchangeKind::Revocation,
            endpoint,
            form.body,
            FormHeaders { authorization: form.authorization, proof: None },
            None,
            MAX_REVOCATION_ANSWER_BYTES,
        )
        .await?;
    // 200 also for tokens the server does not know (RFC 7009 §2.2).
    if answer.status.is_success() {
        return Ok(());
    }
    Err(ProviderError::retry_after(
        format!("its revocation endpoint answered {}", answer.status),
        answer.retry_after(),
    ))
}
