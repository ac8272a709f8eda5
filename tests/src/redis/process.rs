//! One `redis-server` or `redis-sentinel`.

use super::{Authority, Entry, connection, dump};
use crate::{Process, ports, wait};
use redis::aio::MultiplexedConnection;
use redis::{
    Client, ConnectionAddr, FromRedisValue, IntoConnectionInfo as _, RedisConnectionInfo, RedisError,
    RedisResult,
};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use tempfile::TempDir;
use tokio::sync::Mutex;

/// The user and password with which a harness administers a Redis that asks for one.
const ADMINISTRATOR: &str = "canary-password-of-the-administrator";

/// An ACL user that may do what a session store needs, and nothing else.
#[derive(Clone)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: String,
    /// Its rules (`ACL SETUSER`).
    pub rules: String,
}

impl Account {
    /// One that may not ask Redis to report changes.
    pub fn without_tracking() -> Self {
        Self {
            name: "authtool".to_owned(),
            password: "canary-password-of-the-account".to_owned(),
            rules: "resetchannels ~authtool_bff:* -@all +@read +@write +@scripting -@dangerous +time"
                .to_owned(),
        }
    }
}

/// How a Redis differs from a fresh one without password.
#[derive(Default)]
pub struct RedisOptions {
    lines: Vec<String>,
    account: Option<Account>,
    is_encrypted: bool,
    asks_for_certificates: bool,
}

impl RedisOptions {
    /// With TLS, takes no client without a certificate of its authority.
    pub fn asks_for_certificates(&mut self) -> &mut Self {
        self.asks_for_certificates = true;
        self
    }

    /// A line of `redis.conf`.
    pub fn line(&mut self, line: impl Into<String>) -> &mut Self {
        self.lines.push(line.into());
        self
    }

    /// Writes everything down before it is answered, so that what was answered survives a kill.
    pub fn persistent(&mut self) -> &mut Self {
        self.line("appendonly yes").line("appendfsync everysec")
    }

    /// Closed for everybody but this user.
    pub fn account(&mut self, account: &Account) -> &mut Self {
        self.account = Some(account.clone());
        self.line(format!("user default on >{ADMINISTRATOR} ~* &* +@all"));
        self.line(format!("user {} on >{} {}", account.name, account.password, account.rules))
    }
}

/// A running Redis. It is gone with the drop, and its log is printed when the test fails.
pub struct RedisServer {
    /// Where it listens.
    pub port: u16,
    /// Where it listens with TLS; 0 without.
    pub tls_port: u16,
    program: &'static str,
    folder: TempDir,
    account: Option<Account>,
    process: Option<Process>,
    administration: Mutex<Option<MultiplexedConnection>>,
}

impl RedisServer {
    /// A fresh one.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// One with options.
    pub async fn with(configure: impl FnOnce(&mut RedisOptions)) -> Self {
        let mut options = RedisOptions::default();
        configure(&mut options);
        Self::run("redis-server", options, |_| {}).await
    }

    /// The only node of a Cluster, with all slots.
    pub async fn as_a_whole_cluster() -> Self {
        let redis = Self::with(|options| {
            options.line("cluster-enabled yes").line(format!("cluster-port {}", ports::free()));
        })
        .await;
        redis.ask::<()>(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
        wait::until("it has all slots", async || {
            let info: String = redis.ask(&["CLUSTER", "INFO"]).await;
            info.contains("cluster_state:ok").then_some(())
        })
        .await;
        redis
    }

    /// One that speaks TLS, with a certificate for these names.
    pub async fn with_tls(authority: &Authority, names: &[&str]) -> Self {
        Self::with_tls_and(authority, names, |_| {}).await
    }

    /// [`with_tls`](Self::with_tls) with options.
    pub async fn with_tls_and(
        authority: &Authority,
        names: &[&str],
        configure: impl FnOnce(&mut RedisOptions),
    ) -> Self {
        let (certificate, key) = authority.certificate_for(names);
        let mut options = RedisOptions { is_encrypted: true, ..RedisOptions::default() };
        configure(&mut options);
        Self::run("redis-server", options, |folder| {
            std::fs::write(folder.join("certificate.pem"), certificate).expect("a folder is writable");
            std::fs::write(folder.join("key.pem"), key).expect("a folder is writable");
            std::fs::write(folder.join("ca.pem"), authority.pem()).expect("a folder is writable");
        })
        .await
    }

    /// A Sentinel with these lines of `sentinel.conf`.
    pub(super) async fn sentinel(lines: Vec<String>) -> Self {
        let options = RedisOptions { lines, ..RedisOptions::default() };
        Self::run("redis-sentinel", options, |_| {}).await
    }

    async fn run(program: &'static str, options: RedisOptions, prepare: impl FnOnce(&Path)) -> Self {
        assert!(
            is_installed(program),
            "{program} is not installed: apt-get install redis-server redis-sentinel (cargo xtask test does it)"
        );
        let folder = TempDir::new().expect("a temporary folder");
        prepare(folder.path());
        let port = ports::free();
        let tls_port = if options.is_encrypted { ports::free() } else { 0 };
        let mut file = format!("port {port}\nbind 127.0.0.1\ndir {}\n", folder.path().display());
        if program == "redis-server" {
            file.push_str("save \"\"\n");
        }
        if options.is_encrypted {
            let at = |name: &str| folder.path().join(name).display().to_string();
            write!(
                file,
                "tls-port {tls_port}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n\
                 tls-auth-clients {}\n",
                at("certificate.pem"),
                at("key.pem"),
                at("ca.pem"),
                if options.asks_for_certificates { "yes" } else { "no" },
            )
            .expect("a string takes text");
        }
        writeln!(file, "unixsocket {}", folder.path().join("redis.sock").display())
            .expect("a string takes text");
        for line in &options.lines {
            file.push_str(line);
            file.push('\n');
        }
        std::fs::write(folder.path().join("redis.conf"), file).expect("a fresh folder is writable");
        let mut redis = Self {
            port,
            tls_port,
            program,
            folder,
            account: options.account,
            process: None,
            administration: Mutex::default(),
        };
        redis.start_again().await;
        redis
    }

    /// Starts it with what it has on disk, and waits until it answers.
    pub async fn start_again(&mut self) {
        *self.administration.lock().await = None;
        let file = self.folder.path().join("redis.conf");
        let mut process = Process::start(self.program, self.program, |command| {
            command.arg(file);
        });
        wait::until("Redis answers", async || {
            if let Some(status) = process.ended() {
                panic!("{} ended with {status}:\n{}", self.program, process.log().text());
            }
            self.try_ask::<String>(&["PING"]).await.ok()
        })
        .await;
        self.process = Some(process);
    }

    /// Ends it as an operator does: it writes everything down first.
    pub async fn shut_down(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.asks_to_end();
            wait::until("Redis has ended", async || process.ended()).await;
        }
    }

    /// Ends it without warning. Its port refuses when this returns.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// From now on it holds its connections and answers nothing: it has stopped when this returns.
    pub fn hangs(&self) {
        self.running().freezes();
    }

    /// It answers again, what waits first.
    pub fn goes_on(&self) {
        self.running().thaws();
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("Redis runs")
    }

    /// The server's configuration of a connection to this Redis.
    pub fn connection(&self) -> Value {
        let mut config = json!({"host": "127.0.0.1", "port": self.port});
        if let Some(account) = &self.account {
            config["connection"] = json!({"username": account.name, "password": account.password});
        }
        connection(config)
    }

    /// [`connection`](Self::connection) with TLS, to this name of the host.
    pub fn tls_connection(&self, host: &str, authority: &Authority) -> Value {
        connection(json!({"host": host, "port": self.tls_port, "tls": {"ca": authority.pem()}}))
    }

    /// The path of its Unix socket.
    pub fn socket(&self) -> String {
        self.folder.path().join("redis.sock").display().to_string()
    }

    /// The answer to a command of the harness itself.
    ///
    /// # Panics
    /// When Redis refuses it.
    pub async fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        self.try_ask(command).await.unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// [`ask`](Self::ask), where Redis may be down.
    pub async fn try_ask<T: FromRedisValue>(&self, command: &[&str]) -> RedisResult<T> {
        let mut query = redis::Cmd::new();
        query.arg(command);
        self.query(&query).await
    }

    /// [`try_ask`](Self::try_ask) with arguments that are not text.
    pub async fn query<T: FromRedisValue>(&self, query: &redis::Cmd) -> RedisResult<T> {
        let mut slot = self.administration.lock().await;
        // A Redis that changes its role closes its connections.
        if let Some(mut open) = slot.take() {
            let answer = query.query_async(&mut open).await;
            if !answer.as_ref().is_err_and(RedisError::is_io_error) {
                *slot = Some(open);
                return answer;
            }
        }
        let mut open = self.administer().await?;
        let answer = query.query_async(&mut open).await;
        *slot = Some(open);
        answer
    }

    async fn administer(&self) -> RedisResult<MultiplexedConnection> {
        let mut login = RedisConnectionInfo::default();
        if self.account.is_some() {
            login = login.set_password(ADMINISTRATOR);
        }
        let address = ConnectionAddr::Tcp("127.0.0.1".to_owned(), self.port);
        let client = Client::open(address.into_connection_info()?.set_redis_settings(login))?;
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(wait::PATIENCE))
            .set_response_timeout(Some(wait::PATIENCE));
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// A field of `INFO`, as a number.
    pub async fn info(&self, field: &str) -> u64 {
        let info: String = self.ask(&["INFO", "everything"]).await;
        let prefix = format!("{field}:");
        info.lines()
            .find_map(|line| line.strip_prefix(&prefix)?.trim().parse().ok())
            .unwrap_or_else(|| panic!("INFO has no number {field}:\n{info}"))
    }

    /// How often a command has been called.
    pub async fn calls(&self, command: &str) -> u64 {
        let info: String = self.ask(&["INFO", "commandstats"]).await;
        let prefix = format!("cmdstat_{command}:calls=");
        let calls = info.lines().find_map(|line| line.strip_prefix(&prefix)?.split(',').next()?.parse().ok());
        calls.unwrap_or(0)
    }

    /// How often records were asked for, one or several at once.
    pub async fn reads(&self) -> u64 {
        self.calls("get").await + self.calls("mget").await
    }

    /// How many connections there are besides the harness's own.
    pub async fn clients(&self) -> usize {
        let list: String = self.ask(&["CLIENT", "LIST", "TYPE", "normal"]).await;
        list.lines().count().saturating_sub(1)
    }

    /// Everything in it, in all databases.
    pub async fn dump(&self) -> Vec<Entry> {
        dump::everything(self).await
    }

    /// The bytes of every file that it keeps.
    pub fn files(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("Redis's folder is readable") {
                let path = entry.expect("Redis's folder is readable").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.is_file() && path.extension().is_none_or(|extension| extension != "conf") {
                    bytes.extend(std::fs::read(path).expect("Redis's files are readable"));
                }
            }
        }
        bytes
    }
}

fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}
