//! The time of the switch: two systems behind one Envoy, with the same host, paths, callbacks and cookie name, and routes that send a
//! browser to one of them by a cookie. Another server of ours, with other keys, stands in for the original: it cannot read our
//! cookies, nor we its.

use authtool_tests::browser::{Browser, Page};
use authtool_tests::envoy::{Envoy, lua_folder};
use authtool_tests::redis::RedisServer;
use authtool_tests::{Answer, SESSION, Server, ServerConfig, Stage, Upstream};
use serde_json::json;
use url::Url;

const ROUTES: &str = include_str!("../../../gateway/envoy/beside-the-original.yaml");

struct Switch {
    envoy: Envoy,
    /// With the provider, which both ask.
    original: Stage,
    next: Server,
    orders: Upstream,
    /// The last to go.
    _redis: RedisServer,
}

impl Switch {
    async fn new() -> Self {
        let redis = RedisServer::start().await;
        let orders = Upstream::start().await;
        let port = Envoy::port();
        let settle = |config: &mut ServerConfig, namespace: &str| {
            let app = format!("http://localhost:{port}");
            let mut connection = redis.connection();
            connection["config"]["namespace"] = json!(namespace);
            config
                .set("/client/redirect_uri", json!(format!("{app}/bff/oauth/callback")))
                .set("/client/postLogoutRedirectUri", json!(format!("{app}/bff/oidc/logout/callback")))
                .set("/connections/sessions", connection);
        };
        let original = Stage::with(|config| settle(config, "authtool_bff")).await;
        let mut config = ServerConfig::new(original.op.issuer());
        settle(&mut config, "authtool_next");
        let next = Server::start(config).await;
        let folder = lua_folder().display().to_string();
        let bootstrap = bootstrap(&folder, port, &original.server.public, &next.public, &orders.origin);
        let envoy = Envoy::start(&bootstrap, port).await;
        Self { envoy, original, next, orders, _redis: redis }
    }

    fn at(&self, path: &str) -> Url {
        self.envoy.public.join(path).unwrap()
    }

    async fn log_in(&self, browser: &Browser) -> Page {
        browser.follow(self.at("/"), self.at("/bff/login")).go().await
    }

    async fn fetch(&self, browser: &Browser, path: &str) -> Answer {
        browser.fetch(self.at("/"), self.at(path)).go().await
    }

    /// From now on this browser uses authtool.
    fn moves(&self, browser: &Browser) {
        browser.jar().plant(&self.at("/"), "next=1; Path=/");
    }

    /// And now the original again.
    fn returns(browser: &Browser) {
        browser.jar().remove("next");
    }

    /// Who is asked about this browser's sessions says this, and the API gets a token or nothing.
    async fn has_session(&self, browser: &Browser) -> bool {
        let session = self.fetch(browser, "/bff/session").await;
        assert_eq!(session.header("set-cookie"), "", "nobody deletes the other's cookie: {session:?}");
        let answer = self.fetch(browser, "/api/orders").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let arrived = self.orders.last();
        assert!(!arrived.header("cookie").contains(SESSION), "{arrived:?}");
        let is_there = session.status == 200;
        assert_eq!(!arrived.header("authorization").is_empty(), is_there, "{session:?} {arrived:?}");
        is_there
    }
}

fn bootstrap(lua: &str, port: u16, original: &Url, next: &Url, orders: &str) -> String {
    let cluster = |name: &str, port: u16| {
        format!(
            "  - name: {name}\n    connect_timeout: 30s\n    type: STATIC\n    load_assignment:\n      cluster_name: {name}\n      \
             endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]}}]\n"
        )
    };
    let ports = [original.port(), next.port(), orders.parse::<Url>().unwrap().port()].map(Option::unwrap);
    let clusters: String = ["authtool-bff", "authtool-next", "orders"]
        .into_iter()
        .zip(ports)
        .map(|(name, port)| cluster(name, port))
        .collect();
    // As deep as the list of routes below.
    let routes = ROUTES.replace("/etc/lua/next", lua).trim_end().replace('\n', "\n              ");
    format!(
        r#"static_resources:
  listeners:
  - name: frontend
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: frontend
          http_filters:
          - name: envoy.filters.http.lua
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
              default_source_code:
                inline_string: |
                  package.path = '{lua}/?.lua;' .. package.path
                  local token_exchange = require('token-exchange')
                  local config = {{
                    token_service_cluster = "authtool-bff",
                    token_service_endpoint = "/bff/token",
                    session_cookie_name = "__Host-session_id",
                  }}
                  function envoy_on_request(request_handle)
                    token_exchange.on_request(request_handle, config)
                  end
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
          route_config:
            virtual_hosts:
            - name: frontend
              domains: ["*"]
              routes:
              {routes}
              - match: {{prefix: /bff}}
                route: {{cluster: authtool-bff, timeout: 0s}}
                typed_per_filter_config:
                  envoy.filters.http.lua:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute
                    disabled: true
              - match: {{prefix: /api}}
                route: {{cluster: orders}}
  clusters:
{clusters}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_move_to_the_new_system_and_back_with_one_silent_login_each() {
    let switch = Switch::new().await;
    let (early, late) = (Browser::new(), Browser::new());
    for browser in [&early, &late] {
        switch.log_in(browser).await;
        assert!(switch.has_session(browser).await);
    }

    // The original's session is nothing to the new system, which leaves it alone.
    switch.moves(&early);
    assert!(!switch.has_session(&early).await);
    Switch::returns(&early);
    assert!(
        switch.has_session(&early).await,
        "who has not logged in anew goes back to the session of before"
    );

    // A login takes the place of the session; nobody else notices.
    switch.moves(&early);
    switch.log_in(&early).await;
    assert!(switch.has_session(&early).await);
    assert!(switch.has_session(&late).await);
    assert_eq!(
        switch.next.token_for(&early.cookie(SESSION).unwrap()).await.status,
        200,
        "it is the new system's"
    );
    assert_eq!(switch.original.token(&early).await.status, 401);

    // The way back is the same.
    Switch::returns(&early);
    assert!(!switch.has_session(&early).await);
    switch.log_in(&early).await;
    assert!(switch.has_session(&early).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_caught_in_the_middle_of_the_move_leads_back_to_the_app_and_the_next_one_works() {
    let switch = Switch::new().await;
    let browser = Browser::new();
    let begun = browser
        .follow(switch.at("/"), switch.at("/bff/login"))
        .stop_before(|url| url.path().ends_with("/oauth/callback"))
        .go()
        .await;
    switch.moves(&browser);
    let page = browser.follow(switch.original.op.issuer(), begun.next.unwrap()).go().await;
    assert_eq!(page.status(), 400, "{page:#?}");
    let html = page.answer.text();
    let (_, link) = html.split_once("<a href=\"").unwrap_or_else(|| panic!("no way on: {html}"));
    let app = page.url.join(link.split_once('"').unwrap().0).unwrap();
    assert_eq!(app, switch.at("/"), "{html}");
    assert!(!switch.has_session(&browser).await);
    switch.log_in(&browser).await;
    assert!(switch.has_session(&browser).await);
}
