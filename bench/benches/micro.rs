//! What a request costs inside the server, by the part: the cookie's signature, the seal, the record.
//!
//! `cargo xtask bench micro`
#![allow(clippy::expect_used, missing_docs, reason = "a bench reports what does not work by failing")]

#[path = "../src/tokens.rs"]
mod tokens;

use std::{hint::black_box, time::Duration};

use authtool_bff::{
    adapters::SystemEntropy,
    domain::{
        id_token::Identity,
        session::{Lifetimes, Login, Session},
        session_id::{CookieKey, SessionCookie, SessionId, SessionKey},
        time::UnixSeconds,
        token_response::TokenResponse,
    },
    seal::{KeyList, KeyMaterial, Purpose, RecordCodec, Sealer},
};
use authtool_contract::TokenType;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;

use crate::tokens::{TokenSizes, random, token};

const ISSUER: &str = "https://login.example.com/realms/main";
const SUBJECT: &str = "3f2b8a54-0000-4000-8000-000000000001";
const PROVIDER_SESSION: &str = "7c1d9e66-0000-4000-8000-000000000001";

fn cookie() -> SessionCookie {
    let key = |seed: u8| CookieKey::new(&[seed; 32], &[seed + 1; 32]);
    SessionCookie::new("__Host-session_id".to_owned(), key(1), vec![key(3)])
}

fn session_key() -> SessionKey {
    cookie().issue(&SessionId::from_random([7; 32])).1
}

fn sealer() -> Sealer {
    let key = KeyMaterial::new(random::<32>().to_vec()).expect("random bytes are a key");
    Sealer::new(&KeyList::new([key]).expect("there is a key"))
}

/// With usual tokens, and what is said of a user in them.
fn session() -> Session {
    let sizes = TokenSizes::USUAL;
    let nonce = "q5zYlJrkm9GFRMVuZ8dWkCr0sQ2tqz7QX1nO4Fvj3yE";
    let common = format!(
        r#""iss":"{ISSUER}","aud":"app","sub":"{SUBJECT}","exp":1800000300,"iat":1800000000,"sid":"{PROVIDER_SESSION}""#
    );
    let id = format!(r#"{common},"nonce":"{nonce}","email":"ada@example.com","name":"Ada Lovelace""#);
    let answer = json!({
        "access_token": token(&common, sizes.access),
        "token_type": "Bearer",
        "expires_in": 300,
        "refresh_token": token(&common, sizes.refresh),
        "id_token": token(&id, sizes.id),
        "scope": "openid profile email offline_access",
    });
    let login = Login {
        identity: Some(Identity {
            issuer: ISSUER.to_owned(),
            subject: SUBJECT.to_owned(),
            provider_session: Some(PROVIDER_SESSION.to_owned()),
            auth_time: None,
        }),
        issuer: ISSUER,
        client: "app",
        nonce: nonce.to_owned(),
        claims: json!({"email": "ada@example.com", "name": "Ada Lovelace"})
            .as_object()
            .cloned()
            .unwrap_or_default(),
        proof_key: None,
    };
    let lifetimes = Lifetimes {
        absolute: Duration::from_hours(12),
        refresh_token: Duration::from_hours(1),
        refresh_token_field: None,
        idle: None,
        jitter: Duration::from_secs(10),
    };
    let tokens =
        TokenResponse::parse(answer.to_string().as_bytes(), TokenType::Bearer).expect("a token response");
    Session::begin(login, tokens, &lifetimes, UnixSeconds::new(1_800_000_000))
}

fn cookies(criterion: &mut Criterion) {
    let cookie = cookie();
    let (value, _) = cookie.issue(&SessionId::from_random([7; 32]));
    let retired =
        SessionCookie::new("__Host-session_id".to_owned(), CookieKey::new(&[3; 32], &[4; 32]), Vec::new());
    let (of_retired_key, _) = retired.issue(&SessionId::from_random([7; 32]));
    let mut forged = value.clone().into_bytes();
    if let Some(byte) = forged.last_mut() {
        *byte = if *byte == b'A' { b'E' } else { b'A' };
    }
    let mut group = criterion.benchmark_group("cookie");
    group.bench_function("verify", |bench| bench.iter(|| cookie.verify(black_box(value.as_bytes()))));
    group.bench_function("verify, signed with the retired key", |bench| {
        bench.iter(|| cookie.verify(black_box(of_retired_key.as_bytes())));
    });
    group.bench_function("refuse a forged one", |bench| bench.iter(|| cookie.verify(black_box(&forged))));
    group.finish();
}

fn seals(criterion: &mut Criterion) {
    let (sealer, key) = (sealer(), session_key());
    let plain = random::<1024>();
    let sealed = sealer
        .seal(Purpose::SessionLive, key.as_str(), &plain, &SystemEntropy)
        .expect("the system has randomness");
    let mut group = criterion.benchmark_group("seal, of 1 KiB");
    group.throughput(Throughput::Bytes(1024));
    group.bench_function("seal", |bench| {
        bench.iter(|| sealer.seal(Purpose::SessionLive, key.as_str(), black_box(&plain), &SystemEntropy));
    });
    group.bench_function("open", |bench| {
        bench.iter(|| sealer.open(Purpose::SessionLive, key.as_str(), black_box(&sealed)));
    });
    group.finish();
}

fn records(criterion: &mut Criterion) {
    let (codec, key, session) = (RecordCodec::new(sealer()), session_key(), session());
    let record = codec.encode(&key, &session, &SystemEntropy).expect("the system has randomness");
    let mut group = criterion.benchmark_group("record, of 2.7 kB of tokens");
    group.bench_function("encode", |bench| {
        bench.iter(|| codec.encode(&key, black_box(&session), &SystemEntropy));
    });
    group.bench_function("decode what every request needs", |bench| {
        bench.iter(|| codec.decode_live(&key, black_box(&record)));
    });
    group.bench_function("decode all", |bench| bench.iter(|| codec.decode(&key, black_box(&record))));
    group.finish();
}

criterion_group!(all, cookies, seals, records);
criterion_main!(all);
