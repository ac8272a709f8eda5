//! Query parameters, read strictly: a value is there once or not at all, is UTF-8, has no control
//! characters and is not longer than its kind can be. Frameworks take the first of two `state`s, or the
//! last, or replace bad bytes; each of these is a difference an attacker can use.

use percent_encoding::percent_decode;

use super::{apple_user, provider_words};

/// Why a query was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedQuery {
    /// A parameter that may appear once appears twice.
    #[error("the parameter `{0}` appears more than once")]
    Doubled(&'static str),
    /// A parameter is present without a value.
    #[error("the parameter `{0}` is empty")]
    Empty(&'static str),
    /// A parameter is longer than its limit.
    #[error("the parameter `{0}` is too long")]
    TooLong(&'static str),
    /// A parameter is not UTF-8 or contains control characters.
    #[error("the parameter `{0}` contains bytes that it may not contain")]
    Bytes(&'static str),
    /// A parameter has a value that is none of its kind.
    #[error("the parameter `{0}` has a value that it cannot have")]
    Value(&'static str),
    /// A parameter without which the request means nothing.
    #[error("the parameter `{0}` is missing")]
    Missing(&'static str),
}

/// A parameter we read: its name and the most bytes its decoded value may have.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    name: &'static str,
    max_bytes: usize,
}

impl Parameter {
    /// Declares a parameter.
    pub const fn new(name: &'static str, max_bytes: usize) -> Self {
        Self { name, max_bytes }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Reads the parameter from a raw query string (`application/x-www-form-urlencoded`, RFC 6749
    /// appendix B). Parameters of other names are ignored (RFC 6749 §4.1.2).
    pub fn read(self, query: &str) -> Result<Option<String>, MalformedQuery> {
        let mut found = None;
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !percent_decode(name.as_bytes()).eq(self.name.bytes()) {
                continue;
            }
            if found.is_some() {
                return Err(MalformedQuery::Doubled(self.name));
            }
            found = Some(self.decode(value)?);
        }
        Ok(found)
    }

    /// Reads a parameter that must be there.
    pub fn require(self, query: &str) -> Result<String, MalformedQuery> {
        self.read(query)?.ok_or(MalformedQuery::Missing(self.name))
    }

    fn decode(self, raw: &str) -> Result<String, MalformedQuery> {
        if raw.is_empty() {
            return Err(MalformedQuery::Empty(self.name));
        }
        // Every encoded byte takes at most three characters: refuse before decoding.
        if raw.len() > self.max_bytes.saturating_mul(3) {
            return Err(MalformedQuery::TooLong(self.name));
        }
        let spaced = raw.replace('+', " ");
        let value = percent_decode(spaced.as_bytes())
            .decode_utf8()
            .map_err(|_| MalformedQuery::Bytes(self.name))?
            .into_owned();
        if value.len() > self.max_bytes {
            return Err(MalformedQuery::TooLong(self.name));
        }
        if value.chars().any(char::is_control) {
            return Err(MalformedQuery::Bytes(self.name));
        }
        Ok(value)
    }
}

/// What the authorization server answers through the browser (RFC 6749 §4.1.2, RFC 9207).
#[derive(Debug)]
pub struct AuthorizationResponse {
    /// Which flow this is the answer to. Nothing else may be looked at before it is checked.
    pub state: String,
    /// The issuer that claims to answer (RFC 9207 §2).
    pub issuer: Option<String>,
    /// A code, or why there is none.
    pub outcome: AuthorizationOutcome,
    /// What the user would like to be called, unsigned ([`apple_user`]).
    pub display_name: Option<String>,
    /// Why there is no code, in the provider's words: for operators, not for users ([`provider_words`]).
    pub said: Option<String>,
}

/// The two kinds of authorization response.
#[derive(Debug)]
pub enum AuthorizationOutcome {
    /// RFC 6749 §4.1.2.
    Code(super::credential::AuthorizationCode),
    /// RFC 6749 §4.1.2.1, reduced to a code we know.
    Error(AuthorizationError),
}

const STATE: Parameter = Parameter::new("state", 128);
const CODE: Parameter = Parameter::new("code", 4096);
const ISS: Parameter = Parameter::new("iss", 512);
const ERROR: Parameter = Parameter::new("error", 256);
const ERROR_DESCRIPTION: Parameter = Parameter::new("error_description", 256);

impl AuthorizationResponse {
    /// Reads a form that was posted to the callback.
    pub fn parse_form(form: &str) -> Result<Self, MalformedQuery> {
        Ok(Self { display_name: apple_user::display_name(form), ..Self::parse(form)? })
    }

    /// Whether it says why there is no code.
    pub fn is_error(&self) -> bool {
        matches!(self.outcome, AuthorizationOutcome::Error(_))
    }

    /// Whether there is no code for this reason.
    pub fn outcome_is(&self, error: AuthorizationError) -> bool {
        matches!(self.outcome, AuthorizationOutcome::Error(said) if said == error)
    }

    /// Reads the query of the callback.
    pub fn parse(query: &str) -> Result<Self, MalformedQuery> {
        let state = STATE.require(query)?;
        let issuer = ISS.read(query)?;
        let code = CODE.read(query)?;
        let outcome = match (ERROR.read(query)?, code) {
            (Some(error), _) => AuthorizationOutcome::Error(AuthorizationError::of(&error, query)),
            (None, Some(code)) => AuthorizationOutcome::Code(
                super::credential::AuthorizationCode::parse(code)
                    .map_err(|_| MalformedQuery::Bytes("code"))?,
            ),
            (None, None) => return Err(MalformedQuery::Missing("code")),
        };
        let said = matches!(outcome, AuthorizationOutcome::Error(_))
            .then(|| provider_words::of_response(query, &[&state]))
            .flatten();
        Ok(Self { state, issuer, outcome, display_name: None, said })
    }
}

/// The error codes of RFC 6749 §4.1.2.1 and OpenID Connect Core 1.0 §3.1.2.6 that mean something to a
/// user; everything else is [`Other`](Self::Other). The provider's own text never travels further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizationError {
    /// The user, or a policy, said no.
    AccessDenied,
    /// The provider wants the user to do something first, but was asked not to bother them.
    InteractionRequired(Interaction),
    /// The user could not be authenticated as strongly as was asked for (OpenID Connect Unmet Authentication
    /// Requirements 1.0).
    TooWeak,
    /// The provider's login page was open for so long that the provider has forgotten what it was for. Keycloak has no code of
    /// its own for it, but a description that is one.
    LoginPageExpired,
    /// The provider is in trouble; trying again may help.
    TemporarilyUnavailable,
    /// The request was wrong: a matter for whoever configured it.
    RequestRefused,
    /// A code that is none of the above.
    Other,
}

/// What the user would have to do (OpenID Connect Core 1.0 §3.1.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interaction {
    /// Log in.
    Login,
    /// Agree to something.
    Consent,
    /// Say which account.
    AccountSelection,
    /// Something.
    Any,
}

impl Interaction {
    /// The provider's code for it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Login => "login_required",
            Self::Consent => "consent_required",
            Self::AccountSelection => "account_selection_required",
            Self::Any => "interaction_required",
        }
    }
}

impl AuthorizationError {
    fn of(code: &str, query: &str) -> Self {
        let described = || ERROR_DESCRIPTION.read(query).ok().flatten();
        match Self::from_code(code) {
            Self::TemporarilyUnavailable if described().as_deref() == Some("authentication_expired") => {
                Self::LoginPageExpired
            }
            error => error,
        }
    }

    fn from_code(code: &str) -> Self {
        match code {
            // The other two are Apple's and LinkedIn's names for it.
            "access_denied" | "user_cancelled_authorize" | "user_cancelled_login" => Self::AccessDenied,
            "login_required" => Self::InteractionRequired(Interaction::Login),
            "interaction_required" => Self::InteractionRequired(Interaction::Any),
            "consent_required" => Self::InteractionRequired(Interaction::Consent),
            "account_selection_required" => Self::InteractionRequired(Interaction::AccountSelection),
            "unmet_authentication_requirements" | "insufficient_user_authentication" => Self::TooWeak,
            "temporarily_unavailable" | "server_error" => Self::TemporarilyUnavailable,
            "invalid_request"
            | "unauthorized_client"
            | "unsupported_response_type"
            | "invalid_scope"
            | "invalid_target"
            | "invalid_authorization_details"
            | "invalid_dpop_proof"
            | "invalid_request_uri"
            | "invalid_request_object"
            | "request_not_supported"
            | "request_uri_not_supported"
            | "registration_not_supported" => Self::RequestRefused,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_019_a_doubled_parameter_is_refused_however_its_name_is_spelled() {
        for query in [
            "state=a&state=b&code=c",
            "state=a&code=c&%73tate=b",
            "state=a&code=c&code=c",
            "state=a&code=c&iss=x&iss=x",
        ] {
            assert!(
                matches!(AuthorizationResponse::parse(query), Err(MalformedQuery::Doubled(_))),
                "accepted {query}"
            );
        }
    }

    #[test]
    fn sec_020_bad_bytes_empty_and_oversized_values_are_refused() {
        let long_code = format!("state=a&code={}", "x".repeat(100_000));
        let long_state = format!("state={}&code=c", "x".repeat(129));
        for query in [
            "",
            "&&",
            "code=c",
            "state=a",
            "state=&code=c",
            "state=%FF&code=c",
            "state=a%00b&code=c",
            "state=a&code=%0d",
            "state=a&code=",
            "state&code=c",
            "state=a&code=%c3%a9",
            &long_code,
            &long_state,
        ] {
            let cut = &query[..query.len().min(60)];
            assert!(AuthorizationResponse::parse(query).is_err(), "accepted {cut}");
        }
    }

    #[test]
    fn sec_026_the_providers_error_becomes_one_of_ours() {
        for (query, expected) in [
            ("state=a&error=access_denied&error_description=x", AuthorizationError::AccessDenied),
            (
                "state=a&error=temporarily_unavailable&error_description=authentication_expired",
                AuthorizationError::LoginPageExpired,
            ),
            (
                "state=a&error=temporarily_unavailable&error_description=authentication_expired_or_so",
                AuthorizationError::TemporarilyUnavailable,
            ),
            (
                "state=a&error=access_denied&error_description=authentication_expired",
                AuthorizationError::AccessDenied,
            ),
            ("state=a&error=<script>", AuthorizationError::Other),
            ("state=a&error=user_cancelled_authorize", AuthorizationError::AccessDenied),
            ("state=a&error=user_cancelled_login", AuthorizationError::AccessDenied),
            ("state=a&error=login_required", AuthorizationError::InteractionRequired(Interaction::Login)),
            ("state=a&error=unmet_authentication_requirements", AuthorizationError::TooWeak),
            ("state=a&error=request_not_supported", AuthorizationError::RequestRefused),
            ("state=a&error=server_error&code=c", AuthorizationError::TemporarilyUnavailable),
        ] {
            match AuthorizationResponse::parse(query).unwrap().outcome {
                AuthorizationOutcome::Error(error) => assert_eq!(error, expected, "{query}"),
                other @ AuthorizationOutcome::Code(_) => panic!("{query} gave {other:?}"),
            }
        }
    }

    #[test]
    fn every_registered_error_of_the_authorization_endpoint_has_a_page_of_its_kind() {
        // IANA's "OAuth Extensions Error Registry", as far as it is about authorization responses.
        let refused = AuthorizationError::RequestRefused;
        let asks_for = AuthorizationError::InteractionRequired;
        for (code, expected) in [
            ("access_denied", AuthorizationError::AccessDenied),
            ("server_error", AuthorizationError::TemporarilyUnavailable),
            ("temporarily_unavailable", AuthorizationError::TemporarilyUnavailable),
            ("login_required", asks_for(Interaction::Login)),
            ("consent_required", asks_for(Interaction::Consent)),
            ("account_selection_required", asks_for(Interaction::AccountSelection)),
            ("interaction_required", asks_for(Interaction::Any)),
            ("unmet_authentication_requirements", AuthorizationError::TooWeak),
            ("invalid_request", refused),
            ("unauthorized_client", refused),
            ("unsupported_response_type", refused),
            ("invalid_scope", refused),
            ("invalid_target", refused),
            ("invalid_authorization_details", refused),
            ("invalid_dpop_proof", refused),
            ("invalid_request_uri", refused),
            ("invalid_request_object", refused),
            ("request_not_supported", refused),
            ("request_uri_not_supported", refused),
            ("registration_not_supported", refused),
        ] {
            assert_eq!(AuthorizationError::from_code(code), expected, "{code}");
        }
    }

    proptest::proptest! {
        #[test]
        fn sec_186_no_query_makes_the_parser_panic(query in ".{0,300}") {
            drop(AuthorizationResponse::parse(&query));
        }
    }
}
