//! `connections`, and the one that `session.authorizationFlowCache` names.

use std::collections::BTreeMap;

use super::Notes;
use crate::config::{
    StoreConfig,
    file::{ConnectionSection, FlowCacheSection},
};

pub(super) fn session_store(
    section: Option<FlowCacheSection>,
    connections: &BTreeMap<String, ConnectionSection>,
    notes: &mut Notes,
) -> StoreConfig {
    let key = "session.authorizationFlowCache";
    let Some(section) = section else {
        notes.warnings.push(format!(
            "{key} is not set: sessions are kept in memory and end with this process; name a connection to keep them"
        ));
        return StoreConfig::Memory;
    };
    match (section.connection_name, section.host) {
        (Some(name), None) => {
            if let Some(connection) = connections.get(&name) {
                match connection.kind.as_deref() {
                    Some("embedded") => connection
                        .config
                        .path
                        .as_ref()
                        .map_or(StoreConfig::Memory, |path| StoreConfig::File(path.into())),
                    _ => StoreConfig::Memory,
                }
            } else {
                let known = connections.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                notes.problem(
                    &format!("{key}.connectionName"),
                    format!("there is no connection {name:?}"),
                    if known.is_empty() {
                        format!(
                            "add it under `connections`, such as {{\"{name}\": {{\"type\": \"embedded\"}}}}"
                        )
                    } else {
                        format!("add it under `connections`, or name one of: {known}")
                    },
                );
                StoreConfig::Memory
            }
        }
        (None, Some(_)) => {
            redis_is_coming(key, notes);
            StoreConfig::Memory
        }
        _ => {
            notes.problem(
                key,
                "it names no store",
                "give `connectionName`, or leave the key out to keep sessions in memory",
            );
            StoreConfig::Memory
        }
    }
}

pub(super) fn check(name: &str, connection: &ConnectionSection, notes: &mut Notes) {
    let key = format!("connections.{name}");
    match connection.kind.as_deref() {
        Some("embedded") => {
            if connection.config.host.is_some() {
                notes.problem(&format!("{key}.config.host"), "an embedded store has no host", "remove it");
            }
        }
        Some("redis") => redis_is_coming(&key, notes),
        Some(other) => notes.problem(
            &format!("{key}.type"),
            format!("{other:?} is not a kind of connection"),
            "use \"embedded\" or \"redis\"",
        ),
        None if notes.problems.0.iter().any(|it| it.key.starts_with(&key)) => {}
        None => notes.missing(&format!("{key}.type"), "use \"embedded\" or \"redis\""),
    }
}

fn redis_is_coming(key: &str, notes: &mut Notes) {
    notes.problem(
        key,
        "this version has no Redis store yet",
        "use a connection of type \"embedded\" (one process; give `path` to keep sessions over restarts)",
    );
}
