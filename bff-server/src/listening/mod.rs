//! Listening: connections are accepted, served, and told when it is time to go. What answers their requests can be replaced
//! while they are open: each request is answered by what is current when it comes, and goes on with it to its end.

mod timer;

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, extract::ConnectInfo, response::Response};
use http::Request;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use self::timer::ConnectionTimer;
use crate::http::Quick;

/// A client has this long to send the headers of its first request.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// What a connection may buffer of a request's head, and the most HTTP/2 may announce.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_STREAMS: u32 = 100;
const MAX_CONNECTIONS: usize = 16_384;

/// What a listener serves, besides what goes before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serves {
    /// Answers of our own.
    Answers,
    /// Files.
    Files,
    /// What APIs answer, for as long as it takes.
    Apis,
}

impl Serves {
    /// To copy a small answer together costs less than to have the kernel gather its parts; room for large ones would stay
    /// with each connection.
    fn large_answers(self) -> bool {
        self != Self::Answers
    }

    /// Whether to look, while an HTTP/1 answer is made, if its client is still there: that costs each request a new buffer.
    /// Our own are made in bounded time, and a file's client is missed at the next write; a stream must end with its client,
    /// though it may have nothing to say.
    fn streams(self) -> bool {
        self == Self::Apis
    }
}

/// What answers the requests of a listener.
pub(crate) struct Handlers {
    pub(crate) quick: Quick,
    pub(crate) router: Router,
    pub(crate) serves: Serves,
    /// How long a connection that has served a request may be idle.
    pub(crate) keep_alive: Duration,
}

/// Accepts connections until `stop`, then lets those that are open finish what they are doing, for at most `drain`.
pub(crate) async fn accept(
    listener: TcpListener,
    mut handlers: watch::Receiver<Arc<Handlers>>,
    stop: CancellationToken,
    drain: Duration,
) {
    let settings = |handlers: &Handlers| (handlers.serves, handlers.keep_alive);
    let (mut serves, mut keep_alive) = settings(&handlers.borrow_and_update());
    // A connection is made for what is served when it begins: another kind ends those that are open, when they are idle.
    let mut kind = stop.child_token();
    let open = TaskTracker::new();
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Some(Ok(permit)) = stop.run_until_cancelled(Arc::clone(&connections).acquire_owned()).await
        else {
            break;
        };
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Ok(()) = handlers.changed() => {
                let (now, idle) = settings(&handlers.borrow_and_update());
                keep_alive = idle;
                if now != serves {
                    serves = now;
                    kind.cancel();
                    kind = stop.child_token();
                }
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: wait for some to be closed.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let requests = Requests::new(handlers.clone(), peer);
        let timer = ConnectionTimer::new(keep_alive);
        // One of its own for each, or all of them would meet at one lock with each request.
        open.spawn(serve(server(serves), undelayed(stream), timer, requests, kind.child_token(), permit));
    }
    drop(listener);
    open.close();
    if tokio::time::timeout(drain, open.wait()).await.is_err() {
        tracing::warn!("some connections did not finish in time");
    }
}

fn server(serves: Serves) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .writev(serves.large_answers())
        .half_close(!serves.streams())
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30));
    server
}

/// What answers the requests of one connection.
struct Requests {
    current: Mutex<(watch::Receiver<Arc<Handlers>>, Arc<Current>)>,
    peer: SocketAddr,
}

/// The current handlers, one copy per connection: a shared `Arc` count would bounce between CPU caches on every request.
struct Current {
    handlers: Arc<Handlers>,
    router: Router,
}

impl Current {
    fn of(handlers: &mut watch::Receiver<Arc<Handlers>>) -> Arc<Self> {
        let handlers = Arc::clone(&handlers.borrow_and_update());
        Arc::new(Self { router: handlers.router.clone(), handlers })
    }
}

impl Requests {
    fn new(mut handlers: watch::Receiver<Arc<Handlers>>, peer: SocketAddr) -> Self {
        let current = Current::of(&mut handlers);
        Self { current: Mutex::new((handlers, current)), peer }
    }

    fn current(&self) -> Arc<Current> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let (handlers, known) = &mut *current;
        if handlers.has_changed().unwrap_or(false) {
            *known = Current::of(handlers);
        }
        Arc::clone(known)
    }
}

/// Answers the requests of a connection.
trait Answers: Send + Sync + 'static {
    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response, std::convert::Infallible>> + Send;
}

impl Answers for Requests {
    async fn answer(&self, mut request: Request<Incoming>) -> Result<Response, std::convert::Infallible> {
        let current = self.current();
        if let Some(response) = current.handlers.quick.answer(&request, self.peer.ip()).await {
            return Ok(response);
        }
        // Not as a layer: that would build the whole router anew for each connection.
        request.extensions_mut().insert(ConnectInfo(self.peer));
        // On the heap, so that the usual request need not carry room for it.
        Box::pin(current.router.clone().oneshot(request)).await
    }
}

/// Serves one connection until it ends, or `stop` and then its request.
fn serve(
    mut server: auto::Builder<TokioExecutor>,
    stream: TokioIo<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>,
    timer: ConnectionTimer,
    requests: impl Answers,
    stop: CancellationToken,
    permit: OwnedSemaphorePermit,
) -> impl Future<Output = ()> {
    server.http1().timer(timer.clone());
    let requests = Arc::new(requests);
    let heard = timer.clone();
    let service = hyper::service::service_fn(move |request| {
        heard.hears_a_request();
        let requests = Arc::clone(&requests);
        async move { requests.answer(request).await }
    });
    // On the heap: what a future captures may be in it twice.
    let mut connection = Box::pin(server.serve_connection_with_upgrades(stream, service).into_owned());
    async move {
        let _permit = permit;
        let mut stops = pin!(stop.cancelled());
        let mut silence = pin!(tokio::time::sleep(HEADER_READ_TIMEOUT));
        let (mut is_told, mut may_be_silent) = (false, true);
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut connection => break outcome,
                () = &mut stops, if !is_told => {
                    is_told = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = &mut silence, if may_be_silent => {
                    // Nothing that could be called a request has come: hyper's own timeout does not begin before it
                    // knows which HTTP is spoken.
                    if !timer.has_heard_a_request() {
                        break Ok(());
                    }
                    may_be_silent = false;
                }
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// Answers are small and written at once: do not hold them back to fill packets.
fn undelayed(stream: TcpStream) -> TokioIo<TcpStream> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    TokioIo::new(stream)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;

    const KEEP_ALIVE: Duration = Duration::from_secs(75);
    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: app\r\n";

    struct Nothing;

    impl Answers for Nothing {
        async fn answer(&self, _: Request<Incoming>) -> Result<Response, std::convert::Infallible> {
            Ok(Response::new(axum::body::Body::empty()))
        }
    }

    async fn connection() -> DuplexStream {
        let (client, stream) = tokio::io::duplex(4096);
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let (timer, stop) = (ConnectionTimer::new(KEEP_ALIVE), CancellationToken::new());
        tokio::spawn(serve(server(Serves::Answers), TokioIo::new(stream), timer, Nothing, stop, permit));
        client
    }

    async fn request(client: &mut DuplexStream) {
        client.write_all(&[HEAD, b"\r\n"].concat()).await.unwrap();
        let mut answer = [0; 15];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        let mut rest = Vec::new();
        while !rest.ends_with(b"\r\n\r\n") {
            rest.push(client.read_u8().await.unwrap());
        }
    }

    /// How long the connection stays open now.
    async fn stays_open(client: &mut DuplexStream) -> Duration {
        let before = tokio::time::Instant::now();
        // Its last words may be a 408.
        let _ended = client.read_to_end(&mut Vec::new()).await;
        before.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_outlives_the_patience_of_proxies_once_it_has_served_a_request() {
        let mut client = connection().await;
        for idle in [0, 9, 60, 74] {
            tokio::time::sleep(Duration::from_secs(idle)).await;
            request(&mut client).await;
        }
        assert_eq!(stays_open(&mut client).await, KEEP_ALIVE);
    }

    #[tokio::test(start_paused = true)]
    async fn sec_185_a_connection_without_a_whole_request_is_closed_soon() {
        for sent in [&b""[..], b"G", HEAD] {
            let mut client = connection().await;
            client.write_all(sent).await.unwrap();
            let open = stays_open(&mut client).await;
            assert!(open <= 2 * HEADER_READ_TIMEOUT, "{sent:?}: {open:?}");
        }
        let mut client = connection().await;
        request(&mut client).await;
        client.write_all(HEAD).await.unwrap();
        assert_eq!(stays_open(&mut client).await, KEEP_ALIVE, "the head of a later request is bounded too");
    }
}
