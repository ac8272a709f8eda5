//! An API behind Envoy with the Lua exchange, beside Envoy with a Lua filter that does no more than ask a bare handler.
//! Charged are Envoy and whoever it asks.

use std::net::Ipv4Addr;

use authtool_bff::{
    Config,
    envoy::{Api, Endpoint, Exchange, Gateway, bootstrap},
};
use authtool_tests::{
    SESSION, Server,
    envoy::{Envoy, lua_folder},
};
use serde_json::{Value, json};

use super::token::SESSIONS;
use crate::{
    load::Asked,
    parts::{BareHandler, BesideTheLimit},
    report::{Row, Target},
    rounds::{Contender, Effort, in_turn},
};

/// Asks, takes the token out of the answer, and nothing else: no check of where a request comes from, no header or
/// cookie stripped, no error told from another.
const LEAST: &str = r#"
function envoy_on_request(handle)
  local _, body = handle:httpCall("authtool_bff_internal", {
    [":method"] = "GET", [":path"] = "/bff/token", [":authority"] = "bff",
    ["cookie"] = handle:headers():get("cookie"),
  }, "", 15000)
  handle:headers():replace("authorization", "Bearer " .. body:match('"access_token":"([^"]*)"'))
end
"#;

pub(crate) async fn run(effort: Effort) -> Vec<Row> {
    let BesideTheLimit { stand, limit, cookies } = BesideTheLimit::with_sessions(SESSIONS).await;
    let api = BareHandler::start(None, 256).await;

    let whole = in_front_of(&stand.server, api.port);
    let mut least = in_front_of(&stand.server, api.port);
    reduce(&mut least.1, limit.port);
    let ours = Envoy::start(&whole.1.to_string(), whole.0).await;
    let theirs = Envoy::start(&least.1.to_string(), least.0).await;

    let redis = stand.redis_process().await;
    let asked = |port: u16| Asked::new(port, "/api/orders", SESSION, &cookies);
    let contenders = [
        Contender {
            name: "Envoy and a bare handler".to_owned(),
            asked: asked(least.0),
            processes: vec![theirs.process_id(), limit.process()],
            beside: vec![redis, api.process()],
        },
        Contender {
            name: "Envoy and authtool".to_owned(),
            asked: asked(whole.0),
            processes: vec![ours.process_id(), stand.server.process_id()],
            beside: vec![redis, api.process()],
        },
    ];
    let turns = in_turn(effort, &contenders).await;
    vec![Row {
        what: "through Envoy with the Lua exchange".to_owned(),
        ours: turns[1].show(),
        limit: turns[0].show(),
        figure: turns[1].relative_to(&turns[0]),
        target: Target::AtLeast(0.95),
        details: json!([turns[0].json(), turns[1].json()]),
    }]
}

/// A port, and the configuration of an Envoy that listens there, as `authtool-bff envoy` makes it.
pub(super) fn in_front_of(server: &Server, api: u16) -> (u16, Value) {
    let endpoint = |port| Endpoint { host: "127.0.0.1".to_owned(), port };
    let path = server.config.file("bench-envoy.json", server.config.text());
    let config = Config::load(&path).expect("the server's configuration is good");
    let port = Envoy::port();
    let gateway = Gateway {
        listen: (Ipv4Addr::LOCALHOST, port).into(),
        tls: None,
        public: vec![endpoint(server.config.public_port())],
        internal: vec![endpoint(server.config.internal_port())],
        apis: vec![Api {
            prefix: "/api".to_owned(),
            upstream: endpoint(api),
            is_encrypted: false,
            speaks_http2: false,
        }],
        app: None,
        jwt: Vec::new(),
        policy: None,
        exchange: Exchange::Lua,
        max_stream_secs: 3600,
        lua_folder: Some(lua_folder().display().to_string()),
        admin: None,
    };
    (port, bootstrap(&config, &gateway))
}

/// The same Envoy with the least that could be in place of the exchange.
fn reduce(bootstrap: &mut Value, handler: u16) {
    const FILTER: &str =
        "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0";
    let lua = format!("{FILTER}/typed_config/default_source_code/inline_string");
    *bootstrap.pointer_mut(&lua).expect("the first filter is the exchange") = LEAST.into();
    let clusters = bootstrap.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut);
    let internal = clusters
        .and_then(|all| all.iter_mut().find(|cluster| cluster["name"] == "authtool_bff_internal"))
        .expect("there is a cluster of internal listeners");
    internal["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
        ["port_value"] = handler.into();
    // The bare handler knows no health check.
    internal.as_object_mut().map(|cluster| cluster.remove("health_checks"));
}
