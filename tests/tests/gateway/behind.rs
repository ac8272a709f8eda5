//! A server behind Envoy, with an API that remembers what reached it.

use authtool_tests::browser::{Browser, Page};
use authtool_tests::envoy::{Envoy, Exchange};
use authtool_tests::hostile::{Endpoint, IdTokenDraft, Lie, Signer, SigningKey, now};
use authtool_tests::raw::{self, Protocol, RawRequest};
use authtool_tests::{Answer, SESSION, ServerConfig, Stage, Upstream};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use url::Url;

pub(crate) const AUDIENCE: &str = "https://api.example";
/// Access tokens are opaque: what is tested is the exchange.
pub(crate) const OPAQUE: &[&str] = &["--opaque-tokens"];

/// Everything, in order of the request's way.
pub(crate) struct Behind {
    pub(crate) exchange: Exchange,
    pub(crate) envoy: Envoy,
    pub(crate) stage: Stage,
    pub(crate) api: Upstream,
    /// What the client speaks.
    protocol: Cell<Protocol>,
}

/// Runs a test by every exchange, and with clients that speak HTTP/1.1 and HTTP/2.
pub(crate) async fn by_every_exchange(test: impl AsyncFn(&Behind)) {
    once_by_every_exchange(OPAQUE, async |behind| {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            behind.protocol.set(protocol);
            test(behind).await;
        }
    })
    .await;
}

/// Runs a test by every exchange, with further arguments of `authtool-bff envoy`.
pub(crate) async fn once_by_every_exchange(arguments: &[&str], test: impl AsyncFn(&mut Behind)) {
    each(async |exchange| test(&mut Behind::with(exchange, |_| {}, arguments).await).await).await;
}

/// Runs something for every exchange, at the same time.
pub(crate) async fn each(run: impl AsyncFn(Exchange)) {
    let runs = Exchange::ALL.map(|exchange| {
        let run = &run;
        async move {
            if let Err(panic) = AssertUnwindSafe(run(exchange)).catch_unwind().await {
                eprintln!("the exchange that failed was {exchange:?}");
                std::panic::resume_unwind(panic);
            }
        }
    });
    futures_util::future::join_all(runs).await;
}

impl Behind {
    /// Other APIs in place of the one that remembers, each as in `--api`.
    pub(crate) async fn with_apis(
        exchange: Exchange,
        configure: impl FnOnce(&mut ServerConfig),
        routes: &[&str],
        arguments: &[&str],
    ) -> Self {
        let mut all = vec!["--opaque-tokens"];
        for route in routes {
            all.extend(["--api", route]);
        }
        all.extend(arguments);
        Self::start(exchange, configure, &all, Upstream::start().await, |it| it).await
    }

    /// With a second prefix, `/browsers`, and the default of `--audience`.
    pub(crate) async fn for_machines(exchange: Exchange, configure: impl FnOnce(&mut ServerConfig)) -> Self {
        let api = Upstream::start().await;
        let routes = ["/api", "/browsers"].map(|prefix| format!("{prefix}={}", api.origin));
        let arguments = ["--api", &routes[0], "--api", &routes[1]];
        Self::start(exchange, configure, &arguments, api, |it| it).await
    }

    pub(crate) async fn with(
        exchange: Exchange,
        configure: impl FnOnce(&mut ServerConfig),
        arguments: &[&str],
    ) -> Self {
        Self::edited(exchange, configure, arguments, |it| it).await
    }

    /// With a bootstrap that somebody has changed.
    pub(crate) async fn edited(
        exchange: Exchange,
        configure: impl FnOnce(&mut ServerConfig),
        arguments: &[&str],
        edit: impl FnOnce(String) -> String,
    ) -> Self {
        let api = Upstream::start().await;
        let route = format!("/api={}", api.origin);
        let mut all = vec!["--api", route.as_str()];
        all.extend(arguments);
        Self::start(exchange, configure, &all, api, edit).await
    }

    async fn start(
        exchange: Exchange,
        configure: impl FnOnce(&mut ServerConfig),
        arguments: &[&str],
        api: Upstream,
        edit: impl FnOnce(String) -> String,
    ) -> Self {
        let port = Envoy::port();
        let app = format!("http://localhost:{port}");
        let stage = Stage::with(|config| {
            config.set("/client/redirect_uri", json!(format!("{app}/bff/oauth/callback")));
            config.set("/client/postLogoutRedirectUri", json!(format!("{app}/bff/oidc/logout/callback")));
            configure(config);
        })
        .await;
        let arguments = [&[exchange.argument()], arguments].concat();
        let bootstrap =
            tokio::task::block_in_place(|| Envoy::bootstrap(&stage.server.config, port, &arguments));
        let credential =
            stage.server.config.get("/server/gatewayCredential").as_str().unwrap_or_default().to_owned();
        let environment = [("AUTHTOOL_GATEWAY_CREDENTIAL", credential.as_str())];
        let envoy = Envoy::with(&edit(bootstrap), port, &environment).await;
        Self { exchange, envoy, stage, api, protocol: Cell::new(Protocol::Http1) }
    }

    /// `GET path`, in the protocol of the test.
    pub(crate) fn get(&self, path: &str) -> RawRequest {
        self.request("GET", path)
    }

    /// `method path`, in the protocol of the test.
    pub(crate) fn request(&self, method: &str, path: &str) -> RawRequest {
        raw::request(method, &self.envoy.public, path).over(self.protocol.get())
    }

    /// The provider issues JWT access tokens from now on, changed by `edit`.
    pub(crate) fn issues(&self, edit: impl Fn(&mut IdTokenDraft) + Send + Sync + 'static) {
        let issuer = self.stage.op.issuer().to_owned();
        self.stage.op.tells_the_truth();
        self.stage.op.lies(
            Lie::about(Endpoint::CodeExchange)
                .json(move |body| {
                    let key = SigningKey::provider();
                    let mut token = IdTokenDraft {
                        header: json!({"alg": "RS256", "typ": "at+jwt", "kid": key.kid}),
                        claims: json!({
                            "iss": issuer, "aud": AUDIENCE, "sub": "ada", "exp": now() + 600, "iat": now(),
                        }),
                        signer: Signer::Key(key),
                        payload: None,
                        compact: None,
                    };
                    edit(&mut token);
                    body["access_token"] = json!(token.serialise());
                })
                .id_token(|token| token.without("at_hash")),
        );
    }

    pub(crate) fn app(&self) -> Url {
        self.envoy.public.clone()
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        self.envoy.public.join(path).unwrap()
    }

    pub(crate) async fn log_in(&self, browser: &Browser) -> Page {
        browser.follow(self.app(), self.url("/bff/login")).go().await
    }

    pub(crate) async fn logged_in(&self) -> Browser {
        let browser = Browser::new();
        let page = self.log_in(&browser).await;
        assert!(browser.cookie(SESSION).is_some(), "{page:#?}");
        browser
    }

    /// The `Cookie` header of somebody who is logged in.
    pub(crate) async fn cookie(&self) -> String {
        format!("{SESSION}={}", self.logged_in().await.cookie(SESSION).unwrap())
    }

    /// A request of the app's own script.
    pub(crate) async fn call(&self, browser: &Browser, path: &str) -> Answer {
        browser.fetch(self.app(), self.url(path)).go().await
    }

    /// The same with a `Cookie` header of its own, byte for byte.
    pub(crate) async fn call_with(&self, cookie: &str, path: &str) -> Answer {
        self.get(path).as_same_origin_fetch().header("cookie", cookie).send().await
    }

    /// How many requests have reached the API.
    pub(crate) fn arrived(&self) -> usize {
        self.api.arrived().len()
    }

    /// The token that the API was given last.
    pub(crate) fn token_at_the_api(&self) -> String {
        self.api.last().header("authorization")
    }

    /// The access token that the provider issued last, as the API should see it.
    pub(crate) fn issued(&self) -> String {
        format!("Bearer {}", self.stage.op.access_tokens().pop().expect("a token was issued"))
    }
}

/// The members of a problem document that do not change.
pub(crate) fn code(answer: &Answer) -> Value {
    answer.json()["code"].clone()
}
