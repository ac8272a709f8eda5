//! Whether an API may find another path in a request than we do.
//!
//! We read a path to decide which upstream it goes to, and which rules hold there. An API may decode it once more, or in
//! another way, and serve something else. So a path that can be read in two ways is refused before it goes on.

use percent_encoding::percent_decode;

/// Why a path can be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguity {
    /// It has a segment that leads elsewhere, after one or two decodings: dots, also beside encoded slashes, path parameters,
    /// controls and spaces, and overlong UTF-8, which some decode to a dot or a slash (RFC 3629 §10).
    LeadsElsewhere,
    /// It has an encoded slash or backslash, which some take for a separator (RFC 3986 §2.2).
    EncodedSlash,
}

/// Why this path, without its query, can be read in two ways, if it can.
pub fn ambiguity(path: &str) -> Option<Ambiguity> {
    let once: Vec<u8> = percent_decode(path.as_bytes()).collect();
    let twice: Vec<u8> = percent_decode(&once).collect();
    if [&once, &twice].into_iter().any(|path| leads_elsewhere(path)) {
        return Some(Ambiguity::LeadsElsewhere);
    }
    let separators = |path: &[u8]| path.iter().filter(|byte| matches!(byte, b'/' | b'\\')).count();
    (separators(&once) > separators(path.as_bytes()) || once.contains(&b'\\'))
        .then_some(Ambiguity::EncodedSlash)
}

/// The path as somebody reads it who decodes slashes.
pub fn decoded(path: &str) -> String {
    percent_decode(path.as_bytes()).decode_utf8_lossy().replace('\\', "/")
}

fn leads_elsewhere(path: &[u8]) -> bool {
    is_overlong(path) || path.split(|byte| matches!(byte, b'/' | b'\\')).any(is_dots)
}

/// Some cut path parameters off, some skip controls, and some trim.
fn is_dots(segment: &[u8]) -> bool {
    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    let mut left = name.iter().filter(|byte| **byte > b' ' && **byte != 0x7f);
    matches!((left.next(), left.next(), left.next()), (Some(b'.'), None | Some(b'.'), None))
}

/// ASCII in more bytes than it takes.
fn is_overlong(path: &[u8]) -> bool {
    let next = |at: usize| path.get(at + 1).copied().unwrap_or_default();
    path.iter().enumerate().any(|(at, byte)| match byte {
        0xc0 | 0xc1 => true,
        0xe0 => matches!(next(at), 0x80..=0x9f),
        0xf0 => matches!(next(at), 0x80..=0x8f),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::{Ambiguity::*, *};

    #[test]
    fn sec_164_and_204_a_path_that_can_be_read_in_two_ways_is_recognised() {
        for (path, expected) in [
            ("/api/../x", Some(LeadsElsewhere)),
            ("/api/./x", Some(LeadsElsewhere)),
            ("/api/x/..", Some(LeadsElsewhere)),
            ("/api/%2e%2E/x", Some(LeadsElsewhere)),
            ("/api/.%2e/x", Some(LeadsElsewhere)),
            ("/api/..%2fx", Some(LeadsElsewhere)),
            ("/api/..%5cx", Some(LeadsElsewhere)),
            ("/api/..;a=b/x", Some(LeadsElsewhere)),
            ("/api/..%3ba=b/x", Some(LeadsElsewhere)),
            // Decoded twice.
            ("/api/%252e%252e/x", Some(LeadsElsewhere)),
            ("/api/%252e%252e%252fx", Some(LeadsElsewhere)),
            ("/api/..%252fx", Some(LeadsElsewhere)),
            ("/api/%2e%252e/x", Some(LeadsElsewhere)),
            // Controls and spaces that some skip or trim.
            ("/api/..%00/x", Some(LeadsElsewhere)),
            ("/api/..%20/x", Some(LeadsElsewhere)),
            ("/api/.%09./x", Some(LeadsElsewhere)),
            ("/api/%0d../x", Some(LeadsElsewhere)),
            ("/api/..%7f/x", Some(LeadsElsewhere)),
            ("/api/..%2500/x", Some(LeadsElsewhere)),
            // Overlong.
            ("/api/%c0%ae%c0%ae/x", Some(LeadsElsewhere)),
            ("/api/%c0%ae./x", Some(LeadsElsewhere)),
            ("/api/..%c0%afx", Some(LeadsElsewhere)),
            ("/api/%e0%80%ae%e0%80%ae/x", Some(LeadsElsewhere)),
            ("/api/%f0%80%80%ae/x", Some(LeadsElsewhere)),
            ("/api/%25c0%25ae/x", Some(LeadsElsewhere)),
            ("/api/a%2fb", Some(EncodedSlash)),
            ("/api/group%2Fproject/issues", Some(EncodedSlash)),
            ("/api/a%5cb", Some(EncodedSlash)),
            ("/api/a\\b", Some(EncodedSlash)),
            ("/api%2fx", Some(EncodedSlash)),
            ("/api/x", None),
            ("/api/", None),
            ("/api//x", None),
            ("/api/..x", None),
            ("/api/x..", None),
            ("/api/...", None),
            ("/api/.well-known/x", None),
            ("/api/v1.0/x", None),
            ("/api/a;b=c/d", None),
            ("/api/a%20b", None),
            ("/api/100%25", None),
            ("/api/100%2525", None),
            ("/api/50%25%20off", None),
            ("/api/Z%C3%BCrich", None),
            ("/api/%e6%97%a5%e6%9c%ac", None),
            ("/api/%e0%a4%85", None),
            ("/api/caf%e9", None),
            ("/api/a%252fb", None),
        ] {
            assert_eq!(ambiguity(path), expected, "{path}");
        }
    }
}
