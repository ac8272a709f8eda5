//! The parts that benches start: the server, the limits, Redis, a provider.

use std::{path::PathBuf, sync::Arc};

use authtool_tests::{
    Process, SESSION, Server, ServerConfig, hostile::HostileOp, ports, raw, redis::RedisServer, wait,
};
use url::Url;

use crate::{sessions::Writer, tokens::TokenSizes};

/// A provider, a Redis, and a server over it, as somebody runs it in production.
pub(crate) struct Stand {
    pub(crate) op: HostileOp,
    pub(crate) redis: RedisServer,
    pub(crate) server: Server,
}

impl Stand {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(configure: impl FnOnce(&mut ServerConfig)) -> Self {
        let op = HostileOp::start().await;
        let redis = RedisServer::start().await;
        let mut config = ServerConfig::new(op.issuer());
        config.set("/connections/sessions", redis.connection());
        // What a read of the store costs is measured, and not how often one is needed.
        config.set("/connections/sessions/config/localCache", serde_json::json!({"enabled": false}));
        config.environment("AUTHTOOL_LOG", "info");
        configure(&mut config);
        let server = Server::start(config).await;
        Self { op, redis, server }
    }

    /// How many bytes `/session` answers for this cookie.
    pub(crate) async fn session_length(&self, cookie: &str) -> usize {
        let request = raw::get(&self.server.public, "/bff/session").as_same_origin_fetch();
        let answer = request.header("cookie", format!("{SESSION}={cookie}")).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body.len()
    }

    /// The process id of Redis.
    pub(crate) async fn redis_process(&self) -> u32 {
        u32::try_from(self.redis.info("process_id").await).expect("a process id")
    }
}

/// A server with sessions, and a handler that reads as many bytes for each of them and answers as many as `/token`.
pub(crate) struct BesideTheLimit {
    pub(crate) stand: Stand,
    pub(crate) limit: BareHandler,
    /// Of the sessions.
    pub(crate) cookies: Arc<[String]>,
}

impl BesideTheLimit {
    pub(crate) async fn with_sessions(count: usize) -> Self {
        let tokens = TokenSizes::USUAL;
        let stand = Stand::new().await;
        let writer = Writer::new(&stand.server.config);
        let cookies = writer.write(count, tokens);
        let answer = stand.server.token_for(&cookies[0]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let limit = BareHandler::start(Some(stand.redis.port), answer.body.len()).await;
        store_for_the_limit(&stand.redis, &cookies, writer.record_length(tokens), answer.body.len()).await;
        Self { stand, limit, cookies }
    }
}

/// The limit, as a child process.
pub(crate) struct BareHandler {
    pub(crate) port: u16,
    process: Process,
}

impl BareHandler {
    /// One that asks this Redis, or nobody, and answers that many bytes.
    pub(crate) async fn start(redis: Option<u16>, answer: usize) -> Self {
        let redis = redis.map(|port| ["--redis".to_owned(), port.to_string()]);
        Self::with(answer, redis.as_ref().map_or(&[], |it| it.as_slice())).await
    }

    /// An API that answers those who bring a token.
    pub(crate) async fn behind_a_token(answer: usize) -> Self {
        Self::with(answer, &["--behind-a-token".to_owned()]).await
    }

    async fn with(answer: usize, options: &[String]) -> Self {
        let port = ports::free();
        let process = Process::start("the bare handler", binary(), |command| {
            command.args(["--port", &port.to_string(), "--answer", &answer.to_string()]).args(options);
        });
        let mut handler = Self { port, process };
        let origin = Url::parse(&format!("http://127.0.0.1:{port}/")).expect("a URL");
        wait::until("the bare handler answers", async || {
            if let Some(status) = handler.process.ended() {
                panic!("the bare handler ended with {status}");
            }
            raw::get(&origin, "/").try_send().await.ok()
        })
        .await;
        handler
    }

    /// Where it listens.
    pub(crate) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }
}

/// Stores for the bare handler what it reads: as many bytes as the server reads for the same cookie.
pub(crate) async fn store_for_the_limit(
    redis: &RedisServer,
    cookies: &[String],
    record: usize,
    answer: usize,
) {
    let value = format!("{:<record$}", format!(r#"{{"access_token":"{}"}}"#, "t".repeat(answer)));
    for cookies in cookies.chunks(1000) {
        let mut set = redis::cmd("MSET");
        for cookie in cookies {
            set.arg(format!("limit:session:{}", &cookie[..45])).arg(&value);
        }
        redis.query::<()>(&set).await.expect("Redis stores");
    }
}

fn binary() -> PathBuf {
    std::env::current_exe().expect("a program has a path").with_file_name("bare-handler")
}
