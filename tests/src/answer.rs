//! An HTTP answer, with the questions tests ask of it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

/// A complete answer. `Debug` prints everything, since a failing test should show what came back.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A header's value; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or("(not ASCII)"))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is something else.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// The `code` of a problem document; empty when the body is something else.
    pub fn problem_code(&self) -> String {
        if self.header("content-type").split(';').next() != Some(authtool_contract::PROBLEM_MEDIA_TYPE) {
            return String::new();
        }
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Every `Set-Cookie` value.
    pub fn set_cookies(&self) -> Vec<String> {
        self.headers
            .get_all(http::header::SET_COOKIE)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect()
    }

    /// The `Set-Cookie` value for a cookie of this name.
    pub fn set_cookie(&self, name: &str) -> Option<String> {
        self.set_cookies().into_iter().find(|line| line.split('=').next() == Some(name))
    }

    /// Whether this answer hands out a session.
    pub fn sets_session(&self) -> bool {
        self.set_cookies().iter().any(|line| {
            let value = line.split(';').next().and_then(|pair| pair.split_once('='));
            value.is_some_and(|(name, value)| name.ends_with("session_id") && !value.is_empty())
        })
    }

    /// Everything, status line to body, as one text to search.
    pub fn everything(&self) -> String {
        format!("{self:?}")
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        write!(f, "\n{}", self.text())
    }
}
