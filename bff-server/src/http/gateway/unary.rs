//! gRPC over HTTP/2, as far as one question and one answer need it (PROTOCOL-HTTP2.md of the gRPC project).

use std::time::Duration;

use axum::{body::Body, response::Response};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body_util::{BodyExt as _, Full, Limited};
use prost::Message;

const CONTENT_TYPE: &str = "application/grpc";
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// A question is small, and comes from next door.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// Why a call fails, by gRPC's own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The bytes are no message of this kind.
    InvalidArgument,
    /// The message did not arrive in time.
    DeadlineExceeded,
    /// The caller is not the gateway.
    PermissionDenied,
    /// The message is larger than any honest one.
    ResourceExhausted,
    /// Compression was not agreed upon.
    Unimplemented,
}

impl Failure {
    fn code(self) -> &'static str {
        match self {
            Self::InvalidArgument => "3",
            Self::DeadlineExceeded => "4",
            Self::PermissionDenied => "7",
            Self::ResourceExhausted => "8",
            Self::Unimplemented => "12",
        }
    }
}

/// The one message of a call.
pub(super) async fn receive<M: Message + Default>(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<M, Failure> {
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if !content_type.starts_with(CONTENT_TYPE.as_bytes()) {
        return Err(Failure::InvalidArgument);
    }
    let body = Limited::new(body, limit.saturating_add(PREFIX_BYTES)).collect();
    let body = tokio::time::timeout(PATIENCE, body).await.map_err(|_| Failure::DeadlineExceeded)?;
    message(body.map_err(|_| Failure::ResourceExhausted)?.to_bytes())
}

fn message<M: Message + Default>(mut body: Bytes) -> Result<M, Failure> {
    if body.len() < PREFIX_BYTES {
        return Err(Failure::InvalidArgument);
    }
    let compressed = body.get_u8();
    let length = body.get_u32();
    if compressed != 0 {
        return Err(Failure::Unimplemented);
    }
    if usize::try_from(length).ok() != Some(body.len()) {
        return Err(Failure::InvalidArgument);
    }
    M::decode(body).map_err(|_| Failure::InvalidArgument)
}

/// The answer to a call.
pub(super) fn answer(message: &impl Message) -> Response {
    let length = message.encoded_len();
    let mut body = BytesMut::with_capacity(PREFIX_BYTES.saturating_add(length));
    body.put_u8(0);
    body.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    // A buffer that grows has room.
    if message.encode(&mut body).is_err() {
        return failure(Failure::ResourceExhausted, "the answer does not fit");
    }
    let trailers = async { Some(Ok(HeaderMap::from_iter([(STATUS, HeaderValue::from_static("0"))]))) };
    respond(Body::new(Full::new(body.freeze()).with_trailers(trailers)))
}

/// A call that failed: its status takes the place of the headers.
pub(super) fn failure(failure: Failure, reason: &'static str) -> Response {
    let mut response = respond(Body::empty());
    response.headers_mut().insert(STATUS, HeaderValue::from_static(failure.code()));
    response.headers_mut().insert(MESSAGE, HeaderValue::from_static(reason));
    response
}

fn respond(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(bytes: &'static [u8]) -> Result<String, Failure> {
        message::<String>(Bytes::from_static(bytes))
    }

    #[test]
    fn a_message_has_its_length_in_front() {
        // Field 1, of two bytes.
        assert_eq!(received(b"\0\0\0\0\x04\x0a\x02hi").as_deref(), Ok("hi"));
        for (bytes, failure) in [
            (&b""[..], Failure::InvalidArgument),
            (b"\0\0\0\0", Failure::InvalidArgument),
            (b"\0\0\0\0\x05\x0a\x02hi", Failure::InvalidArgument),
            (b"\0\0\0\0\x03\x0a\x02hi", Failure::InvalidArgument),
            (b"\0\xff\xff\xff\xff\x0a\x02hi", Failure::InvalidArgument),
            (b"\0\0\0\0\x04\x0a\x09hi", Failure::InvalidArgument),
            (b"\x01\0\0\0\x04\x0a\x02hi", Failure::Unimplemented),
        ] {
            assert_eq!(received(bytes), Err(failure), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_ends_with_a_status() {
        let response = answer(&"hi".to_owned());
        assert_eq!(response.headers()[header::CONTENT_TYPE], CONTENT_TYPE);
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()[STATUS], "0");
        assert_eq!(body.to_bytes(), &b"\0\0\0\0\x04\x0a\x02hi"[..]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_does_not_come_is_not_waited_for_without_end() {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE))]);
        let body =
            Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::convert::Infallible>>());
        assert_eq!(receive::<String>(&headers, body, 1024).await, Err(Failure::DeadlineExceeded));
    }
}
