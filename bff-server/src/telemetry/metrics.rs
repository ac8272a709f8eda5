//! What is counted. One place for every metric's name, so that the reference and the dashboards have
//! something to be checked against.
//!
//! Counted through the `metrics` facade: the binary exports them in Prometheus's format at `/-/metrics`; an app
//! that mounts us installs whatever recorder it likes, or none.

use std::{sync::OnceLock, time::Duration};

use metrics::{
    Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

/// `authtool_logins_total{outcome}`: `success`, or the code of the error page.
pub const LOGINS: &str = "authtool_logins_total";
/// `authtool_sessions_begun_total`.
pub const SESSIONS_BEGUN: &str = "authtool_sessions_begun_total";
/// `authtool_sessions_ended_total{reason}`: `logout`, `invalid_grant`, `foreign_id_token`, `no_client`, `too_many_sessions` or
/// `front_channel_logout`.
pub const SESSIONS_ENDED: &str = "authtool_sessions_ended_total";
/// `authtool_refreshes_total{outcome}`: `success`, `session_ended`, `provider_unavailable`, `store_unavailable` or `internal`.
pub const REFRESHES: &str = "authtool_refreshes_total";
/// `authtool_refreshes_in_flight`.
pub const REFRESHES_IN_FLIGHT: &str = "authtool_refreshes_in_flight";
/// `authtool_logout_reports_total{outcome}`: `success`, `refused` or `failed`.
pub const LOGOUT_REPORTS: &str = "authtool_logout_reports_total";
/// `authtool_store_seconds{operation,outcome}`: `read`, `insert`, `replace` and so on; `ok` or `error`.
pub const STORE_SECONDS: &str = "authtool_store_seconds";
/// `authtool_provider_seconds{operation,outcome}`: `code`, `refresh`, `push`, `userinfo`, `revocation` or `fetch`; `ok` or `error`.
pub const PROVIDER_SECONDS: &str = "authtool_provider_seconds";

/// `authtool_cache_reads_total{outcome}`: `hit`, `miss`, or `bypass` while the local cache is out of use.
pub const CACHE_READS: &str = "authtool_cache_reads_total";
/// `authtool_cache_invalidations_total`.
pub const CACHE_INVALIDATIONS: &str = "authtool_cache_invalidations_total";
/// `authtool_cache_bytes`.
pub const CACHE_BYTES: &str = "authtool_cache_bytes";
/// `authtool_cache_in_use`: 1 while Redis proves that it reports changes, otherwise 0.
pub const CACHE_IN_USE: &str = "authtool_cache_in_use";

/// `authtool_log_lines_dropped_total`.
pub const LOG_LINES_DROPPED: &str = "authtool_log_lines_dropped_total";

/// Tells how many lines of the log nobody took.
type DroppedLines = Box<dyn Fn() -> u64 + Send + Sync>;

static DROPPED_LINES: OnceLock<DroppedLines> = OnceLock::new();

/// Has lines counted that the log could not write: requests do not wait for whoever reads it. The first source counts.
pub fn count_dropped_log_lines(dropped: impl Fn() -> u64 + Send + Sync + 'static) {
    // A second one would be another log of the same process.
    let _first = DROPPED_LINES.set(Box::new(dropped));
}

/// Tells the recorder what the metrics mean.
pub fn describe() {
    describe_counter!(LOGINS, "Logins by how they ended: success, or the code of the error page");
    describe_counter!(SESSIONS_BEGUN, "Sessions that have begun");
    describe_counter!(SESSIONS_ENDED, "Sessions that have ended before their time, by why");
    describe_counter!(REFRESHES, "Refreshes of access tokens by how they ended");
    describe_gauge!(REFRESHES_IN_FLIGHT, "Refreshes that are under way in this process");
    describe_counter!(LOGOUT_REPORTS, "Logouts that the provider reported, by what became of the report");
    describe_histogram!(STORE_SECONDS, Unit::Seconds, "Time for one operation of the session store");
    describe_histogram!(
        PROVIDER_SECONDS,
        Unit::Seconds,
        "Time for one exchange with the authorization server"
    );
    describe_counter!(CACHE_READS, "Sessions looked up in the local cache, by whether they were there");
    describe_counter!(CACHE_INVALIDATIONS, "Sessions that left the local cache because they had changed");
    describe_gauge!(CACHE_BYTES, Unit::Bytes, "What the sessions in the local cache take");
    describe_counter!(LOG_LINES_DROPPED, "Lines of the log that nobody took in time, and that are lost");
    describe_gauge!(CACHE_IN_USE, "Whether the local cache is in use: whether Redis reports what changes");
}

/// Takes over how many lines are lost. Returns their number.
pub(crate) fn log_lines_dropped() -> u64 {
    let dropped = DROPPED_LINES.get().map_or(0, |dropped| dropped());
    counter!(LOG_LINES_DROPPED).absolute(dropped);
    dropped
}

pub(crate) fn login(outcome: &'static str) {
    counter!(LOGINS, "outcome" => outcome).increment(1);
}

pub(crate) fn logout_report(outcome: &'static str) {
    counter!(LOGOUT_REPORTS, "outcome" => outcome).increment(1);
}

pub(crate) fn session_begun() {
    counter!(SESSIONS_BEGUN).increment(1);
}

/// Why a session ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// A logout here, a login that replaced it, or a logout that was reported.
    Logout,
    /// The provider no longer accepts the refresh token.
    InvalidGrant,
    /// A refresh brought an ID token of somebody else.
    ForeignIdToken,
    /// The client, or the tenant, that it belongs to is not configured any more.
    NoClient,
    /// The user has too many.
    TooMany,
    /// The provider reported a logout through the browser.
    FrontChannelLogout,
}

pub(crate) fn session_ended(reason: EndReason) {
    let reason = match reason {
        EndReason::Logout => "logout",
        EndReason::InvalidGrant => "invalid_grant",
        EndReason::ForeignIdToken => "foreign_id_token",
        EndReason::NoClient => "no_client",
        EndReason::TooMany => "too_many_sessions",
        EndReason::FrontChannelLogout => "front_channel_logout",
    };
    counter!(SESSIONS_ENDED, "reason" => reason).increment(1);
}

pub(crate) fn refresh(outcome: &'static str) {
    counter!(REFRESHES, "outcome" => outcome).increment(1);
}

pub(crate) fn refreshes_in_flight(change: f64) {
    gauge!(REFRESHES_IN_FLIGHT).increment(change);
}

/// Where the durations of one operation of the store are recorded. Looked up once: it would be most of what recording
/// costs.
pub(crate) struct StoreOperation {
    /// Its name.
    pub(crate) name: &'static str,
    ok: OnceLock<Histogram>,
    error: OnceLock<Histogram>,
}

impl StoreOperation {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, ok: OnceLock::new(), error: OnceLock::new() }
    }

    /// Records one of them.
    pub(crate) fn took(&self, duration: Duration, ok: bool) {
        let (slot, outcome) = if ok { (&self.ok, "ok") } else { (&self.error, "error") };
        slot.get_or_init(|| histogram!(STORE_SECONDS, "operation" => self.name, "outcome" => outcome))
            .record(duration);
    }
}

pub(crate) fn provider(operation: &'static str, ok: bool, took: Duration) {
    let outcome = if ok { "ok" } else { "error" };
    histogram!(PROVIDER_SECONDS, "operation" => operation, "outcome" => outcome).record(took);
}

pub(crate) fn cache_reads(outcome: &'static str, count: u64) {
    counter!(CACHE_READS, "outcome" => outcome).increment(count);
}

pub(crate) fn cache_invalidations(count: u64) {
    counter!(CACHE_INVALIDATIONS).increment(count);
}

pub(crate) fn cache_state(bytes: u64, in_use: bool) {
    // Exact up to some petabytes.
    #[allow(clippy::cast_precision_loss)]
    gauge!(CACHE_BYTES).set(bytes as f64);
    gauge!(CACHE_IN_USE).set(if in_use { 1.0 } else { 0.0 });
}
