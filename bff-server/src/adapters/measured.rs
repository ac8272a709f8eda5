//! A store that says how long the one inside it takes.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::{
    domain::{
        session_id::SessionKey,
        session_index::{IndexName, Member},
    },
    ports::{LeaseOwner, Marker, ReplaceOutcome, SessionStore, StoreError, StoredRecord, Version},
    telemetry::{self, traces},
};

/// Measures each operation of a store.
pub struct MeasuredStore(Arc<dyn SessionStore>);

impl MeasuredStore {
    /// Around `store`.
    pub fn new(store: Arc<dyn SessionStore>) -> Self {
        Self(store)
    }
}

async fn measured<T>(
    operation: &'static str,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let started = Instant::now();
    let outcome = work.instrument(traces::call(operation)).await;
    telemetry::store(operation, outcome.is_ok(), started.elapsed());
    outcome
}

#[async_trait]
impl SessionStore for MeasuredStore {
    async fn read(&self, key: &SessionKey) -> Result<Option<StoredRecord>, StoreError> {
        measured("read", self.0.read(key)).await
    }

    /// Not measured: what memory answers is counted where it is kept.
    fn recall(&self, key: &SessionKey) -> Option<StoredRecord> {
        self.0.recall(key)
    }

    async fn read_for_recall(&self, key: &SessionKey) -> Result<Option<StoredRecord>, StoreError> {
        measured("read", self.0.read_for_recall(key)).await
    }

    async fn settle(&self) {
        let settled = async {
            self.0.settle().await;
            Ok::<(), StoreError>(())
        };
        measured("settle", settled).await.unwrap_or_default();
    }

    async fn insert(&self, key: &SessionKey, value: &[u8], ttl: Duration) -> Result<(), StoreError> {
        measured("insert", self.0.insert(key, value, ttl)).await
    }

    async fn replace(
        &self,
        key: &SessionKey,
        expected: Version,
        value: &[u8],
        ttl: Duration,
    ) -> Result<ReplaceOutcome, StoreError> {
        measured("replace", self.0.replace(key, expected, value, ttl)).await
    }

    async fn remove(&self, key: &SessionKey) -> Result<Option<StoredRecord>, StoreError> {
        measured("remove", self.0.remove(key)).await
    }

    async fn spend(&self, marker: &Marker, ttl: Duration) -> Result<bool, StoreError> {
        measured("spend", self.0.spend(marker, ttl)).await
    }

    async fn is_spent(&self, marker: &Marker) -> Result<bool, StoreError> {
        measured("is_spent", self.0.is_spent(marker)).await
    }

    async fn enlist(
        &self,
        index: &IndexName,
        member: &Member,
        ttl: Duration,
        limit: usize,
    ) -> Result<Vec<Member>, StoreError> {
        measured("enlist", self.0.enlist(index, member, ttl, limit)).await
    }

    async fn delist(&self, index: &IndexName, member: &Member) -> Result<(), StoreError> {
        measured("delist", self.0.delist(index, member)).await
    }

    async fn enlisted(&self, index: &IndexName) -> Result<Vec<Member>, StoreError> {
        measured("enlisted", self.0.enlisted(index)).await
    }

    async fn acquire(
        &self,
        key: &SessionKey,
        owner: &LeaseOwner,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        measured("acquire", self.0.acquire(key, owner, lease)).await
    }

    async fn release(&self, key: &SessionKey, owner: &LeaseOwner) -> Result<(), StoreError> {
        measured("release", self.0.release(key, owner)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        measured("ping", self.0.ping()).await
    }
}
