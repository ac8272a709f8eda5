//! A call to the protected API: an ordinary same-origin fetch. In `bff` mode the browser adds the session cookie, and the
//! server swaps it for the access token; in `tokenExchange` mode the app brings the token itself.

use authtool_leptos::{Authtool, FailureKind};
use gloo_net::http::Request;
use serde::Deserialize;
use serde_json::{Map, Value};

/// What the demo API answers: the request as it arrived there.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Received {
    pub(crate) claims: Map<String, Value>,
    pub(crate) headers: Map<String, Value>,
    pub(crate) cookie_received: bool,
}

/// Why there is no answer.
#[derive(Clone)]
pub(crate) enum Problem {
    Ended,
    Refused(u16),
    Unreachable,
}

/// Calls the API. A token that it refuses is replaced, once.
pub(crate) async fn call(authtool: Authtool) -> Result<Received, Problem> {
    let token = match authtool.access_token().await {
        Ok(token) => Some(token),
        Err(failure) if failure.kind == FailureKind::WrongMode => None,
        Err(failure) if failure.kind == FailureKind::Unauthorized => return Err(Problem::Ended),
        Err(_) => return Err(Problem::Unreachable),
    };
    match (send(token.as_deref()).await, token) {
        (Err(Problem::Ended), Some(rejected)) => match authtool.access_token_after(&rejected).await {
            Ok(token) => send(Some(&token)).await,
            Err(_) => Err(Problem::Ended),
        },
        (outcome, _) => outcome,
    }
}

/// Where the API is: the demo's listens three ports above the app.
fn own_origin() -> String {
    let port = leptos::prelude::window().location().port().ok();
    let port = port.and_then(|port| port.parse::<u16>().ok()).unwrap_or_default();
    format!("http://127.0.0.1:{}", port.wrapping_add(3))
}

async fn send(token: Option<&str>) -> Result<Received, Problem> {
    let request = match token {
        Some(token) => Request::get(&format!("{}/api/whoami", own_origin()))
            .header("authorization", &format!("Bearer {token}")),
        // Another site cannot send this header without asking: it shows that the call is ours.
        None => Request::get("/api/whoami").header("x-authtool-csrf", "1"),
    };
    let response = request.send().await.map_err(|_| Problem::Unreachable)?;
    match response.status() {
        200 => response.json().await.map_err(|_| Problem::Refused(200)),
        401 => Err(Problem::Ended),
        status => Err(Problem::Refused(status)),
    }
}
