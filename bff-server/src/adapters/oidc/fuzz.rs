//! What the provider sends, for [`crate::fuzz`].

use super::{authorization_endpoint, jwks::KeySet, jws::Header};
use crate::domain::credential::IdToken;

/// Two of the provider's keys, of which nobody here has the private halves.
const KEYS: &str = r#"{"keys":[
    {"kty":"EC","kid":"a","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
    {"kty":"OKP","kid":"b","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// A key set, and a token's search for its key in it.
pub(crate) fn keys(document: &[u8]) {
    let Ok(keys) = KeySet::parse(document) else { return };
    for header in [
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"RS256","kid":"a"}"#,
        r#"{"alg":"ES256"}"#,
        r#"{"alg":"EdDSA","kid":""}"#,
    ] {
        let token = format!("{}.e30.c2ln", encoded(header));
        let Ok(token) = IdToken::parse(token) else { continue };
        let Ok(header) = Header::of(token.expose()) else { continue };
        assert!(keys.verify(token.expose(), &header).is_err(), "a signature that nobody made verifies");
    }
}

/// A signed token, whose signature is checked with the keys of a provider.
pub(crate) fn token(token: &IdToken) {
    let Ok(header) = Header::of(token.expose()) else { return };
    let Ok(keys) = KeySet::parse(KEYS.as_bytes()) else { return };
    assert!(keys.verify(token.expose(), &header).is_err(), "a signature that nobody made verifies");
}

fn encoded(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

/// The answer to a pushed authorization request.
pub(crate) fn pushed_request(data: &[u8]) {
    if let Some(uri) = authorization_endpoint::request_uri(data) {
        assert!(uri.len() <= 2048 && uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri:?}");
    }
}
