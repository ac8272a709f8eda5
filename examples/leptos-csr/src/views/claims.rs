//! The claims, as a table.

use authtool_leptos::use_user;
use leptos::prelude::*;
use serde_json::{Map, Value};

/// What this page knows of the user.
#[component]
pub(crate) fn Claims() -> impl IntoView {
    let claims = use_user::<Map<String, Value>>();
    view! {
        <section class="hero">
            <h1>"What this page knows"</h1>
            <p class="lead">"The claims that the server was configured to show, from " <code>"/bff/session"</code> "."</p>
        </section>
        <div class="panels">
            <section class="panel">
                {move || view! { <ClaimsTable claims=claims.get().unwrap_or_default() label="Your claims"/> }}
            </section>
        </div>
    }
}

/// Names and values, the values as text whatever they contain.
#[component]
pub(crate) fn ClaimsTable(claims: Map<String, Value>, label: &'static str) -> impl IntoView {
    let rows = claims
        .into_iter()
        .map(|(name, value)| {
            let value = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            view! { <tr><th scope="row">{name}</th><td>{value}</td></tr> }
        })
        .collect_view();
    view! { <table class="claims" aria-label=label><tbody>{rows}</tbody></table> }
}
