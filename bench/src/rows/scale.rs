//! A million live sessions beside a hundred thousand: a request must not notice.

use authtool_tests::SESSION;
use serde_json::json;

use crate::{
    load::Asked,
    parts::Stand,
    report::{Figure, Row, Target},
    rounds::{Contender, Effort, in_turn},
    sessions::Writer,
    tokens::TokenSizes,
    usage,
};

pub(crate) async fn run(effort: Effort) -> Vec<Row> {
    let (few, many) = if effort.quick { (1_000, 10_000) } else { (100_000, 1_000_000) };
    let mut stands = Vec::new();
    let mut contenders = Vec::new();
    for count in [few, many] {
        let stand = Stand::new().await;
        let cookies = Writer::new(&stand.server.config).write(count, TokenSizes::USUAL);
        crate::progress(&format!("{count} sessions are written"));
        contenders.push(Contender {
            name: format!("{count} sessions"),
            asked: Asked::new(stand.server.config.internal_port(), "/bff/token", SESSION, &cookies),
            processes: vec![stand.server.process_id()],
            beside: vec![stand.redis_process().await],
        });
        stands.push(stand);
    }
    let turns = in_turn(effort, &contenders).await;
    let mut sizes = Vec::new();
    for stand in &stands {
        sizes.push(json!({
            "server_resident_kib": usage::resident_kib(stand.server.process_id()),
            "redis_used_bytes": stand.redis.info("used_memory").await,
        }));
    }
    let with_redis =
        |number: usize| turns[number].figure(crate::rounds::Turn::microseconds_with_beside, "µs", 1).value;
    let details = json!({"turns": [turns[0].json(), turns[1].json()], "memory": sizes});
    vec![
        Row {
            what: format!("{many} sessions beside {few}"),
            ours: turns[1].show(),
            limit: turns[0].show(),
            figure: turns[1].relative_to(&turns[0]),
            target: Target::AtLeast(0.9),
            details: details.clone(),
        },
        Row {
            what: "the same, with Redis's processor time".to_owned(),
            ours: format!("{:.1} µs", with_redis(1)),
            limit: format!("{:.1} µs", with_redis(0)),
            figure: Figure::of(with_redis(0) / with_redis(1), "×", 2),
            target: Target::None,
            details,
        },
    ]
}
