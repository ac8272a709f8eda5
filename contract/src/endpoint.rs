//! Paths below `server.apiPrefix`. Each also answers with a trailing slash.

/// Is there a session, and whose. A same-origin `fetch`.
pub const SESSION: &str = "/session";

/// Starts a login. A navigation; see [`param::REDIRECT_URI`] and [`param::CLIENT`].
pub const LOGIN: &str = "/login";

/// Where the authorization server sends the browser back to (RFC 6749 §4.1.2). With several authorization servers
/// each has a segment of its own behind it (RFC 9700 §4.4.2).
pub const OAUTH_CALLBACK: &str = "/oauth/callback";

/// After the callback, where `session.sameSiteReturn` is on: a page from which the browser goes on to the app,
/// so that the Strict cookie comes along. A navigation.
pub const OAUTH_CONTINUE: &str = "/oauth/continue";

/// Ends the session, here and at the OpenID Provider. A navigation.
pub const LOGOUT: &str = "/logout";

/// Where the OpenID Provider sends the browser back to after a logout
/// (OpenID Connect RP-Initiated Logout 1.0 §3).
pub const LOGOUT_CALLBACK: &str = "/oidc/logout/callback";

/// Where the OpenID Provider itself reports that a user logged out
/// (OpenID Connect Back-Channel Logout 1.0 §2.5). A `POST` from server to server.
pub const BACK_CHANNEL_LOGOUT: &str = "/oidc/logout/backchannel";

/// What the OpenID Provider loads in a frame when a user logs out there (OpenID Connect Front-Channel Logout 1.0 §2), where
/// `client.frontChannelLogout` is set. Of several clients each has a segment of its own behind it: its `name`.
pub const FRONT_CHANNEL_LOGOUT: &str = "/oidc/logout/frontchannel";

/// The session's access token: for a gateway, and in `tokenExchange` mode for the app.
pub const TOKEN: &str = "/token";

/// The public halves of the clients' private keys (RFC 7517 §5), for the `jwks_uri` of their registration
/// (RFC 7591 §2). From server to server.
pub const CLIENT_KEYS: &str = "/oauth/jwks";

/// Everything below `apiPrefix`.
pub const BROWSER_ENDPOINTS: [&str; 10] = [
    SESSION,
    LOGIN,
    OAUTH_CALLBACK,
    OAUTH_CONTINUE,
    LOGOUT,
    LOGOUT_CALLBACK,
    BACK_CHANNEL_LOGOUT,
    FRONT_CHANNEL_LOGOUT,
    TOKEN,
    CLIENT_KEYS,
];

/// The process is alive. On either listener, on the public one with a status alone. Not below `apiPrefix`.
pub const HEALTHZ: &str = "/-/healthz";

/// The process can log users in. On either listener, on the public one with a status alone. Not below `apiPrefix`.
pub const READY: &str = "/-/ready";

/// On the internal listener: metrics in the text format of Prometheus. Not below `apiPrefix`.
pub const METRICS: &str = "/-/metrics";

/// On the internal listener: may this request go on, and with which token. For gateways that ask about each request
/// (nginx `auth_request`, Traefik `ForwardAuth`, Caddy `forward_auth`). Not below `apiPrefix`.
pub const FORWARD_AUTH: &str = "/-/forward-auth";

/// On the internal listener, followed by the path of a request: may it go on, and with which headers. For Envoy's
/// `ext_authz` over HTTP, as its `path_prefix`. Not below `apiPrefix`.
pub const EXT_AUTHZ: &str = "/-/ext-authz";

/// The same, for routes where nobody must be logged in: a request without a session goes on without a token.
pub const EXT_AUTHZ_ANONYMOUS: &str = "/-/ext-authz-anonymous";

/// The same over gRPC, by the name that Envoy's protocol gives it.
pub const EXT_AUTHZ_GRPC: &str = "/envoy.service.auth.v3.Authorization/Check";

/// On the internal listener: ends all sessions of a user. Not below `apiPrefix`.
pub const END_SESSIONS: &str = "/-/sessions/end";

/// On the internal listener, in development mode alone: a page about the last logins. Not below `apiPrefix`.
pub const DEVELOPMENT: &str = "/-/dev";

/// Names of query parameters.
pub mod param {
    /// On `/login` and `/logout`: where in the app to return to. A URL of an allowed origin.
    pub const REDIRECT_URI: &str = "redirect_uri";

    /// On `/login`: the client to log in with, by its `name` or `clientId`, when the server has several.
    pub const CLIENT: &str = "client";

    /// On `/login`: `login`, `consent`, `select_account`, `create`, or `none` to ask without bothering anybody
    /// (OpenID Connect Core 1.0 §3.1.2.1). With `none`, a login that brings nobody ends at the return URL with
    /// [`LOGIN_ERROR`].
    pub const PROMPT: &str = "prompt";

    /// On `/login`: who is likely to log in.
    pub const LOGIN_HINT: &str = "login_hint";

    /// On `/login`: how strongly to authenticate (RFC 9470 §4). With a session, the same user must log in.
    pub const ACR_VALUES: &str = "acr_values";

    /// On `/login`: how many seconds ago the user may have authenticated; 0 asks anew. With a session, the same
    /// user must log in.
    pub const MAX_AGE: &str = "max_age";

    /// On `/login`: languages, the best first.
    pub const UI_LOCALES: &str = "ui_locales";

    /// On the return URL of a login with [`PROMPT`]`=none` that brought nobody: `login_required` or another code.
    /// A page that finds it must not ask again by itself.
    pub const LOGIN_ERROR: &str = "login_error";

    /// On `/-/sessions/end`: whose sessions, by `sub`.
    pub const SUBJECT: &str = "subject";

    /// On `/-/sessions/end`: at which issuer; without it, at all that are configured.
    pub const ISSUER: &str = "issuer";

    /// On `/-/forward-auth`: the prefix of `server.machineClients` that holds for the request, where one does. It stands in the
    /// gateway's own configuration.
    pub const MACHINES: &str = "machines";

    /// On `/oidc/logout/backchannel`: the signed report.
    pub const LOGOUT_TOKEN: &str = "logout_token";

    /// On `/oidc/logout/frontchannel`: the session at the provider that has ended.
    pub const SID: &str = "sid";

    /// On `/oidc/logout/frontchannel`: the provider. It may be absent.
    pub const ISS: &str = "iss";
}
