//! A server that nobody uses: how large it is, and how soon it is there.

use std::{
    net::{Ipv4Addr, TcpStream},
    time::{Duration, Instant},
};

use authtool_tests::{Process, ServerConfig, hostile::HostileOp, redis::RedisServer};
use serde_json::json;

use crate::{
    report::{Figure, Row, Target},
    rounds::Effort,
    usage,
};

pub(crate) async fn run(effort: Effort) -> Vec<Row> {
    let op = HostileOp::start().await;
    let redis = RedisServer::start().await;
    let mut config = ServerConfig::new(op.issuer());
    config.set("/connections/sessions", redis.connection());
    let file = config.file("authtool.json", config.text());
    let binary = std::env::var_os("AUTHTOOL_BFF").expect("AUTHTOOL_BFF names the server's binary");
    let (mut sizes, mut starts) = (Vec::new(), Vec::new());
    for round in 0..effort.rounds.max(3) {
        // The shell that watches over it comes first: a few milliseconds that are charged to it.
        let started = Instant::now();
        let process = Process::start("the server", &binary, |command| {
            command.arg("--config").arg(&file).env("AUTHTOOL_LOG", "info");
        });
        while TcpStream::connect((Ipv4Addr::LOCALHOST, config.internal_port())).is_err() {
            std::thread::sleep(Duration::from_micros(200));
        }
        let ready = started.elapsed();
        // By then it has spoken with the provider, and has settled.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let size = kib_as_mib(usage::resident_kib(process.id()));
        crate::progress(&format!(
            "round {}: {size:.1} MiB resident, listening {:.0} ms after its start",
            round + 1,
            ready.as_secs_f64() * 1e3
        ));
        sizes.push(size);
        starts.push(ready.as_secs_f64() * 1e3);
    }
    let row = |what: &str, values: &[f64], unit, target| {
        let figure = Figure::median_of(values, unit, 1);
        Row {
            what: what.to_owned(),
            ours: format!("{:.1} {unit}", figure.value),
            limit: String::new(),
            figure,
            target: Target::AtMost(target),
            details: json!(values),
        }
    };
    vec![
        row("idle process, resident", &sizes, "MiB", 15.0),
        row("from exec to listening", &starts, "ms", 100.0),
    ]
}

#[allow(clippy::cast_precision_loss, reason = "no machine has that much memory")]
fn kib_as_mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
