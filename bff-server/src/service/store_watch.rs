//! Whether the session store works, found out from time to time and not when somebody asks: strangers who ask for readiness
//! cause no work, and a connection that nobody uses is used.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{
    domain::{
        session_id::SessionKey,
        session_index::{IndexName, Member},
        time::UnixSeconds,
    },
    ports::{SessionStore, StoreError},
};

/// While it works. Short enough that a connection is not idle for as long as firewalls and NAT gateways wait.
const INTERVAL: Duration = Duration::from_secs(5);
/// While it does not.
const INTERVAL_IN_TROUBLE: Duration = Duration::from_secs(1);
/// A store that says nothing at all for so long is in trouble.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is said, in the store, by which keys cookies are signed here.
const KEYS_INTERVAL: Duration = Duration::from_mins(1);
/// And for how long that counts.
const KEYS_STAY: Duration = Duration::from_mins(3);
/// More deployments than that in one namespace are named by their first.
const MOST_KEYS: usize = 32;

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
    /// Probes for ever. With `keys`, also looks whether somebody else keeps sessions in the same place.
    pub async fn keep_watching(&self, store: &dyn SessionStore, mut keys: Option<SigningKeys>) {
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
                    tracing::info!(event = "store_usable", "the session store works again");
                }
                _ => {}
            }
            if works && let Some(keys) = &mut keys {
                keys.compare(store).await;
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

/// Names of the keys that sign cookies here, in the form of keys of sessions. Replicas say theirs in the store, so that two
/// deployments in one namespace are noticed, whose users would find a 401 at the other one's replicas and nothing in the log.
pub struct SigningKeys {
    current: SessionKey,
    retired: Vec<SessionKey>,
    next: Instant,
    was_said: bool,
}

impl SigningKeys {
    /// From what is derived of each key for this use, the current one first.
    pub fn new(names: impl IntoIterator<Item = SessionKey>) -> Option<Self> {
        let mut names = names.into_iter();
        let current = names.next()?;
        Some(Self { current, retired: names.collect(), next: Instant::now(), was_said: false })
    }

    async fn compare(&mut self, store: &dyn SessionStore) {
        if Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + KEYS_INTERVAL;
        let index = IndexName("signing-keys".to_owned());
        let ours = Member { since: UnixSeconds::new(0), key: self.current.clone() };
        let compared = async {
            store.enlist(&index, &ours, KEYS_STAY, MOST_KEYS).await?;
            store.enlisted(&index).await
        };
        let Ok(all) = compared.await else { return };
        let is_ours = |key: &SessionKey| *key == self.current || self.retired.contains(key);
        if !self.was_said && all.iter().any(|member| !is_ours(&member.key)) {
            self.was_said = true;
            tracing::warn!(
                event = "foreign_signing_key",
                "somebody else keeps sessions in the same place, and signs cookies with a key that is not in session.signingKey \
                 here: their users are not logged in at this replica, nor ours there; give each deployment a namespace of its \
                 own, or all replicas of one the same keys (while a key is rotated, add the new one everywhere first)"
            );
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
        let probing = tokio::spawn(async move { watching.keep_watching(&store, None).await });
        assert!(watch.last().await.is_ok());
        probing.abort();
        let _ended = probing.await;
        for _ in 0..100 {
            assert!(watch.last().await.is_ok(), "the store is gone, and the answer stays");
        }
    }
}
