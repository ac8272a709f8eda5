//! What scripts and subresources of a page request.

use super::Browser;
use super::jar::Context;
use super::site::{Relation, relation};
use crate::Answer;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use url::Url;

pub(super) const USER_AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36";

/// The request mode (Fetch §2.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The default of `fetch`.
    Cors,
    /// `fetch` with `mode: "same-origin"`.
    SameOrigin,
    /// What `<img>` and `<script>` use.
    NoCors,
}

/// A request that has not been sent. It does not follow redirects, and shows the answer even where a
/// browser would hide it from the page.
#[must_use = "a request is sent with go()"]
pub struct Fetch<'a> {
    browser: &'a Browser,
    from: Url,
    url: Url,
    method: Method,
    mode: Mode,
    dest: &'static str,
    credentials_everywhere: bool,
    body: Option<String>,
    extra: HeaderMap,
}

impl<'a> Fetch<'a> {
    pub(super) fn new(browser: &'a Browser, from: Url, url: Url) -> Self {
        Self {
            browser,
            from,
            url,
            method: Method::GET,
            mode: Mode::Cors,
            dest: "empty",
            credentials_everywhere: false,
            body: None,
            extra: HeaderMap::new(),
        }
    }

    /// By another method.
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// In another mode.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// As the page's `<img>`, `<script>`, `<link>` …
    pub fn as_subresource(mut self, dest: &'static str) -> Self {
        (self.mode, self.dest, self.credentials_everywhere) = (Mode::NoCors, dest, true);
        self
    }

    /// `credentials: "include"`.
    pub fn with_credentials(mut self) -> Self {
        self.credentials_everywhere = true;
        self
    }

    /// With a form as the body.
    pub fn form(mut self, body: &str) -> Self {
        (self.method, self.body) = (Method::POST, Some(body.to_owned()));
        self
    }

    /// By another method, with JSON as the body.
    pub fn json(mut self, method: Method, body: &serde_json::Value) -> Self {
        (self.method, self.body) = (method, Some(body.to_string()));
        self.header("content-type", "application/json")
    }

    /// One more header, or another value for one that a browser sends.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.extra
            .insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header value"));
        self
    }

    /// Sends it.
    pub async fn go(self) -> Answer {
        let relation = relation(&self.from, &self.url);
        let credentials = relation == Relation::SameOrigin || self.credentials_everywhere;
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value: &str| {
            headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
        };
        set(header::ACCEPT, "*/*");
        set(header::USER_AGENT, USER_AGENT);
        set(HeaderName::from_static("sec-fetch-site"), relation.as_str());
        let mode = match self.mode {
            Mode::Cors => "cors",
            Mode::SameOrigin => "same-origin",
            Mode::NoCors => "no-cors",
        };
        set(HeaderName::from_static("sec-fetch-mode"), mode);
        set(HeaderName::from_static("sec-fetch-dest"), self.dest);
        let origin = self.from.origin().ascii_serialization();
        let is_cors = self.mode == Mode::Cors && relation != Relation::SameOrigin;
        if is_cors || !matches!(self.method, Method::GET | Method::HEAD) {
            set(header::ORIGIN, &origin);
        }
        let referrer = match relation {
            Relation::SameOrigin => self.from[..url::Position::AfterQuery].to_owned(),
            Relation::SameSite | Relation::CrossSite => format!("{origin}/"),
        };
        set(header::REFERER, &referrer);
        if self.body.is_some() {
            set(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let context = match relation {
            Relation::CrossSite => Context::CrossSite,
            Relation::SameOrigin | Relation::SameSite => Context::SameSite,
        };
        let cookies = self.browser.jar().header(&self.url, context);
        if let Some(cookies) = cookies.filter(|_| credentials) {
            set(header::COOKIE, &cookies);
        }
        for (name, value) in &self.extra {
            headers.insert(name, value.clone());
        }
        let answer = self.browser.exchange(self.method, &self.url, headers, self.body).await;
        if credentials {
            self.browser.obey_set_cookie(&self.url, &answer, relation != Relation::CrossSite);
        }
        answer
    }
}
