//! The configured clients: which one a login, a session or a report belongs to.
//!
//! A client has a name of its own, since two of them may have the same `clientId` at different authorization
//! servers. Names are unique, and so are pairs of issuer and `clientId`.

use url::Url;

use crate::{
    domain::{
        end_session::EndSessionParameters, expected_issuer::ExpectedIssuer, id_token::Audience,
        login_options::LoginPolicy, logout_token::LogoutTokenExpiry, session::Kept,
        user_info::UserInfoPolicy,
    },
    ports::ProviderError,
};

/// One of the configured clients.
#[derive(Clone, Debug)]
pub struct Client {
    /// `name`, or `clientId`.
    pub name: String,
    /// `clientId`.
    pub client_id: String,
    /// The issuer of its authorization server.
    pub issuer: String,
    /// `redirect_uri`.
    pub redirect_uri: String,
    /// `scope`.
    pub scope: String,
    /// `extra`.
    pub extra: Vec<(String, String)>,
    /// The issuer its ID tokens carry: the metadata's, or `idTokenValidationIssuer`.
    pub id_token_issuer: ExpectedIssuer,
    /// `idTokenFurtherAudiences`.
    pub further_audiences: Vec<String>,
    /// `loginParameters`, `loginParametersFrom` and `requireAcr`.
    pub policy: LoginPolicy,
    /// `dpop`.
    pub dpop: bool,
    /// `postLogoutRedirectUri`.
    pub post_logout_redirect_uri: Option<Url>,
    /// `allowLogoutTokensWithoutExp`.
    pub logout_token_expiry: LogoutTokenExpiry,
    /// `userinfo` and `userinfoSubjectClaim`.
    pub user_info: UserInfoPolicy,
    /// `endSessionParameters`.
    pub end_session: EndSessionParameters,
}

impl Client {
    /// Whom its ID tokens may be for.
    pub fn audience(&self) -> Audience<'_> {
        Audience { client_id: &self.client_id, further: &self.further_audiences }
    }
}

/// All of them.
#[derive(Debug)]
pub struct Clients {
    clients: Vec<Client>,
    default: usize,
}

impl Clients {
    /// `default` is the index of the client to use when none is named.
    pub fn new(clients: Vec<Client>, default: usize) -> Self {
        Self { clients, default }
    }

    /// The client that a login asks for.
    pub fn selected(&self, name: Option<&str>) -> Option<&Client> {
        match name {
            Some(name) => self.clients.iter().find(|client| client.name == name),
            None => self.clients.get(self.default),
        }
    }

    /// The client that began a login.
    pub fn of_flow(&self, issuer: &str, client_id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.issuer == issuer && client.client_id == client_id)
    }

    /// The client that a session belongs to. A session from before its client was named has the `clientId`
    /// where others have the name.
    pub fn of_session(&self, session: &Kept) -> Result<&Client, ProviderError> {
        let is_its_own = |client: &&Client| {
            client.id_token_issuer.admits(&session.issuer) || client.issuer == session.issuer
        };
        let named = self.clients.iter().find(|client| client.name == session.client);
        named
            .filter(is_its_own)
            .or_else(|| {
                let by_id = |client: &&Client| client.client_id == session.client;
                self.clients.iter().filter(by_id).find(is_its_own)
            })
            // The issuer may have been renamed, which is for the provider's next ID token to show.
            .or(named)
            .ok_or_else(|| ProviderError::new("the session's client is not configured any more"))
    }

    /// The clients whose tokens may carry this issuer.
    pub fn of_issuer<'a>(&'a self, issuer: &'a str) -> impl Iterator<Item = &'a Client> {
        self.clients.iter().filter(move |client| client.id_token_issuer.admits(issuer))
    }

    /// The issuers that users of these clients may come from, each once.
    pub fn known_issuers(&self) -> Vec<String> {
        let issuers = self.clients.iter().flat_map(|client| {
            let mut known = client.id_token_issuer.known();
            known.push(client.issuer.clone());
            known
        });
        let mut issuers: Vec<_> = issuers.collect();
        issuers.sort_unstable();
        issuers.dedup();
        issuers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{time::UnixSeconds, user_info::UserInfoUse};

    fn client(name: &str, client_id: &str, issuer: &str) -> Client {
        Client {
            name: name.into(),
            client_id: client_id.into(),
            issuer: issuer.into(),
            redirect_uri: format!("https://app.example/oauth/callback/{name}"),
            scope: "openid".into(),
            extra: Vec::new(),
            id_token_issuer: ExpectedIssuer::Exactly(issuer.into()),
            further_audiences: Vec::new(),
            policy: LoginPolicy::default(),
            dpop: false,
            post_logout_redirect_uri: None,
            logout_token_expiry: LogoutTokenExpiry::Required,
            user_info: UserInfoPolicy { usage: UserInfoUse::Never, subject_claim: "sub".into() },
            end_session: EndSessionParameters::default(),
        }
    }

    fn session(client: &str, issuer: &str) -> Kept {
        Kept {
            issuer: issuer.into(),
            subject: None,
            provider_session: None,
            auth_time: None,
            nonce: String::new(),
            client: client.into(),
            refresh_token: None,
            id_token: None,
            scope: None,
            created_at: UnixSeconds::new(0),
        }
    }

    #[test]
    fn a_session_finds_its_client_by_name_and_an_older_one_by_client_id_and_issuer() {
        let clients =
            Clients::new(vec![client("a", "app", "https://a"), client("app", "app", "https://b")], 0);
        let found =
            |name, issuer| clients.of_session(&session(name, issuer)).map(|it| it.issuer.clone()).ok();
        assert_eq!(found("a", "https://a").as_deref(), Some("https://a"));
        assert_eq!(found("app", "https://b").as_deref(), Some("https://b"));
        assert_eq!(found("app", "https://a").as_deref(), Some("https://a"), "from before it was named");
        assert_eq!(found("gone", "https://a"), None);
    }

    #[test]
    fn a_login_finds_the_client_that_began_it() {
        let clients = Clients::new(vec![client("a", "app", "https://a"), client("b", "app", "https://b")], 1);
        assert_eq!(clients.selected(None).unwrap().name, "b");
        assert_eq!(clients.selected(Some("a")).unwrap().name, "a");
        assert!(clients.selected(Some("app")).is_none(), "that is not a name");
        assert_eq!(clients.of_flow("https://a", "app").unwrap().name, "a");
        assert!(clients.of_flow("https://c", "app").is_none());
    }
}
