//! `/token` on the internal listener, beside a handler that only reads from Redis.

use authtool_tests::SESSION;
use serde_json::json;

use crate::{
    load::Asked,
    parts::{BareHandler, Stand, store_for_the_limit},
    report::{Row, Target},
    rounds::{Contender, Effort, in_turn},
    sessions::{TokenSizes, Writer},
};

/// Enough that no two requests in a row are one user's.
pub(super) const SESSIONS: usize = 10_000;

pub(crate) async fn run(effort: Effort) -> Vec<Row> {
    let stand = Stand::new().await;
    let tokens = TokenSizes::USUAL;
    let writer = Writer::new(&stand.server.config);
    let cookies = writer.write(SESSIONS, tokens).await;
    let answer = stand.server.token_for(&cookies[0]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let limit = BareHandler::start(Some(stand.redis.port), answer.body.len()).await;
    store_for_the_limit(&stand.redis, &cookies, writer.record_length(tokens), answer.body.len()).await;

    let redis = stand.redis_process().await;
    let contenders = [
        Contender {
            name: "the bare handler".to_owned(),
            asked: Asked::new(limit.port, "/bff/token", SESSION, &cookies),
            processes: vec![limit.process()],
            beside: vec![redis],
        },
        Contender {
            name: "authtool".to_owned(),
            asked: Asked::new(stand.server.config.internal_port(), "/bff/token", SESSION, &cookies),
            processes: vec![stand.server.process_id()],
            beside: vec![redis],
        },
    ];
    let turns = in_turn(effort, &contenders).await;
    vec![Row {
        what: "cookie → token, from Redis".to_owned(),
        ours: turns[1].show(),
        limit: turns[0].show(),
        figure: turns[1].relative_to(&turns[0]),
        target: Target::AtLeast(0.9),
        details: json!([turns[0].json(), turns[1].json()]),
    }]
}
