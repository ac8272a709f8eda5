//! `UserInfo` (OpenID Connect Core 1.0 §5.3), and what answers a user's claims where there is no OpenID Connect.

use http::StatusCode;
use serde_json::{Map, Value};

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
    let token = match read(&answer)? {
        Read::Claims(claims) => return Ok(UserInfo::Plain(claims)),
        Read::Token(token) => token,
    };
    let (length, limit) = (token.expose().len(), provider.settings.max_id_token_bytes);
    if length > limit {
        return Err(UserInfoError::Refused(format!(
            "it has {length} bytes, and {limit} are allowed (client.maxIdTokenBytes)"
        )));
    }
    let signed = provider.verify(client, &token, TokenOrigin::TokenEndpoint).await?;
    Ok(UserInfo::Signed(signed))
}

enum Read {
    Claims(Map<String, Value>),
    Token(IdToken),
}

/// What an answer is, it shows itself: some providers label it `text/plain`, `text/html` or not at all. An attacker gains
/// nothing. It comes from the provider, over TLS, for this access token, and a signature is checked whatever the label.
fn read(answer: &Answer) -> Result<Read, UserInfoError> {
    let text = answer.body.trim_ascii();
    let token = std::str::from_utf8(text).ok().and_then(|text| IdToken::parse(text).ok());
    if let Some(token) = token {
        return Ok(Read::Token(token));
    }
    let why = match provider_json::object(text) {
        Ok(claims) => return Ok(Read::Claims(claims)),
        Err(_) if answer.media_type() == "application/jwt" => {
            "it is not a signed JWT (encrypted ones are not supported)".to_owned()
        }
        Err(error) if answer.is_json() || text.starts_with(b"{") => error.to_string(),
        Err(_) => "it is neither a JSON object nor a signed JWT".to_owned(),
    };
    Err(UserInfoError::Refused(why))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, header};

    use super::*;

    #[test]
    fn an_answer_is_what_it_looks_like_whatever_its_label() {
        let labels = [
            "application/json",
            "text/json",
            "text/plain; charset=utf-8",
            "text/html",
            "application/jwt",
            "?",
            "",
        ];
        for label in labels {
            let read = |body: &'static str| {
                let mut headers = HeaderMap::new();
                if !label.is_empty() {
                    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(label));
                }
                read(&Answer { status: StatusCode::OK, headers, body: Bytes::from_static(body.as_bytes()) })
            };
            assert!(
                matches!(read("{\"sub\":\"ada\"}"), Ok(Read::Claims(claims)) if claims["sub"] == "ada"),
                "{label}"
            );
            assert!(matches!(read(" eyJ.e30.c2ln\n"), Ok(Read::Token(_))), "{label}");
            for neither in ["", "<html></html>", "[]", "\"x\"", "a.b.c.d.e", "{\"sub\":\"a\",\"sub\":\"b\"}"]
            {
                assert!(read(neither).is_err(), "{label}: {neither}");
            }
        }
    }
}
