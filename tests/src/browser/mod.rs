//! A client that keeps a browser's rules.
//!
//! It sends what Chromium sends (Fetch Metadata, `Origin`, `Referer`), keeps cookies by RFC 6265bis with
//! `http://localhost` as a trustworthy origin, follows redirects one by one, and shows every hop. Where
//! browsers differ it takes the stricter reading: `SameSite` considers the whole redirect chain.

mod cookie;
mod fetch;
mod form;
mod jar;
mod navigation;
mod site;

pub use cookie::{Cookie, SameSite};
pub use fetch::{Fetch, Mode};
pub use form::Form;
pub use jar::Jar;
pub use navigation::{Hop, Navigation, Page};
pub use site::{Relation, relation};

use crate::Answer;
use http::{HeaderMap, Method};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use url::Url;

/// Edits a `Set-Cookie` line before the jar sees it.
type SetCookieEdit = Arc<dyn Fn(String) -> String + Send + Sync>;

/// A browser profile. Its methods take `&self`: several tabs share it.
pub struct Browser {
    http: reqwest::Client,
    jar: Mutex<Jar>,
    edit_set_cookie: Option<SetCookieEdit>,
}

impl Default for Browser {
    fn default() -> Self {
        Self::new()
    }
}

impl Browser {
    /// A fresh profile.
    pub fn new() -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // The listeners are on IPv4; some machines resolve the name to ::1 first.
            .resolve("localhost", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .build()
            .expect("a client without options can be built");
        Self { http, jar: Mutex::default(), edit_set_cookie: None }
    }

    /// A profile that changes each `Set-Cookie` line before it obeys it: proof that a test would notice.
    pub fn editing_set_cookie(edit: impl Fn(String) -> String + Send + Sync + 'static) -> Self {
        Self { edit_set_cookie: Some(Arc::new(edit)), ..Self::new() }
    }

    /// The cookies.
    pub fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap()
    }

    /// A cookie's value.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar().get(name).map(|cookie| cookie.value.clone())
    }

    /// Opens a URL from the address bar.
    pub fn open(&self, url: impl IntoUrl) -> Navigation<'_> {
        Navigation::new(self, url.into_url(), None)
    }

    /// Follows a link, or a script's `location = …`, on the page at `from`.
    pub fn follow(&self, from: impl IntoUrl, url: impl IntoUrl) -> Navigation<'_> {
        Navigation::new(self, url.into_url(), Some(from.into_url()))
    }

    /// Submits a form of a page.
    pub fn submit(&self, page: &Page, form: &Form) -> Navigation<'_> {
        Navigation::submitting(self, &page.url, form)
    }

    /// A script's `fetch` on the page at `from`.
    pub fn fetch(&self, from: impl IntoUrl, url: impl IntoUrl) -> Fetch<'_> {
        Fetch::new(self, from.into_url(), url.into_url())
    }

    async fn exchange(&self, method: Method, url: &Url, headers: HeaderMap, body: Option<String>) -> Answer {
        let mut target = url.clone();
        target.set_fragment(None);
        let mut request = self.http.request(method, target).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("no answer from {url}: {error:?}"));
        let (status, headers) = (response.status(), response.headers().clone());
        let body =
            response.bytes().await.unwrap_or_else(|error| panic!("a broken body from {url}: {error:?}"));
        Answer { status, headers, body }
    }

    fn obey_set_cookie(&self, url: &Url, answer: &Answer, may_set_same_site: bool) {
        let mut jar = self.jar();
        for line in answer.set_cookies() {
            let line = match &self.edit_set_cookie {
                Some(edit) => edit(line),
                None => line,
            };
            jar.set(url, &line, may_set_same_site);
        }
    }
}

/// Anything that names a URL.
pub trait IntoUrl {
    /// The URL.
    fn into_url(self) -> Url;
}

impl IntoUrl for Url {
    fn into_url(self) -> Url {
        self
    }
}

impl IntoUrl for &Url {
    fn into_url(self) -> Url {
        self.clone()
    }
}

impl IntoUrl for &str {
    fn into_url(self) -> Url {
        Url::parse(self).unwrap_or_else(|error| panic!("{self:?} is no URL: {error}"))
    }
}

impl IntoUrl for String {
    fn into_url(self) -> Url {
        self.as_str().into_url()
    }
}

impl IntoUrl for &String {
    fn into_url(self) -> Url {
        self.as_str().into_url()
    }
}
