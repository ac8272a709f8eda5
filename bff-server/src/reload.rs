//! A new configuration for a server that runs: what of it can be taken, and what needs a restart.
//!
//! A reload builds everything from the new configuration and swaps it in at once, for the next request. Requests under way
//! finish with what they started with, as they would on another replica. So there is no list of what can change,
//! only this one of what cannot: what the process holds for its whole life.

use crate::config::Config;

/// What became of a new configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// The keys that have changed, but only count after a restart.
    pub needs_restart: Vec<&'static str>,
}

/// The new configuration with those parts of the running one that cannot change.
pub(crate) fn adopt(running: &Config, mut new: Config) -> (Config, Reloaded) {
    let mut needs_restart = Vec::new();
    let mut keep = |differs: bool, keys: &[&'static str]| {
        needs_restart.extend_from_slice(if differs { keys } else { &[] });
    };
    let (old, server) = (&running.server, &mut new.server);
    keep(old.public.ip() != server.public.ip(), &["server.ip"]);
    keep(old.public.port() != server.public.port(), &["server.port"]);
    server.public = old.public;
    // Its default follows from the public port.
    let explicit = old.internal_is_explicit || server.internal_is_explicit;
    keep(explicit && old.internal != server.internal, &["server.internal"]);
    server.internal = old.internal;
    server.internal_is_explicit = old.internal_is_explicit;
    keep(old.traces != server.traces, &["server.traces"]);
    server.traces.clone_from(&old.traces);
    // What another place holds is other people's sessions, or nobody's.
    if !running.store.is_same_place(&new.store) {
        keep(true, &["session.authorizationFlowCache"]);
        new.store.clone_from(&running.store);
    }
    (new, Reloaded { needs_restart })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::StoreConfig;

    fn config(changes: &[(&str, Value)]) -> Config {
        let mut file = json!({
            "client": {
                "issuer": "https://op.example",
                "clientId": "app",
                "credentials": {"secret": "one"},
                "redirect_uri": "https://app.example/bff/oauth/callback",
            },
            "connections": {
                "redis": {"type": "redis", "config": {
                    "host": "redis.example", "connection": {"username": "bff", "password": "one"},
                }},
                "sentinel": {"type": "redis", "config": {
                    "sentinel": {"nodes": ["a", "b"], "primary": "main", "password": "one"},
                }},
                "file": {"type": "embedded", "config": {"path": "/nowhere/sessions"}},
            },
            "session": {
                "signingKey": "0123456789abcdefghijklmnopqrstuv",
                "encryptionKey": "vutsrqponmlkjihgfedcba9876543210",
                "authorizationFlowCache": {"connectionName": "redis"},
            },
            "server": {"apiPrefix": "/bff"},
        });
        for (pointer, value) in changes {
            let mut place = &mut file;
            for key in pointer.split('/').skip(1) {
                place = &mut place[key];
            }
            *place = value.clone();
        }
        Config::from_json(&file.to_string()).unwrap()
    }

    #[test]
    fn what_a_process_holds_for_life_needs_a_restart_and_stays_as_it_is() {
        let running = config(&[]);
        for (pointer, value, key) in [
            ("/server/port", json!(4000), "server.port"),
            ("/server/ip", json!("127.0.0.1"), "server.ip"),
            ("/server/internal", json!({"port": 9000}), "server.internal"),
            ("/server/traces", json!({"endpoint": "http://127.0.0.1:4318/v1/traces"}), "server.traces"),
            ("/connections/redis/config/host", json!("other.example"), "session.authorizationFlowCache"),
            ("/connections/redis/config/port", json!(6380), "session.authorizationFlowCache"),
            ("/connections/redis/config/namespace", json!("other"), "session.authorizationFlowCache"),
            ("/connections/redis/config/connection/db", json!(1), "session.authorizationFlowCache"),
            (
                "/session/authorizationFlowCache/connectionName",
                json!("sentinel"),
                "session.authorizationFlowCache",
            ),
            (
                "/session/authorizationFlowCache/connectionName",
                json!("file"),
                "session.authorizationFlowCache",
            ),
            ("/session/authorizationFlowCache", Value::Null, "session.authorizationFlowCache"),
        ] {
            let (adopted, reloaded) = adopt(&running, config(&[(pointer, value)]));
            assert_eq!(reloaded.needs_restart, [key], "{pointer}");
            assert_eq!(adopted.server.public, running.server.public, "{pointer}");
            assert_eq!(adopted.server.internal, running.server.internal, "{pointer}");
            assert_eq!(adopted.server.traces, running.server.traces, "{pointer}");
            assert_eq!(adopted.store, running.store, "{pointer}");
        }
    }

    #[test]
    fn everything_else_changes_while_the_server_runs() {
        let nothing = Reloaded::default();
        for (pointer, value) in [
            ("/client/credentials/secret", json!("two")),
            ("/client/scope", json!("openid")),
            ("/session/signingKey", json!(["abcdefghijklmnopqrstuv0123456789"])),
            ("/session/mode", json!({"type": "bff"})),
            ("/session/userClaims", json!(["name"])),
            ("/server/apiPrefix", json!("/auth")),
            ("/server/logFilter", json!("debug")),
            ("/server/allowedReturnOrigins", json!(["https://*.app.example"])),
            ("/connections/redis/config/connection/password", json!("two")),
            ("/connections/redis/config/localCache", json!({"enabled": false})),
            ("/connections/redis/config/tls", json!({})),
        ] {
            let (_, reloaded) = adopt(&config(&[]), config(&[(pointer, value)]));
            assert_eq!(reloaded, nothing, "{pointer}");
        }
        let there = ("/session/authorizationFlowCache/connectionName", json!("sentinel"));
        let password = ("/connections/sentinel/config/sentinel/password", json!("two"));
        let (adopted, reloaded) = adopt(&config(std::slice::from_ref(&there)), config(&[there, password]));
        assert_eq!(reloaded, nothing);
        assert!(matches!(adopted.store, StoreConfig::Redis(_)));
    }
}
