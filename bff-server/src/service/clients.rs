//! The configured clients: which one a login, a session or a report belongs to.
//!
//! A client has a name of its own, since two of them may have the same `clientId` at different authorization
//! servers. Names are unique, and so are pairs of issuer and `clientId`.

use url::Url;

use crate::domain::{
    end_session::EndSessionParameters,
    expected_issuer::ExpectedIssuer,
    id_token::{Audience, NonceUse},
    login_options::LoginPolicy,
    logout_token::LogoutTokenExpiry,
    response_mode::ResponseMode,
    revocation::TokenGroup,
    session::Kept,
    user_info::UserInfoPolicy,
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
    /// `allowIdTokensWithoutNonce`.
    pub nonce_use: NonceUse,
    /// `userinfo` and `userinfoSubjectClaim`.
    pub user_info: UserInfoPolicy,
    /// `endSessionParameters`.
    pub end_session: EndSessionParameters,
    /// `responseMode`.
    pub response_mode: ResponseMode,
    /// Whether its server is Apple, which posts the user's name beside the code, unsigned.
    pub takes_unsigned_name: bool,
    /// `frontChannelLogout`.
    pub front_channel_logout: bool,
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

    /// The client of this name, if its provider may report logouts on the front channel. Without a name, the only client
    /// there is.
    pub fn of_front_channel(&self, name: Option<&str>) -> Option<&Client> {
        let named = match (name, self.clients.as_slice()) {
            (Some(name), clients) => clients.iter().find(|client| client.name == name),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        named.filter(|client| client.front_channel_logout)
    }

    /// Whether any provider may report logouts on the front channel.
    pub fn any_front_channel(&self) -> bool {
        self.clients.iter().any(|client| client.front_channel_logout)
    }

    /// The client that began a login.
    pub fn of_flow(&self, issuer: &str, client_id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.issuer == issuer && client.client_id == client_id)
    }

    /// The client that a session belongs to, at the session's own issuer: whatever is called the same elsewhere
    /// has nothing to do with its tokens. A session from before its client was named has the `clientId` where
    /// others have the name.
    pub fn of_session(&self, session: &Kept) -> Option<&Client> {
        self.of_name(&session.issuer, &session.client)
    }

    /// The client that tokens belong to, as of a [session](Self::of_session).
    pub fn of_group(&self, group: &TokenGroup) -> Option<&Client> {
        self.of_name(&group.issuer, &group.client)
    }

    fn of_name(&self, issuer: &str, name: &str) -> Option<&Client> {
        let mut at_its_issuer = self
            .clients
            .iter()
            .filter(|client| client.id_token_issuer.admits(issuer) || client.issuer == issuer);
        let named = at_its_issuer.clone().find(|client| client.name == name);
        named.or_else(|| at_its_issuer.find(|client| client.client_id == name))
    }

    /// The clients whose tokens may carry this issuer.
    pub fn of_issuer<'a>(&'a self, issuer: &'a str) -> impl Iterator<Item = &'a Client> {
        self.clients.iter().filter(move |client| client.id_token_issuer.admits(issuer))
    }

    /// The issuers that users of these clients may come from, each once. `None` where any tenant's may.
    pub fn known_issuers(&self) -> Option<Vec<String>> {
        let mut issuers = Vec::new();
        for client in &self.clients {
            issuers.extend(client.id_token_issuer.known()?);
            issuers.push(client.issuer.clone());
        }
        issuers.sort_unstable();
        issuers.dedup();
        Some(issuers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{expected_issuer::AllowedTenants, time::UnixSeconds, user_info::UserInfoUse};

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
            nonce_use: NonceUse::Required,
            user_info: UserInfoPolicy { usage: UserInfoUse::Never, subject_claim: "sub".into() },
            end_session: EndSessionParameters::default(),
            response_mode: ResponseMode::Query,
            takes_unsigned_name: false,
            front_channel_logout: false,
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
            doubts: None,
        }
    }

    #[test]
    fn a_session_finds_its_client_by_name_and_an_older_one_by_client_id_and_issuer() {
        let clients =
            Clients::new(vec![client("a", "app", "https://a"), client("app", "app", "https://b")], 0);
        let found = |name, issuer| clients.of_session(&session(name, issuer)).map(|it| it.issuer.as_str());
        assert_eq!(found("a", "https://a"), Some("https://a"));
        assert_eq!(found("app", "https://b"), Some("https://b"));
        assert_eq!(found("app", "https://a"), Some("https://a"), "from before it was named");
        assert_eq!(found("gone", "https://a"), None);
    }

    #[test]
    fn sec_049_a_session_belongs_to_no_client_at_another_issuer() {
        let found = |clients: Vec<Client>, issuer| {
            Clients::new(clients, 0).of_session(&session("app", issuer)).map(|it| it.issuer.clone())
        };
        assert_eq!(found(vec![client("app", "app", "https://new")], "https://old"), None, "it has moved");
        let (ours, theirs) = ("11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555");
        let of_tenants = |tenants: &str| {
            let listed = AllowedTenants::Listed(vec![tenants.to_owned()]);
            let mut client = client("app", "app", "https://login/{tenantid}");
            client.id_token_issuer = ExpectedIssuer::of_tenant("https://login/{tenantid}", listed).unwrap();
            vec![client]
        };
        let issuer = format!("https://login/{ours}");
        assert!(found(of_tenants(ours), &issuer).is_some());
        assert_eq!(found(of_tenants(theirs), &issuer), None, "its tenant is not allowed any more");
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
