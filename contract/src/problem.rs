//! Errors, as RFC 9457 problem documents.

/// Why a request was refused: the stable, machine-readable part of a problem document.
///
/// Clients branch on this and on the status, never on the title.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ProblemCode {
    /// 401: there is no session, or no longer. The only code that means "log in".
    NoSession,
    /// 401: a bearer token that a client brought itself, without a session, is not accepted (RFC 6750 §3.1). To log in
    /// does not help.
    InvalidToken,
    /// 403: the endpoint does not answer requests that come from this context
    /// (another site, a subresource, a browser where only a gateway may ask).
    ForbiddenContext,
    /// 400: a parameter is missing, doubled, too long or malformed.
    InvalidRequest,
    /// 404: there is nothing at this path.
    NotFound,
    /// 405: the path exists, but not for this method; `Allow` lists those that do.
    MethodNotAllowed,
    /// 413: the request's body is too large.
    ContentTooLarge,
    /// 431: the request's headers are too large.
    HeadersTooLarge,
    /// 502: the API behind the server's own proxy cannot be reached or does not answer.
    UpstreamUnavailable,
    /// 503: the session store cannot be reached. The session may well be alive: retry.
    StoreUnavailable,
    /// 503: the authorization server cannot be reached. The session may well be alive: retry.
    ProviderUnavailable,
    /// 500: a defect in the server. The correlation id finds it in the log.
    Internal,
}

impl ProblemCode {
    /// Every code, for tests and for the reference.
    pub const ALL: [Self; 12] = [
        Self::NoSession,
        Self::InvalidToken,
        Self::ForbiddenContext,
        Self::InvalidRequest,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::ContentTooLarge,
        Self::HeadersTooLarge,
        Self::UpstreamUnavailable,
        Self::StoreUnavailable,
        Self::ProviderUnavailable,
        Self::Internal,
    ];

    /// The code as it appears in JSON, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSession => "no_session",
            Self::InvalidToken => "invalid_token",
            Self::ForbiddenContext => "forbidden_context",
            Self::InvalidRequest => "invalid_request",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::ContentTooLarge => "content_too_large",
            Self::HeadersTooLarge => "headers_too_large",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::StoreUnavailable => "store_unavailable",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status that goes with the code.
    pub const fn status(self) -> u16 {
        match self {
            Self::NoSession | Self::InvalidToken => 401,
            Self::ForbiddenContext => 403,
            Self::InvalidRequest => 400,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::ContentTooLarge => 413,
            Self::HeadersTooLarge => 431,
            Self::UpstreamUnavailable => 502,
            Self::StoreUnavailable | Self::ProviderUnavailable => 503,
            Self::Internal => 500,
        }
    }

    /// One sentence for a person, the same for every occurrence of the code.
    pub const fn title(self) -> &'static str {
        match self {
            Self::NoSession => "You are not logged in",
            Self::InvalidToken => "The access token is not accepted",
            Self::ForbiddenContext => "This request may not be made from here",
            Self::InvalidRequest => "The request is malformed",
            Self::NotFound => "There is nothing here",
            Self::MethodNotAllowed => "This method is not allowed here",
            Self::ContentTooLarge => "The request is too large",
            Self::HeadersTooLarge => "The request's headers are too large",
            Self::UpstreamUnavailable => "The API cannot be reached right now",
            Self::StoreUnavailable => "Sessions cannot be read right now",
            Self::ProviderUnavailable => "The login provider cannot be reached right now",
            Self::Internal => "Something went wrong on the server",
        }
    }
}

/// An RFC 9457 problem document, the body of every error answer to a `fetch`.
///
/// ```
/// use authtool_contract::{Problem, ProblemCode};
///
/// let json = serde_json::to_value(Problem::new(ProblemCode::NoSession)).unwrap();
/// assert_eq!(json["type"], "urn:authtool:problem:no_session");
/// assert_eq!(json["status"], 401);
/// ```
#[cfg(feature = "serde")]
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// `urn:authtool:problem:{code}`.
    pub r#type: String,
    /// [`ProblemCode::title`].
    pub title: String,
    /// The HTTP status, repeated for readers who have only the body.
    pub status: u16,
    /// The code on its own.
    pub code: ProblemCode,
    /// What was wrong with this request and how to mend it, where that helps and tells no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Names the request in the server's log; also in the `x-correlation-id` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
}

#[cfg(feature = "serde")]
impl Problem {
    /// A problem with the code's own title and status.
    pub fn new(code: ProblemCode) -> Self {
        Self {
            r#type: format!("urn:authtool:problem:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail: None,
            correlation_id: None,
        }
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_the_same_in_json_and_in_logs() {
        for code in ProblemCode::ALL {
            let json = serde_json::to_value(code).unwrap();
            assert_eq!(json, code.as_str(), "{code:?}");
        }
    }

    #[test]
    fn only_a_missing_session_and_a_bad_token_are_401() {
        for code in ProblemCode::ALL {
            let is_about_credentials = matches!(code, ProblemCode::NoSession | ProblemCode::InvalidToken);
            assert_eq!(code.status() == 401, is_about_credentials, "{code:?}");
        }
    }
}
