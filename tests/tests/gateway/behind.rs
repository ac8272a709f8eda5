//! A server behind Envoy, with an API that remembers what reached it.

use authtool_tests::browser::{Browser, Page};
use authtool_tests::envoy::Envoy;
use authtool_tests::hostile::{Endpoint, IdTokenDraft, Lie, Signer, SigningKey, now};
use authtool_tests::{Answer, SESSION, ServerConfig, Stage, Upstream, raw};
use serde_json::{Value, json};
use url::Url;

pub(crate) const AUDIENCE: &str = "https://api.example";

/// Everything, in order of the request's way.
pub(crate) struct Behind {
    pub(crate) envoy: Envoy,
    pub(crate) stage: Stage,
    pub(crate) api: Upstream,
}

impl Behind {
    /// Access tokens are opaque: what is tested is the exchange.
    pub(crate) async fn envoy() -> Self {
        Self::with(|_| {}, &["--opaque-tokens"]).await
    }

    /// Access tokens are JWTs that Envoy checks.
    pub(crate) async fn envoy_that_checks() -> Self {
        let behind = Self::with(|_| {}, &["--audience", AUDIENCE]).await;
        behind.issues(|_| {});
        behind
    }

    /// Other APIs in place of the one that remembers, each as in `--api`.
    pub(crate) async fn with_apis(routes: &[&str]) -> Self {
        let mut arguments = vec!["--opaque-tokens"];
        for route in routes {
            arguments.extend(["--api", route]);
        }
        Self::start(|_| {}, &arguments, Upstream::start().await).await
    }

    pub(crate) async fn with(configure: impl FnOnce(&mut ServerConfig), arguments: &[&str]) -> Self {
        let api = Upstream::start().await;
        let route = format!("/api={}", api.origin);
        let mut all = vec!["--api", route.as_str()];
        all.extend(arguments);
        Self::start(configure, &all, api).await
    }

    async fn start(configure: impl FnOnce(&mut ServerConfig), arguments: &[&str], api: Upstream) -> Self {
        let port = Envoy::port();
        let app = format!("http://localhost:{port}");
        let stage = Stage::with(|config| {
            config.set("/client/redirect_uri", json!(format!("{app}/bff/oauth/callback")));
            config.set("/client/postLogoutRedirectUri", json!(format!("{app}/bff/oidc/logout/callback")));
            configure(config);
        })
        .await;
        let bootstrap =
            tokio::task::block_in_place(|| Envoy::bootstrap(&stage.server.config, port, arguments));
        let credential =
            stage.server.config.get("/server/gatewayCredential").as_str().unwrap_or_default().to_owned();
        let envoy = Envoy::with(&bootstrap, port, &[("AUTHTOOL_GATEWAY_CREDENTIAL", &credential)]).await;
        Self { envoy, stage, api }
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
        raw::get(&self.envoy.public, path).as_same_origin_fetch().header("cookie", cookie).send().await
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
