//! `session`: mode, keys, lifetimes.

use std::time::Duration;

use super::{
    Notes, cookie,
    values::{lifetime, web_url},
};
use crate::{
    config::{Mode, SessionConfig, file::SessionSection, secret::SecretList},
    domain::session::Lifetimes,
    seal::{KeyList, KeyMaterial},
};

const DEFAULT_REFRESH_TOKEN_SECS: u64 = 604_800;
const DEFAULT_ABSOLUTE_SECS: u64 = 30 * 24 * 3600;
const DEFAULT_JITTER_SECS: u64 = 7;
const MAX_KEYS: usize = 8;
const DEFAULT_MAX_SESSIONS_PER_USER: u32 = 1000;
/// Also what it is by default.
const MAX_REVOCATION_DELAY_SECS: u64 = 300;

/// `None` where there are no keys, which has been noted. `base_path` is `server.publicBasePath`, as it is written.
pub(super) fn session(
    section: SessionSection,
    base_path: Option<&str>,
    notes: &mut Notes,
) -> Option<SessionConfig> {
    let mode = match section.mode.kind.as_deref() {
        Some("bff") => Mode::Bff,
        None | Some("tokenMediation" | "tokenExchange") => Mode::TokenExchange,
        Some(other) => {
            notes.problem(
                "session.mode.type",
                format!("{other:?} is not a mode"),
                "use \"bff\" (no token reaches the browser) or \"tokenExchange\"",
            );
            Mode::Bff
        }
    };
    let cookie = cookie::settings(section.mode, base_path, notes);
    let signing_keys = keys("session.signingKey", section.signing_key, notes);
    let encryption_keys = keys("session.encryptionKey", section.encryption_key, notes);
    if signing_keys
        .iter()
        .flat_map(KeyList::iter)
        .any(|key| encryption_keys.iter().flat_map(KeyList::iter).any(|it| it == key))
    {
        notes.problem(
            "session.encryptionKey",
            "it is the same key as session.signingKey",
            "use two independent keys; `authtool-bff keys` makes a pair",
        );
    }
    if section.encrypt_access_token == Some(false) {
        notes.warnings.push(
            "session.encryptAccessToken is false, but access tokens are encrypted all the same: it costs \
             microseconds and keeps a copy of the store useless to a thief"
                .into(),
        );
    }
    let user_claims = section.user_claims.unwrap_or_else(|| vec!["email".to_owned()]);
    for (i, name) in user_claims.iter().enumerate() {
        let key = format!("session.userClaims[{i}]");
        if name == authtool_contract::SESSION_MEMBER {
            notes.problem(
                &key,
                "`session` is the one claim that cannot be shown: /session uses the name itself",
                "remove it from the list",
            );
        }
        if name.is_empty() {
            notes.problem(&key, "it is empty", "name a claim, such as email");
        }
    }
    let jitter_secs = section.session_jitter_secs.unwrap_or(DEFAULT_JITTER_SECS);
    if jitter_secs > 3600 {
        notes.problem("session.sessionJitterSecs", "it is more than an hour", "use a few seconds");
    }
    let lifetimes = Lifetimes {
        absolute: lifetime(
            "session.absoluteLifetimeSecs",
            section.absolute_lifetime_secs,
            DEFAULT_ABSOLUTE_SECS,
            notes,
        ),
        refresh_token: lifetime(
            "session.refreshTokenExpirationSecs",
            section.refresh_token_expiration_secs,
            DEFAULT_REFRESH_TOKEN_SECS,
            notes,
        ),
        idle: section
            .idle_timeout_secs
            .map(|seconds| lifetime("session.idleTimeoutSecs", Some(seconds), seconds, notes)),
        refresh_token_field: section.refresh_token_expiration_payload_field.filter(|it| !it.is_empty()),
        jitter: Duration::from_secs(jitter_secs),
    };
    let max_sessions_per_user = section.max_sessions_per_user.unwrap_or(DEFAULT_MAX_SESSIONS_PER_USER);
    if max_sessions_per_user == 0 {
        notes.problem("session.maxSessionsPerUser", "it is zero: nobody could log in", "use at least 1");
    }
    let revocation_delay_secs = section.revocation_delay_secs.unwrap_or(MAX_REVOCATION_DELAY_SECS);
    if !(1..=MAX_REVOCATION_DELAY_SECS).contains(&revocation_delay_secs) {
        notes.problem(
            "session.revocationDelaySecs",
            "it is zero, or longer than tokens of an ended session may wait to be revoked",
            "use 1 to 300 seconds",
        );
    }
    let error_redirect =
        section.error_redirects.as_deref().and_then(|text| web_url("session.errorRedirects", text, notes));
    Some(SessionConfig {
        mode,
        cookie,
        signing_keys: signing_keys?,
        encryption_keys: encryption_keys?,
        lifetimes,
        revocation_delay: Duration::from_secs(revocation_delay_secs),
        max_sessions_per_user: usize::try_from(max_sessions_per_user).unwrap_or(usize::MAX),
        user_claims,
        error_redirect,
        logout_on_get: !section.disable_logout_on_get.unwrap_or(false),
        same_site_return: section.same_site_return.unwrap_or(false),
    })
}

fn keys(key: &str, list: Option<SecretList>, notes: &mut Notes) -> Option<KeyList> {
    let Some(SecretList(sources)) = list else {
        if !notes.problems.0.iter().any(|it| it.key.starts_with(key)) {
            notes.missing(
                key,
                "`authtool-bff keys` makes one; keep it in a file or a secret of your platform",
            );
        }
        return None;
    };
    if sources.len() > MAX_KEYS {
        notes.problem(key, format!("there are more than {MAX_KEYS} keys"), "remove the oldest ones");
    }
    let several = sources.len() > 1;
    let mut keys: Vec<KeyMaterial> = Vec::new();
    for (i, source) in sources.iter().enumerate() {
        let at = if several { format!("{key}[{i}]") } else { key.to_owned() };
        let mut remarks = Vec::new();
        let material = source
            .resolve(&mut remarks)
            .map_err(|error| error.to_string())
            .and_then(|bytes| KeyMaterial::new(bytes.to_vec()).map_err(|error| error.to_string()));
        notes.remark(remarks);
        match material {
            Ok(material) if keys.contains(&material) => {
                notes.problem(&at, "the list has this key twice", "remove one");
            }
            Ok(material) => keys.push(material),
            Err(problem) => notes.problem(&at, problem, "`authtool-bff keys` makes a good one"),
        }
    }
    KeyList::new(keys)
}
