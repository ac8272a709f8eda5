//! A call of the API, and the request as it arrived there.

use authtool_leptos::use_authtool;
use leptos::either::EitherOf3;
use leptos::prelude::*;

use super::ClaimsTable;
use crate::api::{self, Problem, Received};

#[component]
pub(crate) fn ApiPanel() -> impl IntoView {
    let authtool = use_authtool();
    let call = Action::new_local(move |(): &()| async move {
        let outcome = api::call(authtool).await;
        match &outcome {
            // The server may know more than this page.
            Err(Problem::Ended) => authtool.check(),
            _ => authtool.touch(),
        }
        outcome
    });
    view! {
        <section class="panel" id="api" aria-labelledby="api-title">
            <h2 id="api-title">"What the API receives"</h2>
            <p>"This page calls " <code>"/api/whoami"</code> ". What arrives there is something else."</p>
            <button
                class="button primary"
                aria-disabled=move || call.pending().get().then_some("true")
                on:click=move |_| { call.dispatch_local(()); }
            >
                "Call the API"
            </button>
            <div class="result" aria-live="polite">
                {move || match call.value().get() {
                    None => EitherOf3::A(()),
                    Some(Ok(received)) => EitherOf3::B(view! { <Answer received/> }),
                    Some(Err(problem)) => EitherOf3::C(view! { <p class="problem">{sentence(&problem)}</p> }),
                }}
            </div>
        </section>
    }
}

fn sentence(problem: &Problem) -> String {
    match problem {
        Problem::Ended => "Your session has ended.".to_owned(),
        Problem::Refused(status) => format!("The API answered with status {status}."),
        Problem::Unreachable => "The API cannot be reached. Is the demo still running?".to_owned(),
    }
}

#[component]
fn Answer(received: Received) -> impl IntoView {
    let token = received.headers.get("authorization").and_then(serde_json::Value::as_str);
    let token = token.unwrap_or("none").to_owned();
    let (kind, cookie) = if received.cookie_received {
        ("leak", "yes, which should not happen")
    } else {
        ("cookie", "no, it stopped at authtool")
    };
    view! {
        <dl class="facts">
            <div class="token"><dt>"Access token"</dt><dd>{token}</dd></div>
            <div class=kind><dt>"Cookie received"</dt><dd>{cookie}</dd></div>
        </dl>
        <h3>"Claims in the token"</h3>
        <ClaimsTable claims=received.claims label="Claims in the access token"/>
    }
}
