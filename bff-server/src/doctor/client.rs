//! A client of ours: whether the provider knows it as it is configured.

use url::Url;

use super::{
    dry_request::{self, Answer},
    finding::{Area, Finding, Notes},
    provider::fix,
};
use crate::{
    adapters::{
        SystemClock, SystemEntropy,
        oidc::{AuthenticationMethod, OidcProvider, Page, PushedRequests},
    },
    config::{ClientConfig, Config},
    domain::{
        authorization_request::authorization_request,
        credential::AuthorizationCode,
        dpop::ProofKey,
        end_session::EndSession,
        login_flow::{FlowPurpose, FlowSecrets, LoginFlow},
        login_options::LoginOptions,
        metadata::ProviderMetadata,
        response_mode::ResponseMode,
    },
    ports::{AuthorizationServer as _, Clock as _, Entropy, Grant, GrantError, ProviderError},
};

pub(super) async fn examine(
    config: &Config,
    provider: &OidcProvider,
    metadata: &ProviderMetadata,
    client: &ClientConfig,
) -> Vec<Finding> {
    let mut notes = Notes::new(Area::Client, Some(&client.name));
    method(provider, metadata, client, &mut notes);
    response_mode(metadata, client, &mut notes);
    front_channel(config, metadata, client, &mut notes);
    let known = credentials(provider, client, &mut notes).await;
    redirect_uri(config, provider, metadata, client, known, &mut notes).await;
    logout(provider, metadata, client, &mut notes).await;
    notes.finish()
}

pub(super) async fn credentials_alone(provider: &OidcProvider, client: &ClientConfig) -> Vec<Finding> {
    let mut notes = Notes::new(Area::Client, Some(&client.name));
    credentials(provider, client, &mut notes).await;
    notes.finish()
}

fn method(provider: &OidcProvider, metadata: &ProviderMetadata, client: &ClientConfig, notes: &mut Notes) {
    let Ok(method) = provider.authentication_method(&client.name, metadata) else { return };
    let name = method.name();
    match &metadata.token_endpoint_auth_methods {
        Some(supported) if !supported.iter().any(|it| it == name) => notes.notice(
            "client.authentication",
            format!(
                "it authenticates by {name}, but the provider's metadata lists only {}",
                supported.iter().map(|it| dry_request::printable(it)).collect::<Vec<_>>().join(", ")
            ),
            "set preferredTokenEndpointAuthMethod to one of those, with the credentials that it needs",
        ),
        _ if method == AuthenticationMethod::None => notes.notice(
            "client.authentication",
            "it is a public client: nothing but PKCE protects its codes",
            "register it as a confidential client, and configure its secret or private key: this server can keep one",
        ),
        _ => notes.good("client.authentication", format!("it authenticates by {name}")),
    }
}

/// Whether answers can come the way they are asked for.
fn response_mode(metadata: &ProviderMetadata, client: &ClientConfig, notes: &mut Notes) {
    let mode = client.response_mode;
    if mode == ResponseMode::default() {
        return;
    }
    let check = "client.response-mode";
    match &metadata.response_modes {
        Some(modes) if !modes.iter().any(|it| it == mode.name()) => notes.notice(
            check,
            format!("it asks for answers by {}, which the provider's metadata does not list", mode.name()),
            "see the provider's documentation, or leave responseMode out",
        ),
        _ => notes.good(check, format!("it asks for answers by {}", mode.name())),
    }
}

/// Which URL to register, and whether the provider will say which session is meant.
fn front_channel(config: &Config, metadata: &ProviderMetadata, client: &ClientConfig, notes: &mut Notes) {
    if !client.front_channel_logout {
        return;
    }
    let check = "client.front-channel-logout";
    let url = config.front_channel_logout_url(client);
    match metadata.front_channel_names_session {
        Some(false) => notes.notice(
            check,
            "the provider's metadata says that its front-channel logouts do not name the session (`sid`): they will be \
             refused, since nothing else says whose it is",
            "use back-channel logout, or set frontChannelLogout to false",
        ),
        _ => notes.good(
            check,
            format!("the provider may report logouts at {url}; register that as its front-channel logout URL, with `sid`"),
        ),
    }
}

/// Whether the client's credentials are taken. A code that the provider never issued is `invalid_grant` to a client
/// that it knows, and `invalid_client` to one that it does not (RFC 6749 §5.2). `false` only for the latter.
async fn credentials(provider: &OidcProvider, client: &ClientConfig, notes: &mut Notes) -> bool {
    let check = "client.credentials";
    let Ok(code) = AuthorizationCode::parse("authtool-check-no-such-code") else { return true };
    let verifier = "authtool-check-".repeat(4);
    let redirect_uri = client.redirect_uri.as_str();
    let grant = Grant::AuthorizationCode { code: &code, code_verifier: &verifier, redirect_uri };
    match provider.redeem(&client.name, grant, proof_key(client).as_ref()).await {
        Err(GrantError::Invalid(_)) => notes.good(check, "the provider takes its credentials"),
        Err(error) => return refused_credentials(&error.to_string(), check, notes),
        Ok(_) => notes.bad(
            check,
            "the provider gave tokens for a code that it never issued",
            "do not use this provider for anything that matters",
        ),
    }
    true
}

/// What a refusal says about the client, which is often nothing. `false` only where it is about the credentials.
fn refused_credentials(error: &str, check: &'static str, notes: &mut Notes) -> bool {
    let says = |words: &[&str]| words.iter().any(|it| error.contains(it));
    if says(&["invalid_client", "unauthorized_client", "incorrect_client_credentials", "answered 401"]) {
        notes.bad(
            check,
            format!("the provider does not seem to take its credentials: {error}"),
            "compare clientId and credentials with the registration (no line break, nothing URL-encoded, not expired), \
             and preferredTokenEndpointAuthMethod with what it allows",
        );
        return false;
    }
    if says(&["answered 404", "answered 405", "answered 410"]) {
        notes.bad(
            check,
            format!("there seems to be no token endpoint where the metadata has it: {error}"),
            "compare token_endpoint in the metadata, or in client.endpoints, with the provider's documentation",
        );
    } else if says(&["answered 4", "answered 2", "answered 3", "cannot be used: the token endpoint"]) {
        notes.notice(
            check,
            format!("the provider's answer does not tell whether it takes the credentials: {error}"),
            "log in once: if the code is refused, the log says in whose words. A page instead of JSON (HTML) may come from a \
             firewall or proxy before the provider",
        );
    } else {
        notes.bad(
            check,
            format!("the provider could not be asked whether it takes the credentials: {error}"),
            fix(&ProviderError::new(error)),
        );
    }
    true
}

fn proof_key(client: &ClientConfig) -> Option<ProofKey> {
    let entropy: &dyn Entropy = &SystemEntropy;
    client.dpop.then(|| entropy.random_256().ok().and_then(ProofKey::from_random)).flatten()
}

/// Asks for a login that is not to bother anybody, and sees what becomes of it.
async fn redirect_uri(
    config: &Config,
    provider: &OidcProvider,
    metadata: &ProviderMetadata,
    client: &ClientConfig,
    known: bool,
    notes: &mut Notes,
) {
    let check = "client.redirect-uri";
    let ours = &client.redirect_uri;
    let asked = match request(config, client, ours) {
        Ok(parameters) => match ask(provider, client, &parameters).await {
            // Pushed requests are refused without a word on why. In the query there may be one.
            Err(error) if error.refused && may_be_plain(metadata, client) => {
                let page = provider.look_at(&in_query(metadata, &parameters)).await;
                match page.map(|page| dry_request::judge(&page, ours)) {
                    Ok(Answer::Accepted | Answer::Trouble | Answer::Unclear) | Err(_) => Err(error),
                    Ok(answer) => Ok(answer),
                }
            }
            Err(error) => Err(error),
            Ok(page) => match dry_request::judge(&page, ours) {
                Answer::Unclear => return compare_with_control(config, provider, client, &page, notes).await,
                answer => Ok(answer),
            },
        },
        Err(error) => Err(error),
    };
    let answer = match asked {
        Ok(answer) => answer,
        // One mistake, told once: the push was refused for the credentials, which are named above.
        Err(error) if !known && error.reason.contains("invalid_client") => {
            notes.notice(
                check,
                format!("whether {ours} is registered cannot be seen while the credentials are refused"),
                "correct the credentials first, then ask again",
            );
            return;
        }
        Err(error) => {
            let fix = if error.refused {
                "see that redirect_uri and scope are registered for this client, and compare its request settings \
                 (pushedAuthorizationRequests, requestObjectSigningAlgorithm) with the provider's"
            } else {
                fix(&error)
            };
            notes.bad(check, format!("an authorization request cannot be made: {error}"), fix);
            return;
        }
    };
    match answer {
        Answer::Accepted => {
            notes.good(check, format!("{ours} is registered, and the authorization request is accepted"));
        }
        Answer::UnknownRedirectUri => {
            notes.bad(check, format!("{ours} is not registered for {}", client.client_id), register(client));
        }
        Answer::UnknownClient => notes.bad(
            check,
            format!("the provider does not know the client {}", client.client_id),
            "compare clientId with the registration, and client.issuer with where it was registered (tenant, realm, \
             environment)",
        ),
        Answer::Refused { code, description } => notes.bad(
            check,
            format!("{ours} is registered, but the authorization request is refused: {code}{description}"),
            dry_request::fix_of(&code, &client.scope),
        ),
        Answer::Trouble | Answer::Unclear => notes.notice(
            check,
            "the provider's authorization endpoint is in trouble",
            "try again; if it stays, open {apiPrefix}/login in a browser and see what the provider says",
        ),
    }
}

/// Some providers show a page whatever they think. An address that surely is not registered should then look different.
async fn compare_with_control(
    config: &Config,
    provider: &OidcProvider,
    client: &ClientConfig,
    page: &Page,
    notes: &mut Notes,
) {
    let check = "client.redirect-uri";
    let ours = &client.redirect_uri;
    let mut control = ours.clone();
    control.set_path(&format!("{}/authtool-doctor-asks-for-what-is-not-registered", ours.path()));
    let other = match request(config, client, &control) {
        Ok(parameters) => ask(provider, client, &parameters).await,
        Err(error) => Err(error),
    };
    let differs = match other {
        Ok(other) => dry_request::differ(page, &other),
        // Refused where the other was not.
        Err(error) => error.refused,
    };
    if differs {
        notes.good(
            check,
            format!("{ours} is registered: the provider shows its login page for it, and not for another"),
        );
    } else {
        notes.notice(
            check,
            format!("the provider does not tell whether {ours} is registered without somebody logging in"),
            format!("log in once; if the provider complains about the address, {}", register(client)),
        );
    }
}

fn register(client: &ClientConfig) -> String {
    format!(
        "register exactly {} as a redirect URI of {} at the provider",
        client.redirect_uri, client.client_id
    )
}

async fn ask(
    provider: &OidcProvider,
    client: &ClientConfig,
    parameters: &[(String, String)],
) -> Result<Page, ProviderError> {
    let url = provider.authorization_url(&client.name, parameters).await?;
    provider.look_at(&url).await
}

/// Whether the server takes requests that are neither pushed nor signed.
fn may_be_plain(metadata: &ProviderMetadata, client: &ClientConfig) -> bool {
    !metadata.requires_pushed_requests
        && !metadata.requires_signed_requests
        && client.requests.request_object.is_none()
        && client.requests.pushed != PushedRequests::Always
}

fn in_query(metadata: &ProviderMetadata, parameters: &[(String, String)]) -> Url {
    let mut url = metadata.authorization_endpoint.clone();
    url.query_pairs_mut().extend_pairs(parameters);
    url
}

/// The parameters of a login that shows nobody a page (OpenID Connect Core 1.0 §3.1.2.1).
fn request(
    config: &Config,
    client: &ClientConfig,
    redirect_uri: &Url,
) -> Result<Vec<(String, String)>, ProviderError> {
    let entropy: &dyn Entropy = &SystemEntropy;
    let random = || entropy.random_256().map_err(|error| ProviderError::new(error.to_string()));
    let flow = LoginFlow::begin(
        FlowSecrets { state: random()?, nonce: random()?, verifier: random()? },
        FlowPurpose {
            issuer: client.issuer.clone(),
            client_id: client.client_id.clone(),
            redirect_uri: redirect_uri.as_str().to_owned(),
            return_to: config.server.app.clone(),
            previous_session: None,
            demands: LoginOptions::default().demands(&[], &client.login_policy),
            proof_key: proof_key(client),
        },
        SystemClock.now(),
    );
    let mut further: Vec<(String, String)> =
        client.extra.iter().filter(|(name, _)| name != "prompt").cloned().collect();
    further.push(("prompt".to_owned(), "none".to_owned()));
    Ok(authorization_request(&flow, &client.scope, client.response_mode, further))
}

/// Without a cookie and an ID token there is no session that it could end.
async fn logout(
    provider: &OidcProvider,
    metadata: &ProviderMetadata,
    client: &ClientConfig,
    notes: &mut Notes,
) {
    let check = "client.post-logout";
    let Some(endpoint) = &metadata.end_session_endpoint else { return };
    let Some(back) = &client.post_logout_redirect_uri else {
        notes.notice(
            check,
            "postLogoutRedirectUri is not set: after a logout people stay at the provider's page",
            "set it to this server's …/oidc/logout/callback, and register it at the provider",
        );
        return;
    };
    let request = EndSession {
        client_id: &client.client_id,
        id_token: None,
        post_logout_redirect_uri: Some(back),
        state: None,
    };
    match provider.look_at(&client.end_session.url(endpoint, &request)).await {
        Ok(page) if dry_request::complains_about_redirect(&page) => notes.bad(
            check,
            format!("the provider refuses to send people back to {back} after a logout"),
            format!("register exactly {back} as a post-logout redirect URI of {}", client.client_id),
        ),
        Ok(page) if page.status.is_client_error() || page.status.is_server_error() => notes.notice(
            check,
            format!(
                "the provider's end-session endpoint answered {} to a request without an ID token",
                page.status
            ),
            "log out once by hand, and see whether you come back to the app",
        ),
        Ok(_) => notes.good(check, format!("the provider has nothing against {back}")),
        Err(error) => notes.notice(check, error.to_string(), fix(&error)),
    }
}
