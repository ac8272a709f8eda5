//! The authorization server of a client: its issuer, and what is to be known about it.

use serde_json::{Map, Value};
use url::Url;

use super::{
    Notes,
    values::{unreachable_url, web_url},
};
use crate::{
    adapters::oidc::MetadataSource,
    config::{
        IssuerConfig,
        file::{ClientEntry, EndpointsSection},
    },
    domain::{
        credential::{DEFAULT_ID_TOKEN_BYTES, MAX_ID_TOKEN_BYTES},
        expected_issuer::{AllowedTenants, ExpectedIssuer, TENANT_PLACEHOLDER, is_tenant_id},
        metadata::{Transport, endpoint_url, is_loopback},
    },
};

/// Ordinary ID tokens have to fit.
const LEAST_ID_TOKEN_BYTES: usize = 4096;

const OPENID_SEGMENT: &str = "/.well-known/openid-configuration";
const OAUTH_SEGMENT: &str = "/.well-known/oauth-authorization-server";

/// The issuer that stands in an entry, with what describes it there.
pub(super) fn described(key: &str, entry: &ClientEntry, notes: &mut Notes) -> IssuerConfig {
    let allow_insecure_http = entry.allow_insecure_http.unwrap_or(false);
    let issuer = entry.issuer.clone().unwrap_or_default();
    let mut described = IssuerConfig {
        metadata: MetadataSource::At(vec![unreachable_url()]),
        endpoints: Map::new(),
        allow_insecure_http,
        allow_logout_tokens_without_exp: entry.allow_logout_tokens_without_exp.unwrap_or(false),
        allow_id_tokens_without_nonce: entry.allow_id_tokens_without_nonce.unwrap_or(false),
        max_id_token_bytes: max_id_token_bytes(key, entry.max_id_token_bytes, notes),
        issuer,
    };
    described.endpoints = endpoints(key, &entry.endpoints, described.transport(), notes);
    let at = |name: &str| format!("{key}.{name}");
    let Some(base) = issuer_url(&at("issuer"), &described, notes) else { return described };
    let whole = |member: &str| described.endpoints.contains_key(member);
    described.metadata = if whole("authorization_endpoint") && whole("token_endpoint") {
        for (name, set) in [
            ("metadataUrl", entry.metadata_url.is_some()),
            ("issuerMetadataSegment", entry.issuer_metadata_segment.is_some()),
        ] {
            if set {
                notes.problem(
                    &at(name),
                    "nothing is fetched, since `endpoints` has both `authorization` and `token`",
                    "remove it, or one of the two endpoints",
                );
            }
        }
        MetadataSource::Configuration
    } else if let Some(text) = &entry.metadata_url {
        if entry.issuer_metadata_segment.is_some() {
            notes.problem(&at("issuerMetadataSegment"), "there is `metadataUrl` too", "leave one of them");
        }
        let url = endpoint_url(text, described.transport());
        if url.is_none() {
            not_an_endpoint(&at("metadataUrl"), notes);
        }
        MetadataSource::At(url.into_iter().collect())
    } else {
        if described.issuer.contains(TENANT_PLACEHOLDER) {
            notes.problem(
                &at("issuer"),
                format!("with {TENANT_PLACEHOLDER} in it, the place of its metadata does not follow from it"),
                "give it in `metadataUrl`",
            );
        }
        MetadataSource::At(places(&at("issuerMetadataSegment"), &base, entry, notes))
    };
    described
}

fn max_id_token_bytes(key: &str, configured: Option<u64>, notes: &mut Notes) -> usize {
    let Some(configured) = configured else { return DEFAULT_ID_TOKEN_BYTES };
    let fitting = usize::try_from(configured).ok();
    let fitting = fitting.filter(|it| (LEAST_ID_TOKEN_BYTES..=MAX_ID_TOKEN_BYTES).contains(it));
    fitting.unwrap_or_else(|| {
        notes.problem(
            &format!("{key}.maxIdTokenBytes"),
            format!("{configured} is not between {LEAST_ID_TOKEN_BYTES} and {MAX_ID_TOKEN_BYTES}"),
            format!(
                "leave it out for {DEFAULT_ID_TOKEN_BYTES}; if ID tokens are still longer, let the provider put less into \
                 them, usually fewer groups"
            ),
        );
        DEFAULT_ID_TOKEN_BYTES
    })
}

/// What describes an issuer must stand beside it.
pub(super) fn describes_nothing(key: &str, entry: &ClientEntry, notes: &mut Notes) {
    for (name, set) in [
        ("issuerMetadataSegment", entry.issuer_metadata_segment.is_some()),
        ("metadataUrl", entry.metadata_url.is_some()),
        ("endpoints", entry.endpoints.members().iter().any(|(_, _, url)| url.is_some())),
        ("allowInsecureHttp", entry.allow_insecure_http.is_some()),
        ("allowLogoutTokensWithoutExp", entry.allow_logout_tokens_without_exp.is_some()),
        ("allowIdTokensWithoutNonce", entry.allow_id_tokens_without_nonce.is_some()),
        ("maxIdTokenBytes", entry.max_id_token_bytes.is_some()),
    ] {
        if set {
            notes.problem(
                &format!("{key}.{name}"),
                "it describes an issuer, but there is none beside it",
                "move it to client, beside the issuer that this client uses, or give this client its own `issuer`",
            );
        }
    }
}

/// The issuer that a client's ID tokens must carry.
pub(super) fn of_id_tokens(
    key: &str,
    entry: &ClientEntry,
    issuer: &str,
    notes: &mut Notes,
) -> ExpectedIssuer {
    let at = |name: &str| format!("{key}.{name}");
    let expected = entry.id_token_validation_issuer.as_deref().unwrap_or(issuer);
    let given = entry.id_token_validation_issuer.as_deref().and_then(|it| Url::parse(it).ok());
    if let Some(issuer) = given.as_ref().and_then(issuer_of_metadata) {
        notes.problem(
            &at("idTokenValidationIssuer"),
            "it is the URL of metadata, and no issuer of ID tokens",
            format!("write {issuer}, exactly as the `iss` of an ID token spells it"),
        );
    }
    let tenants_key = at("allowedTenants");
    let template = expected.contains(TENANT_PLACEHOLDER);
    match (&entry.allowed_tenants, template) {
        (None, false) => {}
        (Some(_), false) => notes.problem(
            &tenants_key,
            format!("no issuer here has {TENANT_PLACEHOLDER} in it that they could stand for"),
            "remove it; an issuer without the placeholder belongs to one tenant",
        ),
        (Some(tenants), true) => {
            let tenants: Vec<_> = tenants.iter().map(|it| it.to_ascii_lowercase()).collect();
            let allowed = if tenants == ["*"] {
                AllowedTenants::Any
            } else {
                refuse_other_than_ids(&tenants_key, &tenants, notes);
                AllowedTenants::Listed(tenants)
            };
            if let Some(expected) = ExpectedIssuer::of_tenant(expected, allowed) {
                return expected;
            }
            notes.problem(
                &at("idTokenValidationIssuer"),
                format!("{TENANT_PLACEHOLDER} stands in it twice"),
                "leave one",
            );
        }
        (None, true) => notes.missing(
            &tenants_key,
            "list the ids of the tenants whose users may log in, or [\"*\"] if really everybody's may",
        ),
    }
    ExpectedIssuer::Exactly(expected.to_owned())
}

fn refuse_other_than_ids(key: &str, tenants: &[String], notes: &mut Notes) {
    let fix = "list ids such as 72f988bf-86f1-41af-91ab-2d7cd011db47 (not domain names), or [\"*\"] alone";
    if tenants.is_empty() {
        notes.problem(key, "the list is empty", fix);
    }
    for (i, tenant) in tenants.iter().enumerate() {
        if !is_tenant_id(tenant) {
            notes.problem(&format!("{key}[{i}]"), format!("{tenant:?} is not a tenant id"), fix);
        }
    }
}

fn issuer_url(key: &str, described: &IssuerConfig, notes: &mut Notes) -> Option<Url> {
    if described.issuer.is_empty() {
        notes.missing(key, "give your provider's issuer, such as https://login.example.com/realms/main");
        return None;
    }
    let url = web_url(key, &described.issuer, notes)?;
    if let Some(issuer) = issuer_of_metadata(&url) {
        notes.problem(
            key,
            "it is the URL of the metadata, and not the issuer that the metadata names",
            format!(
                "write {issuer}, or with a slash at its end if that is how the metadata spells its `issuer`"
            ),
        );
        return None;
    }
    if url.query().is_some() || url.fragment().is_some() {
        notes.problem(
            key,
            "it has a query or a fragment",
            "an issuer is scheme, host, and perhaps port and path",
        );
    }
    if url.scheme() == "http" && !is_loopback(&url) && !described.allow_insecure_http {
        notes.problem(
            key,
            "it is plain http, so anybody between here and there can log in as anybody",
            "use https; on a closed development network, set client.allowInsecureHttp to true",
        );
    }
    Some(url)
}

/// Where the metadata may be, most likely first.
fn places(key: &str, base: &Url, entry: &ClientEntry, notes: &mut Notes) -> Vec<Url> {
    let segment = entry.issuer_metadata_segment.as_deref().unwrap_or(OPENID_SEGMENT);
    if segment.contains("://") {
        notes.problem(key, "it is a whole URL", "give it in `metadataUrl`, and leave this key out");
        return Vec::new();
    }
    if !segment.starts_with('/') {
        notes.problem(
            key,
            "it does not begin with a slash",
            format!("write /{segment}, or leave it out for {OPENID_SEGMENT}"),
        );
    }
    let issuer = entry.issuer.as_deref().unwrap_or_default().trim_end_matches('/');
    let mut places: Vec<_> = Url::parse(&format!("{issuer}{segment}")).into_iter().collect();
    if let Some(whole) = whole_path(base, segment) {
        // The original's example has the issuer's path here once more, where its text says that this is appended to the
        // issuer. Both are asked for: the document that names this issuer is its own.
        places.insert(0, whole);
    }
    if segment == OAUTH_SEGMENT && base.path() != "/" {
        // RFC 8414 §3.1 wants it before the issuer's path, and a strict server may mind being asked for another. The
        // original, and some servers, put it behind.
        let mut inserted = base.clone();
        inserted.set_path(&format!("{segment}{}", base.path().trim_end_matches('/')));
        places.insert(0, inserted);
    }
    places
}

/// A segment as a path of its own on the issuer's host, where it has the issuer's path in it.
fn whole_path(base: &Url, segment: &str) -> Option<Url> {
    let own = base.path().trim_end_matches('/');
    let mut whole = base.clone();
    whole.set_path(segment);
    let rest = whole.path().split_once(own).filter(|_| !own.is_empty())?.1;
    (rest.is_empty() || rest.starts_with('/')).then_some(whole)
}

/// An issuer whose metadata would be found at this URL, which is the metadata's own.
fn issuer_of_metadata(url: &Url) -> Option<String> {
    let (before, after) = url.path().split_once("/.well-known/")?;
    // RFC 8414 §3.1 puts the issuer's path behind the name of the document.
    let behind = after.split_once('/').map_or("", |(_, path)| path.trim_end_matches('/'));
    let path = if behind.is_empty() { before.to_owned() } else { format!("{before}/{behind}") };
    Some(format!("{}{path}", url.origin().ascii_serialization()))
}

fn endpoints(
    key: &str,
    section: &EndpointsSection,
    transport: Transport,
    notes: &mut Notes,
) -> Map<String, Value> {
    let mut members = Map::new();
    for (name, member, url) in section.members() {
        let Some(url) = url else { continue };
        if endpoint_url(url, transport).is_none() {
            not_an_endpoint(&format!("{key}.endpoints.{name}"), notes);
        }
        members.insert(member.to_owned(), url.as_str().into());
    }
    members
}

fn not_an_endpoint(key: &str, notes: &mut Notes) {
    notes.problem(
        key,
        "it is not an absolute https URL without credentials and fragment",
        "write it out, such as https://login.example.com/oauth/token; plain http is for this machine, or needs \
         allowInsecureHttp",
    );
}

impl EndpointsSection {
    /// Each with its name here and that of its metadata (RFC 8414 §2, OpenID Connect Discovery 1.0 §3).
    fn members(&self) -> [(&'static str, &'static str, &Option<String>); 7] {
        [
            ("authorization", "authorization_endpoint", &self.authorization),
            ("token", "token_endpoint", &self.token),
            ("jwks", "jwks_uri", &self.jwks),
            ("userinfo", "userinfo_endpoint", &self.userinfo),
            ("endSession", "end_session_endpoint", &self.end_session),
            ("revocation", "revocation_endpoint", &self.revocation),
            (
                "pushedAuthorizationRequest",
                "pushed_authorization_request_endpoint",
                &self.pushed_authorization_request,
            ),
        ]
    }
}

#[cfg(test)]
mod tests;
