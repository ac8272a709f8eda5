//! The user, as this app sees one.

use authtool_leptos::use_user;
use leptos::prelude::*;
use serde::Deserialize;

/// Of the claims that the server's `session.userClaims` selects, those that are a name. A provider may send none.
#[derive(Clone, PartialEq, Deserialize)]
struct User {
    name: Option<String>,
    preferred_username: Option<String>,
    email: Option<String>,
    sub: Option<String>,
}

/// The best name that the claims offer; empty when nobody is logged in.
pub(crate) fn use_name() -> Signal<String> {
    let user = use_user::<User>();
    Signal::derive(move || {
        user.get()
            .map(|user| {
                user.name
                    .or(user.preferred_username)
                    .or(user.email)
                    .or(user.sub)
                    .unwrap_or_else(|| "somebody".to_owned())
            })
            .unwrap_or_default()
    })
}
