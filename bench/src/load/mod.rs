//! Load on one HTTP server, and what it cost.
//!
//! Written for this: each request is another user's, which no tool of the trade does without a script, and the load
//! itself takes as little of the machine as it can.

mod alternating;
mod answer;
mod closed;
mod open;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hdrhistogram::Histogram;

pub(crate) use alternating::alternating;
pub(crate) use closed::closed;
pub(crate) use open::open;

/// What is asked, and of whom.
#[derive(Clone)]
pub(crate) struct Asked {
    address: SocketAddr,
    before_cookie: Vec<u8>,
    after_cookie: Vec<u8>,
    cookies: Arc<[String]>,
}

impl Asked {
    /// `GET path`, with one cookie after the other.
    pub(crate) fn new(port: u16, path: &str, cookie_name: &str, cookies: &Arc<[String]>) -> Self {
        let mut before_cookie = format!("GET {path} HTTP/1.1\r\nhost: localhost:{port}\r\n").into_bytes();
        before_cookie.extend_from_slice(format!("cookie: {cookie_name}=").as_bytes());
        Self {
            address: (std::net::Ipv4Addr::LOCALHOST, port).into(),
            before_cookie,
            after_cookie: b"\r\n\r\n".to_vec(),
            cookies: Arc::clone(cookies),
        }
    }

    /// With another header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let line = format!("\r\n{name}: {value}\r\n\r\n");
        self.after_cookie.truncate(self.after_cookie.len() - 4);
        self.after_cookie.extend_from_slice(line.as_bytes());
        self
    }

    /// The request of this turn. The turns go through all users, in an order that no cache could foresee.
    fn write(&self, turn: usize, request: &mut Vec<u8>) {
        const STRIDE: usize = 7_368_787;
        request.clear();
        request.extend_from_slice(&self.before_cookie);
        let user = turn.wrapping_mul(STRIDE) % self.cookies.len();
        request.extend_from_slice(self.cookies.get(user).map_or(b"", |cookie| cookie.as_bytes()));
        request.extend_from_slice(&self.after_cookie);
    }
}

/// What came of a load.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// How many requests were answered.
    pub(crate) requests: u64,
    /// In which time.
    pub(crate) elapsed: Duration,
    /// How long each took, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Outcome {
    /// Requests per second.
    #[allow(clippy::cast_precision_loss, reason = "nobody counts that far")]
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    /// A percentile of the latency, in milliseconds.
    pub(crate) fn milliseconds(&self, percentile: f64) -> f64 {
        milliseconds(&self.latency, percentile)
    }
}

/// A percentile, in milliseconds.
#[allow(clippy::cast_precision_loss, reason = "no latency is that long")]
pub(crate) fn milliseconds(latency: &Histogram<u64>, percentile: f64) -> f64 {
    latency.value_at_percentile(percentile) as f64 / 1e6
}

/// Up to a minute, to a tenth of a percent.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(100, 60_000_000_000, 3).expect("these are bounds")
}

fn record(latency: &mut Histogram<u64>, took: Duration) {
    latency.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
}
