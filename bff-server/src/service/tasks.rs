//! Work that goes on when whoever asked for it has gone.

use std::{future::Future, time::Duration};

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// Tasks that a shutdown waits for. Each keeps the span it was begun in, so that what it logs is found under the
/// request that caused it.
#[derive(Clone, Debug, Default)]
pub struct Tasks(TaskTracker);

impl Tasks {
    /// Begins a task.
    pub fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.0.spawn(work.in_current_span())
    }

    /// Waits for all of them, but no longer than `patience`. Returns how many are unfinished.
    pub async fn finish(&self, patience: Duration) -> usize {
        self.0.close();
        match tokio::time::timeout(patience, self.0.wait()).await {
            Ok(()) => 0,
            Err(_) => self.0.len(),
        }
    }
}
