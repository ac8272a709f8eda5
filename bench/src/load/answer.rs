//! Where an answer in HTTP/1.1 ends.

/// What is known of an answer of which this much has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More must come.
    Partial,
    /// It is there, with this status.
    Whole(u16),
}

/// Looks at the bytes that have come so far. They must be those of one answer.
pub(super) fn progress(received: &[u8]) -> Progress {
    let Some(head_end) = received.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4) else {
        return Progress::Partial;
    };
    let (head, body) = received.split_at(head_end);
    let status =
        std::str::from_utf8(&head[9..12]).ok().and_then(|code| code.parse().ok()).expect("a status line");
    let whole = match header(head, b"content-length:") {
        Some(length) => {
            let length: usize =
                std::str::from_utf8(length).ok().and_then(|it| it.parse().ok()).expect("a length");
            body.len() >= length
        }
        None if header(head, b"transfer-encoding:").is_some() => body.ends_with(b"0\r\n\r\n"),
        None => true,
    };
    if whole { Progress::Whole(status) } else { Progress::Partial }
}

fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (start, value) = line.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_last_byte_is_there() {
        for whole in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"[..],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
        ] {
            assert!(matches!(progress(whole), Progress::Whole(200 | 204)), "{whole:?}");
            for cut in 0..whole.len() {
                assert_eq!(progress(&whole[..cut]), Progress::Partial, "{cut} of {whole:?}");
            }
        }
    }
}
