//! A client's authorization requests: what `/login` may ask for, and how they travel.

use super::Notes;
use crate::{
    adapters::oidc::{ClientCredentials, PushedRequests, RequestStyle, SigningAlgorithm},
    config::file::{ClientEntry, ClientSection},
    domain::{
        login_options::{LoginParameter, LoginPolicy},
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
