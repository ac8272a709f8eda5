//! How two URLs are related: origin, schemeful site, neither.

use url::{Host, Url};

/// What `Sec-Fetch-Site` says about an initiator and a target. Ordered from near to far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// Scheme, host and port are the same.
    SameOrigin,
    /// Scheme and registrable domain are the same.
    SameSite,
    /// Anything else.
    CrossSite,
}

impl Relation {
    /// The header's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SameOrigin => "same-origin",
            Self::SameSite => "same-site",
            Self::CrossSite => "cross-site",
        }
    }
}

/// How `target` is related to `initiator`.
pub fn relation(initiator: &Url, target: &Url) -> Relation {
    if initiator.origin() == target.origin() {
        Relation::SameOrigin
    } else if initiator.scheme() == target.scheme() && site(initiator) == site(target) {
        Relation::SameSite
    } else {
        Relation::CrossSite
    }
}

/// The registrable domain. The tests use no public suffix of more than one label, and an IP address or a
/// single label is a site of its own.
fn site(url: &Url) -> String {
    match url.host() {
        Some(Host::Domain(domain)) => {
            let mut labels: Vec<_> = domain.rsplit('.').take(2).collect();
            labels.reverse();
            labels.join(".")
        }
        Some(host) => host.to_string(),
        None => String::new(),
    }
}

/// Origins that browsers trust as much as https (Secure Contexts §3.1).
pub(super) fn is_trustworthy(url: &Url) -> bool {
    url.scheme() == "https"
        || match url.host() {
            Some(Host::Domain(domain)) => domain == "localhost" || domain.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_separate_origins_but_not_sites() {
        for (initiator, target, expected) in [
            ("http://localhost:3000/a", "http://localhost:3000/b", Relation::SameOrigin),
            ("http://localhost:3000/", "http://localhost:3001/", Relation::SameSite),
            ("http://localhost:3000/", "http://127.0.0.1:3000/", Relation::CrossSite),
            ("https://a.example.org/", "https://b.example.org/", Relation::SameSite),
            ("http://a.example.org/", "https://a.example.org/", Relation::CrossSite),
            ("https://example.org/", "https://example.com/", Relation::CrossSite),
        ] {
            let (initiator, target) = (Url::parse(initiator).unwrap(), Url::parse(target).unwrap());
            assert_eq!(relation(&initiator, &target), expected, "{initiator} {target}");
        }
    }
}
