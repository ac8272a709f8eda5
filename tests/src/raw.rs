//! Requests as bytes, for what no well-behaved client sends.

use crate::{Answer, wait};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

/// What a request is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, byte for byte.
    Http1,
    /// HTTP/2 without TLS. Header names become lower case, and those that belong to a connection are left out.
    Http2,
}

/// A request under construction. Nothing is added, normalised or checked, except `Host` and
/// `Connection: close`.
#[must_use = "a request is sent with send()"]
pub struct RawRequest {
    host: String,
    port: u16,
    method: String,
    target: Vec<u8>,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    protocol: Protocol,
}

/// `GET target` at the server of `base`.
pub fn get(base: &Url, target: impl AsRef<[u8]>) -> RawRequest {
    request("GET", base, target)
}

/// `method target` at the server of `base`.
pub fn request(method: &str, base: &Url, target: impl AsRef<[u8]>) -> RawRequest {
    RawRequest {
        host: base.host_str().expect("a base has a host").to_owned(),
        port: base.port_or_known_default().expect("a base has a port"),
        method: method.to_owned(),
        target: target.as_ref().to_vec(),
        headers: Vec::new(),
        body: Vec::new(),
        protocol: Protocol::Http1,
    }
}

impl RawRequest {
    /// One more header line, even of a name that was there before.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// In this protocol.
    pub fn over(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// The headers with which Chromium opens a page typed into the address bar.
    pub fn as_navigation(self) -> Self {
        self.header("sec-fetch-site", "none")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-user", "?1")
    }

    /// The headers with which Chromium sends a page's own `fetch`.
    pub fn as_same_origin_fetch(self) -> Self {
        self.header("sec-fetch-site", "same-origin")
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-dest", "empty")
    }

    /// A body, with its length.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.header("content-type", content_type).header("content-length", length)
    }

    /// Sends it and reads the answer to its end.
    ///
    /// # Panics
    /// When the server does not answer in HTTP.
    pub async fn send(self) -> Answer {
        self.try_send().await.expect("the server answers")
    }

    /// [`send`](Self::send), where the server may also just close the connection.
    pub async fn try_send(self) -> std::io::Result<Answer> {
        let sent = async {
            match self.protocol {
                Protocol::Http1 => self.send_http1().await,
                Protocol::Http2 => self.send_http2().await.map_err(std::io::Error::other),
            }
        };
        tokio::time::timeout(wait::PATIENCE, sent).await.map_err(|_| std::io::ErrorKind::TimedOut)?
    }

    fn host(&self) -> Vec<u8> {
        let given = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        given.map_or_else(|| format!("{}:{}", self.host, self.port).into_bytes(), |(_, value)| value.clone())
    }

    async fn send_http1(&self) -> std::io::Result<Answer> {
        let mut head = [self.method.as_bytes(), b" ", &self.target, b" HTTP/1.1\r\n"].concat();
        let mut line = |name: &str, value: &[u8]| {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        };
        for (name, value) in &self.headers {
            line(name, value);
        }
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            line("host", &self.host());
        }
        line("connection", b"close");
        head.extend_from_slice(b"\r\n");
        let mut stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        // A server that refuses may close before it has read everything.
        let sent = async {
            stream.write_all(&head).await?;
            stream.write_all(&self.body).await
        }
        .await;
        let mut received = Vec::new();
        match stream.read_to_end(&mut received).await {
            Err(error) if received.is_empty() => Err(error),
            _ if received.is_empty() => sent.and(Err(std::io::ErrorKind::UnexpectedEof.into())),
            _ => Ok(parse(&received)),
        }
    }

    async fn send_http2(&self) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let target = if self.target.starts_with(b"/") {
            [b"http://", self.host().as_slice(), &self.target].concat()
        } else {
            self.target.clone()
        };
        let mut request = Request::builder().method(self.method.as_bytes()).uri(target.as_slice());
        for (name, value) in &self.headers {
            if !["host", "connection", "upgrade"].iter().any(|it| name.eq_ignore_ascii_case(it)) {
                request = request.header(name, value.as_slice());
            }
        }
        let request = request.body(Full::new(Bytes::from(self.body.clone())))?;
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body: body.collect().await?.to_bytes() })
    }
}

/// `GET target` over HTTP/2, as gateways speak it: each header is a field line of its own.
///
/// # Panics
/// When the server does not answer.
pub async fn http2_get(base: &Url, target: &str, headers: &[(&str, &[u8])]) -> Answer {
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .resolve("localhost", (std::net::Ipv4Addr::LOCALHOST, 0).into())
        .build()
        .expect("a client without options can be built");
    let mut request = client.get(base.join(target).expect("a path"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.expect("the server answers");
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, body: response.bytes().await.expect("a whole body") }
}

/// Opens a connection, sends `bytes` and leaves it open.
pub async fn open(base: &Url, bytes: &[u8]) -> TcpStream {
    let host = base.host_str().expect("a base has a host");
    let port = base.port_or_known_default().expect("a base has a port");
    let mut stream = TcpStream::connect((host, port)).await.expect("the server listens");
    stream.write_all(bytes).await.expect("the server reads");
    stream
}

fn parse(received: &[u8]) -> Answer {
    let end = received
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("not HTTP: {:?}", String::from_utf8_lossy(received)));
    let (head, body) = (&received[..end], &received[end + 4..]);
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let status = lines
        .next()
        .and_then(|line| line.get(9..12))
        .and_then(|code| StatusCode::from_bytes(code).ok())
        .expect("a status line");
    let mut headers = HeaderMap::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').expect("a header line");
        headers.append(
            HeaderName::from_bytes(&line[..colon]).expect("a header name"),
            HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).expect("a header value"),
        );
    }
    let chunked = headers.get("transfer-encoding").is_some_and(|value| value == "chunked");
    let body = if chunked { dechunk(body) } else { body.to_vec() };
    Answer { status, headers, body: Bytes::from(body) }
}

fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line_end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&rest[..line_end])
            .ok()
            .and_then(|text| usize::from_str_radix(text.split(';').next()?.trim(), 16).ok())
            .unwrap_or_default();
        let start = line_end + 2;
        if size == 0 || rest.len() < start + size + 2 {
            break;
        }
        body.extend_from_slice(&rest[start..start + size]);
        rest = &rest[start + size + 2..];
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_chunks_is_put_together() {
        let answer =
            parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "abcde"));
    }
}
