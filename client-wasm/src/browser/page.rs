//! The page: where it is, who looks at it, how it is left, and what survives that.

use super::Browser;
use super::imports::{self, Document, Location, Navigator, Url};
use crate::ports::{Memory, Page};
use alloc::string::String;

/// The page's origin, as [`base_url::normalise`](crate::rules::base_url::normalise) wants it.
pub fn origin() -> String {
    Location::origin()
}

impl Page for Browser {
    fn location(&self) -> String {
        let href = Location::href();
        match href.strip_prefix(&origin()) {
            Some(path) => path.into(),
            // An opaque origin (`file:`, `about:`): there is no path of ours to come back to.
            None => String::from("/"),
        }
    }

    fn resolve(&self, address: &str) -> Option<String> {
        Url::new(address, &Location::href()).ok().map(|url| url.serialised())
    }

    fn is_hidden(&self) -> bool {
        Document::hidden()
    }

    fn is_user_acting(&self) -> bool {
        Navigator::user_activation().is_some_and(|activation| activation.is_active())
    }

    fn go(&self, url: &str) {
        imports::assign(url);
    }

    fn post(&self, url: &str) {
        let form = imports::create_element("form");
        form.set_method("post");
        form.set_action(url);
        // A form outside the document is not submitted.
        Document::root().append(&form);
        form.submit();
    }
}

impl Memory for Browser {
    fn recall(&self, name: &str) -> Option<f64> {
        // Throws when the user blocks site data, which blocks the session cookie as well.
        imports::get_item(name).ok().map(|value| imports::number(&value))
    }

    fn keep(&self, name: &str, value: f64) {
        imports::set_item(name, value).ok();
    }
}
