//! The `authtool-bff` binary.

use std::{io::IsTerminal as _, path::PathBuf, process::ExitCode};

use authtool_bff::Config;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Login for browser apps, with the tokens kept on the server.
#[derive(Parser)]
#[command(version, about, long_about = None)]
struct Arguments {
    /// The configuration file (.json, .yaml or .toml).
    #[arg(
        short,
        long,
        global = true,
        env = "AUTHTOOL_CONFIG",
        default_value = "authtool.json",
        value_name = "FILE"
    )]
    config: PathBuf,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve browsers and gateways (what happens without a command).
    Serve,
    /// Read the configuration and say everything that is wrong with it.
    Check,
    /// Print the JSON Schema of the configuration file.
    Schema,
    /// Make a pair of keys for session.signingKey and session.encryptionKey.
    Keys,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        None | Some(Command::Serve) => serve(&arguments.config),
        Some(Command::Check) => check(&arguments.config),
        Some(Command::Schema) => {
            say(&mut std::io::stdout(), &Config::schema());
            Ok(())
        }
        Some(Command::Keys) => keys(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&mut std::io::stderr(), &format!("authtool-bff: {error}"));
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn serve(path: &std::path::Path) -> Outcome {
    let config = Config::load(path)?;
    start_logging()?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    // A socket per browser and gateway: the usual soft limit of 1024 is soon reached.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(authtool_bff::serve(&config, interrupted()))?;
    Ok(())
}

fn check(path: &std::path::Path) -> Outcome {
    let config = Config::load(path)?;
    let mut out = std::io::stdout();
    for warning in &config.warnings {
        say(&mut out, &format!("warning: {warning}"));
    }
    let server = &config.server;
    say(&mut out, &format!("{} is a good configuration", path.display()));
    say(&mut out, &format!("  browsers   {} under {}/", server.public, server.api_prefix));
    say(&mut out, &format!("  gateways   {}", server.internal));
    for issuer in &config.provider.issuers {
        say(&mut out, &format!("  provider   {}", issuer.issuer));
    }
    for client in &config.provider.clients {
        say(&mut out, &format!("  client     {} comes back to {}", client.name, client.redirect_uri));
    }
    Ok(())
}

fn keys() -> Outcome {
    let key = || -> Result<String, Box<dyn std::error::Error>> {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system's random source failed")?;
        Ok(STANDARD.encode(bytes))
    };
    say(
        &mut std::io::stdout(),
        &format!("{{\n  \"signingKey\": \"{}\",\n  \"encryptionKey\": \"{}\"\n}}", key()?, key()?),
    );
    Ok(())
}

/// A closed pipe is nobody's error.
fn say(out: &mut dyn std::io::Write, text: &str) {
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) | Err(_) => {}
    }
}

/// JSON lines for machines, readable ones for a terminal; `AUTHTOOL_LOG` filters (as in `RUST_LOG`),
/// `AUTHTOOL_LOG_FORMAT` is `json` or `pretty`.
fn start_logging() -> Outcome {
    let filter = match std::env::var("AUTHTOOL_LOG") {
        Ok(directives) => EnvFilter::try_new(&directives).map_err(|error| {
            format!("AUTHTOOL_LOG is not a log filter: {error} (try \"info\" or \"debug\")")
        })?,
        Err(_) => EnvFilter::new("info"),
    };
    let json = match std::env::var("AUTHTOOL_LOG_FORMAT").as_deref() {
        Ok("json") => true,
        Ok("pretty") => false,
        Ok(other) => return Err(format!("AUTHTOOL_LOG_FORMAT is {other:?}; use json or pretty").into()),
        Err(_) => !std::io::stderr().is_terminal(),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        log.json().flatten_event(true).with_current_span(true).with_span_list(false).init();
    } else {
        log.init();
    }
    Ok(())
}

/// Ctrl-C, or what an orchestrator sends.
async fn interrupted() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = interrupt => {}
                    _ = terminate.recv() => {}
                }
            }
            Err(_) => drop(interrupt.await),
        }
    }
    #[cfg(not(unix))]
    drop(interrupt.await);
}
