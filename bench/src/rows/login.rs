//! A cold login, from `/login` to the session's cookie: what it costs the server, without the provider's part.

use authtool_tests::{SESSION, browser::Browser};
use serde_json::json;

use crate::{
    parts::Stand,
    report::{Figure, Row, Target},
    rounds::Effort,
    usage,
};

/// So many that ticks of ten milliseconds do not matter.
const LOGINS: usize = 400;
const AT_ONCE: usize = 8;

pub(crate) async fn run(effort: Effort) -> Vec<Row> {
    let stand = Stand::new().await;
    stand.op.logs_in_a_new_user_each_time();
    let logins = if effort.quick { LOGINS / 8 } else { LOGINS };
    log_in(&stand, AT_ONCE).await;
    let server = stand.server.process_id();
    let (mut costs, mut details) = (Vec::new(), Vec::new());
    for round in 0..effort.rounds {
        let before = usage::cpu_seconds(server);
        log_in(&stand, logins).await;
        let cost = 1e3 * (usage::cpu_seconds(server) - before) / as_f64(logins);
        crate::progress(&format!("round {} of {}: {cost:.2} ms a login", round + 1, effort.rounds));
        costs.push(cost);
        details.push(json!({"logins": logins, "cpu_ms_per_login": cost}));
    }
    let figure = Figure::median_of(&costs, "ms", 2);
    vec![Row {
        what: "a cold login, processor time".to_owned(),
        ours: format!("{:.2} ms", figure.value),
        limit: String::new(),
        figure,
        target: Target::AtMost(2.0),
        details: details.into(),
    }]
}

async fn log_in(stand: &Stand, logins: usize) {
    use futures_util::{StreamExt as _, stream};
    let one = async |_| {
        let browser = Browser::new();
        let page = browser.follow(&stand.server.public, stand.server.bff("/login")).go().await;
        assert!(browser.cookie(SESSION).is_some(), "the login did not succeed: {page:#?}");
    };
    stream::iter(0..logins).map(one).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
}

#[allow(clippy::cast_precision_loss, reason = "nobody logs in that often")]
fn as_f64(count: usize) -> f64 {
    count as f64
}
