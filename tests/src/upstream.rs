//! A protected API behind the server's own proxy, which remembers what reached it.

use axum::extract::{Request, State};
use http::{HeaderMap, Method, Uri};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request as the API saw it.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// Every header.
    pub headers: HeaderMap,
}

impl Arrived {
    /// All values of a header, joined by a line feed; empty when absent.
    pub fn header(&self, name: &str) -> String {
        let values = self.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        values.collect::<Vec<_>>().join("\n")
    }
}

/// The API. It answers 200 to everything, and adds the headers it is told to.
pub struct Upstream {
    /// Where it listens.
    pub origin: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    arrived: Mutex<Vec<Arrived>>,
    answers_with: Mutex<HeaderMap>,
}

impl Upstream {
    /// Starts it on a port of its own.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let app = axum::Router::new().fallback(record).with_state(Arc::clone(&shared));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let task = tokio::spawn(async move {
            axum::serve(listener, app).await.ok();
        });
        Self { origin, shared, task }
    }

    /// What arrived so far.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.shared.arrived.lock().unwrap().clone()
    }

    /// What arrived last.
    ///
    /// # Panics
    /// When nothing did.
    pub fn last(&self) -> Arrived {
        self.arrived().pop().expect("something reached the upstream")
    }

    /// A header that every further answer carries.
    pub fn answers_with(&self, name: &'static str, value: &'static str) {
        self.shared.answers_with.lock().unwrap().append(name, http::HeaderValue::from_static(value));
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn record(State(shared): State<Arc<Shared>>, request: Request) -> (HeaderMap, &'static str) {
    let (head, _) = request.into_parts();
    shared.arrived.lock().unwrap().push(Arrived {
        method: head.method,
        uri: head.uri,
        headers: head.headers,
    });
    (shared.answers_with.lock().unwrap().clone(), "from the upstream")
}
