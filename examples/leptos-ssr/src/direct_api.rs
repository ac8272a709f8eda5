//! `tokenExchange` mode: the page has the access token, in memory, and calls the API by itself.

use authtool_leptos::{Authtool, FailureKind};
use gloo_net::http::Request;
use leptos::prelude::*;

use crate::api::Received;

/// The origin of the API that the page may call. There is none in `bff` mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectApi(pub String);

/// On the server what it provides, in the browser what the page that it rendered says: hydration wants both to agree.
pub fn use_direct_api() -> Option<DirectApi> {
    #[cfg(target_family = "wasm")]
    {
        let meta = document().query_selector("meta[name=authtool-api]").ok().flatten()?;
        meta.get_attribute("content").map(DirectApi)
    }
    #[cfg(not(target_family = "wasm"))]
    use_context()
}

/// Calls the API. A token that it refuses is replaced, once.
pub async fn call_directly(api: &DirectApi, authtool: Authtool) -> Result<Received, String> {
    let token = authtool.access_token().await.map_err(|failure| sentence(failure.kind))?;
    let mut response = send(api, &token).await?;
    if response.status() == 401 {
        let token = authtool.access_token_after(&token).await.map_err(|failure| sentence(failure.kind))?;
        response = send(api, &token).await?;
    }
    match response.status() {
        200 => response.json().await.map_err(|_| "The API's answer cannot be read.".to_owned()),
        status => Err(format!("The API answered with status {status}.")),
    }
}

async fn send(DirectApi(origin): &DirectApi, token: &str) -> Result<gloo_net::http::Response, String> {
    Request::get(&format!("{origin}/api/whoami"))
        .header("authorization", &format!("Bearer {token}"))
        .send()
        .await
        .map_err(|_| "The API cannot be reached.".to_owned())
}

fn sentence(kind: FailureKind) -> String {
    match kind {
        FailureKind::Unauthorized => "Your session has ended.",
        _ => "The login server does not answer.",
    }
    .to_owned()
}
