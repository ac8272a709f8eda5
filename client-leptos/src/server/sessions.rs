//! Where sessions are found.

use http::request::Parts;

use super::{NoAccess, ServerAccessToken, ServerSession};

/// Where the sessions of requests are found. Clones are handles to the same.
#[derive(Clone)]
pub struct Sessions(Source);

#[derive(Clone)]
enum Source {
    #[cfg(feature = "mounted")]
    Mounted(super::mounted::Mounted),
    #[cfg(feature = "remote")]
    Remote(super::RemoteBff),
}

impl Sessions {
    /// In the `authtool-bff` that is mounted in this process.
    #[cfg(feature = "mounted")]
    #[cfg_attr(docsrs, doc(cfg(feature = "mounted")))]
    pub fn mounted(bff: &authtool_bff::Bff) -> Self {
        Self(Source::Mounted(super::mounted::Mounted::new(bff)))
    }

    /// In an `authtool-bff` elsewhere, over HTTP.
    #[cfg(feature = "remote")]
    #[cfg_attr(docsrs, doc(cfg(feature = "remote")))]
    pub fn remote(bff: super::RemoteBff) -> Self {
        Self(Source::Remote(bff))
    }

    pub(super) async fn session(&self, request: &Parts) -> Result<ServerSession, NoAccess> {
        match &self.0 {
            #[cfg(feature = "mounted")]
            Source::Mounted(mounted) => mounted.session(request).await,
            #[cfg(feature = "remote")]
            Source::Remote(remote) => remote.session(request).await,
            #[cfg(not(any(feature = "mounted", feature = "remote")))]
            _ => {
                let _ = request;
                Err(NoAccess::NotSetUp)
            }
        }
    }

    pub(super) async fn access_token(&self, request: &Parts) -> Result<ServerAccessToken, NoAccess> {
        match &self.0 {
            #[cfg(feature = "mounted")]
            Source::Mounted(mounted) => mounted.access_token(request).await,
            #[cfg(feature = "remote")]
            Source::Remote(remote) => remote.access_token(request).await,
            #[cfg(not(any(feature = "mounted", feature = "remote")))]
            _ => {
                let _ = request;
                Err(NoAccess::NotSetUp)
            }
        }
    }
}
