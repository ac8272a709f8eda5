//! Metadata in the background: fetched at start, retried with back-off while the provider is down,
//! refreshed every hour, and never thrown away because a later fetch failed. No request waits for it.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use http::StatusCode;
use url::Url;

use super::{MetadataSource, OidcProvider};
use crate::{
    domain::metadata::{ProviderMetadata, UnusableMetadata},
    ports::ProviderError,
};

const MAX_METADATA_BYTES: usize = 256 * 1024;
const REFRESH_INTERVAL: Duration = Duration::from_hours(1);
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(15);

/// Metadata that a token contradicts is fetched anew at most once per this time.
const MIN_RENEWAL_INTERVAL: Duration = Duration::from_secs(30);

/// Whoever waits for it holds a refresh lease, or a login.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(5);

fn not_of_use(from: &str, error: &UnusableMetadata) -> ProviderError {
    ProviderError::misconfigured(format!("{from}: {error}"))
}

/// Whether such an answer may be another one in a moment, with the same configuration.
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error()
        || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS]
            .contains(&status)
}

impl OidcProvider {
    /// Fetches the metadata and the keys now, and again and again for as long as it is polled.
    pub async fn keep_fresh(self: Arc<Self>) {
        let mut retry = FIRST_RETRY;
        loop {
            let known = self.is_usable();
            let wait = match self.fetch().await {
                Ok(()) => {
                    if !known {
                        tracing::info!(issuer = %self.settings.issuer, "the authorization server is ready");
                    }
                    retry = FIRST_RETRY;
                    REFRESH_INTERVAL
                }
                Err(error) => {
                    tracing::warn!(issuer = %self.settings.issuer, %error, still_usable = known,
                        "the authorization server's metadata could not be fetched, or its keys cannot be used");
                    let wait = retry;
                    retry = (retry * 2).min(LAST_RETRY);
                    wait
                }
            };
            tokio::time::sleep(self.jittered(wait)).await;
        }
    }

    /// Whether logins would work with what is known.
    fn is_usable(&self) -> bool {
        self.known_metadata().is_ok() && !(self.needs_keys() && self.keys.trouble().is_some())
    }

    /// Fetches metadata and keys once.
    pub async fn fetch(&self) -> Result<(), ProviderError> {
        let metadata = self.discover().await?;
        let Some(jwks_uri) = metadata.jwks_uri.as_ref() else { return Ok(()) };
        match self.fetch_keys(jwks_uri).await {
            // Signed userinfo may want them later, and fetches them then.
            Err(error) if !self.needs_keys() => {
                tracing::debug!(issuer = %self.settings.issuer, %error, "keys that no login needs cannot be used");
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Metadata that is newer than this, fetched now if need be. `None` where that was done a moment ago.
    pub(super) async fn renewed_metadata(
        &self,
        seen: &Arc<ProviderMetadata>,
    ) -> Result<Option<Arc<ProviderMetadata>>, ProviderError> {
        let mut last = self.last_renewal.lock().await;
        let current = self.known_metadata()?;
        if !Arc::ptr_eq(&current, seen) {
            return Ok(Some(current));
        }
        if last.is_some_and(|at| at.elapsed() < MIN_RENEWAL_INTERVAL) {
            return Ok(None);
        }
        let fetched = tokio::time::timeout(RENEWAL_TIMEOUT, self.discover()).await;
        *last = Some(Instant::now());
        fetched.map_err(|_| ProviderError::new("its metadata could not be fetched in time"))?.map(Some)
    }

    /// Good metadata replaces what is known; a failure replaces only another failure.
    pub(super) fn remember(
        &self,
        fetched: Result<ProviderMetadata, ProviderError>,
    ) -> Result<Arc<ProviderMetadata>, ProviderError> {
        let mut current = self.metadata.write().unwrap_or_else(PoisonError::into_inner);
        let fetched = fetched.map(Arc::new);
        if let Ok(metadata) = &fetched {
            let said = current.as_ref().map_or(&[][..], |it| &it.passed_over);
            for member in metadata.passed_over.iter().filter(|it| !said.contains(it)) {
                tracing::warn!(issuer = %metadata.issuer, event = "metadata_member_passed_over", %member,
                    "a member of the metadata cannot be used, and counts as absent");
            }
        }
        match &fetched {
            Ok(metadata) if metadata.silent_about_pkce && current.is_err() => {
                tracing::warn!(issuer = %metadata.issuer, "the metadata does not say whether PKCE (S256) is \
                    supported; it is used in any case");
                if self.settings.omits_nonce {
                    tracing::warn!(issuer = %metadata.issuer, "ID tokens may come without a nonce \
                        (client.allowIdTokensWithoutNonce), so logins rest on PKCE alone: make sure that the provider \
                        checks the code_verifier");
                }
            }
            Err(_) if current.is_ok() => return fetched,
            _ => {}
        }
        current.clone_from(&fetched);
        drop(current);
        self.has_asked.send_replace(true);
        fetched
    }

    pub(super) async fn fetch_metadata(&self) -> Result<ProviderMetadata, ProviderError> {
        let settings = &self.settings;
        let (configured, issuer) = (&settings.configured_metadata, &settings.issuer);
        let (from, metadata) = match &settings.metadata {
            MetadataSource::Configuration => {
                let made = ProviderMetadata::of_configuration(configured, issuer, settings.transport);
                ("client.endpoints", made.map_err(|error| not_of_use("client.endpoints", &error))?)
            }
            MetadataSource::At(places) => self.fetch_document(places).await?,
        };
        if settings.issues_id_tokens && metadata.jwks_uri.is_none() {
            return Err(ProviderError::misconfigured(format!(
                "{from}: the metadata has no jwks_uri, so ID tokens cannot be checked"
            )));
        }
        Ok(metadata)
    }

    /// The first document of this issuer. Where a place has none, or another's (an app's page, or what one of two readings
    /// of `issuerMetadataSegment` leads to), the next one is asked; a provider in trouble would be in trouble there too.
    async fn fetch_document<'a>(
        &self,
        places: &'a [Url],
    ) -> Result<(&'a str, ProviderMetadata), ProviderError> {
        let settings = &self.settings;
        let (configured, issuer) = (&settings.configured_metadata, &settings.issuer);
        let mut failures = Vec::new();
        for url in places {
            let answer = self.http.get(url, MAX_METADATA_BYTES).await?;
            let status = answer.status;
            if !status.is_success() {
                failures.push(format!("{url} answered {status}"));
                if may_pass(status) {
                    return Err(ProviderError::new(failures.join("; ")));
                }
                continue;
            }
            match ProviderMetadata::parse(&answer.body, configured, issuer, settings.transport) {
                Ok(metadata) => return Ok((url.as_str(), metadata)),
                Err(error) if error.may_be_another_document() => failures.push(format!("{url}: {error}")),
                Err(error) => return Err(not_of_use(url.as_str(), &error)),
            }
        }
        if failures.is_empty() {
            failures.push("no place is configured for its metadata".to_owned());
        }
        Err(ProviderError::misconfigured(failures.join("; ")))
    }

    /// Up to a quarter more, so that replicas do not ask in step.
    fn jittered(&self, wait: Duration) -> Duration {
        let mut byte = [0];
        match self.entropy.fill(&mut byte) {
            Ok(()) => wait + wait * u32::from(byte[0]) / 1024,
            Err(_) => wait,
        }
    }
}
