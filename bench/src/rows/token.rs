//! `/token` on the internal listener, beside a handler that only reads from Redis.

use authtool_tests::SESSION;
use serde_json::json;

use crate::{
    load::Asked,
    parts::BesideTheLimit,
    report::{Row, Target},
    rounds::{Contender, Effort, in_turn},
};

/// Enough that no two requests in a row are one user's.
pub(super) const SESSIONS: usize = 10_000;

pub(crate) async fn run(effort: Effort) -> Vec<Row> {
    let BesideTheLimit { stand, limit, cookies } = BesideTheLimit::with_sessions(SESSIONS).await;
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
        details: json!({
            "turns": [turns[0].json(), turns[1].json()],
            "token_server_microseconds": turns[1].cost().value,
            "token_redis_microseconds": turns[1].cost_beside().value,
        }),
    }]
}
