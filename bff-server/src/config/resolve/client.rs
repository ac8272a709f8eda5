//! `client`: our clients, each at its authorization server.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::{
    Notes, issuer, requests,
    values::{lifetime, text_secret, web_url},
};
use crate::{
    adapters::oidc::{
        Algorithm, AuthenticationMethod, ClientAuthentication, ClientCredentials, HmacAlgorithm,
        MIN_HMAC_SECRET_BYTES, MetadataSource, RotatingSecret, SigningAlgorithm, SigningKey, SigningKeyError,
    },
    config::{
        ClientConfig, IssuerConfig, ProviderConfig,
        file::{ClientEntry, ClientSection, CredentialsSection},
        leniency::trimmed,
        secret::SecretSource,
    },
    domain::{
        authorization_request::PROTOCOL_PARAMETERS,
        end_session::{EndSessionParameters, EndSessionValue},
        redirect_uri,
        response_mode::ResponseMode,
        scope,
        token_response::{ASSUMED_LIFETIME_SECS, lenient_seconds},
        user_info::{UserInfoPolicy, UserInfoUse},
    },
};

/// What `/login?client=…` can carry.
const MAX_NAME_BYTES: usize = 256;

pub(super) fn provider(mut section: ClientSection, notes: &mut Notes) -> ProviderConfig {
    let list = section.clients.take();
    let inline = inline(section);
    let mut provider = ProviderConfig { issuers: Vec::new(), clients: Vec::new(), default_client: 0 };
    match list {
        None => {
            let issuer = issuer::described("client", &inline, notes);
            let algorithms = id_token_algorithms("client", &inline, notes);
            provider.clients.extend(client("client", inline, &issuer, &algorithms, notes));
            provider.issuers.push(issuer);
        }
        Some(list) => {
            refuse_inline(&inline, notes);
            if list.is_empty() {
                notes.problem("client.clients", "the list is empty", "add at least one client");
            }
            several(list, &inline, &mut provider, notes);
        }
    }
    provider
}

fn several(list: Vec<ClientEntry>, inline: &ClientEntry, provider: &mut ProviderConfig, notes: &mut Notes) {
    let shared = (inline.issuer.is_some() || list.is_empty() || list.iter().any(|it| it.issuer.is_none()))
        .then(|| issuer::described("client", inline, notes));
    if shared.is_none() {
        issuer::describes_nothing("client", inline, notes);
    }
    let mut default = None;
    for (i, entry) in list.into_iter().enumerate() {
        let key = format!("client.clients[{i}]");
        let own = entry.issuer.is_some() || entry.id_token_signing_algorithms.is_some();
        let algorithms = if own {
            id_token_algorithms(&key, &entry, notes)
        } else {
            id_token_algorithms("client", inline, notes)
        };
        let issuer = match &shared {
            Some(shared) if entry.issuer.is_none() => {
                issuer::describes_nothing(&key, &entry, notes);
                shared.clone()
            }
            _ => issuer::described(&key, &entry, notes),
        };
        match provider.issuers.iter().find(|it| it.issuer == issuer.issuer) {
            None => provider.issuers.push(issuer.clone()),
            Some(known) if *known == issuer => {}
            Some(_) => notes.problem(
                &format!("{key}.issuer"),
                "the same issuer is described differently elsewhere",
                "describe it once, in client, and leave it out here; or give all its clients the same description",
            ),
        }
        let is_default = entry.default == Some(true);
        let Some(client) = client(&key, entry, &issuer, &algorithms, notes) else { continue };
        if client.front_channel_logout && !requests::is_path_segment(&client.name) {
            notes.problem(
                &format!("{key}.frontChannelLogout"),
                format!(
                    "the client is called {:?}, which cannot stand in the path that its provider loads",
                    client.name
                ),
                "give it a `name` of letters, digits, hyphens and underscores",
            );
        }
        for other in &provider.clients {
            refuse_confusion(&key, other, &client, notes);
        }
        if is_default && default.replace(provider.clients.len()).is_some() {
            notes.problem(
                "client.clients",
                "several clients have `default: true`",
                "leave it at one of them",
            );
        }
        provider.clients.push(client);
    }
    provider.default_client = default.unwrap_or(0);
}

/// Two clients that could be taken for each other.
fn refuse_confusion(key: &str, other: &ClientConfig, client: &ClientConfig, notes: &mut Notes) {
    if other.issuer == client.issuer && other.client_id == client.client_id {
        notes.problem(
            &format!("{key}.clientId"),
            "another client has the same clientId",
            "list each client once",
        );
    } else if other.name == client.name {
        notes.problem(
            &format!("{key}.name"),
            format!("another client is called {:?} too, by its name or clientId", client.name),
            "give this one a name of its own, for /login?client=… and for its sessions",
        );
    }
    // RFC 9700 §4.4.2: otherwise one server can pass another's code off as its own.
    if other.issuer != client.issuer
        && redirect_uri::are_alike(other.redirect_uri.path(), client.redirect_uri.path())
    {
        notes.problem(
            &format!("{key}.redirect_uri"),
            format!(
                "nobody can tell whose answer comes back to it: {:?}, at another issuer, has one that differs in \
                 nothing that counts, which is the path after /oauth/callback",
                other.name
            ),
            "end each in a segment of its own, such as …/oauth/callback/name, and register that at the provider",
        );
    }
    // One `sub` may be another's login name: an index of the issuer's users would mix them up.
    if other.issuer == client.issuer
        && let (Some(theirs), Some(ours)) = (other.subject_claim(), client.subject_claim())
        && theirs != ours
    {
        notes.problem(
            &format!("{key}.scope"),
            format!(
                "its users are identified by `{ours}`, and those of {:?} at the same issuer by `{theirs}`",
                other.name
            ),
            "ask for `openid` in both or in neither, and give both the same userinfoSubjectClaim",
        );
    }
}

/// With a list, a client inline would be one too many.
fn refuse_inline(inline: &ClientEntry, notes: &mut Notes) {
    if inline.client_id.is_some() || inline.redirect_uri.is_some() || inline.credentials.is_some() {
        notes.problem(
            "client.clients",
            "there are both `clients` and a client inline",
            "move the inline client's settings into an entry of `clients`",
        );
    }
    for (name, set) in [
        ("name", inline.name.is_some()),
        ("allowedTenants", inline.allowed_tenants.is_some()),
        ("idTokenFurtherAudiences", !inline.id_token_further_audiences.is_empty()),
        ("endSessionParameters", inline.end_session_parameters.is_some()),
        ("userinfo", inline.userinfo.is_some()),
        ("userinfoSubjectClaim", inline.userinfo_subject_claim.is_some()),
        ("accessTokenExpirationSecs", inline.access_token_expiration_secs.is_some()),
        ("responseMode", inline.response_mode.is_some()),
        ("frontChannelLogout", inline.front_channel_logout),
    ] {
        if set {
            notes.problem(
                &format!("client.{name}"),
                "it belongs to one client, and there are several",
                "move it into an entry of `clients`",
            );
        }
    }
}

/// What a client needs of an authorization server about which nothing more can be learned.
fn refuse_incomplete(
    key: &str,
    issuer: &IssuerConfig,
    openid: bool,
    user_info: &UserInfoPolicy,
    notes: &mut Notes,
) {
    if issuer.metadata != MetadataSource::Configuration {
        return;
    }
    for (name, member, needed, fix) in [
        (
            "jwks",
            "jwks_uri",
            openid,
            "give the URL of the provider's keys, with which ID tokens are checked; or ask for no `openid`",
        ),
        (
            "userinfo",
            "userinfo_endpoint",
            user_info.usage != UserInfoUse::Never,
            "give the URL that answers a user's claims, or set userinfo to never",
        ),
    ] {
        let key = format!("{key}.endpoints.{name}");
        if needed && !issuer.endpoints.contains_key(member) && !notes.has(&key) {
            notes.missing(&key, fix);
        }
    }
}

fn inline(section: ClientSection) -> ClientEntry {
    ClientEntry {
        issuer: section.issuer,
        issuer_metadata_segment: section.issuer_metadata_segment,
        metadata_url: section.metadata_url,
        endpoints: section.endpoints,
        allow_insecure_http: section.allow_insecure_http,
        allow_logout_tokens_without_exp: section.allow_logout_tokens_without_exp,
        allow_id_tokens_without_nonce: section.allow_id_tokens_without_nonce,
        max_id_token_bytes: section.max_id_token_bytes,
        id_token_signing_algorithms: section.id_token_signing_algorithms,
        name: section.name,
        client_id: section.client_id,
        redirect_uri: section.redirect_uri,
        credentials: section.credentials,
        scope: section.scope,
        extra: section.extra,
        default: section.default,
        id_token_validation_issuer: section.id_token_validation_issuer,
        allowed_tenants: section.allowed_tenants,
        id_token_further_audiences: section.id_token_further_audiences,
        post_logout_redirect_uri: section.post_logout_redirect_uri,
        end_session_parameters: section.end_session_parameters,
        userinfo: section.userinfo,
        userinfo_subject_claim: section.userinfo_subject_claim,
        access_token_expiration_secs: section.access_token_expiration_secs,
        preferred_token_endpoint_auth_method: section.preferred_token_endpoint_auth_method,
        preferred_token_endpoint_signing_algorithm: section.preferred_token_endpoint_signing_algorithm,
        login_parameters: section.login_parameters,
        login_parameters_from: section.login_parameters_from,
        require_acr: section.require_acr,
        pushed_authorization_requests: section.pushed_authorization_requests,
        request_object_signing_algorithm: section.request_object_signing_algorithm,
        response_mode: section.response_mode,
        front_channel_logout: section.front_channel_logout,
        dpop: section.dpop,
    }
}

/// What a client is called.
fn name(key: &str, name: Option<&str>, client_id: &str, notes: &mut Notes) -> String {
    let Some(name) = name else { return client_id.to_owned() };
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        notes.problem(
            &format!("{key}.name"),
            format!("it is empty, longer than {MAX_NAME_BYTES} bytes, or has control characters"),
            "give a short name, such as staff",
        );
    }
    name.to_owned()
}

/// The algorithms of ID tokens, and which of them, by its key, needs a shared secret.
struct IdTokenAlgorithms {
    list: Option<Vec<Algorithm>>,
    symmetric: Option<String>,
}

fn id_token_algorithms(key: &str, entry: &ClientEntry, notes: &mut Notes) -> IdTokenAlgorithms {
    let key = format!("{key}.idTokenSigningAlgorithms");
    let mut algorithms = IdTokenAlgorithms { list: None, symmetric: None };
    let Some(names) = &entry.id_token_signing_algorithms else { return algorithms };
    let mut list = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let key = format!("{key}[{i}]");
        match name.parse() {
            Ok(algorithm) => {
                list.push(algorithm);
                if matches!(algorithm, Algorithm::Secret(_)) {
                    algorithms.symmetric = Some(key);
                }
            }
            // Several clients may share the list.
            Err(_) if notes.has(&key) => {}
            Err(_) => notes.problem(
                &key,
                format!("{name:?} is not a signature algorithm that can be accepted"),
                "use RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA; HS256 to HS512 only if the \
                 provider signs with the client secret",
            ),
        }
    }
    if names.is_empty() && !notes.has(&key) {
        notes.problem(
            &key,
            "the list is empty",
            "name at least one algorithm, or leave the key out for those that the provider announces",
        );
    }
    algorithms.list = Some(list);
    algorithms
}

/// A client id may be a Secret, whose white space is its own, but nobody registers one with blanks around it.
fn without_blanks(key: &str, text: String, notes: &mut Notes) -> String {
    let inner = trimmed(&text);
    if inner.len() == text.len() {
        return text;
    }
    notes.remark([format!("{key}: the white space around the value was ignored")]);
    inner.to_owned()
}

fn redirect_uri(key: &str, text: Option<&str>, notes: &mut Notes) -> Option<Url> {
    let Some(text) = text else {
        notes.missing(
            key,
            "give this server's public callback, such as https://app.example.com/bff/oauth/callback, and \
             register the same URL at the provider",
        );
        return None;
    };
    let url = web_url(key, text, notes)?;
    if url.fragment().is_some() {
        notes.problem(key, "it has a fragment", "remove the # and what follows (RFC 6749 §3.1.2)");
    }
    Some(url)
}

fn client(
    key: &str,
    entry: ClientEntry,
    issuer: &IssuerConfig,
    algorithms: &IdTokenAlgorithms,
    notes: &mut Notes,
) -> Option<ClientConfig> {
    let at = |name: &str| format!("{key}.{name}");
    let login_policy = requests::login_policy(&at, &entry, notes);
    let id_token_issuer = issuer::of_id_tokens(key, &entry, &issuer.issuer, notes);
    let client_id = if let Some(source) = entry.client_id {
        text_secret(&at("clientId"), &source, notes).map(|text| without_blanks(&at("clientId"), text, notes))
    } else {
        notes.missing(&at("clientId"), "give the client id that the provider registered");
        None
    };
    let redirect_uri = redirect_uri(&at("redirect_uri"), entry.redirect_uri.as_deref(), notes);
    let response_mode =
        requests::response_mode(&at, entry.response_mode.as_deref(), redirect_uri.as_ref(), notes);
    let authentication = authentication(
        key,
        entry.credentials,
        entry.preferred_token_endpoint_auth_method.as_deref(),
        entry.preferred_token_endpoint_signing_algorithm.as_deref(),
        notes,
    );
    refuse_symmetric_without_secret(algorithms, authentication.as_ref(), notes);
    // RFC 6749 §3.3.
    let of_a_scope =
        |byte: u8| byte.is_ascii_whitespace() || (byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
    if !entry.scope.iter().flat_map(|it| it.bytes()).all(of_a_scope) {
        notes.problem(
            &at("scope"),
            "it has a character that no scope has",
            "write ASCII names separated by spaces, without quotes and backslashes",
        );
    }
    if entry.id_token_validation_issuer.as_deref() == Some("") {
        notes.problem(
            &at("idTokenValidationIssuer"),
            "it is empty",
            "give the `iss` of the provider's ID tokens, or leave it out where it is the issuer",
        );
    }
    let extra = extra_parameters(&at("extra"), entry.extra, notes);
    let requests = requests::style(
        &at,
        entry.pushed_authorization_requests.as_deref(),
        entry.request_object_signing_algorithm.as_deref(),
        authentication.as_ref().map(|it| &it.credentials),
        notes,
    );
    let scope = entry.scope.unwrap_or_default().split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let post_logout_redirect_uri = entry
        .post_logout_redirect_uri
        .as_deref()
        .and_then(|text| web_url(&at("postLogoutRedirectUri"), text, notes));
    for (i, audience) in entry.id_token_further_audiences.iter().enumerate() {
        if audience.is_empty() {
            let fix = "write what stands in the token's `aud`, or remove it";
            notes.problem(&format!("{key}.idTokenFurtherAudiences[{i}]"), "it is empty", fix);
        }
    }
    let end_session = end_session(
        &at("endSessionParameters"),
        entry.end_session_parameters.as_ref(),
        entry.post_logout_redirect_uri.is_some(),
        notes,
    );
    let openid = scope::contains_openid(&scope);
    let user_info = user_info(key, entry.userinfo.as_deref(), entry.userinfo_subject_claim, openid, notes);
    let issuer_key = if entry.issuer.is_some() { key } else { "client" };
    refuse_incomplete(issuer_key, issuer, openid, &user_info, notes);
    requests::front_channel(&at, entry.front_channel_logout, openid, &id_token_issuer, notes);
    let credentials = authentication.as_ref().map(|it| &it.credentials);
    refuse_apple_by_query(&at("responseMode"), response_mode, credentials, &scope, notes);
    let assumed_token_lifetime = lifetime(
        &at("accessTokenExpirationSecs"),
        entry.access_token_expiration_secs,
        ASSUMED_LIFETIME_SECS,
        notes,
    );
    let client_id = client_id?;
    Some(ClientConfig {
        name: name(key, entry.name.as_deref(), &client_id, notes),
        client_id,
        issuer: issuer.issuer.clone(),
        redirect_uri: redirect_uri?,
        authentication: authentication?,
        scope,
        extra,
        login_policy,
        dpop: entry.dpop,
        requests,
        response_mode,
        front_channel_logout: entry.front_channel_logout,
        id_token_algorithms: algorithms.list.clone(),
        id_token_issuer,
        further_audiences: entry.id_token_further_audiences,
        post_logout_redirect_uri,
        end_session,
        user_info,
        assumed_token_lifetime,
    })
}

fn preferred_method(key: &str, name: Option<&str>, notes: &mut Notes) -> Option<AuthenticationMethod> {
    let name = name?;
    let known = [
        AuthenticationMethod::ClientSecretBasic,
        AuthenticationMethod::ClientSecretPost,
        AuthenticationMethod::ClientSecretJwt,
        AuthenticationMethod::PrivateKeyJwt,
        AuthenticationMethod::None,
    ];
    let found = known.into_iter().find(|it| it.name() == name);
    if found.is_none() {
        notes.problem(
            key,
            format!("{name:?} is not a client authentication method"),
            "use client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt or none",
        );
    }
    found
}

fn authentication(
    key: &str,
    section: Option<CredentialsSection>,
    method: Option<&str>,
    algorithm: Option<&str>,
    notes: &mut Notes,
) -> Option<ClientAuthentication> {
    let at = |name: &str| format!("{key}.{name}");
    let preferred = preferred_method(&at("preferredTokenEndpointAuthMethod"), method, notes);
    let algorithm_key = at("preferredTokenEndpointSigningAlgorithm");
    let signing = algorithm.and_then(SigningAlgorithm::from_name);
    let symmetric = algorithm.and_then(|name| HmacAlgorithm::ALL.into_iter().find(|it| it.name() == name));
    if let (Some(name), None, None) = (algorithm, signing, symmetric) {
        notes.problem(
            &algorithm_key,
            format!("{name:?} is not a signing algorithm"),
            "use HS, RS, PS or ES with 256, 384 or 512, or EdDSA",
        );
    }
    let section = section.unwrap_or_default();
    if section.kid.as_deref() == Some("") {
        notes.problem(
            &at("credentials.kid"),
            "it is empty",
            "give the key's id at the provider, or leave it out",
        );
    }
    let credentials_key = at("credentials");
    if let Some(team_id) = section.team_id {
        let apple = AppleCredentials {
            team_id,
            kid: section.kid,
            private_key: section.private_key,
            has_secret: section.secret.is_some(),
        };
        return apples_secret(&at, apple, preferred, algorithm, notes);
    }
    let credentials = match (section.secret, section.private_key) {
        (Some(source), None) => text_secret(&at("credentials.secret"), &source, notes).map(|secret| {
            let reread = move || source.resolve_text(&mut Vec::new()).ok();
            ClientCredentials::Secret(RotatingSecret::new(secret.into(), reread))
        }),
        (None, Some(source)) => {
            let key = at("credentials.privateKey");
            let text = Zeroizing::new(text_secret(&key, &source, notes)?);
            if let Some(symmetric) = symmetric {
                notes.problem(
                    &algorithm_key,
                    format!("{} signs with a secret, but there is a private key", symmetric.name()),
                    "leave it out for the usual algorithm of the key, or name one that fits the key",
                );
            }
            match SigningKey::parse(&text, signing, section.kid) {
                Ok(signing_key) => Some(ClientCredentials::PrivateKey(Arc::new(signing_key))),
                Err(error) => {
                    let fix = match error {
                        SigningKeyError::OtherAlgorithm(_) => {
                            format!("leave {algorithm_key} out, or set it to an algorithm of the key's kind")
                        }
                        _ => "give a private key as PEM or JWK, for example from `openssl genpkey -algorithm ed25519`"
                            .to_owned(),
                    };
                    notes.problem(&key, error.to_string(), fix);
                    None
                }
            }
        }
        (None, None) if preferred == Some(AuthenticationMethod::None) => Some(ClientCredentials::Public),
        (None, None) => {
            notes.missing(
                &credentials_key,
                "give `secret` or `privateKey`; for a public client, set preferredTokenEndpointAuthMethod to none",
            );
            None
        }
        (Some(_), Some(_)) => {
            notes.problem(&credentials_key, "there are both `secret` and `privateKey`", "leave one of them");
            None
        }
    }?;
    let fits = match (preferred, &credentials) {
        (None | Some(AuthenticationMethod::None), _) => true,
        (Some(AuthenticationMethod::PrivateKeyJwt), it) => matches!(it, ClientCredentials::PrivateKey(_)),
        (Some(_), it) => matches!(it, ClientCredentials::Secret(_)),
    };
    if !fits {
        notes.problem(
            &at("preferredTokenEndpointAuthMethod"),
            format!(
                "{} does not go with these credentials",
                preferred.map_or("", AuthenticationMethod::name)
            ),
            "use private_key_jwt with `privateKey`, and the client_secret methods with `secret`",
        );
    }
    let secret_algorithm = symmetric.unwrap_or(HmacAlgorithm::Hs256);
    Some(ClientAuthentication { credentials, preferred, secret_algorithm })
}

/// An HS algorithm is keyed with the client secret.
fn refuse_symmetric_without_secret(
    algorithms: &IdTokenAlgorithms,
    authentication: Option<&ClientAuthentication>,
    notes: &mut Notes,
) {
    let has_hmac_key = authentication.is_none_or(|it| match &it.credentials {
        ClientCredentials::Secret(secret) => secret.current().len() >= MIN_HMAC_SECRET_BYTES,
        ClientCredentials::PrivateKey(_)
        | ClientCredentials::SignedSecret { .. }
        | ClientCredentials::Public => false,
    });
    if let Some(symmetric) = algorithms.symmetric.as_deref().filter(|it| !has_hmac_key && !notes.has(it)) {
        notes.problem(
            symmetric,
            format!("an HS algorithm needs a client secret of at least {MIN_HMAC_SECRET_BYTES} bytes for every client"),
            "let the provider sign with RS256 or another algorithm with public keys",
        );
    }
}

/// Apple answers requests for a name or an email address by `form_post` alone.
fn refuse_apple_by_query(
    key: &str,
    mode: ResponseMode,
    credentials: Option<&ClientCredentials>,
    scope: &str,
    notes: &mut Notes,
) {
    let is_apple = matches!(credentials, Some(ClientCredentials::SignedSecret { .. }));
    let asks = scope.split(' ').any(|it| it == "name" || it == "email");
    if is_apple && asks && mode == ResponseMode::Query && !notes.has(key) {
        let problem = "Apple answers requests for `name` or `email` by form_post alone";
        notes.problem(key, problem, "set responseMode to form_post");
    }
}

/// What Apple gives a developer.
struct AppleCredentials {
    team_id: String,
    kid: Option<String>,
    private_key: Option<SecretSource>,
    has_secret: bool,
}

/// `credentials` with `teamId`: the client secret is signed, by the one algorithm that Apple takes.
fn apples_secret(
    at: &impl Fn(&str) -> String,
    apple: AppleCredentials,
    preferred: Option<AuthenticationMethod>,
    algorithm: Option<&str>,
    notes: &mut Notes,
) -> Option<ClientAuthentication> {
    let team_key = at("credentials.teamId");
    let problems = notes.problems.0.len();
    if apple.team_id.is_empty() || !apple.team_id.bytes().all(|it| it.is_ascii_alphanumeric()) {
        notes.problem(
            &team_key,
            "it is not a team id of Apple's",
            "give the ten letters and digits that Apple's developer account shows as Team ID",
        );
    } else if apple.has_secret {
        notes.problem(
            &team_key,
            "there is `secret` too, but with a team id the secret is made from the private key",
            "remove `secret`, and give `privateKey` and `kid`",
        );
    }
    if preferred.is_some_and(|it| it != AuthenticationMethod::ClientSecretPost) {
        notes.problem(
            &at("preferredTokenEndpointAuthMethod"),
            "Apple takes the signed secret by client_secret_post alone",
            "leave it out",
        );
    }
    if algorithm.is_some_and(|it| it != SigningAlgorithm::Es256.name()) {
        notes.problem(
            &at("preferredTokenEndpointSigningAlgorithm"),
            "Apple takes client secrets that are signed with ES256 alone",
            "leave it out",
        );
    }
    if apple.kid.is_none() {
        notes.missing(&at("credentials.kid"), "give the ten letters and digits that Apple shows as Key ID");
    }
    let key = at("credentials.privateKey");
    let Some(source) = apple.private_key else {
        if !apple.has_secret {
            notes.missing(&key, "give the private key of the .p8 file that Apple let you download");
        }
        return None;
    };
    let text = Zeroizing::new(text_secret(&key, &source, notes)?);
    let signing_key = match SigningKey::parse(&text, Some(SigningAlgorithm::Es256), apple.kid) {
        Ok(signing_key) => signing_key,
        Err(error) => {
            notes.problem(
                &key,
                error.to_string(),
                "give the .p8 file that Apple let you download, as it is: a P-256 key in PEM",
            );
            return None;
        }
    };
    let credentials = ClientCredentials::SignedSecret { key: Arc::new(signing_key), team_id: apple.team_id };
    (notes.problems.0.len() == problems).then_some(ClientAuthentication {
        credentials,
        preferred,
        secret_algorithm: HmacAlgorithm::Hs256,
    })
}

fn end_session(
    key: &str,
    parameters: Option<&BTreeMap<String, String>>,
    comes_back: bool,
    notes: &mut Notes,
) -> EndSessionParameters {
    let Some(parameters) = parameters else { return EndSessionParameters::default() };
    let mut values = Vec::new();
    for (name, text) in parameters {
        let at = format!("{key}.{name}");
        match EndSessionValue::parse(text) {
            None => notes.problem(
                &at,
                "it has a placeholder that there is none of, or text beside one",
                "use {client_id}, {id_token_hint}, {post_logout_redirect_uri} or {state} alone, or plain text",
            ),
            Some(EndSessionValue::PostLogoutRedirectUri) if !comes_back => notes.problem(
                &at,
                "there is no postLogoutRedirectUri to put in",
                "set postLogoutRedirectUri beside it",
            ),
            Some(value) => values.push((name.clone(), value)),
        }
    }
    EndSessionParameters(values)
}

fn user_info(
    key: &str,
    usage: Option<&str>,
    subject_claim: Option<String>,
    openid: bool,
    notes: &mut Notes,
) -> UserInfoPolicy {
    let usage = match usage {
        None | Some("never") => UserInfoUse::Never,
        Some("whenMissing") => UserInfoUse::WhenMissing,
        Some("always") => UserInfoUse::Always,
        Some(other) => {
            let problem = format!("{other:?} does not say when");
            notes.problem(&format!("{key}.userinfo"), problem, "use never, whenMissing or always");
            UserInfoUse::Never
        }
    };
    let claim_key = format!("{key}.userinfoSubjectClaim");
    match &subject_claim {
        Some(claim) if claim.is_empty() => notes.problem(
            &claim_key,
            "it is empty",
            "name the claim that identifies a user for good, such as id",
        ),
        Some(_) if openid => notes.problem(
            &claim_key,
            "with `openid` in the scope, the ID token's `sub` identifies the user",
            "remove it",
        ),
        Some(_) if usage == UserInfoUse::Never => notes.problem(
            &claim_key,
            "nobody asks the userinfo endpoint",
            "set userinfo to always, or remove it",
        ),
        _ => {}
    }
    UserInfoPolicy { usage, subject_claim: subject_claim.unwrap_or_else(|| "sub".to_owned()) }
}

fn extra_parameters(key: &str, extra: BTreeMap<String, Value>, notes: &mut Notes) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    for (name, value) in extra {
        let at = format!("{key}.{name}");
        if PROTOCOL_PARAMETERS.contains(&name.as_str()) {
            let fix = match name.as_str() {
                "response_mode" => {
                    "remove it from `extra`; for answers by form_post, set `responseMode` of the client"
                }
                _ => "remove it from `extra`",
            };
            notes.problem(&at, "this parameter is set by the protocol", fix);
            continue;
        }
        if name == "max_age" && lenient_seconds(&value).is_none() {
            notes.problem(&at, "it is not a number of seconds", "write a whole number, such as 3600");
        }
        match value {
            // In the form in which it is sent, and compared on return.
            value if name == "max_age" => {
                parameters.extend(lenient_seconds(&value).map(|seconds| (name, seconds.to_string())));
            }
            Value::String(text) => parameters.push((name, text)),
            Value::Number(number) => parameters.push((name, number.to_string())),
            Value::Bool(flag) => parameters.push((name, flag.to_string())),
            // RFC 8707 §2: the one parameter that may be repeated.
            Value::Array(list) if name == "resource" && list.iter().all(Value::is_string) => {
                parameters
                    .extend(list.iter().filter_map(Value::as_str).map(|it| (name.clone(), it.to_owned())));
            }
            _ => notes.problem(
                &at,
                "it is neither text nor a number",
                "write a string; only `resource` may be a list of strings",
            ),
        }
    }
    parameters
}
