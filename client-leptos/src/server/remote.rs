//! Sessions in an `authtool-bff` elsewhere, over HTTP.

use std::fmt;
use std::time::Duration;

use authtool_contract::endpoint::{SESSION, TOKEN};
use authtool_contract::header::{CSRF, CSRF_VALUE, GATEWAY_CREDENTIAL, SESSION_COOKIE};
use authtool_contract::{SESSION_MEMBER, SessionAnswer, TokenAnswer};
use http::{HeaderValue, header, request::Parts};
use serde::de::DeserializeOwned;

use super::provenance::may_use_session;
use super::{NoAccess, ServerAccessToken, ServerSession};

/// More than any session or token of ours.
const LONGEST_BODY: usize = 65_536;

/// A page waits for this.
const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// An `authtool-bff` elsewhere.
///
/// It is sent the session cookie of a request and nothing else that the request brings, follows no redirects, knows no
/// proxy, and gives up after five seconds.
#[derive(Clone)]
pub struct RemoteBff {
    client: reqwest::Client,
    session_url: String,
    token_url: String,
    credential: Option<HeaderValue>,
}

/// An address that is none, or a credential that no header can carry.
#[derive(Debug)]
pub struct InvalidRemote(String);

impl fmt::Display for InvalidRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidRemote {}

impl RemoteBff {
    /// `base_url` is the server's address with its `server.apiPrefix`, such as `http://bff.internal:3000/bff`.
    pub fn new(base_url: &str) -> Result<Self, InvalidRemote> {
        let base = checked(base_url)?;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(|error| InvalidRemote(format!("no HTTP client can be made: {error}")))?;
        Ok(Self {
            client,
            session_url: format!("{base}{SESSION}"),
            token_url: format!("{base}{TOKEN}"),
            credential: None,
        })
    }

    /// Asks for tokens at another address, such as the internal listener's: `http://bff.internal:3001/bff`.
    pub fn tokens_at(self, base_url: &str) -> Result<Self, InvalidRemote> {
        Ok(Self { token_url: format!("{}{TOKEN}", checked(base_url)?), ..self })
    }

    /// Proves itself with the server's `server.gatewayCredential` when it asks for tokens.
    pub fn gateway_credential(self, credential: &str) -> Result<Self, InvalidRemote> {
        let mut credential = HeaderValue::from_str(credential).map_err(|_| {
            InvalidRemote(
                "the gateway credential holds a character that no header can carry; use letters and digits"
                    .to_owned(),
            )
        })?;
        credential.set_sensitive(true);
        Ok(Self { credential: Some(credential), ..self })
    }

    pub(super) async fn session(&self, request: &Parts) -> Result<ServerSession, NoAccess> {
        let asking = self.client.get(&self.session_url);
        let SessionAnswer { session, mut claims, .. } = ask(asking, request).await?;
        claims.remove(SESSION_MEMBER);
        Ok(ServerSession { claims, expires_in: session.expires_in })
    }

    pub(super) async fn access_token(&self, request: &Parts) -> Result<ServerAccessToken, NoAccess> {
        let mut asking = self.client.get(&self.token_url);
        if let Some(credential) = &self.credential {
            asking = asking.header(GATEWAY_CREDENTIAL, credential);
        }
        let answer: TokenAnswer = ask(asking, request).await?;
        Ok(ServerAccessToken { token: answer.access_token, expires_in: answer.expires_in })
    }
}

fn checked(base_url: &str) -> Result<&str, InvalidRemote> {
    let is_http = reqwest::Url::parse(base_url).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
    });
    if is_http {
        Ok(base_url.trim_end_matches('/'))
    } else {
        Err(InvalidRemote(format!(
            "{base_url:?} is no address of a server; write one such as \"http://bff.internal:3000/bff\""
        )))
    }
}

async fn ask<T: DeserializeOwned>(asking: reqwest::RequestBuilder, request: &Parts) -> Result<T, NoAccess> {
    const NO_ANSWER: NoAccess = NoAccess::Unavailable { status: 0, correlation_id: None };
    if !may_use_session(request) {
        return Err(NoAccess::Forbidden);
    }
    let Some(cookie) = session_cookies(request) else {
        return Err(NoAccess::Unauthenticated);
    };
    let mut response = asking
        .header(header::COOKIE, cookie)
        .header(header::ACCEPT, "application/json")
        .header(CSRF, CSRF_VALUE)
        .send()
        .await
        .map_err(|_| NO_ANSWER)?;
    if response.status() != http::StatusCode::OK {
        return Err(NoAccess::of(response.status(), response.headers()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| NO_ANSWER)? {
        if body.len() + chunk.len() > LONGEST_BODY {
            return Err(NO_ANSWER);
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(|_| NO_ANSWER)
}

/// Every cookie that may be the session's, byte by byte: which of them counts is the server's to decide, and two are its
/// to refuse.
fn session_cookies(request: &Parts) -> Option<HeaderValue> {
    let mut cookies: Vec<&[u8]> = Vec::new();
    for line in request.headers.get_all(header::COOKIE) {
        cookies.extend(
            line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|it| is_session(it)),
        );
    }
    let joined = cookies.join(&b"; "[..]);
    if joined.is_empty() { None } else { HeaderValue::from_bytes(&joined).ok() }
}

fn is_session(cookie: &[u8]) -> bool {
    let name = cookie.split(|byte| *byte == b'=').next().unwrap_or_default();
    ["__Host-Http-", "__Host-", "__Secure-", ""]
        .iter()
        .any(|prefix| name.strip_prefix(prefix.as_bytes()) == Some(SESSION_COOKIE.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_session_cookie_is_forwarded() {
        let request = http::Request::builder()
            .header("cookie", "theme=dark; __Host-session_id=abc; xsession_id=no")
            .header("cookie", "session_id=def;__Host-flow=no")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        assert_eq!(session_cookies(&request).unwrap(), "__Host-session_id=abc; session_id=def");
    }

    #[test]
    fn an_address_that_is_none_is_refused_by_name() {
        for wrong in ["", "bff", "/bff", "ftp://bff/", "http://bff/?x", "http://bff/#x"] {
            let error = RemoteBff::new(wrong).err().unwrap().to_string();
            assert!(error.contains(&format!("{wrong:?}")), "{error}");
        }
    }
}
