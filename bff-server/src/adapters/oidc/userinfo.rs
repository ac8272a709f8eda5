//! `UserInfo` (OpenID Connect Core 1.0 §5.3), and what answers a user's claims where there is no OpenID Connect.

use http::{StatusCode, header};

use super::{OidcProvider, http::Answer};
use crate::{
    domain::{
        credential::IdToken,
        dpop::{HeldToken, ProvenRequest},
        metadata::ProviderMetadata,
        provider_json,
    },
    ports::{AuthorizationServer as _, ClientName, ProviderError, TokenOrigin, UserInfo, UserInfoError},
};

const MAX_USERINFO_BYTES: usize = 256 * 1024;

pub(super) async fn fetch(
    provider: &OidcProvider,
    metadata: &ProviderMetadata,
    client: ClientName<'_>,
    token: HeldToken<'_>,
) -> Result<UserInfo, UserInfoError> {
    let endpoint = metadata.userinfo_endpoint.as_ref().ok_or_else(|| {
        ProviderError::new("its metadata has no userinfo_endpoint; give it in client.endpoints.userinfo")
    })?;
    let mut has_tried = false;
    let answer = loop {
        let nonce = provider.latest_nonce();
        let request = ProvenRequest {
            method: "GET",
            url: endpoint,
            nonce: nonce.as_ref(),
            access_token: Some(token.access_token),
        };
        let proof = token.proof_key.map(|key| provider.proof(key, &request)).transpose()?;
        let answer = provider.http.get_as(endpoint, token, proof, MAX_USERINFO_BYTES).await?;
        let has_new_nonce = token.proof_key.is_some() && provider.learns_nonce(&answer, nonce.as_ref());
        // RFC 9449 §9: once more, with the nonce that it wants.
        if has_tried || answer.status != StatusCode::UNAUTHORIZED || !has_new_nonce {
            break answer;
        }
        has_tried = true;
    };
    match answer.status {
        status if status.is_success() => {}
        // RFC 6750 §3.1: about the token, which is as fresh as it can be.
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            return Err(UserInfoError::Refused(format!("it answered {status} to a fresh access token")));
        }
        status => {
            let reason = format!("its userinfo endpoint answered {status}");
            // It has answered, and would answer the same again.
            let refused = status == StatusCode::BAD_REQUEST;
            return Err(ProviderError {
                refused,
                ..ProviderError::retry_after(reason, answer.retry_after())
            }
            .into());
        }
    }
    if answer.is_json() {
        return match provider_json::object(&answer.body) {
            Ok(claims) => Ok(UserInfo::Plain(claims)),
            Err(error) => Err(UserInfoError::Refused(error.to_string().into())),
        };
    }
    if !is_jwt(&answer) {
        return Err(UserInfoError::Refused("its content type is neither JSON nor application/jwt".into()));
    }
    let token =
        std::str::from_utf8(&answer.body).ok().and_then(|text| IdToken::parse(text.trim()).ok()).ok_or_else(
            || UserInfoError::Refused("it is not a signed JWT (encrypted ones are not supported)".into()),
        )?;
    let (length, limit) = (token.expose().len(), provider.settings.max_id_token_bytes);
    if length > limit {
        return Err(UserInfoError::Refused(format!(
            "it has {length} bytes, and {limit} are allowed (client.maxIdTokenBytes)"
        )));
    }
    let signed = provider.verify(client, &token, TokenOrigin::TokenEndpoint).await?;
    Ok(UserInfo::Signed(signed))
}

fn is_jwt(answer: &Answer) -> bool {
    answer
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok()?.split(';').next().map(str::trim))
        .is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/jwt"))
}
