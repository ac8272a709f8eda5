//! A configuration for a developer's own machine, where only the provider has to be named.

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::resolve::KEPT_IN_MEMORY;
use super::{Config, ConfigProblems, LoadError};
use std::path::Path;

const APP: &str = "http://localhost";
const PORT: u16 = 3000;

impl Config {
    /// Embedded defaults: fresh keys, sessions in memory, this machine only, mode `bff` below `/bff`. Environment
    /// variables override them as they do a file's keys, and `settings`, in the form of the file, override both.
    /// `app` is the app's origin, if another server shows it.
    pub fn for_development(settings: Value, app: Option<&str>) -> Result<Self, ConfigProblems> {
        Self::develop(Value::Null, settings, app)
    }

    /// [`for_development`](Self::for_development) with a configuration file, whose keys override the embedded defaults. Keys
    /// and sections that it lacks keep these.
    pub fn for_development_with(path: &Path, settings: Value, app: Option<&str>) -> Result<Self, LoadError> {
        let (value, remarks) = Self::value_of(path)?;
        let mut config = Self::develop(value, settings, app)
            .map_err(|problems| LoadError::Invalid { path: path.to_owned(), problems })?;
        config.warnings.splice(0..0, remarks);
        Ok(config)
    }

    fn develop(file: Value, settings: Value, app: Option<&str>) -> Result<Self, ConfigProblems> {
        let mut problems = ConfigProblems::default();
        let (Some(signing_key), Some(encryption_key)) = (random_key(), random_key()) else {
            problems.add("session", "the system's random source failed", "try again");
            return Err(problems);
        };
        let mut value = json!({
            "client": { "scope": "openid profile email" },
            "session": {
                "mode": { "type": "bff" },
                "signingKey": signing_key,
                "encryptionKey": encryption_key,
                "userClaims": ["sub", "name", "email"],
            },
            "server": { "apiPrefix": "/bff", "ip": "127.0.0.1" },
        });
        if !file.is_null() {
            merge(&mut value, file);
        }
        let overrides = super::environment::apply(&mut value, super::variables(), &mut problems);
        merge(&mut value, settings);
        complete(&mut value, app);
        let mut config = Self::resolve(value, problems, &overrides)?;
        config.warnings.retain(|warning| warning != KEPT_IN_MEMORY);
        config.warn_of_ignored_proxies(super::variables());
        Ok(Self { development: true, ..config })
    }
}

/// What follows from the rest, unless it is said.
fn complete(value: &mut Value, app: Option<&str>) {
    let at = |pointer: &str| value.pointer(pointer).cloned();
    let app = app.map_or_else(
        || format!("{APP}:{}", at("/server/port").and_then(|it| it.as_u64()).unwrap_or(PORT.into())),
        |app| app.trim_end_matches('/').to_owned(),
    );
    let prefix = at("/server/apiPrefix").and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default();
    let callback =
        format!("{app}{}{}", prefix.trim_end_matches('/'), authtool_contract::endpoint::OAUTH_CALLBACK);
    let public = at("/client/credentials").is_none();
    let several = at("/client/clients").is_some();
    let Some(client) = value.get_mut("client").and_then(Value::as_object_mut) else { return };
    if several {
        return;
    }
    client.entry("redirect_uri").or_insert_with(|| callback.into());
    if public {
        client.entry("preferredTokenEndpointAuthMethod").or_insert_with(|| "none".into());
    }
}

/// Objects key by key, everything else as a whole.
fn merge(target: &mut Value, source: Value) {
    match (target, source) {
        (Value::Object(target), Value::Object(source)) => {
            for (key, value) in source {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, source) => *target = source,
    }
}

/// 32 random bytes in base64: a `signingKey`, an `encryptionKey`, a credential. `None` if the system has no
/// randomness.
pub fn random_key() -> Option<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).ok()?;
    Some(STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Mode, StoreConfig};

    fn develop(settings: Value, app: Option<&str>) -> Config {
        Config::for_development(settings, app).unwrap()
    }

    #[test]
    fn an_issuer_and_a_client_id_are_enough() {
        let config = develop(json!({"client": {"issuer": "https://op.example", "clientId": "spa"}}), None);
        assert_eq!(config.session.mode, Mode::Bff);
        assert_eq!(config.store, StoreConfig::Memory);
        // Machines of developers may well have a variable for a proxy.
        assert!(
            config.warnings.iter().all(|it| it.contains("server.outbound.proxy")),
            "{:?}",
            config.warnings
        );
        assert!(config.server.public.ip().is_loopback());
        let client = &config.provider.clients[0];
        assert_eq!(client.redirect_uri.as_str(), "http://localhost:3000/bff/oauth/callback");
        assert_eq!(config.server.app.as_str(), "http://localhost:3000/");
    }

    #[test]
    fn the_apps_own_server_and_another_port_are_where_the_browser_comes_back_to() {
        let settings = || {
            json!({
                "client": {"issuer": "https://op.example", "clientId": "spa", "credentials": {"secret": "s"}},
                "server": {"port": 4000, "apiPrefix": "/auth/"},
            })
        };
        let redirect_uri = |app| develop(settings(), app).provider.clients[0].redirect_uri.to_string();
        assert_eq!(redirect_uri(None), "http://localhost:4000/auth/oauth/callback");
        assert_eq!(redirect_uri(Some("http://localhost:5173/")), "http://localhost:5173/auth/oauth/callback");
    }

    #[test]
    fn a_file_goes_before_the_defaults_and_options_before_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authtool.yaml");
        let file = "client: {issuer: https://op.example, clientId: spa, scope: openid}\nserver: {port: 4000, apiPrefix: /auth}\n";
        std::fs::write(&path, file).unwrap();
        let config =
            Config::for_development_with(&path, json!({"client": {"clientId": "other"}}), None).unwrap();
        let client = &config.provider.clients[0];
        assert_eq!((client.client_id.as_str(), client.scope.as_str()), ("other", "openid"));
        assert_eq!(client.redirect_uri.as_str(), "http://localhost:4000/auth/oauth/callback");
        assert!(config.development && config.server.public.ip().is_loopback());
        std::fs::write(&path, "client: {isuer: https://op.example}\n").unwrap();
        let error = Config::for_development_with(&path, json!({}), None).unwrap_err().to_string();
        assert!(error.contains("isuer") && error.contains("authtool.yaml"), "{error}");
    }

    #[test]
    fn keys_differ_from_run_to_run_and_what_is_missing_is_named() {
        assert_ne!(random_key(), random_key());
        let problems = Config::for_development(json!({}), None).unwrap_err().to_string();
        assert!(problems.contains("client.issuer") && problems.contains("client.clientId"), "{problems}");
    }
}
