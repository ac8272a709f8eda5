//! How an authorization request travels: in the query (RFC 6749 §4.1.1), as a signed object (RFC 9101), or
//! pushed on the back channel, with only a reference in the query (RFC 9126).

use http::StatusCode;
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    OidcProvider, RegisteredClient, SigningAlgorithm,
    client_authentication::{ClientCredentials, jwt_id},
    http::{Answer, ExchangeKind, FormHeaders},
    token_endpoint::{in_its_words, known_error},
};
use crate::{
    domain::{metadata::ProviderMetadata, provider_json, token_response::lenient_seconds},
    ports::{ClientName, ProviderError},
};

const MAX_PUSH_ANSWER_BYTES: usize = 16 * 1024;
const MAX_REQUEST_URI_BYTES: usize = 2048;

/// How long a request object is valid: the browser brings it within a moment, unless the network is slow.
const REQUEST_OBJECT_LIFETIME: std::time::Duration = std::time::Duration::from_mins(5);

/// RFC 9101 §10.8: a request object cannot be taken for another JWT of ours.
const REQUEST_OBJECT_TYPE: &str = "oauth-authz-req+jwt";

/// `pushedAuthorizationRequests`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PushedRequests {
    /// Where the provider's metadata has an endpoint for them.
    #[default]
    Auto,
    /// Or no login.
    Always,
    /// Not even where they are offered.
    Never,
}

/// How a client's requests travel.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestStyle {
    /// On the back channel?
    pub pushed: PushedRequests,
    /// As an object signed with this algorithm?
    pub request_object: Option<SigningAlgorithm>,
}

pub(super) async fn authorization_url(
    provider: &OidcProvider,
    metadata: &ProviderMetadata,
    client: ClientName<'_>,
    parameters: &[(String, String)],
) -> Result<Url, ProviderError> {
    let client = provider.client(client)?;
    let client_id = client.client_id.as_str();
    let request = match client.requests.request_object {
        None if metadata.requires_signed_requests => {
            return Err(ProviderError::refused(
                "it takes only signed request objects; set client.requestObjectSigningAlgorithm",
            ));
        }
        None => parameters.to_vec(),
        Some(algorithm) => {
            let object = request_object(provider, metadata, client, algorithm, parameters)?;
            pairs(&[("client_id", client_id), ("request", &object)])
        }
    };
    let endpoint = match (client.requests.pushed, &metadata.pushed_authorization_request_endpoint) {
        (PushedRequests::Never, _) if metadata.requires_pushed_requests => {
            return Err(ProviderError::refused(
                "it takes only pushed authorization requests, but client.pushedAuthorizationRequests is `never`",
            ));
        }
        (PushedRequests::Always, None) => {
            return Err(ProviderError::refused(
                "its metadata has no pushed_authorization_request_endpoint, but \
                 client.pushedAuthorizationRequests is `always`",
            ));
        }
        (_, None) if metadata.requires_pushed_requests => {
            return Err(ProviderError::refused(
                "it takes only pushed authorization requests, but its metadata has no endpoint for them",
            ));
        }
        (PushedRequests::Never, _) | (PushedRequests::Auto, None) => None,
        (PushedRequests::Auto | PushedRequests::Always, Some(endpoint)) => Some(endpoint),
    };
    let in_query = match endpoint {
        None if client.requests.request_object.is_some() => beside_request_object(parameters, request),
        None => request,
        Some(endpoint) => {
            let request_uri = push(provider, metadata, client, endpoint, &request).await?;
            pairs(&[("client_id", client_id), ("request_uri", &request_uri)])
        }
    };
    let asks_for_binding = parameters.iter().any(|(name, _)| name == "dpop_jkt");
    let lacks_es256 =
        metadata.dpop_algorithms.as_ref().is_some_and(|list| !list.iter().any(|it| it == "ES256"));
    if asks_for_binding && lacks_es256 {
        return Err(ProviderError::refused(
            "it takes no DPoP proofs signed with ES256, but client.dpop is set",
        ));
    }
    // Serialised, never concatenated, so that no value can become another parameter.
    let mut url = metadata.authorization_endpoint.clone();
    url.query_pairs_mut().extend_pairs(&in_query);
    Ok(url)
}

/// What OpenID Connect Core 1.0 §6.1 wants in the query beside a request object, and RFC 9101 §5 allows there. The values are
/// those in the object, and they are no secret; a pushed request has them in the object alone (RFC 9126 §3).
fn beside_request_object(
    parameters: &[(String, String)],
    request: Vec<(String, String)>,
) -> Vec<(String, String)> {
    let visible = |(name, _): &&(String, String)| name == "response_type" || name == "scope";
    parameters.iter().filter(visible).cloned().chain(request).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// RFC 9101 §4.
fn request_object(
    provider: &OidcProvider,
    metadata: &ProviderMetadata,
    client: &RegisteredClient,
    algorithm: SigningAlgorithm,
    parameters: &[(String, String)],
) -> Result<String, ProviderError> {
    let now = provider.clock.now();
    let mut claims = Map::new();
    for (name, text) in parameters {
        // As JSON has them (OpenID Connect Core 1.0 §6.1).
        let value = match name.as_str() {
            "max_age" => text.parse::<u64>().map_or_else(|_| text.as_str().into(), Value::from),
            "claims" => serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()),
            _ => text.as_str().into(),
        };
        match claims.get_mut(name) {
            None => {
                claims.insert(name.clone(), value);
            }
            // RFC 8707 §2.1: what is repeated in a query is a list here.
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = json!([first.clone(), value]),
        }
    }
    claims.insert("iss".to_owned(), client.client_id.as_str().into());
    claims.insert("aud".to_owned(), metadata.issuer.as_str().into());
    claims.insert("jti".to_owned(), jwt_id(&*provider.entropy)?.into());
    claims.insert("iat".to_owned(), now.get().into());
    claims.insert("nbf".to_owned(), now.get().into());
    claims.insert("exp".to_owned(), now.plus(REQUEST_OBJECT_LIFETIME).get().into());
    let ClientCredentials::PrivateKey(key) = &client.authentication.credentials else {
        // Configuration refuses this.
        return Err(ProviderError::refused("there is no private key to sign the request object with"));
    };
    key.jwt(REQUEST_OBJECT_TYPE, algorithm, &Value::Object(claims))
        .ok_or_else(|| ProviderError::new("the request object could not be signed"))
}

/// RFC 9126 §2. A failure is an error, never a reason to put the request into the query after all.
async fn push(
    provider: &OidcProvider,
    metadata: &ProviderMetadata,
    client: &RegisteredClient,
    endpoint: &Url,
    request: &[(String, String)],
) -> Result<String, ProviderError> {
    let parameters: Vec<_> = request.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut has_rotated = false;
    let (answer, secret) = loop {
        let secret = client.authentication.secret_in_use();
        let form = client.authentication.authenticate(
            &client.client_id,
            metadata,
            &parameters,
            provider.clock.now(),
            &*provider.entropy,
        )?;
        let headers = FormHeaders { authorization: form.authorization, proof: None };
        let answer = provider
            .http
            .post_form(ExchangeKind::Push, endpoint, form.body, headers, None, MAX_PUSH_ANSWER_BYTES)
            .await?;
        if has_rotated
            || !answer.status.is_client_error()
            || !client.authentication.has_rotated(secret.as_ref()).await
        {
            break (answer, secret);
        }
        has_rotated = true;
    };
    match answer.status {
        // RFC 9126 §2.2 says 201; some servers say 200.
        status if status.is_success() => request_uri(&answer.body).ok_or_else(|| {
            ProviderError::new("its pushed authorization request endpoint answered no usable request_uri")
        }),
        _ => Err(refusal(&answer, secret.as_ref().map(|it| it.as_str()))),
    }
}

pub(super) fn request_uri(body: &[u8]) -> Option<String> {
    let body = provider_json::object(body).ok()?;
    let uri = body.get("request_uri")?.as_str()?;
    let fits =
        (1..=MAX_REQUEST_URI_BYTES).contains(&uri.len()) && uri.bytes().all(|it| it.is_ascii_graphic());
    // What has expired already would leave the user at an error page of the provider's.
    let alive = body.get("expires_in").is_none_or(|it| match it {
        Value::Number(seconds) => seconds.as_f64().is_none_or(|it| it > 0.0),
        lifetime => lenient_seconds(lifetime).is_none_or(|it| it > 0),
    });
    (fits && alive && Url::parse(uri).is_ok()).then(|| uri.to_owned())
}

/// What is likely to help against a refusal (RFC 9126 §2.3).
fn remedy(error: Option<&str>) -> &'static str {
    match error {
        Some("invalid_client") => "compare client.clientId and client.credentials with the registration",
        Some("invalid_request" | "invalid_scope") => {
            "see that client.redirect_uri is registered there to the letter, and that client.scope may be asked for"
        }
        _ => {
            "if it offers pushed requests, but not to this client, set client.pushedAuthorizationRequests to `never`"
        }
    }
}

fn refusal(answer: &Answer, secret: Option<&str>) -> ProviderError {
    let error = known_error(answer);
    let reason = format!(
        "its pushed authorization request endpoint answered {} ({}); {}",
        answer.status,
        in_its_words(answer, secret.as_slice()),
        remedy(error),
    );
    ProviderError {
        refused: answer.status.is_client_error() && answer.status != StatusCode::TOO_MANY_REQUESTS,
        ..ProviderError::retry_after(reason, answer.retry_after())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_push_leads_to_what_is_likely_wrong() {
        assert!(remedy(Some("invalid_client")).contains("client.credentials"));
        assert!(remedy(Some("invalid_request")).contains("client.redirect_uri"));
        for other in [None, Some("unauthorized_client")] {
            assert!(remedy(other).contains("client.pushedAuthorizationRequests"), "{other:?}");
        }
    }

    #[test]
    fn sec_014_only_a_request_uri_that_can_be_used_is_used() {
        let of = |body: Value| request_uri(body.to_string().as_bytes());
        let good = "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c";
        assert_eq!(of(json!({"request_uri": good, "expires_in": 60})).as_deref(), Some(good));
        assert_eq!(of(json!({"request_uri": good})).as_deref(), Some(good));
        assert_eq!(of(json!({"request_uri": good, "expires_in": null})).as_deref(), Some(good));
        for bad in [
            json!({"request_uri": good, "expires_in": 0}),
            json!({"request_uri": good, "expires_in": -1}),
            json!({"request_uri": good, "expires_in": "0"}),
            json!({"request_uri": ""}),
            json!({"request_uri": 7}),
            json!({"request_uri": [good]}),
            json!({"request_uri": "not a uri"}),
            json!({"request_uri": "relative"}),
            json!({"request_uri": "urn:x\r\nSet-Cookie: a=b"}),
            json!({"request_uri": format!("urn:{}", "x".repeat(4096))}),
            json!({}),
            json!([]),
        ] {
            assert_eq!(of(bad.clone()), None, "{bad}");
        }
        assert_eq!(request_uri(b"<html>"), None);
    }
}
