//! What so many sessions need, by what was measured. The document explains the arithmetic; here it is done.

use crate::report::Row;

/// One user in ten is active, with a request every ten seconds.
const SESSIONS_PER_REQUEST_PER_SECOND: f64 = 100.0;
/// Gigabytes of sessions on one shard: room is left for the copy at a failover, and for fragmentation.
const GIGABYTES_PER_SHARD: f64 = 25.0;
/// A shard has one processor, of which this much may be busy.
const BUSY_SHARD: f64 = 0.5;
/// A server's processors may be this busy, so that one of two can fail.
const BUSY_SERVER: f64 = 0.5;
/// Access tokens live for this many seconds.
const TOKEN_LIFETIME: f64 = 3600.0;

/// What one session and one request take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measured {
    /// Bytes in Redis of a session with usual tokens.
    pub(crate) bytes: f64,
    /// Microseconds of the server's processor time for `/token`.
    pub(crate) server: f64,
    /// Of Redis's, for the same.
    pub(crate) redis: f64,
}

impl Measured {
    /// From the rows of one run; `None` unless both benches were in it.
    pub(crate) fn of(rows: &[Row]) -> Option<Self> {
        let figure = |member: &str| rows.iter().find_map(|row| row.details[member].as_f64());
        let usual = rows.iter().find(|row| row.what.contains("usual tokens"))?;
        Some(Self {
            bytes: usual.details["redis_bytes_per_session"].as_f64()?,
            server: figure("token_server_microseconds")?,
            redis: figure("token_redis_microseconds")?,
        })
    }
}

/// The table, in Markdown.
pub(crate) fn table(measured: Measured) -> String {
    let mut text = format!(
        "With {:.0} B a session in Redis, and {:.1} µs of a server's and {:.1} µs of Redis's processor time a request:\n\n\
         | sessions | requests a second | Redis memory | shards, each with a replica | Redis processors | server processors | refreshes a second |\n\
         |---|---|---|---|---|---|---|\n",
        measured.bytes, measured.server, measured.redis
    );
    for (name, sessions) in [("100,000", 1e5), ("1 million", 1e6), ("10 million", 1e7), ("100 million", 1e8)]
    {
        text.push_str(&line(name, sessions, measured));
    }
    text
}

fn line(name: &str, sessions: f64, measured: Measured) -> String {
    let requests = sessions / SESSIONS_PER_REQUEST_PER_SECOND;
    let gigabytes = sessions * measured.bytes / 1e9;
    let redis = requests * measured.redis / 1e6;
    let shards = (gigabytes / GIGABYTES_PER_SHARD).max(redis / BUSY_SHARD).ceil();
    let servers = requests * measured.server / 1e6 / BUSY_SERVER;
    let refreshes = sessions / 10.0 / TOKEN_LIFETIME;
    format!(
        "| {name} | {requests:.0} | {gigabytes:.1} GB | {shards:.0} | {redis:.2} | {servers:.1} | {refreshes:.0} |\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_million_sessions_are_a_matter_of_memory() {
        let measured = Measured { bytes: 4_000.0, server: 15.0, redis: 5.0 };
        assert_eq!(
            line("100 million", 1e8, measured),
            "| 100 million | 1000000 | 400.0 GB | 16 | 5.00 | 30.0 | 2778 |\n"
        );
        assert_eq!(
            line("1 million", 1e6, measured),
            "| 1 million | 10000 | 4.0 GB | 1 | 0.05 | 0.3 | 28 |\n"
        );
    }
}
