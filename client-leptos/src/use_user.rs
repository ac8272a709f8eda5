//! The user, typed.

use leptos::prelude::*;
use serde::de::DeserializeOwned;

use crate::use_authtool;

/// The user, as your own struct, from the claims that the server's `session.userClaims` selects; `None` while nobody is
/// logged in, or while that is not known.
///
/// Claims that do not fit the struct are `None` as well, and an error in the console that names the field: which
/// claims there are is decided by your server's configuration, not by the user. For claims of any shape, use
/// `serde_json::Value`.
///
/// ```
/// use authtool_leptos::use_user;
/// use leptos::prelude::*;
///
/// #[derive(Clone, PartialEq, serde::Deserialize)]
/// struct User {
///     name: String,
///     email: Option<String>,
/// }
///
/// #[component]
/// fn Greeting() -> impl IntoView {
///     let user = use_user::<User>();
///     view! { <p>{move || user.get().map(|user| format!("Hello {}", user.name))}</p> }
/// }
/// ```
pub fn use_user<T>() -> Signal<Option<T>>
where
    T: DeserializeOwned + PartialEq + Send + Sync + 'static,
{
    use_authtool().user()
}
