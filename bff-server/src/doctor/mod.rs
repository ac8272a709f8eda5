//! Whether the parts that a configuration names are there, take us, and fit together: `authtool-bff doctor`, and
//! `authtool-bff check --online`, which asks only for what no login can do without.
//!
//! | module | what it looks at |
//! |---|---|
//! | `keys` | length, randomness, rotation |
//! | `cookies` | whether browsers will keep the session cookie, and send it where it is needed |
//! | `store` | reach, rights, eviction, persistence, its clock |
//! | `provider` | metadata, keys, methods, its clock |
//! | `client` | credentials, and the registered addresses |
//! | `dry_request` | what an authorization request that bothers nobody tells about its `redirect_uri` |
//! | `public_url` | what proxies in front of the server make of it |
//!
//! Nothing is changed anywhere: the store gets a marker that is gone after a second, a provider gets an
//! authorization code that it never issued and requests that it answers without anybody logging in.

mod client;
mod clock;
mod configuration;
mod cookies;
mod dry_request;
mod finding;
mod keys;
mod provider;
mod public_url;
mod store;

use std::{future::Future, path::Path, pin::Pin};

use futures_util::future::join_all;
use url::Url;

pub use self::finding::{Area, Finding, Verdict};
use crate::config::{Config, LoadError};

/// Walks the whole chain. With `url`, also asks the server as browsers reach it. Must be called within a Tokio
/// runtime.
pub async fn diagnose(path: &Path, config: &Config, url: Option<&Url>) -> Vec<Finding> {
    let mut findings = configuration::look_at(path, config);
    findings.extend(keys::look_at(&config.session));
    findings.extend(cookies::look_at(config));
    let (store, providers, public) = tokio::join!(
        boxed(store::examine(&config.store)),
        join_all(config.provider.issuers.iter().map(|issuer| boxed(provider::examine(config, issuer)))),
        boxed(async {
            match url {
                Some(url) => public_url::examine(config, url).await,
                None => Vec::new(),
            }
        })
    );
    findings.extend(store);
    findings.extend(providers.into_iter().flatten());
    findings.extend(public);
    findings
}

/// What a configuration that cannot be used says about itself.
pub fn of_load_error(error: &LoadError) -> Vec<Finding> {
    configuration::of_load_error(error)
}

/// Asks the store and every provider for what no login can do without. Must be called within a Tokio runtime.
pub async fn essentials(config: &Config) -> Vec<Finding> {
    let (store, providers) = tokio::join!(
        boxed(store::essentials(&config.store)),
        join_all(config.provider.issuers.iter().map(|issuer| boxed(provider::essentials(config, issuer))))
    );
    store.into_iter().chain(providers.into_iter().flatten()).collect()
}

/// Deep futures are more than the compiler likes to lay out in one piece.
fn boxed<'a, T>(future: impl Future<Output = T> + 'a) -> Pin<Box<dyn Future<Output = T> + 'a>> {
    Box::pin(future)
}
