//! What the operating system tells a process.

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C, or what an orchestrator sends.
pub(crate) async fn interrupted() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = interrupt => {}
                    _ = terminate.recv() => {}
                }
            }
            Err(_) => drop(interrupt.await),
        }
    }
    #[cfg(not(unix))]
    drop(interrupt.await);
}

/// Requests to read the configuration again: `SIGHUP`, which would end a process that does not listen to it. Several that
/// come while one is obeyed are one more.
pub(crate) struct Hangups {
    #[cfg(unix)]
    signal: Option<Signal>,
}

impl Hangups {
    /// From now on. Must be called within a Tokio runtime.
    pub(crate) fn listen() -> Self {
        #[cfg(unix)]
        {
            let signal = signal(SignalKind::hangup()).inspect_err(
                |error| tracing::warn!(%error, "SIGHUP cannot be listened to, and ends the server"),
            );
            Self { signal: signal.ok() }
        }
        #[cfg(not(unix))]
        Self {}
    }

    /// Completes with the next one.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}
