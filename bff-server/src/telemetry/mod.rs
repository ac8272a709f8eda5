//! What operators see besides the log: metrics and traces.

pub mod metrics;
#[cfg_attr(not(feature = "otlp"), path = "no_traces.rs")]
pub mod traces;

pub(crate) use metrics::*;
