//! Proofs for calls of APIs with tokens that are bound to a key (RFC 9449 §7). The key stays here: whoever calls
//! the API gets a proof for the one request that it describes.

use authtool_contract::header::{DPOP_METHOD, DPOP_NONCE, DPOP_URL};
use http::{HeaderMap, Method};
use url::Url;

use super::App;
use crate::{
    domain::dpop::{Nonce, ProvenRequest},
    service::sessions::UsableToken,
};

const MAX_URL_BYTES: usize = 4096;

/// The proof for the request that a gateway describes; `None` where none is needed, or none described.
pub(crate) fn as_described(
    app: &App,
    token: &UsableToken,
    headers: &HeaderMap,
) -> Result<Option<String>, &'static str> {
    if token.proof_key().is_none() {
        return Ok(None);
    }
    let (Some(method), Some(url)) = (one(headers, DPOP_METHOD)?, one(headers, DPOP_URL)?) else {
        return Ok(None);
    };
    let method = method.parse::<Method>().map_err(|_| "x-authtool-dpop-method is not a method")?;
    let url = Some(url)
        .filter(|url| url.len() <= MAX_URL_BYTES)
        .and_then(|url| Url::parse(url).ok())
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or("x-authtool-dpop-url is not an absolute http or https URL")?;
    let nonce = match one(headers, DPOP_NONCE)? {
        None => None,
        Some(nonce) => Some(Nonce::parse(nonce).ok_or("x-authtool-dpop-nonce is not a nonce")?),
    };
    Ok(proof(app, token, &method, &url, nonce.as_ref()))
}

/// The proof for one request with this token; `None` where it needs none.
pub(crate) fn proof(
    app: &App,
    token: &UsableToken,
    method: &Method,
    url: &Url,
    nonce: Option<&Nonce>,
) -> Option<String> {
    let key = token.proof_key()?;
    let request =
        ProvenRequest { method: method.as_str(), url, nonce, access_token: Some(token.access_token()) };
    key.proof(&request, app.entropy.random_256().ok()?, app.clock.now())
}

fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, &'static str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| "an x-authtool-dpop header is not ASCII"),
        (Some(_), Some(_)) => Err("an x-authtool-dpop header is there twice"),
    }
}
