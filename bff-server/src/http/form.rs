//! Forms in the bodies of requests: bounded in size and time.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::{HeaderMap, header};

use super::MAX_BODY_BYTES;

/// A form has this long to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoForm {
    #[error("the content type must be application/x-www-form-urlencoded")]
    MediaType,
    #[error("the form did not arrive in time")]
    Late,
    #[error("the form is too large")]
    TooLarge,
    #[error("the form is not UTF-8")]
    NotText,
}

/// The form as it was sent, to be read as a query is.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<String, NoForm> {
    if !is_form(headers) {
        return Err(NoForm::MediaType);
    }
    let limit = usize::try_from(MAX_BODY_BYTES).unwrap_or(usize::MAX);
    let body = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, limit))
        .await
        .map_err(|_| NoForm::Late)?
        .map_err(|_| NoForm::TooLarge)?;
    String::from_utf8(body.into()).map_err(|_| NoForm::NotText)
}

fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}
