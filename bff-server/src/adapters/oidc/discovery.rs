//! Metadata in the background: fetched at start, retried with back-off while the provider is down,
//! refreshed every hour, and never thrown away because a later fetch failed. No request waits for it.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use http::StatusCode;

use super::OidcProvider;
use crate::{
    domain::metadata::ProviderMetadata,
    ports::{AuthorizationServer as _, ProviderError},
};

const MAX_METADATA_BYTES: usize = 256 * 1024;
const REFRESH_INTERVAL: Duration = Duration::from_hours(1);
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(15);

impl OidcProvider {
    /// Fetches the metadata and the keys now, and again and again for as long as it is polled.
    pub async fn keep_fresh(self: Arc<Self>) {
        let mut retry = FIRST_RETRY;
        loop {
            let known = self.metadata().await.is_ok();
            let wait = match self.refresh().await {
                Ok(()) => {
                    if !known {
                        tracing::info!(issuer = %self.settings.issuer, "the authorization server is ready");
                    }
                    retry = FIRST_RETRY;
                    REFRESH_INTERVAL
                }
                Err(error) => {
                    tracing::warn!(issuer = %self.settings.issuer, %error, still_usable = known,
                        "the authorization server's metadata could not be fetched");
                    let wait = retry;
                    retry = (retry * 2).min(LAST_RETRY);
                    wait
                }
            };
            tokio::time::sleep(self.jittered(wait)).await;
        }
    }

    /// One fetch of metadata and keys.
    async fn refresh(&self) -> Result<(), ProviderError> {
        let fetched = self.fetch_metadata().await;
        match self.remember(fetched)?.jwks_uri.as_ref() {
            Some(jwks_uri) => self.keys.refresh(jwks_uri, &self.http).await,
            None => Ok(()),
        }
    }

    /// Good metadata replaces what is known; a failure replaces only another failure.
    fn remember(
        &self,
        fetched: Result<ProviderMetadata, ProviderError>,
    ) -> Result<Arc<ProviderMetadata>, ProviderError> {
        let mut current = self.metadata.write().unwrap_or_else(PoisonError::into_inner);
        let fetched = fetched.map(Arc::new);
        match &fetched {
            Ok(metadata) if metadata.silent_about_pkce && current.is_err() => {
                tracing::warn!(issuer = %metadata.issuer, "the metadata does not say whether PKCE (S256) is \
                    supported; it is used in any case");
            }
            Err(_) if current.is_ok() => return fetched,
            _ => {}
        }
        current.clone_from(&fetched);
        fetched
    }

    async fn fetch_metadata(&self) -> Result<ProviderMetadata, ProviderError> {
        let url = &self.settings.metadata_url;
        let answer = self.http.get(url, MAX_METADATA_BYTES).await?;
        if answer.status != StatusCode::OK {
            return Err(ProviderError::new(format!("{url} answered {}", answer.status)));
        }
        let metadata = ProviderMetadata::parse(&answer.body, &self.settings.issuer, self.settings.transport)
            .map_err(|error| ProviderError::new(format!("{url}: {error}")))?;
        if self.settings.issues_id_tokens && metadata.jwks_uri.is_none() {
            return Err(ProviderError::new(format!(
                "{url}: the metadata has no jwks_uri, so ID tokens cannot be checked"
            )));
        }
        Ok(metadata)
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
