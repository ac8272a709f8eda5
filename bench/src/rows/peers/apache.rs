//! Debian's Apache with `mod_auth_openidc`, its sessions in Redis.

use std::path::Path;

use authtool_tests::{Process, Provider, redis::RedisServer};
use tempfile::TempDir;

use super::Peer;

/// What is no part of Debian's binary.
const MODULES: [&str; 8] =
    ["mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc", "headers", "proxy", "proxy_http"];

pub(super) fn start(provider: &Provider, redis: &RedisServer, api: &str, port: u16) -> Peer {
    let folder = Path::new("/usr/lib/apache2/modules");
    assert!(
        folder.join("mod_auth_openidc.so").is_file(),
        "mod_auth_openidc is not installed: apt-get install apache2 libapache2-mod-auth-openidc (cargo xtask bench does it)"
    );
    let load =
        MODULES.map(|name| format!("LoadModule {name}_module {}/mod_{name}.so", folder.display())).join("\n");
    let temporary = TempDir::new().expect("a temporary folder");
    let home = temporary.path().display();
    let (client, secret) = Provider::credentials();
    // As many threads as there are connections, and some: more would cost it more. No access log, as our own by default.
    let configuration = format!(
        r#"{load}
ServerRoot {home}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {home}/pid
ErrorLog /dev/stderr
LogLevel warn
User www-data
Group www-data
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
StartServers 1
ServerLimit 1
ThreadsPerChild 64
MaxRequestWorkers 64

OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client}
OIDCClientSecret "{secret}"
OIDCPKCEMethod S256
OIDCRedirectURI http://localhost:{port}/api/callback
OIDCScope "openid profile email offline_access"
OIDCCryptoPassphrase a-passphrase-of-the-bench-alone
OIDCSessionType server-cache
OIDCCacheType redis
OIDCRedisCacheServer 127.0.0.1:{redis}
OIDCSessionInactivityTimeout 43200
OIDCPassClaimsAs environment

<Location /api>
  AuthType openid-connect
  Require valid-user
  RequestHeader set Authorization "Bearer %{{OIDC_access_token}}e"
  RequestHeader unset Cookie
  ProxyPass {api}/api keepalive=On
</Location>
"#,
        issuer = provider.issuer,
        redis = redis.port,
    );
    let file = temporary.path().join("apache.conf");
    std::fs::write(&file, configuration).expect("a fresh folder is writable");
    let process = Process::start("Apache", "/usr/sbin/apache2", |command| {
        // All threads in one process: workers of their own would outlive a bench that is cut off.
        command.arg("-X").arg("-f").arg(file);
    });
    Peer {
        name: "Apache with mod_auth_openidc and Redis",
        port,
        login: "/api/orders",
        cookies: &["mod_auth_openidc_session"],
        process,
        _folder: Some(temporary),
    }
}
