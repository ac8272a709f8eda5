//! Whether the session store works, found out from time to time and not when somebody asks: strangers who ask for readiness
//! cause no work, and a connection that nobody uses is used.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::ports::{SessionStore, StoreError};

/// While it works. Short enough that a connection is not idle for as long as firewalls and NAT gateways wait.
const INTERVAL: Duration = Duration::from_secs(5);
/// While it does not.
const INTERVAL_IN_TROUBLE: Duration = Duration::from_secs(1);
/// A store that says nothing at all for so long is in trouble.
const PATIENCE: Duration = Duration::from_secs(10);

type Outcome = Result<(), Arc<StoreError>>;

/// Probes a store, and remembers the last answer.
pub struct StoreWatch {
    last: watch::Sender<Option<Outcome>>,
}

impl Default for StoreWatch {
    fn default() -> Self {
        Self { last: watch::Sender::new(None) }
    }
}

impl StoreWatch {
    /// Probes for ever.
    pub async fn keep_watching(&self, store: &dyn SessionStore) {
        loop {
            let outcome = match timeout(PATIENCE, store.ping()).await {
                Ok(outcome) => outcome.map_err(Arc::new),
                Err(_) => {
                    let text = format!("it has not answered within {} s", PATIENCE.as_secs());
                    Err(Arc::new(StoreError::new(text)))
                }
            };
            let works = outcome.is_ok();
            let before = self.last.send_replace(Some(outcome.clone()));
            match (before, outcome) {
                (None | Some(Ok(())), Err(error)) => {
                    tracing::warn!(event = "store_unusable", %error, "users cannot log in, or not out");
                }
                (Some(Err(_)), Ok(())) => {
                    tracing::info!(event = "store_usable", "the session store works again")
                }
                _ => {}
            }
            sleep(if works { INTERVAL } else { INTERVAL_IN_TROUBLE }).await;
        }
    }

    /// What the last probe found; at the beginning, the first is waited for.
    pub async fn last(&self) -> Outcome {
        let mut last = self.last.subscribe();
        match timeout(PATIENCE, last.wait_for(Option::is_some)).await {
            Ok(Ok(known)) => known.clone().unwrap_or(Ok(())),
            _ => Err(Arc::new(StoreError::new("it has not been probed yet"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::{SystemClock, embedded::EmbeddedStore};

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_gets_the_last_answer_and_causes_no_probe() {
        let (watch, store) =
            (Arc::new(StoreWatch::default()), EmbeddedStore::in_memory(Arc::new(SystemClock)).unwrap());
        assert!(watch.last().await.is_err(), "nobody probes");
        let watching = Arc::clone(&watch);
        let probing = tokio::spawn(async move { watching.keep_watching(&store).await });
        assert!(watch.last().await.is_ok());
        probing.abort();
        let _ended = probing.await;
        for _ in 0..100 {
            assert!(watch.last().await.is_ok(), "the store is gone, and the answer stays");
        }
    }
}
