//! Putting the parts together, and serving them.

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use axum::Router;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    adapters::{
        SystemClock, SystemEntropy,
        embedded::{EmbeddedStore, OpenError},
        measured::MeasuredStore,
        oidc::{ClientCredentials, OidcProvider, OidcProviders, ProviderSettings, RegisteredClient},
        redis,
    },
    config::{ClientConfig, Config, IssuerConfig, StoreConfig},
    domain::{
        expected_issuer::ExpectedIssuer,
        id_token::NonceUse,
        logout_token::LogoutTokenExpiry,
        response_mode::ResponseMode,
        return_url::ReturnUrls,
        scope,
        session_id::{CookieKey, SessionCookie, SessionKey},
        session_index::SessionIndexes,
    },
    http::{self, App, CookiePolicy, CorrelationIds, journal::Journal, session_cookie_name},
    listening::{Handlers, Serves, accept},
    ports::{AuthorizationServer, Clock, Entropy, ProviderError, SessionStore, StoreError},
    reload::{self, Reloaded},
    seal::{KeyMaterial, RecordCodec, Sealer},
    service::{
        back_channel::BackChannelLogouts,
        clients::{Client, Clients},
        front_channel::FrontChannelLogouts,
        login::Logins,
        logout::Logouts,
        machine_clients::MachineClients,
        sessions::{Sessions, SessionsParts},
        store_watch::{SigningKeys, StoreWatch},
        tasks::Tasks,
    },
    telemetry,
};

/// Upper ends of the latency histograms' buckets, in seconds.
const LATENCY_BUCKETS: [f64; 12] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 2.0, 10.0];
/// How often what was measured is summed up.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);
/// What is in flight at a shutdown has this long to finish.
const DRAIN: Duration = Duration::from_secs(20);
/// And a shutdown is over after this long, whatever is unfinished.
const SHUTDOWN: Duration = Duration::from_secs(27);
/// Within the time that is left until an orchestrator kills (30 s).
const RETIREMENT: Duration = Duration::from_secs(1);

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The embedded store does not open.
    #[error(transparent)]
    Embedded(#[from] OpenError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No HTTP client for the authorization server.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// An address cannot be listened on.
    #[error("{address} ({key}) cannot be listened on: {reason}{}", remedy(reason))]
    Listen {
        /// Which address.
        address: std::net::SocketAddr,
        /// Which configuration key sets it.
        key: &'static str,
        /// What the system says.
        reason: std::io::Error,
    },
}

/// What to do about an address that cannot be listened on, where that is known.
fn remedy(reason: &std::io::Error) -> &'static str {
    match reason.kind() {
        std::io::ErrorKind::AddrInUse => {
            "; stop what listens there, perhaps another authtool-bff, or choose another port: server.port in the file, \
             --port of `authtool-bff dev`"
        }
        std::io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege: choose a higher one",
        _ => "",
    }
}

/// A running backend for frontend: its routers, and the background work behind them.
///
/// ```no_run
/// # async fn example(config: authtool_bff::Config) -> Result<(), Box<dyn std::error::Error>> {
/// let bff = authtool_bff::Bff::start(&config)?;
/// let app: axum::Router = axum::Router::new().merge(bff.public_router());
/// # Ok(()) }
/// ```
pub struct Bff {
    app: Arc<App>,
    config: crate::config::ServerConfig,
    providers: Vec<Arc<OidcProvider>>,
    /// Ends the background work for these providers and sessions.
    fetching: CancellationToken,
    store: Arc<dyn SessionStore>,
    store_config: StoreConfig,
    tasks: Tasks,
    stop: CancellationToken,
}

impl Bff {
    /// Opens the store and begins to fetch the provider's metadata. Must be called within a Tokio runtime.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        let stop = CancellationToken::new();
        let store = open_store(&config.store, Arc::new(SystemClock), |embedded| {
            let stop = stop.clone();
            tokio::spawn(async move { stop.run_until_cancelled(embedded.sweep_forever()).await });
        })?;
        let store = Arc::new(MeasuredStore::new(store));
        Self::over(config, store, Tasks::default(), stop, &[])
    }

    /// The same with another configuration, over the same store if it is reached in the same way, with what is known of the
    /// providers. This one is left as it is: what is under way here goes on, and is waited for with the other's.
    fn succeeded_by(&self, config: &Config) -> Result<Self, StartError> {
        let store = if config.store == self.store_config {
            Arc::clone(&self.store)
        } else {
            // Another way to the same place, which is none of ours to sweep.
            Arc::new(MeasuredStore::new(open_store(&config.store, Arc::new(SystemClock), drop)?))
        };
        Self::over(config, store, self.tasks.clone(), self.stop.clone(), &self.providers)
    }

    /// Makes everything but the store, whose configuration it is.
    fn over(
        config: &Config,
        store: Arc<dyn SessionStore>,
        tasks: Tasks,
        stop: CancellationToken,
        predecessors: &[Arc<OidcProvider>],
    ) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let mut providers = Vec::new();
        for issuer in &config.provider.issuers {
            let settings = provider_settings(config, issuer);
            let provider = OidcProvider::new(settings, Arc::clone(&clock), Arc::clone(&entropy))?;
            for predecessor in predecessors {
                provider.inherit(predecessor);
            }
            providers.push(Arc::new(provider));
        }
        let fetching = stop.child_token();
        for provider in &providers {
            let (fetching, provider) = (fetching.clone(), Arc::clone(provider));
            tokio::spawn(async move { fetching.run_until_cancelled(provider.keep_fresh()).await });
        }
        let server = Arc::new(OidcProviders::new(providers.clone()));
        let store_watch = Arc::new(StoreWatch::default());
        {
            let (fetching, watch, store) = (fetching.clone(), Arc::clone(&store_watch), Arc::clone(&store));
            let keys = signing_keys(config);
            tokio::spawn(
                async move { fetching.run_until_cancelled(watch.keep_watching(&*store, keys)).await },
            );
        }
        let mut app = assemble(config, Arc::clone(&store), server, clock, entropy, tasks.clone());
        app.store_watch = store_watch;
        let (revoking, sessions) = (fetching.clone(), Arc::clone(&app.sessions));
        tokio::spawn(async move { revoking.run_until_cancelled(sessions.keep_revoking()).await });
        Ok(Self {
            app: Arc::new(app),
            config: config.server.clone(),
            providers,
            fetching,
            store,
            store_config: config.store.clone(),
            tasks,
            stop,
        })
    }

    /// The browser's endpoints under `server.apiPrefix`, and `server.proxy` and `server.static` if they
    /// are configured. Probes are answered at `/-/healthz` and `/-/ready`, unless your app has routes there.
    pub fn public_router(&self) -> Router {
        http::public_router(&self.app, &self.config)
    }

    /// A layer for routes of your own that use the [extractors](crate::extract).
    pub fn extractors(&self) -> axum::Extension<crate::extract::Extractors> {
        axum::Extension(crate::extract::Extractors(Arc::clone(&self.app)))
    }

    /// `/token` for gateways, `/-/healthz`, `/-/ready`. Not for a listener that browsers reach.
    pub fn internal_router(&self) -> Router {
        http::internal_router(&self.app, &self.config)
    }

    /// Lets refreshes, logins and revocations in flight finish, for at most 20 seconds.
    pub async fn drain(self) {
        self.drain_within(DRAIN).await;
    }

    async fn drain_within(self, patience: Duration) {
        let unfinished = self.tasks.finish(patience).await;
        if unfinished > 0 {
            tracing::warn!(unfinished, "some background work did not finish in time");
        }
        self.stop.cancel();
        retire(&*self.store).await;
    }

    fn public_handlers(&self) -> Handlers {
        let serves = match (&self.config.static_files, self.config.proxy.is_empty()) {
            (_, false) => Serves::Apis,
            (Some(_), true) => Serves::Files,
            (None, true) => Serves::Answers,
        };
        Handlers {
            quick: http::public_quick(&self.app, &self.config),
            router: self.public_router(),
            serves,
            keep_alive: self.config.keep_alive,
        }
    }

    fn internal_handlers(&self, metrics: Option<&Router>) -> Handlers {
        let mut router = self.internal_router();
        if let Some(metrics) = metrics {
            router = router.merge(metrics.clone());
        }
        Handlers {
            quick: http::internal_quick(&self.app, &self.config),
            router,
            serves: Serves::Answers,
            keep_alive: self.config.keep_alive,
        }
    }
}

/// Tells other replicas that this one is none any more. Best effort: a store that does not answer keeps nobody from ending.
async fn retire(store: &dyn SessionStore) {
    if tokio::time::timeout(RETIREMENT, store.retire()).await.is_err() {
        tracing::debug!("the other replicas could not be told that this one ends");
    }
}

/// The browser's endpoints as a router to mount in an axum app: the shortest way. [`Bff`] also offers extractors for
/// handlers, the internal endpoints, and an orderly end. Must be called within a Tokio runtime.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let config = authtool_bff::Config::load("authtool.json".as_ref())?;
/// let app: axum::Router = axum::Router::new().merge(authtool_bff::router(&config)?);
/// # Ok(()) }
/// ```
pub fn router(config: &Config) -> Result<Router, StartError> {
    Bff::start(config).map(|bff| bff.public_router())
}

/// Serves both listeners until `shutdown` completes, then drains. [`Server`] also takes another configuration meanwhile.
pub async fn serve(config: &Config, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
    let server = Server::start(config.clone()).await?;
    shutdown.await;
    server.shut_down().await;
    Ok(())
}

/// Both listeners, and what answers there. It is stopped with the drop, without patience.
///
/// ```no_run
/// # async fn example(next: impl Future<Output = ()>) -> Result<(), Box<dyn std::error::Error>> {
/// use authtool_bff::{Config, Server};
///
/// let file = "authtool.json".as_ref();
/// let mut server = Server::start(Config::load(file)?).await?;
/// next.await;
/// for key in server.reload(Config::load(file)?)?.needs_restart {
///     println!("{key} needs a restart");
/// }
/// server.shut_down().await;
/// # Ok(()) }
/// ```
pub struct Server {
    config: Config,
    bff: Bff,
    metrics: Option<Router>,
    public: watch::Sender<Arc<Handlers>>,
    internal: watch::Sender<Arc<Handlers>>,
    listeners: JoinSet<()>,
    stop: CancellationToken,
    _stops_in_any_case: DropGuard,
}

impl Server {
    /// Listens, and begins to serve.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let public = listen(config.server.public, "server.ip and server.port").await?;
        let internal = match listen(config.server.internal, "server.internal").await {
            Ok(listener) => Some(listener),
            // Nobody asked for this address: a port that is taken is no reason to stay down.
            Err(error) if !config.server.internal_is_explicit => {
                tracing::warn!(%error, "there is no internal listener; set server.internal to choose its address");
                None
            }
            Err(error) => return Err(error),
        };
        // Before anything is counted: what counts remembers where.
        let metrics = metrics_router();
        let bff = Bff::start(&config)?;
        let stop = CancellationToken::new();
        let mut listeners = JoinSet::new();
        tracing::info!(address = %config.server.public, app = %config.server.app, "serving browsers");
        let (public_handlers, handlers) = watch::channel(Arc::new(bff.public_handlers()));
        listeners.spawn(accept(public, handlers, stop.clone(), DRAIN));
        let (internal_handlers, handlers) = watch::channel(Arc::new(bff.internal_handlers(metrics.as_ref())));
        if let Some(internal) = internal {
            tracing::info!(address = %config.server.internal, "serving gateways and probes");
            listeners.spawn(accept(internal, handlers, stop.clone(), DRAIN));
        }
        Ok(Self {
            config,
            bff,
            metrics,
            public: public_handlers,
            internal: internal_handlers,
            listeners,
            _stops_in_any_case: stop.clone().drop_guard(),
            stop,
        })
    }

    /// Takes another configuration: from now on it answers all requests, and those that are under way go on as they
    /// began. What needs a restart stays as it is, and is named. With an error nothing has changed.
    pub fn reload(&mut self, config: Config) -> Result<Reloaded, StartError> {
        let (config, reloaded) = reload::adopt(&self.config, config);
        let bff = self.bff.succeeded_by(&config)?;
        self.public.send_replace(Arc::new(bff.public_handlers()));
        self.internal.send_replace(Arc::new(bff.internal_handlers(self.metrics.as_ref())));
        self.config = config;
        let old = std::mem::replace(&mut self.bff, bff);
        old.fetching.cancel();
        if !Arc::ptr_eq(&old.store, &self.bff.store) {
            self.bff.tasks.spawn(async move { retire(&*old.store).await });
        }
        Ok(reloaded)
    }

    /// Accepts no more connections, lets what is under way finish, and ends.
    pub async fn shut_down(self) {
        tracing::info!("shutting down");
        self.stop.cancel();
        let began = tokio::time::Instant::now();
        self.listeners.join_all().await;
        // An orchestrator's patience is usually thirty seconds, for everything.
        self.bff.drain_within(SHUTDOWN.saturating_sub(began.elapsed())).await;
    }
}

/// `/-/metrics`, if nobody else records metrics in this process. Must be called within a Tokio runtime.
fn metrics_router() -> Option<Router> {
    let recorder = PrometheusBuilder::new().set_buckets(&LATENCY_BUCKETS).ok()?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).ok()?;
    telemetry::metrics::describe();
    let upkeep = handle.clone();
    tokio::spawn(async move {
        // Every single latency is kept until somebody asks, or this sums them up: nobody may ever ask.
        let (mut turns, mut known) = (tokio::time::interval(METRICS_UPKEEP), 0);
        loop {
            turns.tick().await;
            upkeep.run_upkeep();
            let dropped = telemetry::metrics::log_lines_dropped();
            if dropped > known {
                tracing::warn!(
                    event = "log_lines_dropped",
                    lines = dropped - known,
                    "lines of the log were lost, since nobody took them in time; see what reads standard error"
                );
                known = dropped;
            }
        }
    });
    let render = move || {
        telemetry::metrics::log_lines_dropped();
        let text = handle.render();
        async move { ([(::http::header::CONTENT_TYPE, "text/plain; version=0.0.4")], text) }
    };
    Some(Router::new().route(authtool_contract::endpoint::METRICS, axum::routing::get(render)))
}

async fn listen(address: std::net::SocketAddr, key: &'static str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|reason| StartError::Listen { address, key, reason })
}

/// Opens the store; one that must be swept is handed to `sweep`.
pub(crate) fn open_store(
    config: &StoreConfig,
    clock: Arc<dyn Clock>,
    sweep: impl FnOnce(Arc<EmbeddedStore>),
) -> Result<Arc<dyn SessionStore>, StartError> {
    let embedded = match config {
        StoreConfig::Memory => EmbeddedStore::in_memory(clock)?,
        StoreConfig::File(path) => EmbeddedStore::open(path, clock)?,
        StoreConfig::Redis(settings) => return Ok(redis::open((**settings).clone())?),
    };
    let embedded = Arc::new(embedded);
    sweep(Arc::clone(&embedded));
    Ok(embedded)
}

pub(crate) fn provider_settings(config: &Config, issuer: &IssuerConfig) -> ProviderSettings {
    let clients = || config.provider.clients.iter().filter(|client| client.issuer == issuer.issuer);
    ProviderSettings {
        issuer: issuer.issuer.clone(),
        metadata: issuer.metadata.clone(),
        configured_metadata: issuer.endpoints.clone(),
        issues_id_tokens: clients().any(|client| scope::contains_openid(&client.scope)),
        transport: issuer.transport(),
        max_id_token_bytes: issuer.max_id_token_bytes,
        omits_nonce: issuer.allow_id_tokens_without_nonce,
        outbound: config.server.outbound.clone(),
        clients: clients()
            .map(|client| {
                let registered = RegisteredClient {
                    client_id: client.client_id.clone(),
                    authentication: client.authentication.clone(),
                    id_token_algorithms: client.id_token_algorithms.clone(),
                    many_tenants: matches!(client.id_token_issuer, ExpectedIssuer::OfTenant { .. }),
                    requests: client.requests,
                    assumed_token_lifetime: client.assumed_token_lifetime.as_secs(),
                };
                (client.name.clone(), registered)
            })
            .collect::<HashMap<_, _>>(),
    }
}

fn assemble(
    config: &Config,
    store: Arc<dyn SessionStore>,
    server: Arc<dyn AuthorizationServer>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    tasks: Tasks,
) -> App {
    let return_urls = ReturnUrls::new(
        config.server.app.clone(),
        config.server.allowed_return_origins.iter().cloned(),
        config.server.api_prefix.clone(),
    );
    let clients = Arc::new(Clients::new(
        config.provider.clients.iter().map(|it| client(it, &config.provider.issuers)).collect(),
        config.provider.default_client,
    ));
    let sessions = Arc::new(Sessions::new(SessionsParts {
        store: Arc::clone(&store),
        server: Arc::clone(&server),
        clients: Arc::clone(&clients),
        codec: RecordCodec::new(Sealer::new(&config.session.encryption_keys)),
        lifetimes: config.session.lifetimes.clone(),
        user_claims: config.session.user_claims.clone(),
        cookie: session_cookie(config),
        indexes: SessionIndexes::new(
            config.session.encryption_keys.iter().map(|key| *key.derive("session-indexes")),
        ),
        max_sessions_per_user: config.session.max_sessions_per_user,
        revocation_delay: config.session.revocation_delay,
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
        tasks: tasks.clone(),
    }));
    let logins = Logins::new(return_urls.clone(), Arc::clone(&sessions), tasks);
    App {
        mode: config.session.mode,
        logins: Arc::new(logins),
        logouts: Logouts::new(Arc::clone(&sessions)),
        back_channel: BackChannelLogouts::new(Arc::clone(&sessions)),
        front_channel: FrontChannelLogouts::new(Arc::clone(&sessions)),
        machine_clients: MachineClients::new(
            config.server.machine_clients.clone(),
            clients,
            Arc::clone(&server),
            Arc::clone(&clock),
        ),
        sessions,
        sealer: Sealer::new(&config.session.encryption_keys),
        cookies: CookiePolicy::new(&config.session.cookie),
        app_origin: return_urls.app_origin(),
        base_path: config.server.base_path.clone(),
        api_prefix: config.server.api_prefix.clone(),
        return_urls,
        error_redirect: config.session.error_redirect.clone(),
        logout_on_get: config.session.logout_on_get,
        client_keys: http::key_set(&config.provider.clients),
        apis: config.server.proxy.clone(),
        correlation_ids: CorrelationIds::new(&*entropy),
        same_site_return: config.session.same_site_return,
        takes_forms: config.provider.clients.iter().any(|it| it.response_mode == ResponseMode::FormPost),
        gateway_credential: config.server.gateway_credential.clone(),
        operator_credential: config.server.operator_credential.clone(),
        trusted_proxies: config.server.trusted_proxies.clone(),
        trusted_proxy_headers: config.server.trusted_proxy_headers.clone(),
        store_watch: Arc::default(),
        server,
        clock,
        entropy,
        journal: config.development.then(Journal::default),
    }
}

/// Where several deployments could keep their sessions in one place.
fn signing_keys(config: &Config) -> Option<SigningKeys> {
    let StoreConfig::Redis(_) = config.store else { return None };
    let names = config.session.signing_keys.iter().filter_map(|key| {
        let name = key.derive("name-in-store");
        SessionKey::from_store(&URL_SAFE_NO_PAD.encode(name.as_slice()))
    });
    SigningKeys::new(names)
}

fn session_cookie(config: &Config) -> SessionCookie {
    let key = |material: &KeyMaterial| {
        CookieKey::new(&material.derive("session-cookie"), &material.derive("session-index"))
    };
    let keys = &config.session.signing_keys;
    let retired = keys.retired().iter().map(key).collect();
    SessionCookie::new(session_cookie_name(&config.session.cookie), key(keys.current()), retired)
}

fn client(client: &ClientConfig, issuers: &[IssuerConfig]) -> Client {
    let issuer = issuers.iter().find(|it| it.issuer == client.issuer);
    Client {
        name: client.name.clone(),
        client_id: client.client_id.clone(),
        issuer: client.issuer.clone(),
        redirect_uri: client.redirect_uri.as_str().to_owned(),
        scope: client.scope.clone(),
        policy: client.login_policy.clone(),
        dpop: client.dpop,
        extra: client.extra.clone(),
        id_token_issuer: client.id_token_issuer.clone(),
        further_audiences: client.further_audiences.clone(),
        user_info: client.user_info.clone(),
        post_logout_redirect_uri: client.post_logout_redirect_uri.clone(),
        logout_token_expiry: if issuer.is_some_and(|it| it.allow_logout_tokens_without_exp) {
            LogoutTokenExpiry::Optional
        } else {
            LogoutTokenExpiry::Required
        },
        nonce_use: if issuer.is_some_and(|it| it.allow_id_tokens_without_nonce) {
            NonceUse::MayBeAbsent
        } else {
            NonceUse::Required
        },
        end_session: client.end_session.clone(),
        response_mode: client.response_mode,
        takes_unsigned_name: matches!(
            client.authentication.credentials,
            ClientCredentials::SignedSecret { .. }
        ),
        front_channel_logout: client.front_channel_logout,
    }
}
