//! `client`: the authorization server, and our clients there.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::{
    Notes,
    values::{text_secret, unreachable_url, web_url},
};
use crate::{
    adapters::oidc::{
        Algorithm, AuthenticationMethod, ClientAuthentication, ClientCredentials, MIN_HMAC_SECRET_BYTES,
        SigningAlgorithm, SigningKey, SigningKeyError, is_symmetric,
    },
    config::{
        ClientConfig, ProviderConfig,
        file::{ClientEntry, ClientSection, CredentialsSection},
    },
    domain::{
        authorization_request::PROTOCOL_PARAMETERS, metadata::is_loopback, token_response::lenient_seconds,
    },
};

const DEFAULT_METADATA_SEGMENT: &str = "/.well-known/openid-configuration";

pub(super) fn provider(section: ClientSection, notes: &mut Notes) -> ProviderConfig {
    let (inline, shared) = split(section);
    let entries: Vec<(String, ClientEntry)> = match shared.clients {
        Some(list) => {
            if inline.client_id.is_some() || inline.redirect_uri.is_some() || inline.credentials.is_some() {
                notes.problem(
                    "client.clients",
                    "there are both `clients` and a client inline",
                    "move the inline client's settings into an entry of `clients`",
                );
            }
            if list.is_empty() {
                notes.problem("client.clients", "the list is empty", "add at least one client");
            }
            list.into_iter().enumerate().map(|(i, entry)| (format!("client.clients[{i}]"), entry)).collect()
        }
        None => vec![("client".to_owned(), inline)],
    };
    let issuer = shared.issuer.unwrap_or_default();
    let metadata_url = issuer_metadata(&issuer, shared.segment.as_deref(), shared.allow_insecure_http, notes);
    let symmetric = shared.algorithms.iter().flatten().position(|it| it.parse().is_ok_and(is_symmetric));
    let algorithms = id_token_algorithms(shared.algorithms, notes);
    let defaults: Vec<usize> = entries
        .iter()
        .enumerate()
        .filter(|(_, (_, entry))| entry.default == Some(true))
        .map(|(i, _)| i)
        .collect();
    if defaults.len() > 1 {
        notes.problem("client.clients", "several clients have `default: true`", "leave it at one of them");
    }
    let mut clients: Vec<ClientConfig> = Vec::new();
    for (key, entry) in entries {
        let Some(client) = client(&key, entry, notes) else { continue };
        if clients.iter().any(|other| other.client_id == client.client_id) {
            notes.problem(
                &format!("{key}.clientId"),
                "another client has the same clientId",
                "list each client once",
            );
        }
        clients.push(client);
    }
    let has_hmac_key = |client: &ClientConfig| match &client.authentication.credentials {
        ClientCredentials::Secret(secret) => secret.len() >= MIN_HMAC_SECRET_BYTES,
        ClientCredentials::PrivateKey(_) | ClientCredentials::Public => false,
    };
    if let Some(i) = symmetric
        && !clients.iter().all(has_hmac_key)
    {
        notes.problem(
            &format!("client.idTokenSigningAlgorithms[{i}]"),
            format!("an HS algorithm needs a client secret of at least {MIN_HMAC_SECRET_BYTES} bytes for every client"),
            "let the provider sign with RS256 or another algorithm with public keys",
        );
    }
    ProviderConfig {
        issuer,
        metadata_url,
        id_token_algorithms: algorithms,
        allow_insecure_http: shared.allow_insecure_http,
        clients,
        default_client: defaults.first().copied().unwrap_or(0),
    }
}

struct Shared {
    issuer: Option<String>,
    segment: Option<String>,
    algorithms: Option<Vec<String>>,
    allow_insecure_http: bool,
    clients: Option<Vec<ClientEntry>>,
}

fn split(section: ClientSection) -> (ClientEntry, Shared) {
    let entry = ClientEntry {
        client_id: section.client_id,
        redirect_uri: section.redirect_uri,
        credentials: section.credentials,
        scope: section.scope,
        extra: section.extra,
        default: section.default,
        id_token_validation_issuer: section.id_token_validation_issuer,
        post_logout_redirect_uri: section.post_logout_redirect_uri,
        preferred_token_endpoint_auth_method: section.preferred_token_endpoint_auth_method,
        preferred_token_endpoint_signing_algorithm: section.preferred_token_endpoint_signing_algorithm,
    };
    let shared = Shared {
        issuer: section.issuer,
        segment: section.issuer_metadata_segment,
        algorithms: section.id_token_signing_algorithms,
        allow_insecure_http: section.allow_insecure_http,
        clients: section.clients,
    };
    (entry, shared)
}

fn issuer_metadata(issuer: &str, segment: Option<&str>, allow_insecure_http: bool, notes: &mut Notes) -> Url {
    let key = "client.issuer";
    let nowhere = unreachable_url;
    if issuer.is_empty() {
        notes.missing(key, "give your provider's issuer, such as https://login.example.com/realms/main");
        return nowhere();
    }
    let Some(parsed) = web_url(key, issuer, notes) else { return nowhere() };
    if parsed.query().is_some() || parsed.fragment().is_some() {
        notes.problem(
            key,
            "it has a query or a fragment",
            "an issuer is scheme, host, and perhaps port and path",
        );
    }
    if parsed.scheme() == "http" && !is_loopback(&parsed) && !allow_insecure_http {
        notes.problem(
            key,
            "it is plain http, so anybody between here and there can log in as anybody",
            "use https; on a closed development network, set client.allowInsecureHttp to true",
        );
    }
    let segment = segment.unwrap_or(DEFAULT_METADATA_SEGMENT);
    if !segment.starts_with('/') {
        notes.problem(
            "client.issuerMetadataSegment",
            "it does not begin with a slash",
            format!("write /{segment}, or leave it out for {DEFAULT_METADATA_SEGMENT}"),
        );
    }
    match Url::parse(&format!("{}{segment}", issuer.trim_end_matches('/'))) {
        Ok(url) => url,
        Err(_) => nowhere(),
    }
}

fn id_token_algorithms(names: Option<Vec<String>>, notes: &mut Notes) -> Vec<Algorithm> {
    let key = "client.idTokenSigningAlgorithms";
    let Some(names) = names else { return vec![Algorithm::RS256] };
    let mut algorithms = Vec::new();
    for (i, name) in names.iter().enumerate() {
        match name.parse() {
            Ok(algorithm) => algorithms.push(algorithm),
            Err(_) => notes.problem(
                &format!("{key}[{i}]"),
                format!("{name:?} is not a signature algorithm that can be accepted"),
                "use RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA; HS256 to HS512 only if the \
                 provider signs with the client secret",
            ),
        }
    }
    if names.is_empty() {
        notes.problem(
            key,
            "the list is empty",
            "name at least one algorithm, or leave the key out for RS256",
        );
    }
    algorithms
}

fn client(key: &str, entry: ClientEntry, notes: &mut Notes) -> Option<ClientConfig> {
    let at = |name: &str| format!("{key}.{name}");
    let client_id = if let Some(source) = entry.client_id {
        text_secret(&at("clientId"), &source, notes)
    } else {
        notes.missing(&at("clientId"), "give the client id that the provider registered");
        None
    };
    let redirect_uri = if let Some(text) = entry.redirect_uri.as_deref() {
        web_url(&at("redirect_uri"), text, notes)
    } else {
        notes.missing(
            &at("redirect_uri"),
            "give this server's public callback, such as https://app.example.com/bff/oauth/callback, and \
             register the same URL at the provider",
        );
        None
    };
    if redirect_uri.as_ref().is_some_and(|it| it.fragment().is_some()) {
        notes.problem(
            &at("redirect_uri"),
            "it has a fragment",
            "remove the # and what follows (RFC 6749 §3.1.2)",
        );
    }
    let authentication = authentication(
        key,
        entry.credentials,
        entry.preferred_token_endpoint_auth_method.as_deref(),
        entry.preferred_token_endpoint_signing_algorithm.as_deref(),
        notes,
    );
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
    let post_logout_redirect_uri = entry
        .post_logout_redirect_uri
        .as_deref()
        .and_then(|text| web_url(&at("postLogoutRedirectUri"), text, notes));
    Some(ClientConfig {
        client_id: client_id?,
        redirect_uri: redirect_uri?,
        authentication: authentication?,
        scope: entry.scope.unwrap_or_default().split_ascii_whitespace().collect::<Vec<_>>().join(" "),
        extra,
        id_token_issuer: entry.id_token_validation_issuer,
        post_logout_redirect_uri,
    })
}

fn authentication(
    key: &str,
    section: Option<CredentialsSection>,
    method: Option<&str>,
    algorithm: Option<&str>,
    notes: &mut Notes,
) -> Option<ClientAuthentication> {
    let at = |name: &str| format!("{key}.{name}");
    let preferred = match method {
        None => None,
        Some(name) => {
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
                    &at("preferredTokenEndpointAuthMethod"),
                    format!("{name:?} is not a client authentication method"),
                    "use client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt or none",
                );
            }
            found
        }
    };
    let algorithm_key = at("preferredTokenEndpointSigningAlgorithm");
    let signing = algorithm.and_then(SigningAlgorithm::from_name);
    let symmetric = algorithm.and_then(|name| name.parse().ok()).filter(|it| is_symmetric(*it));
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
    let credentials = match (section.secret, section.private_key) {
        (Some(secret), None) => text_secret(&at("credentials.secret"), &secret, notes)
            .map(|it| ClientCredentials::Secret(it.into())),
        (None, Some(source)) => {
            let key = at("credentials.privateKey");
            let text = Zeroizing::new(text_secret(&key, &source, notes)?);
            if let Some(symmetric) = symmetric {
                notes.problem(
                    &algorithm_key,
                    format!("{symmetric:?} signs with a secret, but there is a private key"),
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
    let secret_algorithm = symmetric.unwrap_or(Algorithm::HS256);
    Some(ClientAuthentication { credentials, preferred, secret_algorithm })
}

fn extra_parameters(key: &str, extra: BTreeMap<String, Value>, notes: &mut Notes) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    for (name, value) in extra {
        let at = format!("{key}.{name}");
        if PROTOCOL_PARAMETERS.contains(&name.as_str()) {
            notes.problem(&at, "this parameter is set by the protocol", "remove it from `extra`");
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
