//! The `authtool-bff` binary.

mod dev;
mod doctor;
mod envoy;
mod health;
mod logging;
mod signals;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use authtool_bff::{Config, Reloaded, Server, StartError, adapters::oidc::MetadataSource, config};
use clap::{Parser, Subcommand};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Login for browser apps, with the tokens kept on the server.
#[derive(Parser)]
#[command(version, about, long_about = None)]
struct Arguments {
    /// The configuration file (.json, .yaml or .toml); authtool.json unless you name one. `dev` needs none.
    #[arg(short, long, global = true, env = "AUTHTOOL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve browsers and gateways (what happens without a command).
    Serve,
    /// Serve on your own machine, without a configuration file if you like.
    Dev(dev::Options),
    /// Read the configuration and say everything that is wrong with it.
    Check {
        /// Also ask the store and the provider whether they are there and take us.
        #[arg(long)]
        online: bool,
    },
    /// Walk the whole chain, from the file to the provider, and say what is wrong and what to do.
    Doctor(doctor::Options),
    /// Ask a running server on this machine whether it is well; for a container's health check.
    Health(health::Options),
    /// Print a configuration for Envoy that fits this one.
    Envoy(Box<envoy::Options>),
    /// Print the JSON Schema of the configuration file.
    Schema,
    /// Make a pair of keys for session.signingKey and session.encryptionKey.
    Keys,
}

fn main() -> ExitCode {
    let Arguments { config: named, command } = Arguments::parse();
    let file = named.clone().unwrap_or_else(|| PathBuf::from("authtool.json"));
    let outcome = match command {
        None | Some(Command::Serve) => {
            Config::load(&file).map_err(Into::into).and_then(|config| serve(config, Some(file)))
        }
        Some(Command::Dev(options)) => {
            dev::config(options, named.as_deref()).and_then(|config| serve(config, None))
        }
        Some(Command::Check { online }) => check(&file, online),
        Some(Command::Doctor(options)) => doctor::run(&file, &options),
        Some(Command::Health(options)) => health::ask(&file, &options),
        Some(Command::Envoy(options)) => {
            Config::load(&file).map_err(Into::into).and_then(|config| envoy::print(&config, *options))
        }
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

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;
type Outcome = Fallible<()>;

/// Serves until it is told to end. `file` is what a reload reads again.
fn serve(config: Config, file: Option<PathBuf>) -> Outcome {
    let (traces, log) = logging::start(&config)?;
    warn_of(&config);
    // A socket per browser and gateway: the usual soft limit of 1024 is soon reached.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        // Before there is anything to reload: what nobody listens to ends the process.
        let mut hangups = signals::Hangups::listen();
        let mut server = Server::start(config).await?;
        let mut end = std::pin::pin!(signals::interrupted());
        loop {
            tokio::select! {
                () = &mut end => break,
                () = hangups.next() => match &file {
                    Some(file) => reload(&mut server, file, &log).await,
                    // There is nothing to be read again: a developer has closed the terminal.
                    None => break,
                },
            }
        }
        server.shut_down().await;
        Ok::<_, StartError>(())
    });
    traces.finish();
    Ok(served?)
}

fn warn_of(config: &Config) {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    logging::warn_of_two_filters(config);
}

/// Reads the file again. What is wrong with it is said as `check` says it, and then nothing changes.
async fn reload(server: &mut Server, file: &Path, log: &logging::LogFilter) {
    match take(server, file, log).await {
        Ok(reloaded) => {
            for key in &reloaded.needs_restart {
                tracing::warn!(
                    event = "configuration_needs_restart",
                    key,
                    "{key} has changed, which needs a restart"
                );
            }
            tracing::info!(event = "configuration_reloaded", "the configuration has been read again");
        }
        Err(error) => {
            tracing::error!(event = "configuration_refused", "the configuration stays as it was: {error}");
        }
    }
}

async fn take(server: &mut Server, file: &Path, log: &logging::LogFilter) -> Fallible<Reloaded> {
    let path = file.to_owned();
    let config = tokio::task::spawn_blocking(move || Config::load(&path)).await??;
    let filter = logging::filter(&config)?;
    let reloaded = server.reload(config.clone())?;
    log.change(filter)?;
    warn_of(&config);
    Ok(reloaded)
}

fn check(path: &Path, online: bool) -> Outcome {
    let config = Config::load(path)?;
    let mut out = std::io::stdout();
    for warning in &config.warnings {
        say(&mut out, &format!("warning: {warning}"));
    }
    let server = &config.server;
    say(&mut out, &format!("{} is a good configuration", path.display()));
    say(&mut out, &format!("  browsers   {} under {}/", server.public, server.public_prefix()));
    say(&mut out, &format!("  gateways   {}", server.internal));
    for issuer in &config.provider.issuers {
        say(&mut out, &format!("  provider   {}", issuer.issuer));
        match &issuer.metadata {
            MetadataSource::At(places) => {
                for (i, place) in places.iter().enumerate() {
                    let order = if i == 0 { "metadata  " } else { "or else   " };
                    say(&mut out, &format!("  {order} {place}"));
                }
            }
            MetadataSource::Configuration => {
                say(&mut out, "  metadata   of client.endpoints, nothing is fetched");
            }
        }
    }
    for client in &config.provider.clients {
        say(&mut out, &format!("  client     {} comes back to {}", client.name, client.redirect_uri));
    }
    if online { check_online(&config) } else { Ok(()) }
}

/// Asks every part that no login can do without, and says of each what came of it.
fn check_online(config: &Config) -> Outcome {
    use authtool_bff::doctor::{Area, Verdict};
    let mut out = std::io::stdout();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let findings = runtime.block_on(authtool_bff::doctor::essentials(config));
    let failed = |verdict| verdict == Verdict::Bad;
    for finding in &findings {
        let result = if failed(finding.verdict) { "FAILED" } else { "ok" };
        let area = match finding.area {
            Area::Store => "store",
            Area::Client => "client",
            _ => "provider",
        };
        let part = finding.part.as_deref().unwrap_or_default();
        say(&mut out, &format!("  {result:<10} {area} {part}: {}", finding.what));
    }
    match findings.iter().filter(|finding| failed(finding.verdict)).count() {
        0 => Ok(()),
        1 => Err("one part cannot be used as it is configured; `authtool-bff doctor` says more".into()),
        failed => Err(format!(
            "{failed} parts cannot be used as they are configured; `authtool-bff doctor` says more"
        )
        .into()),
    }
}

fn keys() -> Outcome {
    let key = || config::random_key().ok_or("the system's random source failed");
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
