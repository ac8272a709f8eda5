//! `cargo xtask demo`: a login system on one machine, ready to be clicked.

mod config;
mod gateway;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::ports::Ports;
use crate::process::{Event, Interrupted, describe, interrupted_exit_code};
use crate::progress::show_tail;
use crate::rust_tests::EVERYTHING;
use crate::{Context, http, node};

/// How long a service may take until it answers. It only ends what hangs: on a busy machine a service takes several seconds.
const PATIENCE: Duration = Duration::from_mins(2);

/// How `cargo xtask demo` can be varied.
#[derive(Args)]
pub(crate) struct Options {
    /// The app's port; the next three are used as well, behind Envoy the next seven
    #[arg(long, value_name = "P", default_value_t = 3000, value_parser = clap::value_parser!(u16).range(1..=Ports::HIGHEST))]
    port: u16,

    /// The app to serve
    #[arg(long, value_enum, default_value_t = Example::Vanilla)]
    example: Example,

    /// Serve the app in this folder instead
    #[arg(long, value_name = "FOLDER", conflicts_with = "example")]
    root: Option<PathBuf>,

    /// How the app gets at the API
    #[arg(long, value_enum, default_value_t = Mode::Bff)]
    mode: Mode,

    /// End sessions that are not used for so long, to watch them end
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    idle_timeout: Option<u64>,

    /// How long the provider's access tokens last, to watch them being refreshed
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    access_token_ttl: u32,

    /// Build and install nothing: everything is there (for tests, which build it once)
    #[arg(long, hide = true)]
    prebuilt: bool,

    /// Also stop when standard input ends (for scripts, which may be killed)
    #[arg(long)]
    exit_with_parent: bool,
}

/// An app of `examples/`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Example {
    /// A page without a framework
    Vanilla,
    /// React, with routes, both modes and a dialog before the session ends
    ReactVite,
    /// Leptos, rendered in the browser, in both modes
    LeptosCsr,
    /// Leptos, rendered by a server of its own with authtool mounted in it
    LeptosSsr,
    /// The React app behind Envoy, with two servers that share their sessions in Redis
    Envoy,
}

impl Example {
    /// The folder of its app.
    fn name(self) -> &'static str {
        match self {
            Self::Vanilla => "vanilla",
            Self::ReactVite | Self::Envoy => "react-vite",
            Self::LeptosCsr => "leptos-csr",
            Self::LeptosSsr => "leptos-ssr",
        }
    }

    /// The package, and the binary, that serves it.
    fn server(self) -> &'static str {
        match self {
            Self::LeptosSsr => "authtool-example-leptos-ssr",
            _ => "authtool-bff",
        }
    }

    /// What it is built into.
    fn root(self, mode: Mode) -> &'static str {
        match (self, mode) {
            (Self::Vanilla, _) => "examples/vanilla/dist",
            (Self::ReactVite | Self::Envoy, Mode::Bff) => "examples/react-vite/dist/bff",
            (Self::ReactVite | Self::Envoy, Mode::TokenExchange) => "examples/react-vite/dist/token-exchange",
            (Self::LeptosCsr, Mode::Bff) => "examples/leptos-csr/dist/bff",
            (Self::LeptosCsr, Mode::TokenExchange) => "examples/leptos-csr/dist/token-exchange",
            (Self::LeptosSsr, _) => "examples/leptos-ssr/dist",
        }
    }
}

/// The server's `session.mode`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// The server attaches the token; no script has it
    Bff,
    /// The app's script has the token, and calls the API by itself
    #[value(name = "tokenExchange", alias = "token-exchange")]
    TokenExchange,
}

/// Runs until it is interrupted or a part of it fails.
pub(crate) fn run(context: &Context, options: &Options) -> Result<ExitCode> {
    if options.exit_with_parent {
        context.supervisor.stop_with_standard_input();
    }
    let outcome = prepare_and_serve(context, options);
    context.supervisor.end_all();
    match outcome {
        Err(error) if error.is::<Interrupted>() => Ok(interrupted_exit_code()),
        Err(error) => Err(error),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

fn prepare_and_serve(context: &Context, options: &Options) -> Result<()> {
    let has_gateway = options.example == Example::Envoy;
    let ports = if has_gateway { Ports::with_gateway(options.port) } else { Ports::from(options.port) };
    node::check()?;
    ports.check_free()?;
    if options.example == Example::Vanilla && options.root.is_none() && options.mode == Mode::TokenExchange {
        bail!("the example vanilla calls its API in bff mode only: add --example react-vite");
    }
    let gateway = if has_gateway { Some(gateway::install(context)?) } else { None };
    if !options.prebuilt {
        build(context, options)?;
    }

    let mut services = Services::new(context, ports);
    let outcome = context
        .progress
        .step("Start the provider, the API and the server", |_| {
            start(context, options, ports, gateway.as_ref(), &mut services)
        })
        .and_then(|()| {
            if let [first, second] = services.replicas.as_slice() {
                println!("replicas {first} {second}");
                eprintln!("\n  Two servers run, and one is enough for Envoy. See for yourself: kill -9 {first}");
            }
            println!("ready http://localhost:{}", ports.app);
            eprintln!(
                "\n  Open http://localhost:{} and log in as anybody: \"ada\" is Ada Lovelace.\n  Ctrl-C stops it.\n",
                ports.app
            );
            services.run_on()
        });
    outcome.inspect_err(|error| services.show_log_of(error))
}

/// What the server's configuration depends on.
pub(super) struct Variant<'a> {
    root: &'a Path,
    mode: Mode,
    idle_timeout: Option<u64>,
    /// The server renders pages, so it must see the session on the first one.
    renders: bool,
}

/// Builds and installs everything that runs.
fn build(context: &Context, options: &Options) -> Result<()> {
    node::install(context, "tests/provider")?;
    match options.example {
        _ if options.root.is_some() => {}
        Example::LeptosCsr | Example::LeptosSsr => {
            node::build_leptos_example(context, options.example.name())?;
        }
        Example::Vanilla | Example::ReactVite | Example::Envoy => {
            node::build_client(context)?;
            node::build_example(context, options.example.name())?;
        }
    }
    // With the features of the whole workspace, as the tests are built: no dependency is compiled twice.
    let arguments = [&["build"], &EVERYTHING[..], &["--bin", options.example.server()]].concat();
    context
        .progress
        .step("Build the server", |log| context.supervisor.run(&context.workspace.cargo(&arguments), log))
}

/// A service that ended though nobody asked it to.
#[derive(Debug)]
struct Died {
    service: String,
    how: String,
}

impl std::fmt::Display for Died {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "the {} {}", self.service, self.how)
    }
}

impl std::error::Error for Died {}

/// A service that runs but does not answer as it should.
#[derive(Debug)]
struct Silent {
    service: &'static str,
    url: String,
    last: Option<u16>,
}

impl std::fmt::Display for Silent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let answer = self.last.map_or("nothing".to_owned(), |status| format!("status {status}"));
        write!(formatter, "the {} is not ready: {} answers {answer}", self.service, self.url)
    }
}

impl std::error::Error for Silent {}

const PROVIDER: &str = "OpenID Provider";
const API: &str = "demo API";
const SERVER: &str = "server";

/// Starts everything, and waits until a login would work.
fn start(
    context: &Context,
    options: &Options,
    ports: Ports,
    gateway: Option<&gateway::Gateway>,
    services: &mut Services<'_>,
) -> Result<()> {
    let folder = context.workspace.target(&format!("demo/{}", ports.app));
    config::fresh_folder(&folder)?;
    let root = match &options.root {
        Some(root) => std::path::absolute(root)?,
        None => context.workspace.path(options.example.root(options.mode)),
    };
    let variant = Variant {
        root: &root,
        mode: options.mode,
        idle_timeout: options.idle_timeout,
        renders: options.example == Example::LeptosSsr,
    };
    let config = config::write(&folder, ports, &variant)?;
    let issuer = config::issuer(ports);

    let mut provider = node_service(context, "provider.mjs", ports.provider);
    provider
        .args(["--issuer", &issuer, "--client-id", config::CLIENT_ID])
        .args(["--redirect-uri", &config::redirect_uri(ports)])
        .args(["--post-logout-redirect-uri", &config::post_logout_redirect_uri(ports)])
        .args(["--access-token-ttl", &options.access_token_ttl.to_string()])
        .env("AUTHTOOL_PROVIDER_CLIENT_SECRET", &config.client_secret);
    services.start(PROVIDER, &provider)?;

    let mut api = node_service(context, "api.mjs", ports.api);
    api.args(["--issuer", &issuer]);
    if options.mode == Mode::TokenExchange {
        api.args(["--allow-origin", &config::app_origin(ports)]);
    }
    services.start(API, &api)?;

    // First the provider: the server reads its metadata when it starts.
    services.await_answer(PROVIDER, ports.provider, "/.well-known/openid-configuration", 200)?;
    if let Some(gateway) = gateway {
        return gateway.start(context, ports, &folder, &config.paths, services);
    }
    let [path] = config.paths.as_slice() else { bail!("one server has one configuration") };
    let mut server = Command::new(context.workspace.target("debug").join(options.example.server()));
    server.current_dir(context.workspace.path("."));
    if variant.renders {
        server.arg(path).arg(format!("127.0.0.1:{}", ports.app)).arg(config::api_origin(ports));
    } else {
        server.arg("--config").arg(path);
    }
    services.start(SERVER, &server)?;

    // 401: it is there, and wants a token.
    services.await_answer(API, ports.api, "/api/", 401)?;
    if !variant.renders {
        services.await_answer(SERVER, ports.internal, "/-/ready", 200)?;
    }
    services.await_answer(SERVER, ports.app, "/", 200)
}

fn node_service(context: &Context, script: &str, port: u16) -> Command {
    let mut command = Command::new("node");
    command.arg(script).arg("--port").arg(port.to_string());
    command.current_dir(context.workspace.path("tests/provider"));
    command
}

/// What runs, and what is heard of it.
struct Services<'a> {
    context: &'a Context,
    port: u16,
    sender: Sender<Event>,
    events: Receiver<Event>,
    logs: Vec<(&'static str, PathBuf)>,
    /// The process ids of the servers behind a gateway: one of them may end.
    replicas: Vec<u32>,
}

impl<'a> Services<'a> {
    fn new(context: &'a Context, ports: Ports) -> Self {
        let (sender, events) = channel();
        context.supervisor.notify(&sender);
        Self { context, port: ports.app, sender, events, logs: Vec::new(), replicas: Vec::new() }
    }

    fn start(&mut self, service: &'static str, command: &Command) -> Result<u32> {
        // Two demos on different ports do not write into each other's logs.
        let (path, log) = self.context.progress.log(&format!("demo {} {service}", self.port))?;
        self.logs.push((service, path));
        self.context.supervisor.serve(service, command, &log, &self.sender)
    }

    /// Waits until `service` answers `GET path` with the status `wanted`.
    fn await_answer(&self, service: &'static str, port: u16, path: &str, wanted: u16) -> Result<()> {
        let started = Instant::now();
        loop {
            let last = http::status(port, path);
            if last == Some(wanted) {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                return Err(Silent { service, url: format!("http://localhost:{port}{path}"), last }.into());
            }
            match self.events.recv_timeout(Duration::from_millis(50)) {
                Ok(event) => return Err(failure(event)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    /// Waits until something ends that should not, or somebody wants everything to end.
    fn run_on(&self) -> Result<()> {
        let mut replicas = self.replicas.len();
        loop {
            let event = self.events.recv().unwrap_or(Event::Interrupted);
            match &event {
                Event::Interrupted => eprintln!("\n  Stopping."),
                Event::Exited { service, status }
                    if replicas > 1 && gateway::REPLICAS.contains(&service.as_str()) =>
                {
                    replicas -= 1;
                    eprintln!("  The {service} {}. The other one goes on.", describe(*status));
                    continue;
                }
                Event::Exited { .. } => {}
            }
            return Err(failure(event));
        }
    }

    /// Shows the log of the service that `error` is about.
    fn show_log_of(&self, error: &anyhow::Error) {
        let service = match (error.downcast_ref::<Died>(), error.downcast_ref::<Silent>()) {
            (Some(died), _) => died.service.as_str(),
            (_, Some(silent)) => silent.service,
            (None, None) => return,
        };
        for (name, log) in &self.logs {
            if *name == service {
                show_tail(log);
            }
        }
    }
}

fn failure(event: Event) -> anyhow::Error {
    match event {
        Event::Interrupted => Interrupted.into(),
        Event::Exited { service, status } => Died { service, how: describe(status) }.into(),
    }
}
