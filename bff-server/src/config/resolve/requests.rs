//! A client's authorization requests: what `/login` may ask for, and how they travel.

use url::Url;

use super::Notes;
use crate::{
    adapters::oidc::{ClientCredentials, PushedRequests, RequestStyle, SigningAlgorithm},
    config::file::{ClientEntry, ClientSection},
    domain::{
        expected_issuer::ExpectedIssuer,
        login_options::{LoginParameter, LoginPolicy},
        metadata::is_loopback,
        response_mode::ResponseMode,
        scope,
    },
};

/// `loginParameters`, `loginParametersFrom` and `requireAcr`. `at` gives a key its path.
pub(super) fn login_policy(
    at: &impl Fn(&str) -> String,
    entry: &ClientEntry,
    notes: &mut Notes,
) -> LoginPolicy {
    let parameters = entry.login_parameters.as_deref();
    let openid = scope::contains_openid(entry.scope.as_deref().unwrap_or_default());
    let mut allowed = Vec::new();
    for (i, name) in parameters.unwrap_or_default().iter().enumerate() {
        match LoginParameter::from_name(name) {
            Some(parameter) if parameter.needs_id_token() && !openid => notes.problem(
                &format!("{}[{i}]", at("loginParameters")),
                format!("without `openid` in the scope there is no ID token, and nothing that shows {name}"),
                "add openid to the scope, or remove this",
            ),
            Some(parameter) => allowed.push(parameter),
            None => notes.problem(
                &format!("{}[{i}]", at("loginParameters")),
                format!("{name:?} is not a parameter that a login takes"),
                "use prompt, login_hint, acr_values, max_age or ui_locales; other parameters go into `extra`",
            ),
        }
    }
    if parameters.is_none() {
        allowed = LoginParameter::ALL.to_vec();
        allowed.retain(|parameter| openid || !parameter.needs_id_token());
    }
    let max_age = LoginParameter::MaxAge.name();
    if !openid && entry.extra.contains_key(max_age) {
        notes.problem(
            &format!("{}.{max_age}", at("extra")),
            "without `openid` in the scope there is no ID token, and nothing that says when the user logged in",
            "add openid to the scope, or remove this",
        );
    }
    let from_anywhere = match entry.login_parameters_from.as_deref() {
        None | Some("app") => false,
        Some("anywhere") => true,
        Some(other) => {
            notes.problem(
                &at("loginParametersFrom"),
                format!("{other:?} is not where a login can come from"),
                "use `app`, or `anywhere` if links in mails or on other sites need the parameters",
            );
            false
        }
    };
    let require_acr = entry.require_acr;
    if require_acr && !openid {
        notes.problem(
            &at("requireAcr"),
            "without `openid` in the scope there is no ID token, and nothing that says how the user logged in",
            "add openid to the scope, or leave this out",
        );
    }
    LoginPolicy { parameters: allowed, from_anywhere, require_acr }
}

/// The keys by which clients ask for bound tokens (`dpop`).
pub(super) fn bound(section: &ClientSection) -> Vec<String> {
    match &section.clients {
        None => section.dpop.then(|| "client.dpop".to_owned()).into_iter().collect(),
        Some(list) => {
            let bound = list.iter().enumerate().filter(|(_, entry)| entry.dpop);
            bound.map(|(i, _)| format!("client.clients[{i}].dpop")).collect()
        }
    }
}

/// `responseMode`.
pub(super) fn response_mode(
    at: &impl Fn(&str) -> String,
    name: Option<&str>,
    redirect_uri: Option<&Url>,
    notes: &mut Notes,
) -> ResponseMode {
    let key = at("responseMode");
    let Some(mode) = name.map_or(Some(ResponseMode::default()), ResponseMode::from_name) else {
        notes.problem(
            &key,
            format!("{:?} is not a way in which an answer can come", name.unwrap_or_default()),
            "use query or form_post",
        );
        return ResponseMode::default();
    };
    match redirect_uri {
        Some(callback) if mode == ResponseMode::FormPost && callback.scheme() == "http" => {
            if is_loopback(callback) {
                notes.warnings.push(
                    "form_post needs a Secure cookie: Chromium and Firefox keep it on http://localhost, Safari does not"
                        .into(),
                );
            } else {
                notes.problem(
                    &key,
                    "redirect_uri is plain http: a posted answer needs a cookie with SameSite=None, which browsers keep \
                     only with https",
                    "use https in redirect_uri, or leave responseMode out",
                );
            }
        }
        _ => {}
    }
    mode
}

/// `frontChannelLogout`.
pub(super) fn front_channel(
    at: &impl Fn(&str) -> String,
    offered: bool,
    openid: bool,
    issuer: &ExpectedIssuer,
    notes: &mut Notes,
) {
    if !offered {
        return;
    }
    let key = at("frontChannelLogout");
    if !openid {
        notes.problem(
            &key,
            "without `openid` in the scope there is no ID token, and nobody knows which session at the provider a session \
             belongs to",
            "add openid to the scope, or leave this out",
        );
    } else if issuer.known().is_none() {
        notes.problem(
            &key,
            "a request without `iss` names no tenant, and allowedTenants is [\"*\"]",
            "list the tenants in allowedTenants, or leave this out",
        );
    }
}

/// Whether a name stands in a path as it is, however gateways rewrite paths.
pub(super) fn is_path_segment(name: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    !name.is_empty() && name.bytes().all(unreserved) && name.bytes().any(|byte| byte != b'.')
}

/// `pushedAuthorizationRequests` and `requestObjectSigningAlgorithm`.
pub(super) fn style(
    at: &impl Fn(&str) -> String,
    pushed: Option<&str>,
    request_object: Option<&str>,
    credentials: Option<&ClientCredentials>,
    notes: &mut Notes,
) -> RequestStyle {
    let pushed = match pushed {
        None | Some("auto") => PushedRequests::Auto,
        Some("always") => PushedRequests::Always,
        Some("never") => PushedRequests::Never,
        Some(other) => {
            notes.problem(
                &at("pushedAuthorizationRequests"),
                format!("{other:?} says neither when nor whether"),
                "use `auto`, `always` or `never`",
            );
            PushedRequests::Auto
        }
    };
    let key = at("requestObjectSigningAlgorithm");
    let algorithm = request_object.and_then(SigningAlgorithm::from_name);
    match (request_object, algorithm, credentials) {
        (Some(name), None, _) => notes.problem(
            &key,
            format!("{name:?} is not a signature algorithm with a private key"),
            "use RS, PS or ES with 256, 384 or 512, or EdDSA",
        ),
        (_, Some(algorithm), Some(ClientCredentials::PrivateKey(signing))) if !signing.fits(algorithm) => {
            notes.problem(
                &key,
                format!("{} does not fit the private key", algorithm.name()),
                format!("use {}, or another algorithm of the key's kind", signing.algorithm().name()),
            );
        }
        (_, None, _) | (_, Some(_), None | Some(ClientCredentials::PrivateKey(_))) => {}
        (_, Some(_), Some(_)) => notes.problem(
            &key,
            "there is no private key to sign with",
            format!("give {}, or leave this out", at("credentials.privateKey")),
        ),
    }
    RequestStyle { pushed, request_object: algorithm }
}
