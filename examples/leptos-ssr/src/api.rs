//! A server function that calls another API for the user. The access token stays on the server.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What the demo API tells about the token that it received.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Received {
    pub claims: Map<String, Value>,
}

/// Calls the API as the user.
#[server(prefix = "/fn", endpoint = "call_api", input = server_fn::codec::Json)]
pub async fn call_api() -> Result<Received, ServerFnError> {
    let token = authtool_leptos::server::access_token().await?;
    let api: Api = expect_context();
    Ok(api.received(token.expose()).await?)
}

/// The API, over HTTP.
#[cfg(not(target_family = "wasm"))]
#[derive(Clone)]
pub struct Api {
    client: reqwest::Client,
    url: String,
}

#[cfg(not(target_family = "wasm"))]
impl Api {
    /// `origin` is that of the API.
    pub fn new(origin: String) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            // A token goes to the API, and to nobody that the API names.
            .redirect(reqwest::redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(10))
            .build()?;
        Ok(Self { client, url: format!("{origin}/api/whoami") })
    }

    async fn received(&self, token: &str) -> Result<Received, reqwest::Error> {
        self.client.get(&self.url).bearer_auth(token).send().await?.error_for_status()?.json().await
    }
}
