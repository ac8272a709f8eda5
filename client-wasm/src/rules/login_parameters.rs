//! What an app can ask of one login (OpenID Connect Core 1.0 §3.1.2.1).

use super::navigation::push_parameter;
use alloc::string::{String, ToString};
use authtool_contract::endpoint::param;

/// Parameters of `/login`, besides the way back. The server decides which of them it honours.
///
/// ```
/// use authtool_client::rules::login_parameters::LoginParameters;
///
/// let parameters = LoginParameters::default().prompt("login").login_hint("ada@example.com");
/// assert_eq!(parameters.as_query(), "prompt=login&login_hint=ada%40example.com");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginParameters(String);

impl LoginParameters {
    /// Parameters that are encoded already, as a query without its question mark.
    pub fn encoded(query: String) -> Self {
        Self(query)
    }

    /// `none`, `login`, `consent` or `select_account`; several with spaces between them.
    #[must_use]
    pub fn prompt(self, prompt: &str) -> Self {
        self.with(param::PROMPT, prompt)
    }

    /// Who is about to log in: an address or a user name for the provider's form.
    #[must_use]
    pub fn login_hint(self, login_hint: &str) -> Self {
        self.with(param::LOGIN_HINT, login_hint)
    }

    /// Authentication context classes, by preference, with spaces between them.
    #[must_use]
    pub fn acr_values(self, acr_values: &str) -> Self {
        self.with(param::ACR_VALUES, acr_values)
    }

    /// The most seconds since the user last typed a password, or whatever the provider asks for.
    #[must_use]
    pub fn max_age(self, seconds: u32) -> Self {
        self.with(param::MAX_AGE, &seconds.to_string())
    }

    /// Languages of the provider's pages, by preference, with spaces between them (BCP 47).
    #[must_use]
    pub fn ui_locales(self, ui_locales: &str) -> Self {
        self.with(param::UI_LOCALES, ui_locales)
    }

    /// The `clientId` to log in with, when the server has several clients.
    #[must_use]
    pub fn client(self, client: &str) -> Self {
        self.with(param::CLIENT, client)
    }

    /// As a query, without the question mark.
    pub fn as_query(&self) -> &str {
        &self.0
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        push_parameter(&mut self.0, name, value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::LoginParameters;

    #[test]
    fn every_parameter_has_the_name_that_the_server_knows() {
        let parameters = LoginParameters::default()
            .prompt("login consent")
            .login_hint("a&b=c")
            .acr_values("urn:x")
            .max_age(3_600)
            .ui_locales("de en")
            .client("second");
        assert_eq!(
            parameters.as_query(),
            "prompt=login%20consent&login_hint=a%26b%3Dc&acr_values=urn%3Ax&max_age=3600&ui_locales=de%20en&client=second"
        );
    }

    #[test]
    fn a_duration_of_zero_is_written() {
        assert_eq!(LoginParameters::default().max_age(0).as_query(), "max_age=0");
    }
}
