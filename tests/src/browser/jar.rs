//! A browser's cookies.

use super::{Cookie, SameSite};
use url::Url;

/// Which requests a cookie may travel with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    SameSite,
    /// A cross-site navigation of the top-level page by a safe method.
    CrossSiteNavigation,
    CrossSite,
}

/// The cookies of one profile.
#[derive(Default)]
pub struct Jar {
    cookies: Vec<Cookie>,
    rejected: Vec<String>,
}

impl Jar {
    /// A cookie by name.
    pub fn get(&self, name: &str) -> Option<&Cookie> {
        self.cookies.iter().find(|cookie| cookie.name == name && !cookie.is_expired())
    }

    /// Every cookie that has not expired.
    pub fn all(&self) -> Vec<Cookie> {
        self.cookies.iter().filter(|cookie| !cookie.is_expired()).cloned().collect()
    }

    /// The `Set-Cookie` lines that a browser ignores, with the reason.
    pub fn rejected(&self) -> &[String] {
        &self.rejected
    }

    /// Removes a cookie, as a user does in the settings.
    pub fn remove(&mut self, name: &str) {
        self.cookies.retain(|cookie| cookie.name != name);
    }

    /// Puts a cookie there, as somebody does who has another way in.
    pub fn plant(&mut self, url: &Url, line: &str) {
        self.set(url, line, true);
    }

    /// Copies every cookie of another profile.
    pub fn copy_from(&mut self, other: &Self) {
        self.cookies.clone_from(&other.cookies);
    }

    /// Obeys a `Set-Cookie` line. In a cross-site subresource a browser ignores `SameSite` cookies
    /// (RFC 6265bis §5.7, step 17).
    pub(super) fn set(&mut self, url: &Url, line: &str, may_set_same_site: bool) {
        match Cookie::parse(url, line) {
            Err(reason) => self.rejected.push(format!("{line} ({reason})")),
            Ok(cookie) if !may_set_same_site && cookie.same_site != SameSite::None => {
                self.rejected.push(format!("{line} (SameSite, from a cross-site subresource)"));
            }
            Ok(cookie) => {
                let identity = |other: &Cookie| {
                    (other.name.clone(), other.domain.clone(), other.host_only, other.path.clone())
                };
                self.cookies.retain(|other| identity(other) != identity(&cookie));
                if !cookie.is_expired() {
                    self.cookies.push(cookie);
                }
            }
        }
    }

    /// The `Cookie` header for a request.
    pub(super) fn header(&self, url: &Url, context: Context) -> Option<String> {
        let mut cookies: Vec<_> = self
            .cookies
            .iter()
            .filter(|cookie| !cookie.is_expired() && cookie.is_for(url))
            .filter(|cookie| match context {
                Context::SameSite => true,
                Context::CrossSiteNavigation => cookie.same_site != SameSite::Strict,
                Context::CrossSite => cookie.same_site == SameSite::None,
            })
            .collect();
        cookies.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<_> =
            cookies.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> Url {
        Url::parse("http://localhost:3000/bff/oauth/callback").unwrap()
    }

    #[test]
    fn a_host_cookie_needs_secure_and_the_root_path() {
        for (line, accepted) in [
            ("__Host-a=1; Secure; Path=/", true),
            ("__Host-a=1; Path=/", false),
            ("__Host-a=1; Secure", false),
            ("__Host-a=1; Secure; Path=/bff", false),
            ("__Host-a=1; Secure; Path=/; Domain=localhost", false),
            ("__host-a=1; Path=/", false),
        ] {
            let mut jar = Jar::default();
            jar.set(&app(), line, true);
            assert_eq!(jar.rejected().is_empty(), accepted, "{line}");
        }
    }

    #[test]
    fn a_deletion_must_match_and_an_expired_cookie_is_gone() {
        let mut jar = Jar::default();
        jar.set(&app(), "__Host-a=1; Secure; Path=/", true);
        jar.set(&app(), "__Host-a=; Max-Age=0; Path=/", true);
        assert!(jar.get("__Host-a").is_some(), "a deletion without Secure is ignored");
        jar.set(&app(), "__Host-a=; Secure; Max-Age=0; Path=/", true);
        assert!(jar.get("__Host-a").is_none());
    }

    #[test]
    fn a_context_decides_which_same_site_cookies_travel() {
        let mut jar = Jar::default();
        for line in [
            "s=1; SameSite=Strict; Path=/",
            "l=1; SameSite=Lax; Path=/",
            "n=1; SameSite=None; Secure; Path=/",
        ] {
            jar.set(&app(), line, true);
        }
        assert_eq!(jar.header(&app(), Context::SameSite).as_deref(), Some("s=1; l=1; n=1"));
        assert_eq!(jar.header(&app(), Context::CrossSiteNavigation).as_deref(), Some("l=1; n=1"));
        assert_eq!(jar.header(&app(), Context::CrossSite).as_deref(), Some("n=1"));
    }
}
