//! Tokens in fewer bytes: the parts of a JWT, and most opaque tokens, are base64url, which takes four characters for
//! three bytes.
//!
//! A token is cut at its dots. Each part is its header, as a varint, and its bytes:
//!
//! ```text
//! bit 0       whether the bytes are the part decoded; otherwise they are its text
//! bit 1       whether a dot and another part follow
//! the rest    how many bytes they are
//! ```
//!
//! Only a part that comes back as the same text is decoded: what was put in is what comes out, character by character.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::varint;

const DECODED: u64 = 1;
const MORE: u64 = 2;
const LENGTH_SHIFT: u32 = 2;

/// A text in fewer bytes.
pub(super) fn pack(text: &str) -> Zeroizing<Vec<u8>> {
    // With room for every header: growing would leave a copy behind.
    let mut packed = Zeroizing::new(Vec::with_capacity(text.len() + 3 * text.split('.').count()));
    let mut parts = text.split('.').peekable();
    while let Some(part) = parts.next() {
        let more = if parts.peek().is_some() { MORE } else { 0 };
        // The engine refuses padding and stray bits: one sequence of bytes has one spelling.
        let decoded = URL_SAFE_NO_PAD.decode(part).map(Zeroizing::new);
        let (flag, bytes) = match &decoded {
            Ok(bytes) => (DECODED, bytes.as_slice()),
            Err(_) => (0, part.as_bytes()),
        };
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        varint::write((length << LENGTH_SHIFT) | more | flag, &mut packed);
        packed.extend_from_slice(bytes);
    }
    packed
}

/// What [`pack`] made, as text; `None` for anything else.
pub(super) fn unpack(mut packed: &[u8]) -> Option<Zeroizing<String>> {
    // Enough for a JWT. A text of many parts, of one character each, grows.
    let mut text = Zeroizing::new(String::with_capacity(packed.len() / 3 * 4 + 16));
    loop {
        let header = varint::read(&mut packed)?;
        let (bytes, rest) = packed.split_at_checked(usize::try_from(header >> LENGTH_SHIFT).ok()?)?;
        packed = rest;
        if header & DECODED == 0 {
            text.push_str(std::str::from_utf8(bytes).ok()?);
        } else {
            base64_simd::URL_SAFE_NO_PAD.encode_append(bytes, &mut *text);
        }
        if header & MORE == 0 {
            break;
        }
        text.push('.');
    }
    packed.is_empty().then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed_length(text: &str) -> usize {
        let packed = pack(text);
        assert_eq!(unpack(&packed).as_deref().map(String::as_str), Some(text));
        packed.len()
    }

    #[test]
    fn a_jwt_takes_three_quarters_of_its_text() {
        let part = |length: usize| "eyJ0".repeat(length / 4);
        let jwt = format!("{}.{}.{}", part(100), part(700), part(344));
        assert_eq!(packed_length(&jwt), (100 + 700 + 344) / 4 * 3 + 2 + 2 + 2);
    }

    #[test]
    fn any_text_comes_back_as_it_was() {
        for text in [
            "",
            ".",
            "...",
            "a",
            "ab",
            "abc",
            "YWJj==",
            "a+b/c",
            // Bits beyond the last byte: it decodes nowhere, or to what is spelled differently.
            "YWK",
            "a.b.c",
            "eyJhbGciOiJub25lIn0.eyJ4IjoxfQ.",
            "gho_16C7e42F292c6912E7710c838347Ae178B4a",
            "3f2b8a54-0000-4000-8000-000000000000.7c1d9e66-0000-4000-8000-000000000000",
            "M.C1_BAY.-CZ!a*b$$",
            "ä.ö",
        ] {
            packed_length(text);
        }
    }

    #[test]
    fn text_that_is_not_base64url_costs_two_bytes() {
        assert_eq!(packed_length(&"+".repeat(1_000)), 1_002);
    }

    proptest! {
        #[test]
        fn whatever_is_packed_is_unpacked(text in r"[A-Za-z0-9_.~+/=-]{0,300}|\PC{0,60}") {
            prop_assert_eq!(unpack(&pack(&text)), Some(Zeroizing::new(text)));
        }

        #[test]
        fn whatever_unpacks_is_text(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(text) = unpack(&bytes) {
                prop_assert_eq!(unpack(&pack(&text)), Some(text));
            }
        }
    }
}
