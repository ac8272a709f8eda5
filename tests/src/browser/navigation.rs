//! Navigations: what the address bar, a link, a form or a frame starts.

use super::jar::Context;
use super::site::{Relation, relation};
use super::{Browser, Form};
use crate::Answer;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use url::Url;

/// More redirects than any flow needs; a browser gives up at twenty.
const REDIRECT_LIMIT: usize = 20;

/// Whether to stop before a URL is asked for.
type Stop<'a> = dyn Fn(&Url) -> bool + Send + 'a;

/// A navigation that has not begun.
#[must_use = "a navigation begins with go()"]
pub struct Navigation<'a> {
    browser: &'a Browser,
    url: Url,
    initiator: Option<Url>,
    method: Method,
    body: Option<String>,
    dest: &'static str,
    extra: HeaderMap,
    stop: Option<Box<Stop<'a>>>,
}

/// One request of a navigation, and its answer.
#[derive(Clone, Debug)]
pub struct Hop {
    /// The URL asked for.
    pub url: Url,
    /// The headers sent.
    pub sent: HeaderMap,
    /// What came back.
    pub answer: Answer,
}

/// Where a navigation ended.
#[derive(Clone, Debug)]
pub struct Page {
    /// The last URL asked for.
    pub url: Url,
    /// Its answer.
    pub answer: Answer,
    /// Every request on the way, the last one included.
    pub hops: Vec<Hop>,
    /// The URL before which the navigation was told to stop.
    pub next: Option<Url>,
}

impl Page {
    /// The status of the last answer.
    pub fn status(&self) -> StatusCode {
        self.answer.status
    }

    /// The forms of the page.
    pub fn forms(&self) -> Vec<Form> {
        Form::all(&self.url, &self.answer.text())
    }

    /// Where the first answer redirects to.
    ///
    /// # Panics
    /// When it does not redirect.
    pub fn first_location(&self) -> Url {
        let hop = &self.hops[0];
        let location = hop.answer.header("location");
        assert!(!location.is_empty(), "{} does not redirect: {:?}", hop.url, hop.answer);
        hop.url.join(location).expect("a Location is a URL")
    }

    /// The hop at which `path` was asked for.
    ///
    /// # Panics
    /// When the way did not lead there.
    pub fn hop(&self, path: &str) -> &Hop {
        let way: Vec<_> = self.hops.iter().map(|hop| hop.url.as_str()).collect();
        self.hops
            .iter()
            .find(|hop| hop.url.path() == path)
            .unwrap_or_else(|| panic!("{path} is not on {way:?}"))
    }
}

impl<'a> Navigation<'a> {
    pub(super) fn new(browser: &'a Browser, url: Url, initiator: Option<Url>) -> Self {
        Self {
            browser,
            url,
            initiator,
            method: Method::GET,
            body: None,
            dest: "document",
            extra: HeaderMap::new(),
            stop: None,
        }
    }

    pub(super) fn submitting(browser: &'a Browser, page: &Url, form: &Form) -> Self {
        let mut navigation = Self::new(browser, form.action.clone(), Some(page.clone()));
        if form.method == Method::POST {
            navigation.method = Method::POST;
            navigation.body = Some(form.encode());
        } else {
            navigation.url.set_query(Some(&form.encode()));
        }
        navigation
    }

    /// As a form post of these fields.
    pub fn posting(mut self, body: &str) -> Self {
        self.method = Method::POST;
        self.body = Some(body.to_owned());
        self
    }

    /// By another method: no browser navigates so, but a probe may ask.
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Into a frame of the initiating page.
    pub fn in_frame(mut self) -> Self {
        self.dest = "iframe";
        self
    }

    /// One more header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.extra
            .insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header value"));
        self
    }

    /// Stops before a URL is asked for.
    pub fn stop_before(mut self, stop: impl Fn(&Url) -> bool + Send + 'a) -> Self {
        self.stop = Some(Box::new(stop));
        self
    }

    /// Stops after the first answer.
    pub fn first_hop(self) -> Self {
        self.stop_before(|_| true)
    }

    /// Navigates.
    pub async fn go(mut self) -> Page {
        let mut hops: Vec<Hop> = Vec::new();
        // The farthest that any URL of the chain is from the initiator; absent: the user's own act.
        let mut farthest = self.initiator.as_ref().map(|_| Relation::SameOrigin);
        loop {
            if let (Some(initiator), Some(so_far)) = (&self.initiator, &mut farthest) {
                *so_far = (*so_far).max(relation(initiator, &self.url));
            }
            let sent = self.headers(farthest);
            let answer =
                self.browser.exchange(self.method.clone(), &self.url, sent.clone(), self.body.clone()).await;
            let cross_site_frame = self.dest != "document" && farthest == Some(Relation::CrossSite);
            self.browser.obey_set_cookie(&self.url, &answer, !cross_site_frame);
            hops.push(Hop { url: self.url.clone(), sent, answer: answer.clone() });
            let next = redirect_target(&self.url, &answer);
            let stop = next.as_ref().is_some_and(|next| self.stop.as_ref().is_some_and(|stop| stop(next)));
            match next {
                Some(next) if !stop => {
                    assert!(hops.len() < REDIRECT_LIMIT, "a redirect loop: {hops:?}");
                    if !matches!(answer.status.as_u16(), 307 | 308) && self.method != Method::HEAD {
                        (self.method, self.body) = (Method::GET, None);
                    }
                    self.url = next;
                }
                next => return Page { url: self.url, answer, hops, next },
            }
        }
    }

    fn headers(&self, farthest: Option<Relation>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value: &str| {
            headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
        };
        set(header::ACCEPT, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
        set(header::ACCEPT_LANGUAGE, "en-GB,en;q=0.9");
        set(header::USER_AGENT, super::fetch::USER_AGENT);
        set(HeaderName::from_static("sec-fetch-site"), farthest.map_or("none", Relation::as_str));
        set(HeaderName::from_static("sec-fetch-mode"), "navigate");
        set(HeaderName::from_static("sec-fetch-dest"), self.dest);
        if self.dest == "document" {
            set(HeaderName::from_static("sec-fetch-user"), "?1");
        }
        set(HeaderName::from_static("upgrade-insecure-requests"), "1");
        if self.body.is_some() {
            set(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if let Some(initiator) = &self.initiator {
            let origin = initiator.origin().ascii_serialization();
            if self.method == Method::POST {
                set(header::ORIGIN, &origin);
            }
            // strict-origin-when-cross-origin, the default policy.
            let referrer = match relation(initiator, &self.url) {
                Relation::SameOrigin => initiator[..url::Position::AfterQuery].to_owned(),
                Relation::SameSite | Relation::CrossSite => format!("{origin}/"),
            };
            set(header::REFERER, &referrer);
        }
        let context = match farthest {
            Some(Relation::CrossSite) if self.dest == "document" && self.method.is_safe() => {
                Context::CrossSiteNavigation
            }
            Some(Relation::CrossSite) => Context::CrossSite,
            Some(Relation::SameOrigin | Relation::SameSite) | None => Context::SameSite,
        };
        if let Some(cookies) = self.browser.jar().header(&self.url, context) {
            set(header::COOKIE, &cookies);
        }
        for (name, value) in &self.extra {
            headers.insert(name, value.clone());
        }
        headers
    }
}

fn redirect_target(url: &Url, answer: &Answer) -> Option<Url> {
    if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = answer.headers.get(header::LOCATION)?.to_str().ok()?;
    let mut target = url.join(location).unwrap_or_else(|error| panic!("Location {location:?}: {error}"));
    // RFC 9110 §10.2.2: a redirect without a fragment inherits it.
    if target.fragment().is_none() {
        target.set_fragment(url.fragment());
    }
    Some(target)
}
