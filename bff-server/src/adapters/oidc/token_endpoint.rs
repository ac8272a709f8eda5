//! Grants in, tokens out (RFC 6749 §4.1.3, §5, §6), and revocation (RFC 7009).

use authtool_contract::TokenType;

use super::{
    IsRejected, OidcProvider,
    http::{Answer, ExchangeKind, FormHeaders},
};
use crate::{
    domain::{
        dpop::{ProofKey, ProvenRequest},
        metadata::ProviderMetadata,
        provider_json, provider_words,
        revocation::RevocableToken,
        token_refusal::{self, RefusedAnswer, TokenRefusal},
        token_response::{TokenResponse, UnusableReason, UnusableTokenResponse},
    },
    ports::{ClientName, Grant, GrantError, ProviderError},
};

const MAX_TOKEN_ANSWER_BYTES: usize = 256 * 1024;
const MAX_REVOCATION_ANSWER_BYTES: usize = 16 * 1024;

/// What no log may have, of a request's parameters.
const SENT_IN_SECRET: [&str; 3] = ["code", "code_verifier", "refresh_token"];

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
    let mut has_rotated = false;
    let (answer, secret) = loop {
        let secret = client.authentication.secret_in_use();
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
        if !has_rotated
            && meaning(&answer) == TokenRefusal::Client
            && client.authentication.has_rotated(secret.as_ref()).await
        {
            has_rotated = true;
            continue;
        }
        let has_new_nonce = proof_key.is_some() && provider.learns_nonce(&answer, nonce.as_ref());
        // The server says that it has not looked at the grant: even a code may be sent again. Once.
        let wants_nonce = answer.status.is_client_error() && known_error(&answer) == Some("use_dpop_nonce");
        if has_tried || !wants_nonce || !has_new_nonce {
            break (answer, secret);
        }
        has_tried = true;
    };
    let mut sent =
        SENT_IN_SECRET.map(|name| parameters.iter().find(|it| it.0 == name).map(|it| it.1)).to_vec();
    sent.push(secret.as_ref().map(|it| it.as_str()));
    let sent: Vec<&str> = sent.into_iter().flatten().collect();
    let redeemed = tokens_of(&answer, proof_key, provider.settings.max_id_token_bytes, &sent);
    match redeemed {
        // RFC 6749 §3.2.1: the client authenticates before its grant is looked at.
        Ok(_) | Err(GrantError::Invalid(_) | GrantError::Unusable(_)) => {
            provider.notes_client(&client.client_id, IsRejected(false));
        }
        Err(_) if meaning(&answer) == TokenRefusal::Client => {
            provider.notes_client(&client.client_id, IsRejected(true));
        }
        // As long as the client is not accepted itself, this says nothing about its grants.
        Err(GrantError::Doubtful(error)) if provider.rejects_client(&client.client_id) => {
            return Err(GrantError::Unavailable(error));
        }
        Err(_) => {}
    }
    redeemed
}

/// Any 2xx answer with tokens in it is a success: RFC 6749 §5.1 says 200, and some servers "create" a token.
fn tokens_of(
    answer: &Answer,
    proof_key: Option<&ProofKey>,
    max_id_token_bytes: usize,
    sent: &[&str],
) -> Result<TokenResponse, GrantError> {
    if !answer.status.is_success() {
        return Err(refusal(answer, sent));
    }
    let token_type = if proof_key.is_some() { TokenType::DPoP } else { TokenType::Bearer };
    let tokens = match TokenResponse::parse(&answer.body, token_type) {
        Ok(tokens) => tokens,
        // Nothing is lost with it: there is no token in it at all.
        Err(unusable) if unusable.refresh_token.is_none() => {
            return Err(if says_error(answer) { refusal(answer, sent) } else { unusable.into() });
        }
        Err(unusable) => return Err(unusable.into()),
    };
    if proof_key.is_some_and(|key| !key.may_hold(&tokens.access_token)) {
        let (reason, refresh_token) = (UnusableReason::OtherKey, tokens.refresh_token);
        return Err(UnusableTokenResponse { reason, refresh_token }.into());
    }
    Ok(tokens.bounded(max_id_token_bytes))
}

fn refusal(answer: &Answer, sent: &[&str]) -> GrantError {
    let meaning = meaning(answer);
    if meaning == TokenRefusal::Grant {
        return GrantError::Invalid(in_its_words(answer, sent));
    }
    let error = ProviderError {
        refused: meaning != TokenRefusal::Temporary,
        ..ProviderError::retry_after(
            format!("its token endpoint answered {} ({})", answer.status, in_its_words(answer, sent)),
            answer.retry_after(),
        )
    };
    match meaning {
        TokenRefusal::Doubtful => GrantError::Doubtful(error),
        _ => GrantError::Unavailable(error),
    }
}

fn meaning(answer: &Answer) -> TokenRefusal {
    let media_type = answer.media_type();
    RefusedAnswer { status: answer.status.as_u16(), media_type: &media_type, body: &answer.body }.meaning()
}

/// What an answer says about an error, for the log, without what was `sent`.
pub(super) fn in_its_words(answer: &Answer, sent: &[&str]) -> String {
    // Whatever its media type: what is understood is also said.
    provider_words::of_body(&answer.body, sent).unwrap_or_else(|| "no error code".to_owned())
}

/// The error code of an answer, if it is one that we know.
pub(super) fn known_error(answer: &Answer) -> Option<&'static str> {
    token_refusal::known_code(&answer.body)
}

/// Whether there is an error in it, known or not: GitHub answers them with 200.
fn says_error(answer: &Answer) -> bool {
    provider_json::object_of_an_error(&answer.body).is_ok_and(|it| it.contains_key("error"))
}

pub(super) async fn revoke(
    provider: &OidcProvider,
    metadata: &ProviderMetadata,
    client: ClientName<'_>,
    token: &RevocableToken,
    proof_key: Option<&ProofKey>,
) -> Result<(), ProviderError> {
    let Some(endpoint) = &metadata.revocation_endpoint else { return Ok(()) };
    let (value, hint) = match token {
        RevocableToken::Refresh(token) => (token.expose(), "refresh_token"),
        RevocableToken::Access(token) => (token.expose(), "access_token"),
    };
    let client = provider.client(client)?;
    let (mut has_tried, mut has_rotated) = (false, false);
    let (answer, secret) = loop {
        let secret = client.authentication.secret_in_use();
        let form = client.authentication.authenticate(
            &client.client_id,
            metadata,
            &[("token", value), ("token_type_hint", hint)],
            provider.clock.now(),
            &*provider.entropy,
        )?;
        // RFC 9449 does not ask for a proof here. Some providers do, and the others ignore it.
        let nonce = provider.latest_nonce();
        let request =
            ProvenRequest { method: "POST", url: endpoint, nonce: nonce.as_ref(), access_token: None };
        let proof = proof_key.map(|key| provider.proof(key, &request)).transpose()?;
        let headers = FormHeaders { authorization: form.authorization, proof };
        let answer = provider
            .http
            .post_form(
                ExchangeKind::Revocation,
                endpoint,
                form.body,
                headers,
                None,
                MAX_REVOCATION_ANSWER_BYTES,
            )
            .await?;
        let has_new_nonce = proof_key.is_some() && provider.learns_nonce(&answer, nonce.as_ref());
        let wants_nonce = answer.status.is_client_error() && known_error(&answer) == Some("use_dpop_nonce");
        if !has_tried && wants_nonce && has_new_nonce {
            has_tried = true;
            continue;
        }
        if !has_rotated
            && meaning(&answer) == TokenRefusal::Client
            && client.authentication.has_rotated(secret.as_ref()).await
        {
            has_rotated = true;
            continue;
        }
        break (answer, secret);
    };
    // 200 also for tokens the server does not know (RFC 7009 §2.2).
    if answer.status.is_success() {
        return Ok(());
    }
    let sent: Vec<&str> = std::iter::once(value).chain(secret.as_ref().map(|it| it.as_str())).collect();
    Err(ProviderError::retry_after(
        format!("its revocation endpoint answered {} ({})", answer.status, in_its_words(&answer, &sent)),
        answer.retry_after(),
    ))
}
