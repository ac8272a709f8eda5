//! Refreshes against a server whose every answer the test chooses, and a store that can be made to fail.

use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use authtool_contract::TokenType;
use serde_json::{Map, Value, json};
use url::Url;

use super::*;
use crate::{
    adapters::{SystemEntropy, embedded::EmbeddedStore},
    domain::{
        credential::{AccessToken, IdToken, RefreshToken},
        dpop::{HeldToken, ProofKey},
        end_session::EndSessionParameters,
        expected_issuer::ExpectedIssuer,
        id_token::{Identity, NonceUse, SignedClaims},
        login_options::LoginPolicy,
        logout_token::LogoutTokenExpiry,
        metadata::ProviderMetadata,
        response_mode::ResponseMode,
        revocation::RevocableToken,
        session::{Lifetimes, Login},
        session_id::{CookieKey, SessionCookie},
        session_index::{IndexName, Member, SessionIndexes},
        time::UnixSeconds,
        user_info::{UserInfoPolicy, UserInfoUse},
    },
    ports::{
        AuthorizationServer, Clock as _, Marker, OwedName, OwedWrite, Readiness, SessionStore, StoreError,
        StoredRecord, UserInfo, UserInfoError, contract_tests::ManualClock,
    },
    seal::{KeyList, KeyMaterial, RecordCodec, Sealer},
    service::{clients::Clients, sessions::SessionsParts, tasks::Tasks},
};

fn clients() -> Arc<Clients> {
    let client = Client {
        name: "app".into(),
        client_id: "app".into(),
        issuer: "https://op.example".into(),
        redirect_uri: "https://app.example/oauth/callback".into(),
        scope: "openid".into(),
        extra: Vec::new(),
        id_token_issuer: ExpectedIssuer::Exactly("https://op.example".into()),
        further_audiences: Vec::new(),
        policy: LoginPolicy::default(),
        dpop: false,
        post_logout_redirect_uri: None,
        logout_token_expiry: LogoutTokenExpiry::Required,
        nonce_use: NonceUse::Required,
        user_info: UserInfoPolicy { usage: UserInfoUse::Never, subject_claim: "sub".into() },
        end_session: EndSessionParameters::default(),
        response_mode: ResponseMode::Query,
        takes_unsigned_name: false,
        front_channel_logout: false,
    };
    Arc::new(Clients::new(vec![client], 0))
}

/// What the server answers to the next refresh.
pub(in crate::service) enum Next {
    Tokens(Value),
    InvalidGrant,
    Doubtful,
    Unavailable,
    /// With this `Retry-After`.
    Busy(u64),
}

pub(in crate::service) struct FakeServer {
    next: Mutex<Box<dyn FnMut() -> Next + Send>>,
    refreshes: AtomicUsize,
    revoked: Mutex<Vec<String>>,
    /// A refresh takes a permit before it is sent,
    turns: tokio::sync::Semaphore,
    waiting: AtomicUsize,
    /// and another before it is answered.
    gate: tokio::sync::Semaphore,
    presented: Mutex<Vec<String>>,
}

impl FakeServer {
    pub(in crate::service) fn answering(next: impl FnMut() -> Next + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            next: Mutex::new(Box::new(next)),
            refreshes: AtomicUsize::new(0),
            revoked: Mutex::default(),
            turns: tokio::sync::Semaphore::new(1_000),
            waiting: AtomicUsize::new(0),
            gate: tokio::sync::Semaphore::new(1_000),
            presented: Mutex::default(),
        })
    }

    fn refreshes(&self) -> usize {
        self.refreshes.load(Ordering::SeqCst)
    }

    pub(in crate::service) fn revoked(&self) -> Vec<String> {
        self.revoked.lock().unwrap().clone()
    }
}

#[async_trait]
impl AuthorizationServer for FakeServer {
    async fn metadata(&self, _: &str) -> Result<Arc<ProviderMetadata>, ProviderError> {
        Err(ProviderError::new("not asked for in these tests"))
    }

    async fn authorization_url(&self, _: &str, _: &[(String, String)]) -> Result<Url, ProviderError> {
        Err(ProviderError::new("not asked for in these tests"))
    }

    async fn redeem(
        &self,
        _: &str,
        grant: Grant<'_>,
        _: Option<&ProofKey>,
    ) -> Result<TokenResponse, GrantError> {
        let Grant::RefreshToken { token, lease } = grant else { panic!("these tests only refresh") };
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.turns.acquire().await.unwrap().forget();
        if !lease.lasts(Duration::ZERO) {
            return Err(ProviderError { not_asked: true, ..ProviderError::new("too late") }.into());
        }
        self.presented.lock().unwrap().push(token.expose().to_owned());
        self.refreshes.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        match (self.next.lock().unwrap())() {
            Next::Tokens(body) => Ok(TokenResponse::parse(body.to_string().as_bytes(), TokenType::Bearer)?),
            Next::InvalidGrant => Err(GrantError::Invalid("invalid_grant".into())),
            Next::Doubtful => Err(GrantError::Doubtful(ProviderError::refused("invalid_request"))),
            Next::Unavailable => Err(GrantError::Unavailable(ProviderError::new("down"))),
            Next::Busy(seconds) => Err(GrantError::Unavailable(ProviderError::retry_after(
                "busy",
                Some(Duration::from_secs(seconds)),
            ))),
        }
    }

    async fn ready(&self) -> Vec<Readiness> {
        Vec::new()
    }

    async fn verify(
        &self,
        _: &str,
        _: &IdToken,
        _: TokenOrigin,
    ) -> Result<SignedClaims, TokenVerificationError> {
        Err(TokenVerificationError::UnknownKey)
    }

    async fn verify_access_token(
        &self,
        _: &str,
        _: &AccessToken,
    ) -> Result<SignedClaims, TokenVerificationError> {
        Err(TokenVerificationError::UnknownKey)
    }

    async fn user_info(&self, _: &str, _: HeldToken<'_>) -> Result<UserInfo, UserInfoError> {
        Err(ProviderError::new("not asked for in these tests").into())
    }

    async fn revoke(
        &self,
        _: &str,
        token: &RevocableToken,
        _: Option<&ProofKey>,
    ) -> Result<(), ProviderError> {
        let token = match token {
            RevocableToken::Refresh(token) => token.expose().to_owned(),
            RevocableToken::Access(token) => token.expose().to_owned(),
        };
        self.revoked.lock().unwrap().push(token);
        Ok(())
    }
}

/// The embedded store, with a number of conditional writes that fail.
pub(in crate::service) struct FailingStore {
    inner: EmbeddedStore,
    failing_writes: AtomicUsize,
    renewals: AtomicUsize,
    /// Whether a failing write takes effect all the same.
    applied: bool,
}

#[async_trait]
impl SessionStore for FailingStore {
    async fn read(&self, key: &SessionKey) -> Result<Option<StoredRecord>, StoreError> {
        self.inner.read(key).await
    }
    async fn insert(&self, key: &SessionKey, value: &[u8], ttl: Duration) -> Result<(), StoreError> {
        self.inner.insert(key, value, ttl).await
    }
    async fn replace(
        &self,
        key: &SessionKey,
        expected: Version,
        value: &[u8],
        ttl: Duration,
    ) -> Result<ReplaceOutcome, StoreError> {
        let left = self.failing_writes.load(Ordering::SeqCst);
        if left > 0 {
            self.failing_writes.store(left - 1, Ordering::SeqCst);
            if self.applied {
                self.inner.replace(key, expected, value, ttl).await?;
            }
            return Err(StoreError::new("broken pipe"));
        }
        self.inner.replace(key, expected, value, ttl).await
    }
    async fn remove(&self, key: &SessionKey) -> Result<Option<StoredRecord>, StoreError> {
        self.inner.remove(key).await
    }
    async fn spend(&self, marker: &Marker, ttl: Duration) -> Result<bool, StoreError> {
        self.inner.spend(marker, ttl).await
    }
    async fn is_spent(&self, marker: &Marker) -> Result<bool, StoreError> {
        self.inner.is_spent(marker).await
    }
    async fn enlist(
        &self,
        index: &IndexName,
        member: &Member,
        ttl: Duration,
        limit: usize,
    ) -> Result<Vec<Member>, StoreError> {
        self.inner.enlist(index, member, ttl, limit).await
    }
    async fn delist(&self, index: &IndexName, member: &Member) -> Result<(), StoreError> {
        self.inner.delist(index, member).await
    }
    async fn enlisted(&self, index: &IndexName) -> Result<Vec<Member>, StoreError> {
        self.inner.enlisted(index).await
    }
    async fn acquire(
        &self,
        key: &SessionKey,
        owner: &LeaseOwner,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        self.inner.acquire(key, owner, lease).await
    }
    async fn renew(&self, key: &SessionKey, owner: &LeaseOwner, lease: Duration) -> Result<bool, StoreError> {
        self.renewals.fetch_add(1, Ordering::SeqCst);
        self.inner.renew(key, owner, lease).await
    }
    async fn release(&self, key: &SessionKey, owner: &LeaseOwner) -> Result<(), StoreError> {
        self.inner.release(key, owner).await
    }
    async fn read_owed(&self, name: &OwedName) -> Result<Option<StoredRecord>, StoreError> {
        self.inner.read_owed(name).await
    }

    async fn write_owed(
        &self,
        name: &OwedName,
        expected: Option<Version>,
        write: Option<OwedWrite<'_>>,
    ) -> Result<bool, StoreError> {
        self.inner.write_owed(name, expected, write).await
    }

    async fn owed(&self, now: UnixSeconds, limit: usize) -> Result<Vec<OwedName>, StoreError> {
        self.inner.owed(now, limit).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}

pub(in crate::service) struct Stage {
    pub(in crate::service) clock: Arc<ManualClock>,
    pub(in crate::service) store: Arc<FailingStore>,
    pub(in crate::service) server: Arc<FakeServer>,
}

impl Stage {
    pub(in crate::service) fn new(server: Arc<FakeServer>) -> Self {
        Self::with_failing_writes(server, 0, false)
    }

    fn with_failing_writes(server: Arc<FakeServer>, failing: usize, applied: bool) -> Self {
        let clock = Arc::new(ManualClock::default());
        let inner = EmbeddedStore::in_memory(clock.clone()).unwrap();
        let renewals = AtomicUsize::new(0);
        let store = Arc::new(FailingStore { inner, failing_writes: failing.into(), renewals, applied });
        Self { clock, store, server }
    }

    /// One process of several over the same store.
    pub(in crate::service) fn replica(&self) -> Arc<Sessions> {
        self.replica_asking(&self.server)
    }

    /// One for which the provider behaves differently.
    fn replica_asking(&self, server: &Arc<FakeServer>) -> Arc<Sessions> {
        Arc::new(Sessions::new(SessionsParts {
            store: self.store.clone(),
            server: server.clone(),
            clients: clients(),
            codec: RecordCodec::new(Sealer::new(
                &KeyList::new([KeyMaterial::new((0..32).collect()).unwrap()]).unwrap(),
            )),
            lifetimes: lifetimes(),
            user_claims: vec!["email".into()],
            cookie: SessionCookie::new("s".into(), CookieKey::new(&[1; 32], &[2; 32]), Vec::new()),
            indexes: SessionIndexes::new([[3; 32]]),
            max_sessions_per_user: 100,
            revocation_delay: Duration::from_mins(5),
            clock: self.clock.clone(),
            entropy: Arc::new(SystemEntropy),
            tasks: Tasks::default(),
        }))
    }

    /// A session whose token `at-0` lasts 60 seconds and whose refresh token is `rt-0`.
    async fn session(&self, sessions: &Arc<Sessions>) -> SessionKey {
        self.session_of(sessions, None).await
    }

    pub(in crate::service) async fn session_of(
        &self,
        sessions: &Arc<Sessions>,
        identity: Option<Identity>,
    ) -> SessionKey {
        let login = Login {
            identity,
            issuer: "https://op.example",
            client: "app",
            nonce: "n".into(),
            claims: Map::new(),
            proof_key: None,
        };
        let tokens = TokenResponse::parse(tokens(0).to_string().as_bytes(), TokenType::Bearer).unwrap();
        let session = Session::begin(login, tokens, &lifetimes(), self.clock.now());
        let cookie = sessions.begin(&session, 0).await.unwrap();
        sessions.cookie().verify(cookie.as_bytes()).unwrap()
    }

    /// One process, and a session whose token has just expired.
    async fn with_expired_token(&self) -> (Arc<Sessions>, SessionKey) {
        let sessions = self.replica();
        let key = self.session(&sessions).await;
        self.clock.advance(60);
        (sessions, key)
    }
}

/// Asks for a token in a task of its own.
fn ask(
    sessions: &Arc<Sessions>,
    key: &SessionKey,
) -> tokio::task::JoinHandle<Result<UsableToken, SessionError>> {
    let (sessions, key) = (Arc::clone(sessions), key.clone());
    tokio::spawn(async move { sessions.access_token(&key).await })
}

fn lifetimes() -> Lifetimes {
    Lifetimes {
        absolute: Duration::from_hours(1),
        refresh_token: Duration::from_mins(30),
        refresh_token_field: None,
        idle: None,
        jitter: Duration::from_secs(7),
    }
}

fn tokens(generation: usize) -> Value {
    json!({
        "access_token": format!("at-{generation}"), "refresh_token": format!("rt-{generation}"),
        "token_type": "Bearer", "expires_in": 60,
    })
}

/// `at-1`, `at-2`, …
fn rotating() -> impl FnMut() -> Next + Send + 'static {
    let mut generation = 0;
    move || {
        generation += 1;
        Next::Tokens(tokens(generation))
    }
}

async fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen within a minute");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_088_sec_089_many_callers_on_two_replicas_share_one_refresh() {
    let stage = Stage::new(FakeServer::answering(rotating()));
    let replicas = [stage.replica(), stage.replica()];
    let key = stage.session(&replicas[0]).await;
    for round in 1..=20 {
        stage.clock.advance(60);
        let callers: Vec<_> = (0..100).map(|caller| ask(&replicas[caller % 2], &key)).collect();
        for caller in callers {
            let token = caller.await.unwrap().unwrap();
            assert_eq!(token.access_token().expose(), format!("at-{round}"));
        }
        assert_eq!(stage.server.refreshes(), round);
    }
}

#[tokio::test]
async fn a_refresh_presents_the_latest_refresh_token() {
    let stage = Stage::new(FakeServer::answering(rotating()));
    let sessions = stage.replica();
    let key = stage.session(&sessions).await;
    for _ in 0..3 {
        stage.clock.advance(60);
        sessions.access_token(&key).await.unwrap();
    }
    assert_eq!(*stage.server.presented.lock().unwrap(), ["rt-0", "rt-1", "rt-2"]);
}

#[tokio::test]
async fn sec_090_invalid_grant_ends_the_session() {
    let stage = Stage::new(FakeServer::answering(|| Next::InvalidGrant));
    let (sessions, key) = stage.with_expired_token().await;
    assert!(matches!(sessions.access_token(&key).await, Err(SessionError::NoSession)));
    assert!(stage.store.read(&key).await.unwrap().is_none());
}

#[tokio::test]
async fn sec_115_a_session_that_a_refresh_ends_leaves_its_indexes() {
    let stage = Stage::new(FakeServer::answering(|| Next::InvalidGrant));
    let sessions = stage.replica();
    let ada = Identity {
        issuer: "https://op.example".into(),
        subject: "ada".into(),
        provider_session: Some("s".into()),
        auth_time: None,
    };
    let key = stage.session_of(&sessions, Some(ada)).await;
    let (_, session) = sessions.read(&key).await.unwrap();
    let indexes = sessions.indexes.of_session(&session.kept);
    assert_eq!(indexes.len(), 2, "one of the user, one of the session at the provider: {indexes:?}");
    for index in &indexes {
        assert_eq!(stage.store.enlisted(index).await.unwrap().len(), 1);
    }
    stage.clock.advance(60);
    assert!(matches!(sessions.access_token(&key).await, Err(SessionError::NoSession)));
    for index in &indexes {
        assert_eq!(stage.store.enlisted(index).await.unwrap(), [], "{index:?}");
    }
}

#[tokio::test]
async fn sec_090_invalid_grant_for_a_token_that_was_replaced_meanwhile_does_not() {
    let stage = Stage::new(FakeServer::answering(|| Next::InvalidGrant));
    stage.server.gate.forget_permits(1_000);
    let (sessions, key) = stage.with_expired_token().await;
    let waiting = ask(&sessions, &key);
    until(|| stage.server.refreshes() == 1).await;
    let (record, session) = sessions.read(&key).await.unwrap();
    let newer = TokenResponse::parse(tokens(7).to_string().as_bytes(), TokenType::Bearer).unwrap();
    let newer = session.refreshed(newer, None, &lifetimes(), stage.clock.now());
    assert_eq!(
        sessions.write(&key, record.version, &session, &newer, &AtomicBool::new(false)).await.unwrap(),
        ReplaceOutcome::Replaced
    );
    stage.server.gate.add_permits(1);
    assert_eq!(waiting.await.unwrap().unwrap().access_token().expose(), "at-7");
    assert!(stage.store.read(&key).await.unwrap().is_some());
}

/// Asks again when the pause after a failure is over.
async fn ask_again(
    stage: &Stage,
    sessions: &Arc<Sessions>,
    key: &SessionKey,
) -> Result<UsableToken, SessionError> {
    tokio::time::advance(LONGEST_PAUSE).await;
    stage.clock.advance(LONGEST_PAUSE.as_secs());
    sessions.access_token(key).await
}

#[tokio::test(start_paused = true)]
async fn sec_091_a_doubtful_refusal_ends_the_session_when_it_has_come_three_times_in_a_minute_or_more() {
    let stage = Stage::new(FakeServer::answering(|| Next::Doubtful));
    let (sessions, key) = stage.with_expired_token().await;
    let first = sessions.access_token(&key).await;
    assert!(matches!(first, Err(SessionError::Provider(ref error)) if error.refused), "{first:?}");
    let second = ask_again(&stage, &sessions, &key).await;
    assert!(matches!(second, Err(SessionError::Provider(_))), "{second:?}");
    let third = ask_again(&stage, &sessions, &key).await;
    assert!(matches!(third, Err(SessionError::NoSession)), "{third:?}");
    assert!(stage.store.read(&key).await.unwrap().is_none());
    assert_eq!(stage.server.refreshes(), 3);
}

#[tokio::test(start_paused = true)]
async fn sec_091_doubtful_refusals_count_whichever_replica_gets_them() {
    let stage = Stage::new(FakeServer::answering(|| Next::Doubtful));
    let (first, key) = stage.with_expired_token().await;
    let (second, third) = (stage.replica(), stage.replica());
    assert!(matches!(first.access_token(&key).await, Err(SessionError::Provider(_))));
    assert!(matches!(ask_again(&stage, &second, &key).await, Err(SessionError::Provider(_))));
    assert!(matches!(ask_again(&stage, &third, &key).await, Err(SessionError::NoSession)));
}

#[tokio::test(start_paused = true)]
async fn sec_091_doubtful_refusals_that_come_fast_end_nothing() {
    let stage = Stage::new(FakeServer::answering(|| Next::Doubtful));
    let (sessions, key) = stage.with_expired_token().await;
    for _ in 0..10 {
        assert!(matches!(sessions.access_token(&key).await, Err(SessionError::Provider(_))));
        tokio::time::advance(LONGEST_PAUSE).await;
        stage.clock.advance(5);
    }
    assert_eq!(stage.server.refreshes(), 10);
    let (_, session) = sessions.read(&key).await.unwrap();
    assert_eq!(session.kept.doubts.unwrap().refusals, 2, "more need not be known");
    stage.clock.advance(60);
    assert!(matches!(ask_again(&stage, &sessions, &key).await, Err(SessionError::NoSession)));
}

#[tokio::test(start_paused = true)]
async fn sec_091_doubts_end_with_the_refresh_token_that_they_were_about() {
    let mut turn = 0;
    let stage = Stage::new(FakeServer::answering(move || {
        turn += 1;
        if turn == 3 { Next::Tokens(tokens(1)) } else { Next::Doubtful }
    }));
    let (sessions, key) = stage.with_expired_token().await;
    assert!(matches!(sessions.access_token(&key).await, Err(SessionError::Provider(_))));
    assert!(matches!(ask_again(&stage, &sessions, &key).await, Err(SessionError::Provider(_))));
    assert_eq!(ask_again(&stage, &sessions, &key).await.unwrap().access_token().expose(), "at-1");
    stage.clock.advance(60);
    assert!(matches!(ask_again(&stage, &sessions, &key).await, Err(SessionError::Provider(_))));
    assert!(matches!(ask_again(&stage, &sessions, &key).await, Err(SessionError::Provider(_))));
    assert!(matches!(ask_again(&stage, &sessions, &key).await, Err(SessionError::NoSession)));
}

#[tokio::test(start_paused = true)]
async fn sec_091_a_store_that_does_not_take_a_note_of_a_refusal_costs_nothing() {
    let stage = Stage::with_failing_writes(FakeServer::answering(|| Next::Doubtful), 1, false);
    let (sessions, key) = stage.with_expired_token().await;
    assert!(matches!(sessions.access_token(&key).await, Err(SessionError::Provider(_))));
    assert!(sessions.read(&key).await.unwrap().1.kept.doubts.is_none());
    for _ in 0..2 {
        assert!(matches!(ask_again(&stage, &sessions, &key).await, Err(SessionError::Provider(_))));
    }
    assert!(matches!(ask_again(&stage, &sessions, &key).await, Err(SessionError::NoSession)));
}

#[tokio::test]
async fn sec_091_a_server_that_is_down_costs_nobody_the_session() {
    let stage = Stage::new(FakeServer::answering(|| Next::Unavailable));
    let sessions = stage.replica();
    let key = stage.session(&sessions).await;
    stage.clock.advance(55);
    let still_valid = sessions.access_token(&key).await.unwrap();
    assert_eq!(still_valid.access_token().expose(), "at-0", "within the jitter the old token is good enough");
    stage.clock.advance(5);
    assert!(matches!(sessions.access_token(&key).await, Err(SessionError::Provider(_))));
    assert!(stage.store.read(&key).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn sec_099_a_session_whose_refresh_failed_does_not_hammer_the_server() {
    let stage = Stage::new(FakeServer::answering(|| Next::Unavailable));
    let (sessions, key) = stage.with_expired_token().await;
    for _ in 0..300 {
        let error = sessions.access_token(&key).await.unwrap_err();
        assert!(matches!(error, SessionError::Provider(_)), "{error}");
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let refreshes = stage.server.refreshes();
    assert!((5..=15).contains(&refreshes), "{refreshes} refreshes in five minutes");
}

#[tokio::test]
async fn sec_092_a_refresh_that_finishes_after_the_logout_brings_nothing_back() {
    let stage = Stage::new(FakeServer::answering(rotating()));
    stage.server.gate.forget_permits(1_000);
    let (sessions, key) = stage.with_expired_token().await;
    let waiting = ask(&sessions, &key);
    until(|| stage.server.refreshes() == 1).await;
    sessions.end(&key).await.unwrap();
    stage.server.gate.add_permits(1);
    assert!(matches!(waiting.await.unwrap(), Err(SessionError::NoSession)));
    assert!(stage.store.read(&key).await.unwrap().is_none());
    until(|| stage.server.revoked().contains(&"rt-1".to_owned())).await;
}

#[tokio::test]
async fn sec_093_a_caller_that_goes_away_does_not_take_the_new_tokens_with_it() {
    let stage = Stage::new(FakeServer::answering(rotating()));
    stage.server.gate.forget_permits(1_000);
    let (sessions, key) = stage.with_expired_token().await;
    let caller = ask(&sessions, &key);
    until(|| stage.server.refreshes() == 1).await;
    caller.abort();
    stage.server.gate.add_permits(1);
    let token = sessions.access_token(&key).await.unwrap();
    assert_eq!((token.access_token().expose(), stage.server.refreshes()), ("at-1", 1));
}

#[tokio::test]
async fn sec_094_a_rotated_refresh_token_is_kept_even_if_the_answer_is_no_use() {
    let mut first = true;
    let stage = Stage::new(FakeServer::answering(move || {
        if std::mem::take(&mut first) {
            Next::Tokens(json!({"access_token": "", "token_type": "Bearer", "refresh_token": "rt-1"}))
        } else {
            Next::Tokens(tokens(2))
        }
    }));
    let (sessions, key) = stage.with_expired_token().await;
    assert!(matches!(sessions.access_token(&key).await, Err(SessionError::Provider(_))));
    let (_, session) = sessions.read(&key).await.unwrap();
    assert_eq!(session.kept.refresh_token, Some(RefreshToken::parse("rt-1").unwrap()));
    sessions.refreshes.resume(&key);
    assert_eq!(sessions.access_token(&key).await.unwrap().access_token().expose(), "at-2");
}

#[tokio::test]
async fn whoever_comes_during_a_pause_is_told_what_the_first_was_told() {
    type Answer = fn() -> Next;
    type Case = (Answer, bool, u64, u64);
    let cases: [Case; 5] = [
        (|| Next::Doubtful, true, 1, 2),
        (|| Next::Unavailable, false, 1, 2),
        (|| Next::Busy(1), false, 1, 2),
        (|| Next::Busy(20), false, 19, 20),
        // The provider is asked again before, but nobody is told to come before.
        (|| Next::Busy(300), false, 299, 300),
    ];
    for (next, refused, least, most) in cases {
        let stage = Stage::new(FakeServer::answering(next));
        let (sessions, key) = stage.with_expired_token().await;
        for turn in 0..2 {
            let Err(SessionError::Provider(error)) = sessions.access_token(&key).await else {
                panic!("turn {turn}")
            };
            assert_eq!(error.refused, refused, "turn {turn}: {error}");
            let wait = error.retry_after.unwrap();
            let fits = Duration::from_secs(least)..=Duration::from_secs(most);
            assert!(fits.contains(&wait), "turn {turn}: {wait:?} after {error}");
        }
        assert_eq!(stage.server.refreshes(), 1, "the provider is asked once");
    }
}

#[tokio::test]
async fn new_tokens_are_stored_even_if_the_store_stumbles() {
    for applied in [false, true] {
        let stage = Stage::with_failing_writes(FakeServer::answering(rotating()), 2, applied);
        let (sessions, key) = stage.with_expired_token().await;
        assert_eq!(
            sessions.access_token(&key).await.unwrap().access_token().expose(),
            "at-1",
            "applied: {applied}"
        );
        let (_, session) = sessions.read(&key).await.unwrap();
        assert_eq!(session.kept.refresh_token.unwrap().expose(), "rt-1");
        assert_eq!(stage.server.refreshes(), 1);
        assert!(stage.server.revoked().is_empty(), "nothing of ours was thrown away");
    }
}

#[tokio::test]
async fn sec_060_two_users_never_get_each_others_token() {
    let stage = Stage::new(FakeServer::answering(rotating()));
    let sessions = stage.replica();
    let (ada, eve) = (stage.session(&sessions).await, stage.session(&sessions).await);
    stage.clock.advance(60);
    let (first, second) = tokio::join!(sessions.access_token(&ada), sessions.access_token(&eve));
    let (first, second) = (first.unwrap(), second.unwrap());
    let (first, second) = (first.access_token(), second.access_token());
    assert_ne!(first, second);
    assert_eq!(sessions.access_token(&ada).await.unwrap().access_token(), first);
    assert_eq!(sessions.access_token(&eve).await.unwrap().access_token(), second);
}

#[tokio::test]
async fn sec_134_a_key_that_is_not_known_yet_costs_nobody_the_session() {
    let stage = Stage::new(FakeServer::answering(|| {
        let mut tokens = tokens(1);
        tokens["id_token"] = json!("signed.with.another-key");
        Next::Tokens(tokens)
    }));
    let (sessions, key) = stage.with_expired_token().await;
    assert_eq!(sessions.access_token(&key).await.unwrap().access_token().expose(), "at-1");
    let (_, session) = sessions.read(&key).await.unwrap();
    assert!(session.kept.id_token.is_none(), "what cannot be checked is not kept");
    assert!(stage.server.revoked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_a_while_still_gets_the_new_tokens() {
    let stage = Stage::with_failing_writes(FakeServer::answering(rotating()), 11, false);
    let (sessions, key) = stage.with_expired_token().await;
    assert!(matches!(sessions.access_token(&key).await, Err(SessionError::Store(_))), "not yet");
    assert_eq!(sessions.access_token(&key).await.unwrap().access_token().expose(), "at-1");
    assert!(stage.server.revoked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn tokens_that_cannot_be_stored_are_revoked_when_their_session_ends() {
    let stage = Stage::with_failing_writes(FakeServer::answering(rotating()), 1_000, false);
    let (sessions, key) = stage.with_expired_token().await;
    let asked = Instant::now();
    assert!(matches!(sessions.access_token(&key).await, Err(SessionError::Store(_))));
    assert!(asked.elapsed() < Duration::from_secs(15), "nobody waits for as long as it takes");
    tokio::time::sleep(STORE_PATIENCE).await;
    assert!(stage.server.revoked().is_empty(), "the session may still live on that grant");
    sessions.end(&key).await.unwrap();
    until(|| stage.server.revoked().len() == 2).await;
    assert!(stage.server.revoked().contains(&"rt-1".to_owned()), "{:?}", stage.server.revoked());
}

#[tokio::test]
async fn sec_092_a_logout_revokes_what_a_refresh_stored_just_before() {
    let stage = Stage::new(FakeServer::answering(rotating()));
    let (sessions, key) = stage.with_expired_token().await;
    sessions.access_token(&key).await.unwrap();
    sessions.end(&key).await.unwrap();
    until(|| stage.server.revoked() == ["rt-1"]).await;
}

#[tokio::test(start_paused = true)]
async fn sec_088_a_lease_is_renewed_while_the_provider_takes_its_time() {
    let stage = Stage::new(FakeServer::answering(rotating()));
    stage.server.gate.forget_permits(1_000);
    let (sessions, key) = stage.with_expired_token().await;
    let waiting = ask(&sessions, &key);
    until(|| stage.server.refreshes() == 1).await;
    for renewals in 1..=5 {
        stage.clock.advance(2);
        until(|| stage.store.renewals.load(Ordering::SeqCst) == renewals).await;
    }
    let another = LeaseOwner([9; 16]);
    assert!(!stage.store.acquire(&key, &another, LEASE).await.unwrap(), "ten seconds later it is still held");
    stage.server.gate.add_permits(1);
    assert_eq!(waiting.await.unwrap().unwrap().access_token().expose(), "at-1");
    assert!(stage.store.acquire(&key, &another, LEASE).await.unwrap(), "it was given back");
}

#[tokio::test(start_paused = true)]
async fn sec_088_the_session_of_a_dead_replica_is_refreshed_by_another_within_its_patience() {
    let stage = Stage::new(FakeServer::answering(rotating()));
    let (sessions, key) = stage.with_expired_token().await;
    assert!(stage.store.acquire(&key, &LeaseOwner([9; 16]), LEASE).await.unwrap(), "whoever has it is dead");
    let waiting = ask(&sessions, &key);
    for _ in 0..LEASE.as_secs() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished(), "the lease is respected");
        stage.clock.advance(1);
    }
    assert_eq!(waiting.await.unwrap().unwrap().access_token().expose(), "at-1");
    assert_eq!(stage.server.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn sec_088_a_refresh_token_is_not_sent_under_a_lease_that_was_lost() {
    let stage = Stage::new(FakeServer::answering(rotating()));
    let late = FakeServer::answering(|| panic!("nothing is sent"));
    late.turns.forget_permits(1_000);
    let (sessions, paused) = (stage.replica(), stage.replica_asking(&late));
    let key = stage.session(&sessions).await;
    stage.clock.advance(60);
    let waiting = ask(&paused, &key);
    until(|| late.waiting.load(Ordering::SeqCst) == 1).await;
    stage.clock.advance(LEASE.as_secs());
    assert_eq!(sessions.access_token(&key).await.unwrap().access_token().expose(), "at-1");
    until(|| stage.store.renewals.load(Ordering::SeqCst) == 1).await;
    late.turns.add_permits(1);
    assert_eq!(waiting.await.unwrap().unwrap().access_token().expose(), "at-1", "the other's token is found");
    assert_eq!((late.refreshes(), stage.server.refreshes()), (0, 1));
}

#[tokio::test]
async fn sec_088_tokens_that_come_second_are_not_revoked_as_that_could_end_the_first_ones() {
    let stage = Stage::new(FakeServer::answering(rotating()));
    let slow = FakeServer::answering(|| Next::Tokens(tokens(7)));
    slow.gate.forget_permits(1_000);
    let (sessions, paused) = (stage.replica(), stage.replica_asking(&slow));
    let key = stage.session(&sessions).await;
    stage.clock.advance(60);
    let waiting = ask(&paused, &key);
    until(|| slow.refreshes() == 1).await;
    stage.clock.advance(LEASE.as_secs());
    assert_eq!(sessions.access_token(&key).await.unwrap().access_token().expose(), "at-1");
    slow.gate.add_permits(1);
    assert_eq!(waiting.await.unwrap().unwrap().access_token().expose(), "at-1");
    assert_eq!(paused.tasks.finish(Duration::from_secs(5)).await, 0);
    assert_eq!((slow.revoked(), stage.server.revoked()), (Vec::new(), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_still_good_is_handed_out_while_its_refresh_takes_long() {
    let stage = Stage::new(FakeServer::answering(rotating()));
    stage.server.gate.forget_permits(1_000);
    let sessions = stage.replica();
    let key = stage.session(&sessions).await;
    stage.clock.advance(54);
    let asked = Instant::now();
    assert_eq!(sessions.access_token(&key).await.unwrap().access_token().expose(), "at-0");
    assert!(asked.elapsed() < Duration::from_secs(3), "waited {:?}", asked.elapsed());
    assert_eq!(stage.server.refreshes(), 1, "it goes on without anybody waiting for it");
    stage.server.gate.add_permits(1);
    until(|| sessions.refreshes.flights.lock().unwrap().is_empty()).await;
    assert_eq!(sessions.access_token(&key).await.unwrap().access_token().expose(), "at-1");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expires_while_its_refresh_is_waited_for_is_not_handed_out() {
    let stage = Stage::new(FakeServer::answering(|| Next::Unavailable));
    stage.server.gate.forget_permits(1_000);
    let sessions = stage.replica();
    let key = stage.session(&sessions).await;
    stage.clock.advance(59);
    let waiting = ask(&sessions, &key);
    until(|| stage.server.refreshes() == 1).await;
    stage.clock.advance(1);
    stage.server.gate.add_permits(1);
    assert!(matches!(waiting.await.unwrap(), Err(SessionError::Provider(_))));
}
