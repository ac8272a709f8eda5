//! `/session` on the public listener, beside a handler that only reads from Redis.

use authtool_tests::SESSION;
use serde_json::json;

use super::token::SESSIONS;
use crate::{
    load::Asked,
    parts::{BareHandler, Stand, store_for_the_limit},
    report::{Row, Target},
    rounds::{Contender, Effort, in_turn},
    sessions::Writer,
    tokens::TokenSizes,
};

pub(crate) async fn run(effort: Effort) -> Vec<Row> {
    let stand = Stand::new().await;
    let tokens = TokenSizes::USUAL;
    let writer = Writer::new(&stand.server.config);
    let cookies = writer.write(SESSIONS, tokens);
    // What the client sends, and a browser adds.
    let asked = |port: u16| {
        Asked::new(port, "/bff/session", SESSION, &cookies)
            .header("accept", "application/json")
            .header("x-authtool-csrf", "1")
            .header("sec-fetch-site", "same-origin")
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-dest", "empty")
    };
    let length = stand.session_length(&cookies[0]).await;
    let limit = BareHandler::start(Some(stand.redis.port), length).await;
    store_for_the_limit(&stand.redis, &cookies, writer.record_length(tokens), length).await;

    let redis = stand.redis_process().await;
    let contenders = [
        Contender {
            name: "the bare handler".to_owned(),
            asked: asked(limit.port),
            processes: vec![limit.process()],
            beside: vec![redis],
        },
        Contender {
            name: "authtool".to_owned(),
            asked: asked(stand.server.config.public_port()),
            processes: vec![stand.server.process_id()],
            beside: vec![redis],
        },
    ];
    let turns = in_turn(effort, &contenders).await;
    vec![Row {
        what: "/session, from Redis".to_owned(),
        ours: turns[1].show(),
        limit: turns[0].show(),
        figure: turns[1].relative_to(&turns[0]),
        target: Target::AtLeast(0.9),
        details: json!([turns[0].json(), turns[1].json()]),
    }]
}
