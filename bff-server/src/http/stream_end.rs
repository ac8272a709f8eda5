//! What goes on for long, through `server.proxy`, ends with its session: event streams and tunnels (SEC-170).

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, Bytes};
use axum_reverse_proxy::{TunnelCancellation, TunnelGuard};
use http::Extensions;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{domain::session_id::SessionKey, service::sessions::Sessions};

/// So long after a logout, wherever it happened, a stream may still go on.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A session that something depends on.
pub(super) struct WatchedSession {
    sessions: Arc<Sessions>,
    key: SessionKey,
    ends_in: Duration,
}

impl WatchedSession {
    /// `ends_in` is what is known now.
    pub(super) fn new(sessions: Arc<Sessions>, key: SessionKey, ends_in: Duration) -> Self {
        Self { sessions, key, ends_in }
    }

    /// Completes when the session has ended. Where the store cannot say, that is when it was to end at the last look.
    async fn ended(self) {
        let mut ends_at = Instant::now() + self.ends_in;
        loop {
            tokio::time::sleep_until(ends_at.min(Instant::now() + LOOK_EVERY)).await;
            match self.sessions.remaining(&self.key).await {
                Ok(Some(remaining)) => ends_at = Instant::now() + remaining,
                Err(_) if Instant::now() < ends_at => {}
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Has the proxy end a tunnel with the session; to be put into the request that may become one.
    pub(super) fn bound_tunnel(extensions: &mut Extensions) -> BoundTunnel {
        let (cancel, over) = (CancellationToken::new(), CancellationToken::new());
        extensions.insert(TunnelCancellation(cancel.clone()));
        extensions.insert(TunnelGuard::new(over.clone().drop_guard()));
        BoundTunnel { cancel, over }
    }

    /// A body that breaks off when the session ends. Not an orderly end: half a download must not look like a whole one.
    pub(super) fn bound(self, body: Body) -> Body {
        if body.size_hint().exact().is_some() {
            return body;
        }
        Body::new(BoundBody { body, ended: Box::pin(self.ended()), is_over: false })
    }
}

/// A tunnel that is about to be, and does not outlast its session.
pub(super) struct BoundTunnel {
    cancel: CancellationToken,
    over: CancellationToken,
}

impl BoundTunnel {
    /// Begins to watch, once the tunnel is there.
    pub(super) fn watch(self, session: WatchedSession) {
        tokio::spawn(async move {
            if self.over.run_until_cancelled(session.ended()).await.is_some() {
                tracing::info!(event = "tunnel_ended", "a tunnel was ended with its session");
                self.cancel.cancel();
            }
        });
    }
}

struct BoundBody {
    body: Body,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_over: bool,
}

/// Why a body breaks off.
#[derive(Debug, thiserror::Error)]
#[error("the session has ended")]
struct SessionEnded;

impl HttpBody for BoundBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        // First, or a stream that never pauses would never end.
        if this.ended.as_mut().poll(context).is_ready() {
            this.is_over = true;
            tracing::info!(event = "stream_ended", "an answer was ended with its session");
            return Poll::Ready(Some(Err(axum::Error::new(SessionEnded))));
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        this.is_over = frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
