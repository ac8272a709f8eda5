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
use tokio::task::JoinSet;

/// Serves until aborted; every connection ends with it.
pub(super) async fn run(listener: TcpListener, state: Arc<OpState>) {
    let mut connections = JoinSet::new();
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
