//! One HTTP client for everything we ask of an authorization server: no redirects (a redirect from a
//! token endpoint is a way to make us call something else), no cookies, no proxy but the configured one,
//! no decompression, and limits on time and size that hold while the answer streams in.

use std::{sync::Once, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::{Client, RequestBuilder};
use tokio::sync::Semaphore;
use tracing::Instrument as _;
use url::Url;

use crate::{
    adapters::{
        http_failure,
        outbound::{OutboundSettings, client_builder},
    },
    domain::{dpop::HeldToken, provider_json},
    ports::{HeldLease, ProviderError},
    telemetry::{self, traces},
};

/// Time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// An idle connection that something on the way has forgotten is noticed before it is used, within this and a few seconds: a
/// code or a refresh token that is sent on it would be answered by nobody, and could not be sent again.
const KEEPALIVE: Duration = Duration::from_secs(5);
const KEEPALIVE_AGAIN: Duration = Duration::from_secs(2);
const KEEPALIVE_RETRIES: u32 = 2;

/// Time for a whole exchange.
pub(super) const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time to wait for a turn.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// A refresh token is sent only under a lease that lasts this much longer. Less is left where the lease could not be
/// renewed: the process was paused, or the store is in trouble, and would not take the new tokens either.
const LEAST_LEASE: Duration = Duration::from_secs(2);

/// Exchanges with the provider at one time; more wait their turn. Counted by kind, so that codes and logins,
/// which anybody can make up, do not hold up the refreshes of people who are logged in.
const MAX_CONCURRENT: usize = 48;

/// An answer, read whole.
pub(super) struct Answer {
    /// Its status.
    pub(super) status: StatusCode,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// Its body, within the limit.
    pub(super) body: Bytes,
}

impl Answer {
    /// Its media type in lower case, without parameters; empty where it has none.
    pub(super) fn media_type(&self) -> String {
        self.headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    }

    /// Whether the body says it is JSON (`application/json` or `application/…+json`).
    pub(super) fn is_json(&self) -> bool {
        let media_type = self.media_type();
        media_type == "application/json"
            || (media_type.starts_with("application/") && media_type.ends_with("+json"))
    }

    /// `Retry-After` in seconds, at most an hour.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let seconds: u64 = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds.min(3600)))
    }
}

/// The `Content-Encoding` of an answer, where it is not as it was asked for (RFC 9110 §8.4.1).
fn foreign_coding(headers: &HeaderMap) -> Option<String> {
    let codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let mut codings =
        codings.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let foreign = codings.find(|it| !it.is_empty() && !it.eq_ignore_ascii_case(b"identity"))?;
    let printable = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'-';
    Some(foreign.iter().filter(printable).take(20).map(|byte| char::from(*byte)).collect())
}

/// RFC 9449 §4.1.
const DPOP: HeaderName = HeaderName::from_static("dpop");
/// RFC 9449 §8.
pub(super) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// What goes with a form and is not in it.
#[derive(Default)]
pub(super) struct FormHeaders {
    /// The client's `Authorization`.
    pub(super) authorization: Option<HeaderValue>,
    /// The `DPoP` proof.
    pub(super) proof: Option<HeaderValue>,
}

/// What an exchange is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExchangeKind {
    /// A code for tokens.
    Code,
    /// A refresh token for tokens.
    Refresh,
    /// An authorization request that is pushed.
    Push,
    /// A user's claims.
    UserInfo,
    /// Revocation.
    Revocation,
    /// Metadata or keys.
    Fetch,
}

impl ExchangeKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Refresh => "refresh",
            Self::Push => "push",
            Self::UserInfo => "userinfo",
            Self::Revocation => "revocation",
            Self::Fetch => "fetch",
        }
    }
}

/// The client.
pub(super) struct BackChannel {
    client: Client,
    codes: Semaphore,
    refreshes: Semaphore,
    pushes: Semaphore,
    others: Semaphore,
}

impl BackChannel {
    pub(super) fn new(outbound: &OutboundSettings) -> Result<Self, ProviderError> {
        let client = client_builder!(Client, outbound)
            .and_then(|builder| {
                builder
                    .user_agent(concat!("authtool-bff/", env!("CARGO_PKG_VERSION")))
                    .referer(false)
                    .connect_timeout(CONNECT_TIMEOUT)
                    .timeout(EXCHANGE_TIMEOUT)
                    .pool_idle_timeout(Duration::from_secs(30))
                    .tcp_keepalive(KEEPALIVE)
                    .tcp_keepalive_interval(KEEPALIVE_AGAIN)
                    .tcp_keepalive_retries(KEEPALIVE_RETRIES)
                    .http2_keep_alive_interval(KEEPALIVE)
                    .http2_keep_alive_timeout(KEEPALIVE_AGAIN)
                    .http2_keep_alive_while_idle(true)
                    .build()
            })
            .map_err(|error| ProviderError::new(describe(&error)))?;
        let permits = || Semaphore::new(MAX_CONCURRENT);
        Ok(Self { client, codes: permits(), refreshes: permits(), pushes: permits(), others: permits() })
    }

    /// `GET`, for metadata and keys.
    pub(super) async fn get(&self, url: &Url, max_bytes: usize) -> Result<Answer, ProviderError> {
        let request = self.client.get(url.clone()).header(header::ACCEPT, "application/json");
        self.exchange(ExchangeKind::Fetch, request, None, max_bytes).await
    }

    /// `GET` with an access token, and its proof if it needs one.
    pub(super) async fn get_as(
        &self,
        url: &Url,
        token: HeldToken<'_>,
        proof: Option<HeaderValue>,
        max_bytes: usize,
    ) -> Result<Answer, ProviderError> {
        let scheme = token.token_type().as_str();
        let mut authorization = HeaderValue::try_from(format!("{scheme} {}", token.access_token.expose()))
            .map_err(|_| ProviderError::new("the access token does not fit into a header"))?;
        authorization.set_sensitive(true);
        let mut request = self
            .client
            .get(url.clone())
            .header(header::ACCEPT, "application/json, application/jwt")
            .header(header::AUTHORIZATION, authorization);
        if let Some(mut proof) = proof {
            proof.set_sensitive(true);
            request = request.header(DPOP, proof);
        }
        self.exchange(ExchangeKind::UserInfo, request, None, max_bytes).await
    }

    /// `POST` of a form.
    pub(super) async fn post_form(
        &self,
        kind: ExchangeKind,
        url: &Url,
        form: String,
        headers: FormHeaders,
        lease: Option<&HeldLease>,
        max_bytes: usize,
    ) -> Result<Answer, ProviderError> {
        let mut request = self
            .client
            .post(url.clone())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        let FormHeaders { authorization, proof } = headers;
        for (name, value) in [(header::AUTHORIZATION, authorization), (DPOP, proof)] {
            if let Some(mut value) = value {
                value.set_sensitive(true);
                request = request.header(name, value);
            }
        }
        self.exchange(kind, request, lease, max_bytes).await
    }

    async fn exchange(
        &self,
        kind: ExchangeKind,
        request: RequestBuilder,
        lease: Option<&HeldLease>,
        max_bytes: usize,
    ) -> Result<Answer, ProviderError> {
        let started = std::time::Instant::now();
        let span = traces::call(kind.name());
        let mut context = HeaderMap::new();
        traces::propagate(&span, &mut context);
        // Nothing is inflated here, and a server that is not asked may choose any coding (RFC 9110 §12.5.3).
        let request = request.headers(context).header(header::ACCEPT_ENCODING, "identity");
        let exchange = self.exchange_unmeasured(kind, request, lease, max_bytes);
        let outcome = exchange.instrument(span).await;
        let ok = outcome.as_ref().is_ok_and(|answer| !answer.status.is_server_error());
        telemetry::provider(kind.name(), ok, started.elapsed());
        outcome
    }

    async fn exchange_unmeasured(
        &self,
        kind: ExchangeKind,
        request: RequestBuilder,
        lease: Option<&HeldLease>,
        max_bytes: usize,
    ) -> Result<Answer, ProviderError> {
        let permits = match kind {
            ExchangeKind::Code | ExchangeKind::UserInfo => &self.codes,
            ExchangeKind::Refresh => &self.refreshes,
            ExchangeKind::Push => &self.pushes,
            ExchangeKind::Revocation | ExchangeKind::Fetch => &self.others,
        };
        let _permit = tokio::time::timeout(QUEUE_TIMEOUT, permits.acquire())
            .await
            .map_err(|_| ProviderError {
                not_asked: true,
                ..ProviderError::retry_after("too many exchanges with it are under way", Some(QUEUE_TIMEOUT))
            })?
            .map_err(|error| ProviderError::new(error.to_string()))?;
        // Right before it goes out: the wait for a turn may have been long.
        if lease.is_some_and(|lease| !lease.lasts(LEAST_LEASE)) {
            return Err(ProviderError {
                not_asked: true,
                ..ProviderError::retry_after(
                    "the lease for asking it ran out before it was asked",
                    Some(Duration::from_secs(1)),
                )
            });
        }
        let mut response = request.send().await.map_err(|error| ProviderError::new(describe(&error)))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = BytesMut::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| ProviderError::new(describe(&error)))?
        {
            if body.len().saturating_add(chunk.len()) > max_bytes {
                return Err(ProviderError::new(format!("its answer is larger than {max_bytes} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        let body = without_mark(body.freeze());
        if !body.is_empty()
            && let Some(coding) = foreign_coding(&headers)
        {
            if !is_plain(&coding, &body) {
                return Err(ProviderError::new(format!(
                    "it answered {status} in the coding `{coding}`, though only `identity` was accepted; turn off \
                     compression at the provider, or at the proxy before it, for its OAuth endpoints"
                )));
            }
            warn_of_label(&coding);
        }
        Ok(Answer { status, headers, body })
    }
}

/// The codings that change a body (IANA's "HTTP Content Coding Registry"). Other values are none: some providers put a character
/// set there, or `none`.
const CODINGS: &[&str] = &[
    "aes128gcm",
    "br",
    "compress",
    "dcb",
    "dcz",
    "deflate",
    "exi",
    "gzip",
    "pack200-gzip",
    "x-compress",
    "x-gzip",
    "zstd",
];

fn warn_of_label(coding: &str) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!(
            coding,
            "an answer of the authorization server names a coding (Content-Encoding) that it is not in; it is read as it is"
        );
    });
}

/// Whether a body is not in the coding that its header names. What is JSON as it stands was not coded: some proxies undo a
/// coding, and leave the header.
fn is_plain(coding: &str, body: &[u8]) -> bool {
    let is_one = CODINGS.iter().any(|it| it.eq_ignore_ascii_case(coding));
    !is_one || provider_json::value(body).is_ok()
}

/// RFC 8259 §8.1: no JSON text begins with a byte order mark, and a reader may ignore one. Some files have one all the same.
fn without_mark(body: Bytes) -> Bytes {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    static SAID: Once = Once::new();
    if !body.starts_with(MARK) {
        return body;
    }
    SAID.call_once(|| {
        tracing::warn!(
            "an answer of the authorization server begins with a byte order mark, which is ignored"
        );
    });
    body.slice(MARK.len()..)
}

/// In words, for a log.
fn describe(error: &reqwest::Error) -> String {
    http_failure::describe(error, || {
        format!("it did not answer within {} seconds", EXCHANGE_TIMEOUT.as_secs())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coding_that_was_not_asked_for_is_named() {
        let coding = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_str(value).unwrap());
            }
            foreign_coding(&headers)
        };
        for fine in
            [&[][..], &["identity"], &["Identity"], &[""], &["identity, identity"], &["identity", " "]]
        {
            assert_eq!(coding(fine), None, "{fine:?}");
        }
        for (values, named) in [
            (&["gzip"][..], "gzip"),
            (&["br"], "br"),
            (&["identity, zstd"], "zstd"),
            (&["identity", "x-gzip"], "x-gzip"),
            (&["<script>"], "script"),
        ] {
            assert_eq!(coding(values).as_deref(), Some(named), "{values:?}");
        }
    }

    #[test]
    fn a_body_that_is_in_no_coding_is_read_whatever_its_header_says() {
        for coding in ["utf-8", "none", "8bit", "binary", "UTF8"] {
            assert!(is_plain(coding, b"{}") && is_plain(coding, b"eyJ.e30.c2ln"), "{coding}");
        }
        for coding in ["gzip", "GZIP", "br", "zstd", "x-gzip", "deflate"] {
            assert!(is_plain(coding, br#"{"access_token":"at"}"#), "{coding}");
            assert!(!is_plain(coding, b"\x1f\x8b\x08") && !is_plain(coding, b"<html>"), "{coding}");
        }
    }

    #[tokio::test]
    async fn sec_088_a_refresh_token_is_not_sent_under_a_lease_that_may_end_before_the_answer() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        server.set_nonblocking(true).unwrap();
        let url = Url::parse(&format!("http://{}/token", server.local_addr().unwrap())).unwrap();
        let lease = HeldLease::taken(tokio::time::Instant::now(), LEAST_LEASE);
        let form = "refresh_token=rt".to_owned();
        let http = BackChannel::new(&OutboundSettings::default()).unwrap();
        let refused = http
            .post_form(ExchangeKind::Refresh, &url, form, FormHeaders::default(), Some(&lease), 1024)
            .await
            .err()
            .unwrap();
        assert!(refused.not_asked, "{refused}");
        assert!(server.accept().is_err(), "nobody has even connected");
    }
}
