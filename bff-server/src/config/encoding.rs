//! Text files as editors and shells save them: UTF-8, also behind a byte order mark, and UTF-16 behind its own.

use std::borrow::Cow;

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const UTF16_LE_MARK: &[u8] = b"\xff\xfe";
const UTF16_BE_MARK: &[u8] = b"\xfe\xff";

/// A mark of UTF-16, and how the two bytes of a unit are read behind it.
type Order = (&'static [u8], fn([u8; 2]) -> u16);

/// Text, and the byte order mark that was skipped in front of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) mark: Option<&'static str>,
}

/// Reads bytes as text. `None` if they are none.
pub(super) fn decode(bytes: &[u8]) -> Option<Decoded<'_>> {
    if let Some(rest) = bytes.strip_prefix(UTF8_MARK) {
        return Some(Decoded { text: std::str::from_utf8(rest).ok()?.into(), mark: Some("UTF-8") });
    }
    let orders: [Order; 2] = [(UTF16_LE_MARK, u16::from_le_bytes), (UTF16_BE_MARK, u16::from_be_bytes)];
    for (mark, unit) in orders {
        if let Some(rest) = bytes.strip_prefix(mark) {
            let (pairs, odd) = rest.as_chunks::<2>();
            if !odd.is_empty() {
                return None;
            }
            let units: Vec<u16> = pairs.iter().copied().map(unit).collect();
            return Some(Decoded { text: String::from_utf16(&units).ok()?.into(), mark: Some("UTF-16") });
        }
    }
    Some(Decoded { text: std::str::from_utf8(bytes).ok()?.into(), mark: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_with_and_without_a_byte_order_mark() {
        let utf16 = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
            "\u{feff}a: \u{e9}\r\n".encode_utf16().flat_map(unit).collect()
        };
        for (bytes, text, mark) in [
            (b"a: b\n".to_vec(), "a: b\n", None),
            (b"\xef\xbb\xbfa: b\n".to_vec(), "a: b\n", Some("UTF-8")),
            (utf16(u16::to_le_bytes), "a: \u{e9}\r\n", Some("UTF-16")),
            (utf16(u16::to_be_bytes), "a: \u{e9}\r\n", Some("UTF-16")),
            (b"".to_vec(), "", None),
        ] {
            assert_eq!(decode(&bytes), Some(Decoded { text: text.into(), mark }), "{bytes:?}");
        }
        for bytes in [&b"\xe9"[..], b"\xff\xfea", b"\xff\xfe\x00\xd8", b"\xef\xbb\xbf\xff"] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
