//! `/token` again and again: sessions from the server's memory, of which Redis tells it when it is out of date, beside a
//! handler that asks nobody.

use authtool_tests::SESSION;
use serde_json::json;

use super::token::SESSIONS;
use crate::{
    load::{self, Asked},
    parts::{BareHandler, Stand},
    report::{Row, Target},
    rounds::{CONNECTIONS, Contender, Effort, in_turn},
    sessions::Writer,
    tokens::TokenSizes,
};

pub(crate) async fn run(effort: Effort) -> Vec<Row> {
    // As it is without any configuration.
    let stand = Stand::with(|config| {
        config.set("/connections/sessions/config/localCache", json!({"enabled": true}));
    })
    .await;
    let cookies = Writer::new(&stand.server.config).write(SESSIONS, TokenSizes::USUAL);
    let answer = stand.server.token_for(&cookies[0]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let limit = BareHandler::start(None, answer.body.len()).await;
    let asked = |port| Asked::new(port, "/bff/token", SESSION, &cookies);

    // Until every session has been asked for.
    let ours = asked(stand.server.config.internal_port());
    let mut warm = 0;
    while warm < 2 * SESSIONS as u64 {
        warm += load::closed(&ours, CONNECTIONS, effort.turn / 2).await.requests;
    }
    let redis = stand.redis_process().await;
    let before = stand.redis.info("total_commands_processed").await;
    let contenders = [
        Contender {
            name: "the bare handler".to_owned(),
            asked: asked(limit.port),
            processes: vec![limit.process()],
            beside: vec![],
        },
        Contender {
            name: "authtool".to_owned(),
            asked: ours,
            processes: vec![stand.server.process_id()],
            beside: vec![redis],
        },
    ];
    let turns = in_turn(effort, &contenders).await;
    let commands = stand.redis.info("total_commands_processed").await - before;
    let requests: u64 = turns[1].turns.iter().map(|turn| turn.outcome.requests).sum();
    assert!(commands < requests / 10, "{requests} requests from memory, and {commands} commands at Redis");
    vec![Row {
        what: "cookie → token, from memory".to_owned(),
        ours: turns[1].show(),
        limit: turns[0].show(),
        figure: turns[1].relative_to(&turns[0]),
        target: Target::AtLeast(0.8),
        details: json!({
            "turns": [turns[0].json(), turns[1].json()],
            "requests": requests,
            "commands_at_redis": commands,
        }),
    }]
}
