//! What honest providers do, and their clients stumble over. Where a [`Lie`](super::Lie) is one departure from the truth that
//! must be refused, an oddity is a habit that must not matter to anybody.
//!
//! ```ignore
//! let stage = Stage::odd(&[Oddity::Nulls, Oddity::RefusesWith403], |_| {}).await;
//! ```

use super::{Endpoint, IdTokenDraft, SigningKey, keys::Spelling};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use std::io::Write as _;

/// One habit of a provider. It has it from the beginning, and keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Oddity {
    /// It compresses every answer unless it is asked for `identity` (RFC 9110 §12.5.3).
    Compresses,
    /// Members that it could leave out are `null`: in metadata, keys, tokens and their headers, answers, errors, `UserInfo`.
    Nulls,
    /// A byte order mark stands before its JSON.
    ByteOrderMark,
    /// The token endpoint "creates" tokens: 201.
    CreatesTokens,
    /// Its issuer has a path.
    IssuerWithPath,
    /// `expires_in` is a string.
    LifetimesAsStrings,
    /// Its access tokens have every character that is visible, apart from quotes, backslashes and commas.
    TokenCharacters,
    /// A refresh answers an ID token too.
    RefreshesIdTokens,
    /// The `auth_time` of a refreshed ID token is the time of the refresh.
    MovingAuthTime,
    /// Its ID tokens have no `nonce`. The server needs `client.allowIdTokensWithoutNonce`.
    NoNonce,
    /// Users are in three hundred groups, and ID tokens say so.
    ManyGroups,
    /// It refuses a grant with 403 and `invalid_grant`, like Auth0.
    RefusesWith403,
    /// It refuses a grant in JSON of its own, like Twitch.
    RefusesInItsOwnWords,
    /// It refuses a grant with `invalid_request`, like Dex.
    RefusesTheRequest,
    /// Members of its metadata that it could leave out are empty, lists have elements that are `null`, and `true` is a text.
    SloppyMetadata,
    /// The key that it publishes has no `kid`, though its tokens name one.
    NamelessKey,
    /// Its tokens name the client twice in `aud`, have an empty `azp`, and are of the `typ` `id_token`.
    SloppyClaims,
    /// Its JSON is labelled `text/html`, and with a character set in `Content-Encoding`.
    MislabelledJson,
    /// It signs with an EC key, one of whose coordinates begins with a zero byte, which it leaves out. The server needs
    /// ES256 among `client.idTokenSigningAlgorithms`.
    ShortCoordinate,
    /// The modulus of its RSA key begins with a zero byte.
    LeadingZeroModulus,
    /// The modulus of its RSA key is padded with `=`.
    PaddedModulus,
    /// All logins of a user are in one session (`sid`), and revoking a refresh token ends all of it for this client, as at Keycloak
    /// for one browser.
    OneGrantPerSession,
}

impl Oddity {
    /// The oddest provider that there is: all habits that do not exclude each other. Its keys are ordinary.
    pub const ODDEST: [Self; 16] = [
        Self::Compresses,
        Self::Nulls,
        Self::ByteOrderMark,
        Self::CreatesTokens,
        Self::IssuerWithPath,
        Self::LifetimesAsStrings,
        Self::TokenCharacters,
        Self::RefreshesIdTokens,
        Self::MovingAuthTime,
        Self::NoNonce,
        Self::ManyGroups,
        Self::RefusesWith403,
        Self::SloppyMetadata,
        Self::NamelessKey,
        Self::SloppyClaims,
        Self::MislabelledJson,
    ];

    /// Ways to spell a key, one at a time.
    pub const OF_KEYS: [Self; 3] = [Self::ShortCoordinate, Self::LeadingZeroModulus, Self::PaddedModulus];
}

/// The path of an issuer that has one.
pub(super) const ISSUER_PATH: &str = "/tenants/one";

/// What an access token ends in that has every character.
pub(super) const TOKEN_CHARACTERS: &str = "|!:#$%&'()*+-./;<=>?@[]^_`{}~";

/// All habits of one provider.
#[derive(Clone, Debug, Default)]
pub(super) struct Oddities(pub(super) Vec<Oddity>);

impl Oddities {
    pub(super) fn has(&self, oddity: Oddity) -> bool {
        self.0.contains(&oddity)
    }

    /// The path of its issuer.
    pub(super) fn path(&self) -> &'static str {
        if self.has(Oddity::IssuerWithPath) { ISSUER_PATH } else { "" }
    }

    /// What it signs with, and publishes.
    pub(super) fn signing_key(&self) -> SigningKey {
        let spelling = Spelling {
            leading_zero: self.has(Oddity::LeadingZeroModulus),
            padded: self.has(Oddity::PaddedModulus),
            short_coordinates: self.has(Oddity::ShortCoordinate),
        };
        let key = if spelling.short_coordinates { SigningKey::short() } else { SigningKey::provider() };
        key.spelled(spelling)
    }

    /// How it answers a grant that it does not accept.
    pub(super) fn refused_grant(&self) -> (StatusCode, Value) {
        if self.has(Oddity::RefusesInItsOwnWords) {
            let words = json!({"status": 400, "message": "Invalid refresh token"});
            return (StatusCode::BAD_REQUEST, words);
        }
        if self.has(Oddity::RefusesTheRequest) {
            let error = json!({"error": "invalid_request", "error_description": "Refresh token is invalid."});
            return (StatusCode::BAD_REQUEST, error);
        }
        let forbidden = self.has(Oddity::RefusesWith403);
        let status = if forbidden { StatusCode::FORBIDDEN } else { StatusCode::BAD_REQUEST };
        (status, json!({"error": "invalid_grant"}))
    }

    /// An ID token, at a login or a refresh.
    pub(super) fn edit_id_token(&self, token: &mut IdTokenDraft, is_refresh: bool, now: i64) {
        if self.has(Oddity::NoNonce) {
            token.without("nonce");
        }
        if self.has(Oddity::MovingAuthTime) && is_refresh {
            token.claims["auth_time"] = json!(now);
        }
        if self.has(Oddity::ManyGroups) {
            let groups: Vec<_> =
                (0..300).map(|number| format!("{number:08x}-1111-4222-8333-444455556666")).collect();
            token.claims["groups"] = json!(groups);
        }
        if self.has(Oddity::SloppyClaims) {
            token.claims["aud"] = json!([token.claims["aud"], token.claims["aud"]]);
            token.claims["azp"] = json!("");
            token.header["typ"] = json!("id_token");
        }
        if self.has(Oddity::Nulls) {
            if is_refresh {
                token.claims["at_hash"] = Value::Null;
            }
            add_nulls(&mut token.claims, &["nonce", "acr", "amr", "azp", "nbf", "c_hash", "events", "cnf"]);
            add_nulls(&mut token.header, &["x5t", "x5c", "jku", "jwk", "cty", "crit"]);
        }
    }

    /// A logout token.
    pub(super) fn edit_logout_token(&self, token: &mut IdTokenDraft) {
        if self.has(Oddity::Nulls) {
            add_nulls(&mut token.claims, &["sub", "sid", "nonce", "nbf", "azp"]);
            add_nulls(&mut token.header, &["x5t", "crit"]);
        }
    }

    /// The JSON of an answer.
    pub(super) fn edit_json(&self, endpoint: Endpoint, body: &mut Value) {
        if self.has(Oddity::LifetimesAsStrings)
            && let Some(lifetime) = body.get("expires_in").and_then(Value::as_u64)
        {
            body["expires_in"] = json!(lifetime.to_string());
        }
        if self.has(Oddity::SloppyMetadata) && endpoint == Endpoint::Discovery {
            body["pushed_authorization_request_endpoint"] = json!("");
            body["code_challenge_methods_supported"] = json!([null, "S256"]);
            body["token_endpoint_auth_methods_supported"] = json!([null, "client_secret_basic"]);
            body["id_token_signing_alg_values_supported"] =
                body["id_token_signing_alg_values_supported"][0].clone();
            body["authorization_response_iss_parameter_supported"] = json!("true");
            body["frontchannel_logout_session_supported"] = json!("");
        }
        if self.has(Oddity::NamelessKey)
            && let Some(key) = body.get_mut("keys").and_then(|keys| keys.get_mut(0))
        {
            key["kid"] = json!("");
        }
        if !self.has(Oddity::Nulls) {
            return;
        }
        match endpoint {
            Endpoint::Discovery => add_nulls(
                body,
                &[
                    "pushed_authorization_request_endpoint",
                    "require_pushed_authorization_requests",
                    "require_signed_request_object",
                    "dpop_signing_alg_values_supported",
                    "registration_endpoint",
                    "signed_metadata",
                    "mtls_endpoint_aliases",
                ],
            ),
            Endpoint::Jwks => {
                for key in body["keys"].as_array_mut().into_iter().flatten() {
                    key["use"] = Value::Null;
                    add_nulls(key, &["key_ops", "x5u", "x5c", "x5t", "x5t#S256", "issuer", "k", "d"]);
                }
            }
            Endpoint::CodeExchange | Endpoint::Refresh => add_nulls(
                body,
                &[
                    "refresh_token",
                    "id_token",
                    "error",
                    "error_description",
                    "error_uri",
                    "refresh_expires_in",
                ],
            ),
            Endpoint::Push => add_nulls(body, &["error", "error_description"]),
            Endpoint::UserInfo => {
                add_nulls(
                    body,
                    &["nonce", "events", "iss", "aud", "exp", "address", "phone_number", "locale"],
                );
            }
            _ => {}
        }
    }

    /// The media type of its JSON.
    pub(super) fn json_type(&self) -> &'static str {
        if self.has(Oddity::MislabelledJson) { "text/html; charset=utf-8" } else { "application/json" }
    }

    /// The bytes of an answer to somebody who accepts these codings.
    pub(super) fn encode(
        &self,
        request: &HeaderMap,
        is_json: bool,
        body: Bytes,
    ) -> (Bytes, Option<&'static str>) {
        let body = if is_json && self.has(Oddity::ByteOrderMark) {
            Bytes::from(["\u{feff}".as_bytes(), &body].concat())
        } else {
            body
        };
        let wants_identity = request
            .get(header::ACCEPT_ENCODING)
            .is_some_and(|value| value.to_str().is_ok_and(|it| it.eq_ignore_ascii_case("identity")));
        if !self.has(Oddity::Compresses) || wants_identity || body.is_empty() {
            let label = (is_json && self.has(Oddity::MislabelledJson)).then_some("utf-8");
            return (body, label);
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&body).expect("memory can be written to");
        (encoder.finish().expect("memory can be written to").into(), Some("gzip"))
    }
}

/// Those of these members that are not there become `null`.
fn add_nulls(object: &mut Value, members: &[&str]) {
    for member in members {
        if object.get(member).is_none() {
            object[*member] = Value::Null;
        }
    }
}
