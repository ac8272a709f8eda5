//! The log, on standard error, and traces.
//!
//! Nothing waits for whoever reads standard error: a pipe that is full would otherwise hold up every request that has
//! something to say, and anybody can make requests that do. What does not fit is dropped and counted.

use std::io::IsTerminal as _;

use authtool_bff::{Config, telemetry};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, layer::SubscriberExt as _, reload, util::SubscriberInitExt as _,
};

use crate::Fallible;

/// How many lines wait for standard error: some megabytes at most.
const WAITING_LINES: usize = 4096;

/// What must be ended after everything else.
pub(crate) struct Traces {
    /// Writes what waits when it is dropped, as long as somebody takes it.
    _log: WorkerGuard,
    #[cfg(feature = "otlp")]
    exporter: Option<telemetry::traces::Exporter>,
}

impl Traces {
    /// Sends what is left.
    pub(crate) fn finish(self) {
        #[cfg(feature = "otlp")]
        if let Some(exporter) = self.exporter {
            exporter.finish();
        }
    }
}

/// What the log says, which a reload may change.
pub(crate) struct LogFilter(reload::Handle<EnvFilter, Registry>);

impl LogFilter {
    /// Takes the filter of another configuration.
    pub(crate) fn change(&self, filter: EnvFilter) -> Fallible<()> {
        Ok(self.0.reload(filter)?)
    }
}

/// What `AUTHTOOL_LOG` says (as `RUST_LOG` does), or else `server.logFilter`, or else `info`.
pub(crate) fn filter(config: &Config) -> Fallible<EnvFilter> {
    let filter = match (variable(), &config.server.log_filter) {
        (Some(directives), _) => EnvFilter::try_new(&directives).map_err(|error| {
            format!("AUTHTOOL_LOG is not a log filter: {error} (try \"info\" or \"debug\")")
        })?,
        (None, Some(directives)) => EnvFilter::try_new(directives)?,
        (None, None) => EnvFilter::new("info"),
    };
    Ok(filter.add_directive(format!("{}=off", telemetry::traces::SPANS).parse()?))
}

fn variable() -> Option<String> {
    std::env::var("AUTHTOOL_LOG").ok().filter(|it| !it.is_empty())
}

/// To be said once there is a log.
pub(crate) fn warn_of_two_filters(config: &Config) {
    if config.server.log_filter.is_some() && variable().is_some() {
        tracing::warn!("AUTHTOOL_LOG is set, and goes before server.logFilter");
    }
}

/// JSON lines for machines, readable ones for a terminal; `AUTHTOOL_LOG_FORMAT` is `json` or `pretty`. Not within a Tokio
/// runtime.
pub(crate) fn start(config: &Config) -> Fallible<(Traces, LogFilter)> {
    let (filter, handle) = reload::Layer::new(filter(config)?);
    let changes = LogFilter(handle);
    let json = match std::env::var("AUTHTOOL_LOG_FORMAT").as_deref() {
        Ok("json") => true,
        Ok("pretty") => false,
        Ok(other) => return Err(format!("AUTHTOOL_LOG_FORMAT is {other:?}; use json or pretty").into()),
        Err(_) => !std::io::stderr().is_terminal(),
    };
    let (sink, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_LINES)
        .lossy(true)
        .thread_name("log")
        .finish(std::io::stderr());
    let lost = sink.error_counter();
    telemetry::metrics::count_dropped_log_lines(move || lost.dropped_lines() as u64);
    // Colours are for people, and the layer looks at standard output to find out.
    let log = tracing_subscriber::fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(sink);
    let log = if json {
        log.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
    } else {
        log.boxed()
    };
    let registry = tracing_subscriber::registry().with(log.with_filter(filter));
    #[cfg(feature = "otlp")]
    {
        use authtool_bff::telemetry::traces;
        let settings = config.server.traces.clone().or_else(traces::settings_of_the_environment);
        let outbound = &config.server.outbound;
        let exporter = settings.as_ref().map(|it| traces::Exporter::new(it, outbound)).transpose()?;
        registry.with(exporter.as_ref().map(traces::Exporter::layer)).init();
        if let Some(settings) = settings {
            tracing::info!(endpoint = %settings.endpoint, "exporting traces");
        }
        Ok((Traces { _log: guard, exporter }, changes))
    }
    #[cfg(not(feature = "otlp"))]
    {
        registry.init();
        if config.server.traces.is_some() {
            tracing::warn!("server.traces is set, but this build has no support for it (the feature `otlp`)");
        }
        Ok((Traces { _log: guard }, changes))
    }
}
