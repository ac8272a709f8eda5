//! The provider's socket.
//!
//! Connections are served by hyper directly, since an axum handler cannot close a connection without an answer.

use super::OpState;
use super::answering::answer;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

/// A socket that is listened on until the drop.
pub(super) struct Listening {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Listening {
    pub(super) fn on(listener: TcpListener, state: Arc<OpState>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            tokio::select! {
                () = serve(listener, state, &mut connections) => {}
                _ = stopped => {}
            }
            // The listener is closed by now.
            connections.shutdown().await;
        });
        Self { stop: Some(stop), task }
    }

    /// Stops; the socket and every connection are closed when this returns.
    pub(super) async fn stop(mut self) {
        drop(self.stop.take());
        (&mut self.task).await.ok();
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<OpState>, connections: &mut JoinSet<()>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let service = service_fn(move |request: Request<Incoming>| {
            let state = Arc::clone(&state);
            async move { answer(&state, request.map(Body::new)).await }
        });
        connections.spawn(async move {
            // An error is a connection that we or the client closed on purpose.
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
        while connections.try_join_next().is_some() {}
    }
}
