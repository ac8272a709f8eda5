//! An egress proxy: the only way out of some networks, by `CONNECT` (RFC 9110 §9.3.6).

use std::fmt;

use reqwest::{NoProxy, Proxy};
use url::Url;
use zeroize::Zeroizing;

/// What is on this machine is never asked for elsewhere.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// `server.outbound.proxy`.
#[derive(Clone, PartialEq, Eq)]
pub struct EgressProxy {
    /// Its own address.
    pub url: Url,
    /// How to log in there.
    pub credentials: Option<(String, Zeroizing<String>)>,
    /// Names with all below them, addresses and networks that are reached without it.
    pub direct: Vec<String>,
}

impl EgressProxy {
    pub(crate) fn to_reqwest(&self) -> reqwest::Result<Proxy> {
        let mut proxy = Proxy::all(self.url.clone())?;
        if let Some((username, password)) = &self.credentials {
            proxy = proxy.basic_auth(username, password);
        }
        let direct = self.direct.iter().map(String::as_str).chain([LOOPBACK]);
        Ok(proxy.no_proxy(NoProxy::from_string(&direct.collect::<Vec<_>>().join(","))))
    }
}

impl fmt::Debug for EgressProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EgressProxy")
            .field("url", &self.url.as_str())
            .field("username", &self.credentials.as_ref().map(|(username, _)| username))
            .field("direct", &self.direct)
            .finish_non_exhaustive()
    }
}

/// The variables by which many programs find a proxy, and this one does not.
const VARIABLES: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];

/// Which of them an environment sets. Their values stay where they are: many hold a password.
pub(crate) fn variables_in(environment: impl Iterator<Item = (String, String)>) -> Vec<&'static str> {
    let set: Vec<String> =
        environment.filter(|(_, value)| !value.trim().is_empty()).map(|(name, _)| name).collect();
    VARIABLES.into_iter().filter(|name| set.iter().any(|it| it == name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_for_proxies_are_noticed_by_name_unless_they_are_empty() {
        let environment = |pairs: &[(&str, &str)]| {
            variables_in(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        };
        assert_eq!(environment(&[("PATH", "/bin"), ("NO_PROXY", "*"), ("HTTPS_PROXY", " ")]), [""; 0]);
        let all: Vec<_> = VARIABLES.iter().map(|name| (*name, "http://proxy")).collect();
        assert_eq!(environment(&all), VARIABLES);
    }

    #[test]
    fn sec_063_a_proxys_password_does_not_print_itself() {
        let proxy = EgressProxy {
            url: Url::parse("http://proxy.example:3128").unwrap(),
            credentials: Some(("ada".to_owned(), Zeroizing::new("canary".to_owned()))),
            direct: vec![".internal".to_owned()],
        };
        let shown = format!("{proxy:?}");
        assert!(shown.contains("proxy.example") && !shown.contains("canary"), "{shown}");
    }
}
