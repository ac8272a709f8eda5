//! How long the unlucky wait at half the load that saturates, beside the handler that only reads from Redis. The
//! load is an open loop: it does not wait for anybody.

use authtool_tests::SESSION;
use serde_json::json;

use super::token::SESSIONS;
use crate::{
    load::{self, Asked},
    parts::BesideTheLimit,
    report::{Figure, Row, Target},
    rounds::{CONNECTIONS, Effort},
};

/// A round is divided, so that both have the same weather.
const SLICES: u32 = 4;

pub(crate) async fn run(effort: Effort) -> Vec<Row> {
    let BesideTheLimit { stand, limit, cookies } = BesideTheLimit::with_sessions(SESSIONS).await;
    let asked = [limit.port, stand.server.config.internal_port()]
        .map(|port| Asked::new(port, "/bff/token", SESSION, &cookies));

    let (mut ours, mut theirs, mut ratios, mut details) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..effort.rounds {
        // What saturates depends on who else uses the machine: it is found anew each time, and it is the server's
        // for both, so that both have the same work.
        let saturated = load::closed(&asked[1], CONNECTIONS, effort.turn / 2).await;
        let rate = saturated.rate() / 2.0;
        let mut latencies = [load::histogram(), load::histogram()];
        for slice in 0..SLICES {
            let mut order = [0, 1];
            if slice % 2 == 1 {
                order.reverse();
            }
            for number in order {
                let (asked, turn) = (asked[number].clone(), effort.turn / SLICES);
                let outcome = tokio::task::spawn_blocking(move || load::open(&asked, rate, turn)).await;
                let outcome = outcome.expect("the load ends by itself");
                latencies[number].add(outcome.latency).expect("the same bounds");
            }
        }
        let [p50, p99] = [50.0, 99.0]
            .map(|percentile| latencies.each_ref().map(|latency| load::milliseconds(latency, percentile)));
        crate::progress(&format!(
            "round {} of {}: at {rate:.0} requests a second, p99 {:.2} ms, of the bare handler {:.2} ms",
            round + 1,
            effort.rounds,
            p99[1],
            p99[0],
        ));
        details.push(json!({
            "requests_per_second": rate,
            "authtool_ms": {"p50": p50[1], "p99": p99[1]},
            "bare_handler_ms": {"p50": p50[0], "p99": p99[0]},
        }));
        theirs.push(p99[0]);
        ours.push(p99[1]);
        ratios.push(p99[1] / p99[0]);
    }
    let milliseconds = |values: &[f64]| format!("{:.2} ms", Figure::median_of(values, "ms", 2).value);
    vec![Row {
        what: "p99 at half the saturation load".to_owned(),
        ours: milliseconds(&ours),
        limit: milliseconds(&theirs),
        figure: Figure::median_of(&ratios, "×", 2),
        target: Target::AtMost(1.5),
        details: details.into(),
    }]
}
