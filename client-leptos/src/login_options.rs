//! What an app can ask of one login.

use crate::LoginParameters;

/// Options of [`Authtool::login`](crate::Authtool::login): where to return to, and what the provider is asked for.
///
/// ```
/// use authtool_leptos::{LoginOptions, LoginParameters};
///
/// let options = LoginOptions::default()
///     .redirect_uri("/invoices")
///     .parameters(LoginParameters::default().prompt("login").login_hint("ada@example.com"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginOptions {
    pub(crate) redirect_uri: Option<String>,
    pub(crate) parameters: LoginParameters,
}

impl LoginOptions {
    /// Where in the app to return to. By default it is the page that the login starts from.
    #[must_use]
    pub fn redirect_uri(self, redirect_uri: impl Into<String>) -> Self {
        Self { redirect_uri: Some(redirect_uri.into()), ..self }
    }

    /// Parameters for the provider. The server decides which of them it honours.
    #[must_use]
    pub fn parameters(self, parameters: LoginParameters) -> Self {
        Self { parameters, ..self }
    }
}
