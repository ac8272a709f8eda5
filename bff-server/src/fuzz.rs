//! Every parser of hostile bytes, as a function of bytes: for the fuzz targets in `fuzz/`, and for the test that
//! goes through their seeds.
//!
//! A target fails by panicking: because the parser does, or because something that must be true of everything it
//! accepts is not.
#![allow(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a fuzz target reports what it finds by panicking"
)]

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    adapters::{SystemEntropy, oidc},
    config::Config,
    domain::{
        credential::{AccessToken, AuthorizationCode, IdToken, MAX_ID_TOKEN_BYTES, MAX_TOKEN_BYTES},
        dpop::Nonce,
        expected_issuer::ExpectedIssuer,
        id_token::{Audience, Expected, Identity, NonceUse, SignatureHash, SignedClaims},
        login_flow::LoginFlow,
        login_options::{LoginOptions, LoginPolicy},
        logout_token::LogoutTokenExpiry,
        metadata::{ProviderMetadata, Transport},
        parameters::{AuthorizationOutcome, AuthorizationResponse, Parameter},
        provider_json,
        return_url::ReturnUrls,
        session::{Kept, Lifetimes, Live, Session},
        session_id::{CookieKey, SessionCookie, SessionId, SessionKey},
        session_index::Member,
        time::UnixSeconds,
        token_refusal::{RefusedAnswer, TokenRefusal},
        token_response::TokenResponse,
        user_claims, user_info,
    },
    http::{
        CookiePolicy,
        cookies::{self, Presented},
        guard::Provenance,
        sealed_cookie,
        upstream::Changes,
    },
    seal::{KeyList, KeyMaterial, Purpose, RecordCodec, Sealer},
};

/// A target: its name, which is that of its folder of seeds, and the function.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("authorization_response", authorization_response),
    #[cfg(feature = "grpc")]
    ("check_request", check_request),
    ("configuration", configuration),
    ("cookies", cookies),
    ("dpop_nonce", dpop_nonce),
    ("headers", headers),
    ("id_token", id_token),
    ("id_token_claims", id_token_claims),
    ("keys", keys),
    ("login_request", login_request),
    ("logout_token", logout_token),
    ("metadata", metadata),
    ("pushed_request", pushed_request),
    ("record", record),
    ("return_url", return_url),
    ("token_response", token_response),
    ("user_info", user_info),
];

const ISSUER: &str = "https://op.example";
const APP: &str = "https://app.example";
const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000);

/// The one session id whose cookie the fuzzer knows, as an attacker knows that of a session of his own.
const OWN_ID: [u8; 32] = [7; 32];

fn session_cookie() -> SessionCookie {
    SessionCookie::new("__Host-session_id".to_owned(), CookieKey::new(&[1; 32], &[2; 32]), Vec::new())
}

fn sealer() -> Option<Sealer> {
    let key = KeyMaterial::new((0..32).collect()).ok()?;
    Some(Sealer::new(&KeyList::new([key])?))
}

fn lifetimes() -> Lifetimes {
    Lifetimes {
        absolute: Duration::from_hours(24),
        refresh_token: Duration::from_hours(12),
        refresh_token_field: Some("refresh_expires_in".to_owned()),
        idle: Some(Duration::from_hours(1)),
        jitter: Duration::from_secs(7),
    }
}

/// The query of the callback.
pub fn authorization_response(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    if let Ok(posted) = AuthorizationResponse::parse_form(query) {
        let name = posted.display_name.unwrap_or_default();
        assert!(name.chars().count() <= 128 && !name.chars().any(char::is_control), "{name:?}");
    }
    let Ok(response) = AuthorizationResponse::parse(query) else { return };
    assert!((1..=128).contains(&response.state.len()), "{} bytes of state", response.state.len());
    assert!(!response.state.chars().any(char::is_control), "control characters in state");
    if let AuthorizationOutcome::Code(code) = response.outcome {
        assert!(code.expose().bytes().all(|byte| (0x20..=0x7e).contains(&byte)), "RFC 6749 appendix A.11");
    }
}

/// A `DPoP-Nonce` header: what is accepted goes into the next proof.
pub fn dpop_nonce(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let accepted = Nonce::parse(text).is_some();
    // RFC 9449 §8.1: visible ASCII but quotes and backslashes.
    let visible = text.bytes().all(|byte| (0x21..=0x7e).contains(&byte) && byte != b'"' && byte != b'\\');
    assert!(!accepted || (visible && !text.is_empty()), "{text:?}");
}

/// The answer to a pushed authorization request.
pub fn pushed_request(data: &[u8]) {
    oidc::fuzz::pushed_request(data);
}

/// A configuration file: its first byte chooses the format.
pub fn configuration(data: &[u8]) {
    Config::fuzz(data);
}

/// `Cookie` headers, one a line.
pub fn cookies(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(100) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(header::COOKIE, value);
        }
    }
    let policy = CookiePolicy::strict_host();
    goes_on_clean(headers.clone());
    let session = session_cookie();
    let Some(sealer) = sealer() else { return };
    if let Presented::One(value) = cookies::find(&headers, policy.session_name())
        && let Some(key) = session.verify(value)
    {
        let (genuine, own) = session.issue(&SessionId::from_random(OWN_ID));
        assert!(key == own && value == genuine.as_bytes(), "a cookie that we never issued names a session");
    }
    for (name, value) in policy.flows(&headers) {
        let flow = sealed_cookie::open::<LoginFlow>(&sealer, Purpose::LoginFlow, name, value);
        assert!(flow.is_none(), "a login that we never began");
    }
}

/// The headers that say where a request comes from, one a line.
pub fn headers(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(100) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.get(1..).unwrap_or_default()))
        else {
            continue;
        };
        headers.append(name, value);
    }
    let provenance = Provenance::of(&headers, APP);
    if headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN) {
        assert!(provenance.is_from_a_browser(), "{headers:?}");
    }
    if headers.get_all("sec-fetch-site").iter().any(|site| site == "cross-site") {
        assert!(!provenance.is_own_fetch(), "{headers:?}");
    }
    let _verdicts = (provenance.is_navigation(), provenance.logout_by_get(), provenance.logout_by_post());
    goes_on_clean(headers);
}

/// What Envoy asks over gRPC: a `CheckRequest`.
#[cfg(feature = "grpc")]
pub fn check_request(data: &[u8]) {
    if let Some(headers) = crate::http::headers_of_check_request(data) {
        goes_on_clean(headers);
    }
}

/// Of a client's headers, nothing that is ours to say and none of our cookies reaches an API.
fn goes_on_clean(mut headers: HeaderMap) {
    let policy = CookiePolicy::strict_host();
    Changes::stripping(&headers, &policy, &[]).apply(&mut headers);
    assert!(!headers.contains_key(header::AUTHORIZATION), "{headers:?}");
    let strange =
        headers.keys().find(|it| it.as_str().starts_with("x-forwarded-") || it.as_str().contains('_'));
    assert!(strange.is_none(), "{headers:?}");
    assert!(cookies::pairs(&headers).all(|(name, _)| !policy.is_ours(name)), "{headers:?}");
}

/// A signed token, from its first byte to its signature.
pub fn id_token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(token) = IdToken::parse(text) else { return };
    assert!(text.len() <= MAX_ID_TOKEN_BYTES);
    let _issuer = token.claimed_issuer();
    oidc::fuzz::token(&token);
}

/// The claims of a token whose signature was good.
pub fn id_token_claims(data: &[u8]) {
    let Some(signed) = signed(data) else { return };
    let (Ok(code), Ok(access_token)) = (AuthorizationCode::parse("code"), AccessToken::parse("token")) else {
        return;
    };
    let issuer = ExpectedIssuer::Exactly(ISSUER.to_owned());
    let expected = Expected {
        issuer: &issuer,
        audience: Audience::only("app"),
        nonce: "nonce",
        nonce_use: NonceUse::Required,
        code: &code,
        max_age: Some(60),
    };
    if let Ok(identity) = signed.validate(&expected, &access_token, NOW) {
        accepted(&identity);
        assert_eq!(signed.claims.get("nonce").and_then(Value::as_str), Some("nonce"));
    }
    let expected = Expected { nonce_use: NonceUse::MayBeAbsent, ..expected };
    if signed.validate(&expected, &access_token, NOW).is_ok() {
        let nonce = signed.claims.get("nonce");
        assert!(nonce.is_none_or(|it| it == "nonce"), "a foreign nonce: {nonce:?}");
    }
    let login = Identity {
        issuer: ISSUER.to_owned(),
        subject: "ada".to_owned(),
        provider_session: None,
        auth_time: Some(NOW),
    };
    if let Ok(identity) =
        signed.validate_refreshed(&login, Audience::only("app"), "nonce", &access_token, NOW)
    {
        accepted(&identity);
        assert_eq!(identity.subject, "ada", "a refresh changed the user");
    }
}

fn accepted(identity: &Identity) {
    assert_eq!(identity.issuer, ISSUER);
    let subject = &identity.subject;
    assert!((1..=255).contains(&subject.len()) && subject.is_ascii(), "{subject:?}");
}

fn signed(data: &[u8]) -> Option<SignedClaims> {
    let claims = provider_json::object(data).ok()?;
    Some(SignedClaims { claims, typ: None, hash: SignatureHash::Sha256 })
}

/// The provider's key set.
pub fn keys(data: &[u8]) {
    oidc::fuzz::keys(data);
}

/// The query of `/login`.
pub fn login_request(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    let Ok(options) = LoginOptions::parse(query) else { return };
    let policy = LoginPolicy { require_acr: true, ..LoginPolicy::default() };
    let configured = [("max_age".to_owned(), "60".to_owned()), ("audience".to_owned(), "api".to_owned())];
    let sent = options.clone().under(&policy, true).added_to(&configured);
    assert!(configured.iter().all(|(name, _)| sent.iter().any(|(it, _)| it == name)), "{sent:?}");
    let max_age = sent.iter().find(|(name, _)| name == "max_age").and_then(|(_, it)| it.parse::<u64>().ok());
    assert!(max_age.is_some_and(|seconds| seconds <= 60), "a link weakens what is configured: {sent:?}");
    let names: std::collections::BTreeSet<_> = sent.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), sent.len(), "a parameter is sent twice: {sent:?}");
    assert!(!sent.iter().any(|(_, value)| value.chars().any(char::is_control)), "{sent:?}");
    let demands = options.demands(&sent, &policy);
    let _met = (demands.are_met_by(Some("1")), demands.max_age_now(NOW, NOW));
    let ignored = options.under(&policy, false).added_to(&configured);
    assert_eq!(ignored, configured, "a link of somebody else's has a say");
}

/// A reported logout: a form as it arrives, or the claims of a token whose signature was good.
pub fn logout_token(data: &[u8]) {
    const LOGOUT_TOKEN: Parameter = Parameter::new("logout_token", MAX_TOKEN_BYTES);
    if let Ok(form) = std::str::from_utf8(data)
        && let Ok(text) = LOGOUT_TOKEN.require(form)
        && let Ok(token) = IdToken::parse(text)
    {
        oidc::fuzz::token(&token);
    }
    let Some(signed) = signed(data) else { return };
    for expiry in [LogoutTokenExpiry::Required, LogoutTokenExpiry::Optional] {
        if let Ok(logout) = signed.validate_logout(ISSUER, &["app"], expiry, NOW) {
            assert!(logout.subject.is_some() || logout.provider_session.is_some(), "nobody is logged out");
            assert!(logout.remember <= Duration::from_hours(1), "{:?}", logout.remember);
            assert!(!signed.claims.contains_key("nonce"), "an ID token is no logout token");
        }
    }
}

/// The metadata document.
pub fn metadata(data: &[u8]) {
    let Ok(metadata) = ProviderMetadata::parse(data, &Map::new(), ISSUER, Transport::Encrypted) else {
        return;
    };
    assert_eq!(metadata.issuer, ISSUER);
    let optional = [&metadata.jwks_uri, &metadata.end_session_endpoint, &metadata.revocation_endpoint];
    let required = [&metadata.authorization_endpoint, &metadata.token_endpoint];
    for url in required.into_iter().chain(optional.into_iter().flatten()) {
        let is_safe = url.scheme() == "https" || crate::domain::metadata::is_loopback(url);
        assert!(is_safe && url.username().is_empty() && url.fragment().is_none(), "{url}");
    }
}

/// The live part of a record since format 2.
const GOOD_LIVE: &[u8] = b"\x0a$canary-at\x00\xd8\x04\xc8\x01\x00\x01\x02{}\x00";

/// What a store gives back: a record, an entry of an index, a key. And, since a thief of the keys could write them,
/// what stands in a record that opens.
pub fn record(data: &[u8]) {
    let Some(sealer) = sealer() else { return };
    let (_, key) = session_cookie().issue(&SessionId::from_random(OWN_ID));
    if let Ok(text) = std::str::from_utf8(data) {
        if let Some(member) = Member::decode(text) {
            assert_eq!(Member::decode(&member.encode()), Some(member));
        }
        let _key = SessionKey::from_store(text);
    }
    if let Some(member) = Member::from_bytes(data) {
        assert_eq!(Member::from_bytes(&member.to_bytes()), Some(member));
    }
    let seal = |purpose, part: &[u8]| sealer.seal(purpose, key.as_str(), part, &SystemEntropy).ok();
    let (live, kept) = data.split_at(data.len() / 2);
    // A kept part is looked at where the live one is good.
    let compact = |format: u8, live: &[u8], kept: &[u8]| {
        let length = [live.len().to_le_bytes()[0] | 0x80, (live.len() >> 7).to_le_bytes()[0] & 0x7f];
        [&[format][..], &length, live, kept].concat()
    };
    for (live, kept) in [(live, kept), (GOOD_LIVE, data)] {
        let Some(kept) = seal(Purpose::SessionKept, kept) else { return };
        if let Some(live) = seal(Purpose::SessionLive, live) {
            let length = u32::try_from(live.len()).unwrap_or_default().to_be_bytes();
            read(&[&[1][..], &length, &live, &kept].concat(), &key);
            read(&compact(2, &live, &kept), &key);
        }
        let bound = sealer.seal_beside(&kept, Purpose::SessionLive, key.as_str(), live, &SystemEntropy);
        if let Ok(live) = bound {
            read(&compact(3, &live, &kept), &key);
        }
    }
    read(data, &key);
    if let Ok(live) = postcard::from_bytes::<Live>(data) {
        used(&live);
    }
    let _kept = postcard::from_bytes::<Kept>(data).map(|kept| kept.subject.is_some());
    let _flow =
        postcard::from_bytes::<LoginFlow>(data).map(|flow| (flow.remaining(NOW), flow.is_expired(NOW)));
}

fn read(record: &[u8], key: &SessionKey) {
    let Some(sealer) = sealer() else { return };
    let codec = RecordCodec::new(sealer);
    let live = codec.decode_live(key, record);
    if let Ok(live) = &live {
        used(live);
    }
    if let Ok(session) = codec.decode(key, record) {
        assert!(live.is_ok(), "a whole session has a live part");
        assert!(codec.encode(key, &session, &SystemEntropy).is_ok());
        let Session { live, kept: _ } = session;
        used(&live);
    }
}

fn used(live: &Live) {
    let lifetimes = lifetimes();
    let _freshness = live.freshness(&lifetimes, NOW);
    assert!(live.usable_secs(&lifetimes, NOW) <= NOW.until(live.end(lifetimes.idle)).as_secs());
    let _due = live.should_note_use(lifetimes.idle, NOW);
}

/// `redirect_uri` of `/login` and `/logout`.
pub fn return_url(data: &[u8]) {
    let Ok(requested) = std::str::from_utf8(data) else { return };
    let Ok(app) = Url::parse(APP) else { return };
    let urls = ReturnUrls::new(app.clone(), [], "/bff".to_owned());
    let Ok(accepted) = urls.accept(requested) else { return };
    assert_eq!(accepted.origin(), app.origin(), "{requested:?} leaves the app");
    assert!(accepted.as_str().starts_with("https://app.example/"), "{accepted}");
    assert!(accepted.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{accepted:?}");
    assert!(accepted.username().is_empty() && accepted.password().is_none(), "{accepted}");
    assert_ne!(accepted.path(), "/bff/logout", "{requested:?} logs out");
    assert_eq!(urls.accept(accepted.as_str()).ok(), Some(accepted), "{requested:?} changes when asked again");
}

/// The body of the token endpoint's answer.
pub fn token_response(data: &[u8]) {
    if let Ok(bound) = TokenResponse::parse(data, authtool_contract::TokenType::DPoP)
        && let Some(key) = crate::domain::dpop::ProofKey::from_random([7; 32])
    {
        let _ours = key.may_hold(&bound.access_token);
    }
    match TokenResponse::parse(data, authtool_contract::TokenType::Bearer) {
        Ok(tokens) => {
            let token = tokens.access_token.expose();
            let fits = |byte: u8| byte.is_ascii_graphic() && !b"\"\\,".contains(&byte);
            assert!(!token.is_empty() && token.bytes().all(fits), "{token:?}");
            let login = crate::domain::session::Login {
                identity: None,
                issuer: ISSUER,
                client: "app",
                nonce: "nonce".to_owned(),
                claims: Map::new(),
                proof_key: None,
            };
            let session = Session::begin(login, tokens, &lifetimes(), NOW);
            used(&session.live);
            assert!(session.live.end(None) <= NOW.plus(lifetimes().absolute), "it outlives its time");
        }
        Err(unusable) => assert!(!unusable.to_string().is_empty()),
    }
    for status in [400, 401, 403, 429, 503] {
        let meaning = RefusedAnswer { status, media_type: "application/json", body: data }.meaning();
        let may_end = matches!(meaning, TokenRefusal::Grant | TokenRefusal::Doubtful);
        assert!(!may_end || matches!(status, 400..=403), "{status} ends a session");
        assert!(
            status != 401 || meaning != TokenRefusal::Doubtful,
            "a client that is refused ends a session"
        );
    }
}

/// The claims of the userinfo endpoint's answer.
pub fn user_info(data: &[u8]) {
    let Ok(claims) = provider_json::object(data) else { return };
    if user_info::check_subject(&claims, "ada").is_ok() {
        assert_eq!(claims.get("sub").and_then(Value::as_str), Some("ada"));
    }
    for claim in ["sub", "id"] {
        if let Ok(subject) = user_info::subject(&claims, claim) {
            assert!((1..=255).contains(&subject.len()) && subject.is_ascii(), "{subject:?}");
        }
    }
    let selected = user_claims::select(&claims, &["email".to_owned(), "id".to_owned()]);
    assert!(selected.len() <= 2 && selected.keys().all(|name| name == "email" || name == "id"));
    if let Some(signed) = signed(data) {
        let issuer = ExpectedIssuer::Exactly(ISSUER.to_owned());
        if let Ok(claims) = signed.validate_user_info(&issuer, "app", NOW) {
            assert_eq!(claims.get("iss").and_then(Value::as_str), Some(ISSUER));
        }
    }
}
