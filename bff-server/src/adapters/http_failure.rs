//! What went wrong with an exchange over HTTP, in words.

/// The error and its causes, without the URL (it may carry a secret in its query). `timed_out` says how long was waited.
pub(crate) fn describe(error: &reqwest::Error, timed_out: impl FnOnce() -> String) -> String {
    let mut text = if error.is_timeout() {
        timed_out()
    } else if error.is_connect() {
        "no connection could be made".to_owned()
    } else {
        "the exchange failed".to_owned()
    };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
