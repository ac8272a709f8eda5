//! The frame, the routes, and what authtool needs: one call.

use authtool_leptos::{
    Authenticated, AuthtoolOptions, LogoutForm, RequireAuth, Status, provide_authtool, use_authtool,
};
use leptos::prelude::*;
use leptos_router::components::{A, Route, Router, Routes};
use leptos_router::path;

use crate::views::{Claims, Home, Waiting, use_name};

#[component]
pub(crate) fn App() -> impl IntoView {
    let options = AuthtoolOptions::default().base_url("/bff");
    provide_authtool(if exchanges_tokens() { options.token_exchange() } else { options });
    show_status_on_the_document();

    view! {
        <Router>
            <header class="masthead">
                <A href="/" attr:class="wordmark"><Key/> "authtool " <span>"Leptos"</span></A>
                <Authenticated><Account/></Authenticated>
            </header>
            <main id="main">
                <Outage/>
                <Routes fallback=NothingHere>
                    <Route path=path!("/") view=Home/>
                    // Whoever is not logged in is sent to the login, and comes back here.
                    <Route
                        path=path!("/claims")
                        view=|| view! { <RequireAuth fallback=|| view! { <Waiting/> }><Claims/></RequireAuth> }
                    />
                </Routes>
            </main>
            <footer class="colophon">
                {if exchanges_tokens() {
                    view! {
                        <code>"tokenExchange"</code> " mode: this page holds a short-lived access token, in memory and nowhere else."
                    }
                        .into_any()
                } else {
                    view! {
                        "One origin, one process: the server gives out this app, logs you in, and forwards "
                        <code>"/api"</code> " with the token attached."
                    }
                        .into_any()
                }}
            </footer>
        </Router>
    }
}

/// The page for an address that none of the routes is for.
#[component]
fn NothingHere() -> impl IntoView {
    view! {
        <section class="hero">
            <h1>"There is no such page."</h1>
            <p class="lead">"The address may be mistyped, or out of date."</p>
            <A href="/" attr:class="button primary">"To the start"</A>
        </section>
    }
}

/// Decoration.
#[component]
fn Key() -> impl IntoView {
    view! {
        <svg width="26" height="26" viewBox="0 0 26 26" aria-hidden="true">
            <circle cx="7" cy="13" r="4.5" fill="none" stroke="currentColor" stroke-width="2.5"/>
            <path d="M11.5 13H23M19 13v4.5" fill="none" stroke="currentColor" stroke-width="2.5" stroke-linecap="round"/>
        </svg>
    }
}

/// Who is logged in, and the way out.
#[component]
fn Account() -> impl IntoView {
    let name = use_name();
    let initial = move || name.get().chars().next().map(|first| first.to_uppercase().to_string());
    view! {
        <div class="account">
            <span class="avatar" aria-hidden="true">{initial}</span>
            <span class="who">{name}</span>
            <LogoutForm><button class="button plain">"Log out"</button></LogoutForm>
        </div>
    }
}

/// Whether somebody is logged in cannot be said right now, which is not the same as "nobody is".
#[component]
fn Outage() -> impl IntoView {
    let authtool = use_authtool();
    view! {
        <Show when=move || authtool.status.get() == Status::Unavailable>
            <section class="notice" role="status">
                <div>
                    <strong>"The login server does not answer"</strong>
                    <p>"You may well be logged in. This page keeps trying by itself."</p>
                </div>
                <button class="button plain" on:click=move |_| authtool.check()>"Try now"</button>
            </section>
        </Show>
    }
}

/// In a real app this is known when it is built; here one build shows both.
fn exchanges_tokens() -> bool {
    document()
        .query_selector("meta[name=authtool-mode]")
        .ok()
        .flatten()
        .and_then(|meta| meta.get_attribute("content"))
        .is_some_and(|mode| mode == "tokenExchange")
}

/// For styles, and for tests.
fn show_status_on_the_document() {
    let authtool = use_authtool();
    let name = use_name();
    Effect::new(move |_| {
        let status = match authtool.status.get() {
            Status::Initialising => "initialising",
            Status::Authenticated => "authenticated",
            Status::Unauthenticated => "unauthenticated",
            Status::Unavailable => "unavailable",
        };
        if let Some(root) = document().document_element() {
            drop(root.set_attribute("data-status", status));
        }
        let name = name.get();
        let separator = if name.is_empty() { "" } else { " · " };
        document().set_title(&format!("{name}{separator}authtool demo"));
    });
}
