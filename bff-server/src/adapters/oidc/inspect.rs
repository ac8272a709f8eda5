//! What a diagnosis asks of an authorization server, and a login does not.

use std::{sync::Arc, time::SystemTime};

use ::http::{StatusCode, header};
use url::Url;

use super::{AuthenticationMethod, MetadataSource, OidcProvider, jwks::PassedOver};
use crate::{
    domain::metadata::ProviderMetadata,
    ports::{ClientName, ProviderError},
};

/// Login pages can be large.
const MAX_PAGE_BYTES: usize = 2 * 1024 * 1024;

/// What a browser would be shown.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    /// Where it would be sent instead.
    pub(crate) location: Option<Url>,
    pub(crate) text: String,
}

impl OidcProvider {
    /// The method by which a client authenticates here.
    pub(crate) fn authentication_method(
        &self,
        client: ClientName<'_>,
        metadata: &ProviderMetadata,
    ) -> Result<AuthenticationMethod, ProviderError> {
        Ok(self.client(client)?.authentication.method(metadata))
    }

    /// Metadata alone, once.
    pub(crate) async fn discover(&self) -> Result<Arc<ProviderMetadata>, ProviderError> {
        let fetched = self.fetch_metadata().await;
        self.remember(fetched)
    }

    /// The keys of metadata that is known.
    pub(crate) async fn fetch_keys(&self, jwks_uri: &Url) -> Result<(), ProviderError> {
        self.keys.refresh(jwks_uri, &self.http).await
    }

    /// The keys that ID tokens can be verified with, in words, and the others with the reason.
    pub(crate) fn keys(&self) -> (Vec<String>, Vec<PassedOver>) {
        self.keys.inventory()
    }

    /// Opens a page as a browser without cookies does, and goes nowhere from there.
    pub(crate) async fn look_at(&self, url: &Url) -> Result<Page, ProviderError> {
        let answer = self.http.get(url, MAX_PAGE_BYTES).await?;
        let location = answer.headers.get(header::LOCATION).filter(|_| answer.status.is_redirection());
        let location = location.and_then(|it| url.join(it.to_str().ok()?).ok());
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        Ok(Page { status: answer.status, location, text })
    }

    /// The time at the provider, as its answers say it (RFC 9110 §6.6.1), to the second.
    pub(crate) async fn time(&self, metadata: &ProviderMetadata) -> Option<SystemTime> {
        let url = match &self.settings.metadata {
            MetadataSource::At(places) => places.first()?,
            MetadataSource::Configuration => metadata.jwks_uri.as_ref()?,
        };
        let answer = self.http.get(url, MAX_PAGE_BYTES).await.ok()?;
        // A cache's copy is of the past (RFC 9111 §5.1).
        if answer.headers.contains_key(header::AGE) {
            return None;
        }
        httpdate::parse_http_date(answer.headers.get(header::DATE)?.to_str().ok()?).ok()
    }
}
