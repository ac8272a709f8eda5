//! Sessions without logins: real records, written through the store's port with the server's own keys.

use std::{sync::Arc, time::Duration};

use authtool_bff::{
    Config,
    adapters::{SystemClock, SystemEntropy, redis::RedisStore},
    config::StoreConfig,
    domain::{
        id_token::Identity,
        session::{Lifetimes, Login, Session},
        session_id::{CookieKey, SessionCookie, SessionId},
        session_index::{Member, SessionIndexes},
        token_response::TokenResponse,
    },
    ports::{Clock as _, Entropy as _, SessionStore},
    seal::{RecordCodec, Sealer},
};
use authtool_contract::TokenType;
use authtool_tests::{SESSION, ServerConfig};
use futures_util::{StreamExt as _, stream};
use serde_json::json;

/// How many writes are under way at once: Redis takes them from one connection.
const AT_ONCE: usize = 64;

/// The lengths of a session's tokens, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenSizes {
    pub(crate) access: usize,
    pub(crate) refresh: usize,
    pub(crate) id: usize,
}

impl TokenSizes {
    /// As those that Keycloak issues for a user with a few roles.
    pub(crate) const USUAL: Self = Self { access: 1_100, refresh: 650, id: 950 };

    pub(crate) fn sum(self) -> usize {
        self.access + self.refresh + self.id
    }
}

/// Writes sessions as a server with this configuration does.
pub(crate) struct Writer {
    store: Arc<dyn SessionStore>,
    codec: RecordCodec,
    cookie: SessionCookie,
    indexes: SessionIndexes,
    lifetimes: Lifetimes,
    issuer: String,
    client: String,
}

impl Writer {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let path = config.file("bench.json", config.text());
        let config = Config::load(&path).expect("the server's configuration is good");
        let StoreConfig::Redis(settings) = &config.store else { panic!("sessions are to be in Redis") };
        let signing = config.session.signing_keys.current();
        let client = config.provider.clients.first().expect("there is a client");
        Self {
            store: Arc::new(RedisStore::new((**settings).clone()).expect("an address of Redis")),
            codec: RecordCodec::new(Sealer::new(&config.session.encryption_keys)),
            cookie: SessionCookie::new(
                SESSION.to_owned(),
                CookieKey::new(&signing.derive("session-cookie"), &signing.derive("session-index")),
                Vec::new(),
            ),
            indexes: SessionIndexes::new(
                config.session.encryption_keys.iter().map(|key| *key.derive("session-indexes")),
            ),
            lifetimes: config.session.lifetimes.clone(),
            issuer: client.issuer.clone(),
            client: client.name.clone(),
        }
    }

    /// That many sessions of as many users. Answers their cookies' values.
    pub(crate) async fn write(&self, count: usize, tokens: TokenSizes) -> Arc<[String]> {
        stream::iter(0..count)
            .map(|number| self.write_one(number, tokens))
            .buffered(AT_ONCE)
            .collect::<Vec<_>>()
            .await
            .into()
    }

    /// The bytes that Redis keeps of one such session.
    pub(crate) fn record_length(&self, tokens: TokenSizes) -> usize {
        let (_, key) = self.cookie.issue(&SessionId::from_random([1; 32]));
        let record = self.codec.encode(&key, &self.session(1, tokens), &SystemEntropy);
        // The store puts eight bytes of version in front.
        8 + record.expect("the system has randomness").len()
    }

    async fn write_one(&self, number: usize, tokens: TokenSizes) -> String {
        let session = self.session(number, tokens);
        let id = SessionId::from_random(random());
        let (cookie, key) = self.cookie.issue(&id);
        let record = self.codec.encode(&key, &session, &SystemEntropy).expect("the system has randomness");
        let ttl = Duration::from_hours(12);
        let member = Member { since: session.kept.created_at, key: key.clone() };
        for index in self.indexes.of_session(&session.kept) {
            self.store.enlist(&index, &member, ttl, 100).await.expect("Redis stores");
        }
        self.store.insert(&key, &record, ttl).await.expect("Redis stores");
        cookie
    }

    fn session(&self, number: usize, sizes: TokenSizes) -> Session {
        let token = |length: usize| {
            let mut text = format!("eyJ{number}.");
            while text.len() < length {
                let random = random();
                text.extend(
                    random
                        .iter()
                        .map(|byte| char::from(b"0123456789abcdefghijklmnopqrstuv"[usize::from(byte % 32)])),
                );
            }
            text.truncate(length.saturating_sub(2));
            text + ".s"
        };
        let answer = json!({
            "access_token": token(sizes.access),
            "token_type": "Bearer",
            "expires_in": 40_000,
            "refresh_token": token(sizes.refresh),
            "refresh_expires_in": 43_200,
            "id_token": token(sizes.id),
            "scope": "openid profile email offline_access",
        });
        let login = Login {
            identity: Some(Identity {
                issuer: self.issuer.clone(),
                subject: format!("3f2b8a54-0000-4000-8000-{number:012}"),
                provider_session: Some(format!("7c1d9e66-0000-4000-8000-{number:012}")),
                auth_time: None,
            }),
            issuer: &self.issuer,
            client: &self.client,
            nonce: "0123456789abcdef0123456789abcdef0123456789a".to_owned(),
            claims: json!({"email": format!("user-{number}@example.com"), "name": "Ada Lovelace"})
                .as_object()
                .cloned()
                .unwrap_or_default(),
            proof_key: None,
        };
        let tokens =
            TokenResponse::parse(answer.to_string().as_bytes(), TokenType::Bearer).expect("a token response");
        Session::begin(login, tokens, &self.lifetimes, SystemClock.now())
    }
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    SystemEntropy.fill(&mut bytes).expect("the system has randomness");
    bytes
}
