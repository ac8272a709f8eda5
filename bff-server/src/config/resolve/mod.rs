//! From the file's shape to values that are known to be good, noting everything that is not.

mod client;
mod connections;
mod cookie;
mod issuer;
mod outbound;
mod redis_url;
mod requests;
mod server;
mod session;
mod values;

pub(super) use connections::KEPT_IN_MEMORY;

use super::{
    Config, ConfigProblems, Hardening, Mode, ProviderConfig, PublicToken, ServerConfig, SessionConfig,
    StoreConfig, file::ConfigFile, read,
};
use crate::domain::metadata::is_loopback;

/// Notes problems and warnings while the rest is read.
struct Notes {
    /// Keys whose values could not be read: what stands in their place is nobody's mistake.
    unreadable: Vec<String>,
    problems: ConfigProblems,
    warnings: Vec<String>,
}

impl Notes {
    fn new() -> Self {
        Self { unreadable: Vec::new(), problems: ConfigProblems::default(), warnings: Vec::new() }
    }

    fn problem(&mut self, key: &str, problem: impl Into<String>, fix: impl Into<String>) {
        if !self.unreadable.iter().any(|it| it == key) {
            self.problems.add(key, problem, fix);
        }
    }

    /// Whether something is wrong with this very key already.
    fn has(&self, key: &str) -> bool {
        self.problems.0.iter().any(|it| it.key == key)
    }

    /// Says something once, however often it is found.
    fn remark(&mut self, remarks: impl IntoIterator<Item = String>) {
        for remark in remarks {
            if !self.warnings.contains(&remark) {
                self.warnings.push(remark);
            }
        }
    }

    fn missing(&mut self, key: &str, fix: &str) {
        self.problem(key, "it is required, but missing", fix);
    }
}

pub(super) fn config(
    file: ConfigFile,
    problems: ConfigProblems,
    warnings: Vec<String>,
) -> Result<Config, ConfigProblems> {
    let unreadable = problems.0.iter().map(|it| it.key.clone()).collect();
    let mut notes = Notes { unreadable, problems, warnings };
    if notes.has(read::WHOLE_FILE) {
        return Err(notes.problems);
    }
    if file.client.is_none() {
        notes.missing("client", "describe your authorization server and client there: issuer, clientId, …");
    }
    if file.session.is_none() {
        notes.missing("session", "set session.signingKey and session.encryptionKey there");
    }
    let bound = file.client.as_ref().map(requests::bound).unwrap_or_default();
    let provider = file.client.map(|section| client::provider(section, &mut notes));
    let app = provider
        .as_ref()
        .and_then(|it| it.clients.get(it.default_client))
        .and_then(|client| client.redirect_uri.join("/").ok());
    let connections = connections::all(file.connections, &mut notes);
    let mut store = StoreConfig::Memory;
    let session = file.session.and_then(|mut section| {
        store = connections::session_store(section.authorization_flow_cache.take(), &connections, &mut notes);
        session::session(section, file.server.public_base_path.as_deref(), &mut notes)
    });
    if session.as_ref().is_some_and(|it| it.mode == Mode::TokenExchange) {
        for key in bound {
            notes.problem(
                &key,
                "in the mode tokenExchange the browser calls APIs, and does not have the key that the tokens are bound \
                 to",
                "leave it out, or set session.mode.type to bff",
            );
        }
    }
    let server = server::server(file.server, app, &mut notes);
    if let StoreConfig::Redis(redis) = &mut store
        && let Some(tls) = &mut redis.tls
    {
        tls.authorities.clone_from(&server.outbound.authorities);
    }
    if server.public_token == PublicToken::Closed
        && session.as_ref().is_some_and(|session| session.mode == Mode::TokenExchange)
    {
        notes.problem(
            "server.publicToken",
            "it is closed, but in tokenExchange mode the app fetches its token there",
            "set session.mode.type to \"bff\", or server.publicToken to \"guarded\"",
        );
    }
    let client_ids = || provider.iter().flat_map(|it| &it.clients).map(|client| &client.client_id);
    for (i, machines) in server.machine_clients.iter().enumerate() {
        for (j, audience) in machines.audiences.iter().enumerate() {
            if client_ids().any(|it| it == audience) {
                notes.problem(
                    &format!("server.machineClients[{i}].audiences[{j}]"),
                    "it is a clientId, and so the audience of that client's ID tokens, which are no access tokens",
                    "have the provider issue tokens for an audience of the API's own, and name that",
                );
            }
        }
    }
    if let (Some(provider), Some(session), true) = (&provider, &session, notes.problems.is_empty()) {
        look_twice(provider, session, &server, &mut notes);
    }
    match (provider, session) {
        (Some(provider), Some(session)) if notes.problems.is_empty() => {
            Ok(Config { provider, session, server, store, development: false, warnings: notes.warnings })
        }
        _ => Err(notes.problems),
    }
}

/// What is possible, but likely not what was meant.
fn look_twice(provider: &ProviderConfig, session: &SessionConfig, server: &ServerConfig, notes: &mut Notes) {
    for client in &provider.clients {
        let expected = format!("{}{}", server.public_prefix(), authtool_contract::endpoint::OAUTH_CALLBACK);
        let path = client.redirect_uri.path().trim_end_matches('/');
        let own = path.strip_prefix(&expected).filter(|own| own.is_empty() || own.starts_with('/'));
        if own.is_none_or(|own| own.matches('/').count() > 1) {
            let base = path.rsplit_once(&expected).map(|(base, _)| base).filter(|base| !base.is_empty());
            let hint = match base.filter(|_| server.base_path.is_empty()) {
                Some(base) => format!("; if the whole app is below {base}, set server.publicBasePath to it"),
                None => String::new(),
            };
            notes.warnings.push(format!(
                "redirect_uri has the path {}, but the callback is served at {expected}; unless something in front \
                 of the server rewrites paths, logins will end at a page that is not there{hint}",
                client.redirect_uri.path()
            ));
        }
        if client.redirect_uri.scheme() == "http"
            && session.cookie.secure
            && !is_loopback(&client.redirect_uri)
        {
            notes.warnings.push(
                "redirect_uri is plain http on another host than localhost: browsers will not keep Secure cookies \
                 there, and logins will not last; use https, or session.mode.sessionIdHardening \"none\" with secure \
                 false on a closed network"
                    .into(),
            );
        }
    }
    if session.cookie.hardening == Hardening::None {
        notes.warnings.push("session.mode.sessionIdHardening is \"none\": for development only".into());
    }
}

#[cfg(test)]
mod tests;
