//! Header and cookie names.

/// Sent by the browser client with every request to the server and to cookie-authenticated APIs.
///
/// A page of another origin cannot set it without a CORS preflight, which the server does not grant;
/// so its presence shows that the request comes from the app's own JavaScript.
pub const CSRF: &str = "x-authtool-csrf";

/// The value of [`CSRF`].
pub const CSRF_VALUE: &str = "1";

/// Sent by a gateway that asks for a token, where `server.gatewayCredential` is configured: the credential.
/// A gateway removes it from what clients send.
pub const GATEWAY_CREDENTIAL: &str = "x-authtool-gateway";

/// On `/token`, from a gateway: the method of the request that an access token of type `DPoP` is for.
pub const DPOP_METHOD: &str = "x-authtool-dpop-method";

/// On `/token`, from a gateway: that request's URL, as the API knows it.
pub const DPOP_URL: &str = "x-authtool-dpop-url";

/// On `/token`, from a gateway: the API's latest `DPoP-Nonce`, if it sends any.
pub const DPOP_NONCE: &str = "x-authtool-dpop-nonce";

/// On the answers of `/token` on the internal listener: in how many seconds the session ends, unless it is used or
/// refreshed again. Whatever a gateway lets through with the token should not last longer.
pub const SESSION_ENDS_IN: &str = "x-authtool-session-ends-in";

/// On every answer: names the request in the server's log.
pub const CORRELATION_ID: &str = "x-correlation-id";

/// The session cookie's name without the prefix that `session.mode.sessionIdHardening` adds.
pub const SESSION_COOKIE: &str = "session_id";
