//! A WebSocket's tunnel, as a browser opens it, without the WebSocket in it.

use crate::raw;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

/// Bytes both ways.
pub struct Tunnel(TcpStream);

impl Tunnel {
    /// Opens one, as a page of the server's own origin does.
    ///
    /// # Panics
    /// When the answer is another than 101.
    pub async fn open(base: &Url, path: &str, cookie: &str) -> Self {
        let origin = base.origin().ascii_serialization();
        let host = origin.split_once("://").expect("an origin has a scheme").1;
        let handshake = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let mut socket = raw::open(base, handshake.as_bytes()).await;
        let mut said = Vec::new();
        let mut buffer = [0; 1024];
        while !said.windows(4).any(|it| it == b"\r\n\r\n") {
            let read = socket.read(&mut buffer).await.expect("an answer");
            assert_ne!(read, 0, "{}", String::from_utf8_lossy(&said));
            said.extend_from_slice(&buffer[..read]);
        }
        assert!(said.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&said));
        Self(socket)
    }

    /// Says something, and hears what comes back; `None` if the tunnel has ended.
    pub async fn echo(&mut self, text: &str) -> Option<String> {
        self.0.write_all(text.as_bytes()).await.ok()?;
        let mut echo = vec![0; text.len()];
        self.0.read_exact(&mut echo).await.ok()?;
        String::from_utf8(echo).ok()
    }
}
