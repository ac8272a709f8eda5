//! A gateway under load: few connections, many requests at once on each.

use crate::{Answer, wait};
use reqwest::Client;
use std::sync::atomic::{AtomicUsize, Ordering};
use url::Url;

/// Speaks HTTP/2 to the internal listeners, as Envoy would. Closed connections are made anew.
pub struct Gateway {
    clients: Vec<Client>,
    next: AtomicUsize,
}

impl Gateway {
    /// With this many connections to each server.
    pub fn new(connections: usize) -> Self {
        let client = || {
            Client::builder()
                .http2_prior_knowledge()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .timeout(wait::PATIENCE)
                .build()
                .expect("a client without options can be built")
        };
        Self { clients: (0..connections).map(|_| client()).collect(), next: AtomicUsize::new(0) }
    }

    /// What the server with this internal listener answers at `/token` for a session cookie's value.
    ///
    /// # Errors
    /// When there is no answer: nobody listens, or the server ends in the middle of it.
    pub async fn token(&self, internal: &Url, session_cookie: &str) -> reqwest::Result<Answer> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.clients.len();
        let response = self.clients[turn]
            .get(internal.join("/bff/token").expect("a path"))
            .header("cookie", format!("{}={session_cookie}", crate::SESSION))
            .send()
            .await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, body: response.bytes().await? })
    }
}
