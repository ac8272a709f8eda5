//! A client secret that is rotated while the server runs.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;
use zeroize::Zeroizing;

type Rereading = dyn Fn() -> Option<Zeroizing<String>> + Send + Sync;

/// A secret, and how it is read once more when the provider refuses it.
#[derive(Clone)]
pub struct RotatingSecret {
    current: Arc<RwLock<Zeroizing<String>>>,
    reread: Option<Arc<Rereading>>,
    rereading: Arc<Mutex<()>>,
}

impl RotatingSecret {
    /// One that can be read once more by this function, which may read files.
    pub fn new(
        secret: Zeroizing<String>,
        reread: impl Fn() -> Option<Zeroizing<String>> + Send + Sync + 'static,
    ) -> Self {
        Self { reread: Some(Arc::new(reread)), ..Self::from(secret) }
    }

    /// As it was read last.
    pub(crate) fn current(&self) -> Zeroizing<String> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads it once more, after this one was refused. `true` if there is another one by now, whoever has read it.
    pub(crate) async fn has_changed_from(&self, refused: &str) -> bool {
        let _alone = self.rereading.lock().await;
        if self.current().as_str() != refused {
            return true;
        }
        let Some(reread) = self.reread.clone() else { return false };
        // Files may be on a disk that hangs.
        let Ok(Some(found)) = tokio::task::spawn_blocking(move || reread()).await else { return false };
        if found.as_str() == refused {
            return false;
        }
        tracing::info!(
            event = "client_secret_rotated",
            "the provider refused the client's secret, and the one that is configured has changed; taking it"
        );
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = found;
        true
    }
}

impl From<Zeroizing<String>> for RotatingSecret {
    fn from(secret: Zeroizing<String>) -> Self {
        Self { current: Arc::new(RwLock::new(secret)), reread: None, rereading: Arc::default() }
    }
}

impl From<String> for RotatingSecret {
    fn from(secret: String) -> Self {
        Zeroizing::new(secret).into()
    }
}

impl From<&str> for RotatingSecret {
    fn from(secret: &str) -> Self {
        secret.to_owned().into()
    }
}
