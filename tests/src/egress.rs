//! A proxy that leads out of a closed network, and the names that are known only there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// It tunnels (`CONNECT`), and passes on what is sent in the clear. It stops with the drop.
pub struct EgressProxy {
    /// Its own URL.
    pub url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    names: HashMap<String, SocketAddr>,
    authorization: Option<String>,
    requests: Mutex<Vec<String>>,
}

impl EgressProxy {
    /// Starts it. `names` are those that it can resolve, and that nobody else can.
    pub async fn start(names: &[(&str, SocketAddr)], credentials: Option<(&str, &str)>) -> Self {
        let authorization = credentials
            .map(|(user, password)| format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        let names = names.iter().map(|(name, address)| ((*name).to_owned(), *address)).collect();
        let shared = Arc::new(Shared { names, authorization, requests: Mutex::default() });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let for_connections = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&for_connections);
                connections.spawn(async move { serve(stream, &shared).await });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { url, shared, task }
    }

    /// The first line of every request so far, without the protocol: `CONNECT provider.test:443`.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }
}

impl Drop for EgressProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection: what follows the first request goes where that went.
async fn serve(mut client: TcpStream, shared: &Shared) -> Option<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|it| it == b"\r\n\r\n") {
        let read = client.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        head.extend_from_slice(&buffer[..read]);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let request = text.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let (method, target) = request.split_once(' ')?;
    let authority = target.trim_start_matches("http://").split('/').next()?;
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    shared.requests.lock().unwrap().push(request.clone());

    let authorization = text.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("proxy-authorization").then(|| value.to_owned())
    });
    if shared.authorization.is_some() && authorization != shared.authorization {
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\
                       Content-Length: 0\r\nConnection: close\r\n\r\n";
        return client.write_all(refusal.as_bytes()).await.ok();
    }
    let Some(address) = shared.names.get(host) else {
        let unknown = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return client.write_all(unknown.as_bytes()).await.ok();
    };
    let mut server = TcpStream::connect(address).await.ok()?;
    if method == "CONNECT" {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
    } else {
        server.write_all(&head).await.ok()?;
    }
    copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}
