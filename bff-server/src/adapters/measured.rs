//! A store that says how long the one inside it takes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tracing::Instrument as _;

use crate::{
    domain::{
        session_id::SessionKey,
        session_index::{IndexName, Member},
        time::UnixSeconds,
    },
    ports::{
        LeaseOwner, Marker, OwedName, OwedWrite, Reading, Recalled, ReplaceOutcome, SessionStore, Steps,
        StoreError, StoredRecord, Version,
    },
    telemetry::{StoreOperation, traces},
};

/// Measures each operation of a store.
pub struct MeasuredStore {
    inner: Arc<dyn SessionStore>,
    operations: Operations,
}

macro_rules! operations {
    ($($name:ident),*) => {
        struct Operations {
            $($name: StoreOperation,)*
        }

        impl Operations {
            const fn new() -> Self {
                Self { $($name: StoreOperation::new(stringify!($name)),)* }
            }
        }
    };
}

operations!(
    read, settle, insert, replace, remove, spend, is_spent, enlist, delist, enlisted, acquire, renew,
    release, read_owed, write_owed, owed, ping
);

impl MeasuredStore {
    /// Around `store`. Whoever records metrics should have been installed by the time it is first used.
    pub fn new(store: Arc<dyn SessionStore>) -> Self {
        Self { inner: store, operations: Operations::new() }
    }
}

async fn measured<T>(
    operation: &StoreOperation,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let started = Instant::now();
    let outcome = work.instrument(traces::call(operation.name)).await;
    operation.took(started.elapsed(), outcome.is_ok());
    outcome
}

#[async_trait]
impl SessionStore for MeasuredStore {
    async fn read(&self, key: &SessionKey) -> Result<Option<StoredRecord>, StoreError> {
        measured(&self.operations.read, self.inner.read(key)).await
    }

    /// Not measured: what memory answers is counted where it is kept.
    fn recall(&self, key: &SessionKey) -> Option<Recalled> {
        self.inner.recall(key)
    }

    async fn read_for_recall(&self, key: &SessionKey) -> Result<Option<Reading>, StoreError> {
        measured(&self.operations.read, self.inner.read_for_recall(key)).await
    }

    async fn retire(&self) {
        self.inner.retire().await;
    }

    async fn settle(&self) {
        let settled = async {
            self.inner.settle().await;
            Ok::<(), StoreError>(())
        };
        measured(&self.operations.settle, settled).await.unwrap_or_default();
    }

    async fn insert(&self, key: &SessionKey, value: &[u8], ttl: Duration) -> Result<(), StoreError> {
        measured(&self.operations.insert, self.inner.insert(key, value, ttl)).await
    }

    async fn replace(
        &self,
        key: &SessionKey,
        expected: Version,
        value: &[u8],
        ttl: Duration,
    ) -> Result<ReplaceOutcome, StoreError> {
        measured(&self.operations.replace, self.inner.replace(key, expected, value, ttl)).await
    }

    async fn remove(&self, key: &SessionKey) -> Result<Option<StoredRecord>, StoreError> {
        measured(&self.operations.remove, self.inner.remove(key)).await
    }

    async fn spend(&self, marker: &Marker, ttl: Duration) -> Result<bool, StoreError> {
        measured(&self.operations.spend, self.inner.spend(marker, ttl)).await
    }

    async fn is_spent(&self, marker: &Marker) -> Result<bool, StoreError> {
        measured(&self.operations.is_spent, self.inner.is_spent(marker)).await
    }

    async fn enlist(
        &self,
        index: &IndexName,
        member: &Member,
        ttl: Duration,
        limit: usize,
    ) -> Result<Vec<Member>, StoreError> {
        measured(&self.operations.enlist, self.inner.enlist(index, member, ttl, limit)).await
    }

    async fn delist(&self, index: &IndexName, member: &Member) -> Result<(), StoreError> {
        measured(&self.operations.delist, self.inner.delist(index, member)).await
    }

    async fn enlisted(&self, index: &IndexName) -> Result<Vec<Member>, StoreError> {
        measured(&self.operations.enlisted, self.inner.enlisted(index)).await
    }

    async fn acquire(
        &self,
        key: &SessionKey,
        owner: &LeaseOwner,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        measured(&self.operations.acquire, self.inner.acquire(key, owner, lease)).await
    }

    async fn renew(&self, key: &SessionKey, owner: &LeaseOwner, lease: Duration) -> Result<bool, StoreError> {
        measured(&self.operations.renew, self.inner.renew(key, owner, lease)).await
    }

    async fn release(&self, key: &SessionKey, owner: &LeaseOwner) -> Result<(), StoreError> {
        measured(&self.operations.release, self.inner.release(key, owner)).await
    }

    async fn read_owed(&self, name: &OwedName) -> Result<Option<StoredRecord>, StoreError> {
        measured(&self.operations.read_owed, self.inner.read_owed(name)).await
    }

    async fn write_owed(
        &self,
        name: &OwedName,
        expected: Option<Version>,
        write: Option<OwedWrite<'_>>,
    ) -> Result<bool, StoreError> {
        measured(&self.operations.write_owed, self.inner.write_owed(name, expected, write)).await
    }

    async fn owed(&self, now: UnixSeconds, limit: usize) -> Result<Vec<OwedName>, StoreError> {
        measured(&self.operations.owed, self.inner.owed(now, limit)).await
    }

    /// Neither is measured: they are for an operator's rare order.
    async fn may_have_lost_members(&self) -> bool {
        self.inner.may_have_lost_members().await
    }

    async fn walk(&self, from: Option<u64>) -> Result<Option<Steps>, StoreError> {
        self.inner.walk(from).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        measured(&self.operations.ping, self.inner.ping()).await
    }
}
