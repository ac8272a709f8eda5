//! Tokens as providers issue them, of a wanted length: JWTs, and opaque ones where that is too short for one.

use authtool_bff::{adapters::SystemEntropy, ports::Entropy as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The lengths of a session's tokens, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenSizes {
    pub(crate) access: usize,
    pub(crate) refresh: usize,
    pub(crate) id: usize,
}

impl TokenSizes {
    /// As those that Keycloak issues for a user with a few roles.
    pub(crate) const USUAL: Self = Self { access: 1_100, refresh: 650, id: 950 };
}

/// Those that are longer have the signature of an RSA key of 2048 bits; the others that of ES256, or of HS512 as Keycloak's
/// refresh tokens.
const LONGEST_WITH_SHORT_SIGNATURE: usize = 800;

/// A token of `length` characters, whose claims begin with `claims` (`"name":value,…`). What they leave over are groups with
/// random names: nothing could make those shorter.
pub(crate) fn token(claims: &str, length: usize) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT","kid":"N2QxYzllNjYtMDAwMC00"}"#);
    let signature = match length {
        ..=LONGEST_WITH_SHORT_SIGNATURE => URL_SAFE_NO_PAD.encode(random::<64>()),
        _ => URL_SAFE_NO_PAD.encode(random::<256>()),
    };
    let (head, tail) = (format!(r#"{{{claims},"groups":[""#), r#""]}"#);
    let around = header.len() + signature.len() + 2;
    // As many bytes as are so many characters; one character more than a multiple of four is none.
    let payload_bytes = length.saturating_sub(around) * 3 / 4;
    let Some(room) = payload_bytes.checked_sub(head.len() + tail.len()) else {
        return opaque(length);
    };
    let mut payload = head;
    let full = payload.len() + room;
    while payload.len() < full {
        payload.push_str(&opaque(27));
        payload.push_str(r#"",""#);
    }
    payload.truncate(full);
    payload.push_str(tail);
    format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(payload))
}

fn opaque(length: usize) -> String {
    let mut text = String::new();
    while text.len() < length {
        text.push_str(&URL_SAFE_NO_PAD.encode(random::<48>()));
    }
    text.truncate(length);
    text
}

/// Fresh randomness.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemEntropy.fill(&mut bytes).expect("the system has randomness");
    bytes
}
