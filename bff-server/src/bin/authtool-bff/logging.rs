//! The log, on standard error, and traces.

use std::io::IsTerminal as _;

use authtool_bff::{Config, telemetry::traces::SPANS};
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::Fallible;

/// What must be ended after everything else.
pub(crate) struct Traces {
    #[cfg(feature = "otlp")]
    exporter: Option<authtool_bff::telemetry::traces::Exporter>,
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

/// JSON lines for machines, readable ones for a terminal; `AUTHTOOL_LOG` filters (as in `RUST_LOG`),
/// `AUTHTOOL_LOG_FORMAT` is `json` or `pretty`. Not within a Tokio runtime.
pub(crate) fn start(config: &Config) -> Fallible<Traces> {
    let filter = match std::env::var("AUTHTOOL_LOG") {
        Ok(directives) => EnvFilter::try_new(&directives).map_err(|error| {
            format!("AUTHTOOL_LOG is not a log filter: {error} (try \"info\" or \"debug\")")
        })?,
        Err(_) => EnvFilter::new("info"),
    };
    let filter = filter.add_directive(format!("{SPANS}=off").parse()?);
    let json = match std::env::var("AUTHTOOL_LOG_FORMAT").as_deref() {
        Ok("json") => true,
        Ok("pretty") => false,
        Ok(other) => return Err(format!("AUTHTOOL_LOG_FORMAT is {other:?}; use json or pretty").into()),
        Err(_) => !std::io::stderr().is_terminal(),
    };
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
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
        Ok(Traces { exporter })
    }
    #[cfg(not(feature = "otlp"))]
    {
        registry.init();
        if config.server.traces.is_some() {
            tracing::warn!("server.traces is set, but this build has no support for it (the feature `otlp`)");
        }
        Ok(Traces {})
    }
}
