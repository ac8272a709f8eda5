//! Misbehaviour below HTTP's meaning: how the bytes of an answer are sent.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use http::{Response, header};
use std::io::{Error, ErrorKind};
use std::time::Duration;

/// How an answer's bytes misbehave.
#[derive(Clone, Copy, Debug)]
pub enum Transport {
    /// The connection closes without an answer.
    Reset,
    /// The request is read, and nothing ever comes.
    Hang,
    /// The body announces its whole length, and the connection closes after half of it.
    Truncate,
    /// The body is followed by white space until this many bytes are sent: still correct JSON.
    Flood {
        /// The body's size.
        bytes: usize,
    },
    /// [`Flood`](Self::Flood), compressed on the way: small on the wire, large when inflated.
    GzipBomb {
        /// The body's size once inflated.
        bytes: usize,
    },
    /// One byte at a time.
    Drip {
        /// The pause after each byte.
        pause: Duration,
    },
}

/// The connection ends here.
#[derive(Debug)]
pub(super) struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the hostile provider closed the connection")
    }
}

impl std::error::Error for Closed {}

type Body = axum::body::Body;

impl Transport {
    pub(super) async fn send(self, mut response: Response<Bytes>) -> Result<Response<Body>, Closed> {
        let body = response.body().clone();
        match self {
            Self::Reset => Err(Closed),
            Self::Hang => std::future::pending().await,
            Self::Truncate => {
                response.headers_mut().insert(header::CONTENT_LENGTH, body.len().into());
                let half = body.slice(..body.len() / 2);
                let parts = stream::iter([Ok(half), Err(Error::from(ErrorKind::ConnectionReset))]);
                Ok(response.map(|_| Body::from_stream(parts)))
            }
            Self::Flood { bytes } => {
                const PIECE: usize = 64 * 1024;
                let padding = bytes.saturating_sub(body.len()).div_ceil(PIECE);
                let piece = Bytes::from(vec![b' '; PIECE]);
                let parts =
                    stream::iter([body]).chain(stream::repeat(piece).take(padding)).map(Ok::<_, Error>);
                Ok(response.map(|_| Body::from_stream(parts)))
            }
            Self::GzipBomb { bytes } => {
                let compressed = gzip(&body, bytes);
                response
                    .headers_mut()
                    .insert(header::CONTENT_ENCODING, http::HeaderValue::from_static("gzip"));
                Ok(response.map(|_| Body::from(compressed)))
            }
            Self::Drip { pause } => {
                let parts = stream::iter(body).then(move |byte| async move {
                    tokio::time::sleep(pause).await;
                    Ok::<_, Error>(Bytes::copy_from_slice(&[byte]))
                });
                Ok(response.map(|_| Body::from_stream(parts)))
            }
        }
    }
}

/// A file of several members (RFC 1952 §2.2): the body, and one of a MiB again and again. Compressing all of it would keep the
/// tests' processor busy for half a minute.
fn gzip(body: &[u8], bytes: usize) -> Vec<u8> {
    const MEBIBYTE: usize = 1 << 20;
    let member = compressed(&vec![b' '; MEBIBYTE]);
    let mut file = compressed(body);
    file.extend(member.repeat(bytes.saturating_sub(body.len()).div_ceil(MEBIBYTE)));
    file
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory takes bytes");
    encoder.finish().expect("memory takes bytes")
}
