//! The configuration file as written: every key optional, nothing checked but types. The names are those
//! of the original system; `resolve` turns this into values that are known to be good.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::secret::{SecretList, SecretSource};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ConfigFile {
    /// For editors; ignored.
    #[serde(rename = "$schema")]
    pub(super) _schema: Option<String>,
    pub(super) client: Option<ClientSection>,
    pub(super) connections: BTreeMap<String, ConnectionSection>,
    pub(super) session: Option<SessionSection>,
    pub(super) server: ServerSection,
}

/// The authorization server, and one client inline or several in `clients`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ClientSection {
    pub(super) issuer: Option<String>,
    pub(super) issuer_metadata_segment: Option<String>,
    pub(super) id_token_signing_algorithms: Option<Vec<String>>,
    pub(super) allow_insecure_http: bool,
    pub(super) clients: Option<Vec<ClientEntry>>,

    pub(super) client_id: Option<SecretSource>,
    #[serde(rename = "redirect_uri")]
    pub(super) redirect_uri: Option<String>,
    pub(super) credentials: Option<CredentialsSection>,
    pub(super) scope: Option<String>,
    pub(super) extra: BTreeMap<String, Value>,
    pub(super) default: Option<bool>,
    pub(super) id_token_validation_issuer: Option<String>,
    pub(super) post_logout_redirect_uri: Option<String>,
    pub(super) preferred_token_endpoint_auth_method: Option<String>,
    pub(super) preferred_token_endpoint_signing_algorithm: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ClientEntry {
    pub(super) client_id: Option<SecretSource>,
    #[serde(rename = "redirect_uri")]
    pub(super) redirect_uri: Option<String>,
    pub(super) credentials: Option<CredentialsSection>,
    pub(super) scope: Option<String>,
    pub(super) extra: BTreeMap<String, Value>,
    pub(super) default: Option<bool>,
    pub(super) id_token_validation_issuer: Option<String>,
    pub(super) post_logout_redirect_uri: Option<String>,
    pub(super) preferred_token_endpoint_auth_method: Option<String>,
    pub(super) preferred_token_endpoint_signing_algorithm: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CredentialsSection {
    pub(super) secret: Option<SecretSource>,
    pub(super) private_key: Option<SecretSource>,
    pub(super) kid: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ConnectionSection {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) config: ConnectionConfig,
}

/// `RedisConfig`, and for the embedded store `path`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ConnectionConfig {
    pub(super) path: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) namespace: Option<String>,
    pub(super) connection: Option<RedisConnection>,
    pub(super) tls: Option<RedisTls>,
    pub(super) sentinel: Option<SentinelSection>,
    pub(super) cluster: Option<ClusterSection>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RedisConnection {
    pub(super) db: Option<u32>,
    pub(super) username: Option<String>,
    pub(super) password: Option<SecretSource>,
    pub(super) protocol: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RedisTls {
    pub(super) ca: Option<SecretSource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SentinelSection {
    pub(super) nodes: Vec<String>,
    pub(super) primary: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password: Option<SecretSource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ClusterSection {
    pub(super) nodes: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SessionSection {
    pub(super) mode: ModeSection,
    pub(super) signing_key: Option<SecretList>,
    pub(super) encryption_key: Option<SecretList>,
    pub(super) encrypt_access_token: Option<bool>,
    pub(super) authorization_flow_cache: Option<FlowCacheSection>,
    pub(super) absolute_lifetime_secs: Option<u64>,
    pub(super) idle_timeout_secs: Option<u64>,
    pub(super) max_sessions_per_user: Option<u32>,
    pub(super) refresh_token_expiration_secs: Option<u64>,
    #[serde(rename = "refreshTokenRotation")]
    pub(super) _refresh_token_rotation: Option<bool>,
    pub(super) refresh_token_expiration_payload_field: Option<String>,
    pub(super) session_jitter_secs: Option<u64>,
    pub(super) user_claims: Option<Vec<String>>,
    pub(super) error_redirects: Option<String>,
    pub(super) disable_logout_on_get: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ModeSection {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) session_id_hardening: Option<String>,
    pub(super) same_site: Option<String>,
    pub(super) secure: Option<bool>,
    #[serde(rename = "http_only")]
    pub(super) http_only: Option<bool>,
    pub(super) path: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) partitioned: Option<bool>,
    pub(super) expiration_secs: Option<u64>,
}

/// `{connectionName}` or an inline `RedisConfig`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FlowCacheSection {
    pub(super) connection_name: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) namespace: Option<String>,
    pub(super) connection: Option<RedisConnection>,
    pub(super) tls: Option<RedisTls>,
    pub(super) sentinel: Option<SentinelSection>,
    pub(super) cluster: Option<ClusterSection>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ServerSection {
    pub(super) api_prefix: Option<String>,
    pub(super) ip: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) internal: Option<InternalSection>,
    pub(super) allowed_return_origins: Vec<String>,
    #[serde(rename = "static")]
    pub(super) static_files: Option<StaticSection>,
    pub(super) proxy: Vec<ProxySection>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct InternalSection {
    pub(super) ip: Option<String>,
    pub(super) port: Option<u16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct StaticSection {
    pub(super) root: Option<String>,
    pub(super) fallback: Option<String>,
    pub(super) content_security_policy: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ProxySection {
    pub(super) prefix: Option<String>,
    pub(super) upstream: Option<String>,
    pub(super) timeout_secs: Option<u64>,
}
