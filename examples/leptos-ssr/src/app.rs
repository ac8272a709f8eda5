//! The app, the same on both sides.

use authtool_leptos::{
    Authenticated, AuthtoolOptions, LoginLink, LogoutForm, RequireAuth, Status, Unauthenticated,
    provide_authtool, use_authtool, use_user,
};
use leptos::prelude::*;
use leptos_router::components::{A, Route, Router, Routes};
use leptos_router::path;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api::{CallApi, Received};
use crate::direct_api::{call_directly, use_direct_api};

/// Of the claims that the server's `session.userClaims` selects, those that are a name. A provider may send none.
#[derive(Clone, PartialEq, Deserialize)]
struct User {
    name: Option<String>,
    sub: Option<String>,
}

fn use_name() -> Signal<String> {
    let user = use_user::<User>();
    Signal::derive(move || user.get().and_then(|user| user.name.or(user.sub)).unwrap_or_default())
}

#[component]
pub fn App() -> impl IntoView {
    let options = AuthtoolOptions::default().base_url("/bff");
    provide_authtool(if use_direct_api().is_some() { options.token_exchange() } else { options });
    let authtool = use_authtool();
    // For tests: the browser has taken over.
    Effect::new(move |_| {
        if let Some(root) = document().document_element() {
            drop(root.set_attribute("data-status", &format!("{:?}", authtool.status.get()).to_lowercase()));
        }
    });
    view! {
        <Router>
            <header class="masthead">
                <A href="/" attr:class="wordmark"><Key/> "authtool " <span>"Leptos SSR"</span></A>
                <Authenticated><Account/></Authenticated>
            </header>
            <main id="main">
                <Routes fallback=NothingHere>
                    <Route path=path!("/") view=Home/>
                    <Route path=path!("/claims") view=|| view! { <RequireAuth fallback=PleaseLogIn><Claims/></RequireAuth> }/>
                </Routes>
            </main>
            <footer class="colophon">
                "One process: it renders this page and logs you in. It works without JavaScript."
            </footer>
        </Router>
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

/// Who is logged in, and the way out.
#[component]
fn Account() -> impl IntoView {
    let name = use_name();
    view! {
        <div class="account">
            <span class="who">{name}</span>
            <LogoutForm><button class="button plain">"Log out"</button></LogoutForm>
        </div>
    }
}

#[component]
fn Home() -> impl IntoView {
    let authtool = use_authtool();
    let name = use_name();
    view! {
        <Show when=move || authtool.status.get() == Status::Unavailable>
            <section class="notice" role="status">
                <div>
                    <strong>"The login server does not answer"</strong>
                    <p>"You may well be logged in. This page keeps trying by itself."</p>
                </div>
            </section>
        </Show>
        <Unauthenticated>
            <section class="hero">
                <h1>"Nobody is logged in."</h1>
                <p class="lead">
                    "Log in, and the server greets you by name. "
                    {use_direct_api().is_none().then_some("No token leaves it.")}
                </p>
                <LoginLink attr:class="button primary">"Log in"</LoginLink>
            </section>
        </Unauthenticated>
        <Authenticated>
            <div class="signed-in">
                <section class="hero">
                    <h1>"Hello, " {name} "."</h1>
                    <p class="lead">"What this page knows of you is on " <A href="/claims">"a page of its own"</A> "."</p>
                </section>
                <div class="panels"><ApiPanel/></div>
            </div>
        </Authenticated>
    }
}

/// The fallback of a page for those who are logged in. With JavaScript it is seen for a moment only.
#[component]
fn PleaseLogIn() -> impl IntoView {
    view! {
        <section class="hero">
            <h1>"This page is yours alone."</h1>
            <LoginLink attr:class="button primary">"Log in"</LoginLink>
        </section>
    }
}

/// In `bff` mode the server calls the API, in `tokenExchange` mode the page does.
#[component]
fn ApiPanel() -> impl IntoView {
    if use_direct_api().is_some() {
        view! { <CallByThePage/> }.into_any()
    } else {
        view! { <CallByTheServer/> }.into_any()
    }
}

#[component]
fn CallByTheServer() -> impl IntoView {
    let call = ServerAction::<CallApi>::new();
    let outcome =
        Signal::derive(move || call.value().get().map(|outcome| outcome.map_err(|error| error.to_string())));
    view! {
        <Panel outcome call=move || { call.dispatch(CallApi {}); }>
            "The server calls it for you, with a token that this page never sees."
        </Panel>
    }
}

#[component]
fn CallByThePage() -> impl IntoView {
    let (api, authtool) = (use_direct_api(), use_authtool());
    let call = Action::new_local(move |(): &()| {
        let api = api.clone();
        async move {
            match api {
                Some(api) => call_directly(&api, authtool).await,
                None => Err("There is no API to call.".to_owned()),
            }
        }
    });
    let outcome = Signal::derive(move || call.value().get());
    view! {
        <Panel outcome call=move || { call.dispatch_local(()); }>
            "This page calls it by itself, with a token that it keeps in memory and nowhere else."
        </Panel>
    }
}

#[component]
fn Panel(
    outcome: Signal<Option<Result<Received, String>>>,
    call: impl Fn() + Send + 'static,
    children: Children,
) -> impl IntoView {
    view! {
        <section class="panel" id="api" aria-labelledby="api-title">
            <h2 id="api-title">"What the API receives"</h2>
            <p>{children()}</p>
            <button class="button primary" on:click=move |_| call()>"Call the API"</button>
            <div class="result" aria-live="polite">
                {move || outcome.get().map(|outcome| match outcome {
                    Ok(received) => view! {
                        <ClaimsTable claims=received.claims label="Claims in the access token"/>
                    }.into_any(),
                    Err(problem) => view! { <p class="problem">{problem}</p> }.into_any(),
                })}
            </div>
        </section>
    }
}

/// What this page knows of the user.
#[component]
fn Claims() -> impl IntoView {
    let claims = use_user::<Map<String, Value>>();
    view! {
        <section class="hero"><h1>"What this page knows"</h1></section>
        <div class="panels">
            <section class="panel">
                {move || view! { <ClaimsTable claims=claims.get().unwrap_or_default() label="Your claims"/> }}
            </section>
        </div>
    }
}

/// Names and values, the values as text whatever they contain.
#[component]
fn ClaimsTable(claims: Map<String, Value>, label: &'static str) -> impl IntoView {
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
