//! Sessions without logins: real records, written through the store's port with the server's own keys.

use std::{ops::Range, sync::Arc, thread, time::Duration};

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
    ports::{Clock as _, SessionStore},
    seal::{RecordCodec, Sealer},
};
use authtool_contract::TokenType;
use authtool_tests::{SESSION, ServerConfig};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tokio::runtime::Handle;

use crate::tokens::{TokenSizes, random, token};

/// How many writes each writer has under way at once: Redis takes them from one connection.
const AT_ONCE: usize = 64;

/// As many as the machines of this bench have processors.
const WRITERS: usize = 2;

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
    pub(crate) fn write(&self, count: usize, tokens: TokenSizes) -> Arc<[String]> {
        let runtime = Handle::current();
        let each = count.div_ceil(WRITERS);
        // To seal a million sessions is work for more than one thread.
        let cookies = tokio::task::block_in_place(|| {
            thread::scope(|scope| {
                let writers: Vec<_> = (0..WRITERS)
                    .map(|writer| (writer * each).min(count)..((writer + 1) * each).min(count))
                    .map(|numbers| scope.spawn(|| runtime.block_on(self.write_these(numbers, tokens))))
                    .collect();
                writers.into_iter().map(|it| it.join().expect("Redis stores")).collect::<Vec<_>>()
            })
        });
        cookies.concat().into()
    }

    async fn write_these(&self, numbers: Range<usize>, tokens: TokenSizes) -> Vec<String> {
        stream::iter(numbers)
            .map(|number| self.write_one(number, tokens))
            .buffered(AT_ONCE)
            .collect::<Vec<_>>()
            .await
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
        let subject = format!("3f2b8a54-0000-4000-8000-{number:012}");
        let provider_session = format!("7c1d9e66-0000-4000-8000-{number:012}");
        let nonce = URL_SAFE_NO_PAD.encode(random::<32>());
        let email = format!("user-{number}@example.com");
        let (issuer, client) = (&self.issuer, &self.client);
        let common = format!(
            r#""iss":"{issuer}","aud":"{client}","sub":"{subject}","exp":1800000000,"iat":1799960000,"sid":"{provider_session}""#
        );
        let id_claims = format!(r#"{common},"nonce":"{nonce}","email":"{email}","name":"Ada Lovelace""#);
        let answer = json!({
            "access_token": token(&common, sizes.access),
            "token_type": "Bearer",
            "expires_in": 40_000,
            "refresh_token": token(&common, sizes.refresh),
            "refresh_expires_in": 43_200,
            "id_token": token(&id_claims, sizes.id),
            "scope": "openid profile email offline_access",
        });
        let login = Login {
            identity: Some(Identity {
                issuer: self.issuer.clone(),
                subject,
                provider_session: Some(provider_session),
                auth_time: None,
            }),
            issuer: &self.issuer,
            client: &self.client,
            nonce,
            claims: json!({"email": email, "name": "Ada Lovelace"}).as_object().cloned().unwrap_or_default(),
            proof_key: None,
        };
        let tokens =
            TokenResponse::parse(answer.to_string().as_bytes(), TokenType::Bearer).expect("a token response");
        Session::begin(login, tokens, &self.lifetimes, SystemClock.now())
    }
}
