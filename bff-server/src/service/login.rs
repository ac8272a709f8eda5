//! Logging in: to the authorization server and back (RFC 6749 §4.1, OpenID Connect Core 1.0 §3.1).

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};
use url::Url;

use super::{
    clients::{Client, Clients},
    revocation::Others,
    sessions::{SessionError, Sessions},
    tasks::Tasks,
};
use crate::{
    domain::{
        authorization_request::authorization_request,
        credential::{AuthorizationCode, IdToken},
        dpop::{HeldToken, ProofKey},
        id_token::{Expected, IdTokenRefusal, Identity},
        login_flow::{self, Again, FlowMismatch, FlowPurpose, FlowSecrets, LoginFlow},
        login_options::LoginOptions,
        parameters::{AuthorizationError, AuthorizationOutcome, AuthorizationResponse},
        response_mode::ResponseMode,
        return_url::ReturnUrls,
        revocation::{Bond, RevocableToken, TokenGroup},
        scope,
        session::{Login, Session},
        session_id::SessionKey,
        token_response::TokenResponse,
    },
    ports::{
        AuthorizationServer, Clock, Entropy, EntropyFailure, Grant, GrantError, Marker, ProviderError,
        SessionStore, StoreError, TokenOrigin, TokenVerificationError, UserInfoError,
    },
};

/// A request to log in.
pub struct LoginRequest {
    /// The client to use, if one is named.
    pub client: Option<String>,
    /// Where in the app to go afterwards.
    pub return_to: Url,
    /// The session that this browser has.
    pub previous_session: Option<SessionKey>,
    /// What the app asks for besides.
    pub options: LoginOptions,
    /// Whether one of the app's own pages asks.
    pub from_the_app: bool,
}

/// Why a login cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// `client` names none of the configured clients.
    #[error("no such client is configured")]
    UnknownClient,
    /// The authorization server cannot be used.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyFailure),
}

/// Why a login did not end in a session.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// The answer does not belong to the flow.
    #[error(transparent)]
    Mismatch(#[from] FlowMismatch),
    /// RFC 9207: somebody else's answer.
    #[error("the response's `iss` is missing or is not the authorization server the login was started at")]
    Issuer,
    /// The flow was answered before.
    #[error("this login has been finished before")]
    Spent,
    /// The provider, or the user there, said no.
    #[error("the authorization server refused the login")]
    Refused(AuthorizationError),
    /// The authentication is not one of those that were asked for (RFC 9470 §4).
    #[error("the ID token's `acr` is none of the `acr_values` that were asked for")]
    TooWeak,
    /// The user should have authenticated again, and the provider did not ask (OpenID Connect Core 1.0 §3.1.2.1, `max_age`).
    #[error(
        "the ID token's `auth_time` is missing or older than `max_age` allows: the provider did not ask the user again"
    )]
    NotAskedAgain,
    /// Somebody else has logged in where the user of a session was to do so more strongly.
    #[error("the user who logged in is not the one whose session asked for a stronger login")]
    OtherUser,
    /// The code is not accepted.
    #[error("the authorization server did not accept its own code ({0})")]
    Code(String),
    /// The answer to the code is not what it must be.
    #[error("the authorization server's tokens are not acceptable: {0}")]
    Tokens(String),
    /// The provider, the store or we ourselves are in trouble.
    #[error(transparent)]
    Trouble(SessionError),
}

impl From<SessionError> for FinishError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::NoSession => Self::Tokens("the user logged out at the provider meanwhile".into()),
            trouble => Self::Trouble(trouble),
        }
    }
}

impl From<StoreError> for FinishError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl From<ProviderError> for FinishError {
    fn from(error: ProviderError) -> Self {
        Self::Trouble(error.into())
    }
}

impl From<TokenVerificationError> for FinishError {
    fn from(error: TokenVerificationError) -> Self {
        match error {
            TokenVerificationError::Unavailable(error) => error.into(),
            TokenVerificationError::Refused(why) | TokenVerificationError::Undecided(why) => {
                Self::Tokens(why)
            }
            unknown @ TokenVerificationError::UnknownKey => Self::Tokens(unknown.to_string()),
        }
    }
}

impl From<UserInfoError> for FinishError {
    fn from(error: UserInfoError) -> Self {
        match error {
            UserInfoError::Unavailable(error) => error.into(),
            refused @ UserInfoError::Refused(_) => Self::Tokens(refused.to_string()),
        }
    }
}

/// A login that has begun: where to send the browser, and what it must bring back.
pub struct Begun {
    /// The authorization request.
    pub location: Url,
    /// To be sealed into the flow's cookie.
    pub flow: LoginFlow,
    /// How the answer will come, and so which cookie it needs.
    pub response_mode: ResponseMode,
}

/// A login that has succeeded.
pub struct Finished {
    /// The new session cookie's value.
    pub cookie_value: String,
    /// The most that the session can last.
    pub ends_in: Duration,
    /// Where the app wanted to go.
    pub return_to: Url,
}

/// Where a login leads, and from where.
struct Purpose {
    return_to: Url,
    previous_session: Option<SessionKey>,
    again: Again,
}

/// See the [module](self).
pub struct Logins {
    clients: Arc<Clients>,
    return_urls: ReturnUrls,
    sessions: Arc<Sessions>,
    store: Arc<dyn SessionStore>,
    server: Arc<dyn AuthorizationServer>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    tasks: Tasks,
}

impl Logins {
    /// Logins of the sessions' clients.
    pub fn new(return_urls: ReturnUrls, sessions: Arc<Sessions>, tasks: Tasks) -> Self {
        Self {
            clients: Arc::clone(&sessions.clients),
            return_urls,
            store: Arc::clone(&sessions.store),
            server: Arc::clone(&sessions.server),
            clock: Arc::clone(&sessions.clock),
            entropy: Arc::clone(&sessions.entropy),
            sessions,
            tasks,
        }
    }

    /// Begins a login. Nothing is stored: the flow travels in a cookie.
    pub async fn begin(&self, request: LoginRequest) -> Result<Begun, BeginError> {
        let client = self.clients.selected(request.client.as_deref()).ok_or(BeginError::UnknownClient)?;
        let options = request.options.under(&client.policy, request.from_the_app);
        let again = Again::with(options.pairs(), &request.return_to);
        let purpose =
            Purpose { return_to: request.return_to, previous_session: request.previous_session, again };
        self.send_off(client, &options, purpose).await
    }

    /// Begins a login again that the provider has forgotten, as it was. `None` if it may not.
    pub async fn begin_again(&self, forgotten: &LoginFlow) -> Option<Result<Begun, BeginError>> {
        let Again::With(asked) = &forgotten.again else { return None };
        let client = self.clients.of_flow(&forgotten.issuer, &forgotten.client_id)?;
        let purpose = Purpose {
            return_to: Url::parse(&forgotten.return_to).ok()?,
            previous_session: forgotten.previous_session.clone(),
            again: Again::No,
        };
        let begun = self.send_off(client, &LoginOptions::of_pairs(asked), purpose).await;
        Some(begun.map(|mut begun| {
            begun.flow.turns = forgotten.turns;
            begun.flow.from_another_site = forgotten.from_another_site;
            begun.flow.purpose = forgotten.purpose;
            begun
        }))
    }

    async fn send_off(
        &self,
        client: &Client,
        options: &LoginOptions,
        purpose: Purpose,
    ) -> Result<Begun, BeginError> {
        let further = options.added_to(&client.extra);
        let mut flow = LoginFlow::begin(
            FlowSecrets {
                state: self.entropy.random_256()?,
                nonce: self.entropy.random_256()?,
                verifier: self.entropy.random_256()?,
            },
            FlowPurpose {
                issuer: client.issuer.clone(),
                client_id: client.client_id.clone(),
                redirect_uri: client.redirect_uri.clone(),
                return_to: purpose.return_to,
                previous_session: purpose.previous_session,
                demands: options.demands(&further, &client.policy),
                proof_key: if client.dpop { Some(self.new_proof_key()?) } else { None },
            },
            self.clock.now(),
        );
        flow.again = purpose.again;
        let parameters = authorization_request(&flow, &client.scope, client.response_mode, further);
        let location = self.server.authorization_url(&client.name, &parameters).await?;
        Ok(Begun { location, flow, response_mode: client.response_mode })
    }

    fn new_proof_key(&self) -> Result<ProofKey, EntropyFailure> {
        // That a random value is no key is rarer than a lightning strike; that two are, a broken source.
        for _ in 0..2 {
            if let Some(key) = ProofKey::from_random(self.entropy.random_256()?) {
                return Ok(key);
            }
        }
        Err(EntropyFailure)
    }

    /// Finishes a login with the answer of the authorization server. Runs to its end even if the browser
    /// goes away: tokens that were issued are stored or revoked, never lost.
    pub async fn finish(
        self: &Arc<Self>,
        flow: LoginFlow,
        response: AuthorizationResponse,
        presented_session: Option<SessionKey>,
    ) -> Result<Finished, FinishError> {
        let logins = Arc::clone(self);
        let task =
            self.tasks.spawn(async move { logins.finish_alone(&flow, response, presented_session).await });
        task.await.unwrap_or_else(|error| {
            Err(FinishError::Trouble(SessionError::Internal(error.to_string().into())))
        })
    }

    async fn finish_alone(
        &self,
        flow: &LoginFlow,
        response: AuthorizationResponse,
        presented_session: Option<SessionKey>,
    ) -> Result<Finished, FinishError> {
        flow.check(&response.state, self.clock.now())?;
        let client = self.clients.of_flow(&flow.issuer, &flow.client_id).ok_or_else(|| {
            FinishError::Trouble(SessionError::Internal(
                "the flow's client is not configured any more".into(),
            ))
        })?;
        let metadata = self.server.metadata(&client.name).await?;
        // One answer per flow, whatever it says, on whichever replica.
        let marker = Marker(login_flow::flow_name(&response.state));
        let remember = flow.remaining(self.clock.now()) + Duration::from_mins(1);
        if !self.store.spend(&marker, remember).await? {
            return Err(FinishError::Spent);
        }
        let issuer_fits = match &response.issuer {
            Some(issuer) => *issuer == flow.issuer || client.id_token_issuer.is_tenants(issuer),
            // An error without it ends the login that it belongs to by its `state`, which nobody but the server that was
            // asked has been told. It brings nothing, so nobody can pass anything off by it.
            None => !metadata.sends_issuer_in_response || response.is_error(),
        };
        if !issuer_fits {
            return Err(FinishError::Issuer);
        }
        let code = match response.outcome {
            AuthorizationOutcome::Code(code) => code,
            AuthorizationOutcome::Error(error) => return Err(FinishError::Refused(error)),
        };
        // The allow-list may have changed since the flow began, and the cookie is only as good as its key.
        let return_to = self
            .return_urls
            .accept(&flow.return_to)
            .unwrap_or_else(|_| self.return_urls.default_page().clone());
        let mut replaced: Vec<_> = flow.previous_session.iter().cloned().chain(presented_session).collect();
        replaced.dedup();
        let others = if replaced.is_empty() { Others::Unlikely } else { Others::Possible };
        let tokens = self.exchange(flow, client, &code).await?;
        let mut session = self.validate(flow, client, &code, tokens, response.display_name).await?;
        // A tenant answers by a name of its own, which its ID token must then carry too (RFC 9207 §2.4).
        if response.issuer.is_some_and(|it| it != flow.issuer && it != session.kept.issuer) {
            self.sessions.owe_session_soon(None, &session, others);
            return Err(FinishError::Issuer);
        }
        if session.kept.subject.is_none() {
            self.joins_the_login_before(&mut session, &replaced).await;
        }
        if let Err(error) = self.continues_its_user(flow, &session).await {
            self.sessions.owe_session_soon(None, &session, others);
            return Err(error);
        }
        let cookie_value = match self.sessions.begin(&session, replaced.len()).await {
            Ok(cookie_value) => cookie_value,
            Err(error) => {
                self.sessions.owe_session_soon(None, &session, others);
                return Err(error.into());
            }
        };
        for old in &replaced {
            if let Err(error) = self.sessions.end(old).await {
                tracing::warn!(session = %old, %error, "the session before this login could not be ended");
            }
        }
        Ok(Finished { cookie_value, ends_in: self.sessions.lifetimes.absolute, return_to })
    }

    /// Where nobody says who logs in, nobody knows either whether the provider made another grant of it: a session that
    /// replaces others in a browser belongs to their [group](Bond::Login).
    async fn joins_the_login_before(&self, session: &mut Session, replaced: &[SessionKey]) {
        for key in replaced {
            if let Ok((_, before)) = self.sessions.read(key).await
                && before.kept.subject.is_none()
                && before.kept.issuer == session.kept.issuer
                && before.kept.client == session.kept.client
            {
                session.kept.nonce = before.kept.nonce;
                return;
            }
        }
    }

    /// The group of tokens that do not become a session: as far as their own ID token says, which need not be true to be a
    /// reason to wait; or else that of the session that this browser had.
    async fn group_of_nobody(
        &self,
        flow: &LoginFlow,
        client: &Client,
        id_token: Option<&IdToken>,
    ) -> TokenGroup {
        let group = |issuer: String, bond| TokenGroup { issuer, client: client.name.clone(), bond };
        let claimed = id_token.and_then(IdToken::claimed_identity);
        if let Some(claimed) = claimed.filter(|it| client.id_token_issuer.admits(&it.issuer)) {
            let subject = claimed.subject;
            return group(
                claimed.issuer,
                claimed.provider_session.map_or(Bond::Subject(subject), Bond::ProviderSession),
            );
        }
        if let Some(previous) = &flow.previous_session
            && let Ok((_, before)) = self.sessions.read(previous).await
        {
            let before = self.sessions.group_of(&before);
            if before.client == client.name {
                return before;
            }
        }
        group(client.issuer.clone(), Bond::Login(flow.nonce()))
    }

    /// A session that asked for a stronger login is replaced by one of the same user, or stays as it is.
    async fn continues_its_user(&self, flow: &LoginFlow, session: &Session) -> Result<(), FinishError> {
        let Some(previous) = flow.previous_session.as_ref().filter(|_| flow.demands.same_user) else {
            return Ok(());
        };
        match self.sessions.read(previous).await {
            Ok((_, before)) => {
                // Where nobody knows who they are, two users are not the same one.
                let user =
                    |session: &Session| Some((session.kept.issuer.clone(), session.kept.subject.clone()?));
                let same = user(session).is_some_and(|now| user(&before) == Some(now));
                if same { Ok(()) } else { Err(FinishError::OtherUser) }
            }
            // It has ended meanwhile: there is nobody whose place could be taken.
            Err(SessionError::NoSession) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sent once: a second use of a code makes a good server revoke what the first one brought.
    async fn exchange(
        &self,
        flow: &LoginFlow,
        client: &Client,
        code: &AuthorizationCode,
    ) -> Result<TokenResponse, FinishError> {
        let grant = Grant::AuthorizationCode {
            code,
            code_verifier: &flow.code_verifier(),
            redirect_uri: &flow.redirect_uri,
        };
        match self.server.redeem(&client.name, grant, flow.proof_key.as_ref()).await {
            Ok(tokens) => Ok(tokens),
            Err(GrantError::Invalid(said)) => Err(FinishError::Code(said)),
            Err(GrantError::Doubtful(error) | GrantError::Unavailable(error)) => Err(error.into()),
            Err(GrantError::Unusable(answer)) => {
                if let Some(token) = answer.refresh_token.clone() {
                    let group = self.group_of_nobody(flow, client, None).await;
                    let token = RevocableToken::Refresh(token);
                    self.sessions.owe_soon(group, None, token, flow.proof_key.clone(), Others::Possible);
                }
                Err(FinishError::Tokens(answer.to_string()))
            }
        }
    }

    /// Nothing of the tokens is used before the ID token has passed every check.
    async fn validate(
        &self,
        flow: &LoginFlow,
        client: &Client,
        code: &AuthorizationCode,
        tokens: TokenResponse,
        display_name: Option<String>,
    ) -> Result<Session, FinishError> {
        let now = self.clock.now();
        let wants_id_token = scope::contains_openid(&client.scope);
        // One that was not asked for is not checked, and good for nothing.
        let tokens = if wants_id_token { tokens } else { tokens.without_id_token() };
        let outcome = if wants_id_token {
            self.user_of_id_token(flow, client, code, &tokens)
                .await
                .map(|(identity, claims)| (Some(identity), claims))
        } else {
            let user = self.sessions.user_without_id_token(client, held(flow, &tokens)).await;
            user.map_err(FinishError::from)
        };
        match outcome {
            Ok((identity, mut claims)) => {
                if let Some(name) = display_name.filter(|_| client.takes_unsigned_name) {
                    self.sessions.add_unsigned_name(&mut claims, name.into());
                }
                let login = Login {
                    identity,
                    issuer: &client.issuer,
                    client: &client.name,
                    nonce: flow.nonce(),
                    claims,
                    proof_key: flow.proof_key.clone(),
                };
                Ok(Session::begin(login, tokens, &self.sessions.lifetimes, now))
            }
            Err(error) => {
                let group = self.group_of_nobody(flow, client, tokens.id_token.as_ref()).await;
                let token = RevocableToken::of_answer(&tokens);
                self.sessions.owe_soon(group, None, token, flow.proof_key.clone(), Others::Possible);
                Err(error)
            }
        }
    }

    async fn user_of_id_token(
        &self,
        flow: &LoginFlow,
        client: &Client,
        code: &AuthorizationCode,
        tokens: &TokenResponse,
    ) -> Result<(Identity, Map<String, Value>), FinishError> {
        let id_token = tokens.id_token.as_ref().ok_or_else(|| {
            FinishError::Tokens(match &tokens.unusable_id_token {
                Some(reason) => reason.to_string(),
                None => "there is no ID token, although `openid` was requested".to_owned(),
            })
        })?;
        let signed = self.server.verify(&client.name, id_token, TokenOrigin::TokenEndpoint).await?;
        let now = self.clock.now();
        let expected = Expected {
            issuer: &client.id_token_issuer,
            audience: client.audience(),
            nonce: &flow.nonce(),
            nonce_use: client.nonce_use,
            code,
            max_age: flow.demands.max_age_now(flow.created_at, now),
        };
        let identity =
            signed.validate(&expected, &tokens.access_token, now).map_err(|refusal| match refusal {
                IdTokenRefusal::AuthTime if expected.max_age.is_some() => FinishError::NotAskedAgain,
                refusal => FinishError::Tokens(format!("the ID token is refused: {refusal}")),
            })?;
        if !flow.demands.are_met_by(signed.claims.get("acr").and_then(Value::as_str)) {
            return Err(FinishError::TooWeak);
        }
        let claims = self.sessions.claims_of(client, &identity, &signed.claims, held(flow, tokens)).await?;
        Ok((identity, claims))
    }
}

fn held<'a>(flow: &'a LoginFlow, tokens: &'a TokenResponse) -> HeldToken<'a> {
    HeldToken { access_token: &tokens.access_token, proof_key: flow.proof_key.as_ref() }
}
