//! The configuration file as written: every key optional, nothing checked but types. The names are those
//! of the original system; `resolve` turns this into values that are known to be good.
//!
//! The comments on the fields are the reference: `authtool-bff schema` prints them as JSON Schema, which
//! editors show while one types.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::secret::{SecretList, SecretSource};

/// The configuration of authtool-bff.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct ConfigFile {
    /// Where editors find this schema; the server ignores it.
    #[serde(rename = "$schema")]
    pub(super) _schema: Option<String>,
    /// The authorization server, and our client or clients there. Required.
    pub(super) client: Option<ClientSection>,
    /// Where data can be kept, by name.
    pub(super) connections: BTreeMap<String, ConnectionSection>,
    /// Sessions, their cookie and their keys. Required.
    pub(super) session: Option<SessionSection>,
    /// Addresses, paths, the app's files and its APIs.
    pub(super) server: ServerSection,
}

/// Two sections share settings in the original's format. They are written once here, and not flattened into
/// each other, since then no error could name the key.
macro_rules! sections {
    (shared $shared:tt $($(#[$attribute:meta])* struct $name:ident { $($own:tt)* })*) => {
        $(sections! { @one $shared $(#[$attribute])* struct $name { $($own)* } })*
    };
    (@one { $($shared:tt)* } $(#[$attribute:meta])* struct $name:ident { $($own:tt)* }) => {
        $(#[$attribute])*
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", default)]
        #[schemars(deny_unknown_fields)]
        pub(super) struct $name {
            $($own)*
            $($shared)*
        }
    };
}

sections! {
    shared {
        /// The issuer, exactly as its metadata spells it, to the last slash. Required. One of several clients takes
        /// the section's if it names none, and what describes it: `issuerMetadataSegment`, `metadataUrl`,
        /// `endpoints`, `allowInsecureHttp`, `allowLogoutTokensWithoutExp`, `allowIdTokensWithoutNonce` and
        /// `maxIdTokenBytes` belong beside their issuer.
        pub(super) issuer: Option<String>,
        /// What follows the issuer in the URL of its metadata; `/.well-known/oauth-authorization-server` is first
        /// looked for between host and path, where RFC 8414 puts it, and a segment that repeats the issuer's path also
        /// right behind the host. Default: `/.well-known/openid-configuration`.
        pub(super) issuer_metadata_segment: Option<String>,
        /// The URL of the metadata, where it does not follow from the issuer. Default: it does.
        pub(super) metadata_url: Option<String>,
        /// Endpoints that the metadata lacks, or that take the place of those in it. With `authorization` and
        /// `token`, no metadata is fetched at all. Default: none.
        pub(super) endpoints: EndpointsSection,
        /// Lets the issuer and its endpoints be plain http on other hosts than this one, for closed development
        /// networks. Default: false.
        pub(super) allow_insecure_http: Option<bool>,
        /// Accepts reported logouts (Back-Channel Logout) whose tokens have no `exp`, as providers of the
        /// specification's drafts send them; they are good for ten minutes. Default: false.
        pub(super) allow_logout_tokens_without_exp: Option<bool>,
        /// Accepts ID tokens of logins without the `nonce` that was sent, from a provider that returns none.
        /// PKCE with S256 then has to protect logins alone: see that the provider checks it. A nonce that is there must
        /// match all the same. Default: false.
        pub(super) allow_id_tokens_without_nonce: Option<bool>,
        /// The longest ID token that is accepted, in bytes, from 4096 to 131072. Hundreds of groups fit; of what is in
        /// it, a session keeps `session.userClaims`. Default: 65536.
        pub(super) max_id_token_bytes: Option<u64>,
        /// The signature algorithms accepted for ID tokens: RS, PS or ES with 256, 384 or 512, or `EdDSA`; and HS256, HS384
        /// or HS512 where the provider signs with the client's secret. Default: those that the provider's metadata
        /// announces, but none of HS; RS256 where it announces none.
        pub(super) id_token_signing_algorithms: Option<Vec<String>>,
        /// With several clients: what `/login?client=…` selects this one by. Default: its `clientId`.
        pub(super) name: Option<String>,
        /// The client id that the authorization server registered. Required.
        pub(super) client_id: Option<SecretSource>,
        /// This server's public callback, `https://…{apiPrefix}/oauth/callback`, as registered. Of clients at different
        /// issuers, each ends in a segment of its own, `…/oauth/callback/name`. Required.
        #[serde(rename = "redirect_uri")]
        pub(super) redirect_uri: Option<String>,
        /// How the client proves who it is. Required, unless the method is `none`.
        pub(super) credentials: Option<CredentialsSection>,
        /// The scopes to ask for, separated by spaces; with `openid` for OpenID Connect. Default: none.
        pub(super) scope: Option<String>,
        /// Further parameters of the authorization request, such as `audience`. Default: none.
        pub(super) extra: BTreeMap<String, Value>,
        /// With several clients: whether `/login` uses this one when it selects none. Default: false; the
        /// first.
        pub(super) default: Option<bool>,
        /// The issuer of ID tokens, where it is not the metadata's. `{tenantid}` in it (or in the issuer) stands for
        /// the token's own tenant (`tid`), which must be one of `allowedTenants`. Default: the issuer.
        pub(super) id_token_validation_issuer: Option<String>,
        /// Who may be named beside this client in the audience (`aud`) of its ID tokens; `azp` must then say that they
        /// are this client's. Default: nobody.
        pub(super) id_token_further_audiences: Vec<String>,
        /// The tenants that `{tenantid}` may stand for, by their ids; `["*"]` for all there are. Default: none.
        pub(super) allowed_tenants: Option<Vec<String>>,
        /// Where the provider sends the browser after a logout, as registered; usually
        /// `https://…{apiPrefix}/oidc/logout/callback`. Default: not sent.
        pub(super) post_logout_redirect_uri: Option<String>,
        /// The parameters of the provider's end-session endpoint, where they are not those of RP-Initiated Logout: each
        /// `{client_id}`, `{id_token_hint}`, `{post_logout_redirect_uri}`, `{state}`, or text. Default: these four,
        /// under their own names.
        pub(super) end_session_parameters: Option<BTreeMap<String, String>>,
        /// Whether a login, and a refresh that brings a new ID token, also asks the userinfo endpoint: `never`,
        /// `whenMissing` (the ID token lacks one of `session.userClaims`) or `always`. Without `openid` in the scope, it
        /// is what says who logs in. Default: `never`.
        pub(super) userinfo: Option<String>,
        /// Without `openid` in the scope: the claim of the userinfo answer that identifies a user for good, such as
        /// GitHub's `id`. Default: `sub`.
        pub(super) userinfo_subject_claim: Option<String>,
        /// Seconds that an access token lasts if neither the token answer nor the token itself says so. Default: 300.
        pub(super) access_token_expiration_secs: Option<u64>,
        /// `client_secret_basic`, `client_secret_post`, `client_secret_jwt`, `private_key_jwt` or `none`.
        /// Default: the first that fits the credentials and that the provider supports.
        pub(super) preferred_token_endpoint_auth_method: Option<String>,
        /// The algorithm of client assertions: HS, RS, PS or ES with 256, 384 or 512, or `EdDSA`. Default: the
        /// usual one of the private key (RS256, ES256, ES384, ES512, `EdDSA`), or HS256 with a secret.
        pub(super) preferred_token_endpoint_signing_algorithm: Option<String>,
        /// Which of `prompt`, `login_hint`, `acr_values`, `max_age` and `ui_locales` the app may set with
        /// `/login?…`. What `extra` sets, a request cannot change; of two `max_age`, the smaller counts. Default:
        /// all five; without `openid` in the scope, where nothing shows their effect, not `acr_values` and `max_age`.
        pub(super) login_parameters: Option<Vec<String>>,
        /// `app`: only navigations from the app's own pages may set them. `anywhere`: links of others may, too;
        /// `login_hint` then lets strangers choose which identity provider a user is sent to. Default: `app`.
        pub(super) login_parameters_from: Option<String>,
        /// Whether a login must reach one of the `acr_values` that it asked for, by `extra` or by `/login`. Default:
        /// false; the provider does what it can, and the API judges.
        pub(super) require_acr: bool,
        /// Whether authorization requests are pushed on the back channel (RFC 9126): `auto` (where the provider
        /// has an endpoint for them), `always` or `never`. Default: `auto`.
        pub(super) pushed_authorization_requests: Option<String>,
        /// Signs authorization requests (RFC 9101) with the private key, by this algorithm. Default: they are not
        /// signed.
        pub(super) request_object_signing_algorithm: Option<String>,
        /// How the provider's answer comes back: `query`, or `form_post`, where a page of the provider's posts it. Apple asks
        /// for `form_post` where `name` or `email` is in the scope. Default: `query`.
        pub(super) response_mode: Option<String>,
        /// Lets the provider report logouts through the browser (Front-Channel Logout), at
        /// `{apiPrefix}/oidc/logout/frontchannel`, and of several clients at `…/frontchannel/{name}`. Anyone who knows
        /// the `sid` of a session at the provider can end the sessions here that belong to it. Default: false.
        pub(super) front_channel_logout: bool,
        /// Binds tokens to a key of the session (RFC 9449); whoever calls APIs needs a proof for each request.
        /// Only with the mode `bff`. See `docs/dpop.md` first. Default: false.
        pub(super) dpop: bool,
    }

    /// The authorization server, and one client inline or several in `clients`.
    struct ClientSection {
        /// Several clients, at this authorization server or at their own; `/login?client=…` selects one.
        pub(super) clients: Option<Vec<ClientEntry>>,
    }

    /// One of several clients.
    struct ClientEntry {}
}

/// Endpoints of an authorization server, each an absolute https URL.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct EndpointsSection {
    /// The authorization endpoint.
    pub(super) authorization: Option<String>,
    /// The token endpoint.
    pub(super) token: Option<String>,
    /// The keys of ID tokens.
    pub(super) jwks: Option<String>,
    /// `UserInfo`, or what answers a user's claims in its place.
    pub(super) userinfo: Option<String>,
    /// Where browsers log out.
    pub(super) end_session: Option<String>,
    /// Where tokens are revoked.
    pub(super) revocation: Option<String>,
    /// Where authorization requests are pushed.
    pub(super) pushed_authorization_request: Option<String>,
}

/// A shared secret or a private key; at Apple, a private key that signs the secret.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct CredentialsSection {
    /// The client secret.
    pub(super) secret: Option<SecretSource>,
    /// A private key as PEM or JWK, for `private_key_jwt`. Its public half is served at
    /// `{apiPrefix}/oauth/jwks`.
    pub(super) private_key: Option<SecretSource>,
    /// The key's id at the provider. Default: the JWK's own, or none.
    pub(super) kid: Option<String>,
    /// Apple only: the developer team's id. With it, `privateKey` (the `.p8` file) and `kid` sign the client secret that
    /// Apple wants: a short-lived JWT, one for each request. Default: none.
    pub(super) team_id: Option<String>,
}

/// A place where data can be kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct ConnectionSection {
    /// `redis`, or `embedded` for a single process. Required.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    /// Where and how.
    pub(super) config: ConnectionConfig,
}

sections! {
    shared {
        /// `redis` only: everything in one, as hosting providers give it: `redis://user:password@host:port/db`,
        /// `rediss://` with TLS, or `unix:///path?db=0`. `protocol=RESP2` may follow after a `?`. What it says is not
        /// said again in `host`, `port`, `socket` or `connection`.
        pub(super) url: Option<SecretSource>,
        /// `redis` only: the host of a standalone server.
        pub(super) host: Option<String>,
        /// The port. Default: 6379.
        pub(super) port: Option<u16>,
        /// Instead of `host`: the path of a Unix socket on this machine.
        pub(super) socket: Option<String>,
        /// What every key begins with. Default: `authtool_bff`.
        pub(super) namespace: Option<String>,
        /// How to log in, and what to speak.
        pub(super) connection: Option<RedisConnection>,
        /// Encrypts the connection; certificate and host name are always verified. Default: plain.
        pub(super) tls: Option<RedisTls>,
        /// Instead of `host`: Sentinels that know the primary.
        pub(super) sentinel: Option<SentinelSection>,
        /// Instead of `host`: some nodes of a Redis Cluster.
        pub(super) cluster: Option<ClusterSection>,
        /// `redis` only: sessions kept in this process's memory too, for as long as Redis proves that it reports
        /// changes. Default: with the defaults of its keys.
        pub(super) local_cache: Option<LocalCacheSection>,
    }

    /// A Redis, or for the embedded store a file.
    #[derive(Clone)]
    struct ConnectionConfig {
        /// `embedded` only: the file. Default: in memory, until the process ends.
        pub(super) path: Option<String>,
    }

    /// `connectionName`, or an inline Redis.
    struct FlowCacheSection {
        /// One of `connections`.
        pub(super) connection_name: Option<String>,
    }
}

/// How to log in at Redis, and what to speak.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct RedisConnection {
    /// The database. Default: 0.
    pub(super) db: Option<u32>,
    /// The ACL user. Default: none.
    pub(super) username: Option<String>,
    /// The password. Default: none.
    pub(super) password: Option<SecretSource>,
    /// `RESP3` or `RESP2`. Default: `RESP3`.
    pub(super) protocol: Option<String>,
}

/// Encryption.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct RedisTls {
    /// A PEM certificate to trust. Default: the system's.
    pub(super) ca: Option<SecretSource>,
    /// For a server that asks for one, the client's certificate as PEM, with those between it and its authority. It is
    /// shown to Sentinels and nodes of a Cluster too. Default: none.
    pub(super) cert: Option<SecretSource>,
    /// The private key of `cert` as PEM, without a passphrase. Default: none.
    pub(super) key: Option<SecretSource>,
}

/// Sentinels.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct SentinelSection {
    /// The Sentinels, as `host` or `host:port`; the default port is 26379. Required.
    pub(super) nodes: Vec<String>,
    /// The name under which they watch the primary. Required.
    pub(super) primary: Option<String>,
    /// The ACL user at the Sentinels themselves. Default: none.
    pub(super) username: Option<String>,
    /// The password at the Sentinels themselves. Default: none.
    pub(super) password: Option<SecretSource>,
}

/// A Redis Cluster.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct ClusterSection {
    /// Some of its nodes, as `host` or `host:port`; the default port is 6379. Required.
    pub(super) nodes: Vec<String>,
}

/// Sessions in this process's memory, in front of Redis (server-assisted client-side caching).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct LocalCacheSection {
    /// Whether there is one. It needs the protocol RESP3, a Redis that is no Cluster, and, of an ACL user, the right
    /// `+client|tracking`; without the right it is out of use, and the log says so. Default: true where the other two
    /// are given.
    pub(super) enabled: Option<bool>,
    /// What the sessions in it may take, in MiB; those that are used least make room. Default: 64.
    pub(super) max_mebibytes: Option<u32>,
    /// For how many milliseconds at most a session that has ended or changed elsewhere may still be served as it was.
    /// That is for a network that fails: otherwise Redis reports changes at once. From 100 to 10000. Default: 1000.
    pub(super) max_staleness_ms: Option<u32>,
}

/// Sessions, their cookie and their keys.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct SessionSection {
    /// Who may have an access token, and the session cookie's attributes.
    pub(super) mode: ModeSection,
    /// Signs the cookie's value: at least 32 bytes, or a list of which the first signs and all verify.
    /// Required.
    pub(super) signing_key: Option<SecretList>,
    /// Encrypts what is stored: at least 32 bytes, or a list of which the first encrypts and all decrypt.
    /// Required, and not the signing key.
    pub(super) encryption_key: Option<SecretList>,
    /// Accepted for compatibility: access tokens are always encrypted.
    pub(super) encrypt_access_token: Option<bool>,
    /// Where sessions and logins in progress live. Default: in memory, until the process ends.
    pub(super) authorization_flow_cache: Option<FlowCacheSection>,
    /// Seconds after which a session ends, whatever happens. Default: 2592000 (30 days).
    pub(super) absolute_lifetime_secs: Option<u64>,
    /// Seconds after which a session that is not used ends. Default: never before its other ends.
    pub(super) idle_timeout_secs: Option<u64>,
    /// How many sessions one user may have; the oldest make room. Default: 1000.
    pub(super) max_sessions_per_user: Option<u32>,
    /// Seconds that a browser which logs out has to come back from the provider before its tokens are revoked there, from 1 to 300.
    /// Default: 300.
    pub(super) revocation_delay_secs: Option<u64>,
    /// Seconds that a refresh token lasts if the provider does not say. Default: 604800 (7 days).
    pub(super) refresh_token_expiration_secs: Option<u64>,
    /// Accepted for compatibility: a refresh token that the provider rotates is always replaced, and one that
    /// it does not is always kept.
    #[serde(rename = "refreshTokenRotation")]
    pub(super) _refresh_token_rotation: Option<bool>,
    /// The member of the token answer that says how many seconds the refresh token lasts, such as Keycloak's
    /// `refresh_expires_in`. Default: none.
    pub(super) refresh_token_expiration_payload_field: Option<String>,
    /// Seconds before its expiry at which an access token is refreshed. Default: 7.
    pub(super) session_jitter_secs: Option<u64>,
    /// The ID token's claims that `/session` shows. Above 16 KiB in all, the largest are left out. Default:
    /// `["email"]`.
    pub(super) user_claims: Option<Vec<String>>,
    /// The page for logins that fail; it gets `error` and `correlation_id`. Default: a built-in page.
    pub(super) error_redirects: Option<String>,
    /// Whether only `POST /logout` logs out. Default: false.
    pub(super) disable_logout_on_get: Option<bool>,
    /// For pages that the server renders with the session: a page of ours between the provider and the app.
    /// Browsers send no `SameSite=Strict` cookie with the navigation that comes from the provider, but they do
    /// with one that begins here. Default: false.
    pub(super) same_site_return: Option<bool>,
}

/// Who may have an access token, and the session cookie's attributes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct ModeSection {
    /// `bff`: no token reaches the browser. `tokenExchange` (also spelled `tokenMediation`): the app's own
    /// JavaScript may fetch a short-lived one. Default: `tokenExchange`.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    /// The cookie's name prefix: `host` (`__Host-`), `hostHttp` (`__Host-Http-`, by which newer browsers also
    /// keep scripts from planting it), `secure` (`__Secure-`), or `none` for plain http on your own machine.
    /// Default: `host`.
    pub(super) session_id_hardening: Option<String>,
    /// `strict`, `lax` or `none`. Default: `strict`.
    pub(super) same_site: Option<String>,
    /// Whether the cookie is sent over https only. Default: true.
    pub(super) secure: Option<bool>,
    /// Whether scripts cannot read the cookie. Default: true; false only in debug builds.
    #[serde(rename = "http_only")]
    pub(super) http_only: Option<bool>,
    /// The cookie's path. Default: `/`.
    pub(super) path: Option<String>,
    /// The cookie's domain. Default: this host alone.
    pub(super) domain: Option<String>,
    /// Whether the cookie is partitioned by top-level site. Default: false.
    pub(super) partitioned: Option<bool>,
    /// Seconds that the browser keeps the cookie. Default: until the browser ends.
    pub(super) expiration_secs: Option<u64>,
}

/// Addresses, paths, the app's files and its APIs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct ServerSection {
    /// What the browser's endpoints have in front, such as `/bff`. Default: `/`.
    pub(super) api_prefix: Option<String>,
    /// The path that browsers have in front of everything, such as `/myapp`, for an app that shares its host with others.
    /// `apiPrefix`, `static` and the prefixes of `proxy` lie below it. What stands in front may take it out of the path or
    /// leave it in. Default: `/`.
    pub(super) public_base_path: Option<String>,
    /// The address for browsers. Default: 0.0.0.0.
    pub(super) ip: Option<String>,
    /// The port for browsers. Default: 3000.
    pub(super) port: Option<u16>,
    /// The listener for gateways, probes and metrics. Default: 127.0.0.1 and the next port.
    pub(super) internal: Option<InternalSection>,
    /// Origins besides the app's own that `redirect_uri` of `/login` and `/logout` may name. In
    /// `https://*.example.com`, the `*` stands for one label, whichever; it needs https and a domain of your own behind
    /// it, and no public suffix such as `co.uk` or `github.io`. Default: none.
    pub(super) allowed_return_origins: Vec<String>,
    /// Serves the built app from the same origin. Default: not.
    #[serde(rename = "static")]
    pub(super) static_files: Option<StaticSection>,
    /// Forwards APIs with the session's access token attached. Default: none.
    pub(super) proxy: Vec<ProxySection>,
    /// Paths of APIs at which clients without a session may use an access token of their own (`Authorization: Bearer …`): through
    /// `proxy`, and through gateways. Default: none, so that what a client sends as `Authorization` goes no further.
    pub(super) machine_clients: Vec<MachineClientSection>,
    /// `{apiPrefix}/token` on the public listener. `guarded`: in `bff` mode it answers gateways and refuses
    /// browsers, in `tokenExchange` mode it answers the app. `closed`: it is not there, and gateways ask the
    /// internal listener; only in `bff` mode. Default: `guarded`.
    pub(super) public_token: Option<String>,
    /// What a gateway must send as `x-authtool-gateway` to be given a token, on either listener: at least 32
    /// characters, or a list of which all are accepted. Default: nothing.
    pub(super) gateway_credential: Option<SecretList>,
    /// Addresses and networks (`10.0.0.0/8`) of the proxies in front of this server. From them, and from
    /// nobody else, `X-Forwarded-For` is believed for the log, and `traceparent` for traces; no decision
    /// depends on either. Default: none.
    pub(super) trusted_proxies: Vec<String>,
    /// Headers that APIs get as they came, because a proxy in front sets or removes them on every request:
    /// `x-forwarded-host`, `x-forwarded-port`, `x-forwarded-prefix`, `x-forwarded-server`. `proxy` takes them
    /// from `trustedProxies` alone. Behind a gateway they come from whoever reaches the gateway: list none that clients
    /// reach past the proxy. Default: none, because clients can write them.
    pub(super) trusted_proxy_headers: Vec<String>,
    /// Seconds that a connection may be idle after a request, on either listener. Proxies in front must give theirs up
    /// sooner: nginx and AWS's load balancers do after 60, Traefik after 90, Caddy after 120. Default: 130.
    pub(super) keep_alive_secs: Option<u64>,
    /// Exports traces by OTLP. Default: not.
    pub(super) traces: Option<TracesSection>,
    /// Connections that begin here: whom they trust, and by which way they leave. Default: the system's certificates,
    /// and the direct way.
    pub(super) outbound: OutboundSection,
    /// What the log says, as directives of `RUST_LOG`: `info`, or `warn,authtool_bff=debug`. The environment variable
    /// `AUTHTOOL_LOG` goes before it, but unlike that one, this can be changed by a reload (`SIGHUP`). Default: `info`.
    pub(super) log_filter: Option<String>,
}

/// Connections that begin here.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct OutboundSection {
    /// Certificates, for the provider, Redis, the APIs of `server.proxy`, and traces.
    pub(super) tls: OutboundTls,
    /// The proxy that leads out, for the provider's back channel and traces. The environment (`HTTPS_PROXY`) has no say.
    /// Default: none.
    pub(super) proxy: Option<EgressSection>,
}

/// Certificates of outgoing connections. They are always verified.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct OutboundTls {
    /// PEM certificates of authorities to trust besides the system's; usually `{"type": "file", "path": …}`. The system's
    /// are those of its own store, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`. Default: none.
    pub(super) ca: Option<SecretSource>,
}

/// A proxy that leads out.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct EgressSection {
    /// Its address, such as `http://proxy.example.com:3128`. Required.
    pub(super) url: Option<String>,
    /// The user who may use it. Default: it asks nobody.
    pub(super) username: Option<String>,
    /// The user's password. Default: none.
    pub(super) password: Option<SecretSource>,
    /// What is reached without it: host names, with all names below them, addresses, and networks (`10.0.0.0/8`). This
    /// machine always is. Default: nothing else.
    pub(super) no_proxy: Vec<String>,
}

/// Traces, exported by OTLP over HTTP.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct TracesSection {
    /// The collector's URL for traces, such as `http://127.0.0.1:4318/v1/traces`. Required.
    pub(super) endpoint: Option<String>,
    /// The share of traces that begin here and are kept, from 0 to 1; traces that a trusted caller began
    /// follow its choice. Default: 1.
    pub(super) sample_ratio: Option<f64>,
    /// `service.name`. Default: `authtool-bff`.
    pub(super) service_name: Option<String>,
}

/// The listener for gateways, probes and metrics.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct InternalSection {
    /// The address. Default: 127.0.0.1.
    pub(super) ip: Option<String>,
    /// The port. Default: the one after `server.port`.
    pub(super) port: Option<u16>,
    /// What a caller of `POST /-/sessions/end` must send as `Authorization: Bearer …`: at least 32 characters,
    /// or a list of which all are accepted. Default: nothing, so that whoever reaches the listener may.
    pub(super) operator_credential: Option<SecretList>,
}

/// The built app.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct StaticSection {
    /// Its folder. Required.
    pub(super) root: Option<String>,
    /// The file in it that answers navigations to paths without a file; `""` for none. Default: `index.html`.
    pub(super) fallback: Option<String>,
    /// The `Content-Security-Policy` of every file. Default: own origin only, WebAssembly allowed.
    pub(super) content_security_policy: Option<String>,
}

/// An API behind the server's own proxy.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct ProxySection {
    /// The path it is under, such as `/api`; it stays in the path. Required.
    pub(super) prefix: Option<String>,
    /// Its origin, such as `http://127.0.0.1:4000`. Required.
    pub(super) upstream: Option<String>,
    /// Seconds it may take to begin its answer. Default: 60.
    pub(super) timeout_secs: Option<u64>,
    /// Whether paths with an encoded slash or backslash go on, as `/api/projects/group%2Fproject`. Some software takes them for
    /// separators, and finds another path than the one that was looked at. Default: false.
    pub(super) encoded_slashes: Option<bool>,
}

/// A path at which clients may use an access token of their own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct MachineClientSection {
    /// The path, with everything below it, such as `/api`. Of several that fit, the longest counts. Required.
    pub(super) prefix: Option<String>,
    /// The audiences (`aud`) of which such a token must name one: what the provider calls the API. No `clientId` of this file,
    /// whose ID tokens have it as their audience. Required.
    pub(super) audiences: Vec<String>,
}
