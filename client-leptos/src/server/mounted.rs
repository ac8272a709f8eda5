//! Sessions in the same process.

use authtool_bff::{Bff, extract};
use axum::extract::FromRequestParts;
use axum::response::Response;
use http::request::Parts;

use super::{NoAccess, ServerAccessToken, ServerSession};

#[derive(Clone)]
pub(super) struct Mounted(extract::Extractors);

impl Mounted {
    pub(super) fn new(bff: &Bff) -> Self {
        Self(bff.extractors().0)
    }

    pub(super) async fn session(&self, request: &Parts) -> Result<ServerSession, NoAccess> {
        let session: extract::Session = self.extract(request).await?;
        Ok(ServerSession { claims: session.claims, expires_in: session.expires_in })
    }

    pub(super) async fn access_token(&self, request: &Parts) -> Result<ServerAccessToken, NoAccess> {
        let token: extract::AccessToken = self.extract(request).await?;
        Ok(ServerAccessToken { token: token.expose().to_owned(), expires_in: token.expires_in })
    }

    async fn extract<T>(&self, request: &Parts) -> Result<T, NoAccess>
    where
        T: FromRequestParts<(), Rejection = Response>,
    {
        let mut request = request.clone();
        request.extensions.insert(self.0.clone());
        T::from_request_parts(&mut request, &())
            .await
            .map_err(|refusal| NoAccess::of(refusal.status(), refusal.headers()))
    }
}
