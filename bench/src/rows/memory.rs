//! What a session takes: in Redis, with its place in the indexes, and in the server's process.

use std::sync::Arc;

use authtool_tests::SESSION;
use serde_json::json;

use crate::{
    load::{self, Asked},
    parts::Stand,
    report::{Figure, Row, Target},
    rounds::{CONNECTIONS, Effort},
    sessions::Writer,
    tokens::TokenSizes,
    usage,
};

/// Short opaque tokens; a usual mix; long ones, with many roles in them.
const SIZES: [(&str, TokenSizes); 3] = [
    ("short tokens", TokenSizes { access: 60, refresh: 60, id: 700 }),
    ("usual tokens", TokenSizes::USUAL),
    ("long tokens", TokenSizes { access: 3_000, refresh: 1_200, id: 2_000 }),
];

#[allow(clippy::cast_precision_loss, reason = "no machine has that much memory")]
pub(crate) async fn run(effort: Effort) -> Vec<Row> {
    let count = if effort.quick { 5_000 } else { 100_000 };
    let mut rows = Vec::new();
    for (name, tokens) in SIZES {
        let size = tokens.access + tokens.refresh + tokens.id;
        let stand = Stand::new().await;
        let writer = Writer::new(&stand.server.config);
        // Connections and scripts are there before anything is counted.
        let mut cookies = writer.write(100, tokens);
        let before = stand.redis.info("used_memory").await;
        let resident = usage::resident_kib(stand.server.process_id());
        cookies =
            cookies.iter().cloned().chain(writer.write(count, tokens).iter().cloned()).collect::<Arc<[_]>>();
        let taken = (stand.redis.info("used_memory").await - before) as f64 / count as f64;
        let asked = Asked::new(stand.server.config.internal_port(), "/bff/token", SESSION, &cookies);
        load::closed(&asked, CONNECTIONS, effort.turn).await;
        let grown = usage::resident_kib(stand.server.process_id()).saturating_sub(resident);
        let overhead = taken - size as f64;
        crate::progress(&format!(
            "{name} of {size} bytes: {taken:.0} bytes in Redis; the server grew by {grown} KiB under load"
        ));
        rows.push(Row {
            what: format!("Redis per session, {name}, beyond the tokens"),
            ours: format!("{taken:.0} B"),
            limit: format!("{size} B"),
            figure: Figure::of(overhead, "B", 0),
            target: Target::AtMost(600.0),
            details: json!({
                "sessions": count,
                "tokens": size,
                "record": writer.record_length(tokens),
                "redis_bytes_per_session": taken,
                "server_grew_kib": grown,
            }),
        });
    }
    rows
}
